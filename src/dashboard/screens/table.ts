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
  /** Cells that it should have before columns that are fixed and of a higher rank get any; the minimum if absent. */
  readonly comfort?: number
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

/** The cells that the texts of a column take, as far as they are known. */
export type UsefulWidth<Id extends string> = (id: Id) => number

/**
 * Chooses the columns that fit, by the width alone so that none comes and goes with what it shows, and shares what is
 * left: first until all columns have their comfort, then until no text is cut, then for a view that stays calm.
 *
 * @param width cells for all columns and the single blanks between them
 * @param useful what the texts in sight take; where it is not given, every column can use its maximum
 * @returns the columns in their order
 * Never fails: columns of rank 0 stay even where they have no room, and the painter cuts the row.
 */
export function fitColumns<Id extends string, Item>(
  columns: readonly TableColumn<Id, Item>[],
  width: number,
  useful: UsefulWidth<Id> = () => Number.MAX_SAFE_INTEGER,
): readonly FittedColumn<Id, Item>[] {
  const kept = chooseColumns(columns, width)
  const uses = kept.map(({ id, maximum }) => Math.min(maximum, useful(id)))
  const goals: readonly (readonly number[])[] = [
    kept.map((column, index) => Math.min(comfortOf(column), uses[index] ?? 0)),
    uses,
    kept.map(({ maximum }) => maximum),
  ]
  const widths = goals.reduce(
    (before, goal) => share(before, goal, width - (kept.length - 1)),
    kept.map(({ minimum }) => minimum),
  )
  return kept.map((column, index) => ({ column, width: widths[index] ?? column.minimum }))
}

/** Widens columns toward their goals, in proportion to what they miss, as far as there is room for. */
function share(widths: readonly number[], goals: readonly number[], room: number): number[] {
  const missing = widths.map((width, index) => Math.max(0, (goals[index] ?? width) - width))
  const all = missing.reduce((sum, each) => sum + each, 0)
  const left = Math.min(all, Math.max(0, room - widths.reduce((sum, each) => sum + each, 0)))
  const shares = missing.map((each) => (all === 0 ? 0 : Math.floor((left * each) / all)))
  let rest = left - shares.reduce((sum, each) => sum + each, 0)
  return widths.map((width, index) => {
    const given = shares[index] ?? 0
    const more = Math.min(rest, (missing[index] ?? 0) - given)
    rest -= more
    return width + given + more
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

/** A column that can be narrowed is narrowed before it is left out; those that cannot go first, for its comfort. */
function chooseColumns<Id extends string, Item>(
  columns: readonly TableColumn<Id, Item>[],
  width: number,
): readonly TableColumn<Id, Item>[] {
  let kept = columns
  for (;;) {
    const highest = Math.max(...kept.map(({ rank }) => rank))
    const canNarrow = kept.some((column) => column.rank === highest && comfortOf(column) > column.minimum)
    const needed = neededBy(kept, canNarrow ? ({ minimum }) => minimum : comfortOf)
    if (needed <= width || highest <= 0) return kept
    kept = kept.filter(({ rank }) => rank !== highest)
  }
}

function comfortOf({ minimum, comfort }: { readonly minimum: number; readonly comfort?: number }): number {
  return comfort ?? minimum
}

function neededBy<Column>(columns: readonly Column[], need: (column: Column) => number): number {
  return columns.reduce((sum, column) => sum + need(column) + 1, -1)
}
