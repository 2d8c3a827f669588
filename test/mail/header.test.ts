import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fieldNamed, readHeader } from '../../src/mail/header.js'
import { MAIL_LIMITS } from '../../src/mail/limits.js'
import { expectGrowth } from '../support/growth.js'

const octets = (text: string): Buffer => Buffer.from(text, 'latin1')
const shown = (text: string): readonly (readonly [string, string])[] =>
  readHeader(octets(text)).fields.map(({ name, value }) => [name, value] as const)

describe('readHeader', () => {
  test('splits a header section into fields and finds where the body starts', () => {
    const message = octets('Subject: one\r\nX-Folded: a\r\n b\r\n\tc\r\n\r\nbody\r\n')
    const header = readHeader(message)
    expect(header.fields.map(({ name, value, offset, length }) => ({ name, value, offset, length }))).toEqual(
      [
        { name: 'Subject', value: 'one', offset: 0, length: 14 },
        { name: 'X-Folded', value: 'a b\\x09c', offset: 14, length: 21 },
      ],
    )
    expect(message.subarray(header.end).toString()).toBe('body\r\n')
    expect(header).toMatchObject({ isComplete: true, defects: [] })
    for (const { raw } of header.fields) expect(raw.buffer).toBe(message.buffer)
    expect(header.fields[1]?.raw.toString()).toBe('X-Folded: a\r\n b\r\n\tc\r\n')
  })

  test.each([
    ['a message without header section', '\r\nbody', 2, true, []],
    ['nothing at all', '', 0, false, ['no-blank-line']],
    ['no blank line', 'Subject: x\r\n', 12, false, ['no-blank-line']],
    ['no line end', 'Subject: x', 10, false, ['no-blank-line']],
    ['bare LF', 'Subject: x\n\nbody', 12, true, ['bare-line-end']],
    ['a line without colon', 'From someone\r\nSubject: x\r\n\r\n', 28, true, ['line-without-colon']],
    ['a name with a blank', 'Not a name: y\r\nSubject: x\r\n\r\n', 29, true, ['line-without-colon']],
    ['a continuation first', ' y\r\nSubject: x\r\n\r\n', 18, true, ['continuation-first']],
  ])('takes %s', (_what, text, end, isComplete, defects) => {
    const header = readHeader(octets(text))
    expect({ end: header.end, isComplete: header.isComplete, defects: header.defects }).toEqual({
      end,
      isComplete,
      defects,
    })
    expect(header.fields.length).toBe(text.includes('Subject: x') ? 1 : 0)
  })

  test('leaves out the continuation of a line that it left out', () => {
    expect(shown('no colon here\r\n Subject: x\r\nTo: y\r\n\r\n')).toEqual([['To', 'y']])
  })

  test('finds the first field of a name, in any case', () => {
    const header = readHeader(octets('TO: one\r\nTo: two\r\n\r\n'))
    expect(fieldNamed(header, 'to')?.value).toBe('one')
    expect(fieldNamed(header, 'cc')).toBeNull()
  })

  test('keeps as many fields as the bound, and finds the end beyond it', () => {
    const fields = (count: number) => octets(`${'X: y\r\n'.repeat(count)}\r\nbody`)
    const limits = { ...MAIL_LIMITS, headerFields: 3 }
    expect(readHeader(fields(3), limits)).toMatchObject({ isComplete: true, defects: [], end: 20 })
    const beyond = readHeader(fields(4), limits)
    expect(beyond).toMatchObject({ isComplete: false, defects: ['too-many-fields'], end: 26 })
    expect(beyond.fields.length).toBe(3)
  })

  test('reads as many octets as the bound, keeps what fits of a field, and finds the end beyond it', () => {
    const section = octets('Subject: abc\r\n\r\nbody')
    expect(readHeader(section, { ...MAIL_LIMITS, headerOctets: 14 })).toMatchObject({
      isComplete: true,
      end: 16,
    })
    const beyond = readHeader(section, { ...MAIL_LIMITS, headerOctets: 11 })
    expect(beyond).toMatchObject({ isComplete: false, defects: ['too-many-octets'], end: 16 })
    expect(beyond.fields.map(({ value }) => value)).toEqual(['ab'])
  })

  test('shows as much of 2 MB of header section as the bounds', () => {
    const many = octets(`${'X: y\r\n'.repeat(300_000)}\r\nbody`)
    const one = octets(`Subject: ${'a'.repeat(2_000_000)}\r\n\r\nbody`)
    expect(readHeader(many).fields.length).toBe(MAIL_LIMITS.headerFields)
    expect(readHeader(one).fields[0]?.value).toMatch(/^a{4096}… \(\+\d+\)… \(\+\d+ octets\)$/)
  })

  // Each up to the bound, and far beyond it, where there is nothing to do but to look for the end.
  test.each([
    ['fields', 60, (count: number) => 'X: y\r\n'.repeat(count)],
    ['fields beyond the bound', 20_000, (count: number) => 'X: y\r\n'.repeat(count)],
    ['lines without a colon', 2_000, (count: number) => 'no colon\r\n'.repeat(count)],
    ['lines of one field', 2_000, (count: number) => `X: y\r\n${' z\r\n'.repeat(count)}`],
    ['octets of one line', 1_024, (count: number) => `Subject: ${'a'.repeat(count)}\r\n`],
    ['octets of one line beyond the bound', 300_000, (count: number) => `X: ${'a'.repeat(count)}\r\n`],
  ])('costs the same for each of many %s', (_, from, sectionOf) => {
    expectGrowth('linear', { from }, (count) => {
      const section = octets(`${sectionOf(count)}\r\nbody`)
      return () => readHeader(section).fields.map(({ value }) => value)
    })
  })

  test('places every field where it stands, whatever the octets are', () => {
    const line = fc.constantFrom(
      'A: b',
      ' c',
      '\tc',
      'no colon',
      ':',
      'X-1: =?utf-8?Q?=00?=',
      '',
      '\x00\xff',
      'B:',
    )
    const lines = fc.array(fc.tuple(line, fc.constantFrom('\r\n', '\n', '\r')), { maxLength: 12 })
    const some = fc.oneof(
      lines.map((pairs) => octets(pairs.flat().join(''))),
      fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
    )
    fc.assert(
      fc.property(some, (message) => {
        const header = readHeader(message)
        let behind = 0
        for (const { raw, offset, length, value } of header.fields) {
          expect(offset).toBeGreaterThanOrEqual(behind)
          expect(message.subarray(offset, offset + length).equals(raw)).toBe(true)
          expect(value).not.toMatch(/\p{Cc}/u)
          behind = offset + length
        }
        expect(header.end).toBeGreaterThanOrEqual(behind)
        expect(header.end).toBeLessThanOrEqual(message.length)
      }),
      { numRuns: 2_000 },
    )
  })
})
