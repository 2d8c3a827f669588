/**
 * Which sessions a recording holds, where a filter says so. A session is recorded whole or not at all: its events are
 * kept back, within a budget, until the filter holds for one of them. Owns that decision; writes nothing.
 */
import type { Filter } from '../expression/filter.js'
import { MAIL_FIELDS } from '../expression/vocabulary.js'
import { fieldsOfEvent, visibleTextOfEvent } from '../sessions/fields.js'
import { SessionStore } from '../sessions/store.js'
import type { TraceEvent } from '../trace/event.js'

/** Sessions that may be undecided at one time, and the octets that their events may have. */
const BUDGET = { sessions: 2_000, octets: 32 * 1024 * 1024 }

/** Events to record now, and how many of the same sessions are lost. */
export interface Chosen {
  readonly events: readonly TraceEvent[]
  readonly dropped: number
}

/** Octets of each message that a filter about mail looks at: the header section, and more than most of the rest. */
export const FILTERED_MESSAGE_OCTETS = 262_144

/** Whether a filter has to look into messages. */
export function mentionsMail({ fields }: Filter): boolean {
  return MAIL_FIELDS.some((name) => fields.has(name))
}

/** Octets of each message that a filter has to see. */
export function messageOctetsFor(filter: Filter): number {
  return mentionsMail(filter) ? FILTERED_MESSAGE_OCTETS : 0
}

const NONE: Chosen = { events: [], dropped: 0 }

/** Chooses sessions by a filter. */
export class RecordingFilter {
  readonly #filter: Filter
  readonly #store = new SessionStore(BUDGET)
  /** Open sessions that the filter found. */
  readonly #chosen = new Set<string>()

  constructor(filter: Filter) {
    this.#filter = filter
  }

  /** Takes the next event and tells what is to be recorded because of it. */
  choose(event: TraceEvent): Chosen {
    const { session, content } = event
    if (this.#chosen.has(session)) {
      if (content.type === 'session-closed') this.#chosen.delete(session)
      return { events: [event], dropped: 0 }
    }
    this.#store.add(event)
    const record = this.#store.get(session)
    if (record === null) return NONE
    const fields = fieldsOfEvent(record, event, this.#filter.fields)
    if (!this.#filter.matches(fields, () => visibleTextOfEvent(event, record))) return NONE
    if (content.type !== 'session-closed') this.#chosen.add(session)
    return { events: [...record.events], dropped: record.missedEvents }
  }
}
