/**
 * Which commands a person may put into a session that is a mail client's: edited ones at a breakpoint, and their own
 * from the repeater. Owns the refusals and their words; sends nothing.
 */
import { type Command, decodeCommand, replyShapeOf } from '../pop3/command.js'
import type { Exchange, LocalAnswer } from './exchange.js'

/** What is wrong with what a person gave, as a sentence for that person. */
export interface Problem {
  readonly problem: string
}

/** A command with the octets that the server gets. */
export interface PersonCommand {
  readonly command: Command
  readonly wire: Buffer
}

/** What a command is decoded and measured by, and what the session would make of it. */
export interface CommandRules {
  readonly commandLineOctets: number
  /** Upper-case verbs beyond the command table whose positive reply has several lines. */
  readonly multiLineVerbs: ReadonlySet<string>
  /** What postern would answer to it in the place of the server, null where the server would. */
  localAnswerTo(command: Command): Pick<LocalAnswer, 'text'> | null
}

const CRLF = Buffer.from('\r\n', 'latin1')
const LINE_END_OR_NUL = /[\r\n\0]/

/** Whose commands they are: the client logs in, begins TLS and leaves, nobody in its place. */
const THE_CLIENTS_OWN = new Set(['STLS', 'AUTH', 'USER', 'PASS', 'APOP', 'RPOP', 'QUIT', 'UTF8', 'XCLIENT'])
/** What a breakpoint makes of no other command. QUIT would delete mail that the client has only marked. */
const NEVER_MADE = new Set(['STLS', 'AUTH', 'PASS', 'APOP', 'RPOP', 'QUIT', 'XCLIENT'])

/** Tells what a person gave from what is wrong with it. */
export function isProblem(value: object): value is Problem {
  return 'problem' in value
}

/**
 * Checks what a held command was edited to.
 *
 * @param octets the new line; one line end behind it is taken away, since editors add one
 * @param exchange the command as the client gave it
 */
export function editedCommand(
  octets: Buffer,
  exchange: Pick<Exchange, 'command' | 'shape' | 'isSecret'>,
  rules: CommandRules,
): PersonCommand | Problem {
  const { verb } = exchange.command
  if (exchange.isSecret)
    return problem(
      'the command holds what may be a credential and is not to be edited: release, drop or answer it',
    )
  if (verb === 'AUTH') return problem('AUTH begins a dialogue of its own and is not to be edited')
  const edited = oneCommand(octets, rules)
  if (isProblem(edited)) return edited
  const { command } = edited
  if (NEVER_MADE.has(command.verb) && command.verb !== verb)
    return problem(`no other command may become ${command.verb}: it is for the client to give`)
  if (replyShapeOf(command) !== exchange.shape)
    return problem(
      `the client waits for ${lines(exchange.shape)} and the reply to this command has ${lines(replyShapeOf(command))}: edit it to one of the same form, or answer it yourself`,
    )
  return forTheServer(edited, rules)
}

/**
 * Checks a command of a person's own.
 *
 * @param octets the line without its line end
 */
export function ownCommand(octets: Buffer, rules: CommandRules): PersonCommand | Problem {
  const own = oneCommand(octets, rules)
  if (isProblem(own)) return own
  const { verb, secret } = own.command
  if (THE_CLIENTS_OWN.has(verb))
    return problem(`${verb} is for the client to give: it changes the client's session`)
  if (secret !== null)
    return problem(
      'the command holds what does not fit its form and may be a credential; none is sent from here',
    )
  return forTheServer(own, rules)
}

function oneCommand(octets: Buffer, rules: CommandRules): PersonCommand | Problem {
  const line = withoutLineEnd(octets)
  if (LINE_END_OR_NUL.test(line.toString('latin1')))
    return problem('a command is one line, without CR, LF or NUL')
  const wire = Buffer.concat([line, CRLF])
  const most = rules.commandLineOctets
  if (wire.length > most)
    return problem(`the line has ${wire.length} octets with its CRLF, and ${most} may pass`)
  const { command } = decodeCommand(wire, rules.multiLineVerbs)
  if (command.verb === 'unrecognized' && command.keyword === '')
    return problem('a command begins with a verb')
  return { command, wire }
}

function forTheServer(given: PersonCommand, rules: CommandRules): PersonCommand | Problem {
  const local = rules.localAnswerTo(given.command)
  return local === null ? given : problem(`postern would not pass this command on, but say: ${local.text}`)
}

/** Takes one CRLF or LF from the end. */
export function withoutLineEnd(octets: Buffer): Buffer {
  let end = octets.length
  if (octets[end - 1] === 0x0a) {
    end -= 1
    if (octets[end - 1] === 0x0d) end -= 1
  }
  return octets.subarray(0, end)
}

function lines(shape: string): string {
  return shape === 'multi-line' ? 'several lines' : 'one line'
}

function problem(text: string): Problem {
  return { problem: text }
}
