import fc from 'fast-check'
import iconv from 'iconv-lite'
import { describe, expect, test } from 'vitest'
import { unabridged } from '../../src/mail/abridged.js'
import { editMessage } from '../../src/mail/edit.js'
import { withTextReplaced } from '../../src/mail/edit-text.js'
import { EDIT_LIMITS } from '../../src/mail/limits.js'
import { mimeOutline } from '../../src/mail/outline.js'
import { decodePart, textOfPart } from '../../src/mail/part.js'

const octets = (text: string): Buffer => Buffer.from(text, 'latin1')
const replaced = (message: string, from: string, to: string): string =>
  editMessage(octets(message), [
    { type: 'replace-text', replace: (text) => text.replaceAll(from, to) },
  ]).toString('latin1')
const disarmed = (message: string): string =>
  editMessage(octets(message), [{ type: 'disarm-links' }]).toString('latin1')

const MIME = 'MIME-Version: 1.0\r\n'

describe('replace-text', () => {
  test('changes the body of a message that is plain text, and nothing else', () => {
    expect(replaced('Subject: red\r\n\r\nred\r\n-- \r\nme\r\n', 'red', 'blue')).toBe(
      'Subject: red\r\n\r\nblue\r\n-- \r\nme\r\n',
    )
  })

  test.each([
    [
      'base64, wrapped anew',
      `Content-Transfer-Encoding: base64\r\n\r\n${octets('red '.repeat(20)).toString('base64')}\r\n`,
      `Content-Transfer-Encoding: base64\r\n\r\n${octets('blue '.repeat(20)).toString('base64').replace(/.{76}/g, '$&\r\n')}\r\n`,
    ],
    [
      'quoted-printable',
      'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe re=\r\nd=20\r\n--x=3D\r\n',
      'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe blue=20\r\n=2D-x=3D\r\n',
    ],
    [
      '8bit in the charset that it had',
      'Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xfc red\r\n',
      'Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xfc blue\r\n',
    ],
    ['lines that end with LF', 'A: b\n\nred\nred\n', 'A: b\n\nblue\nblue\n'],
  ])('keeps %s', (_what, before, after) => {
    expect(replaced(before, 'red', 'blue')).toBe(after)
  })

  test('names another charset and encoding where the text needs them, each in its own field', () => {
    expect(
      replaced(
        `${MIME}X: y\r\nContent-Type: TEXT/plain;\r\n\tformat=flowed; charset="US-ASCII" (old);\r\n delsp=yes\r\n\r\nred\r\n`,
        'red',
        'grün',
      ),
    ).toBe(
      `${MIME}X: y\r\nContent-Type: TEXT/plain;\r\n\tformat=flowed; charset=utf-8;\r\n delsp=yes\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ngr=C3=BCn\r\n`,
    )
    expect(replaced('Subject: a\r\n\r\nred\r\n', 'red', 'ü')).toBe(
      'Subject: a\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n\r\n=C3=BC\r\n',
    )
    expect(
      replaced(
        `${MIME}Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xfc red\r\n`,
        'red',
        '€',
      ),
    ).toBe(
      `${MIME}Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xbc \xe2\x82\xac\r\n`,
    )
    // Under this name this sender writes windows-1252 already.
    expect(replaced('Content-Type: text/plain; charset=iso-8859-1\r\n\r\n\x93red\x94\r\n', 'red', '€')).toBe(
      'Content-Type: text/plain; charset=iso-8859-1\r\n\r\n\x93\x80\x94\r\n',
    )
  })

  test('goes to quoted-printable for lines that are too long, at the bound and one past it', () => {
    const head = `${MIME}\r\n`
    expect(replaced(`${head}red\r\n`, 'red', 'x'.repeat(996))).toBe(`${head}${'x'.repeat(996)}\r\n`)
    expect(replaced(`${head}red\r\n`, 'red', 'x'.repeat(998))).not.toContain('x'.repeat(77))
  })

  test('makes no boundary, NUL or bare line end of a replacement', () => {
    const message = `${MIME}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nred\r\n-- \r\n--b--\r\n`
    const after = replaced(message, 'red', 'x\n--b\r\n\r\nforged\0')
    expect(after).toContain('\r\nx\r\n=2D-b\r\n\r\nforged=20\r\n=2D-=20\r\n--b--\r\n')
    expect(mimeOutline(octets(after)).parts.length).toBe(2)
    expect(replaced(message, 'red', 'blue')).toBe(message.replace('red', 'blue'))
  })

  test('changes each text part in its place, not attachments, signed parts and what lies between parts', () => {
    const message = (word: string): string =>
      `${MIME}Content-Type: multipart/mixed; boundary=b\r\n\r\nred preamble\r\n--b\r\n\r\n${word}\r\n--b \r\nContent-Type: text/html\r\n\r\n<b>${word}</b>\r\n--b\r\nContent-Type: text/plain; name=red.txt\r\n\r\nred\r\n--b\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\nred\r\n--s--\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: red\r\n\r\n${word}\r\n--b--\r\nred epilogue\r\n`
    expect(replaced(message('red'), 'red', 'blue')).toBe(message('blue'))
  })

  test.each([
    ['of an unknown charset', 'Content-Type: text/plain; charset=x-none\r\n\r\nred\r\n'],
    ['of an encoding that is none', 'Content-Transfer-Encoding: x-uuencode\r\n\r\nred\r\n'],
    ['with more behind its base64', 'Content-Transfer-Encoding: base64\r\n\r\ncmVk\r\nZA==\r\ncmVk\r\n'],
    ['not of its charset', 'Content-Type: text/plain; charset=utf-8\r\n\r\nred \xff\x81\r\n'],
    ['without header section', 'red\r\n'],
  ])('leaves a part %s', (_what, message) => {
    expect(replaced(message, 'red', 'blue')).toBe(message)
  })

  test('takes base64 with what is to be ignored in it', () => {
    expect(replaced('Content-Transfer-Encoding: base64\r\n\r\n!cm\r\nVk.=\r\n', 'red', 'blue')).toBe(
      'Content-Transfer-Encoding: base64\r\n\r\nYmx1ZQ==\r\n',
    )
  })

  test('leaves a text beyond the bound', () => {
    const limits = { ...EDIT_LIMITS, textOctets: 8 }
    const change = (body: string) =>
      withTextReplaced(unabridged(octets(`\r\n${body}`)), () => 'new\r\n', limits).octets.toString('latin1')
    expect(change('123456\r\n')).toBe('\r\nnew\r\n')
    expect(change('1234567\r\n')).toBe('\r\n1234567\r\n')
  })

  test('hands back the same octets where nothing changes', () => {
    const message = octets('Subject: a\r\n\r\nred\r\n')
    expect(editMessage(message, [{ type: 'replace-text', replace: (text) => text }])).toBe(message)
  })

  test('is read as the text that was meant, in whatever charset and encoding it came', () => {
    const charset = fc.constantFrom(
      'us-ascii',
      'utf-8',
      'iso-8859-1',
      'windows-1251',
      'shift_jis',
      'gb2312',
      'iso-2022-jp',
      'koi8-r',
      'utf-7',
      'iso-8859-15',
    )
    const encoding = fc.constantFrom('7bit', '8bit', 'base64', 'quoted-printable')
    const word = fc.string({
      unit: fc.constantFrom('a', ' ', 'ä', 'Ж', '日', '€', '😀', '=', '-', '.'),
      maxLength: 100,
    })
    fc.assert(
      fc.property(
        charset,
        encoding,
        fc.array(word, { maxLength: 4 }),
        word,
        (named, transfer, lines, added) => {
          const text = `${lines.join('\r\n')}|\r\n`
          const content = iconv.encodingExists(named) ? iconv.encode(text, named) : octets('a|\r\n')
          const body =
            transfer === 'base64'
              ? octets(`${content.toString('base64')}\r\n`)
              : transfer === 'quoted-printable'
                ? octets(
                    `${[...content].map((octet) => `=${octet.toString(16).padStart(2, '0')}=\r\n`).join('')}\r\n`,
                  )
                : content
          const message = Buffer.concat([
            octets(
              `${MIME}Content-Type: text/plain; charset=${named}\r\nContent-Transfer-Encoding: ${transfer}\r\n\r\n`,
            ),
            body,
          ])
          const before = textOfPart(message, mimeOutline(message).root)
          const after = editMessage(message, [
            { type: 'replace-text', replace: (found) => found.replaceAll('|', `<${added}>`) },
          ])
          const { root } = mimeOutline(after)
          expect(textOfPart(after, root)).toBe(before.replaceAll('|', () => `<${added}>`))
          if (root.encoding !== '8bit' && transfer !== '7bit')
            expect(after.subarray(root.bodyStart).toString('latin1')).toMatch(/^[\x00-\x7f]*$/)
          if (root.encoding === 'quoted-printable')
            for (const line of after.subarray(root.bodyStart).toString('latin1').split('\r\n'))
              expect(line.length).toBeLessThanOrEqual(76)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  test('gives the octets back that it encodes as quoted-printable', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('a', ' ', '\t', '=', '.', '-', '\r\n', '\x7f', '~'),
          maxLength: 300,
        }),
        (text) => {
          const message = octets('Content-Transfer-Encoding: quoted-printable\r\n\r\nred\r\n')
          const { octets: after } = withTextReplaced(unabridged(message), () => `${text}|`)
          expect(decodePart(after, mimeOutline(after).root).toString('latin1')).toBe(`${text}|`)
        },
      ),
    )
  })
})

describe('disarm-links', () => {
  test('disarms in text and in HTML, named ones too, and not in attachments and signed parts', () => {
    const part = (header: string, body: string): string => `--b\r\n${header}\r\n${body}\r\n`
    const message = (host: string): string =>
      `${MIME}Content-Type: multipart/mixed; boundary=b\r\n\r\n` +
      part('', `see ${host}/a.b`) +
      part('Content-Type: text/html; name=a.html\r\n', `<a href="${host}">x</a>`) +
      part('Content-Type: text/plain\r\nContent-Disposition: attachment\r\n', 'http://a.b') +
      part('Content-Type: multipart/signed; boundary=s\r\n', '--s\r\n\r\nhttp://a.b\r\n--s--') +
      '--b--\r\n'
    expect(disarmed(message('http://a.b'))).toBe(message('hxxp://a[.]b'))
  })

  test.each([
    'Content-Type: text/plain; charset=x-none\r\n\r\n\xff http://a.b\r\n',
    'Content-Type: text/plain; charset=utf-8\r\n\r\n\xff\x81 http://a.b\r\n',
  ])('disarms in octets of which nobody knows the charset: %j', (message) => {
    expect(disarmed(message)).toBe(message.replace('http://a.b', 'hxxp://a[.]b'))
  })
})
