/**
 * Hands trace events to whoever watches, without ever waiting for a watcher. Owns the bounded queues, the
 * count of what each watcher missed, and what all watchers together ask of sessions; knows nothing of what is done
 * with an event.
 */
import type { Attention, TraceContent, TraceEvent } from './event.js'
import { Pace, type PaceLimits } from './pace.js'

/** Events a watcher may be behind before it misses the oldest. */
export const FEED_CAPACITY = 4_096

/** Octets of `wire` a watcher may be behind before it misses content: as much as 128 socket reads. */
export const FEED_OCTETS = 8 * 1024 * 1024

/** What a watcher takes at once. */
export interface FeedBatch {
  readonly events: readonly TraceEvent[]
  /**
   * Events lost to this watcher since the batch before: those beyond its pace, then content, then those older than the
   * ones of this one.
   */
  readonly dropped: number
}

/** What a watcher wants, and how far it may be behind. */
export interface SubscriptionOptions {
  /** Events to hold; {@link FEED_CAPACITY}. */
  readonly capacity?: number
  /** Octets of `wire` to hold; {@link FEED_OCTETS}. */
  readonly octets?: number
  /** Octets of each message (RETR, TOP) to be told as `content`; none. */
  readonly messageOctets?: number
  /** What may be told a second; everything where nothing is said. */
  readonly pace?: PaceLimits
}

/** A watcher's end of the feed. */
export interface Subscription {
  /** Takes all that waits. */
  take(): FeedBatch
  /** Changes how many octets of each message are told, from the next event on. */
  wantMessages(octets: number): void
  /** Ends the watching; what waits is gone. */
  cancel(): void
}

type ContentEvent = TraceEvent & { readonly content: Extract<TraceContent, { type: 'content' }> }

/** How much of the message that passes in a session was told to a watcher. */
interface Told {
  readonly number: number
  readonly source: 'server' | 'postern'
  octets: number
}

class Watcher implements Subscription {
  readonly #capacity: number
  readonly #maximumOctets: number
  readonly #wake: () => void
  readonly #changed: () => void
  readonly #leave: (watcher: Watcher) => void
  readonly #pace: Pace | null
  #messageOctets: number
  #events: TraceEvent[] = []
  #octets = 0
  #dropped = 0
  #isWoken = false
  /** By session; only for those in which a message passes. */
  readonly #told = new Map<string, Told>()

  constructor(
    options: SubscriptionOptions,
    wake: () => void,
    changed: () => void,
    leave: (watcher: Watcher) => void,
  ) {
    this.#capacity = options.capacity ?? FEED_CAPACITY
    this.#maximumOctets = options.octets ?? FEED_OCTETS
    this.#messageOctets = options.messageOctets ?? 0
    this.#pace = options.pace === undefined ? null : new Pace(options.pace)
    this.#wake = wake
    this.#changed = changed
    this.#leave = leave
  }

  /** Octets of each message that are to be told from now on. */
  get messageOctets(): number {
    return this.#pace === null || this.#pace.tellsMail ? this.#messageOctets : 0
  }

  /** Whether octets, listings and certificates are wanted now. */
  get wantsDetail(): boolean {
    return this.#pace?.tellsDetail ?? true
  }

  offer(event: TraceEvent): void {
    if (this.#pace === null) {
      this.#take(event)
      return
    }
    const { tellsMail, tellsDetail } = this.#pace
    const admitted = this.#pace.admit(event, octetsOf(event))
    if (admitted.length === 0) this.#lose()
    for (const one of admitted) this.#take(one)
    if (this.#pace.tellsMail !== tellsMail || this.#pace.tellsDetail !== tellsDetail) this.#changed()
  }

  /** What is beyond the pace is counted, and the count is told like everything else. */
  #lose(): void {
    this.#dropped += 1
    this.#wakeOnce()
  }

  #take(event: TraceEvent): void {
    const wanted = isContent(event) && isMessage(event) ? this.#cut(event) : event
    if (wanted === null) return
    const octets = octetsOf(wanted)
    if (this.#events.length >= this.#capacity || this.#octets + octets > this.#maximumOctets)
      this.#makeRoom(octets)
    if (this.#octets + octets > this.#maximumOctets && isContent(wanted)) {
      this.#dropped += 1
      return
    }
    this.#events.push(wanted)
    this.#octets += octets
    this.#wakeOnce()
  }

  #wakeOnce(): void {
    if (this.#isWoken) return
    this.#isWoken = true
    this.#wake()
  }

  take(): FeedBatch {
    const batch = { events: this.#events, dropped: this.#dropped }
    this.#events = []
    this.#octets = 0
    this.#dropped = 0
    this.#isWoken = false
    return batch
  }

  wantMessages(octets: number): void {
    this.#messageOctets = octets
    this.#changed()
  }

  cancel(): void {
    this.#leave(this)
    this.#events = []
    this.#octets = 0
  }

  /**
   * Another watcher may have asked for more of each message than this one.
   *
   * @returns the event with as much of its octets as this watcher still wants of the message; null for nothing
   */
  #cut(event: ContentEvent): TraceEvent | null {
    if (this.#messageOctets === 0) return null
    const { content, session } = event
    let told = this.#told.get(session)
    if (told === undefined || told.number !== content.number || told.source !== content.source) {
      if (this.#told.size >= this.#capacity) this.#told.clear()
      told = { number: content.number, source: content.source, octets: 0 }
      this.#told.set(session, told)
    }
    const rest = this.#messageOctets - told.octets
    if (rest <= 0) return null
    told.octets += content.wire.length
    if (content.wire.length <= rest) return event
    return { ...event, content: { ...content, wire: content.wire.subarray(0, rest) } }
  }

  /**
   * Content goes first: what passed can do without it, and it is what is large. Where that does not halve what waits,
   * the older half of the rest goes; halving at once costs less than shifting one by one.
   */
  #makeRoom(octets: number): void {
    const before = this.#events.length
    this.#events = this.#events.filter((event) => !isContent(event))
    this.#octets = this.#events.reduce((sum, event) => sum + octetsOf(event), 0)
    const isCrowded =
      this.#events.length > this.#capacity / 2 || this.#octets + octets > this.#maximumOctets / 2
    if (isCrowded && this.#events.length > 0) {
      const gone = this.#events.splice(0, Math.ceil(this.#events.length / 2))
      this.#octets -= gone.reduce((sum, event) => sum + octetsOf(event), 0)
    }
    this.#dropped += before - this.#events.length
  }
}

/** One process's events, to any number of watchers. */
export class Feed {
  readonly #watchers = new Set<Watcher>()
  readonly #attention = { isWatched: false, messageOctets: 0 }

  /** Whether anybody watches; with nobody, publishing costs nothing. */
  get isWatched(): boolean {
    return this.#watchers.size > 0
  }

  /** What the watchers together ask of sessions: always the same object, which changes as they come and go. */
  get attention(): Attention {
    return this.#attention
  }

  publish(event: TraceEvent): void {
    for (const watcher of this.#watchers) watcher.offer(event)
  }

  /**
   * Begins to watch.
   *
   * @param wake called when the first event waits, and not again before it was taken; must return at once
   */
  subscribe(wake: () => void, options: SubscriptionOptions = {}): Subscription {
    const changed = (): void => this.#attend()
    const watcher = new Watcher(options, wake, changed, (gone) => {
      this.#watchers.delete(gone)
      this.#attend()
    })
    this.#watchers.add(watcher)
    this.#attend()
    return watcher
  }

  #attend(): void {
    const watchers = [...this.#watchers]
    this.#attention.isWatched = watchers.some(({ wantsDetail }) => wantsDetail)
    this.#attention.messageOctets = Math.max(0, ...watchers.map(({ messageOctets }) => messageOctets))
  }
}

function isContent(event: TraceEvent): event is ContentEvent {
  return event.content.type === 'content'
}

/** RFC 1939 §5 and §7: what these return is mail, everything else a listing. */
function isMessage({ content }: ContentEvent): boolean {
  return content.verb === 'RETR' || content.verb === 'TOP'
}

function octetsOf({ content }: TraceEvent): number {
  return 'wire' in content && content.wire !== null ? content.wire.length : 0
}
