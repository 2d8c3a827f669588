/**
 * What observers and the log say about an established TLS connection. Reads the socket once and keeps nothing of it.
 */
import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { LRUCache } from 'lru-cache'
import type { CertificateFacts, TlsFacts } from '../trace/event.js'
import { printable } from './names.js'

/** Alternative names that are told; a certificate of a large provider has hundreds. */
const NAMES_TOLD = 16
const NAME_CHARACTERS = 253
/** A proxy sees its own certificates and those of its servers, over and over. */
const CERTIFICATES_REMEMBERED = 256

/** By fingerprint: reading the rest of a certificate takes ten times as long, at each handshake that somebody watches. */
const described = new LRUCache<string, CertificateFacts>({ max: CERTIFICATES_REMEMBERED })

/**
 * Reads the facts of a connection whose handshake is done. Must not be called before 'secureConnect' (a server's
 * 'secure'): once a peer's certificate was asked for, Node itself finds none to verify.
 *
 * @param whose leaf to describe: our `own`, or the `peer`'s; null where nobody looks, since decoding it costs
 */
export function tlsFacts(socket: TLSSocket, whose: 'own' | 'peer' | null = null): TlsFacts {
  const serverName = 'servername' in socket ? socket.servername : null
  const alpn = socket.alpnProtocol
  return {
    protocol: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher()?.name ?? 'unknown',
    resumed: socket.isSessionReused(),
    serverName: typeof serverName === 'string' && serverName !== '' ? printable(serverName, 253) : null,
    alpn: typeof alpn === 'string' && alpn !== '' ? printable(alpn) : null,
    certificate: whose === null ? null : certificateOf(socket, whose),
  }
}

/**
 * Describes a certificate in texts that harm no output.
 *
 * @returns null where its dates cannot be read
 */
export function certificateFacts(certificate: X509Certificate): CertificateFacts | null {
  const { fingerprint256 } = certificate
  const known = described.get(fingerprint256)
  if (known !== undefined) return known
  const facts = describe(certificate)
  if (facts !== null) described.set(fingerprint256, facts)
  return facts
}

function describe(certificate: X509Certificate): CertificateFacts | null {
  const notBefore = isoDate(certificate.validFrom)
  const notAfter = isoDate(certificate.validTo)
  if (notBefore === null || notAfter === null) return null
  const names = alternativeNames(certificate)
  return {
    subject: commonName(certificate.subject) ?? names[0] ?? printable(oneLine(certificate.subject)),
    issuer: commonName(certificate.issuer) ?? printable(oneLine(certificate.issuer)),
    names,
    notBefore,
    notAfter,
    fingerprint256: certificate.fingerprint256,
  }
}

/** A resumed session of TLS 1.2 may have no certificate of the peer's any more. */
function certificateOf(socket: TLSSocket, whose: 'own' | 'peer'): CertificateFacts | null {
  const certificate = whose === 'own' ? socket.getX509Certificate() : socket.getPeerX509Certificate()
  return certificate === undefined ? null : certificateFacts(certificate)
}

/** Node quotes a name with a comma in it as JSON does, so that none can look like two. */
function alternativeNames({ subjectAltName }: X509Certificate): readonly string[] {
  if (subjectAltName === undefined) return []
  const entries = subjectAltName.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? []
  return entries
    .map((entry) => entry.trim())
    .filter((entry) => /^(?:DNS|IP Address):/.test(entry))
    .slice(0, NAMES_TOLD)
    .map((entry) => printable(entry.slice(entry.indexOf(':') + 1), NAME_CHARACTERS))
}

function commonName(distinguishedName: string): string | null {
  const value = /^CN=(.*)$/m.exec(distinguishedName)?.[1]
  return value === undefined || value === '' ? null : printable(value, NAME_CHARACTERS)
}

function oneLine(distinguishedName: string): string {
  return distinguishedName.split('\n').join(', ')
}

function isoDate(text: string): string | null {
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? null : date.toISOString()
}
