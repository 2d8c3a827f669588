/**
 * What the list of sessions shows of one: its columns, in the order in which they stand and the one in which they give
 * way, and how sessions compare by each. Knows nothing of the screen around them.
 */
import type { SessionRecord } from '../../sessions/session-record.js'
import type { TlsFacts } from '../../trace/event.js'
import { ageText, clockText, countText, octetsText } from './quantities.js'
import type { TableColumn } from './table.js'

export type SessionColumnId =
  | 'number'
  | 'start'
  | 'client'
  | 'user'
  | 'server'
  | 'tls'
  | 'state'
  | 'messages'
  | 'from-client'
  | 'to-client'
  | 'last'
  | 'age'
  | 'rules'
  | 'flags'

/** A session at a moment: what is open grows older. */
export interface SessionAt {
  readonly session: SessionRecord
  readonly now: number
}

/** A column with its order. */
export interface SessionColumn extends TableColumn<SessionColumnId, SessionAt> {
  /** How it is called in a sentence: `sorted by user`. */
  readonly name: string
  /** Whether the order by it changes while sessions go on. */
  readonly isVolatile: boolean
  /** The smaller goes first; where it says 0, the older session does. */
  compare(a: SessionRecord, b: SessionRecord): number
}

/**
 * The columns from left to right. Who and from where matter most: at 80 cells the server, the last command, the age,
 * the octets from the client and the start have gone for them; the number, the user, TLS and the flags never go.
 */
export const SESSION_COLUMNS: readonly SessionColumn[] = [
  {
    ...column('number', '#', 3, 7, 0),
    comfort: 5,
    name: 'number',
    align: 'right',
    text: ({ session }) => String(session.ordinal),
    compare: (a, b) => a.ordinal - b.ordinal,
  },
  {
    ...column('start', 'START', 8, 8, 5),
    name: 'start',
    text: ({ session }) => clockText(session.openedAt),
    compare: (a, b) => a.openedAt - b.openedAt,
  },
  {
    ...column('client', 'CLIENT', 15, 48, 2),
    comfort: 18,
    name: 'client',
    text: ({ session }) => session.client,
    compare: (a, b) => compareTexts(a.client, b.client),
  },
  {
    ...column('user', 'USER', 13, 40, 0),
    comfort: 20,
    name: 'user',
    isVolatile: true,
    text: ({ session }) => session.user ?? '-',
    // Who has not said a name comes last.
    compare: (a, b) => compareTexts(a.user ?? '\uffff', b.user ?? '\uffff'),
  },
  {
    ...column('server', 'SERVER', 16, 30, 8),
    name: 'server',
    text: ({ session }) => withoutScheme(session.server),
    compare: (a, b) => compareTexts(withoutScheme(a.server), withoutScheme(b.server)),
  },
  {
    ...column('tls', 'TLS C/S', 7, 9, 0),
    comfort: 9,
    name: 'TLS',
    isVolatile: true,
    text: ({ session }) => `${clientLeg(session)}/${serverLeg(session)}`,
    compare: (a, b) => compareTexts(clientLeg(a), clientLeg(b)) || compareTexts(serverLeg(a), serverLeg(b)),
  },
  {
    ...column('state', 'STATE', 5, 5, 1),
    name: 'state',
    isVolatile: true,
    text: ({ session }) => stateText(session),
    style: ({ session }) => (isFailed(session) ? 'error' : null),
    compare: (a, b) => stateRank(a) - stateRank(b),
  },
  {
    ...column('messages', 'MSG', 4, 4, 3),
    name: 'messages',
    isVolatile: true,
    align: 'right',
    text: ({ session }) => countText(session.messages),
    compare: (a, b) => a.messages - b.messages,
  },
  {
    ...column('from-client', 'C>S', 6, 6, 6),
    name: 'octets from the client',
    isVolatile: true,
    align: 'right',
    text: ({ session }) => octetsText(session.octets.fromClient),
    compare: (a, b) => a.octets.fromClient - b.octets.fromClient,
  },
  {
    ...column('to-client', 'S>C', 6, 6, 4),
    name: 'octets to the client',
    isVolatile: true,
    align: 'right',
    text: ({ session }) => octetsText(session.octets.toClient),
    compare: (a, b) => a.octets.toClient - b.octets.toClient,
  },
  {
    ...column('last', 'LAST', 10, 24, 9),
    name: 'last command',
    isVolatile: true,
    text: ({ session }) => session.lastCommand,
    compare: (a, b) => compareTexts(a.lastCommand, b.lastCommand),
  },
  {
    ...column('age', 'AGE', 4, 4, 7),
    name: 'age',
    isVolatile: true,
    align: 'right',
    text: ({ session, now }) => ageText((session.closedAt ?? now) - session.openedAt),
    compare: (a, b) => lastedMs(a) - lastedMs(b),
  },
  {
    ...column('rules', 'RULES', 12, 30, 10),
    name: 'rules',
    isVolatile: true,
    text: ({ session }) => rulesText(session),
    compare: (a, b) => a.ruleHits - b.ruleHits,
  },
  {
    ...column('flags', 'FLG', 4, 4, 0),
    name: 'flags',
    isVolatile: true,
    text: ({ session }) => flagsText(session),
    style: ({ session }) => flagsStyle(session),
    // The most urgent first, as nobody sorts by flags to see sessions without any.
    compare: (a, b) => urgency(b) - urgency(a),
  },
]

/** Names the rules that held or failed in a session, the first in full. */
export function rulesText({ rules }: SessionRecord): string {
  const [first = '', ...others] = rules
  return others.length === 0 ? first : `${first} +${others.length}`
}

/**
 * Marks what happened in a session, each letter in its own place: `H` held, `R` changed by a person or rule, `r` rules
 * held that changed nothing, `!` errors, `?` anomalies.
 */
export function flagsText({ held, wasChanged, ruleHits, errors, anomalies }: SessionRecord): string {
  return [
    held.size > 0 ? 'H' : ' ',
    wasChanged ? 'R' : ruleHits > 0 ? 'r' : ' ',
    errors > 0 ? '!' : ' ',
    anomalies > 0 ? '?' : ' ',
  ]
    .join('')
    .trimEnd()
}

/**
 * Says how the client's leg is protected: `-`, `1.3` (TLS from the start), `S1.3` (upgraded by STLS, RFC 2595 §4).
 */
export function clientLeg({ clientTls, listener }: SessionRecord): string {
  return legText(clientTls, !listener.startsWith('pop3s:'))
}

/** The same of the server's leg. */
export function serverLeg({ serverTls, server }: SessionRecord): string {
  return legText(serverTls, !server.startsWith('pop3s:'))
}

/** `pop.example.org:995` of `pop3s://pop.example.org:995`. */
export function withoutScheme(url: string): string {
  const scheme = url.indexOf('://')
  return scheme === -1 ? url : url.slice(scheme + 3)
}

/** Whether the session ended in another way than its client wanted. */
export function isFailed({ closed }: SessionRecord): boolean {
  return (
    closed !== null &&
    closed.reason !== 'quit' &&
    closed.reason !== 'client-left' &&
    closed.reason !== 'drained'
  )
}

type Frame = Pick<
  SessionColumn,
  'id' | 'title' | 'minimum' | 'maximum' | 'rank' | 'align' | 'isVolatile' | 'style'
>

function column(id: SessionColumnId, title: string, minimum: number, maximum: number, rank: number): Frame {
  return { id, title, minimum, maximum, rank, align: 'left', isVolatile: false, style: () => null }
}

function legText(tls: TlsFacts | null, isUpgraded: boolean): string {
  if (tls === null) return '-'
  const version = /^TLSv(\d)(?:\.(\d))?$/.exec(tls.protocol)
  const short = version === null ? 'TLS' : `${version[1]}.${version[2] ?? '0'}`
  return isUpgraded ? `S${short}` : short
}

function stateText({ state, closed }: SessionRecord): string {
  switch (state) {
    case 'CONNECTING':
      return 'CONN'
    case 'AUTHORIZATION':
      return 'AUTH'
    case 'TRANSACTION':
      return 'TRAN'
    case 'UPDATE':
      return 'UPD'
    case 'CLOSED':
      return closed === null ? 'END' : CLOSED_TEXTS[closed.reason]
  }
}

const CLOSED_TEXTS = {
  quit: 'END',
  drained: 'END',
  'client-left': 'LEFT',
  'server-closed': 'GONE',
  'server-refused': 'DENY',
  'login-deadline': 'SLOW',
  idle: 'IDLE',
  rule: 'RULE',
  failed: 'FAIL',
} as const

const STATE_RANKS = { CONNECTING: 0, AUTHORIZATION: 1, TRANSACTION: 2, UPDATE: 3, CLOSED: 4 } as const

function stateRank(session: SessionRecord): number {
  return STATE_RANKS[session.state] + (isFailed(session) ? 1 : 0)
}

function flagsStyle({ held, errors, anomalies }: SessionRecord): 'attention' | 'error' | null {
  if (held.size > 0) return 'attention'
  if (errors > 0) return 'error'
  return anomalies > 0 ? 'attention' : null
}

function urgency({ held, wasChanged, ruleHits, errors, anomalies }: SessionRecord): number {
  const urgent = (held.size > 0 ? 16 : 0) + (errors > 0 ? 8 : 0) + (anomalies > 0 ? 4 : 0)
  return urgent + (wasChanged ? 2 : 0) + (ruleHits > 0 ? 1 : 0)
}

/** An open session counts as longer than any closed one, so that the order needs no clock. */
function lastedMs({ openedAt, closedAt }: SessionRecord): number {
  return closedAt === null ? Number.MAX_SAFE_INTEGER - openedAt : closedAt - openedAt
}

/** By code units: quick, and the same on every machine. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
