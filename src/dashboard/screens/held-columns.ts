/**
 * What the list of held items shows of one, and what the list of breakpoints shows of one. Knows nothing of the screen
 * around them.
 */
import type { SessionRecord } from '../../sessions/session-record.js'
import type { Breakpoint, HeldSummary } from '../../watch/protocol.js'
import { ageText, countdownText, countText, octetsText } from './quantities.js'
import type { TableColumn } from './table.js'

export type HeldColumnId = 'for' | 'session' | 'user' | 'kind' | 'what' | 'size' | 'left' | 'client' | 'by'
export type BreakpointColumnId = 'on' | 'filter' | 'kinds' | 'time' | 'hits' | 'last'

/** A held item at a moment; its session is null where it is not kept. */
export interface HeldAt {
  readonly item: HeldSummary
  readonly session: SessionRecord | null
  readonly now: number
}

/** Under so many milliseconds the time that is left stands out. */
const SOON_MS = 15_000

/** The columns of a held item. */
export const HELD_COLUMNS: readonly TableColumn<HeldColumnId, HeldAt>[] = [
  { ...column('for', 'HELD', 4, 4, 0), align: 'right', text: ({ item, now }) => ageText(now - item.heldAt) },
  {
    ...column('session', '#', 5, 7, 3),
    align: 'right',
    text: ({ session }) => (session === null ? '' : String(session.ordinal)),
  },
  { ...column('user', 'USER', 12, 30, 0), text: ({ session }) => session?.user ?? '-' },
  { ...column('kind', 'KIND', 7, 7, 1), text: ({ item }) => item.kind },
  { ...column('what', 'WHAT', 12, 40, 0), text: ({ item }) => item.shown },
  {
    ...column('size', 'SIZE', 6, 6, 2),
    align: 'right',
    // Null holds a credential: not even its length is told.
    text: ({ item }) => (item.editableOctets === null ? '-' : octetsText(item.editableOctets)),
  },
  {
    ...column('left', 'LEFT', 4, 4, 0),
    align: 'right',
    text: ({ item, now }) => countdownText(item.releaseAt - now),
    style: ({ item, now }) => (item.releaseAt - now < SOON_MS ? 'attention' : null),
  },
  // Whether postern says +OK and blanks already, so that the client's own clock does not run out.
  {
    ...column('client', 'CLIENT', 10, 10, 4),
    text: ({ item }) => (item.isCommitted ? 'kept alive' : 'waits'),
  },
  { ...column('by', 'HELD BY', 16, 60, 5), text: ({ item }) => item.breakpoint },
]

/** The columns of a breakpoint. */
export const BREAKPOINT_COLUMNS: readonly TableColumn<
  BreakpointColumnId,
  { breakpoint: Breakpoint; now: number }
>[] = [
  {
    ...column('on', 'ON', 3, 3, 0),
    text: ({ breakpoint }) => (breakpoint.isOn ? 'on' : 'off'),
    style: ({ breakpoint }) => (breakpoint.isOn ? 'bold' : 'dim'),
  },
  { ...column('filter', 'HOLDS WHERE', 20, 200, 0), text: ({ breakpoint }) => breakpoint.filter },
  { ...column('kinds', 'WHAT', 21, 21, 2), text: ({ breakpoint }) => breakpoint.kinds.join(' ') },
  {
    ...column('time', 'FOR', 4, 4, 1),
    align: 'right',
    text: ({ breakpoint }) => `${Math.round(breakpoint.holdMs / 1_000)}s`,
  },
  {
    ...column('hits', 'HITS', 4, 4, 0),
    align: 'right',
    text: ({ breakpoint }) => countText(breakpoint.hits),
  },
  {
    ...column('last', 'LAST', 4, 4, 0),
    align: 'right',
    text: ({ breakpoint, now }) =>
      breakpoint.lastHitAt === null ? '-' : ageText(now - breakpoint.lastHitAt),
  },
]

function column<Id extends string>(
  id: Id,
  title: string,
  minimum: number,
  maximum: number,
  rank: number,
): Pick<TableColumn<Id, unknown>, 'id' | 'title' | 'minimum' | 'maximum' | 'rank' | 'align' | 'style'> {
  return { id, title, minimum, maximum, rank, align: 'left', style: () => null }
}
