import { describe, expect, test } from 'vitest'
import { REPLACE_GROWTH, REPLACE_WORK, SUBJECT_CHARACTERS } from '../../src/expression/limits.js'
import { compilePattern } from '../../src/expression/pattern.js'

describe('replaceIn', () => {
  test.each([
    ['cat', 'dog', 'cat, cats\r\nconcat\n', 'dog, dogs\r\ncondog\n'],
    ['(\\w+)@(\\w+)', '$2 of $1, $$1, $0, $3', 'a@b', 'b of a, $1, a@b, $3'],
    ['^x', '', 'xx\nxx\rxx', 'x\nx\rx'],
    ['x$', 'y', 'xx\r\nxx', 'xy\r\nxy'],
    ['x*', '-', 'axxb', 'a-b'],
    ['(a)|(b)', '[$1$2]', 'ab', '[a][b]'],
    ['(?s)a.b', '-', 'a\nb', 'a\nb'],
    ['ü', '€', 'müde 😀ü', 'm€de 😀€'],
    ['nothing', 'x', '', ''],
  ])('replaces %s by %s, line by line', (pattern, replacement, text, expected) => {
    expect(compilePattern(pattern).replaceIn(text, replacement)).toBe(expected)
  })

  test('looks at the beginning of a long line', () => {
    const pattern = compilePattern('x')
    const before = ' '.repeat(SUBJECT_CHARACTERS - 1)
    expect(pattern.replaceIn(`${before}xx\nx`, 'y')).toBe(`${before}yx\ny`)
  })

  test('adds no more than the bound and leaves the rest as it is', () => {
    const replacement = 'y'.repeat(1_025)
    const most = REPLACE_GROWTH / 1_024
    const text = 'x\n'.repeat(most + 2)
    const replaced = compilePattern('x').replaceIn(text, replacement)
    expect(replaced).toBe([...Array.from({ length: most }, () => replacement), 'x', 'x', ''].join('\n'))
  })

  test('stops where each match searches the rest of the line in vain', () => {
    const pattern = compilePattern('a[^b]*b|a')
    const line = 'a'.repeat(SUBJECT_CHARACTERS)
    const replaced = pattern.replaceIn(`${line}\n${line}`, 'c')
    const matches = replaced.lastIndexOf('c') + 1
    expect(matches).toBeGreaterThan(100)
    expect(replaced === `${'c'.repeat(matches)}${line.slice(matches)}\n${line}`).toBe(true)
    expect(matches * (SUBJECT_CHARACTERS - matches)).toBeLessThan(REPLACE_WORK)
  })
})
