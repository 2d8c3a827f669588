import { describe, expect, test } from 'vitest'
import { parseFilter } from '../../src/expression/filter.js'
import {
  ATTACHMENT_FACTS,
  CONSTANTS,
  FIELD_FACTS,
  FIELD_NAMES,
  FUNCTIONS,
  METHODS,
} from '../../src/expression/vocabulary.js'

const EXAMPLES = {
  text: (name: string) => `${name} == "x"`,
  number: (name: string) => `${name} > 1`,
  'yes or no': (name: string) => `${name} == true`,
  table: (name: string) => `${name}["x"] == "y"`,
  numbers: (name: string) => `${name}["x"] > 1`,
  list: (name: string) => `${name}.exists(a, a.name == "x" && a.type == "y" && a.size > 1)`,
}

describe('the vocabulary', () => {
  test.each(FIELD_NAMES)('says of %s what the type check thinks', (name) => {
    const filter = parseFilter(EXAMPLES[FIELD_FACTS[name].type](name))
    expect(filter.isText).toBe(false)
    expect([...filter.fields]).toEqual([name])
    expect(FIELD_FACTS[name].meaning).toMatch(/^\S.*[^.]$/)
  })

  test.each([...METHODS, ...FUNCTIONS])('shows a use of %s that is a filter', (name, { usage }) => {
    expect(usage).toContain(name)
    const filter = parseFilter(usage)
    expect(filter.isText).toBe(false)
    expect(filter.fields.size).toBe(1)
  })

  test.each(Object.entries(ATTACHMENT_FACTS))(
    'says of the %s of an attachment what the type check thinks',
    (name, { type }) => {
      const use = {
        text: `a.${name} == "x"`,
        number: `a.${name} > 1`,
        list: `a.${name}.exists(f, f == "x")`,
        'yes or no': `!a.${name}`,
      }
      expect(parseFilter(`attachments.exists(a, ${use[type]})`).isText).toBe(false)
    },
  )

  test.each([...CONSTANTS.keys()])('knows %s as a number', (name) => {
    expect(parseFilter(`size > ${name}`).isText).toBe(false)
  })
})
