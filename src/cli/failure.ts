/**
 * How a failed command tells of it: what goes to stderr and which exit status it has. Owns the wording around an
 * error; the error's own message says what to do.
 */
import { inspect } from 'node:util'
import { safeText } from '../trace/safe-text.js'
import { EXIT_CODES, type ExitCode } from './exit-codes.js'

/** A command line that is understood but cannot be meant; the message says what to type. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

// By name: whoever maps an error need not import the module that throws it, and the command starts quickly.
const EXIT_CODE_OF: ReadonlyMap<string, ExitCode> = new Map([
  ['UsageError', EXIT_CODES.usage],
  ['OptionConflict', EXIT_CODES.usage],
  ['ConfigError', EXIT_CODES.configuration],
  ['FilterMistake', EXIT_CODES.configuration],
  ['ListenError', EXIT_CODES.listen],
  ['ControlError', EXIT_CODES.listen],
  ['WatchError', EXIT_CODES.failure],
  ['DashboardError', EXIT_CODES.usage],
  ['CertificateError', EXIT_CODES.certificate],
  ['QuarantineError', EXIT_CODES.failure],
  ['RuleError', EXIT_CODES.configuration],
  ['RuleFileError', EXIT_CODES.configuration],
  ['VerdictCacheError', EXIT_CODES.configuration],
])

/** Longest line of a message; a path or a quoted value may be long. */
const MESSAGE_CODE_POINTS = 2_000

/** Gives the exit status for an error that ended a command. */
export function exitCodeOf(error: unknown): ExitCode {
  return error instanceof Error ? (EXIT_CODE_OF.get(error.name) ?? EXIT_CODES.failure) : EXIT_CODES.failure
}

/**
 * Words an error that ended a command, harmless to a terminal: its message where it is one that postern expects,
 * everything known about it where it is a bug.
 *
 * @returns lines with their line ends
 */
export function describeFailure(error: unknown): string {
  const isExpected = error instanceof Error && (EXIT_CODE_OF.has(error.name) || 'code' in error)
  const text = isExpected
    ? messageWithCure(error)
    : `${inspect(error)}\nThis is a bug in postern; please report it with these lines.`
  const lines = text.split('\n').map((line) => safeText(line, MESSAGE_CODE_POINTS))
  return `postern: ${lines.join('\n')}\n`
}

function messageWithCure(error: Error): string {
  const cure = 'cure' in error && typeof error.cure === 'string' ? error.cure : null
  return cure === null || error.message.includes(cure) ? error.message : `${error.message}\n${cure}`
}
