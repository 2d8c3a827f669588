import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fitColumns, type TableColumn } from '../../../src/dashboard/screens/table.js'

function column(id: string, minimum: number, maximum: number, rank: number): TableColumn<string, string> {
  return { id, title: id, minimum, maximum, rank, align: 'left', text: (item) => item, style: () => null }
}

const COLUMNS = [column('a', 4, 4, 0), column('b', 5, 20, 2), column('c', 5, 40, 1), column('d', 3, 3, 3)]

describe('columns', () => {
  it('share what is left in proportion to what they can use', () => {
    const widths = fitColumns(COLUMNS, 45).map(({ width }) => width)
    expect(widths).toEqual([4, 13, 22, 3])
  })

  it('leave the highest rank out first, and never those of rank 0', () => {
    const ids = (width: number): string =>
      fitColumns(COLUMNS, width)
        .map(({ column: { id } }) => id)
        .join('')
    expect(ids(20)).toBe('abcd')
    expect(ids(19)).toBe('abc')
    expect(ids(15)).toBe('ac')
    expect(ids(9)).toBe('a')
    expect(ids(0)).toBe('a')
  })

  it('leave out what is fixed for the comfort of others, and are narrowed before they are left out', () => {
    const columns = [
      { ...column('a', 4, 20, 0), comfort: 10 },
      { ...column('b', 4, 20, 1), comfort: 10 },
      column('c', 5, 5, 2),
    ]
    const widths = (width: number): string =>
      fitColumns(columns, width)
        .map((each) => `${each.column.id}${each.width}`)
        .join(' ')
    expect(widths(27)).toBe('a10 b10 c5')
    expect(widths(26)).toBe('a13 b12')
    expect(widths(15)).toBe('a7 b7')
    expect(widths(9)).toBe('a4 b4')
    expect(widths(8)).toBe('a8')
  })

  it('give what one does not use to those that are cut', () => {
    const columns = [column('a', 4, 20, 0), column('b', 4, 20, 0), column('c', 4, 20, 0)]
    const used: Readonly<Record<string, number>> = { a: 15, b: 2, c: 8 }
    const widths = (width: number): readonly number[] =>
      fitColumns(columns, width, (id) => used[id] ?? 0).map((each) => each.width)
    expect(widths(29)).toEqual([15, 4, 8])
    expect(widths(23)).toEqual([11, 4, 6])
    expect(widths(62)).toEqual([20, 20, 20])
  })

  it('fill the width exactly as long as a column can use it', () => {
    const fixed = COLUMNS.reduce((sum, { maximum }) => sum + maximum + 1, -1)
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 200 }), (width) => {
        const fitted = fitColumns(COLUMNS, width)
        const used = fitted.reduce((sum, each) => sum + each.width + 1, -1)
        const most = fitted.reduce((sum, { column: { maximum } }) => sum + maximum + 1, -1)
        expect(used).toBe(Math.min(width, most))
        expect(used).toBeLessThanOrEqual(fixed)
        for (const each of fitted) {
          expect(each.width).toBeGreaterThanOrEqual(each.column.minimum)
          expect(each.width).toBeLessThanOrEqual(each.column.maximum)
        }
      }),
    )
  })
})
