import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAIL_LIMITS } from '../../src/mail/limits.js'
import { type MimePart, mimeOutline } from '../../src/mail/outline.js'
import { expectGrowth } from '../support/growth.js'

const octets = (text: string): Buffer => Buffer.from(text, 'latin1')
const multipart = (boundary: string, ...parts: readonly string[]): string =>
  `Content-Type: multipart/mixed; boundary="${boundary}"\r\n\r\n${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\n`

/** Path, type and body of each part. */
function outlineOf(message: string): readonly string[] {
  return mimeOutline(octets(message)).parts.map(
    ({ path, type, bodyStart, bodyEnd, children }) =>
      `${path} ${type}${children.length > 0 ? '' : ` ${JSON.stringify(message.slice(bodyStart, bodyEnd))}`}`,
  )
}

describe('mimeOutline', () => {
  test('is one part where there is no multipart', () => {
    expect(outlineOf('Subject: x\r\n\r\nbody\r\n--b\r\n')).toEqual(['1 text/plain "body\\r\\n--b\\r\\n"'])
  })

  test('finds parts within parts, without the line end before a boundary', () => {
    const inner = multipart(
      'in',
      'Content-Type: text/plain\r\n\r\none\r\n',
      'Content-Type: text/html\r\n\r\n<p>',
    )
    expect(outlineOf(multipart('out', inner, 'Content-Type: Image/PNG\r\n\r\n\x89PNG'))).toEqual([
      '1 multipart/mixed',
      '1.1 multipart/mixed',
      '1.1.1 text/plain "one\\r\\n"',
      '1.1.2 text/html "<p>"',
      '1.2 image/png "\x89PNG"',
    ])
  })

  test('keeps preamble and epilogue out of the parts', () => {
    const message = `Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\nx\r\n--b--\r\nepilogue\r\n--c\r\n`
    expect(outlineOf(message)).toEqual(['1 multipart/mixed', '1.1 text/plain "x"'])
  })

  test('tells a boundary from a longer one that begins alike, and takes blanks behind it', () => {
    const message = `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b \t\r\n\r\n--b2\r\n--bx--\r\n--b--\r\n`
    expect(outlineOf(message)).toEqual(['1 multipart/mixed', '1.1 text/plain "--b2\\r\\n--bx--"'])
  })

  test('ends an inner multipart that never closes at the boundary around it', () => {
    const inner = 'Content-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\none'
    const message = multipart('out', inner, '\r\ntwo')
    expect(outlineOf(message)).toEqual([
      '1 multipart/mixed',
      '1.1 multipart/mixed',
      '1.1.1 text/plain "one"',
      '1.2 text/plain "two"',
    ])
    expect(mimeOutline(octets(message)).defects).toEqual(['boundary-never-closed'])
  })

  test('ends a header section that a boundary cuts', () => {
    const message = 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\n:Subject: x\r\n--b\n\nrest'
    expect(outlineOf(message)).toEqual(['1 multipart/mixed', '1.1 text/plain ""', '1.2 text/plain "rest"'])
  })

  test('looks into a forwarded message, and takes the parts of a digest for messages', () => {
    const forwarded = 'Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nhello'
    expect(outlineOf(multipart('b', forwarded))).toEqual([
      '1 multipart/mixed',
      '1.1 message/rfc822',
      '1.1.1 text/plain "hello"',
    ])
    const digest = multipart('b', '\r\nSubject: inner\r\n\r\nhello').replace('mixed', 'digest')
    expect(outlineOf(digest)).toEqual([
      '1 multipart/digest',
      '1.1 message/rfc822',
      '1.1.1 text/plain "hello"',
    ])
  })

  test('says what a part claims to be, harmless', () => {
    const header =
      'Content-Type: text/plain; charset=UTF-8; name="old"\r\nContent-Transfer-Encoding: Base64 (x)\r\n' +
      'Content-Disposition: Attachment; filename="=?utf-8?Q?a=1Bb.txt?="\r\n\r\n'
    expect(mimeOutline(octets(header)).root).toMatchObject({
      type: 'text/plain',
      charset: 'utf-8',
      encoding: 'base64',
      name: 'a\\x1bb.txt',
      disposition: 'attachment',
    })
    expect(mimeOutline(octets('Content-Type: nonsense\r\n\r\n')).root).toMatchObject({
      type: 'text/plain',
      charset: null,
      encoding: '7bit',
      name: null,
      disposition: null,
    })
  })

  test.each([
    ['no-boundary', 'Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nx\r\n'],
    ['no-parts', 'Content-Type: multipart/mixed; boundary=b\r\n\r\nx\r\n--b--\r\n'],
    ['boundary-never-closed', 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n'],
  ])('reports %s', (defect, message) => {
    expect(mimeOutline(octets(message)).defects).toEqual([defect])
  })
})

describe('bounds', () => {
  test('of parts hold at the bound and leave out one more', () => {
    const message = (parts: number) => octets(multipart('b', ...Array.from({ length: parts }, () => '\r\nx')))
    const limits = { ...MAIL_LIMITS, parts: 4 }
    expect(mimeOutline(message(3), limits)).toMatchObject({ parts: { length: 4 }, defects: [] })
    expect(mimeOutline(message(4), limits)).toMatchObject({
      parts: { length: 4 },
      defects: ['too-many-parts'],
    })
  })

  test('of depth hold at the bound and leave one more closed', () => {
    const nested = (levels: number): string =>
      levels === 0 ? '\r\nx' : multipart(`b${levels}`, nested(levels - 1))
    const limits = { ...MAIL_LIMITS, depth: 3 }
    expect(mimeOutline(octets(nested(3)), limits)).toMatchObject({ parts: { length: 4 }, defects: [] })
    expect(mimeOutline(octets(nested(4)), limits)).toMatchObject({
      parts: { length: 4 },
      defects: ['too-deep'],
    })
  })

  test('of boundary lines hold at the bound and stop one later', () => {
    const message = (lines: number) => octets(multipart('b', `\r\n${'--\r\n'.repeat(lines)}`))
    const limits = { ...MAIL_LIMITS, boundaryLines: 5 }
    expect(mimeOutline(message(3), limits).defects).toEqual([])
    expect(mimeOutline(message(4), limits).defects).toContain('too-many-boundary-lines')
  })

  // A chain of multiparts, each in the one before, none of which ends.
  const chain = (levels: number): string =>
    Array.from(
      { length: levels },
      (_, n) => `Content-Type: multipart/mixed; boundary=b${n}\r\n\r\n--b${n}\r\n`,
    ).join('')

  test.each([
    ['multiparts', 'too-deep', chain(1_000)],
    ['messages', 'too-deep', 'Content-Type: message/rfc822\r\n\r\n'.repeat(1_000)],
    ['parts', 'too-many-parts', multipart('b', Array(5_000).fill('\r\nx').join('\r\n--b\r\n'))],
    ['boundary lines', 'too-many-boundary-lines', `${chain(32)}${'\n--b'.repeat(150_000)}`],
  ])('hold against a hostile number of %s', (_, defect, message) => {
    const { parts, defects } = mimeOutline(octets(message))
    expect(defects).toContain(defect)
    expect(parts.length).toBeLessThanOrEqual(MAIL_LIMITS.parts)
  })

  test.each([
    ['multiparts', 500, chain],
    ['messages', 500, (count: number) => 'Content-Type: message/rfc822\r\n\r\n'.repeat(count)],
    ['parts', 250, (count: number) => multipart('b', Array(count).fill('\r\nx').join('\r\n--b\r\n'))],
    ['boundary lines', 1_000, (count: number) => `${chain(32)}${'\n--b'.repeat(count)}`],
  ])('are not what keeps it cheap: each of many %s costs the same', (_, from, messageOf) => {
    expectGrowth('linear', { from }, (count) => {
      const message = octets(messageOf(count))
      return () => mimeOutline(message)
    })
  })

  test('of boundary lines keep what lies behind them from being looked at', () => {
    const limits = { ...MAIL_LIMITS, boundaryLines: 1_000 }
    expectGrowth('constant', { from: 2_000 }, (lines) => {
      const message = octets(`${chain(32)}${'\n--b'.repeat(lines)}`)
      return () => mimeOutline(message, limits)
    })
  })
})

describe('properties', () => {
  const pieces = fc.constantFrom(
    'Content-Type: multipart/mixed; boundary=b\r\n',
    'Content-Type: multipart/digest; boundary="c"\r\n',
    'Content-Type: message/rfc822\r\n',
    'Content-Transfer-Encoding: base64\r\n',
    '\r\n',
    '\n',
    '--b\r\n',
    '--b\n',
    '--b--\r\n',
    '\r\n--c\r\n',
    '--c--',
    'text',
    '\x00\xff',
  )
  const message = fc.oneof(
    fc.array(pieces, { maxLength: 25 }).map((all) => octets(all.join(''))),
    fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
  )

  test('parts lie within each other, in order, and never overlap', () => {
    fc.assert(
      fc.property(message, (whole) => {
        const { root, parts } = mimeOutline(whole)
        expect(parts[0]).toBe(root)
        expect(new Set(parts.map(({ path }) => path)).size).toBe(parts.length)
        const within = (part: MimePart, start: number, end: number): void => {
          expect(part.bodyStart).toBeGreaterThanOrEqual(start)
          expect(part.bodyEnd).toBeGreaterThanOrEqual(part.bodyStart)
          expect(part.bodyEnd).toBeLessThanOrEqual(end)
          expect(part.octets).toBe(part.bodyEnd - part.bodyStart)
          let behind = part.bodyStart
          for (const child of part.children) {
            within(child, behind, part.bodyEnd)
            behind = child.bodyEnd
          }
        }
        within(root, 0, whole.length)
      }),
      { numRuns: 5_000 },
    )
  })
})
