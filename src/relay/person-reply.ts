/**
 * The replies that a client gets because a person decided so at a breakpoint: dropped, answered or edited ones. Puts
 * line ends, byte-stuffing and sizes right, so that nothing a person types can become a second reply.
 */
import type { ReplyShape } from '../pop3/command.js'
import { encodeContent, encodeStatusLine } from '../pop3/encoder.js'
import { decodeStatusLine, type StatusLine } from '../pop3/reply-decoder.js'
import type { ArrivedReply, Exchange, LocalAnswer } from './exchange.js'
import type { HoldAnswer } from './interception.js'
import { type Problem, withoutLineEnd } from './person-command.js'

/** A reply in the place of the server's. */
export interface PersonReply {
  readonly status: StatusLine
  /** With its CRLF. */
  readonly statusLine: Buffer
  /** Byte-stuffed, without the termination octet line; null for a reply of one line. */
  readonly content: Buffer | null
}

/** The server's reply whose place is taken. */
type Replaced = Pick<ArrivedReply, 'statusLine' | 'contentOctets'>

export const TERMINATION_LINE = Buffer.from('.\r\n', 'latin1')

/** RFC 2449 §4, CRLF included. */
const STATUS_LINE_OCTETS = 512
const CRLF = Buffer.from('\r\n', 'latin1')
const CR_OR_NUL = /[\r\0]/
/** Header fields of a dropped message that its notice keeps; longer ones are left out. */
const KEPT_FIELD = /^(?:from|date|subject)[ \t]*:/i
const KEPT_FIELD_OCTETS = 8_192
const HEADER_OCTETS = 262_144

/**
 * Writes what the client gets where a person answers or drops a held item, or edits a reply or message.
 *
 * @param exchange with its reply where one has arrived; else the command is held
 */
export function replyInstead(
  exchange: Pick<Exchange, 'arrived' | 'gathered' | 'life' | 'shape' | 'hold'>,
  answer: Exclude<HoldAnswer, { type: 'release' }>,
): PersonReply | Problem {
  const { arrived, gathered, life, shape, hold } = exchange
  const editable = hold?.item.editable ?? null
  const isCommitted = life?.isCommitted ?? false
  const message = gathered === null ? null : editable
  if (answer.type === 'drop') {
    if (arrived === null) return droppedReply('command')
    return isCommitted && message !== null ? noticeOfDropped(message, arrived) : droppedReply('reply')
  }
  if (answer.type === 'edit' && arrived !== null) {
    if (message !== null) return editedMessage(answer.octets, arrived)
    if (editable === null)
      return {
        problem:
          'the reply repeats what may be a credential and is not to be edited: release, drop or answer it',
      }
  }
  return personReply(answer.octets, shape, isCommitted)
}

/**
 * Writes the refusal for what was dropped. RFC 3206, SYS/TEMP: no fault of the client's, and it need not ask for
 * another password.
 *
 * @param what `command` where the server never saw it, else `reply`
 */
function droppedReply(what: 'command' | 'reply'): PersonReply {
  const text =
    what === 'command'
      ? 'postern dropped the command at a breakpoint: the server never saw it'
      : 'postern dropped the reply at a breakpoint'
  const statusLine = encodeStatusLine('-ERR', 'SYS/TEMP', text)
  return { status: { indicator: '-ERR', responseCode: 'SYS/TEMP', text }, statusLine, content: null }
}

/**
 * Writes the message in place of one that was dropped when `+OK` had been said already.
 *
 * @param message the dropped one without byte-stuffing; From, Date and Subject are taken octet for octet where they
 *   stand in whole lines
 * @param replaced the server's status line, whose size is put right
 */
function noticeOfDropped(message: Buffer, replaced: Replaced): PersonReply {
  const text =
    'postern dropped this message at a breakpoint: a person held it and decided so.\r\n\r\n' +
    `The original has ${message.length} octets and is still on the server, unless your mail program\r\n` +
    'deletes what it has fetched: then it may be about to delete the original.\r\n'
  const header = `${keptFields(message)}MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n`
  return editedMessage(Buffer.from(`${header}\r\n${text}`, 'latin1'), replaced)
}

/**
 * Puts an edited message into the form of the wire.
 *
 * @param message line ends of any kind
 * @param replaced the server's status line: where it names the size of the original, it names the new one
 */
function editedMessage(message: Buffer, replaced: Replaced): PersonReply {
  const { content, octets } = contentOf(message)
  const statusLine = withSize(replaced.statusLine, replaced.contentOctets, octets)
  const status = decodeStatusLine(statusLine)?.status
  if (status === undefined) throw new TypeError('the status line of a message has no indicator')
  return { status, statusLine, content }
}

/**
 * Reads a reply that a person wrote.
 *
 * @param octets a status line, and behind it content where `shape` has some; line ends of any kind
 * @param isCommitted the client has `+OK` already
 */
function personReply(octets: Buffer, shape: ReplyShape, isCommitted: boolean): PersonReply | Problem {
  const end = octets.indexOf(0x0a)
  const first = withoutLineEnd(end < 0 ? octets : octets.subarray(0, end + 1))
  const rest = end < 0 ? Buffer.alloc(0) : octets.subarray(end + 1)
  const statusLine = Buffer.concat([first, CRLF])
  const decoded = decodeStatusLine(statusLine)
  if (decoded === null) return { problem: 'a reply begins with +OK or -ERR' }
  if (CR_OR_NUL.test(first.toString('latin1')))
    return { problem: 'a status line is one line, without CR, LF or NUL' }
  if (statusLine.length > STATUS_LINE_OCTETS)
    return {
      problem: `the status line has ${statusLine.length} octets with its CRLF, and ${STATUS_LINE_OCTETS} may pass (RFC 2449 §4)`,
    }
  const { status } = decoded
  if (isCommitted && status.indicator !== '+OK')
    return { problem: 'the client has +OK already, since postern keeps it alive: answer with +OK' }
  if (shape === 'multi-line' && status.indicator === '+OK')
    return { status, statusLine, content: contentOf(rest).content }
  if (rest.length > 0) return { problem: 'this reply has one line: leave out what stands behind the first' }
  return { status, statusLine, content: null }
}

/** What stands behind the status line on the wire. */
export function contentPieces({ content }: PersonReply): readonly Buffer[] {
  return content === null ? [] : [content, TERMINATION_LINE]
}

/** Makes a reply one that postern gives in the place of the server. */
export function localAnswerOf(reply: PersonReply, next: LocalAnswer['next']): LocalAnswer {
  const { status, statusLine, content } = reply
  const octets = Buffer.concat([statusLine, ...contentPieces(reply)])
  return { octets, ...status, content, next }
}

/** Line ends become CRLF, a CR alone too: some readers take it for one, and would see a termination in `CR . CR LF`. */
function contentOf(octets: Buffer): { readonly content: Buffer; readonly octets: number } {
  const lines = octets.toString('latin1').replace(/\r\n|\r|\n/g, '\r\n')
  const whole = lines === '' || lines.endsWith('\r\n') ? lines : `${lines}\r\n`
  const encoded = encodeContent(Buffer.from(whole, 'latin1'))
  return { content: encoded.subarray(0, encoded.length - TERMINATION_LINE.length), octets: whole.length }
}

/** `+OK 120 octets` for a message of 120 octets; other numbers in the line mean something else. */
export function withSize(statusLine: Buffer, from: number, to: number): Buffer {
  const line = statusLine.toString('latin1')
  const number = `(?<![0-9])${from}(?![0-9])`
  const named = new RegExp(`${number}(?=\\s+octets)`, 'i')
  const pattern = named.test(line) ? named : new RegExp(number)
  return Buffer.from(line.replace(pattern, String(to)), 'latin1')
}

function keptFields(message: Buffer): string {
  const head = message.toString('latin1', 0, HEADER_OCTETS)
  const end = head.indexOf('\r\n\r\n')
  const fields = (end < 0 ? '' : head.slice(0, end)).split(/\r\n(?![ \t])/)
  const seen = new Set<string>()
  let kept = ''
  for (const field of fields) {
    const name = field.slice(0, field.indexOf(':')).trim().toLowerCase()
    const isWhole = !/(?<!\r)\n|\r(?!\n)|\0/.test(field) && field.length <= KEPT_FIELD_OCTETS
    if (!KEPT_FIELD.test(field) || !isWhole || seen.has(name)) continue
    seen.add(name)
    kept += `${field}\r\n`
  }
  return kept
}
