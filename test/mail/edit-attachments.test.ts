import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { unabridged } from '../../src/mail/abridged.js'
import { editMessage } from '../../src/mail/edit.js'
import { withAttachmentsRenamed } from '../../src/mail/edit-attachments.js'
import { EDIT_LIMITS } from '../../src/mail/limits.js'
import { type Attachment, describeMessage } from '../../src/mail/message.js'

const octets = (text: string): Buffer => Buffer.from(text, 'latin1')
const stripped = (
  message: string,
  isMeant: (attachment: Attachment) => boolean = () => true,
  text = 'Gone.',
): string => editMessage(octets(message), [{ type: 'strip-attachments', isMeant, text }]).toString('latin1')
const renamed = (message: string, suffix = '.txt'): string =>
  editMessage(octets(message), [{ type: 'rename-attachments', isMeant: () => true, suffix }]).toString(
    'latin1',
  )

const HEAD = 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n'
const INSTEAD = 'Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\nGone.'
const EXE = 'Content-Type: application/x-exe; name=a.exe\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA'

describe('strip-attachments', () => {
  test('puts a text in the place of what is meant, and touches nothing else', () => {
    const message = (part: string): string =>
      `${HEAD}--b\r\n\r\ntext\r\n--b\t\r\n${part}\r\n--b\r\nContent-Type: a/b; name=kept\r\n\r\nx\r\n--b--\r\nepilogue\r\n`
    const seen: unknown[] = []
    const after = stripped(message(EXE), (attachment) => {
      seen.push({ ...attachment, size: attachment.size })
      return attachment.name === 'a.exe'
    })
    expect(after).toBe(message(INSTEAD))
    expect(seen).toEqual([
      { path: '1.2', name: 'a.exe', type: 'application/x-exe', size: 3, files: [], isUnlisted: false },
      { path: '1.3', name: 'kept', type: 'a/b', size: 1, files: [], isUnlisted: false },
    ])
  })

  test.each([
    ['with an empty body', 'Content-Disposition: attachment\r\n\r\n'],
    ['whose header a boundary ends', 'Content-Disposition: attachment\r\n'],
    ['with a line that is no field in front', 'odd\r\nContent-Disposition: attachment\r\n\r\nx\r\n'],
  ])('keeps the boundaries around a part %s', (_what, part) => {
    const message = (some: string): string => `${HEAD}--b\r\n${some}--b\r\n\r\ntext\r\n--b--\r\n`
    expect(stripped(message(part))).toBe(message(`${INSTEAD}\r\n`))
  })

  test('keeps the fields of a message that is itself the attachment', () => {
    expect(
      stripped(
        'Subject: a\r\nContent-Type: a/b;\r\n name=c\r\nContent-Disposition: attachment\r\nX: y\r\n\r\nzzz\r\n',
      ),
    ).toBe(
      'Subject: a\r\nX: y\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\nGone.\r\n',
    )
    expect(stripped('Content-Type: a/b; name=c\r\n')).toBe(`MIME-Version: 1.0\r\n${INSTEAD}\r\n`)
  })

  test('finds attachments within forwarded and signed messages, and strips a forwarded message whole', () => {
    const forwarded = (part: string, header = ''): string =>
      `${HEAD}--b\r\nContent-Type: message/rfc822\r\n${header}\r\nSubject: inner\r\nMIME-Version: 1.0\r\n${part}\r\n--b--\r\n`
    expect(stripped(forwarded(EXE))).toBe(forwarded(INSTEAD))
    expect(stripped(forwarded(EXE, 'Content-Disposition: attachment\r\n'))).toBe(
      `${HEAD}--b\r\n${INSTEAD}\r\n--b--\r\n`,
    )
    const signed = (part: string): string => `${HEAD.replace('mixed', 'signed')}--b\r\n${part}\r\n--b--\r\n`
    expect(stripped(signed(EXE))).toBe(signed(INSTEAD))
  })

  test('says a text of any letters, in lines that are no boundary', () => {
    const after = stripped(`${HEAD}--b\r\n${EXE}\r\n--b--\r\n`, () => true, 'Größe\n--b\n.')
    expect(after).toBe(
      `${HEAD}--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=B6=C3=9Fe\r\n=2D-b\r\n.\r\n--b--\r\n`,
    )
  })
})

describe('rename-attachments', () => {
  const disposed = (field: string): string => `Content-Type: a/b\r\n${field}\r\n\r\nx\r\n`
  test.each([
    [
      'Content-Disposition: attachment; filename=a.exe',
      'Content-Disposition: attachment; filename="a.exe.txt"',
    ],
    [
      'Content-Disposition: attachment; filename=a.exe.txt',
      'Content-Disposition: attachment; filename="a.exe.txt"',
    ],
    [
      'content-disposition:attachment;\r\n\tFILENAME = "a b.exe" ;\r\n size=3',
      'content-disposition:attachment;\r\n\tfilename="a b.exe.txt";\r\n size=3',
    ],
    [
      'Content-Disposition: attachment;\r\n filename*0="a;";\r\n filename*1="b.exe";\r\n size=3',
      'Content-Disposition: attachment;\r\n filename="a;b.exe.txt";\r\n size=3',
    ],
    [
      "Content-Disposition: attachment; filename=x.exe; filename*=utf-8''%C3%A4.exe",
      "Content-Disposition: attachment; filename*=utf-8''%C3%A4.exe.txt",
    ],
    [
      'Content-Disposition: attachment; filename="=?utf-8?Q?=C3=A4.exe?="; size=1',
      "Content-Disposition: attachment; filename*=utf-8''%C3%A4.exe.txt; size=1",
    ],
    [
      'Content-Disposition: attachment; filename="a.exe',
      'Content-Disposition: attachment; filename="a.exe.txt"',
    ],
    [
      'Content-Disposition: attachment; filename="=?utf-8?Q?a=0D=0ABcc:_b?="',
      'Content-Disposition: attachment; filename="a  Bcc: b.txt"',
    ],
    ['Content-Disposition: attachment', 'Content-Disposition: attachment'],
  ])('makes of %j', (before, after) => {
    expect(renamed(disposed(before))).toBe(disposed(after))
  })

  test('changes every name that a header tells', () => {
    expect(
      renamed(
        'Content-Type: a/b; name=a.exe\r\nContent-Disposition: inline; filename=b.exe\r\nContent-Disposition: inline; filename=c.exe\r\n\r\n',
      ),
    ).toBe(
      'Content-Type: a/b; name="a.exe.txt"\r\nContent-Disposition: inline; filename="b.exe.txt"\r\nContent-Disposition: inline; filename="c.exe.txt"\r\n\r\n',
    )
  })

  test('folds before a name that is too long for its line, and cuts one beyond the bound', () => {
    const name = 'n'.repeat(60)
    expect(renamed(disposed(`Content-Disposition: attachment; filename=${name}`))).toBe(
      disposed(`Content-Disposition: attachment;\r\n filename="${name}.txt"`),
    )
    const limits = { ...EDIT_LIMITS, fileNameOctets: 5 }
    const change = (some: string): string =>
      withAttachmentsRenamed(
        unabridged(octets(disposed(`Content-Disposition: a; filename=${some}`))),
        () => true,
        '.x',
        limits,
      ).octets.toString()
    expect(change('abcde')).toContain('filename="abcde.x"')
    expect(change('abcdef')).toContain('filename="abcde.x"')
  })

  test('makes every reader read the suffix, whatever the field is', () => {
    const piece = fc.constantFrom(
      'filename',
      '*',
      '0',
      '1',
      '=',
      '"',
      ';',
      ' ',
      'a.exe',
      '\\',
      '(',
      ')',
      "utf-8''",
      '%41',
      '=?utf-8?Q?x?=',
      '\r\n ',
      'ä',
      'attachment',
      'name',
      ',',
      '<',
      '\0',
      '\r',
    )
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }),
        fc.constantFrom('Content-Disposition', 'Content-Type'),
        (pieces, field) => {
          const message = Buffer.from(`${field}: a/b; ${pieces.join('')}\r\nX: y\r\n\r\nbody\r\n`)
          const [before] = describeMessage(message).attachments
          const after = editMessage(message, [
            { type: 'rename-attachments', isMeant: () => true, suffix: '.safe' },
          ])
          const [attachment] = describeMessage(after).attachments
          if (before !== undefined && before.name !== '') expect(attachment?.name).toMatch(/\.safe$/)
          expect(after.toString('latin1')).toMatch(/\r\nX: y\r\n\r\nbody\r\n$/)
        },
      ),
      { numRuns: 3_000 },
    )
  })
})
