/**
 * What waits for a person, with the client's clock running, and the breakpoints that catch it. Two lists on one screen:
 * keys go to the one that `b` chose. Decides nothing itself; `held-actions.ts` says what can be decided.
 */
import type { Breakpoint, HeldSummary } from '../../watch/protocol.js'
import { wrapTo } from '../cells.js'
import type { Row } from '../frame.js'
import {
  type Binding,
  NO_ARGUMENT,
  type ScreenArgument,
  type ScreenContext,
  type ScreenEffect,
  type ScreenModule,
  type Step,
} from '../screen-module.js'
import { cutRow, highlightRow, row, span, titleRow } from '../spans.js'
import { askChangedBreakpoint, switchBreakpoint } from './breakpoint-prompt.js'
import { heldBindings } from './held-actions.js'
import { BREAKPOINT_COLUMNS, HELD_COLUMNS } from './held-columns.js'
import {
  followIndex,
  LIST_START,
  type ListExtent,
  type ListPosition,
  movementBindings,
  selectIndex,
} from './list-position.js'
import { confirm } from './questions.js'
import { fitColumns, headerRow, itemRow } from './table.js'

/** One of the two lists: where a person stands in it, and on what. */
interface Place {
  readonly position: ListPosition
  /** Id of the hold or breakpoint; null where there is none. */
  readonly selected: string | null
}

export interface HeldState {
  readonly focus: 'items' | 'breakpoints'
  readonly items: Place
  readonly breakpoints: Place
}

const NOWHERE: Place = { position: LIST_START, selected: null }
const START: HeldState = { focus: 'items', items: NOWHERE, breakpoints: NOWHERE }

const bindings: readonly Binding<HeldState>[] = [
  {
    keys: ['enter'],
    label: 'look',
    help: 'look at the held item; on a breakpoint, change its filter',
    run: (state, context) => ({ state, effects: enter(state, context) }),
  },
  ...movementBindings<HeldState>((state, context, movement) => {
    const place = state[state.focus]
    const ids = idsOf(state.focus, context)
    const extent = { count: ids.length, rows: roomOf(context)[state.focus] }
    const position = selectIndex(place.position, movement(place.position.selected, extent), extent)
    return { ...state, [state.focus]: { position, selected: ids[position.selected] ?? null } }
  }),
  ...heldBindings<HeldState>((state, context) =>
    state.focus === 'items' ? selectedItem(state, context) : null,
  ),
  {
    keys: ['b'],
    label: 'breakpoints',
    help: 'go to the breakpoints, or back to what is held',
    run: (state) => only({ ...state, focus: state.focus === 'items' ? 'breakpoints' : 'items' }),
  },
  {
    keys: ['space'],
    label: 'on/off',
    help: 'switch the selected breakpoint on or off; what it holds stays held',
    run: (state, context) => onBreakpoint(state, context, switchBreakpoint),
  },
  {
    keys: ['delete', '-'],
    label: '',
    help: 'remove the selected breakpoint (asks first)',
    run: (state, context) => onBreakpoint(state, context, removeBreakpoint),
  },
  {
    keys: ['y'],
    label: '',
    help: 'copy the row',
    run: (state, context) => ({ state, effects: copyRow(state, context) }),
  },
]

/** The screen `4`. */
export const heldScreen: ScreenModule<HeldState> = {
  id: 'held',
  title: 'Held',
  open: () => START,
  bindings,
  selection: (state, context) => argumentOf(state.focus === 'items' ? selectedItem(state, context) : null),
  settle,
  view,
  status,
  find,
}

function settle(state: HeldState, context: ScreenContext): HeldState {
  const room = roomOf(context)
  return {
    ...state,
    items: settledPlace(state.items, idsOf('items', context), room.items),
    breakpoints: settledPlace(state.breakpoints, idsOf('breakpoints', context), room.breakpoints),
  }
}

function view(state: HeldState, context: ScreenContext): readonly Row[] {
  const { size, isUnicode, breakpoints } = context
  const room = roomOf(context)
  const title = breakpoints.length === 0 ? 'no breakpoints' : 'breakpoints'
  const rows = [
    ...itemRows(state, context, room.items),
    titleRow(title, size.columns, isUnicode),
    ...breakpointRows(state, context, room.breakpoints),
  ]
  return rows.slice(0, size.rows).map((each) => cutRow(each, size.columns))
}

function status(_: HeldState, { held, breakpoints, source }: ScreenContext): string {
  if (source === 'recording') return 'nothing can be held'
  const on = breakpoints.filter(({ isOn }) => isOn).length
  // That some catch says the frame, beside this.
  return `${held.length} held  ${on === 0 ? 'CATCH OFF' : `${on} of ${breakpoints.length} on`}`
}

function find(state: HeldState, context: ScreenContext, text: string, direction: 1 | -1): HeldState | null {
  const place = state[state.focus]
  const ids = idsOf(state.focus, context)
  const texts = textsOf(state.focus, context)
  const wanted = text.toLowerCase()
  for (let step = 1; step <= ids.length; step += 1) {
    const index = (place.position.selected + direction * step + ids.length * step) % ids.length
    if (texts[index]?.toLowerCase().includes(wanted) !== true) continue
    const extent = { count: ids.length, rows: roomOf(context)[state.focus] }
    const position = selectIndex(place.position, index, extent)
    return { ...state, [state.focus]: { position, selected: ids[index] ?? null } }
  }
  return null
}

function itemRows(state: HeldState, context: ScreenContext, rows: number): readonly Row[] {
  const { held, store, now, size, search } = context
  if (held.length === 0) return filled(nothingHeld(context), rows + 1)
  const fitted = fitColumns(HELD_COLUMNS, size.columns - 1)
  const { top, selected } = state.items.position
  const shown = inOrder(held).slice(top, top + rows)
  const built = shown.map((item, index) => {
    const isSelected = state.focus === 'items' && top + index === selected
    const at = { item, session: store.get(item.session), now }
    return highlightRow(
      itemRow(fitted, at, isSelected ? '>' : ' ', isSelected ? 'selected' : 'plain'),
      search,
    )
  })
  return filled([headerRow(fitted, ' ', () => ''), ...built], rows + 1)
}

function breakpointRows(state: HeldState, context: ScreenContext, rows: number): readonly Row[] {
  const { breakpoints, now, size, search, source } = context
  if (source === 'recording') return [row(span(' What was held then is told in its session.', 'dim'))]
  if (breakpoints.length === 0)
    return [row(span(' i sets one: an expression such as command == "RETR"', 'dim'))]
  const fitted = fitColumns(BREAKPOINT_COLUMNS, size.columns - 1)
  const { top, selected } = state.breakpoints.position
  const built = breakpoints.slice(top, top + rows).map((breakpoint, index) => {
    const isSelected = state.focus === 'breakpoints' && top + index === selected
    const style = isSelected ? 'selected' : breakpoint.isOn ? 'plain' : 'dim'
    return highlightRow(itemRow(fitted, { breakpoint, now }, isSelected ? '>' : ' ', style), search)
  })
  return [headerRow(fitted, ' ', () => ''), ...built]
}

function nothingHeld({ source, breakpoints, size }: ScreenContext): readonly Row[] {
  if (source === 'recording') {
    return [[], row(span(' This is a recording: nothing passes that could be held.'))]
  }
  const isCatching = breakpoints.some(({ isOn }) => isOn)
  const next = isCatching
    ? 'What the breakpoints below catch waits here for you, and its client is kept alive.'
    : 'i sets a breakpoint: what it catches waits here for you to release, edit, answer or drop.'
  const lines = wrapTo(next, Math.max(8, size.columns - 2))
  return [[], row(span(' Nothing is held.')), [], ...lines.map((line) => row(span(` ${line}`)))]
}

function enter(state: HeldState, context: ScreenContext): readonly ScreenEffect[] {
  if (state.focus === 'breakpoints') {
    const breakpoint = selectedBreakpoint(state, context)
    return breakpoint === null ? [NO_BREAKPOINT] : askChangedBreakpoint(breakpoint)
  }
  const item = selectedItem(state, context)
  return item === null ? [] : [{ type: 'open', screen: 'held-item', argument: argumentOf(item) }]
}

function argumentOf(item: HeldSummary | null): ScreenArgument {
  return item === null ? NO_ARGUMENT : { session: item.session, number: item.number, hold: item.hold }
}

const NO_BREAKPOINT: ScreenEffect = {
  type: 'say',
  text: 'No breakpoint is selected: b goes to them, i sets one',
  tone: 'attention',
}

function onBreakpoint(
  state: HeldState,
  context: ScreenContext,
  change: (breakpoint: Breakpoint) => ScreenEffect,
): Step<HeldState> {
  const breakpoint = state.focus === 'breakpoints' ? selectedBreakpoint(state, context) : null
  return { state, effects: [breakpoint === null ? NO_BREAKPOINT : change(breakpoint)] }
}

function removeBreakpoint({ id, filter }: Breakpoint): ScreenEffect {
  return confirm(`Remove the breakpoint ${filter}?`, {
    type: 'request',
    request: { type: 'remove-breakpoint', breakpoint: id },
    done: `Breakpoint removed: ${filter}`,
  })
}

function copyRow(state: HeldState, context: ScreenContext): readonly ScreenEffect[] {
  const text = textsOf(state.focus, context)[state[state.focus].position.selected]
  return text === undefined ? [] : [{ type: 'copy', text, what: 'row' }]
}

/** The one that has waited longest first, as its client gives up first. */
function inOrder(held: readonly HeldSummary[]): readonly HeldSummary[] {
  return held.toSorted((a, b) => a.heldAt - b.heldAt)
}

function selectedItem({ items }: HeldState, { held }: ScreenContext): HeldSummary | null {
  return held.find(({ hold }) => hold === items.selected) ?? null
}

function selectedBreakpoint(
  { breakpoints: place }: HeldState,
  { breakpoints }: ScreenContext,
): Breakpoint | null {
  return breakpoints.find(({ id }) => id === place.selected) ?? null
}

function idsOf(focus: HeldState['focus'], { held, breakpoints }: ScreenContext): readonly string[] {
  return focus === 'items' ? inOrder(held).map(({ hold }) => hold) : breakpoints.map(({ id }) => id)
}

function textsOf(
  focus: HeldState['focus'],
  { held, breakpoints, store, now }: ScreenContext,
): readonly string[] {
  return focus === 'items'
    ? inOrder(held).map((item) => {
        const at = { item, session: store.get(item.session), now }
        return HELD_COLUMNS.map((column) => column.text(at)).join('  ')
      })
    : breakpoints.map((breakpoint) =>
        BREAKPOINT_COLUMNS.map((column) => column.text({ breakpoint, now })).join('  '),
      )
}

/** Rows of both lists without their heads: the breakpoints get what they need, up to a third. */
function roomOf({ size, breakpoints }: ScreenContext): {
  readonly items: number
  readonly breakpoints: number
} {
  const heads = 3
  const room = Math.max(0, size.rows - heads)
  const below = Math.min(Math.max(1, breakpoints.length), Math.max(1, Math.floor(room / 3)))
  return { items: Math.max(0, room - below), breakpoints: below }
}

/** Stays on what is selected; where that is gone, on what took its place. */
function settledPlace({ position, selected }: Place, ids: readonly string[], rows: number): Place {
  const extent: ListExtent = { count: ids.length, rows }
  const index = selected === null ? -1 : ids.indexOf(selected)
  const next =
    index === -1 ? selectIndex(position, position.selected, extent) : followIndex(position, index, extent)
  return { position: next, selected: ids[next.selected] ?? null }
}

function filled(rows: readonly Row[], count: number): readonly Row[] {
  return Array.from({ length: count }, (_, index) => rows[index] ?? [])
}

function only(state: HeldState): Step<HeldState> {
  return { state, effects: [] }
}
