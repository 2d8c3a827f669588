import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ContentOctets } from '../../src/export/content-octets.js'
import { ContentScanner } from '../../src/pop3/content-scanner.js'

function count(pieces: readonly string[]): number {
  const octets = new ContentOctets()
  for (const piece of pieces) octets.add(Buffer.from(piece, 'latin1'))
  return octets.octets
}

describe('the octets of content without byte-stuffing', () => {
  it('are counted across any split', () => {
    const text = '..first\r\n\r\n..\r\n...\r\n.unstuffed\r\nx..y\r\n\n..no line\r\n'
    // The dots that go are those of the first, third and fourth line.
    expect(count([text])).toBe(text.length - 3)
    for (let at = 0; at <= text.length; at += 1)
      expect(count([text.slice(0, at), text.slice(at)])).toBe(text.length - 3)
    expect(count([...text])).toBe(text.length - 3)
  })

  it('are counted for content that ends anywhere', () => {
    expect(count(['abc\r'])).toBe(4)
    expect(count(['abc\r\n.'])).toBe(6)
    expect(count([])).toBe(0)
  })

  it('are as many as the scanner of the codec counts', () => {
    const line = fc.constantFrom('', '.', 'x', '..', '...', '.x', '\r', 'x\n.y', 'a.b')
    const lines = fc.array(
      line.filter((text) => text !== '.'),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(lines, (parts) => {
        const text = parts.map((part) => `${part}\r\n`).join('')
        const scanner = new ContentScanner()
        const scan = scanner.scan(Buffer.from(`${text}.\r\n`, 'latin1'), 0)
        fc.pre(scan.ended && scan.end === text.length)
        expect(count([text])).toBe(scanner.octets)
      }),
    )
  })
})
