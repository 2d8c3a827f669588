import { describe, expect, it } from 'vitest'
import { dumpLine } from '../../src/cli/dump-line.js'
import type { TraceContent } from '../../src/trace/event.js'

function line(content: TraceContent): string {
  return dumpLine({ at: new Date(2026, 0, 2, 3, 4, 5, 6).getTime(), session: 's1', content })
}

describe('dumpLine', () => {
  const lines: readonly (readonly [TraceContent, string])[] = [
    [
      {
        type: 'session-opened',
        service: 'office',
        listener: 'pop3://a:1',
        client: 'c:2',
        server: 'pop3s://h:995',
      },
      '** opened by c:2 at pop3://a:1 for pop3s://h:995 (office)',
    ],
    [
      {
        type: 'tls-established',
        side: 'server',
        tls: {
          protocol: 'TLSv1.3',
          cipher: 'X',
          resumed: true,
          serverName: 'h',
          alpn: null,
          certificate: null,
        },
      },
      '** TLS with the server: TLSv1.3 X, name h, resumed',
    ],
    [{ type: 'greeting', indicator: '+OK', text: 'ready', afterMs: 1 }, '<S +OK ready (1.0 ms)'],
    [
      {
        type: 'command',
        number: 2,
        verb: 'PASS',
        shown: 'PASS [redacted]',
        octets: 10,
        origin: 'client',
        wire: null,
      },
      'C> PASS [redacted]',
    ],
    [{ type: 'sasl-challenge', number: 2, octets: 4 }, '<S + [challenge, 4 octets]'],
    [{ type: 'sasl-response', number: 2, octets: 9, cancels: false }, 'C> [response, 9 octets]'],
    [{ type: 'sasl-response', number: 2, octets: 3, cancels: true }, 'C> *'],
    [
      {
        type: 'reply',
        number: 1,
        verb: 'USER',
        source: 'postern',
        indicator: '-ERR',
        responseCode: 'SYS/TEMP',
        text: 'no server',
        afterMs: 12.34,
        wire: null,
      },
      '<P -ERR [SYS/TEMP] no server (USER, 12.3 ms)',
    ],
    [
      {
        type: 'reply',
        number: 1,
        verb: 'NOOP',
        source: 'server',
        indicator: '+OK',
        responseCode: null,
        text: '',
        afterMs: 0,
        wire: null,
      },
      '<S +OK (NOOP, 0.0 ms)',
    ],
    [
      { type: 'content-end', number: 3, verb: 'RETR', octets: 99, afterMs: 2 },
      '<S . (RETR, 99 octets, 2.0 ms)',
    ],
    [
      { type: 'content', number: 3, verb: 'LIST', source: 'server', wire: Buffer.from('1 5\r\n') },
      '<S [content, 5 octets]',
    ],
    [
      { type: 'command-replaced', number: 2, verb: 'RETR', shown: 'RETR 2', octets: 8, wire: null },
      'P> RETR 2',
    ],
    [
      { type: 'held', hold: 's1.1', number: 2, kind: 'command', breakpoint: 'number == 2', releaseAt: 1 },
      '** command held by number == 2',
    ],
    [
      { type: 'released', hold: 's1.1', number: 2, kind: 'command', verdict: 'edited', afterMs: 5 },
      '** command edited after 5.0 ms',
    ],
    [
      { type: 'not-held', number: 3, kind: 'message', octets: 9, reason: 'too-large' },
      '** message not held: too-large, 9 octets',
    ],
    [{ type: 'unsolicited', octets: 5 }, '<S [5 octets that nobody asked for]'],
    [{ type: 'logged-in', user: 'alice', mechanism: null }, '** logged in as alice'],
    [{ type: 'logged-in', user: null, mechanism: 'SCRAM-SHA-256' }, '** logged in by SCRAM-SHA-256'],
  ]
  it.each(lines)('words %j', (content, text) => {
    expect(line(content)).toBe(`03:04:05.006 s1 ${text}`)
  })
})
