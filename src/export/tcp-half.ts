/**
 * One direction of a captured TCP connection put back in order: repetitions left out, overlaps cut, early segments kept
 * until the ones before them come, within bounds. Pure; knows nothing of what the octets mean.
 */

/** What one segment made readable. */
export interface HalfStep {
  /** In order, without repetition. */
  readonly pieces: readonly Buffer[]
  /** The FIN was seen, and everything up to it is there or known to be lost. */
  readonly hasEnded: boolean
  /** Octets are missing and nothing behind them can be read. */
  readonly isLost: boolean
}

/** What a half needs of a segment. */
export interface HalfSegment {
  readonly sequence: number
  readonly isSyn: boolean
  readonly isFin: boolean
  readonly payload: Buffer
  readonly cutOctets: number
}

/** A window of TCP without scaling, many times over: what is still missing then will not come. */
const MOST_HELD_OCTETS = 4_194_304
const MOST_HELD_SEGMENTS = 4_096

interface Held {
  readonly sequence: number
  readonly payload: Buffer
  readonly isCut: boolean
}

/** One direction. */
export class TcpHalf {
  /** Sequence number of the next octet; null before the first segment. */
  #next: number | null = null
  #held: Held[] = []
  #heldOctets = 0
  #finAt: number | null = null
  #isLost = false
  #octets = 0

  /** Octets that wait for others before them. */
  get heldOctets(): number {
    return this.#heldOctets
  }

  /** Gives up waiting: what is missing is lost, and so is everything behind it. */
  giveUp(): void {
    this.#isLost = true
    this.#held = []
    this.#heldOctets = 0
  }

  /** Octets read in order so far. */
  get octets(): number {
    return this.#octets
  }

  /** Whether octets are missing between what was read and what was seen. To be asked at the end. */
  get hasGap(): boolean {
    return this.#isLost || this.#held.length > 0 || (this.#finAt !== null && this.#finAt !== this.#next)
  }

  /** Takes the next segment as captured. */
  take(segment: HalfSegment): HalfStep {
    const { payload, isSyn, isFin, cutOctets } = segment
    if (this.#isLost) return { pieces: [], hasEnded: segment.isFin, isLost: true }
    const sequence = isSyn ? add(segment.sequence, 1) : segment.sequence
    // A SYN says where the octets begin; in a capture begun later, the first segment does.
    this.#next ??= sequence
    if (isFin) this.#finAt = add(sequence, payload.length + cutOctets)
    const pieces: Buffer[] = []
    if (payload.length > 0 || cutOctets > 0) this.#offer({ sequence, payload, isCut: cutOctets > 0 }, pieces)
    const isTooMuch = this.#heldOctets > MOST_HELD_OCTETS || this.#held.length > MOST_HELD_SEGMENTS
    if (isTooMuch || this.#isLost) this.giveUp()
    const hasEnded = this.#finAt !== null && (this.#isLost || this.#finAt === this.#next)
    return { pieces, hasEnded, isLost: this.#isLost }
  }

  #offer(segment: Held, pieces: Buffer[]): void {
    if (distance(this.#next ?? 0, segment.sequence) > 0) {
      this.#hold(segment)
      return
    }
    this.#read(segment, pieces)
    while (!this.#isLost) {
      const first = this.#held[0]
      if (first === undefined || distance(this.#next ?? 0, first.sequence) > 0) return
      this.#held.shift()
      this.#heldOctets -= first.payload.length
      this.#read(first, pieces)
    }
  }

  #read({ sequence, payload, isCut }: Held, pieces: Buffer[]): void {
    const known = distance(sequence, this.#next ?? 0)
    if (known < payload.length) {
      const piece = payload.subarray(known)
      pieces.push(piece)
      this.#octets += piece.length
      this.#next = add(sequence, payload.length)
    }
    // What the snapshot length cut off comes again only if the whole segment was repeated, cut again.
    if (isCut && known <= payload.length) this.#isLost = true
  }

  #hold(segment: Held): void {
    const index = this.#held.findLastIndex(({ sequence }) => distance(sequence, segment.sequence) >= 0)
    const before = this.#held[index]
    const isRepeated =
      before !== undefined &&
      before.sequence === segment.sequence &&
      before.payload.length >= segment.payload.length
    if (isRepeated) return
    this.#held.splice(index + 1, 0, segment)
    this.#heldOctets += segment.payload.length
  }
}

function add(sequence: number, count: number): number {
  return (sequence + count) >>> 0
}

/** How far `to` lies behind `from` in the circle of sequence numbers; negative where it lies before. */
function distance(from: number, to: number): number {
  return (to - from) | 0
}
