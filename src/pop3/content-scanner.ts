/**
 * Finds the end of a multi-line response in pieces of any size without copying or looking at lines. Owns the
 * termination octet and byte-stuffing (RFC 1939 §3); knows nothing of what the response is about.
 */

const CR = 0x0d
const LF = 0x0a
const DOT = 0x2e
const TERMINATION = Buffer.from('\r\n.\r\n', 'latin1')
const LINE_DOT = Buffer.from('\r\n.', 'latin1')
/** Octets of TERMINATION that are matched right behind a status line, whose CRLF begins the pattern. */
const BEHIND_STATUS_LINE = 2
/** A piece with a "." more often than this many octets is searched by pattern, others by "." alone. */
const DOT_EVERY_OCTETS = 1024

/**
 * What one piece holds. Octets `release` (a prefix of CRLF "." CRLF kept back from pieces before) come first,
 * then `end` octets of the piece from where the scan began; `ended` says that the termination octet line
 * follows these and that `next` is the first octet behind it.
 */
export interface Scan {
  readonly release: Buffer | null
  readonly end: number
  readonly next: number
  readonly ended: boolean
}

/**
 * Scans one multi-line response. A possible beginning of the termination is kept back until the next piece
 * decides, so that `.` CRLF never leaves in a packet of its own: some clients end a response only if one read
 * ends with CRLF `.` CRLF.
 */
export class ContentScanner {
  #matched = BEHIND_STATUS_LINE
  #held = 0
  #octets = 0
  #stuffed = 0
  #unstuffed = 0
  #dotsAreDense = false

  /** Octets of content so far as on the wire, without the termination line. */
  get wireOctets(): number {
    return this.#octets
  }

  /** Octets of content with byte-stuffing removed: what a scan listing should have said. RFC 1939 §11. */
  get octets(): number {
    return this.#octets - this.#stuffed
  }

  /** Lines that begin with a single "." though they do not end the response. */
  get unstuffedLines(): number {
    return this.#unstuffed
  }

  /** The octets kept back, for a side that ends now; they are then counted as content. */
  takeHeld(): Buffer {
    const held = TERMINATION.subarray(this.#matched - this.#held, this.#matched)
    this.#octets += this.#held
    this.#held = 0
    this.#matched = 0
    return held
  }

  /**
   * Takes a piece as a whole if it holds content and nothing else, which is so for nearly every piece of a large
   * message: no end, and no beginning of one at its edges. Costs no allocation.
   *
   * @returns false where only {@link scan} can tell; then nothing has changed
   */
  takeWhole(piece: Buffer): boolean {
    const length = piece.length
    if (this.#matched > 0 || length === 0) return false
    const last = piece[length - 1]
    if (last === CR || last === LF) return false
    let stuffed = 0
    let found = this.#findLineDot(piece, 0)
    while (found >= 0) {
      if (piece[found + 3] !== DOT) return false
      stuffed += 1
      found = this.#findLineDot(piece, found + 4)
    }
    this.#stuffed += stuffed
    this.#octets += length
    return true
  }

  /**
   * Looks at the octets of a piece.
   *
   * @param piece octets as received
   * @param from where the content (or its continuation) begins in the piece
   */
  scan(piece: Buffer, from: number): Scan {
    let release: Buffer | null = null
    let position = from
    if (this.#matched > 0) {
      const heldBefore = this.#held
      const matchedBefore = this.#matched
      position = this.#continueMatch(piece, from)
      if (this.#matched === TERMINATION.length) return this.#endAcrossPieces(heldBefore, position, from)
      if (this.#matched > 0) {
        this.#held = heldBefore + position - from
        return { release, end: from, next: piece.length, ended: false }
      }
      if (heldBefore > 0) release = TERMINATION.subarray(matchedBefore - heldBefore, matchedBefore)
      this.#octets += heldBefore
      this.#held = 0
    }
    return this.#search(piece, from, position, release)
  }

  /** Goes on with a match begun in an earlier piece. Leaves `#matched` at 0 where it came to nothing. */
  #continueMatch(piece: Buffer, from: number): number {
    let position = from
    while (position < piece.length && this.#matched > 0 && this.#matched < TERMINATION.length) {
      const octet = piece[position]
      if (octet === TERMINATION[this.#matched]) {
        this.#matched += 1
        position += 1
      } else {
        // No proper prefix of the pattern that could go on here begins within it: CRLF "." CR has the border
        // CR, but behind that only the LF counts, which would have matched.
        this.#countDot(octet)
        this.#matched = 0
      }
    }
    return position
  }

  /** Called where CRLF "." is not followed by CR, or CRLF "." CR not by LF. */
  #countDot(octet: number | undefined): void {
    if (this.#matched === 3 && octet === DOT) this.#stuffed += 1
    else if (this.#matched >= 3) this.#unstuffed += 1
  }

  #endAcrossPieces(heldBefore: number, position: number, from: number): Scan {
    // What was kept back or read just now is CRLF "." CRLF, less what the status line gave of it.
    const contentOctets = Math.max(0, heldBefore + position - from - 3)
    const fromHeld = Math.min(contentOctets, heldBefore)
    const begin = TERMINATION.length - (heldBefore + position - from)
    const release = fromHeld > 0 ? TERMINATION.subarray(begin, begin + fromHeld) : null
    this.#held = 0
    this.#octets += contentOctets
    return { release, end: from + contentOctets - fromHeld, next: position, ended: true }
  }

  #search(piece: Buffer, from: number, start: number, release: Buffer | null): Scan {
    let position = start
    this.#matched = 0
    for (;;) {
      const found = this.#findLineDot(piece, position)
      if (found < 0) break
      const third = piece[found + 3]
      if (third === undefined) return this.#hold(piece, from, found, 3, release)
      if (third === DOT) {
        this.#stuffed += 1
        position = found + 4
      } else if (third !== CR) {
        this.#unstuffed += 1
        position = found + 4
      } else {
        const fourth = piece[found + 4]
        if (fourth === undefined) return this.#hold(piece, from, found, 4, release)
        if (fourth === LF) {
          this.#octets += found + 2 - from
          return { release, end: found + 2, next: found + 5, ended: true }
        }
        this.#unstuffed += 1
        position = found + 3
      }
    }
    const length = piece.length
    const last = length > position ? piece[length - 1] : undefined
    if (last === CR) return this.#hold(piece, from, length - 1, 1, release)
    if (last === LF && length - 2 >= position && piece[length - 2] === CR) {
      return this.#hold(piece, from, length - 2, 2, release)
    }
    this.#octets += length - from
    return { release, end: length, next: length, ended: false }
  }

  #hold(piece: Buffer, from: number, at: number, matched: number, release: Buffer | null): Scan {
    this.#matched = matched
    this.#held = matched
    this.#octets += at - from
    return { release, end: at, next: piece.length, ended: false }
  }

  /**
   * Index of the next CRLF "." at or behind `position`, else -1. Base64 has no ".", so a search for that one
   * octet costs a quarter of a search for the pattern; on text with many it costs more, hence the choice.
   */
  #findLineDot(piece: Buffer, position: number): number {
    if (this.#dotsAreDense) return piece.indexOf(LINE_DOT, position)
    let dots = 0
    const most = 4 + ((piece.length - position) / DOT_EVERY_OCTETS) * 4
    let at = piece.indexOf(DOT, position)
    while (at >= 0) {
      if (at - 2 >= position && piece[at - 1] === LF && piece[at - 2] === CR) return at - 2
      dots += 1
      if (dots > most) {
        this.#dotsAreDense = true
        return piece.indexOf(LINE_DOT, Math.max(position, at - 1))
      }
      at = piece.indexOf(DOT, at + 1)
    }
    return -1
  }
}
