/**
 * When a message arrived, by what its header section says: the topmost Received field, which the server itself wrote,
 * else Date. Owns how a date is written in mail; knows nothing of clocks.
 */
import { fieldNamed, readHeader } from '../mail/header.js'

const MONTHS: readonly string[] = [
  'jan',
  'feb',
  'mar',
  'apr',
  'may',
  'jun',
  'jul',
  'aug',
  'sep',
  'oct',
  'nov',
  'dec',
]

// RFC 5322 §3.3, with the two-digit years and zone names of §4.3. Date.parse takes too much: "foo 1" is a date to it.
const DATE =
  /^(?:[A-Za-z]{3},)? *([0-9]{1,2}) +([A-Za-z]{3}) +([0-9]{2,4}) +([0-9]{2}):([0-9]{2})(?::([0-9]{2}))? *([+-][0-9]{4}|[A-Za-z]{1,5})?(?: *\(.*)?$/

const HOUR_MS = 3_600_000
/** Names of zones that RFC 5322 §4.3 gives a meaning; all others mean UTC. */
const ZONES: ReadonlyMap<string, number> = new Map([
  ['EDT', -4],
  ['EST', -5],
  ['CDT', -5],
  ['CST', -6],
  ['MDT', -6],
  ['MST', -7],
  ['PDT', -7],
  ['PST', -8],
])

/**
 * Tells when a message arrived.
 *
 * @param header its header section, or the whole message
 * @returns milliseconds since the epoch; null where it does not say
 */
export function arrivedAt(header: Buffer): number | null {
  const section = readHeader(header)
  const received = fieldNamed(section, 'received')
  // The date stands behind the last semicolon. RFC 5321 §4.4.
  const written = received === null ? undefined : unfolded(received.body).split(';').at(-1)
  const date = fieldNamed(section, 'date')
  return (
    (written === undefined ? null : parseMailDate(written)) ??
    (date === null ? null : parseMailDate(unfolded(date.body)))
  )
}

/** Longest field that is looked at: a Received field of some hops has some hundred octets. */
const FIELD_OCTETS = 4_096

function unfolded(body: Buffer): string {
  return body.subarray(0, FIELD_OCTETS).toString('latin1')
}

/**
 * Reads a date as it is written in mail.
 *
 * @returns milliseconds since the epoch; null where it is none
 */
export function parseMailDate(text: string): number | null {
  const parts = DATE.exec(text.replace(/\s+/g, ' ').trim())
  if (parts === null) return null
  const [, day = '', month = '', year = '', hour = '', minute = '', second = '0', zone = ''] = parts
  const monthIndex = MONTHS.indexOf(month.toLowerCase())
  const fullYear = wholeYear(Number(year), year.length)
  const offset = zoneMs(zone)
  if (monthIndex < 0 || Number(day) < 1 || Number(day) > 31 || offset === null) return null
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return null
  return Date.UTC(fullYear, monthIndex, Number(day), Number(hour), Number(minute), Number(second)) - offset
}

/** RFC 5322 §4.3. */
function wholeYear(year: number, digits: number): number {
  if (digits === 4) return year
  return digits === 2 && year < 50 ? 2_000 + year : 1_900 + year
}

function zoneMs(zone: string): number | null {
  const [, sign, hours, minutes] = /^([+-])([0-9]{2})([0-9]{2})$/.exec(zone) ?? []
  if (sign === undefined) return (ZONES.get(zone.toUpperCase()) ?? 0) * HOUR_MS
  if (Number(minutes) > 59) return null
  const ms = Number(hours) * HOUR_MS + Number(minutes) * 60_000
  return sign === '-' ? -ms : ms
}
