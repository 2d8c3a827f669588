/**
 * The client's side of a recorded session as lines to send: what is repeated as it was, what is replaced because a
 * recording holds no passwords, what is left out because it would do harm. Pure.
 */
import { decodeCommand, type ReplyShape, replyShapeOf, showCommand } from '../pop3/command.js'
import { encodeCommand } from '../pop3/encoder.js'
import { REDACTED, Secret } from '../pop3/secret.js'
import { type ExchangeTold, exchangesOf } from '../sessions/exchanges.js'
import type { SessionRecord } from '../sessions/session-record.js'

/** Who logs in. */
export interface ReplayCredentials {
  readonly user: string
  readonly password: Secret
}

export interface ClientScriptOptions {
  /** Null where the recorded session never logged in. */
  readonly credentials: ReplayCredentials | null
  /** Sends DELE too, which deletes mail. */
  readonly deletes: boolean
  /** Commands of one's own in the place of all that was recorded behind the login; null plays the recording. */
  readonly instead: readonly string[] | null
}

/** One command to send, with the shape of its reply. */
export interface ScriptLine {
  /** As a person may see it. */
  readonly shown: string
  /** With its CRLF; holds the password where it is PASS. */
  readonly wire: Buffer
  readonly shape: ReplyShape
  /** Number of the recorded command that this one repeats; null where it stands in for another. */
  readonly repeats: number | null
  /** Completes a login that succeeded when it was recorded: without it, nothing behind can be compared. */
  readonly mustLogIn: boolean
}

export interface ClientScript {
  readonly lines: readonly ScriptLine[]
  /** What is played otherwise than it was recorded, one line each. */
  readonly notes: readonly string[]
}

/** The recorded session cannot be played; the message says what is missing. */
export class ReplayError extends Error {
  override readonly name = 'ReplayError'
}

const LF = 0x0a
const NO_VERBS: ReadonlySet<string> = new Set()
const COMPLETES_LOGIN: ReadonlySet<string> = new Set(['PASS', 'APOP', 'RPOP', 'AUTH'])

/**
 * Makes the script of a session's client. Of several logins one is played: that which succeeded, else the last.
 *
 * @throws ReplayError where the session logged in and no credentials are given
 */
export function clientScript(record: SessionRecord, options: ClientScriptOptions): ClientScript {
  const lines: ScriptLine[] = []
  const notes = new Set<string>()
  const exchanges = exchangesOf(record)
  const login = loginOf(exchanges)
  const played = options.instead === null ? exchanges : upTo(exchanges, login)
  for (const exchange of played) {
    const { verb, shown, wire, origin, number } = exchange
    if (origin === 'watcher') notes.add('commands that a person sent into the session are left out')
    else if (verb === 'STLS')
      notes.add('STLS is left out: the session is played without TLS toward its client')
    else if (verb === 'DELE' && !options.deletes) notes.add('DELE is left out, so that nothing is deleted')
    else if (verb === 'USER' || completesLogin(exchange)) {
      if (login !== null && !login.includes(exchange)) notes.add('of several logins only one is played')
      else if (verb === 'USER') lines.push(userLine(record, exchange, options))
      else if (verb === 'PASS') lines.push(passLine(record, exchange, options))
      else {
        notes.add(
          `${verb} is played as USER and PASS: a recording holds nothing of a login that could be repeated`,
        )
        const user = { ...userLine(record, exchange, options), shown: `USER ${record.user ?? ''}` }
        const pass = { ...passLine(record, exchange, options), repeats: null }
        lines.push({ ...user, repeats: null }, pass)
      }
    } else if (shown.includes(REDACTED)) notes.add('commands with redacted arguments are left out')
    else lines.push(repeatedLine(wire ?? Buffer.from(`${shown}\r\n`, 'utf8'), number))
  }
  for (const command of options.instead ?? []) lines.push(ownLine(command))
  if (lines.at(-1)?.shown.toUpperCase() !== 'QUIT') {
    if (options.instead === null) notes.add('QUIT is sent at the end, though the recorded client gave none')
    lines.push({ ...repeatedLine(Buffer.from('QUIT\r\n', 'latin1'), 0), repeats: null })
  }
  return { lines, notes: [...notes] }
}

/** The session as far as its login; nothing where it had none. */
function upTo(
  exchanges: readonly ExchangeTold[],
  login: readonly ExchangeTold[] | null,
): readonly ExchangeTold[] {
  const last = login?.at(-1)
  return last === undefined ? [] : exchanges.slice(0, exchanges.indexOf(last) + 1)
}

function ownLine(text: string): ScriptLine {
  const wire = Buffer.from(`${text}\r\n`, 'utf8')
  if (/[\r\n\0]/.test(text) || text.trim() === '') {
    throw new ReplayError(`${JSON.stringify(text)} is no command: one line of text is wanted`)
  }
  const { command } = decodeCommand(wire, NO_VERBS)
  return { ...repeatedLine(wire, 0), shown: showCommand(command), repeats: null }
}

/** The command that completed the login, and the USER before it where it is a PASS; null where none was tried. */
function loginOf(exchanges: readonly ExchangeTold[]): readonly ExchangeTold[] | null {
  const tried = exchanges.filter(completesLogin)
  const chosen = tried.find(({ reply }) => reply?.indicator === '+OK') ?? tried.at(-1)
  if (chosen === undefined) return null
  const user = exchanges.findLast(({ verb, number }) => verb === 'USER' && number < chosen.number)
  return chosen.verb === 'PASS' && user !== undefined ? [user, chosen] : [chosen]
}

/** AUTH alone asks for the mechanisms. */
function completesLogin({ verb, shown, origin }: ExchangeTold): boolean {
  return origin === 'client' && COMPLETES_LOGIN.has(verb) && shown.trim().toUpperCase() !== 'AUTH'
}

function userLine(
  record: SessionRecord,
  { shown, number }: ExchangeTold,
  { credentials }: ClientScriptOptions,
): ScriptLine {
  if (credentials === null) throw missing()
  const words = {
    verb: 'USER',
    keyword: 'USER',
    arguments: [],
    secret: new Secret(Buffer.from(credentials.user)),
  }
  return {
    ...repeatedLine(encodeCommand(words), number),
    shown: shown.includes(REDACTED) ? `USER ${REDACTED}` : shown,
    // Another account than the recorded one is what was asked for, not a difference of the server.
    repeats: credentials.user === record.user ? number : null,
  }
}

function passLine(
  record: SessionRecord,
  { reply, number }: ExchangeTold,
  { credentials }: ClientScriptOptions,
): ScriptLine {
  if (credentials === null) throw missing()
  const words = { verb: 'PASS', keyword: 'PASS', arguments: [], secret: credentials.password }
  return {
    ...repeatedLine(encodeCommand(words), number),
    shown: `PASS ${REDACTED}`,
    repeats: credentials.user === record.user ? number : null,
    mustLogIn: reply?.indicator === '+OK',
  }
}

function missing(): ReplayError {
  return new ReplayError(
    'the recorded session logged in, and a recording holds no password: name the account with --user and its password with --password-file or POSTERN_REPLAY_PASSWORD',
  )
}

function repeatedLine(wire: Buffer, repeats: number): ScriptLine {
  if (wire.indexOf(LF) !== wire.length - 1) {
    throw new ReplayError('the recording has a command of more than one line: it was not written by postern')
  }
  const { command } = decodeCommand(wire, NO_VERBS)
  const shown = wire.toString('latin1').trimEnd()
  return { shown, wire, shape: replyShapeOf(command), repeats, mustLogIn: false }
}
