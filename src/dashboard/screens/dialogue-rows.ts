/**
 * A session's dialogue as rows: which lines are unfolded, what stands in which column, where a search finds something.
 * What is said in the lines is `sessions/dialogue.ts`; which row is selected is the screen's.
 */
import type { DialogueKind, DialogueLine } from '../../sessions/dialogue.js'
import { cutTo, padTo, widthOf } from '../cells.js'
import type { Row, Style } from '../frame.js'
import { row, tableRow } from '../spans.js'
import { durationText, octetsText, sinceText } from './quantities.js'

/** What takes one row: a line, or one of the lines that it unfolds to. */
export interface DialogueItem {
  readonly line: DialogueLine
  /** Index into the line's detail; null for the line itself. */
  readonly detail: number | null
  readonly isUnfolded: boolean
}

/** Names a line as long as its session lasts: lines are added between others, and grow longer. */
export type LineKey = string

const NUMBER_CELLS = 4
const TIME_CELLS = 9
const OCTETS_CELLS = 6
const DURATION_CELLS = 6
/** The columns left and right of the text, and the blanks between all of them. */
const BESIDE_TEXT = 1 + NUMBER_CELLS + 1 + TIME_CELLS + 1 + 2 + 1 + 1 + OCTETS_CELLS + 1 + DURATION_CELLS
const TEXT_STARTS = 1 + NUMBER_CELLS + 1 + TIME_CELLS + 1 + 2 + 1

const WHO = { client: 'C>', server: 'S<', postern: 'P*', watcher: 'Y>' } as const

/** Kinds that say something about the line above them, with the mark that they stand behind. */
const REMARKS: Partial<Record<DialogueKind, string>> = {
  note: '-',
  anomaly: '?',
  hint: 'i',
  held: 'H',
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
 * @param unfolded lines whose detail is shown
 */
export function dialogueItems(
  lines: readonly DialogueLine[],
  unfolded: ReadonlySet<LineKey>,
): readonly DialogueItem[] {
  const items: DialogueItem[] = []
  for (const line of lines) {
    const isUnfolded = line.detail.length > 0 && unfolded.has(keyOf(line))
    items.push({ line, detail: null, isUnfolded })
    if (!isUnfolded) continue
    for (let detail = 0; detail < line.detail.length; detail += 1) items.push({ line, detail, isUnfolded })
  }
  return items
}

/** The heads of the columns. */
export function dialogueHeader(width: number): Row {
  return row(
    ' ',
    ...tableRow(
      [
        { text: '#', width: NUMBER_CELLS, align: 'right' },
        { text: 'TIME', width: TIME_CELLS },
        { text: 'WHO', width: 3 },
        { text: 'LINE', width: textWidth(width) - 1 },
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
  if (item.detail !== null) {
    const indented = `${lead}${' '.repeat(TEXT_STARTS + 1)}${item.line.detail[item.detail] ?? ''}`
    return [{ text: padTo(indented, width), style }]
  }
  const { line } = item
  const side: Style = isSelected ? style : 'dim'
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
        { text: lineText(item, textWidth(width)), width: textWidth(width) },
        { text: line.octets === null ? '' : octetsText(line.octets), width: OCTETS_CELLS, align: 'right' },
        {
          text: line.durationMs === null ? '' : durationText(line.durationMs),
          width: DURATION_CELLS,
          align: 'right',
          style: side,
        },
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

/** What a search found: a line, and within its detail which one. */
export interface FoundLine {
  readonly line: DialogueLine
  readonly detail: number | null
}

/**
 * Finds the next place where a text occurs, folded lines included, upper and lower case alike; behind the last comes
 * the first.
 *
 * @param from the item where the search begins, which is looked at last
 */
export function findInDialogue(
  lines: readonly DialogueLine[],
  from: DialogueItem | null,
  text: string,
  direction: 1 | -1,
): FoundLine | null {
  const wanted = text.toLowerCase()
  const places = lines.flatMap((line): FoundLine[] => [
    { line, detail: null },
    ...line.detail.map((_, detail) => ({ line, detail })),
  ])
  const start = places.findIndex(({ line, detail }) => line === from?.line && detail === from.detail)
  for (let step = 1; step <= places.length; step += 1) {
    const index = (((Math.max(start, 0) + direction * step) % places.length) + places.length) % places.length
    const place = places[index]
    if (place !== undefined && textAt(place).toLowerCase().includes(wanted)) return place
  }
  return null
}

function textAt({ line, detail }: FoundLine): string {
  return detail === null ? line.text : (line.detail[detail] ?? '')
}

function textWidth(width: number): number {
  return Math.max(8, width - BESIDE_TEXT)
}

/** The number ties a reply to its command where commands are pipelined; on every remark it would be noise. */
function isNumbered({ kind, number }: DialogueLine): boolean {
  return number > 0 && REMARKS[kind] === undefined
}

function lineText(item: DialogueItem, width: number): string {
  const end = endText(item)
  return padTo(cutTo(marked(item.line), width - widthOf(end)), width - widthOf(end)) + end
}

function marked({ kind, text }: DialogueLine): string {
  const mark = REMARKS[kind]
  return mark === undefined ? text : `  ${mark} ${text}`
}

/** What the line leads to. */
function endText({ line, isUnfolded }: DialogueItem): string {
  if (line.messageKey !== null) return ' > open'
  if (line.detail.length === 0) return ''
  return isUnfolded ? ' [-]' : ` [+${line.detail.length}]`
}

function styleOf({ line, detail }: DialogueItem): Style {
  if (detail !== null) return 'dim'
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
