/**
 * The way of one reply from the server to the client: as it comes, gathered to be made true or to be held, replaced, or
 * told to nobody but those who watch. Owns what is counted of replies. Knows nothing of which reply is whose turn: it is
 * given the exchange, and says how far its reply has got.
 */

import type { Abridged } from '../mail/abridged.js'
import type { Anomaly } from '../pop3/anomaly.js'
import {
  announces,
  capabilitiesForClient,
  capabilityAnomalies,
  decodeCapabilities,
} from '../pop3/capabilities.js'
import type { Command } from '../pop3/command.js'
import { removeByteStuffing } from '../pop3/encoder.js'
import type { Limits } from '../pop3/limits.js'
import { decodeStatusLine, type ServerEvent, type StatusLine } from '../pop3/reply-decoder.js'
import type { Session, Transition } from '../pop3/session.js'
import type { Attention, Failure } from '../trace/event.js'
import type { ClientLeg } from './client-leg.js'
import {
  type ArrivedReply,
  type Exchange,
  fetchesMail,
  fetchesWholeMessage,
  isWholeMessage,
  type LocalAnswer,
} from './exchange.js'
import { GatheredReply, type NotKept } from './gathered-reply.js'
import type { Holds } from './hold.js'
import type { HoldingRoom } from './holding-room.js'
import { capabilitiesByRule, capabilitiesInPlaceOfServer } from './local-answer.js'
import type { Output as JudgesOutput } from './maildrop.js'
import type { Narrator, ShownStatus } from './narrator.js'
import { Outgoing } from './outgoing.js'
import type { Output } from './output.js'
import type { OwnReply, OwnStep } from './own-command.js'
import { contentPieces, type PersonReply, TERMINATION_LINE, withSize } from './person-reply.js'
import type { Pipeline } from './pipeline.js'
import {
  abridgedContentOctets,
  contentOctets,
  headerSectionOf,
  type Rewrite,
  stuffed,
  topOf,
  writtenAbridged,
  writtenMessage,
} from './rewrite.js'
import { serverFailure } from './server-leg.js'
import { SignsOfLife } from './signs-of-life.js'
import type { Spool, SpooledMessage, Spools, WholeMessage } from './spool.js'
import { ContentTeller } from './told-content.js'

/**
 * How far a reply has got, or why no more of it can be delivered.
 * - `unfinished`: more of it comes, or a person decides first
 * - `whole`: nothing of it is owed any more
 * - `ended`: whole, and it ended the session (`+OK` to QUIT)
 * - `too-many-errors`: whole, and one mistake too many before the login
 */
export type Delivered = 'unfinished' | 'whole' | 'ended' | 'too-many-errors' | Failure

/** The rest of the session, as far as replies concern it. */
export interface DeliveryParts {
  readonly limits: Limits
  readonly session: Session
  readonly clientLeg: ClientLeg
  readonly pipeline: Pick<Pipeline, 'serverAnnounces'>
  readonly holds: Holds
  /** Room for messages that are gathered, shared by all sessions. */
  readonly room: HoldingRoom
  readonly output: Output
  readonly narrator: Narrator
  /** What observers ask to be told of content. */
  readonly attention: Attention
  readonly keepsClientAlive: boolean
  /** Takes the reply to a command of postern's own. */
  /** Files for messages that do not fit into memory. */
  readonly spools: Spools
  readonly ownReplied: (step: OwnStep, reply: OwnReply) => void
  /** Hears of the status line of every other command, as the server gave it to what it was sent. */
  readonly replied: (command: Command, status: StatusLine) => void
  /** Asks rules about a status line of the server. @returns the one that the client gets instead, null for the same */
  readonly ruleReply: (exchange: Exchange, status: StatusLine, shown: ShownStatus) => Buffer | null
  /** Asks what a judge writes in the place of a message; {@link Delivery.outputCame} is told. */
  readonly askForOutput: (exchange: Exchange, judge: string, message: WholeMessage) => void
}

const LF = 0x0a
const NOTHING: Buffer = Buffer.alloc(0)
const TOO_LATE_TO_REFUSE = rulesFailure(
  'server refused what the client has been told +OK for, to keep it alive',
)
const NO_CONTENT = { content: null, spooled: null, notKept: null, problem: null } as const
const UNEDITABLE = rulesFailure('a message that a rule changes does not fit what may be held')
/** What postern's own list begins with, as told; see capabilitiesInPlaceOfServer. */
const LIST_FOLLOWS = { indicator: '+OK', responseCode: null, text: 'capability list follows' } as const

/** Delivers the replies of one session. */
export class Delivery {
  readonly #limits: Limits
  readonly #session: Session
  readonly #clientLeg: ClientLeg
  readonly #pipeline: Pick<Pipeline, 'serverAnnounces'>
  readonly #holds: Holds
  readonly #room: HoldingRoom
  readonly #spools: Spools
  readonly #output: Output
  readonly #narrator: Narrator
  readonly #contentTeller: ContentTeller
  readonly #keepsClientAlive: boolean
  readonly #ownReplied: DeliveryParts['ownReplied']
  readonly #replied: DeliveryParts['replied']
  readonly #ruleReply: DeliveryParts['ruleReply']
  readonly #askForOutput: DeliveryParts['askForOutput']
  #messages = 0
  #errors = 0

  constructor(parts: DeliveryParts) {
    this.#limits = parts.limits
    this.#session = parts.session
    this.#clientLeg = parts.clientLeg
    this.#pipeline = parts.pipeline
    this.#holds = parts.holds
    this.#room = parts.room
    this.#spools = parts.spools
    this.#output = parts.output
    this.#narrator = parts.narrator
    this.#keepsClientAlive = parts.keepsClientAlive
    this.#ownReplied = parts.ownReplied
    this.#replied = parts.replied
    this.#ruleReply = parts.ruleReply
    this.#askForOutput = parts.askForOutput
    this.#contentTeller = new ContentTeller(parts.attention, parts.narrator)
  }

  /** Messages that the client has got whole. */
  get messages(): number {
    return this.#messages
  }

  /** Commands before the login that were answered as mistakes. */
  get errors(): number {
    return this.#errors
  }

  /** The status line of a reply came. */
  statusLine(exchange: Exchange, event: Extract<ServerEvent, { type: 'reply' }>): Delivered {
    const { status, wire, hasContent } = event
    exchange.isAnswered = true
    if (exchange.step !== null) return this.#ownStatusLine(exchange, exchange.step, event)
    if (this.#standsInForCapabilities(exchange, hasContent)) return 'whole'
    const shown = this.#narrator.reply(exchange, 'server', status, wire, this.#output.now)
    this.#narrator.anomalies('server', event.anomalies, exchange.number)
    const ruled = this.#ruleReply(exchange, status, shown)
    if (hasContent) {
      this.#contentBegins(exchange, status, wire)
      return 'unfinished'
    }
    this.#replied(exchange.command, status)
    if (exchange.origin === 'watcher') return 'whole'
    if (exchange.life?.isCommitted === true && status.indicator === '-ERR') return TOO_LATE_TO_REFUSE
    const transition = this.#transition(exchange, status, shown)
    const statusLine = ruled ?? wire
    const arrived = { status, statusLine, content: [], contentOctets: 0, transition }
    const { user } = this.#narrator.login()
    if (this.#holds.takesReply(exchange, arrived, shown, user, this.#output.now)) return 'unfinished'
    this.#writeStatusLine(exchange, statusLine)
    return this.#settle(exchange, transition, status)
  }

  /** A challenge of a SASL exchange came. RFC 5034 §4. */
  challenge(exchange: Exchange | null, event: Extract<ServerEvent, { type: 'sasl-challenge' }>): void {
    this.#narrator.saslChallenge(exchange?.number ?? 0, event.challenge, event.anomalies)
    this.#output.write('client', event.wire)
  }

  /** An input that is a piece of content and nothing else: the way of nearly all octets of a large message. */
  piece(exchange: Exchange, octets: Buffer, now: number): void {
    this.#output.beginWithWrite(octets, now)
    this.#contentTeller.piece(exchange, octets)
    if (exchange.rewrite !== null) this.#contentTeller.replacedPiece(exchange, octets)
  }

  /** A piece of the content came. */
  content(exchange: Exchange, wire: Buffer): Delivered {
    this.#contentTeller.piece(exchange, wire)
    const { gathered } = exchange
    if (gathered === null) {
      if (!exchange.passes) return 'unfinished'
      this.#output.write('client', wire)
      if (exchange.rewrite !== null) this.#contentTeller.replacedPiece(exchange, wire)
      return 'unfinished'
    }
    if (gathered.purpose === 'header') return this.#headerPiece(exchange, gathered, wire)
    const notKept = gathered.add(wire)
    if (notKept === null) return 'unfinished'
    if (gathered.purpose === 'own') {
      gathered.giveUp(notKept)
      return 'unfinished'
    }
    if (gathered.purpose === 'message') return this.#passUnheld(exchange, gathered, notKept, wire)
    const text = `server sent a capability list of more than ${this.#limits.capabilityOctets} octets`
    return serverFailure('POSTERN_SERVER_PROTOCOL', text, true)
  }

  /**
   * The termination octet line came.
   *
   * @param octets of the content, byte-stuffing removed
   */
  contentEnd(exchange: Exchange, octets: number, wire: Buffer, anomalies: readonly Anomaly[]): Delivered {
    const { number, command, gathered, givenAt } = exchange
    if (exchange.step !== null) return this.#ownContentEnd(exchange, exchange.step)
    this.#narrator.anomalies('server', anomalies, number)
    this.#contentTeller.ends(exchange)
    const afterMs = this.#output.now - givenAt
    this.#output.trace({ type: 'content-end', number, verb: command.verb, octets, afterMs })
    if (gathered?.purpose === 'message') return this.#messageArrived(exchange, gathered, wire, octets)
    if (gathered?.purpose === 'header') this.#headerEnds(exchange, gathered, wire)
    else if (gathered !== null) this.#passCapabilities(exchange, gathered)
    else if (exchange.passes) this.#output.write('client', wire)
    this.#countMessage(exchange)
    return 'whole'
  }

  /** Gives the client a reply that is here whole, or the one in its place. */
  deliver(exchange: Exchange, arrived: ArrivedReply, instead: PersonReply | null): Delivered {
    const { gathered } = exchange
    const { status, statusLine } = instead ?? arrived
    this.#writeStatusLine(exchange, statusLine)
    for (const piece of instead === null ? arrived.content : contentPieces(instead))
      this.#output.write('client', piece)
    if (instead !== null) {
      this.#narrator.reply(exchange, 'postern', status, statusLine, this.#output.now)
      if (instead.content !== null) this.#contentTeller.replaced(exchange, instead.content)
    }
    if (gathered !== null) {
      if (status.indicator === '+OK') this.#countMessage(exchange)
      gathered.leave()
    }
    exchange.gathered = null
    exchange.arrived = null
    return this.#settle(exchange, arrived.transition, arrived.status)
  }

  /** Gives the client what postern answers in the place of the server. */
  answer(exchange: Exchange, local: LocalAnswer): Failure | null {
    if (exchange.life?.isCommitted === true && local.indicator === '-ERR') return TOO_LATE_TO_REFUSE
    this.#output.write('client', exchange.life?.restOf(local.octets) ?? local.octets)
    const statusLine = local.octets.subarray(0, local.octets.indexOf(LF) + 1)
    this.#narrator.reply(exchange, 'postern', local, statusLine, this.#output.now)
    if (local.content !== null) this.#contentTeller.replaced(exchange, local.content)
    return null
  }

  /** The session ends before the reply is whole: tells what was not told yet, and keeps nothing. */
  abandon(exchange: Exchange): void {
    this.#contentTeller.ends(exchange)
    exchange.gathered?.leave()
  }

  /** When the client is due a sign of life while its reply takes long; never where it gets none. */
  signOfLifeAt(exchange: Exchange | null): number {
    const at = this.#keepsClientAlive ? exchange?.life?.at : undefined
    return at ?? Number.POSITIVE_INFINITY
  }

  /** Tells the client that its reply is still under way. */
  keepClientAlive(exchange: Exchange): void {
    const { gathered, life } = exchange
    if (life === null) return
    this.#output.write('client', life.next(this.#output.now, gathered?.statusLine ?? null))
    exchange.hasBegun = true
    this.#holds.committed(exchange)
  }

  /** The list for a server that has none, while the client needs one to find STLS. */
  #standsInForCapabilities(exchange: Exchange, hasContent: boolean): boolean {
    const { command, origin } = exchange
    if (command.verb !== 'CAPA' || hasContent || origin === 'watcher' || !this.#clientLeg.offersStlsNow)
      return false
    const { statusLine, content } = capabilitiesInPlaceOfServer(this.#clientLeg.refusesLogin)
    this.#output.write('client', Buffer.concat([statusLine, content, TERMINATION_LINE]))
    this.#narrator.reply(exchange, 'postern', LIST_FOLLOWS, statusLine, this.#output.now)
    this.#contentTeller.replaced(exchange, content)
    return true
  }

  /** Content goes on as it comes, is gathered, or is for nobody but those who watch. */
  #contentBegins(exchange: Exchange, status: StatusLine, wire: Buffer): void {
    this.#contentTeller.begins(exchange)
    if (exchange.origin === 'watcher') return
    const { rewrite, command } = exchange
    const reply = { status, wire }
    if (command.verb === 'CAPA') {
      const bounds = { most: this.#limits.capabilityOctets, room: null }
      exchange.gathered = new GatheredReply('capabilities', reply, bounds)
      return
    }
    if (!fetchesMail(command) || (rewrite === null && !this.#holds.wantsMessages)) {
      exchange.passes = true
      exchange.hasBegun = true
      this.#writeStatusLine(exchange, wire)
      return
    }
    const isWhole = rewrite === null || rewrite.scope === 'message' || this.#holds.wantsMessages
    // A person looks at what is in memory; what a rule has to change may be in a file.
    const beginSpool = rewrite?.scope === 'message' ? this.#beginSpool : null
    const bounds = isWhole
      ? { most: this.#limits.heldMessageOctets, room: this.#room, beginSpool }
      : { most: this.#limits.headerOctets, room: this.#room }
    exchange.gathered = new GatheredReply(isWhole ? 'message' : 'header', reply, bounds)
    exchange.life ??= new SignsOfLife(this.#output.now)
  }

  #writeStatusLine(exchange: Exchange, statusLine: Buffer): void {
    this.#output.write('client', exchange.life?.restOf(statusLine) ?? statusLine)
  }

  /** Tells the status line that the client gets, where a size in it is another one. */
  #tellStatusLine(exchange: Exchange, gathered: GatheredReply, statusLine: Buffer): void {
    const status = statusLine.equals(gathered.statusLine)
      ? null
      : (decodeStatusLine(statusLine)?.status ?? null)
    if (status !== null) this.#narrator.reply(exchange, 'postern', status, statusLine, this.#output.now)
  }

  // The replies to postern's own commands.

  #ownStatusLine(
    exchange: Exchange,
    step: OwnStep,
    { status, wire, hasContent }: Extract<ServerEvent, { type: 'reply' }>,
  ): Delivered {
    if (hasContent) {
      const most = mostOf(step, this.#limits)
      const beginSpool = step.type === 'look' && step.by === 'RETR' ? this.#beginSpool : null
      exchange.gathered = new GatheredReply('own', { status, wire }, { most, room: this.#room, beginSpool })
      return 'unfinished'
    }
    this.#ownReplied(step, { status, ...NO_CONTENT })
    return 'whole'
  }

  #ownContentEnd({ gathered }: Exchange, step: OwnStep): Delivered {
    if (gathered === null) return 'whole'
    const reply = this.#ownReply(gathered)
    gathered.leave()
    if (step.type === 'capabilities' && reply.content !== null)
      this.#pipeline.serverAnnounces(announces(decodeCapabilities(reply.content), 'PIPELINING'))
    this.#ownReplied(step, reply)
    return 'whole'
  }

  #ownReply(gathered: GatheredReply): OwnReply {
    const { status, notKept, pieces, spool } = gathered
    if (notKept !== null) return { status, ...NO_CONTENT, notKept, problem: gathered.problem }
    if (spool === null) return { status, ...NO_CONTENT, content: removeByteStuffing(Buffer.concat(pieces)) }
    const whole = spool.finish()
    if (typeof whole === 'string') return { status, ...NO_CONTENT, notKept: whole, problem: spool.problem }
    gathered.handOver()
    return { status, ...NO_CONTENT, content: whole.octets, spooled: whole.spooled }
  }

  readonly #beginSpool = (): Spool | null => this.#spools.begin()

  // Messages that rules change.

  /** A piece of a message whose header section is changed, or is all that is needed. */
  #headerPiece(exchange: Exchange, gathered: GatheredReply, wire: Buffer): Delivered {
    // All that is needed is here already: what follows is left out.
    if (gathered.notKept !== null) return 'unfinished'
    const end = gathered.headerEnd.find(wire)
    if (gathered.add(end < 0 ? wire : wire.subarray(0, end)) !== null) return UNEDITABLE
    if (end < 0) return 'unfinished'
    if (exchange.rewrite?.scope === 'notice') gathered.stop()
    else this.#passBehindHeader(exchange, gathered, Buffer.concat(gathered.pieces), wire.subarray(end))
    return 'unfinished'
  }

  /** The header section goes on edited, and what is behind it as it comes. @param header as it is on the wire */
  #passBehindHeader(exchange: Exchange, gathered: GatheredReply, header: Buffer, behind: Buffer): void {
    const { rewrite } = exchange
    if (rewrite === null) return
    const { from, to } = rewrite.octets
    const edited = stuffed(writtenMessage(rewrite.edits, removeByteStuffing(header)))
    const statusLine = withSize(gathered.statusLine, from, to)
    this.#tellStatusLine(exchange, gathered, statusLine)
    this.#writeStatusLine(exchange, statusLine)
    for (const piece of [edited, behind]) {
      this.#output.write('client', piece)
      this.#contentTeller.replacedPiece(exchange, piece)
    }
    gathered.leave()
    exchange.gathered = null
    exchange.passes = true
    exchange.hasBegun = true
  }

  /** The content has ended within its header section, or a notice stands for what was behind it. */
  #headerEnds(exchange: Exchange, gathered: GatheredReply, end: Buffer): void {
    const { rewrite } = exchange
    const header = Buffer.concat(gathered.pieces)
    if (rewrite?.scope !== 'notice') this.#passBehindHeader(exchange, gathered, header, NOTHING)
    else {
      const edited = writtenMessage(rewrite.edits, removeByteStuffing(header))
      const { statusLine, content } = this.#rewritten(rewrite, gathered, edited)
      this.#tellStatusLine(exchange, gathered, statusLine)
      this.#writeStatusLine(exchange, statusLine)
      this.#output.write('client', content)
      this.#contentTeller.replaced(exchange, content)
      gathered.leave()
    }
    exchange.gathered = null
    this.#output.write('client', end)
  }

  /** What the client gets in the place of a message. @param written it, edited and without byte-stuffing */
  #rewritten(
    { octets: { from, to }, lines }: Rewrite,
    { statusLine }: GatheredReply,
    written: Buffer,
  ): { readonly statusLine: Buffer; readonly content: Buffer; readonly message: Buffer } {
    const message = lines === null ? written : topOf(written, lines)
    return { statusLine: withSize(statusLine, from, to), content: stuffed(message), message }
  }

  /** What the reply did to the session, which is at once, since it is the server's state. */
  #transition(exchange: Exchange, status: StatusLine, shown: ShownStatus): Transition {
    const transition = this.#session.replied(exchange.command, status)
    if (transition === 'logged-in') this.#output.trace({ type: 'logged-in', ...this.#narrator.login() })
    if (transition === 'login-refused') {
      const { responseCode, text } = shown
      this.#output.trace({ type: 'login-refused', ...this.#narrator.login(), responseCode, text })
    }
    return transition
  }

  /** The client has its reply. */
  #settle({ command }: Exchange, transition: Transition, status: StatusLine): Delivered {
    if (transition === 'ended') return 'ended'
    return transition === 'none' && this.#isErrorTooMany(command, status) ? 'too-many-errors' : 'whole'
  }

  /** A browser's POST or a scanner is no mail client: so many errors before the login end the session. */
  #isErrorTooMany({ verb, grammar }: Exchange['command'], { indicator }: StatusLine): boolean {
    if (indicator === '+OK' || this.#session.state !== 'AUTHORIZATION') return false
    if (verb !== 'unrecognized' && grammar.states.includes('AUTHORIZATION')) return false
    this.#errors += 1
    return this.#errors > this.#limits.errorsBeforeLogin
  }

  #messageArrived(exchange: Exchange, gathered: GatheredReply, end: Buffer, octets: number): Delivered {
    const { status, statusLine, pieces, spool } = gathered
    if (spool !== null) return this.#spooledArrived(exchange, gathered, spool, end)
    const message = removeByteStuffing(Buffer.concat(pieces))
    const { rewrite } = exchange
    const content = [...pieces, end]
    const asItCame = { status, statusLine, content, contentOctets: octets, transition: 'none' } as const
    if (rewrite === null) return this.#offerMessage(exchange, asItCame, message)
    if (rewrite.outputOf === null) {
      // Most mail has nothing in it that a rule of texts would change: it goes on as it came, not written anew.
      const written = writtenMessage(rewrite.edits, message)
      if (written === message && rewrite.lines === null)
        return this.#offerMessage(exchange, asItCame, message)
      return this.#messageRewritten(exchange, gathered, rewrite, written, end)
    }
    // Whole and waiting, so that what the server says next is not taken for a part of it.
    exchange.arrived = asItCame
    exchange.awaitsOutput = { message, spooled: null, end }
    this.#askForOutput(exchange, rewrite.outputOf, { message, spooled: null })
    return 'unfinished'
  }

  /** A message is here that was too large for memory. */
  #spooledArrived(exchange: Exchange, gathered: GatheredReply, spool: Spool, end: Buffer): Delivered {
    const { rewrite } = exchange
    const whole = spool.finish()
    if (rewrite === null || typeof whole === 'string') return uneditable(spool)
    const { octets: message, spooled } = whole
    // Nothing of it is decoded as something else, and what the server says next waits.
    exchange.arrived = { ...SPOOLED, status: gathered.status, statusLine: gathered.statusLine }
    if (rewrite.outputOf === null)
      return this.#spooledRewritten(exchange, gathered, { message, spooled, end })
    exchange.awaitsOutput = { message, spooled, end }
    this.#askForOutput(exchange, rewrite.outputOf, { message, spooled })
    return 'unfinished'
  }

  #spooledRewritten(
    exchange: Exchange,
    gathered: GatheredReply,
    { message, spooled, end }: { message: Buffer; spooled: SpooledMessage; end: Buffer },
  ): Delivered {
    const { rewrite, number } = exchange
    if (rewrite === null) return 'unfinished'
    const original: Abridged = { octets: message, gaps: spooled.gaps }
    const written = writtenAbridged(rewrite.edits, original)
    const { lines, octets } = rewrite
    if (lines === null && abridgedContentOctets(written) !== octets.to)
      return rulesFailure('a message that a rule changes came to another size than the one that was listed')
    if (written.gaps.length === 0)
      return this.#messageRewritten(exchange, gathered, rewrite, written.octets, end)
    if (this.#holds.wantsMessages)
      this.#output.trace({
        type: 'not-held',
        number,
        kind: 'message',
        octets: spooled.octets,
        reason: 'too-large',
      })
    const statusLine = withSize(gathered.statusLine, octets.from, octets.to)
    this.#tellStatusLine(exchange, gathered, statusLine)
    this.#writeStatusLine(exchange, statusLine)
    exchange.hasBegun = true
    const content =
      written === original && lines === null
        ? Outgoing.asReceived(spooled.id, spooled.received)
        : new Outgoing(spooled.id, written, lines)
    exchange.outgoing = { content, end }
    return this.#goOnWriting(exchange)
  }

  /** The edge read what comes next of a message that is in a file. */
  spoolRead(exchange: Exchange, octets: Buffer): Delivered {
    const { outgoing } = exchange
    if (outgoing === null) return 'unfinished'
    this.#writeReplaced(exchange, outgoing.content.read(octets))
    return this.#goOnWriting(exchange)
  }

  /** The edge cannot read it: the client must not take what it has for the whole. */
  spoolFailed(exchange: Exchange, text: string): Delivered {
    return exchange.outgoing === null
      ? 'unfinished'
      : rulesFailure(`a message cannot be delivered as it was listed: it ${text}`)
  }

  #goOnWriting(exchange: Exchange): Delivered {
    const { outgoing, gathered } = exchange
    if (outgoing === null || gathered === null) return 'unfinished'
    const { content, end } = outgoing
    for (;;) {
      const next = content.next()
      switch (next.type) {
        case 'octets':
          this.#writeReplaced(exchange, next.octets)
          break
        case 'read':
          this.#output.effect({
            type: 'read-spool',
            id: content.spool,
            start: next.start,
            end: next.end,
          })
          return 'unfinished'
        case 'end':
          this.#output.write('client', end)
          exchange.outgoing = null
          exchange.arrived = null
          this.#countMessage(exchange)
          gathered.leave()
          exchange.gathered = null
          return this.#settle(exchange, 'none', gathered.status)
      }
    }
  }

  #writeReplaced(exchange: Exchange, octets: Buffer): void {
    this.#output.write('client', octets)
    this.#contentTeller.replacedPiece(exchange, octets)
  }

  /** What a judge wrote in the place of a message is here, or there is none. */
  outputCame(exchange: Exchange, output: JudgesOutput): Delivered {
    const { awaitsOutput, gathered, rewrite } = exchange
    if (awaitsOutput === null || gathered === null || rewrite === null) return 'unfinished'
    exchange.awaitsOutput = null
    exchange.arrived = null
    if ('problem' in output)
      return rulesFailure(`a message cannot be delivered as it was listed: ${output.problem}`)
    const { message, spooled, end } = awaitsOutput
    if (spooled !== null && output.output === null) {
      exchange.arrived = { ...SPOOLED, status: gathered.status, statusLine: gathered.statusLine }
      return this.#spooledRewritten(exchange, gathered, { message, spooled, end })
    }
    const written = writtenMessage(rewrite.edits, output.output ?? message)
    return this.#messageRewritten(exchange, gathered, rewrite, written, end)
  }

  /** @param edited without byte-stuffing */
  #messageRewritten(
    exchange: Exchange,
    gathered: GatheredReply,
    rewrite: Rewrite,
    edited: Buffer,
    end: Buffer,
  ): Delivered {
    const { status } = gathered
    const { statusLine, content, message } = this.#rewritten(rewrite, gathered, edited)
    const octets = contentOctets(message)
    if (rewrite.outputOf !== null && rewrite.lines === null && octets !== rewrite.octets.to)
      return rulesFailure(`${rewrite.outputOf} wrote another message than the one that was listed`)
    this.#tellStatusLine(exchange, gathered, statusLine)
    this.#contentTeller.replaced(exchange, content)
    const arrived = {
      status,
      statusLine,
      content: [content, end],
      contentOctets: octets,
      transition: 'none',
    } as const
    return this.#offerMessage(exchange, arrived, message)
  }

  #offerMessage(exchange: Exchange, arrived: ArrivedReply, message: Buffer): Delivered {
    const { user } = this.#narrator.login()
    if (this.#holds.takesMessage(exchange, arrived, message, user, this.#output.now)) return 'unfinished'
    return this.deliver(exchange, arrived, null)
  }

  /** A message that does not fit goes on as it comes. */
  #passUnheld(exchange: Exchange, gathered: GatheredReply, reason: NotKept, wire: Buffer): Delivered {
    const { number, rewrite } = exchange
    if (rewrite !== null && rewrite.scope !== 'header') return uneditable(gathered.spool)
    if (reason === 'unwritable') return uneditable(gathered.spool)
    this.#output.trace({ type: 'not-held', number, kind: 'message', octets: gathered.octets, reason })
    if (rewrite !== null) {
      const octets = Buffer.concat([...gathered.pieces, wire])
      const header = headerSectionOf(octets)
      // Where it has no end, there is more of it than may be changed.
      if (header === octets) return UNEDITABLE
      this.#passBehindHeader(exchange, gathered, header, octets.subarray(header.length))
      return 'unfinished'
    }
    this.#writeStatusLine(exchange, gathered.statusLine)
    for (const piece of gathered.pieces) this.#output.write('client', piece)
    this.#output.write('client', wire)
    gathered.leave()
    exchange.gathered = null
    exchange.passes = true
    exchange.hasBegun = true
    return 'unfinished'
  }

  #passCapabilities(exchange: Exchange, gathered: GatheredReply): void {
    const content = Buffer.concat(gathered.pieces)
    const capabilities = decodeCapabilities(content)
    this.#narrator.anomalies('server', capabilityAnomalies(capabilities), exchange.number)
    this.#pipeline.serverAnnounces(announces(capabilities, 'PIPELINING'))
    const truth = capabilitiesForClient(capabilities, {
      offersStls: this.#clientLeg.offersStlsNow,
      refusesLogin: this.#clientLeg.refusesLogin,
    })
    const own = capabilitiesByRule(truth, exchange.capabilities ?? null)
    this.#output.write('client', Buffer.concat([gathered.statusLine, own, TERMINATION_LINE]))
    if (!own.equals(content)) this.#contentTeller.replaced(exchange, own)
  }

  #countMessage({ command, origin, rewrite }: Exchange): void {
    const isWhole = rewrite === null ? fetchesWholeMessage(command) : isWholeMessage(rewrite)
    if (origin === 'client' && isWhole) this.#messages += 1
  }
}

/** A message in a file is not offered to a person, so that nothing of it is ever delivered as an arrived reply. */
const SPOOLED = { content: [], contentOctets: 0, transition: 'none' } as const

function uneditable(spool: Spool | null): Failure {
  const problem = spool?.problem ?? null
  return problem === null ? UNEDITABLE : rulesFailure(`a message that a rule changes ${problem}`)
}

/** What postern asks for on its own account is kept as far as its use needs it. */
function mostOf(step: OwnStep, limits: Limits): number {
  switch (step.type) {
    case 'scan-listing':
    case 'unique-ids':
      return limits.listingOctets
    case 'look':
      return step.by === 'TOP' ? limits.headerOctets : limits.heldMessageOctets
    default:
      return limits.capabilityOctets
  }
}

/** Mail that is to be changed is not delivered unchanged: the session ends, and the next one tries again. */
function rulesFailure(text: string): Failure {
  return { code: 'POSTERN_RULES', isPermanent: false, text, hint: null }
}
