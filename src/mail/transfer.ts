/**
 * Content of a part as octets of a message: the counterpart of {@link decodePart}. Owns when a transfer encoding can
 * stay and what comes in its place.
 */
import { LINE_OCTETS } from './encode-field.js'

/** Characters of a line of base64 or quoted-printable. RFC 2045 §6.7 (5), §6.8. */
const ENCODED_LINE = 76

const CR = 0x0d
const LF = 0x0a
const HYPHEN = 0x2d

/** A body with the name of its Content-Transfer-Encoding. */
export interface TransferredBody {
  readonly octets: Buffer
  readonly encoding: string
}

/**
 * Tells whether all of a body is in what {@link decodePart} makes of it, so that none gets lost when it is encoded anew.
 *
 * @param encoding in lower case
 */
export function isWhollyDecoded(body: Buffer, encoding: string): boolean {
  if (encoding !== 'base64') return IDENTITIES.has(encoding) || encoding === 'quoted-printable'
  // Other characters are to be ignored, RFC 2045 §6.8, but hyphen and underscore are digits to the decoder, which
  // stops at padding. Readers differ in what comes behind it.
  const text = body.toString('latin1')
  const padding = text.indexOf('=')
  return !/[-_]/.test(text) && (padding < 0 || !/[A-Za-z0-9+/]/.test(text.slice(padding)))
}

/**
 * Counts the digits of base64 that a decoder takes: those before the padding. Each stands for six bits.
 *
 * Hyphen and underscore are digits to Node's decoder, which this agrees with. RFC 2045 §6.8, RFC 4648 §5.
 */
export function base64Digits(octets: Buffer): { readonly digits: number; readonly isPadded: boolean } {
  const padding = octets.indexOf(PADDING)
  const end = padding < 0 ? octets.length : padding
  let digits = 0
  for (let at = 0; at < end; at += 1) digits += IS_DIGIT[octets[at] ?? 0] ?? 0
  return { digits, isPadded: padding >= 0 }
}

const PADDING = 0x3d
const IS_DIGIT = Uint8Array.from({ length: 256 }, (_, octet) =>
  /[A-Za-z0-9+/_-]/.test(String.fromCharCode(octet)) ? 1 : 0,
)

const IDENTITIES: ReadonlySet<string> = new Set(['7bit', '8bit', 'binary'])

/**
 * Encodes changed content in the way its body was encoded, or as quoted-printable where that cannot carry it.
 *
 * @param before the body as it came, with its encoding
 * @returns a body that ends with a line end where the other one did, and has no line that a boundary could be
 * unless that line was there. RFC 2045 §6.
 */
export function encodeTransfer(content: Buffer, before: TransferredBody): TransferredBody {
  const { octets: old, encoding } = before
  if (encoding === 'base64') return { octets: lineEnded(encodeBase64(content), old, '\r\n'), encoding }
  if (encoding !== 'quoted-printable' && staysPlain(content, before))
    return { octets: lineEnded(content, old, '\r\n'), encoding }
  // A soft line break adds nothing to the text.
  const quoted = lineEnded(encodeQuotedPrintable(content, old), old, '=\r\n')
  return { octets: quoted, encoding: 'quoted-printable' }
}

/** The octets behind a message are the termination octet line: whatever came before it has to end as it did. */
function lineEnded(octets: Buffer, before: Buffer, lineEnd: string): Buffer {
  const isMissing = before.at(-1) === LF && octets.at(-1) !== LF
  return isMissing ? Buffer.concat([octets, Buffer.from(lineEnd)]) : octets
}

function encodeBase64(content: Buffer): Buffer {
  const lines: string[] = []
  const digits = content.toString('base64')
  for (let at = 0; at < digits.length; at += ENCODED_LINE) lines.push(digits.slice(at, at + ENCODED_LINE))
  return Buffer.from(lines.join('\r\n'), 'latin1')
}

/** What was wrong with a body already may stay wrong; nothing becomes wrong by a change. */
function staysPlain(content: Buffer, before: TransferredBody): boolean {
  const old = before.octets
  if (content.includes(0) && !old.includes(0)) return false
  if (before.encoding === '7bit' && !isAscii(content) && isAscii(old)) return false
  if (longestLine(content) > Math.max(LINE_OCTETS, longestLine(old))) return false
  const known = new Set(hyphenLines(old))
  return hyphenLines(content).every((line) => known.has(line))
}

function isAscii(octets: Buffer): boolean {
  return !/[^\x00-\x7f]/.test(octets.toString('latin1'))
}

function longestLine(octets: Buffer): number {
  let longest = 0
  let at = 0
  while (at < octets.length) {
    const lineFeed = octets.indexOf(LF, at)
    const next = lineFeed < 0 ? octets.length : lineFeed + 1
    longest = Math.max(longest, next - at)
    at = next
  }
  return longest
}

/** Lines that could be taken for a boundary. */
function hyphenLines(octets: Buffer): readonly string[] {
  return octets
    .toString('latin1')
    .split('\n')
    .filter((line) => line.startsWith('--'))
    .map((line) => line.trimEnd())
}

/**
 * Encodes octets as quoted-printable.
 *
 * @param model a body whose line ends are used: CRLF, or LF where it has no other; octets of other line ends are encoded
 * RFC 2045 §6.7.
 */
export function encodeQuotedPrintable(content: Buffer, model: Buffer): Buffer {
  const lineEnd = !model.includes('\r\n') && model.includes(LF) ? '\n' : '\r\n'
  const lines: string[] = []
  let line = ''
  for (let at = 0; at < content.length; at += 1) {
    const octet = content[at] ?? 0
    if (octet === LF && lineEnd === '\n') {
      lines.push(...closed(line, lineEnd), lineEnd)
      line = ''
    } else if (octet === CR && content[at + 1] === LF && lineEnd === '\r\n') {
      lines.push(...closed(line, lineEnd), lineEnd)
      line = ''
      at += 1
    } else {
      const written = isPlain(octet, line) ? String.fromCharCode(octet) : escaped(octet)
      // One column is kept for the soft line break.
      if (line.length + written.length >= ENCODED_LINE) {
        lines.push(line, '=', lineEnd)
        line = octet === HYPHEN ? escaped(octet) : written
      } else line += written
    }
  }
  lines.push(...closed(line, lineEnd))
  return Buffer.from(lines.join(''), 'latin1')
}

/** A hyphen at the start of a line is none, so that no line is a boundary. */
function isPlain(octet: number, line: string): boolean {
  if (octet === HYPHEN && line === '') return false
  return octet === 0x09 || (octet >= 0x20 && octet <= 0x7e && octet !== 0x3d)
}

function escaped(octet: number): string {
  return `=${octet.toString(16).toUpperCase().padStart(2, '0')}`
}

/** A blank at the end of a line would not arrive. RFC 2045 §6.7 (3). */
function closed(line: string, lineEnd: string): readonly string[] {
  const last = line.charCodeAt(line.length - 1)
  if (last !== 0x20 && last !== 0x09) return [line]
  const kept = line.slice(0, -1)
  return kept.length + 3 > ENCODED_LINE ? [kept, '=', lineEnd, escaped(last)] : [kept, escaped(last)]
}
