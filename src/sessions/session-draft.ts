/**
 * One session as its store sees it: a record that events change. Owns what each event says about the session, and
 * what of a session too long to keep is left out. The store alone holds drafts; everybody else gets records.
 */
import { Buffer } from 'node:buffer'
import type { OctetCounts, TlsFacts, TraceContent, TraceEvent } from '../trace/event.js'
import { contentOctets, memoryOctetsOf, statusLineOctets, wireOctetsOf } from './octets.js'
import { changesSomething } from './rule-hits.js'
import type { SessionRecord, SessionState } from './session-record.js'

/** A client that polls over one connection for days stays within this. */
export const EVENTS_PER_SESSION = 20_000

/** How a session began explains most of what follows: greeting, TLS, login and listings stay. */
const BEGINNING_EVENTS = 500
/** More than is needed is cut, so that the cost of moving the rest is shared by many events. */
const KEPT_OF_LIMIT = 7 / 8
/** What a slice may keep alive without being copied. */
const SMALL_OCTETS = 8_192
/** RETR by another name: fetchmail asks for TOP with 99999999 lines. */
const WHOLE_MESSAGE_LINES = 1_000_000
/** Names of rules that a list can show of one session, and a few more. */
const RULES_NAMED = 16
const TOP_OF_MESSAGE = /^TOP\s+\S+\s+(\d{1,10})$/i
const USER_COMMAND = /^USER\s+(\S.*)$/i

type Of<Type extends TraceContent['type']> = Extract<TraceContent, { type: Type }>

/** A session that still changes. */
export class SessionDraft implements SessionRecord {
  readonly id: string
  readonly ordinal: number
  openedAt: number
  lastAt: number
  closedAt: number | null = null
  service = ''
  listener = ''
  client = ''
  server = ''
  clientTls: TlsFacts | null = null
  serverTls: TlsFacts | null = null
  user: string | null = null
  mechanism: string | null = null
  state: SessionState = 'CONNECTING'
  commands = 0
  messages = 0
  errors = 0
  anomalies = 0
  lastCommand = ''
  readonly held = new Set<string>()
  wasChanged = false
  readonly rules = new Set<string>()
  ruleHits = 0
  closed: Of<'session-closed'> | null = null
  readonly events: TraceEvent[] = []
  missedEvents = 0
  wireOctets = 0

  /** What the store counts it with. */
  memoryOctets = 0
  isDropped = false
  isOpeningSeen = false
  readonly #counts = { fromClient: 0, toClient: 0, fromServer: 0, toServer: 0 }
  #lastCommandOctets = 0
  /** Commands of a person who watches: their replies never reach the client. Null for none. */
  #ofWatcher: Set<number> | null = null
  /** Commands that fetch a message whole though they are no RETR. Null for none. */
  #wholeTops: Set<number> | null = null
  /** The message within which was cut: what still comes of it would look like what was cut. */
  #cutMessage: number | null = null

  constructor(id: string, ordinal: number, openedAt: number) {
    this.id = id
    this.ordinal = ordinal
    this.openedAt = openedAt
    this.lastAt = openedAt
  }

  get octets(): OctetCounts {
    return this.closed?.octets ?? this.#counts
  }

  /**
   * Takes one event.
   *
   * @param mostOctets octets of memory that the session may cost
   * @returns how many events were left out because of that, or of {@link EVENTS_PER_SESSION}
   */
  take(event: TraceEvent, mostOctets: number): number {
    const { content } = event
    if (event.at > this.lastAt) this.lastAt = event.at
    this.#note(content, event.at)
    if (content.type === 'content' && content.number === this.#cutMessage) {
      this.missedEvents += 1
      return 1
    }
    const kept = withOwnWire(event)
    this.events.push(kept)
    this.memoryOctets += memoryOctetsOf(kept)
    this.wireOctets += wireOctetsOf(kept)
    if (this.events.length <= EVENTS_PER_SESSION && this.memoryOctets <= mostOctets) return 0
    return this.#cut(mostOctets)
  }

  /** Leaves out the oldest events behind the beginning, whole messages at a time. */
  #cut(mostOctets: number): number {
    const from = Math.min(BEGINNING_EVENTS, Math.floor(this.events.length / 4))
    const mostEvents = EVENTS_PER_SESSION * KEPT_OF_LIMIT
    let until = from
    while (until < this.events.length) {
      const isOver =
        this.memoryOctets > mostOctets * KEPT_OF_LIMIT || this.events.length - (until - from) > mostEvents
      const isNewest = until === this.events.length - 1
      if (!(isOver && !isNewest) && !this.#splitsContentAt(until)) break
      const event = this.events[until]
      if (event === undefined) break
      this.memoryOctets -= memoryOctetsOf(event)
      this.wireOctets -= wireOctetsOf(event)
      until += 1
    }
    const last = this.events[until - 1]?.content
    if (last?.type === 'content' && until === this.events.length) this.#cutMessage = last.number
    this.events.splice(from, until - from)
    this.missedEvents += until - from
    return until - from
  }

  #splitsContentAt(index: number): boolean {
    const before = this.events[index - 1]?.content
    const after = this.events[index]?.content
    return before?.type === 'content' && after?.type === 'content' && before.number === after.number
  }

  #note(content: TraceContent, at: number): void {
    switch (content.type) {
      case 'session-opened':
        this.isOpeningSeen = true
        this.openedAt = at
        this.service = content.service
        this.listener = content.listener
        this.client = content.client
        this.server = content.server
        return
      case 'tls-established':
        if (content.side === 'client') this.clientTls = content.tls
        else this.serverTls = content.tls
        return
      case 'greeting':
        this.#becomes('AUTHORIZATION')
        if (content.indicator === '-ERR') this.errors += 1
        this.#countReply(statusLineOctets(content), 'server', false)
        return
      case 'command':
        this.#noteCommand(content)
        return
      case 'command-replaced':
        this.wasChanged = true
        this.#counts.toServer += content.octets - this.#lastCommandOctets
        return
      case 'sasl-challenge':
        this.#countReply(content.octets, 'server', false)
        return
      case 'sasl-response':
        this.#counts.fromClient += content.octets
        this.#counts.toServer += content.octets
        return
      case 'reply':
        this.#noteReply(content)
        return
      case 'content-end':
        this.#countReply(contentOctets(content), 'server', this.#isOfWatcher(content.number))
        if (this.#isWholeMessage(content)) this.messages += 1
        return
      case 'unsolicited':
        this.#countReply(content.octets, 'server', false)
        return
      case 'logged-in':
        this.#noteLogin(content)
        this.#becomes('TRANSACTION')
        return
      case 'login-refused':
        this.#noteLogin(content)
        return
      case 'anomaly':
        this.anomalies += 1
        return
      case 'held':
        this.held.add(content.hold)
        return
      case 'released':
        this.held.delete(content.hold)
        if (content.verdict === 'edited' || content.verdict === 'answered' || content.verdict === 'dropped')
          this.wasChanged = true
        return
      case 'rule-hit':
        this.ruleHits += 1
        if (this.rules.size < RULES_NAMED) this.rules.add(content.rule)
        if (changesSomething(content)) this.wasChanged = true
        else if (content.mode === 'failed') this.errors += 1
        return
      case 'rules-blind':
      case 'failure':
        this.errors += 1
        return
      case 'session-closed':
        this.#close(content, at)
        return
      case 'server-connected':
      case 'content':
      case 'not-held':
      case 'maildrop-seen':
        return
      default:
        unreachable(content)
    }
  }

  #noteCommand({ number, verb, shown, octets, origin }: Of<'command'>): void {
    this.commands += 1
    this.#lastCommandOctets = octets
    this.#counts.toServer += octets
    this.#becomes('AUTHORIZATION')
    if (origin === 'watcher') {
      this.#ofWatcher ??= new Set()
      this.#ofWatcher.add(number)
      return
    }
    this.#counts.fromClient += octets
    this.lastCommand = shown
    if (verb === 'USER' && this.state !== 'TRANSACTION')
      this.user = USER_COMMAND.exec(shown)?.[1] ?? this.user
    if (verb === 'TOP' && Number(TOP_OF_MESSAGE.exec(shown)?.[1] ?? 0) >= WHOLE_MESSAGE_LINES) {
      this.#wholeTops ??= new Set()
      this.#wholeTops.add(number)
    }
  }

  #noteReply(reply: Of<'reply'>): void {
    const isOfWatcher = this.#isOfWatcher(reply.number)
    this.#countReply(statusLineOctets(reply), reply.source, isOfWatcher)
    if (reply.indicator === '-ERR') {
      // A person who tries something is no trouble of the session.
      if (!isOfWatcher) this.errors += 1
    } else if (reply.verb === 'QUIT' && this.state === 'TRANSACTION') this.#becomes('UPDATE')
  }

  #noteLogin({ user, mechanism }: { readonly user: string | null; readonly mechanism: string | null }): void {
    this.user = user ?? this.user
    this.mechanism = mechanism ?? this.mechanism
  }

  #close(content: Of<'session-closed'>, at: number): void {
    this.closed = content
    this.closedAt = at
    this.state = 'CLOSED'
    this.user = content.user ?? this.user
    this.commands = content.commands
    this.messages = content.messages
    this.held.clear()
  }

  /** States go one way; a recording that was cut may begin in any. */
  #becomes(state: SessionState): void {
    if (ORDER.indexOf(state) > ORDER.indexOf(this.state)) this.state = state
  }

  #isOfWatcher(number: number): boolean {
    return this.#ofWatcher?.has(number) ?? false
  }

  #isWholeMessage({ verb, number }: Of<'content-end'>): boolean {
    if (this.#isOfWatcher(number)) return false
    return verb === 'RETR' || (verb === 'TOP' && (this.#wholeTops?.has(number) ?? false))
  }

  #countReply(octets: number, source: 'server' | 'postern', isOfWatcher: boolean): void {
    if (source === 'server') this.#counts.fromServer += octets
    if (!isOfWatcher) this.#counts.toClient += octets
  }
}

const ORDER: readonly SessionState[] = ['CONNECTING', 'AUTHORIZATION', 'TRANSACTION', 'UPDATE', 'CLOSED']

/** A slice of what a socket read keeps all of it alive, which no budget would see. */
function withOwnWire(event: TraceEvent): TraceEvent {
  const { content } = event
  if (!('wire' in content) || content.wire === null) return event
  const keptAlive = content.wire.buffer.byteLength
  if (keptAlive <= SMALL_OCTETS || content.wire.length * 2 > keptAlive) return event
  return { ...event, content: { ...content, wire: Buffer.from(content.wire) } }
}

function unreachable(value: never): never {
  throw new Error(`no such event: ${JSON.stringify(value)}`)
}
