/**
 * The maildrop as the client sees it where rules are of messages: which messages there are, under which numbers and with
 * which sizes, and what is to be done about each command so that STAT, LIST, UIDL, TOP, RETR and DELE tell one story.
 * Owns what has been seen of each message and what the rules said. Sends nothing: it says what the server must be asked
 * before a command can be answered, and is told what came of it.
 *
 * Numbers that the client knows are the server's less the hidden messages before them. Sizes are those of what RETR will
 * send: the server's where nothing is changed, else counted from what the edits make of the message.
 */
import { MAIL_LIMITS } from '../mail/limits.js'
import { announces, decodeCapabilities } from '../pop3/capabilities.js'
import type { Command } from '../pop3/command.js'
import { encodeStatusLine } from '../pop3/encoder.js'
import type { StatusLine } from '../pop3/reply-decoder.js'
import type {
  Examination,
  JudgeAnswers,
  MessageVerdict,
  OnFailure,
  Purpose,
  RememberedVerdict,
  RuleHit,
  SeenMessage,
  SessionFields,
  SessionRules,
  Sight,
} from '../rules/verdict.js'
import type { LocalAnswer } from './exchange.js'
import type { HoldingRoom } from './holding-room.js'
import { readScanListing, readUniqueIds } from './listing.js'
import { refusal } from './local-answer.js'
import { commandLine, type EncodedCommand, type OwnReply, type OwnStep } from './own-command.js'
import {
  abridgedContentOctets,
  headerSectionOf,
  outputOctets,
  type Rewrite,
  rewriteOf,
  writtenOctets,
} from './rewrite.js'
import type { SpooledMessage, WholeMessage } from './spool.js'

/** One message of the server's, with what is known of it. */
export interface MaildropMessage {
  /** Message-number at the server. */
  readonly number: number
  /** Octets, as the server's scan listing says. */
  readonly size: number
  /** Null where the server gave none, or gave it to two messages. */
  readonly uniqueId: string | null
}

/** What is to be done about a command of the client's whose turn has come. */
export type Plan =
  /** The server answers it as it is. */
  | { readonly type: 'pass' }
  /** The server answers this instead; what comes is rewritten where `rewrite` says so. */
  | { readonly type: 'send'; readonly instead: EncodedCommand; readonly rewrite: Rewrite | null }
  | { readonly type: 'answer'; readonly answer: LocalAnswer }
  /** These go to the server first, and then the command is planned again. */
  | { readonly type: 'look'; readonly steps: readonly OwnStep[] }
  /** Something is under way; the command is planned again when it has come. */
  | { readonly type: 'wait' }

/** What the edge is asked about a message. */
export type MaildropQuestion =
  | {
      readonly type: 'judge'
      readonly judges: readonly string[]
      /** Milliseconds after which none is waited for; null for each judge's own time. */
      readonly budgetMs: number | null
      readonly message: Buffer
      /** The file that all of the message is in, where it is not all in `message`. */
      readonly spooled: SpooledMessage | null
    }
  | {
      readonly type: 'quarantine'
      readonly message: Buffer
      readonly spooled: SpooledMessage | null
      readonly rule: string
      readonly reason: string
      readonly uniqueId: string | null
    }

/** What came of a question. */
export type MaildropAnswer =
  | { readonly type: 'judged'; readonly answers: JudgeAnswers }
  /** The copy is safe on disk. */
  | { readonly type: 'kept' }
  /** Somebody released this very message earlier: it is to be delivered. */
  | { readonly type: 'released' }
  /** It could not be copied, and why, in words. */
  | { readonly type: 'failed'; readonly text: string }

/** Who is told. */
export interface MaildropListener {
  /** Asks the edge. The answer comes by {@link Maildrop.answered}, whatever it is. */
  ask(id: number, question: MaildropQuestion): void
  /** A rule holds for a message; told once for each rule, message and session. */
  hit(message: MaildropMessage, hit: RuleHit): void
  notify(message: MaildropMessage, rule: string, url: string): void
  /** Rules cannot be asked about this maildrop, and why, in words. */
  blind(text: string): void
  /** Everything was seen that has to be, before the first listing. */
  looked(facts: LookFacts): void
}

/** What a look at a maildrop came to. */
export interface LookFacts {
  readonly messages: number
  /** Verdicts of earlier sessions. */
  readonly remembered: number
  /** Messages of which the header section, or all, was fetched for the rules. */
  readonly headers: number
  readonly whole: number
  readonly hidden: number
}

/** The rest of the session, as far as the maildrop needs it. */
export interface MaildropParts {
  readonly rules: SessionRules
  readonly session: () => SessionFields
  readonly listener: MaildropListener
  /** Room for messages that wait for an answer, shared by all sessions. */
  readonly room: HoldingRoom
}

const PASS: Plan = { type: 'pass' }
const WAIT: Plan = { type: 'wait' }
const SIGHTS: Readonly<Record<Sight, number>> = { nothing: 0, listing: 1, header: 2, message: 3 }
/** Header sections asked for and messages asked about at one time, in units of a header section. */
const MOST_AT_ONCE = 64
/** A whole message counts as so many header sections: at most four wait for judges. */
const WHOLE_WEIGHT = 16
/** RFC 1939 §3: message-numbers are decimal. What is written otherwise might be a number to a lenient server. */
const MESSAGE_NUMBER = /^[0-9]{1,10}$/
const OF_MESSAGES: ReadonlySet<string> = new Set(['STAT', 'LIST', 'UIDL', 'RETR', 'TOP', 'DELE', 'RSET'])
/** What they tell is of the server's maildrop, with the server's numbers. */
const OF_THE_SERVERS_MAILDROP: ReadonlySet<string> = new Set([
  'LAST',
  'XTND',
  '*ENV',
  'XSENDER',
  'unrecognized',
])

/** A message with its state in this session. */
class Entry implements MaildropMessage {
  readonly number: number
  readonly size: number
  readonly uniqueId: string | null
  verdict: MessageVerdict | null = null
  /** What the verdict was for; one for delivery is good for both. */
  purpose: Purpose = 'listing'
  /** Octets of what RETR sends to the client. */
  octets: number
  isDeleted = false
  /** The server has its DELE, and has not answered. */
  isBeingDeleted = false
  /** Seen while an examination goes on. */
  header: Buffer | null = null
  message: Buffer | null = null
  /** Where the message is not all in memory. */
  spooled: SpooledMessage | null = null
  judged: JudgeAnswers | null = null
  unseen: string | null = null
  /** It is being looked at or asked about, and what for. */
  isUnderWay = false
  lookedAtFor: Purpose = 'listing'
  /** Of most messages nothing is told: ten thousand empty sets would be as much as all the rest. */
  #told: Set<string> | null = null

  constructor(number: number, size: number, uniqueId: string | null) {
    this.number = number
    this.size = size
    this.uniqueId = uniqueId
    this.octets = size
  }

  isExaminedFor(purpose: Purpose): boolean {
    return this.verdict !== null && (purpose === 'listing' || this.purpose === 'delivery')
  }

  /** What was seen is not needed any more. */
  forget(): void {
    this.header = null
    this.judged = null
    this.forgetMessage()
  }

  forgetMessage(): void {
    this.message = null
    this.spooled?.drop()
    this.spooled = null
  }

  /** @returns whether it is told for the first time */
  tells(what: string): boolean {
    this.#told ??= new Set()
    if (this.#told.has(what)) return false
    this.#told.add(what)
    return true
  }
}

/** What a judge wrote in the place of a message: null to leave it. Or why there is none, in words. */
export type Output = { readonly output: Buffer | null } | { readonly problem: string }

interface Question {
  readonly entry: Entry
  readonly purpose: Purpose
  readonly roomOctets: number
  /** Where it is about the quarantine: the verdict that depends on it. */
  readonly verdict: MessageVerdict | null
}

/** The maildrop of one session. */
export class Maildrop {
  readonly #rules: SessionRules
  readonly #session: () => SessionFields
  readonly #listener: MaildropListener
  readonly #room: HoldingRoom
  /** Everything is examined for this before the first listing; null where listings pass as they are. */
  readonly #surveyFor: Purpose | null
  #phase: 'new' | 'listing' | 'listed' | 'blind' = 'new'
  /** Whether the server knows TOP: as it announced, or as it turned out. */
  #top: 'unknown' | 'known' | 'refused' = 'unknown'
  #hasAskedCapabilities = false
  #hasUniqueIds = false
  #uniqueIds: ReadonlyMap<number, string> = new Map()
  #scanListing: Buffer | null = null
  #entries: Entry[] = []
  #byNumber = new Map<number, Entry>()
  /** By the number that the client knows; null until all is known that has to be. */
  #visible: ReadonlyMap<number, Entry> | null = null
  /** The next message to be examined before the first listing. */
  #next = 0
  #steps: OwnStep[] = []
  /** Replies to own commands that are to come. */
  #owed = 0
  #weight = 0
  readonly #questions = new Map<number, Question>()
  /** What a judge writes is asked for again where the message is delivered: outputs are not kept meanwhile. */
  readonly #outputs = new Map<number, { readonly judge: string; readonly then: (output: Output) => void }>()
  #asked = 0
  #keptDeleted = 0
  #isResetting = false
  #facts = { messages: 0, remembered: 0, headers: 0, whole: 0, hidden: 0 }

  constructor(parts: MaildropParts) {
    this.#rules = parts.rules
    this.#session = parts.session
    this.#listener = parts.listener
    this.#room = parts.room
    const { sightBeforeListing, sightBeforeMessage } = parts.rules
    if (sightBeforeListing === 'nothing') this.#surveyFor = null
    else this.#surveyFor = SIGHTS[sightBeforeMessage] <= SIGHTS[sightBeforeListing] ? 'delivery' : 'listing'
  }

  /** Whether any rule is of messages. */
  get isRuled(): boolean {
    return this.#rules.sightBeforeMessage !== 'nothing'
  }

  /** Whether an answer of the edge's is awaited. */
  get isAsking(): boolean {
    return this.#questions.size > 0 || this.#outputs.size > 0
  }

  /** Whether the client gets signs of life while it waits for the reply to this. */
  keepsAlive({ verb, arguments: words }: Command): boolean {
    if (verb === 'RETR' || verb === 'TOP' || verb === 'STAT') return true
    return (verb === 'LIST' || verb === 'UIDL') && words.length === 0
  }

  /**
   * Says what is to be done about a command of the client's, in the TRANSACTION state.
   *
   * @param isIdle nothing is at the server without a reply
   */
  plan(command: Command, isIdle: boolean): Plan {
    const { verb } = command
    if (!this.isRuled) return PASS
    if (OF_THE_SERVERS_MAILDROP.has(verb)) return this.#surveyFor === null ? PASS : answer(NOT_WITH_RULES)
    if (!OF_MESSAGES.has(verb)) return PASS
    if (this.#phase === 'blind') return this.#rules.refusesUnseen ? answer(BLIND) : PASS
    const look = this.#list() ?? this.#survey()
    if (look !== null) return look
    // Until RSET is answered nobody knows what is deleted.
    if (this.#isResetting) return WAIT
    switch (verb) {
      case 'STAT':
      case 'LIST':
      case 'UIDL':
        return this.#planListing(command, isIdle)
      case 'RETR':
      case 'TOP':
        return this.#planFetch(command)
      case 'DELE':
        return this.#planDeletion(command)
      default:
        // RSET: the server unmarks its own, and what only seemed deleted is unmarked when it says so.
        if (!isIdle) return WAIT
        this.#isResetting = true
        return PASS
    }
  }

  /** The server answered a command that names messages by its own numbers, whoever gave it. */
  replied({ verb, arguments: words }: Command, { indicator }: StatusLine): void {
    if (verb === 'RSET') this.#isResetting = false
    if (verb === 'DELE') {
      const entry = this.#byNumber.get(Number(words[0]))
      if (entry !== undefined) entry.isBeingDeleted = false
    }
    if (indicator !== '+OK' || this.#phase !== 'listed') return
    if (verb === 'DELE') {
      const entry = this.#byNumber.get(Number(words[0]))
      if (entry !== undefined) entry.isDeleted = true
    } else if (verb === 'RSET') this.#undelete()
  }

  /** The server answered a command of postern's own. */
  ownReplied(step: OwnStep, reply: OwnReply): void {
    this.#owed -= 1
    switch (step.type) {
      case 'capabilities':
        if (reply.content !== null && announces(decodeCapabilities(reply.content), 'TOP')) this.#top = 'known'
        return
      case 'keep-alive':
        return
      case 'scan-listing':
        this.#listed(reply)
        return
      case 'unique-ids':
        this.#hasUniqueIds = reply.content !== null
        if (reply.content !== null) this.#uniqueIds = readUniqueIds(reply.content)
        this.#enter()
        return
      case 'look': {
        const entry = this.#byNumber.get(step.message.number)
        if (entry !== undefined) this.#looked(entry, step.by, reply)
        return
      }
    }
  }

  /** The edge answered a question. Without effect for one that nobody waits for any more. */
  answered(id: number, given: MaildropAnswer): void {
    const wanted = this.#outputs.get(id)
    if (wanted !== undefined) {
      this.#outputs.delete(id)
      wanted.then(outputIn(given, wanted.judge))
      return
    }
    const question = this.#questions.get(id)
    if (question === undefined) return
    this.#questions.delete(id)
    this.#room.give(question.roomOctets)
    const { entry, purpose, verdict } = question
    if (given.type === 'judged') {
      entry.judged = given.answers
      this.#goOn(entry, purpose)
    } else if (verdict !== null) this.#settle(entry, purpose, afterQuarantine(verdict, given))
  }

  /**
   * Asks what a judge writes in the place of a message that is being delivered.
   *
   * @param then is told, unless the session ends before
   */
  askForOutput(judge: string, whole: WholeMessage, then: (output: Output) => void): void {
    this.#asked += 1
    this.#outputs.set(this.#asked, { judge, then })
    this.#listener.ask(this.#asked, { type: 'judge', judges: [judge], budgetMs: null, ...whole })
  }

  /** The session has ended: nothing is kept. */
  abandon(): void {
    this.#outputs.clear()
    for (const { roomOctets } of this.#questions.values()) this.#room.give(roomOctets)
    this.#questions.clear()
    for (const entry of this.#entries) entry.forget()
  }

  /** A command that tells the server that somebody is there, while the edge is asked; null where it hears enough. */
  keepAlive(): OwnStep | null {
    if (this.#questions.size === 0 || this.#owed > 0) return null
    this.#owed += 1
    return { type: 'keep-alive' }
  }

  // The server's listings.

  #list(): Plan | null {
    if (this.#phase === 'listed') return null
    if (this.#phase === 'listing') return WAIT
    this.#phase = 'listing'
    return this.#give([{ type: 'scan-listing' }, { type: 'unique-ids' }])
  }

  #listed({ status, content, notKept }: OwnReply): void {
    if (content !== null) this.#scanListing = content
    else if (notKept === null) this.#blind(`the server refused LIST: ${status.text}`)
    else this.#blind('the scan listing is too long to be held')
  }

  /** Both listings are here. */
  #enter(): void {
    if (this.#phase !== 'listing' || this.#scanListing === null) return
    const lines = readScanListing(this.#scanListing)
    this.#scanListing = null
    if (lines === null) {
      this.#blind('the scan listing of the server cannot be read')
      return
    }
    const once = new Set<string>()
    const repeated = new Set<string>()
    for (const id of this.#uniqueIds.values()) (once.has(id) ? repeated : once).add(id)
    for (const { number, size } of lines) {
      const id = this.#uniqueIds.get(number) ?? null
      const entry = new Entry(number, size, id)
      this.#entries.push(entry)
      this.#byNumber.set(number, entry)
    }
    this.#repeated = repeated
    this.#facts.messages = lines.length
    this.#phase = 'listed'
  }

  /** Unique-ids that the server gave to several messages: nothing can be remembered by them. popa3d does so. */
  #repeated: ReadonlySet<string> = new Set()

  #blind(text: string): void {
    this.#phase = 'blind'
    this.#listener.blind(text)
  }

  // What must be seen.

  /** Looks at all messages as far as the listings depend on them. @returns null where that is done */
  #survey(): Plan | null {
    if (this.#visible !== null) return null
    const purpose = this.#surveyFor
    if (purpose !== null) {
      while (this.#next < this.#entries.length && this.#weight < MOST_AT_ONCE) {
        const entry = this.#entries[this.#next]
        this.#next += 1
        if (entry !== undefined) this.#examine(entry, purpose)
      }
      const look = this.#lookFurther()
      if (look !== null) return look
    }
    this.#number()
    return null
  }

  /** Examines one message that is about to be handed out. @returns null where that is done */
  #examineOne(entry: Entry): Plan | null {
    if (entry.isExaminedFor('delivery')) return null
    this.#examine(entry, 'delivery')
    return this.#lookFurther()
  }

  /** @returns the commands to be given, or that something is under way; null where nothing is */
  #lookFurther(): Plan | null {
    if (this.#steps.length > 0) return this.#give(this.#withCapabilities(this.#steps.splice(0)))
    return this.#owed > 0 || this.isAsking ? WAIT : null
  }

  #give(steps: readonly OwnStep[]): Plan {
    this.#owed += steps.length
    return { type: 'look', steps }
  }

  /** The server is asked what it knows once, and where that matters: most polls look at nothing new. */
  #withCapabilities(steps: readonly OwnStep[]): readonly OwnStep[] {
    if (this.#hasAskedCapabilities) return steps
    this.#hasAskedCapabilities = true
    return [{ type: 'capabilities' }, ...steps]
  }

  #examine(entry: Entry, purpose: Purpose): void {
    if (entry.isUnderWay || entry.isExaminedFor(purpose)) return
    const remembered = this.#recall(entry, purpose)
    if (remembered !== null) {
      this.#facts.remembered += 1
      entry.verdict = remembered.verdict
      entry.purpose = purpose
      entry.octets = remembered.octets
      return
    }
    entry.isUnderWay = true
    this.#goOn(entry, purpose)
  }

  /** Asks the rules, with all that has been seen. */
  #goOn(entry: Entry, purpose: Purpose): void {
    const examination = this.#rules.examine(seenOf(entry), this.#session(), purpose)
    switch (examination.type) {
      case 'decided':
        this.#decided(entry, purpose, examination.verdict)
        return
      case 'needs':
        this.#need(entry, purpose, examination)
        return
      case 'asks':
        this.#judge(entry, purpose, examination)
    }
  }

  #need(entry: Entry, purpose: Purpose, { sight }: Extract<Examination, { type: 'needs' }>): void {
    const has = sight === 'header' ? entry.header : entry.message
    // Rules that ask for what they have, or for what cannot be had, would ask for ever.
    if (has !== null || entry.unseen !== null) {
      this.#settle(entry, purpose, unexamined(this.#rules, entry.unseen ?? 'the rules could not decide'))
      return
    }
    entry.lookedAtFor = purpose
    const by = sight === 'header' && this.#top !== 'refused' ? 'TOP' : 'RETR'
    this.#weight += by === 'TOP' ? 1 : WHOLE_WEIGHT
    this.#steps.push({ type: 'look', message: entry, by })
  }

  #looked(entry: Entry, by: 'TOP' | 'RETR', { status, content, spooled, notKept, problem }: OwnReply): void {
    this.#weight -= by === 'TOP' ? 1 : WHOLE_WEIGHT
    if (content !== null) {
      if (by === 'RETR') {
        this.#facts.whole += 1
        entry.message = content
        entry.spooled = spooled
      } else {
        this.#facts.headers += 1
        this.#top = 'known'
      }
      const header = headerSectionOf(content)
      if (header.length <= MAIL_LIMITS.headerOctets) entry.header = header
      else entry.unseen = `its header section has more than ${MAIL_LIMITS.headerOctets} octets`
    } else if (notKept === 'unwritable') entry.unseen = `it ${problem ?? 'could not be kept in a file'}`
    else if (notKept === 'too-large') entry.unseen = `it is larger than may be held (${entry.size} octets)`
    else if (notKept === 'no-room') entry.unseen = 'too many messages are held already'
    else if (by === 'TOP' && this.#top !== 'known') this.#top = 'refused'
    else entry.unseen = `the server refused it: ${status.text}`
    this.#goOn(entry, entry.lookedAtFor)
  }

  #judge(entry: Entry, purpose: Purpose, asked: Extract<Examination, { type: 'asks' }>): void {
    const { judges, budgetMs } = asked
    const { message, spooled } = entry
    if (message === null || entry.judged !== null) {
      this.#settle(entry, purpose, unexamined(this.#rules, 'the rules could not decide'))
      return
    }
    if (!this.#room.take(message.length)) {
      entry.unseen = 'too many messages are held already'
      entry.forgetMessage()
      this.#goOn(entry, purpose)
      return
    }
    this.#ask(
      { entry, purpose, roomOctets: message.length, verdict: null },
      { type: 'judge', judges, budgetMs: budgetMs ?? null, message, spooled },
    )
  }

  #ask(question: Question, asked: MaildropQuestion): void {
    this.#asked += 1
    this.#questions.set(this.#asked, question)
    this.#listener.ask(this.#asked, asked)
  }

  // What the rules decided.

  #decided(entry: Entry, purpose: Purpose, verdict: MessageVerdict): void {
    const { quarantine } = verdict
    const { message, spooled, uniqueId } = entry
    if (quarantine === null) {
      this.#settle(entry, purpose, verdict)
      return
    }
    const { rule, reason } = quarantine
    if (message === null || !this.#room.take(message.length)) {
      const text = entry.unseen ?? 'too many messages are held already'
      this.#settle(entry, purpose, afterQuarantine(verdict, { type: 'failed', text }))
      return
    }
    const question = { entry, purpose, roomOctets: message.length, verdict }
    this.#ask(question, { type: 'quarantine', message, spooled, rule, reason, uniqueId })
  }

  #settle(entry: Entry, purpose: Purpose, verdict: MessageVerdict): void {
    const before = entry.verdict
    const octets = this.#octetsOf(entry, verdict)
    entry.forget()
    entry.isUnderWay = false
    entry.purpose = purpose
    this.#tell(entry, verdict)
    if (verdict.isLasting) this.#remember(entry, purpose, { verdict, octets })
    // The client has been told how the message stands; what comes to light later may only refuse it.
    const isTold = before !== null && this.#visible !== null
    // What was told is not kept: a maildrop may have ten thousand messages.
    const kept = { ...verdict, hits: [], notifications: [] }
    entry.verdict = isTold
      ? { ...kept, edits: before.edits, outputOf: before.outputOf ?? null, isHidden: before.isHidden }
      : kept
    if (!isTold) entry.octets = octets
    if (isTold && verdict.isHidden && !before.isHidden)
      entry.verdict = {
        ...entry.verdict,
        refusal: verdict.refusal ?? 'a rule holds this message back; try again later',
      }
  }

  #octetsOf(entry: Entry, { edits, outputOf }: MessageVerdict): number {
    const { header, message, spooled, judged } = entry
    const gaps = spooled?.gaps ?? []
    const answer = outputOf === undefined || outputOf === null ? undefined : judged?.get(outputOf)
    if (answer !== undefined && 'verdict' in answer && message !== null)
      if (answer.output !== undefined && answer.output !== null) return outputOctets(edits, answer.output)
    if (edits.length === 0)
      return message === null ? entry.size : abridgedContentOctets({ octets: message, gaps })
    return writtenOctets(edits, { header, message, gaps, size: entry.size })
  }

  #tell(entry: Entry, { hits, notifications }: MessageVerdict): void {
    for (const hit of hits) {
      if (entry.tells(`${hit.mode} ${hit.rule}`)) this.#listener.hit(entry, hit)
    }
    for (const { rule, url } of notifications) {
      if (entry.tells(`notify ${rule} ${url}`)) this.#listener.notify(entry, rule, url)
    }
  }

  #recall({ uniqueId, size, number }: Entry, purpose: Purpose): RememberedVerdict | null {
    if (uniqueId === null || this.#repeated.has(uniqueId)) return null
    return this.#rules.recall({ uniqueId, size, number }, this.#session(), purpose)
  }

  #remember({ uniqueId, size, number }: Entry, purpose: Purpose, remembered: RememberedVerdict): void {
    if (uniqueId === null || this.#repeated.has(uniqueId)) return
    this.#rules.remember({ uniqueId, size, number }, this.#session(), purpose, remembered)
  }

  /** Everything is seen: gives the numbers that the client will know. */
  #number(): void {
    const visible = new Map<number, Entry>()
    let hidden = 0
    for (const entry of this.#entries) {
      if (this.#surveyFor !== null && entry.verdict?.isHidden === true) {
        hidden += 1
        continue
      }
      visible.set(entry.number - hidden, entry)
    }
    this.#visible = visible
    this.#facts.hidden = hidden
    this.#listener.looked(this.#facts)
  }

  // The commands of the client.

  #planListing(command: Command, isIdle: boolean): Plan {
    if (this.#surveyFor === null && this.#keptDeleted === 0) return PASS
    // A deletion under way changes what the listing says.
    if (!isIdle) return WAIT
    const { verb } = command
    if (verb === 'UIDL' && !this.#hasUniqueIds) return answer(refusal(null, 'the server has no unique-ids'))
    if (command.secret !== null) return answer(malformed(verb))
    if (command.arguments.length > 0) {
      const found = this.#find(command)
      if ('refused' in found) return answer(found.refused)
      return answer(
        local(`${found.number} ${verb === 'LIST' ? found.entry.octets : idOf(found.entry)}`, null),
      )
    }
    const present = this.#present()
    const octets = present.reduce((sum, { entry }) => sum + entry.octets, 0)
    if (verb === 'STAT') return answer(local(`${present.length} ${octets}`, null))
    const lines = present
      .filter(({ entry }) => verb === 'LIST' || entry.uniqueId !== null)
      .map(({ number, entry }) => `${number} ${verb === 'LIST' ? entry.octets : idOf(entry)}\r\n`)
    return answer(local(`${present.length} messages (${octets} octets)`, lines.join('')))
  }

  #planFetch(command: Command): Plan {
    const { verb } = command
    const found = this.#find(command)
    if ('refused' in found) return answer(found.refused)
    const { entry } = found
    // The server shows nothing of a deleted message: rules could not be asked, and RSET may bring it back.
    if (entry.isBeingDeleted) return WAIT
    const lines = verb === 'TOP' ? Number(command.arguments[1]) : null
    if (lines !== null && !MESSAGE_NUMBER.test(command.arguments[1] ?? '')) return answer(malformed(verb))
    const look = this.#examineOne(entry)
    if (look !== null) return look
    const { verdict } = entry
    // A verdict that was remembered is told where it shows: once, with the message.
    if (verdict !== null) this.#tell(entry, verdict)
    if (verdict !== null && verdict.refusal !== null) return answer(refusal('SYS/TEMP', verdict.refusal))
    const asked = lines === null ? `RETR ${entry.number}` : `TOP ${entry.number} ${lines}`
    const sizes = { from: entry.size, to: entry.octets }
    const rewrite = verdict === null ? null : rewriteOf(verdict, sizes, lines)
    switch (rewrite?.scope) {
      case undefined:
        // Most fetches: the client's own words say it already.
        if (wordsOf(command) === asked) return PASS
        return { type: 'send', instead: commandLine(asked), rewrite: null }
      case 'header':
        return { type: 'send', instead: commandLine(asked), rewrite }
      case 'message':
        return { type: 'send', instead: commandLine(`RETR ${entry.number}`), rewrite }
      case 'notice': {
        if (!this.#hasAskedCapabilities) return this.#give(this.#withCapabilities([]))
        if (this.#owed > 0) return WAIT
        const fetch = this.#top === 'known' ? `TOP ${entry.number} 0` : `RETR ${entry.number}`
        return { type: 'send', instead: commandLine(fetch), rewrite }
      }
    }
  }

  #planDeletion(command: Command): Plan {
    const found = this.#find(command)
    if ('refused' in found) return answer(found.refused)
    const { entry, number } = found
    if (this.#rules.keepsOnServer) {
      const look = this.#examineOne(entry)
      if (look !== null) return look
      if (entry.verdict?.isKeptOnServer === true) {
        entry.isDeleted = true
        this.#keptDeleted += 1
        return answer(local(`message ${number} deleted (a rule keeps it on the server)`, null))
      }
    }
    entry.isBeingDeleted = true
    return { type: 'send', instead: commandLine(`DELE ${entry.number}`), rewrite: null }
  }

  #undelete(): void {
    for (const entry of this.#entries) entry.isDeleted = false
    this.#keptDeleted = 0
  }

  #present(): readonly { readonly number: number; readonly entry: Entry }[] {
    const present: { number: number; entry: Entry }[] = []
    this.#visible?.forEach((entry, number) => {
      if (!entry.isDeleted) present.push({ number, entry })
    })
    return present
  }

  /** The message that a command names by the client's number. */
  #find({
    verb,
    arguments: words,
    secret,
  }: Command): { readonly entry: Entry; readonly number: number } | { readonly refused: LocalAnswer } {
    const [word] = words
    if (word === undefined || secret !== null || !MESSAGE_NUMBER.test(word))
      return { refused: malformed(verb) }
    const number = Number(word)
    const entry = this.#visible?.get(number)
    if (entry === undefined) return { refused: refusal(null, `there is no message ${number}`) }
    if (entry.isDeleted) return { refused: refusal(null, `message ${number} is deleted`) }
    return { entry, number }
  }
}

/** A command as it would be written, where no part of it is hidden. */
function wordsOf({ keyword, arguments: words, secret }: Command): string | null {
  return secret === null ? [keyword, ...words].join(' ') : null
}

function seenOf(entry: Entry): SeenMessage {
  const { number, uniqueId, size, header, message, spooled, judged, unseen } = entry
  const gaps = spooled === null ? {} : { gaps: spooled.gaps }
  return { number, uniqueId, size, header, message, ...gaps, judged, unseen }
}

/** RFC 1939 §5: what is listed under the number 1 to 70 characters long; none was listed, none is made up. */
function idOf({ uniqueId }: Entry): string {
  return uniqueId ?? ''
}

const NOT_WITH_RULES = refusal(null, 'not available: rules may hide messages here')
const BLIND = refusal('SYS/TEMP', 'rules could not look at the maildrop; try again later')

function malformed(verb: string): LocalAnswer {
  return refusal(
    null,
    `${verb} takes ${verb === 'TOP' ? 'a message-number and a number of lines' : 'a message-number'}`,
  )
}

function answer(given: LocalAnswer): Plan {
  return { type: 'answer', answer: given }
}

/** @param content lines with CRLF, none of which begins with a dot; null for a reply of one line */
function local(text: string, content: string | null): LocalAnswer {
  const statusLine = encodeStatusLine('+OK', null, text)
  const lines = content === null ? null : Buffer.from(content, 'latin1')
  const octets = lines === null ? statusLine : Buffer.concat([statusLine, lines, Buffer.from('.\r\n')])
  return { octets, indicator: '+OK', responseCode: null, text, content: lines, next: 'go-on' }
}

const UNTOUCHED = {
  isHidden: false,
  isHeld: false,
  refusal: null,
  edits: [],
  quarantine: null,
  isKeptOnServer: false,
  notifications: [],
  isLasting: false,
} as const

/** Rules could not be asked: our own fault, or a message that cannot be seen. */
function unexamined({ refusesUnseen }: SessionRules, text: string): MessageVerdict {
  const hit = { rule: '(all)', place: '', actions: [], reason: text, mode: 'failed' } as const
  return { ...UNTOUCHED, hits: [hit], refusal: refusesUnseen ? `rules could not be asked: ${text}` : null }
}

/** A verdict whose message was to be copied first, now that this is done or not. */
function afterQuarantine(
  verdict: MessageVerdict,
  given: Exclude<MaildropAnswer, { type: 'judged' }>,
): MessageVerdict {
  const { quarantine } = verdict
  if (given.type === 'kept' || quarantine === null) return verdict
  const { rule } = quarantine
  if (given.type === 'released') {
    const hit = { rule, place: '', actions: [], reason: 'released from quarantine', mode: 'enforce' } as const
    return { ...UNTOUCHED, hits: [...verdict.hits, hit] }
  }
  const reason = `the quarantine failed: ${given.text}`
  const hit: RuleHit = { rule, place: '', actions: [], reason, mode: 'failed' }
  return { ...UNTOUCHED, hits: [...verdict.hits, hit], ...byPolicy(quarantine.onFailure, reason) }
}

function outputIn(given: MaildropAnswer, judge: string): Output {
  const answer = given.type === 'judged' ? given.answers.get(judge) : undefined
  if (answer === undefined) return { problem: `nobody asked ${judge}` }
  return 'failed' in answer ? { problem: answer.failed } : { output: answer.output ?? null }
}

function byPolicy(policy: OnFailure, reason: string): Partial<MessageVerdict> {
  switch (policy) {
    case 'deliver':
      return {}
    case 'refuse':
      return { refusal: reason }
    case 'hold':
      return { isHidden: true, isHeld: true }
  }
}
