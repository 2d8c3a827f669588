/**
 * One session, or a few, out of recordings: what `replay` and `diff` work on. Owns which session is meant where a
 * file holds several.
 */
import { matchesSession } from '../sessions/fields.js'
import type { SessionRecord } from '../sessions/session-record.js'
import { SessionStore } from '../sessions/store.js'
import { UsageError } from './failure.js'
import { asUsage, eventsOf, type InputOptions, openInput } from './recorded-input.js'
import { note } from './standard-streams.js'

/** Memory for the sessions of one file, content included. */
const BUDGET = { sessions: 50_000, octets: 536_870_912 }
/** Sessions that a message names where it has to ask which one is meant. */
const NAMED_SESSIONS = 8

/**
 * Reads the sessions of a recording or capture that a filter leaves.
 *
 * @throws UsageError where the file cannot be read, and where no session is left
 */
export async function recordedSessions(
  file: string,
  options: InputOptions,
): Promise<readonly SessionRecord[]> {
  return await asUsage(async () => {
    const input = await openInput([file], options)
    try {
      const store = new SessionStore(BUDGET)
      for await (const event of eventsOf(input.reader, note)) store.add(event)
      const { filter } = input
      const sessions = store.sessions.filter((record) => filter === null || matchesSession(filter, record))
      if (store.droppedSessions > 0) {
        note(`postern: ${file} is too large: its first ${store.droppedSessions} sessions were left out`)
      }
      if (sessions.length === 0) throw new UsageError(`${file} holds no session${whichMatches(options)}`)
      return sessions
    } finally {
      await input.close()
    }
  })
}

/**
 * Chooses the one session that is meant: the one named, else the only one.
 *
 * @throws UsageError that names those there are
 */
export function oneSession(
  sessions: readonly SessionRecord[],
  file: string,
  id: string | undefined,
): SessionRecord {
  if (id !== undefined) {
    const named = sessions.find((session) => session.id === id)
    if (named === undefined)
      throw new UsageError(`${file} holds no session ${JSON.stringify(id)}; it has\n${list(sessions)}`)
    return named
  }
  const [first, ...others] = sessions
  if (first === undefined || others.length > 0) {
    throw new UsageError(
      `${file} holds ${sessions.length} sessions; choose one with --session or a filter (-f):\n${list(sessions)}`,
    )
  }
  return first
}

function whichMatches({ filter }: InputOptions): string {
  return filter === undefined ? '' : ' for which the filter holds'
}

function list(sessions: readonly SessionRecord[]): string {
  const named = sessions.slice(0, NAMED_SESSIONS).map((session) => {
    const moment = new Date(session.openedAt).toISOString()
    return `  ${session.id}  ${moment}  ${session.client}  ${session.user ?? '-'}  ${session.commands} commands`
  })
  const more = sessions.length - named.length
  return [...named, ...(more > 0 ? [`  and ${more} more`] : [])].join('\n')
}
