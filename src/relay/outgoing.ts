/**
 * A message on its way to the client that lies partly in a file: what is in memory, byte-stuffed, and between it what
 * the edge reads. Owns the order and where TOP ends; writes nothing.
 */
import { type Abridged, unabridged } from '../mail/abridged.js'
import { stuffLines } from '../pop3/encoder.js'
import { headerSectionOf } from './rewrite.js'

/** Octets that are read of a file at one time. */
export const READ_OCTETS = 65_536

/** What comes next. */
export type Next =
  /** Octets as they go on the wire. */
  | { readonly type: 'octets'; readonly octets: Buffer }
  /** These of the file, which are on the wire as they are; {@link Outgoing.read} takes them. */
  | { readonly type: 'read'; readonly start: number; readonly end: number }
  | { readonly type: 'end' }

type Piece = { readonly octets: Buffer } | { readonly start: number; readonly end: number }

const LF = 0x0a
const CRLF = Buffer.from('\r\n', 'latin1')

/** The content of one reply. */
export class Outgoing {
  /** The file, by its number. */
  readonly spool: number
  readonly #pieces: Piece[]
  /** Lines of the body that are still wanted; null for all. */
  #lines: number | null
  /** Octets of the header section that have not gone yet: their lines do not count. */
  #header: number
  /** The last two octets that have gone; the reply's status line is before the first. */
  #end: Buffer = CRLF

  /**
   * @param message what the client gets, without byte-stuffing
   * @param lines of the body, null for all. RFC 1939 §7
   */
  constructor(spool: number, message: Abridged, lines: number | null) {
    this.spool = spool
    this.#pieces = piecesOf(message)
    this.#lines = lines
    this.#header = lines === null ? 0 : stuffLines(headerSectionOf(message.octets), true).length
  }

  /** All of the file as it was received. */
  static asReceived(spool: number, received: number): Outgoing {
    const outgoing = new Outgoing(spool, unabridged(Buffer.alloc(0)), null)
    outgoing.#pieces.push({ start: 0, end: received })
    return outgoing
  }

  /** Takes the next step. */
  next(): Next {
    const piece = this.#lines === 0 && this.#header === 0 ? undefined : this.#pieces.shift()
    if (piece === undefined) return this.#finish()
    if ('octets' in piece) return { type: 'octets', octets: this.#cut(piece.octets) }
    const { start, end } = piece
    const stop = Math.min(end, start + READ_OCTETS)
    if (stop < end) this.#pieces.unshift({ start: stop, end })
    return { type: 'read', start, end: stop }
  }

  /** What the edge has read. @returns what of it goes to the client */
  read(octets: Buffer): Buffer {
    return this.#cut(octets)
  }

  /** A last line without its end gets one. RFC 1939 §3. */
  #finish(): Next {
    this.#pieces.length = 0
    if (this.#end.equals(CRLF)) return { type: 'end' }
    this.#end = CRLF
    return { type: 'octets', octets: CRLF }
  }

  #cut(octets: Buffer): Buffer {
    const kept = this.#lines === null ? octets : octets.subarray(0, this.#endOfLines(octets, this.#lines))
    this.#end = Buffer.concat([this.#end, kept.subarray(-2)]).subarray(-2)
    return kept
  }

  #endOfLines(octets: Buffer, lines: number): number {
    const header = Math.min(this.#header, octets.length)
    this.#header -= header
    let at = header
    let left = lines
    for (; left > 0 && at < octets.length; left -= 1) {
      const lineFeed = octets.indexOf(LF, at)
      if (lineFeed < 0) {
        this.#lines = left
        return octets.length
      }
      at = lineFeed + 1
    }
    this.#lines = left
    return at
  }
}

function piecesOf({ octets, gaps }: Abridged): Piece[] {
  const pieces: Piece[] = []
  let at = 0
  let isBehindCrlf = true
  const keep = (end: number): void => {
    if (end > at) pieces.push({ octets: stuffLines(octets.subarray(at, end), isBehindCrlf) })
    at = end
  }
  for (const { at: place, source, isCrlfEnded } of gaps) {
    keep(place)
    pieces.push(source)
    isBehindCrlf = isCrlfEnded
  }
  keep(octets.length)
  return pieces
}
