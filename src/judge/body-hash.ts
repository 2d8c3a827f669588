/**
 * The hash of a body that a signature tells, of either canonicalization. Owns what is signed of a body; knows nothing
 * of signatures.
 *
 * mailauth has its own, which keeps an object for each blank line and takes a long one up again with each piece: 4 MiB
 * of nothing but line feeds took 6 s in one go, and 1.2 GB.
 */
import { createHash, type Hash } from 'node:crypto'

/** How a body is made the same on both ends. RFC 6376 §3.4. */
export type BodyCanonicalization = 'simple' | 'relaxed'

const LINE_END = '\r\n'

/** Takes a body piece by piece and hashes it. */
export class BodyHash {
  /** Octets of the canonicalized body that are in the hash. */
  bodyHashedBytes = 0
  /** Octets of the canonicalized body, those behind the signed length included. */
  canonicalizedLength = 0
  readonly #isRelaxed: boolean
  readonly #mostOctets: number
  readonly #hash: Hash
  /** Empty lines that count only if something follows them. */
  #lineEnds = 0
  #hasContent = false

  /** @param mostOctets how much of the body is signed, the tag `l`; infinite for all of it */
  constructor(canonicalization: BodyCanonicalization, algorithm: 'sha1' | 'sha256', mostOctets: number) {
    this.#isRelaxed = canonicalization === 'relaxed'
    this.#mostOctets = mostOctets
    this.#hash = createHash(algorithm)
  }

  /** @param piece whole lines that end with CRLF; the last one of the body may lack its end */
  update(piece: Buffer): void {
    let text = piece.toString('latin1')
    if (this.#isRelaxed) {
      text = text.replace(/[ \t]+/g, ' ').replaceAll(` ${LINE_END}`, LINE_END)
      if (text.endsWith(' ')) text = text.slice(0, -1)
    }
    let end = text.length
    while (end >= 2 && text.startsWith(LINE_END, end - 2)) end -= 2
    if (end > 0) {
      this.#take(LINE_END.repeat(this.#lineEnds))
      this.#take(text.slice(0, end))
      this.#lineEnds = 0
      this.#hasContent = true
    }
    this.#lineEnds += (text.length - end) / 2
  }

  /** Ends the body. @returns its hash in base64 */
  digest(_encoding: 'base64'): string {
    // RFC 6376 §3.4.3: an empty body is one line end where it is simple, and nothing where it is relaxed.
    if (this.#hasContent || !this.#isRelaxed) this.#take(LINE_END)
    return this.#hash.digest('base64')
  }

  /** Asked by mailauth, for what nobody reads here. */
  getMimeStructureStart(): number {
    return -1
  }

  #take(text: string): void {
    const signed = text.slice(0, Math.max(0, this.#mostOctets - this.bodyHashedBytes))
    this.#hash.update(signed, 'latin1')
    this.bodyHashedBytes += signed.length
    this.canonicalizedLength += text.length
  }
}

/**
 * Cuts the body of a message into pieces for {@link BodyHash}: behind a line end, and with CRLF for each.
 *
 * @param from where the body begins
 * @param octets of a piece, where its last line is not longer
 */
export function* bodyPieces(message: Buffer, from: number, octets: number): Generator<Buffer> {
  let at = from
  while (at < message.length) {
    const lineFeed = at + octets < message.length ? message.indexOf('\n', at + octets, 'latin1') : -1
    const end = lineFeed < 0 ? message.length : lineFeed + 1
    yield withLineEnds(message.subarray(at, end))
    at = end
  }
}

/** Signers and mailauth take a bare LF for a line end. */
export function withLineEnds(octets: Buffer): Buffer {
  const text = octets.toString('latin1')
  return /(?<!\r)\n/.test(text) ? Buffer.from(text.replace(/(?<!\r)\n/g, LINE_END), 'latin1') : octets
}
