/**
 * A short talk with a POP3 server for `postern doctor`: greeting, CAPA, STLS, CAPA, QUIT. Never logs in. Uses the
 * codec and the TLS rules of the proxy, so that what passes here passes there.
 */
import { connect, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { UpstreamSettings } from '../config/settings.js'
import { type Capability, decodeCapabilities } from '../pop3/capabilities.js'
import type { Limits } from '../pop3/limits.js'
import { type ExpectedOfServer, ReplyDecoder, type StatusLine } from '../pop3/reply-decoder.js'
import { describeSocketError } from '../proxy/socket-error.js'
import { ServerTls } from '../tls/toward-server.js'
import type { Failure } from '../trace/event.js'

/** What went wrong, with the words that a session's log would have. */
export class ServerFailure extends Error {
  override readonly name = 'ServerFailure'
  readonly hint: string | null

  constructor(failure: Pick<Failure, 'text' | 'hint'>) {
    super(failure.text)
    this.hint = failure.hint
  }
}

/** A reply with its content, which is empty for a single line. */
export interface ServerReply {
  readonly status: StatusLine
  readonly content: Buffer
}

/** One connection to a server; one thing at a time. */
export class ServerDialogue {
  readonly #limits: Limits
  readonly #upstream: UpstreamSettings
  #socket: Socket
  #decoder: ReplyDecoder

  private constructor(socket: Socket, upstream: UpstreamSettings, limits: Limits) {
    this.#socket = socket
    this.#upstream = upstream
    this.#limits = limits
    this.#decoder = new ReplyDecoder(limits)
  }

  /**
   * Opens the TCP connection, nothing more.
   *
   * @throws {ServerFailure}
   */
  static async open(upstream: UpstreamSettings, limits: Limits): Promise<ServerDialogue> {
    const { host, port } = upstream.url
    const socket = connect({ host, port, noDelay: true })
    // An error that comes while nothing is awaited has nobody to tell; the next wait finds the socket closed.
    socket.on('error', () => {})
    try {
      await settled(socket, ['connect'], limits.connectMs)
    } catch (error) {
      socket.destroy()
      throw error instanceof ServerFailure
        ? error
        : new ServerFailure(describeSocketError(asError(error), host, port))
    }
    return new ServerDialogue(socket, upstream, limits)
  }

  /**
   * Secures the connection and verifies the certificate as the proxy does.
   *
   * @param onHandshake receives the socket before the verdict, so that a refused certificate can be described
   * @throws {ServerFailure}
   */
  async secure(onHandshake: (socket: TLSSocket) => void): Promise<void> {
    const serverTls = ServerTls.create(this.#upstream)
    const socket = serverTls.connect(this.#socket)
    // Node ends an unverified connection before 'secureConnect'; this undocumented event comes just before.
    socket.prependOnceListener('secure', () => onHandshake(socket))
    socket.on('error', () => {})
    this.#socket = socket
    // RFC 2595 §4: what was learnt before TLS is forgotten.
    this.#decoder = new ReplyDecoder(this.#limits)
    try {
      await settled(socket, ['secureConnect'], this.#limits.handshakeMs)
    } catch (error) {
      throw new ServerFailure(serverTls.explain(error, socket))
    }
    const failure = serverTls.verify(socket)
    if (failure !== null) throw new ServerFailure(failure)
  }

  /** @throws {ServerFailure} */
  async greeting(): Promise<StatusLine> {
    return (await this.#read('greeting', this.#limits.greetingMs)).status
  }

  /** @throws {ServerFailure} */
  async command(line: string, reply: 'single-line' | 'multi-line'): Promise<ServerReply> {
    this.#socket.write(`${line}\r\n`)
    return this.#read(reply, this.#limits.greetingMs)
  }

  /**
   * Asks for the capabilities.
   *
   * @returns null where the server does not know CAPA
   * @throws {ServerFailure}
   */
  async capabilities(): Promise<readonly Capability[] | null> {
    const { status, content } = await this.command('CAPA', 'multi-line')
    return status.indicator === '+OK' ? decodeCapabilities(content) : null
  }

  close(): void {
    this.#socket.destroy()
  }

  async #read(expected: ExpectedOfServer, withinMs: number): Promise<ServerReply> {
    const content: Buffer[] = []
    let status: StatusLine | null = null
    for (;;) {
      const event = this.#decoder.next(expected)
      switch (event?.type) {
        case undefined:
          await this.#receive(withinMs)
          break
        case 'greeting':
          return { status: event.status, content: Buffer.alloc(0) }
        case 'reply':
          if (!event.hasContent) return { status: event.status, content: Buffer.alloc(0) }
          status = event.status
          break
        case 'content':
          content.push(event.wire)
          break
        case 'content-end':
          if (status !== null) return { status, content: Buffer.concat(content) }
          break
        default:
          throw new ServerFailure({ text: 'the server does not speak POP3', hint: 'is the port right?' })
      }
    }
  }

  async #receive(withinMs: number): Promise<void> {
    const waiting: unknown = this.#socket.read()
    if (Buffer.isBuffer(waiting)) {
      this.#decoder.push(waiting)
      return
    }
    await settled(this.#socket, ['readable'], withinMs)
  }
}

/** Waits for an event of a socket that is not its end, an error, or too late. */
function settled(socket: Socket, events: readonly string[], withinMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onEvent = (): void => finish(resolve)
    const onError = (error: Error): void => finish(() => reject(error))
    const onEnd = (): void =>
      finish(() => reject(new ServerFailure({ text: 'the server closed the connection', hint: null })))
    const timer = setTimeout(() => {
      finish(() =>
        reject(new ServerFailure({ text: `no answer from the server within ${withinMs} ms`, hint: null })),
      )
    }, withinMs)
    const finish = (act: () => void): void => {
      clearTimeout(timer)
      for (const event of events) socket.off(event, onEvent)
      socket.off('error', onError).off('end', onEnd).off('close', onEnd)
      act()
    }
    for (const event of events) socket.once(event, onEvent)
    socket.once('error', onError).once('end', onEnd).once('close', onEnd)
  })
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
