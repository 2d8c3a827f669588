/**
 * Conformance hints: what either side did that an RFC does not allow or that causes trouble, in plain words with the
 * section to read. Puts together what `anomaly-hints`, `maildrop-hints`, `message-hints`, `security-hints` and
 * `ending-hints` find in one session, and compares sessions of one user. Pure.
 */
import { hintOfAnomaly } from './anomaly-hints.js'
import { remembered } from './derived.js'
import { endingHints } from './ending-hints.js'
import { capabilitiesIn, type Heard, heardIn, isLoggedIn, succeeded } from './heard.js'
import type { Hint } from './hint.js'
import { listedSizes, listedUniqueIds, maildropHints } from './maildrop-hints.js'
import { messageHints } from './message-hints.js'
import { securityHints } from './security-hints.js'
import type { SessionRecord } from './session-record.js'

export type { Hint } from './hint.js'

/** Finds the hints of one session, anomalies among them, by command number. */
export const hintsOf: (record: SessionRecord) => readonly Hint[] = remembered((record) =>
  [...anomalyHints(record), ...habitHints(record)].sort((one, two) => one.number - two.number),
)

/** Finds the hints that no single event tells: those of {@link hintsOf} without the anomalies. */
export const habitHints: (record: SessionRecord) => readonly Hint[] = remembered((record) => {
  const heard = heardIn(record)
  return [
    ...securityHints(heard),
    ...maildropHints(heard),
    ...messageHints(heard),
    ...endingHints(heard),
  ].sort((one, two) => one.number - two.number)
})

/**
 * Finds what only several sessions of the same user show: unique-ids that change, logins that come too soon.
 *
 * @param records in the order of their opening
 * @returns hints by the id of the later session; sessions without hints are left out
 */
export function hintsAcross(records: readonly SessionRecord[]): ReadonlyMap<string, readonly Hint[]> {
  const last = new Map<string, SessionRecord>()
  const found = new Map<string, readonly Hint[]>()
  for (const record of records) {
    const key = accountOf(record)
    if (key === null) continue
    const earlier = last.get(key)
    if (earlier !== undefined) {
      const hints = hintsBetween(earlier, record)
      if (hints.length > 0) found.set(record.id, hints)
    }
    if (isLoggedIn(record)) last.set(key, record)
  }
  return found
}

/** Compares a session with an earlier one of the same user at the same server. */
export function hintsBetween(earlier: SessionRecord, later: SessionRecord): readonly Hint[] {
  return [...loginDelayHints(earlier, later), ...uniqueIdChangeHints(earlier, later)]
}

/** Null where nobody tried to log in. User names that are redacted cannot be told apart. */
function accountOf({ user, server }: SessionRecord): string | null {
  return user === null || user === '[redacted]' ? null : `${server} ${user}`
}

function anomalyHints({ events }: SessionRecord): readonly Hint[] {
  return events.flatMap(({ content }) => (content.type === 'anomaly' ? [hintOfAnomaly(content)] : []))
}

/** What sessions of one user are compared by. */
const comparedBy = remembered((record) => {
  const heard = heardIn(record)
  return {
    sizes: listedSizes(heard),
    uniqueIds: listedUniqueIds(heard),
    loginDelay: loginDelayOf(heard),
    loggedInAt: record.events.find(({ content }) => content.type === 'logged-in')?.at ?? null,
    login: heard.turns.find(({ verb }) => verb === 'PASS' || verb === 'APOP' || verb === 'AUTH') ?? null,
    deletes: heard.turns.some((turn) => turn.verb === 'DELE' && succeeded(turn)),
  }
})

function loginDelayHints(earlier: SessionRecord, later: SessionRecord): readonly Hint[] {
  const { loggedInAt, loginDelay } = comparedBy(earlier)
  const { login, loginDelay: laterDelay } = comparedBy(later)
  const delay = laterDelay ?? loginDelay
  if (loggedInAt === null || login === null || delay === null) return []
  const seconds = (login.at - loggedInAt) / 1000
  if (seconds >= delay || seconds < 0) return []
  const text = `the client logs in again after ${seconds.toFixed(0)} s, the server announces LOGIN-DELAY ${delay}: it may refuse such logins`
  return [{ number: login.number, side: 'client', text, reference: 'RFC 2449 §6.5', severity: 'hint' }]
}

/** The last one told counts: behind the login it is the user's own. */
function loginDelayOf({ turns }: Heard): number | null {
  let delay: number | null = null
  for (const turn of turns) {
    const told = /^\d{1,7}/.exec(capabilitiesIn(turn, 'by-server')?.get('LOGIN-DELAY') ?? '')?.[0]
    if (told !== undefined) delay = Number(told)
  }
  return delay
}

/**
 * A maildrop whose sizes are all where they were, and from which the earlier session deleted nothing, holds the same
 * messages: their unique-ids must be the same.
 */
function uniqueIdChangeHints(earlier: SessionRecord, later: SessionRecord): readonly Hint[] {
  const { sizes, uniqueIds, deletes } = comparedBy(earlier)
  const now = comparedBy(later)
  if (deletes || sizes.size === 0) return []
  if ([...sizes].some(([number, octets]) => now.sizes.get(number) !== octets)) return []
  const changed = [...uniqueIds].filter(([number, id]) => {
    const found = now.uniqueIds.get(number)
    return sizes.has(number) && found !== undefined && found !== id
  })
  const [first] = changed
  if (first === undefined) return []
  const number = heardIn(later).turns.find(({ verb }) => verb === 'UIDL')?.number ?? 0
  const others = changed.length === 1 ? '' : ` and ${changed.length - 1} more`
  const text = `the unique-id of message ${first[0]}${others} is another than in session ${earlier.id}: a client that leaves mail on the server fetches it again`
  return [{ number, side: 'server', text, reference: 'RFC 1939 §7', severity: 'attention' }]
}
