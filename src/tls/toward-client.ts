/**
 * TLS toward the clients of one listener: which certificate answers which server name, and the options that
 * make a socket speak it. Contexts are made once and shared by all connections, which is also what lets clients
 * resume their sessions. Knows nothing of sockets beyond the address they arrived at.
 *
 * Quirk: a context may hold an RSA and an EC certificate, but one that an SNICallback chooses counts with its
 * last certificate only (Node 24), or beside what is left of the default context (Node 20). So there is no
 * callback where one context can answer for all names: leaves of the authority carry every allowed name.
 */
import { randomBytes, type X509Certificate } from 'node:crypto'
import { hostname } from 'node:os'
import { createSecureContext, DEFAULT_CIPHERS, type SecureContext, type TLSSocketOptions } from 'node:tls'
import { LRUCache } from 'lru-cache'
import { type Authority, isoDate } from './authority.js'
import { CertificateError } from './certificate-error.js'
import { type LeafKey, type LeafKeys, leafKeys } from './leaf.js'
import { certificateName, isUnspecified } from './names.js'
import {
  type CertificateFiles,
  type OwnCertificate,
  type OwnCertificates,
  readOwnCertificates,
} from './own-certificate.js'

/** What of a listener's settings matters here; `ListenerSettings` is one. */
export interface ClientTlsSettings {
  readonly url: { readonly host: string }
  readonly oldTls: boolean
  readonly certificates: readonly CertificateFiles[]
  readonly names: readonly string[]
}

/** A clock in milliseconds, of whatever epoch. Injected, since lru-cache's own ignores fake timers. */
export interface Clock {
  now(): number
}

// 24 kB each: 6 MB when somebody configured that many names.
const MAXIMUM_CONTEXTS = 256
// Minted leaves and the keys that encrypt session tickets are renewed daily: short enough for forward secrecy
// of resumed sessions to mean something, long enough that clients which poll resume nearly always.
const LIFETIME_MS = 86_400_000
// OpenSSL's 300 s is less than the interval at which most mail programs poll.
const SESSION_SECONDS = 14_400
// ALPN identifier registered for POP3, as the length-prefixed list of RFC 7301 section 3.1: converted once.
const ALPN_POP3 = Buffer.from('\x04pop3', 'latin1')
// Where a client can do both, the EC leaf costs a thirtieth of the RSA leaf's signature; Node's own order has RSA
// first. TLS 1.3 has no such suites and follows the order of signature algorithms, EC first.
const EC_FIRST = 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305'

/** TLS toward the clients of one listener. Made when the listener starts; costs a connection no certificate work. */
export class ClientTls {
  readonly #settings: ClientTlsSettings
  readonly #authority: Authority | null
  readonly #keys: LeafKeys | null
  readonly #clock: Clock
  readonly #allowedNames: ReadonlySet<string>
  readonly #options: LRUCache<string, TLSSocketOptions>
  readonly #minted: LRUCache<string, SecureContext>
  #own: OwnCertificates
  #contexts: readonly OwnContext[] = []
  #ticketKeys = Buffer.alloc(0)
  #renewAt = 0

  /**
   * Reads the listener's certificates and makes leaf keys where an authority is given.
   *
   * @param authority signs leaves for names that no own certificate covers; null where there is none
   * @throws CertificateError where a certificate cannot be used, or there is neither certificate nor authority
   */
  static async create(
    settings: ClientTlsSettings,
    authority: Authority | null,
    clock: Clock = performance,
  ): Promise<ClientTls> {
    if (settings.certificates.length === 0 && authority === null)
      throw new CertificateError(
        null,
        `the listener on ${settings.url.host} has no certificate`,
        'name one with --cert and --key, or make a local authority with: postern ca init',
      )
    return new ClientTls(settings, authority, authority === null ? null : await leafKeys(), clock)
  }

  private constructor(
    settings: ClientTlsSettings,
    authority: Authority | null,
    keys: LeafKeys | null,
    clock: Clock,
  ) {
    this.#settings = settings
    this.#authority = authority
    this.#keys = keys
    this.#clock = clock
    this.#allowedNames = allowedNames(settings)
    const bounds = { max: MAXIMUM_CONTEXTS, ttl: LIFETIME_MS, perf: clock }
    this.#options = new LRUCache(bounds)
    this.#minted = new LRUCache(bounds)
    this.#own = readOwnCertificates(settings.certificates, new Date())
    this.#renew(this.#own)
    // Whatever can fail for lack of a name fails here and not under a client.
    this.socketOptions(settings.url.host)
  }

  /** What should be said about the certificates at start and after a reload, one sentence each. */
  get warnings(): readonly string[] {
    return this.#own.warnings
  }

  /**
   * Why clients refuse what this listener shows, as far as dates go: certificates are read once, and end later.
   *
   * @returns one phrase each, as "its certificate expired on 2026-01-02"; empty where all are valid
   */
  dateProblems(now: Date): readonly string[] {
    const own = this.#own.certificates.flatMap(({ parts }) => parts)
    if (own.length > 0)
      return own.flatMap(({ certificate }) => dateProblems('its certificate', certificate, now))
    return this.#authority === null
      ? []
      : dateProblems('the local authority', this.#authority.certificate, now)
  }

  /**
   * The options for one client's socket, as in `new TLSSocket(socket, clientTls.socketOptions(address))`. The
   * same object for every connection at the same address.
   *
   * @param localAddress `socket.localAddress`: all there is to go by when a client sends no server name
   */
  socketOptions(localAddress: string): TLSSocketOptions {
    if (this.#clock.now() >= this.#renewAt) this.#renew(this.#own)
    const known = this.#options.get(localAddress)
    if (known !== undefined) return known
    const address = certificateName(localAddress)
    const options: TLSSocketOptions = {
      isServer: true,
      requestCert: false,
      secureContext: this.#defaultContext(address),
      // A mismatch ends the handshake with no_application_protocol (RFC 7301 section 3.2), which keeps a
      // browser from being led to speak HTTP here.
      ALPNProtocols: ALPN_POP3,
      ...(this.#hasChoice ? { SNICallback: this.#chooser(address) } : {}),
    }
    this.#options.set(localAddress, options)
    return options
  }

  /**
   * Reads the own certificates again, for connections to come.
   *
   * @throws CertificateError where one cannot be used; then the old ones stay
   */
  reload(): void {
    this.#renew(readOwnCertificates(this.#settings.certificates, new Date()))
  }

  /** Whether the server name can lead to another context than the default. */
  get #hasChoice(): boolean {
    return (
      this.#own.certificates.length > 1 || (this.#own.certificates.length === 1 && this.#authority !== null)
    )
  }

  /** Makes all contexts anew; changes nothing where one of them cannot be made. */
  #renew(own: OwnCertificates): void {
    const ticketKeys = randomBytes(48)
    const type = chosenType(own)
    const contexts = own.certificates.map((certificate, index) => ({
      certificate,
      context: this.#makeContext(index === 0 ? certificate.parts : [partOf(certificate, type)], ticketKeys),
    }))
    this.#own = own
    this.#contexts = contexts
    this.#ticketKeys = ticketKeys
    this.#renewAt = this.#clock.now() + LIFETIME_MS
    this.#options.clear()
    this.#minted.clear()
  }

  #chooser(address: string | null): NonNullable<TLSSocketOptions['SNICallback']> {
    return (serverName, done) => {
      try {
        done(null, this.#contextFor(serverName, address) ?? undefined)
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)))
      }
    }
  }

  /** @returns null where the default context of the address has to do */
  #contextFor(serverName: string, address: string | null): SecureContext | null {
    // Nothing that a client sent becomes a key before it is known to be a name, and an allowed one.
    const name = certificateName(serverName)
    if (name === null) return null
    const own = this.#contexts.findIndex(({ certificate }) => certificate.covers(name))
    if (own >= 0) return own === 0 ? null : (this.#contexts[own]?.context ?? null)
    if (!this.#allowedNames.has(name) && name !== address) return null
    if (this.#keys === null) return null
    return this.#mint(`name ${name}`, [name], [this.#keys[chosenType(this.#own)]])
  }

  #defaultContext(address: string | null): SecureContext {
    const [first] = this.#contexts
    if (first !== undefined) return first.context
    const here = address === null || isUnspecified(address) ? [] : [address]
    const names = [...new Set([...this.#allowedNames, ...here])]
    const keys = this.#keys === null ? [] : [this.#keys.ec, this.#keys.rsa]
    const minted = this.#mint(`address ${address}`, names, keys)
    if (minted !== null) return minted
    throw new CertificateError(
      this.#authority?.directory ?? null,
      `the local authority is constrained to ${this.#authority?.constrainedTo?.join(', ')}, and the listener has no such name`,
      'configure one of its names for the listener, or make another authority with: postern ca init --force',
    )
  }

  /** @returns null where the authority may not issue for any of the names */
  #mint(key: string, names: readonly string[], keys: readonly LeafKey[]): SecureContext | null {
    const authority = this.#authority
    if (authority === null) return null
    const known = this.#minted.get(key)
    if (known !== undefined) return known
    // One name outside of the constraints makes clients refuse the whole certificate.
    const permitted = names.filter((name) => authority.permits(name))
    if (permitted.length === 0) return null
    const now = new Date()
    const parts = keys.map(({ publicKey, privatePem }) => ({
      chainPem: authority.issue(permitted, publicKey, now),
      keyPem: privatePem,
    }))
    const context = this.#makeContext(parts, this.#ticketKeys)
    this.#minted.set(key, context)
    return context
  }

  #makeContext(parts: readonly ContextPart[], ticketKeys: Buffer): SecureContext {
    try {
      return createSecureContext({
        cert: parts.map(({ chainPem }) => chainPem),
        key: parts.map(({ keyPem }) => keyPem),
        honorCipherOrder: true,
        sessionTimeout: SESSION_SECONDS,
        // A ticket is opened with the keys of the default context even when SNI has chosen another, so all
        // contexts of a listener share them. They authenticate nobody: a client shows no certificate here.
        ticketKeys,
        ...(this.#settings.oldTls ? OLD_TLS : MODERN_TLS),
      })
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause)
      throw new CertificateError(
        this.#settings.certificates.map(({ certFile }) => certFile).join(', ') || null,
        `OpenSSL refuses the certificate: ${problem}`,
        'a key of less than 2048 bits or a SHA-1 signature is too weak: have the certificate issued again',
        { cause },
      )
    }
  }
}

interface ContextPart {
  readonly chainPem: string
  readonly keyPem: string
}

interface OwnContext {
  readonly certificate: OwnCertificate
  readonly context: SecureContext
}

const MODERN_TLS = { minVersion: 'TLSv1.2', ciphers: `${EC_FIRST}:${DEFAULT_CIPHERS}` } as const
// Quirk: OpenSSL 3 takes TLS 1.0 and 1.1 only at security level 0, because of their SHA-1 signatures. It knows
// the word DEFAULT at the start of a list only; what stands here instead is its definition.
const OLD_TLS = {
  minVersion: 'TLSv1',
  ciphers: `${EC_FIRST}:ALL:!COMPLEMENTOFDEFAULT:!eNULL:@SECLEVEL=0`,
} as const

/**
 * The type of key of everything that is chosen by name: one that the default has too, so that on Node 20 it
 * takes the place of the default's certificate and is not passed over in favour of it.
 */
function chosenType(own: OwnCertificates): 'ec' | 'rsa' {
  return own.certificates[0]?.parts.some(({ keyType }) => keyType === 'ec') === true ? 'ec' : 'rsa'
}

function partOf(certificate: OwnCertificate, type: 'ec' | 'rsa'): ContextPart {
  return certificate.parts.find(({ keyType }) => keyType === type) ?? certificate.parts[0]
}

function dateProblems(what: string, { validFrom, validTo }: X509Certificate, now: Date): readonly string[] {
  if (new Date(validTo) <= now) return [`${what} expired on ${isoDate(validTo)}`]
  return new Date(validFrom) > now ? [`${what} is valid only from ${isoDate(validFrom)} on`] : []
}

/** Names for which a leaf may be minted, beside the address that a client arrived at. */
function allowedNames(settings: ClientTlsSettings): ReadonlySet<string> {
  const names = [...settings.names, settings.url.host, 'localhost', hostname()]
    .map(certificateName)
    .filter((name) => name !== null)
  return new Set(names.filter((name) => !isUnspecified(name)))
}
