/**
 * Small graphs of bars in cells: one value a column, the newest at the right. Owns scaling and the characters that bars
 * are made of; knows nothing of what the values mean.
 */

/** How a graph is drawn. */
export interface GraphForm {
  readonly width: number
  readonly rows: number
  readonly isUnicode: boolean
  /** The value of a bar that reaches the top. */
  readonly peak: number
}

const EIGHTHS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const
// Half a cell and a whole one; a graph of one row has four heights instead, else it would say nothing.
const HALVES = ['.', ':'] as const
const HEIGHTS = ['_', '-', '=', '#'] as const

/**
 * Draws values as bars. Where there are more values than columns, the highest of those that share one counts: a short
 * peak must not vanish. What is above zero is never drawn as nothing.
 *
 * @returns `rows` texts of `width` cells, the top one first
 */
export function barGraph(values: readonly number[], form: GraphForm): readonly string[] {
  const width = Math.max(0, Math.floor(form.width))
  const rows = Math.max(0, Math.floor(form.rows))
  const levels = form.isUnicode ? EIGHTHS : rows === 1 ? HEIGHTS : HALVES
  const heights = columnsOf(values, width).map((value) => heightOf(value, form.peak, rows * levels.length))
  return Array.from({ length: rows }, (_, index) => {
    const below = (rows - 1 - index) * levels.length
    return heights.map((height) => cellOf(levels, height - below)).join('')
  })
}

function columnsOf(values: readonly number[], width: number): readonly number[] {
  if (values.length <= width) return [...Array<number>(width - values.length).fill(0), ...values]
  return Array.from({ length: width }, (_, column) => {
    const from = Math.floor((column * values.length) / width)
    const to = Math.floor(((column + 1) * values.length) / width)
    return Math.max(...values.slice(from, to))
  })
}

function heightOf(value: number, peak: number, most: number): number {
  if (value <= 0 || peak <= 0) return 0
  return Math.min(most, Math.max(1, Math.round((value / peak) * most)))
}

function cellOf(levels: readonly string[], height: number): string {
  return height <= 0 ? ' ' : (levels[Math.min(height, levels.length) - 1] ?? ' ')
}
