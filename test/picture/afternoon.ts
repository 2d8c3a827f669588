/** A recording of a quiet afternoon at a small office, always the same: what the picture in the README shows. */

import type { ClosedReason, FailureCode, TlsFacts, TraceEvent } from '../../src/trace/event.js'
import { recordingHeader, recordingLine } from '../../src/trace/recording.js'
import { Script, START, TLS } from '../sessions/script.js'

const OLD_TLS: TlsFacts = { ...TLS, protocol: 'TLSv1.1', cipher: 'ECDHE-RSA-AES128-SHA', certificate: null }

const INVOICE = [
  'Return-Path: <accounts@example.net>',
  'From: =?utf-8?Q?J=C3=B6rg_M=C3=BCller?= <accounts@example.net>',
  'To: alice@example.org',
  'Subject: =?utf-8?Q?Invoice_2026-1187_=E2=80=93_thank_you?=',
  'Date: Fri, 20 Nov 2026 09:14:02 +0100',
  'Message-ID: <5f1c.1187@example.net>',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary="b1"',
  '',
  '--b1',
  'Content-Type: text/plain; charset=utf-8',
  '',
  'Hello Alice,',
  '',
  'please find our invoice attached. The amount is due on 4 December.',
  '',
  'Kind regards',
  'Jörg',
  '--b1',
  'Content-Type: application/pdf; name="invoice-2026-1187.pdf"',
  'Content-Transfer-Encoding: base64',
  'Content-Disposition: attachment; filename="invoice-2026-1187.pdf"',
  '',
  'JVBERi0xLjcKJeLjz9MKMSAwIG9iago8PCAvVHlwZSAvQ2F0YWxvZyA+PgplbmRvYmoK',
  '--b1--',
  '',
].join('\r\n')

const NEWSLETTER = [
  'From: The gardeners <news@garden.example>',
  'To: erin@example.org',
  'Subject: What to do in November',
  'Date: Fri, 20 Nov 2026 08:00:00 +0000',
  '',
  'Rake the leaves, leave the seed heads.',
  '',
].join('\r\n')

const LISTENERS = { plain: 'pop3://192.168.1.5:1110', secure: 'pop3s://192.168.1.5:1995' } as const

/** Octets of one direction, as the events tell them. */
function octetsOf(events: readonly TraceEvent[], from: 'client' | 'server'): number {
  return events.reduce((sum, { content }) => {
    if (content.type === 'command') return sum + (from === 'client' ? content.octets : 0)
    if (from === 'client') return sum
    if (content.type === 'greeting' || content.type === 'reply') return sum + content.text.length + 6
    return content.type === 'content' ? sum + content.wire.length + 3 : sum
  }, 0)
}

/** Ends a session with the octets that it really had. */
function ended(
  script: Script,
  reason: ClosedReason,
  user: string | null,
  code: FailureCode | null = null,
): Script {
  const client = octetsOf(script.events, 'client')
  const server = octetsOf(script.events, 'server')
  return script.tell({
    type: 'session-closed',
    reason,
    code,
    user,
    state: user === null ? 'AUTHORIZATION' : 'UPDATE',
    commands: script.number,
    messages: script.events.filter(({ content }) => content.type === 'command' && content.verb === 'RETR')
      .length,
    octets: { fromClient: client, toClient: server, fromServer: server, toServer: client },
    durationMs: script.at - (script.events[0]?.at ?? script.at),
  })
}

function session(
  id: string,
  second: number,
  client: string,
  listener: keyof typeof LISTENERS = 'plain',
): Script {
  return new Script(id, START + second * 1000).opened({ client, listener: LISTENERS[listener] })
}

function afternoon(): readonly Script[] {
  const invoice = Buffer.byteLength(INVOICE)
  const newsletter = Buffer.byteLength(NEWSLETTER)
  const erin = session('e-1', 0, '192.168.1.31:50310', 'secure')
    .tls('client')
    .tls('server')
    .greeting('+OK Dovecot ready.')
    .login('erin@example.org')
    .exchange('STAT', `+OK 1 ${newsletter}`)
    .exchange('RETR 1', `+OK ${newsletter} octets`, NEWSLETTER)
    .exchange('QUIT', '+OK Logging out.')
  const scanner = session('s-1', 12, '192.168.1.77:33871', 'secure')
    .tls('client', OLD_TLS)
    .tls('server')
    .greeting('+OK Dovecot ready.')
    .login('scanner@example.org')
    .exchange('LIST', '+OK 0 messages:', '')
    .exchange('QUIT', '+OK Logging out.')
  const expired = session('x-1', 31, '192.168.1.40:40112').tell({
    type: 'failure',
    side: 'server',
    failure: {
      code: 'POSTERN_SERVER_CERTIFICATE_EXPIRED',
      isPermanent: true,
      text: 'server certificate expired on 2026-11-19',
      hint: 'renew the certificate of pop.example.org',
    },
  })
  const wrong = session('w-1', 48, '192.168.1.31:50388')
    .tls('server')
    .greeting('+OK Dovecot ready.')
    .refused('-ERR [AUTH] Authentication failed.')
    .exchange('QUIT', '+OK Logging out.')
  const inUse = session('u-1', 55, '192.168.1.44:51733')
    .tls('server')
    .greeting('+OK Dovecot ready.')
    .refused('-ERR [IN-USE] Maildrop is locked by another session')
    .exchange('QUIT', '+OK Logging out.')
  const alice = session('a-1', 63, '192.168.1.35:51018')
    .tls('server')
    .greeting('+OK Dovecot ready.')
    .exchange('CAPA', '+OK', 'CAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nUSER\r\nSASL PLAIN\r\n')
    .login('alice@example.org')
    .exchange('STAT', `+OK 2 ${invoice + 201}`)
    .exchange('LIST', '+OK 2 messages:', `1 ${invoice}\r\n2 201\r\n`)
    .exchange('UIDL', '+OK', '1 000000015e3a1c2b\r\n2 000000025e3a1c2b\r\n')
    .exchange('RETR 1', `+OK ${invoice} octets`, INVOICE, { afterMs: 37 })
  return [
    ended(erin, 'quit', 'erin@example.org'),
    ended(scanner, 'quit', 'scanner@example.org'),
    ended(expired, 'failed', null, 'POSTERN_SERVER_CERTIFICATE_EXPIRED'),
    ended(wrong, 'quit', null),
    ended(inUse, 'quit', null),
    alice,
  ]
}

const PEOPLE = ['erin', 'bob', 'carol', 'dave', 'frank', 'scanner'] as const

/** Somebody looks for mail: what most sessions of a day are. */
function quietSession(index: number): Script {
  const user = PEOPLE[index % PEOPLE.length] ?? 'bob'
  const isSecure = index % 3 === 0
  const client = `192.168.1.${31 + ((index * 7) % PEOPLE.length)}:${50_000 + index * 37}`
  const script = session(`q-${index}`, index * 4 - 110, client, isSecure ? 'secure' : 'plain')
  if (isSecure) script.tls('client')
  script
    .tls('server')
    .greeting('+OK Dovecot ready.')
    .login(`${user}@example.org`)
    .exchange('STAT', `+OK ${index % 4} ${(index % 4) * NEWSLETTER.length}`)
  for (let number = 1; number <= index % 4; number += 1) {
    script.exchange(`RETR ${number}`, `+OK ${NEWSLETTER.length} octets`, NEWSLETTER)
  }
  return ended(script.exchange('QUIT', '+OK Logging out.'), 'quit', `${user}@example.org`)
}

/** The recording as its file. */
export function afternoonRecording(): string {
  const quiet = Array.from({ length: 26 }, (_, index) => quietSession(index))
  const events = [...quiet, ...afternoon()].flatMap((script) => script.events)
  return recordingHeader('postern', START) + events.map(recordingLine).join('')
}
