import { expect, it } from 'vitest'
import { ANOMALIES, NO_ANOMALIES } from '../../src/pop3/anomaly.js'

it('names each anomaly in a form that logs and filters can rely on, and says it in plain words', () => {
  for (const [name, words] of Object.entries(ANOMALIES)) {
    expect(name).toMatch(/^[a-z]+(-[a-z0-9]+)*$/)
    expect(words).toMatch(/^[a-z].{15,}[^.]$/i)
  }
})

it('shares an empty list that nobody can fill', () => {
  expect(NO_ANOMALIES).toHaveLength(0)
  expect(Object.isFrozen(NO_ANOMALIES)).toBe(true)
})
