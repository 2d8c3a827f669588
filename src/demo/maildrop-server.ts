/**
 * A POP3 server with maildrops in memory, for the demo and as an exact server for tests: the sockets, TLS and
 * timers around {@link MaildropSession}. Owns pace and deadlines; knows nothing of what the octets mean.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import type { LegSecurity } from '../config/settings.js'
import { DEFAULT_LIMITS, type Limits } from '../pop3/limits.js'
import { type Accounts, makeAccounts } from './accounts.js'
import { storeMessages } from './maildrop.js'
import { type Character, MaildropSession, type SessionEffect } from './maildrop-session.js'

/** RFC 1939 §3: an autologout timer must be of at least ten minutes. */
export const AUTOLOGOUT_MS = 600_000

// ALPN identifier of POP3 as a server's socket wants it: a length and the name (RFC 7301 §3.1).
const ALPN_POP3 = Buffer.from('\x04pop3', 'latin1')

/** How long a client may keep its side of the connection open behind the end. */
const CLOSE_MS = 5_000

/** Certificate chain and key in PEM, or several of each in the same order. */
export interface KeyAndCertificate {
  readonly key: string | Buffer | string[]
  readonly cert: string | Buffer | string[]
}

/** What a maildrop server is to be like. Only `security`, `users` and `messages` must be said. */
export interface MaildropServerOptions {
  /** Address to listen on; 127.0.0.1. */
  readonly host?: string
  /** Port to listen on; 0, which is any free one. */
  readonly port?: number
  /** `plain` takes logins in clear and offers STLS where there is `tls`; `stls` takes none before TLS; `tls` is POP3S. */
  readonly security: LegSecurity
  /** Needed for `tls`, and for STLS to be offered. */
  readonly tls?: KeyAndCertificate | { readonly secureContext: SecureContext } | null
  /** Names and passwords. Each user has a maildrop of its own. */
  readonly users: ReadonlyMap<string, string>
  /** Any octets; what does not end in CRLF gets one, see {@link MaildropServer.completedMessages}. */
  readonly messages: readonly Buffer[]
  readonly limits?: Limits
  readonly autologoutMs?: number
  /** Makes each `<msg-id>` of greetings and CRAM-MD5; must never repeat itself (RFC 1939 §7, APOP). */
  readonly nextTimestamp?: () => string
  /** Sees every octet received from clients, within TLS too, before it is decoded; credentials among them. */
  readonly onReceived?: (octets: Buffer, sessionNumber: number) => void

  /** Text of the greeting. */
  readonly greeting?: string
  /** False refuses STLS although there is `tls`. */
  readonly stls?: boolean
  /** False gives no timestamp and refuses APOP. */
  readonly apop?: boolean
  /** False refuses CAPA, as servers before RFC 2449 do. */
  readonly capa?: boolean
  /** False does not announce PIPELINING, and loses what arrives in one piece behind a command. */
  readonly pipelining?: boolean
  /** Lines added to the capability list as they are. */
  readonly announce?: readonly string[]
  /** Waits before each status line, challenge or multi-line response. */
  readonly replyDelayMs?: number
}

/** A running server. */
export interface MaildropServer {
  readonly host: string
  /** The port it listens on. */
  readonly port: number
  /** Message-numbers (from 1) of the messages to which a last CRLF was added. */
  readonly completedMessages: readonly number[]
  /** Connections accepted so far. */
  readonly acceptedConnections: number
  /** Connections open now. */
  readonly openConnections: number
  /** Octets thrown away unread: behind STLS in clear, and behind a command where `pipelining` is false. */
  readonly discardedOctets: number
  /** What a user's maildrop holds now. Throws where there is no such user. */
  messagesOf(user: string): readonly Buffer[]
  /** Whether a session has the user's maildrop open. Throws where there is no such user. */
  isLocked(user: string): boolean
  /** Stops listening and breaks every connection, removing nothing. Resolves once all are gone. */
  close(): Promise<void>
}

/** What all connections of a server share. */
interface Shared {
  readonly accounts: Accounts
  readonly character: Character
  readonly limits: Limits
  readonly isSecure: boolean
  readonly secureContext: SecureContext | null
  readonly autologoutMs: number
  readonly replyDelayMs: number
  readonly nextTimestamp: () => string
  readonly onReceived: (octets: Buffer, sessionNumber: number) => void
}

/**
 * Starts a maildrop server.
 *
 * @throws TypeError where `tls` lacks although `security` is `tls`, and whatever `listen` fails with
 * RFC 1939, RFC 2449, RFC 2595 §4, RFC 5034.
 */
export async function startMaildropServer(options: MaildropServerOptions): Promise<MaildropServer> {
  const messages = storeMessages(options.messages)
  const shared = shareOf(options, makeAccounts(options.users, messages))
  const connections = new Set<Connection>()
  let accepted = 0
  let discardedByClosed = 0
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    accepted += 1
    const connection = new Connection(socket, accepted, shared, () => {
      connections.delete(connection)
      discardedByClosed += connection.discardedOctets
    })
    connections.add(connection)
    connection.start()
  })
  server.maxConnections = shared.limits.sessions
  const host = options.host ?? '127.0.0.1'
  const port = await listen(server, host, options.port ?? 0)

  const accountOf = (user: string) => {
    const account = shared.accounts.get(user)
    if (account === undefined) throw new TypeError(`no user ${JSON.stringify(user)} at this server`)
    return account
  }
  return {
    host,
    port,
    completedMessages: messages.flatMap(({ wasCompleted }, index) => (wasCompleted ? [index + 1] : [])),
    get acceptedConnections() {
      return accepted
    },
    get openConnections() {
      return connections.size
    },
    get discardedOctets() {
      return [...connections].reduce((sum, { discardedOctets }) => sum + discardedOctets, discardedByClosed)
    },
    messagesOf: (user) => accountOf(user).maildrop.messages.map(({ octets }) => octets),
    isLocked: (user) => accountOf(user).maildrop.isLocked,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const connection of connections) connection.destroy()
      await closed
    },
  }
}

function shareOf(options: MaildropServerOptions, accounts: Accounts): Shared {
  const tls = options.tls ?? null
  if (tls === null && options.security === 'tls') {
    throw new TypeError('a POP3S server needs a key and a certificate: `tls` is missing')
  }
  const secureContext = tls === null ? null : secureContextOf(tls)
  const character: Character = {
    greeting: options.greeting ?? 'postern demo maildrop ready',
    implementation: 'postern-demo',
    offersStls: secureContext !== null && (options.stls ?? true),
    loginNeedsTls: options.security === 'stls',
    apop: options.apop ?? true,
    capa: options.capa ?? true,
    pipelining: options.pipelining ?? true,
    announce: options.announce ?? [],
  }
  return {
    accounts,
    character,
    secureContext,
    limits: options.limits ?? DEFAULT_LIMITS,
    isSecure: options.security === 'tls',
    autologoutMs: options.autologoutMs ?? AUTOLOGOUT_MS,
    replyDelayMs: options.replyDelayMs ?? 0,
    nextTimestamp: options.nextTimestamp ?? (() => `<${randomUUID()}@postern.example.org>`),
    onReceived: options.onReceived ?? (() => {}),
  }
}

function secureContextOf(tls: KeyAndCertificate | { readonly secureContext: SecureContext }): SecureContext {
  return 'secureContext' in tls
    ? tls.secureContext
    : createSecureContext({ key: tls.key, cert: tls.cert, minVersion: 'TLSv1.2' })
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  return await new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.removeListener('error', reject)
      const address = server.address()
      resolve(address !== null && typeof address === 'object' ? address.port : port)
    })
  })
}

/** One connection: reads only while nothing waits to be written, and performs the session's effects in order. */
class Connection {
  readonly #raw: Socket
  readonly #sessionNumber: number
  readonly #shared: Shared
  readonly #session: MaildropSession
  readonly #onClosed: () => void
  #socket: Socket
  #loginTimer: NodeJS.Timeout | null = null
  #delayTimer: NodeJS.Timeout | null = null
  #isWaiting = false
  #hasInputEnded = false

  readonly #onData = (octets: Buffer) => {
    this.#shared.onReceived(octets, this.#sessionNumber)
    this.#session.receive(octets)
    this.#pump()
  }

  readonly #onEnd = () => {
    this.#hasInputEnded = true
    this.#pump()
  }

  constructor(socket: Socket, sessionNumber: number, shared: Shared, onClosed: () => void) {
    this.#raw = socket
    this.#socket = socket
    this.#sessionNumber = sessionNumber
    this.#shared = shared
    this.#onClosed = onClosed
    this.#session = new MaildropSession(shared)
  }

  get discardedOctets(): number {
    return this.#session.discardedOctets
  }

  start(): void {
    this.#raw.on('error', () => this.destroy())
    this.#raw.once('close', () => this.#closed())
    // From the connection, however busy the client is: one octet a minute keeps no login open.
    this.#loginTimer = setTimeout(() => this.#loginIsLate(), this.#shared.limits.loginMs)
    if (this.#shared.isSecure) this.#startTls(() => {})
    else this.#serveOn(this.#raw)
  }

  destroy(): void {
    this.#session.abandon()
    this.#socket.destroy()
    this.#raw.destroy()
  }

  #closed(): void {
    this.#session.abandon()
    if (this.#loginTimer !== null) clearTimeout(this.#loginTimer)
    if (this.#delayTimer !== null) clearTimeout(this.#delayTimer)
    this.#socket.destroy()
    this.#onClosed()
  }

  #loginIsLate(): void {
    if (this.#session.state === 'AUTHORIZATION') this.destroy()
  }

  #serveOn(socket: Socket): void {
    this.#socket = socket
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    // RFC 1939 §3: when the timer expires the server closes without UPDATE and without a word.
    socket.setTimeout(this.#shared.autologoutMs, () => this.destroy())
    this.#pump()
  }

  #pump(): void {
    while (!this.#isWaiting) {
      const effect = this.#session.next()
      if (effect === null) break
      if (effect.type === 'write' && this.#shared.replyDelayMs > 0) {
        this.#delayTimer = setTimeout(() => this.#resumeWith(effect), this.#shared.replyDelayMs)
        this.#wait()
        return
      }
      this.#perform(effect)
    }
    if (!this.#isWaiting && this.#hasInputEnded) this.#socket.end()
  }

  #perform(effect: SessionEffect): void {
    switch (effect.type) {
      case 'write':
        if (this.#socket.destroyed || this.#socket.write(effect.octets)) return
        this.#wait()
        this.#socket.once('drain', () => this.#resumeWith(null))
        return
      case 'start-tls':
        this.#startTls(() => this.#session.tlsEstablished())
        return
      case 'end':
        this.#socket.end()
        this.#socket.setTimeout(CLOSE_MS)
        return
    }
  }

  #wait(): void {
    this.#isWaiting = true
    this.#socket.pause()
  }

  #resumeWith(effect: SessionEffect | null): void {
    this.#isWaiting = false
    if (effect !== null) this.#perform(effect)
    if (this.#isWaiting) return
    this.#socket.resume()
    this.#pump()
  }

  #startTls(established: () => void): void {
    const { secureContext, limits } = this.#shared
    assert(secureContext !== null, 'STLS is offered only where there is a certificate')
    this.#raw.off('data', this.#onData).off('end', this.#onEnd).setTimeout(0)
    this.#isWaiting = true
    const socket = new TLSSocket(this.#raw, { isServer: true, secureContext, ALPNProtocols: ALPN_POP3 })
    this.#socket = socket
    const handshakeTimer = setTimeout(() => this.destroy(), limits.handshakeMs)
    socket.on('error', () => this.destroy())
    socket.once('close', () => {
      clearTimeout(handshakeTimer)
      this.#raw.destroy()
    })
    socket.once('secure', () => {
      clearTimeout(handshakeTimer)
      this.#isWaiting = false
      established()
      this.#serveOn(socket)
    })
  }
}
