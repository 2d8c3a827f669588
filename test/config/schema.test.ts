import { describe, expect, it } from 'vitest'
import { LIMIT_FACTS } from '../../src/config/limit-facts.js'
import { nearest } from '../../src/config/problem.js'
import { jsonSchema } from '../../src/config/schema.js'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'

/** Every mapping key of a JSON Schema, with whether it or its definition is described. */
function keysWithoutDescription(schema: unknown, path: string): readonly string[] {
  if (typeof schema !== 'object' || schema === null) return []
  if (Array.isArray(schema)) return schema.flatMap((item) => keysWithoutDescription(item, path))
  return Object.entries(schema).flatMap(([key, value]: [string, unknown]) => {
    if (key !== 'properties') return keysWithoutDescription(value, path)
    return Object.entries(value ?? {}).flatMap(([name, property]: [string, unknown]) => {
      const isDescribed = typeof property === 'object' && property !== null && 'description' in property
      return [
        ...(isDescribed ? [] : [`${path}.${name}`]),
        ...keysWithoutDescription(property, `${path}.${name}`),
      ]
    })
  })
}

describe('jsonSchema', () => {
  it('describes every key, so that an editor can', () => {
    expect(keysWithoutDescription(jsonSchema(), '')).toEqual([])
  })

  it('refuses unknown keys and offers the defaults of the limits', () => {
    const text = JSON.stringify(jsonSchema())
    expect(text).toContain('"additionalProperties":false')
    expect(text).toContain('"default":"11min"')
    expect(text).toContain('"enum":["TLSv1.2","TLSv1.3"]')
  })
})

describe('LIMIT_FACTS', () => {
  it.each(LIMIT_FACTS)('has the default of $key within its range', ({ limit, least, most }) => {
    expect(DEFAULT_LIMITS[limit]).toBeGreaterThanOrEqual(least)
    expect(DEFAULT_LIMITS[limit]).toBeLessThanOrEqual(most)
  })

  it('spells each key only once', () => {
    expect(new Set(LIMIT_FACTS.map(({ key }) => key)).size).toBe(LIMIT_FACTS.length)
  })
})

describe('nearest', () => {
  it.each([
    ['upstrem', 'upstream'],
    ['Listen', 'listen'],
    ['lisetn', 'listen'],
    ['nmae', 'name'],
  ])('guesses from %s', (word, meant) => {
    expect(nearest(word, ['name', 'listen', 'upstream', 'limits'])).toBe(meant)
  })
  it.each(['x', 'colour', 'tls', ''])('does not guess from %j', (word) => {
    expect(nearest(word, ['name', 'listen', 'upstream', 'limits'])).toBeNull()
  })
})
