/**
 * A session's dialogue as rows: which lines are unfolded, what stands in which column, where a search finds something.
 * What is said in the lines is `sessions/dialogue.ts`; which row is selected is the screen's.
 */
import type { DialogueKind, DialogueLine } from '../../sessions/dialogue.js'
import { padTo, wrapTo } from '../cells.js'
import type { Row, Style } from '../frame.js'
import { type Column, row, tableRow } from '../spans.js'
import { enoughFor } from './enough-text.js'
import { durationText, octetsText, sinceText } from './quantities.js'

/** What takes one row: a line, or a part of what it unfolds to. */
export interface DialogueItem {
  readonly line: DialogueLine
  /** 0 is the line itself; its text may go on in the parts behind, and its detail follows. */
  readonly part: number
  readonly text: string
  readonly fold: 'none' | 'folded' | 'unfolded'
}

/** Names a line as long as its session lasts: lines are added between others, and grow longer. */
export type LineKey = string

const NUMBER_CELLS = 4
const TIME_CELLS = 8
const OCTETS_CELLS = 6
const DURATION_CELLS = 6
/** Detail stands behind the text that it belongs to. */
const DETAIL_INDENT = '      '
const TEXT_STARTS = 1 + NUMBER_CELLS + 1 + TIME_CELLS + 1 + 2 + 1
/** Behind the text: how large it was and how long it took, where anything is told of that. */
const NUMBERS_CELLS = 1 + OCTETS_CELLS + 1 + DURATION_CELLS
/** Stands in the head of the column where there is room for it. */
const LEGEND = 'LINE   [>] opens, [+] unfolds'

const PLAIN = /^[\x20-\x7e]*$/

const WHO = { client: 'C>', server: 'S<', postern: 'P*', watcher: 'Y>' } as const

/** Kinds that say something about the line above them, with the mark that they stand behind. */
const REMARKS: Partial<Record<DialogueKind, string>> = {
  note: '-',
  anomaly: '?',
  hint: 'i',
  held: 'H',
  rule: 'R',
  failure: '!',
}

/** Names a line. Two of one kind at the same moment share a name: they fold together. */
export function keyOf({ kind, number, at }: DialogueLine): LineKey {
  return `${kind} ${number} ${at}`
}

/** Whether a line is a remark that says something is amiss, or worth knowing. */
export function isRemark({ kind, tone }: DialogueLine): boolean {
  return kind === 'anomaly' || kind === 'hint' || kind === 'failure' || tone !== 'plain'
}

/**
 * Lists the rows of a dialogue.
 *
 * @param isUnfolded tells of which lines all is shown: the whole text, and the detail
 * @param width cells of a row
 */
export function dialogueItems(
  lines: readonly DialogueLine[],
  isUnfolded: (line: DialogueLine) => boolean,
  width: number,
): readonly DialogueItem[] {
  const items: DialogueItem[] = []
  for (const line of lines) {
    const text = marked(line)
    const room = textWidth(width, line) - foldMark(line, 'none').length
    if (line.detail.length === 0 && !mayBeCut(text, room)) items.push({ line, part: 0, text, fold: 'none' })
    else if (isUnfolded(line)) items.push(...unfoldedItems(line, text, width))
    else items.push({ line, part: 0, text, fold: 'folded' })
  }
  return items
}

/**
 * Whether a text may be wider than its room. Exact for ASCII; any other is only estimated, because to measure it takes
 * long enough to be felt with 20,000 lines, and a person may have written each of them for that.
 */
function mayBeCut(text: string, room: number): boolean {
  return text.length > (PLAIN.test(text) ? room : room / 2)
}

function unfoldedItems(line: DialogueLine, text: string, width: number): readonly DialogueItem[] {
  const [first = '', ...rest] = wrapTo(text, textWidth(width, line) - foldMark(line, 'unfolded').length)
  const hanging = REMARKS[line.kind] === undefined ? '' : '    '
  const detail = line.detail.flatMap((each) => wrapTo(each, width - TEXT_STARTS - DETAIL_INDENT.length))
  const behind = [...rest.map((each) => hanging + each), ...detail.map((each) => DETAIL_INDENT + each)]
  return [first, ...behind].map((each, part) => ({ line, part, text: each, fold: 'unfolded' }))
}

/** The heads of the columns. */
export function dialogueHeader(width: number): Row {
  const room = Math.max(8, width - TEXT_STARTS - NUMBERS_CELLS)
  return row(
    ' ',
    ...tableRow(
      [
        { text: '#', width: NUMBER_CELLS, align: 'right' },
        { text: 'TIME', width: TIME_CELLS },
        { text: 'WHO', width: 3 },
        { text: room > LEGEND.length ? LEGEND : 'LINE', width: room - 1 },
        { text: 'OCTETS', width: OCTETS_CELLS, align: 'right' },
        { text: 'MS', width: DURATION_CELLS, align: 'right' },
      ],
      'dim',
    ),
  )
}

/**
 * Makes the row of one item.
 */
export function dialogueRow(item: DialogueItem, width: number, isSelected: boolean): Row {
  const lead = isSelected ? '>' : ' '
  const style = isSelected ? 'selected' : styleOf(item)
  if (item.part > 0) {
    return [{ text: padTo(`${lead}${' '.repeat(TEXT_STARTS - 1)}${item.text}`, width), style }]
  }
  const { line } = item
  const side: Style = isSelected ? style : 'dim'
  const room = textWidth(width, line)
  const numbers: readonly Column[] = [
    { text: line.octets === null ? '' : octetsText(line.octets), width: OCTETS_CELLS, align: 'right' },
    {
      text: line.durationMs === null ? '' : durationText(line.durationMs),
      width: DURATION_CELLS,
      align: 'right',
      style: side,
    },
  ]
  return [
    { text: lead, style },
    ...tableRow(
      [
        {
          text: isNumbered(line) ? String(line.number) : '',
          width: NUMBER_CELLS,
          align: 'right',
          style: side,
        },
        { text: sinceText(line.sinceStartMs), width: TIME_CELLS, style: side },
        { text: line.from === null ? '' : WHO[line.from], width: 2 },
        { text: lineText(item, room), width: room },
        ...(hasNumbers(line) ? numbers : []),
      ],
      style,
    ),
  ]
}

/**
 * Writes a line as text for the clipboard, with what it unfolds to.
 */
export function lineAsText(line: DialogueLine): string {
  const who = line.from === null ? '  ' : WHO[line.from]
  const first = `${sinceText(line.sinceStartMs).padEnd(TIME_CELLS)} ${who} ${marked(line)}`
  return [first, ...line.detail.map((text) => ' '.repeat(TIME_CELLS + 4) + text)].join('\n')
}

/** What is searched for, and how. */
export interface DialogueSearch {
  readonly text: string
  readonly direction: 1 | -1
  /** Cells of a row, as the rows found shall be. */
  readonly width: number
}

/**
 * Finds the next row in which a text occurs, folded ones included, upper and lower case alike; behind the last line
 * comes the first.
 *
 * @param from where the search begins; null for the beginning
 * @returns a row of its line unfolded; a text that is broken over two rows is found on the first row of its line
 */
export function findInDialogue(
  lines: readonly DialogueLine[],
  from: DialogueItem | null,
  { text, direction, width }: DialogueSearch,
): DialogueItem | null {
  const wanted = text.toLowerCase()
  const rowsFound = (line: DialogueLine): readonly DialogueItem[] => {
    if (!mentions(line, wanted)) return []
    const rows = dialogueItems([line], () => true, width)
    const found = rows.filter((each) => each.text.toLowerCase().includes(wanted))
    return found.length === 0 ? rows.slice(0, 1) : found
  }
  if (from !== null) {
    const ahead = rowsFound(from.line).filter(({ part }) => (part - from.part) * direction > 0)
    const next = ahead.at(direction === 1 ? 0 : -1)
    if (next !== undefined) return next
  }
  const start = from === null ? -1 : lines.indexOf(from.line)
  for (let step = 1; step <= lines.length; step += 1) {
    const line = lines[(((start + direction * step) % lines.length) + lines.length) % lines.length]
    const found = line === undefined ? [] : rowsFound(line)
    const next = found.at(direction === 1 ? 0 : -1)
    if (next !== undefined) return next
  }
  return null
}

function mentions(line: DialogueLine, wanted: string): boolean {
  return [marked(line), ...line.detail].some((text) => text.toLowerCase().includes(wanted))
}

/** What has no numbers has their room for its text. */
function textWidth(width: number, line: DialogueLine): number {
  return Math.max(8, width - TEXT_STARTS - (hasNumbers(line) ? NUMBERS_CELLS : 0))
}

function hasNumbers({ octets, durationMs }: DialogueLine): boolean {
  return octets !== null || durationMs !== null
}

/** The number ties a reply to its command where commands are pipelined; on every remark it would be noise. */
function isNumbered({ kind, number }: DialogueLine): boolean {
  return number > 0 && REMARKS[kind] === undefined
}

function lineText({ line, text, fold }: DialogueItem, width: number): string {
  const end = foldMark(line, fold)
  const room = width - end.length
  return padTo(enoughFor(text, room), room) + end
}

function marked({ kind, text }: DialogueLine): string {
  const mark = REMARKS[kind]
  return mark === undefined ? text : `  ${mark} ${text}`
}

/** What Enter and Space do on a line: `[>]` opens a message, `[+3]` unfolds three lines, `[>+3]` both. */
function foldMark({ detail, messageKey }: DialogueLine, fold: DialogueItem['fold']): string {
  const opens = messageKey === null ? '' : '>'
  const folds = { none: '', folded: detail.length === 0 ? '+' : `+${detail.length}`, unfolded: '-' }[fold]
  return opens + folds === '' ? '' : ` [${opens}${folds}]`
}

function styleOf({ line, text, part }: DialogueItem): Style {
  if (part > 0 && text.startsWith(DETAIL_INDENT)) return 'dim'
  if (line.tone !== 'plain') return line.tone
  switch (line.from) {
    case null:
      return 'dim'
    case 'watcher':
      return 'postern'
    default:
      return line.from
  }
}
