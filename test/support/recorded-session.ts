/** Sessions as a recording has them, a line for each command: for tests of what compares and replays them. */
import type { SessionRecord } from '../../src/sessions/session-record.js'
import { Script } from '../sessions/script.js'

/** One command with its reply: `['RETR 1', '+OK 9 octets', 'mail\r\n']`; content byte-stuffed, null for not kept. */
export type RecordedTurn = readonly [command: string, reply: string, content?: string | null]

/** Octets of a message whose content was not kept. */
const OCTETS_NOT_KEPT = 100

/** A session of these turns, greeted and closed, as a record. */
export function recordedSession(
  turns: readonly RecordedTurn[],
  { greeting = '+OK ready' }: { readonly greeting?: string } = {},
): SessionRecord {
  const script = new Script('s-1').opened().greeting(greeting)
  for (const [shown, reply, content] of turns) {
    script.exchange(shown, reply, content ?? null)
    if (content === null) script.end(OCTETS_NOT_KEPT)
    if (shown.startsWith('PASS ') && reply.startsWith('+OK')) {
      script.tell({ type: 'logged-in', user: 'alice', mechanism: 'USER' })
    }
  }
  return script.closed('quit').record()
}
