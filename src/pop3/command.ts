/**
 * One command line decoded: its verb, the arguments that may be shown, and the rest as a {@link Secret}. Owns
 * the decision what of a command may ever be seen; knows nothing of sessions or sockets.
 */
import { isUtf8 } from 'node:buffer'
import { type Anomaly, NO_ANOMALIES } from './anomaly.js'
import { upperCaseOf } from './ascii.js'
import {
  type ArgumentForm,
  COMMAND_TABLE,
  type CommandGrammar,
  UNKNOWN_MULTI_LINE_VERB,
  UNKNOWN_VERB,
} from './command-table.js'
import { REDACTED, Secret } from './secret.js'

/** A command as a reader may see it. */
export interface Command {
  /** Upper-case verb of the table, or `unrecognized`. */
  readonly verb: string
  /** What to show for the verb: itself, a harmless unknown keyword, or `[redacted]`. */
  readonly keyword: string
  /** The leading arguments that fit the forms of the grammar and are no secrets, as Latin-1 text. */
  readonly arguments: readonly string[]
  /**
   * Everything else behind the verb: credentials, and whatever does not fit its form. The whole line where the
   * keyword is hidden or missing.
   */
  readonly secret: Secret | null
  readonly grammar: CommandGrammar
}

/** How the reply to a command is framed. */
export type ReplyShape = 'single-line' | 'multi-line' | 'sasl'

export interface DecodedCommand {
  readonly command: Command
  readonly anomalies: readonly Anomaly[]
}

const CR = 0x0d
const LF = 0x0a
const SP = 0x20
const NO_ARGUMENTS: readonly string[] = Object.freeze([])

// A keyword has three or four characters (RFC 2449 §3). A longer one that the table lacks may be a password
// typed into a dialogue that went wrong, or a SASL response after its AUTH was refused, so it is not shown.
const SHOWN_UNKNOWN_KEYWORD = /^[A-Za-z*]{3,4}$/

const MECHANISMS = new Set(
  (
    'PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-256-PLUS ' +
    'SCRAM-SHA-512 SCRAM-SHA-512-PLUS SCRAM-SHA3-512 SCRAM-SHA3-512-PLUS XOAUTH2 OAUTHBEARER OAUTH10A ' +
    'EXTERNAL ANONYMOUS GSSAPI GSS-SPNEGO SPNEGO NTLM KERBEROS_V4 KERBEROS_V5 SKEY S/KEY OTP SECURID SRP ' +
    'GS2-KRB5 GS2-KRB5-PLUS SAML20 OPENID20 ECDSA-NIST256P-CHALLENGE MSN X-GM-NOAUTH'
  ).split(' '),
)

const ASCII_NAME = /^[\x21-\x7e]+$/
const UNICODE_NAME = /^[^\p{C}\p{Z}]+$/u

const FORM_PATTERNS: Readonly<Record<ArgumentForm, RegExp | null>> = {
  'message-number': /^[0-9]{1,10}$/,
  'line-count': /^[0-9]{1,10}$/,
  'user-name': null,
  mechanism: null,
  'language-tag': /^(?:\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,8})$/,
  'secret-word': null,
  'secret-rest': null,
}

/**
 * Decodes one command line.
 *
 * @param line octets up to and including LF
 * @param multiLineVerbs upper-case verbs beyond the table whose positive reply has several lines
 * @returns the command and what is odd about the line; any line gives a command, `unrecognized` at the worst
 * Never fails. RFC 1939 §3, RFC 2449 §3.
 */
export function decodeCommand(line: Buffer, multiLineVerbs: ReadonlySet<string>): DecodedCommand {
  const end = endOfText(line)
  const found: Anomaly[] = []
  if (end === line.length - 1) found.push('bare-line-feed')
  const text = line.toString('latin1', 0, end)
  noteOctets(text, found)
  const begin = firstNonBlank(text)
  if (begin > 0) found.push('padded-command')
  const verbEnd = endOfWord(text, begin)
  const typed = text.slice(begin, verbEnd)
  const verb = upperCaseOf(typed)
  const grammar = COMMAND_TABLE.get(verb)
  const command =
    grammar === undefined
      ? unrecognized(line, end, verbEnd, typed, verb, multiLineVerbs)
      : recognized(grammar, line, text, end, verbEnd, found)
  return { command, anomalies: found.length === 0 ? NO_ANOMALIES : found }
}

/** How the reply to `command` is framed. Bare AUTH lists mechanisms at Dovecot and Exchange. */
export function replyShapeOf(command: Command): ReplyShape {
  switch (command.grammar.reply) {
    case 'sasl':
      return command.arguments.length === 0 && command.secret === null ? 'multi-line' : 'sasl'
    case 'multi-line-without-argument':
      return command.arguments.length === 0 && command.secret === null ? 'multi-line' : 'single-line'
    case 'multi-line':
      return 'multi-line'
    case 'single-line':
      return 'single-line'
  }
}

/** Writes a command for a person: `RETR 3`, `PASS [redacted]`. */
export function showCommand(command: Command): string {
  if (hidesKeyword(command)) return command.secret === null ? '' : REDACTED
  const words = [command.keyword, ...command.arguments]
  if (command.secret !== null) words.push(REDACTED)
  return words.join(' ')
}

/** Whether the secret is the whole line, its keyword included. */
export function hidesKeyword(command: Pick<Command, 'verb' | 'keyword'>): boolean {
  return command.verb === 'unrecognized' && (command.keyword === REDACTED || command.keyword === '')
}

function recognized(
  grammar: CommandGrammar,
  line: Buffer,
  text: string,
  end: number,
  verbEnd: number,
  found: Anomaly[],
): Command {
  const shown: string[] = []
  let position = verbEnd
  let secretFrom = -1
  let given = 0
  for (const form of grammar.arguments) {
    const start = skipBlanks(text, position)
    if (start >= end) break
    // Blanks belong to a password (RFC 1939 §7, PASS): only the first one separates.
    if (form === 'secret-rest' || form === 'secret-word') {
      secretFrom = position + 1
      given += 1
      position = end
      break
    }
    if (start > position + 1 && !found.includes('padded-command')) found.push('padded-command')
    const stop = endOfWord(text, start)
    const word = text.slice(start, stop)
    if (!fits(form, word)) {
      found.push('malformed-argument')
      secretFrom = start
      given += 1
      position = end
      break
    }
    shown.push(form === 'mechanism' ? upperCaseOf(word) : word)
    given += 1
    position = stop
  }
  if (given < grammar.required) found.push('missing-argument')
  const rest = skipBlanks(text, position)
  if (rest < end) {
    found.push('surplus-argument')
    secretFrom = rest
  } else if (position < end && secretFrom < 0 && !found.includes('padded-command')) {
    found.push('padded-command')
  }
  return {
    verb: grammar.verb,
    keyword: grammar.verb,
    arguments: shown.length === 0 ? NO_ARGUMENTS : shown,
    secret: secretFrom < 0 ? null : new Secret(line.subarray(secretFrom, end)),
    grammar,
  }
}

function unrecognized(
  line: Buffer,
  end: number,
  verbEnd: number,
  typed: string,
  verb: string,
  multiLineVerbs: ReadonlySet<string>,
): Command {
  const isMultiLine = multiLineVerbs.has(verb)
  const isShown = isMultiLine || SHOWN_UNKNOWN_KEYWORD.test(typed)
  const secretFrom = isShown ? verbEnd + 1 : 0
  return {
    verb: 'unrecognized',
    keyword: isShown ? verb : typed === '' ? '' : REDACTED,
    arguments: NO_ARGUMENTS,
    secret: secretFrom < end ? new Secret(line.subarray(secretFrom, end)) : null,
    grammar: isMultiLine ? UNKNOWN_MULTI_LINE_VERB : UNKNOWN_VERB,
  }
}

function fits(form: ArgumentForm, word: string): boolean {
  if (form === 'user-name') return isUserName(word)
  if (form === 'mechanism') return MECHANISMS.has(upperCaseOf(word))
  return FORM_PATTERNS[form]?.test(word) ?? true
}

/**
 * ASCII without blanks, or UTF-8 (RFC 6856 §2.2). In other octets nobody can tell what separates words: `APOP`,
 * `a`, a no-break space and the digest would else be one name, and shown.
 */
function isUserName(word: string): boolean {
  if (ASCII_NAME.test(word)) return true
  const octets = Buffer.from(word, 'latin1')
  return isUtf8(octets) && UNICODE_NAME.test(octets.toString('utf8'))
}

/** Index behind the last octet that is neither the line's CR nor its LF. */
function endOfText(line: Buffer): number {
  let end = line.length
  if (line[end - 1] === LF) end -= 1
  if (line[end - 1] === CR) end -= 1
  return end
}

function noteOctets(text: string, found: Anomaly[]): void {
  let eightBit = false
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code >= SP && code < 0x7f) continue
    if (code === CR) {
      if (!found.includes('bare-carriage-return')) found.push('bare-carriage-return')
    } else if (code === 0) {
      if (!found.includes('nul-octet')) found.push('nul-octet')
    } else eightBit = true
  }
  if (eightBit) found.push('eight-bit-command')
}

function isBlank(text: string, index: number): boolean {
  const code = text.charCodeAt(index)
  return code === SP || code === 0x09
}

function firstNonBlank(text: string): number {
  return skipBlanks(text, 0)
}

function skipBlanks(text: string, from: number): number {
  let index = from
  while (index < text.length && isBlank(text, index)) index += 1
  return index
}

function endOfWord(text: string, from: number): number {
  let index = from
  while (index < text.length && !isBlank(text, index)) index += 1
  return index
}
