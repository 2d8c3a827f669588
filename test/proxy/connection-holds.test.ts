import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'
import { Connection } from '../../src/proxy/connection.js'
import type { HeldItem } from '../../src/relay/interception.js'
import { TestBreakpoint } from '../support/breakpoint.js'
import { until } from '../support/tools.js'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function listen(accept: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer(accept)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  closing.push(() => server.close())
  return (server.address() as AddressInfo).port
}

interface Held {
  readonly port: number
  readonly items: Map<string, HeldItem>
  readonly answered: (readonly [string, string | null])[]
  readonly received: () => string
  readonly connection: () => Connection
}

/** A server that says +OK to each line, and a connection that holds each STAT. */
async function holding(): Promise<Held> {
  let received = ''
  const serverPort = await listen((socket) => {
    closing.push(() => socket.destroy())
    socket.write('+OK\r\n')
    socket.on('error', () => {})
    socket.on('data', (octets) => {
      received += octets.toString('latin1')
      socket.write('+OK\r\n'.repeat(octets.toString('latin1').split('\n').length - 1))
    })
  })
  const items = new Map<string, HeldItem>()
  const answered: (readonly [string, string | null])[] = []
  let connection: Connection | null = null
  const port = await listen((socket) => {
    connection = new Connection(socket, {
      relay: {
        sessionId: 's1',
        service: 'test',
        listener: 'pop3://127.0.0.1:1110',
        client: 'c',
        server: 's',
        clientLeg: { security: 'plain', offersStls: false },
        serverLeg: 'plain',
        limits: DEFAULT_LIMITS,
        multiLineVerbs: new Set(),
        showsUserNames: true,
        attention: { isWatched: true, messageOctets: 0 },
        interceptor: new TestBreakpoint(['command'], ({ verb }) => verb === 'STAT', { holdMs: 300 }),
        rules: null,
        keepsClientAlive: true,
        spool: null,
      },
      serverHost: '127.0.0.1',
      serverPort,
      clientTls: null,
      serverTls: null,
      onTrace: () => {},
      onHold: (item) => items.set(item.hold, item),
      onUnhold: (hold) => items.delete(hold),
      onSendAnswered: (id, problem) => answered.push([id, problem]),
      spoolFolder: null,
      ask: () => Promise.resolve({ type: 'failed', text: 'nobody is asked here' }),
      onNotify: () => {},
      onClosed: () => {},
      onKeyLog: null,
    })
    closing.push(() => connection?.destroy())
    connection.start()
  })
  return {
    port,
    items,
    answered,
    received: () => received,
    connection: () => {
      if (connection === null) throw new Error('nobody connected')
      return connection
    },
  }
}

describe('a connection', () => {
  it('keeps a held command from the server until somebody decides, and tells what is wrong with a verdict', async () => {
    const it = await holding()
    const client = connect(it.port, '127.0.0.1')
    closing.push(() => client.destroy())
    let got = ''
    client.on('data', (octets) => {
      got += octets.toString('latin1')
    })
    client.write('STAT\r\n')
    await until('a held item', () => it.items.size === 1)
    expect(it.received()).toBe('')
    const hold = [...it.items.keys()][0] ?? ''
    const connection = it.connection()
    expect(connection.answerHold(hold, { type: 'edit', octets: Buffer.from('QUIT') })).toMatch(
      /client to give/,
    )
    expect(it.items.size).toBe(1)
    expect(connection.answerHold(hold, { type: 'edit', octets: Buffer.from('NOOP') })).toBeNull()
    expect(it.items.size).toBe(0)
    expect(connection.answerHold(hold, { type: 'release' })).toBe('the item is held no longer')
    await until('the reply', () => got === '+OK\r\n+OK\r\n')
    expect(it.received()).toBe('NOOP\r\n')
    connection.send('a', Buffer.from('NOOP'))
    connection.send('b', Buffer.from('QUIT'))
    expect(it.answered).toMatchObject([
      ['a', null],
      ['b', expect.stringContaining('client to give')],
    ])
    await until('the own command', () => it.received() === 'NOOP\r\nNOOP\r\n')
    connection.destroy()
    connection.send('c', Buffer.from('NOOP'))
    expect(it.answered.at(-1)).toEqual(['c', 'the session is over'])
    expect(connection.answerHold(hold, { type: 'drop' })).toBe('the item is held no longer')
  })

  it('lets a forgotten item go on when its time has come', async () => {
    const it = await holding()
    const client = connect(it.port, '127.0.0.1')
    closing.push(() => client.destroy())
    client.resume()
    client.write('STAT\r\n')
    await until('a held item', () => it.items.size === 1)
    const releaseAt = [...it.items.values()][0]?.releaseAt ?? 0
    it.connection().tick(releaseAt - 1)
    expect(it.items.size).toBe(1)
    await until('the end of the hold', () => {
      it.connection().tick(performance.timeOrigin + performance.now())
      return it.items.size === 0
    })
    await until('the command at the server', () => it.received() === 'STAT\r\n')
  })
})
