import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Admission, Places } from '../../src/judge/places.js'

const NEVER = new AbortController().signal

describe('Places', () => {
  it('lets in as many as there are places, and the others in order as places are given back', async () => {
    const places = new Places(2, 10)
    const order: number[] = []
    const all = [1, 2, 3, 4].map(async (who) => {
      expect(await places.take(NEVER)).toBe('taken')
      order.push(who)
    })
    await all[0]
    await all[1]
    expect(order).toEqual([1, 2])
    places.give()
    await all[2]
    places.give()
    await all[3]
    expect(order).toEqual([1, 2, 3, 4])
  })

  it('lets as many wait as may wait, and nobody more', async () => {
    const places = new Places(1, 2)
    expect(await places.take(NEVER)).toBe('taken')
    const waiting = [places.take(NEVER), places.take(NEVER)]
    expect(await places.take(NEVER)).toBe('too-many')
    places.give()
    expect(await waiting[0]).toBe('taken')
    const last = places.take(NEVER)
    expect(await places.take(NEVER)).toBe('too-many')
    places.give()
    places.give()
    expect([await waiting[1], await last]).toEqual(['taken', 'taken'])
  })

  it('passes over who has given up', async () => {
    const places = new Places(1, 1)
    await places.take(NEVER)
    const giving = new AbortController()
    const first = places.take(giving.signal)
    giving.abort()
    expect(await first).toBe('given-up')
    expect(await places.take(giving.signal)).toBe('given-up')
    const second = places.take(NEVER)
    places.give()
    expect(await second).toBe('taken')
  })

  it('never has more in than places nor more waiting than may wait, and loses no place', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 0, max: 3 }),
        fc.array(fc.constantFrom('take', 'give', 'give-up'), { maxLength: 40 }),
        async (count, mostWaiting, steps) => {
          const places = new Places(count, mostWaiting)
          const waiting: AbortController[] = []
          let inside = 0
          const settled = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve))
          for (const step of steps) {
            if (step === 'take') {
              const giving = new AbortController()
              waiting.push(giving)
              void places.take(giving.signal).then((admission: Admission) => {
                waiting.splice(waiting.indexOf(giving), 1)
                if (admission === 'taken') inside += 1
              })
            } else if (step === 'give' && inside > 0) {
              inside -= 1
              places.give()
            } else if (step === 'give-up') waiting[0]?.abort()
            await settled()
            expect(inside).toBeLessThanOrEqual(count)
            expect(waiting.length).toBeLessThanOrEqual(mostWaiting)
            // Nobody waits while there is room.
            expect(waiting.length === 0 || inside === count).toBe(true)
          }
        },
      ),
      { numRuns: 100 },
    )
  })
})
