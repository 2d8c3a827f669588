import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { widthOf } from '../../../src/dashboard/cells.js'
import { barGraph } from '../../../src/dashboard/screens/bar-graph.js'

describe('a bar graph', () => {
  it('draws heights in eighths of a cell, the newest at the right', () => {
    expect(barGraph([0, 1, 8, 16], { width: 6, rows: 2, isUnicode: true, peak: 16 })).toEqual([
      '     █',
      '   ▁██',
    ])
  })

  it('draws halves in ASCII, and four heights where it has one row', () => {
    expect(barGraph([1, 2, 3, 4], { width: 4, rows: 2, isUnicode: false, peak: 4 })).toEqual(['  .:', '.:::'])
    expect(barGraph([0, 1, 2, 3, 4], { width: 5, rows: 1, isUnicode: false, peak: 4 })).toEqual([' _-=#'])
  })

  it('shows the highest of those that share a column, and never nothing for something', () => {
    expect(barGraph([0, 9, 0, 0, 0, 0], { width: 3, rows: 1, isUnicode: true, peak: 9 })).toEqual(['█  '])
    expect(barGraph([1, 1_000_000], { width: 2, rows: 1, isUnicode: true, peak: 1_000_000 })).toEqual(['▁█'])
  })

  it('is as wide and as high as asked for, whatever it draws', () => {
    const values = fc.array(fc.double({ min: 0, max: 1e12, noNaN: true }), { maxLength: 400 })
    fc.assert(
      fc.property(values, fc.nat(120), fc.nat(12), fc.boolean(), (each, width, rows, isUnicode) => {
        const lines = barGraph(each, { width, rows, isUnicode, peak: Math.max(0, ...each) })
        expect(lines).toHaveLength(rows)
        for (const line of lines) expect(widthOf(line)).toBe(width)
      }),
    )
  })
})
