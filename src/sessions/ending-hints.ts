/**
 * Hints about time and ends: deletions that did not happen, QUIT that was never said or never answered, replies that
 * took long, pipelined commands that were lost.
 */
import { capabilitiesBefore, type Heard, isLoggedIn, succeeded } from './heard.js'
import { COMMON_PRACTICE, type Hint } from './hint.js'
import { replyOf, serverReplyOf, type Turn } from './turns.js'

/** Mail programs give up after ten to sixty seconds. */
const SLOW_MS = 10_000

/** Finds them. */
export function endingHints(heard: Heard): readonly Hint[] {
  return [...quitHints(heard), ...slowHints(heard), ...lostCommandHints(heard)]
}

function quitHints({ record, turns }: Heard): readonly Hint[] {
  const { closed } = record
  if (closed === null || !isLoggedIn(record)) return []
  const deletions = deletionsOf(turns)
  const quit = turns.find(({ verb }) => verb === 'QUIT')
  const messages = deletions.length === 1 ? '1 message' : `${deletions.length} messages`
  if (quit !== undefined) {
    const wasServer = closed.reason === 'server-closed' || closed.code === 'POSTERN_SERVER_CLOSED'
    if (replyOf(quit) !== null || !wasServer) return []
    const unknown =
      deletions.length === 0 ? '' : `: whether it deleted ${messages} shows at the next login only`
    const text = `the server closed without a reply to QUIT${unknown}`
    const severity = deletions.length === 0 ? 'hint' : 'attention'
    return [{ number: quit.number, side: 'server', text, reference: 'RFC 1939 §6', severity }]
  }
  const last = deletions.at(-1)
  if (last !== undefined) {
    const text = `nothing was deleted: the session ended without QUIT, and ${messages} marked by DELE will be there again`
    const side = closed.reason === 'client-left' ? 'client' : 'server'
    return [{ number: last.number, side, text, reference: 'RFC 1939 §6', severity: 'attention' }]
  }
  if (closed.reason !== 'client-left') return []
  const text =
    'the client left without QUIT: harmless here, but nothing that it deletes this way would be deleted'
  return [
    { number: turns.at(-1)?.number ?? 0, side: 'client', text, reference: 'RFC 1939 §6', severity: 'hint' },
  ]
}

/** Deletions that still stood at the end. */
function deletionsOf(turns: readonly Turn[]): readonly Turn[] {
  const reset = turns.findLast((turn) => turn.verb === 'RSET' && succeeded(turn))
  return turns.filter(
    (turn) => turn.verb === 'DELE' && isMarkedAtServer(turn) && turn.number > (reset?.number ?? 0),
  )
}

/** What a rule keeps on the server was never marked there. */
function isMarkedAtServer(turn: Turn): boolean {
  return serverReplyOf(turn)?.indicator === '+OK'
}

/** They wait where rules look at messages, and for judges. */
const OF_MESSAGES: ReadonlySet<string> = new Set(['STAT', 'LIST', 'UIDL', 'RETR', 'TOP', 'DELE'])

/** The slowest of each verb: what a breakpoint held, or a rule delayed or looked into, is no fault of the server. */
function slowHints({ record, turns }: Heard): readonly Hint[] {
  const held = new Set(
    record.events.flatMap(({ content }) =>
      content.type === 'held' || content.type === 'rule-hit' ? [content.number] : [],
    ),
  )
  const isRuled = record.events.some(({ content }) => content.type === 'maildrop-seen')
  const slowest = new Map<string, { readonly number: number; readonly afterMs: number }>()
  for (const { verb, number, replies } of turns) {
    const reply = replies.find(({ source }) => source === 'server')
    if (reply === undefined || reply.afterMs <= SLOW_MS || held.has(number)) continue
    if (isRuled && OF_MESSAGES.has(verb)) continue
    if (reply.afterMs > (slowest.get(verb)?.afterMs ?? 0))
      slowest.set(verb, { number, afterMs: reply.afterMs })
  }
  return [...slowest].map(([verb, { number, afterMs }]) => {
    const text = `the server took ${(afterMs / 1000).toFixed(1)} s to answer ${verb}: mail programs give up after 10 to 60 s`
    return { number, side: 'server', text, reference: COMMON_PRACTICE, severity: 'hint' }
  })
}

/** A server that announces PIPELINING and loses what stands behind the first command of a packet. */
function lostCommandHints(heard: Heard): readonly Hint[] {
  const { record, turns } = heard
  const lost = turns.filter((turn) => turn.isPipelined && turn.replies.length === 0 && turn.verb !== 'QUIT')
  const [first] = lost
  const gaveUp = record.closed?.reason === 'server-closed' || record.closed?.code === 'POSTERN_SERVER_CLOSED'
  const wentIdle = record.closed?.reason === 'idle'
  if (first === undefined || !(gaveUp || wentIdle)) return []
  if (capabilitiesBefore(heard, first.number, 'by-server')?.has('PIPELINING') !== true) return []
  const commands = lost.length === 1 ? 'a command' : `${lost.length} commands`
  const text = `the server announces PIPELINING and never answered ${commands} sent behind another`
  return [{ number: first.number, side: 'server', text, reference: 'RFC 2449 §6.6', severity: 'attention' }]
}
