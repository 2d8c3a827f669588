import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeContent, removeByteStuffing } from '../../src/pop3/encoder.js'
import { Abridger } from '../../src/relay/abridger.js'
import { Outgoing, READ_OCTETS } from '../../src/relay/outgoing.js'
import { topOf } from '../../src/relay/rewrite.js'

/** All that goes to the client, with what lies in the file read from it. */
function written(outgoing: Outgoing, file: Buffer): string {
  const pieces: Buffer[] = []
  for (let steps = 0; steps < 10_000; steps += 1) {
    const next = outgoing.next()
    if (next.type === 'end') return Buffer.concat(pieces).toString('latin1')
    if (next.type === 'octets') pieces.push(next.octets)
    else {
      expect(next.end - next.start).toBeLessThanOrEqual(READ_OCTETS)
      pieces.push(outgoing.read(file.subarray(next.start, next.end)))
    }
  }
  throw new Error('no end to it')
}

function outgoing(file: Buffer, lines: number | null): Outgoing {
  const abridger = new Abridger({
    textOctets: 20,
    otherOctets: 20,
    archiveEndOctets: 0,
    boundaryLines: 1_000,
  })
  abridger.add(file)
  const message = abridger.finish()
  if (message === null) throw new Error('a gap in a header section')
  return new Outgoing(1, message, lines)
}

const line = fc.constantFrom('', '.', '.x', 'a cat', 'x'.repeat(40), '--', 'Content-Type: image/png')
const lineEnd = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n')
const message = fc
  .tuple(fc.array(fc.tuple(line, lineEnd), { maxLength: 40 }), fc.constantFrom('', 'last'))
  .map(([lines, last]) => {
    const body = lines.map((each) => each.join('')).join('')
    return Buffer.from(`Subject: a\r\n\r\n${body}${last}`)
  })

function onWire(content: Buffer): Buffer {
  return encodeContent(content).subarray(0, -3)
}

describe('a message that goes out of a file', () => {
  test('is what came in, byte-stuffed as it was, with the end of its last line', () => {
    fc.assert(
      fc.property(message, (plain) => {
        const file = onWire(plain)
        expect(written(outgoing(file, null), file)).toBe(file.toString('latin1'))
        expect(written(Outgoing.asReceived(1, file.length), file)).toBe(file.toString('latin1'))
      }),
      { numRuns: 1_000 },
    )
  })

  test('of which TOP wants some lines is cut where the whole would be', () => {
    fc.assert(
      fc.property(message, fc.integer({ min: 0, max: 45 }), (plain, lines) => {
        const file = onWire(plain)
        const expected = onWire(topOf(removeByteStuffing(file), lines)).toString('latin1')
        expect(written(outgoing(file, lines), file)).toBe(expected)
      }),
      { numRuns: 1_000 },
    )
  })

  test('is read in pieces, of which none is left out', () => {
    const lines = Array.from({ length: 10_000 }, (_, at) => `line ${at}\r\n`).join('')
    const file = Buffer.from(`Content-Type: image/png\r\n\r\n${lines}`)
    expect(file.length).toBeGreaterThan(READ_OCTETS)
    expect(written(outgoing(file, null), file)).toBe(file.toString())
  })

  test('keeps lines that end with a bare line feed, and dots behind them, as they are', () => {
    const body = `${'x'.repeat(30)}\n`.repeat(10)
    const file = Buffer.from(`Content-Type: image/png\r\n\r\n${body}..a\n.b\n--x\r\n`, 'latin1')
    expect(written(outgoing(file, null), file)).toBe(file.toString('latin1'))
  })
})
