/**
 * Why a TLS connection to the server was refused, in words: one stable code, one short line that goes to the
 * POP3 client within `-ERR`, and what an administrator can do. Decides nothing; it names what OpenSSL, Node or
 * `ServerTls` decided.
 */
import type { X509Certificate } from 'node:crypto'
import { isoDate } from './authority.js'
import { errorCode } from './key-file.js'
import { printable } from './names.js'

/** Stable names of what can go wrong with TLS toward the server. */
export type TlsFailureCode =
  | 'POSTERN_SERVER_CERTIFICATE_EXPIRED'
  | 'POSTERN_SERVER_CERTIFICATE_NOT_YET_VALID'
  | 'POSTERN_SERVER_CERTIFICATE_WRONG_NAME'
  | 'POSTERN_SERVER_CERTIFICATE_SELF_SIGNED'
  | 'POSTERN_SERVER_CERTIFICATE_UNKNOWN_ISSUER'
  | 'POSTERN_SERVER_CERTIFICATE_WEAK'
  | 'POSTERN_SERVER_CERTIFICATE_NOT_PINNED'
  | 'POSTERN_SERVER_CERTIFICATE_REVOKED'
  | 'POSTERN_SERVER_CERTIFICATE_INVALID'
  | 'POSTERN_SERVER_TLS_TOO_OLD'
  | 'POSTERN_SERVER_TLS_ABSENT'
  | 'POSTERN_SERVER_TLS_WRONG_PROTOCOL'
  | 'POSTERN_SERVER_TLS_WEAK'
  | 'POSTERN_SERVER_TLS_REFUSED'
  | 'POSTERN_SERVER_TLS_CLOSED'
  | 'POSTERN_SERVER_TLS_FAILED'

/** One refusal. */
export interface TlsFailure {
  readonly code: TlsFailureCode
  /** Whether trying again is pointless until somebody acts: `[SYS/PERM]` rather than `[SYS/TEMP]`, RFC 3206. */
  readonly permanent: boolean
  /** One line of printable ASCII for the client, without a full stop. */
  readonly text: string
  /** What an administrator can do. */
  readonly hint: string
}

/** A {@link TlsFailure} on its way through an interface that takes errors only, such as `checkServerIdentity`. */
export class TlsFailureError extends Error {
  override readonly name = 'TlsFailureError'
  readonly failure: TlsFailure
  readonly code: TlsFailureCode

  constructor(failure: TlsFailure) {
    super(failure.text)
    this.failure = failure
    this.code = failure.code
  }
}

/** What was known of the connection when it failed. */
export interface FailureContext {
  /** Name that the server's certificate had to carry. */
  readonly name: string
  /** Certificates that the server sent, its own first; empty where none arrived. */
  readonly chain: readonly X509Certificate[]
  readonly minimumTls: 'TLSv1.2' | 'TLSv1.3'
  readonly now: Date
}

const CLOCK_HINT = 'if the certificate is right, the clock of this machine is wrong'
const RENEW_HINT = 'the operator of the server has to renew it'
const ACCEPT_HINT =
  'to trust it all the same, name its SHA-256 fingerprint with --accept-certificate or under accept-certificates'
const CA_HINT = 'name the authority with --upstream-ca if it is a private one'

/**
 * Puts an error of Node or OpenSSL, or the code of one (`authorizationError`), into words.
 *
 * @param error what 'error' brought, or the code of a failed verification
 */
export function describeTlsError(error: unknown, context: FailureContext): TlsFailure {
  if (error instanceof TlsFailureError) return error.failure
  const code = typeof error === 'string' ? error : (errorCode(error) ?? '')
  const message = error instanceof Error ? error.message : String(error)
  return certificateFailure(code, message, context) ?? handshakeFailure(code, message, context)
}

/** The certificate is for another name. */
export function wrongName(certificate: X509Certificate, name: string): TlsFailure {
  const names = namesOf(certificate)
  const [first, second, ...more] = names
  const shown =
    first === undefined
      ? 'no name'
      : [first, ...(second === undefined ? [] : [second])].join(', ') +
        (more.length === 0 ? '' : ` and ${more.length} more`)
  return {
    code: 'POSTERN_SERVER_CERTIFICATE_WRONG_NAME',
    permanent: true,
    text: `server certificate is for ${shown}, not ${printable(name)}`,
    hint: `connect to a name that the certificate carries, or name it with --upstream-name; ${ACCEPT_HINT}`,
  }
}

/** A key of the chain is too short; `depth` 0 is the server's own. */
export function weakKey(bits: number | null, keyType: string, depth: number): TlsFailure {
  const whose = depth === 0 ? 'server certificate' : 'issuer of the server certificate'
  const key = bits === null ? `an unsuitable key (${printable(keyType, 20)})` : `a ${bits}-bit key`
  return {
    code: 'POSTERN_SERVER_CERTIFICATE_WEAK',
    permanent: true,
    text: `${whose} has ${key}`,
    hint: 'RSA needs 2048 bits and elliptic curves 256; the operator of the server has to replace it',
  }
}

/** No pin fits the certificate. */
export function notPinned(certificate: string, publicKey: string): TlsFailure {
  return {
    code: 'POSTERN_SERVER_CERTIFICATE_NOT_PINNED',
    permanent: true,
    text: 'server certificate is not the pinned one',
    hint: `its public key has the pin ${publicKey}, the certificate the fingerprint ${certificate}: if the server has changed it, ask its operator, then change the pin`,
  }
}

/** ALPN chose something that is not POP3. */
export function wrongProtocol(alpn: string): TlsFailure {
  return {
    code: 'POSTERN_SERVER_TLS_WRONG_PROTOCOL',
    permanent: true,
    text: `server speaks ${printable(alpn, 20)}, not POP3`,
    hint: 'look at the host and port of the upstream',
  }
}

/** The version agreed on is below the one asked for. */
export function tooOld(minimumTls: 'TLSv1.2' | 'TLSv1.3'): TlsFailure {
  return {
    code: 'POSTERN_SERVER_TLS_TOO_OLD',
    permanent: true,
    text: `server speaks nothing newer than ${minimumTls === 'TLSv1.3' ? 'TLS 1.2' : 'TLS 1.1'}`,
    hint: 'the server has to be updated; postern sends no login over versions that are broken',
  }
}

/** The server completed a handshake without a certificate. */
export function noCertificate(): TlsFailure {
  return {
    code: 'POSTERN_SERVER_CERTIFICATE_INVALID',
    permanent: true,
    text: 'server showed no certificate',
    hint: 'the server has to be given a certificate',
  }
}

function certificateFailure(code: string, message: string, context: FailureContext): TlsFailure | null {
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return expired(context)
    case 'CERT_NOT_YET_VALID':
      return notYetValid(context)
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return {
        code: 'POSTERN_SERVER_CERTIFICATE_SELF_SIGNED',
        permanent: true,
        text: 'server certificate is self-signed',
        hint: `${CA_HINT}; ${ACCEPT_HINT}`,
      }
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'CERT_UNTRUSTED':
    case 'CERT_REJECTED':
      return unknownIssuer(context)
    case 'CERT_REVOKED':
      return {
        code: 'POSTERN_SERVER_CERTIFICATE_REVOKED',
        permanent: true,
        text: 'server certificate is revoked',
        hint: RENEW_HINT,
      }
    case 'HOSTNAME_MISMATCH':
    case 'ERR_TLS_CERT_ALTNAME_INVALID': {
      const [own] = context.chain
      return own === undefined ? invalid('is for another name') : wrongName(own, context.name)
    }
    case 'INVALID_PURPOSE':
      return invalid('is not meant for servers')
    case 'INVALID_CA':
    case 'PATH_LENGTH_EXCEEDED':
    case 'CERT_CHAIN_TOO_LONG':
      return invalid('is issued by one that may not issue')
    case 'CERT_SIGNATURE_FAILURE':
      return invalid('carries a wrong signature')
    default:
  }
  // Node has no name for these verdicts of OpenSSL and says UNSPECIFIED; only the text tells them apart.
  if (
    /(certificate key|\bmd|digest).* too weak|key too small/i.test(message) ||
    /_TOO_(SMALL|WEAK)$/.test(code)
  )
    return {
      code: 'POSTERN_SERVER_CERTIFICATE_WEAK',
      permanent: true,
      text: /md|digest/i.test(message)
        ? 'server certificate has a signature that is too weak'
        : 'server certificate has a key that is too short',
      hint: `RSA needs 2048 bits and a signature SHA-256; ${RENEW_HINT}`,
    }
  return code === 'UNSPECIFIED' ? invalid(`is refused (${printable(message, 60)})`) : null
}

function expired({ chain, now }: FailureContext): TlsFailure {
  const depth = chain.findIndex((certificate) => new Date(certificate.validTo) <= now)
  const late = chain[depth]
  const whose = depth > 0 ? 'issuer of the server certificate' : 'server certificate'
  return {
    code: 'POSTERN_SERVER_CERTIFICATE_EXPIRED',
    permanent: true,
    text: late === undefined ? `${whose} expired` : `${whose} expired on ${isoDate(late.validTo)}`,
    hint: `${RENEW_HINT}; ${CLOCK_HINT}`,
  }
}

function notYetValid({ chain, now }: FailureContext): TlsFailure {
  const depth = chain.findIndex((certificate) => new Date(certificate.validFrom) > now)
  const early = chain[depth]
  const whose = depth > 0 ? 'issuer of the server certificate' : 'server certificate'
  return {
    code: 'POSTERN_SERVER_CERTIFICATE_NOT_YET_VALID',
    permanent: true,
    text:
      early === undefined
        ? `${whose} is not yet valid`
        : `${whose} is valid only from ${isoDate(early.validFrom)} on`,
    hint: CLOCK_HINT,
  }
}

function unknownIssuer({ chain }: FailureContext): TlsFailure {
  const last = chain.at(-1)
  const issuer = last === undefined ? null : commonName(last.issuer)
  return {
    code: 'POSTERN_SERVER_CERTIFICATE_UNKNOWN_ISSUER',
    permanent: true,
    text: `server certificate is issued by an unknown authority${issuer === null ? '' : ` (${issuer})`}`,
    hint: `${CA_HINT}, or have the server send its intermediate certificates; ${ACCEPT_HINT}`,
  }
}

function invalid(what: string): TlsFailure {
  return {
    code: 'POSTERN_SERVER_CERTIFICATE_INVALID',
    permanent: true,
    text: `server certificate ${what}`,
    hint: `the operator of the server has to replace it; ${ACCEPT_HINT}`,
  }
}

function handshakeFailure(code: string, message: string, context: FailureContext): TlsFailure {
  if (/PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW/.test(code)) return tooOld(context.minimumTls)
  if (/NO_APPLICATION_PROTOCOL/.test(code))
    return {
      code: 'POSTERN_SERVER_TLS_WRONG_PROTOCOL',
      permanent: true,
      text: 'server does not speak POP3 on this port',
      hint: 'look at the host and port of the upstream',
    }
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNKNOWN_PROTOCOL|HTTP_REQUEST/.test(code))
    return {
      code: 'POSTERN_SERVER_TLS_ABSENT',
      permanent: true,
      text: 'server does not answer in TLS',
      hint: 'port 995 is usual for pop3s://, port 110 for pop3+stls://; a firewall that inspects mail may break STLS',
    }
  if (/DH_PARAM_SIZE|DH_KEY_TOO_SMALL|BAD_ECPOINT|WEAK/.test(code))
    return {
      code: 'POSTERN_SERVER_TLS_WEAK',
      permanent: true,
      text: 'server offers a key exchange that is too weak',
      hint: 'the server has to offer ECDHE, or DHE with 2048 bits',
    }
  if (/ALERT|UNRECOGNIZED_NAME|HANDSHAKE_FAILURE|NO_SHARED_CIPHER|NO_CIPHERS/.test(code))
    return {
      code: 'POSTERN_SERVER_TLS_REFUSED',
      permanent: false,
      text: `server refused TLS (${alertText(code)})`,
      hint: 'see the log of the server for its reason; its name or its TLS settings may not fit',
    }
  if (/^(ECONNRESET|EPIPE|ECONNABORTED)$/.test(code) || /EOF/.test(code))
    return {
      code: 'POSTERN_SERVER_TLS_CLOSED',
      permanent: false,
      text: 'server closed the connection within the TLS handshake',
      hint: 'see the log of the server for its reason; it may be limiting connections',
    }
  return {
    code: 'POSTERN_SERVER_TLS_FAILED',
    permanent: false,
    text: `TLS with the server failed (${printable(code === '' ? message : code, 60)})`,
    hint: 'try: openssl s_client -connect HOST:PORT',
  }
}

/** `handshake failure` out of `ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE`; OpenSSL's prefixes differ by version. */
function alertText(code: string): string {
  const alert = code.replace(/^ERR_SSL_(.*ALERT_|TLSV1_)?/, '')
  return printable(alert.toLowerCase().replaceAll('_', ' '), 60)
}

/** Names of the certificate, or the common name where it has none; at most 40 characters each. */
function namesOf(certificate: X509Certificate): string[] {
  const listed = certificate.subjectAltName
    ?.split(', ')
    .filter((entry) => /^(DNS|IP Address):/.test(entry))
    .map((entry) => printable(entry.slice(entry.indexOf(':') + 1), 40))
  if (listed !== undefined && listed.length > 0) return listed
  const common = commonName(certificate.subject)
  return common === null ? [] : [common]
}

function commonName(distinguishedName: string): string | null {
  const value = /^CN=(.*)$/m.exec(distinguishedName)?.[1]
  return value === undefined || value === '' ? null : printable(value, 40)
}
