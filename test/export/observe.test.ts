import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CapturedPacket } from '../../src/export/capture-file.js'
import { CaptureObserver, type ObservedItem, POP3_PORTS } from '../../src/export/observe.js'
import type { TraceContent, TraceEvent } from '../../src/trace/event.js'
import { ipv4, packet } from './packets.js'

const CLIENT = ['192.0.2.1', 50_000] as const
const SERVER = ['198.51.100.7', 110] as const

/** One connection being captured: each call is the next packet. */
class Captured {
  readonly packets: CapturedPacket[] = []
  #client = 1_000
  #server = 9_000
  #at = 1_700_000_000_000

  readonly client: readonly [string, number]
  readonly server: readonly [string, number]

  constructor(client: readonly [string, number] = CLIENT, server: readonly [string, number] = SERVER) {
    this.client = client
    this.server = server
  }

  opened(): this {
    this.#add('client', 'S', '', this.#client)
    this.#add('server', 'SA', '', this.#server)
    this.#client += 1
    this.#server += 1
    return this.#add('client', 'A', '', this.#client)
  }

  fromClient(text: string, flags = 'A'): this {
    this.#add('client', flags, text, this.#client)
    this.#client += text.length + (flags.includes('F') ? 1 : 0)
    return this
  }

  fromServer(text: string, flags = 'A'): this {
    this.#add('server', flags, text, this.#server)
    this.#server += text.length + (flags.includes('F') ? 1 : 0)
    return this
  }

  /** Octets that passed and were not captured. */
  lostFromServer(octets: number): this {
    this.#server += octets
    return this
  }

  #add(side: 'client' | 'server', flags: string, text: string, sequence: number): this {
    const [from, to] = side === 'client' ? [this.client, this.server] : [this.server, this.client]
    this.#at += 10
    this.packets.push(packet(ipv4({ from, to, sequence, flags, text }), this.#at))
    return this
  }
}

function read(
  packets: readonly CapturedPacket[],
  ports: readonly number[] = POP3_PORTS,
): readonly ObservedItem[] {
  const observer = new CaptureObserver({
    ports: new Set(ports),
    messageOctets: 1_000_000,
    nameSession: (ordinal) => `c${ordinal}`,
  })
  return [...packets.flatMap((one) => observer.add(one)), ...observer.end()]
}

function eventsOf(items: readonly ObservedItem[]): readonly TraceEvent[] {
  return items.flatMap((item) => (item.type === 'event' ? [item.event] : []))
}

function problemsOf(items: readonly ObservedItem[]): readonly string[] {
  return items.flatMap((item) => (item.type === 'problem' ? [item.text] : []))
}

function contents<Type extends TraceContent['type']>(
  items: readonly ObservedItem[],
  type: Type,
): readonly Extract<TraceContent, { type: Type }>[] {
  return eventsOf(items).flatMap(({ content }) =>
    content.type === type ? [content as Extract<TraceContent, { type: Type }>] : [],
  )
}

function session(captured: Captured): Captured {
  return captured
    .opened()
    .fromServer('+OK ready\r\n')
    .fromClient('USER bob\r\n')
    .fromServer('+OK\r\n')
    .fromClient('PASS sesame-street\r\n')
    .fromServer('+OK in\r\n')
    .fromClient('RETR 1\r\n')
    .fromServer('+OK 12 octets\r\nSubject: x\r\n')
    .fromServer('\r\nbody\r\n.\r\n')
    .fromClient('QUIT\r\n')
    .fromServer('+OK bye\r\n', 'FA')
    .fromClient('', 'FA')
}

describe('a captured session', () => {
  it('is told with its ends, its times and its mail', () => {
    const items = read(session(new Captured()).packets)
    expect(problemsOf(items)).toEqual([])
    expect(contents(items, 'session-opened')).toMatchObject([
      { client: '192.0.2.1:50000', server: 'pop3://198.51.100.7:110', service: 'capture' },
    ])
    expect(contents(items, 'command').map(({ shown }) => shown)).toEqual([
      'USER bob',
      'PASS [redacted]',
      'RETR 1',
      'QUIT',
    ])
    const mail = Buffer.concat(contents(items, 'content').map(({ wire }) => wire))
    expect(mail.toString()).toBe('Subject: x\r\n\r\nbody\r\n')
    expect(contents(items, 'reply').map(({ afterMs }) => afterMs)).toEqual([10, 10, 10, 10])
    expect(contents(items, 'session-closed')).toMatchObject([{ reason: 'quit', messages: 1, user: 'bob' }])
    expect(new Set(eventsOf(items).map((event) => event.session))).toEqual(new Set(['c1']))
  })

  it('is the same with packets captured twice or in another order nearby', () => {
    const plain = session(new Captured()).packets
    const expected = eventsOf(read(plain)).map(({ content }) => content.type)
    const twice = plain.flatMap((one) => [one, one])
    expect(eventsOf(read(twice)).map(({ content }) => content.type)).toEqual(expected)
    // The two pieces of the message change places.
    const swapped = [...plain]
    const [piece, next] = swapped.splice(9, 2)
    swapped.splice(9, 0, next!, piece!)
    expect(contents(read(swapped), 'content-end')).toMatchObject([{ octets: 20 }])
    expect(eventsOf(read(swapped)).map(({ content }) => content.type)).toContain('session-closed')
  })

  it('is told apart from others by its ends, also where a port is used again', () => {
    const first = session(new Captured()).packets
    const other = session(new Captured(['192.0.2.9', 50_000])).packets
    const mixed = first.flatMap((one, index) => [one, other[index]!])
    const items = read([
      ...mixed,
      ...session(new Captured()).packets.map(({ octets, ...rest }) => {
        // The same ends, another initial sequence number.
        const again = Buffer.from(octets)
        again.writeUInt32BE(again.readUInt32BE(24) + 100_000, 24)
        return { ...rest, octets: again }
      }),
    ])
    expect(contents(items, 'session-closed')).toHaveLength(3)
    expect(new Set(eventsOf(items).map((event) => event.session)).size).toBe(3)
  })

  it('on another port is read where that port is named', () => {
    const { packets } = session(new Captured(CLIENT, ['198.51.100.7', 1_110]))
    expect(read(packets)).toEqual([])
    expect(contents(read(packets, [1_110]), 'session-closed')).toHaveLength(1)
  })
})

describe('a capture with faults', () => {
  it('marks a session that lacks octets, and reads nothing behind them', () => {
    const { packets } = new Captured()
      .opened()
      .fromServer('+OK ready\r\n')
      .fromClient('USER bob\r\n')
      .lostFromServer(5)
      .fromClient('STAT\r\n')
      .fromServer('+OK 1 30\r\n')
      .fromServer('', 'FA')
    const items = read(packets)
    expect(contents(items, 'failure').map(({ failure }) => failure)).toMatchObject([
      { code: 'POSTERN_CAPTURE_INCOMPLETE', text: expect.stringContaining('server') },
    ])
    expect(contents(items, 'reply')).toEqual([])
  })

  it('says that a session began before the capture, and reads on from the next command', () => {
    const { packets } = new Captured()
      .fromServer('rest of a message\r\n.\r\n')
      .fromClient('DELE 7\r\n')
      .fromServer('+OK gone\r\n')
    const items = read(packets)
    expect(contents(items, 'failure')[0]?.failure.text).toContain('began within')
    expect(contents(items, 'reply').map(({ text }) => text)).toEqual(['gone'])
  })

  it('opens no session for the last packets of a connection', () => {
    expect(read(new Captured().fromServer('', 'FA').fromClient('', 'A').fromClient('', 'R').packets)).toEqual(
      [],
    )
  })

  it('tells a broken connection', () => {
    const { packets } = new Captured().opened().fromServer('+OK ready\r\n').fromClient('', 'R')
    expect(contents(read(packets), 'session-closed')).toMatchObject([{ reason: 'client-left' }])
  })

  it('leaves a session open that the capture does not see end', () => {
    const { packets } = new Captured().opened().fromServer('+OK ready\r\n')
    const items = read(packets)
    expect(contents(items, 'greeting')).toHaveLength(1)
    expect(contents(items, 'session-closed')).toEqual([])
    expect(contents(items, 'failure')).toEqual([])
  })

  it('counts fragments and names links that it cannot read', () => {
    const parts = { from: CLIENT, to: SERVER, sequence: 1, text: 'x' }
    const items = read([
      packet(ipv4(parts, { fragment: 0x2000 })),
      packet(ipv4(parts, { fragment: 0x0010 })),
      packet(ipv4(parts), 0, 147),
      packet(ipv4(parts), 0, 147),
    ])
    expect(problemsOf(items)).toHaveLength(2)
    expect(problemsOf(items)[0]).toContain('147')
    expect(problemsOf(items)[1]).toContain('2 packets')
  })

  it('never makes it throw, whatever is changed, lost, repeated or moved', () => {
    const { packets } = session(new Captured())
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(packets.length - 1), fc.nat(80), fc.nat(255)), { maxLength: 25 }),
        (picks) => {
          const shuffled = picks.map(([index, at, value]) => {
            const { octets, ...rest } = packets[index]!
            const changed = Buffer.from(octets)
            if (at >= 20 && at < changed.length) changed[at] = value
            return { ...rest, octets: changed }
          })
          const told = eventsOf(read(shuffled))
          const closed = told.filter(({ content }) => content.type === 'session-closed')
          expect(new Set(closed.map((event) => event.session)).size).toBe(closed.length)
        },
      ),
    )
  })
})
