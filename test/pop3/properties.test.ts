import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { capabilitiesForClient, decodeCapabilities } from '../../src/pop3/capabilities.js'
import { decodeCommand, replyShapeOf } from '../../src/pop3/command.js'
import type { ClientEvent } from '../../src/pop3/command-decoder.js'
import { COMMAND_TABLE } from '../../src/pop3/command-table.js'
import { encodeCommand, encodeContent, encodeStatusLine, removeByteStuffing } from '../../src/pop3/encoder.js'
import { decodeStatusLine, type ServerEvent } from '../../src/pop3/reply-decoder.js'
import { safeText } from '../../src/trace/safe-text.js'
import {
  clientOctets,
  clientScript,
  commandLine,
  inPieces,
  limits,
  lineEnd,
  looseText,
  reply,
  serverOctets,
  serverScript,
  spacing,
  typedVerb,
  wireContent,
} from '../support/arbitraries.js'
import { CANARY, CANARY_BASE64, leakIn, printsOf } from '../support/canary.js'
import { decodeClient, decodeServer, outcomeOf, type Plain, plainCommand } from '../support/decode-all.js'
import { everySplit } from '../support/every-split.js'
import { naively } from '../support/naive-content.js'

const RUNS = { numRuns: 1_000 }
const NONE: ReadonlySet<string> = new Set()

describe('any octets, in any pieces, with anything expected', () => {
  it('of a client give the same events and leave the same rest', () => {
    fc.assert(
      fc.property(inPieces(clientOctets), clientScript, limits, ({ octets, pieces }, expecting, bounds) => {
        const run = { expecting, limits: bounds }
        expect(outcomeOf(decodeClient(pieces, run))).toEqual(outcomeOf(decodeClient([octets], run)))
      }),
      RUNS,
    )
  })

  it('of a server give the same events and leave the same rest', () => {
    fc.assert(
      fc.property(inPieces(serverOctets), serverScript, limits, ({ octets, pieces }, expecting, bounds) => {
        const run = { expecting, limits: bounds }
        expect(outcomeOf(decodeServer(pieces, run))).toEqual(outcomeOf(decodeServer([octets], run)))
      }),
      RUNS,
    )
  })

  it('give the same at every single cut', () => {
    fc.assert(
      fc.property(serverOctets, serverScript, limits, (octets, expecting, bounds) => {
        everySplit(octets, (pieces) => outcomeOf(decodeServer(pieces, { expecting, limits: bounds })))
      }),
      { numRuns: 100 },
    )
    fc.assert(
      fc.property(clientOctets, clientScript, limits, (octets, expecting, bounds) => {
        everySplit(octets, (pieces) => outcomeOf(decodeClient(pieces, { expecting, limits: bounds })))
      }),
      { numRuns: 100 },
    )
  })

  it('are the wire of the events and the rest, concatenated', () => {
    fc.assert(
      fc.property(inPieces(clientOctets), clientScript, limits, ({ octets, pieces }, expecting, bounds) => {
        expect(decodeClient(pieces, { expecting, limits: bounds }).wire.equals(octets)).toBe(true)
      }),
      RUNS,
    )
    fc.assert(
      fc.property(inPieces(serverOctets), serverScript, limits, ({ octets, pieces }, expecting, bounds) => {
        expect(decodeServer(pieces, { expecting, limits: bounds }).wire.equals(octets)).toBe(true)
      }),
      RUNS,
    )
  })

  it('are that also where they are taken undecoded before all events are pulled, as for TLS', () => {
    const most = fc.integer({ min: 0, max: 6 })
    fc.assert(
      fc.property(inPieces(clientOctets), clientScript, most, ({ octets, pieces }, expecting, mostEvents) => {
        expect(decodeClient(pieces, { expecting, mostEvents }).wire.equals(octets)).toBe(true)
      }),
      RUNS,
    )
    fc.assert(
      fc.property(inPieces(serverOctets), serverScript, most, ({ octets, pieces }, expecting, mostEvents) => {
        expect(decodeServer(pieces, { expecting, mostEvents }).wire.equals(octets)).toBe(true)
      }),
      RUNS,
    )
  })

  it('leave less than a line of the limit undecoded, and no more than that in any event that is held', () => {
    fc.assert(
      fc.property(inPieces(clientOctets), clientScript, limits, ({ pieces }, expecting, bounds) => {
        const most = Math.max(bounds.commandLineOctets, bounds.saslLineOctets)
        const { mostUndecoded, raw, rest } = decodeClient(pieces, { expecting, limits: bounds })
        expect(mostUndecoded).toBeLessThan(most)
        expect(rest.length).toBeLessThan(most)
        for (const event of raw) expect(event.wire.length).toBeLessThanOrEqual(most)
      }),
      RUNS,
    )
    fc.assert(
      fc.property(inPieces(serverOctets), serverScript, limits, ({ pieces }, expecting, bounds) => {
        const most = bounds.statusLineOctets
        const { mostUndecoded, raw, rest } = decodeServer(pieces, { expecting, limits: bounds })
        expect(mostUndecoded).toBeLessThan(most)
        // Within content four octets of CRLF "." CRLF may be kept back.
        expect(rest.length).toBeLessThan(Math.max(most, 5))
        for (const event of raw) {
          if (event.type !== 'content') expect(event.wire.length).toBeLessThanOrEqual(most)
        }
      }),
      RUNS,
    )
  })
})

describe('content', () => {
  it('ends where, counts what, and names what a naive reader line by line finds', () => {
    let ended = 0
    fc.assert(
      fc.property(inPieces(wireContentOrLoose()), ({ octets, pieces }) => {
        const expected = naively(octets.toString('latin1'))
        const status = Buffer.from('+OK\r\n')
        const { events, rest } = decodeServer([status, ...pieces], { expecting: ['multi-line', 'nothing'] })
        const content = events.filter((event) => event.type === 'content').map((event) => event.wire)
        const end = events.find((event) => event.type === 'content-end')
        if (expected.content === null) {
          expect(end).toBeUndefined()
          expect(content.join('') + rest).toBe(octets.toString('latin1'))
          return
        }
        ended += 1
        expect(content.join('')).toBe(expected.content)
        expect(end).toMatchObject({
          octets: expected.octets,
          anomalies: expected.unstuffed ? ['unstuffed-line'] : [],
        })
        const behind = events.slice(events.indexOf(end as Plain) + 1).map((event) => event.wire)
        expect(behind.join('') + rest).toBe(expected.behind)
      }),
      { numRuns: 3_000 },
    )
    expect(ended).toBeGreaterThan(500)
  })

  it('of any kind survives byte-stuffing, decoding and removal of byte-stuffing', () => {
    fc.assert(
      fc.property(looseText, (text) => {
        const content = Buffer.from(text, 'latin1')
        const encoded = encodeContent(content)
        const { events } = decodeServer([Buffer.from('+OK\r\n'), encoded], { expecting: ['multi-line'] })
        const wire = events.filter((event) => event.type === 'content').map((event) => String(event.wire))
        const back = removeByteStuffing(Buffer.from(wire.join(''), 'latin1')).toString('latin1')
        const whole = text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`
        expect(back).toBe(whole)
        expect(events.at(-1)).toMatchObject({ type: 'content-end', octets: whole.length, anomalies: [] })
      }),
      RUNS,
    )
  })

  it('that was stuffed by the RFC is stuffed again to the same octets', () => {
    fc.assert(
      fc.property(looseText, (text) => {
        const once = encodeContent(Buffer.from(text, 'latin1'))
        const again = encodeContent(removeByteStuffing(once.subarray(0, -3)))
        expect(again.equals(once)).toBe(true)
      }),
      RUNS,
    )
  })
})

describe('encoding', () => {
  it('of a decoded command decodes to the same command', () => {
    fc.assert(
      fc.property(commandLine, (typed) => {
        const line = Buffer.from(`${typed.replace(/[\r\n\0]/g, '')}\r\n`, 'latin1')
        const { command } = decodeCommand(line, NONE)
        const encoded = encodeCommand(command)
        const again = decodeCommand(encoded, NONE).command
        expect(plainCommand(again)).toEqual(plainCommand(command))
        expect(encodeCommand(again).equals(encoded)).toBe(true)
        expect(replyShapeOf(again)).toBe(replyShapeOf(command))
      }),
      RUNS,
    )
  })

  it('of a decoded status line decodes to the same status line', () => {
    fc.assert(
      fc.property(reply, (text) => {
        const line = `${text.replace(/[\r\n\0]/g, '')}\r\n`
        const decoded = decodeStatusLine(Buffer.from(line, 'latin1'))
        if (decoded === null) return
        const { indicator, responseCode, text: words } = decoded.status
        const encoded = encodeStatusLine(indicator, responseCode, words)
        expect(decodeStatusLine(encoded)?.status).toEqual(decoded.status)
      }),
      RUNS,
    )
  })

  it('gives one line of at most 512 octets or a TypeError, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 700 }), fc.boolean(), (text, code) => {
        let line: Buffer
        try {
          line = code ? encodeStatusLine('-ERR', text, 'x') : encodeStatusLine('+OK', null, text)
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError)
          expect(text).toMatch(/[\r\n\0]/)
          return
        }
        expect(line.length).toBeLessThanOrEqual(512)
        expect(line.indexOf('\n')).toBe(line.length - 1)
        expect(line.indexOf('\r')).toBe(line.length - 2)
        expect(line.indexOf(0)).toBe(-1)
      }),
      RUNS,
    )
  })

  it('of a capability list for the client is a list that decodes again, without a line end more', () => {
    fc.assert(
      fc.property(looseText, fc.boolean(), fc.boolean(), (text, offersStls, refusesLogin) => {
        const list = decodeCapabilities(Buffer.from(text, 'latin1'))
        const sent = capabilitiesForClient(list, { offersStls, refusesLogin })
        const again = decodeCapabilities(sent)
        expect(again.filter((capability) => capability.tag === 'STLS')).toHaveLength(offersStls ? 1 : 0)
        expect(again.some((capability) => capability.tag === 'PIPELINING')).toBe(true)
        const twice = capabilitiesForClient(again, { offersStls, refusesLogin })
        expect(twice.toString('latin1').split('\r\n').sort()).toEqual(
          sent.toString('latin1').split('\r\n').sort(),
        )
      }),
      RUNS,
    )
  })
})

function expectNoCanary(event: ClientEvent | ServerEvent): void {
  expect(leakIn(event)).toBeNull()
}

describe('a credential', () => {
  const argument = fc.constantFrom(CANARY, CANARY_BASE64, `x${CANARY}`, `${CANARY} ${CANARY}`)

  it('is in no event as the argument of any verb, in any case, spacing and place', () => {
    fc.assert(
      fc.property(
        spacing,
        typedVerb,
        fc.array(fc.tuple(spacing, fc.constantFrom('1', '0', 'PLAIN', 'x', 'de')), { maxLength: 3 }),
        spacing,
        argument,
        lineEnd,
        (before, verb, words, between, secret, end) => {
          const line = `${before}${verb}${words.flat().join('')}${between}${secret}${end}\n`
          for (const event of decodeClient([Buffer.from(line, 'latin1')]).raw) {
            expectNoCanary(event)
          }
        },
      ),
      { numRuns: 4_000 },
    )
  })

  it('is in no event of PASS, APOP, AUTH, RPOP, XTND, XCLIENT and unknown verbs with any argument before it', () => {
    const verbs = [
      'PASS',
      'pass',
      'APOP a',
      'AUTH PLAIN',
      'auth login',
      'AUTH',
      'AUTH X-NEW',
      'RPOP',
      'XTND',
      'XCLIENT',
    ]
    for (const verb of [...verbs, 'XFOO', 'LOGIN', 'PAS', 'PASSWORD', '__proto__', '']) {
      for (const blank of [' ', '  ', '\t', ' \t', '\0 ', '\xa0']) {
        for (const secret of [CANARY, CANARY_BASE64, `${CANARY} x`, ` ${CANARY}`]) {
          for (const end of ['\r\n', '\n', ' \r\n', '\r\r\n']) {
            const { raw } = decodeClient([Buffer.from(`${verb}${blank}${secret}${end}`, 'latin1')])
            expect(raw).toHaveLength(1)
            for (const event of raw) expectNoCanary(event)
          }
        }
      }
    }
  })

  it('is in no event where it does not fit the form of any argument of the table', () => {
    for (const [verb, grammar] of COMMAND_TABLE) {
      const fitting = { 'message-number': '1', 'line-count': '0', 'user-name': 'a', mechanism: 'PLAIN' }
      const words = grammar.arguments.map(
        (form) => Object.entries(fitting).find(([name]) => name === form)?.[1],
      )
      for (let place = 0; place <= words.length; place += 1) {
        const line = [verb, ...words.slice(0, place).map((word) => word ?? 'x'), CANARY].join(' ')
        const { raw } = decodeClient([Buffer.from(`${line}\r\n`)])
        for (const event of raw) expectNoCanary(event)
      }
    }
  })

  it('is in no event as SASL response or challenge, whatever else the line holds', () => {
    fc.assert(
      fc.property(looseText, argument, looseText, (before, secret, behind) => {
        const line = Buffer.from(`${before}${secret}${behind}\r\n`, 'latin1')
        for (const event of decodeClient([line], { expecting: ['sasl-response'] }).raw) expectNoCanary(event)
        const challenge = Buffer.from(`+ ${secret}\r\n`, 'latin1')
        for (const event of decodeServer([challenge], { expecting: ['sasl'] }).raw) expectNoCanary(event)
      }),
      RUNS,
    )
  })

  it('would be found where it is shown: the user name that is one', () => {
    const [event] = decodeClient([Buffer.from(`USER ${CANARY}\r\n`)]).raw
    expect(printsOf(event ?? { wire: Buffer.alloc(0) })).toContain(CANARY)
  })
})

describe('safeText', () => {
  it('gives one short line without anything harmful, of any octets and of any text', () => {
    const harmless = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]*$/u
    const input = fc.oneof(
      fc.uint8Array().map((octets) => Buffer.from(octets)),
      fc.string({ unit: 'binary' }),
    )
    fc.assert(
      fc.property(input, fc.integer({ min: 1, max: 40 }), (value, maximum) => {
        const shown = safeText(value, maximum)
        expect(shown).toMatch(harmless)
        expect(shown.length).toBeLessThanOrEqual(maximum * 10 + 32)
      }),
      RUNS,
    )
  })
})

function wireContentOrLoose(): fc.Arbitrary<Buffer> {
  const behind = fc
    .tuple(wireContent, fc.constantFrom('', '', '+OK\r\n', '.\r\n', 'x'))
    .map((parts) => parts.join(''))
  return fc
    .oneof({ weight: 3, arbitrary: behind }, { weight: 1, arbitrary: looseText })
    .map((text) => Buffer.from(text, 'latin1'))
}
