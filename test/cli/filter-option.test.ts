import { describe, expect, it } from 'vitest'
import { describeFailure, exitCodeOf } from '../../src/cli/failure.js'
import { FilterMistake, markedFilter, readFilter } from '../../src/cli/filter-option.js'
import { FilterError, parseFilter } from '../../src/expression/filter.js'

describe('a filter on the command line', () => {
  it('is read', () => {
    expect(readFilter('--filter', 'errors > 0', parseFilter).isText).toBe(false)
  })

  it('has its mistake marked below it, and ends postern as a mistake in the configuration does', () => {
    let failure: unknown = null
    try {
      readFilter('--filter', 'errors > 0 && usre == "x"', parseFilter)
    } catch (error) {
      failure = error
    }
    expect(failure).toBeInstanceOf(FilterMistake)
    expect(exitCodeOf(failure)).toBe(3)
    expect(describeFailure(failure)).toMatch(
      /^postern: --filter: unknown field `usre`.*\n {2}errors > 0 && usre == "x"\n {16}\^{4}\n$/,
    )
  })

  it.each([
    ['a\nb c', 2, 1, '  a b c\n    ^'],
    ['abc', 1, 99, '  abc\n   ^^'],
    ['abc', 3, 1, '  abc\n     ^'],
  ])('keeps the mark in its place: %j at %i for %i', (text, column, length, marked) => {
    expect(markedFilter(text, new FilterError('x', column, length))).toBe(marked)
  })

  it('lets other errors through', () => {
    expect(() =>
      readFilter('--filter', 'x', () => {
        throw new TypeError('a bug')
      }),
    ).toThrow(TypeError)
  })
})
