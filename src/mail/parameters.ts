/**
 * One parameter of a field such as Content-Type, changed in its place: the other parameters, the comments between
 * them and the folding stay octet for octet. Reads leniently, as those do who open an attachment.
 */
import { parseParameters } from './display.js'
import { encodeParameter, LINE_COLUMNS, oneLine } from './encode-field.js'
import { spliced } from './splices.js'

/** A parameter with the semicolon before it. */
interface Segment {
  /** Behind the semicolon. */
  readonly start: number
  readonly end: number
  /** In lower case, with the marks of RFC 2231: `filename*0*`. */
  readonly name: string
}

/**
 * Sets a parameter of a field, in the place of the first one of its name; all its pieces and repetitions go. RFC 2231 §3.
 *
 * @param raw the field with its name and line end
 * @param value Unicode; becomes one line
 * @returns the field; where its parameters are too broken to change one, only the value before them and this parameter
 * Never fails.
 */
export function withParameter(raw: Buffer, name: string, value: string): Buffer {
  const text = raw.toString('latin1')
  const written = encodeParameter(name, value)
  const end = withoutLineEnd(text)
  const segments = segmentsOf(text, text.indexOf(':') + 1, end)
  const [first, ...others] = segments.filter((segment) => isPieceOf(segment.name, name))
  const place = first ?? placeBehind(segments, end)
  const changed = spliced(raw, [
    { start: place.start, end: place.end, octets: inPlaceOf(text, place, written) },
    // With the semicolon before it.
    ...others.map((segment) => ({ start: segment.start - 1, end: segment.end, octets: Buffer.alloc(0) })),
  ])
  const body = changed.subarray(changed.indexOf(':') + 1)
  return parseParameters(body).parameter(name) === oneLine(value) ? changed : rebuilt(raw, written)
}

/** Where a parameter goes that is not there yet: in the place of an empty one, or behind the last one. */
function placeBehind(segments: readonly Segment[], end: number): Place {
  const last = segments.at(-1)
  return last !== undefined && last.name === '' ? last : { start: end, end }
}

/** The octets of a parameter, without the semicolon before it; empty where one is to be added with a semicolon. */
type Place = Pick<Segment, 'start' | 'end'>

function inPlaceOf(text: string, { start, end }: Place, written: string): Buffer {
  const isNew = text[start - 1] !== ';'
  const before = isNew ? ' ' : (/^[ \t\r\n]*/.exec(text.slice(start, end))?.[0] ?? '')
  const column = start - text.lastIndexOf('\n', start - 1) - 1
  const isTooLong = !before.includes('\n') && column + before.length + written.length > LINE_COLUMNS
  return Buffer.from(`${isNew ? ';' : ''}${isTooLong ? '\r\n ' : before}${written}`, 'latin1')
}

/** A field that two readers may read in two ways becomes one that all read alike. */
function rebuilt(raw: Buffer, written: string): Buffer {
  const colon = raw.indexOf(':')
  const { value } = parseParameters(raw.subarray(colon + 1))
  const name = raw.toString('latin1', 0, colon)
  const plain = /^[\x21-\x3a\x3c-\x7e]{1,200}/.exec(value)?.[0] ?? null
  const otherwise = /^content-type/i.test(name) ? 'application/octet-stream' : 'attachment'
  return Buffer.from(`${name}: ${plain ?? otherwise};\r\n ${written}\r\n`, 'latin1')
}

function isPieceOf(found: string, name: string): boolean {
  return found === name || (found.startsWith(`${name}*`) && /^\*\d*\*?$/.test(found.slice(name.length)))
}

/** Splits at semicolons outside of quoted strings and comments. RFC 2045 §5.1. */
function segmentsOf(text: string, from: number, end: number): readonly Segment[] {
  const starts: number[] = []
  let isQuoted = false
  let comments = 0
  for (let at = from; at < end; at += 1) {
    const character = text[at]
    if (character === '\\') at += 1
    else if (isQuoted) isQuoted = character !== '"'
    else if (character === '(') comments += 1
    else if (character === ')') comments = Math.max(0, comments - 1)
    else if (comments > 0) continue
    else if (character === '"') isQuoted = true
    else if (character === ';') starts.push(at + 1)
  }
  return starts.map((start, index) => {
    const next = starts[index + 1]
    const stop = next === undefined ? end : next - 1
    const equals = text.indexOf('=', start)
    const nameEnd = equals < 0 || equals > stop ? stop : equals
    return { start, end: stop, name: text.slice(start, nameEnd).trim().toLowerCase() }
  })
}

function withoutLineEnd(text: string): number {
  if (!text.endsWith('\n')) return text.length
  return text.endsWith('\r\n') ? text.length - 2 : text.length - 1
}
