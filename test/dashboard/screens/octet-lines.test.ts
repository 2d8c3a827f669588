import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hexLine, hexLineCount } from '../../../src/dashboard/screens/hex-lines.js'
import { OctetLines } from '../../../src/dashboard/screens/octet-lines.js'

function lines(text: string): readonly string[] {
  const octets = new OctetLines(Buffer.from(text, 'utf8'))
  return Array.from({ length: octets.count }, (_, index) => octets.lineAt(index))
}

describe('octets as lines', () => {
  it('end with CRLF, which is left out; a bare line feed stays to be seen', () => {
    expect(lines('a\r\nb\nc\r\n')).toEqual(['a', 'b\n', 'c'])
    expect(lines('no end')).toEqual(['no end'])
    expect(lines('')).toEqual([])
    expect(lines('\r\n\r\n')).toEqual(['', ''])
  })

  it('are as many as their line feeds say, for any octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (array) => {
        const octets = Buffer.from(array)
        const split = octets.toString('latin1').split('\n')
        const expected = split.at(-1) === '' ? split.length - 1 : split.length
        expect(new OctetLines(octets).count).toBe(expected)
      }),
    )
  })

  it('are found by the place of an octet', () => {
    const octets = new OctetLines(Buffer.from('ab\r\n\r\ncd'))
    expect([0, 3, 4, 5, 6, 7, 99].map((offset) => octets.lineOf(offset))).toEqual([0, 0, 1, 1, 2, 2, 2])
  })

  it('are cut between characters of UTF-8', () => {
    const octets = new OctetLines(Buffer.from('ééééé\r\n'))
    expect(octets.lineAt(0, 1, 3)).toBe('éé')
    expect(octets.lineAt(0, 0, 3)).toBe('éé')
    expect(octets.lineAt(0, 2, 4)).toBe('éé')
  })
})

describe('a hex dump', () => {
  it('shows offset, octets in two groups and what is printable', () => {
    const octets = Buffer.from('%PDF-1.7\r\n\x1b[31mabcdef', 'latin1')
    expect(hexLineCount(octets)).toBe(2)
    expect(hexLine(octets, 0)).toBe(
      '00000000  25 50 44 46 2d 31 2e 37  0d 0a 1b 5b 33 31 6d 61  %PDF-1.7...[31ma',
    )
    expect(hexLine(octets, 1)).toBe('00000010  62 63 64 65 66                                    bcdef')
  })
})
