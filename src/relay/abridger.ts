/**
 * Reads a message as it comes and keeps what rules may look at or change: header sections, texts, every line that could
 * be a boundary, the beginnings of all else, and the ends of archives. Owns which lines are left out; whoever feeds it
 * keeps those elsewhere.
 *
 * It does not follow the tree of parts: any line that begins as a boundary does may begin one, and what the header
 * section behind it says counts up to the next such line. What it takes for a picture, and a reader of the tree for a
 * text, is a text with a gap, which is not changed.
 */
import type { Abridged, Gap } from '../mail/abridged.js'
import { beginsAsArchive } from '../mail/archive.js'
import { EDIT_LIMITS, MAIL_LIMITS } from '../mail/limits.js'
import { holdsMessage, type MimePart, mimeOutline } from '../mail/outline.js'
import { decodeTransfer } from '../mail/part.js'
import { base64Digits } from '../mail/transfer.js'
import { removeByteStuffing } from '../pop3/encoder.js'

/** How much of the body of a part is kept before lines are left out. */
export interface AbridgerLimits {
  /** Octets of a text. */
  readonly textOctets: number
  /** Octets of all else. */
  readonly otherOctets: number
  /** Octets at the end of what begins as an archive: it ends with the names of its files. */
  readonly archiveEndOctets: number
  /** Lines that begin as a boundary does, behind which a header section is read; beyond them everything is kept. */
  readonly boundaryLines: number
}

/** The defaults. */
export const ABRIDGER_LIMITS: AbridgerLimits = {
  // A text beyond what an edit takes, four transferred octets for one, stays as it is: with a gap or without.
  textOctets: 4 * EDIT_LIMITS.textOctets + 1,
  // Names and types stand in the header; of what they are of nobody reads more than the first lines.
  otherOctets: 4_096,
  // In base64, the directory of more than a thousand files.
  archiveEndOctets: 262_144,
  // As many as a reader of the tree looks at. A header section takes some microseconds to be read.
  boundaryLines: MAIL_LIMITS.boundaryLines,
}

const LF = 0x0a
const CR = 0x0d
const HYPHEN = 0x2d
const DOT = 0x2e
/** Octets that are looked at together once lines are left out. */
const BATCH_OCTETS = 131_072
/** Transferred octets that tell whether it is an archive that begins. */
const LOOK_OCTETS = 1_024

/** Lines that are being left out. */
interface OpenGap {
  readonly at: number
  readonly start: number
  octets: number
  decoded: number
  isPadded: boolean
}

/** The message so far. */
export class Abridger {
  readonly #limits: AbridgerLimits
  /** What is kept, without byte-stuffing. */
  readonly #kept = new Growing()
  readonly #gaps: Gap[] = []
  #open: OpenGap | null = null
  /** Octets that were not looked at yet: the beginning of a line, and within a gap what stays if the part ends now. */
  #waiting: Buffer[] = []
  #waitingOctets = 0
  /** Where they begin in what was received. */
  #at = 0
  /** What was looked at last ended with CRLF, as it does before the first octet. */
  #isBehindCrlf = true
  /** Where in what is kept the header section begins that is being read; null within a body. */
  #section: number | null = 0
  /** Octets of the body that may still be kept before a gap begins. */
  #left = 0
  #boundaryLines = 0
  #encoding = '7bit'
  /** Where in what is kept the body begins that is being read. */
  #body = 0
  /** Octets at the end of the body that stay; null where that is not known yet. */
  #endOctets: number | null = null

  constructor(limits: AbridgerLimits = ABRIDGER_LIMITS) {
    this.#limits = limits
  }

  /** Octets in memory. */
  get octets(): number {
    return this.#kept.length + this.#waitingOctets
  }

  /** Takes the next piece of the content, byte-stuffed as it was received, torn anywhere. */
  add(piece: Buffer): void {
    this.#waiting.push(piece)
    this.#waitingOctets += piece.length
    // The end of an archive is not taken up again with each of them.
    const ends = this.#endOctets ?? 0
    if (this.#open !== null && ends > 0 && this.#waitingOctets < ends + BATCH_OCTETS) return
    // Pieces of one endless line are joined once, when it ends.
    if (!piece.includes(LF)) return
    const octets = this.#takeWaiting()
    const looked = this.#look(octets.subarray(0, octets.lastIndexOf(LF) + 1), false)
    const rest = octets.subarray(looked)
    this.#waiting = [rest]
    this.#waitingOctets = rest.length
  }

  /**
   * The message is here.
   *
   * @returns null where a line was left out that is of a header section
   */
  finish(): Abridged | null {
    this.#look(this.#takeWaiting(), true)
    const message = { octets: this.#kept.octets, gaps: this.#gaps }
    return isSound(message) ? message : null
  }

  #takeWaiting(): Buffer {
    const octets = Buffer.concat(this.#waiting)
    this.#waiting = []
    this.#waitingOctets = 0
    return octets
  }

  /**
   * Looks at whole lines, the last of which may lack its line end where nothing follows.
   *
   * @returns how many octets it has done with
   */
  #look(octets: Buffer, isLast: boolean): number {
    let at = 0
    /** From where on lines are to be kept that are not yet: many at a time, since a line may have one octet. */
    let from = 0
    const keep = (end: number): void => {
      this.#keep(octets.subarray(from, end))
      from = end
    }
    while (at < octets.length) {
      const isBoundary = octets[at] === HYPHEN && octets[at + 1] === HYPHEN
      if (this.#section === null && this.#left <= 0 && !isBoundary) {
        keep(at)
        from = this.#leaveOut(octets, at, isLast)
        if (from === at) break
        at = from
        continue
      }
      const lineFeed = octets.indexOf(LF, at)
      const end = lineFeed < 0 ? octets.length : lineFeed + 1
      if (isBoundary) {
        keep(end)
        this.#partBegins()
      } else if (this.#section === null) this.#left -= end - at
      else if (isBlank(octets, at)) {
        keep(end)
        this.#bodyBegins(this.#kept.octets.subarray(this.#section))
      }
      at = end
    }
    keep(at)
    this.#at += at
    return at
  }

  #partBegins(): void {
    this.#boundaryLines += 1
    const isRead = this.#boundaryLines <= this.#limits.boundaryLines
    this.#section = isRead ? this.#kept.length : null
    if (!isRead) this.#left = Number.POSITIVE_INFINITY
  }

  #bodyBegins(section: Buffer): void {
    const { root } = mimeOutline(section)
    const { type, encoding } = root
    this.#encoding = encoding
    this.#body = this.#kept.length
    this.#endOctets = null
    this.#section = holdsMessage(root) ? this.#kept.length : null
    this.#left = type.startsWith('text/') ? this.#limits.textOctets : this.#limits.otherOctets
  }

  /**
   * Leaves lines out up to the next that could be a boundary, but for the two before it and the end of an archive.
   *
   * @returns how far it has got
   */
  #leaveOut(octets: Buffer, from: number, isLast: boolean): number {
    const found = octets.indexOf('\n--', from, 'latin1')
    const boundary = found < 0 ? octets.length : found + 1
    const end = lineBefore(
      octets,
      from,
      twoLinesBefore(octets, from, boundary),
      boundary - this.#endThatStays(),
    )
    if (end > from) this.#extendGap(octets.subarray(from, end), this.#at + from)
    if (found < 0 && !isLast) return end
    this.#closeGap(this.#at + end)
    this.#keep(octets.subarray(end, boundary))
    return boundary
  }

  #endThatStays(): number {
    if (this.#endOctets !== null) return this.#endOctets
    const begin = this.#kept.octets.subarray(this.#body, this.#body + LOOK_OCTETS)
    const isArchive = beginsAsArchive(decodeTransfer(begin, this.#encoding))
    this.#endOctets = isArchive ? this.#limits.archiveEndOctets : 0
    return this.#endOctets
  }

  #extendGap(lines: Buffer, start: number): void {
    const gap = this.#open ?? { at: this.#kept.length, start, octets: 0, decoded: 0, isPadded: false }
    this.#open = gap
    const plain = this.#unstuffed(lines)
    gap.octets += plain.length
    if (gap.isPadded) return
    if (this.#encoding === 'base64') {
      const { digits, isPadded } = base64Digits(plain)
      gap.decoded += digits
      gap.isPadded = isPadded
    } else gap.decoded += decodeTransfer(plain, this.#encoding).length
  }

  #closeGap(end: number): void {
    if (this.#open === null) return
    const { start, ...counted } = this.#open
    this.#gaps.push({
      ...counted,
      encoding: this.#encoding,
      isCrlfEnded: this.#isBehindCrlf,
      source: { start, end },
    })
    this.#open = null
  }

  #keep(lines: Buffer): void {
    this.#kept.add(this.#unstuffed(lines))
  }

  /** Only behind CRLF is a line stuffed; see {@link removeByteStuffing}. */
  #unstuffed(lines: Buffer): Buffer {
    if (lines.length === 0) return lines
    const isStart = this.#isBehindCrlf
    this.#isBehindCrlf = lines.at(-1) === LF && lines.at(-2) === CR
    if (isStart || lines[0] !== DOT) return removeByteStuffing(lines)
    return removeByteStuffing(Buffer.concat([BARE, lines])).subarray(BARE.length)
  }
}

/** Something else than the start of a line. */
const BARE = Buffer.from('x', 'latin1')

/** Octets in one place that doubles. */
class Growing {
  #room = Buffer.allocUnsafe(65_536)
  length = 0

  get octets(): Buffer {
    return this.#room.subarray(0, this.length)
  }

  add(octets: Buffer): void {
    const length = this.length + octets.length
    if (length > this.#room.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.#room.length))
      this.octets.copy(larger)
      this.#room = larger
    }
    octets.copy(this.#room, this.length)
    this.length = length
  }
}

/** Where the line begins that a place is in; `from` where it is before that, and at most `most`. */
function lineBefore(octets: Buffer, from: number, most: number, place: number): number {
  if (place >= most) return most
  return place <= from ? from : octets.subarray(from, place).lastIndexOf(LF) + 1 + from
}

/** Where the last but one line before a place begins; `from` where there are no two. */
function twoLinesBefore(octets: Buffer, from: number, end: number): number {
  let at = end
  for (let lines = 0; lines < 2; lines += 1) {
    if (at <= from) return from
    at = octets.subarray(from, at - 1).lastIndexOf(LF) + 1 + from
  }
  return at
}

function isBlank(octets: Buffer, at: number): boolean {
  return octets[at] === LF || (octets[at] === CR && octets[at + 1] === LF)
}

/** Whether all gaps are in bodies: whoever changes a header section takes it for whole. */
function isSound({ octets, gaps }: Abridged): boolean {
  if (gaps.length === 0) return true
  const isIn = ({ start, bodyStart }: MimePart, { at }: Gap): boolean => at > start && at < bodyStart
  return !mimeOutline(octets).parts.some((part) => gaps.some((gap) => isIn(part, gap)))
}
