/**
 * Durations and octet counts as people write them: `90s`, `11min`, `8KiB`. Owns the units; knows nothing of what
 * is measured.
 */

const MILLISECONDS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['min', 60_000],
  ['h', 3_600_000],
])

const OCTETS: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KiB', 1_024],
  ['MiB', 1_048_576],
])

/** What may stand where a duration is wanted. A bare number may not: nobody can tell seconds from milliseconds. */
export const DURATION_PATTERN = /^([0-9]{1,9}(?:\.[0-9]{1,3})?) ?(ms|s|min|h)$/

/** What may stand, as text, where a number of octets is wanted. */
export const OCTETS_PATTERN = /^([0-9]{1,9}(?:\.[0-9]{1,3})?) ?(B|KiB|MiB)$/

/**
 * Reads a duration such as `500ms`, `10s`, `1.5min` or `1h`.
 *
 * @returns whole milliseconds; null where the text is no such duration
 */
export function parseDuration(text: string): number | null {
  return parseQuantity(text, DURATION_PATTERN, MILLISECONDS)
}

/**
 * Reads a number of octets such as `512B`, `8KiB` or `1MiB`.
 *
 * @returns whole octets; null where the text is no such number
 */
export function parseOctets(text: string): number | null {
  return parseQuantity(text, OCTETS_PATTERN, OCTETS)
}

/** Writes milliseconds in the largest unit that needs no fraction. */
export function formatDuration(milliseconds: number): string {
  return formatQuantity(milliseconds, MILLISECONDS)
}

/** Writes octets in the largest unit that needs no fraction. */
export function formatOctets(octets: number): string {
  return formatQuantity(octets, OCTETS)
}

function parseQuantity(text: string, pattern: RegExp, units: ReadonlyMap<string, number>): number | null {
  const parts = pattern.exec(text)
  const unit = units.get(parts?.[2] ?? '')
  if (unit === undefined) return null
  // 1.1 * 60_000 is 66000.00000000001: rounded before it is asked whether it is whole.
  const amount = Math.round(Number.parseFloat(parts?.[1] ?? '') * unit * 1_000) / 1_000
  return Number.isSafeInteger(amount) ? amount : null
}

function formatQuantity(amount: number, units: ReadonlyMap<string, number>): string {
  const fitting = [...units].filter(([, size]) => amount > 0 && amount % size === 0).at(-1) ?? [...units][0]
  if (fitting === undefined) return String(amount)
  const [unit, size] = fitting
  return `${amount / size}${unit}`
}
