/**
 * How costs grow, where a test has to prove that work stays cheap. No machine is fast enough for a bound in
 * milliseconds, and none so slow that linear work becomes quadratic: the same work at two sizes, measured within one
 * run, shows which of the two it is. Owns the measuring and what it makes of noise; knows nothing of the work.
 */

/** How the cost of work may grow with its size: not at all, or no faster than the size itself. */
export type Growth = 'constant' | 'linear'

/** The sizes that are compared. */
export interface Sizes {
  /** The smallest; its work should cost more than to begin it at all. */
  readonly from: number
  /** How many times as large the other is. 16 by default. */
  readonly times?: number
  /**
   * How often they are compared, each time as many times larger. Once by default; more often where what grows too fast
   * would take minutes at the largest size, so that it is caught at a smaller one.
   */
  readonly steps?: number
}

const POWERS: Readonly<Record<Growth, number>> = { constant: 0, linear: 1 }

/** Work that costs less is done again and again until it costs as much: far above what a clock can tell apart. */
const MEASURABLE_MS = 4
/** Rounds in a row that made neither size cheaper before the comparison counts: an engine compiles what is repeated. */
const QUIET_ROUNDS = 3
/** What is cheaper by less than this is as cheap as before. */
const CHEAPER = 0.9
/** Only what grows too fast is measured more often: a round that something disturbed must not fail a test. */
const MOST_ROUNDS = 15
/** Nor are there more rounds once they cost so much: work that is cheap enough never gets here. */
const PATIENCE_MS = 4_000

/**
 * Proves how the cost of work grows, in CPU time of this process.
 *
 * The bound lies halfway between what is allowed and the next power, as factors go: work of 16 times the size may
 * cost 64 times as much where it is to be linear, and quadratic work costs 256 times as much. Each side is as far
 * from the bound as noise would have to reach in every round.
 *
 * @param make prepares work of a size, which is not measured; returns the work, which is done many times
 * @param clock CPU time of this process in milliseconds
 * @throws Error that tells both costs, where they grow faster
 */
export function expectGrowth(
  growth: Growth,
  { from, times = 16, steps = 1 }: Sizes,
  make: (size: number) => () => unknown,
  clock: () => number = cpuMs,
): void {
  for (let step = 0; step < steps; step += 1) compare(growth, from * times ** step, times, make, clock)
}

function compare(
  growth: Growth,
  from: number,
  times: number,
  make: (size: number) => () => unknown,
  clock: () => number,
): void {
  const most = times ** (POWERS[growth] + 0.5)
  const small = new Measured(make(from), clock)
  const large = new Measured(make(from * times), clock)
  const began = clock()
  let quiet = 0
  for (let round = 1; round <= MOST_ROUNDS; round += 1) {
    // In turns: what slows this machine down for a while slows down both.
    const isCheaper = [small.measure(), large.measure()].includes(true)
    quiet = isCheaper ? 0 : quiet + 1
    if (quiet >= QUIET_ROUNDS && large.leastMs <= small.leastMs * most) return
    if (round >= QUIET_ROUNDS && clock() - began > PATIENCE_MS) break
  }
  if (large.leastMs <= small.leastMs * most) return
  const factor = (large.leastMs / small.leastMs).toFixed(1)
  throw new Error(
    `not ${growth}: ${times} times the size costs ${factor} times as much, and may cost ${most.toFixed(1)} times: ` +
      `${small.leastMs.toPrecision(3)} ms at ${from}, ${large.leastMs.toPrecision(3)} ms at ${from * times}`,
  )
}

/** Work of one size, and the least that it cost: whatever else a machine does makes nothing cheaper. */
class Measured {
  leastMs = Number.POSITIVE_INFINITY
  readonly #work: () => unknown
  readonly #clock: () => number
  #repeats = 1

  constructor(work: () => unknown, clock: () => number) {
    this.#work = work
    this.#clock = clock
  }

  /** @returns whether it was cheaper than ever before */
  measure(): boolean {
    for (;;) {
      const began = this.#clock()
      for (let count = 0; count < this.#repeats; count += 1) this.#work()
      const cost = this.#clock() - began
      if (cost >= MEASURABLE_MS) {
        const before = this.leastMs
        this.leastMs = Math.min(before, cost / this.#repeats)
        return this.leastMs < before * CHEAPER
      }
      // Compiled meanwhile, it may have become too cheap to be measured.
      this.#repeats *= 2
    }
  }
}

/** The sum of both: how it is divided between the two is an estimate, on Linux by ticks of some milliseconds. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}
