/**
 * The client's side of a recorded session as lines to send: what is repeated as it was, what is replaced because a
 * recording holds no passwords, what is left out because it would do harm. Pure.
 */
import { decodeCommand, type ReplyShape, replyShapeOf } from '../pop3/command.js'
import { encodeCommand } from '../pop3/encoder.js'
import { REDACTED, Secret } from '../pop3/secret.js'
import { exchangesOf } from '../sessions/exchanges.js'
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
}

/** One command to send, with the shape of its reply. */
export interface ScriptLine {
  /** As a person may see it. */
  readonly shown: string
  /** With its CRLF; holds the password where it is PASS. */
  readonly wire: Buffer
  readonly shape: ReplyShape
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
/** Logins that need something which only the recorded moment had; USER and PASS stand in for them. */
const REPLACED_LOGINS: ReadonlySet<string> = new Set(['AUTH', 'APOP', 'RPOP'])

/**
 * Makes the script of a session's client.
 *
 * @throws ReplayError where the session logged in and no credentials are given
 */
export function clientScript(record: SessionRecord, options: ClientScriptOptions): ClientScript {
  const lines: ScriptLine[] = []
  const notes = new Set<string>()
  for (const { verb, shown, wire, origin } of exchangesOf(record)) {
    if (origin === 'watcher') notes.add('commands that a person sent into the session are left out')
    else if (verb === 'STLS')
      notes.add('STLS is left out: the session is played without TLS toward its client')
    else if (verb === 'DELE' && !options.deletes) notes.add('DELE is left out, so that nothing is deleted')
    else if (verb === 'USER') lines.push(userLine(options, shown))
    else if (verb === 'PASS') lines.push(passLine(options))
    else if (REPLACED_LOGINS.has(verb) && shown.trim().toUpperCase() !== 'AUTH') {
      notes.add(
        `${verb} is played as USER and PASS: a recording holds nothing of a login that could be repeated`,
      )
      lines.push(userLine(options, `USER ${record.user ?? ''}`), passLine(options))
    } else if (shown.includes(REDACTED)) notes.add('commands with redacted arguments are left out')
    else lines.push(scriptLine(wire ?? Buffer.from(`${shown}\r\n`, 'utf8')))
  }
  if (lines.at(-1)?.shown !== 'QUIT') {
    notes.add('QUIT is sent at the end, though the recorded client gave none')
    lines.push(scriptLine(Buffer.from('QUIT\r\n', 'latin1')))
  }
  return { lines, notes: [...notes] }
}

function userLine({ credentials }: ClientScriptOptions, shown: string): ScriptLine {
  if (credentials === null) throw missing()
  const words = {
    verb: 'USER',
    keyword: 'USER',
    arguments: [],
    secret: new Secret(Buffer.from(credentials.user)),
  }
  return { ...scriptLine(encodeCommand(words)), shown: shown.includes(REDACTED) ? `USER ${REDACTED}` : shown }
}

function passLine({ credentials }: ClientScriptOptions): ScriptLine {
  if (credentials === null) throw missing()
  const words = { verb: 'PASS', keyword: 'PASS', arguments: [], secret: credentials.password }
  return { ...scriptLine(encodeCommand(words)), shown: `PASS ${REDACTED}` }
}

function missing(): ReplayError {
  return new ReplayError(
    'the recorded session logged in, and a recording holds no password: name the account with --user and its password with --password-file or POSTERN_REPLAY_PASSWORD',
  )
}

function scriptLine(wire: Buffer): ScriptLine {
  if (wire.indexOf(LF) !== wire.length - 1) {
    throw new ReplayError('the recording has a command of more than one line: it was not written by postern')
  }
  const { command } = decodeCommand(wire, NO_VERBS)
  return { shown: wire.toString('latin1').trimEnd(), wire, shape: replyShapeOf(command) }
}
