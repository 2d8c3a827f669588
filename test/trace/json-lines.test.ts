import { describe, expect, it } from 'vitest'
import { JsonLineReader } from '../../src/trace/json-lines.js'
import { everySplit } from '../support/every-split.js'

function read(maximum: number, pieces: readonly Buffer[]): readonly unknown[] {
  const reader = new JsonLineReader(maximum)
  const lines = pieces.flatMap((piece) => [...reader.push(piece)])
  return [...lines, reader.end()]
}

describe('a reader of JSON lines', () => {
  it('gives each line with its number, whatever pieces it comes in', () => {
    const lines = everySplit('{"a":1}\n\n[2]\r\nno\n"\xfc"\n', (pieces) => read(100, pieces))
    expect(lines).toEqual([
      { type: 'value', line: 1, value: { a: 1 } },
      { type: 'value', line: 3, value: [2] },
      { type: 'damaged', line: 4, text: 'the line is no JSON' },
      // An octet that is no UTF-8.
      { type: 'value', line: 5, value: '\ufffd' },
      null,
    ])
  })

  it('takes a line of exactly the bound and none longer', () => {
    expect(everySplit('"345678"\n"3456789"\n1\n', (pieces) => read(8, pieces))).toEqual([
      { type: 'value', line: 1, value: '345678' },
      { type: 'damaged', line: 2, text: 'the line is longer than 8 octets' },
      { type: 'value', line: 3, value: 1 },
      null,
    ])
  })

  it('keeps nothing of a line that is too long', () => {
    const reader = new JsonLineReader(8)
    expect([...reader.push(Buffer.from('12345678'))]).toEqual([])
    expect([reader.keptOctets, reader.isTooLong]).toEqual([8, false])
    expect([...reader.push(Buffer.from('9'))]).toEqual([])
    expect([reader.keptOctets, reader.isTooLong]).toEqual([0, true])
  })

  it('says of what is left at the end that it is cut off', () => {
    expect(everySplit('1\n2', (pieces) => read(8, pieces))).toEqual([
      { type: 'value', line: 1, value: 1 },
      { type: 'damaged', line: 2, text: 'the line is cut off: it has no line end' },
    ])
  })
})
