/**
 * The word that was probably meant. Owns how near two words are; knows nothing of where they come from.
 */

/** Edits that still count as a slip of the fingers. */
const SLIPS = 2

/**
 * Finds the nearest of the possible words.
 *
 * @returns null where none is near
 */
export function nearest(word: string, possible: Iterable<string>): string | null {
  const wanted = word.toLowerCase()
  let best: string | null = null
  let least = Math.min(SLIPS, Math.floor(word.length / 2)) + 1
  for (const candidate of possible) {
    const edits = editsBetween(wanted, candidate.toLowerCase(), least)
    if (edits < least) {
      best = candidate
      least = edits
    }
  }
  return best
}

/** Levenshtein's distance; `enough` or more where it is not below that. */
function editsBetween(one: string, other: string, enough: number): number {
  if (Math.abs(one.length - other.length) >= enough) return enough
  let above = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let row = 1; row <= one.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= other.length; column += 1) {
      const changed = (above[column - 1] ?? 0) + (one[row - 1] === other[column - 1] ? 0 : 1)
      current.push(Math.min(changed, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    above = current
  }
  return above[other.length] ?? enough
}
