import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { editMessage, noticeOf } from '../../src/mail/edit.js'
import { headerEnd } from '../../src/mail/edit-header.js'
import { readHeader } from '../../src/mail/header.js'
import { EDIT_LIMITS } from '../../src/mail/limits.js'
import { describeMessage } from '../../src/mail/message.js'

const octets = (text: string): Buffer => Buffer.from(text, 'latin1')
const notice = (section: string, text = 'Gone.', limits = EDIT_LIMITS): string =>
  noticeOf(octets(section), text, limits).toString('latin1')
const PLAIN =
  'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n'

describe('noticeOf', () => {
  test('keeps who wrote to whom about what, as it is, and nothing else', () => {
    const kept =
      'from:a@b\r\nTo: c@d,\r\n\te@f\r\nCc: g@h\r\nDate: x\r\nSUBJECT: \xe4  =?utf-8?q?b?=\r\nMessage-ID: <i>\r\nIn-Reply-To: <j>\r\nReferences: <k>\r\n'
    const section = `Received: x\r\n${kept}From: second@b\r\nContent-Type: multipart/mixed\r\nX: y\r\nodd\r\n\r\n`
    expect(notice(section)).toBe(`${kept}${PLAIN}Gone.\r\n`)
  })

  test.each([
    ['a bare CR', 'Subject: a\rb\r\n\r\n', ''],
    ['NUL', 'Subject: a\0b\r\n\r\n', ''],
    ['lines of a file', 'Subject: a\n b\n\n', 'Subject: a\r\n b\r\n'],
    ['no line end', 'Subject: a', 'Subject: a\r\n'],
    ['nothing', '', ''],
  ])('makes sound lines of a field with %s', (_what, section, kept) => {
    expect(notice(section)).toBe(`${kept}${PLAIN}Gone.\r\n`)
  })

  test('leaves out a field beyond the bound', () => {
    const limits = { ...EDIT_LIMITS, noticeFieldOctets: 12 }
    expect(notice('Subject: a\r\n\r\n', '', limits)).toBe(`Subject: a\r\n${PLAIN}\r\n`)
    expect(notice('Subject: ab\r\n\r\n', '', limits)).toBe(`${PLAIN}\r\n`)
  })

  test('wraps its text, keeps its lines, and encodes what is not ASCII', () => {
    expect(notice('\r\n', `${'word '.repeat(17)}\n\nend`)).toBe(
      `${PLAIN}${'word '.repeat(14)}word\r\nword word \r\n\r\nend\r\n`,
    )
    expect(notice('\r\n', 'Grüße')).toContain(
      'charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n',
    )
    expect(notice('\r\n', 'x'.repeat(998))).toContain('7bit')
    expect(notice('\r\n', 'x'.repeat(999))).toContain('quoted-printable')
  })

  test('is the same of a message as of its header section, and a sound message whatever comes', () => {
    const line = fc.constantFrom(
      'From: a',
      'Subject: =?utf-8?q?a=0D=0Ab?=',
      'To: a,',
      ' b',
      'odd',
      'Date:',
      '\r',
      'Cc: \0',
      '.',
      'X: y',
      '',
    )
    const message = fc
      .array(fc.tuple(line, fc.constantFrom('\r\n', '\n', '\r')), { maxLength: 15 })
      .map((lines) => octets(lines.flat().join('')))
    fc.assert(
      fc.property(message, fc.string({ unit: 'binary', maxLength: 200 }), (whole, text) => {
        const section = whole.subarray(0, headerEnd(whole))
        const made = noticeOf(section, text)
        expect(editMessage(whole, [{ type: 'notice', text }])).toEqual(made)
        expect(readHeader(made).defects).toEqual([])
        expect(made.toString('latin1')).toMatch(/^(?:[^\r\n\0]*\r\n)*$/)
        expect(describeMessage(made).outline.parts.length).toBe(1)
        expect(noticeOf(made.subarray(0, headerEnd(made)), text)).toEqual(made)
      }),
      { numRuns: 1_000 },
    )
  })
})
