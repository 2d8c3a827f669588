/**
 * The commands that postern answers itself instead of the server, and in which words. Pure policy: given a
 * command and the situation it comes in, an answer or null.
 */
import type { Command, ReplyShape } from '../pop3/command.js'
import { encodeStatusLine } from '../pop3/encoder.js'
import { declassify } from '../pop3/secret.js'
import type { Session } from '../pop3/session.js'
import type { CommandVerdict } from '../rules/verdict.js'
import type { LocalAnswer } from './exchange.js'
import { TERMINATION_LINE } from './person-reply.js'
import { stuffed } from './rewrite.js'

/** What decides whether postern answers. */
export interface Situation {
  readonly session: Session
  /** TLS can be had on the client's leg with STLS (a certificate is there and it is not switched off). */
  readonly offersStls: boolean
  readonly clientHasTls: boolean
  /** Logins wait for TLS: a `pop3+stls` listener. */
  readonly requiresTls: boolean
  /** A USER came since the session began or TLS was established. */
  readonly userGiven: boolean
}

/**
 * Decides whether postern answers a command.
 *
 * @returns null where the server is to answer
 */
export function localAnswerTo(command: Command, situation: Situation): LocalAnswer | null {
  switch (command.verb) {
    case 'STLS':
      return answerToStls(situation)
    case 'XTND':
      // XTND XMIT sends a message from the client, in lines that are no commands: replies could not be paired.
      return beginsWithWord(command, 'XMIT') ? refusal(null, 'postern does not carry XTND XMIT') : null
    case 'XCLIENT':
      // It tells a trusting server a client's address; the server trusts postern, not postern's clients.
      return refusal(null, 'postern does not carry XCLIENT')
    case 'unrecognized':
      // RFC 1939 §3 asks for -ERR. Servers that ignore an empty line would never answer, and order would end here.
      return command.keyword === '' ? refusal(null, 'empty command') : null
  }
  const isLogin = command.grammar.logsIn || command.verb === 'USER'
  if (isLogin && situation.requiresTls && !situation.clientHasTls) {
    return refusal('SYS/PERM', 'this address takes logins under TLS only: send STLS first')
  }
  if (command.verb === 'PASS' && situation.clientHasTls && !situation.userGiven) {
    return refusal(null, 'send USER first: what came before TLS is forgotten')
  }
  return null
}

/** Writes `-ERR` with `text`. */
export function refusal(responseCode: string | null, text: string): LocalAnswer {
  const octets = encodeStatusLine('-ERR', responseCode, text)
  return { octets, indicator: '-ERR', responseCode, text, content: null, next: 'go-on' }
}

/**
 * Writes what a rule answers in the place of the server.
 *
 * @param shape of the reply that the client waits for
 * @returns null where the server is to answer
 */
export function answerByRule({ answer, closes }: CommandVerdict, shape: ReplyShape): LocalAnswer | null {
  const next = closes ? 'close' : 'go-on'
  if (answer === null) {
    return closes ? { ...refusal('SYS/TEMP', 'a rule ends this session'), next } : null
  }
  const { indicator, responseCode, text, lines } = answer
  const statusLine = encodeStatusLine(indicator, responseCode, text)
  if (indicator === '-ERR' || shape !== 'multi-line')
    return { octets: statusLine, indicator, responseCode, text, content: null, next }
  const content = stuffed(Buffer.from((lines ?? []).map((line) => `${line}\r\n`).join(''), 'utf8'))
  return {
    octets: Buffer.concat([statusLine, content, TERMINATION_LINE]),
    indicator,
    responseCode,
    text,
    content,
    next,
  }
}

/** A capability list with the lines that a rule adds, and without the tags that it takes away. RFC 2449 §3. */
export function capabilitiesByRule(list: Buffer, wish: CommandVerdict['capabilities']): Buffer {
  if (wish === undefined || wish === null) return list
  const removed = new Set(wish.remove.map((tag) => tag.toUpperCase()))
  const lines = list
    .toString('latin1')
    .split('\r\n')
    .filter((line) => line !== '' && !removed.has((line.split(' ')[0] ?? '').toUpperCase()))
  return stuffed(Buffer.from([...lines, ...wish.add].map((line) => `${line}\r\n`).join(''), 'latin1'))
}

/** The list for a server without CAPA, where the client needs one to find STLS (RFC 2595 §4). */
export function capabilitiesInPlaceOfServer(refusesLogin: boolean): {
  readonly statusLine: Buffer
  readonly content: Buffer
} {
  const lines = refusesLogin ? ['PIPELINING', 'STLS'] : ['USER', 'PIPELINING', 'STLS']
  const content = Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'latin1')
  return { statusLine: encodeStatusLine('+OK', null, 'capability list follows'), content }
}

function answerToStls(situation: Situation): LocalAnswer {
  const { session } = situation
  if (situation.clientHasTls) return refusal(null, 'TLS is active already')
  if (!situation.offersStls) return refusal(null, 'STLS is not offered here')
  if (session.state !== 'AUTHORIZATION') return refusal(null, 'STLS comes before the login')
  // RFC 6856 §2.1: clients MUST NOT issue STLS after UTF8. The server, which never sees STLS, would stay in UTF8.
  if (session.isUtf8) return refusal(null, 'STLS comes before UTF8')
  const text = 'begin TLS negotiation'
  const octets = encodeStatusLine('+OK', null, text)
  return { octets, indicator: '+OK', responseCode: null, text, content: null, next: 'start-tls' }
}

function beginsWithWord(command: Command, word: string): boolean {
  if (command.secret === null) return false
  return declassify(command.secret).toString('latin1', 0, 8).trimStart().toUpperCase().startsWith(word)
}
