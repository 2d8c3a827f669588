/**
 * The beginning of a text that is enough to fill some cells. Measuring a text that is no ASCII takes milliseconds where
 * it is long, and whoever sends one may have made it so.
 */

/** A letter with its accents takes up to four code units, an emoji one or two for each of its cells. */
const UNITS_A_CELL = 4

/**
 * Cuts a text before it is measured.
 *
 * @param cells that it is to fill
 * @returns at least as much as fits, but for letters with more accents than any language has
 */
export function enoughFor(text: string, cells: number): string {
  const units = Math.max(0, cells) * UNITS_A_CELL
  return text.length <= units ? text : text.slice(0, units)
}
