/**
 * Text in the place of what a client should not get: a whole message that only keeps who wrote to whom about what, or
 * one part. Made of the header section alone, so that TOP and RETR need not see the rest to agree.
 */

import { fieldLines, hasBlankLine, hasField, withLinesAdded, withoutFields } from './edit-header.js'
import { encodeField, LINE_COLUMNS, LINE_OCTETS } from './encode-field.js'
import { EDIT_LIMITS, type EditLimits } from './limits.js'
import { encodeQuotedPrintable } from './transfer.js'

/** What tells a person which message is not here, and lets a client put it into its thread. */
const KEPT: ReadonlySet<string> = new Set([
  'from',
  'to',
  'cc',
  'date',
  'subject',
  'message-id',
  'in-reply-to',
  'references',
])

/** A text as a part: the fields that say what it is, and its lines. */
export interface TextPart {
  readonly fields: Buffer
  readonly body: Buffer
}

/**
 * Writes a text as a part of type text/plain.
 *
 * @param text Unicode; its line ends are those of the part, longer lines are wrapped; other controls become blanks
 * @returns whole lines with CRLF; no line begins as a boundary does
 */
export function textPart(text: string): TextPart {
  const lines = text
    .split(/\r\n|\r|\n/)
    .map((line) => line.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ').replace(/\p{Cs}/gu, '\ufffd'))
    .flatMap(wrapped)
  const body = Buffer.from(`${lines.join('\r\n').trimEnd()}\r\n`)
  const isPlain = lines.every(
    (line) => /^[\x20-\x7e]*$/.test(line) && line.length <= LINE_OCTETS && !line.startsWith('--'),
  )
  const isAscii = lines.every((line) => /^[\x20-\x7e]*$/.test(line))
  return {
    fields: Buffer.concat([
      encodeField('Content-Type', `text/plain; charset=${isAscii ? 'us-ascii' : 'utf-8'}`),
      encodeField('Content-Transfer-Encoding', isPlain ? '7bit' : 'quoted-printable'),
    ]),
    body: isPlain ? body : encodeQuotedPrintable(body, body),
  }
}

/** Wraps a line at blanks; a word that is longer than a line stays whole. */
function wrapped(line: string): readonly string[] {
  if (line.length <= LINE_COLUMNS) return [line]
  const lines: string[] = []
  let current = ''
  for (const word of line.split(' ')) {
    if (current !== '' && current.length + 1 + word.length > LINE_COLUMNS) {
      lines.push(current)
      current = word
    } else current = current === '' ? word : `${current} ${word}`
  }
  return [...lines, current]
}

/**
 * Makes a notice in the place of a message.
 *
 * @param section header section of the message, with its blank line or without
 * @param text see {@link textPart}
 * @returns a whole message: From, To, Cc, Date, Subject, Message-ID, In-Reply-To and References as they are, the first
 * of each, where their lines are sound and not too many; of everything else nothing
 * Never fails.
 */
export function noticeOf(section: Buffer, text: string, limits: EditLimits = EDIT_LIMITS): Buffer {
  const kept: Buffer[] = []
  const seen = new Set<string>()
  for (const { name, raw } of fieldLines(section, (found) => KEPT.has(found))) {
    const lines = soundLines(raw, limits)
    if (lines === null || seen.has(name)) continue
    seen.add(name)
    kept.push(lines)
  }
  const part = textPart(text)
  return Buffer.concat([...kept, encodeField('MIME-Version', '1.0'), part.fields, CRLF, part.body])
}

const CRLF = Buffer.from('\r\n')

/**
 * A notice has to be read by every client, whatever the message was made of. Line ends of a message from a file are
 * bare LF: those become CRLF.
 */
function soundLines(raw: Buffer, limits: EditLimits): Buffer | null {
  if (raw.length > limits.noticeFieldOctets) return null
  const text = raw.toString('latin1').replace(/\r?\n/g, '\n')
  if (/[\r\0]/.test(text)) return null
  const whole = text.endsWith('\n') ? text : `${text}\n`
  return Buffer.from(whole.replaceAll('\n', '\r\n'), 'latin1')
}

/**
 * Puts a text in the place of the content of a message that is not a multipart: all its fields stay but those that
 * told of the content. RFC 2045 §3.
 *
 * @returns a whole message
 */
export function withTextInstead(section: Buffer, text: string): Buffer {
  const part = textPart(text)
  const rest = withoutFields(section, (name) => name.startsWith('content-'))
  const version = hasField(rest, 'MIME-Version') ? [] : [encodeField('MIME-Version', '1.0')]
  const changed = withLinesAdded(rest, Buffer.concat([...version, part.fields]))
  return Buffer.concat([changed, hasBlankLine(changed) ? Buffer.alloc(0) : CRLF, part.body])
}
