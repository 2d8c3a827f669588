/**
 * One line of text that a person edits. Pure: keys in, a new line out. Moves by what a person takes for a character,
 * so that an emoji or a letter with marks is never split. Knows nothing of prompts or of what the line is for.
 */
import { toCells, widthOf } from './cells.js'

/** A line; `cursor` is the index of the code unit it stands before. */
export interface Line {
  readonly text: string
  readonly cursor: number
}

/** Nothing a person types is longer; what is pasted beyond it is cut. */
export const LINE_CHARACTERS = 4_096

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** A line with the cursor at its end. */
export function lineOf(text: string): Line {
  const kept = text.slice(0, LINE_CHARACTERS)
  return { text: kept, cursor: kept.length }
}

/**
 * Writes text at the cursor. Line ends and other controls in it become spaces.
 */
export function insert({ text, cursor }: Line, added: string): Line {
  const plain = added.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, LINE_CHARACTERS - text.length)
  return { text: text.slice(0, cursor) + plain + text.slice(cursor), cursor: cursor + plain.length }
}

/**
 * Applies a key that moves or deletes.
 *
 * @returns the line after it, null for a key that is not the editor's
 */
export function editLine(line: Line, key: string): Line | null {
  return EDITS.get(key)?.(line) ?? null
}

/** The editor's keys, one function under several names. */
const EDITS: ReadonlyMap<string, (line: Line) => Line> = new Map([
  ['left', (line) => moved(line, before(line))],
  ['C-b', (line) => moved(line, before(line))],
  ['right', (line) => moved(line, behind(line))],
  ['C-f', (line) => moved(line, behind(line))],
  ['home', (line) => moved(line, 0)],
  ['C-a', (line) => moved(line, 0)],
  ['end', (line) => moved(line, line.text.length)],
  ['C-e', (line) => moved(line, line.text.length)],
  ['M-b', (line) => moved(line, wordStart(line))],
  ['C-left', (line) => moved(line, wordStart(line))],
  ['M-f', (line) => moved(line, wordEnd(line))],
  ['C-right', (line) => moved(line, wordEnd(line))],
  ['backspace', (line) => without(line, before(line), line.cursor)],
  ['delete', (line) => without(line, line.cursor, behind(line))],
  ['C-d', (line) => without(line, line.cursor, behind(line))],
  ['C-w', (line) => without(line, wordStart(line), line.cursor)],
  ['M-backspace', (line) => without(line, wordStart(line), line.cursor)],
  ['M-d', (line) => without(line, line.cursor, wordEnd(line))],
  ['C-u', (line) => without(line, 0, line.cursor)],
  ['C-k', (line) => without(line, line.cursor, line.text.length)],
])

/** What of a line is to be seen in a field, and where its cursor stands. */
export interface LineView {
  /** Harmless text, at most as wide as the field. */
  readonly text: string
  /** Cells from the start of the field. */
  readonly cursor: number
  /** Cells of the line that are left of the field. */
  readonly hidden: number
}

/**
 * Shows a line in a field of `width` cells: its beginning while the cursor is in there, else what is left of it.
 */
export function viewLine({ text, cursor }: Line, width: number): LineView {
  const cells = [...segmenter.segment(text)].map(({ segment, index }) => ({ shown: toCells(segment), index }))
  const room = Math.max(1, width)
  const at = cells.filter(({ index }) => index < cursor).reduce((sum, { shown }) => sum + widthOf(shown), 0)
  let hidden = 0
  let from = 0
  // The cell of the cursor itself is one of the field.
  while (at - hidden > room - 1 && from < cells.length) {
    hidden += widthOf(cells[from]?.shown ?? '')
    from += 1
  }
  let shown = ''
  let used = 0
  for (const cell of cells.slice(from)) {
    used += widthOf(cell.shown)
    if (used > room) break
    shown += cell.shown
  }
  return { text: shown, cursor: at - hidden, hidden }
}

function moved(line: Line, cursor: number): Line {
  return { text: line.text, cursor }
}

function without({ text }: Line, from: number, to: number): Line {
  return { text: text.slice(0, from) + text.slice(to), cursor: from }
}

function before({ text, cursor }: Line): number {
  const starts = [...segmenter.segment(text)].map(({ index }) => index).filter((index) => index < cursor)
  return starts.at(-1) ?? 0
}

function behind({ text, cursor }: Line): number {
  const next = [...segmenter.segment(text)].map(({ index }) => index).find((index) => index > cursor)
  return next ?? text.length
}

function wordStart({ text, cursor }: Line): number {
  return text.slice(0, cursor).replace(/[\p{L}\p{N}_]*[^\p{L}\p{N}_]*$/u, '').length
}

function wordEnd({ text, cursor }: Line): number {
  return cursor + (/^[^\p{L}\p{N}_]*[\p{L}\p{N}_]*/u.exec(text.slice(cursor))?.[0].length ?? 0)
}
