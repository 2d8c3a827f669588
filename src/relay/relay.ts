/**
 * One session: a client's side and a server's side joined into one pure machine. Owns the way of each input through
 * the parts of the session, where the session stands, and how it ends. Has no sockets, clocks or logging:
 * {@link Relay.handle} takes what happened and returns what to do. What may be sent is the pipeline's to say, what
 * becomes of a reply the delivery's, what may be said on a leg the legs'.
 */
import type { Anomaly } from '../pop3/anomaly.js'
import type { Command } from '../pop3/command.js'
import type { ClientEvent } from '../pop3/command-decoder.js'
import { encodeCommand, encodeStatusLine } from '../pop3/encoder.js'
import type { ExpectedOfServer, ServerEvent, StatusLine } from '../pop3/reply-decoder.js'
import type { Secret } from '../pop3/secret.js'
import { Session } from '../pop3/session.js'
import type { CommandVerdict, SeenCommand, SessionFields, SessionRules } from '../rules/verdict.js'
import type { ClosedReason, Failure, Side, TlsFacts } from '../trace/event.js'
import { safeText } from '../trace/safe-text.js'
import { ClientLeg } from './client-leg.js'
import { Deadlines, lateText, type OpenWait, type Phase } from './deadlines.js'
import { type Decision, decisionOf, unchanged } from './decision.js'
import { type Delivered, Delivery } from './delivery.js'
import { type Exchange, type LocalAnswer, newExchange } from './exchange.js'
import { Holds } from './hold.js'
import type { HoldAnswer } from './interception.js'
import { answerByRule, refusal } from './local-answer.js'
import { type Output as JudgesOutput, Maildrop, type MaildropAnswer, type Plan } from './maildrop.js'
import { Narrator, type ShownStatus } from './narrator.js'
import { Output } from './output.js'
import { commandOf, type OwnStep } from './own-command.js'
import {
  type CommandRules,
  editedCommand,
  isProblem,
  ownCommand,
  type PersonCommand,
} from './person-command.js'
import { localAnswerOf, type PersonReply } from './person-reply.js'
import { type Given, Pipeline } from './pipeline.js'
import type { RelayEffect, RelayInput, RelayOptions } from './relay-input.js'
import { ServerLeg, type ServerLegStep, serverFailure } from './server-leg.js'
import { SignsOfLife } from './signs-of-life.js'
import { Spools } from './spool.js'
import { Trouble } from './trouble.js'

export type { RelayOptions } from './relay-input.js'

/** Commands of watchers that wait in one session; a person waits for each reply. */
const WATCHERS_COMMANDS = 16
/** While the rules wait for the edge, the server hears from postern so often: some give up after a few minutes. */
const NOOP_AFTER_MS = 60_000
/** How long a rule may delay one command: mail programs give up after one minute or more. */
const LONGEST_DELAY_MS = 600_000
const STLS = Buffer.from('STLS\r\n', 'latin1')
const NAMES_MESSAGE: ReadonlySet<string> = new Set(['LIST', 'RETR', 'DELE', 'TOP', 'UIDL'])
const USER_CODE_POINTS = 320
const NOT_TOLD = { shown: '', isSecret: false } as const
const TIMED_OUT = unchanged('timed-out')
/** The state machine of one session. */
export class Relay {
  readonly #options: RelayOptions
  readonly #output: Output
  readonly #session = new Session()
  readonly #clientLeg: ClientLeg
  readonly #serverLeg: ServerLeg
  readonly #pipeline: Pipeline
  readonly #delivery: Delivery
  readonly #narrator: Narrator
  readonly #deadlines: Deadlines
  readonly #holds: Holds
  readonly #spools: Spools
  readonly #commandRules: CommandRules
  /** Null where there are no rules. */
  readonly #maildrop: Maildrop | null
  /** When the command whose turn it is goes on, where a rule delays it; and what it is answered then. */
  #delayedUntil = Number.POSITIVE_INFINITY
  #answerAfterDelay: LocalAnswer | null = null
  #tlsVersions = { client: '', server: '' }
  /** What rules were told of the session last, and what that depends on. */
  #fields: SessionFields | null = null
  #fieldsOf: readonly unknown[] = []
  #phase: Phase = 'new'

  #clientEnded = false
  /** The server left while a reply of its own was held: what it said before comes first. */
  #serverLeft = false
  #draining = false

  #commands = 0

  constructor(options: RelayOptions) {
    this.#options = options
    const { limits, multiLineVerbs, attention, interceptor } = options
    const session = this.#session
    this.#output = new Output(options.sessionId)
    this.#pipeline = new Pipeline(limits)
    this.#narrator = new Narrator(options, session, (content) => this.#output.trace(content))
    this.#deadlines = new Deadlines(limits)
    this.#holds = new Holds(options.sessionId, interceptor, this.#output)
    const parts = { limits, session, pipeline: this.#pipeline, narrator: this.#narrator }
    this.#clientLeg = new ClientLeg(options.clientLeg, { ...parts, multiLineVerbs })
    this.#serverLeg = new ServerLeg(options.serverLeg, limits)
    this.#spools = new Spools(
      options.spool === null
        ? null
        : {
            ...options.spool,
            mostOctets: limits.spooledMessageOctets,
            keptOctets: limits.heldMessageOctets,
            memory: interceptor.room,
          },
      (effect) => this.#output.effect(effect),
    )
    this.#delivery = new Delivery({
      ...parts,
      clientLeg: this.#clientLeg,
      holds: this.#holds,
      room: interceptor.room,
      spools: this.#spools,
      output: this.#output,
      attention,
      keepsClientAlive: options.keepsClientAlive,
      ownReplied: (step, reply) => this.#maildrop?.ownReplied(step, reply),
      replied: (command, status) => this.#maildrop?.replied(command, status),
      ruleReply: (exchange, status, shown) => this.#ruleReply(exchange, status, shown),
      askForOutput: (exchange, judge, message) =>
        this.#maildrop?.askForOutput(judge, message, (output) => this.#outputCame(exchange, output)),
    })
    this.#maildrop = options.rules === null ? null : this.#maildropBy(options.rules)
    this.#commandRules = {
      commandLineOctets: limits.commandLineOctets,
      multiLineVerbs,
      localAnswerTo: (command) => this.#clientLeg.localAnswerTo(command),
    }
  }

  /** Whether the session has ended. */
  get isClosed(): boolean {
    return this.#phase === 'closed'
  }

  /** Whether the side should be read. The edge also stops reading a side while the other takes no writes. */
  wantsOctets(side: Side): boolean {
    if (this.#phase === 'closed') return false
    if (side === 'server') return !this.#clientIsBetweenTls() && !this.#pipeline.isReplyHeld
    return this.#clientLeg.wantsOctets
  }

  /** Whether a deadline has passed, so that the input `clock` is wanted. Cheap: asked of every session often. */
  isDue(now: number): boolean {
    return (
      now >= this.#deadline() ||
      now >= this.#holds.nextReleaseAt ||
      now >= this.#delivery.signOfLifeAt(this.#pipeline.owed) ||
      now >= this.#rulesAreDueAt()
    )
  }

  /**
   * Takes one input.
   *
   * @param now milliseconds since the epoch, monotonic
   * @returns what the edge must do, in order
   * Never fails on anything a peer can send.
   */
  handle(input: RelayInput, now: number): readonly RelayEffect[] {
    if (input.type === 'octets' && input.side === 'server' && this.#passesWhole(input.octets, now))
      return this.#output.effects
    this.#output.begin(now)
    if (this.#phase === 'closed') return this.#output.effects
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
        this.#output.trace({ type: 'server-connected' })
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
      case 'answered':
        this.#answered(input.id, input.answer)
        break
      case 'spool-read':
        this.#spoolRead(input.id, input.octets)
        break
      case 'spool-failed':
        this.#spoolFailed(input.id, input.text)
        break
      case 'send':
        this.#sendForWatcher(input.id, input.line)
        break
    }
    return this.#output.effects
  }

  // The client's side.

  #accepted(): void {
    const { service, listener, client, server, clientLeg } = this.#options
    this.#deadlines.opened(this.#output.now)
    this.#output.trace({ type: 'session-opened', service, listener, client, server })
    if (clientLeg.security === 'tls') {
      this.#enter('client-handshake')
      this.#output.effect({ type: 'start-tls', side: 'client' })
    } else this.#connect()
  }

  #connect(): void {
    this.#enter('connecting')
    this.#output.effect({ type: 'connect-server' })
  }

  #clientOctets(octets: Buffer): void {
    const failure = this.#clientLeg.push(octets)
    if (failure === null) this.#pullClient()
    else this.#fail('client', failure)
  }

  #pullClient(): void {
    while (this.#phase === 'open' && !this.#draining) {
      const event = this.#clientLeg.next()
      if (event === null) break
      this.#clientEvent(event)
    }
    if (this.#clientEnded) this.#leaveWhenAnswered()
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
    const told = this.#narrator.command(number, 'client', command, wire, anomalies)
    const local = this.#clientLeg.localAnswerTo(command)
    this.#clientLeg.given(number, command, local)
    this.#pipeline.add(newExchange(number, 'client', command, wire, told, this.#output.now, local))
    this.#advance()
  }

  #saslResponse(response: Secret, cancels: boolean, wire: Buffer, anomalies: readonly Anomaly[]): void {
    const number = this.#pipeline.head?.number ?? 0
    this.#narrator.saslResponse(number, response, cancels, wire, anomalies)
    if (!cancels) this.#session.saslResponseGiven(response)
    this.#clientLeg.responded()
    this.#output.write('server', wire)
  }

  #clientEnd(): void {
    this.#clientEnded = true
    if (this.#phase !== 'open' || this.#clientLeg.awaitsTls) {
      this.#close('client-left', null, 'destroy')
      return
    }
    this.#leaveWhenAnswered()
  }

  /** A client that sent its last command may still read: replies in flight are delivered. It never means QUIT. */
  #leaveWhenAnswered(): void {
    if (this.#phase !== 'open') return
    if (this.#pipeline.owed === null || this.#clientLeg.owesResponse || this.#wouldWaitForPerson())
      this.#close('client-left', null, 'end')
  }

  /**
   * Whether a client that sent its last octet has commands that wait for a person. The end of a program that was
   * killed looks the same, and for one that is gone nothing may be deleted later.
   */
  #wouldWaitForPerson(): boolean {
    return !this.#holds.isEmpty && this.#pipeline.hasUnsent
  }

  // The pipeline.

  /** Answers what is postern's to answer and sends what may be sent. */
  #advance(): void {
    do this.#answerLocally()
    while (this.#send())
  }

  #answerLocally(): void {
    while (this.#phase === 'open') {
      const exchange = this.#pipeline.takeLocal()
      const local = exchange?.local ?? null
      if (exchange === null || local === null) return
      const failure = this.#delivery.answer(exchange, local)
      if (failure !== null) {
        this.#output.trace({ type: 'failure', side: 'server', failure })
        this.#close('failed', failure.code, 'destroy')
        return
      }
      this.#narrator.answered(exchange.number)
      switch (local.next) {
        case 'go-on':
          break
        case 'start-tls':
          this.#output.effect({ type: 'start-tls', side: 'client' })
          this.#deadlines.waits(this.#output.now)
          return
        case 'end':
          this.#close('failed', 'POSTERN_CLIENT_PROTOCOL', 'end')
          return
        case 'close':
          this.#close('rule', null, 'end')
          return
        case 'leave':
          this.#close('client-left', null, 'end')
          return
      }
    }
  }

  /** @returns whether postern answers some from now on */
  #send(): boolean {
    if (this.#phase !== 'open' || this.#draining || this.#serverLeft) return false
    return this.#pipeline.send(this.#give)
  }

  readonly #give = (exchange: Exchange): Given => {
    if (exchange.step !== null) {
      this.#output.write('server', exchange.wire)
      return 'sent'
    }
    const ruled = this.#ruleCommand(exchange)
    if (ruled !== null) return ruled
    if (this.#holds.takesCommand(exchange, this.#narrator.login().user, this.#output.now)) {
      if (this.#clientEnded) this.#leaveWhenAnswered()
      return 'waits'
    }
    const planned = this.#planned(exchange)
    if (planned !== null) return planned
    const { command, wire, number } = exchange
    if (!command.grammar.states.includes(this.#session.state))
      this.#narrator.anomaly('client', 'wrong-state', number, null)
    this.#session.commandGiven(command)
    if (command.verb === 'QUIT') this.#deadlines.waits(this.#output.now)
    this.#output.write('server', wire)
    return 'sent'
  }

  #finish(exchange: Exchange): void {
    this.#output.trouble = null
    this.#pipeline.finish()
    this.#narrator.answered(exchange.number)
    this.#advance()
    if (this.#draining && this.#pipeline.inFlight === 0) this.#close('drained', null, 'end')
    else if (this.#phase === 'open' && exchange.command.verb !== 'QUIT') this.#pullClient()
  }

  // The rules.

  #maildropBy(rules: SessionRules): Maildrop {
    const output = this.#output
    return new Maildrop({
      rules,
      session: () => this.#sessionFields(),
      room: this.#options.interceptor.room,
      listener: {
        ask: (id, question) => output.effect({ type: 'ask', id, question }),
        hit: ({ number, uniqueId }, hit) =>
          output.trace({ type: 'rule-hit', number: 0, message: number, uniqueId, ...hit }),
        notify: ({ number, uniqueId }, rule, url) =>
          output.effect({
            type: 'notify',
            url,
            rule,
            message: number,
            uniqueId,
            user: this.#narrator.login().user,
          }),
        blind: (text) => output.trace({ type: 'rules-blind', text }),
        looked: (facts) => output.trace({ type: 'maildrop-seen', ...facts }),
      },
    })
  }

  /**
   * What conditions may name of the session, harmless to read. The same object for as long as nothing of it changes,
   * which is all the time while a maildrop is looked at: rules are asked ten thousand times then.
   */
  #sessionFields(): SessionFields {
    const { sessionId, service, listener, client, server } = this.#options
    // The name itself, where logs hide it: a condition tells nobody.
    const { user, mechanism, state } = this.#session
    const { client: clientTls, server: serverTls } = this.#tlsVersions
    const commands = this.#commands
    const changing = [user, mechanism, state, clientTls, serverTls, commands]
    if (this.#fields !== null && changing.every((value, index) => value === this.#fieldsOf[index]))
      return this.#fields
    this.#fieldsOf = changing
    this.#fields = {
      session: sessionId,
      service,
      listener,
      client,
      server,
      user: user === null ? null : safeText(user, USER_CODE_POINTS),
      mechanism,
      state,
      clientTls,
      serverTls,
      commands,
    }
    return this.#fields
  }

  /** RFC 1939 §7: the timestamp of a server that takes APOP stays, or nobody could log in by it. */
  #greetingByRule(greeting: Buffer): Buffer {
    const ruled = this.#options.rules?.greeting?.(this.#sessionFields()) ?? null
    if (ruled === null) return greeting
    for (const hit of ruled.hits)
      this.#output.trace({ type: 'rule-hit', number: 0, message: null, uniqueId: null, ...hit })
    const timestamp = /<[^<>\s]+@[^<>\s]+>(?=\s*$)/.exec(greeting.toString('latin1'))?.[0] ?? ''
    return encodeStatusLine('+OK', null, `${ruled.text} ${timestamp}`.trimEnd())
  }

  /** Asks the rules about a command whose turn has come, once. @returns null where it goes on */
  #ruleCommand(exchange: Exchange): Given | null {
    const { rules } = this.#options
    if (rules?.judgesCommands !== true || exchange.origin !== 'client') return null
    if (exchange.isRuled) return this.#afterDelay(exchange)
    exchange.isRuled = true
    const { command } = exchange
    const verdict = rules.command(seenByRules(command), this.#sessionFields())
    if (verdict === null) return null
    this.#tellRules(exchange, verdict)
    this.#obey(exchange, verdict)
    const local = answerByRule(verdict, exchange.shape)
    if (local !== null) this.#clientLeg.replaced(command, null)
    if (verdict.delayMs > 0) {
      this.#delayedUntil = this.#output.now + Math.min(verdict.delayMs, LONGEST_DELAY_MS)
      this.#answerAfterDelay = local
      return 'waits'
    }
    exchange.local = local
    return local === null ? null : 'answered'
  }

  /** Asks the rules about the server's status line. @returns the one that the client gets instead, null for the same */
  #ruleReply(exchange: Exchange, status: StatusLine, { responseCode, text }: ShownStatus): Buffer | null {
    const { rules } = this.#options
    if (rules?.reply === undefined || exchange.origin !== 'client') return null
    const seen = { ...seenByRules(exchange.command), indicator: status.indicator, responseCode, text }
    const verdict = rules.reply(seen, this.#sessionFields())
    if (verdict === null) return null
    this.#tellRules(exchange, verdict)
    exchange.endsSession = verdict.closes
    const { instead } = verdict
    if (instead === null) return null
    const statusLine = encodeStatusLine('-ERR', instead.responseCode, instead.text)
    this.#narrator.reply(exchange, 'postern', { indicator: '-ERR', ...instead }, statusLine, this.#output.now)
    return statusLine
  }

  /** Tells of rules that hold whoever watches, and whom they notify. */
  #tellRules(
    { number }: Exchange,
    { hits, notifications }: Pick<CommandVerdict, 'hits' | 'notifications'>,
  ): void {
    for (const hit of hits)
      this.#output.trace({ type: 'rule-hit', number, message: null, uniqueId: null, ...hit })
    for (const { rule, url } of notifications ?? []) {
      const { user } = this.#narrator.login()
      this.#output.effect({ type: 'notify', url, rule, message: null, uniqueId: null, user })
    }
  }

  /** What a rule does to a command beside answering it. */
  #obey(exchange: Exchange, verdict: CommandVerdict): void {
    const { argument, capabilities, octetsPerSecond, cutOffAfter, corruptEvery } = verdict
    exchange.capabilities = capabilities ?? null
    if (octetsPerSecond !== undefined && octetsPerSecond !== null)
      this.#output.effect({ type: 'throttle', octetsPerSecond })
    const trouble = { cutOffAfter: cutOffAfter ?? null, corruptEvery: corruptEvery ?? null }
    if (trouble.cutOffAfter !== null || trouble.corruptEvery !== null) exchange.trouble = new Trouble(trouble)
    if (argument === undefined || argument === null) return
    const line = Buffer.from(`${exchange.command.keyword} ${argument}`.trimEnd(), 'utf8')
    const edited = editedCommand(line, exchange, this.#commandRules)
    // What could not be a person's edit is no rule's either; the command stays.
    if (!isProblem(edited)) this.#replaceCommand(exchange, edited)
  }

  #afterDelay(exchange: Exchange): Given | null {
    if (this.#delayedUntil !== Number.POSITIVE_INFINITY) return 'waits'
    if (this.#answerAfterDelay === null) return null
    exchange.local = this.#answerAfterDelay
    this.#answerAfterDelay = null
    return 'answered'
  }

  /** What the maildrop wants done before or instead of a command. @returns null where it goes to the server */
  #planned(exchange: Exchange): Given | null {
    const maildrop = this.#maildrop
    if (maildrop === null || exchange.origin !== 'client' || this.#session.state !== 'TRANSACTION')
      return null
    const plan = maildrop.plan(exchange.command, this.#pipeline.inFlight === 0)
    if (plan.type === 'look' || plan.type === 'wait')
      if (maildrop.keepsAlive(exchange.command)) exchange.life ??= new SignsOfLife(this.#output.now)
    switch (plan.type) {
      case 'pass':
        return null
      case 'wait':
        return 'waits'
      case 'look':
        this.#pipeline.addBefore(
          exchange,
          plan.steps.map((step) => this.#ownExchange(step)),
        )
        return 'preceded'
      case 'answer':
        exchange.local = plan.answer
        return 'answered'
      case 'send':
        this.#sendInstead(exchange, plan)
        return null
    }
  }

  #sendInstead(exchange: Exchange, { instead, rewrite }: Extract<Plan, { type: 'send' }>): void {
    exchange.rewrite = rewrite
    if (encodeCommand(exchange.command).equals(instead.wire)) return
    exchange.command = instead.command
    exchange.wire = instead.wire
    this.#narrator.commandReplaced(exchange.number, instead.command, instead.wire)
  }

  #ownExchange(step: OwnStep): Exchange {
    const { command, wire } = commandOf(step)
    return newExchange(0, 'postern', command, wire, NOT_TOLD, this.#output.now, null, step)
  }

  /** The edge answered what the rules wait for. */
  #answered(id: number, answer: MaildropAnswer): void {
    this.#maildrop?.answered(id, answer)
    this.#deadlines.active(this.#output.now)
    this.#advance()
    this.#pullClient()
  }

  /** What a judge writes in the place of a message is here: it is delivered, and what waited behind it. */
  #outputCame(exchange: Exchange, output: JudgesOutput): void {
    this.#goOn(exchange, this.#delivery.outputCame(exchange, output))
    this.#goOnBehindReply()
  }

  /** The next octets of a message that goes to the client from a file. */
  #spoolRead(id: number, octets: Buffer): void {
    const { head } = this.#pipeline
    if (head?.outgoing?.content.spool !== id) return
    this.#deadlines.active(this.#output.now)
    this.#goOn(head, this.#delivery.spoolRead(head, octets))
    this.#goOnBehindReply()
  }

  #spoolFailed(id: number, text: string): void {
    this.#spools.failed(id, text)
    const { head } = this.#pipeline
    if (head?.outgoing?.content.spool === id) this.#goOn(head, this.#delivery.spoolFailed(head, text))
  }

  /** What the server said behind a reply that waited. */
  #goOnBehindReply(): void {
    this.#pullServer()
    if (this.#serverLeft && this.#phase === 'open') this.#serverGone()
  }

  #rulesAreDueAt(): number {
    if (this.#maildrop?.isAsking !== true) return this.#delayedUntil
    return Math.min(this.#delayedUntil, this.#deadlines.lastActivity + NOOP_AFTER_MS)
  }

  /** A delay is over, or the server is to hear from postern. */
  #rulesGoOn(): void {
    if (this.#phase !== 'open') return
    const { now } = this.#output
    if (now >= this.#delayedUntil) this.#delayedUntil = Number.POSITIVE_INFINITY
    const isQuiet = now >= this.#deadlines.lastActivity + NOOP_AFTER_MS
    // Before what waits: nothing may come between commands at the server and their replies.
    const { nextToSend } = this.#pipeline
    const step = isQuiet && nextToSend !== null ? (this.#maildrop?.keepAlive() ?? null) : null
    if (step !== null && nextToSend !== null) this.#pipeline.addBefore(nextToSend, [this.#ownExchange(step)])
    if (isQuiet) this.#deadlines.active(now)
    this.#advance()
  }

  // The server's side.

  #serverOctets(octets: Buffer): void {
    const failure = this.#serverLeg.push(octets)
    if (failure === null) this.#pullServer()
    else this.#fail('server', failure)
  }

  /** Within the client's handshake nothing is decoded: what a server says unasked would reach the client in clear. */
  #pullServer(): void {
    while (this.#phase !== 'closed' && !this.#clientIsBetweenTls() && !this.#pipeline.isReplyHeld) {
      const event = this.#serverLeg.next(this.#expectedOfServer())
      if (event === null) return
      this.#serverEvent(event)
    }
  }

  /** The way of nearly all octets of a large message: a piece that is all content goes on as it came. */
  #passesWhole(octets: Buffer, now: number): boolean {
    if (this.#phase !== 'open') return false
    const { head } = this.#pipeline
    if (head?.passes !== true || head.trouble !== null || !this.#serverLeg.takeContent(octets)) return false
    this.#deadlines.active(now)
    this.#delivery.piece(head, octets, now)
    return true
  }

  #expectedOfServer(): ExpectedOfServer {
    if (this.#phase === 'greeting') return 'greeting'
    if (this.#phase === 'stls') return 'single-line'
    return this.#pipeline.awaited?.shape ?? 'nothing'
  }

  #serverEvent(event: ServerEvent): void {
    const head = this.#pipeline.head
    switch (event.type) {
      case 'greeting': {
        const afterMs = this.#output.now - this.#deadlines.waitBegan
        this.#narrator.greeting(event.status, afterMs, event.anomalies)
        this.#stepServerLeg(this.#serverLeg.greeted(event.status, event.wire))
        return
      }
      case 'no-greeting':
        this.#narrator.anomalies('server', event.anomalies, 0)
        this.#serverFailed('POSTERN_SERVER_GREETING', 'server does not greet as a POP3 server does', true)
        return
      case 'reply':
        if (this.#phase === 'stls') this.#stepServerLeg(this.#serverLeg.stlsAnswered(event.status))
        else if (head !== null) {
          this.#output.trouble = head.trouble
          this.#goOn(head, this.#delivery.statusLine(head, event))
        }
        return
      case 'sasl-challenge':
        this.#delivery.challenge(head, event)
        this.#clientLeg.challenged()
        // The client's next line is no reply to wait for: a login that is not finished loses nothing.
        if (this.#draining) this.#close('drained', null, 'end')
        else this.#pullClient()
        return
      case 'content':
        if (head !== null) this.#goOn(head, this.#delivery.content(head, event.wire))
        return
      case 'content-end': {
        const { octets, wire, anomalies } = event
        if (head !== null) this.#goOn(head, this.#delivery.contentEnd(head, octets, wire, anomalies))
        return
      }
      case 'unsolicited':
        this.#stray(event.wire, event.anomalies)
        return
      case 'line-too-long': {
        const text = `server sent a status line of more than ${event.limit} octets`
        const tooLong = serverFailure('POSTERN_SERVER_PROTOCOL', text, true)
        // Its beginning is passed on, its end can be known no more.
        this.#narrator.anomalies('server', event.anomalies, head?.number ?? 0)
        if (this.#phase === 'open' && !this.#isForOthers()) this.#output.write('client', event.wire)
        this.#output.trace({ type: 'failure', side: 'server', failure: tooLong })
        this.#close('failed', 'POSTERN_SERVER_PROTOCOL', 'destroy')
        return
      }
    }
  }

  #stepServerLeg(step: ServerLegStep): void {
    switch (step.type) {
      case 'open':
        this.#output.write('client', this.#greetingByRule(step.greeting))
        this.#enter('open')
        this.#deadlines.active(this.#output.now)
        this.#pullClient()
        return
      case 'refused':
        this.#output.write('client', step.greeting)
        this.#close('server-refused', null, 'end')
        return
      case 'send-stls':
        this.#enter('stls')
        this.#output.write('server', STLS)
        return
      case 'start-tls':
        this.#enter('upgrading')
        this.#output.effect({ type: 'start-tls', side: 'server' })
        return
      case 'failed':
        this.#fail('server', step.failure)
        return
    }
  }

  /** A reply has got so far: the next one's turn where it is whole, or the end. */
  #goOn(exchange: Exchange, delivered: Delivered): void {
    if (this.#output.trouble?.isCut === true) {
      this.#close('rule', null, 'destroy')
      return
    }
    switch (delivered) {
      case 'unfinished':
        return
      case 'whole':
        if (exchange.endsSession) this.#close('rule', null, 'end')
        else this.#finish(exchange)
        return
      case 'too-many-errors':
        this.#endForErrors(exchange)
        return
      case 'ended':
        this.#close('quit', null, 'end')
        return
      default:
        this.#fail('server', delivered)
    }
  }

  /** What waits behind the last mistake is not answered any more. */
  #endForErrors(exchange: Exchange): void {
    const text = `${this.#delivery.errors} commands out of place before the login: closing`
    const { number, command, wire } = exchange
    const local = { ...refusal(null, text), next: 'end' } as const
    const { now } = this.#output
    this.#pipeline.endWith(newExchange(number, 'client', command, wire, exchange, now, local))
    this.#finish(exchange)
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
      this.#narrator.anomaly('server', anomaly, this.#pipeline.head?.number ?? 0, wire.length)
    this.#output.trace({ type: 'unsolicited', octets: wire.length })
    if (!this.#isForOthers()) this.#output.write('client', wire)
    if (this.#pipeline.inFlight > 0 && this.#session.state !== 'AUTHORIZATION') {
      this.#pipeline.strayed()
      this.#send()
    }
  }

  /** What the server says now, and is no content for the client, belongs to a command of somebody else. */
  #isForOthers(): boolean {
    const { awaited } = this.#pipeline
    return awaited !== null && awaited.origin !== 'client'
  }

  #serverGone(): void {
    if (this.#pipeline.isReplyHeld) {
      this.#serverLeft = true
      return
    }
    if (this.#phase !== 'open') {
      const isNegotiating = this.#phase === 'stls' || this.#phase === 'upgrading'
      const what = isNegotiating ? 'during the STLS negotiation' : 'before its greeting'
      this.#serverFailed('POSTERN_SERVER_CLOSED', `server closed the connection ${what}`, false)
      return
    }
    const { head, owed } = this.#pipeline
    if (head !== null && (head.isAnswered || this.#serverLeg.hasUndecoded))
      this.#narrator.anomaly('server', 'truncated-reply', head.number, null)
    if (owed === null) this.#close('server-closed', null, 'end')
    else {
      const text = `server closed the connection before it answered ${this.#narrator.keyword(owed.command)}`
      this.#serverFailed('POSTERN_SERVER_CLOSED', text, false)
    }
  }

  // TLS.

  #tlsEstablished(side: Side, tls: TlsFacts): void {
    this.#output.trace({ type: 'tls-established', side, tls })
    this.#tlsVersions[side] = tls.protocol
    if (side === 'server') {
      if (this.#phase === 'server-tls') this.#enter('greeting')
      else if (this.#phase === 'upgrading') this.#stepServerLeg(this.#serverLeg.upgraded())
      return
    }
    this.#clientLeg.tlsEstablished()
    if (this.#phase === 'client-handshake') this.#connect()
    else {
      this.#pullServer()
      this.#pullClient()
    }
  }

  // What a person holds back.

  #verdict(hold: string, answer: HoldAnswer): void {
    const exchange = this.#holds.find(hold)
    const decision =
      exchange === null
        ? { problem: 'the item is held no longer' }
        : decisionOf(exchange, answer, this.#commandRules)
    if (exchange !== null && !isProblem(decision)) this.#letGo(exchange, decision)
    const problem = isProblem(decision) ? decision.problem : null
    this.#output.effect({ type: 'verdict-answered', hold, problem })
  }

  /** A held item goes on, as it is or replaced; and what waited behind it. */
  #letGo(exchange: Exchange, { verdict, command, reply }: Decision): void {
    this.#holds.end(exchange, verdict, this.#output.now)
    this.#deadlines.active(this.#output.now)
    const { arrived } = exchange
    if (arrived !== null) this.#goOn(exchange, this.#delivery.deliver(exchange, arrived, reply))
    else {
      if (reply !== null) this.#answerInstead(exchange, reply)
      else if (command !== null) this.#replaceCommand(exchange, command)
      this.#advance()
      this.#pullClient()
    }
    this.#goOnBehindReply()
  }

  /** The server never sees the command. */
  #answerInstead(exchange: Exchange, reply: PersonReply): void {
    const leaves = exchange.command.verb === 'QUIT' && reply.status.indicator === '+OK'
    exchange.local = localAnswerOf(reply, leaves ? 'leave' : 'go-on')
    if (!leaves) this.#clientLeg.replaced(exchange.command, null)
  }

  #replaceCommand(exchange: Exchange, { command, wire }: PersonCommand): void {
    this.#clientLeg.replaced(exchange.command, command)
    exchange.command = command
    exchange.wire = wire
    this.#narrator.commandReplaced(exchange.number, command, wire)
  }

  // The commands of those who watch.

  #sendForWatcher(id: string, line: Buffer): void {
    const problem = this.#whyNoCommandNow() ?? this.#takeWatchersCommand(line)
    this.#output.effect({ type: 'send-answered', id, problem })
  }

  #whyNoCommandNow(): string | null {
    if (this.#phase !== 'open')
      return 'the session is not open yet: the server has not been reached or has not greeted'
    if (this.#clientLeg.awaitsTls) return 'the client is beginning TLS: try again when it stands'
    if (this.#draining) return 'postern is ending'
    if (this.#clientEnded || this.#serverLeft) return 'a side has left: the session is about to end'
    if (this.#clientLeg.hasQuit) return 'the client has sent QUIT: nothing may follow it'
    if (this.#pipeline.hasSaslExchange) return 'a login is under way: try again behind it'
    if (this.#pipeline.ofWatchers >= WATCHERS_COMMANDS || this.#pipeline.isFull)
      return 'too many commands wait for their replies: try again later'
    return null
  }

  #takeWatchersCommand(line: Buffer): string | null {
    const own = ownCommand(line, this.#commandRules)
    if (isProblem(own)) return own.problem
    const { command, wire } = own
    this.#commands += 1
    const told = this.#narrator.command(this.#commands, 'watcher', command, wire, [])
    const { now } = this.#output
    this.#pipeline.add(newExchange(this.#commands, 'watcher', command, wire, told, now, null))
    this.#send()
    return null
  }

  // Ends.

  #serverFailed(code: Failure['code'], text: string, isPermanent: boolean): void {
    this.#fail('server', serverFailure(code, text, isPermanent))
  }

  /**
   * Tells the client once, where a reply can stand, and ends. Within a reply nothing can be said: the
   * connection breaks, so that what was cut short never looks whole.
   */
  #fail(side: Side, failure: Failure): void {
    this.#output.trace({ type: 'failure', side, failure })
    const clientListens =
      this.#phase !== 'client-handshake' &&
      !(side === 'client' && failure.code !== 'POSTERN_CLIENT_PROTOCOL') &&
      !this.#clientIsBetweenTls()
    const { owed } = this.#pipeline
    const isWithinReply = this.#phase === 'open' && owed?.hasBegun === true
    const owesReply = this.#phase !== 'open' || owed !== null || side === 'client'
    if (clientListens && !isWithinReply && owesReply) {
      const responseCode = failure.isPermanent ? 'SYS/PERM' : 'SYS/TEMP'
      this.#output.write('client', encodeStatusLine('-ERR', responseCode, failure.text))
    }
    this.#close('failed', failure.code, clientListens && !isWithinReply ? 'end' : 'destroy')
  }

  /** STLS was answered and the handshake is under way: a line in clear would break it. */
  #clientIsBetweenTls(): boolean {
    return this.#clientLeg.awaitsTls && !this.#pipeline.owesStlsAnswer
  }

  #drain(): void {
    if (this.#phase === 'client-handshake' || this.#phase === 'new') {
      this.#close('drained', 'POSTERN_SHUTTING_DOWN', 'destroy')
    } else if (this.#phase !== 'open') {
      this.#serverFailed('POSTERN_SHUTTING_DOWN', 'postern is ending; try again later', false)
    } else {
      this.#draining = true
      // Nobody decides any more about what the client could have by now.
      for (const exchange of this.#holds.all()) if (exchange.isSent) this.#letGo(exchange, TIMED_OUT)
      if (this.isClosed) return
      if (this.#pipeline.inFlight === 0 || this.#clientLeg.owesResponse) this.#close('drained', null, 'end')
    }
  }

  /** Ends the session. The server's connection is dropped without QUIT, so that nothing is deleted (RFC 1939 §6). */
  #close(reason: ClosedReason, code: Failure['code'] | null, clientSide: 'end' | 'destroy'): void {
    if (this.#phase === 'closed') return
    const { state } = this.#session
    this.#dropAll()
    this.#phase = 'closed'
    this.#output.effect({ type: clientSide, side: 'client' })
    this.#output.effect({ type: reason === 'quit' ? 'end' : 'destroy', side: 'server' })
    this.#output.trace({
      type: 'session-closed',
      reason,
      code,
      user: this.#narrator.login().user,
      state,
      commands: this.#commands,
      messages: this.#delivery.messages,
      octets: {
        fromClient: this.#clientLeg.octets,
        toClient: this.#output.toClient,
        fromServer: this.#serverLeg.octets,
        toServer: this.#output.toServer,
      },
      durationMs: this.#output.now - this.#deadlines.openedAt,
    })
    this.#narrator.forget()
  }

  /** What waited for a person, was gathered, or was not told yet. */
  #dropAll(): void {
    this.#maildrop?.abandon()
    this.#spools.dropAll()
    for (const exchange of this.#pipeline.takeAll()) {
      this.#delivery.abandon(exchange)
      this.#holds.end(exchange, 'session-ended', this.#output.now)
    }
  }

  // Time.

  #enter(phase: Phase): void {
    this.#phase = phase
    this.#deadlines.waits(this.#output.now)
  }

  #openWait(): OpenWait {
    if (this.#clientLeg.awaitsTls) return 'client-tls'
    const { awaited } = this.#pipeline
    if (this.#clientLeg.hasQuit && awaited?.command.verb === 'QUIT' && !awaited.isAnswered) return 'quit'
    return this.#session.state === 'AUTHORIZATION' ? 'login' : 'anything'
  }

  #deadline(): number {
    return this.#deadlines.of(this.#phase, this.#openWait())
  }

  #clock(): void {
    for (const exchange of this.#holds.overdue(this.#output.now)) {
      this.#letGo(exchange, TIMED_OUT)
      if (this.isClosed) return
    }
    const { owed } = this.#pipeline
    if (owed !== null && this.#output.now >= this.#delivery.signOfLifeAt(owed))
      this.#delivery.keepClientAlive(owed)
    if (this.#output.now >= this.#rulesAreDueAt()) this.#rulesGoOn()
    if (this.isClosed) return
    if (this.#output.now >= this.#deadline()) this.#deadlinePassed()
  }

  #deadlinePassed(): void {
    const text = lateText(this.#phase, this.#openWait())
    if (text !== null) {
      this.#serverFailed('POSTERN_DEADLINE', text, false)
      return
    }
    // RFC 1939 §3: the autologout timer closes without removing messages and without a response.
    const isLoggedIn = this.#phase === 'open' && this.#session.state !== 'AUTHORIZATION'
    this.#close(isLoggedIn ? 'idle' : 'login-deadline', 'POSTERN_DEADLINE', 'destroy')
  }
}

/** RFC 1939 §5 and §7: a message-number is the first argument of what is said about one message. */
function messageNumberOf({ verb, arguments: words }: Command): number | null {
  return NAMES_MESSAGE.has(verb) && words[0] !== undefined ? Number(words[0]) : null
}

function seenByRules(command: Command): SeenCommand {
  const { verb, arguments: words } = command
  return { verb, argument: words.join(' '), number: messageNumberOf(command) }
}
