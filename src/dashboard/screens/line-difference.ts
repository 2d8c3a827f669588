/**
 * What differs between two texts, line by line. Owns the comparison, bounded so that no message makes it slow, and how
 * much of what is equal stands around a difference. Knows nothing of messages or colours.
 */

/** One line of a comparison; a note stands for lines that are left out. */
export interface DifferenceLine {
  readonly kind: 'same' | 'removed' | 'added' | 'note'
  readonly text: string
}

/**
 * Cells of the comparison's table: 4 MiB of memory and some milliseconds. What needs more is told as removed and added
 * as a whole; beginning and end that are equal do not count.
 */
const MOST_CELLS = 1_000_000
/** Lines told of a block that is too long to compare. */
const MOST_LINES = 200
/** Equal lines around each difference, as diff -u has them. */
const CONTEXT = 3

/**
 * Compares two lists of lines: the fewest lines removed and added that make one the other.
 *
 * @returns all lines in order; none where both are equal and empty
 */
export function compareLines(before: readonly string[], after: readonly string[]): readonly DifferenceLine[] {
  const start = equalAtStart(before, after)
  const end = equalAtEnd(before, after, start)
  const left = before.slice(start, before.length - end)
  const right = after.slice(start, after.length - end)
  const middle = left.length * right.length <= MOST_CELLS ? aligned(left, right) : whole(left, right)
  return [...same(before.slice(0, start)), ...middle, ...same(before.slice(before.length - end))]
}

/**
 * Leaves out what is equal, except for some lines around each difference.
 */
export function withContext(
  lines: readonly DifferenceLine[],
  context: number = CONTEXT,
): readonly DifferenceLine[] {
  const isKept = keptAround(lines, context)
  const kept: DifferenceLine[] = []
  let leftOut = 0
  const tell = (): void => {
    if (leftOut > 0) kept.push(note(`${leftOut} equal line${leftOut === 1 ? '' : 's'}`))
    leftOut = 0
  }
  for (const [index, line] of lines.entries()) {
    if (isKept[index] !== true) {
      leftOut += 1
      continue
    }
    tell()
    kept.push(line)
  }
  tell()
  return kept
}

function keptAround(lines: readonly DifferenceLine[], context: number): readonly boolean[] {
  const isKept = lines.map(({ kind }) => kind !== 'same')
  for (const [index, { kind }] of lines.entries()) {
    if (kind === 'same') continue
    for (let near = index - context; near <= index + context; near += 1) {
      if (near >= 0 && near < lines.length) isKept[near] = true
    }
  }
  return isKept
}

function equalAtStart(before: readonly string[], after: readonly string[]): number {
  const most = Math.min(before.length, after.length)
  let count = 0
  while (count < most && before[count] === after[count]) count += 1
  return count
}

function equalAtEnd(before: readonly string[], after: readonly string[], start: number): number {
  const most = Math.min(before.length, after.length) - start
  let count = 0
  while (count < most && before[before.length - 1 - count] === after[after.length - 1 - count]) count += 1
  return count
}

/** Longest common subsequence by the table that every textbook has: short lists, and the result is the shortest. */
function aligned(left: readonly string[], right: readonly string[]): readonly DifferenceLine[] {
  const width = right.length + 1
  const lengths = new Uint32Array((left.length + 1) * width)
  const at = (row: number, column: number): number => lengths[row * width + column] ?? 0
  for (let row = left.length - 1; row >= 0; row -= 1) {
    for (let column = right.length - 1; column >= 0; column -= 1) {
      lengths[row * width + column] =
        left[row] === right[column]
          ? at(row + 1, column + 1) + 1
          : Math.max(at(row + 1, column), at(row, column + 1))
    }
  }
  const lines: DifferenceLine[] = []
  let row = 0
  let column = 0
  while (row < left.length || column < right.length) {
    const leftLine = left[row]
    const rightLine = right[column]
    if (leftLine !== undefined && leftLine === rightLine) {
      lines.push({ kind: 'same', text: leftLine })
      row += 1
      column += 1
    } else if (
      leftLine !== undefined &&
      (rightLine === undefined || at(row + 1, column) >= at(row, column + 1))
    ) {
      lines.push({ kind: 'removed', text: leftLine })
      row += 1
    } else {
      lines.push({ kind: 'added', text: rightLine ?? '' })
      column += 1
    }
  }
  return lines
}

function whole(left: readonly string[], right: readonly string[]): readonly DifferenceLine[] {
  return [...block(left, 'removed'), ...block(right, 'added')]
}

function block(lines: readonly string[], kind: 'removed' | 'added'): readonly DifferenceLine[] {
  const told = lines.slice(0, MOST_LINES).map((text): DifferenceLine => ({ kind, text }))
  const rest = lines.length - told.length
  return rest === 0 ? told : [...told, note(`${rest} more lines ${kind}, too many to compare`)]
}

function same(lines: readonly string[]): readonly DifferenceLine[] {
  return lines.map((text) => ({ kind: 'same', text }))
}

function note(text: string): DifferenceLine {
  return { kind: 'note', text }
}
