import { describe, expect, it } from 'vitest'
import { CaptureReader } from '../../src/export/capture-file.js'
import { Interventions, type Leg } from '../../src/export/interventions.js'
import { CaptureObserver, POP3_PORTS } from '../../src/export/observe.js'
import { PcapngExport } from '../../src/export/pcapng-export.js'
import { contentOf, type TcpSegment } from '../../src/export/tcp-segment.js'
import type { TraceContent, TraceEvent } from '../../src/trace/event.js'
import { contentsOf, fetchSession, MAIL, stuffed } from './sessions.js'

function exported(events: readonly TraceEvent[], legs: readonly Leg[], keyLog: Buffer | null = null): Buffer {
  const interventions = new Interventions()
  for (const event of events) interventions.note(event)
  const pcapng = new PcapngExport({ application: 'postern test', legs, keyLog, interventions })
  return Buffer.concat([pcapng.begin(), ...events.map((event) => pcapng.add(event)), pcapng.end()])
}

/** The segments of a file, and no problem beside them. */
function segmentsOf(file: Buffer): readonly TcpSegment[] {
  const reader = new CaptureReader()
  return [...reader.push(file), ...reader.end()].map((item) => {
    if (item.type === 'problem') throw new Error(item.text)
    const content = contentOf(item.packet)
    if (content.type !== 'segment') throw new Error(content.type)
    return content.segment
  })
}

/** What each side sent, over all connections in their order. */
function octetsOf(file: Buffer): { readonly toServer: string; readonly toClient: string } {
  const segments = segmentsOf(file)
  const join = (isToServer: boolean): string =>
    segments
      .filter(({ destinationPort }) => (destinationPort === 110) === isToServer)
      .map(({ payload }) => payload.toString('latin1'))
      .join('')
  return { toServer: join(true), toClient: join(false) }
}

function readBack(file: Buffer): readonly TraceEvent[] {
  const reader = new CaptureReader()
  const observer = new CaptureObserver({
    ports: new Set(POP3_PORTS),
    messageOctets: 1_000_000,
    nameSession: () => 's1',
  })
  const items = [...reader.push(file), ...reader.end()].flatMap((item) =>
    item.type === 'packet' ? observer.add(item.packet) : [item],
  )
  return [...items, ...observer.end()].map((item) => {
    if (item.type === 'problem') throw new Error(item.text)
    return item.event
  })
}

/** An event of a session that was never played. */
function told(content: TraceContent, at = 1_700_000_000_000): TraceEvent {
  return { at, session: 's1', content }
}

const LARGE = `Subject: large\r\n\r\n${`${'x'.repeat(70)}\r\n+OK no reply\r\n-ERR none\r\n.dot\r\n`.repeat(900)}`

describe('a session as pcapng', () => {
  it('reads back as the same session: types, texts, content, times', () => {
    const { traces } = fetchSession([MAIL, LARGE])
    const back = readBack(exported(traces, ['server']))
    const plain = (events: readonly TraceEvent[]) =>
      events
        .filter(({ content }) => !['session-opened', 'session-closed', 'content'].includes(content.type))
        .map(({ content }) => ({
          ...content,
          afterMs: 0,
          // What stands for a password has octets of its own.
          ...('shown' in content && content.shown.includes('[redacted]') ? { octets: 0 } : {}),
        }))
    expect(plain(back)).toEqual(plain(traces))
    for (const number of [4, 5]) {
      const contentOfCommand = (events: readonly TraceEvent[]) =>
        Buffer.concat(
          contentsOf(events, 'content').flatMap((one) => (one.number === number ? [one.wire] : [])),
        )
      expect(contentOfCommand(back).equals(contentOfCommand(traces))).toBe(true)
    }
    const times = (events: readonly TraceEvent[]) =>
      events.filter(({ content }) => content.type === 'command').map(({ at }) => at)
    expect(times(back)).toEqual(times(traces))
  })

  it('has what the client got on the one leg, and what the server sent on the other', () => {
    const { traces } = fetchSession([MAIL], { server: 'tls' })
    const client = octetsOf(exported(traces, ['client']))
    const server = octetsOf(exported(traces, ['server']))
    expect(client.toServer).toBe('CAPA\r\nUSER bob\r\nPASS [redacted]\r\nRETR 1\r\nQUIT\r\n')
    expect(server.toServer).toBe(client.toServer)
    // postern adds PIPELINING for its client.
    expect(server.toClient).toContain('+OK\r\nUIDL\r\nTOP\r\n.\r\n')
    expect(client.toClient).toContain('+OK\r\nUIDL\r\nTOP\r\nPIPELINING\r\n.\r\n')
    expect(client.toClient).toContain(`+OK ${MAIL.length} octets\r\n${stuffed(MAIL)}.\r\n`)
  })

  it('goes on in a new connection behind STLS, so that nobody takes the dialogue for TLS', () => {
    const { traces } = fetchSession([MAIL], { offersStls: true })
    const file = exported(traces, ['client'])
    const segments = segmentsOf(file)
    expect(segments.filter(({ isSyn, isAck }) => isSyn && !isAck)).toHaveLength(2)
    const second = segments.findLastIndex(({ isSyn, isAck }) => isSyn && !isAck)
    const first = segments.slice(0, second).map(({ payload }) => payload.toString('latin1'))
    expect(first.join('')).toBe('+OK ready\r\nSTLS\r\n+OK begin TLS negotiation\r\n')
    expect(segments.slice(0, second).filter(({ isFin }) => isFin)).toHaveLength(2)
    // The command that the server never saw is on the client's leg alone.
    expect(octetsOf(exported(traces, ['server'])).toServer).not.toContain('STLS')
  })

  it('begins no packet within a message like a reply, and no line within another packet', () => {
    const { traces } = fetchSession([LARGE, `+OK at the very beginning\r\n${LARGE}`])
    const payloads = segmentsOf(exported(traces, ['client'])).flatMap(({ payload, sourcePort }) =>
      sourcePort === 110 && payload.length > 0 ? [payload.toString('latin1')] : [],
    )
    const replies = payloads
      .filter((text) => /^(?:\+OK|-ERR)/.test(text))
      .map((text) => text.split('\r\n')[0])
    expect(replies).toEqual([
      '+OK ready',
      '+OK',
      '+OK',
      '+OK logged in',
      `+OK ${LARGE.length} octets`,
      `+OK ${LARGE.length + 27} octets`,
      '+OK bye',
    ])
    expect(Math.max(...payloads.map(({ length }) => length))).toBeLessThanOrEqual(1_460)
    // The first message is put together from packets of its own.
    expect(payloads.find((text) => text.startsWith(`+OK ${LARGE.length} octets`))).toBe(
      `+OK ${LARGE.length} octets\r\n`,
    )
  })

  it('leaves a gap where content was not recorded, as long as what is missing, and says so', () => {
    const { traces } = fetchSession([MAIL, MAIL], { attention: { isWatched: true, messageOctets: 0 } })
    const file = exported(traces, ['client'])
    const { toClient } = octetsOf(file)
    expect(toClient).toContain(`+OK ${MAIL.length} octets\r\n+OK ${MAIL.length} octets\r\n`)
    expect(toClient).not.toContain('Subject')
    const replies = segmentsOf(file).filter(({ payload }) =>
      payload.toString().startsWith(`+OK ${MAIL.length}`),
    )
    const [first, second] = replies
    expect(second!.sequence - first!.sequence).toBe(first!.payload.length + MAIL.length + 3)
    expect(file.toString('latin1')).toContain(`${MAIL.length} octets of content passed here`)
  })

  it('goes on in a new connection behind a message that was recorded in part', () => {
    const { traces } = fetchSession([LARGE, MAIL], { attention: { isWatched: true, messageOctets: 3_000 } })
    const file = exported(traces, ['client'])
    expect(segmentsOf(file).filter(({ isSyn, isAck }) => isSyn && !isAck)).toHaveLength(2)
    expect(octetsOf(file).toClient).toContain(`${stuffed(MAIL)}.\r\n`)
    expect(file.toString('latin1')).toContain(`more octets of content passed here`)
  })

  it('has the octets of each line where they are not what is shown', () => {
    const { traces } = fetchSession([])
    const strange = traces.map((event) =>
      event.content.type === 'command' && event.content.verb === 'CAPA'
        ? { ...event, content: { ...event.content, wire: Buffer.from('capa \n') } }
        : event,
    )
    expect(octetsOf(exported(strange, ['client'])).toServer).toMatch(/^capa \nUSER bob/)
  })

  it('keeps trailing blanks of a status line and its response code', () => {
    const { traces } = fetchSession([])
    const reply = contentsOf(traces, 'reply')[0]!
    const strange = traces.map((event) =>
      event.content === reply
        ? { ...event, content: { ...reply, responseCode: 'IN-USE', text: 'in [use] ' } }
        : event,
    )
    expect(octetsOf(exported(strange, ['server'])).toClient).toContain('+OK [IN-USE] in [use] \r\n')
  })

  it('puts names where addresses are not known, and says in comments what has no octets', () => {
    const { traces } = fetchSession([MAIL])
    const text = exported(traces, ['client', 'server']).toString('latin1')
    expect(text).toContain('pop.example.org\0')
    expect(text).toContain('session s1 (test)')
    expect(text).toContain('logged in as bob by USER')
    expect(text).toContain('session closed: quit')
    expect(text).not.toContain('sesame-street')
  })

  it('carries IPv6 addresses of client and listener', () => {
    const { traces } = fetchSession([])
    const opened = contentsOf(traces, 'session-opened')[0]!
    const [, ...rest] = traces
    const file = exported(
      [told({ ...opened, client: '[2001:db8::7]:50000', listener: 'pop3://[::1]:1110' }), ...rest],
      ['client'],
    )
    expect(segmentsOf(file)[0]).toMatchObject({ source: '[2001:db8::7]:50000', destination: '[::1]:110' })
  })

  it('holds a TLS key log where one is given', () => {
    const { traces } = fetchSession([])
    const keyLog = Buffer.from(`CLIENT_RANDOM ${'0'.repeat(64)} ${'1'.repeat(96)}\n`)
    expect(exported(traces, ['client'], keyLog).includes(keyLog)).toBe(true)
    expect(octetsOf(exported(traces, ['client'], keyLog)).toServer).toContain('QUIT')
  })

  it('ends a session that the recording does not see end', () => {
    const { traces } = fetchSession([MAIL])
    const open = traces.slice(0, -3)
    const file = exported(open, ['client'])
    expect(file.toString('latin1')).toContain('the session went on')
    expect(octetsOf(file).toClient).toContain(`${stuffed(MAIL)}.\r\n`)
  })

  it('breaks the connection of a session that failed', () => {
    const { traces } = fetchSession([])
    const failed = traces.map((event) =>
      event.content.type === 'session-closed'
        ? {
            ...event,
            content: { ...event.content, reason: 'failed' as const, code: 'POSTERN_DEADLINE' as const },
          }
        : event,
    )
    expect(segmentsOf(exported(failed, ['client'])).some(({ isReset }) => isReset)).toBe(true)
  })
})

describe('a session in which a person took part', () => {
  const EDITED = 'Subject: edited\r\n\r\n.by hand\r\n'

  /** A breakpoint catches a message: the client gets other content in its place, or a refusal. */
  function heldSession(octets: Buffer | null): readonly TraceEvent[] {
    const { traces } = fetchSession([MAIL])
    const end = traces.findIndex(({ content }) => content.type === 'content-end' && content.verb === 'RETR')
    const { number } = traces[end]!.content as Extract<TraceContent, { type: 'content-end' }>
    const answered: TraceContent[] = [
      { type: 'held', hold: 's1.1', number, kind: 'message', breakpoint: 'true', releaseAt: 0 },
      {
        type: 'released',
        hold: 's1.1',
        number,
        kind: 'message',
        verdict: octets === null ? 'dropped' : 'edited',
        afterMs: 1,
      },
      {
        type: 'reply',
        number,
        verb: 'RETR',
        source: 'postern',
        indicator: octets === null ? '-ERR' : '+OK',
        responseCode: null,
        text: octets === null ? 'not for you' : 'changed',
        afterMs: 1,
        wire: null,
      },
      ...(octets === null
        ? []
        : [{ type: 'content' as const, number, verb: 'RETR', source: 'postern' as const, wire: octets }]),
    ]
    return [
      ...traces.slice(0, end + 1),
      ...answered.map((content) => told(content, traces[end]!.at)),
      ...traces.slice(end + 1),
    ]
  }

  it('has what the client got instead of the message, and the message on the leg of the server', () => {
    const events = heldSession(Buffer.from(stuffed(EDITED)))
    const client = octetsOf(exported(events, ['client'])).toClient
    expect(client).toContain(`+OK changed\r\n${stuffed(EDITED)}.\r\n+OK bye`)
    expect(client).not.toContain('Subject: dots')
    expect(octetsOf(exported(events, ['server'])).toClient).toContain(`${stuffed(MAIL)}.\r\n+OK bye`)
  })

  it('has the refusal alone where a message was dropped', () => {
    const client = octetsOf(exported(heldSession(null), ['client'])).toClient
    expect(client).toContain('+OK logged in\r\n-ERR not for you\r\n+OK bye')
  })

  it("has a watcher's command on the leg of the server alone, and a changed command in both forms", () => {
    const { traces } = fetchSession([])
    const quit = traces.findIndex(({ content }) => content.type === 'command' && content.verb === 'QUIT')
    const command = { verb: 'NOOP', octets: 6, wire: null }
    const own: readonly TraceContent[] = [
      { type: 'command', number: 90, shown: 'NOOP', origin: 'watcher', ...command },
      {
        type: 'reply',
        number: 90,
        verb: 'NOOP',
        source: 'server',
        indicator: '+OK',
        responseCode: null,
        text: 'only for watchers',
        afterMs: 1,
        wire: null,
      },
      { type: 'command', number: 91, shown: 'STAT', origin: 'client', ...command, verb: 'STAT' },
      { type: 'command-replaced', number: 91, shown: 'NOOP', ...command },
      {
        type: 'reply',
        number: 91,
        verb: 'NOOP',
        source: 'server',
        indicator: '+OK',
        responseCode: null,
        text: 'done',
        afterMs: 1,
        wire: null,
      },
    ]
    const at = traces[quit]!.at
    const events = [
      ...traces.slice(0, quit),
      ...own.map((content) => told(content, at)),
      ...traces.slice(quit),
    ]
    const client = octetsOf(exported(events, ['client']))
    const server = octetsOf(exported(events, ['server']))
    expect(client.toServer).toMatch(/PASS \[redacted\]\r\nSTAT\r\nQUIT/)
    expect(client.toClient).not.toContain('watchers')
    expect(server.toServer).toMatch(/PASS \[redacted\]\r\nNOOP\r\nNOOP\r\nQUIT/)
    expect(server.toClient).toContain('only for watchers')
  })
})
