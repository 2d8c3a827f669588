import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { zipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { type Abridged, unabridged, wholeOctets } from '../../src/mail/abridged.js'
import { editAbridged, editMessage, type MessageEdit } from '../../src/mail/edit.js'
import { MAIL_LIMITS } from '../../src/mail/limits.js'
import { describeMessage } from '../../src/mail/message.js'
import { removeByteStuffing } from '../../src/pop3/encoder.js'
import { ABRIDGER_LIMITS, Abridger, type AbridgerLimits } from '../../src/relay/abridger.js'

const PLENTY = 1_000_000
const LIMITS: AbridgerLimits = {
  textOctets: PLENTY,
  otherOctets: 40,
  archiveEndOctets: 0,
  boundaryLines: 1_000,
}

function abridge(wire: Buffer, limits: AbridgerLimits = LIMITS, pieces: readonly Buffer[] = [wire]) {
  const abridger = new Abridger(limits)
  for (const piece of pieces) abridger.add(piece)
  return abridger.finish()
}

function abridged(wire: string, limits: AbridgerLimits = LIMITS): Abridged {
  const message = abridge(Buffer.from(wire, 'latin1'), limits)
  if (message === null) throw new Error('a gap in a header section')
  return message
}

/** What the message is with its gaps filled from what was received. */
function filled({ octets, gaps }: Abridged, wire: Buffer): Buffer {
  const pieces: Buffer[] = []
  let at = 0
  for (const gap of gaps) {
    const behindCrlf = gap.source.start === 0 || wire.toString('latin1', 0, gap.source.start).endsWith('\r\n')
    const missing = Buffer.concat([
      Buffer.from(behindCrlf ? '\r\n' : 'x\n'),
      wire.subarray(gap.source.start, gap.source.end),
    ])
    const plain = removeByteStuffing(missing).subarray(2)
    expect(plain.length).toBe(gap.octets)
    pieces.push(octets.subarray(at, gap.at), plain)
    at = gap.at
  }
  return Buffer.concat([...pieces, octets.subarray(at)])
}

function split(wire: Buffer, sizes: readonly number[]): readonly Buffer[] {
  const pieces: Buffer[] = []
  let at = 0
  for (let index = 0; at < wire.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1
    // A copy each, as octets of a socket are.
    pieces.push(Buffer.from(wire.subarray(at, at + size)))
    at += size
  }
  return pieces
}

const BASE64_LINE = `${'QUJD'.repeat(19)}\r\n`
const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 6 })
const lineEnd = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n')
const anyLine = fc.constantFrom(
  '',
  '.',
  '..',
  '..x',
  '.--x',
  '--',
  '-- ',
  '--b',
  '--b--',
  '--c',
  '--c--',
  'a cat',
  'x'.repeat(90),
  'QUJD',
  'QUI=',
  'QQ==',
  'Content-Type: image/png',
  'Content-Type: text/plain',
  'Content-Type: multipart/mixed; boundary=b',
  'Content-Type: multipart/mixed; boundary=c',
  'Content-Type: message/rfc822',
  'Content-Transfer-Encoding: base64',
  'Content-Transfer-Encoding: quoted-printable',
  'Content-Disposition: attachment; filename=a.png',
  'a=3D=',
  ' folded',
)
const anyMessage = fc
  .array(fc.tuple(anyLine, lineEnd), { maxLength: 80 })
  .chain((lines) =>
    fc
      .constantFrom('', 'x', '.')
      .map((end) => Buffer.from(lines.map((line) => line.join('')).join('') + end, 'latin1')),
  )

/** What a MIME writer writes: each part whole, texts without lines that a boundary could be. */
const leaf = fc.record({
  type: fc.constantFrom(
    'text/plain',
    'text/html',
    'image/png',
    'application/zip',
    'application/octet-stream',
  ),
  encoding: fc.constantFrom('7bit', 'base64', 'quoted-printable'),
  name: fc.constantFrom(null, 'a.png', 'b.exe', 'c.zip'),
  lines: fc.array(
    fc.constantFrom(
      'QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=',
      'QUJDRA',
      'QUJDRA==',
      'a cat',
      '..stuffed',
      'x=41=',
      '=',
      'link http://a.example/',
      '',
    ),
    { maxLength: 30 },
  ),
})
type Leaf = typeof leaf extends fc.Arbitrary<infer Value> ? Value : never

function partOf({ type, encoding, name, lines }: Leaf): string {
  const disposition = name === null ? '' : `Content-Disposition: attachment; filename=${name}\r\n`
  const body = lines.map((line) => `${line}\r\n`).join('')
  return `Content-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n${disposition}\r\n${body}`
}

function multipart(parts: readonly string[], boundary: string): string {
  const all = parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')
  return `Content-Type: multipart/mixed; boundary=${boundary}\r\n\r\npreamble\r\n${all}--${boundary}--\r\n`
}

const inner = fc.oneof(
  leaf.map(partOf),
  fc.array(leaf, { minLength: 1, maxLength: 3 }).map((leaves) => multipart(leaves.map(partOf), 'c')),
  leaf.map((one) => `Content-Type: message/rfc822\r\n\r\nSubject: within\r\n${partOf(one)}`),
)
const message = fc
  .oneof(
    leaf.map(partOf),
    fc.array(inner, { minLength: 1, maxLength: 4 }).map((parts) => multipart(parts, 'b')),
  )
  .map((body) => Buffer.from(`Subject: a mail\r\nFrom: a@example.org\r\n${body}`, 'latin1'))

const edit = fc.constantFrom<MessageEdit>(
  { type: 'tag-subject', tag: '[a tag]' },
  { type: 'add-header', name: 'X-Added', value: 'value' },
  { type: 'remove-header', name: 'From' },
  { type: 'replace-text', replace: (text) => text.replaceAll('cat', 'a very long dog') },
  { type: 'strip-attachments', isMeant: ({ name }) => name === 'b.exe', text: 'taken away' },
  { type: 'strip-attachments', isMeant: ({ size }) => size > 100, text: 'too large' },
  { type: 'rename-attachments', isMeant: ({ type }) => type === 'application/zip', suffix: '.txt' },
  { type: 'disarm-links' },
  { type: 'notice', text: 'not here' },
)

describe('an abridged message', () => {
  test('with its gaps filled is the message, however it is torn and whatever its lines are', () => {
    fc.assert(
      fc.property(anyMessage, sizes, fc.integer({ min: 1, max: 60 }), (wire, pieces, textOctets) => {
        const limits = { textOctets, otherOctets: 10, archiveEndOctets: 0, boundaryLines: 1_000 }
        const whole = abridge(wire, limits)
        expect(abridge(wire, limits, split(wire, pieces))).toEqual(whole)
        if (whole === null) return
        const plain = removeByteStuffing(wire)
        expect(filled(whole, wire).equals(plain)).toBe(true)
        expect(wholeOctets(whole)).toBe(plain.length)
      }),
      { numRuns: 2_000 },
    )
  })

  test('is described as the whole is, sizes of attachments included', () => {
    let gaps = 0
    fc.assert(
      fc.property(message, sizes, (wire, pieces) => {
        const plain = removeByteStuffing(wire)
        const one = abridge(wire, LIMITS, split(wire, pieces)) ?? unabridged(plain)
        gaps += one.gaps.length
        const expected = describeMessage(plain)
        const described = describeMessage(one.octets, MAIL_LIMITS, one.gaps)
        expect(described.octets).toBe(expected.octets)
        expect(described.body).toBe(expected.body)
        expect(described.attachments.map((each) => ({ ...each }))).toEqual(
          expected.attachments.map((each) => ({ ...each })),
        )
      }),
      { numRuns: 1_000 },
    )
    expect(gaps).toBeGreaterThan(200)
  })

  test('edited and then filled is what the whole is, edited', () => {
    let changed = 0
    fc.assert(
      fc.property(message, fc.array(edit, { maxLength: 4 }), (wire, edits) => {
        const one = abridged(wire.toString('latin1'))
        const edited = editAbridged(one, edits)
        const expected = editMessage(removeByteStuffing(wire), edits)
        expect(filled(edited, wire).toString('latin1')).toBe(expected.toString('latin1'))
        if (edited.gaps.length > 0 && edited !== one) changed += 1
      }),
      { numRuns: 2_000 },
    )
    expect(changed).toBeGreaterThan(100)
  })

  test('keeps texts up to the bound, and has a gap one line past it', () => {
    const line = 'x'.repeat(8)
    const text = (lines: number): string => `Subject: a\r\n\r\n${`${line}\r\n`.repeat(lines)}`
    const limits = { textOctets: 50, otherOctets: 10, archiveEndOctets: 0, boundaryLines: 1_000 }
    // Five lines are within it; the sixth is behind it, and two always stay.
    expect(abridged(text(7), limits).gaps).toEqual([])
    expect(abridged(text(8), limits).gaps).toMatchObject([{ octets: 10, decoded: 10, encoding: '7bit' }])
  })

  test('keeps the header section, however long, and that of a message within', () => {
    const field = `X-Long: ${'x'.repeat(200)}\r\n`.repeat(20)
    const wire = `${field}Content-Type: message/rfc822\r\n\r\n${field}Content-Type: image/png\r\n\r\n${BASE64_LINE.repeat(9)}`
    const { octets, gaps } = abridged(wire)
    expect(octets.toString('latin1')).toContain(`${field}Content-Type: image/png\r\n\r\n`)
    expect(gaps).toMatchObject([{ octets: 6 * BASE64_LINE.length }])
  })

  test('is none where readers differ in what is a header section, and lines of one would be missing', () => {
    const wire = `Content-Type: message/rfc822\r\n--x\r\nContent-Type: image/png\r\n\r\n${'X-Field: value\r\n'.repeat(20)}`
    expect(abridge(Buffer.from(wire))).toBeNull()
  })

  test('tells the names in a large archive, from its end', () => {
    const noise = randomBytes(900_000)
    for (let more = 0; more < 6; more += 1) {
      const files = { 'a film.avi': noise.subarray(more), 'b/setup.exe': Buffer.from('x') }
      const zip = Buffer.from(zipSync(files, { level: 0 })).toString('base64')
      const lines = zip.replace(/.{76}/g, (line) => `${line}\r\n`)
      const header = 'Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n'
      const disposition = 'Content-Disposition: attachment; filename=a.zip\r\n'
      const wire = Buffer.from(`${multipart([`${header}${disposition}\r\n${lines}\r\n`], 'b')}`)
      for (const pieces of [[wire.length], [1_448], [70_000, 3]]) {
        const one = abridge(wire, ABRIDGER_LIMITS, split(wire, pieces)) ?? unabridged(wire)
        expect(one.gaps).toHaveLength(1)
        expect(one.octets.length).toBeLessThan(300_000)
        const [attachment] = describeMessage(one.octets, MAIL_LIMITS, one.gaps).attachments
        const [whole] = describeMessage(wire).attachments
        expect({ ...attachment }).toEqual({ ...whole })
        expect(attachment?.files).toEqual(['a film.avi', 'b/setup.exe'])
      }
    }
  })

  test('of an archive whose directory is not at hand says that its names are not known', () => {
    const files = Object.fromEntries(
      Array.from({ length: 50 }, (_, at) => [`setup-${at}.exe`, randomBytes(400)]),
    )
    const zip = Buffer.from(zipSync(files, { level: 0 })).toString('base64')
    const lines = zip.replace(/.{76}/g, (line) => `${line}\r\n`)
    const header = 'Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n'
    const one = abridged(`${header}Content-Disposition: attachment; filename=a.zip\r\n\r\n${lines}\r\n`)
    expect(one.gaps).toHaveLength(1)
    const [attachment] = describeMessage(one.octets, MAIL_LIMITS, one.gaps).attachments
    expect(attachment).toMatchObject({ files: [], isUnlisted: true })
  })

  test('has gaps up to the bound of lines that could be boundaries, and none behind it', () => {
    const picture = `--x\r\nContent-Type: image/png\r\n\r\n${BASE64_LINE.repeat(9)}`
    const limits = { ...LIMITS, boundaryLines: 3 }
    expect(abridged(picture.repeat(3), limits).gaps).toHaveLength(3)
    expect(abridged(picture.repeat(6), limits).gaps).toHaveLength(3)
  })

  test('does not change a text that is not all here, and says nothing of a text that a picture pretended to be', () => {
    const hidden = `Content-Type: text/plain\r\n\r\na cat\r\n--x\r\nContent-Type: image/png\r\n\r\n${'a cat\r\n'.repeat(20)}`
    const one = abridged(`Subject: a\r\n${hidden}`)
    expect(one.gaps).toHaveLength(1)
    const replace: MessageEdit = { type: 'replace-text', replace: (text) => text.replaceAll('cat', 'dog') }
    expect(editAbridged(one, [replace])).toBe(one)
    expect(
      editAbridged(unabridged(removeByteStuffing(Buffer.from(`Subject: a\r\n${hidden}`))), [
        replace,
      ]).octets.toString(),
    ).not.toContain('cat')
  })

  test('holds as much as it keeps, a line that does not end, and no more', () => {
    const abridger = new Abridger(LIMITS)
    abridger.add(Buffer.from('Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n'))
    for (let lines = 0; lines < 1_000; lines += 1) abridger.add(Buffer.from(BASE64_LINE))
    expect(abridger.octets).toBeLessThan(10 * BASE64_LINE.length)
    for (let pieces = 0; pieces < 1_000; pieces += 1) abridger.add(Buffer.from('QUJD'))
    expect(abridger.octets).toBeGreaterThan(4_000)
  })
})
