/**
 * The recent log, line by line, with the selected one taken apart. Owns the level that is shown and whether the newest
 * line is followed; the lines themselves, and how many were dropped, belong to the frame.
 */

import { SessionFilter } from '../../sessions/fields.js'
import type { SessionRecord } from '../../sessions/session-record.js'
import { wrapTo } from '../cells.js'
import type { Row, Style } from '../frame.js'
import {
  type LogLine,
  NO_ARGUMENT,
  type ScreenContext,
  type ScreenModule,
  type Step,
} from '../screen-module.js'
import { cutRow, highlightRow, joinPanes, row, span, tableRow, titleRow } from '../spans.js'
import {
  LIST_START,
  type ListExtent,
  type ListPosition,
  movementBindings,
  selectIndex,
} from './list-position.js'
import { findNext } from './list-search.js'
import { proseRows } from './prose.js'
import { clockText } from './quantities.js'

/** Least to most urgent, as pino names them. */
const LEVELS: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal']
/** What `l` goes through; each shows itself and what is more urgent. */
const SHOWN_FROM = ['trace', 'debug', 'info', 'warn', 'error'] as const

type ShownFrom = (typeof SHOWN_FROM)[number]

/** What the shown lines were derived from; while it is the same, so are they. */
interface Basis {
  readonly source: readonly LogLine[]
  readonly count: number
  readonly first: LogLine | undefined
  readonly last: LogLine | undefined
  readonly from: ShownFrom
  readonly filter: ScreenContext['filter']
  /** Sessions that the filter holds for; the same array until they change. */
  readonly sessions: readonly SessionRecord[]
}

export interface LogState {
  readonly from: ShownFrom
  readonly isFollowing: boolean
  readonly position: ListPosition
  /** The selected line, found again by identity when older ones are dropped. */
  readonly selected: LogLine | null
  readonly shown: readonly LogLine[]
  readonly basis: Basis | null
  /** Remembers what the filter found; null without a filter. */
  readonly found: SessionFilter | null
}

/** A list on this side, the selected line's record on the other, from so many columns on. */
const SPLIT_COLUMNS = 120

/** The log. */
export const logScreen: ScreenModule<LogState> = {
  id: 'log',
  title: 'Log',
  open: () => ({
    from: 'trace',
    isFollowing: true,
    position: LIST_START,
    selected: null,
    shown: [],
    basis: null,
    found: null,
  }),
  bindings: [
    ...movementBindings<LogState>((state, context, movement) => {
      const settled = settle(state, context)
      const extent = extentOf(settled.shown, context)
      const index = movement(settled.position.selected, extent)
      return select(settled, index, extent, index >= extent.count - 1 && settled.isFollowing)
    }),
    {
      keys: ['l'],
      label: 'level',
      help: 'show more urgent lines only: all, debug, info, warn, error',
      run: (state, context) => {
        const from = SHOWN_FROM[(SHOWN_FROM.indexOf(state.from) + 1) % SHOWN_FROM.length] ?? 'trace'
        return stay(settle({ ...state, from }, context))
      },
    },
    {
      keys: ['S-f', 'space'],
      label: 'follow',
      help: 'follow the newest line, or stay here',
      run: (state, context) => stay(settle({ ...state, isFollowing: !state.isFollowing }, context)),
    },
    {
      keys: ['enter'],
      label: 'session',
      help: 'open the session that the selected line is about',
      run: openSession,
    },
    {
      keys: ['y'],
      label: 'copy',
      help: 'copy the selected line as JSON',
      run: (state, context) => {
        const { selected } = settle(state, context)
        if (selected === null) return say(state, 'The log is empty: there is no line to copy.')
        return { state, effects: [{ type: 'copy', text: selected.json, what: 'the log line' }] }
      },
    },
    {
      keys: ['w'],
      label: 'save',
      help: 'write the shown lines to a file, one JSON object each',
      run: (state, context) => {
        const { shown } = settle(state, context)
        if (shown.length === 0) return say(state, 'No log line is shown: there is nothing to write.')
        const octets = Buffer.from(shown.map(({ json }) => `${json}\n`).join(''), 'utf8')
        return {
          state,
          effects: [{ type: 'save', octets, name: 'postern-log.jsonl', what: `${shown.length} log lines` }],
        }
      },
    },
  ],
  selection: ({ selected }) => ({ ...NO_ARGUMENT, session: selected?.session ?? null }),
  settle,
  view,
  status,
  find,
}

function openSession(state: LogState, context: ScreenContext): Step<LogState> {
  const settled = settle(state, context)
  const { selected } = settled
  if (selected === null) return say(settled, 'The log is empty: there is no session to open.')
  const { session } = selected
  if (session === null) return say(settled, 'This line is about no session.')
  if (context.store.get(session) === null)
    return say(settled, `Session ${session} is no longer kept: older sessions make room for newer ones.`)
  return {
    state: settled,
    effects: [{ type: 'open', screen: 'session', argument: { session, number: null, hold: null } }],
  }
}

function settle(state: LogState, context: ScreenContext): LogState {
  const found = filterFor(state.found, context)
  const basis = basisOf(state, context, found?.matches ?? [])
  const shown = isSame(state.basis, basis) ? state.shown : linesShown(context, basis)
  const extent = extentOf(shown, context)
  const kept = state.selected === null ? -1 : shown.lastIndexOf(state.selected)
  const index = state.isFollowing ? shown.length - 1 : kept === -1 ? state.position.selected : kept
  return select({ ...state, shown, basis, found }, index, extent, state.isFollowing)
}

function select(state: LogState, index: number, extent: ListExtent, isFollowing: boolean): LogState {
  const position = selectIndex(state.position, index, extent)
  return { ...state, position, selected: state.shown[position.selected] ?? null, isFollowing }
}

/** A context's store is the same throughout. */
function filterFor(before: SessionFilter | null, { filter, store }: ScreenContext): SessionFilter | null {
  if (filter === null) return null
  return before?.filter === filter ? before : new SessionFilter(filter, store)
}

function basisOf(
  { from }: LogState,
  { log, filter }: ScreenContext,
  sessions: readonly SessionRecord[],
): Basis {
  const { lines } = log
  return { source: lines, count: lines.length, first: lines[0], last: lines.at(-1), from, filter, sessions }
}

function isSame(before: Basis | null, now: Basis): boolean {
  return (
    before !== null &&
    before.source === now.source &&
    before.count === now.count &&
    before.first === now.first &&
    before.last === now.last &&
    before.from === now.from &&
    before.filter === now.filter &&
    before.sessions === now.sessions
  )
}

/** Lines of the sessions that the filter holds for; where it is plain words, those that have the words as well. */
function linesShown({ log, filter }: ScreenContext, { from, sessions }: Basis): readonly LogLine[] {
  const least = urgencyOf(from)
  const ids = new Set(sessions.map(({ id }) => id))
  return log.lines.filter((line) => {
    if (urgencyOf(line.level) < least) return false
    if (filter === null || (line.session !== null && ids.has(line.session))) return true
    return filter.isText && filter.matches({}, () => visibleText(line))
  })
}

/** An unknown level is shown whatever is asked for: what is new must not hide. */
function urgencyOf(level: string): number {
  const urgency = LEVELS.indexOf(level)
  return urgency === -1 ? LEVELS.length : urgency
}

function visibleText({ level, session, event, text }: LogLine): string {
  return `${level} ${session ?? ''} ${event} ${text}`
}

function extentOf(shown: readonly LogLine[], { size }: ScreenContext): ListExtent {
  return { count: shown.length, rows: Math.max(1, listRows(size.rows, size.columns)) }
}

/** The head of the table takes a row; a narrow screen has the record below the list. */
function listRows(rows: number, columns: number): number {
  return columns >= SPLIT_COLUMNS ? rows - 1 : rows - 1 - recordRows(rows)
}

function recordRows(rows: number): number {
  return rows < 10 ? 0 : Math.min(12, Math.floor(rows / 3))
}

function view(given: LogState, context: ScreenContext): readonly Row[] {
  const state = settle(given, context)
  const { columns, rows } = context.size
  if (state.shown.length === 0) return emptyRows(state, context)
  if (columns < SPLIT_COLUMNS) {
    const below = recordRows(rows)
    const list = listView(state, context, columns)
    if (below === 0) return list
    const gap = Array.from({ length: Math.max(0, rows - below - list.length) }, (): Row => [])
    return [...list, ...gap, ...recordView(state.selected, context, columns, below)]
  }
  const rightWidth = Math.floor(columns / 3)
  const leftWidth = columns - rightWidth - 1
  return joinPanes({
    left: listView(state, context, leftWidth),
    right: recordView(state.selected, context, rightWidth, rows),
    leftWidth,
    rightWidth,
    rows,
    isUnicode: context.isUnicode,
  })
}

function listView(state: LogState, context: ScreenContext, width: number): readonly Row[] {
  const { top, selected } = state.position
  const { rows } = extentOf(state.shown, context)
  const head = tableRow(columnsOf(' ', 'TIME', 'LEVEL', 'SESSION', 'MESSAGE', width), 'dim')
  const lines = state.shown.slice(top, top + rows).map((line, index) => {
    const isSelected = top + index === selected
    const text = line.text === '' ? line.event : line.text
    const columns = columnsOf(
      isSelected ? '>' : ' ',
      timeText(line.at),
      line.level,
      sessionName(line.session, context),
      text,
      width,
    )
    return highlightRow(tableRow(columns, isSelected ? 'selected' : styleOf(line.level)), context.search)
  })
  return [head, ...lines].slice(0, context.size.rows).map((each) => cutRow(each, width))
}

/** As the list of sessions names it; by its id where it is no longer kept. */
function sessionName(id: string | null, { store }: ScreenContext): string {
  const record = id === null ? null : store.get(id)
  return record === null ? (id ?? '-') : `#${record.ordinal}`
}

function columnsOf(mark: string, time: string, level: string, session: string, text: string, width: number) {
  const fixed = [1, 12, 5, 10]
  const used = fixed.reduce((sum, each) => sum + each + 1, 0)
  return [mark, time, level, session, text].map((each, index) => ({
    text: each,
    width: fixed[index] ?? Math.max(1, width - used),
  }))
}

function recordView(
  line: LogLine | null,
  { isUnicode, search }: ScreenContext,
  width: number,
  rows: number,
): readonly Row[] {
  const lines = line === null ? [] : recordLines(line.json).flatMap((each) => wrapTo(each, width - 2))
  const most = Math.max(0, rows - 1)
  const shown = lines.length <= most ? lines : [...lines.slice(0, most - 1), '… (y copies all of it)']
  return [
    titleRow('Record of the selected line', width, isUnicode),
    ...shown.map((each) => cutRow(highlightRow(row(' ', span(each)), search), width)),
  ]
}

/** Fields that are columns of the list. */
const IN_ROW: ReadonlySet<string> = new Set(['level', 'time', 'event', 'session'])

/** One field a line, without the braces around them. */
function recordLines(json: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(json)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [json]
    const fields = Object.entries(value)
    // What the row says already comes last, where there may be no room.
    return [
      ...fields.filter(([name]) => !IN_ROW.has(name)),
      ...fields.filter(([name]) => IN_ROW.has(name)),
    ].map(([name, field]) => `${name}: ${JSON.stringify(field)}`)
  } catch {
    return [json]
  }
}

function emptyRows({ from }: LogState, { log, filter, source, size }: ScreenContext): readonly Row[] {
  if (log.lines.length > 0) {
    const most = from === 'trace' ? '' : ` at ${from} and above`
    const by = filter === null ? '' : ` that the filter finds: ${filter.text}`
    const none = `None of ${log.lines.length} log lines${most}${by}`
    const hint = 'l shows other levels; f changes the filter, Esc clears it.'
    if (filter === null || filter.isText) return proseRows(size, none, hint)
    // An expression asks for fields, which lines have by their session alone.
    return proseRows(
      size,
      none,
      'An expression finds the lines of its sessions, plain words also other lines.',
      hint,
    )
  }
  if (source === 'recording')
    return proseRows(size, 'A recording holds what happened in its sessions, but no log.')
  return proseRows(
    size,
    'No log line yet: postern writes one when a session opens, logs in, fails or closes.',
    'With --log-level debug it writes one for each command and reply too.',
  )
}

function status(state: LogState, context: ScreenContext): string {
  const { shown, from, isFollowing } = settle(state, context)
  const { lines, dropped } = context.log
  const count = `${shown.length === lines.length ? '' : `${shown.length} of `}${lines.length} line${lines.length === 1 ? '' : 's'}`
  return [
    from === 'trace' ? 'all levels' : `${from}+`,
    count,
    dropped === 0 ? null : `${dropped} dropped`,
    isFollowing ? 'FOLLOW' : null,
  ]
    .filter((part) => part !== null)
    .join('  ')
}

function find(given: LogState, context: ScreenContext, text: string, direction: 1 | -1): LogState | null {
  const state = settle(given, context)
  const { shown, position } = state
  const textAt = (index: number): string => {
    const line = shown[index]
    return line === undefined ? '' : visibleText(line)
  }
  const found = findNext({ count: shown.length, from: position.selected, textAt }, text, direction)
  return found === -1 ? null : select(state, found, extentOf(shown, context), false)
}

function styleOf(level: string): Style {
  if (level === 'error' || level === 'fatal') return 'error'
  if (level === 'warn') return 'attention'
  return level === 'info' ? 'plain' : 'dim'
}

function timeText(at: number): string {
  return `${clockText(at)}.${String(new Date(at).getMilliseconds()).padStart(3, '0')}`
}

function stay(state: LogState): Step<LogState> {
  return { state, effects: [] }
}

function say(state: LogState, text: string): Step<LogState> {
  return { state, effects: [{ type: 'say', text, tone: 'attention' }] }
}
