/**
 * The header section as signatures see it: fields octet for octet, and who the sender claims to be. Owns what is
 * counted and refused before anything is verified; knows nothing of keys.
 */
import { domainToASCII } from 'node:url'
import { withLineEnds } from './body-hash.js'

/** One field with its continuation lines, without the line end behind it. */
export interface SignedField {
  /** Its name as written, without blanks. */
  readonly name: string
  /** In lower case. */
  readonly key: string
  /** Line ends within are CRLF. */
  readonly octets: Buffer
}

/** Bounds of {@link readSignedHeader}. */
export interface SignedHeaderBounds {
  readonly headerOctets: number
  readonly headerFields: number
}

export interface SignedHeader {
  readonly fields: readonly SignedField[]
  readonly bodyStart: number
}

/**
 * Splits a header section into fields.
 *
 * @returns null where it goes beyond a bound
 * Never fails. A line that is no field is one all the same, as it is for mailauth: what was signed counts.
 */
export function readSignedHeader(message: Buffer, bounds: SignedHeaderBounds): SignedHeader | null {
  const starts: number[] = []
  let at = 0
  while (at < message.length) {
    if (at > bounds.headerOctets || starts.length > bounds.headerFields) return null
    const lineFeed = message.indexOf('\n', at, 'latin1')
    const next = lineFeed < 0 ? message.length : lineFeed + 1
    if (isEmptyLine(message, at, next)) return { fields: fieldsBetween(message, starts, at), bodyStart: next }
    const isContinued = message[at] === SPACE || message[at] === TAB
    if (!isContinued || starts.length === 0) starts.push(at)
    at = next
  }
  if (at > bounds.headerOctets || starts.length > bounds.headerFields) return null
  return { fields: fieldsBetween(message, starts, at), bodyStart: at }
}

const SPACE = 0x20
const TAB = 0x09

function isEmptyLine(message: Buffer, start: number, end: number): boolean {
  const line = message.toString('latin1', start, Math.min(end, start + 2))
  return line === '\r\n' || line.startsWith('\n')
}

function fieldsBetween(message: Buffer, starts: readonly number[], end: number): readonly SignedField[] {
  return starts.map((start, index) => {
    const octets = withoutLineEnd(withLineEnds(message.subarray(start, starts[index + 1] ?? end)))
    const colon = octets.indexOf(':')
    const name = octets.toString('latin1', 0, colon < 0 ? octets.length : colon).trim()
    return { name, key: name.toLowerCase(), octets }
  })
}

function withoutLineEnd(octets: Buffer): Buffer {
  return octets.toString('latin1', octets.length - 2) === '\r\n' ? octets.subarray(0, -2) : octets
}

const IN_BRACKETS = /^[^<>,;]*<\s*[^\s<>@,;]+@([^\s<>@,;]+)\s*>\s*$/
const ALONE = /^\s*[^\s<>@,;]+@([^\s<>@,;]+)\s*$/

/** Octets of a From field that is read: one address is never longer. */
const FROM_OCTETS = 2_048
/** Comments within comments. */
const COMMENT_DEPTH = 8

/**
 * The domain of the one address in the one From field.
 *
 * @returns in lower case and ASCII; null where there is not exactly one address, or mail programs may not agree on
 *   which it is: then no signature speaks for the sender
 */
export function senderDomain(fields: readonly SignedField[]): string | null {
  const [from, second] = fields.filter(({ key }) => key === 'from')
  if (from === undefined || second !== undefined || from.octets.length > FROM_OCTETS) return null
  const written = from.octets.toString()
  const text = withoutComments(written.slice(written.indexOf(':') + 1).replace(/\r\n/g, ''))
  if (text === null) return null
  const [, found = ''] = IN_BRACKETS.exec(text) ?? ALONE.exec(text) ?? []
  return asciiDomain(found)
}

/** RFC 5322 §3.2: what stands in quotes or comments is no address. @returns null where they never end */
function withoutComments(text: string): string | null {
  let left = text.replace(/"(?:[^"\\]|\\.)*"/g, 'quoted').replace(/\\./g, '')
  for (let depth = 0; depth < COMMENT_DEPTH && left.includes('('); depth += 1)
    left = left.replace(/\([^()]*\)/g, ' ')
  return /["()]/.test(left) ? null : left
}

/** Tells whether a text is a domain in ASCII that may be shown, looked up and compared. */
export function isDomain(text: string): boolean {
  return text.length <= 253 && /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/.test(text)
}

/**
 * A domain as DNS knows it: in lower case, and in ASCII where it is written otherwise.
 *
 * @returns null where it is none. domainToASCII mends what is none, so it gets nothing that it would mend.
 */
export function asciiDomain(text: string): string | null {
  const lower = text.toLowerCase()
  if (isDomain(lower)) return lower
  if (/[^a-z0-9._-]/.test(lower.replace(/[^\0-\x7f]/g, '')) || !/[^\0-\x7f]/.test(lower)) return null
  if (/[\p{C}\p{Z}]/u.test(lower)) return null
  const ascii = domainToASCII(lower)
  return isDomain(ascii) ? ascii : null
}
