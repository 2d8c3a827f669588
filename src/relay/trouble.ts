/**
 * Trouble on purpose, for testing mail programs: replies that end in the middle, or arrive damaged. Owns which octets are
 * left out or changed; framing stays as it is, so that what is tested is the program and not the luck of a line end.
 */

/** What is to go wrong with one reply. */
export interface TroubleWish {
  /** Octets of the reply after which both connections break; null for none. */
  readonly cutOffAfter: number | null
  /** One octet in so many of the content is replaced by another; null for none. */
  readonly corruptEvery: number | null
}

const LF = 0x0a
const CR = 0x0d
const DOT = 0x2e
/** What stands for a damaged octet, and what stands for that where it was there already. */
const DAMAGED = 0x3f
const OTHERWISE = 0x21

/** The trouble of one reply. */
export class Trouble {
  readonly #wish: TroubleWish
  #octets = 0
  #isBehindStatusLine = false
  #isCut = false

  constructor(wish: TroubleWish) {
    this.#wish = wish
  }

  /** Nothing more of the reply may leave. */
  get isCut(): boolean {
    return this.#isCut
  }

  /** What leaves in the place of these octets of the reply. */
  apply(octets: Buffer): Buffer {
    if (this.#isCut) return octets.subarray(0, 0)
    return this.#cut(this.#corrupted(octets))
  }

  #cut(octets: Buffer): Buffer {
    const { cutOffAfter } = this.#wish
    const before = this.#octets
    this.#octets += octets.length
    if (cutOffAfter === null || this.#octets < cutOffAfter) return octets
    this.#isCut = true
    return octets.subarray(0, cutOffAfter - before)
  }

  /** Line ends and dots stay: a reply that nobody can find the end of is another kind of trouble. */
  #corrupted(octets: Buffer): Buffer {
    const { corruptEvery } = this.#wish
    if (corruptEvery === null) return octets
    const changed = Buffer.from(octets)
    let at = 0
    if (!this.#isBehindStatusLine) {
      const end = octets.indexOf(LF)
      if (end < 0) return octets
      this.#isBehindStatusLine = true
      at = end + 1
    }
    for (; at < changed.length; at += 1) {
      const octet = changed[at]
      if ((this.#octets + at + 1) % corruptEvery !== 0) continue
      if (octet === LF || octet === CR || octet === DOT) continue
      changed[at] = octet === DAMAGED ? OTHERWISE : DAMAGED
    }
    return changed
  }
}
