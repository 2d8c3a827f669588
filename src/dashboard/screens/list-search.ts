/**
 * Searching in what a screen lists: the next item with a text in it, in either direction and around the end. Owns what
 * counts as found, upper and lower case alike; knows nothing of the items.
 */

/** What is searched. */
export interface Searched {
  readonly count: number
  /** Where the search begins; this item comes last. */
  readonly from: number
  textAt(index: number): string
}

/**
 * Finds the next item that holds a text.
 *
 * @returns its index, -1 where no item holds it
 */
export function findNext({ count, from, textAt }: Searched, text: string, direction: 1 | -1): number {
  const wanted = text.toLowerCase()
  for (let step = 1; step <= count; step += 1) {
    const index = (((from + direction * step) % count) + count) % count
    if (textAt(index).toLowerCase().includes(wanted)) return index
  }
  return -1
}
