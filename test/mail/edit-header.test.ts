import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { displayField, textOfField } from '../../src/mail/display.js'
import { editHeaderSection, editMessage, type MessageEdit } from '../../src/mail/edit.js'
import { headerEnd } from '../../src/mail/edit-header.js'
import { encodeText, oneLine } from '../../src/mail/encode-field.js'
import { readHeader } from '../../src/mail/header.js'
import { expectGrowth } from '../support/growth.js'

const edited = (section: string, ...edits: readonly MessageEdit[]): string =>
  editHeaderSection(Buffer.from(section, 'latin1'), edits).toString('latin1')
const add = (name: string, value: string): MessageEdit => ({ type: 'add-header', name, value })
const set = (name: string, value: string): MessageEdit => ({ type: 'set-header', name, value })
const remove = (name: string): MessageEdit => ({ type: 'remove-header', name })
const tagged = (section: string, tag = '[external]'): string => edited(section, { type: 'tag-subject', tag })

/** Lines of everything that a header section may consist of, odd ones included. */
const sectionLine = fc.constantFrom(
  'Subject: one',
  'subject : two',
  'Subject:',
  'Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=',
  'X-Tag: old',
  'x-tag:older',
  ' continued',
  '\t',
  'no colon',
  ': no name',
  'From someone Mon 10:00',
  'X\0: nul',
  '.',
  '\r',
  'Received: \xe4\xf6\xfc',
)
const section = fc
  .tuple(
    fc.array(fc.tuple(sectionLine, fc.constantFrom('\r\n', '\r\n', '\n')), { maxLength: 12 }),
    fc.constantFrom('\r\n', '\n', '', 'Subject: no line end', '\r'),
  )
  .map(([lines, end]) => Buffer.from(lines.flat().join('') + end, 'latin1'))
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 120 }),
  fc.string({ unit: fc.constantFrom('\r', '\n', '\0', ' ', ':', 'a', 'ä', '=?', '?=', '😀'), maxLength: 40 }),
)
const name = fc.constantFrom('X-Tag', 'Subject', 'Received', 'X-New')
const headerEdit: fc.Arbitrary<MessageEdit> = fc.oneof(
  fc.record({ type: fc.constant('add-header' as const), name, value: anyText }),
  fc.record({ type: fc.constant('set-header' as const), name, value: anyText }),
  fc.record({ type: fc.constant('remove-header' as const), name }),
  fc.record({ type: fc.constant('tag-subject' as const), tag: anyText }),
)

describe('editHeaderSection', () => {
  test.each([
    ['before the blank line', 'A: b\r\n\r\n', 'A: b\r\nX: y\r\n\r\n'],
    ['where there is no blank line', 'A: b\r\n', 'A: b\r\nX: y\r\n'],
    ['where the last line has no end', 'A: b', 'A: b\r\nX: y\r\n'],
    ['where the last line ends with CR', 'A: b\r', 'A: b\r\r\nX: y\r\n'],
    ['to nothing', '', 'X: y\r\n'],
    ['to a message without header section', '\r\n', 'X: y\r\n\r\n'],
    ['with CRLF where lines end with LF', 'A: b\n\n', 'A: b\nX: y\r\n\n'],
    ['before what comes behind the blank line', 'A: b\r\n\r\nX: 1\r\n', 'A: b\r\nX: y\r\n\r\nX: 1\r\n'],
  ])('adds a field %s', (_where, before, after) => {
    expect(edited(before, add('X', 'y'))).toBe(after)
  })

  test.each([
    [
      'the first of several, and removes the others',
      'X: 1\r\nA: b\r\nx : 2\r\n c\r\n\r\n',
      'X: y\r\nA: b\r\n\r\n',
    ],
    ['a folded one', 'X: 1\r\n 2\r\n\t3\r\nA: b\r\n\r\n', 'X: y\r\nA: b\r\n\r\n'],
    ['one before a line that is none', 'X: 1\r\nnone\r\n 2\r\n\r\n', 'X: y\r\nnone\r\n 2\r\n\r\n'],
    ['one that is not there', 'A: b\r\n\r\n', 'A: b\r\nX: y\r\n\r\n'],
  ])('sets %s', (_what, before, after) => {
    expect(edited(before, set('X', 'y'))).toBe(after)
  })

  test('removes all of a name and nothing else', () => {
    expect(edited(' first\r\nX: 1\r\n 2\r\nXX: 3\r\nno colon\nx:\n\r\n', remove('X'))).toBe(
      ' first\r\nXX: 3\r\nno colon\n\r\n',
    )
    expect(edited('X: 1\r\n\r\n', remove('X'))).toBe('\r\n')
    expect(edited('A: b\r\n\r\n', remove('X'))).toBe('A: b\r\n\r\n')
  })

  test('applies each edit to the result of the one before', () => {
    expect(edited('\r\n', add('X', '1'), add('X', '2'), set('X', '3'), add('Y', '4'))).toBe(
      'X: 3\r\nY: 4\r\n\r\n',
    )
  })

  test('never makes a line of a value', () => {
    expect(edited('\r\n', add('X', 'a\r\nBcc: b\n\nc\0d\u0085e\u2028f'))).toBe(
      'X: a  Bcc: b  c d e f\r\n\r\n',
    )
  })

  test('encodes and folds what does not fit', () => {
    expect(edited('\r\n', add('X', 'Grüße from Köln'))).toBe(
      'X: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= from =?UTF-8?Q?K=C3=B6ln?=\r\n\r\n',
    )
    expect(edited('\r\n', add('X', '=?utf-8?Q?a?='))).toBe('X: =?UTF-8?Q?=3D=3Futf-8=3FQ=3Fa=3F=3D?=\r\n\r\n')
    expect(edited('\r\n', add('X', `${'word '.repeat(16)}end`))).toBe(
      `X: ${'word '.repeat(14)}word\r\n word end\r\n\r\n`,
    )
    expect(edited('\r\n', add('X', '日本語日本語日本語日本語日本語'))).toBe(
      'X: =?UTF-8?B?5pel5pys6Kqe5pel5pys6Kqe5pel5pys6Kqe5pel5pys6Kqe5pel5pys6Kqe?=\r\n\r\n',
    )
    expect(edited('\r\n', add('X', ''))).toBe('X:\r\n\r\n')
  })

  test('refuses a name that is none, and an edit that needs the body, as faults of the caller', () => {
    for (const bad of ['', 'a b', 'a:', 'a\r\nb', 'ä']) {
      expect(() => edited('\r\n', add(bad, 'x'))).toThrow(TypeError)
      expect(() => edited('\r\n', set(bad, 'x'))).toThrow(TypeError)
    }
    expect(() => edited('\r\n', { type: 'disarm-links' })).toThrow(TypeError)
  })

  test('gives back every text that it encoded, on lines of printable ASCII that are not too long', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.string({ unit: 'grapheme', maxLength: 300 })), name, (text, field) => {
        const line = edited('', add(field, text))
        expect(line).toMatch(/^[\x20-\x7e]+(?:\r\n [\x20-\x7e]*[\x21-\x7e][\x20-\x7e]*)*\r\n$|^X[\w-]+:\r\n$/)
        for (const each of line.split('\r\n')) {
          expect(each.length).toBeLessThanOrEqual(998)
          for (const word of each.match(/=\?UTF-8\?[QB]\?[^?]*\?=/g) ?? [])
            expect(word.length).toBeLessThanOrEqual(75)
          if (each.includes('=?UTF-8?')) expect(each.length).toBeLessThanOrEqual(78)
        }
        expect(textOfField(Buffer.from(line.slice(field.length + 1)))).toBe(oneLine(text))
      }),
      { numRuns: 2_000 },
    )
  })

  test('never adds a line that is no field of the edit, whatever the values are', () => {
    const names = (octets: Buffer): readonly string[] => readHeader(octets).fields.map((field) => field.name)
    fc.assert(
      fc.property(section, anyText, (octets, value) => {
        const before = names(octets)
        const { end } = readHeader(octets)
        for (const [edit, added] of [
          [add('X-New', value), ['X-New']],
          [{ type: 'tag-subject', tag: value }, ['Subject']],
        ] as const) {
          const after = editMessage(octets, [edit])
          const expected = [before, [...before, ...added]]
          expect(expected).toContainEqual(names(after))
          expect(after.subarray(readHeader(after).end)).toEqual(octets.subarray(end))
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('leaves the body and all other lines as they are, and tells the same of a section as of its message', () => {
    fc.assert(
      fc.property(
        section,
        fc.uint8Array({ maxLength: 60 }),
        fc.array(headerEdit, { maxLength: 5 }),
        (head, rest, edits) => {
          const message = Buffer.concat([head, rest])
          const end = headerEnd(message)
          expect(end).toBe(readHeader(message).end)
          const after = editMessage(message, edits)
          const header = editHeaderSection(message.subarray(0, end), edits)
          expect(after).toEqual(Buffer.concat([header, message.subarray(end)]))
          expect(headerEnd(after)).toBe(header.length)
          // Whatever no edit names is there, in its order.
          const kept = ['x-tag', 'subject', 'received', 'x-new']
          const others = (octets: Buffer) =>
            readHeader(octets)
              .fields.filter((field) => !kept.includes(field.name.toLowerCase()))
              .map(({ raw }) => raw.toString('latin1').trimEnd())
          expect(others(after)).toEqual(others(message))
        },
      ),
      { numRuns: 2_000 },
    )
  })
})

describe('tag-subject', () => {
  test.each([
    ['text', 'Subject: Hello\r\n\r\n', 'Subject: [external] Hello\r\n\r\n'],
    ['text without a blank', 'subject:Hello\r\n\r\n', 'subject: [external] Hello\r\n\r\n'],
    ['a name with a blank', 'Subject : Hello\r\n\r\n', 'Subject : [external] Hello\r\n\r\n'],
    ['nothing', 'Subject:\r\n\r\n', 'Subject: [external]\r\n\r\n'],
    ['a fold', 'Subject:\r\n Hello\r\n\r\n', 'Subject: [external]\r\n Hello\r\n\r\n'],
    ['folded text', 'Subject: a\r\n\tb\n c\r\n\r\n', 'Subject: [external] a\r\n\tb\n c\r\n\r\n'],
    ['raw octets', 'Subject: \xe4\r\n\r\n', 'Subject: [external] \xe4\r\n\r\n'],
    [
      'an encoded-word',
      'Subject: =?utf-8?q?=C3=A4?=\r\n\r\n',
      'Subject: [external] =?utf-8?q?=C3=A4?=\r\n\r\n',
    ],
    ['the beginning of another tag', 'Subject: [extern\r\n\r\n', 'Subject: [external] [extern\r\n\r\n'],
    [
      'two subjects',
      'Subject: a\r\nSubject: b\r\n\r\n',
      'Subject: [external] a\r\nSubject: [external] b\r\n\r\n',
    ],
    ['no subject', 'A: b\r\n\r\n', 'A: b\r\nSubject: [external]\r\n\r\n'],
    ['no line end', 'Subject: a', 'Subject: [external] a'],
  ])('stands before %s', (_what, before, after) => {
    expect(tagged(before)).toBe(after)
    expect(tagged(after)).toBe(after)
  })

  test.each([
    'Subject: [external] Hello\r\n\r\n',
    'Subject: Re: [external] Hello\r\n\r\n',
    'Subject: =?utf-8?Q?=5Bexternal=5D_Gr=C3=BC=C3=9Fe?=\r\n\r\n',
    'Subject: =?utf-8?B?W2V4dGVy?=\r\n =?utf-8?B?bmFsXQ==?=\r\n\r\n',
  ])('does not stand twice in %j', (before) => {
    expect(tagged(before)).toBe(before)
  })

  test('swallows no blank between encoded-words', () => {
    const after = tagged('Subject: =?utf-8?Q?=C3=A4?=\r\n\r\n', '[äußere]')
    expect(after).toBe('Subject: =?UTF-8?Q?=5B=C3=A4u=C3=9Fere=5D_?= =?utf-8?Q?=C3=A4?=\r\n\r\n')
    expect(readHeader(Buffer.from(after)).fields[0]?.value).toBe('[äußere] ä')
    expect(tagged(after, '[äußere]')).toBe(after)
    expect(tagged('Subject: a\r\n\r\n', 'ä')).toBe('Subject: =?UTF-8?Q?=C3=A4?= a\r\n\r\n')
  })

  test('folds before a line that it would make too long', () => {
    const long = 'x'.repeat(68)
    expect(tagged(`Subject: ${long}\r\n\r\n`)).toBe(`Subject: [external]\r\n ${long}\r\n\r\n`)
    expect(tagged(`Subject:${long}\r\n\r\n`)).toBe(`Subject: [external]\r\n ${long}\r\n\r\n`)
    const fits = 'x'.repeat(58)
    expect(tagged(`Subject: ${fits}\r\n\r\n`)).toBe(`Subject: [external] ${fits}\r\n\r\n`)
    expect(tagged(`Subject: x${fits}\r\n\r\n`)).toBe(`Subject: [external]\r\n x${fits}\r\n\r\n`)
  })

  test('is what a person reads before the subject, once, for any tag and subject', () => {
    fc.assert(
      fc.property(anyText, anyText, (tag, subject) => {
        fc.pre(oneLine(tag) !== '')
        const before = Buffer.concat([
          Buffer.from('Subject:'),
          Buffer.from(encodeText(oneLine(subject), 8)),
          Buffer.from('\r\n\r\n'),
        ])
        const edit: MessageEdit = { type: 'tag-subject', tag }
        const once = editHeaderSection(before, [edit])
        expect(editHeaderSection(once, [edit])).toEqual(once)
        const alike = (text: string): string => text.replace(/\s+/gu, ' ')
        const shown = alike(textOfField(once.subarray(8)))
        if (alike(oneLine(subject)).includes(alike(oneLine(tag)))) expect(once).toEqual(before)
        else expect(shown).toBe(alike(`${oneLine(tag)} ${oneLine(subject)}`).trim())
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('costs grow with the octets and no faster', () => {
  const every: readonly MessageEdit[] = [
    add('X', 'y'),
    set('To', 'somebody'),
    remove('Received'),
    { type: 'tag-subject', tag: '[äußere]' },
  ]
  test.each([
    [
      'addresses in To',
      6_250,
      (count: number) => `To: ${'a@example.org,\r\n '.repeat(count)}b@example.org\r\n\r\n`,
    ],
    [
      'octets of a subject',
      3_500,
      (count: number) => `Subject: ${'=?utf-8?Q?=C3=A4?= '.repeat(count)}\r\n\r\n`,
    ],
    ['fields', 1_000, (count: number) => `${'Received: x\r\nSubject: =?utf-8?Q?a?=\r\n'.repeat(count)}\r\n`],
    ['blanks', 16_000, (count: number) => `Subject:${' \t'.repeat(count)}\r\n\r\n`],
  ])('of %s', (_what, from, make) => {
    expectGrowth('linear', { from }, (count) => {
      const octets = Buffer.from(make(count))
      return () => editHeaderSection(octets, every)
    })
  })

  test('of values', () => {
    expectGrowth('linear', { from: 4_000 }, (count) => {
      const values = [
        'ä'.repeat(count),
        ' x'.repeat(count),
        `a${' '.repeat(count)}b`,
        '=?'.repeat(count),
        'x'.repeat(count),
      ]
      const edits = values.map((value) => add('X', value))
      return () => editHeaderSection(Buffer.from('\r\n'), edits)
    })
  })
})

test('shows a set subject as it was meant', () => {
  const octets = editHeaderSection(Buffer.from('\r\n'), [set('Subject', 'Grüße 😀 =?x?=')])
  expect(displayField('Subject', octets.subarray('Subject:'.length, -2))).toBe('Grüße 😀 =?x?=')
})
