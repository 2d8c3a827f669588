/**
 * How the lines of the screen of rules look: the table of rules and breakpoints, what is unfolded beneath, why changed
 * files were refused, and the selected rule in full. Knows nothing of keys.
 */
import { wrapTo } from '../cells.js'
import type { Row, Style } from '../frame.js'
import type { ScreenContext } from '../screen-module.js'
import { cutRow, highlightRow, row, span, titleRow } from '../spans.js'
import type { ListPosition } from './list-position.js'
import { ageText, clockText, countText } from './quantities.js'
import { actionsOf, holdText, type Line, matchText, placeOf, type RuleLine, ruleFacts } from './rule-lines.js'
import { type FittedColumn, fitColumns, headerRow, itemRow, type TableColumn } from './table.js'

type ColumnId = 'mode' | 'of' | 'rule' | 'does' | 'place' | 'hits' | 'failures' | 'last'

interface RuleAt {
  readonly line: RuleLine
  readonly now: number
}

/** Lines of a refusal above the list; the rest is in the log. */
const REFUSAL_ROWS = 4
const LABEL_CELLS = 7

const COLUMNS: readonly TableColumn<ColumnId, RuleAt>[] = [
  {
    ...column('mode', 'MODE', 6, 6, 0),
    text: ({ line }) => modeText(line),
    style: ({ line }) => MODE_STYLES[modeText(line)] ?? null,
  },
  {
    ...column('of', 'OF', 7, 7, 3),
    text: ({ line }) => (line.type === 'breakpoint' ? 'hold' : (line.told?.of ?? line.hits?.of ?? '')),
  },
  {
    ...column('rule', 'RULE', 16, 200, 0),
    comfort: 22,
    text: ({ line }) => nameText(line),
  },
  {
    ...column('does', 'DOES', 18, 40, 1),
    comfort: 25,
    text: ({ line }) => (line.type === 'breakpoint' ? holdText(line.breakpoint) : actionsOf(line).join(', ')),
  },
  {
    ...column('place', 'FILE', 16, 40, 4),
    // The folder is in the detail: files of one are told apart by their names.
    text: ({ line }) => (line.type === 'breakpoint' ? '' : placeOf(line).replace(/^.*\//, '')),
  },
  {
    ...column('hits', 'HITS', 5, 5, 0),
    align: 'right',
    text: ({ line }) => countText(line.type === 'breakpoint' ? line.breakpoint.hits : (line.hits?.hits ?? 0)),
  },
  {
    ...column('failures', 'FAIL', 4, 4, 2),
    align: 'right',
    text: ({ line }) => (failuresOf(line) === 0 ? '' : countText(failuresOf(line))),
    style: () => 'error',
  },
  {
    ...column('last', 'LAST', 5, 5, 0),
    align: 'right',
    text: ({ line, now }) => {
      const at = lastAt(line)
      return at === null ? '-' : ageText(now - at)
    },
  },
]

function column(
  id: ColumnId,
  title: string,
  minimum: number,
  maximum: number,
  rank: number,
): Pick<TableColumn<ColumnId, RuleAt>, 'id' | 'title' | 'minimum' | 'maximum' | 'rank' | 'align' | 'style'> {
  return { id, title, minimum, maximum, rank, align: 'left', style: () => null }
}

const MODE_STYLES: Readonly<Record<string, Style>> = { on: 'bold', off: 'dim', shadow: 'dim' }

/** `-` where a rule never did anything but fail, and nobody told more of it. */
function modeText(line: RuleLine): string {
  if (line.type === 'breakpoint') return line.breakpoint.isOn ? 'on' : 'off'
  const mode = line.told?.mode ?? line.hits?.mode
  return mode === 'shadow' ? 'shadow' : mode === 'enforce' ? 'on' : '-'
}

function nameText(line: RuleLine): string {
  if (line.type === 'rule') return line.name
  return line.breakpoint.filter === '' ? '(everything)' : line.breakpoint.filter
}

function failuresOf(line: RuleLine): number {
  return line.type === 'breakpoint' ? 0 : (line.hits?.failures ?? 0)
}

function lastAt(line: RuleLine): number | null {
  return line.type === 'breakpoint' ? line.breakpoint.lastHitAt : (line.hits?.last.at ?? null)
}

/** Rows above the table, its head among them. */
export function headRows(lines: readonly Line[], context: ScreenContext, width: number): readonly Row[] {
  const fitted = fitColumns(COLUMNS, width - 1)
  return [
    row(span(` ${summaryText(lines, context)}`, 'dim')),
    ...refusalRows(context, width),
    [],
    headerRow(fitted, ' ', () => ''),
  ].map((each) => cutRow(each, width))
}

function summaryText(lines: readonly Line[], { source, rules: { rules } }: ScreenContext): string {
  const breakpoints = lines.filter(({ type }) => type === 'breakpoint').length
  const hold = 'Breakpoints: what postern holds for you to look at, and how often it did.'
  if (source === 'recording')
    return 'Rules that held in this recording; it does not tell those that never did.'
  const shadows = rules.filter(({ mode }) => mode === 'shadow').length
  const inForce = `${rules.length} ${rules.length === 1 ? 'rule' : 'rules'} of files`
  if (rules.length === 0) return hold
  const ofThem = shadows === 0 ? '' : `, ${shadows} of them only as a shadow`
  const held = breakpoints === 0 ? '' : `; ${breakpoints} breakpoint${breakpoints === 1 ? '' : 's'}`
  return `${inForce}${ofThem}${held}.`
}

/** Why the files as they are now are not in force. */
function refusalRows({ rules: { refusal } }: ScreenContext, width: number): readonly Row[] {
  if (refusal === null) return []
  const lines = refusal.lines.flatMap((line) => wrapTo(line, Math.max(8, width - 4)))
  const shown = lines.length <= REFUSAL_ROWS ? lines : lines.slice(0, REFUSAL_ROWS - 1)
  const rest = lines.length - shown.length
  return [
    row(span(` ! Changed rules were refused at ${clockText(refusal.at)}, those before stay:`, 'error')),
    ...shown.map((line) => row('   ', span(line, 'attention'))),
    ...(rest === 0 ? [] : [row('   ', span(`and ${rest} more lines: the log has them all`, 'dim'))]),
  ]
}

/** The lines in sight. */
export function listRows(
  lines: readonly Line[],
  { top, selected }: ListPosition,
  rows: number,
  context: ScreenContext,
  width: number,
): readonly Row[] {
  const fitted = fitColumns(COLUMNS, width - 1)
  return lines
    .slice(top, top + rows)
    .map((line, index) =>
      cutRow(highlightRow(lineRow(line, top + index === selected, fitted, context), context.search), width),
    )
}

function lineRow(
  line: Line,
  isSelected: boolean,
  fitted: readonly FittedColumn<ColumnId, RuleAt>[],
  { now }: ScreenContext,
): Row {
  const mark = isSelected ? '>' : ' '
  const style = isSelected ? 'selected' : 'plain'
  switch (line.type) {
    case 'rule':
    case 'breakpoint':
      return itemRow(fitted, { line, now }, mark, style)
    case 'match':
      return row(span(`${mark}     ${matchText(line)}`, style))
    case 'note':
      return row(span(`${mark}     ${line.text}`, isSelected ? 'selected' : 'dim'))
  }
}

/** The selected rule, with all that is known of it. */
export function detailRows(
  rule: RuleLine | null,
  { now, isUnicode }: ScreenContext,
  width: number,
): readonly Row[] {
  if (rule === null) return []
  const wrapped = (label: string, text: string): readonly Row[] =>
    wrapTo(text, width - LABEL_CELLS - 3).map((line, index) =>
      row(span(` ${(index === 0 ? label : '').padEnd(LABEL_CELLS)} `, 'dim'), line),
    )
  const at = lastAt(rule)
  const last = at === null ? 'never' : `${clockText(at)}, ${ageText(now - at)} ago`
  const hits = rule.type === 'breakpoint' ? rule.breakpoint.hits : (rule.hits?.hits ?? 0)
  const failures = failuresOf(rule)
  const times = failures === 1 ? 'once' : `${failures} times`
  const failed = failures === 0 ? '' : `; it could not be asked or carried out ${times}`
  return [
    titleRow(rule.type === 'rule' ? rule.name : 'The selected breakpoint', width, isUnicode),
    ...ruleFacts(rule).flatMap(([label, text]) => wrapped(label, text)),
    ...wrapped('hits', `${hits}, last ${last}${failed}`),
    [],
    ...wrapTo(remarkOn(rule), width - 2).map((line) => row(span(` ${line}`, 'dim'))),
  ]
}

function remarkOn(rule: RuleLine): string {
  if (rule.type === 'breakpoint') return 'The client waits meanwhile; some give up after 30 to 60 seconds.'
  return rule.told === null
    ? 'What it says is told by the proxy alone, while it is in force.'
    : 'Rules are changed in their file, which is read again by itself. Sessions keep the rules they began with.'
}
