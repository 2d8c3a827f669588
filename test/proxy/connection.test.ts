import { connect, createServer, Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type MaildropServer, startMaildropServer } from '../../src/demo/maildrop-server.js'
import { testAuthority } from '../support/certificates.js'
import { connectClient, dial, logIn, Pop3Client } from '../support/pop3-client.js'
import { realThing } from '../support/real.js'
import { type RecordedConnection, startRecordingServer } from '../support/recording-server.js'
import { run, until } from '../support/tools.js'
import {
  type Bench,
  type LogLine,
  makeBench,
  PASSWORD,
  type RunningBench,
  type ServiceOptions,
  startBench,
  USER,
} from './bench.js'

const ACCOUNT = { user: USER, password: PASSWORD }
const MIB = 1_048_576

let bench: Bench
const closing: (() => Promise<unknown>)[] = []

beforeAll(() => {
  bench = makeBench()
})
afterAll(() => bench.directory.remove())
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function proxyBefore(port: number, options: Partial<ServiceOptions> = {}): Promise<RunningBench> {
  const settings = bench.settings({ listen: ['plain'], upstream: 'plain', port, ...options })
  const running = await startBench(settings)
  closing.push(() => running.proxy.stop())
  return running
}

async function mailServer(
  messages: readonly Buffer[],
): Promise<MaildropServer & { readonly received: () => string }> {
  let received = ''
  const server = await startMaildropServer({
    security: 'plain',
    users: new Map([[USER, PASSWORD]]),
    messages,
    onReceived: (octets) => {
      received += octets.toString('latin1')
    },
  })
  closing.push(() => server.close())
  return Object.assign(server, { received: () => received })
}

/** A client, past its greeting, whose socket can be told to read no more. */
async function pausable(
  port: number,
  security: 'plain' | 'tls',
): Promise<{ readonly client: Pop3Client; readonly socket: Socket }> {
  const options = { port, host: '127.0.0.1' }
  const socket =
    security === 'tls' ? connectTls({ ...options, ca: bench.ca, servername: 'localhost' }) : connect(options)
  const client = new Pop3Client(socket)
  await client.line()
  return { client, socket }
}

/** What the sockets of this process at a port hold in memory, TLS records aside. */
function octetsHeldBySockets(localPort: number): number {
  const handles: unknown = Reflect.get(process, '_getActiveHandles')?.call(process)
  const sockets = (Array.isArray(handles) ? handles : []).filter(
    (handle) => handle instanceof Socket && handle.localPort === localPort,
  )
  return sockets.reduce((sum, { readableLength, writableLength }) => sum + readableLength + writableLength, 0)
}

function fromServerOf(closed: LogLine | undefined): number {
  const octets: unknown = closed?.octets
  const isCount = typeof octets === 'object' && octets !== null && 'fromServer' in octets
  return isCount ? Number(octets.fromServer) : Number.NaN
}

async function recordingServer(
  answer: (verb: string, connection: RecordedConnection) => Buffer | string | null,
): ReturnType<typeof startRecordingServer> {
  const server = await startRecordingServer({ answer })
  closing.push(() => server.stop())
  return server
}

async function tcpServer(serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}

describe('a reader that stops', () => {
  it.each(['plain', 'tls'] as const)(
    'costs no memory to speak of, and its session when time is up (%s)',
    async (security) => {
      const large = Buffer.alloc(50 * MIB, 'x'.repeat(62).concat('\r\n'))
      const server = await mailServer([large])
      const limits = { writeStallMs: 1_500 }
      const { kept, proxy, port } = await proxyBefore(server.port, { listen: [security], limits })
      const { client, socket } = await pausable(port(), security)
      await logIn(client, ACCOUNT)
      expect(await client.command('RETR 1')).toMatch(/^\+OK/)
      socket.pause()
      let mostHeld = 0
      await until(
        'the session to be over',
        () => {
          mostHeld = Math.max(mostHeld, octetsHeldBySockets(port()))
          return proxy.sessions === 0
        },
        20_000,
      )
      expect(kept.of('failure')).toMatchObject([{ code: 'POSTERN_WRITE_STALLED', leg: 'client' }])
      const [closed] = kept.of('session-closed')
      expect(closed).toMatchObject({ reason: 'failed', code: 'POSTERN_WRITE_STALLED' })
      // What kernels hold for both sockets is in here as well, and far below what the server has to say.
      expect(fromServerOf(closed)).toBeGreaterThan(65_536)
      expect(fromServerOf(closed)).toBeLessThan(large.length / 2)
      if (security === 'plain') expect(mostHeld).toBeGreaterThan(0)
      expect(mostHeld).toBeLessThan(MIB)
      expect(server.received()).not.toContain('QUIT')
      socket.destroy()
    },
  )
})

describe('a client that breaks off', () => {
  it('within a message causes no QUIT, so that nothing is deleted', async () => {
    const large = Buffer.alloc(8 * MIB, 'x'.repeat(76).concat('\r\n'))
    const server = await mailServer([large, large])
    const { kept, port, proxy } = await proxyBefore(server.port)
    const { client } = await connectClient({ port: port(), security: 'plain', ca: bench.ca })
    await logIn(client, ACCOUNT)
    expect(await client.command('DELE 2')).toMatch(/^\+OK/)
    expect(await client.command('RETR 1')).toMatch(/^\+OK/)
    client.reset()
    await until('the session to be over', () => proxy.sessions === 0)
    await until('the server to be left', () => server.openConnections === 0)
    expect(server.received()).not.toContain('QUIT')
    expect(server.messagesOf(USER)).toHaveLength(2)
    expect(kept.of('session-closed')).toMatchObject([{ reason: 'client-left', state: 'TRANSACTION' }])
  })
})

describe('a server that breaks off', () => {
  const cases = [
    { how: 'in order', leave: (connection: RecordedConnection) => connection.end() },
    { how: 'by a reset', leave: (connection: RecordedConnection) => connection.reset() },
  ]
  it.each(cases)(
    'within a message, $how, leaves the client without a termination octet',
    async ({ leave }) => {
      const server = await recordingServer((verb, connection) => {
        if (verb !== 'RETR') return null
        connection.write('+OK 100 octets\r\nSubject: cut\r\n\r\nhalf of the mess')
        setTimeout(() => leave(connection), 50)
        return ''
      })
      const { kept, port } = await proxyBefore(server.port)
      const { client } = await connectClient({ port: port(), security: 'plain', ca: bench.ca })
      await logIn(client, ACCOUNT)
      client.write('RETR 1\r\n')
      const rest = (await client.rest()).toString('latin1')
      expect('+OK 100 octets\r\nSubject: cut\r\n\r\nhalf of the mess'.startsWith(rest)).toBe(true)
      expect(kept.of('failure')).toMatchObject([{ code: 'POSTERN_SERVER_CLOSED', leg: 'server' }])
      expect(kept.of('session-closed')).toMatchObject([
        { reason: 'failed', code: 'POSTERN_SERVER_CLOSED', messages: 0 },
      ])
    },
  )

  it('before it answered is told to the client in one line', async () => {
    const server = await recordingServer((verb, connection) => {
      if (verb === 'STAT') connection.end()
      return verb === 'STAT' ? '' : null
    })
    const { port } = await proxyBefore(server.port)
    const { client } = await connectClient({ port: port(), security: 'plain', ca: bench.ca })
    await logIn(client, ACCOUNT)
    client.write('STAT\r\n')
    expect((await client.rest()).toString('latin1')).toBe(
      '-ERR [SYS/TEMP] server closed the connection before it answered STAT\r\n',
    )
  })

  it('is not there at all: one line, and no wait', async () => {
    const { kept, port } = await proxyBefore(1)
    const client = await dial(port())
    expect((await client.rest()).toString('latin1')).toBe(
      '-ERR [SYS/TEMP] server 127.0.0.1:1 refused the connection\r\n',
    )
    expect(kept.of('session-closed')).toMatchObject([{ code: 'POSTERN_SERVER_UNREACHABLE' }])
  })
})

describe('deadlines', () => {
  it('end a client that sends an octet now and then and never logs in', async () => {
    const server = await recordingServer(() => null)
    const { kept, port, proxy } = await proxyBefore(server.port, { limits: { loginMs: 800 } })
    const client = await dial(port())
    await client.line()
    const dripping = setInterval(() => client.write('U'), 50)
    try {
      await client.rest()
    } finally {
      clearInterval(dripping)
    }
    await until('the session to be over', () => proxy.sessions === 0)
    expect(kept.of('session-closed')).toMatchObject([{ reason: 'login-deadline', code: 'POSTERN_DEADLINE' }])
    expect(server.received()).toBe('')
  })

  it.each([
    { what: 'says nothing', hello: Buffer.alloc(0) },
    { what: 'stops within its first record', hello: Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]) },
  ])('end a TLS handshake of a client that $what', async ({ hello }) => {
    const server = await recordingServer(() => null)
    const patient = await proxyBefore(server.port, { listen: ['tls'], limits: { handshakeMs: 600_000 } })
    const { kept, port, proxy } = await proxyBefore(server.port, {
      listen: ['tls'],
      limits: { handshakeMs: 500 },
    })
    const waits = await dial(patient.port())
    waits.write(hello)
    await until('the client that came first to be there', () => patient.proxy.sessions === 1)
    for (let turn = 0; turn < 2; turn += 1) {
      const client = await dial(port())
      client.write(hello)
      expect((await client.rest()).length).toBe(0)
    }
    // This limit has ended them and no other: who has more of it came before both, and is still there.
    expect(patient.proxy.sessions).toBe(1)
    waits.destroy()
    await until('the sessions to be over', () => proxy.sessions === 0)
    const late = { code: 'POSTERN_DEADLINE' }
    expect(kept.of('session-closed')).toMatchObject([late, late])
    expect(server.connections).toHaveLength(0)
  })

  it('end the handshake that STLS began', async () => {
    const server = await recordingServer(() => null)
    const { kept, port } = await proxyBefore(server.port, { limits: { handshakeMs: 500 } })
    const client = await dial(port())
    await client.line()
    expect(await client.command('STLS')).toMatch(/^\+OK/)
    expect((await client.rest()).length).toBe(0)
    expect(kept.of('session-closed')).toMatchObject([{ code: 'POSTERN_DEADLINE' }])
  })

  it.each([
    { upstream: 'plain', limit: 'greetingMs', says: 'server sent no greeting in time' },
    { upstream: 'tls', limit: 'handshakeMs', says: 'server did not finish the TLS handshake in time' },
  ] as const)('end a $upstream server that is silent', async ({ upstream, limit, says }) => {
    const port = await tcpServer(() => {})
    const running = await proxyBefore(port, { upstream, limits: { [limit]: 400 } })
    const client = await dial(running.port())
    expect((await client.rest()).toString('latin1')).toBe(`-ERR [SYS/TEMP] ${says}\r\n`)
  })
})

describe('a client in the wrong place', () => {
  it.each([
    {
      who: 'a browser',
      octets: 'GET / HTTP/1.1\r\nHost: pop\r\n\r\n',
      hint: 'the client does not speak TLS but HTTP: it has the wrong port',
    },
    {
      who: 'a browser that takes it for its proxy',
      octets: 'CONNECT pop:443 HTTP/1.1\r\n\r\n',
      hint: 'the client does not speak TLS but HTTP: it has the wrong port',
    },
    ...['CAPA', 'USER bob', 'QUIT', ''].map((command) => ({
      who: `a plain POP3 client that begins with "${command}"`,
      octets: `${command}\r\n`.padEnd(6, '\r\n'),
      hint: 'the client does not speak TLS: it needs a pop3:// listener',
    })),
  ])(
    'on a POP3S port, $who is logged with what to do, and others are served on',
    async ({ octets, hint }) => {
      const server = await recordingServer(() => null)
      const { kept, port, proxy } = await proxyBefore(server.port, { listen: ['tls'] })
      const client = await dial(port())
      client.write(octets)
      await client.rest()
      await until('the session to be over', () => proxy.sessions === 0)
      expect(kept.of('failure')).toMatchObject([
        { level: 40, code: 'POSTERN_CLIENT_TLS', leg: 'client', hint },
      ])
      expect(server.connections).toHaveLength(0)
      const next = await connectClient({ port: port(), security: 'tls', ca: bench.ca })
      expect(next.greeting).toMatch(/^\+OK/)
    },
  )

  it('that speaks old TLS only is told from one that speaks none', async () => {
    const server = await recordingServer(() => null)
    const { kept, port, proxy } = await proxyBefore(server.port, { listen: ['tls'] })
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const
    const client = connectTls({ port: port(), host: '127.0.0.1', ca: bench.ca, ...old })
    await new Promise((resolve) => client.on('error', resolve))
    await until('the session to be over', () => proxy.sessions === 0)
    expect(kept.of('failure')).toMatchObject([
      { code: 'POSTERN_CLIENT_TLS', leg: 'client', hint: expect.stringContaining('`old-tls: true`') },
    ])
  })

  it('that leaves within the handshake is over at once, and no failure', async () => {
    const server = await recordingServer(() => null)
    const { kept, port, proxy } = await proxyBefore(server.port, { listen: ['tls'] })
    const client = await dial(port())
    await until('the session to be there', () => proxy.sessions === 1)
    client.destroy()
    await until('the session to be over', () => proxy.sessions === 0)
    // What the deadline of the handshake ends has another reason.
    expect(kept.of('session-closed')).toMatchObject([{ reason: 'client-left' }])
    expect(kept.of('failure')).toEqual([])
  })

  it('with TLS on a plain port is logged with what to do, and the server gets none of it', async () => {
    const server = await recordingServer(() => null)
    const { kept, port, proxy } = await proxyBefore(server.port)
    const failed = await new Promise<string>((resolve) => {
      connectTls({ port: port(), host: '127.0.0.1', ca: bench.ca })
        .on('error', (error) => resolve(error.message))
        .on('secureConnect', () => resolve('secure'))
    })
    expect(failed).toMatch(/wrong version number|packet length/i)
    await until('the session to be over', () => proxy.sessions === 0)
    expect(kept.of('failure')).toMatchObject([
      { code: 'POSTERN_CLIENT_PROTOCOL', leg: 'client', hint: expect.stringContaining('pop3s://') },
    ])
    expect(server.received()).toBe('')
  })

  it.skipIf(!realThing('openssl'))(
    'that does not trust the certificate is pointed to the authority',
    async () => {
      const server = await recordingServer(() => null)
      const { kept, port } = await proxyBefore(server.port, { listen: ['tls'] })
      const { certFile } = bench.writeCertificate('stranger', testAuthority())
      // Node's own client sends no alert; openssl ends the handshake with one, as mail programs do.
      const address = `127.0.0.1:${port()}`
      const { status } = await run('openssl', [
        ...['s_client', '-connect', address],
        ...['-verify_return_error', '-CAfile', certFile],
      ])
      expect(status).not.toBe(0)
      await until('the session to be over', () => kept.of('session-closed').length === 1)
      expect(kept.of('failure')).toMatchObject([
        { code: 'POSTERN_CLIENT_TLS', hint: expect.stringContaining('postern ca show') },
      ])
      expect(server.connections).toHaveLength(0)
    },
  )
})
