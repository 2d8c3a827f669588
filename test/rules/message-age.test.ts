import fc from 'fast-check'
import { expect, test } from 'vitest'
import { arrivedAt, parseMailDate } from '../../src/rules/message-age.js'

test.each([
  ['Sat, 28 Nov 2026 08:00:00 +0000', '2026-11-28T08:00:00Z'],
  ['28 Nov 2026 08:00 +0200', '2026-11-28T06:00:00Z'],
  ['Sat,  28 Nov 2026 08:00:00 -0930 (a comment)', '2026-11-28T17:30:00Z'],
  ['Sat, 28 nov 2026 08:00:00 GMT', '2026-11-28T08:00:00Z'],
  ['Sat, 28 Nov 2026 08:00:00 EST', '2026-11-28T13:00:00Z'],
  ['Sat, 28 Nov 26 08:00:00 +0000', '2026-11-28T08:00:00Z'],
  ['Sat, 28 Nov 99 08:00:00 +0000', '1999-11-28T08:00:00Z'],
  ['31 Dec 2016 23:59:60 +0000', '2017-01-01T00:00:00Z'],
])('reads %s', (text, expected) => {
  expect(parseMailDate(text)).toBe(Date.parse(expected))
})

test.each([
  '',
  'foo 1',
  'yesterday',
  '2026-11-28T08:00:00Z',
  '32 Nov 2026 08:00:00 +0000',
  '28 Foo 2026 08:00:00 +0000',
  '28 Nov 2026 24:00:00 +0000',
  '28 Nov 2026 08:00:00 +0070',
  '28 Nov 2026 08:61:00 +0000',
])('takes %s for no date', (text) => {
  expect(parseMailDate(text)).toBeNull()
})

test('believes the topmost Received field, else Date', () => {
  const at = (...lines: readonly string[]) => arrivedAt(Buffer.from([...lines, '', ''].join('\r\n')))
  const received = (day: number) => `Received: from a by b;\r\n\t${day} Nov 2026 08:00:00 +0000`
  expect(at(received(3), received(2), 'Date: 1 Nov 2026 08:00:00 +0000')).toBe(Date.UTC(2026, 10, 3, 8))
  expect(at('Received: broken', 'Date: 1 Nov 2026 08:00:00 +0000')).toBe(Date.UTC(2026, 10, 1, 8))
  expect(at('Subject: x')).toBeNull()
})

test('never throws', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const found = parseMailDate(text)
      expect(found === null || Number.isFinite(found)).toBe(true)
      arrivedAt(Buffer.from(`Date: ${text}\r\n\r\n`, 'latin1'))
    }),
  )
})
