import { describe, expect, test } from 'vitest'
import { PATTERN_CACHE, PATTERN_CHARACTERS, SUBJECT_CHARACTERS } from '../../src/expression/limits.js'
import { compilePattern, PatternCache, PatternError } from '../../src/expression/pattern.js'
import { expectGrowth } from '../support/growth.js'

describe('compilePattern', () => {
  test('finds a pattern anywhere in a text, in any case where that is asked for', () => {
    expect(compilePattern('inv.ice').isIn('Your invoice')).toBe(true)
    expect(compilePattern('inv.ice').isIn('Your Invoice')).toBe(false)
    expect(compilePattern('(?i)inv.ice').isIn('Your Invoice')).toBe(true)
    expect(compilePattern('^\\p{Greek}+$').isIn('αβγ')).toBe(true)
  })

  test.each([
    ['(?=x)', '`(?=` is not possible in a pattern: RE2 has neither lookaround nor references back'],
    ['(?<!x)y', '`(?<!` is not possible in a pattern: RE2 has neither lookaround nor references back'],
    ['(a)\\1', '`\\1` is not possible in a pattern: RE2 has neither lookaround nor references back'],
    ['[a', 'the pattern is malformed: missing closing ]: `[a`'],
  ])('refuses %s', (source, message) => {
    expect(() => compilePattern(source)).toThrow(new PatternError(message))
  })

  test('takes a pattern as long as the bound and none longer', () => {
    expect(compilePattern('a'.repeat(PATTERN_CHARACTERS)).isIn('b')).toBe(false)
    expect(() => compilePattern('a'.repeat(PATTERN_CHARACTERS + 1))).toThrow('at most 512 are possible')
  })

  test('takes a program as large as a person needs and no bomb of counts', () => {
    expect(compilePattern('a{1000}').isIn('a'.repeat(1_000))).toBe(true)
    expect(() => compilePattern('(x?){1000}')).toThrow(
      'the pattern repeats too much; use smaller counts or `*`',
    )
    expect(() => compilePattern('((a{100}){100}){100}')).toThrow(PatternError)
  })

  test('looks at a text up to the bound and no further', () => {
    const pattern = compilePattern('x')
    expect(pattern.isIn(`${' '.repeat(SUBJECT_CHARACTERS - 1)}x`)).toBe(true)
    expect(pattern.isIn(`${' '.repeat(SUBJECT_CHARACTERS)}x`)).toBe(false)
  })

  test('looks no longer at a text beyond the bound', () => {
    const pattern = compilePattern('(a|b)*[cd]')
    expect(pattern.isIn('a'.repeat(100_000))).toBe(false)
    expectGrowth('constant', { from: SUBJECT_CHARACTERS }, (length) => {
      const text = 'a'.repeat(length)
      return () => pattern.isIn(text)
    })
  })

  test('gives nothing to who backtracks', () => {
    // Few characters tell already; at more of them such an engine would not come to an end.
    const pattern = compilePattern('(a?){20}[bc]')
    expectGrowth('linear', { from: 4, times: 5 }, (length) => {
      const text = 'a'.repeat(length)
      return () => pattern.isIn(text)
    })
  })

  // No letter of it can be looked for beforehand, and nearly each character of a text leads to a state of its own.
  const worst = (count: number) => `(a|b)*a(a|b){${count}}[cd]`
  const textOf = (length: number) => {
    let state = 1
    return Array.from({ length }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
      return state < 0x4000_0000 ? 'a' : 'b'
    }).join('')
  }

  test('costs the same for each character of a text, even of the worst pattern', () => {
    expectGrowth('linear', { from: 256 }, (length) => {
      const text = textOf(length)
      // Compiled anew, so that no state is known from before.
      return () => compilePattern(worst(40)).isIn(text)
    })
  })

  test('costs the same for each instruction of a pattern, even of the worst', () => {
    const text = textOf(512)
    expectGrowth('linear', { from: 20 }, (count) => () => compilePattern(worst(count)).isIn(text))
  })
})

describe('PatternCache', () => {
  test('keeps the last patterns and no more', () => {
    const cache = new PatternCache()
    for (let index = 0; index <= PATTERN_CACHE; index += 1) cache.get(`p${index}`)
    expect(cache.size).toBe(PATTERN_CACHE)
    expect(cache.get(`p${PATTERN_CACHE}`)).toBe(cache.get(`p${PATTERN_CACHE}`))
  })
})
