import { describe, expect, it } from 'vitest'
import { LineBuffer, type NoLine } from '../../src/pop3/line-buffer.js'
import { everySplit } from '../support/every-split.js'
import { expectGrowth } from '../support/growth.js'

function linesOf(pieces: readonly Buffer[], limit: number): readonly string[] {
  const buffer = new LineBuffer()
  const found: string[] = []
  for (const piece of pieces) {
    buffer.push(piece)
    for (;;) {
      const line: Buffer | NoLine = buffer.takeLine(limit)
      if (line === 'incomplete') break
      if (line === 'too-long') found.push(`too long: ${buffer.take(limit).toString('latin1')}`)
      else found.push(line.toString('latin1'))
    }
  }
  return [...found, `left: ${buffer.take(buffer.octets).toString('latin1')}`]
}

describe('LineBuffer', () => {
  it('hands out lines up to and including LF, whatever pieces they came in', () => {
    const lines = everySplit('USER a\r\n\nx\ry\n\r\nrest', (pieces) => linesOf(pieces, 64))
    expect(lines).toEqual(['USER a\r\n', '\n', 'x\ry\n', '\r\n', 'left: rest'])
  })

  it('takes a line of exactly the limit and refuses one octet more', () => {
    expect(everySplit('123456\r\n', (pieces) => linesOf(pieces, 8))).toEqual(['123456\r\n', 'left: '])
    expect(everySplit('1234567\r\n', (pieces) => linesOf(pieces, 8))).toEqual([
      'too long: 1234567\r',
      '\n',
      'left: ',
    ])
  })

  it('calls a line too long as soon as the limit is reached without LF, and not an octet before', () => {
    const buffer = new LineBuffer()
    buffer.push(Buffer.from('1234567'))
    expect(buffer.takeLine(8)).toBe('incomplete')
    buffer.push(Buffer.from('8'))
    expect(buffer.takeLine(8)).toBe('too-long')
    expect(buffer.octets).toBe(8)
  })

  it('takes under a higher limit the line that was too long under a lower one', () => {
    const buffer = new LineBuffer()
    buffer.push(Buffer.from('AUTH P'))
    buffer.push(Buffer.from('LAIN abc\r\nNOOP\r\n'))
    expect(buffer.takeLine(8)).toBe('too-long')
    expect(String(buffer.takeLine(32))).toBe('AUTH PLAIN abc\r\n')
    expect(String(buffer.takeLine(8))).toBe('NOOP\r\n')
  })

  it('does not copy a line that came in one piece', () => {
    const piece = Buffer.from('NOOP\r\nQUIT\r\n')
    const buffer = new LineBuffer()
    buffer.push(piece)
    const line = buffer.takeLine(64)
    expect(line).toBeInstanceOf(Buffer)
    expect((line as Buffer).buffer).toBe(piece.buffer)
    expect((line as Buffer).byteOffset).toBe(piece.byteOffset)
  })

  it('peeks across pieces without taking anything', () => {
    const buffer = new LineBuffer()
    expect(buffer.peek(5).length).toBe(0)
    for (const octet of 'AUTH x') buffer.push(Buffer.from(octet))
    expect(String(buffer.peek(5))).toBe('AUTH ')
    expect(String(buffer.peek(50))).toBe('AUTH x')
    expect(buffer.octets).toBe(6)
    buffer.take(3)
    expect(String(buffer.peek(2))).toBe('H ')
  })

  it('puts octets back in front, also when a piece is half taken', () => {
    const buffer = new LineBuffer()
    buffer.push(Buffer.from('abcdef'))
    buffer.push(Buffer.from('g\n'))
    expect(String(buffer.take(2))).toBe('ab')
    expect(buffer.takeLine(3)).toBe('too-long')
    buffer.unshift(Buffer.from('X\nY'))
    buffer.unshift(Buffer.alloc(0))
    expect(buffer.octets).toBe(9)
    expect(String(buffer.takeLine(64))).toBe('X\n')
    expect(String(buffer.takeLine(64))).toBe('Ycdefg\n')
    expect(buffer.octets).toBe(0)
  })

  it('gives what there is where more is asked for, and nothing for nothing', () => {
    const buffer = new LineBuffer()
    expect(buffer.take(4).length).toBe(0)
    expect(buffer.takePiece()).toBeNull()
    buffer.push(Buffer.from('ab'))
    buffer.push(Buffer.alloc(0))
    buffer.push(Buffer.from('cd'))
    expect(buffer.take(0).length).toBe(0)
    expect(String(buffer.take(3))).toBe('abc')
    expect(String(buffer.takePiece())).toBe('d')
    expect(buffer.take(9).length).toBe(0)
  })

  it('takes a line of 16 KiB that comes octet by octet', () => {
    expect(takenByOctets(16_384)).toEqual(lineOf(16_384))
  })

  it('costs the same for each octet of a line that comes octet by octet', () => {
    expectGrowth('linear', { from: 512 }, (octets) => () => takenByOctets(octets))
  })
})

/** A line of so many octets. */
function lineOf(octets: number): Buffer {
  return Buffer.from(`AUTH PLAIN ${'A'.repeat(octets - 13)}\r\n`)
}

/** Looks at the buffer at each octet, as decoders do. `expect` itself would cost more than what is measured. */
function takenByOctets(octets: number): Buffer | NoLine {
  const line = lineOf(octets)
  const buffer = new LineBuffer()
  for (const octet of line) {
    buffer.push(Buffer.of(octet))
    buffer.peek(5)
    if (octet !== 0x0a && buffer.takeLine(line.length) !== 'incomplete')
      throw new Error('the line was complete too early')
  }
  return buffer.takeLine(line.length)
}
