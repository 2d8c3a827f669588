import fc from 'fast-check'
import { expect, test } from 'vitest'
import { VALUE_CODE_POINTS } from '../../src/rules/limits.js'
import { parseTemplate } from '../../src/rules/template.js'

const VALUES = {
  user: 'alice',
  size: 5.5,
  header: new Map([['list-id', 'x']]),
  score: new Map([['rspamd', 7]]),
}

test.each([
  ['plain }', 'plain }'],
  ['{user}, {size}', 'alice, 5.5'],
  ['{{user}} {{', '{user}} {'],
  ['{header.List-Id} {score.rspamd} {score.clamd} {subject}', 'x 7 - -'],
  ['', ''],
])('%s is %s', (source, expected) => {
  expect(parseTemplate(source).fill(VALUES)).toBe(expected)
})

test('tells what it names', () => {
  const template = parseTemplate('{user} {score.a} {verdict.b} {header.c}')
  expect([...template.fields]).toEqual(['user', 'score', 'verdict', 'header'])
  expect([...template.judges]).toEqual(['a', 'b'])
})

test('puts in one harmless line of bounded length, whatever a value is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (value) => {
      const filled = parseTemplate('[{subject}]').fill({ subject: value })
      expect(filled).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u)
    }),
  )
  const at = (length: number) => parseTemplate('{subject}').fill({ subject: 'x'.repeat(length) })
  expect(at(VALUE_CODE_POINTS)).toBe('x'.repeat(VALUE_CODE_POINTS))
  expect(at(VALUE_CODE_POINTS + 1)).toBe(`${'x'.repeat(VALUE_CODE_POINTS)}… (+1)`)
})
