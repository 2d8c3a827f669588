/**
 * What of a recorded session and of its play is held against each other: the commands that were repeated, and what the
 * server itself said to them. What was left out of the script, or put in for something else, says nothing of the
 * server; neither does what postern makes of a reply, nor the client's leg. Pure.
 */
import { exchangesOf } from '../sessions/exchanges.js'
import type { SessionRecord } from '../sessions/session-record.js'
import type { TraceEvent } from '../trace/event.js'
import type { ClientScript } from './client-script.js'

/** Two sessions for `differenceOf`. */
export interface Comparable {
  readonly recorded: SessionRecord
  readonly played: SessionRecord
}

/**
 * Leaves of both sessions what compares.
 *
 * @param script that `played` came of
 */
export function comparable(recorded: SessionRecord, played: SessionRecord, script: ClientScript): Comparable {
  // A play through a proxy of its own numbers the lines of its script, from 1.
  const pairs = script.lines.map(({ repeats }, index) => ({ repeats, number: index + 1 }))
  const repeated = pairs.filter(({ repeats }) => repeats !== null)
  const first = part(recorded, new Set(repeated.map(({ repeats }) => repeats ?? 0)))
  const second = part(played, new Set(repeated.map(({ number }) => number)))
  // A QUIT that the recorded client never sent ends the session otherwise.
  const endsAlike = script.lines.at(-1)?.repeats !== null
  const isSameUser = script.lines.every(
    ({ shown, repeats }) => !shown.startsWith('USER ') || repeats !== null,
  )
  return {
    recorded: {
      ...first,
      user: isSameUser ? first.user : second.user,
      closed: endsAlike ? first.closed : second.closed,
    },
    played: second,
  }
}

function part(record: SessionRecord, numbers: ReadonlySet<number>): SessionRecord {
  const repeated = record.events.filter(
    ({ content }) => !('number' in content) || numbers.has(content.number),
  )
  const kept = { ...record, clientTls: null, events: asServerSaid(repeated) }
  const exchanges = exchangesOf(kept)
  const refused = exchanges.filter(({ reply }) => reply?.indicator === '-ERR').length
  const failures = record.events.filter(({ content }) => content.type === 'failure').length
  return { ...kept, commands: exchanges.length, errors: refused + failures }
}

/** Where both said something to a command, postern spoke in the place of the server. */
function asServerSaid(events: readonly TraceEvent[]): readonly TraceEvent[] {
  const said = new Set(
    events.flatMap(({ content }) =>
      (content.type === 'reply' || content.type === 'content') && content.source === 'server'
        ? [`${content.type} ${content.number}`]
        : [],
    ),
  )
  return events.filter(
    ({ content }) =>
      !(content.type === 'reply' || content.type === 'content') ||
      content.source === 'server' ||
      !said.has(`${content.type} ${content.number}`),
  )
}
