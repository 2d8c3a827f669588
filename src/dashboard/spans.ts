/**
 * Rows put together from spans: the only way to make one, so that every text in a frame went through `cells.ts`.
 * Owns cutting, filling and joining of rows by cells. Knows nothing of colours or terminals.
 */
import { cutTo, padTo, toCells, widthOf } from './cells.js'
import type { Row, Span, Style } from './frame.js'

/** One cell of a table row. */
export interface Column {
  readonly text: string
  /** In cells; what is longer is cut, what is shorter filled. */
  readonly width: number
  readonly align?: 'left' | 'right'
  readonly style?: Style
}

/**
 * Makes a span of any text, which becomes harmless by it.
 */
export function span(text: string, style: Style = 'plain'): Span {
  return { text: toCells(text), style }
}

/**
 * Makes a row of spans and plain texts; null and empty ones are left out.
 */
export function row(...parts: readonly (Span | string | null)[]): Row {
  const spans: Span[] = []
  for (const part of parts) {
    const made = typeof part === 'string' ? span(part) : part
    if (made !== null && made.text !== '') spans.push(made)
  }
  return spans
}

/**
 * Makes a row of a table: each text exactly as wide as its column, with one space between columns.
 */
export function tableRow(columns: readonly Column[], style: Style = 'plain'): Row {
  const spans: Span[] = []
  for (const column of columns) {
    if (column.width <= 0) continue
    if (spans.length > 0) spans.push({ text: ' ', style })
    const text = padTo(column.text, column.width, column.align ?? 'left')
    spans.push({ text, style: column.style ?? style })
  }
  return spans
}

/** Counts the cells of a row. */
export function rowWidth(spans: Row): number {
  return spans.reduce((width, { text }) => width + widthOf(text), 0)
}

/**
 * Reads a row as plain text.
 */
export function rowText(spans: Row): string {
  return spans.map(({ text }) => text).join('')
}

/**
 * Makes a row exactly `width` cells wide. What is longer ends with an ellipsis, what is shorter is filled with spaces
 * of `fill`.
 */
export function fitRow(spans: Row, width: number, fill: Style = 'plain'): Row {
  const room = Math.max(0, width)
  const used = rowWidth(spans)
  if (used === room) return spans
  if (used < room) return [...spans, { text: ' '.repeat(room - used), style: fill }]
  const cut = cutRow(spans, room)
  const missing = room - rowWidth(cut)
  return missing === 0 ? cut : [...cut, { text: ' '.repeat(missing), style: fill }]
}

/**
 * Cuts a row to at most `width` cells; what is cut ends with an ellipsis.
 */
export function cutRow(spans: Row, width: number): Row {
  if (rowWidth(spans) <= width) return spans
  const kept: Span[] = []
  let room = Math.max(0, width)
  for (const [index, { text, style }] of spans.entries()) {
    const isLast = index === spans.length - 1
    const wide = widthOf(text)
    // One cell is kept back for the ellipsis, which belongs to the span that is cut.
    if (wide < room || (wide === room && isLast)) {
      kept.push({ text, style })
      room -= wide
      continue
    }
    const cut = wide > room ? cutTo(text, room) : cutTo(`${text} `, room)
    if (cut !== '') kept.push({ text: cut, style })
    break
  }
  return kept
}

/**
 * Joins a left and a right part into one row of exactly `width` cells, the right one at the right end. Where both have
 * no room, the left one is cut.
 */
export function spreadRow(left: Row, right: Row, width: number, fill: Style = 'plain'): Row {
  const rightPart = cutRow(right, width)
  const rightWidth = rowWidth(rightPart)
  return [...fitRow(left, Math.max(0, width - rightWidth), fill), ...rightPart]
}

/** The same row in one style. */
export function restyleRow(spans: Row, style: Style): Row {
  return spans.map(({ text }) => ({ text, style }))
}

/**
 * Shows what a search found: each occurrence in a row, upper and lower case alike, in the style `match`. An empty text
 * finds nothing. Occurrences that cross the border of two spans are not shown.
 */
export function highlightRow(spans: Row, search: string): Row {
  const wanted = toCells(search).toLowerCase()
  if (wanted === '') return spans
  return spans.flatMap((part) => highlightSpan(part, wanted))
}

function highlightSpan({ text, style }: Span, wanted: string): readonly Span[] {
  const lower = text.toLowerCase()
  // Lower case of a few letters has another length: then positions would not fit, and nothing is marked.
  if (lower.length !== text.length || !lower.includes(wanted)) return [{ text, style }]
  const parts: Span[] = []
  let at = 0
  for (let found = lower.indexOf(wanted); found !== -1; found = lower.indexOf(wanted, at)) {
    if (found > at) parts.push({ text: text.slice(at, found), style })
    parts.push({ text: text.slice(found, found + wanted.length), style: 'match' })
    at = found + wanted.length
  }
  if (at < text.length) parts.push({ text: text.slice(at), style })
  return parts
}

/** Two panes beside each other. */
export interface Panes {
  readonly left: readonly Row[]
  readonly right: readonly Row[]
  readonly leftWidth: number
  readonly rightWidth: number
  readonly rows: number
  readonly isUnicode: boolean
}

/**
 * Puts two panes beside each other, a border between them.
 *
 * @returns `rows` rows of `leftWidth + 1 + rightWidth` cells
 */
export function joinPanes({ left, right, leftWidth, rightWidth, rows, isUnicode }: Panes): readonly Row[] {
  const border: Span = { text: isUnicode ? '│' : '|', style: 'dim' }
  return Array.from({ length: rows }, (_, index) => [
    ...fitRow(left[index] ?? [], leftWidth),
    border,
    ...fitRow(right[index] ?? [], rightWidth),
  ])
}

/**
 * Makes a rule with a title in it: `── Text ─────`.
 */
export function titleRow(title: string, width: number, isUnicode: boolean): Row {
  const line = isUnicode ? '─' : '-'
  const named = title === '' ? '' : ` ${cutTo(title, Math.max(0, width - 5))} `
  const start = line.repeat(Math.min(2, Math.max(0, width)))
  const rest = line.repeat(Math.max(0, width - 2 - widthOf(named)))
  return cutRow(
    row({ text: start, style: 'dim' }, span(named, 'heading'), { text: rest, style: 'dim' }),
    width,
  )
}
