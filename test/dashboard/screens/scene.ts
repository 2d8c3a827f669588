/** A proxy in the middle of an afternoon: sessions in every state, for the screens to show. */
import type { ScreenContext, ScreenEffect } from '../../../src/dashboard/screen-module.js'
import { SessionStore } from '../../../src/sessions/store.js'
import type { HeldKind, TlsFacts } from '../../../src/trace/event.js'
import type { Breakpoint, HeldSummary, WatchedAddress } from '../../../src/watch/protocol.js'
import { Script, START, TLS } from '../../sessions/script.js'
import { screenContext } from '../../support/screen-rendering.js'

/** When the scene is looked at. */
export const NOW = START + 120_000

export const ADDRESSES: readonly WatchedAddress[] = [
  { service: 'office', url: 'pop3://127.0.0.1:1110', server: 'pop3s://pop.example.org:995' },
  { service: 'legacy', url: 'pop3s://127.0.0.1:1995', server: 'pop3+stls://old.example.net:110' },
]

const MESSAGE = [
  'From: Joerg Mueller <joerg@example.net>',
  'To: alice@example.org',
  'Subject: Invoice 2026-1187',
  'Date: Fri, 20 Nov 2026 09:14:02 +0100',
  '',
  'Hello Alice,',
  'please find the invoice attached.',
  '',
].join('\r\n')

const OLD_TLS: TlsFacts = {
  ...TLS,
  protocol: 'TLSv1.2',
  cipher: 'ECDHE-RSA-AES128-GCM-SHA256',
  serverName: null,
}
const EXPIRING: TlsFacts = {
  ...TLS,
  certificate: {
    subject: 'old.example.net',
    issuer: 'Example CA',
    names: ['old.example.net'],
    notBefore: '2025-11-22T00:00:00.000Z',
    notAfter: '2026-11-22T00:00:00.000Z',
    fingerprint256: 'AB:CD',
  },
}

/** Fetches two messages, lists, and is held at a third. */
export function aliceSession(id = 'alice-1', user = 'alice@example.org', at = START): Script {
  return new Script(id, at)
    .opened({ client: '10.0.5.35:51018' })
    .tls('server')
    .greeting('+OK POP3 ready')
    .exchange('CAPA', '+OK', 'TOP\r\nUIDL\r\nSASL PLAIN\r\n')
    .login(user)
    .exchange('STAT', '+OK 3 31702')
    .exchange('LIST', '+OK 3 messages', '1 9812\r\n2 188\r\n3 12102\r\n')
    .exchange('RETR 2', '+OK message follows', MESSAGE)
    .exchange('XFOO', '-ERR unknown command')
    .tell({ type: 'anomaly', side: 'client', number: 7, anomaly: 'wrong-state', octets: null })
    .command('RETR 3')
    .reply('+OK message follows')
    .tell({
      type: 'held',
      hold: 'h1',
      number: 8,
      kind: 'message',
      breakpoint: 'user == "alice@example.org"',
      releaseAt: NOW + 56_000,
    })
}

/** All of them, oldest first. */
export function scripts(): readonly Script[] {
  const bob = new Script('bob-1', START - 600_000)
    .opened({ client: '10.0.5.31:51000' })
    .tls('client', OLD_TLS)
    .tls('server')
    .greeting()
    .login('bob@example.org')
    .exchange('RETR 1', '+OK', MESSAGE)
  ended(bob, 96, 43_610, 1)
  const refused = new Script('carol-1', START - 400_000)
    .opened({ client: '10.0.5.77:50310' })
    .tls('server')
    .greeting()
    .refused('-ERR [AUTH] Authentication failed')
  ended(refused, 41, 112, 0)
  const expired = new Script('nobody-1', START - 300_000)
    .opened({ client: '192.0.2.14:40112', listener: 'pop3s://127.0.0.1:1995' })
    .tls('client')
    .failure(
      'server',
      'POSTERN_SERVER_CERTIFICATE_EXPIRED',
      'server certificate expired on 2026-01-02',
      'renew the certificate of old.example.net',
    )
  const legacy = new Script('dave-1', START - 30_000)
    .opened({
      client: '[2001:db8::7]:50001',
      listener: 'pop3s://127.0.0.1:1995',
      server: 'pop3+stls://old.example.net:110',
    })
    .tls('client')
    .tls('server', EXPIRING)
    .greeting()
    .exchange('USER dave', '+OK')
  const connecting = new Script('erin-1', NOW - 1_500).opened({ client: '10.0.5.90:50777' })
  const polls = Array.from({ length: 16 }, (_, index) =>
    ended(
      new Script(`poll-${index}`, START + 60_000 + index * 1_000)
        .opened({ client: `10.0.6.${index}:3387${index % 10}` })
        .tls('server')
        .greeting()
        .login(`user${String(index).padStart(2, '0')}@example.org`)
        .exchange('STAT', `+OK ${index} ${index * 9_999}`),
      73,
      188 + index * 14_300,
      index,
    ),
  )
  return [bob, refused, expired, aliceSession(), legacy, ...polls, connecting]
}

/** Says QUIT, and what the session amounted to. */
function ended(script: Script, fromClient: number, toClient: number, messages: number): Script {
  script.exchange('QUIT').tell({
    type: 'session-closed',
    reason: 'quit',
    code: null,
    user: null,
    state: 'UPDATE',
    commands: script.number,
    messages,
    octets: { fromClient, toClient, fromServer: toClient, toServer: fromClient },
    durationMs: 100,
  })
  return script
}

/** Puts sessions into a store in the order of their events. */
export function storeOf(...sessions: readonly Script[]): SessionStore {
  const store = new SessionStore()
  const events = sessions.flatMap((script) => script.events)
  for (const event of events.toSorted((a, b) => a.at - b.at)) store.add(event)
  return store
}

export function heldSummary(given: Partial<HeldSummary> = {}): HeldSummary {
  return {
    hold: 'h1',
    session: 'alice-1',
    kind: 'message',
    number: 8,
    verb: 'RETR',
    shown: 'RETR 3',
    breakpoint: 'user == "alice@example.org"',
    heldAt: NOW - 4_100,
    releaseAt: NOW + 56_000,
    isCommitted: true,
    editableOctets: 12_102,
    ...given,
  }
}

export function breakpoint(given: Partial<Breakpoint> = {}): Breakpoint {
  const kinds: readonly HeldKind[] = ['message']
  return {
    id: 'b1',
    filter: 'user == "alice@example.org"',
    kinds,
    isOn: true,
    holdMs: 60_000,
    hits: 1,
    lastHitAt: NOW - 4_100,
    ...given,
  }
}

/** The scene as a screen sees it. */
export function scene(given: Partial<ScreenContext> = {}): ScreenContext {
  return screenContext({ now: NOW, addresses: ADDRESSES, store: storeOf(...scripts()), ...given })
}

/** What happens once a person says yes. */
export function confirmed(effect: ScreenEffect | undefined): readonly ScreenEffect[] {
  if (effect?.type !== 'confirm') throw new Error('no y/n was asked for')
  return effect.onYes
}

/** What happens once a person answers; the answer is the one proposed unless there is another. */
export function answered(effect: ScreenEffect | undefined, text?: string): readonly ScreenEffect[] {
  if (effect?.type !== 'ask') throw new Error('no line was asked for')
  return effect.onAnswer(text ?? effect.initial)
}
