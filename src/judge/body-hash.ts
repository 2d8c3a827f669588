/**
 * The hash of a body that a signature tells, of either canonicalization. Owns what is signed of a body; knows nothing
 * of signatures.
 *
 * mailauth has its own, which keeps an object for each blank line and takes a long one up again with each piece: 4 MiB
 * of nothing but line feeds took 6 s in one go, and 1.2 GB.
 */
import { createHash, type Hash } from 'node:crypto'
import { exactPieces, UnreadableMessageError } from '../mail/exact-pieces.js'
import type { MessageSource } from '../mail/source.js'

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
 * The body of a message in pieces of whole lines, each ending with CRLF.
 *
 * @param from where the body begins
 * @param octets of a piece, where its last line is not longer
 * @throws UnreadableMessageError where the message cannot be read to its end, or has a line beyond all measure
 */
export async function* bodyPieces(
  message: MessageSource,
  from: number,
  octets: number,
): AsyncGenerator<Buffer, void, undefined> {
  let left = from
  let waiting: Buffer[] = []
  let waitingOctets = 0
  for await (const piece of exactPieces(message)) {
    const body = piece.subarray(Math.min(left, piece.length))
    left = Math.max(0, left - piece.length)
    waiting.push(body)
    waitingOctets += body.length
    const lineFeed = waitingOctets < octets ? -1 : body.lastIndexOf(LF)
    if (lineFeed >= 0) {
      const lines = Buffer.concat(waiting)
      const rest = body.subarray(lineFeed + 1)
      yield withLineEnds(lines.subarray(0, lines.length - rest.length))
      waiting = [rest]
      waitingOctets = rest.length
    } else if (waitingOctets > MOST_LINE_OCTETS)
      throw new UnreadableMessageError(`it has a line of more than ${MOST_LINE_OCTETS} octets`)
  }
  if (waitingOctets > 0) yield withLineEnds(Buffer.concat(waiting))
}

const LF = 0x0a
/** As large as a message that is kept in memory may be: 998 octets are the law, and what is longer is no line. */
const MOST_LINE_OCTETS = 67_108_864

/** Signers and mailauth take a bare LF for a line end. */
export function withLineEnds(octets: Buffer): Buffer {
  const text = octets.toString('latin1')
  return /(?<!\r)\n/.test(text) ? Buffer.from(text.replace(/(?<!\r)\n/g, LINE_END), 'latin1') : octets
}
