/** Mail on its way: messages of every kind that the screens of mail have to show. */
import type { ScreenContext } from '../../../src/dashboard/screen-module.js'
import { SessionStore } from '../../../src/sessions/store.js'
import { Script, START } from '../../sessions/script.js'
import { screenContext } from '../../support/screen-rendering.js'

export const NOW = START + 120_000

/** A mail with everything that an outline can show. */
export function invoice({ subject = '=?utf-8?Q?Invoice_2026-1187?=', file = 'resume.pdf' } = {}): string {
  return [
    'Return-Path: <bounce@example.net>',
    'Received: from mx1.example.net by pop.example.org; Fri, 20 Nov 2026 09:14:03 +0100',
    'From: =?iso-8859-1?Q?J=F6rg_M=FCller?= <joerg@example.net>',
    'To: alice@example.org',
    `Subject: ${subject}`,
    'Date: Fri, 20 Nov 2026 09:14:02 +0100',
    'Message-ID: <5f1c.1187@example.net>',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary="b1"',
    '',
    'This is a message in MIME format.',
    '--b1',
    'Content-Type: multipart/alternative; boundary="b2"',
    '',
    '--b2',
    'Content-Type: text/plain; charset=windows-1252',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    'Hello Alice,',
    'please find invoice 2026-1187 attached. Amount due: =80 1,250.00',
    '.a line that begins with a dot',
    '',
    'Regards,',
    'J=F6rg',
    '--b2',
    'Content-Type: text/html; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    '<html><body><p>Hello Alice,</p><p>please find the invoice attached.</p></body></html>',
    '--b2--',
    '--b1',
    `Content-Type: application/pdf; name="${file}"`,
    'Content-Transfer-Encoding: base64',
    `Content-Disposition: attachment; filename="${file}"`,
    '',
    Buffer.from(`%PDF-1.7\n${'0123456789abcdef'.repeat(20)}`, 'latin1')
      .toString('base64')
      .replace(/.{76}/g, '$&\r\n'),
    '--b1',
    'Content-Type: message/rfc822',
    '',
    'Subject: forwarded',
    'From: bob@example.com',
    '',
    'The mail within.',
    '--b1--',
    '',
  ].join('\r\n')
}

export const LUNCH = [
  'From: Bob <bob@example.com>',
  'To: alice@example.org',
  'Subject: Re: lunch',
  'Date: Fri, 20 Nov 2026 11:30:00 +0000',
  '',
  'Noon is fine.',
  '',
].join('\r\n')

/** A session that fetches mail, with what else a test wants of it. */
export function fetching(id: string, user: string, at: number): Script {
  return new Script(id, at)
    .opened()
    .tls('server')
    .greeting()
    .login(user)
    .exchange('UIDL', '+OK', '1 uid-one\r\n2 uid-two\r\n')
}

/** As on the wire. RFC 1939 §3. */
function stuffed(message: string): string {
  return message.replace(/^\./gm, '..')
}

/** RETR of a message that was kept as a whole. */
export function fetched(script: Script, messageNumber: number, message: string): Script {
  script.command(`RETR ${messageNumber}`).reply('+OK message follows', { afterMs: 37 })
  return script.piece(stuffed(message)).end(Buffer.byteLength(message))
}

/** RETR of a message of which the client got another version. */
export function changed(script: Script, messageNumber: number, message: string, sent: string): Script {
  script.command(`RETR ${messageNumber}`).reply('+OK message follows', { afterMs: 37 })
  script.piece(stuffed(message)).piece(stuffed(sent), 'postern')
  return script.end(Buffer.byteLength(message))
}

/** Every kind of message: whole, changed, TOP, without content, broken off, still running. */
export function mailSessions(): readonly Script[] {
  const alice = fetching('alice-1', 'alice@example.org', START)
  fetched(alice, 1, invoice())
  changed(
    alice,
    2,
    LUNCH,
    LUNCH.replace('Subject: Re: lunch', 'Subject: [EXT] Re: lunch\r\nX-External: yes').replace('Noon', 'One'),
  )
  alice.exchange('TOP 1 0', '+OK', LUNCH)
  alice.command('RETR 3').reply('+OK').end(21_402)
  const bob = fetching('bob-1', 'bob@example.com', START + 30_000)
  bob.command('RETR 1').reply('+OK').piece(LUNCH.slice(0, 60)).closed('server-closed')
  const carol = fetching('carol-1', 'carol@example.net', START + 60_000)
  carol.command('RETR 7').reply('+OK').piece(LUNCH.slice(0, 60))
  return [alice, bob, carol]
}

export function storeOf(...scripts: readonly Script[]): SessionStore {
  const store = new SessionStore()
  const events = scripts.flatMap(({ events }) => events)
  for (const event of events.toSorted((a, b) => a.at - b.at)) store.add(event)
  return store
}

export function mailScene(given: Partial<ScreenContext> = {}): ScreenContext {
  return screenContext({ now: NOW, store: storeOf(...mailSessions()), ...given })
}

/** A breakpoint that held the message of alice's RETR 3, and what else went wrong that hour. */
export const HOLDS_ALICE = 'user == "alice@example.org"'

/** Sessions with errors, anomalies and a held message. */
export function troubledSessions(): readonly Script[] {
  const alice = fetching('alice-1', 'alice@example.org', START)
  fetched(alice, 1, LUNCH).exchange('XFOO', '-ERR unknown command')
  alice.tell({ type: 'anomaly', side: 'client', number: 5, anomaly: 'wrong-state', octets: null })
  alice.command('RETR 3').reply('+OK message follows')
  const { number } = alice
  alice.tell({
    type: 'held',
    hold: 'h1',
    number,
    kind: 'message',
    breakpoint: HOLDS_ALICE,
    releaseAt: NOW + 56_000,
  })
  const expired = new Script('nobody-1', START - 60_000)
    .opened({ client: '192.0.2.14:40112' })
    .tls('client')
    .failure('server', 'POSTERN_SERVER_CERTIFICATE_EXPIRED', 'server certificate expired on 2026-01-02')
  const refused = new Script('carol-1', START - 30_000)
    .opened()
    .greeting()
    .refused('-ERR [AUTH] Authentication failed')
    .quit()
  return [expired, refused, alice]
}

export function troubledScene(given: Partial<ScreenContext> = {}): ScreenContext {
  return screenContext({ now: NOW, store: storeOf(...troubledSessions()), ...given })
}
