import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/pop3/secret.js'
import { clientScript } from '../../src/replay/client-script.js'
import { comparable } from '../../src/replay/comparable.js'
import { type DifferenceLine, differenceOf, isAlike } from '../../src/sessions/difference.js'
import type { SessionRecord } from '../../src/sessions/session-record.js'
import type { TraceContent } from '../../src/trace/event.js'
import { type RecordedTurn, recordedSession } from '../support/recorded-session.js'

const PASSWORD = new Secret(Buffer.from('x'))
const LOGIN: readonly RecordedTurn[] = [
  ['USER alice', '+OK'],
  ['PASS [redacted]', '+OK'],
]

/** What a play of a session differs in, where its proxy saw these turns. */
function differences(
  recorded: readonly RecordedTurn[] | SessionRecord,
  played: readonly RecordedTurn[],
  user = 'alice',
): readonly DifferenceLine[] {
  const first = 'events' in recorded ? recorded : recordedSession(recorded)
  const script = clientScript(first, {
    credentials: { user, password: PASSWORD },
    deletes: false,
    instead: null,
  })
  const sides = comparable(first, { ...recordedSession(played), user }, script)
  return differenceOf(sides.recorded, sides.played)
}

describe('what of a recorded session compares with its play', () => {
  it('are not the commands that were left out or put in', () => {
    const recorded: readonly RecordedTurn[] = [
      ['STLS', '+OK'],
      ['AUTH CRAM-MD5', '+OK'],
      ['DELE 1', '-ERR no such message'],
      ['STAT', '+OK 1 5'],
    ]
    const played: readonly RecordedTurn[] = [...LOGIN, ['STAT', '+OK 1 5'], ['QUIT', '+OK']]
    const lines = differences(recorded, played)
    expect(isAlike(lines)).toBe(true)
    expect(lines.map(({ what }) => what)).toContain('STAT')
  })

  it('is not the account, where another one was asked for', () => {
    const turns: readonly RecordedTurn[] = [...LOGIN, ['STAT', '+OK 1 5'], ['QUIT', '+OK']]
    const played: readonly RecordedTurn[] = [['USER eve', '+OK'], ...turns.slice(1)]
    expect(isAlike(differences(turns, played, 'eve'))).toBe(true)
  })

  it('is every other reply', () => {
    const turns = (stat: string): readonly RecordedTurn[] => [...LOGIN, ['STAT', stat], ['QUIT', '+OK']]
    expect(differences(turns('+OK 1 5'), turns('+OK 2 5')).filter(({ kind }) => kind !== 'same')).toEqual([
      { kind: 'changed', what: 'STAT', details: ['text: +OK 1 5 -> +OK 2 5'] },
    ])
    const refused = differences(turns('+OK 1 5'), turns('-ERR no'))
    expect(refused.flatMap(({ details }) => details)).toContain('errors: 0 -> 1')
  })

  it('is what the server said, where postern said something else to the client', () => {
    const turns: readonly RecordedTurn[] = [['CAPA', '+OK', 'TOP\r\n'], ...LOGIN, ['QUIT', '+OK']]
    const plain = recordedSession(turns)
    const wire = Buffer.from('TOP\r\nSTLS\r\n')
    const content: TraceContent = { type: 'content', number: 1, verb: 'CAPA', source: 'postern', wire }
    const at = plain.events.findIndex((event) => event.content.type === 'content-end')
    const events = plain.events.toSpliced(at + 1, 0, { at: 1, session: plain.id, content })
    const changed: SessionRecord = { ...plain, events }
    expect(isAlike(differenceOf(changed, plain))).toBe(false)
    expect(isAlike(differences(changed, turns))).toBe(true)
  })
})
