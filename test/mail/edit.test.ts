import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { editHeaderSection, editMessage, type MessageEdit, reachOf } from '../../src/mail/edit.js'
import { headerEnd } from '../../src/mail/edit-header.js'
import { describeMessage } from '../../src/mail/message.js'
import { mimeOutline } from '../../src/mail/outline.js'
import { expectGrowth } from '../support/growth.js'
import { haveCorpus, readCorpus, realThing } from '../support/real.js'
import { run, temporaryDirectory } from '../support/tools.js'

const HEADER_EDITS: readonly MessageEdit[] = [
  { type: 'add-header', name: 'X-Seen', value: 'Grüße\r\n\r\nforged' },
  { type: 'set-header', name: 'Reply-To', value: 'nobody@example.org' },
  { type: 'remove-header', name: 'Received' },
  { type: 'tag-subject', tag: '[äußere]' },
]
const strip: MessageEdit = { type: 'strip-attachments', isMeant: () => true, text: 'Ä file was here.' }
const rename: MessageEdit = { type: 'rename-attachments', isMeant: () => true, suffix: '.blocked' }
const disarm: MessageEdit = { type: 'disarm-links' }
const replace: MessageEdit = { type: 'replace-text', replace: (text) => text.replaceAll('the', 'thé') }
const notice: MessageEdit = { type: 'notice', text: 'Not here:\nä' }
const TEXT_EDITS: readonly MessageEdit[] = [replace, disarm, rename]
const EVERY: readonly MessageEdit[] = [...HEADER_EDITS, replace, disarm, rename, strip, notice]

describe('reachOf', () => {
  test('is the message where an edit changes octets of the body', () => {
    expect(reachOf([])).toBe('nothing')
    expect(reachOf(HEADER_EDITS)).toBe('header')
    for (const edit of [strip, rename, disarm, replace, notice])
      expect(reachOf([...HEADER_EDITS, edit])).toBe('message')
  })
})

/** Comparing large buffers octet for octet by `toEqual` takes seconds. */
function expectSame(one: Buffer, other: Buffer, what: string): void {
  if (!one.equals(other)) expect(one.toString('latin1'), what).toBe(other.toString('latin1'))
}

describe('editMessage', () => {
  test('never fails, whatever the octets and edits are, and gives the same twice', () => {
    const line = fc.constantFrom(
      'Subject: a',
      'Content-Type: multipart/mixed; boundary=b',
      'Content-Type: multipart/signed; boundary="c"',
      'Content-Type: text/html; charset=x',
      'Content-Type: message/rfc822',
      'Content-Disposition: attachment; filename*0*=a',
      'Content-Transfer-Encoding: base64',
      'Content-Transfer-Encoding: quoted-printable',
      '--b',
      '--b--',
      '--c',
      '',
      '.',
      ' x',
      'dGhl',
      '=74he',
      'the',
      '<a href="http://a.b">',
      '\xff',
      '\0',
      '\r',
    )
    const message = fc.oneof(
      {
        weight: 5,
        arbitrary: fc
          .array(fc.tuple(line, fc.constantFrom('\r\n', '\r\n', '\n')), { maxLength: 25 })
          .map((lines) => Buffer.from(lines.flat().join(''), 'latin1')),
      },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)) },
    )
    fc.assert(
      fc.property(message, fc.array(fc.constantFrom(...EVERY), { maxLength: 5 }), (octets, edits) => {
        const before = Buffer.from(octets)
        const after = editMessage(octets, edits)
        expect(octets).toEqual(before)
        expect(editMessage(octets, edits)).toEqual(after)
        // What ends with a line end before the termination octet does so afterwards.
        if (octets.toString('latin1').endsWith('\r\n') && octets.length > 2 && after.length > 0)
          expect(after.toString('latin1')).toMatch(/\n$/)
        // One after the other is the same as together.
        expect(edits.reduce<Buffer>((whole, edit) => editMessage(whole, [edit]), octets)).toEqual(after)
      }),
      { numRuns: 3_000 },
    )
  })
})

describe.skipIf(!haveCorpus())('every mail of the corpus', () => {
  const corpus = haveCorpus()
    ? readCorpus().map(({ file, content }) => ({
        file,
        // As POP3 delivers it.
        content: Buffer.from(content.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1'),
      }))
    : []
  const leaves = (octets: Buffer): readonly string[] =>
    mimeOutline(octets)
      .parts.filter(({ children }) => children.length === 0)
      .map(({ path }) => path)
  const lines = (octets: Buffer): readonly string[] => octets.toString('latin1').split('\n')

  test('keeps its body and its other fields through edits of the header', () => {
    for (const { file, content } of corpus) {
      const end = headerEnd(content)
      const after = editMessage(content, HEADER_EDITS)
      const header = editHeaderSection(content.subarray(0, end), HEADER_EDITS)
      expectSame(after, Buffer.concat([header, content.subarray(end)]), file)
      const known = new Set(lines(content.subarray(0, end)))
      const fresh = lines(header).filter((line) => !known.has(line))
      // Three fields, the subject perhaps folded, perhaps repeated in another field of the header.
      expect(fresh.length, `${file}: ${fresh.join('\n')}`).toBeLessThanOrEqual(8)
    }
  })

  test('keeps its parts, and the octets of those that an edit does not mean', () => {
    let changes = 0
    for (const { file, content } of corpus)
      for (const edit of TEXT_EDITS) {
        const after = editMessage(content, [edit])
        const outline = mimeOutline(after)
        expect(
          outline.parts.map(({ path, type }) => [path, type]),
          file,
        ).toEqual(mimeOutline(content).parts.map(({ path, type }) => [path, type]))
        if (after !== content) changes += 1
        for (const [index, part] of mimeOutline(content).parts.entries()) {
          const other = outline.parts[index]
          if (part.children.length > 0 || other === undefined) continue
          const isText = part.type.startsWith('text/') && edit !== rename
          if (!isText)
            expectSame(
              after.subarray(other.bodyStart, other.bodyEnd),
              content.subarray(part.bodyStart, part.bodyEnd),
              file,
            )
        }
      }
    expect(changes).toBeGreaterThan(200)
  })

  test('keeps its leaves where attachments are stripped, and has none afterwards', () => {
    let changes = 0
    for (const { file, content } of corpus) {
      const { attachments } = describeMessage(content)
      const after = editMessage(content, [strip])
      expect(describeMessage(after).attachments, file).toEqual([])
      if (attachments.length === 0) expect(after === content, file).toBe(true)
      else changes += 1
      if (attachments.every(({ type }) => type !== 'message/rfc822'))
        expect(leaves(after), file).toEqual(leaves(content))
    }
    expect(changes).toBeGreaterThan(30)
  })

  test('goes through all edits, one behind the other, and becomes a notice', () => {
    for (const { file, content } of corpus) {
      const after = editMessage(content, EVERY)
      expect(describeMessage(after).text, file).toBe('Not here:\nä')
      expect(after.includes('[äußere]') || describeMessage(after).subject?.includes('[äußere]'), file).toBe(
        true,
      )
    }
  })

  test.skipIf(!realThing('python3'))(
    'is read by another reader with as many parts as before',
    async () => {
      const directory = temporaryDirectory('edit')
      try {
        const script = join(directory.path, 'read.py')
        writeFileSync(
          script,
          `import sys, json, email, email.policy
for line in sys.stdin:
    before, after = (email.message_from_bytes(bytes.fromhex(text)) for text in json.loads(line))
    shape = lambda message: [part.get_content_maintype() == 'multipart' for part in message.walk()]
    seen = str(email.header.make_header(email.header.decode_header(after['X-Seen'] or '')))
    print(json.dumps([shape(before) == shape(after), seen]))
`,
        )
        const some = corpus.filter(
          ({ content }) =>
            mimeOutline(content).defects.length === 0 &&
            describeMessage(content).header.defects.length === 0 &&
            content.length < 200_000,
        )
        const input = some
          .map(({ content }) =>
            JSON.stringify(
              [content, editMessage(content, [...HEADER_EDITS, replace, disarm, rename])].map((octets) =>
                octets.toString('hex'),
              ),
            ),
          )
          .join('\n')
        const { stdout, stderr } = await run('python3', [script], { input, limitMs: 60_000 })
        expect(stderr).toBe('')
        const read = stdout
          .toString()
          .trim()
          .split('\n')
          .map((line): unknown => JSON.parse(line))
        expect(read.length).toBe(some.length)
        expect(some.length).toBeGreaterThan(200)
        const wrong = some.filter(
          (_, index) => JSON.stringify(read[index]) !== JSON.stringify([true, 'Grüße    forged']),
        )
        expect(wrong.map(({ file }) => file)).toEqual([])
      } finally {
        directory.remove()
      }
    },
    90_000,
  )
})

describe('costs grow with the octets and no faster', () => {
  const nested = (levels: number): string =>
    Array.from(
      { length: levels },
      (_, n) => `Content-Type: multipart/mixed; boundary=b${n}\r\n\r\n--b${n}\r\n`,
    ).join('')
  test.each([
    ['parts within parts', 200, (count: number) => `${nested(count)}\r\nthe http://a.b\r\n`],
    [
      'messages within messages',
      200,
      (count: number) => 'Content-Type: message/rfc822\r\n\r\n'.repeat(count),
    ],
    ['text', 4_000, (count: number) => `\r\n${'the http://a.b/c '.repeat(count)}\r\n`],
    [
      'quoted-printable',
      4_000,
      (count: number) =>
        `Content-Transfer-Encoding: quoted-printable\r\n\r\n${'the=20http://a.b=\r\n'.repeat(count)}`,
    ],
    ['lines', 4_000, (count: number) => `\r\n${'the\r\n--\r\n'.repeat(count)}`],
    [
      'parameters',
      500,
      (count: number) => `Content-Disposition: attachment; ${'filename="a"; '.repeat(count)}\r\n\r\n`,
    ],
    [
      'quotes',
      4_000,
      (count: number) => `Content-Disposition: attachment; filename=${'"\\(;'.repeat(count)}\r\n\r\n`,
    ],
  ])('of %s', (_what, from, make) => {
    expectGrowth('linear', { from }, (count) => {
      const octets = Buffer.from(make(count))
      return () => EVERY.map((edit) => editMessage(octets, [edit]))
    })
  })

  test('of attachments', () => {
    expectGrowth('linear', { from: 50 }, (count) => {
      const part =
        '--b\r\nContent-Type: text/html\r\n\r\nthe http://a.b\r\n--b\r\nContent-Type: a/b; name=a\r\n\r\n'
      const octets = Buffer.from(
        `Content-Type: multipart/mixed; boundary=b\r\n\r\n${part.repeat(count)}--b--\r\n`,
      )
      return () => EVERY.map((edit) => editMessage(octets, [edit]))
    })
  })
})
