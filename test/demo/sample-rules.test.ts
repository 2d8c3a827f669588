import { expect, it } from 'vitest'
import { sampleMessages } from '../../src/demo/messages.js'
import { SAMPLE_RULES } from '../../src/demo/sample-rules.js'
import { loadRules } from '../../src/rules/rule-set.js'
import { createSessionRules } from '../../src/rules/session-rules.js'
import { SESSION, seen } from '../rules/rules.js'

it('tags what comes from outside of example.org, and only shows which newsletters it would hide', () => {
  const nothing = { get: () => undefined, set: () => {} }
  const rules = createSessionRules(loadRules([SAMPLE_RULES]), nothing, () => 0)
  expect(rules.sightBeforeListing).toBe('header')
  const hits = new Map<string, string[]>()
  for (const { name, octets } of sampleMessages()) {
    const examined = rules.examine(seen(octets.toString('latin1'), 'header'), SESSION, 'delivery')
    if (examined.type !== 'decided') throw new Error(`${name} is not decided by its header section`)
    expect(examined.verdict.isHidden).toBe(false)
    for (const { rule, mode } of examined.verdict.hits)
      hits.set(`${rule} ${mode}`, [...(hits.get(`${rule} ${mode}`) ?? []), name])
  }
  expect([...hits.keys()].sort()).toEqual(['newsletters shadow', 'tag external senders enforce'])
  expect(hits.get('newsletters shadow')).toHaveLength(1)
  const tagged = hits.get('tag external senders enforce') ?? []
  expect(tagged.length).toBeGreaterThan(10)
  expect(tagged.length).toBeLessThan(sampleMessages().length - 5)
})
