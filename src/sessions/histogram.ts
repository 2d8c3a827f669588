/**
 * A histogram of durations in bounded memory: buckets that grow by a tenth each. A percentile read from it is at most
 * 5 % off, from a tenth of a millisecond to an hour.
 */

/** Each bucket ends where its beginning grew by so much; its middle is then within 5 % of all in it. */
const GROWTH = 1.1
const LOWEST_MS = 0.1
const HIGHEST_MS = 3_600_000
const BUCKETS = Math.ceil(Math.log(HIGHEST_MS / LOWEST_MS) / Math.log(GROWTH)) + 1

/** Durations in milliseconds. */
export class Histogram {
  readonly #buckets = new Uint32Array(BUCKETS)
  #count = 0

  get count(): number {
    return this.#count
  }

  add(milliseconds: number): void {
    const index = this.#bucketOf(milliseconds)
    this.#buckets[index] = (this.#buckets[index] ?? 0) + 1
    this.#count += 1
  }

  /**
   * Finds the duration that a part of all do not exceed.
   *
   * @param part from 0 to 1, 0.99 for the 99th percentile
   * @returns milliseconds; 0 for an empty histogram and for anything below a tenth of a millisecond
   */
  percentile(part: number): number {
    const wanted = Math.max(1, Math.ceil(part * this.#count))
    let seen = 0
    for (const [index, count] of this.#buckets.entries()) {
      seen += count
      if (count > 0 && seen >= wanted) return index === 0 ? 0 : LOWEST_MS * GROWTH ** (index - 0.5)
    }
    return 0
  }

  /** Bucket 0 takes what is too short to matter, the last what is too long. */
  #bucketOf(milliseconds: number): number {
    if (!(milliseconds > LOWEST_MS)) return 0
    const index = Math.ceil(Math.log(milliseconds / LOWEST_MS) / Math.log(GROWTH))
    return Math.min(index, BUCKETS - 1)
  }
}
