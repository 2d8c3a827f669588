/**
 * How much a watcher is told a second: enough for eyes, and no more than a busy proxy can spare. Owns the budget and
 * which sessions are left out whole while it is exceeded; sessions in which something goes wrong are told all the same.
 * Its clock is that of the events.
 */
import type { TraceContent, TraceEvent } from './event.js'

/** What may be told: so much at once, and so much a second in the long run. */
export interface PaceLimits {
  readonly eventsAtOnce: number
  readonly eventsPerSecond: number
  /** Octets of mail. */
  readonly octetsAtOnce: number
  readonly octetsPerSecond: number
}

/**
 * For people. A program that fetches a maildrop is told whole: a session has some twenty events, and what a person
 * debugs is seldom larger than the octets. What goes on at full speed for seconds is not for eyes: telling everything at
 * 20,000 events a second would cost a fifth of what the sessions cost themselves, and mail is dearer still.
 */
export const WATCHING_PACE: PaceLimits = {
  eventsAtOnce: 4_000,
  eventsPerSecond: 1_000,
  octetsAtOnce: 8 * 1024 * 1024,
  octetsPerSecond: 512 * 1024,
}

/** Trouble may go beyond the pace by so many seconds. */
const TROUBLE_SECONDS = 2
/** Sessions left out that are remembered; past it, trouble in the oldest of them is not told. */
const REMEMBERED_SESSIONS = 10_000

const TROUBLE: ReadonlySet<TraceContent['type']> = new Set(['failure', 'login-refused', 'held', 'not-held'])

/** One watcher's pace. */
export class Pace {
  readonly #limits: PaceLimits
  /** What may be told now; less than nothing where trouble went beyond it. */
  #events: number
  #octets: number
  #at: number | null = null
  #tellsMail = true
  #tellsDetail = true
  /** Sessions that are left out, each with its opening. */
  readonly #leftOut = new Map<string, TraceEvent>()

  constructor(limits: PaceLimits) {
    this.#limits = limits
    this.#events = limits.eventsAtOnce
    this.#octets = limits.octetsAtOnce
  }

  /** Whether messages that begin now are told. */
  get tellsMail(): boolean {
    return this.#tellsMail
  }

  /** Whether octets, listings and certificates are worth the cost of gathering them. */
  get tellsDetail(): boolean {
    return this.#tellsDetail
  }

  /**
   * Decides about an event.
   *
   * @param octets of `wire` in it
   * @returns what is told: nothing, the event, or the opening of its session and the event
   */
  admit(event: TraceEvent, octets: number): readonly TraceEvent[] {
    this.#passTime(event.at)
    const told = this.#decide(event)
    this.#events -= told.length
    if (this.#events < 1) this.#tellsDetail = false
    if (told.length > 0 && octets > 0) {
      this.#octets -= octets
      if (this.#octets <= 0) this.#tellsMail = false
    }
    return told
  }

  #decide(event: TraceEvent): readonly TraceEvent[] {
    const { type } = event.content
    if (type === 'session-opened') {
      if (this.#events >= 1) return [event]
      this.#leaveOut(event)
      return []
    }
    const opening = this.#leftOut.get(event.session)
    if (opening === undefined) return [event]
    if (type === 'session-closed') this.#leftOut.delete(event.session)
    if (!TROUBLE.has(type) || this.#events < -this.#limits.eventsPerSecond * TROUBLE_SECONDS) return []
    this.#leftOut.delete(event.session)
    return [opening, event]
  }

  #leaveOut(opening: TraceEvent): void {
    if (this.#leftOut.size >= REMEMBERED_SESSIONS) {
      for (const oldest of this.#leftOut.keys()) {
        this.#leftOut.delete(oldest)
        break
      }
    }
    this.#leftOut.set(opening.session, opening)
  }

  #passTime(at: number): void {
    const seconds = Math.max(0, at - (this.#at ?? at)) / 1000
    this.#at = Math.max(at, this.#at ?? at)
    if (seconds === 0) return
    const { eventsAtOnce, eventsPerSecond, octetsAtOnce, octetsPerSecond } = this.#limits
    this.#events = Math.min(eventsAtOnce, this.#events + eventsPerSecond * seconds)
    this.#octets = Math.min(octetsAtOnce, this.#octets + octetsPerSecond * seconds)
    // Not at the first event or octet that is left again, or detail would come and go with each session.
    if (this.#events >= eventsPerSecond / 2) this.#tellsDetail = true
    if (this.#octets >= octetsPerSecond) this.#tellsMail = true
  }
}
