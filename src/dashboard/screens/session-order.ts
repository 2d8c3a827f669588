/**
 * The sessions that the list shows, in their order, made anew only as far as something changed. Owns what an order
 * costs with thousands of sessions; knows nothing of rows or selection.
 */
import type { Filter } from '../../expression/filter.js'
import type { SessionRecord } from '../../sessions/session-record.js'
import { SESSION_COLUMNS, type SessionColumn, type SessionColumnId } from './session-columns.js'

/**
 * For how long sessions keep their places in an order that changes by itself. Rows that trade places more often cannot
 * be read, and sorting costs nothing then.
 */
const PLACES_KEPT_MS = 500

/** By which column, and from which end. */
export interface SessionSort {
  readonly column: SessionColumnId
  readonly isReversed: boolean
}

/** As they came: the newest last. */
export const AS_THEY_CAME: SessionSort = { column: 'number', isReversed: false }

/** What is to be shown. */
export interface WantedSessions {
  /** Oldest first, filtered. */
  readonly sessions: readonly SessionRecord[]
  /** Changes whenever a session or the list does. */
  readonly version: number
  /** What they were filtered by; null for nothing. Another one is obeyed at once. */
  readonly filter: Filter | null
  readonly sort: SessionSort
  /** Ordinals of the only sessions to show; null for all. */
  readonly only: ReadonlySet<number> | null
}

/** Sessions in order, and what they were made of. */
export interface SessionOrder {
  readonly ordered: readonly SessionRecord[]
  readonly wanted: WantedSessions
  /** Milliseconds since the epoch. */
  readonly sortedAt: number
}

/**
 * Puts the sessions in order.
 *
 * @param before the order of the last time, null for none; it is returned again where it still holds
 */
export function orderSessions(
  before: SessionOrder | null,
  wanted: WantedSessions,
  now: number,
): SessionOrder {
  if (before !== null && stillHolds(before, wanted, now)) return before
  const { sessions, sort, only } = wanted
  const shown = only === null ? sessions.slice() : sessions.filter(({ ordinal }) => only.has(ordinal))
  const column = columnOf(sort.column)
  const ordered = column.id === 'number' ? shown : sorted(before, shown, column)
  if (column.id === 'number' && sort.isReversed) ordered.reverse()
  return { ordered, wanted, sortedAt: now }

  function sorted(
    last: SessionOrder | null,
    unsorted: readonly SessionRecord[],
    by: SessionColumn,
  ): SessionRecord[] {
    const direction = sort.isReversed ? -1 : 1
    const start =
      last !== null && isSameSort(last.wanted.sort, sort) ? asBefore(last.ordered, unsorted) : [...unsorted]
    return start.sort((a, b) => direction * (by.compare(a, b) || a.ordinal - b.ordinal))
  }
}

/**
 * The next column to sort by, in their order from left to right; behind the last comes the first.
 */
export function nextSort({ column }: SessionSort): SessionSort {
  const index = SESSION_COLUMNS.findIndex(({ id }) => id === column)
  const next = SESSION_COLUMNS[(index + 1) % SESSION_COLUMNS.length]
  return next === undefined ? AS_THEY_CAME : { column: next.id, isReversed: false }
}

/** Finds a column by its id. */
export function columnOf(id: SessionColumnId): SessionColumn {
  const found = SESSION_COLUMNS.find((column) => column.id === id)
  if (found === undefined) throw new Error(`no column is called ${id}`)
  return found
}

function stillHolds({ wanted: last, sortedAt }: SessionOrder, wanted: WantedSessions, now: number): boolean {
  if (!isSameSort(last.sort, wanted.sort) || last.only !== wanted.only || last.filter !== wanted.filter) {
    return false
  }
  if (last.version === wanted.version && last.sessions === wanted.sessions) return true
  return columnOf(wanted.sort.column).isVolatile && now >= sortedAt && now - sortedAt < PLACES_KEPT_MS
}

function isSameSort(a: SessionSort, b: SessionSort): boolean {
  return a.column === b.column && a.isReversed === b.isReversed
}

/** What is still there in the order of before, and behind it what is new: nearly sorted, which sorts in one pass. */
function asBefore(ordered: readonly SessionRecord[], sessions: readonly SessionRecord[]): SessionRecord[] {
  const left = new Set(sessions)
  const kept = ordered.filter((session) => left.delete(session))
  return [...kept, ...left]
}
