/**
 * A sum for each of the last seconds. The clock is the caller's: seconds pass when a later time is told.
 */

/** Sums by second, those before the first as zero. */
export class SecondsRing {
  readonly #sums: Float64Array
  /** The second that runs, since the epoch; -1 before the first. */
  #second = -1

  /** @param seconds how many are remembered */
  constructor(seconds: number) {
    this.#sums = new Float64Array(seconds)
  }

  /** Oldest first, the running second last. */
  get values(): readonly number[] {
    const length = this.#sums.length
    if (this.#second < 0) return new Array<number>(length).fill(0)
    const next = (this.#second + 1) % length
    return [...this.#sums.subarray(next), ...this.#sums.subarray(0, next)]
  }

  /** Adds to the second of `at`; one that is no longer remembered is left alone. */
  add(at: number, amount: number): void {
    this.tick(at)
    const second = Math.floor(at / 1000)
    if (second <= this.#second - this.#sums.length) return
    const index = this.#indexOf(second)
    this.#sums[index] = (this.#sums[index] ?? 0) + amount
  }

  /** Lets time pass. An earlier time than the last changes nothing. */
  tick(now: number): void {
    const second = Math.floor(now / 1000)
    if (second <= this.#second) return
    const passed = this.#second < 0 ? this.#sums.length : second - this.#second
    if (passed >= this.#sums.length) this.#sums.fill(0)
    else for (let each = this.#second + 1; each <= second; each += 1) this.#sums[this.#indexOf(each)] = 0
    this.#second = second
  }

  #indexOf(second: number): number {
    return second % this.#sums.length
  }
}
