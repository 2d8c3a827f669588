/**
 * Puts sessions together from trace events and keeps as many as its budget allows: the oldest closed one goes first,
 * then the oldest open one. What was dropped is counted. Knows nothing of who shows them, and never asks for the time.
 */
import type { TraceEvent } from '../trace/event.js'
import { SessionDraft } from './session-draft.js'
import type { SessionRecord } from './session-record.js'

/** How much a store keeps. */
export interface SessionBudget {
  readonly sessions: number
  /** Octets that events keep alive: wire octets, texts, and an estimate for each event. */
  readonly octets: number
}

/** Enough for a day of a small office, and no more memory than a browser tab. */
export const DEFAULT_BUDGET: SessionBudget = { sessions: 5_000, octets: 64 * 1024 * 1024 }

/** One session's share of the octets, as a divisor: a large mail must not push everybody else out. */
const SHARE = 4

/** Sessions seen, oldest first, within a budget. */
export class SessionStore {
  readonly #budget: SessionBudget
  readonly #byId = new Map<string, SessionDraft>()
  /** In order of opening; those that were dropped are taken out when the list is looked at. */
  #sessions: SessionDraft[] = []
  #droppedWithin = 0
  /** In order of closing, from `#closedHead` on. */
  #closed: SessionDraft[] = []
  #closedHead = 0
  #octets = 0
  #seen = 0
  #open = 0
  #droppedSessions = 0
  #droppedEvents = 0
  #version = 0

  constructor(budget: SessionBudget = DEFAULT_BUDGET) {
    this.#budget = budget
  }

  /** Changes with each change, so that who derives something can tell whether it is still true. */
  get version(): number {
    return this.#version
  }

  /** Oldest first. Not a copy: valid until the next `add`. */
  get sessions(): readonly SessionRecord[] {
    if (this.#droppedWithin > 0) this.#compact()
    return this.#sessions
  }

  get openSessions(): number {
    return this.#open
  }

  /** Sessions that the budget did not allow to keep. */
  get droppedSessions(): number {
    return this.#droppedSessions
  }

  /** Events that never came, and those that a kept session had too many of. */
  get droppedEvents(): number {
    return this.#droppedEvents
  }

  /** Octets of memory that all sessions are taken to cost. */
  get octets(): number {
    return this.#octets
  }

  get(id: string): SessionRecord | null {
    return this.#byId.get(id) ?? null
  }

  /** Takes one event. Events of a session whose opening was not seen give a record all the same. */
  add(event: TraceEvent): void {
    this.#version += 1
    const draft = this.#draftFor(event)
    const wasOpen = draft.closedAt === null
    const before = draft.memoryOctets
    this.#droppedEvents += draft.take(event, this.#budget.octets / SHARE)
    this.#octets += draft.memoryOctets - before
    if (wasOpen && draft.closedAt !== null) {
      this.#open -= 1
      this.#closed.push(draft)
    }
    this.#keepWithinBudget(draft)
  }

  /** Counts events that were dropped before they came here. */
  missed(count: number): void {
    if (count <= 0) return
    this.#version += 1
    this.#droppedEvents += count
  }

  #draftFor({ session, at, content }: TraceEvent): SessionDraft {
    const known = this.#byId.get(session)
    if (known !== undefined) {
      // Recordings of several runs may name two sessions alike.
      const isAnother = content.type === 'session-opened' && known.isOpeningSeen
      if (!isAnother) return known
    }
    this.#seen += 1
    const draft = new SessionDraft(session, this.#seen, at)
    this.#byId.set(session, draft)
    this.#sessions.push(draft)
    this.#open += 1
    return draft
  }

  /** @param newest the one that may stay as the last, whatever it costs: its own share bounds it */
  #keepWithinBudget(newest: SessionDraft): void {
    while (this.#kept() > this.#budget.sessions || this.#octets > this.#budget.octets) {
      const oldest = this.#oldestClosed() ?? this.#oldestOpen(newest)
      if (oldest === null) return
      this.#drop(oldest)
    }
  }

  #kept(): number {
    return this.#sessions.length - this.#droppedWithin
  }

  #oldestClosed(): SessionDraft | null {
    const oldest = this.#closed[this.#closedHead]
    if (oldest === undefined) return null
    this.#closedHead += 1
    if (this.#closedHead > 64 && this.#closedHead * 2 > this.#closed.length) {
      this.#closed = this.#closed.slice(this.#closedHead)
      this.#closedHead = 0
    }
    return oldest
  }

  /** Asked only when all that are kept are open: the first of the list that is not `newest`. */
  #oldestOpen(newest: SessionDraft): SessionDraft | null {
    if (this.#droppedWithin > 0) this.#compact()
    const [first, second] = this.#sessions
    return (first === newest ? second : first) ?? null
  }

  #drop(draft: SessionDraft): void {
    draft.isDropped = true
    if (draft.closedAt === null) this.#open -= 1
    if (this.#byId.get(draft.id) === draft) this.#byId.delete(draft.id)
    this.#octets -= draft.memoryOctets
    this.#droppedWithin += 1
    this.#droppedSessions += 1
    // As many as are kept, so that dropping costs the same however long nobody looks.
    if (this.#droppedWithin > this.#kept()) this.#compact()
  }

  #compact(): void {
    this.#sessions = this.#sessions.filter(({ isDropped }) => !isDropped)
    this.#droppedWithin = 0
  }
}
