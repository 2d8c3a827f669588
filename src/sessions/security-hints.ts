/**
 * Hints about credentials and TLS: what went in clear though it need not have, and what TLS should have made a side
 * forget.
 */
import { capabilitiesBefore, type Heard, showsPassword, succeeded } from './heard.js'
import type { Hint } from './hint.js'
import { serverReplyOf, type Turn } from './turns.js'

/** RFC 1939 §7: an APOP timestamp looks like a message-id. */
const TIMESTAMP = /<[^<>@\s]+@[^<>\s]+>/
/** Octets to it never leave the machine. */
const LOOPBACK = /^pop3:\/\/(?:127\.|localhost\b|\[::1\])/

/** Finds them. */
export function securityHints(heard: Heard): readonly Hint[] {
  const inClear = passwordToPosternInClear(heard)
  return [
    ...inClear,
    // Who can have TLS is better off than with APOP.
    ...(inClear.length > 0 ? [] : apopHints(heard)),
    ...passwordToServerInClear(heard),
    ...capabilitiesNotAskedAgain(heard),
  ]
}

function passwordToPosternInClear(heard: Heard): readonly Hint[] {
  const turn = heard.turns.find((each) => showsPassword(each) && each.number <= heard.lastClearCommand)
  if (turn === undefined) return []
  const isOffered =
    heard.record.listener.startsWith('pop3+stls:') ||
    (capabilitiesBefore(heard, turn.number, 'to-client')?.has('STLS') ?? false)
  if (!isOffered) return []
  const text = `the client sent ${loginOf(turn)} in clear though STLS was offered: whoever listens has the password`
  return [{ number: turn.number, side: 'client', text, reference: 'RFC 8314 §5.2', severity: 'attention' }]
}

function passwordToServerInClear({ record, turns }: Heard): readonly Hint[] {
  const isClear =
    record.serverTls === null && record.server.startsWith('pop3:') && !LOOPBACK.test(record.server)
  if (!isClear) return []
  const turn = turns.find((each) => showsPassword(each) && serverReplyOf(each) !== null)
  if (turn === undefined) return []
  const text = `${loginOf(turn)} went to the server in clear, since its URL is pop3://: choose pop3s:// or pop3+stls:// if the server has them`
  return [{ number: turn.number, side: 'server', text, reference: 'RFC 8314 §4.1', severity: 'attention' }]
}

function apopHints({ record, turns, lastClearCommand }: Heard): readonly Hint[] {
  const greeting = record.events.find(({ content }) => content.type === 'greeting')?.content
  if (greeting?.type !== 'greeting') return []
  const offersApop = TIMESTAMP.test(greeting.text)
  const apop = turns.find(({ verb }) => verb === 'APOP')
  if (apop !== undefined && !offersApop) {
    const text = 'the client gave APOP though the greeting has no timestamp to make its digest of'
    return [{ number: apop.number, side: 'client', text, reference: 'RFC 1939 §7', severity: 'hint' }]
  }
  const pass = turns.find(({ verb, number }) => verb === 'PASS' && number <= lastClearCommand)
  if (apop !== undefined || !offersApop || pass === undefined) return []
  const text =
    'the client sent PASS in clear though the greeting has a timestamp for APOP, which sends no password'
  return [{ number: pass.number, side: 'client', text, reference: 'RFC 1939 §7', severity: 'hint' }]
}

/** What a list said in clear may have been written by somebody else. */
function capabilitiesNotAskedAgain({ turns }: Heard): readonly Hint[] {
  const stls = turns.find((turn) => turn.verb === 'STLS' && succeeded(turn))
  if (stls === undefined) return []
  const before = turns.some(({ verb, number }) => verb === 'CAPA' && number < stls.number)
  const behind = turns.filter(({ number }) => number > stls.number)
  if (!before || behind.length === 0 || behind.some(({ verb }) => verb === 'CAPA')) return []
  const text = 'the client did not ask for CAPA again behind STLS: what it knows was said in clear'
  return [{ number: stls.number, side: 'client', text, reference: 'RFC 2595 §4', severity: 'hint' }]
}

function loginOf({ verb, words }: Turn): string {
  return verb === 'AUTH' ? `AUTH ${words[0] ?? ''}`.trimEnd() : verb
}
