import { connect, createServer, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { DEFAULT_RULES } from '../../src/config/defaults.js'
import type { Settings } from '../../src/config/settings.js'
import { type MaildropServerOptions, startMaildropServer } from '../../src/demo/maildrop-server.js'
import { COMMAND_TABLE } from '../../src/pop3/command-table.js'
import { Breakpoints } from '../../src/proxy/breakpoints.js'
import { clock } from '../../src/proxy/connection.js'
import {
  BoundedLabel,
  METERED_LISTENERS,
  METERED_RULES,
  Metrics,
  type MetricsOptions,
} from '../../src/proxy/metrics.js'
import type { ProxyOptions } from '../../src/proxy/proxy.js'
import { RulesInForce } from '../../src/proxy/rules-in-force.js'
import { memoryAuthority } from '../../src/tls/authority.js'
import type { Failure, FailureCode, TraceContent, TraceEvent } from '../../src/trace/event.js'
import { testAuthority } from '../support/certificates.js'
import { type Exposition, parseExposition } from '../support/exposition.js'
import { connectClient, dial, logIn, Pop3Client } from '../support/pop3-client.js'
import { until } from '../support/tools.js'
import {
  type Bench,
  keptLog,
  listenerOf,
  makeBench,
  PASSWORD,
  type RunningBench,
  type ServiceOptions,
  startBench,
  USER,
} from './bench.js'

const SUBJECT = 'Kanarienvogelgesang'
const MESSAGE = Buffer.from(`Subject: ${SUBJECT}\r\n\r\nhello\r\n`)
const ACCOUNT = { user: USER, password: PASSWORD }

let bench: Bench
const closing: (() => unknown)[] = []

beforeAll(() => {
  bench = makeBench()
})
afterAll(() => bench.directory.remove())
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const UNASKED: MetricsOptions = {
  version: '1.2.3',
  authority: null,
  openSessions: () => new Map(),
  heldMessages: () => 0,
}
const RULE_HIT = {
  type: 'rule-hit',
  number: 1,
  message: null,
  uniqueId: null,
  rule: 'r',
  place: 'r.yaml:1',
  actions: ['hide'],
  reason: 'true',
  mode: 'enforce',
} as const
const TLS = {
  protocol: 'TLSv1.3',
  cipher: 'c',
  resumed: false,
  serverName: null,
  alpn: null,
  certificate: null,
} as const

function eventOf(content: TraceContent, at = 0): TraceEvent {
  return { at, session: 's-1', content }
}

function failure(code: FailureCode): Failure {
  return { code, isPermanent: false, text: 't', hint: null }
}

interface Metered extends RunningBench {
  readonly listener: string
  scrape(): Promise<Exposition>
  /** Waits until a figure has a value. */
  reaches(value: number, name: string, labels?: Readonly<Record<string, string>>): Promise<Exposition>
  /** A client that has the greeting. */
  client(): Promise<Pop3Client>
}

/** A proxy that serves metrics at a free port. */
async function metered(
  port: number,
  service: Partial<ServiceOptions> = {},
  options: Partial<ProxyOptions> = {},
): Promise<Metered> {
  const settings: Settings = {
    ...bench.settings({ listen: ['plain'], upstream: 'plain', port, ...service }),
    metrics: { type: 'address', host: '127.0.0.1', port: 0 },
  }
  const running = await startBench(settings, { version: '1.2.3', ...options })
  closing.push(() => running.proxy.stop())
  const scrape = async (): Promise<Exposition> => {
    const answer = await fetch(`${running.proxy.metricsUrl}/metrics`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    return parseExposition(await answer.text())
  }
  return {
    ...running,
    listener: running.proxy.addresses[0]?.url ?? '',
    scrape,
    reaches: async (value, name, labels) => {
      let last: Exposition | null = null
      await until(`${name} of ${JSON.stringify(labels ?? {})} to be ${value}`, async () => {
        last = await scrape()
        return last.value(name, labels) === value
      })
      return last ?? (await scrape())
    },
    client: async () =>
      (await connectClient({ port: running.port(), security: 'plain', ca: bench.ca })).client,
  }
}

async function mailServer(options: Partial<MaildropServerOptions> = {}): Promise<number> {
  const server = await startMaildropServer({
    security: 'plain',
    tls: bench.serverTls,
    users: new Map([[USER, PASSWORD]]),
    messages: [MESSAGE, MESSAGE, MESSAGE],
    ...options,
  })
  closing.push(() => server.close())
  return server.port
}

/** A server that greets, then does what it is told. */
async function scriptedServer(said: (line: string, socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.write('+OK ready\r\n')
    socket.on('data', (octets) => {
      for (const line of octets.toString('latin1').split('\r\n').slice(0, -1)) said(line, socket)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}

async function rulesOf(text: string): Promise<RulesInForce> {
  const home = bench.directory.path
  const places = {
    workingDirectory: '/',
    quarantineDirectory: `${home}/quarantine`,
    spoolDirectory: `${home}/spool`,
  }
  const rules = await RulesInForce.ofTexts([{ file: 'r.yaml', text }], DEFAULT_RULES, places, keptLog().log)
  closing.push(() => rules.close())
  return rules
}

async function end(client: Pop3Client): Promise<void> {
  expect(await client.command('QUIT')).toMatch(/^\+OK/)
  await client.rest()
}

describe('figures of sessions', () => {
  it('tell how many are open and how they ended, of each listener', async () => {
    const listen = [listenerOf('plain', []), listenerOf('plain', [])]
    const proxy = await metered(await mailServer(), { listen })
    const other = proxy.proxy.addresses[1]?.url ?? ''
    expect((await proxy.scrape()).value('postern_sessions_open', { listener: proxy.listener })).toBe(0)
    const client = await proxy.client()
    const second = await proxy.client()
    const during = await proxy.reaches(2, 'postern_sessions_open')
    expect(during.value('postern_sessions_open', { listener: proxy.listener })).toBe(2)
    expect(during.value('postern_sessions_open', { listener: other })).toBe(0)
    expect(during.value('postern_sessions_total')).toBeNull()
    await end(client)
    second.destroy()
    const after = await proxy.reaches(0, 'postern_sessions_open')
    const ended = (result: string) =>
      after.value('postern_sessions_total', { listener: proxy.listener, result })
    expect([ended('quit'), ended('client-left')]).toEqual([1, 1])
  })

  it('count those that a limit turned away', async () => {
    const proxy = await metered(await mailServer(), { limits: { sessions: 1 } })
    await proxy.client()
    await (await dial(proxy.port())).rest()
    await proxy.reaches(1, 'postern_sessions_total', { listener: proxy.listener, result: 'refused' })
  })

  it('count octets of all sides as the log does, and messages that the client got whole', async () => {
    const proxy = await metered(await mailServer())
    const before = await proxy.scrape()
    expect(before.value('postern_messages_total', { action: 'delivered' })).toBe(0)
    expect(before.value('postern_bytes_total', { side: 'server', direction: 'out' })).toBe(0)
    const client = await proxy.client()
    await logIn(client, ACCOUNT)
    await client.multiLine('RETR 1')
    await client.multiLine('TOP 2 99999999')
    await client.multiLine('TOP 3 1')
    await end(client)
    const after = await proxy.reaches(2, 'postern_messages_total', { action: 'delivered' })
    const octetsOf = (side: string, direction: string) =>
      after.value('postern_bytes_total', { side, direction })
    const [closed] = proxy.kept.of('session-closed')
    expect(closed?.octets).toEqual({
      fromClient: octetsOf('client', 'in'),
      toClient: octetsOf('client', 'out'),
      fromServer: octetsOf('server', 'in'),
      toServer: octetsOf('server', 'out'),
    })
    expect(octetsOf('client', 'out')).toBeGreaterThan(MESSAGE.length)
  })

  it('count as deleted what the server deletes: marked, not taken back, and confirmed by QUIT', async () => {
    const proxy = await metered(await mailServer())
    const deleted = async () => (await proxy.scrape()).value('postern_messages_total', { action: 'deleted' })
    const session = async (...commands: readonly string[]): Promise<void> => {
      const client = await proxy.client()
      await logIn(client, ACCOUNT)
      for (const command of commands) await client.command(command)
      if (commands.at(-1) !== 'QUIT') client.destroy()
      await until('the session to be over', () => proxy.proxy.sessions === 0)
    }
    await session('DELE 1', 'DELE 2')
    expect(await deleted()).toBe(0)
    await session('DELE 1', 'RSET', 'DELE 2', 'DELE 2', 'DELE 9', 'QUIT')
    await proxy.reaches(1, 'postern_messages_total', { action: 'deleted' })
  })
})

describe('figures of commands', () => {
  it('tell verb and outcome, and how long each took', async () => {
    const proxy = await metered(await mailServer())
    const client = await proxy.client()
    await client.command('USER bob')
    await client.command('PASS wrong')
    await logIn(client, ACCOUNT)
    await client.multiLine('LIST')
    await client.command('LIST 99')
    await client.command('NOOP')
    await end(client)
    const { value } = await proxy.reaches(1, 'postern_commands_total', { verb: 'QUIT', result: 'ok' })
    const counted = (verb: string, result: string) => value('postern_commands_total', { verb, result })
    expect(counted('USER', 'ok')).toBe(2)
    expect(counted('PASS', 'err')).toBe(1)
    expect(counted('PASS', 'ok')).toBe(1)
    expect(counted('LIST', 'ok')).toBe(1)
    expect(counted('LIST', 'err')).toBe(1)
    expect(counted('NOOP', 'ok')).toBe(1)
    expect(value('postern_commands_total')).toBe(8)
    expect(value('postern_command_seconds_count', { verb: 'LIST' })).toBe(2)
    expect(value('postern_command_seconds_count')).toBe(8)
  })

  it('measure the time that a server takes', async () => {
    const proxy = await metered(await mailServer({ replyDelayMs: 60 }))
    const client = await proxy.client()
    await logIn(client, ACCOUNT)
    const { value } = await proxy.reaches(1, 'postern_command_seconds_count', { verb: 'PASS' })
    // Timers of Node may be a millisecond early.
    expect(value('postern_command_seconds_sum', { verb: 'PASS' })).toBeGreaterThan(0.055)
    expect(value('postern_command_seconds_bucket', { verb: 'PASS', le: '0.025' })).toBe(0)
  })

  it('count a command that has no reply when the session ends', async () => {
    const port = await scriptedServer((line, socket) => {
      if (line === 'NOOP') socket.destroy()
      else socket.write('+OK\r\n')
    })
    const proxy = await metered(port)
    const client = await proxy.client()
    await logIn(client, ACCOUNT)
    client.write('NOOP\r\n')
    await client.rest()
    const { value } = await proxy.reaches(1, 'postern_commands_total', { verb: 'NOOP', result: 'unanswered' })
    expect(value('postern_command_seconds_count', { verb: 'NOOP' })).toBeNull()
    expect(value('postern_upstream_errors_total', { code: 'POSTERN_SERVER_CLOSED' })).toBe(1)
    expect(value('postern_sessions_total', { result: 'failed' })).toBe(1)
  })

  it('count one command once, though a rule puts other words in the place of the reply', async () => {
    const text =
      'rules: [{ name: r, when: \'command == "PASS" && indicator == "-ERR"\', then: [{ refuse: { text: "no" } }] }]'
    const proxy = await metered(await mailServer(), {}, { rules: await rulesOf(text) })
    const client = await proxy.client()
    await client.command('USER bob')
    expect(await client.command('PASS wrong')).toContain('no')
    const { value } = await proxy.reaches(1, 'postern_commands_total', { verb: 'PASS' })
    expect(value('postern_command_seconds_count', { verb: 'PASS' })).toBe(1)
    expect(value('postern_rule_hits_total', { rule: 'r', action: 'refuse', mode: 'enforce' })).toBe(1)
  })

  it('leave out what a person sends, but not what it deletes', async () => {
    const proxy = await metered(await mailServer())
    const client = await proxy.client()
    await logIn(client, ACCOUNT)
    const session = String(proxy.kept.of('session-opened')[0]?.session)
    expect(await proxy.proxy.send(session, 'DELE 1')).toBeNull()
    await until('its reply', () => proxy.kept.of('reply').some(({ verb }) => verb === 'DELE'))
    await end(client)
    const { value } = await proxy.reaches(1, 'postern_messages_total', { action: 'deleted' })
    expect(value('postern_commands_total', { verb: 'DELE' })).toBeNull()
    expect(value('postern_commands_total')).toBe(3)
  })
})

describe('figures of servers and TLS', () => {
  it('tell how long connections to the server took', async () => {
    const proxy = await metered(await mailServer())
    await proxy.client()
    await proxy.client()
    await proxy.reaches(2, 'postern_upstream_connect_seconds_count')
  })

  it('do not count the handshake of a client as time that the server took, but STLS comes behind it', async () => {
    const metrics = new Metrics(UNASKED)
    const opened = { type: 'session-opened', service: 's', listener: 'l', client: 'c', server: 's' } as const
    const secured = { type: 'tls-established', side: 'client', tls: TLS } as const
    const fromTheStart = metrics.session('l')
    fromTheStart.add(eventOf(opened, 1_000))
    fromTheStart.add(eventOf(secured, 61_000))
    fromTheStart.add(eventOf({ type: 'server-connected' }, 61_020))
    const { value } = parseExposition(await metrics.text())
    expect(value('postern_upstream_connect_seconds_sum')).toBeCloseTo(0.02)
    const upgraded = metrics.session('l')
    upgraded.add(eventOf(opened, 1_000))
    upgraded.add(eventOf({ type: 'server-connected' }, 1_030))
    upgraded.add(eventOf(secured, 61_000))
    const after = parseExposition(await metrics.text())
    expect(after.value('postern_upstream_connect_seconds_sum')).toBeCloseTo(0.05)
    expect(after.value('postern_upstream_connect_seconds_count')).toBe(2)
  })

  it('count a server that cannot be reached', async () => {
    const proxy = await metered(1)
    await (await dial(proxy.port())).rest()
    const { value } = await proxy.reaches(1, 'postern_upstream_errors_total', {
      code: 'POSTERN_SERVER_UNREACHABLE',
    })
    expect(value('postern_upstream_connect_seconds_count')).toBe(0)
  })

  it('count handshakes of both sides with their version, and what failed', async () => {
    const proxy = await metered(await mailServer({ security: 'tls' }), { listen: ['tls'], upstream: 'tls' })
    for (const _ of [1, 2]) {
      const { client } = await connectClient({ port: proxy.port(), security: 'tls', ca: bench.ca })
      await end(client)
    }
    const plain = await dial(proxy.port())
    plain.write('USER bob\r\n')
    await plain.rest()
    const { value } = await proxy.reaches(1, 'postern_tls_handshakes_total', {
      side: 'client',
      version: 'none',
      result: 'failed',
    })
    const counted = (side: string, result: string) =>
      value('postern_tls_handshakes_total', { side, version: 'TLSv1.3', result })
    expect(counted('client', 'full')).toBe(2)
    // Toward the server, the second session resumes what the first one was given.
    expect([counted('server', 'full'), counted('server', 'resumed')]).toEqual([1, 1])
  })

  it('count a certificate of the server that cannot be accepted', async () => {
    const issued = testAuthority().issue({ names: ['127.0.0.1'] })
    const tls = { cert: issued.chain, key: issued.key }
    const proxy = await metered(await mailServer({ security: 'tls', tls }), { upstream: 'tls' })
    await (await dial(proxy.port())).rest()
    const { value } = await proxy.reaches(1, 'postern_tls_handshakes_total', {
      side: 'server',
      result: 'failed',
    })
    expect(value('postern_upstream_errors_total')).toBe(1)
    expect(
      value('postern_upstream_errors_total', { code: 'POSTERN_SERVER_CERTIFICATE_UNKNOWN_ISSUER' }),
    ).toBe(1)
  })

  it('do not blame the server for the end of postern', async () => {
    const metrics = new Metrics(UNASKED)
    metrics
      .session('l')
      .add(eventOf({ type: 'failure', side: 'server', failure: failure('POSTERN_SHUTTING_DOWN') }))
    metrics
      .session('l')
      .add(eventOf({ type: 'failure', side: 'client', failure: failure('POSTERN_DEADLINE') }))
    expect(parseExposition(await metrics.text()).value('postern_upstream_errors_total')).toBeNull()
    metrics
      .session('l')
      .add(eventOf({ type: 'failure', side: 'server', failure: failure('POSTERN_DEADLINE') }))
    expect(parseExposition(await metrics.text()).value('postern_upstream_errors_total')).toBe(1)
  })

  it('tell when the local authority ends and how long its leaves took, and nothing of one that is not there', async () => {
    const authority = memoryAuthority()
    const proxy = await metered(9, { listen: [listenerOf('tls', [])] }, { authority })
    const { value } = await proxy.scrape()
    expect(value('postern_ca_expiry_timestamp_seconds')).toBe(
      Date.parse(authority.certificate.validTo) / 1_000,
    )
    // One of each type of key.
    expect(value('postern_cert_mint_seconds_count')).toBe(2)
    const without = await (await metered(9)).scrape()
    expect(without.types.has('postern_ca_expiry_timestamp_seconds')).toBe(false)
    expect(without.value('postern_cert_mint_seconds_count')).toBe(0)
  })
})

describe('figures of rules and breakpoints', () => {
  it('tell hits, shadow hits and failures of each rule, and how many messages were hidden', async () => {
    const rules = await rulesOf(`
judges: { gone: { type: clamd, address: /nonexistent/clamd.ctl } }
rules:
  - { name: tags, when: size > 0, then: [{ tag-subject: "[x]" }, { add-header: { name: X-A, value: b } }] }
  - { name: only "looks", when: size > 0, mode: shadow, then: [hide] }
  - { name: asks, when: verdict.gone == "infected", then: [log] }
  - { name: hides, when: number == 3, then: [hide] }
`)
    const proxy = await metered(await mailServer(), {}, { rules })
    const client = await proxy.client()
    await logIn(client, ACCOUNT)
    expect((await client.multiLine('LIST')).content.toString().split('\r\n')).toHaveLength(4)
    await client.multiLine('RETR 1')
    await end(client)
    const { value, valuesOf } = await proxy.reaches(1, 'postern_messages_total', { action: 'hidden' })
    const hits = (rule: string, action: string, mode: string) =>
      value('postern_rule_hits_total', { rule, action, mode })
    const told = (rule: string, mode: string): number =>
      proxy.kept.of('rule-hit').filter((line) => line.rule === rule && line.mode === mode).length
    expect(told('tags', 'enforce')).toBeGreaterThan(0)
    expect(hits('tags', 'tag-subject', 'enforce')).toBe(told('tags', 'enforce'))
    expect(hits('tags', 'add-header', 'enforce')).toBe(told('tags', 'enforce'))
    expect(hits('only "looks"', 'hide', 'shadow')).toBe(told('only "looks"', 'shadow'))
    expect(hits('only "looks"', 'hide', 'enforce')).toBeNull()
    expect(hits('hides', 'hide', 'enforce')).toBe(told('hides', 'enforce'))
    expect(told('asks', 'failed')).toBeGreaterThan(0)
    expect(value('postern_rule_errors_total', { rule: 'asks' })).toBe(told('asks', 'failed'))
    expect(valuesOf('postern_rule_errors_total', 'rule')).toEqual(['asks'])
    expect(valuesOf('postern_rule_hits_total', 'rule')).not.toContain('asks')
  })

  it('tell what is held, what was dropped, and what nobody decided about', async () => {
    const breakpoints = new Breakpoints(clock)
    const wish = { filter: 'command == "RETR"', kinds: ['message'], isOn: true, holdMs: 0 } as const
    expect(breakpoints.set(null, wish)).toBeNull()
    const proxy = await metered(await mailServer(), {}, { breakpoints })
    const client = await proxy.client()
    await logIn(client, ACCOUNT)
    client.write('RETR 1\r\n')
    const during = await proxy.reaches(1, 'postern_held_messages')
    expect(during.value('postern_messages_total', { action: 'held' })).toBe(1)
    expect(breakpoints.answer(breakpoints.held[0]?.hold ?? '', { type: 'drop' })).toBeNull()
    await client.line()
    const after = await proxy.reaches(0, 'postern_held_messages')
    expect(after.value('postern_messages_total', { action: 'dropped' })).toBe(1)
    expect(after.value('postern_hold_timeouts_total')).toBe(0)
    expect(breakpoints.set(breakpoints.breakpoints[0]?.id ?? '', { ...wish, holdMs: 1 })).toBeNull()
    await client.multiLine('RETR 2')
    await proxy.reaches(1, 'postern_hold_timeouts_total')
    // A held command is no message.
    expect(
      breakpoints.set(null, { filter: 'command == "NOOP"', kinds: ['command'], isOn: true, holdMs: 0 }),
    ).toBeNull()
    client.write('NOOP\r\n')
    await until('a held command', () => breakpoints.held.length === 1)
    const { value } = await proxy.scrape()
    expect(value('postern_held_messages')).toBe(0)
    expect(value('postern_messages_total', { action: 'held' })).toBe(2)
  })
})

describe('labels', () => {
  it('hold no user name, password, subject, client address or unknown verb of a session', async () => {
    const user = 'kanari.user'
    const secrets = ['wr0ng-secret', Buffer.from('\0kanari.user\0wr0ng-secret').toString('base64')]
    const canaries = [user, PASSWORD, SUBJECT, '127.0.0.77', 'kanari-verb', 'kanari-arg', ...secrets]
    const rules = await rulesOf(
      'rules: [{ name: r, when: size > 0, then: [{ mark: "{subject} {user}" }, { tag-subject: "[{user}]" }] }]',
    )
    const server = await mailServer({ users: new Map([[user, PASSWORD]]) })
    const proxy = await metered(server, {}, { rules })
    const socket = connect({ port: proxy.port(), host: '127.0.0.1', localAddress: '127.0.0.77' })
    const client = new Pop3Client(socket)
    await client.line()
    for (const command of [
      PASSWORD,
      'kanari-verb kanari-arg',
      `USER ${user}`,
      'PASS wr0ng-secret',
      `AUTH PLAIN ${secrets[1]}`,
    ])
      await client.command(command)
    await logIn(client, { user, password: PASSWORD })
    await client.command('kanari-verb')
    await client.multiLine('UIDL')
    await client.multiLine('RETR 1')
    await end(client)
    const { text, value, valuesOf } = await proxy.reaches(1, 'postern_messages_total', {
      action: 'delivered',
    })
    // All of this is in the log, where it belongs.
    for (const canary of [user, SUBJECT, '127.0.0.77'])
      expect(proxy.kept.text().toLowerCase()).toContain(canary.toLowerCase())
    for (const canary of canaries) expect(text.toLowerCase()).not.toContain(canary.toLowerCase())
    expect(value('postern_commands_total', { verb: 'other', result: 'err' })).toBe(3)
    const verbs = [...COMMAND_TABLE.keys(), 'other']
    for (const verb of valuesOf('postern_commands_total', 'verb')) expect(verbs).toContain(verb)
    expect(valuesOf('postern_rule_hits_total', 'action').toSorted()).toEqual(['mark', 'tag-subject'])
  })

  it('take what is beyond a bound together: at the bound everything has its name, one past it does not', () => {
    const label = new BoundedLabel(2)
    expect([label.of('a'), label.of('b'), label.of('a'), label.of('c'), label.of('b')]).toEqual([
      'a',
      'b',
      'a',
      'other',
      'b',
    ])
  })

  it('are bounded for rules, in hits and in errors together', async () => {
    const metrics = new Metrics(UNASKED)
    const session = metrics.session('l')
    const hit = (rule: string, mode: 'enforce' | 'failed') =>
      session.add(eventOf({ ...RULE_HIT, rule, mode }))
    for (let index = 0; index < METERED_RULES; index += 1)
      hit(`rule ${index}`, index % 2 === 0 ? 'enforce' : 'failed')
    const { valuesOf: full } = parseExposition(await metrics.text())
    expect(full('postern_rule_hits_total', 'rule')).toHaveLength(METERED_RULES / 2)
    expect(full('postern_rule_hits_total', 'rule')).not.toContain('other')
    for (const rule of ['one more', 'and another']) hit(rule, 'enforce')
    hit('one more', 'failed')
    hit('rule 1', 'enforce')
    const { value, valuesOf } = parseExposition(await metrics.text())
    expect(valuesOf('postern_rule_hits_total', 'rule')).toHaveLength(METERED_RULES / 2 + 2)
    expect(value('postern_rule_hits_total', { rule: 'other' })).toBe(2)
    expect(value('postern_rule_errors_total', { rule: 'other' })).toBe(1)
    expect(value('postern_rule_hits_total', { rule: 'rule 1' })).toBe(1)
  })

  it('are bounded for listeners, which come and go with reloads', async () => {
    const metrics = new Metrics(UNASKED)
    for (let index = 0; index <= METERED_LISTENERS; index += 1)
      metrics.turnedAway(`pop3://127.0.0.1:${index}`, 'refused')
    metrics.turnedAway('pop3://127.0.0.1:7', 'dropped')
    const { value, valuesOf } = parseExposition(await metrics.text())
    expect(valuesOf('postern_sessions_total', 'listener')).toHaveLength(METERED_LISTENERS + 1)
    expect(value('postern_sessions_total', { listener: 'other' })).toBe(1)
    expect(value('postern_sessions_total', { listener: 'pop3://127.0.0.1:7' })).toBe(2)
  })

  it('have no other actions and TLS versions than those that are known', async () => {
    const metrics = new Metrics(UNASKED)
    const session = metrics.session('l')
    session.add(eventOf({ ...RULE_HIT, actions: ['hide', 'hide', 'constructor', '', 'mark "hide"'] }))
    session.add(eventOf({ type: 'tls-established', side: 'client', tls: { ...TLS, protocol: 'TLSv9' } }))
    const { value, valuesOf } = parseExposition(await metrics.text())
    expect(valuesOf('postern_rule_hits_total', 'action')).toEqual(['hide', 'other', 'mark'])
    // A rule that hides twice has held once.
    expect(value('postern_rule_hits_total', { action: 'hide' })).toBe(1)
    expect(valuesOf('postern_tls_handshakes_total', 'version')).toEqual(['other'])
  })

  it('survive a rule with a name of all that must be escaped', async () => {
    const rule = 'a "b" \\ {c="d"} \u00e4 #'
    const metrics = new Metrics(UNASKED)
    metrics.session('l').add(eventOf({ ...RULE_HIT, rule }))
    expect(parseExposition(await metrics.text()).value('postern_rule_hits_total', { rule })).toBe(1)
  })
})

describe('the text', () => {
  it('has every figure that is promised, with type and unit', async () => {
    const proxy = await metered(9, {}, { authority: memoryAuthority() })
    const { types, value } = await proxy.scrape()
    const promised = {
      postern_sessions_total: 'counter',
      postern_sessions_open: 'gauge',
      postern_commands_total: 'counter',
      postern_command_seconds: 'histogram',
      postern_messages_total: 'counter',
      postern_bytes_total: 'counter',
      postern_rule_hits_total: 'counter',
      postern_rule_errors_total: 'counter',
      postern_held_messages: 'gauge',
      postern_hold_timeouts_total: 'counter',
      postern_upstream_connect_seconds: 'histogram',
      postern_upstream_errors_total: 'counter',
      postern_tls_handshakes_total: 'counter',
      postern_cert_mint_seconds: 'histogram',
      postern_ca_expiry_timestamp_seconds: 'gauge',
      postern_build_info: 'gauge',
    }
    expect(Object.fromEntries([...types].filter(([name]) => name.startsWith('postern_')))).toEqual(promised)
    expect(value('postern_build_info', { version: '1.2.3', node: process.version })).toBe(1)
    expect(value('process_resident_memory_bytes')).toBeGreaterThan(0)
    expect(value('process_cpu_seconds_total')).toBeGreaterThan(0)
  })

  it('stays one that a scraper can read after all kinds of sessions', async () => {
    const proxy = await metered(await mailServer(), { limits: { errorsBeforeLogin: 2 } })
    for (const command of ['GET / HTTP/1.1', '\x00\xff"', 'x'.repeat(9_000), 'AUTH', 'QUIT', 'CAPA']) {
      const client = await dial(proxy.port())
      client.write(`${command}\r\n`.repeat(4))
      await until('an answer', () => client.waiting.length > 0)
      client.destroy()
    }
    await until('all sessions to be over', () => proxy.proxy.sessions === 0)
    const { value } = await proxy.scrape()
    expect(value('postern_sessions_total')).toBe(6)
  })
})
