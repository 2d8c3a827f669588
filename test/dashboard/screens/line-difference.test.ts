import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareLines, withContext } from '../../../src/dashboard/screens/line-difference.js'

const marks = { same: ' ', removed: '-', added: '+', note: '*' } as const

function told(before: readonly string[], after: readonly string[]): readonly string[] {
  return compareLines(before, after).map(({ kind, text }) => marks[kind] + text)
}

describe('a comparison of lines', () => {
  it('tells what was removed before what was added', () => {
    expect(told(['a', 'b', 'c'], ['a', 'x', 'c'])).toEqual([' a', '-b', '+x', ' c'])
    expect(told([], ['a'])).toEqual(['+a'])
    expect(told(['a'], [])).toEqual(['-a'])
    expect(told([], [])).toEqual([])
  })

  it('removes and adds as few lines as it takes', () => {
    expect(told(['a', 'b', 'c', 'd'], ['b', 'c', 'x', 'd'])).toEqual(['-a', ' b', ' c', '+x', ' d'])
  })

  it('gives both sides back, whatever they are', () => {
    const lines = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 40 })
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        const compared = compareLines(before, after)
        const side = (other: string) => compared.filter(({ kind }) => kind !== other).map(({ text }) => text)
        expect(side('added')).toEqual(before)
        expect(side('removed')).toEqual(after)
      }),
    )
  })

  it('tells lists that are too long to compare as a whole, and how much it leaves out', () => {
    const before = Array.from({ length: 1_500 }, (_, index) => `before ${index}`)
    const after = Array.from({ length: 1_500 }, (_, index) => `after ${index}`)
    const compared = compareLines(['start', ...before, 'end'], ['start', ...after, 'end'])
    expect(compared[0]).toEqual({ kind: 'same', text: 'start' })
    expect(compared.at(-1)).toEqual({ kind: 'same', text: 'end' })
    expect(compared.filter(({ kind }) => kind === 'note').map(({ text }) => text)).toEqual([
      '1300 more lines removed, too many to compare',
      '1300 more lines added, too many to compare',
    ])
  })

  it('leaves out what is equal, except around differences', () => {
    const before = Array.from({ length: 20 }, (_, index) => `${index}`)
    const after = before.with(10, 'x')
    expect(withContext(compareLines(before, after), 1).map(({ kind, text }) => marks[kind] + text)).toEqual([
      '*9 equal lines',
      ' 9',
      '-10',
      '+x',
      ' 11',
      '*8 equal lines',
    ])
  })
})
