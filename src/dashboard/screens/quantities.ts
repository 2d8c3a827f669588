/**
 * Counts, octets and times in as few cells as they can be read in. Owns the forms, so that all screens agree; knows
 * nothing of columns.
 */

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/**
 * Writes octets in at most six cells: `999`, `188.2k`, `2.1M`. Thousands, not 1024s, so that they compare with LIST.
 */
export function octetsText(octets: number): string {
  if (octets < 1_000) return String(Math.round(octets))
  const [value, unit] = scaled(octets)
  return `${value.toFixed(1)}${unit}`
}

/**
 * Writes a count in at most four cells: `999`, `12k`, `3M`.
 */
export function countText(count: number): string {
  if (count < 1_000) return String(count)
  const [value, unit] = scaled(count)
  return `${Math.floor(value)}${unit}`
}

/**
 * Writes a span of time in at most four cells: `4.1s`, `42s`, `12m`, `5h`, `3d`. Negative ones are none.
 */
export function ageText(ms: number): string {
  const span = Math.max(0, ms)
  if (span < 9_950) return `${(span / SECOND).toFixed(1)}s`
  if (span < MINUTE) return `${Math.floor(span / SECOND)}s`
  if (span < HOUR) return `${Math.floor(span / MINUTE)}m`
  if (span < 2 * DAY) return `${Math.floor(span / HOUR)}h`
  return `${Math.floor(span / DAY)}d`
}

/**
 * Writes what is left of a time that somebody waits for, in at most four cells: `9.0s`, `112s`, `17m`.
 */
export function countdownText(ms: number): string {
  return ms >= MINUTE && ms < 1_000 * SECOND ? `${Math.floor(ms / SECOND)}s` : ageText(ms)
}

/**
 * Writes how long something took, in milliseconds: `0.4`, `38.1`, `4012`.
 */
export function durationText(ms: number): string {
  return ms < 99.95 ? Math.max(0, ms).toFixed(1) : String(Math.round(ms))
}

/**
 * Writes a moment of a session in at most nine cells, counted from its start: `+0.373`, `+12.373`, `+17m12s`, `+3h04m`.
 */
export function sinceText(ms: number): string {
  const span = Math.max(0, ms)
  if (span < 10 * MINUTE) return `+${(span / SECOND).toFixed(3)}`
  if (span < HOUR) return `+${Math.floor(span / MINUTE)}m${twoDigits((span % MINUTE) / SECOND)}s`
  return `+${Math.floor(span / HOUR)}h${twoDigits((span % HOUR) / MINUTE)}m`
}

/**
 * Writes the time of day of the machine's own zone: `14:02:01`.
 */
export function clockText(at: number): string {
  const date = new Date(at)
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(':')
}

function scaled(value: number): readonly [number, string] {
  // What rounds up to 1000.0 of a unit is 1.0 of the next.
  if (value < 999_950) return [value / 1e3, 'k']
  if (value < 999_950_000) return [value / 1e6, 'M']
  return [value / 1e9, 'G']
}

function twoDigits(value: number): string {
  return String(Math.floor(value)).padStart(2, '0')
}
