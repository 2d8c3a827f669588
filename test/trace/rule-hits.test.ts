import { describe, expect, it } from 'vitest'
import type { TraceEvent } from '../../src/trace/event.js'
import { COUNTED_RULES, type RuleHit, RuleHitCounter } from '../../src/trace/rule-hits.js'
import { HIT } from '../sessions/script.js'

function event(given: Partial<RuleHit>, at = 1_000): TraceEvent {
  return { at, session: 's1', content: { ...HIT, ...given } }
}

describe('the counter of rule hits', () => {
  it('counts by rule what held, and apart from it what failed', () => {
    const counter = new RuleHitCounter()
    counter.add(event({}))
    counter.add(event({ message: 2, uniqueId: 'uid-two' }, 2_000))
    counter.add(event({ mode: 'failed', place: '', actions: [], message: 3, uniqueId: null }, 3_000))
    counter.add(event({ rule: 'other', number: 4, message: null, uniqueId: null, mode: 'shadow' }, 4_000))
    expect(counter.counts).toEqual([
      {
        rule: 'tag external',
        place: 'rules/a.yaml:4',
        mode: 'enforce',
        of: 'message',
        actions: ['tag-subject "[EXT]"'],
        hits: 2,
        failures: 1,
        last: { at: 3_000, session: 's1', number: 0, message: 3, uniqueId: null },
      },
      {
        rule: 'other',
        place: 'rules/a.yaml:4',
        mode: 'shadow',
        of: 'command',
        actions: ['tag-subject "[EXT]"'],
        hits: 1,
        failures: 0,
        last: { at: 4_000, session: 's1', number: 4, message: null, uniqueId: null },
      },
    ])
  })

  it('has another version after each hit, and after nothing else', () => {
    const counter = new RuleHitCounter()
    const before = counter.version
    counter.add({ at: 1, session: 's1', content: { type: 'server-connected' } })
    expect(counter.version).toBe(before)
    counter.add(event({}))
    expect(counter.version).not.toBe(before)
  })

  it('hands out counts that stay as they were', () => {
    const counter = new RuleHitCounter()
    counter.add(event({}))
    const [first] = counter.counts
    counter.add(event({}))
    expect(first?.hits).toBe(1)
  })

  it('counts as many names as it may and no more', () => {
    const counter = new RuleHitCounter()
    for (let index = 0; index <= COUNTED_RULES; index += 1) counter.add(event({ rule: `rule ${index}` }))
    expect(counter.counts).toHaveLength(COUNTED_RULES)
    counter.add(event({ rule: 'rule 0' }))
    expect(counter.counts[0]?.hits).toBe(2)
  })
})
