/**
 * How the reply to RETR or TOP changes where rules edit a message: what of it must be gathered, what the client gets
 * instead, and how many octets that will be. Sizes are counted by the same steps as messages are written, so that what
 * LIST says is what RETR sends. Knows nothing of commands or replies in flight.
 */
import { type Abridged, type Gap, unabridged, wholeOctets } from '../mail/abridged.js'
import { editAbridged, editHeaderSection, editMessage, type MessageEdit, reachOf } from '../mail/edit.js'
import { headerEnd } from '../mail/edit-header.js'
import { encodeContent } from '../pop3/encoder.js'
import type { MessageVerdict } from '../rules/verdict.js'
import { TERMINATION_LINE } from './person-reply.js'

/** What is to become of the content of one reply. */
export interface Rewrite {
  readonly edits: readonly MessageEdit[]
  /**
   * What of the server's content is needed.
   * - `header`: its header section, changed; the rest goes on as it comes
   * - `message`: all of it
   * - `notice`: its header section, and the rest is left out
   */
  readonly scope: 'header' | 'message' | 'notice'
  /** The judge whose output is edited in the place of the message; null for the message itself. */
  readonly outputOf: string | null
  /** Octets of the message as the server names them, and as the client has been told. */
  readonly octets: { readonly from: number; readonly to: number }
  /** Lines of the body that TOP asks for, null for RETR. */
  readonly lines: number | null
}

const LF = 0x0a
const CR = 0x0d
const CRLF = Buffer.from('\r\n', 'latin1')

/** @param lines of TOP, null for RETR @returns null where nothing is changed */
export function rewriteOf(
  { edits, outputOf = null }: Pick<MessageVerdict, 'edits' | 'outputOf'>,
  octets: Rewrite['octets'],
  lines: number | null,
): Rewrite | null {
  if (edits.length === 0 && outputOf === null) return null
  return { edits, scope: outputOf === null ? scopeOf(edits) : 'message', outputOf, octets, lines }
}

function scopeOf(edits: readonly MessageEdit[]): Rewrite['scope'] {
  if (edits.some(({ type }) => type === 'notice')) return 'notice'
  return reachOf(edits) === 'header' ? 'header' : 'message'
}

/**
 * Counts the octets of an edited message.
 *
 * @param seen what has been seen of it, without byte-stuffing, and its size as the server says
 */
export function writtenOctets(
  edits: readonly MessageEdit[],
  seen: {
    readonly header: Buffer | null
    readonly message: Buffer | null
    /** Where octets of the message are missing; left out for none. */
    readonly gaps?: readonly Gap[]
    readonly size: number
  },
): number {
  const { header, message, gaps = [], size } = seen
  if (scopeOf(edits) === 'header') {
    if (header === null) return size
    const before = message === null ? size : abridgedContentOctets({ octets: message, gaps })
    return before + editHeaderSection(header, edits).length - header.length
  }
  if (message !== null) return abridgedContentOctets(writtenAbridged(edits, { octets: message, gaps }))
  return header === null ? size : contentOctets(writtenMessage(edits, header))
}

/**
 * Counts the octets of a message that a judge wrote, edited. RFC 1939 §11: octets count line ends as two.
 *
 * @param output in the place of the message
 */
export function outputOctets(edits: readonly MessageEdit[], output: Buffer): number {
  return contentOctets(editMessage(output, edits))
}

/** Edits a message. @param original all of it, or its header section where the edits leave out the rest */
export function writtenMessage(edits: readonly MessageEdit[], original: Buffer): Buffer {
  return writtenAbridged(edits, unabridged(original)).octets
}

/** The same for a message that is not all in memory. */
export function writtenAbridged(edits: readonly MessageEdit[], original: Abridged): Abridged {
  if (scopeOf(edits) !== 'notice') return editAbridged(original, edits)
  return unabridged(editMessage(headerSectionOf(original.octets), edits))
}

/** Octets that a message has within a reply: a last line without its end gets one. RFC 1939 §3. */
export function contentOctets(message: Buffer): number {
  return message.length === 0 || endsLine(message) ? message.length : message.length + CRLF.length
}

/** The same for a message that is not all in memory; its last line is. */
export function abridgedContentOctets(message: Abridged): number {
  return wholeOctets(message) - message.octets.length + contentOctets(message.octets)
}

/** The header section of a message with its blank line; the message itself where there is no blank line. */
export function headerSectionOf(message: Buffer): Buffer {
  const end = headerEnd(message)
  return end === message.length ? message : message.subarray(0, end)
}

/** Finds where a header section ends that comes in pieces: behind the first empty line. RFC 5322 §2.1. */
export class HeaderEnd {
  /** Whether the octets so far end a line, with a CR behind it or not. */
  #isAtLineStart = true
  #hasCarriageReturn = false

  /** @returns where in the piece the section has ended, behind the empty line; -1 where it goes on */
  find(piece: Buffer): number {
    for (let at = 0; at < piece.length; ) {
      if (this.#isAtLineStart) {
        const octet = piece[at]
        if (octet === LF) return at + 1
        this.#isAtLineStart = octet === CR && !this.#hasCarriageReturn
        this.#hasCarriageReturn = this.#isAtLineStart
        at += 1
      } else {
        this.#hasCarriageReturn = false
        const end = piece.indexOf(LF, at)
        if (end < 0) return -1
        this.#isAtLineStart = true
        at = end + 1
      }
    }
    return -1
  }
}

/** What TOP gives of a message: its header section, the blank line, and so many lines of the body. RFC 1939 §7. */
export function topOf(message: Buffer, lines: number): Buffer {
  let at = headerSectionOf(message).length
  for (let left = lines; left > 0 && at < message.length; left -= 1) {
    const end = message.indexOf(LF, at)
    at = end < 0 ? message.length : end + 1
  }
  return message.subarray(0, at)
}

/** Byte-stuffs content; a last line without its end gets one. RFC 1939 §3. */
export function stuffed(content: Buffer): Buffer {
  const encoded = encodeContent(content)
  return encoded.subarray(0, encoded.length - TERMINATION_LINE.length)
}

function endsLine(message: Buffer): boolean {
  return message[message.length - 1] === LF && message[message.length - 2] === CR
}
