/**
 * The header section as lines that can be added, replaced and taken away, each field by itself. Owns which octets
 * belong to a field and where the section ends; what it does not change stays octet for octet, however odd.
 *
 * Walks the lines itself instead of keeping all fields as {@link readHeader} does, and without its bounds: a field
 * beyond them is still read by somebody's mail client.
 */
import { textOfField } from './display.js'
import { encodeField, encodeText, LINE_COLUMNS, oneLine } from './encode-field.js'
import { spliced } from './splices.js'

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
/** As in {@link readHeader}: no field has a longer name. */
const MAXIMUM_NAME = 256

/**
 * Finds where the header section ends, behind its blank line.
 *
 * @returns the length of the message where it has no blank line. RFC 5322 §2.1.
 */
export function headerEnd(message: Buffer): number {
  let at = 0
  for (;;) {
    const lineFeed = message.indexOf(LF, at)
    if (lineFeed < 0) return message.length
    if (lineFeed === at || (lineFeed === at + 1 && message[at] === CR)) return lineFeed + 1
    at = lineFeed + 1
  }
}

/** Adds lines at the end of a header section, before its blank line where it has one. */
export function withLinesAdded(section: Buffer, lines: Buffer): Buffer {
  const end = section.length - blankLineOctets(section)
  const isLineEnded = end === 0 || section[end - 1] === LF
  const octets = isLineEnded ? lines : Buffer.concat([Buffer.from('\r\n'), lines])
  return spliced(section, [{ start: end, end, octets }])
}

/** Adds a field at the end of a header section. */
export function withFieldAdded(section: Buffer, name: string, value: string): Buffer {
  return withLinesAdded(section, encodeField(name, value))
}

/** Puts a field in the place of the first of its name, and removes the others; adds it where there is none. */
export function withField(section: Buffer, name: string, value: string): Buffer {
  const line = encodeField(name, value)
  const [first, ...others] = fieldsOf(section, isNamed(name))
  if (first === undefined) return withLinesAdded(section, line)
  return spliced(section, [
    { ...first, octets: line },
    ...others.map((field) => ({ ...field, octets: NOTHING })),
  ])
}

/** Removes all fields that are meant. */
export function withoutFields(section: Buffer, isMeant: (lowerCaseName: string) => boolean): Buffer {
  return spliced(
    section,
    fieldsOf(section, isMeant).map((field) => ({ ...field, octets: NOTHING })),
  )
}

/** Changes each field that is meant. */
export function withFieldsChanged(
  section: Buffer,
  isMeant: (lowerCaseName: string) => boolean,
  change: (raw: Buffer, lowerCaseName: string) => Buffer,
): Buffer {
  return spliced(
    section,
    fieldsOf(section, isMeant).map(({ start, end, name }) => ({
      start,
      end,
      octets: change(section.subarray(start, end), name),
    })),
  )
}

/** Finds the lines of each field that is meant, in their order. */
export function fieldLines(
  section: Buffer,
  isMeant: (lowerCaseName: string) => boolean,
): readonly { readonly name: string; readonly raw: Buffer }[] {
  return fieldsOf(section, isMeant).map(({ start, end, name }) => ({
    name,
    raw: section.subarray(start, end),
  }))
}

/** Tells whether a header section ends with a blank line. */
export function hasBlankLine(section: Buffer): boolean {
  return blankLineOctets(section) > 0
}

export function hasField(section: Buffer, name: string): boolean {
  return fieldsOf(section, isNamed(name)).length > 0
}

export function isNamed(name: string): (lowerCaseName: string) => boolean {
  const wanted = name.toLowerCase()
  return (lowerCaseName) => lowerCaseName === wanted
}

/**
 * Puts a tag before the subject; adds a subject where there is none. Where the tag stands in the decoded subject
 * already, as it does in an answer to a tagged message, that subject stays as it is. Of several Subject fields each
 * is tagged: which one a client shows is not known.
 */
export function withSubjectTagged(section: Buffer, tag: string): Buffer {
  const text = oneLine(tag)
  if (text === '') return section
  const subjects = fieldsOf(section, isNamed('subject'))
  if (subjects.length === 0) return withFieldAdded(section, 'Subject', text)
  return withFieldsChanged(section, isNamed('subject'), (raw) => taggedSubject(raw, text))
}

const ENCODED_WORD_FIRST = /^[ \t\r\n]*=\?[^?\s]+\?[bqBQ]\?[^?]*\?=/

function taggedSubject(raw: Buffer, tag: string): Buffer {
  const behindColon = raw.indexOf(COLON) + 1
  const body = raw.subarray(behindColon)
  if (blanksAlike(textOfField(body)).includes(blanksAlike(tag))) return raw
  // The first line tells all; behind its fold an encoded-word may begin.
  const beginning = body.toString('latin1', 0, LINE_COLUMNS * 4)
  const isWord = ENCODED_WORD_FIRST.test(beginning)
  const written = encodeText(tag, behindColon, isWord ? 'encoded-word' : 'anything-else')
  return Buffer.concat([
    raw.subarray(0, behindColon),
    Buffer.from(`${written}${gapBehindTag(body, columnBehind(written, behindColon))}`, 'latin1'),
    body,
  ])
}

/** A line that would become too long is folded in front of what was there; its own folding is kept. */
function gapBehindTag(body: Buffer, column: number): string {
  const lineFeed = body.indexOf(LF)
  const line = body.toString('latin1', 0, lineFeed < 0 ? body.length : lineFeed).replace(/\r$/, '')
  const gap = line === '' || isBlank(body[0]) ? '' : ' '
  const isTooLong = column + gap.length + line.length > LINE_COLUMNS && line.trim() !== ''
  return isTooLong ? `\r\n${gap}` : gap
}

function columnBehind(written: string, column: number): number {
  const lineEnd = written.lastIndexOf('\n')
  return lineEnd < 0 ? column + written.length : written.length - lineEnd - 1
}

function blanksAlike(text: string): string {
  return oneLine(text).replace(/\s+/gu, ' ')
}

const NOTHING = Buffer.alloc(0)

/** Places of the lines of a field, those it is folded into included. */
interface FieldPlace {
  readonly start: number
  readonly end: number
  /** In lower case. */
  readonly name: string
}

/** Finds fields by the same rules as {@link readHeader}: a line that is none takes its continuations with it. */
function fieldsOf(section: Buffer, isMeant: (lowerCaseName: string) => boolean): readonly FieldPlace[] {
  const found: FieldPlace[] = []
  let open: { readonly start: number; readonly name: string } | null = null
  let at = 0
  const stop = section.length - blankLineOctets(section)
  while (at < stop) {
    const lineFeed = section.indexOf(LF, at)
    const next = lineFeed < 0 ? stop : Math.min(lineFeed + 1, stop)
    if (!isBlank(section[at])) {
      if (open !== null) found.push({ ...open, end: at })
      const name = nameAt(section, at, next)
      open = name !== null && isMeant(name) ? { start: at, name } : null
    }
    at = next
  }
  if (open !== null) found.push({ ...open, end: stop })
  return found
}

/** Printable ASCII before a colon. RFC 5322 §2.2, and §4.5 for the blanks before it. */
function nameAt(section: Buffer, at: number, next: number): string | null {
  const colon = section.subarray(at, Math.min(next, at + MAXIMUM_NAME)).indexOf(COLON)
  if (colon <= 0) return null
  const name = section.toString('latin1', at, at + colon).trimEnd()
  return /^[\x21-\x39\x3b-\x7e]+$/.test(name) ? name.toLowerCase() : null
}

function isBlank(octet: number | undefined): boolean {
  return octet === 0x20 || octet === 0x09
}

/** A section is given without what comes behind its blank line, so that this line can only be its last. */
function blankLineOctets(section: Buffer): number {
  const { length } = section
  if (section[length - 1] !== LF) return 0
  const octets = section[length - 2] === CR ? 2 : 1
  return length === octets || section[length - octets - 1] === LF ? octets : 0
}
