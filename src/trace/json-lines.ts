/**
 * Octets that arrive in pieces as the lines they hold, one JSON value each. Owns the bound on a line, so that no
 * reader gathers without end; knows nothing of what the values mean.
 */

/** One line of the input, counted from 1. */
export type JsonLine =
  | { readonly type: 'value'; readonly line: number; readonly value: unknown }
  /** No JSON, longer than the bound, or without its line end; `text` says which. */
  | { readonly type: 'damaged'; readonly line: number; readonly text: string }

const LINE_FEED = 0x0a

/** Splits octets into lines and reads them. Empty lines are skipped; nothing ever throws. */
export class JsonLineReader {
  #maximum: number
  #pieces: Buffer[] = []
  #octets = 0
  #line = 1
  #isTooLong = false

  /** @param maximum octets that a line may have, without its line end */
  constructor(maximum: number) {
    this.#maximum = maximum
  }

  /** Octets that are kept of the line that has not ended yet: none of one that is too long. */
  get keptOctets(): number {
    return this.#isTooLong ? 0 : this.#octets
  }

  /** Whether the line that has not ended yet is over the bound already. */
  get isTooLong(): boolean {
    return this.#isTooLong
  }

  /** Moves the bound, for lines that have not been read yet. */
  set maximum(octets: number) {
    this.#maximum = octets
  }

  /**
   * Takes octets.
   *
   * @returns an iterator over the lines that ended; to be used up before the next call
   */
  *push(octets: Buffer): Generator<JsonLine, void, void> {
    let start = 0
    for (let end = octets.indexOf(LINE_FEED); end >= 0; end = octets.indexOf(LINE_FEED, start)) {
      this.#keep(octets.subarray(start, end))
      start = end + 1
      const line = this.#take()
      if (line !== null) yield line
    }
    this.#keep(octets.subarray(start))
  }

  /** Ends the input: what waits has no line end and is damaged, whatever it holds. */
  end(): JsonLine | null {
    if (this.#octets === 0) return null
    const line = this.#line
    this.#pieces = []
    this.#octets = 0
    return { type: 'damaged', line, text: 'the line is cut off: it has no line end' }
  }

  #keep(piece: Buffer): void {
    if (piece.length === 0) return
    this.#octets += piece.length
    if (this.#octets > this.#maximum) {
      this.#isTooLong = true
      this.#pieces = []
    } else this.#pieces.push(piece)
  }

  #take(): JsonLine | null {
    const line = this.#line
    const pieces = this.#pieces
    const isTooLong = this.#isTooLong
    const isEmpty = this.#octets === 0
    this.#line += 1
    this.#pieces = []
    this.#octets = 0
    this.#isTooLong = false
    if (isEmpty) return null
    if (isTooLong) return { type: 'damaged', line, text: `the line is longer than ${this.#maximum} octets` }
    const [first = Buffer.alloc(0)] = pieces
    const text = (pieces.length === 1 ? first : Buffer.concat(pieces)).toString('utf8')
    try {
      return { type: 'value', line, value: JSON.parse(text) }
    } catch {
      return { type: 'damaged', line, text: 'the line is no JSON' }
    }
  }
}
