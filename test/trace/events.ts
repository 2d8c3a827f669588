/** One trace event of each type, with text in it that a line-based reader could trip over. */

import type { TraceContent } from '../../src/trace/event.js'
import { TLS_FACTS } from '../support/conversation.js'

const TRICKY = 'quote " backslash \\ separator \u2028 e-acute \u00e9'

/** The type makes a forgotten one a compile error. */
export const ONE_OF_EACH: { readonly [Type in TraceContent['type']]: Extract<TraceContent, { type: Type }> } =
  {
    'session-opened': {
      type: 'session-opened',
      service: 'default',
      listener: 'pop3://127.0.0.1:1110',
      client: '127.0.0.1:50000',
      server: 'pop3s://pop.example.org:995',
    },
    'tls-established': { type: 'tls-established', side: 'server', tls: TLS_FACTS },
    'server-connected': { type: 'server-connected' },
    greeting: { type: 'greeting', indicator: '+OK', text: TRICKY, afterMs: 1.23456 },
    command: {
      type: 'command',
      number: 1,
      verb: 'USER',
      shown: TRICKY,
      octets: 10,
      origin: 'client',
      wire: Buffer.from('user a\r\n'),
    },
    'command-replaced': {
      type: 'command-replaced',
      number: 1,
      verb: 'RETR',
      shown: TRICKY,
      octets: 8,
      wire: Buffer.from('retr 1\r\n'),
    },
    'sasl-challenge': { type: 'sasl-challenge', number: 1, octets: 4 },
    'sasl-response': { type: 'sasl-response', number: 1, octets: 4, cancels: false },
    reply: {
      type: 'reply',
      number: 1,
      verb: 'USER',
      source: 'server',
      indicator: '-ERR',
      responseCode: 'IN-USE',
      text: TRICKY,
      afterMs: 0.1,
      wire: Buffer.from('-err\r\n'),
    },
    content: { type: 'content', number: 1, verb: 'LIST', source: 'server', wire: Buffer.from('1 5\r\n') },
    'content-end': { type: 'content-end', number: 1, verb: 'RETR', octets: 7, afterMs: 2 },
    unsolicited: { type: 'unsolicited', octets: 3 },
    'logged-in': { type: 'logged-in', user: TRICKY, mechanism: 'USER' },
    'login-refused': { type: 'login-refused', user: null, mechanism: null, responseCode: null, text: TRICKY },
    anomaly: { type: 'anomaly', side: 'client', number: 0, anomaly: 'bare-line-feed', octets: null },
    held: { type: 'held', hold: 's1.1', number: 1, kind: 'message', breakpoint: TRICKY, releaseAt: 60_001 },
    released: { type: 'released', hold: 's1.1', number: 1, kind: 'message', verdict: 'edited', afterMs: 3 },
    'not-held': { type: 'not-held', number: 1, kind: 'message', octets: 9, reason: 'too-large' },
    'rule-hit': {
      type: 'rule-hit',
      number: 0,
      message: 3,
      uniqueId: TRICKY,
      rule: TRICKY,
      place: 'a.yaml:4',
      actions: ['hide', TRICKY],
      reason: TRICKY,
      mode: 'shadow',
    },
    'maildrop-seen': { type: 'maildrop-seen', messages: 5, remembered: 1, headers: 4, whole: 0, hidden: 2 },
    'rules-blind': { type: 'rules-blind', text: TRICKY },
    failure: {
      type: 'failure',
      side: 'client',
      failure: { code: 'POSTERN_DEADLINE', isPermanent: false, text: TRICKY, hint: null },
    },
    'session-closed': {
      type: 'session-closed',
      reason: 'quit',
      code: null,
      user: 'bob',
      state: 'UPDATE',
      commands: 1,
      messages: 0,
      octets: { fromClient: 1, toClient: 2, fromServer: 3, toServer: 4 },
      durationMs: 5,
    },
  }
