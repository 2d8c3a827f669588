/**
 * Tables whose columns give way: which of them a width has room for, and how wide each is. Owns the arithmetic and the
 * two kinds of rows; knows nothing of what stands in them.
 */
import type { Row, Style } from '../frame.js'
import { type Column, row, tableRow } from '../spans.js'
import { enoughFor } from './enough-text.js'

/** One column of a table over items of one type. */
export interface TableColumn<Id extends string, Item> {
  readonly id: Id
  /** In the header; with the mark of the order it should fit into `minimum`. */
  readonly title: string
  /** Cells that it needs; without them it is left out. */
  readonly minimum: number
  /** Cells that are of use to it. */
  readonly maximum: number
  /** The column of the highest rank goes first where there is no room; those of rank 0 never go. */
  readonly rank: number
  readonly align: 'left' | 'right'
  text(item: Item): string
  /** Null takes the style of the row. */
  style(item: Item): Style | null
}

/** A column that has room, and how much. */
export interface FittedColumn<Id extends string, Item> {
  readonly column: TableColumn<Id, Item>
  readonly width: number
}

/**
 * Chooses the columns that fit and shares what is left among those that can use it, in proportion to their use.
 *
 * @param width cells for all columns and the single blanks between them
 * @returns the columns in their order
 * Never fails: columns of rank 0 stay even where they have no room, and the painter cuts the row.
 */
export function fitColumns<Id extends string, Item>(
  columns: readonly TableColumn<Id, Item>[],
  width: number,
): readonly FittedColumn<Id, Item>[] {
  const kept = chooseColumns(columns, width)
  const uses = kept.map(({ minimum, maximum }) => maximum - minimum)
  const use = uses.reduce((sum, each) => sum + each, 0)
  const left = Math.min(use, Math.max(0, width - neededBy(kept)))
  let rest = left
  const shares = uses.map((each) => {
    const share = use === 0 ? 0 : Math.floor((left * each) / use)
    rest -= share
    return share
  })
  return kept.map((column, index) => {
    const share = shares[index] ?? 0
    const more = Math.min(rest, column.maximum - column.minimum - share)
    rest -= more
    return { column, width: column.minimum + share + more }
  })
}

/**
 * Makes the header of a table.
 *
 * @param marks what stands behind the title of a column: the mark of the order
 */
export function headerRow<Id extends string, Item>(
  fitted: readonly FittedColumn<Id, Item>[],
  lead: string,
  marks: (id: Id) => string,
): Row {
  const cells = fitted.map(
    ({ column, width }): Column => ({ text: column.title + marks(column.id), width, align: column.align }),
  )
  return [...row({ text: lead, style: 'dim' }), ...tableRow(cells, 'dim')]
}

/**
 * Makes the row of one item.
 *
 * @param style of the row; where it is `selected`, no column has a style of its own
 */
export function itemRow<Id extends string, Item>(
  fitted: readonly FittedColumn<Id, Item>[],
  item: Item,
  lead: string,
  style: Style,
): Row {
  const cells = fitted.map(({ column, width }): Column => {
    const own = style === 'selected' ? style : (column.style(item) ?? style)
    return { text: enoughFor(column.text(item), width), width, align: column.align, style: own }
  })
  return [{ text: lead, style }, ...tableRow(cells, style)]
}

function chooseColumns<Id extends string, Item>(
  columns: readonly TableColumn<Id, Item>[],
  width: number,
): readonly TableColumn<Id, Item>[] {
  let kept = columns
  while (neededBy(kept) > width) {
    const highest = Math.max(...kept.map(({ rank }) => rank))
    if (highest <= 0) return kept
    kept = kept.filter(({ rank }) => rank !== highest)
  }
  return kept
}

function neededBy<Id extends string, Item>(columns: readonly TableColumn<Id, Item>[]): number {
  return columns.reduce((sum, { minimum }) => sum + minimum + 1, -1)
}
