/**
 * Sentences in place of a list: why nothing is shown, and what to do about it. Owns how they are set; the words belong
 * to the screens.
 */
import { wrapTo } from '../cells.js'
import type { Row, Size } from '../frame.js'
import { cutRow, row, span } from '../spans.js'

/**
 * Sets paragraphs, the first plain, those behind it dimmed, with a blank row before each.
 *
 * @returns as many rows as have room
 */
export function proseRows(size: Size, ...paragraphs: readonly string[]): readonly Row[] {
  const rows = paragraphs.flatMap((text, index) => [
    [],
    ...wrapTo(text, Math.max(1, size.columns - 4)).map((line) =>
      row('  ', span(line, index === 0 ? 'plain' : 'dim')),
    ),
  ])
  return rows.slice(0, size.rows).map((each) => cutRow(each, size.columns))
}
