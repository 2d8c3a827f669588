/**
 * Text as octets of a header field: encoded-words, folding, parameters. Owns the promise that no text becomes a line
 * of its own. The library that decodes fields does not encode them here: it splits encoded-words within characters
 * beyond U+1FFFF and folds where a line is nothing but blanks.
 */

/** Columns that a line should have at most. RFC 5322 §2.1.1. */
export const LINE_COLUMNS = 78
/** Octets that a line may have without its line end. RFC 5322 §2.1.1. */
export const LINE_OCTETS = 998
/** Characters of an encoded-word, and columns of a line with one. RFC 2047 §2. */
const WORD_CHARACTERS = 75
const WORD_COLUMNS = 76
/** `=?UTF-8?Q?` and `?=`. */
const WORD_FRAME = 12
/** An encoded-word is begun where so much fits: its frame and one character of twelve, and not only one. */
const LEAST_ROOM = 36
/** Blanks in a row that are left plain; more of them would fill a line. */
const PLAIN_BLANKS = 36
/** Characters of a word that is left plain: it must fit on a line, which nothing else folds. */
const PLAIN_CHARACTERS = 900

const FIELD_NAME = /^[\x21-\x39\x3b-\x7e]{1,255}$/

/**
 * Makes one line of a text: controls and line separators become blanks, halves of characters U+FFFD; no blanks at its
 * ends.
 */
export function oneLine(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ')
    .replace(/\p{Cs}/gu, '\ufffd')
    .trim()
}

/**
 * Encodes a field.
 *
 * @param value Unicode; see {@link oneLine}
 * @returns whole lines with CRLF, folded where possible, printable ASCII
 * @throws TypeError for a name that is none: whoever loads names has checked them. RFC 5322 §2.2, RFC 2047.
 */
export function encodeField(name: string, value: string): Buffer {
  if (!FIELD_NAME.test(name)) throw new TypeError(`no name of a header field: ${JSON.stringify(name)}`)
  return Buffer.from(`${name}:${encodeText(oneLine(value), name.length + 1)}\r\n`, 'latin1')
}

/** What stands behind a text: an encoded-word swallows the blank between itself and another. RFC 2047 §6.2. */
export type Behind = 'encoded-word' | 'anything-else'

/**
 * Encodes a text for the body of a field.
 *
 * @param text one line, without blanks at its ends
 * @param column where the line stands that it goes on
 * @returns a blank and the text, folded; nothing for an empty text
 */
export function encodeText(text: string, column: number, behind: Behind = 'anything-else'): string {
  if (text === '') return ''
  let encoded = ''
  let at = column
  for (const [index, { gap, words, isPlain }] of runsOf(text, behind).entries()) {
    const written = isPlain ? plainRun(gap, words, at, index === 0) : encodedRun(gap, words, at)
    encoded += written
    const lineEnd = written.lastIndexOf('\n')
    at = lineEnd < 0 ? at + written.length : written.length - lineEnd - 1
  }
  return encoded
}

/** A word that is left as it is, or words with the blanks between them that are encoded together. */
interface Run {
  /** The blanks before it. */
  readonly gap: string
  readonly words: string
  readonly isPlain: boolean
}

function runsOf(text: string, behind: Behind): readonly Run[] {
  const runs: { gap: string; words: string[]; isPlain: boolean }[] = []
  const pieces = text.split(/( +)/)
  for (let index = 0; index < pieces.length; index += 2) {
    const word = pieces[index] ?? ''
    const gap = index === 0 ? ' ' : (pieces[index - 1] ?? ' ')
    const next = pieces[index + 1] ?? ''
    const isPlain =
      !needsEncoding(word) && (index === 0 || gap.length <= PLAIN_BLANKS) && next.length <= PLAIN_BLANKS
    const last = runs.at(-1)
    if (isPlain || last === undefined || last.isPlain) runs.push({ gap, words: [word], isPlain })
    else last.words.push(gap, word)
  }
  const last = runs.at(-1)
  if (behind === 'encoded-word' && last !== undefined && !last.isPlain) last.words.push(' ')
  return runs.map(({ gap, words, isPlain }) => ({ gap, words: words.join(''), isPlain }))
}

/** What looks like an encoded-word is encoded too, or it would be read as one. */
function needsEncoding(word: string): boolean {
  return /[^\x21-\x7e]/.test(word) || word.includes('=?') || word.length > PLAIN_CHARACTERS
}

/** The first word stays on the line of the name, so that no line holds a name alone, unless it is too long for that. */
function plainRun(gap: string, word: string, column: number, isFirst: boolean): string {
  const most = isFirst ? LINE_OCTETS : LINE_COLUMNS
  return `${column + gap.length + word.length > most ? '\r\n' : ''}${gap}${word}`
}

function encodedRun(gap: string, text: string, column: number): string {
  const left = WORD_COLUMNS - column - gap.length
  const room = left < LEAST_ROOM ? WORD_COLUMNS - gap.length : left
  return `${left < LEAST_ROOM ? '\r\n' : ''}${gap}${encodedWords(text, Math.min(room, WORD_CHARACTERS)).join('\r\n ')}`
}

/** Each holds whole characters. RFC 2047 §5 (3). */
function encodedWords(text: string, firstRoom: number): readonly string[] {
  // Text with some letters beyond ASCII stays one that a person can read in the octets.
  const isBase64 = base64Length(Buffer.byteLength(text)) * 1.5 < quotedLength(text)
  const words: string[] = []
  let part = ''
  let length = 0
  let room = firstRoom - WORD_FRAME
  for (const character of text) {
    const added = isBase64 ? Buffer.byteLength(character) : quoted(character).length
    const whole = isBase64 ? base64Length(length + added) : length + added
    if (whole > room) {
      words.push(encodedWord(part, isBase64))
      part = ''
      length = 0
      room = WORD_CHARACTERS - WORD_FRAME
    }
    part += character
    length += added
  }
  return [...words, encodedWord(part, isBase64)]
}

function encodedWord(text: string, isBase64: boolean): string {
  if (isBase64) return `=?UTF-8?B?${Buffer.from(text).toString('base64')}?=`
  return `=?UTF-8?Q?${[...text].map(quoted).join('')}?=`
}

function base64Length(octets: number): number {
  return Math.ceil(octets / 3) * 4
}

function quotedLength(text: string): number {
  let length = 0
  for (const character of text) length += quoted(character).length
  return length
}

/** Only what is allowed everywhere, in a phrase too. RFC 2047 §5 (3). */
function quoted(character: string): string {
  if (/^[A-Za-z0-9!*+/-]$/.test(character)) return character
  return character === ' ' ? '_' : escapedOctets(character, '=')
}

/**
 * Writes a parameter of a field such as Content-Disposition.
 *
 * @param value Unicode; see {@link oneLine}
 * @returns `name=value`, quoted where it is no token, or `name*=utf-8''…` where it is not plain ASCII. RFC 2231 §4.
 */
export function encodeParameter(name: string, value: string): string {
  const text = oneLine(value)
  if (/^[A-Za-z0-9_-]+$/.test(text)) return `${name}=${text}`
  // Not all readers take the backslash before a quote away.
  if (/^[\x20-\x7e]*$/.test(text) && !/["\\]|=\?/.test(text)) return `${name}="${text}"`
  const octets = [...text].map((character) =>
    /^[A-Za-z0-9._-]$/.test(character) ? character : escapedOctets(character, '%'),
  )
  return `${name}*=utf-8''${octets.join('')}`
}

function escapedOctets(character: string, mark: '=' | '%'): string {
  const octets = [...Buffer.from(character)]
  return octets.map((octet) => mark + octet.toString(16).toUpperCase().padStart(2, '0')).join('')
}
