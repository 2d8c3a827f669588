import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { COMMAND_TABLE } from '../../src/pop3/command-table.js'
import type { RelayInput } from '../../src/relay/relay-input.js'
import { recordingLine } from '../../src/trace/recording.js'
import { Conversation, TLS_FACTS } from '../support/conversation.js'

const SECURITY = ['plain', 'stls', 'tls'] as const
const CANARY = 'kanarienvogel-9f3b'

const clientLine = fc.oneof(
  fc
    .constantFrom(...COMMAND_TABLE.keys())
    .chain((verb) =>
      fc
        .constantFrom('', ' 1', ' 1 99999999', ' bob', ` ${CANARY}`, ` bob ${CANARY}`, ` PLAIN ${CANARY}`)
        .map((rest) => verb + rest),
    ),
  fc.constantFrom(
    '',
    '*',
    '=',
    'XFOO',
    `PASS${CANARY}`,
    `  pass\t${CANARY}`,
    CANARY,
    'AUTH PLAIN',
    'AUTH LOGIN',
  ),
  fc.base64String({ maxLength: 40 }),
)
const serverLine = fc.constantFrom(
  '+OK',
  '+OK ready <1@x>',
  '-ERR no',
  '-ERR [IN-USE] busy',
  `-ERR what is ${CANARY}?`,
  '+ ',
  '+',
  '+ PDE+',
  '.',
  '..',
  'PIPELINING',
  'STLS',
  'Subject: x',
  '',
)
const lineEnd = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r\r\n')
const octetsFrom = (side: 'client' | 'server', line: fc.Arbitrary<string>): fc.Arbitrary<RelayInput> =>
  fc
    .oneof(
      fc
        .array(fc.tuple(line, lineEnd), { maxLength: 4 })
        .map((lines) => Buffer.from(lines.flat().join(''), 'latin1')),
      fc.uint8Array({ maxLength: 30 }).map((octets) => Buffer.from([...octets, 0x0a])),
    )
    .map((octets) => ({ type: 'octets', side, octets }))
const event: fc.Arbitrary<RelayInput> = fc.oneof(
  { weight: 8, arbitrary: octetsFrom('client', clientLine) },
  { weight: 8, arbitrary: octetsFrom('server', serverLine) },
  {
    weight: 1,
    arbitrary: fc.constant<RelayInput>({ type: 'tls-established', side: 'client', tls: TLS_FACTS }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<RelayInput>({ type: 'end', side: 'client' }, { type: 'end', side: 'server' }),
  },
  { weight: 1, arbitrary: fc.constantFrom<RelayInput>({ type: 'drain' }, { type: 'clock' }) },
)
const legs = fc.record({
  client: fc.constantFrom(...SECURITY),
  server: fc.constantFrom(...SECURITY),
  offersStls: fc.boolean(),
})

describe('whatever both sides send', () => {
  test('the relay never throws, ends once, and asks for nothing after its end', () => {
    fc.assert(
      fc.property(legs, fc.array(event, { maxLength: 30 }), (options, events) => {
        const it = Conversation.open(options)
        for (const input of events) {
          const wasClosed = it.relay.isClosed
          const effects = it.feed(input)
          if (wasClosed) expect(effects).toEqual([])
        }
        expect(it.traced('session-closed').length).toBe(it.relay.isClosed ? 1 : 0)
      }),
      { numRuns: 1_000 },
    )
  })

  test('no credential stands in a trace, a recording or an inspected effect', () => {
    const encoded = Buffer.from(CANARY).toString('base64')
    fc.assert(
      fc.property(legs, fc.array(event, { maxLength: 30 }), (options, events) => {
        const it = Conversation.open(options)
        let isGiven = false
        for (const input of events) {
          const hasCanary = input.type === 'octets' && input.octets.includes(CANARY)
          // A server can repeat only what it was told, and does so soon: not behind many other secrets.
          if (hasCanary && input.side === 'server' && (!isGiven || secretsGiven(it) > 8)) continue
          it.feed(input)
          isGiven ||= hasCanary && it.takeToServer().includes(CANARY)
        }
        const shown = it.traces
          .map((trace) => recordingLine(trace) + inspect(trace, { depth: 9 }) + String(trace))
          .join('')
        // A user may be called anything, a server's name for itself too: what the canary names in USER and APOP is no secret.
        const isUserName = it
          .traced('command')
          .some(({ shown: command }) => /^(USER|APOP) kanarien/.test(command))
        if (!isUserName) expect(shown).not.toContain(CANARY)
        expect(shown).not.toContain(encoded)
      }),
      { numRuns: 2_000 },
    )
  })

  test('what goes to the server is what the client sent, in order, less what postern answered', () => {
    const passing = fc.constantFrom(
      'NOOP',
      'STAT',
      'LIST',
      'LIST 2',
      'RETR 1',
      'DELE 3',
      'XFOO',
      'TOP 1 5',
      'UIDL',
      'RSET',
    )
    fc.assert(
      fc.property(
        fc.array(passing, { maxLength: 20 }),
        fc.array(fc.nat({ max: 40 })),
        fc.boolean(),
        (verbs, cuts, pipelines) => {
          const it = Conversation.loggedIn({}, pipelines ? ['PIPELINING'] : [])
          const octets = Buffer.from(verbs.map((verb) => `${verb}\r\n`).join(''), 'latin1')
          let position = 0
          for (const cut of [...cuts, octets.length]) {
            it.client(octets.subarray(position, position + cut))
            position += cut
          }
          // A server that answers each command it has, one by one.
          let seen = ''
          for (;;) {
            const asked = it.takeToServer()
            if (asked === '') break
            seen += asked
            for (const command of asked.split('\r\n').slice(0, -1)) {
              const isMultiLine = /^(LIST|UIDL)$|^RETR|^TOP/.test(command)
              it.server(isMultiLine ? '+OK\r\n..x\r\n.\r\n' : `+OK ${command}\r\n`)
            }
          }
          expect(seen).toBe(octets.toString('latin1'))
          expect(it.traced('reply').filter(({ number }) => number > 3)).toHaveLength(verbs.length)
        },
      ),
    )
  })

  test('what goes to the client is what the server sent, at any split, and the same is traced', () => {
    const script = '+OK 5\r\nabc\r\n..\r\n..d\r\n.\r\n-ERR no\r\n+OK\r\n.\r\nstray\r\n+OK 1 2\r\n'
    const play = (
      cuts: readonly number[],
    ): { readonly sent: string; readonly traces: readonly unknown[] } => {
      const it = Conversation.loggedIn()
      it.client('RETR 1\r\nRETR 2\r\nLIST\r\nSTAT\r\n')
      let position = 0
      for (const cut of [...cuts, script.length]) {
        it.server(script.slice(position, position + cut))
        position += cut
      }
      return { sent: it.takeToClient(), traces: it.traces.map(({ content }) => content) }
    }
    const whole = play([])
    expect(whole.sent).toBe(script)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 }), (cuts) => {
        expect(play(cuts)).toEqual(whole)
      }),
    )
  })
})

function secretsGiven(it: Conversation): number {
  const hidden = it.traced('command').filter(({ shown }) => shown.includes('[redacted]'))
  return hidden.length + it.traced('sasl-response').length
}
