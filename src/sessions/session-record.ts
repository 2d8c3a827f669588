/**
 * What is known of one session, put together from its events. Types only: `store.ts` fills them in, everything that
 * is shown, exported or compared is derived from them.
 */
import type { OctetCounts, TlsFacts, TraceContent, TraceEvent } from '../trace/event.js'

export type SessionState = 'CONNECTING' | 'AUTHORIZATION' | 'TRANSACTION' | 'UPDATE' | 'CLOSED'

/** One session. The store alone changes it. Times are milliseconds since the epoch. */
export interface SessionRecord {
  readonly id: string
  /** Position among all sessions seen, from 1; stays when older ones are dropped. */
  readonly ordinal: number
  readonly openedAt: number
  readonly lastAt: number
  readonly closedAt: number | null
  readonly service: string
  readonly listener: string
  readonly client: string
  readonly server: string
  readonly clientTls: TlsFacts | null
  readonly serverTls: TlsFacts | null
  readonly user: string | null
  readonly mechanism: string | null
  readonly state: SessionState
  readonly commands: number
  /** Messages fetched whole. */
  readonly messages: number
  /** -ERR replies, refused logins and failures. */
  readonly errors: number
  readonly anomalies: number
  /** Until the session closes, what the events tell; then exact. */
  readonly octets: OctetCounts
  /** The last command as shown, empty before the first. */
  readonly lastCommand: string
  /** Holds that wait now. */
  readonly held: ReadonlySet<string>
  /** A person or rule changed something. */
  readonly wasChanged: boolean
  /** Names of rules that held or failed, the first ones. */
  readonly rules: ReadonlySet<string>
  /** Times that rules held or failed. */
  readonly ruleHits: number
  readonly closed: Extract<TraceContent, { type: 'session-closed' }> | null
  /** In order. What the budget did not allow is missing, and counted. */
  readonly events: readonly TraceEvent[]
  readonly missedEvents: number
  /** Octets that `events` keep alive in `wire`. */
  readonly wireOctets: number
}
