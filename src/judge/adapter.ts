/**
 * What each kind of judge has to offer, and the words that they share. Owns how an answer and a trouble are made
 * harmless; knows nothing of budgets, places and memory, which are the same for all of them.
 */
import type { MessageSource } from '../mail/source.js'
import type { JudgeAddress } from '../rules/judge-settings.js'
import type { JudgeAnswer } from '../rules/verdict.js'
import { decodeText, safeText } from '../trace/safe-text.js'
import type { JudgedSession } from './judge.js'
import { FINDING_CODE_POINTS, QUOTED_CODE_POINTS, VERDICT_CODE_POINTS } from './limits.js'

/** One message and who fetches it. */
export interface Question {
  /** Must not change while it is asked about. */
  readonly message: MessageSource
  readonly about: JudgedSession
}

/** Why there is no answer: continues a sentence that begins with the judge ("refused the connection"). */
export interface Trouble {
  readonly trouble: string
  /** Whether the message could not be read: the judge has no part in it. */
  readonly isOfMessage?: boolean
}

/** One judge of one kind. */
export interface Adapter {
  /** Kind and place, as a sentence about it begins: `clamd at 127.0.0.1:3310`. */
  readonly subject: string
  /** Whether it is told who fetches, so that its answer may be another for somebody else. */
  readonly isToldUser: boolean
  /**
   * Asks about one message.
   *
   * @param signal ends the question: sockets and processes are gone once the promise is settled, and the message is
   *   read no further
   * @returns the answer or the trouble; never rejects
   */
  ask(question: Question, signal: AbortSignal): Promise<JudgeAnswer | Trouble>
}

/** Makes an answer of what a judge said: harmless, bounded, verdict in lower case. */
export function answerOf(verdict: string, score: number | null, finding: string): JudgeAnswer {
  return {
    verdict: safeText(verdict.trim().toLowerCase(), VERDICT_CODE_POINTS),
    score,
    finding: safeText(finding.trim(), FINDING_CODE_POINTS),
  }
}

/** Quotes what a judge said within a trouble: its first line, harmless and short. */
export function quoted(said: string | Buffer): string {
  return `"${safeText(firstLine(said).trim(), QUOTED_CODE_POINTS)}"`
}

/** The first line that is not blank, without its line end. Octets are read as far as a line may be shown. */
export function firstLine(said: string | Buffer): string {
  const text = typeof said === 'string' ? said : textOf(said)
  return text.trimStart().split(/[\r\n]/, 1)[0] ?? ''
}

/** Where a judge listens, for a person: `127.0.0.1:3310`, `[::1]:3310`, `/run/clamd.sock`. */
export function addressText(address: JudgeAddress): string {
  if ('path' in address) return address.path
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'refused the connection: is it running?'],
  ['ENOENT', 'has no socket there: is it running?'],
  ['EACCES', 'cannot be reached: postern may not open its socket'],
  ['EPERM', 'cannot be reached: postern may not open its socket'],
  ['ETIMEDOUT', 'did not answer: is a firewall between?'],
  ['EHOSTUNREACH', 'cannot be reached: no route to the host'],
  ['ENETUNREACH', 'cannot be reached: no route to the network'],
  ['ENOTFOUND', 'has a name that does not resolve'],
  ['EAI_AGAIN', 'has a name that could not be resolved now'],
  ['ECONNRESET', 'broke the connection off'],
  ['EPIPE', 'closed the connection before it had the whole message'],
  ['UND_ERR_SOCKET', 'broke the connection off'],
  ['EMFILE', 'cannot be reached: postern has no descriptors left'],
  ['ENFILE', 'cannot be reached: this system has no descriptors left'],
])

/** Describes the error of a connection: of a socket, or the cause that `fetch` gives. */
export function connectionTrouble(error: unknown): Trouble {
  const causes: readonly unknown[] = error instanceof AggregateError ? error.errors : [error]
  const code = causes.map(errorCode).find((found) => found !== null) ?? null
  const known = code === null ? undefined : REASONS.get(code)
  return {
    trouble: known ?? `cannot be asked: ${quoted(error instanceof Error ? error.message : String(error))}`,
  }
}

/** The code of a system's error, null where there is none. */
export function errorCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null
}

// Octets of one quoted line; what lies behind is not decoded.
function textOf(octets: Buffer): string {
  return decodeText(octets.subarray(0, FINDING_CODE_POINTS * 4))
}
