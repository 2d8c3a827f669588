/**
 * What postern looks for in passing: one line for each rule of a file and each breakpoint, with how often it held, and
 * beneath it, unfolded, what it says and the last times that it did. Owns what is selected and unfolded, and the keys;
 * `rule-lines.ts` has the lines, `rule-table.ts` their look. Changes nothing itself: what a key does is a request to the
 * proxy, and rules of files are changed in their files.
 */
import type { Breakpoint } from '../../watch/protocol.js'
import type { Row } from '../frame.js'
import {
  NO_ARGUMENT,
  type ScreenArgument,
  type ScreenContext,
  type ScreenEffect,
  type ScreenModule,
  type Step,
} from '../screen-module.js'
import { cutRow, joinPanes, row, span } from '../spans.js'
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
import { confirm } from './questions.js'
import { type Line, lineText, placeOf, type RuleLine, ruleLines } from './rule-lines.js'
import { detailRows, headRows, listRows } from './rule-table.js'

export interface RulesState {
  readonly position: ListPosition
  /** Of the selected line: found again when lines come and go. */
  readonly selectedId: string | null
  readonly unfolded: ReadonlySet<string>
  readonly lines: readonly Line[]
}

/** From so many columns on, the selected rule is told beside the list. */
const SPLIT_COLUMNS = 120

/** Rules and breakpoints, their hits and their last matches. */
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
      help: 'show or hide what a rule says and its last matches; on a match, open its session',
      run: enter,
    },
    {
      keys: ['space'],
      label: 'on/off',
      help: 'switch the selected breakpoint on or off; what it holds stays held',
      run: (state, context) => withBreakpoint(state, context, (breakpoint) => [switchBreakpoint(breakpoint)]),
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
      run: (state, context) => withBreakpoint(state, context, askChangedBreakpoint),
    },
    {
      keys: ['x'],
      label: 'remove',
      help: 'remove the selected breakpoint',
      run: (state, context) =>
        withBreakpoint(state, context, (breakpoint) => [
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
      help: "copy the selected rule's condition",
      run: (given, context) => {
        const state = settle(given, context)
        return { state, effects: [copied(ruleOf(state))] }
      },
    },
  ],
  selection: ({ lines, position }) => matchArgument(lines[position.selected]),
  settle,
  view,
  status,
  find,
}

function status(_: RulesState, { breakpoints, rules: { rules }, ruleHits, source }: ScreenContext): string {
  if (source === 'recording') return ruleHits.length === 0 ? 'no rules' : `${ruleHits.length} rules held`
  const on = breakpoints.filter(({ isOn }) => isOn).length
  const ofBreakpoints = breakpoints.length === 0 ? null : `${on} of ${breakpoints.length} on`
  if (rules.length === 0) return ofBreakpoints ?? 'no rules'
  const ofFiles = rules.length === 1 ? '1 rule' : `${rules.length} rules`
  return ofBreakpoints === null ? ofFiles : `${ofFiles}, breakpoints ${ofBreakpoints}`
}

function enter(given: RulesState, context: ScreenContext): Step<RulesState> {
  const state = settle(given, context)
  const line = state.lines[state.position.selected]
  switch (line?.type) {
    case 'rule':
    case 'breakpoint': {
      const unfolded = new Set(state.unfolded)
      if (!unfolded.delete(line.id)) unfolded.add(line.id)
      return { state: settle({ ...state, unfolded }, context), effects: [] }
    }
    case 'match':
      return { state, effects: [{ type: 'open', screen: 'session', argument: matchArgument(line) }] }
    case 'note':
      return { state, effects: [] }
    default:
      return { state, effects: [nothingSelected()] }
  }
}

function matchArgument(line: Line | undefined): ScreenArgument {
  if (line?.type !== 'match') return NO_ARGUMENT
  return { session: line.record.id, number: line.number, hold: null }
}

function withBreakpoint(
  given: RulesState,
  context: ScreenContext,
  effects: (breakpoint: Breakpoint) => readonly ScreenEffect[],
): Step<RulesState> {
  const state = settle(given, context)
  const rule = ruleOf(state)
  if (rule === null) return { state, effects: [nothingSelected()] }
  if (context.source === 'recording')
    return { state, effects: [refuseInRecording('Nothing passes that a rule could catch')] }
  return { state, effects: rule.type === 'breakpoint' ? effects(rule.breakpoint) : [changedInItsFile(rule)] }
}

function changedInItsFile(rule: Extract<RuleLine, { type: 'rule' }>): ScreenEffect {
  const place = placeOf(rule)
  const where = place === '' ? 'in its file' : `at ${place}`
  return { type: 'say', text: `This rule is changed ${where}, which is read again by itself.`, tone: 'plain' }
}

function copied(rule: RuleLine | null): ScreenEffect {
  if (rule === null) return nothingSelected()
  if (rule.type === 'breakpoint') return { type: 'copy', text: rule.breakpoint.filter, what: 'the filter' }
  if (rule.told === null)
    return { type: 'say', text: 'The condition of this rule was not told.', tone: 'attention' }
  return { type: 'copy', text: rule.told.when, what: 'the condition' }
}

/** The selected rule or breakpoint, or the one that the selected line stands under. */
function ruleOf({ lines, position }: RulesState): RuleLine | null {
  for (let index = position.selected; index >= 0; index -= 1) {
    const line = lines[index]
    if (line?.type === 'rule' || line?.type === 'breakpoint') return line
  }
  return null
}

function nothingSelected(): ScreenEffect {
  return { type: 'say', text: 'There is no rule yet: a makes one.', tone: 'attention' }
}

function settle(state: RulesState, context: ScreenContext): RulesState {
  const { columns } = context.size
  // Where there is room beside the list, what a rule says stands there.
  const lines = ruleLines(state.unfolded, context, columns < SPLIT_COLUMNS ? columns : null)
  const extent = extentOf(lines, context)
  const found = lines.findIndex(({ id }) => id === state.selectedId)
  return select({ ...state, lines }, found === -1 ? state.position.selected : found, extent)
}

function select(state: RulesState, index: number, extent: ListExtent): RulesState {
  const position = selectIndex(state.position, index, extent)
  return { ...state, position, selectedId: state.lines[position.selected]?.id ?? null }
}

function extentOf(lines: readonly Line[], context: ScreenContext): ListExtent {
  const above = headRows(lines, context, panesOf(context).left).length
  return { count: lines.length, rows: Math.max(1, context.size.rows - above) }
}

/** Cells of the list and, 0 where there is none, of the selected rule beside it. */
function panesOf({ size: { columns } }: ScreenContext): { readonly left: number; readonly right: number } {
  if (columns < SPLIT_COLUMNS) return { left: columns, right: 0 }
  const right = Math.floor(columns / 3)
  return { left: columns - right - 1, right }
}

function view(given: RulesState, context: ScreenContext): readonly Row[] {
  const state = settle(given, context)
  const { rows } = context.size
  if (state.lines.length === 0 && context.rules.refusal === null) return emptyRows(context)
  const { left, right } = panesOf(context)
  const list = listView(state, context, left)
  if (right === 0) return list.slice(0, rows)
  return joinPanes({
    left: list,
    right: detailRows(ruleOf(state), context, right),
    leftWidth: left,
    rightWidth: right,
    rows,
    isUnicode: context.isUnicode,
  })
}

function listView({ lines, position }: RulesState, context: ScreenContext, width: number): readonly Row[] {
  const { rows } = extentOf(lines, context)
  return [...headRows(lines, context, width), ...listRows(lines, position, rows, context, width)]
}

function emptyRows({ source, size }: ScreenContext): readonly Row[] {
  if (source === 'recording')
    return proseRows(
      size,
      'A recording has no rules, and none held in this one: what breakpoints held stands in its sessions.',
      'The filter  type == "held"  finds these sessions.',
    )
  const examples = EXAMPLES.map(([filter, meaning]) => row(`    ${filter.padEnd(32)}`, span(meaning, 'dim')))
  return [
    ...proseRows(
      size,
      'No rule yet. A breakpoint holds what its filter catches, until you release, edit, answer or drop it. Rules that work by themselves stand in files: postern run --rules FILE.',
      'a makes a breakpoint. Filters to start from:',
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
    return line === undefined ? '' : lineText(line)
  }
  const found = findNext({ count: lines.length, from: position.selected, textAt }, text, direction)
  return found === -1 ? null : select(state, found, extentOf(lines, context))
}
