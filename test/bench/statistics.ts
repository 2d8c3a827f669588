/** The one statistic of the bench. */

/** @returns the middle value, or the mean of the two in the middle; null of nothing */
export function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  const upper = sorted[half]
  if (upper === undefined) return null
  return sorted.length % 2 === 1 ? upper : (sorted[half - 1]! + upper) / 2
}
