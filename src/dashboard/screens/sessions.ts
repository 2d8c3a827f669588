/**
 * The list of sessions: live and followed, or frozen under a person's hand; sorted, filtered, marked. Builds only the
 * rows that are visible. What a session shows of itself is `session-columns.ts`, in which order `session-order.ts`.
 */
import { SessionFilter, visibleTextOfSession } from '../../sessions/fields.js'
import type { SessionRecord } from '../../sessions/session-record.js'
import { widthOf } from '../cells.js'
import type { Row, Style } from '../frame.js'
import {
  type Binding,
  NO_ARGUMENT,
  type ScreenContext,
  type ScreenModule,
  type Step,
} from '../screen-module.js'
import { cutRow, highlightRow } from '../spans.js'
import { enoughFor } from './enough-text.js'
import {
  followIndex,
  LIST_START,
  type ListExtent,
  type ListPosition,
  movementBindings,
  selectIndex,
} from './list-position.js'
import { sessionBindings } from './session-actions.js'
import { isFailed, SESSION_COLUMNS, type SessionColumnId } from './session-columns.js'
import {
  AS_THEY_CAME,
  columnOf,
  nextSort,
  orderSessions,
  type SessionOrder,
  type SessionSort,
} from './session-order.js'
import { noSessions } from './sessions-empty.js'
import { fitColumns, headerRow, itemRow } from './table.js'

/** Selection and marks go by ordinal: a recording of several runs may have one id twice. */
export interface SessionsState {
  readonly sort: SessionSort
  readonly isFollowing: boolean
  readonly position: ListPosition
  /** The selected session; null where there is none. */
  readonly selected: SessionRecord | null
  readonly marked: ReadonlySet<number>
  readonly showsMarkedOnly: boolean
  readonly order: SessionOrder | null
  /** Remembers what the filter found; null without a filter. */
  readonly found: SessionFilter | null
  readonly used: UsedWidths
}

/** What the columns that can be narrowed took at most, so far as a person saw: they never jump back and forth. */
interface UsedWidths {
  readonly cells: ReadonlyMap<SessionColumnId, number>
  /** For which they were measured; with another width or filter, all begins anew. */
  readonly columns: number
  readonly filter: ScreenContext['filter']
}

/** Marks beside the row: selected, marked. */
const LEAD_CELLS = 2

const START: SessionsState = {
  sort: AS_THEY_CAME,
  isFollowing: true,
  position: LIST_START,
  selected: null,
  marked: new Set(),
  showsMarkedOnly: false,
  order: null,
  found: null,
  used: { cells: new Map(), columns: 0, filter: null },
}

const bindings: readonly Binding<SessionsState>[] = [
  {
    keys: ['enter'],
    label: 'open',
    help: 'open the session',
    run: (state) => ({
      state,
      effects:
        state.selected === null
          ? []
          : [
              {
                type: 'open',
                screen: 'session',
                argument: { session: state.selected.id, number: null, hold: null },
              },
            ],
    }),
  },
  ...movementBindings<SessionsState>((state, context, movement) => {
    const extent = extentOf(state, context)
    const moved = selectAt(state, movement(state.position.selected, extent), extent)
    return { ...moved, isFollowing: staysAtNewest(moved, extent, context) }
  }),
  {
    keys: ['S-f', 'space'],
    label: 'follow',
    help: 'follow the newest session, or keep the list where it is',
    run: (state) => only({ ...state, isFollowing: !state.isFollowing }),
  },
  {
    keys: ['o'],
    label: 'sort',
    help: 'sort by the next column',
    run: (state) => sayingSort({ ...state, sort: nextSort(state.sort) }),
  },
  {
    keys: ['v'],
    label: 'reverse',
    help: 'reverse the order',
    run: (state) => sayingSort({ ...state, sort: { ...state.sort, isReversed: !state.sort.isReversed } }),
  },
  {
    keys: ['m'],
    label: 'mark',
    help: 'mark the session, or take its mark away',
    run: (state, context) => {
      if (state.selected === null) return only(state)
      const extent = extentOf(state, context)
      const marked = toggled(state.marked, state.selected.ordinal)
      return only(selectAt({ ...state, marked }, state.position.selected + 1, extent))
    },
  },
  {
    keys: ['S-m'],
    label: '',
    help: 'show only the marked sessions, or all again',
    run: (state) => only({ ...state, showsMarkedOnly: !state.showsMarkedOnly }),
  },
  ...sessionBindings<SessionsState>({
    one: ({ selected }) => selected,
    several: ({ marked, selected }, { store }) => {
      const chosen = store.sessions.filter(({ ordinal }) => marked.has(ordinal))
      return chosen.length > 0 || selected === null ? chosen : [selected]
    },
  }),
  {
    keys: ['y'],
    label: 'copy',
    help: 'copy the row, all columns of it',
    run: (state, { now }) => ({
      state,
      effects:
        state.selected === null
          ? []
          : [
              {
                type: 'copy',
                text: wholeRow(state.selected, now),
                what: `row of #${state.selected.ordinal}`,
              },
            ],
    }),
  },
]

/** The screen `1`. */
export const sessionsScreen: ScreenModule<SessionsState> = {
  id: 'sessions',
  title: 'Sessions',
  // A recording has no newest session to wait for: it is read from its beginning.
  open: (_, { source }) => ({ ...START, isFollowing: source === 'live' }),
  bindings,
  selection: ({ selected }) => ({ ...NO_ARGUMENT, session: selected?.id ?? null }),
  settle,
  view,
  status,
  find,
}

function settle(state: SessionsState, context: ScreenContext): SessionsState {
  return withUsedWidths(settlePlace(state, context), context)
}

/** Measures the rows in sight, which are few. */
function withUsedWidths(state: SessionsState, context: ScreenContext): SessionsState {
  const { filter, now, size } = context
  const isSame = state.used.columns === size.columns && state.used.filter === filter
  const before = isSame ? state.used.cells : START.used.cells
  const cells = new Map(before)
  const inSight = sessionsInSight(state, context)
  for (const { id, minimum, maximum, text } of SESSION_COLUMNS) {
    if (maximum === minimum) continue
    let most = before.get(id) ?? 0
    for (const session of inSight) most = Math.max(most, widthOf(enoughFor(text({ session, now }), maximum)))
    cells.set(id, most)
  }
  return { ...state, used: { cells, columns: size.columns, filter } }
}

function sessionsInSight(
  { order, position: { top } }: SessionsState,
  context: ScreenContext,
): readonly SessionRecord[] {
  return (order?.ordered ?? []).slice(top, top + rowsOf(context))
}

function settlePlace(state: SessionsState, context: ScreenContext): SessionsState {
  const { store, filter, now } = context
  const found = filterFor(state.found, context)
  const order = orderSessions(
    state.order,
    {
      sessions: found === null ? store.sessions : found.matches,
      version: store.version,
      filter,
      sort: state.sort,
      only: state.showsMarkedOnly ? state.marked : null,
    },
    now,
  )
  const ordered: SessionsState = { ...state, found, order }
  const extent = extentOf(ordered, context)
  if (state.isFollowing) return withPosition(ordered, selectIndex(state.position, newest(order), extent))
  const index = state.selected === null ? -1 : order.ordered.indexOf(state.selected)
  // What is selected is gone: the one that took its place is next.
  if (index === -1) return withPosition(ordered, selectIndex(state.position, state.position.selected, extent))
  return withPosition(ordered, followIndex(state.position, index, extent))
}

function view(state: SessionsState, context: ScreenContext): readonly Row[] {
  const { size, now, search } = context
  const ordered = state.order?.ordered ?? []
  if (ordered.length === 0) return noSessions(context, state.showsMarkedOnly)
  const fitted = fitColumns(
    SESSION_COLUMNS,
    size.columns - LEAD_CELLS,
    (id) => state.used.cells.get(id) ?? Number.MAX_SAFE_INTEGER,
  )
  const header = headerRow(fitted, ' '.repeat(LEAD_CELLS), (id) => sortMark(state.sort, id))
  const rows = sessionsInSight(state, context).map((session) => {
    const isSelected = session === state.selected
    const lead = (isSelected ? '>' : ' ') + (state.marked.has(session.ordinal) ? '*' : ' ')
    const built = itemRow(fitted, { session, now }, lead, isSelected ? 'selected' : styleOf(session))
    return highlightRow(built, search)
  })
  return [header, ...rows].slice(0, size.rows).map((each) => cutRow(each, size.columns))
}

function status(state: SessionsState, { store }: ScreenContext): string {
  const shown = state.order?.ordered.length ?? 0
  const all = store.sessions.length
  const parts = [
    shown === all ? `${all} ${all === 1 ? 'session' : 'sessions'}` : `${shown} of ${all}`,
    state.marked.size > 0 ? `${state.marked.size} marked` : '',
    state.showsMarkedOnly ? 'MARKED ONLY' : '',
    isAsTheyCame(state.sort)
      ? ''
      : `by ${columnOf(state.sort.column).name}${state.sort.isReversed ? ' reversed' : ''}`,
    state.isFollowing ? 'FOLLOW' : '',
  ]
  return parts.filter((part) => part !== '').join('  ')
}

function find(
  state: SessionsState,
  context: ScreenContext,
  text: string,
  direction: 1 | -1,
): SessionsState | null {
  const ordered = state.order?.ordered ?? []
  const wanted = text.toLowerCase()
  for (let step = 1; step <= ordered.length; step += 1) {
    const index = (state.position.selected + direction * step + ordered.length * step) % ordered.length
    const session = ordered[index]
    if (session === undefined) continue
    if (visibleTextOfSession(session).toLowerCase().includes(wanted)) {
      return selectAt(state, index, extentOf(state, context))
    }
  }
  return null
}

/** Moving by hand ends following: the list must not run away under the finger. */
function selectAt(state: SessionsState, index: number, extent: ListExtent): SessionsState {
  return { ...withPosition(state, selectIndex(state.position, index, extent)), isFollowing: false }
}

/** A recording that is still being read grows at its end, and who went there wants the end. */
function staysAtNewest(
  { position, sort }: SessionsState,
  { count }: ListExtent,
  { source }: ScreenContext,
): boolean {
  return source === 'recording' && isAsTheyCame(sort) && position.selected >= count - 1
}

function withPosition(state: SessionsState, position: ListPosition): SessionsState {
  return { ...state, position, selected: state.order?.ordered[position.selected] ?? null }
}

/** A context's store is the same throughout. */
function filterFor(before: SessionFilter | null, { filter, store }: ScreenContext): SessionFilter | null {
  if (filter === null) return null
  return before?.filter === filter ? before : new SessionFilter(filter, store)
}

/** The newest is the last that came, wherever the order has put it. */
function newest({ ordered, wanted: { sort } }: SessionOrder): number {
  if (sort.column === 'number') return sort.isReversed ? 0 : ordered.length - 1
  let index = ordered.length - 1
  let highest = 0
  for (const [at, { ordinal }] of ordered.entries()) {
    if (ordinal <= highest) continue
    highest = ordinal
    index = at
  }
  return index
}

function extentOf(state: SessionsState, context: ScreenContext): ListExtent {
  return { count: state.order?.ordered.length ?? 0, rows: rowsOf(context) }
}

/** Without the header. */
function rowsOf({ size }: ScreenContext): number {
  return Math.max(0, size.rows - 1)
}

function styleOf(session: SessionRecord): Style {
  if (session.closedAt === null) return 'plain'
  return isFailed(session) ? 'plain' : 'dim'
}

function sortMark(sort: SessionSort, id: SessionColumnId): string {
  if (sort.column !== id || isAsTheyCame(sort)) return ''
  return sort.isReversed ? 'v' : '^'
}

function isAsTheyCame({ column, isReversed }: SessionSort): boolean {
  return column === 'number' && !isReversed
}

function sayingSort(state: SessionsState): Step<SessionsState> {
  const { name } = columnOf(state.sort.column)
  const direction = state.sort.isReversed ? ', reversed' : ''
  return { state, effects: [{ type: 'say', text: `Sorted by ${name}${direction}`, tone: 'plain' }] }
}

function wholeRow(session: SessionRecord, now: number): string {
  const texts = SESSION_COLUMNS.map((column) => column.text({ session, now }))
  return texts.map((text) => (text === '' ? '-' : text)).join('  ')
}

function toggled(marked: ReadonlySet<number>, ordinal: number): ReadonlySet<number> {
  const changed = new Set(marked)
  if (!changed.delete(ordinal)) changed.add(ordinal)
  return changed
}

function only(state: SessionsState): Step<SessionsState> {
  return { state, effects: [] }
}
