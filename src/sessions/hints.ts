/**
 * Conformance hints: what either side did that an RFC does not allow or that causes trouble, in plain words with the
 * section to read. Pure.
 */
import type { Side } from '../trace/event.js'
import type { SessionRecord } from './session-record.js'

/** One hint. */
export interface Hint {
  /** The command it belongs to, 0 for the session as a whole. */
  readonly number: number
  /** Whose doing it is. */
  readonly side: Side
  readonly text: string
  /** Such as `RFC 1939 §7`. */
  readonly reference: string
  /** `attention` where mail may be lost, shown or fetched twice; `hint` for all else. */
  readonly severity: 'hint' | 'attention'
}

/** Finds the hints of one session, by command number. */
export function hintsOf(record: SessionRecord): readonly Hint[] {
  void record
  return []
}

/** Finds what only several sessions of the same user show: unique-ids that change, polls that come too soon. */
export function hintsAcross(records: readonly SessionRecord[]): ReadonlyMap<string, readonly Hint[]> {
  void records
  return new Map()
}
