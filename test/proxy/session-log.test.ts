import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { logTraceEvent, type SessionFacts } from '../../src/proxy/session-log.js'
import type { TlsFacts, TraceContent } from '../../src/trace/event.js'
import { type KeptLog, keptLog, type LogLine } from './bench.js'

const LEVELS = { debug: 20, info: 30, warn: 40 } as const
const TLS: TlsFacts = {
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  resumed: false,
  serverName: 'pop.example.org',
  alpn: 'pop3',
  certificate: null,
}
const FACTS: SessionFacts = {
  service: 'default',
  listener: 'pop3://127.0.0.1:1110',
  client: '127.0.0.1:50000',
  server: 'pop3s://pop.example.org:995',
  clientTls: null,
  serverTls: TLS,
}

function logged(content: TraceContent, level = 'trace'): LogLine | null {
  const kept: KeptLog = keptLog()
  kept.log.level = level
  logTraceEvent(kept.log, FACTS, { at: 1, session: 's1', content })
  expect(kept.lines.length).toBeLessThanOrEqual(1)
  return kept.lines[0] ?? null
}

describe('the line of', () => {
  it('an opened session names service, listener, client and server', () => {
    const { service, listener, client, server } = FACTS
    expect(logged({ type: 'session-opened', service, listener, client, server })).toEqual({
      level: LEVELS.info,
      event: 'session-opened',
      session: 's1',
      service: 'default',
      listener: 'pop3://127.0.0.1:1110',
      client: '127.0.0.1:50000',
      server: 'pop3s://pop.example.org:995',
    })
  })

  it('a login names user, mechanism and the TLS of both legs', () => {
    expect(logged({ type: 'logged-in', user: 'bob', mechanism: 'PLAIN' })).toEqual({
      level: LEVELS.info,
      event: 'logged-in',
      session: 's1',
      user: 'bob',
      mechanism: 'PLAIN',
      tls: { client: null, server: 'TLSv1.3' },
    })
  })

  it('a refused login has the response code and the text of the server', () => {
    const content = { user: 'bob', mechanism: 'USER', responseCode: 'AUTH', text: 'no' } as const
    expect(logged({ type: 'login-refused', ...content })).toEqual({
      level: LEVELS.info,
      event: 'login-refused',
      session: 's1',
      ...content,
      tls: { client: null, server: 'TLSv1.3' },
    })
  })

  it('a closed session stands on its own: who, where, how much, how long, why', () => {
    const octets = { fromClient: 1, toClient: 2, fromServer: 3, toServer: 4 }
    const content: TraceContent = {
      type: 'session-closed',
      reason: 'quit',
      code: null,
      user: 'bob',
      state: 'UPDATE',
      commands: 5,
      messages: 1,
      octets,
      durationMs: 12.6,
    }
    const expected = {
      level: LEVELS.info,
      event: 'session-closed',
      session: 's1',
      service: 'default',
      client: '127.0.0.1:50000',
      server: 'pop3s://pop.example.org:995',
      user: 'bob',
      tls: { client: null, server: 'TLSv1.3' },
      state: 'UPDATE',
      commands: 5,
      messages: 1,
      octets,
      durationMs: 13,
      reason: 'quit',
    }
    expect(logged(content)).toEqual(expected)
    expect(logged({ ...content, reason: 'failed', code: 'POSTERN_DEADLINE' })).toEqual({
      ...expected,
      reason: 'failed',
      code: 'POSTERN_DEADLINE',
    })
  })

  it('a failure is a warning with leg, code and hint, where there is one', () => {
    const failure = { code: 'POSTERN_SERVER_NO_STLS', isPermanent: true, text: 'no STLS' } as const
    const line = {
      level: LEVELS.warn,
      event: 'failure',
      session: 's1',
      leg: 'server',
      code: failure.code,
      text: 'no STLS',
    }
    expect(logged({ type: 'failure', side: 'server', failure: { ...failure, hint: 'try pop3s' } })).toEqual({
      ...line,
      hint: 'try pop3s',
    })
    expect(logged({ type: 'failure', side: 'server', failure: { ...failure, hint: null } })).toEqual(line)
  })

  it.each([
    ['clear-text-after-stls', LEVELS.warn],
    ['credential-echoed', LEVELS.warn],
    ['unsolicited', LEVELS.debug],
    ['padded-command', LEVELS.debug],
  ] as const)('the anomaly %s has the level %i', (anomaly, level) => {
    expect(logged({ type: 'anomaly', side: 'client', number: 3, anomaly, octets: 6 })).toEqual({
      level,
      event: 'anomaly',
      session: 's1',
      leg: 'client',
      number: 3,
      anomaly,
      octets: 6,
    })
  })

  const details: readonly TraceContent[] = [
    { type: 'tls-established', side: 'client', tls: TLS },
    { type: 'server-connected' },
    { type: 'greeting', indicator: '+OK', text: 'hi', afterMs: 1 },
    {
      type: 'command',
      number: 1,
      verb: 'PASS',
      shown: 'PASS [redacted]',
      octets: 9,
      origin: 'client',
      wire: null,
    },
    { type: 'sasl-challenge', number: 1, octets: 4 },
    { type: 'sasl-response', number: 1, octets: 4, cancels: false },
    {
      type: 'reply',
      number: 1,
      verb: 'PASS',
      source: 'server',
      indicator: '+OK',
      responseCode: null,
      text: 'in',
      afterMs: 2,
      wire: null,
    },
    { type: 'content-end', number: 1, verb: 'RETR', octets: 7, afterMs: 3 },
    { type: 'unsolicited', octets: 5 },
  ]
  it.each(details)('$type comes at debug with all that was traced, and not at info', (content) => {
    // The octets of the wire are for watchers, not for a log.
    const { type, ...fields } = { ...content, wire: undefined }
    expect(logged(content)).toEqual({ level: LEVELS.debug, event: type, session: 's1', ...fields })
    expect(logged(content, 'info')).toBeNull()
  })
})

describe('a log that is off', () => {
  it('takes events and writes nothing', () => {
    const log = pino({ level: 'silent' }, { write: () => expect.unreachable() })
    logTraceEvent(log, FACTS, { at: 1, session: 's1', content: { type: 'server-connected' } })
    logTraceEvent(log, FACTS, {
      at: 1,
      session: 's1',
      content: { type: 'logged-in', user: 'a', mechanism: null },
    })
  })
})
