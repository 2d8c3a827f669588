import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAIL_LIMITS } from '../../src/mail/limits.js'
import { mimeOutline } from '../../src/mail/outline.js'
import { decodedOctets, decodePart, textOfPart } from '../../src/mail/part.js'
import { expectGrowth } from '../support/growth.js'

function message(
  header: string,
  body: string,
): { readonly octets: Buffer; readonly root: ReturnType<typeof mimeOutline>['root'] } {
  const octets = Buffer.from(`${header}\r\n\r\n${body}`, 'latin1')
  return { octets, root: mimeOutline(octets).root }
}

function decoded(encoding: string, body: string): string {
  const { octets, root } = message(`Content-Transfer-Encoding: ${encoding}`, body)
  expect(decodedOctets(octets, root)).toBe(decodePart(octets, root).length)
  return decodePart(octets, root).toString('latin1')
}

const text = (header: string, body: string, limits = MAIL_LIMITS): string => {
  const { octets, root } = message(header, body)
  return textOfPart(octets, root, limits)
}

describe('decodePart', () => {
  test.each([
    ['7bit', 'a=41\r\n', 'a=41\r\n'],
    ['base64', 'aGVs\r\nbG8=\r\n', 'hello'],
    ['base64', 'aGVs!!bG8', 'hello'],
    ['quoted-printable', 'a=41=3D=\r\nb', 'aA=b'],
    ['quoted-printable', 'a  \r\nb\t', 'a\r\nb'],
    ['quoted-printable', 'a= \t\r\nb\n', 'ab\n'],
    ['quoted-printable', '=e4=G1=4', '\xe4=G1=4'],
    ['quoted-printable', '=\r\n=\r\n=', ''],
    ['quoted-printable', '\r\n\n=\n', '\r\n\n'],
    ['x-uuencode', 'begin', 'begin'],
  ])('undoes %s of %j', (encoding, body, expected) => {
    expect(decoded(encoding, body)).toBe(expected)
  })

  test('gives what was encoded', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (array) => {
        const content = Buffer.from(array)
        const base64 = content.toString('base64').replace(/.{60}/g, '$&\r\n')
        expect(decoded('base64', base64)).toBe(content.toString('latin1'))
        const quoted = [...content].map((octet) => `=${octet.toString(16).padStart(2, '0')}`)
        expect(decoded('quoted-printable', quoted.join('').replace(/.{60}/g, '$&=\r\n'))).toBe(
          content.toString('latin1'),
        )
      }),
    )
  })
})

describe('textOfPart', () => {
  test.each([
    ['text/plain; charset=utf-8', 'Gr\xc3\xbc\xc3\x9fe', 'Grüße'],
    ['text/plain; charset=iso-8859-1', '100 \x80', '100 €'],
    ['text/plain; charset=koi8-r', '\xf0\xd2\xc9\xd7\xc5\xd4', 'Привет'],
    ['text/plain; charset=iso-2022-jp', '\x1b$B$F$9$H\x1b(B', 'てすと'],
    ['text/plain; charset=shift_jis', '\x82\xa0', 'あ'],
    ['text/plain; charset=hex', 'ab', 'ab'],
    ['text/plain; charset=nonsense', '\xe4', 'ä'],
    ['text/plain; charset=__proto__', 'x', 'x'],
    ['text/plain', '\xe4', 'ä'],
  ])('decodes %s', (type, body, expected) => {
    expect(text(`Content-Type: ${type}`, body)).toBe(expected)
  })

  test('keeps lines, and makes each harmless', () => {
    expect(text('X: y', 'one\r\n\r\n\x1b[31mred\x07\ntwo\rthree\r\n')).toBe(
      'one\n\n\\x1b[31mred\\x07\ntwo\nthree',
    )
  })

  test('expands tabs to the next stop', () => {
    expect(text('X: y', 'a\tb\t\tc\n\td')).toBe('a       b               c\n        d')
  })

  test('takes the tags out of HTML', () => {
    const html =
      '<html><head><title>t</title><style>p{}</STYLE></head><body><!-- c > --><p>Dear&nbsp;A &amp; B,\r\n<br>pay &#8364;5 &unknown; &lt;b&gt;<script>x("</p>")</script><td>1</td><td>2</td></body>'
    expect(text('Content-Type: text/html', html)).toBe('Dear A & B,\npay €5 &unknown; <b> 1 2')
  })

  test('makes harmless what HTML hides in entities', () => {
    expect(text('Content-Type: text/html', 'a&#27;[31m&#x202e;&#0;&#55296;')).toBe(
      'a\\x1b[31m\\u{202e}&#0;\\u{d800}',
    )
  })

  test('shows as many octets as the bound and says where there are more', () => {
    const limits = { ...MAIL_LIMITS, textOctets: 4 }
    expect(text('X: y', 'abcd', limits)).toBe('abcd')
    expect(text('X: y', 'abcde', limits)).toBe('abcd\n… (only the first 4 octets)')
    expect(text('Content-Transfer-Encoding: base64', 'YWJjZGU=', limits)).toBe(
      'abcd\n… (only the first 4 octets)',
    )
  })

  test('shows as many characters of a line as the bound', () => {
    const limits = { ...MAIL_LIMITS, lineCharacters: 4 }
    expect(text('X: y', 'abcd\nabcde', limits)).toBe('abcd\nabcd… (+1)')
  })

  const bombs: readonly (readonly [header: string, piece: string])[] = [
    ['Content-Type: text/html', '<style></STYLE>'],
    ['Content-Type: text/html', '<!--'],
    ['Content-Type: text/html', '&#'],
    ['Content-Type: text/plain', '\t'],
    ['Content-Type: text/plain', '\n'],
    ['Content-Type: text/plain', '\x1b'],
    ['Content-Transfer-Encoding: quoted-printable', '=\r\n'],
    ['Content-Transfer-Encoding: quoted-printable', ' '],
    ['Content-Transfer-Encoding: quoted-printable', '=41\r\n'],
  ]

  test.each(bombs)('costs the same for each octet up to the bound: %s, of %j', (header, piece) => {
    expectGrowth('linear', { from: MAIL_LIMITS.textOctets / 256, steps: 2 }, (size) => {
      const { octets, root } = message(header, piece.repeat(size / piece.length))
      return () => textOfPart(octets, root)
    })
  })

  test.each(bombs)('costs nothing for octets beyond the bound: %s, of %j', (header, piece) => {
    const limits = { ...MAIL_LIMITS, textOctets: 16_384 }
    expectGrowth('constant', { from: 131_072 }, (size) => {
      const { octets, root } = message(header, piece.repeat(size / piece.length))
      return () => textOfPart(octets, root, limits)
    })
  })

  test('gives harmless lines for any octets, charset and encoding', () => {
    const charset = fc.constantFrom(
      'utf-8',
      'utf-7',
      'utf-16',
      'utf-32',
      'iso-2022-kr',
      'big5',
      'gb18030',
      'hz-gb-2312',
      'x',
    )
    const encoding = fc.constantFrom('7bit', 'base64', 'quoted-printable')
    const type = fc.constantFrom('text/plain', 'text/html')
    fc.assert(
      fc.property(
        type,
        charset,
        encoding,
        fc.uint8Array({ maxLength: 100 }),
        (kind, name, transfer, array) => {
          const header = `Content-Type: ${kind}; charset=${name}\r\nContent-Transfer-Encoding: ${transfer}`
          const lines = text(header, Buffer.from(array).toString('latin1')).split('\n')
          for (const line of lines) expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
