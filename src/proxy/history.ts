/**
 * What happened before anybody watched: the events of open sessions and of the last closed ones, for whoever attaches
 * later. Owns the bounds. Events are kept as they are made, without octets, so that it costs a session next to nothing.
 */
import type { TraceContent, TraceEvent } from '../trace/event.js'
import type { Snapshot } from '../watch/server.js'

/** Bounds of a history, in events and sessions. */
export interface HistoryLimits {
  /** Of one session; its first and its last are kept. */
  readonly eventsPerSession: number
  /** Of all sessions together; past it the oldest closed ones go, then new events of open ones are not kept. */
  readonly events: number
  /** Closed sessions, the last ones. */
  readonly closedSessions: number
  /** Closed sessions in which something went wrong, kept beside the last ones. */
  readonly troubledSessions: number
}

/** An event without octets costs some 300 octets of memory: 15 MiB in all. */
export const HISTORY_LIMITS: HistoryLimits = {
  eventsPerSession: 400,
  events: 50_000,
  closedSessions: 50,
  troubledSessions: 50,
}

/** Sessions, the last ones and those with trouble. */
export class History {
  readonly #limits: HistoryLimits
  readonly #open = new Set<SessionHistory>()
  readonly #closed: SessionHistory[] = []
  readonly #troubled: SessionHistory[] = []
  #events = 0
  #dropped = 0

  constructor(limits: HistoryLimits = HISTORY_LIMITS) {
    this.#limits = limits
  }

  /** Events that are kept. */
  get events(): number {
    return this.#events
  }

  /** Begins to keep a session's events. It ends by itself with `session-closed`. */
  open(): SessionHistory {
    const session = new SessionHistory(this.#limits.eventsPerSession, {
      takeRoom: () => this.#takeRoom(),
      closed: () => this.#closedOne(session),
    })
    this.#open.add(session)
    return session
  }

  /** All that is kept, oldest session first. A copy: what happens afterwards is not in it. */
  snapshot(): Snapshot {
    const sessions = [...this.#troubled, ...this.#closed, ...this.#open]
    const kept = sessions.map((session) => session.events()).filter((events) => events.length > 0)
    return {
      events: kept.toSorted(([one], [other]) => (one?.at ?? 0) - (other?.at ?? 0)),
      dropped: sessions.reduce((sum, { dropped }) => sum + dropped, this.#dropped),
    }
  }

  #closedOne(session: SessionHistory): void {
    this.#open.delete(session)
    const place = session.isTroubled ? this.#troubled : this.#closed
    place.push(session)
    const most = session.isTroubled ? this.#limits.troubledSessions : this.#limits.closedSessions
    if (place.length > most) this.#forget(place.shift())
  }

  /** @returns false where all room is taken by sessions that are open */
  #takeRoom(): boolean {
    while (this.#events >= this.#limits.events) {
      const oldest = this.#closed.shift() ?? this.#troubled.shift()
      if (oldest === undefined) return false
      this.#forget(oldest)
    }
    this.#events += 1
    return true
  }

  /** A session that is forgotten whole is no longer spoken of; nothing is missing from what is told. */
  #forget(session: SessionHistory | undefined): void {
    this.#events -= session?.size ?? 0
  }
}

interface Owner {
  /** Asks for room for one more event. */
  takeRoom(): boolean
  closed(): void
}

/** One session's events. */
export class SessionHistory {
  readonly #limit: number
  readonly #owner: Owner
  /** The first half of the bound stays; behind it is a ring, whose oldest stands at `#oldest`. */
  readonly #first: TraceEvent[] = []
  readonly #ring: TraceEvent[] = []
  #oldest = 0
  #dropped = 0
  #isTroubled = false

  constructor(limit: number, owner: Owner) {
    this.#limit = limit
    this.#owner = owner
  }

  get size(): number {
    return this.#first.length + this.#ring.length
  }

  /** Events that were not kept. */
  get dropped(): number {
    return this.#dropped
  }

  /** Whether something went wrong in it. */
  get isTroubled(): boolean {
    return this.#isTroubled
  }

  add(event: TraceEvent): void {
    const { content } = event
    if (content.type === 'content') return
    const kept = withoutWire(event)
    const half = this.#limit / 2
    if (this.#first.length < half) this.#keep(this.#first, kept)
    else if (this.#ring.length < half) this.#keep(this.#ring, kept)
    else {
      this.#ring[this.#oldest] = kept
      this.#oldest = (this.#oldest + 1) % this.#ring.length
      this.#dropped += 1
    }
    if (isTrouble(content)) this.#isTroubled = true
    if (content.type === 'session-closed') this.#owner.closed()
  }

  /** In order. */
  events(): readonly TraceEvent[] {
    return [...this.#first, ...this.#ring.slice(this.#oldest), ...this.#ring.slice(0, this.#oldest)]
  }

  #keep(place: TraceEvent[], event: TraceEvent): void {
    if (this.#owner.takeRoom()) {
      place.push(event)
      return
    }
    this.#dropped += 1
    // Without its end, a session would seem open forever to whoever is told.
    if (event.content.type === 'session-closed') this.#replaceLast(event)
  }

  #replaceLast(event: TraceEvent): void {
    const place = this.#ring.length > 0 ? this.#ring : this.#first
    if (place.length > 0) place[place.length - 1] = event
  }
}

/** Octets keep the whole piece alive that they were read in, 64 KiB for a line. */
function withoutWire(event: TraceEvent): TraceEvent {
  const { content } = event
  if (content.type === 'content' || !('wire' in content) || content.wire === null) return event
  return { ...event, content: { ...content, wire: null } }
}

function isTrouble(content: TraceContent): boolean {
  return content.type === 'failure' || content.type === 'login-refused'
}
