/**
 * Puts sessions together from trace events and keeps as many as its budget allows: the oldest closed one goes first,
 * then the oldest open one. What was dropped is counted. Knows nothing of who shows them, and never asks for the time.
 */
import type { TraceEvent } from '../trace/event.js'
import type { SessionRecord } from './session-record.js'

/** How much a store keeps. */
export interface SessionBudget {
  readonly sessions: number
  /** Octets that events keep alive: wire octets, texts, and an estimate for each event. */
  readonly octets: number
}

/** Enough for a day of a small office, and no more memory than a browser tab. */
export const DEFAULT_BUDGET: SessionBudget = { sessions: 5_000, octets: 64 * 1024 * 1024 }

/** Sessions seen, oldest first, within a budget. */
export class SessionStore {
  readonly #sessions: SessionRecord[] = []

  constructor(readonly budget: SessionBudget = DEFAULT_BUDGET) {}

  /** Changes with each change, so that who derives something can tell whether it is still true. */
  get version(): number {
    return 0
  }

  /** Oldest first. Not a copy: valid until the next `add`. */
  get sessions(): readonly SessionRecord[] {
    return this.#sessions
  }

  get openSessions(): number {
    return 0
  }

  /** Sessions that the budget did not allow to keep. */
  get droppedSessions(): number {
    return 0
  }

  /** Events that never came, or that a session had too many of. */
  get droppedEvents(): number {
    return 0
  }

  get(id: string): SessionRecord | null {
    return this.#sessions.find((session) => session.id === id) ?? null
  }

  /** Takes one event. Events of a session whose opening was not seen give a record all the same. */
  add(event: TraceEvent): void {
    void event
  }

  /** Counts events that were dropped before they came here. */
  missed(count: number): void {
    void count
  }
}
