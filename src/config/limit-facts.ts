/**
 * How each bound of `pop3/limits.ts` is spelled in a configuration file, and between which values it makes
 * sense. A bound without an entry here does not compile.
 */
import type { Limits } from '../pop3/limits.js'
import { formatDuration, formatOctets, parseDuration, parseOctets } from './units.js'

type Unit = 'ms' | 'octets' | 'items'

/** What a configuration knows about one bound; amounts are in its unit. */
export interface LimitFacts {
  readonly limit: keyof Limits
  /** Its key in a file. */
  readonly key: string
  readonly unit: Unit
  /** What may stand there, without the range. */
  readonly wanted: string
  readonly least: number
  readonly most: number
  /** Why it may not be less, where a standard says so. */
  readonly reason: string | null
  /** One sentence for editors and `config schema`. */
  readonly meaning: string
}

type Entry = readonly [key: string, unit: Unit, least: number, most: number, meaning: string, reason?: string]

const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 3_600_000
const MIB = 1_048_576

const ENTRIES: Readonly<Record<keyof Limits, Entry>> = {
  commandLineOctets: [
    'command-line',
    'octets',
    255,
    MIB,
    'Longest command line.',
    'RFC 2449 §4 asks for 255',
  ],
  saslLineOctets: [
    'sasl-line',
    'octets',
    12_288,
    MIB,
    'Longest AUTH command and line of a login exchange.',
    'RFC 5034 §4 lets challenges and responses be of arbitrary length, and 12288 octets are in use',
  ],
  statusLineOctets: [
    'status-line',
    'octets',
    512,
    MIB,
    'Longest greeting, status line or challenge of the server.',
    'RFC 2449 §4 allows servers 512',
  ],
  capabilityOctets: [
    'capability-list',
    'octets',
    512,
    MIB,
    'Largest capability list of the server.',
    'RFC 2449 §5 allows 512 for one capability',
  ],
  heldMessageOctets: [
    'held-message',
    'octets',
    1_024,
    64 * MIB,
    'Largest message that is kept in memory: for a breakpoint to hold it, or for rules to look at or change it.',
  ],
  spooledMessageOctets: [
    'spooled-message',
    'octets',
    1_024,
    1_024 * MIB,
    'Largest message that rules can look at or change as a whole. What exceeds held-message lies in a file meanwhile.',
  ],
  headerOctets: ['header', 'octets', 4_096, 4 * MIB, 'Largest header section that rules look at or change.'],
  listingOctets: [
    'listing',
    'octets',
    65_536,
    256 * MIB,
    'Largest scan listing or unique-id listing that rules read.',
  ],
  pendingCommands: [
    'pending-commands',
    'items',
    1,
    100_000,
    'Commands of one client that may wait for replies.',
  ],
  pipelinedCommands: [
    'pipelined-commands',
    'items',
    1,
    10_000,
    'Commands sent to the server ahead of its replies.',
  ],
  errorsBeforeLogin: [
    'errors-before-login',
    'items',
    1,
    10_000,
    'Commands unknown or out of place before the login; one more ends the session.',
  ],
  socketBufferOctets: [
    'socket-buffer',
    'octets',
    4_096,
    64 * MIB,
    'Octets that may wait to be written before the other side is read no further.',
  ],
  sessions: ['sessions', 'items', 1, 1_000_000, 'Sessions of this service at one time.'],
  sessionsPerAddress: [
    'sessions-per-address',
    'items',
    1,
    1_000_000,
    'Sessions of one client address at one time.',
  ],
  handshakes: ['handshakes', 'items', 1, 1_000_000, 'Client connections within a TLS handshake at one time.'],
  connectMs: ['connect', 'ms', 100, HOUR, 'Time for the connection to the server.'],
  greetingMs: ['greeting', 'ms', 100, HOUR, 'Time for the greeting of the server.'],
  stlsMs: ['stls', 'ms', 100, HOUR, 'Time for the answer of the server to STLS.'],
  handshakeMs: [
    'handshake',
    'ms',
    100,
    HOUR,
    'Time for one TLS handshake, with the client or with the server.',
  ],
  loginMs: ['login', 'ms', SECOND, HOUR, 'Time from the connection of a client to the end of its login.'],
  idleMs: [
    'idle',
    'ms',
    10 * MINUTE,
    24 * HOUR,
    'Silence after which a session that is logged in ends.',
    'RFC 1939 §3: an autologout timer must be of at least 10 minutes',
  ],
  writeStallMs: [
    'write-stall',
    'ms',
    SECOND,
    24 * HOUR,
    'Time a side may take nothing although something waits.',
  ],
  quitMs: [
    'quit',
    'ms',
    SECOND,
    HOUR,
    'Time for the answer of the server to QUIT, while it deletes messages.',
  ],
  drainMs: ['drain', 'ms', 0, HOUR, 'Time for replies to finish after SIGTERM.'],
}

const WANTED: Readonly<Record<Unit, string>> = {
  ms: 'a duration with its unit, such as 90s or 11min',
  octets: 'a number of octets, such as 512 or 8KiB',
  items: 'a whole number',
}

/** The facts of every bound, in the order of `pop3/limits.ts`. */
export const LIMIT_FACTS: readonly LimitFacts[] = limitNames().map(limitFacts)

/** The facts of one bound. */
export function limitFacts(limit: keyof Limits): LimitFacts {
  const [key, unit, least, most, meaning, reason] = ENTRIES[limit]
  return { limit, key, unit, least, most, meaning, reason: reason ?? null, wanted: WANTED[unit] }
}

/**
 * Reads a bound as it stands in a file.
 *
 * @returns the amount in the unit of the bound, out of range or not; null where it is no amount
 */
export function parseLimit(facts: LimitFacts, value: string | number): number | null {
  switch (facts.unit) {
    case 'ms':
      return typeof value === 'string' ? parseDuration(value) : null
    case 'octets':
      return typeof value === 'string' ? parseOctets(value) : value
    case 'items':
      return typeof value === 'string' ? null : value
  }
}

/** Writes a bound as it would stand in a file. */
export function spellLimit(facts: LimitFacts, amount: number): string | number {
  switch (facts.unit) {
    case 'ms':
      return formatDuration(amount)
    case 'octets':
      return formatOctets(amount)
    case 'items':
      return amount
  }
}

function limitNames(): readonly (keyof Limits)[] {
  // Object.keys is typed for objects that may have more keys; this literal has exactly these.
  return Object.keys(ENTRIES).filter((name): name is keyof Limits => name in ENTRIES)
}
