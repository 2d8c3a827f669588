/**
 * The last things that went wrong, over all sessions: what stands below a count of errors, so that a person sees one.
 * Looks at as many sessions as a frame has time for; knows nothing of rows.
 */
import type { SessionRecord } from '../../sessions/session-record.js'
import type { SessionStore } from '../../sessions/store.js'
import type { TraceEvent } from '../../trace/event.js'

/** One thing that went wrong. */
export interface RecentError {
  readonly at: number
  readonly record: SessionRecord
  /** Number of the command, 0 for none. */
  readonly number: number
  /** One line, harmless. */
  readonly text: string
}

/** Sessions with errors that are looked at, newest first. */
const SESSIONS = 30
/** Events of one session that are looked at, newest first: who errs thousands of times does so at its end too. */
const EVENTS = 500

/**
 * Finds the last errors: failures, and refusals of server or postern that went to a client.
 *
 * @param most how many to return
 * @returns newest first
 */
export function recentErrors(store: SessionStore, most: number): readonly RecentError[] {
  const found: RecentError[] = []
  const { sessions } = store
  let looked = 0
  for (let index = sessions.length - 1; index >= 0 && looked < SESSIONS; index -= 1) {
    const record = sessions[index]
    if (record === undefined || record.errors === 0) continue
    looked += 1
    found.push(...errorsOf(record, most))
  }
  return found.sort((a, b) => b.at - a.at).slice(0, most)
}

function errorsOf(record: SessionRecord, most: number): readonly RecentError[] {
  const found: RecentError[] = []
  const { events } = record
  const oldest = Math.max(0, events.length - EVENTS)
  for (let index = events.length - 1; index >= oldest && found.length < most; index -= 1) {
    const event = events[index]
    const error = event === undefined ? null : errorFrom(event)
    if (error !== null) found.push({ ...error, record })
  }
  return found
}

function errorFrom({ at, content }: TraceEvent): Omit<RecentError, 'record'> | null {
  switch (content.type) {
    case 'failure':
      return { at, number: 0, text: `${content.side}: ${content.failure.text}` }
    case 'greeting':
      if (content.indicator === '+OK') return null
      return { at, number: 0, text: `the server greeted with -ERR ${content.text}` }
    case 'reply': {
      if (content.indicator === '+OK') return null
      const who = content.source === 'server' ? 'the server' : 'postern'
      return { at, number: content.number, text: `${who} refused ${content.verb}: ${content.text}` }
    }
    default:
      return null
  }
}
