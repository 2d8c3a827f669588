import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TraceEvent } from '../../src/trace/event.js'
import { decodeEvent, encodeEvent } from '../../src/trace/event-coding.js'
import { ONE_OF_EACH } from './events.js'

const HARMFUL = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/u

/** All texts within a value, octets left out. */
function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return []
  return Object.values(value).flatMap(textsIn)
}

describe.each(Object.values(ONE_OF_EACH))('an event $type', (content) => {
  const event: TraceEvent = { at: 1_700_000_000_000.25, session: 'a-1', content }
  const written = (): Record<string, unknown> => JSON.parse(encodeEvent(event))

  it('is the same after it was written and read, but for text that was never harmless', () => {
    const read = decodeEvent(written())
    const again = read === null ? null : decodeEvent(JSON.parse(encodeEvent(read)))
    expect(read?.content.type).toBe(content.type)
    expect(again).toEqual(read)
    expect(Object.keys(read?.content ?? {}).sort()).toEqual(Object.keys(content).sort())
    if (!JSON.stringify(content).includes('\u2028')) expect(read).toEqual(event)
  })

  it('is none without any one of its fields, unless that may be absent', () => {
    const mayBeAbsent = new Set(['origin', ...(content.type === 'content' ? [] : ['wire'])])
    for (const field of Object.keys(written())) {
      const { [field]: _, ...rest } = written()
      expect(decodeEvent(rest) === null, field).toBe(!mayBeAbsent.has(field))
    }
  })

  it('is none with a field of another kind', () => {
    for (const field of Object.keys(written())) {
      expect(decodeEvent({ ...written(), [field]: { odd: true } }), field).toBeNull()
    }
  })

  it('is harmless whatever stands in its texts', () => {
    const hostile = '\x1b]52;c;eA==\x07\u202e\u2028\u200b\ud800'
    const wide = JSON.parse(encodeEvent(event), (key, value: unknown) =>
      typeof value === 'string' && !['type', 'wire'].includes(key) ? `${value}${hostile}` : value,
    )
    const read = decodeEvent(wide)
    // Words of a fixed set are refused with anything behind them; the others are made harmless.
    for (const text of textsIn(read)) expect(text).not.toMatch(HARMFUL)
  })
})

describe('what claims to be an event', () => {
  it('never makes the reader fail', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        decodeEvent(value)
      }),
    )
  })

  it.each([
    ['a type that objects inherit', { at: 1, session: 's', type: 'constructor' }],
    ['a type to come', { at: 1, session: 's', type: 'foretold' }],
    ['a time that no Date can name', { at: 9e15, session: 's', type: 'server-connected' }],
    ['octets that are no base64', { at: 1, session: 's', ...ONE_OF_EACH.content, wire: 'a\u00e9' }],
    ['a number below zero', { at: 1, session: 's', type: 'unsolicited', octets: -1 }],
  ])('is none with %s', (_, value) => {
    expect(decodeEvent(value)).toBeNull()
  })

  it('has no text without bound', () => {
    const event = decodeEvent({ at: 1, session: 's', ...ONE_OF_EACH.greeting, text: 'x'.repeat(1_000_000) })
    expect(JSON.stringify(event).length).toBeLessThan(10_000)
  })

  it('may lack what version 1 did not have from the start', () => {
    const { wire, origin, ...command } = ONE_OF_EACH.command
    expect(decodeEvent({ at: 1, session: 's', ...command, shown: 'NOOP' })).toEqual({
      at: 1,
      session: 's',
      content: { ...command, shown: 'NOOP', origin: 'client', wire: null },
    })
  })
})
