/**
 * TLS toward the server of one service: one context for all connections, the judgement of the server's
 * certificate, and the sessions to resume. Everything that decides whether a login may be sent to this server
 * is in this file. Never connects by itself outside of {@link ServerTls.connect}.
 */
import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  type DetailedPeerCertificate,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls'
import { CertificateError } from './certificate-error.js'
import {
  describeTlsError,
  type FailureContext,
  noCertificate,
  notPinned,
  type TlsFailure,
  TlsFailureError,
  tooOld,
  weakKey,
  wrongName,
  wrongProtocol,
} from './failure.js'
import { parseCertificates, readPemFile } from './key-file.js'
import { certificateName, printable } from './names.js'
import { certificateCovers } from './own-certificate.js'
import { fingerprints, isPinned, readFingerprints, readPins } from './pins.js'
import { type Now, SessionStore } from './session-store.js'

/** What of a server's settings matters here; `UpstreamSettings` is one. */
export interface ServerTlsSettings {
  readonly url: { readonly host: string; readonly port: number }
  readonly name: string | null
  readonly caFile: string | null
  readonly pins: readonly string[]
  readonly acceptCertificates: readonly string[]
  readonly minimumTls: 'TLSv1.2' | 'TLSv1.3'
}

const MINIMUM_RSA_BITS = 2048
const MINIMUM_EC_BITS = 256
// Node's default of 1024 bits is within reach of an attacker (Logjam).
const MINIMUM_DH_BITS = 2048
// No honest chain is longer; a hostile one may link in circles.
const MAXIMUM_CHAIN = 16

/**
 * TLS toward one server. Belongs to one set of settings: when they change, a new one takes its place and no
 * session survives.
 */
export class ServerTls {
  readonly #settings: ServerTlsSettings
  readonly #name: string
  readonly #context: SecureContext
  readonly #pins: ReadonlySet<string>
  readonly #accepted: ReadonlySet<string>
  readonly #sessions: SessionStore
  readonly #now: Now
  readonly #options: ConnectionOptions
  readonly #shown = new WeakMap<TLSSocket, readonly X509Certificate[]>()

  /**
   * Reads the trusted authorities and makes the context; takes some 20 ms, once.
   *
   * @throws CertificateError where the file of authorities cannot be used, or a pin or fingerprint is malformed
   */
  static create(settings: ServerTlsSettings, now: Now = Date.now): ServerTls {
    return new ServerTls(settings, now)
  }

  private constructor(settings: ServerTlsSettings, now: Now) {
    const wanted = settings.name ?? settings.url.host
    const name = certificateName(wanted)
    if (name === null)
      throw new CertificateError(
        null,
        `"${printable(wanted)}" is no name that a certificate can carry`,
        'name the server by its host name or IP address',
      )
    this.#settings = settings
    this.#name = name
    this.#now = now
    this.#pins = readPins(settings.pins)
    this.#accepted = readFingerprints(settings.acceptCertificates)
    this.#sessions = new SessionStore(now)
    this.#context = createSecureContext({
      ...(settings.caFile === null ? {} : { ca: readAuthorities(settings.caFile) }),
      minVersion: settings.minimumTls,
    })
    this.#options = {
      host: settings.url.host,
      port: settings.url.port,
      // RFC 6066 section 3 allows no addresses in SNI.
      ...(isIP(name) === 0 ? { servername: name } : {}),
      secureContext: this.#context,
      minVersion: settings.minimumTls,
      minDHSize: MINIMUM_DH_BITS,
      ALPNProtocols: ['pop3'],
      // Said in so many words, NODE_TLS_REJECT_UNAUTHORIZED=0 has no say. Where a certificate is accepted by its
      // fingerprint, the handshake has to end before verify() can look at it.
      rejectUnauthorized: this.#accepted.size === 0,
      // The name that Node passes is not asked: ours is fixed.
      checkServerIdentity: (_host: string, certificate: PeerCertificate) => this.#checkIdentity(certificate),
    }
  }

  /**
   * Starts TLS over a transport and remembers what the server shows, so that {@link explain} can name dates and
   * names. {@link verify} is still to be called when 'secureConnect' comes.
   *
   * @param transport a connected socket (after STLS), or null to dial the host and port of the settings
   */
  connect(transport: Duplex | null): TLSSocket {
    const options = this.connectOptions()
    if (transport !== null) options.socket = transport
    const socket = connect(options)
    // Node destroys an unverified connection before anybody can ask for its certificate. 'secure' precedes that
    // moment; it is undocumented, and all that is lost without it is the detail of a message.
    socket.prependOnceListener('secure', () => {
      if (socket.isSessionReused()) return
      // Not getPeerX509Certificate: after it, Node itself finds no certificate to judge.
      this.#shown.set(socket, chainOf(socket.getPeerCertificate(true)))
    })
    return socket
  }

  /**
   * The options for one connection, with a session to resume where there is one.
   *
   * @returns a fresh object; the context within is shared. `verify` must be called when 'secureConnect' comes
   */
  connectOptions(): ConnectionOptions {
    // One copy a connection: a second would be seen in the CPU time of a login.
    const options: ConnectionOptions = { ...this.#options }
    const session = this.#sessions.take()
    if (session !== null) options.session = session
    return options
  }

  /**
   * Judges an established connection; to be called once within 'secureConnect', before anything is written.
   *
   * @returns null where a login may be sent: then the sessions of the connection are kept for resumption.
   *   Otherwise the caller destroys the socket; all sessions are forgotten
   */
  verify(socket: TLSSocket): TlsFailure | null {
    const failure = this.#judgeConnection(socket)
    if (failure !== null) {
      this.#sessions.clear()
      return failure
    }
    this.#keepSessions(socket)
    return null
  }

  /**
   * Puts the error of a connection into words and forgets the sessions, one of which may be its cause.
   *
   * @param socket the connection where it was made by {@link connect}; null where there is none
   */
  explain(error: unknown, socket: TLSSocket | null): TlsFailure {
    this.#sessions.clear()
    const shown = socket === null ? undefined : this.#shown.get(socket)
    const chain = shown ?? []
    const failure = describeTlsError(error, this.#failureContext(chain))
    // OpenSSL's security level 2 refuses short keys by itself, but does not say how short.
    return failure.code === 'POSTERN_SERVER_CERTIFICATE_WEAK' ? (judgeKeys(chain) ?? failure) : failure
  }

  /** Forgets all sessions: the next connection makes a full handshake and is verified as a whole. */
  forgetSessions(): void {
    this.#sessions.clear()
  }

  #keepSessions(socket: TLSSocket): void {
    // In TLS 1.3 tickets come with the first octets of the server or later.
    if (socket.getProtocol() === 'TLSv1.3') {
      socket.on('session', (session) => this.#sessions.put(session))
      return
    }
    // In TLS 1.2 the ticket is here already, and Node would have told of it only to who listened from the start.
    const session = socket.isSessionReused() ? undefined : socket.getSession()
    if (session !== undefined) this.#sessions.put(session)
  }

  #judgeConnection(socket: TLSSocket): TlsFailure | null {
    const protocol = socket.getProtocol()
    const isModern =
      protocol === 'TLSv1.3' || (protocol === 'TLSv1.2' && this.#settings.minimumTls === 'TLSv1.2')
    if (!isModern) return tooOld(this.#settings.minimumTls)
    const alpn = socket.alpnProtocol
    if (typeof alpn === 'string' && alpn !== '' && alpn !== 'pop3') return wrongProtocol(alpn)
    // Only sessions of this store are ever offered, so what is resumed was judged at its full handshake.
    if (socket.isSessionReused()) return null
    // Every verdict of the context's and of #checkIdentity; in the common case that is all.
    if (socket.authorized) return null
    return this.#judgeUnauthorized(socket)
  }

  /** Comes here only where certificates are accepted by fingerprint. */
  #judgeUnauthorized(socket: TLSSocket): TlsFailure | null {
    const chain = chainOf(socket.getPeerCertificate(true))
    const [own] = chain
    if (own === undefined) return noCertificate()
    if (!this.#isAccepted(own)) {
      const verdict = String(socket.authorizationError)
      // Our own verdict came through checkServerIdentity, of which Node kept no more than the code.
      const ours = verdict.startsWith('POSTERN_') ? this.#judge(chain) : judgeKeys(chain)
      return ours ?? describeTlsError(verdict, this.#failureContext(chain))
    }
    return this.#judge(chain)
  }

  #checkIdentity(certificate: PeerCertificate): Error | undefined {
    const failure = this.#judge(chainOf(certificate))
    return failure === null ? undefined : new TlsFailureError(failure)
  }

  /** Name, key strength and pins, of a certificate whose chain is either verified or need not be. */
  #judge(chain: readonly X509Certificate[]): TlsFailure | null {
    const [own] = chain
    if (own === undefined) return noCertificate()
    const isAccepted = this.#isAccepted(own)
    if (!isAccepted && !certificateCovers(own, this.#name)) return wrongName(own, this.#name)
    // Who accepts a certificate by its fingerprint trusts nobody above it. Its own key has to be strong all the
    // same: a weak one can be computed from the very certificate, and the impostor then shows the same fingerprint.
    const relied = isAccepted ? [own] : chain
    const weak = judgeKeys(relied)
    if (weak !== null) return weak
    const prints = fingerprints(own)
    if (this.#pins.size > 0 && !isPinned(this.#pins, prints))
      return notPinned(prints.certificate, prints.publicKey)
    if (!isAccepted) {
      const ends = chain.map((certificate) => new Date(certificate.validTo).getTime())
      this.#sessions.limitTo(Math.min(...ends))
    }
    return null
  }

  #isAccepted(own: X509Certificate): boolean {
    return this.#accepted.size > 0 && this.#accepted.has(fingerprints(own).certificate)
  }

  #failureContext(chain: readonly X509Certificate[]): FailureContext {
    return { name: this.#name, chain, minimumTls: this.#settings.minimumTls, now: new Date(this.#now()) }
  }
}

function judgeKeys(chain: readonly X509Certificate[]): TlsFailure | null {
  for (const [depth, certificate] of chain.entries()) {
    const failure = judgeKey(certificate, depth)
    if (failure !== null) return failure
  }
  return null
}

/** OpenSSL's security level differs between versions of Node, so the strength of keys is judged here. */
function judgeKey(certificate: X509Certificate, depth: number): TlsFailure | null {
  const type = certificate.publicKey.asymmetricKeyType ?? 'unknown'
  if (type === 'rsa' || type === 'rsa-pss') {
    const bits = certificate.publicKey.asymmetricKeyDetails?.modulusLength ?? 0
    return bits < MINIMUM_RSA_BITS ? weakKey(bits, type, depth) : null
  }
  if (type === 'ec') {
    // Node names the curve of a key but tells its size only in the older form.
    const bits = certificate.toLegacyObject().bits ?? 0
    return bits < MINIMUM_EC_BITS ? weakKey(bits, type, depth) : null
  }
  // DSA is dead. Whatever else OpenSSL knows (Edwards curves, ML-DSA) has no weak sizes.
  return type === 'dsa' || type === 'unknown' ? weakKey(null, type, depth) : null
}

/** Certificates that the server sent and the trusted one that ends them, own first. */
function chainOf(own: PeerCertificate | DetailedPeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = []
  let next: PeerCertificate | DetailedPeerCertificate | undefined = own
  // Node answers an empty object where there is no certificate, and closes the chain with a circle.
  while (next?.raw !== undefined && chain.length < MAXIMUM_CHAIN) {
    chain.push(new X509Certificate(next.raw))
    const above: DetailedPeerCertificate | undefined =
      'issuerCertificate' in next ? next.issuerCertificate : undefined
    next = above === next ? undefined : above
  }
  return chain
}

function readAuthorities(file: string): string[] {
  return parseCertificates(file, readPemFile(file)).map((certificate) => certificate.toString())
}
