import { describe, expect, test } from 'vitest'
import { PATTERN_CACHE, PATTERN_CHARACTERS, SUBJECT_CHARACTERS } from '../../src/expression/limits.js'
import { compilePattern, PatternCache, PatternError } from '../../src/expression/pattern.js'

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

  test('is done within a second with the worst that the bounds allow', () => {
    const worst = compilePattern('(a?){370}b')
    const start = performance.now()
    expect(worst.isIn('a'.repeat(100_000))).toBe(false)
    expect(performance.now() - start).toBeLessThan(1_000)
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
