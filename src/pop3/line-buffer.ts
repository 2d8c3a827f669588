/**
 * Octets of one side that are received and not yet decoded, handed out as lines or as raw pieces. Owns the
 * copying of lines that arrived in several pieces; knows nothing of what a line means.
 */

const LF = 0x0a
const EMPTY = Buffer.alloc(0)

/** Why {@link LineBuffer.takeLine} gave no line. */
export type NoLine = 'incomplete' | 'too-long'

/** A queue of received octets. Pieces are kept as they came; only a line split over pieces is copied. */
export class LineBuffer {
  #pieces: Buffer[] = []
  /** Octets of the first piece that were handed out already. */
  #offset = 0
  /** Octets from the offset on in which no LF stands. */
  #searched = 0
  /** Pieces, and their octets, that lie wholly within `#searched`: a peer that sends single octets costs no rescan. */
  #passedPieces = 0
  #passedOctets = 0
  #octets = 0

  /** Octets held. */
  get octets(): number {
    return this.#octets
  }

  push(piece: Buffer): void {
    if (piece.length === 0) return
    this.#pieces.push(piece)
    this.#octets += piece.length
  }

  /**
   * Takes the next line with its LF.
   *
   * @param limit longest line in octets, LF included
   * @returns the line; or `too-long` once `limit` octets are held without an LF among them, and nothing is
   * taken; or `incomplete`. The answer depends on the octets alone, not on how they were split.
   */
  takeLine(limit: number): Buffer | NoLine {
    const length = this.#lineLength(limit)
    if (length > 0) return this.take(length)
    return this.#octets >= limit ? 'too-long' : 'incomplete'
  }

  /** Takes `count` octets, or all there are if fewer. Copies only across pieces. */
  take(count: number): Buffer {
    const first = this.#pieces[0]
    if (first === undefined || count <= 0) return EMPTY
    const available = first.length - this.#offset
    if (count < available) {
      const taken = first.subarray(this.#offset, this.#offset + count)
      this.#advance(count)
      return taken
    }
    if (count === available || this.#pieces.length === 1) return this.takePiece() ?? EMPTY
    const parts: Buffer[] = []
    let missing = count
    while (missing > 0 && this.#pieces.length > 0) {
      const part = this.#takeFromFirst(missing)
      parts.push(part)
      missing -= part.length
    }
    return Buffer.concat(parts)
  }

  /** Takes what is left of the oldest piece, uncopied; null where nothing is held. */
  takePiece(): Buffer | null {
    const first = this.#pieces[0]
    if (first === undefined) return null
    const taken = this.#offset === 0 ? first : first.subarray(this.#offset)
    this.#advance(taken.length)
    return taken
  }

  /** Puts octets back in front of all others. */
  unshift(octets: Buffer): void {
    if (octets.length === 0) return
    const first = this.#pieces[0]
    if (first !== undefined && this.#offset > 0) this.#pieces[0] = first.subarray(this.#offset)
    this.#offset = 0
    this.#searched = 0
    this.#passedPieces = 0
    this.#passedOctets = 0
    this.#pieces.unshift(octets)
    this.#octets += octets.length
  }

  /** The first `count` octets (fewer where fewer are held), left in place. */
  peek(count: number): Buffer {
    const first = this.#pieces[0]
    if (first === undefined) return EMPTY
    if (first.length - this.#offset >= count) return first.subarray(this.#offset, this.#offset + count)
    const parts = [first.subarray(this.#offset)]
    let missing = count - (first.length - this.#offset)
    for (let index = 1; index < this.#pieces.length && missing > 0; index += 1) {
      const part = (this.#pieces[index] ?? EMPTY).subarray(0, missing)
      parts.push(part)
      missing -= part.length
    }
    return Buffer.concat(parts)
  }

  #takeFromFirst(most: number): Buffer {
    const first = this.#pieces[0] ?? EMPTY
    const taken = first.subarray(this.#offset, this.#offset + most)
    this.#advance(taken.length)
    return taken
  }

  #advance(count: number): void {
    const first = this.#pieces[0]
    if (first === undefined) return
    this.#octets -= count
    this.#searched = Math.max(0, this.#searched - count)
    this.#passedPieces = 0
    this.#passedOctets = 0
    this.#offset += count
    if (this.#offset >= first.length) {
      this.#pieces.shift()
      this.#offset = 0
    }
  }

  /** Length of the first line with its LF where it is at most `limit`, else 0. */
  #lineLength(limit: number): number {
    let before = this.#passedOctets
    for (let index = this.#passedPieces; index < this.#pieces.length && before < limit; index += 1) {
      const piece = this.#pieces[index] ?? EMPTY
      const start = index === 0 ? this.#offset : 0
      const length = piece.length - start
      if (before + length > this.#searched) {
        const found = piece.indexOf(LF, start + Math.max(0, this.#searched - before))
        if (found >= 0) {
          const line = before + found - start + 1
          this.#searched = line - 1
          return line <= limit ? line : 0
        }
      }
      before += length
      this.#passedPieces = index + 1
      this.#passedOctets = before
    }
    this.#searched = Math.max(this.#searched, before)
    return 0
  }
}
