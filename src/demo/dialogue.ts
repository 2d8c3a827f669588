/**
 * The client's end of one POP3 session over a socket, by the same codec as everything else: commands out,
 * answers in, in order. Owns the pairing of the two; knows nothing of what a visit is for.
 */
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { decodeCommand, type ReplyShape, replyShapeOf } from '../pop3/command.js'
import { DEFAULT_LIMITS } from '../pop3/limits.js'
import { ReplyDecoder, type ServerEvent, type StatusLine } from '../pop3/reply-decoder.js'
import { declassify } from '../pop3/secret.js'
import { safeText } from '../trace/safe-text.js'

/** Where a dialogue goes. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly security: 'plain' | 'tls'
  /** PEM of the only authority trusted. */
  readonly ca: string
  /** Name that the certificate must carry. */
  readonly serverName: string
}

/** The reply to one command, or a challenge in its place. */
export type Answer =
  | { readonly type: 'status'; readonly status: StatusLine; readonly contentOctets: number }
  | { readonly type: 'challenge'; readonly challenge: Buffer }

interface Awaited {
  readonly shape: ReplyShape | 'greeting'
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

const NO_MULTI_LINE_VERBS: ReadonlySet<string> = new Set()

/** One session, from the greeting to its end. Whatever goes wrong rejects what is awaited and ends the connection. */
export class Dialogue {
  readonly #target: Target
  readonly #raw: Socket
  readonly #timer: NodeJS.Timeout
  #socket: Socket
  #decoder = new ReplyDecoder(DEFAULT_LIMITS)
  #awaited: readonly Awaited[] = []
  #status: StatusLine | null = null
  #failure: Error | null = null

  private constructor(target: Target, limitMs: number, signal: AbortSignal) {
    this.#target = target
    this.#raw = connectTcp({ host: target.host, port: target.port, noDelay: true })
    this.#socket = this.#raw
    this.#timer = setTimeout(() => this.#fail(new Error(`not done after ${limitMs} ms`)), limitMs)
    signal.addEventListener('abort', () => this.leave(), { once: true })
  }

  /**
   * Connects and reads the greeting.
   *
   * @param limitMs longest life of the whole dialogue
   * @param signal leaves at any moment, while it still connects too
   * @throws Error where no positive greeting comes
   */
  static async open(target: Target, limitMs: number, signal: AbortSignal): Promise<Dialogue> {
    const dialogue = new Dialogue(target, limitMs, signal)
    dialogue.#listen()
    if (target.security === 'tls') await dialogue.startTls()
    const greeting = await dialogue.#answer('greeting')
    if (greeting.type === 'status' && greeting.status.indicator === '+OK') return dialogue
    dialogue.leave()
    throw new Error(
      greeting.type === 'status' ? `greeted by -ERR: ${safeText(greeting.status.text)}` : 'no greeting',
    )
  }

  /**
   * Sends commands in one piece and awaits all their answers.
   *
   * @param lines commands without CRLF
   * @throws Error where the connection ends first, or what arrives is no POP3
   */
  async give(...lines: readonly string[]): Promise<readonly Answer[]> {
    const octets = lines.map((line) => Buffer.from(`${line}\r\n`, 'utf8'))
    const answers = octets.map((line) =>
      this.#answer(replyShapeOf(decodeCommand(line, NO_MULTI_LINE_VERBS).command)),
    )
    this.#socket.write(Buffer.concat(octets))
    return await Promise.all(answers)
  }

  /** Sends a SASL response, the text in base64. */
  async respond(text: string): Promise<Answer> {
    this.#socket.write(`${Buffer.from(text, 'utf8').toString('base64')}\r\n`)
    return await this.#answer('sasl')
  }

  /** Does the TLS handshake, behind STLS or at the start. */
  async startTls(): Promise<void> {
    this.#raw.removeAllListeners('data')
    const { ca, serverName: servername } = this.#target
    this.#decoder = new ReplyDecoder(DEFAULT_LIMITS)
    const socket = connectTls({ socket: this.#raw, ca, servername, ALPNProtocols: ['pop3'] })
    this.#socket = socket
    this.#listen()
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve)
      socket.once('close', () => reject(this.#failure ?? new Error('closed within the TLS handshake')))
    })
  }

  /** Ends the connection at once, as a client does that is switched off. Harmless when repeated. */
  leave(): void {
    this.#fail(new Error('the client left'))
  }

  #listen(): void {
    const socket = this.#socket
    socket.on('data', (octets: Buffer) => {
      this.#decoder.push(octets)
      this.#advance()
    })
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('closed by the other side')))
  }

  async #answer(shape: Awaited['shape']): Promise<Answer> {
    const failure = this.#failure
    if (failure !== null) throw failure
    return await new Promise((resolve, reject) => {
      this.#awaited = [...this.#awaited, { shape, resolve, reject }]
    })
  }

  #advance(): void {
    for (;;) {
      const event = this.#decoder.next(this.#awaited[0]?.shape ?? 'nothing')
      if (event === null) return
      this.#take(event)
    }
  }

  #take(event: ServerEvent): void {
    switch (event.type) {
      case 'greeting':
        this.#settle({ type: 'status', status: event.status, contentOctets: 0 })
        return
      case 'reply':
        this.#status = event.status
        if (!event.hasContent) this.#settle({ type: 'status', status: event.status, contentOctets: 0 })
        return
      case 'content':
        return
      case 'content-end': {
        const status = this.#status
        if (status !== null) this.#settle({ type: 'status', status, contentOctets: event.octets })
        return
      }
      case 'sasl-challenge':
        this.#settle({ type: 'challenge', challenge: declassify(event.challenge) })
        return
      case 'no-greeting':
      case 'unsolicited':
      case 'line-too-long':
        this.#fail(new Error(`the server sent what is no reply (${event.type})`))
        return
    }
  }

  #settle(answer: Answer): void {
    const [first, ...others] = this.#awaited
    this.#awaited = others
    first?.resolve(answer)
  }

  #fail(error: Error): void {
    this.#failure ??= error
    clearTimeout(this.#timer)
    this.#socket.destroy()
    this.#raw.destroy()
    const awaited = this.#awaited
    this.#awaited = []
    for (const { reject } of awaited) reject(error)
  }
}
