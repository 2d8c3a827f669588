/**
 * A slow line on purpose: octets leave at a given pace and in their order. Owns what waits meanwhile; whoever writes has
 * to look at it and stop.
 */

/** Between two slices: a tenth of a second is even enough for a program, and cheap enough for a hundred sessions. */
const SLICE_MS = 100

/** The pace of one connection. */
export class Slowness {
  #octetsPerSlice = 1
  readonly #write: (octets: Buffer) => void
  readonly #onSlice: () => void
  #waiting: Buffer[] = []
  #octets = 0
  #timer: NodeJS.Timeout | null = null

  /**
   * @param octetsPerSecond 1 at least
   * @param write writes octets at once
   * @param onSlice called behind each slice, the last one included
   */
  constructor(octetsPerSecond: number, write: (octets: Buffer) => void, onSlice: () => void) {
    this.octetsPerSecond = octetsPerSecond
    this.#write = write
    this.#onSlice = onSlice
  }

  /** Another pace, for what waits as well. */
  set octetsPerSecond(octets: number) {
    this.#octetsPerSlice = Math.max(1, Math.round((octets * SLICE_MS) / 1_000))
  }

  /** Octets that have not left. */
  get octets(): number {
    return this.#octets
  }

  add(octets: Buffer): void {
    this.#waiting.push(octets)
    this.#octets += octets.length
    if (this.#timer === null) this.#timer = setInterval(() => this.#slice(), SLICE_MS)
  }

  /** All that waits leaves at once, and what comes later too is not slowed down by what is here. */
  flush(): void {
    const all = this.#waiting.splice(0)
    this.stop()
    for (const octets of all) this.#write(octets)
  }

  /** What waits is dropped. */
  stop(): void {
    this.#waiting = []
    this.#octets = 0
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  #slice(): void {
    for (let left = this.#octetsPerSlice; left > 0; ) {
      const [first] = this.#waiting
      if (first === undefined) break
      const part = first.subarray(0, left)
      left -= part.length
      this.#octets -= part.length
      if (part.length === first.length) this.#waiting.shift()
      else this.#waiting[0] = first.subarray(part.length)
      this.#write(part)
    }
    if (this.#waiting.length === 0) this.stop()
    this.#onSlice()
  }
}
