import { describe, expect, it } from 'vitest'
import { expectGrowth, type Growth } from './growth.js'

/** Work of so many steps, none of which can be left out. */
function steps(count: number): number {
  let state = 1
  for (let step = 0; step < count; step += 1) state = (Math.imul(state, 1_103_515_245) + 12_345) | 0
  return state
}

/** A clock that goes on by what work says it costs. */
class WorkClock {
  ms = 0
  readonly read = (): number => this.ms

  work(cost: () => number): () => void {
    return () => {
      this.ms += cost()
    }
  }
}

describe('expectGrowth', () => {
  const grows: readonly (readonly [Growth, string, (size: number) => number])[] = [
    ['constant', 'nothing', () => 1_000],
    ['linear', 'nothing', () => 1_000],
    ['linear', 'its size', (size) => size],
    ['linear', 'its size and what it takes to begin', (size) => 10_000 + size],
    ['linear', 'its size and the logarithm', (size) => Math.round(size * Math.log2(size))],
  ]
  it.each(grows)('takes for %s what grows with %s', (growth, _, count) => {
    expectGrowth(growth, { from: 500 }, (size) => () => steps(count(size)))
  })

  const growsTooFast: readonly (readonly [Growth, string, (size: number) => number])[] = [
    ['constant', 'its size', (size) => size],
    ['linear', 'the square of its size', (size) => size ** 2],
    ['linear', 'its size, and with a sixteenth of the square', (size) => size + size ** 2 / 16],
  ]
  it.each(growsTooFast)('does not take for %s what grows with %s', (growth, _, count) => {
    expect(() => expectGrowth(growth, { from: 500 }, (size) => () => steps(count(size)))).toThrow(
      `not ${growth}: 16 times the size costs`,
    )
  })

  it('catches what doubles with each step before it hangs, where the sizes are small', () => {
    const doubling = (size: number) => () => steps(2 ** size)
    expect(() => expectGrowth('linear', { from: 4, times: 5 }, doubling)).toThrow('not linear')
  })

  it('tells both costs and both sizes', () => {
    const clock = new WorkClock()
    const squared = (size: number) => clock.work(() => size ** 2 / 8)
    expect(() => expectGrowth('linear', { from: 10, times: 4 }, squared, clock.read)).toThrow(
      new Error(
        'not linear: 4 times the size costs 16.0 times as much, and may cost 8.0 times: 12.5 ms at 10, 200 ms at 40',
      ),
    )
  })

  it('does again what is too cheap to be measured', () => {
    const clock = new WorkClock()
    let done = 0
    expectGrowth(
      'linear',
      { from: 1 },
      (size) =>
        clock.work(() => {
          done += 1
          return size / 1_000
        }),
      clock.read,
    )
    expect(done).toBeGreaterThan(4_000)
  })

  it('measures again where something disturbed it, many rounds long', () => {
    const clock = new WorkClock()
    let rounds = 0
    const disturbed = (size: number) =>
      clock.work(() => {
        if (size === 1) return 4
        rounds += 1
        return rounds < 9 ? 400 : 64
      })
    expectGrowth('linear', { from: 1 }, disturbed, clock.read)
    expect(rounds).toBe(12)
  })

  it('catches at a small size what would take minutes at a larger one', () => {
    const clock = new WorkClock()
    const sizes: number[] = []
    const squared = (size: number) => {
      sizes.push(size)
      return clock.work(() => size ** 2 * 10)
    }
    expect(() => expectGrowth('linear', { from: 1, steps: 3 }, squared, clock.read)).toThrow('not linear')
    expect(sizes).toEqual([1, 16])
  })

  it('goes on to larger sizes while nothing is wrong', () => {
    const clock = new WorkClock()
    // From 100 on, each one costs more than those before.
    const bent = (size: number) => clock.work(() => size * Math.max(1, size / 100) ** 2)
    expectGrowth('linear', { from: 4, times: 4, steps: 2 }, bent, clock.read)
    expect(() => expectGrowth('linear', { from: 4, times: 4, steps: 4 }, bent, clock.read)).toThrow(
      ' ms at 64, ',
    )
  })

  it('does not measure for minutes what is far too slow', () => {
    const clock = new WorkClock()
    let done = 0
    const slow = (size: number) =>
      clock.work(() => {
        done += 1
        return size ** 2 * 100
      })
    expect(() => expectGrowth('linear', { from: 1 }, slow, clock.read)).toThrow('not linear')
    expect(done).toBe(2 * 3)
  })
})
