import { describe, expect, it } from 'vitest'
import { differenceOf, isAlike } from '../../src/sessions/difference.js'
import { type RecordedTurn, recordedSession } from '../support/recorded-session.js'

const LOGIN: readonly RecordedTurn[] = [
  ['USER alice', '+OK'],
  ['PASS [redacted]', '+OK 2 messages'],
]
const QUIT: RecordedTurn = ['QUIT', '+OK bye']
const MAIL = 'Subject: a\r\n\r\nbody\r\n'

function differences(
  first: readonly RecordedTurn[],
  second: readonly RecordedTurn[],
): readonly (readonly [string, string, readonly string[]])[] {
  return differenceOf(recordedSession(first), recordedSession(second))
    .filter(({ kind }) => kind !== 'same')
    .map(({ kind, what, details }) => [kind, what, details])
}

describe('differenceOf', () => {
  it('finds a session alike to itself, and to one with another timestamp in its greeting', () => {
    const turns = [...LOGIN, QUIT]
    const first = recordedSession(turns, { greeting: '+OK ready <1.2@example.org>' })
    const second = recordedSession(turns, { greeting: '+OK ready <3.4@example.org>' })
    expect(isAlike(differenceOf(first, first))).toBe(true)
    expect(isAlike(differenceOf(first, second))).toBe(true)
    const other = recordedSession(turns, { greeting: '+OK hello <3.4@example.org>' })
    expect(isAlike(differenceOf(first, other))).toBe(false)
  })

  it('names a command that only one side gave, and pairs the others all the same', () => {
    const first = [...LOGIN, ['STAT', '+OK 2 40'], ['RETR 1', '+OK', MAIL], QUIT] as const
    const second = [...LOGIN, ['NOOP', '+OK'], ['RETR 1', '+OK', MAIL], QUIT] as const
    expect(differences(first, second)).toEqual([
      ['only-first', 'STAT', ['+OK 2 40']],
      ['only-second', 'NOOP', ['+OK']],
    ])
  })

  it('tells a refusal from a consent, with what the server said', () => {
    const first = [...LOGIN, ['RETR 1', '+OK', MAIL], QUIT] as const
    const second = [...LOGIN, ['RETR 1', '-ERR [SYS/TEMP] try later'], QUIT] as const
    expect(differences(first, second)).toEqual([
      ['changed', 'RETR 1', ['reply: +OK -> -ERR [SYS/TEMP] try later', 'content: 20 octets -> none']],
      ['changed', '(end)', ['messages: 1 -> 0', 'errors: 0 -> 1']],
    ])
  })

  it('finds the octet from which on two messages of equal length differ', () => {
    const changed = MAIL.replace('body', 'bodY')
    const found = differences([...LOGIN, ['RETR 1', '+OK', MAIL]], [...LOGIN, ['RETR 1', '+OK', changed]])
    expect(found).toHaveLength(1)
    expect(found[0]?.[2][0]).toMatch(/^content: 20 octets on both sides, different from octet 17 on/)
  })

  it('counts octets without byte-stuffing, and content that was not kept by its length alone', () => {
    const stuffed = 'a\r\n\r\n..b\r\n'
    expect(
      differences([...LOGIN, ['RETR 1', '+OK', stuffed]], [...LOGIN, ['RETR 1', '+OK', `${stuffed}c\r\n`]]),
    ).toEqual([['changed', 'RETR 1', ['content: 9 octets -> 12 octets']]])
    expect(differences([...LOGIN, ['RETR 1', '+OK', null]], [...LOGIN, ['RETR 1', '+OK', null]])).toEqual([])
  })

  it('leaves out what servers say anew each time: counts in the reply to a login', () => {
    const other: readonly RecordedTurn[] = [LOGIN[0]!, ['PASS [redacted]', '+OK 3 messages']]
    expect(differences([...LOGIN, QUIT], [...other, QUIT])).toEqual([])
    const stat = (text: string): readonly RecordedTurn[] => [...LOGIN, ['STAT', text]]
    expect(differences(stat('+OK 2 40'), stat('+OK 3 60'))).toEqual([
      ['changed', 'STAT', ['text: +OK 2 40 -> +OK 3 60']],
    ])
  })

  it('pairs by position where each with each would be too many', () => {
    const many = Array.from({ length: 2_001 }, (_, index): RecordedTurn => [`DELE ${index}`, '+OK'])
    const found = differences(many, [...many.slice(0, 2_000), ['DELE 7777', '+OK']])
    expect(found).toEqual([
      ['only-first', 'DELE 2000', ['+OK']],
      ['only-second', 'DELE 7777', ['+OK']],
    ])
  })
})
