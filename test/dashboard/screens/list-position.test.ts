import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { followIndex, selectIndex } from '../../../src/dashboard/screens/list-position.js'

const position = fc.record({ selected: fc.nat(200), top: fc.nat(200) })
const extent = fc.record({ count: fc.nat(150), rows: fc.nat(50) })

describe('a position in a list', () => {
  it('is always within the list, its selected line in sight, and no row empty that could show one', () => {
    fc.assert(
      fc.property(position, fc.integer({ min: -10, max: 300 }), extent, (before, index, { count, rows }) => {
        for (const move of [selectIndex, followIndex]) {
          const { selected, top } = move(before, index, { count, rows })
          expect(selected).toBe(Math.max(0, Math.min(index, count - 1)))
          expect(top).toBeGreaterThanOrEqual(0)
          expect(selected).toBeGreaterThanOrEqual(top)
          expect(selected).toBeLessThan(top + Math.max(1, rows))
          expect(top).toBeLessThanOrEqual(Math.max(0, count - Math.max(1, rows)))
        }
      }),
    )
  })

  it('scrolls no more than it must', () => {
    const extentOf100 = { count: 100, rows: 10 }
    expect(selectIndex({ selected: 25, top: 20 }, 29, extentOf100).top).toBe(20)
    expect(selectIndex({ selected: 29, top: 20 }, 30, extentOf100).top).toBe(21)
    expect(selectIndex({ selected: 20, top: 20 }, 19, extentOf100).top).toBe(19)
  })

  it('keeps its line of the screen while the list moves around it', () => {
    expect(followIndex({ selected: 25, top: 20 }, 55, { count: 100, rows: 10 })).toEqual({
      selected: 55,
      top: 50,
    })
  })
})
