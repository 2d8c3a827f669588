import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'
import { StandIn, type StandInEffect } from '../../src/replay/stand-in.js'
import { type RecordedTurn, recordedSession } from '../support/recorded-session.js'

const MAIL = 'Subject: a\r\nTo: b\r\n\r\none\r\n..two\r\nthree\r\n'
const SESSION: readonly RecordedTurn[] = [
  ['CAPA', '+OK', 'TOP\r\nSTLS\r\nSASL PLAIN SCRAM-SHA-256 GSSAPI\r\nUIDL\r\n'],
  ['USER alice', '+OK'],
  ['PASS [redacted]', '+OK logged in'],
  ['LIST', '+OK 2 messages', '1 41\r\n2 100\r\n'],
  ['RETR 1', '+OK 41 octets', MAIL],
  ['RETR 2', '+OK 100 octets', null],
  ['QUIT', '+OK bye'],
]

function talk(
  lines: string,
  turns: readonly RecordedTurn[] = SESSION,
  options: { readonly greeting?: string } = {},
): { readonly said: string; readonly effects: readonly StandInEffect[] } {
  const standIn = new StandIn(recordedSession(turns, options), DEFAULT_LIMITS)
  const effects = standIn.handle(Buffer.from(lines, 'latin1'))
  return { said: written(effects), effects }
}

function written(effects: readonly StandInEffect[]): string {
  return effects
    .flatMap((effect) => (effect.type === 'write' ? effect.octets : []))
    .map((octets) => octets.toString('latin1'))
    .join('')
}

describe('a recorded session in place of its server', () => {
  it('greets as the server did', () => {
    const standIn = new StandIn(recordedSession([], { greeting: '+OK hi <1@x>' }), DEFAULT_LIMITS)
    expect(written(standIn.greet())).toBe('+OK hi <1@x>\r\n')
  })

  it('answers the recorded commands with the recorded octets, whatever the name and password', () => {
    const { said, effects } = talk('USER bob\r\nPASS other\r\nlist\r\nRETR 01\r\nQUIT\r\n')
    expect(said).toBe(
      `+OK\r\n+OK logged in\r\n+OK 2 messages\r\n1 41\r\n2 100\r\n.\r\n+OK 41 octets\r\n${MAIL}.\r\n+OK bye\r\n`,
    )
    expect(effects.at(-1)).toEqual({ type: 'end' })
  })

  it('takes answers in their order where a command was given twice, and repeats the last', () => {
    const turns: readonly RecordedTurn[] = [
      ['STAT', '+OK 1 10'],
      ['NOOP', '+OK'],
      ['STAT', '+OK 2 20'],
    ]
    expect(talk('STAT\r\nSTAT\r\nSTAT\r\n', turns).said).toBe('+OK 1 10\r\n+OK 2 20\r\n+OK 2 20\r\n')
  })

  it('lists no STLS and no mechanism that it cannot play', () => {
    expect(talk('CAPA\r\n').said).toBe('+OK\r\nTOP\r\nSASL PLAIN\r\nUIDL\r\n.\r\n')
  })

  it('takes another way to log in than was recorded, with the recorded outcome', () => {
    expect(talk('AUTH PLAIN AGEAYg==\r\n').said).toBe('+OK logged in\r\n')
    expect(talk('AUTH PLAIN\r\nAGEAYg==\r\n').said).toBe('+ \r\n+OK logged in\r\n')
    expect(talk('AUTH LOGIN\r\nYQ==\r\nYg==\r\n').said).toBe(
      '+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n+OK logged in\r\n',
    )
    expect(talk('AUTH PLAIN\r\n*\r\nNOOP\r\n').said).toMatch(/^\+ \r\n-ERR .*\r\n\+OK\r\n$/)
    expect(talk('AUTH SCRAM-SHA-256\r\n').said).toMatch(/^-ERR SCRAM-SHA-256 cannot be played/)
    const refused: readonly RecordedTurn[] = [['PASS [redacted]', '-ERR [AUTH] no']]
    expect(talk('AUTH PLAIN AGEAYg==\r\n', refused).said).toBe('-ERR [AUTH] no\r\n')
  })

  it('derives what follows from the recording: STAT, one line of LIST, TOP', () => {
    expect(talk('STAT\r\n').said).toBe('+OK 2 141\r\n')
    expect(talk('LIST 2\r\n').said).toBe('+OK 2 100\r\n')
    expect(talk('LIST 3\r\n').said).toMatch(/^-ERR no such message/)
    expect(talk('TOP 1 2\r\n').said).toBe('+OK\r\nSubject: a\r\nTo: b\r\n\r\none\r\n..two\r\n.\r\n')
    expect(talk('DELE 1\r\nRSET\r\n').said).toBe('+OK\r\n+OK\r\n')
  })

  it('lists the messages that were fetched where nobody asked the server for a list', () => {
    const turns: readonly RecordedTurn[] = [
      ['RETR 10', '+OK', 'b\r\n'],
      ['RETR 2', '+OK', MAIL],
      ['RETR 3', '+OK', null],
      ['RETR 4', '-ERR no such message'],
    ]
    const octets = MAIL.length - 1
    expect(talk('STAT\r\n', turns).said).toBe(`+OK 2 ${octets + 3}\r\n`)
    expect(talk('LIST\r\n', turns).said).toBe(`+OK\r\n2 ${octets}\r\n10 3\r\n.\r\n`)
    expect(talk('LIST 10\r\n', turns).said).toBe('+OK 10 3\r\n')
    expect(talk('UIDL\r\n', turns).said).toMatch(/^-ERR/)
    const without: readonly RecordedTurn[] = [['RETR 1', '+OK', null]]
    expect(talk('STAT\r\nLIST\r\n', without).said).toMatch(/^-ERR .*\r\n-ERR .*\r\n$/)
  })

  it('serves by RETR what was fetched by a TOP of all lines', () => {
    const turns: readonly RecordedTurn[] = [['TOP 3 99999999', '+OK', MAIL]]
    expect(talk('RETR 3\r\n', turns).said).toBe(`+OK ${MAIL.length - 1} octets\r\n${MAIL}.\r\n`)
  })

  it('invents no mail: what was not recorded is refused, with what to do', () => {
    expect(talk('RETR 2\r\n').said).toBe(
      '-ERR this message was fetched but not recorded: record with its content\r\n',
    )
    expect(talk('RETR 9\r\n').said).toBe('-ERR this message is not in the recording\r\n')
    expect(talk('UIDL\r\n').said).toMatch(/^-ERR/)
    expect(talk('XFOO\r\nCAPA\r\n', [['NOOP', '+OK']]).said).toMatch(/^-ERR .*\r\n-ERR .*\r\n$/)
  })

  it('costs no copy of a message for each time that it is asked for', () => {
    const turns: readonly RecordedTurn[] = [['RETR 1', '+OK', `${'x'.repeat(100_000)}\r\n`]]
    const standIn = new StandIn(recordedSession(turns), DEFAULT_LIMITS)
    const effects = standIn.handle(Buffer.from('RETR 1\r\n'.repeat(5_000)))
    const pieces = effects.flatMap((effect) => (effect.type === 'write' ? effect.octets : []))
    const memories = new Set(pieces.filter(({ length }) => length > 1_000).map(({ buffer }) => buffer))
    expect(memories.size).toBe(1)
  })

  it('gives the same answers at any split of the octets, and none of them is a surprise to any octets', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.uint8Array({ maxLength: 30 }), fc.constantFrom(...COMMANDS)), { maxLength: 20 }),
        fc.integer({ min: 1, max: 7 }),
        (parts, step) => {
          const input = Buffer.concat(parts.map((part) => Buffer.from(part)))
          const whole = new StandIn(recordedSession(SESSION), DEFAULT_LIMITS)
          const split = new StandIn(recordedSession(SESSION), DEFAULT_LIMITS)
          const pieces: StandInEffect[] = []
          for (let at = 0; at < input.length; at += step)
            pieces.push(...split.handle(input.subarray(at, at + step)))
          expect(written(pieces)).toBe(written(whole.handle(input)))
        },
      ),
      { numRuns: 200 },
    )
  })
})

const COMMANDS = SESSION.map(([shown]) => Buffer.from(`${shown}\r\n`, 'latin1'))
