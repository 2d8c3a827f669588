/**
 * Explains how a session's login went: which leg, which mechanism, what the server really said, what to change. Pure.
 */
import type { Side } from '../trace/event.js'
import type { SessionRecord } from './session-record.js'

/** The explanation, for the top of a session's screen. All texts are harmless. */
export interface LoginExplanation {
  /**
   * - `logged-in`
   * - `refused`: the server (or postern) said no to a login
   * - `failed`: the session ended before a login could be answered
   * - `not-tried`: the session ended without a login
   * - `pending`
   */
  readonly outcome: 'logged-in' | 'refused' | 'failed' | 'not-tried' | 'pending'
  /** One line. */
  readonly headline: string
  /** The leg where it went wrong, or where it still waits; null where nothing is wrong. */
  readonly leg: Side | null
  /** Facts first, what to change last. */
  readonly lines: readonly string[]
}

/** Explains the last login of a session. */
export function explainLogin(record: SessionRecord): LoginExplanation {
  void record
  return { outcome: 'pending', headline: '', leg: null, lines: [] }
}
