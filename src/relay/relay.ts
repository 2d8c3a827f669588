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
import { encodeStatusLine, removeByteStuffing } from '../pop3/encoder.js'
import type { Limits } from '../pop3/limits.js'
import {
  type ExpectedOfServer,
  ReplyDecoder,
  type ServerEvent,
  type StatusLine,
} from '../pop3/reply-decoder.js'
import type { Secret } from '../pop3/secret.js'
import { Session, type Transition } from '../pop3/session.js'
import type {
  Attention,
  ClosedReason,
  Failure,
  Side,
  TlsFacts,
  TraceContent,
  Verdict,
} from '../trace/event.js'
import { Deadlines, lateText, type OpenWait, type Phase } from './deadlines.js'
import { type ArrivedReply, type Exchange, fetchesMail, type LocalAnswer, newExchange } from './exchange.js'
import { GatheredReply, type NotKept } from './gathered-reply.js'
import { Holds } from './hold.js'
import type { HoldAnswer, Interceptor } from './interception.js'
import { capabilitiesInPlaceOfServer, localAnswerTo, refusal } from './local-answer.js'
import { Narrator, type ShownStatus } from './narrator.js'
import { editedCommand, isProblem, type LineRules, ownCommand, type PersonCommand } from './person-command.js'
import {
  contentPieces,
  localAnswerOf,
  type PersonReply,
  replyInstead,
  TERMINATION_LINE,
} from './person-reply.js'
import type { RelayEffect, RelayInput } from './relay-input.js'
import { ContentTeller } from './told-content.js'

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
  /**
   * While a message is gathered or held, the client gets `+OK` after ten seconds and then a blank every ten, so that it
   * does not give up. A held command or reply of one line waits in silence.
   */
  readonly keepsClientAlive: boolean
}

/** Commands of watchers that wait in one session; a person waits for each reply. */
const WATCHERS_COMMANDS = 16
/** TOP with at least this many lines fetches a message whole; fetchmail asks for 99999999. */
const WHOLE_MESSAGE_LINES = 1_000_000
/** What postern's own list begins with, as told; see capabilitiesInPlaceOfServer. */
const LIST_FOLLOWS = { indicator: '+OK', responseCode: null, text: 'capability list follows' } as const
const VERDICT_OF = { drop: 'dropped', answer: 'answered', edit: 'edited' } as const
const LF = 0x0a
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
  readonly #contentTeller: ContentTeller
  readonly #deadlines: Deadlines
  readonly #holds: Holds
  readonly #lineRules: LineRules
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
  /** The server left while a reply of its own was held: what it said before comes first. */
  #serverLeft = false
  #draining = false

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
    this.#contentTeller = new ContentTeller(options.attention, this.#narrator)
    this.#deadlines = new Deadlines(options.limits)
    this.#holds = new Holds(options.sessionId, options.interceptor, {
      trace: (content) => this.#trace(content),
      effect: (effect) => this.#effects.push(effect),
    })
    this.#lineRules = { commandLineOctets, multiLineVerbs: options.multiLineVerbs }
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
    if (side === 'server') return !this.#clientIsBetweenTls() && !this.#isReplyHeld()
    return (
      this.#clientDecoder.undecodedOctets < this.#mostUndecodedOctets &&
      this.#queue.length < this.#limits.pendingCommands
    )
  }

  /** Whether a deadline has passed, so that the input `clock` is wanted. Cheap: asked of every session often. */
  isDue(now: number): boolean {
    return now >= this.#deadline() || now >= this.#holds.nextReleaseAt || now >= this.#signOfLifeAt()
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
      this.#effects = [{ type: 'write', side: 'client', octets: input.octets }]
      const [exchange] = this.#queue
      if (exchange !== undefined) this.#contentTeller.piece(exchange, input.octets)
      return this.#effects
    }
    this.#effects = []
    if (this.#phase === 'closed') return this.#effects
    switch (input.type) {
      case 'accepted':
        this.#accepted()
        break
      case 'octets':
        this.#deadlines.active(now)
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
        this.#clock()
        break
      case 'drain':
        this.#drain()
        break
      case 'verdict':
        this.#verdict(input.hold, input.answer)
        break
      case 'send':
        this.#sendForWatcher(input.id, input.line)
        break
    }
    return this.#effects
  }

  // The client's side.

  #accepted(): void {
    const { service, listener, client, server, clientLeg } = this.#options
    this.#deadlines.opened(this.#now)
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
    const told = this.#narrator.command(number, 'client', command, wire, anomalies)
    const local = this.#localAnswerTo(command)
    if (local === null && verb === 'USER') this.#userGiven = true
    if (local?.next === 'start-tls') {
      this.#clientTlsPending = true
      this.#discardClearText(this.#clientDecoder.takeUndecoded().length)
    }
    if (verb === 'QUIT') this.#quitGiven = true
    this.#queue.push(newExchange(number, 'client', command, wire, told, this.#now, local))
    this.#advance()
  }

  #localAnswerTo(command: Command): LocalAnswer | null {
    const { clientLeg } = this.#options
    return localAnswerTo(command, {
      session: this.#session,
      offersStls: clientLeg.offersStls,
      clientHasTls: this.#clientHasTls,
      requiresTls: clientLeg.security === 'stls',
      userGiven: this.#userGiven,
    })
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
    if (this.#owed() === null || this.#responseOwed || this.#wouldWaitForPerson())
      this.#close('client-left', null, 'end')
  }

  /**
   * Whether a client that sent its last octet has commands that wait for a person. The end of a program that was
   * killed looks the same, and for one that is gone nothing may be deleted later.
   */
  #wouldWaitForPerson(): boolean {
    if (this.#holds.isEmpty) return false
    return this.#queue.some(({ origin, local, isSent }) => origin === 'client' && local === null && !isSent)
  }

  /** The oldest command of the client's that has no whole reply. */
  #owed(): Exchange | null {
    return this.#queue.find(({ origin }) => origin === 'client') ?? null
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
      const statusLine = local.octets.subarray(0, local.octets.indexOf(LF) + 1)
      this.#narrator.reply(head, 'postern', local, statusLine, this.#now)
      if (local.content !== null) this.#contentTeller.replaced(head, local.content)
      this.#narrator.answered(head.number)
      if (local.next === 'start-tls') {
        this.#effects.push({ type: 'start-tls', side: 'client' })
        this.#deadlines.waits(this.#now)
        return
      }
      if (local.next === 'end') {
        this.#close('failed', 'POSTERN_CLIENT_PROTOCOL', 'end')
        return
      }
      if (local.next === 'leave') {
        this.#close('client-left', null, 'end')
        return
      }
    }
  }

  #send(): void {
    if (this.#phase !== 'open' || this.#draining || this.#serverLeft) return
    for (const exchange of this.#queue) {
      // What stands behind a held command or reply waits with it.
      if (exchange.hold !== null) return
      if (exchange.local !== null) continue
      if (exchange.isSent) {
        // A server that answered with something else than a reply may wait for more; see #stray.
        if (exchange.command.grammar.holdsNext && !this.#strayWhileWaiting) return
        continue
      }
      const mayPipeline = this.#serverPipelines || this.#strayWhileWaiting
      if (this.#inFlight > 0 && !(mayPipeline && this.#inFlight < this.#limits.pipelinedCommands)) return
      if (this.#holds.takesCommand(exchange, this.#narrator.login().user, this.#now)) {
        if (this.#clientEnded) this.#leaveWhenAnswered()
        return
      }
      this.#sendToServer(exchange)
      if (holdsNext(exchange)) return
    }
  }

  #sendToServer(exchange: Exchange): void {
    const { command, wire, number } = exchange
    if (!command.grammar.states.includes(this.#session.state))
      this.#narrator.anomaly('client', 'wrong-state', number, null)
    exchange.isSent = true
    this.#inFlight += 1
    this.#session.commandGiven(command)
    if (command.verb === 'QUIT') this.#deadlines.waits(this.#now)
    this.#write('server', wire)
  }

  /** The oldest command that is at the server, whose reply comes next. */
  #awaited(): Exchange | null {
    const head = this.#queue[0]
    return head?.isSent === true ? head : null
  }

  #finish(exchange: Exchange): void {
    this.#queue.shift()
    this.#narrator.answered(exchange.number)
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
    while (this.#phase !== 'closed' && !this.#clientIsBetweenTls() && !this.#isReplyHeld()) {
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
    if (this.#phase !== 'open' || this.#queue[0]?.passes !== true) return false
    if (!this.#serverDecoder.takeContent(octets)) return false
    this.#deadlines.active(this.#now)
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
        if (this.#phase === 'open' && !this.#isForWatcher()) this.#write('client', event.wire)
        this.#trace({ type: 'failure', side: 'server', failure: statusLineTooLong(event.limit) })
        this.#close('failed', 'POSTERN_SERVER_PROTOCOL', 'destroy')
        return
    }
  }

  #greeted(status: StatusLine, wire: Buffer, anomalies: readonly Anomaly[]): void {
    this.#narrator.greeting(status, this.#now - this.#deadlines.waitBegan, anomalies)
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
    this.#deadlines.active(this.#now)
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
    const { number } = exchange
    exchange.isAnswered = true
    if (this.#standsInForCapabilities(exchange, event.hasContent)) return
    const shown = this.#narrator.reply(exchange, 'server', status, wire, this.#now)
    this.#narrator.anomalies('server', event.anomalies, number)
    if (event.hasContent) {
      this.#contentBegins(exchange, status, wire)
      return
    }
    if (exchange.origin === 'watcher') {
      this.#finish(exchange)
      return
    }
    const transition = this.#transition(exchange, status, shown)
    const arrived = { status, statusLine: wire, content: [], contentOctets: 0, transition }
    if (this.#holds.takesReply(exchange, arrived, shown, this.#narrator.login().user, this.#now)) return
    this.#write('client', wire)
    this.#settle(exchange, transition, status)
  }

  /** The list for a server that has none, while the client needs one to find STLS. */
  #standsInForCapabilities(exchange: Exchange, hasContent: boolean): boolean {
    const { command, origin } = exchange
    if (command.verb !== 'CAPA' || hasContent || origin === 'watcher' || !this.#offersStlsNow()) return false
    const { statusLine, content } = capabilitiesInPlaceOfServer(this.#refusesLogin())
    this.#write('client', Buffer.concat([statusLine, content, TERMINATION_LINE]))
    this.#narrator.reply(exchange, 'postern', LIST_FOLLOWS, statusLine, this.#now)
    this.#contentTeller.replaced(exchange, content)
    this.#finish(exchange)
    return true
  }

  /** Content goes on as it comes, is gathered, or is for nobody but those who watch. */
  #contentBegins(exchange: Exchange, status: StatusLine, wire: Buffer): void {
    this.#contentTeller.begins(exchange)
    if (exchange.origin === 'watcher') return
    const { verb } = exchange.command
    if (verb === 'CAPA') {
      const bounds = { most: this.#limits.capabilityOctets, room: null }
      exchange.gathered = new GatheredReply('capabilities', { status, wire }, bounds, this.#now)
    } else if (fetchesMail(exchange.command) && this.#holds.wantsMessages) {
      const bounds = { most: this.#limits.heldMessageOctets, room: this.#options.interceptor.room }
      exchange.gathered = new GatheredReply('message', { status, wire }, bounds, this.#now)
    } else {
      exchange.passes = true
      exchange.hasBegun = true
      this.#write('client', wire)
    }
  }

  /** What the reply did to the session, which is at once, since it is the server's state. */
  #transition(exchange: Exchange, status: StatusLine, shown: ShownStatus): Transition {
    const transition = this.#session.replied(exchange.command, status)
    if (transition === 'logged-in') this.#trace({ type: 'logged-in', ...this.#narrator.login() })
    if (transition === 'login-refused') {
      const { responseCode, text } = shown
      this.#trace({ type: 'login-refused', ...this.#narrator.login(), responseCode, text })
    }
    return transition
  }

  /** The client has its reply: the next one's turn, or the end. */
  #settle(exchange: Exchange, transition: Transition, status: StatusLine): void {
    if (transition === 'ended') {
      this.#close('quit', null, 'end')
      return
    }
    if (transition === 'none') this.#countError(exchange.command, status, exchange)
    if (this.#phase === 'open') this.#finish(exchange)
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
      newExchange(exchange.number, 'client', command, exchange.wire, exchange, this.#now, {
        ...answer,
        next: 'end',
      }),
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
    const exchange = this.#queue[0]
    if (exchange === undefined) return
    this.#contentTeller.piece(exchange, wire)
    const { gathered } = exchange
    if (gathered === null) {
      if (exchange.passes) this.#write('client', wire)
      return
    }
    const notKept = gathered.add(wire)
    if (notKept === null) return
    if (gathered.purpose === 'message') this.#passUnheld(exchange, gathered, notKept, wire)
    else {
      const text = `server sent a capability list of more than ${this.#limits.capabilityOctets} octets`
      this.#serverFailed('POSTERN_SERVER_PROTOCOL', text, true)
    }
  }

  #contentEnd(octets: number, wire: Buffer, anomalies: readonly Anomaly[]): void {
    const exchange = this.#queue[0]
    if (exchange === undefined) return
    const { number, command, gathered } = exchange
    const { verb } = command
    this.#narrator.anomalies('server', anomalies, number)
    this.#contentTeller.ends(exchange)
    this.#trace({ type: 'content-end', number, verb, octets, afterMs: this.#now - exchange.givenAt })
    if (gathered?.purpose === 'message') {
      this.#messageArrived(exchange, gathered, wire, octets)
      return
    }
    if (gathered !== null) this.#passCapabilities(exchange, gathered)
    else if (exchange.passes) this.#write('client', wire)
    this.#countMessage(exchange)
    this.#finish(exchange)
  }

  #countMessage({ command, origin }: Exchange): void {
    if (origin === 'client' && isWholeMessage(command)) this.#messages += 1
  }

  #passCapabilities(exchange: Exchange, gathered: GatheredReply): void {
    const content = Buffer.concat(gathered.pieces)
    const capabilities = decodeCapabilities(content)
    this.#narrator.anomalies('server', capabilityAnomalies(capabilities), exchange.number)
    this.#serverPipelines = announces(capabilities, 'PIPELINING')
    const own = capabilitiesForClient(capabilities, {
      offersStls: this.#offersStlsNow(),
      refusesLogin: this.#refusesLogin(),
    })
    this.#write('client', Buffer.concat([gathered.statusLine, own, TERMINATION_LINE]))
    if (!own.equals(content)) this.#contentTeller.replaced(exchange, own)
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
    if (!this.#isForWatcher()) this.#write('client', wire)
    if (this.#inFlight > 0 && this.#session.state !== 'AUTHORIZATION') {
      this.#strayWhileWaiting = true
      this.#send()
    }
  }

  /** What the server says now, and is no content for the client, belongs to a watcher's command. */
  #isForWatcher(): boolean {
    return this.#awaited()?.origin === 'watcher'
  }

  #serverGone(): void {
    if (this.#isReplyHeld()) {
      this.#serverLeft = true
      return
    }
    if (this.#phase !== 'open') {
      const isNegotiating = this.#phase === 'stls' || this.#phase === 'upgrading'
      const what = isNegotiating ? 'during the STLS negotiation' : 'before its greeting'
      this.#serverFailed('POSTERN_SERVER_CLOSED', `server closed the connection ${what}`, false)
      return
    }
    const [head] = this.#queue
    const owed = this.#owed()
    if (head !== undefined && (head.isAnswered || this.#serverDecoder.undecodedOctets > 0))
      this.#narrator.anomaly('server', 'truncated-reply', head.number, null)
    if (owed === null) this.#close('server-closed', null, 'end')
    else {
      const text = `server closed the connection before it answered ${this.#narrator.keyword(owed.command)}`
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

  // What a person holds back.

  #isReplyHeld(): boolean {
    return this.#queue[0]?.arrived != null
  }

  #messageArrived(exchange: Exchange, gathered: GatheredReply, end: Buffer, octets: number): void {
    const { status, statusLine, pieces } = gathered
    const arrived: ArrivedReply = {
      status,
      statusLine,
      content: [...pieces, end],
      contentOctets: octets,
      transition: 'none',
    }
    const message = removeByteStuffing(Buffer.concat(pieces))
    const { user } = this.#narrator.login()
    if (!this.#holds.takesMessage(exchange, arrived, message, user, this.#now))
      this.#deliver(exchange, arrived, null)
  }

  /** A message that does not fit goes on as it comes. */
  #passUnheld(exchange: Exchange, gathered: GatheredReply, reason: NotKept, wire: Buffer): void {
    const { number } = exchange
    this.#trace({ type: 'not-held', number, kind: 'message', octets: gathered.octets, reason })
    this.#write('client', gathered.restOf(gathered.statusLine))
    for (const piece of gathered.pieces) this.#write('client', piece)
    this.#write('client', wire)
    gathered.leave()
    exchange.gathered = null
    exchange.passes = true
    exchange.hasBegun = true
  }

  #verdict(hold: string, answer: HoldAnswer): void {
    const exchange = this.#holds.find(hold)
    const problem = exchange === null ? 'the item is held no longer' : this.#decide(exchange, answer)
    this.#effects.push({ type: 'verdict-answered', hold, problem })
  }

  /** @returns what is wrong with the answer; then the item is held as before */
  #decide(exchange: Exchange, answer: HoldAnswer): string | null {
    if (answer.type === 'release') {
      this.#goOn(exchange, 'released', null)
      return null
    }
    if (answer.type === 'edit' && exchange.arrived === null) {
      const edited = editedCommand(answer.octets, exchange, this.#lineRules)
      if (isProblem(edited)) return edited.problem
      const local = this.#localAnswerTo(edited.command)
      if (local !== null) return `postern would not pass this command on, but say: ${local.text}`
      this.#goOn(exchange, 'edited', edited)
      return null
    }
    const reply = replyInstead(exchange, answer)
    if (isProblem(reply)) return reply.problem
    this.#goOn(exchange, VERDICT_OF[answer.type], reply)
    return null
  }

  /** A held item goes on, as it is or replaced; and what waited behind it. */
  #goOn(exchange: Exchange, verdict: Verdict, instead: PersonReply | PersonCommand | null): void {
    this.#holds.end(exchange, verdict, this.#now)
    this.#deadlines.active(this.#now)
    const { arrived } = exchange
    const reply = instead !== null && 'status' in instead ? instead : null
    if (arrived !== null) this.#deliver(exchange, arrived, reply)
    else {
      if (reply !== null) this.#answerInstead(exchange, reply)
      else if (instead !== null && 'command' in instead) this.#replaceCommand(exchange, instead)
      this.#advance()
      this.#pullClient()
    }
    this.#pullServer()
    if (this.#serverLeft && this.#phase === 'open') this.#serverGone()
  }

  /** The server never sees the command. */
  #answerInstead(exchange: Exchange, reply: PersonReply): void {
    const isQuit = exchange.command.verb === 'QUIT'
    const leaves = isQuit && reply.status.indicator === '+OK'
    exchange.local = localAnswerOf(reply, leaves ? 'leave' : 'go-on')
    if (isQuit && !leaves) this.#quitGiven = false
  }

  #replaceCommand(exchange: Exchange, { command, wire }: PersonCommand): void {
    if (exchange.command.verb === 'QUIT' && command.verb !== 'QUIT') this.#quitGiven = false
    if (command.verb === 'USER') this.#userGiven = true
    exchange.command = command
    exchange.wire = wire
    this.#narrator.commandReplaced(exchange.number, command, wire)
  }

  /** Gives the client a reply that is here whole, or the one in its place. */
  #deliver(exchange: Exchange, arrived: ArrivedReply, instead: PersonReply | null): void {
    const { gathered } = exchange
    const { status, statusLine } = instead ?? arrived
    this.#write('client', gathered?.restOf(statusLine) ?? statusLine)
    for (const piece of instead === null ? arrived.content : contentPieces(instead))
      this.#write('client', piece)
    if (instead !== null) {
      this.#narrator.reply(exchange, 'postern', status, statusLine, this.#now)
      if (instead.content !== null) this.#contentTeller.replaced(exchange, instead.content)
    }
    if (gathered !== null) {
      if (status.indicator === '+OK') this.#countMessage(exchange)
      gathered.leave()
    }
    exchange.gathered = null
    exchange.arrived = null
    this.#settle(exchange, arrived.transition, arrived.status)
  }

  // The commands of those who watch.

  #sendForWatcher(id: string, line: Buffer): void {
    const problem = this.#whyNoCommandNow() ?? this.#takeWatchersCommand(line)
    this.#effects.push({ type: 'send-answered', id, problem })
  }

  #whyNoCommandNow(): string | null {
    if (this.#phase !== 'open')
      return 'the session is not open yet: the server has not been reached or has not greeted'
    if (this.#clientTlsPending) return 'the client is beginning TLS: try again when it stands'
    if (this.#draining) return 'postern is ending'
    if (this.#clientEnded || this.#serverLeft) return 'a side has left: the session is about to end'
    if (this.#quitGiven) return 'the client has sent QUIT: nothing may follow it'
    if (this.#queue.some(({ shape }) => shape === 'sasl')) return 'a login is under way: try again behind it'
    const own = this.#queue.filter(({ origin }) => origin === 'watcher').length
    if (own >= WATCHERS_COMMANDS || this.#queue.length >= this.#limits.pendingCommands)
      return 'too many commands wait for their replies: try again later'
    return null
  }

  #takeWatchersCommand(line: Buffer): string | null {
    const own = ownCommand(line, this.#lineRules)
    if (isProblem(own)) return own.problem
    const { command, wire } = own
    const local = this.#localAnswerTo(command)
    if (local !== null) return `postern would not pass this command on, but say: ${local.text}`
    this.#commands += 1
    const told = this.#narrator.command(this.#commands, 'watcher', command, wire, [])
    this.#queue.push(newExchange(this.#commands, 'watcher', command, wire, told, this.#now, null))
    this.#send()
    return null
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
    const owed = this.#owed()
    const isWithinReply = this.#phase === 'open' && owed?.hasBegun === true
    const owesReply = this.#phase !== 'open' || owed !== null || side === 'client'
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
      // Nobody decides any more about what the client could have by now.
      for (const exchange of this.#holds.all()) if (exchange.isSent) this.#goOn(exchange, 'timed-out', null)
      if (this.isClosed) return
      if (this.#inFlight === 0 || this.#responseOwed) this.#close('drained', null, 'end')
    }
  }

  /** Ends the session. The server's connection is dropped without QUIT, so that nothing is deleted (RFC 1939 §6). */
  #close(reason: ClosedReason, code: Failure['code'] | null, clientSide: 'end' | 'destroy'): void {
    if (this.#phase === 'closed') return
    const { state } = this.#session
    this.#letGo()
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
      durationMs: this.#now - this.#deadlines.openedAt,
    })
    this.#queue.length = 0
    this.#narrator.forget()
  }

  /** What waited for a person, was gathered, or was not told yet. */
  #letGo(): void {
    for (const exchange of this.#queue) {
      this.#contentTeller.ends(exchange)
      this.#holds.end(exchange, 'session-ended', this.#now)
      exchange.gathered?.leave()
    }
  }

  // Time.

  #enter(phase: Phase): void {
    this.#phase = phase
    this.#deadlines.waits(this.#now)
  }

  #openWait(): OpenWait {
    if (this.#clientTlsPending) return 'client-tls'
    const awaited = this.#awaited()
    if (this.#quitGiven && awaited?.command.verb === 'QUIT' && !awaited.isAnswered) return 'quit'
    return this.#session.state === 'AUTHORIZATION' ? 'login' : 'anything'
  }

  #deadline(): number {
    return this.#deadlines.of(this.#phase, this.#openWait())
  }

  #signOfLifeAt(): number {
    if (!this.#options.keepsClientAlive) return Number.POSITIVE_INFINITY
    return this.#queue[0]?.gathered?.signOfLifeAt ?? Number.POSITIVE_INFINITY
  }

  #clock(): void {
    for (const exchange of this.#holds.overdue(this.#now)) {
      this.#goOn(exchange, 'timed-out', null)
      if (this.isClosed) return
    }
    if (this.#now >= this.#signOfLifeAt()) this.#keepClientAlive()
    if (this.#now >= this.#deadline()) this.#deadlinePassed()
  }

  #keepClientAlive(): void {
    const exchange = this.#queue[0]
    const gathered = exchange?.gathered ?? null
    if (exchange === undefined || gathered === null) return
    this.#write('client', gathered.signOfLife(this.#now))
    exchange.hasBegun = true
    this.#holds.committed(exchange)
  }

  #deadlinePassed(): void {
    const text = lateText(this.#phase, this.#openWait())
    if (text !== null) {
      this.#fail('server', { code: 'POSTERN_DEADLINE', isPermanent: false, text, hint: null })
      return
    }
    // RFC 1939 §3: the autologout timer closes without removing messages and without a response.
    const isLoggedIn = this.#phase === 'open' && this.#session.state !== 'AUTHORIZATION'
    this.#close(isLoggedIn ? 'idle' : 'login-deadline', 'POSTERN_DEADLINE', 'destroy')
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
