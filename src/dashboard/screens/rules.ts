/**
 * What postern looks for in passing: one line for each breakpoint with how often it caught something, and beneath it,
 * unfolded, the last sessions in which it did. Written over lines that name no kind, so that rules of other kinds are
 * further lines. Changes nothing itself: what a key does is a request to the proxy.
 */
import type { SessionRecord } from '../../sessions/session-record.js'
import type { TraceContent, TraceEvent } from '../../trace/event.js'
import type { Breakpoint } from '../../watch/protocol.js'
import { wrapTo } from '../cells.js'
import type { Row } from '../frame.js'
import {
  NO_ARGUMENT,
  type ScreenArgument,
  type ScreenContext,
  type ScreenEffect,
  type ScreenModule,
  type Step,
} from '../screen-module.js'
import { cutRow, highlightRow, joinPanes, row, span, titleRow } from '../spans.js'
import {
  askChangedBreakpoint,
  askNewBreakpoint,
  refuseInRecording,
  switchBreakpoint,
} from './breakpoint-prompt.js'
import {
  LIST_START,
  type ListExtent,
  type ListPosition,
  movementBindings,
  selectIndex,
} from './list-position.js'
import { findNext } from './list-search.js'
import { proseRows } from './prose.js'
import { ageText, clockText, countText } from './quantities.js'
import { confirm } from './questions.js'
import { type FittedColumn, fitColumns, headerRow, itemRow, type TableColumn } from './table.js'

type Held = Extract<TraceContent, { type: 'held' }>

/** One rule, whatever kind it is of. */
interface RuleLine {
  readonly type: 'rule'
  readonly id: string
  readonly isOn: boolean
  readonly when: string
  readonly action: string
  readonly hits: number
  readonly lastHitAt: number | null
  readonly breakpoint: Breakpoint
}

/** One time that the rule above it caught something. */
interface MatchLine {
  readonly type: 'match'
  readonly id: string
  readonly record: SessionRecord
  readonly event: TraceEvent
  readonly held: Held
}

/** Stands under an unfolded rule without matches. */
interface NoteLine {
  readonly type: 'note'
  readonly id: string
  readonly text: string
}

type Line = RuleLine | MatchLine | NoteLine

export interface RulesState {
  readonly position: ListPosition
  /** Of the selected line: found again when lines come and go. */
  readonly selectedId: string | null
  readonly unfolded: ReadonlySet<string>
  readonly lines: readonly Line[]
}

/** Matches shown under a rule: enough to see which clients it is about. */
const MATCHES = 10
/** Sessions that are searched for matches, newest first: five thousand would be felt at every frame. */
const SEARCHED_SESSIONS = 500
/** Rows for what the screen shows, the head of the table and a blank one. */
const HEAD_ROWS = 3
/** From so many columns on, the selected rule is told beside the list. */
const SPLIT_COLUMNS = 120

const COLUMNS: readonly TableColumn<
  'on' | 'when' | 'action' | 'hits' | 'last',
  { line: RuleLine; now: number }
>[] = [
  {
    id: 'on',
    title: 'ON',
    minimum: 3,
    maximum: 3,
    rank: 0,
    align: 'left',
    text: ({ line }) => (line.isOn ? 'on' : 'off'),
    style: ({ line }) => (line.isOn ? 'bold' : 'dim'),
  },
  {
    id: 'when',
    title: 'WHEN',
    minimum: 16,
    maximum: 200,
    rank: 0,
    align: 'left',
    text: ({ line }) => (line.when === '' ? '(everything)' : line.when),
    style: () => null,
  },
  {
    id: 'action',
    title: 'DOES',
    minimum: 25,
    maximum: 33,
    rank: 1,
    align: 'left',
    text: ({ line }) => line.action,
    style: () => null,
  },
  {
    id: 'hits',
    title: 'HITS',
    minimum: 5,
    maximum: 5,
    rank: 0,
    align: 'right',
    text: ({ line }) => countText(line.hits),
    style: () => null,
  },
  {
    id: 'last',
    title: 'LAST',
    minimum: 5,
    maximum: 5,
    rank: 0,
    align: 'right',
    text: ({ line, now }) => (line.lastHitAt === null ? '-' : ageText(now - line.lastHitAt)),
    style: () => null,
  },
]

/** Breakpoints, their hits and their last matches. */
export const rulesScreen: ScreenModule<RulesState> = {
  id: 'rules',
  title: 'Rules',
  open: () => ({ position: LIST_START, selectedId: null, unfolded: new Set(), lines: [] }),
  bindings: [
    ...movementBindings<RulesState>((given, context, movement) => {
      const state = settle(given, context)
      const extent = extentOf(state.lines, context)
      return select(state, movement(state.position.selected, extent), extent)
    }),
    {
      keys: ['enter'],
      label: 'matches',
      help: 'show or hide the last matches of a rule; on a match, open its session',
      run: enter,
    },
    {
      keys: ['space'],
      label: 'on/off',
      help: 'switch the selected breakpoint on or off; what it holds stays held',
      run: (state, context) => withRule(state, context, ({ breakpoint }) => [switchBreakpoint(breakpoint)]),
    },
    {
      keys: ['a'],
      label: 'add',
      help: 'make a breakpoint: its filter, then what it holds and how long',
      run: (state, context) => ({ state, effects: askNewBreakpoint('', context) }),
    },
    {
      keys: ['e'],
      label: 'edit',
      help: 'change filter, kinds and time of the selected breakpoint',
      run: (state, context) => withRule(state, context, ({ breakpoint }) => askChangedBreakpoint(breakpoint)),
    },
    {
      keys: ['x'],
      label: 'remove',
      help: 'remove the selected breakpoint',
      run: (state, context) =>
        withRule(state, context, ({ breakpoint }) => [
          confirm(`Remove the breakpoint ${breakpoint.filter}?`, {
            type: 'request',
            request: { type: 'remove-breakpoint', breakpoint: breakpoint.id },
            done: `Breakpoint removed: ${breakpoint.filter}`,
          }),
        ]),
    },
    {
      keys: ['y'],
      label: 'copy',
      help: "copy the selected rule's filter",
      run: (given, context) => {
        const state = settle(given, context)
        const rule = ruleOf(state)
        if (rule === null) return { state, effects: [nothingSelected()] }
        return { state, effects: [{ type: 'copy', text: rule.when, what: 'the filter' }] }
      },
    },
  ],
  selection: ({ lines, position }) => matchArgument(lines[position.selected]),
  settle,
  view,
  status: (_, { breakpoints }) => {
    const on = breakpoints.filter(({ isOn }) => isOn).length
    return breakpoints.length === 0 ? 'no rules' : `${on} of ${breakpoints.length} on`
  },
  find,
}

function enter(given: RulesState, context: ScreenContext): Step<RulesState> {
  const state = settle(given, context)
  const line = state.lines[state.position.selected]
  switch (line?.type) {
    case 'rule': {
      const unfolded = new Set(state.unfolded)
      if (!unfolded.delete(line.id)) unfolded.add(line.id)
      return { state: settle({ ...state, unfolded }, context), effects: [] }
    }
    case 'match': {
      return { state, effects: [{ type: 'open', screen: 'session', argument: matchArgument(line) }] }
    }
    case 'note':
      return { state, effects: [] }
    default:
      return { state, effects: [nothingSelected()] }
  }
}

function matchArgument(line: Line | undefined): ScreenArgument {
  if (line?.type !== 'match') return NO_ARGUMENT
  return { session: line.record.id, number: line.held.number, hold: null }
}

function withRule(
  given: RulesState,
  context: ScreenContext,
  effects: (rule: RuleLine) => readonly ScreenEffect[],
): Step<RulesState> {
  const state = settle(given, context)
  const rule = ruleOf(state)
  if (rule === null) return { state, effects: [nothingSelected()] }
  return {
    state,
    effects:
      context.source === 'recording'
        ? [refuseInRecording('Nothing passes that a rule could catch')]
        : effects(rule),
  }
}

/** The selected rule, or the one that the selected match stands under. */
function ruleOf({ lines, position }: RulesState): RuleLine | null {
  for (let index = position.selected; index >= 0; index -= 1) {
    const line = lines[index]
    if (line?.type === 'rule') return line
  }
  return null
}

function nothingSelected(): ScreenEffect {
  return { type: 'say', text: 'There is no rule yet: a makes one.', tone: 'attention' }
}

function settle(state: RulesState, context: ScreenContext): RulesState {
  const lines = linesOf(state, context)
  const extent = extentOf(lines, context)
  const found = lines.findIndex(({ id }) => id === state.selectedId)
  return select({ ...state, lines }, found === -1 ? state.position.selected : found, extent)
}

function select(state: RulesState, index: number, extent: ListExtent): RulesState {
  const position = selectIndex(state.position, index, extent)
  return { ...state, position, selectedId: state.lines[position.selected]?.id ?? null }
}

function linesOf({ unfolded }: RulesState, context: ScreenContext): readonly Line[] {
  return context.breakpoints.flatMap((breakpoint): readonly Line[] => {
    const rule = ruleFrom(breakpoint)
    if (!unfolded.has(rule.id)) return [rule]
    const matches = matchesOf(breakpoint, context)
    if (matches.length > 0) return [rule, ...matches]
    const text =
      breakpoint.hits === 0 ? 'nothing matched yet' : 'the sessions in which it matched are no longer kept'
    return [rule, { type: 'note', id: `${rule.id} none`, text }]
  })
}

function ruleFrom(breakpoint: Breakpoint): RuleLine {
  const { id, isOn, filter, kinds, holdMs, hits, lastHitAt } = breakpoint
  const action = `hold ${kinds.join(', ')} ${ageText(holdMs)}`
  return { type: 'rule', id, isOn, when: filter, action, hits, lastHitAt, breakpoint }
}

/** The last times that a breakpoint held something, newest first. */
function matchesOf(breakpoint: Breakpoint, { store }: ScreenContext): readonly MatchLine[] {
  const matches: MatchLine[] = []
  if (breakpoint.hits === 0) return matches
  for (const record of store.sessions.slice(-SEARCHED_SESSIONS)) {
    for (const event of record.events) {
      const { content } = event
      if (content.type !== 'held') continue
      if (content.breakpoint !== breakpoint.filter && content.breakpoint !== breakpoint.id) continue
      matches.push({ type: 'match', id: `${breakpoint.id} ${content.hold}`, record, event, held: content })
    }
  }
  return matches.sort((a, b) => b.event.at - a.event.at).slice(0, MATCHES)
}

function extentOf(lines: readonly Line[], { size }: ScreenContext): ListExtent {
  return { count: lines.length, rows: Math.max(1, size.rows - HEAD_ROWS) }
}

function view(given: RulesState, context: ScreenContext): readonly Row[] {
  const state = settle(given, context)
  const { columns, rows } = context.size
  if (state.lines.length === 0) return emptyRows(context)
  if (columns < SPLIT_COLUMNS) return listView(state, context, columns).slice(0, rows)
  const rightWidth = Math.floor(columns / 3)
  const leftWidth = columns - rightWidth - 1
  return joinPanes({
    left: listView(state, context, leftWidth),
    right: detailView(ruleOf(state), context, rightWidth),
    leftWidth,
    rightWidth,
    rows,
    isUnicode: context.isUnicode,
  })
}

function listView(state: RulesState, context: ScreenContext, width: number): readonly Row[] {
  const fitted = fitColumns(COLUMNS, width - 1)
  const { top, selected } = state.position
  const { rows } = extentOf(state.lines, context)
  const lines = state.lines.slice(top, top + rows).map((line, index) => {
    const isSelected = top + index === selected
    return highlightRow(lineRow(line, isSelected, fitted, context), context.search)
  })
  return [
    row(span(' Breakpoints: what postern holds for you to look at, and how often it did.', 'dim')),
    [],
    headerRow(fitted, ' ', () => ''),
    ...lines,
  ].map((each) => cutRow(each, width))
}

function lineRow(
  line: Line,
  isSelected: boolean,
  fitted: readonly FittedColumn<
    'on' | 'when' | 'action' | 'hits' | 'last',
    { line: RuleLine; now: number }
  >[],
  { now }: ScreenContext,
): Row {
  const mark = isSelected ? '>' : ' '
  const style = isSelected ? 'selected' : 'plain'
  switch (line.type) {
    case 'rule':
      return itemRow(fitted, { line, now }, mark, style)
    case 'match':
      return row(span(`${mark}     ${matchText(line)}`, style))
    case 'note':
      return row(span(`${mark}     ${line.text}`, isSelected ? 'selected' : 'dim'))
    default:
      return unreachable(line)
  }
}

function matchText({ record, event, held }: MatchLine): string {
  const verdict = verdictOf(record, held.hold)
  return `${clockText(event.at)}  #${record.ordinal}  ${record.user ?? '-'}  ${whatOf(record, held)}  ${verdict}`
}

function whatOf(record: SessionRecord, { number, kind }: Held): string {
  const command = record.events.find(
    ({ content }) => content.type === 'command' && content.number === number,
  )?.content
  const shown = command?.type === 'command' ? command.shown : `command ${number}`
  return kind === 'command' ? shown : `${kind} of ${shown}`
}

function verdictOf(record: SessionRecord, hold: string): string {
  const released = record.events.find(
    ({ content }) => content.type === 'released' && content.hold === hold,
  )?.content
  if (released?.type !== 'released') return 'held now'
  return `${released.verdict} after ${ageText(released.afterMs)}`
}

function detailView(rule: RuleLine | null, { now, isUnicode }: ScreenContext, width: number): readonly Row[] {
  if (rule === null) return []
  const { breakpoint } = rule
  const wrapped = (label: string, text: string): readonly Row[] =>
    wrapTo(text, width - 10).map((line, index) =>
      row(span(` ${index === 0 ? label.padEnd(7) : ' '.repeat(7)} `, 'dim'), line),
    )
  const last =
    rule.lastHitAt === null ? 'never' : `${clockText(rule.lastHitAt)}, ${ageText(now - rule.lastHitAt)} ago`
  return [
    titleRow('The selected rule', width, isUnicode),
    ...wrapped('when', rule.when),
    ...wrapped('holds', breakpoint.kinds.join(', ')),
    ...wrapped('until', `you decide, at most ${ageText(breakpoint.holdMs)}; then it goes on unchanged`),
    ...wrapped('state', rule.isOn ? 'on' : 'off: nothing is held'),
    ...wrapped('hits', `${rule.hits}, last ${last}`),
    [],
    ...wrapTo('The client waits meanwhile; some give up after 30 to 60 seconds.', width - 2).map((line) =>
      row(span(` ${line}`, 'dim')),
    ),
  ]
}

function emptyRows({ source, size }: ScreenContext): readonly Row[] {
  if (source === 'recording')
    return proseRows(
      size,
      'A recording has no rules: what they held and changed stands in its sessions.',
      'The filter  type == "held"  finds these sessions.',
    )
  const examples = EXAMPLES.map(([filter, meaning]) => row(`    ${filter.padEnd(32)}`, span(meaning, 'dim')))
  return [
    ...proseRows(
      size,
      'No rule yet. A breakpoint holds what its filter catches, until you release, edit, answer or drop it.',
      'a makes one. Filters to start from:',
    ),
    [],
    ...examples.map((each) => cutRow(each, size.columns)),
  ].slice(0, size.rows)
}

const EXAMPLES: readonly (readonly [filter: string, meaning: string])[] = [
  ['command == "RETR"', 'each message, before the client gets it'],
  ['command == "DELE"', 'each deletion, before the server hears of it'],
  ['indicator == "-ERR"', 'each refusal of the server'],
  ['user == "alice@example.org"', 'all that one user does'],
]

function find(given: RulesState, context: ScreenContext, text: string, direction: 1 | -1): RulesState | null {
  const state = settle(given, context)
  const { lines, position } = state
  const textAt = (index: number): string => {
    const line = lines[index]
    return line === undefined ? '' : textOf(line)
  }
  const found = findNext({ count: lines.length, from: position.selected, textAt }, text, direction)
  return found === -1 ? null : select(state, found, extentOf(lines, context))
}

function textOf(line: Line): string {
  switch (line.type) {
    case 'rule':
      return `${line.when} ${line.action}`
    case 'match':
      return matchText(line)
    case 'note':
      return line.text
    default:
      return unreachable(line)
  }
}

function unreachable(value: never): never {
  throw new Error(`no such line: ${JSON.stringify(value)}`)
}
