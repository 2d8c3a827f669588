import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { displayField, parseParameters } from '../../src/mail/display.js'
import { MAIL_LIMITS } from '../../src/mail/limits.js'
import { expectGrowth } from '../support/growth.js'

const shown = (name: string, body: string): string => displayField(name, Buffer.from(body, 'latin1'))

describe('displayField', () => {
  test.each([
    [' =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n', 'Grüße'],
    [' =?utf-8?B?R3LDvA==?=\r\n =?utf-8?B?w59l?=\r\n', 'Grüße'],
    [' =?iso-2022-jp?B?GyRCJEYkOSRIGyhC?=\r\n', 'てすと'],
    [' =?iso-8859-1?Q?100_=80?= !\r\n', '100 € !'],
    [' =?windows-1252?Q?100_=80?=\r\n', '100 €'],
    [' =?x-unknown?Q?abc?=\r\n', 'abc'],
    [' =?utf-8*de?Q?Gr=C3=BC?=\r\n', 'Grü'],
    [' Gr\xc3\xbc\xc3\x9fe\r\n', 'Grüße'],
    [' Gr\xfc\xdfe \x80\r\n', 'Grüße €'],
    [' folded\r\n  here\r\n', 'folded  here'],
  ])('decodes %j', (body, expected) => {
    expect(shown('Subject', body)).toBe(expected)
  })

  test.each([
    [' =?utf-8?Q?a=0D=0ABcc:_x=00?=', 'a\\x0d\\x0aBcc: x\\x00'],
    [' =?utf-8?Q?=1B]52;c;eA=3D=3D=07?=', '\\x1b]52;c;eA==\\x07'],
    [' =?iso-8859-15?Q?=9B31m?=', '\\x9b31m'],
    [' a\u00e2\u0080\u00aeb', 'a\\u{202e}b'],
    [' a\rb\nc', 'a\\x0db\\x0ac'],
  ])('makes %j harmless', (body, expected) => {
    expect(shown('Subject', body)).toBe(expected)
  })

  test.each([
    [' Alice <a@x.example>, b@y.example', 'Alice <a@x.example>, b@y.example'],
    [' "Doe, Jane" <j@x.example>', '"Doe, Jane" <j@x.example>'],
    [' "Jane" <j@x.example>', 'Jane <j@x.example>'],
    [' =?utf-8?Q?J=C3=BCrgen?= <j@x.example>', 'Jürgen <j@x.example>'],
    [' Friends: a@x.example, b@x.example;', 'Friends: a@x.example, b@x.example;'],
    [' a@x.example (A, B)', 'a@x.example (A, B)'],
    // What disguises an address stays within the name.
    [' =?utf-8?Q?boss=40good.example?= <evil@x.example>', '"boss@good.example" <evil@x.example>'],
    [' =?utf-8?Q?Boss_=3Cboss=40good=3E,_?= <evil@x.example>', '"Boss <boss@good>, " <evil@x.example>'],
    [' Boss <=?utf-8?Q?boss=40good?=>', 'Boss <=?utf-8?Q?boss=40good?=>'],
  ])('shows the addresses of %j', (body, expected) => {
    expect(shown('From', body)).toBe(expected)
  })

  test('shows as many addresses as the bound and counts the rest', () => {
    const limits = { ...MAIL_LIMITS, addresses: 2 }
    expect(displayField('To', Buffer.from(' a@x, b@x'), limits)).toBe('a@x, b@x')
    expect(displayField('To', Buffer.from(' a@x, b@x, c@x'), limits)).toBe('a@x, b@x… (+1 addresses)')
  })

  test('decodes as many octets and shows as many characters as the bounds, and counts the rest', () => {
    const limits = { ...MAIL_LIMITS, fieldOctets: 5, fieldCharacters: 4 }
    expect(displayField('Subject', Buffer.from(' abcd'), limits)).toBe('abcd')
    expect(displayField('Subject', Buffer.from(' abcde'), limits)).toBe('abcd… (+1 octets)')
    expect(displayField('Subject', Buffer.from('abcde'), limits)).toBe('abcd… (+1)')
  })

  describe.each([
    ['encoded-words', '=?utf-8?B?YWJj?= '],
    ['encoded-words of an odd charset', '=?iso-2022-jp?B?GyRCJEYkOSRIGyhC?= '],
    ['beginnings of encoded-words', '=?a?Q?'],
    ['addresses', '"User 1" <u1@x.example>,\r\n '],
    ['comments', '('],
    ['quoted pairs', '"\\'],
    ['blanks', ' '],
    ['angle brackets', '<'],
  ])('with a bomb of %s', (_, piece) => {
    const bomb = (size: number) => piece.repeat(Math.ceil(size / piece.length))

    test.each(['To', 'Subject'])('shows as much as the bound of %s, and looks no further', (name) => {
      expectGrowth('constant', { from: 2 * MAIL_LIMITS.fieldOctets }, (size) => {
        const body = Buffer.from(bomb(size), 'latin1')
        return () => displayField(name, body)
      })
      expect(shown(name, bomb(3_000_000)).length).toBeLessThan(6_000)
    })

    test.each(['To', 'Subject'])('costs the same for each octet of %s up to the bound', (name) => {
      expectGrowth('linear', { from: MAIL_LIMITS.fieldOctets / 16 }, (size) => {
        const body = Buffer.from(bomb(size), 'latin1')
        return () => displayField(name, body)
      })
    })
  })

  test('gives one harmless line for any octets', () => {
    const piece = fc.constantFrom(
      '=?utf-8?Q?',
      '=?utf-7?B?',
      '?=',
      '"',
      '<',
      '>',
      '(',
      '\\',
      ',',
      '\r\n ',
      '=1B',
      '\x9b',
    )
    const some = fc.oneof(
      fc
        .array(fc.oneof(piece, fc.string({ unit: 'binary-ascii', maxLength: 4 })), { maxLength: 20 })
        .map((pieces) => Buffer.from(pieces.join(''), 'latin1')),
      fc.uint8Array({ maxLength: 100 }).map((array) => Buffer.from(array)),
    )
    fc.assert(
      fc.property(fc.constantFrom('From', 'Subject'), some, (name, body) => {
        expect(displayField(name, body)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('parseParameters', () => {
  const parse = (body: string) => parseParameters(Buffer.from(body, 'latin1'))

  test('reads a value and its parameters', () => {
    const found = parse(' Text/Plain; Charset="utf-8"; name=a.txt\r\n')
    expect(found.value).toBe('text/plain')
    expect(found.parameter('charset')).toBe('utf-8')
    expect(found.parameter('name')).toBe('a.txt')
    expect(found.parameter('boundary')).toBeNull()
  })

  test('puts RFC 2231 continuations together and decodes encoded-words where they must not be', () => {
    expect(parse(" x; filename*0*=utf-8''Gr%C3%BC; filename*1*=%C3%9Fe.txt").parameter('filename')).toBe(
      'Grüße.txt',
    )
    expect(parse(' x; filename="=?utf-8?Q?Gr=C3=BC?="').parameter('filename')).toBe('Grü')
  })

  test('gives the octets of a boundary as they stand in the message', () => {
    expect(parse(' m/x; boundary="\xfc"').octetsOf('boundary')).toEqual(Buffer.from([0xfc]))
    expect(parse(' m/x; boundary="\xc3\xbc"').octetsOf('boundary')).toEqual(Buffer.from([0xc3, 0xbc]))
  })

  test('knows no parameter that an object has anyway', () => {
    expect(parse(' x; a=b').parameter('constructor')).toBeNull()
    expect(parse(' x; __proto__=b').parameter('__proto__')).toBe('b')
  })
})
