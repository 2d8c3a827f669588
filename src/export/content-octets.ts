/**
 * Counts the octets of content without byte-stuffing, piece by piece. Beside the scanner of the codec because content
 * that was kept in part ends anywhere, where the scanner counts to the termination octet.
 */

const STUFFED_LINE = Buffer.from('\r\n..', 'latin1')
/** Behind the CRLF of the status line. */
const LINE_START = Buffer.from('\r\n', 'latin1')

/** Counter for one multi-line response. RFC 1939 §3. */
export class ContentOctets {
  #tail: Buffer = LINE_START
  #octets = 0
  #pieces = 0

  /** Pieces so far. */
  get pieces(): number {
    return this.#pieces
  }

  /** Octets so far, without byte-stuffing. */
  get octets(): number {
    return this.#octets
  }

  /** Takes the next piece as it is on the wire, without the termination octet line. */
  add(wire: Buffer): void {
    // Three octets of the pieces before, so that a line start split over pieces is found, and found once.
    const joined = Buffer.concat([this.#tail, wire])
    let stuffed = 0
    for (let at = joined.indexOf(STUFFED_LINE); at >= 0; at = joined.indexOf(STUFFED_LINE, at + 4))
      stuffed += 1
    this.#octets += wire.length - stuffed
    this.#pieces += 1
    this.#tail = joined.subarray(Math.max(0, joined.length - 3))
  }
}
