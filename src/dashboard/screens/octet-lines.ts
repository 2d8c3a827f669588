/**
 * Octets as numbered lines: where each begins, and what it says. Owns the index, so that any window of a large message
 * is read without the rest. Knows nothing of headers or parts.
 */
import { decodeText } from '../../trace/safe-text.js'

const CR = 0x0d
const LF = 0x0a

/** Octets cut into lines, lazily: only what is asked for is decoded. */
export class OctetLines {
  readonly octets: Buffer
  readonly #starts: Uint32Array

  constructor(octets: Buffer) {
    this.octets = octets
    this.#starts = startsOf(octets)
  }

  get count(): number {
    return this.#starts.length
  }

  /**
   * Reads one line, without CRLF. Other line ends stay in it: a bare LF is worth seeing.
   *
   * @param from octets of the line to leave out
   * @param most octets to read; the character that stands at their end is read whole
   */
  lineAt(index: number, from = 0, most: number = Number.POSITIVE_INFINITY): string {
    const start = this.#starts[index]
    if (start === undefined) return ''
    const end = this.#endOf(index)
    const first = this.#wholeCharacter(Math.min(end, start + from), end)
    const last = Math.min(end, first + most)
    // A character that was cut would make all of the line look like Latin-1.
    return decodeText(this.octets.subarray(first, last === end ? end : this.#wholeCharacter(last, end)))
  }

  /** The line that an octet stands in. */
  lineOf(offset: number): number {
    let low = 0
    let high = this.#starts.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.#starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return low
  }

  /** The next octet that does not continue a UTF-8 character, at most three further. */
  #wholeCharacter(offset: number, end: number): number {
    for (let at = offset; at < Math.min(end, offset + 4); at += 1) {
      if (((this.octets[at] ?? 0) & 0xc0) !== 0x80) return at
    }
    return offset
  }

  #endOf(index: number): number {
    const next = this.#starts[index + 1]
    const end = next ?? this.octets.length
    const isLineEnd = this.octets[end - 1] === LF && this.octets[end - 2] === CR
    return isLineEnd ? end - 2 : end
  }
}

function startsOf(octets: Buffer): Uint32Array {
  let count = 0
  for (let at = octets.indexOf(LF); at !== -1; at = octets.indexOf(LF, at + 1)) count += 1
  const endsWithLine = octets.length === 0 || octets[octets.length - 1] === LF
  const starts = new Uint32Array(count + (endsWithLine ? 0 : 1))
  let index = 0
  let start = 0
  for (let at = octets.indexOf(LF); at !== -1; at = octets.indexOf(LF, at + 1)) {
    starts[index] = start
    index += 1
    start = at + 1
  }
  if (!endsWithLine) starts[index] = start
  return starts
}
