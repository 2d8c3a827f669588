/**
 * The content of one part: its transfer encoding undone, its text decoded for display.
 */
import { safeText } from '../trace/safe-text.js'
import { type Gap, gapsWithin } from './abridged.js'
import { decodeCharset } from './charset.js'
import { textOfHtml } from './html.js'
import { MAIL_LIMITS, type MailLimits } from './limits.js'
import type { MimePart } from './outline.js'
import { base64Digits } from './transfer.js'

/** Columns from one tab stop to the next. */
const TAB_COLUMNS = 8
/** Transferred octets that may stand for one decoded octet: `=41` and a soft line break now and then. */
const MOST_ENCODED = 4

/**
 * Undoes the transfer encoding of a part. What is not of the encoding is left out or kept as it is.
 *
 * @param octets the message that the part was found in
 * @returns the whole decoded content; for 7bit, 8bit, binary and unknown encodings a slice of `octets`
 * Never fails. RFC 2045 §6.
 */
export function decodePart(octets: Buffer, part: MimePart): Buffer {
  return decodeTransfer(octets.subarray(part.bodyStart, part.bodyEnd), part.encoding)
}

/**
 * Counts the octets of a part's decoded content without keeping them.
 *
 * @param gaps where octets of the message are missing
 */
export function decodedOctets(octets: Buffer, part: MimePart, gaps: readonly Gap[] = []): number {
  const missing = gapsWithin(gaps, part.bodyStart, part.bodyEnd)
  if (missing.length === 0) return decodePart(octets, part).length
  return part.encoding === 'base64'
    ? octetsOfDigits(octets, part, missing)
    : octetsOfPieces(octets, part, missing)
}

/** Six bits of a digit after the other, up to the padding. */
function octetsOfDigits(octets: Buffer, part: MimePart, missing: readonly Gap[]): number {
  let digits = 0
  let at = part.bodyStart
  for (const gap of missing) {
    const before = base64Digits(octets.subarray(at, gap.at))
    digits += before.digits
    if (before.isPadded) return octetsIn(digits)
    // Counted by another encoding, it says nothing of digits: at most all of it are.
    digits += gap.encoding === 'base64' ? gap.decoded : gap.octets
    if (gap.isPadded) return octetsIn(digits)
    at = gap.at
  }
  return octetsIn(digits + base64Digits(octets.subarray(at, part.bodyEnd)).digits)
}

/**
 * Decodes what of a part is behind its last gap.
 *
 * @returns null where that cannot be told from what is here
 */
export function decodedEnd(octets: Buffer, part: MimePart, missing: readonly Gap[]): Buffer | null {
  const last = missing.at(-1)
  if (last === undefined || last.encoding !== part.encoding || last.isPadded) return null
  const end = octets.subarray(last.at, part.bodyEnd)
  if (part.encoding !== 'base64') return decodeTransfer(end, part.encoding)
  let digits = 0
  let at = part.bodyStart
  for (const gap of missing) {
    digits += base64Digits(octets.subarray(at, gap.at)).digits + gap.decoded
    at = gap.at
  }
  // Four digits are three octets: the first that begin in the gap are left out.
  const text = end.toString('latin1').replace(/[^A-Za-z0-9+/_=-]+/g, '')
  return Buffer.from(text.slice((4 - (digits % 4)) % 4), 'base64')
}

function octetsIn(digits: number): number {
  return Math.floor((digits * 3) / 4)
}

/** Gaps are of whole lines, and no line depends on another one. */
function octetsOfPieces(octets: Buffer, part: MimePart, missing: readonly Gap[]): number {
  let sum = 0
  let at = part.bodyStart
  for (const gap of missing) {
    sum += decodeTransfer(octets.subarray(at, gap.at), part.encoding).length
    sum += gap.encoding === part.encoding ? gap.decoded : gap.octets
    at = gap.at
  }
  return sum + decodeTransfer(octets.subarray(at, part.bodyEnd), part.encoding).length
}

/**
 * Decodes the text of a part for display; of HTML the text without tags.
 *
 * @returns lines joined by LF, each harmless and bounded, tabs expanded; where not all is shown, its last line says so
 * Never fails.
 */
export function textOfPart(octets: Buffer, part: MimePart, limits: MailLimits = MAIL_LIMITS): string {
  const body = octets.subarray(part.bodyStart, part.bodyEnd)
  const looked = body.subarray(0, limits.textOctets * MOST_ENCODED)
  const decoded = decodeTransfer(looked, part.encoding)
  const shown = decoded.subarray(0, limits.textOctets)
  const text = decodeCharset(shown, part.charset)
  const lines = (part.type === 'text/html' ? textOfHtml(text) : text).split(/\r\n|\n|\r/)
  if (lines.at(-1) === '') lines.pop()
  const isWhole = shown.length === decoded.length && looked.length === body.length
  const all = lines.map((line) => safeText(expandTabs(line, limits.lineCharacters), limits.lineCharacters))
  return (isWhole ? all : [...all, `… (only the first ${shown.length} octets)`]).join('\n')
}

/** A line is cut first, a little beyond what is shown, so that a line of tabs does not become eight of them. */
function expandTabs(line: string, maximum: number): string {
  if (!line.includes('\t')) return line
  let expanded = ''
  for (const [index, piece] of line.split('\t').entries()) {
    if (index > 0) expanded += ' '.repeat(TAB_COLUMNS - (expanded.length % TAB_COLUMNS))
    expanded += piece
    if (expanded.length > maximum * TAB_COLUMNS) break
  }
  return expanded
}

/**
 * Undoes a transfer encoding.
 *
 * @param encoding in lower case; what is unknown is taken for no encoding
 * Never fails. RFC 2045 §6.
 */
export function decodeTransfer(body: Buffer, encoding: string): Buffer {
  switch (encoding) {
    case 'base64':
      return Buffer.from(body.toString('latin1'), 'base64')
    case 'quoted-printable':
      return decodeQuotedPrintable(body)
    default:
      return body
  }
}

const EQUALS = 0x3d
const LF = 0x0a
const CR = 0x0d

/** Blanks at the end of a line were added on the way. RFC 2045 §6.7 (3). */
function decodeQuotedPrintable(body: Buffer): Buffer {
  const decoded = Buffer.allocUnsafe(body.length)
  let length = 0
  let at = 0
  while (at < body.length) {
    const lineFeed = body.indexOf(LF, at)
    const next = lineFeed < 0 ? body.length : lineFeed + 1
    const end = withoutBlanks(body, at, lineFeed < 0 ? next : lineFeed)
    const isSoft = body[end - 1] === EQUALS && end > at
    length = decodeLine(body, at, isSoft ? end - 1 : end, decoded, length)
    // The line end as it was: CRLF, or a bare LF.
    if (!isSoft && lineFeed >= 0) {
      const start = lineFeed > at && body[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed
      length += body.copy(decoded, length, start, next)
    }
    at = next
  }
  return decoded.subarray(0, length)
}

function decodeLine(body: Buffer, start: number, end: number, decoded: Buffer, length: number): number {
  let to = length
  for (let at = start; at < end; at += 1) {
    const octet = body[at] ?? 0
    const value = octet === EQUALS && at + 2 < end ? hexValue(body, at + 1) : -1
    decoded[to] = value < 0 ? octet : value
    to += 1
    if (value >= 0) at += 2
  }
  return to
}

function hexValue(body: Buffer, at: number): number {
  const high = hexDigit(body[at])
  const low = hexDigit(body[at + 1])
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

function hexDigit(octet: number | undefined): number {
  if (octet === undefined) return -1
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30
  const upper = octet & 0xdf
  return upper >= 0x41 && upper <= 0x46 ? upper - 0x37 : -1
}

function withoutBlanks(body: Buffer, start: number, end: number): number {
  let at = end
  while (at > start && (body[at - 1] === 0x20 || body[at - 1] === 0x09 || body[at - 1] === CR)) at -= 1
  return at
}
