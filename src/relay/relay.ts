/**
 * One session: a client's side and a server's side joined into one pure machine. Owns the order of replies,
 * what is sent when, STLS on both legs, and what a failure looks like to the client. Has no sockets, clocks or
 * logging: {@link Relay.handle} takes what happened and returns what to do.
 */
import type { Anomaly } from '../pop3/anomaly.js'
import {
  announces,
  capabilitiesForClient,
  capabilityAnomalies,
  decodeCapabilities,
} from '../pop3/capabilities.js'
import type { Command } from '../pop3/command.js'
import { type ClientEvent, CommandDecoder } from '../pop3/command-decoder.js'
import { encodeContent, encodeStatusLine } from '../pop3/encoder.js'
import type { Limits } from '../pop3/limits.js'
import {
  type ExpectedOfServer,
  ReplyDecoder,
  type ServerEvent,
  type StatusLine,
} from '../pop3/reply-decoder.js'
import type { Secret } from '../pop3/secret.js'
import { Session } from '../pop3/session.js'
import type { Attention, ClosedReason, Failure, Side, TlsFacts, TraceContent } from '../trace/event.js'
import { type Exchange, newExchange } from './exchange.js'
import type { Interceptor } from './interception.js'
import { capabilitiesInPlaceOfServer, localAnswerTo, refusal } from './local-answer.js'
import { Narrator, type ShownStatus } from './narrator.js'
import type { RelayEffect, RelayInput } from './relay-input.js'

/** What a relay is told about its session. Texts are shown to people as they are. */
export interface RelayOptions {
  readonly sessionId: string
  readonly service: string
  /** URL of the listener, address of the client, URL of the server. */
  readonly listener: string
  readonly client: string
  readonly server: string
  readonly clientLeg: {
    readonly security: 'plain' | 'stls' | 'tls'
    /** A certificate is there and STLS is not switched off. */
    readonly offersStls: boolean
  }
  readonly serverLeg: 'plain' | 'stls' | 'tls'
  readonly limits: Limits
  /** Upper-case verbs beyond the command table whose positive reply has several lines. */
  readonly multiLineVerbs: ReadonlySet<string>
  readonly showsUserNames: boolean
  /** What observers ask for; looked at anew each time, since watchers come and go. */
  readonly attention: Attention
  readonly interceptor: Interceptor
  /** While a message is held, the client gets `+OK` at once and then blanks, so that it does not give up. */
  readonly keepsClientAlive: boolean
}

/**
 * Where the session stands. Until `open`, the client's octets wait undecoded.
 * - `new`, `client-handshake`: before anything is asked of the server
 * - `connecting`, `server-tls`, `greeting`, `stls`, `upgrading`: making the server's leg ready
 * - `open`: commands and replies pass
 * - `closed`: nothing passes any more
 */
type Phase =
  | 'new'
  | 'client-handshake'
  | 'connecting'
  | 'server-tls'
  | 'greeting'
  | 'stls'
  | 'upgrading'
  | 'open'
  | 'closed'

/** TOP with at least this many lines fetches a message whole; fetchmail asks for 99999999. */
const WHOLE_MESSAGE_LINES = 1_000_000
/** What postern's own list begins with, as told; see capabilitiesInPlaceOfServer. */
const LIST_FOLLOWS = { indicator: '+OK', responseCode: null, text: 'capability list follows' } as const
const STLS = Buffer.from('STLS\r\n', 'latin1')
/** First octet of a TLS handshake record; no command begins with it. */
const TLS_HANDSHAKE = 0x16
const TLS_ON_PLAIN_PORT: Failure = {
  code: 'POSTERN_CLIENT_PROTOCOL',
  isPermanent: true,
  text: 'client began with TLS where POP3 begins in clear',
  hint: 'set the mail program to STARTTLS, or give it a pop3s:// listener',
}

/** The state machine of one session. */
export class Relay {
  readonly #options: RelayOptions
  readonly #limits: Limits
  readonly #mostUndecodedOctets: number
  readonly #clientDecoder: CommandDecoder
  #serverDecoder: ReplyDecoder
  readonly #session = new Session()
  readonly #narrator: Narrator
  #phase: Phase = 'new'
  #effects: RelayEffect[] = []
  #now = 0

  /** Commands without a complete reply, oldest first. Those at the server form a prefix, local ones aside. */
  readonly #queue: Exchange[] = []
  #inFlight = 0
  /** The greeting of a server with STLS, kept until TLS stands. */
  #greeting: Buffer | null = null
  #clientHasTls = false
  #clientTlsPending = false
  #userGiven = false
  /** The server's last word was a challenge: the client's next line is a credential. */
  #responseOwed = false
  #quitGiven = false
  #serverPipelines = false
  #strayWhileWaiting = false
  #clientEnded = false
  #draining = false

  #openedAt = 0
  #phaseBegan = 0
  #lastActivity = 0
  #commands = 0
  #messages = 0
  #errors = 0
  #fromClient = 0
  #toClient = 0
  #fromServer = 0
  #toServer = 0

  constructor(options: RelayOptions) {
    this.#options = options
    this.#limits = options.limits
    const { socketBufferOctets, commandLineOctets, saslLineOctets } = options.limits
    // A line that fits its limit must fit here too, or its end would never be read.
    this.#mostUndecodedOctets = Math.max(socketBufferOctets, commandLineOctets, saslLineOctets)
    this.#clientDecoder = new CommandDecoder(options.limits, options.multiLineVerbs)
    this.#serverDecoder = new ReplyDecoder(options.limits)
    this.#narrator = new Narrator(options, this.#session, (content) => this.#trace(content))
  }

  /** Whether the session has ended. */
  get isClosed(): boolean {
    return this.#phase === 'closed'
  }

  /**
   * Whether the side should be read. The edge also stops reading a side while the other takes no writes.
   */
  wantsOctets(side: Side): boolean {
    if (this.#phase === 'closed') return false
    if (side === 'server') return !this.#clientIsBetweenTls()
    return (
      this.#clientDecoder.undecodedOctets < this.#mostUndecodedOctets &&
      this.#queue.length < this.#limits.pendingCommands
    )
  }

  /** Whether a deadline has passed, so that the input `clock` is wanted. Cheap: asked of every session often. */
  isDue(now: number): boolean {
    return now >= this.#deadline()
  }

  /**
   * Takes one input.
   *
   * @param now milliseconds since the epoch, monotonic
   * @returns what the edge must do, in order
   * Never fails on anything a peer can send.
   */
  handle(input: RelayInput, now: number): readonly RelayEffect[] {
    this.#now = now
    if (input.type === 'octets' && input.side === 'server' && this.#passesWhole(input.octets)) {
      return [{ type: 'write', side: 'client', octets: input.octets }]
    }
    this.#effects = []
    if (this.#phase === 'closed') return this.#effects
    switch (input.type) {
      case 'accepted':
        this.#accepted()
        break
      case 'octets':
        this.#lastActivity = now
        if (input.side === 'client') this.#clientOctets(input.octets)
        else this.#serverOctets(input.octets)
        break
      case 'end':
        if (input.side === 'client') this.#clientEnd()
        else this.#serverGone()
        break
      case 'closed':
        if (input.side === 'client') this.#close('client-left', null, 'destroy')
        else this.#serverGone()
        break
      case 'server-reached':
        this.#enter(this.#options.serverLeg === 'tls' ? 'server-tls' : 'greeting')
        this.#trace({ type: 'server-connected' })
        break
      case 'tls-established':
        this.#tlsEstablished(input.side, input.tls)
        break
      case 'failed':
        this.#fail(input.side, input.failure)
        break
      case 'clock':
        if (this.isDue(now)) this.#deadlinePassed()
        break
      case 'drain':
        this.#drain()
        break
      case 'verdict':
      case 'send':
        break
    }
    return this.#effects
  }

  // The client's side.

  #accepted(): void {
    const { service, listener, client, server, clientLeg } = this.#options
    this.#openedAt = this.#now
    this.#lastActivity = this.#now
    this.#trace({ type: 'session-opened', service, listener, client, server })
    if (clientLeg.security === 'tls') {
      this.#enter('client-handshake')
      this.#effects.push({ type: 'start-tls', side: 'client' })
    } else this.#connect()
  }

  #connect(): void {
    this.#enter('connecting')
    this.#effects.push({ type: 'connect-server' })
  }

  #clientOctets(octets: Buffer): void {
    const isFirst = this.#fromClient === 0
    this.#fromClient += octets.length
    if (this.#clientTlsPending) {
      this.#discardClearText(octets.length)
      return
    }
    if (isFirst && octets[0] === TLS_HANDSHAKE && !this.#clientHasTls) {
      this.#fail('client', TLS_ON_PLAIN_PORT)
      return
    }
    this.#clientDecoder.push(octets)
    this.#pullClient()
  }

  #pullClient(): void {
    while (this.#mayDecodeClient()) {
      const event = this.#clientDecoder.next(this.#responseOwed ? 'sasl-response' : 'command')
      if (event === null) break
      this.#clientEvent(event)
    }
    if (this.#clientEnded) this.#leaveWhenAnswered()
  }

  /** A line is decoded only when it is known what it is: nothing behind STLS, AUTH without reply, or QUIT. */
  #mayDecodeClient(): boolean {
    if (this.#phase !== 'open' || this.#clientTlsPending || this.#draining) return false
    if (this.#responseOwed) return true
    if (this.#quitGiven || this.#queue.length >= this.#limits.pendingCommands) return false
    const newest = this.#queue[this.#queue.length - 1]
    return newest === undefined || newest.shape !== 'sasl'
  }

  #clientEvent(event: ClientEvent): void {
    switch (event.type) {
      case 'command':
        this.#command(event.command, event.wire, event.anomalies)
        return
      case 'sasl-response':
        this.#saslResponse(event.response, event.cancels, event.wire, event.anomalies)
        return
      case 'line-too-long': {
        this.#narrator.anomalies('client', event.anomalies, this.#commands + 1)
        const text = `client sent a line of more than ${event.limit} octets`
        this.#fail('client', { code: 'POSTERN_CLIENT_PROTOCOL', isPermanent: true, text, hint: null })
        return
      }
    }
  }

  #command(command: Command, wire: Buffer, anomalies: readonly Anomaly[]): void {
    this.#commands += 1
    const number = this.#commands
    const { verb } = command
    this.#narrator.command(number, command, wire, anomalies)
    const { clientLeg } = this.#options
    const local = localAnswerTo(command, {
      session: this.#session,
      offersStls: clientLeg.offersStls,
      clientHasTls: this.#clientHasTls,
      requiresTls: clientLeg.security === 'stls',
      userGiven: this.#userGiven,
    })
    if (local === null) {
      if (verb === 'USER') this.#userGiven = true
      this.#session.commandGiven(command)
    }
    if (local?.next === 'start-tls') {
      this.#clientTlsPending = true
      this.#discardClearText(this.#clientDecoder.takeUndecoded().length)
    }
    if (verb === 'QUIT') this.#quitGiven = true
    this.#queue.push(newExchange(number, command, wire, this.#now, local))
    this.#advance()
  }

  #saslResponse(response: Secret, cancels: boolean, wire: Buffer, anomalies: readonly Anomaly[]): void {
    const number = this.#queue[0]?.number ?? 0
    this.#narrator.saslResponse(number, response, cancels, wire, anomalies)
    if (!cancels) this.#session.saslResponseGiven(response)
    this.#responseOwed = false
    this.#write('server', wire)
  }

  /** RFC 2595 §4: once STLS is issued, nothing may come in clear until TLS stands. What does is never decoded. */
  #discardClearText(octets: number): void {
    if (octets === 0) return
    this.#narrator.anomaly('client', 'clear-text-after-stls', this.#commands, octets)
  }

  #clientEnd(): void {
    this.#clientEnded = true
    if (this.#phase !== 'open' || this.#clientTlsPending) {
      this.#close('client-left', null, 'destroy')
      return
    }
    this.#leaveWhenAnswered()
  }

  /** A client that sent its last command may still read: replies in flight are delivered. It never means QUIT. */
  #leaveWhenAnswered(): void {
    if (this.#phase !== 'open') return
    if (this.#queue.length === 0 || this.#responseOwed) this.#close('client-left', null, 'end')
  }

  // The queue.

  /** Answers what is postern's to answer and sends what may be sent. */
  #advance(): void {
    this.#answerLocally()
    this.#send()
  }

  #answerLocally(): void {
    while (this.#phase === 'open') {
      const head = this.#queue[0]
      const local = head?.local ?? null
      if (head === undefined || local === null) return
      this.#queue.shift()
      this.#write('client', local.octets)
      this.#narrator.reply(head, 'postern', local, this.#now)
      if (local.next === 'start-tls') {
        this.#effects.push({ type: 'start-tls', side: 'client' })
        this.#phaseBegan = this.#now
        return
      }
      if (local.next === 'end') {
        this.#close('failed', 'POSTERN_CLIENT_PROTOCOL', 'end')
        return
      }
    }
  }

  #send(): void {
    if (this.#phase !== 'open' || this.#draining) return
    for (const exchange of this.#queue) {
      if (exchange.local !== null) continue
      if (exchange.isSent) {
        // A server that answered with something else than a reply may wait for more; see #stray.
        if (exchange.command.grammar.holdsNext && !this.#strayWhileWaiting) return
        continue
      }
      const mayPipeline = this.#serverPipelines || this.#strayWhileWaiting
      if (this.#inFlight > 0 && !(mayPipeline && this.#inFlight < this.#limits.pipelinedCommands)) return
      if (!exchange.command.grammar.states.includes(this.#session.state)) {
        this.#narrator.anomaly('client', 'wrong-state', exchange.number, null)
      }
      exchange.isSent = true
      this.#inFlight += 1
      if (exchange.command.verb === 'QUIT') this.#phaseBegan = this.#now
      this.#write('server', exchange.wire)
      if (holdsNext(exchange)) return
    }
  }

  /** The oldest command that is at the server, whose reply comes next. */
  #awaited(): Exchange | null {
    const head = this.#queue[0]
    return head?.isSent === true ? head : null
  }

  #finish(exchange: Exchange): void {
    this.#queue.shift()
    this.#inFlight -= 1
    this.#strayWhileWaiting = false
    this.#advance()
    if (this.#draining && this.#inFlight === 0) this.#close('drained', null, 'end')
    else if (this.#phase === 'open' && exchange.command.verb !== 'QUIT') this.#pullClient()
  }

  // The server's side.

  #serverOctets(octets: Buffer): void {
    this.#fromServer += octets.length
    if (this.#isUpgrading()) {
      this.#clearTextFromServer()
      return
    }
    this.#serverDecoder.push(octets)
    this.#pullServer()
  }

  /** Within the client's handshake nothing is decoded: what a server says unasked would reach the client in clear. */
  #pullServer(): void {
    while (this.#phase !== 'closed' && !this.#clientIsBetweenTls()) {
      const event = this.#serverDecoder.next(this.#expectedOfServer())
      if (event === null) return
      this.#serverEvent(event)
      if (this.#isUpgrading()) return
    }
  }

  /** Between the server's +OK to STLS and TLS: what comes in clear now is never decoded. */
  #isUpgrading(): boolean {
    return this.#phase === 'upgrading'
  }

  /** The way of nearly all octets of a large message: a piece that is all content goes on as it came. */
  #passesWhole(octets: Buffer): boolean {
    if (this.#phase !== 'open' || this.#queue[0]?.capabilities !== null) return false
    if (!this.#serverDecoder.takeContent(octets)) return false
    this.#lastActivity = this.#now
    this.#fromServer += octets.length
    this.#toClient += octets.length
    return true
  }

  #expectedOfServer(): ExpectedOfServer {
    if (this.#phase === 'greeting') return 'greeting'
    if (this.#phase === 'stls') return 'single-line'
    return this.#awaited()?.shape ?? 'nothing'
  }

  #serverEvent(event: ServerEvent): void {
    switch (event.type) {
      case 'greeting':
        this.#greeted(event.status, event.wire, event.anomalies)
        return
      case 'no-greeting':
        this.#narrator.anomalies('server', event.anomalies, 0)
        this.#serverFailed('POSTERN_SERVER_GREETING', 'server does not greet as a POP3 server does', true)
        return
      case 'reply':
        if (this.#phase === 'stls') this.#stlsAnswered(event.status)
        else this.#reply(event)
        return
      case 'sasl-challenge':
        this.#challenge(event.wire, event.challenge, event.anomalies)
        return
      case 'content':
        this.#content(event.wire)
        return
      case 'content-end':
        this.#contentEnd(event.octets, event.wire, event.anomalies)
        return
      case 'unsolicited':
        this.#stray(event.wire, event.anomalies)
        return
      case 'line-too-long':
        // Its beginning is passed on, its end can be known no more.
        this.#narrator.anomalies('server', event.anomalies, this.#queue[0]?.number ?? 0)
        if (this.#phase === 'open') this.#write('client', event.wire)
        this.#trace({ type: 'failure', side: 'server', failure: statusLineTooLong(event.limit) })
        this.#close('failed', 'POSTERN_SERVER_PROTOCOL', 'destroy')
        return
    }
  }

  #greeted(status: StatusLine, wire: Buffer, anomalies: readonly Anomaly[]): void {
    this.#narrator.greeting(status, this.#now - this.#phaseBegan, anomalies)
    if (status.indicator === '-ERR') {
      this.#write('client', wire)
      this.#close('server-refused', null, 'end')
    } else if (this.#options.serverLeg !== 'stls') {
      this.#write('client', wire)
      this.#open()
    } else if (this.#serverDecoder.undecodedOctets > 0) {
      // Nothing may stand behind the greeting of a server that has been asked nothing: an answer to STLS
      // that is here before STLS was sent is forged.
      this.#clearTextFromServer()
    } else {
      this.#greeting = wire
      this.#enter('stls')
      this.#write('server', STLS)
    }
  }

  #open(): void {
    this.#enter('open')
    this.#lastActivity = this.#now
    this.#pullClient()
  }

  #stlsAnswered(status: StatusLine): void {
    if (status.indicator === '-ERR') {
      const text = 'server does not take STLS'
      const hint =
        'choose a pop3s:// URL for the upstream if the server has that port; nothing was sent in clear'
      this.#fail('server', { code: 'POSTERN_SERVER_NO_STLS', isPermanent: true, text, hint })
    } else if (this.#serverDecoder.undecodedOctets > 0) this.#clearTextFromServer()
    else {
      this.#enter('upgrading')
      this.#effects.push({ type: 'start-tls', side: 'server' })
    }
  }

  /** RFC 2595 §4: TLS begins immediately after the CRLF of the +OK. Octets in clear there were injected. */
  #clearTextFromServer(): void {
    this.#serverFailed(
      'POSTERN_SERVER_PROTOCOL',
      'server sent octets in clear around STLS, where none may be',
      true,
    )
  }

  #reply(event: Extract<ServerEvent, { type: 'reply' }>): void {
    const exchange = this.#awaited()
    if (exchange === null) return
    const { status, wire } = event
    const { command } = exchange
    exchange.isAnswered = true
    if (command.verb === 'CAPA' && event.hasContent) {
      exchange.capabilities = { statusLine: wire, content: [], octets: 0 }
    } else if (command.verb === 'CAPA' && this.#offersStlsNow()) {
      this.#write('client', capabilitiesInPlaceOfServer(this.#refusesLogin()))
      this.#narrator.reply(exchange, 'postern', LIST_FOLLOWS, this.#now)
      this.#finish(exchange)
      return
    } else this.#write('client', wire)
    const shown = this.#narrator.reply(exchange, 'server', status, this.#now)
    this.#narrator.anomalies('server', event.anomalies, exchange.number)
    if (event.hasContent) return
    this.#transition(exchange, status, shown)
    if (this.#phase === 'open') this.#finish(exchange)
  }

  #transition(exchange: Exchange, status: StatusLine, shown: ShownStatus): void {
    const { command } = exchange
    switch (this.#session.replied(command, status)) {
      case 'logged-in':
        this.#trace({ type: 'logged-in', ...this.#narrator.login() })
        return
      case 'login-refused':
        this.#trace({ type: 'login-refused', ...this.#narrator.login(), ...shown })
        return
      case 'ended':
        this.#close('quit', null, 'end')
        return
      case 'none':
        this.#countError(command, status, exchange)
    }
  }

  /** A browser's POST or a scanner is no mail client: so many errors before the login end the session. */
  #countError(command: Command, status: StatusLine, exchange: Exchange): void {
    if (status.indicator === '+OK' || this.#session.state !== 'AUTHORIZATION') return
    const isMistake = command.verb === 'unrecognized' || !command.grammar.states.includes('AUTHORIZATION')
    if (!isMistake) return
    this.#errors += 1
    if (this.#errors <= this.#limits.errorsBeforeLogin) return
    const answer = refusal(null, `${this.#errors} commands out of place before the login: closing`)
    this.#queue.splice(
      1,
      this.#queue.length,
      newExchange(exchange.number, command, exchange.wire, this.#now, { ...answer, next: 'end' }),
    )
  }

  #challenge(wire: Buffer, challenge: Secret, anomalies: readonly Anomaly[]): void {
    const number = this.#queue[0]?.number ?? 0
    this.#narrator.saslChallenge(number, challenge, anomalies)
    this.#write('client', wire)
    this.#responseOwed = true
    // The client's next line is no reply to wait for: a login that is not finished loses nothing.
    if (this.#draining) this.#close('drained', null, 'end')
    else this.#pullClient()
  }

  #content(wire: Buffer): void {
    const held = this.#queue[0]?.capabilities ?? null
    if (held === null) {
      this.#write('client', wire)
      return
    }
    held.octets += wire.length
    held.content.push(wire)
    if (held.octets > this.#limits.capabilityOctets) {
      const text = `server sent a capability list of more than ${this.#limits.capabilityOctets} octets`
      const exchange = this.#queue[0]
      if (exchange !== undefined) exchange.isAnswered = false
      this.#serverFailed('POSTERN_SERVER_PROTOCOL', text, true)
    }
  }

  #contentEnd(octets: number, wire: Buffer, anomalies: readonly Anomaly[]): void {
    const exchange = this.#queue[0]
    if (exchange === undefined) return
    const { number, command } = exchange
    const { verb } = command
    this.#narrator.anomalies('server', anomalies, number)
    if (exchange.capabilities !== null)
      this.#passCapabilities(number, exchange.capabilities.statusLine, exchange.capabilities.content)
    else this.#write('client', wire)
    if (isWholeMessage(command)) this.#messages += 1
    this.#trace({ type: 'content-end', number, verb, octets, afterMs: this.#now - exchange.givenAt })
    this.#finish(exchange)
  }

  #passCapabilities(number: number, statusLine: Buffer, content: readonly Buffer[]): void {
    const capabilities = decodeCapabilities(Buffer.concat(content))
    this.#narrator.anomalies('server', capabilityAnomalies(capabilities), number)
    this.#serverPipelines = announces(capabilities, 'PIPELINING')
    const own = capabilitiesForClient(capabilities, {
      offersStls: this.#offersStlsNow(),
      refusesLogin: this.#refusesLogin(),
    })
    this.#write('client', Buffer.concat([statusLine, own, encodeContent(Buffer.alloc(0))]))
  }

  #offersStlsNow(): boolean {
    return (
      this.#options.clientLeg.offersStls && !this.#clientHasTls && this.#session.state === 'AUTHORIZATION'
    )
  }

  #refusesLogin(): boolean {
    return this.#options.clientLeg.security === 'stls' && !this.#clientHasTls
  }

  /**
   * A line that is no reply: passed on, never paired. Dovecot sends such behind a message whose first line is a
   * lone dot. Should a server answer with garbage instead of a reply, the client's next command must not wait
   * for the reply that never comes.
   */
  #stray(wire: Buffer, anomalies: readonly Anomaly[]): void {
    if (this.#phase !== 'open') {
      this.#serverFailed('POSTERN_SERVER_PROTOCOL', 'server sent something else than a reply to STLS', true)
      return
    }
    for (const anomaly of anomalies)
      this.#narrator.anomaly('server', anomaly, this.#queue[0]?.number ?? 0, wire.length)
    this.#trace({ type: 'unsolicited', octets: wire.length })
    this.#write('client', wire)
    if (this.#inFlight > 0 && this.#session.state !== 'AUTHORIZATION') {
      this.#strayWhileWaiting = true
      this.#send()
    }
  }

  #serverGone(): void {
    if (this.#phase !== 'open') {
      const isNegotiating = this.#phase === 'stls' || this.#phase === 'upgrading'
      const what = isNegotiating ? 'during the STLS negotiation' : 'before its greeting'
      this.#serverFailed('POSTERN_SERVER_CLOSED', `server closed the connection ${what}`, false)
      return
    }
    const head = this.#queue[0]
    if (head === undefined) this.#close('server-closed', null, 'end')
    else {
      if (head.isAnswered || this.#serverDecoder.undecodedOctets > 0)
        this.#narrator.anomaly('server', 'truncated-reply', head.number, null)
      const text = `server closed the connection before it answered ${this.#narrator.keyword(head.command)}`
      this.#serverFailed('POSTERN_SERVER_CLOSED', text, false)
    }
  }

  // TLS.

  #tlsEstablished(side: Side, tls: TlsFacts): void {
    this.#trace({ type: 'tls-established', side, tls })
    if (side === 'client') {
      this.#clientHasTls = true
      if (this.#phase === 'client-handshake') this.#connect()
      else {
        this.#clientTlsPending = false
        this.#session.tlsEstablished()
        this.#userGiven = false
        this.#pullServer()
        this.#pullClient()
      }
      return
    }
    if (this.#phase === 'server-tls') this.#enter('greeting')
    else if (this.#phase === 'upgrading') {
      this.#serverDecoder = new ReplyDecoder(this.#limits)
      this.#write('client', this.#greeting ?? Buffer.alloc(0))
      this.#greeting = null
      this.#open()
    }
  }

  // Ends.

  #serverFailed(code: Failure['code'], text: string, isPermanent: boolean): void {
    this.#fail('server', { code, isPermanent, text, hint: null })
  }

  /**
   * Tells the client once, where a reply can stand, and ends. Within a reply nothing can be said: the
   * connection breaks, so that what was cut short never looks whole.
   */
  #fail(side: Side, failure: Failure): void {
    this.#trace({ type: 'failure', side, failure })
    const clientListens =
      this.#phase !== 'client-handshake' &&
      !(side === 'client' && failure.code !== 'POSTERN_CLIENT_PROTOCOL') &&
      !this.#clientIsBetweenTls()
    const head = this.#queue[0]
    const isWithinReply = this.#phase === 'open' && head?.isAnswered === true && head.capabilities === null
    const owesReply = this.#phase !== 'open' || head !== undefined || side === 'client'
    if (clientListens && !isWithinReply && owesReply) {
      this.#write(
        'client',
        encodeStatusLine('-ERR', failure.isPermanent ? 'SYS/PERM' : 'SYS/TEMP', failure.text),
      )
    }
    this.#close('failed', failure.code, clientListens && !isWithinReply ? 'end' : 'destroy')
  }

  /** STLS was answered and the handshake is under way: a line in clear would break it. */
  #clientIsBetweenTls(): boolean {
    return this.#clientTlsPending && !this.#queue.some((exchange) => exchange.local?.next === 'start-tls')
  }

  #drain(): void {
    if (this.#phase === 'client-handshake' || this.#phase === 'new') {
      this.#close('drained', 'POSTERN_SHUTTING_DOWN', 'destroy')
    } else if (this.#phase !== 'open') {
      const text = 'postern is ending; try again later'
      this.#fail('server', { code: 'POSTERN_SHUTTING_DOWN', isPermanent: false, text, hint: null })
    } else {
      this.#draining = true
      if (this.#inFlight === 0 || this.#responseOwed) this.#close('drained', null, 'end')
    }
  }

  /** Ends the session. The server's connection is dropped without QUIT, so that nothing is deleted (RFC 1939 §6). */
  #close(reason: ClosedReason, code: Failure['code'] | null, clientSide: 'end' | 'destroy'): void {
    if (this.#phase === 'closed') return
    const { state } = this.#session
    this.#phase = 'closed'
    this.#effects.push({ type: clientSide, side: 'client' })
    this.#effects.push({ type: reason === 'quit' ? 'end' : 'destroy', side: 'server' })
    this.#trace({
      type: 'session-closed',
      reason,
      code,
      user: this.#narrator.login().user,
      state,
      commands: this.#commands,
      messages: this.#messages,
      octets: {
        fromClient: this.#fromClient,
        toClient: this.#toClient,
        fromServer: this.#fromServer,
        toServer: this.#toServer,
      },
      durationMs: this.#now - this.#openedAt,
    })
    this.#queue.length = 0
    this.#narrator.forget()
  }

  // Time.

  #enter(phase: Phase): void {
    this.#phase = phase
    this.#phaseBegan = this.#now
  }

  #deadline(): number {
    const limits = this.#limits
    const login = this.#openedAt + limits.loginMs
    switch (this.#phase) {
      case 'new':
      case 'closed':
        return Number.POSITIVE_INFINITY
      case 'client-handshake':
      case 'server-tls':
      case 'upgrading':
        return Math.min(login, this.#phaseBegan + limits.handshakeMs)
      case 'connecting':
        return Math.min(login, this.#phaseBegan + limits.connectMs)
      case 'greeting':
        return Math.min(login, this.#phaseBegan + limits.greetingMs)
      case 'stls':
        return Math.min(login, this.#phaseBegan + limits.stlsMs)
      case 'open':
        if (this.#clientTlsPending) return Math.min(login, this.#phaseBegan + limits.handshakeMs)
        if (this.#quitGiven && this.#awaited()?.command.verb === 'QUIT')
          return this.#phaseBegan + limits.quitMs
        return this.#session.state === 'AUTHORIZATION' ? login : this.#lastActivity + limits.idleMs
    }
  }

  #deadlinePassed(): void {
    const text = this.#lateText()
    if (text !== null) {
      this.#fail('server', { code: 'POSTERN_DEADLINE', isPermanent: false, text, hint: null })
      return
    }
    // RFC 1939 §3: the autologout timer closes without removing messages and without a response.
    const isLoggedIn = this.#phase === 'open' && this.#session.state !== 'AUTHORIZATION'
    this.#close(isLoggedIn ? 'idle' : 'login-deadline', 'POSTERN_DEADLINE', 'destroy')
  }

  /** What the server is late with, null where it is the client that is. */
  #lateText(): string | null {
    switch (this.#phase) {
      case 'connecting':
        return 'server could not be reached in time'
      case 'server-tls':
      case 'upgrading':
        return 'server did not finish the TLS handshake in time'
      case 'greeting':
        return 'server sent no greeting in time'
      case 'stls':
        return 'server did not answer STLS in time'
      case 'open':
        return this.#awaited()?.command.verb === 'QUIT' ? 'server did not answer QUIT in time' : null
      default:
        return null
    }
  }

  // Effects and traces.

  #write(side: Side, octets: Buffer): void {
    if (octets.length === 0) return
    if (side === 'client') this.#toClient += octets.length
    else this.#toServer += octets.length
    this.#effects.push({ type: 'write', side, octets })
  }

  #trace(content: TraceContent): void {
    this.#effects.push({ type: 'trace', event: { at: this.#now, session: this.#options.sessionId, content } })
  }
}

function holdsNext(exchange: Exchange): boolean {
  return exchange.command.grammar.holdsNext
}

function isWholeMessage(command: Command): boolean {
  if (command.verb === 'RETR') return true
  return command.verb === 'TOP' && Number(command.arguments[1] ?? '0') >= WHOLE_MESSAGE_LINES
}

function statusLineTooLong(limit: number): Failure {
  const text = `server sent a status line of more than ${limit} octets`
  return { code: 'POSTERN_SERVER_PROTOCOL', isPermanent: true, text, hint: null }
}
