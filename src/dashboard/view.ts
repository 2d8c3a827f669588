/**
 * The frame around the screens, and where they stand in it: top line, tabs, filter above; what happened and what can
 * be done below. Pure: a state in, a picture out. Every size has one, down to a single cell.
 */
import { FRAME_BINDINGS } from './bindings.js'
import { widthOf, wrapTo } from './cells.js'
import type { Frame, Row, Size, Span } from './frame.js'
import { helpStatus, helpView } from './help.js'
import { keyLabel } from './keys.js'
import { viewLine } from './line-editor.js'
import {
  FRAME_ROWS,
  type Model,
  type OpenPrompt,
  paneColumns,
  SMALLEST,
  SPLIT_COLUMNS,
  screenSize,
  stackOf,
  topContext,
  topScreen,
} from './model.js'
import type { KeyHelp, OpenScreen } from './open-screen.js'
import { paneContext } from './preview.js'
import type { ScreenContext } from './screen-module.js'
import { countdownText, octetsText } from './screens/quantities.js'
import { cutRow, fitRow, joinPanes, row, rowWidth, span, spreadRow, titleRow } from './spans.js'
import { tabs } from './tabs.js'

/**
 * Draws the whole screen. To be called with a state that is settled, and previewed.
 *
 * @returns exactly as many rows as the screen has, each exactly as wide
 */
export function view(model: Model): Frame {
  const { columns, rows } = model.size
  if (columns < SMALLEST.columns || rows < SMALLEST.rows) return tooSmall(model.size)
  const area: Size = { columns, rows: rows - FRAME_ROWS }
  const { prompt } = model
  const asked = prompt === null ? null : promptRow(prompt, columns)
  const drawn: readonly Row[] = [
    topRow(model),
    tabRow(model),
    filterRow(model, area),
    ...(model.help === null ? screenRows(model, area) : helpView(model, area.columns, area.rows)),
  ]
  const last = [
    ...(asked === null ? statusRows(model) : [asked.row]),
    prompt === null ? keyRow(model) : hintRow(prompt, columns),
  ]
  // What happened may be longer than a line: then it lies over the end of the screen for a while.
  const body = Array.from({ length: rows - last.length }, (_, index) => drawn[index] ?? [])
  return {
    rows: [...body, ...last].map((each) => fitRow(each, columns)),
    cursor: asked === null || asked.cursor === null ? null : { column: asked.cursor, row: rows - 2 },
  }
}

function tooSmall({ columns, rows }: Size): Frame {
  const needed = `${SMALLEST.columns}x${SMALLEST.rows}`
  const words = ['terminal too small', `${columns}x${rows}, needs ${needed}`]
  const first = Math.max(0, Math.floor((rows - words.length) / 2))
  const shown = Array.from({ length: rows }, (_, index) => fitRow(row(words[index - first] ?? ''), columns))
  return { rows: shown, cursor: null }
}

// Above.

function topRow(model: Model): Row {
  const { store, statistics, process } = model
  const open = model.source === 'live' ? (process?.openSessions ?? store.openSessions) : store.openSessions
  const dropped = store.droppedEvents + store.droppedSessions
  const octets = (statistics.towardClient.at(-2) ?? 0) + (statistics.towardServer.at(-2) ?? 0)
  const heldStyle = model.held.length > 0 ? 'attention' : 'plain'
  const right = row(
    '  ',
    open > 0 || model.source === 'live' ? `${open} open  ` : null,
    `${store.sessions.length + store.droppedSessions} seen  `,
    model.source === 'live' ? span(`${model.held.length} held`, heldStyle) : null,
    model.source === 'live' ? `  ${octetsText(octets)}B/s` : null,
    dropped > 0 ? span(`  ${dropped} dropped`, 'attention') : null,
    ' ',
  )
  const left = row(' ', span('postern', 'bold'), ' ', sourceMark(model), ' ', ...addressSpans(model))
  return spreadRow(left, right, model.size.columns)
}

function sourceMark(model: Model): Span {
  if (model.sourceState === 'closed') return span('ENDED', 'error')
  if (model.sourceState === 'opening') return span('READING', 'dim')
  if (model.sourceState === 'ending') return span('ENDING', 'attention')
  return model.source === 'live' ? span('LIVE', 'heading') : span('FILE', 'heading')
}

function addressSpans(model: Model): readonly (Span | string)[] {
  const addresses = model.hello?.addresses ?? []
  if (addresses.length === 0) return [span(model.hello?.program ?? '', 'dim')]
  const arrow = model.isUnicode ? '▸' : '>'
  // What most people have goes without saying where there is little room: a plain listener, TLS to the server.
  const isNarrow = model.size.columns < SPLIT_COLUMNS
  const listener = (url: string): string => (isNarrow ? url.replace(/^pop3:\/\//, '') : url)
  const upstream = (url: string): string => (isNarrow ? url.replace(/^pop3s:\/\//, '') : url)
  return addresses.flatMap(({ service, url, server }, index) => [
    index === 0 ? '' : '   ',
    addresses.length > 1 ? span(`${service} `, 'dim') : '',
    `${listener(url)} ${arrow} ${upstream(server)}`,
  ])
}

function tabRow(model: Model): Row {
  const shown = tabs(model).flatMap(({ screen, text, isSelected }): readonly (Span | string)[] => {
    const isUrgent = screen === 'held' && model.held.length > 0
    return [span(text, isSelected ? 'heading' : isUrgent ? 'attention' : 'plain'), ' ']
  })
  const left = row(' ', ...shown)
  const room = model.size.columns - rowWidth(left)
  const crumbs = model.help === null ? crumbsFor(model, room) : 'Help'
  return spreadRow(left, row(crumbs === '' ? null : `${crumbs} `), model.size.columns)
}

/** The way to the screen in sight, as much of its end as leaves the tabs whole. */
function crumbsFor(model: Model, room: number): string {
  const context = topContext(model)
  const opened = stackOf(model).slice(1)
  const all = opened.map((screen) => crumb(screen, context)).join(model.isUnicode ? ' › ' : ' > ')
  const top = opened.at(-1)
  if (top === undefined || widthOf(all) < room) return all
  const last = crumb(top, context)
  return widthOf(last) < room ? last : subjectOf(top, context)
}

function crumb(screen: OpenScreen, context: ScreenContext): string {
  const subject = subjectOf(screen, context)
  return subject.startsWith('#') ? `${screen.title} ${subject}` : `${screen.title}${subject}`
}

/** What a screen is about: `#4794`, or `#4794/12` with the number of a command. */
function subjectOf(screen: OpenScreen, context: ScreenContext): string {
  const { session, number } = screen.selection(context)
  const ordinal = session === null ? null : context.store.get(session)?.ordinal
  const named = ordinal === undefined || ordinal === null ? '' : `#${ordinal}`
  return `${named}${number === null ? '' : `/${number}`}`
}

function filterRow(model: Model, area: Size): Row {
  const { filter, search, paused, breakpoints } = model
  const left = row(
    ' ',
    span('filter: ', 'dim'),
    filter === null ? span('none', 'dim') : span(filter.text, 'bold'),
    search === '' ? null : span('   search: ', 'dim'),
    search === '' ? null : span(search, 'match'),
  )
  const catching = breakpoints.filter(({ isOn }) => isOn).length
  const waiting = paused === null ? 0 : paused.events.length + paused.missed
  const status =
    model.help === null
      ? topScreen(model)?.status(topContext(model))
      : helpStatus(model, area.columns, area.rows)
  const right = row(
    '  ',
    catching > 0 ? span(`CATCH(${catching}) `, 'attention') : null,
    paused === null ? null : span(`PAUSED${waiting === 0 ? '' : `(${waiting} wait)`} `, 'attention'),
    `${status ?? ''} `,
  )
  return spreadRow(left, right, model.size.columns)
}

// Between: the screens.

function screenRows(model: Model, area: Size): readonly Row[] {
  const top = topScreen(model)
  if (top === null) return [row(` There is no screen here yet.`)]
  const main = top.view(topContext(model))
  const { side } = paneColumns(model, top.id)
  if (side === 0) return main
  return joinPanes({
    left: main,
    right: sideRows(model),
    leftWidth: screenSize(model).columns,
    rightWidth: side,
    rows: area.rows,
    isUnicode: model.isUnicode,
  })
}

/** What Enter would open, each below its title. */
function sideRows(model: Model): readonly Row[] {
  return model.sidePanes.flatMap(({ screen, size }) => {
    const context = paneContext(model, size)
    const rows = [titleRow(crumb(screen, context), size.columns, model.isUnicode), ...screen.view(context)]
    return Array.from({ length: size.rows }, (_, index) => rows[index] ?? [])
  })
}

// Below.

/** Rows that a message may take. */
const STATUS_ROWS = 4

function statusRows(model: Model): readonly Row[] {
  const { note } = model
  if (note === null) return [heldRow(model)]
  const lines = wrapTo(note.text, model.size.columns - 2)
  return lines.slice(0, STATUS_ROWS).map((line) => row(' ', span(line, note.tone)))
}

function heldRow(model: Model): Row {
  const [first] = [...model.held].sort((a, b) => a.releaseAt - b.releaseAt)
  if (first === undefined) return []
  const ordinal = model.store.get(first.session)?.ordinal
  const where = ordinal === undefined ? '' : `#${ordinal} `
  const left = countdownText(first.releaseAt - model.now)
  const hint = model.tab === 'held' ? '' : '; 4 shows it'
  return row(
    ' ',
    span(`${where}${first.kind} ${first.shown} is held, goes on by itself in ${left}${hint}`, 'attention'),
  )
}

function keyRow(model: Model): Row {
  const { columns } = model.size
  if (model.help !== null) {
    return keysRow(
      [
        ['j k', 'scroll'],
        ['/', 'find'],
        ['Esc', 'close'],
      ],
      columns,
    )
  }
  const deep = stackOf(model).length > 1
  const frame = FRAME_BINDINGS.filter(({ label }) => label !== '').map(labelled)
  const fixed = deep ? [['Esc', 'back'], ...frame.filter(([key]) => key === '?')] : frame.slice(-2)
  const others = deep ? frame.filter(([key]) => key !== '?' && key !== 'q') : frame.slice(0, -2)
  const own = (topScreen(model)?.keys ?? []).filter(({ label }) => label !== '').map(labelled)
  const room = columns - rowWidth(keysRow(fixed, columns))
  const shown: (readonly string[])[] = []
  // What leads out and to help always has a place; of the others, those that come first.
  for (const each of [...own, ...others]) {
    if (rowWidth(keysRow([...shown, each], columns)) > room) break
    shown.push(each)
  }
  return keysRow([...shown, ...fixed], columns)
}

function labelled({ keys, label }: KeyHelp): readonly string[] {
  return [keyLabel(keys[0] ?? ''), label]
}

function keysRow(keys: readonly (readonly string[])[], columns: number): Row {
  const spans = keys.flatMap(([key = '', label = '']) => [' ', span(key, 'bold'), ` ${label} `])
  return cutRow(row(...spans), columns)
}

function promptRow(
  prompt: OpenPrompt,
  columns: number,
): { readonly row: Row; readonly cursor: number | null } {
  if (prompt.kind === 'confirm')
    return { row: row(' ', span(`${prompt.label} (y/n)`, 'attention')), cursor: null }
  const label = ` ${prompt.label}${prompt.kind === 'command' ? '' : ' '}`
  const shownLabel = span(prompt.kind === 'command' ? `${label}:` : `${label.trimEnd()}: `, 'bold')
  const start = Math.min(widthOf(shownLabel.text), columns - 10)
  const { text, cursor, hidden } = viewLine(prompt.line, columns - start - 1)
  const problem = prompt.problem
  const spans =
    problem === null
      ? [span(text)]
      : markedSpans(text, problem.column - hidden, problem.column + problem.length - hidden)
  return { row: row(...cutRow([shownLabel], start), ...spans), cursor: start + cursor }
}

/** The place of a mistake, in its own style. Of text that is not ASCII, the place is near enough. */
function markedSpans(text: string, from: number, to: number): readonly Span[] {
  const start = Math.max(0, Math.min(from, text.length))
  const end = Math.max(start, to)
  // A mistake at the end (something is missing) has no character to mark.
  const marked = text.slice(start, end)
  return [span(text.slice(0, start)), span(marked === '' ? ' ' : marked, 'error'), span(text.slice(end))]
}

function hintRow(prompt: OpenPrompt, columns: number): Row {
  if (prompt.offers.length > 0) return cutRow(row(' ', span(prompt.offers.join('  '), 'dim')), columns)
  if (prompt.problem !== null) {
    const { text, column } = prompt.problem
    return cutRow(row(' ', span(`column ${column + 1}: ${text}`, 'error')), columns)
  }
  if (prompt.kind === 'confirm')
    return keysRow(
      [
        ['y', 'yes'],
        ['n', 'no'],
      ],
      columns,
    )
  const completes = prompt.kind === 'search' || prompt.kind === 'help' ? [] : [['Tab', 'complete']]
  return keysRow([['Enter', 'take it'], ['Esc', 'leave it'], ...completes, ['Up', 'before']], columns)
}
