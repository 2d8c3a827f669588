/**
 * The lines that postern writes itself: status lines, its own commands, multi-line responses. Refuses anything
 * that would end a line early, so that no text can become a second reply or command.
 */
import { type Command, hidesKeyword } from './command.js'
import { declassify } from './secret.js'

const UNSAFE = /[\r\n\0]/
// Buffer's Latin-1 keeps the low octet of what is none: U+010A would become LF, and its text a second line.
const BEYOND_LATIN_1 = /[^\0-\xff]/
const EVERY_BEYOND_LATIN_1 = /[^\0-\xff]/gu

const DOT = 0x2e
const CR = 0x0d
const LF = 0x0a
const DOT_LINE = Buffer.from('\r\n.', 'latin1')
const STUFFED_LINE = Buffer.from('\r\n..', 'latin1')
const TERMINATION = Buffer.from('.\r\n', 'latin1')
const LINE_END_AND_TERMINATION = Buffer.from('\r\n.\r\n', 'latin1')

/**
 * Writes a status line with its CRLF.
 *
 * @param responseCode without brackets, as `SYS/TEMP`; null for none
 * @param text printable text; cut so that the line keeps to 512 octets; "?" stands for what Latin-1 lacks, since
 * an error must reach the client even where it quotes a foreign name
 * @throws TypeError where code or text holds CR, LF or NUL
 * RFC 1939 §3, RFC 2449 §3 and §4.
 */
export function encodeStatusLine(
  indicator: '+OK' | '-ERR',
  responseCode: string | null,
  text: string,
): Buffer {
  const code = responseCode === null ? '' : `[${responseCode}]`
  const words = [indicator as string, code, text].filter((word) => word !== '')
  const line = words.join(' ').replace(EVERY_BEYOND_LATIN_1, '?')
  if (UNSAFE.test(line)) throw new TypeError('a status line cannot hold CR, LF or NUL')
  return Buffer.from(`${line.slice(0, 510)}\r\n`, 'latin1')
}

/**
 * Writes a command with its CRLF in the canonical form: upper-case verb, single blanks. A line without a keyword
 * that may be shown is written as it was.
 *
 * @throws TypeError where an argument holds CR, LF, NUL or a character beyond Latin-1
 * RFC 1939 §3.
 */
export function encodeCommand(command: Pick<Command, 'verb' | 'keyword' | 'arguments' | 'secret'>): Buffer {
  const words = hidesKeyword(command) ? [] : [command.keyword, ...command.arguments]
  if (command.secret !== null) words.push(declassify(command.secret).toString('latin1'))
  const line = words.join(' ')
  if (UNSAFE.test(line) || BEYOND_LATIN_1.test(line)) {
    throw new TypeError('a command cannot hold CR, LF, NUL or a character beyond Latin-1')
  }
  return Buffer.from(`${line}\r\n`, 'latin1')
}

/**
 * Byte-stuffs content and adds the termination octet line.
 *
 * @param content whole lines that end in CRLF; a missing last CRLF is added
 * RFC 1939 §3.
 */
export function encodeContent(content: Buffer): Buffer {
  const stuffed = stuffLines(content, true)
  const isEnded = stuffed.length === 0 || (stuffed.at(-1) === LF && stuffed.at(-2) === CR)
  return Buffer.concat([stuffed, isEnded ? TERMINATION : LINE_END_AND_TERMINATION])
}

/**
 * Byte-stuffs a stretch of content.
 *
 * @param isBehindCrlf whether it stands at the start of a line
 * @returns as many lines; the same octets where nothing is to be stuffed. RFC 1939 §3.
 */
export function stuffLines(content: Buffer, isBehindCrlf: boolean): Buffer {
  const isFirst = isBehindCrlf && content[0] === DOT
  if (!isFirst && !content.includes(DOT_LINE)) return content
  const text = content.toString('latin1').replaceAll('\r\n.', '\r\n..')
  return Buffer.from(isFirst ? `.${text}` : text, 'latin1')
}

/**
 * Removes byte-stuffing from content.
 *
 * @param content octets between the status line and the termination octet line; handed back where nothing is stuffed
 * RFC 1939 §3.
 */
export function removeByteStuffing(content: Buffer): Buffer {
  // Most messages have no such line, and need no copy then.
  const isStuffed = (content[0] === DOT && content[1] === DOT) || content.includes(STUFFED_LINE)
  if (!isStuffed) return content
  const text = content.toString('latin1')
  const plain = text.replaceAll('\r\n..', '\r\n.')
  return Buffer.from(plain.startsWith('..') ? plain.slice(1) : plain, 'latin1')
}

/** Removes byte-stuffing from content that comes in pieces. See {@link removeByteStuffing}. */
export class Unstuffer {
  /** What may belong to the beginning of a stuffed line. Before the first octet it is as behind a line. */
  #waiting: Buffer = CRLF
  #left = CRLF.length

  /** Takes the next piece, torn anywhere. @returns what is certain of the content by now */
  take(piece: Buffer): Buffer {
    // By itself the beginning of a piece is none of a line.
    const octets = Buffer.concat([WITHIN_LINE, this.#waiting, piece])
    const end = octets.toString('latin1', Math.max(0, octets.length - 3))
    const waiting = STUFFED_BEGINNINGS.find((beginning) => end.endsWith(beginning))?.length ?? 0
    const certain = octets.length - waiting
    this.#waiting = octets.subarray(certain)
    return this.#without(removeByteStuffing(octets.subarray(0, certain)).subarray(WITHIN_LINE.length))
  }

  /** Nothing follows. @returns the rest */
  end(): Buffer {
    return this.#without(this.#waiting)
  }

  /** The line end before the content is none of it. */
  #without(octets: Buffer): Buffer {
    const left = Math.min(this.#left, octets.length)
    this.#left -= left
    return octets.subarray(left)
  }
}

const CRLF: Buffer = Buffer.from('\r\n', 'latin1')
const WITHIN_LINE = Buffer.from('x', 'latin1')
const STUFFED_BEGINNINGS = ['\r\n.', '\r\n', '\r'] as const
