import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Division, divide } from '../../src/expression/division.js'
import type { Fields } from '../../src/expression/fields.js'
import { parseFilter } from '../../src/expression/filter.js'

function shown(division: Division): string {
  if (division.type === 'part') return division.filter.text
  return `${division.type}[${division.of.map(shown).join(' | ')}]`
}

function holds(division: Division, fields: Fields): boolean {
  if (division.type === 'part') return division.filter.matches(fields, () => '')
  const ask = (each: Division) => holds(each, fields)
  return division.type === 'all' ? division.of.every(ask) : division.of.some(ask)
}

describe('divide', () => {
  test.each([
    ['errors > 0', 'errors > 0'],
    ['errors > 0 && size > 5 && is_open', 'all[errors > 0 | size > 5 | is_open]'],
    [
      '(errors > 0 || size > 5) && (is_open && is_held)',
      'all[any[errors > 0 | size > 5] | is_open | is_held]',
    ],
    ['!(errors > 0) || !(size > 5 && is_open)', 'any[!(errors > 0) | !(size > 5 && is_open)]'],
    ['(is_open || is_held) == true && ((errors)) > 0', 'all[(is_open || is_held) == true | ((errors)) > 0]'],
    ['subject == ")(" && type == "message"', 'all[subject == ")(" | type == "message"]'],
    ["subject == 'a\\')' && (is_open)", "all[subject == 'a\\')' | is_open]"],
    ['is_open ? errors > 0 : size > 5', 'is_open ? errors > 0 : size > 5'],
    [
      'attachments.exists(a, a.size > 1 && a.name == "x") && verdict.clamd == "x"',
      'all[attachments.exists(a, a.size > 1 && a.name == "x") | verdict.clamd == "x"]',
    ],
    ['invoice alice', 'invoice alice'],
  ])('divides %s', (text, expected) => {
    expect(shown(divide(parseFilter(text)))).toBe(expected)
  })

  test('leaves whole what it cannot find the parentheses of', () => {
    // Three quotation marks are one sign to the language.
    const text = 'subject == """a"(b""" && !(is_open || is_held)'
    expect(shown(divide(parseFilter(text)))).toBe(text)
  })

  test('gives the same answer as the whole, whatever is absent', () => {
    const leaf = fc.constantFrom(
      'errors > 0',
      '!(errors > 0)',
      'size > 5',
      'known(size)',
      'is_open',
      '!is_held',
      'type == "a"',
      'subject.contains(")")',
      'header["X-A"] == "("',
      'score.rspamd > 5',
      '(is_open ? errors > 0 : size > 5)',
    )
    const { tree } = fc.letrec<{ tree: string }>((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc
          .tuple(tie('tree'), fc.constantFrom('&&', '||'), tie('tree'))
          .map(([left, op, right]) => `(${left}) ${op} (${right})`),
        fc
          .tuple(tie('tree'), fc.constantFrom('&&', '||'), tie('tree'))
          .map(([left, op, right]) => `${left} ${op} ${right}`),
        tie('tree').map((one) => `!(${one})`),
      ),
    }))
    const fields = fc.record(
      {
        errors: fc.nat(1),
        size: fc.nat(9),
        is_open: fc.boolean(),
        is_held: fc.boolean(),
        type: fc.constantFrom('a', 'b'),
        subject: fc.constantFrom(')', 'x'),
        header: fc.constantFrom(new Map([['x-a', '(']]), new Map()),
        score: fc.constantFrom(new Map([['rspamd', 6]]), new Map()),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(tree, fields, (text, values) => {
        const filter = parseFilter(text)
        expect(holds(divide(filter), values)).toBe(filter.matches(values, () => ''))
      }),
      { numRuns: 500 },
    )
  })
})
