/** Tells in a person's words why the server could not be reached. */
import type { Failure } from '../trace/event.js'
import { safeText } from '../trace/safe-text.js'

const REASONS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'refused the connection'],
  ['ETIMEDOUT', 'did not answer'],
  ['EHOSTUNREACH', 'cannot be reached: no route to the host'],
  ['ENETUNREACH', 'cannot be reached: no route to the network'],
  ['ENOTFOUND', 'has a name that does not resolve'],
  ['EAI_AGAIN', 'has a name that could not be resolved now'],
  ['ECONNRESET', 'reset the connection'],
  ['EMFILE', 'cannot be reached: postern has no descriptors left'],
])

/**
 * Describes the error of a connection attempt.
 *
 * @param error as emitted by the socket; an AggregateError where several addresses were tried
 */
export function describeSocketError(error: Error, host: string, port: number): Failure {
  const causes: readonly unknown[] = error instanceof AggregateError ? error.errors : [error]
  const code = causes.map(codeOf).find((found) => found !== null) ?? 'no code'
  const reason = REASONS.get(code) ?? `cannot be reached (${code})`
  return {
    code: 'POSTERN_SERVER_UNREACHABLE',
    isPermanent: false,
    text: safeText(`server ${host}:${port} ${reason}`),
    hint: '`postern doctor` tests the way to the server',
  }
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null
}
