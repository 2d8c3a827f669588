/**
 * What hints and explanations are drawn from: a session's commands in order, with what both legs were told and
 * protected by. Knows no hint itself.
 */
import { Buffer } from 'node:buffer'
import { remembered } from './derived.js'
import { linesOf } from './listings.js'
import type { SessionRecord } from './session-record.js'
import { replyOf, serverReplyOf, type Turn, turnsOf } from './turns.js'

/** A session as its client made it. */
export interface Heard {
  readonly record: SessionRecord
  /** The client's commands, oldest first; those of a watcher are not among them. */
  readonly turns: readonly Turn[]
  /** The last command that came before TLS stood on the client's leg; infinite without TLS. */
  readonly lastClearCommand: number
}

/** Gathers what there is to judge a session by. */
export const heardIn: (record: SessionRecord) => Heard = remembered((record) => ({
  record,
  turns: [...turnsOf(record).values()].filter(({ origin }) => origin === 'client'),
  lastClearCommand: lastClearCommandOf(record),
}))

/** Whether the client got `+OK`. */
export function succeeded(turn: Turn): boolean {
  return replyOf(turn)?.indicator === '+OK'
}

/** Whether the client got `-ERR`. */
export function wasRefused(turn: Turn): boolean {
  return replyOf(turn)?.indicator === '-ERR'
}

/** Capability lines by upper-case tag as a side told them; null where no list was kept. */
export function capabilitiesIn(
  turn: Turn,
  told: 'to-client' | 'by-server',
): ReadonlyMap<string, string> | null {
  if (turn.verb !== 'CAPA' || turn.end === null) return null
  const { server, postern } = turn.content
  const pieces = told === 'to-client' && postern.length > 0 ? postern : server
  if (pieces.length === 0) return null
  const lines = linesOf(Buffer.concat([...pieces]))
  return new Map(
    lines.map((line) => {
      const [tag = '', ...rest] = line.split(' ')
      return [tag.toUpperCase(), rest.join(' ')]
    }),
  )
}

/** The last capability list of a side before a command (or of the whole session), null where none was kept. */
export function capabilitiesBefore(
  { turns }: Heard,
  number: number,
  told: 'to-client' | 'by-server',
): ReadonlyMap<string, string> | null {
  let last: ReadonlyMap<string, string> | null = null
  for (const turn of turns) {
    if (turn.number >= number) break
    last = capabilitiesIn(turn, told) ?? last
  }
  return last
}

/** The lines of a listing as the server sent them, empty where none were kept. */
export function serverLines({ content }: Turn): readonly string[] {
  return linesOf(Buffer.concat([...content.server]))
}

/** The text of the server's positive status line, null without one. */
export function serverText(turn: Turn): string | null {
  const reply = serverReplyOf(turn)
  return reply?.indicator === '+OK' ? reply.text : null
}

/** The lines of a listing as the client got them: those of postern where it answered in the server's place. */
export function toldLines({ content: { server, postern } }: Turn): readonly string[] {
  return linesOf(Buffer.concat([...(postern.length > 0 ? postern : server)]))
}

/** The text of the positive status line that the client got, null without one. */
export function toldText(turn: Turn): string | null {
  const reply = replyOf(turn)
  return reply?.indicator === '+OK' ? reply.text : null
}

/** Whether a command carries a password that whoever listens can read. */
export function showsPassword({ verb, words }: Turn): boolean {
  if (verb === 'PASS' || verb === 'RPOP') return true
  return verb === 'AUTH' && /^(PLAIN|LOGIN|XOAUTH2|OAUTHBEARER)$/i.test(words[0] ?? '')
}

/** Whether the session passed a login. */
export function isLoggedIn({ events }: SessionRecord): boolean {
  return events.some(({ content }) => content.type === 'logged-in')
}

function lastClearCommandOf({ events }: SessionRecord): number {
  let last = 0
  for (const { content } of events) {
    if (content.type === 'command') last = content.number
    if (content.type === 'tls-established' && content.side === 'client') return last
  }
  return Number.POSITIVE_INFINITY
}
