/**
 * What of one reply's content observers are told, and no more than they asked for. A message is told in the pieces it
 * comes in; a listing when it is complete, so that its text can be looked at as a whole before anybody sees it.
 */

/** The part of one reply's content that is told. */
export class ToldContent {
  readonly isMessage: boolean
  #left: number
  readonly #kept: Buffer[] = []

  /** @param most octets that are told at most, byte-stuffing included */
  constructor(isMessage: boolean, most: number) {
    this.isMessage = isMessage
    this.#left = most
  }

  /**
   * Takes the next piece of the content.
   *
   * @returns what of it is told now; null where nothing is
   */
  take(piece: Buffer): Buffer | null {
    if (this.#left === 0) return null
    const part = piece.subarray(0, this.#left)
    this.#left -= part.length
    if (this.isMessage) return part
    this.#kept.push(part)
    return null
  }

  /** What is told at the end; null where nothing is. */
  takeRest(): Buffer | null {
    return this.#kept.length === 0 ? null : Buffer.concat(this.#kept.splice(0))
  }
}
