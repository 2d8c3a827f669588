/**
 * One session watched from outside: both sides' octets as they were captured, told in the events that the relay tells
 * of a session it carries. Decides nothing and answers nothing; the same decoders, narrator and session state, fed in
 * the same order, make the same events. What a capture cannot show is said once, as a failure, and ends the decoding.
 */
import type { Anomaly } from '../pop3/anomaly.js'
import { announces, capabilityAnomalies, decodeCapabilities } from '../pop3/capabilities.js'
import type { Command } from '../pop3/command.js'
import { type ClientEvent, CommandDecoder } from '../pop3/command-decoder.js'
import type { Limits } from '../pop3/limits.js'
import { ReplyDecoder, type ServerEvent, type StatusLine } from '../pop3/reply-decoder.js'
import { Session } from '../pop3/session.js'
import type {
  Attention,
  ClosedReason,
  Failure,
  FailureCode,
  Side,
  TraceContent,
  TraceEvent,
} from '../trace/event.js'
import { type Exchange, fetchesWholeMessage, newExchange } from './exchange.js'
import { Narrator } from './narrator.js'
import { ToldContent } from './told-content.js'

/** What is known of the session beforehand. Texts are shown to people as they are. */
export interface ObserverOptions {
  readonly sessionId: string
  readonly service: string
  readonly listener: string
  readonly client: string
  readonly server: string
  readonly limits: Limits
  readonly multiLineVerbs: ReadonlySet<string>
  readonly showsUserNames: boolean
  /** What is told beyond plain events. */
  readonly attention: Attention
  /** The first octets seen are not the session's first: no greeting is waited for. */
  readonly beginsWithin: boolean
}

type Phase = 'greeting' | 'joining' | 'open' | 'blind' | 'closed'

/** First octet of a TLS handshake record; no command and no status line begins with it. */
const TLS_HANDSHAKE = 0x16
/** A client's octets that wait for the server's greeting or reply; whoever sends more is no mail program. */
const MOST_WAITING_OCTETS = 65_536
/** A listing of 40,000 messages. */
const MOST_LISTING_OCTETS = 1_048_576

/** The observer of one session. Give it what was captured in order; it tells the events at once. */
export class Observer {
  readonly #options: ObserverOptions
  readonly #tellEvent: (event: TraceEvent) => void
  readonly #clientDecoder: CommandDecoder
  readonly #serverDecoder: ReplyDecoder
  readonly #session = new Session()
  readonly #narrator: Narrator
  #phase: Phase
  #now = 0
  #openedAt = 0
  #connectedAt = 0
  readonly #queue: Exchange[] = []
  #inFlight = 0
  #serverPipelines = false
  #responseOwed = false
  #quitGiven = false
  #stlsGiven = false
  #clientEnded = false
  #hasTransacted = false
  #commands = 0
  #messages = 0
  #fromClient = 0
  #fromServer = 0
  #capabilities: Buffer[] | null = null
  #capabilityOctets = 0
  #failure: FailureCode | null = null

  constructor(options: ObserverOptions, tell: (event: TraceEvent) => void) {
    this.#options = options
    this.#tellEvent = tell
    this.#phase = options.beginsWithin ? 'joining' : 'greeting'
    this.#clientDecoder = new CommandDecoder(options.limits, options.multiLineVerbs)
    this.#serverDecoder = new ReplyDecoder(options.limits)
    this.#narrator = new Narrator(options, this.#session, (content) => this.#tell(content))
  }

  /** Whether the session has been told to its end. */
  get isClosed(): boolean {
    return this.#phase === 'closed'
  }

  /** The client asked for the connection. First of all. */
  opened(at: number): void {
    const { service, listener, client, server, beginsWithin } = this.#options
    this.#now = at
    this.#openedAt = at
    this.#connectedAt = at
    this.#tell({ type: 'session-opened', service, listener, client, server })
    if (beginsWithin) this.#tell({ type: 'failure', side: 'client', failure: BEGAN_BEFORE })
  }

  /** The server accepted it. */
  connected(at: number): void {
    this.#now = at
    this.#connectedAt = at
    this.#tell({ type: 'server-connected' })
  }

  /** A side sent octets; they are kept, not copied. Never fails on anything they can be. */
  octets(side: Side, octets: Buffer, at: number): void {
    this.#now = at
    if (this.#phase === 'closed') return
    const isFirst = side === 'client' ? this.#fromClient === 0 : this.#fromServer === 0
    if (side === 'client') this.#fromClient += octets.length
    else this.#fromServer += octets.length
    if (this.#phase === 'blind') return
    if (octets[0] === TLS_HANDSHAKE && (isFirst || this.#stlsGiven)) {
      this.#goBlind(side, 'POSTERN_CAPTURE_ENCRYPTED', this.#stlsGiven ? ENCRYPTED_BY_STLS : ENCRYPTED)
      return
    }
    if (side === 'client') {
      this.#clientDecoder.push(octets)
      this.#pullClient()
      if (this.#clientDecoder.undecodedOctets > MOST_WAITING_OCTETS)
        this.#goBlind('client', 'POSTERN_CLIENT_PROTOCOL', 'client sent on and on without a reply')
    } else if (this.#phase !== 'joining') {
      this.#serverDecoder.push(octets)
      this.#pullServer()
    }
  }

  /** Octets of a side are missing in the capture; nothing behind them can be understood. `why` is one line. */
  lost(side: Side, why: string, at: number): void {
    this.#now = at
    this.#goBlind(side, 'POSTERN_CAPTURE_INCOMPLETE', why)
  }

  /** A side sent its last octet. */
  ended(side: Side, at: number): void {
    this.#now = at
    if (this.#phase === 'closed') return
    if (this.#phase === 'blind') this.#close('failed', this.#failure)
    else if (side === 'client') {
      this.#clientEnded = true
      this.#leaveWhenAnswered()
    } else this.#serverGone()
  }

  /** A side broke the connection. */
  reset(side: Side, at: number): void {
    this.#now = at
    if (this.#phase === 'closed') return
    if (this.#phase === 'blind') this.#close('failed', this.#failure)
    else if (side === 'client') this.#close('client-left', null)
    else this.#serverGone()
  }

  // The client's side.

  #pullClient(): void {
    while (this.#mayDecodeClient()) {
      const event = this.#clientDecoder.next(this.#responseOwed ? 'sasl-response' : 'command')
      if (event === null) break
      this.#clientEvent(event)
    }
    if (this.#clientEnded) this.#leaveWhenAnswered()
  }

  /** As in the relay: a line is decoded only when it is known what it is. */
  #mayDecodeClient(): boolean {
    if (this.#phase === 'joining') return true
    if (this.#phase !== 'open') return false
    if (this.#responseOwed) return true
    if (this.#quitGiven || this.#stlsGiven) return false
    if (this.#queue.length >= this.#options.limits.pendingCommands) return false
    return this.#queue[this.#queue.length - 1]?.shape !== 'sasl'
  }

  #clientEvent(event: ClientEvent): void {
    switch (event.type) {
      case 'command':
        this.#command(event.command, event.wire, event.anomalies)
        return
      case 'sasl-response': {
        const number = this.#queue[0]?.number ?? 0
        this.#narrator.saslResponse(number, event.response, event.cancels, event.wire, event.anomalies)
        if (!event.cancels) this.#session.saslResponseGiven(event.response)
        this.#responseOwed = false
        return
      }
      case 'line-too-long': {
        this.#narrator.anomalies('client', event.anomalies, this.#commands + 1)
        const text = `client sent a line of more than ${event.limit} octets`
        this.#goBlind('client', 'POSTERN_CLIENT_PROTOCOL', text)
        return
      }
    }
  }

  #command(command: Command, wire: Buffer, anomalies: readonly Anomaly[]): void {
    // Within a session that was joined late, a line that is no command is the rest of something that was not seen.
    if (this.#phase === 'joining') {
      if (command.verb === 'unrecognized') return
      this.#phase = 'open'
    }
    this.#commands += 1
    const number = this.#commands
    const told = this.#narrator.command(number, 'client', command, wire, anomalies)
    this.#session.commandGiven(command)
    if (command.verb === 'QUIT') this.#quitGiven = true
    if (command.verb === 'STLS') this.#stlsGiven = true
    this.#queue.push(newExchange(number, 'client', command, wire, told, this.#now, null))
    this.#send()
  }

  /**
   * Notes what the server may have got by now, by the rules of the relay: whether a command is in place depends on the
   * replies before it, and who pipelines sends ahead of them.
   */
  #send(): void {
    for (const exchange of this.#queue) {
      const { holdsNext, states } = exchange.command.grammar
      if (exchange.isSent) {
        if (holdsNext) return
        continue
      }
      const mayPipeline = this.#serverPipelines && this.#inFlight < this.#options.limits.pipelinedCommands
      if (this.#inFlight > 0 && !mayPipeline) return
      if (!this.#options.beginsWithin && !states.includes(this.#session.state))
        this.#narrator.anomaly('client', 'wrong-state', exchange.number, null)
      exchange.isSent = true
      this.#inFlight += 1
      if (holdsNext) return
    }
  }

  #leaveWhenAnswered(): void {
    if (this.#phase === 'closed' || this.#phase === 'blind') return
    if (this.#phase !== 'open' || this.#queue.length === 0 || this.#responseOwed)
      this.#close('client-left', null)
  }

  // The server's side.

  #pullServer(): void {
    while (this.#phase === 'greeting' || this.#phase === 'open') {
      const head = this.#queue[0]
      const event = this.#serverDecoder.next(
        this.#phase === 'greeting' ? 'greeting' : (head?.shape ?? 'nothing'),
      )
      if (event === null) return
      this.#serverEvent(event, head ?? null)
    }
  }

  #serverEvent(event: ServerEvent, head: Exchange | null): void {
    const number = head?.number ?? 0
    switch (event.type) {
      case 'greeting':
        this.#greeted(event.status, event.anomalies)
        return
      case 'no-greeting':
        this.#narrator.anomalies('server', event.anomalies, 0)
        this.#goBlind('server', 'POSTERN_SERVER_GREETING', 'server does not greet as a POP3 server does')
        return
      case 'reply':
        if (head !== null) this.#reply(event, head)
        return
      case 'sasl-challenge':
        this.#narrator.saslChallenge(number, event.challenge, event.anomalies)
        this.#responseOwed = true
        this.#pullClient()
        return
      case 'content':
        if (head !== null) this.#content(event.wire, head)
        return
      case 'content-end':
        if (head !== null) this.#contentEnd(event.octets, event.anomalies, head)
        return
      case 'unsolicited':
        for (const anomaly of event.anomalies)
          this.#narrator.anomaly('server', anomaly, number, event.wire.length)
        this.#tell({ type: 'unsolicited', octets: event.wire.length })
        return
      case 'line-too-long': {
        this.#narrator.anomalies('server', event.anomalies, number)
        const text = `server sent a status line of more than ${event.limit} octets`
        this.#goBlind('server', 'POSTERN_SERVER_PROTOCOL', text)
        return
      }
    }
  }

  #greeted(status: StatusLine, anomalies: readonly Anomaly[]): void {
    this.#narrator.greeting(status, this.#now - this.#connectedAt, anomalies)
    if (status.indicator === '-ERR') {
      this.#close('server-refused', null)
      return
    }
    this.#phase = 'open'
    this.#pullClient()
  }

  #reply(event: Extract<ServerEvent, { type: 'reply' }>, exchange: Exchange): void {
    const { status, wire } = event
    const { verb } = exchange.command
    exchange.isAnswered = true
    const shown = this.#narrator.reply(exchange, 'server', status, wire, this.#now)
    this.#narrator.anomalies('server', event.anomalies, exchange.number)
    if (event.hasContent) exchange.told = this.#toldContentOf(verb)
    this.#capabilities = verb === 'CAPA' && event.hasContent ? [] : null
    this.#capabilityOctets = 0
    if (status.indicator === '+OK' && !exchange.command.grammar.states.includes('AUTHORIZATION'))
      this.#hasTransacted = true
    if (verb === 'STLS' && status.indicator === '-ERR') this.#stlsGiven = false
    if (event.hasContent) return
    switch (this.#session.replied(exchange.command, status)) {
      case 'logged-in':
        this.#tell({ type: 'logged-in', ...this.#narrator.login() })
        break
      case 'login-refused':
        this.#tell({
          type: 'login-refused',
          ...this.#narrator.login(),
          responseCode: shown.responseCode,
          text: shown.text,
        })
        break
      case 'ended':
        this.#close('quit', null)
        return
      case 'none':
        break
    }
    this.#finish()
  }

  #toldContentOf(verb: string): ToldContent {
    const isMessage = verb === 'RETR' || verb === 'TOP'
    return new ToldContent(isMessage, isMessage ? this.#options.attention.messageOctets : MOST_LISTING_OCTETS)
  }

  #content(wire: Buffer, exchange: Exchange): void {
    if (this.#capabilities !== null && this.#capabilityOctets < this.#options.limits.capabilityOctets) {
      this.#capabilities.push(wire)
      this.#capabilityOctets += wire.length
    }
    const told = exchange.told?.take(wire) ?? null
    if (told !== null) this.#narrator.content(exchange, 'server', told, true)
  }

  #contentEnd(octets: number, anomalies: readonly Anomaly[], exchange: Exchange): void {
    const { number, command, givenAt } = exchange
    this.#narrator.anomalies('server', anomalies, number)
    const rest = exchange.told?.takeRest() ?? null
    if (rest !== null) this.#narrator.content(exchange, 'server', rest, false)
    this.#tell({ type: 'content-end', number, verb: command.verb, octets, afterMs: this.#now - givenAt })
    if (this.#capabilities !== null) {
      const capabilities = decodeCapabilities(Buffer.concat(this.#capabilities))
      this.#narrator.anomalies('server', capabilityAnomalies(capabilities), number)
      this.#serverPipelines = announces(capabilities, 'PIPELINING')
    }
    if (fetchesWholeMessage(command)) this.#messages += 1
    this.#finish()
  }

  #finish(): void {
    const done = this.#queue.shift()
    if (done !== undefined) this.#narrator.answered(done.number)
    this.#inFlight = Math.max(0, this.#inFlight - 1)
    this.#capabilities = null
    this.#send()
    this.#pullClient()
  }

  #serverGone(): void {
    const head = this.#queue[0]
    if (this.#phase === 'open' && head === undefined) {
      this.#close('server-closed', null)
      return
    }
    if (head !== undefined && (head.isAnswered || this.#serverDecoder.undecodedOctets > 0))
      this.#narrator.anomaly('server', 'truncated-reply', head.number, null)
    const where =
      head === undefined
        ? 'before its greeting'
        : `before it answered ${this.#narrator.keyword(head.command)}`
    const text = `server closed the connection ${where}`
    this.#tell({ type: 'failure', side: 'server', failure: failureOf('POSTERN_SERVER_CLOSED', text) })
    this.#close('failed', 'POSTERN_SERVER_CLOSED')
  }

  // Ends.

  #goBlind(side: Side, code: FailureCode, text: string): void {
    if (this.#phase === 'blind' || this.#phase === 'closed') return
    this.#phase = 'blind'
    this.#failure = code
    this.#tell({ type: 'failure', side, failure: failureOf(code, text) })
    this.#narrator.forget()
  }

  #close(reason: ClosedReason, code: FailureCode | null): void {
    const { state } = this.#session
    const octets = { fromClient: this.#fromClient, toClient: this.#fromServer }
    this.#phase = 'closed'
    this.#tell({
      type: 'session-closed',
      reason,
      code,
      user: this.#narrator.login().user,
      state: state === 'AUTHORIZATION' && this.#hasTransacted ? 'TRANSACTION' : state,
      commands: this.#commands,
      messages: this.#messages,
      octets: { ...octets, fromServer: this.#fromServer, toServer: this.#fromClient },
      durationMs: this.#now - this.#openedAt,
    })
    this.#queue.length = 0
    this.#narrator.forget()
  }

  #tell(content: TraceContent): void {
    this.#tellEvent({ at: this.#now, session: this.#options.sessionId, content })
  }
}

const ENCRYPTED = 'the connection is TLS from its start: what it carries cannot be read from a capture'
const ENCRYPTED_BY_STLS =
  'the connection went on in TLS behind STLS: what follows cannot be read from a capture'
const BEGAN_BEFORE: Failure = {
  code: 'POSTERN_CAPTURE_INCOMPLETE',
  isPermanent: true,
  text: 'the capture began within this session: what came before is missing',
  hint: 'start the capture before the mail program connects',
}

const HINTS: Partial<Record<FailureCode, string>> = {
  POSTERN_CAPTURE_ENCRYPTED: 'let the mail program connect through postern, which sees both legs in clear',
  POSTERN_CAPTURE_INCOMPLETE: 'capture whole packets (tcpdump -s 0) with a larger buffer (tcpdump -B 4096)',
}

function failureOf(code: FailureCode, text: string): Failure {
  return { code, isPermanent: true, text, hint: HINTS[code] ?? null }
}
