/**
 * The I/O of one session: the only place that performs what a {@link Relay} asks for. Owns two sockets, their
 * backpressure and their ends; decides nothing about POP3.
 */
import * as net from 'node:net'
import * as tls from 'node:tls'
import { inMemory, type MessageSource } from '../mail/source.js'
import type { HeldItem, HoldAnswer } from '../relay/interception.js'
import type { MaildropAnswer, MaildropQuestion } from '../relay/maildrop.js'
import { Relay, type RelayOptions } from '../relay/relay.js'
import type { RelayEffect, RelayInput } from '../relay/relay-input.js'
import { tlsFacts } from '../tls/facts.js'
import type { TlsFailure } from '../tls/failure.js'
import type { ClientTls } from '../tls/toward-client.js'
import type { ServerTls } from '../tls/toward-server.js'
import type { Failure, Side, TlsFacts, TraceEvent } from '../trace/event.js'
import { Slowness } from './slowness.js'
import { describeSocketError } from './socket-error.js'
import { SpoolFiles, type SpoolFolder } from './spool-files.js'
import { octetsRead } from './young-collection.js'

/** What a connection needs to know and whom it tells. */
export interface ConnectionOptions {
  readonly relay: RelayOptions
  readonly serverHost: string
  readonly serverPort: number
  /** Null on a listener without TLS. */
  readonly clientTls: ClientTls | null
  /** Null toward a plain server. */
  readonly serverTls: ServerTls | null
  /** An item is held, or what was told of it has changed. */
  readonly onHold: (item: HeldItem) => void
  /** It is held no longer. */
  readonly onUnhold: (hold: string) => void
  /** What became of a command given to {@link Connection.send}; `problem` null where it was taken. */
  readonly onSendAnswered: (id: string, problem: string | null) => void
  /** Asks judges or the quarantine for the rules of the session. Never rejects. */
  readonly ask: (question: MaildropQuestion, message: MessageSource) => Promise<MaildropAnswer>
  /** Where messages lie that are larger than memory is given; null where there are no rules. */
  readonly spoolFolder: SpoolFolder | null
  /** A rule wants a webhook to be told. */
  readonly onNotify: (about: Extract<RelayEffect, { type: 'notify' }>) => void
  readonly onTrace: (event: TraceEvent) => void
  /** Both sockets are closed. */
  readonly onClosed: () => void
  /** Receives TLS secrets in the format of SSLKEYLOGFILE; null where nobody asked for them. */
  readonly onKeyLog: ((line: Buffer) => void) | null
}

/** How long a side may take to close after its last octet has left. */
const LINGER_MS = 10_000
const GONE_ALREADY = 'the item is held no longer'
const NOTHING = Buffer.alloc(0)

const STARTED_AT = performance.timeOrigin

/** Milliseconds since the epoch, monotonic. */
export function clock(): number {
  return STARTED_AT + performance.now()
}

/** One session's sockets. */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #relay: Relay
  #client: net.Socket
  #server: net.Socket | null = null
  #clientIsSecure = false
  #clientGone = false
  #serverGone = true
  /** Since when a side takes no octets; 0 where it does. */
  #clientFullSince = 0
  #serverFullSince = 0
  #endedAt = 0
  #verdictProblem: string | null = null
  readonly #files: SpoolFiles | null
  /** What is to be read of a file once the client takes more. */
  #wantedRead: Extract<RelayEffect, { type: 'read-spool' }> | null = null
  /** A rule slows the client's leg down. */
  #slowness: Slowness | null = null
  /** The client's leg ends behind what leaves slowly. */
  #endsWhenSlow = false
  /** Octets that the client had not taken at the last look after the end. */
  #lingering = 0

  constructor(client: net.Socket, options: ConnectionOptions) {
    this.#client = client
    this.#options = options
    this.#relay = new Relay(options.relay)
    const listener = {
      failed: (id: number, text: string) => this.#feed({ type: 'spool-failed', id, text }),
      drained: () => this.#regulate(),
    }
    this.#files = options.spoolFolder === null ? null : new SpoolFiles(options.spoolFolder, listener)
  }

  /** Begins the session. */
  start(): void {
    this.#listenToClient(this.#client)
    this.#feed({ type: 'accepted' })
  }

  /** Whether the client's TLS handshake is under way. */
  get isInHandshake(): boolean {
    return this.#client instanceof tls.TLSSocket && !this.#clientIsSecure
  }

  /** Looks at the deadlines; called for every connection a few times a second. */
  tick(now: number): void {
    if (this.#endedAt > 0) {
      this.#linger(now)
      return
    }
    const stallMs = this.#options.relay.limits.writeStallMs
    if (this.#clientFullSince > 0 && now - this.#clientFullSince > stallMs) this.#stalled('client')
    else if (this.#serverFullSince > 0 && now - this.#serverFullSince > stallMs) this.#stalled('server')
    else if (this.#relay.isDue(now)) this.#feed({ type: 'clock' })
  }

  /** Ends the session as soon as it is within no reply. */
  drain(): void {
    this.#feed({ type: 'drain' })
  }

  /**
   * Takes a person's decision about a held item.
   *
   * @returns what is wrong with it, for that person; the item is then held as before. Null where it was done
   */
  answerHold(hold: string, answer: HoldAnswer): string | null {
    this.#verdictProblem = GONE_ALREADY
    this.#feed({ type: 'verdict', hold, answer })
    return this.#verdictProblem
  }

  /** Sends a command of a person's own; `onSendAnswered` tells what became of it. */
  send(id: string, line: Buffer): void {
    if (this.#relay.isClosed) this.#options.onSendAnswered(id, 'the session is over')
    else this.#feed({ type: 'send', id, line })
  }

  /** Drops both sockets at once. */
  destroy(): void {
    if (!this.#relay.isClosed) this.#feed({ type: 'closed', side: 'client' })
    this.#client.destroy()
    this.#server?.destroy()
  }

  #feed(input: RelayInput): void {
    const effects = this.#relay.handle(input, clock())
    if (effects.length > 0) this.#perform(effects)
  }

  #perform(effects: readonly RelayEffect[]): void {
    const [first] = effects
    if (effects.length === 1 && first?.type === 'write') this.#write(first.side, first.octets)
    else this.#performAll(effects)
    this.#regulate()
  }

  /** Several writes to one side leave as one packet: some clients need the end of a reply in one read. */
  #performAll(effects: readonly RelayEffect[]): void {
    let writes: Write[] = []
    for (const effect of effects) {
      if (effect.type === 'trace') this.#options.onTrace(effect.event)
      else if (effect.type === 'write') addWrite(writes, effect.side, effect.octets)
      else {
        this.#writeAll(writes)
        writes = []
        this.#act(effect)
      }
    }
    this.#writeAll(writes)
  }

  #act(effect: Exclude<RelayEffect, { type: 'write' | 'trace' }>): void {
    switch (effect.type) {
      case 'connect-server':
        this.#connectServer()
        break
      case 'start-tls':
        if (effect.side === 'client') this.#startClientTls()
        else this.#startServerTls()
        break
      case 'end':
        this.#end(effect.side)
        break
      case 'destroy':
        this.#destroySide(effect.side)
        break
      case 'hold':
        this.#options.onHold(effect.item)
        break
      case 'unhold':
        this.#options.onUnhold(effect.hold)
        break
      case 'verdict-answered':
        this.#verdictProblem = effect.problem
        break
      case 'ask':
        void this.#ask(effect.id, effect.question)
        break
      case 'notify':
        this.#options.onNotify(effect)
        break
      case 'throttle':
        this.#slowDown(effect.octetsPerSecond)
        break
      case 'spool':
        this.#files?.append(effect.id, effect.octets)
        break
      case 'read-spool':
        this.#wantedRead = effect
        break
      case 'drop-spool':
        this.#files?.drop(effect.id)
        break
      case 'send-answered':
        this.#options.onSendAnswered(effect.id, effect.problem)
        break
    }
  }

  async #ask(id: number, question: MaildropQuestion): Promise<void> {
    const { message, spooled } = question
    const leave = spooled === null ? null : this.#files?.use(spooled.id)
    const source = spooled === null ? null : this.#files?.sourceOf(spooled, message)
    const answer = await this.#options.ask(question, source ?? inMemory(message))
    leave?.()
    if (!this.#relay.isClosed) this.#feed({ type: 'answered', id, answer })
  }

  #writeAll(writes: readonly Write[]): void {
    if (writes.length < 2) {
      for (const { side, octets } of writes) this.#write(side, octets)
      return
    }
    this.#client.cork()
    this.#server?.cork()
    for (const { side, octets } of writes) this.#write(side, octets)
    this.#client.uncork()
    this.#server?.uncork()
  }

  #slowDown(octetsPerSecond: number): void {
    // A rule that means each RETR says so each time: what waits goes on waiting.
    if (this.#slowness !== null) {
      this.#slowness.octetsPerSecond = octetsPerSecond
      return
    }
    this.#slowness = new Slowness(
      octetsPerSecond,
      (octets) => this.#writeNow('client', octets),
      () => this.#slice(),
    )
  }

  /** A slice has left: what is slow on purpose is not stalled. */
  #slice(): void {
    const isWaiting = (this.#slowness?.octets ?? 0) > 0
    if (isWaiting) this.#clientFullSince = clock()
    else if (this.#client.writableNeedDrain) this.#clientFullSince ||= clock()
    else this.#clientFullSince = 0
    if (isWaiting) return
    if (this.#endsWhenSlow) this.#client.end()
    this.#regulate()
  }

  /** What waits on purpose leaves at once. */
  #hurry(): void {
    if (this.#slowness === null) return
    this.#slowness.flush()
    if (!this.#client.writableNeedDrain) this.#clientFullSince = 0
  }

  #write(side: Side, octets: Buffer): void {
    if (side === 'client' && this.#slowness !== null) {
      this.#slowness.add(octets)
      this.#clientFullSince ||= clock()
    } else this.#writeNow(side, octets)
  }

  #writeNow(side: Side, octets: Buffer): void {
    const socket = side === 'client' ? this.#client : this.#server
    if (socket === null || socket.destroyed || socket.writableEnded) return
    if (socket.write(octets)) return
    if (side === 'client') this.#clientFullSince ||= clock()
    else this.#serverFullSince ||= clock()
  }

  /** Reads a side only while the relay wants it and the other side, or the disk, takes writes. */
  #regulate(): void {
    if (this.#endedAt > 0) return
    const takesMore = this.#clientFullSince === 0 && this.#files?.isFull !== true
    flow(this.#client, this.#serverFullSince === 0 && this.#relay.wantsOctets('client'))
    if (this.#server !== null) flow(this.#server, takesMore && this.#relay.wantsOctets('server'))
    if (this.#wantedRead !== null && this.#clientFullSince === 0) {
      const wanted = this.#wantedRead
      this.#wantedRead = null
      void this.#readFile(wanted)
    }
  }

  async #readFile({ id, start, end }: Extract<RelayEffect, { type: 'read-spool' }>): Promise<void> {
    let input: RelayInput
    try {
      const octets = (await this.#files?.read(id, start, end)) ?? NOTHING
      input = { type: 'spool-read', id, octets }
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      input = { type: 'spool-failed', id, text: `cannot be read: ${text}` }
    }
    if (!this.#relay.isClosed) this.#feed(input)
  }

  /** The last octets of a session may go to a slow reader: as long as some leave, nobody is cut off. */
  #linger(now: number): void {
    const waiting = this.#client.writableLength + (this.#slowness?.octets ?? 0)
    if (waiting !== this.#lingering) {
      this.#lingering = waiting
      this.#endedAt = now
    }
    const limit = waiting > 0 ? this.#options.relay.limits.writeStallMs : LINGER_MS
    if (now - this.#endedAt > limit) this.destroy()
  }

  #stalled(side: Side): void {
    const text = `${side} took no octets for too long`
    this.#feed({
      type: 'failed',
      side,
      failure: { code: 'POSTERN_WRITE_STALLED', isPermanent: false, text, hint: null },
    })
    this.destroy()
  }

  // The client's socket.

  #listenToClient(socket: net.Socket): void {
    socket.on('data', (octets: Buffer) => this.#octets('client', octets))
    socket.on('end', () => this.#feed({ type: 'end', side: 'client' }))
    socket.on('drain', () => {
      if ((this.#slowness?.octets ?? 0) === 0) this.#clientFullSince = 0
      this.#regulate()
    })
    socket.on('error', () => {
      // What follows is 'close', which ends the session; a client that resets its connection is no news.
    })
    socket.on('close', () => this.#clientClosed())
  }

  #clientClosed(): void {
    this.#slowness?.stop()
    this.#clientGone = true
    this.#feed({ type: 'closed', side: 'client' })
    this.#reportIfClosed()
  }

  #startClientTls(): void {
    const plain = this.#client
    const { clientTls, onKeyLog } = this.#options
    if (clientTls === null) throw new Error('TLS asked for on a listener without a certificate')
    this.#hurry()
    this.#takeUnread('client', plain)
    const wrap = (): void => {
      if (plain.destroyed || this.#relay.isClosed) return
      plain.removeAllListeners()
      plain.on('error', () => {})
      const socket = new tls.TLSSocket(plain, {
        isServer: true,
        ...clientTls.socketOptions(plain.localAddress ?? ''),
      })
      const failed = (error: Error): void => this.#clientTlsFailed(error)
      socket.once('_tlsError', failed)
      socket.on('error', failed)
      // A health check that connects and leaves must not hold a place until the deadline.
      const left = (): void => void socket.destroy()
      socket.once('end', left)
      socket.once('secure', () => {
        socket.off('_tlsError', failed)
        socket.off('error', failed)
        socket.off('end', left)
        releaseControl(socket)
        this.#clientIsSecure = true
        this.#listenToClient(socket)
        this.#feed({ type: 'tls-established', side: 'client', tls: this.#factsOf(socket, 'own') })
      })
      socket.once('close', () => {
        if (!this.#clientIsSecure) this.#clientClosed()
      })
      if (onKeyLog !== null) socket.on('keylog', onKeyLog)
      this.#client = socket
      this.#clientFullSince = 0
    }
    // TLS takes the connection over once the +OK to STLS has left.
    if (plain.writableLength === 0) wrap()
    else plain.write(NOTHING, wrap)
  }

  #clientTlsFailed(error: Error): void {
    if (this.#clientIsSecure) return
    const text = `TLS handshake with the client failed: ${handshakeReason(error)}`
    const hint = clientTlsHint(error)
    this.#feed({
      type: 'failed',
      side: 'client',
      failure: { code: 'POSTERN_CLIENT_TLS', isPermanent: true, text, hint },
    })
    this.#client.destroy()
  }

  // The server's socket.

  #connectServer(): void {
    const { serverHost: host, serverPort: port, relay } = this.#options
    this.#serverGone = false
    // The typings lack highWaterMark, which Node hands on to the stream.
    const highWaterMark = relay.limits.socketBufferOctets
    const address = { host, port, noDelay: true, keepAlive: true, allowHalfOpen: true, highWaterMark }
    const socket = net.connect(address)
    this.#server = socket
    const failed = (error: Error): void => this.#serverFailed(describeSocketError(error, host, port))
    socket.on('error', failed)
    socket.once('close', () => this.#serverClosed(socket))
    socket.once('connect', () => {
      socket.off('error', failed)
      if (relay.serverLeg !== 'tls') this.#listenToServer(socket)
      this.#feed({ type: 'server-reached' })
      if (relay.serverLeg === 'tls') this.#secureServer(socket)
    })
  }

  #startServerTls(): void {
    const plain = this.#server
    if (plain === null) return
    this.#takeUnread('server', plain)
    if (!this.#relay.isClosed) this.#secureServer(plain)
  }

  #secureServer(plain: net.Socket): void {
    const { serverTls, onKeyLog } = this.#options
    if (serverTls === null) throw new Error('TLS asked for toward a server without TLS settings')
    plain.removeAllListeners()
    plain.on('error', () => {
      // The TLS socket around it reports the error.
    })
    const socket = serverTls.connect(plain)
    this.#server = socket
    this.#serverFullSince = 0
    const failed = (error: Error): void => this.#serverFailed(failureOf(serverTls.explain(error, socket)))
    socket.on('error', failed)
    socket.once('secureConnect', () => {
      const failure = serverTls.verify(socket)
      if (failure !== null) {
        this.#serverFailed(failureOf(failure))
        return
      }
      socket.off('error', failed)
      this.#listenToServer(socket)
      this.#feed({ type: 'tls-established', side: 'server', tls: this.#factsOf(socket, 'peer') })
    })
    socket.once('close', () => this.#serverClosed(socket))
    if (onKeyLog !== null) socket.on('keylog', onKeyLog)
  }

  #serverFailed(failure: Failure): void {
    this.#feed({ type: 'failed', side: 'server', failure })
    this.#server?.destroy()
  }

  #listenToServer(socket: net.Socket): void {
    socket.on('data', (octets: Buffer) => this.#octets('server', octets))
    socket.on('end', () => this.#feed({ type: 'end', side: 'server' }))
    socket.on('drain', () => {
      this.#serverFullSince = 0
      this.#regulate()
    })
    socket.on('error', () => {
      // What follows is 'close', which ends the session.
    })
  }

  #serverClosed(socket: net.Socket): void {
    if (socket !== this.#server) return
    this.#serverGone = true
    this.#feed({ type: 'closed', side: 'server' })
    this.#reportIfClosed()
  }

  // Both.

  #factsOf(socket: tls.TLSSocket, whose: 'own' | 'peer'): TlsFacts {
    return tlsFacts(socket, this.#options.relay.attention.isWatched ? whose : null)
  }

  #octets(side: Side, octets: Buffer): void {
    octetsRead(octets.length)
    if (this.#endedAt > 0) return
    this.#feed({ type: 'octets', side, octets })
  }

  /** Octets that arrived in clear and were not read yet: the relay judges them before TLS begins. */
  #takeUnread(side: Side, socket: net.Socket): void {
    socket.pause()
    const unread: unknown = socket.read()
    if (Buffer.isBuffer(unread)) this.#feed({ type: 'octets', side, octets: unread })
  }

  #end(side: Side): void {
    this.#endedAt ||= clock()
    const socket = side === 'client' ? this.#client : this.#server
    if (socket === null || socket.destroyed) return
    if (side === 'client' && (this.#slowness?.octets ?? 0) > 0) this.#endsWhenSlow = true
    else socket.end()
    // Read on, into nothing, so that the other side's close is seen.
    socket.resume()
  }

  #destroySide(side: Side): void {
    this.#endedAt ||= clock()
    const socket = side === 'client' ? this.#client : this.#server
    if (socket === null || socket.destroyed) return
    if (socket instanceof tls.TLSSocket || socket.connecting) socket.destroy()
    else socket.resetAndDestroy()
  }

  #reportIfClosed(): void {
    if (!this.#clientGone || !this.#serverGone) return
    this.#clientGone = false
    this.#files?.dropAll()
    this.#options.onClosed()
  }
}

interface Write {
  readonly side: Side
  octets: Buffer
}

/** Adds a write, or lengthens the last one where both are neighbours in the piece that was read. */
function addWrite(writes: Write[], side: Side, octets: Buffer): void {
  const last = writes.at(-1)
  if (last?.side === side && last.octets.buffer === octets.buffer) {
    const { byteOffset, length } = last.octets
    if (byteOffset + length === octets.byteOffset) {
      last.octets = Buffer.from(octets.buffer, byteOffset, length + octets.length)
      return
    }
  }
  writes.push({ side, octets })
}

function failureOf({ code, permanent, text, hint }: TlsFailure): Failure {
  return { code, isPermanent: permanent, text, hint }
}

function flow(socket: net.Socket, wanted: boolean): void {
  if (wanted === !socket.isPaused()) return
  if (wanted) socket.resume()
  else socket.pause()
}

/** Until this is called, a server-side TLSSocket keeps its errors to itself; tls.Server calls it on 'secure'. */
function releaseControl(socket: tls.TLSSocket): void {
  const release: unknown = Reflect.get(socket, '_releaseControl')
  if (typeof release === 'function') release.call(socket)
}

function errorCode(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : 'no code'
}

function handshakeReason(error: Error): string {
  const code = errorCode(error)
  return code === 'ECONNRESET'
    ? 'the client closed the connection'
    : code
        .replace(/^ERR_SSL_/, '')
        .toLowerCase()
        .replaceAll('_', ' ')
}

function clientTlsHint(error: Error): string | null {
  const code = errorCode(error)
  if (/UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN/.test(code)) {
    return 'the client does not trust the certificate: `postern ca show` tells how to install the authority'
  }
  if (/HTTP_REQUEST|HTTPS_PROXY_REQUEST/.test(code))
    return 'the client does not speak TLS but HTTP: it has the wrong port'
  // Before the next pattern, which a wrong version number fits too. Node 24 names the length otherwise than Node 20.
  if (/WRONG_VERSION_NUMBER|(PACKET|DATA)_LENGTH/.test(code))
    return 'the client does not speak TLS: it needs a pop3:// listener'
  if (/UNSUPPORTED_PROTOCOL|VERSION|NO_SHARED_CIPHER/.test(code)) {
    return 'the client speaks nothing newer than TLS 1.1: `old-tls: true` on this listener lets it in'
  }
  return null
}
