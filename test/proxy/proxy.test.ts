import { writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { LegSecurity } from '../../src/config/settings.js'
import {
  type MaildropServer,
  type MaildropServerOptions,
  startMaildropServer,
} from '../../src/demo/maildrop-server.js'
import { ListenError } from '../../src/proxy/listen-error.js'
import { CertificateError } from '../../src/tls/certificate-error.js'
import { Feed } from '../../src/trace/feed.js'
import { selfSigned, testAuthority } from '../support/certificates.js'
import { connectClient, dial, logIn, Pop3Client } from '../support/pop3-client.js'
import { freePorts, until } from '../support/tools.js'
import {
  type Bench,
  listenerOf,
  makeBench,
  openDescriptors,
  PASSWORD,
  type RunningBench,
  type ServiceOptions,
  settingsOf,
  startBench,
  USER,
} from './bench.js'

const SECURITY: readonly LegSecurity[] = ['plain', 'stls', 'tls']
const MESSAGE = Buffer.from('Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nbare\nlf \xff\x00\r\nend\r\n', 'latin1')
const STUFFED = 'Subject: dots\r\n\r\n..\r\n...\r\n..x\r\nbare\nlf \xff\x00\r\nend\r\n.\r\n'
const ACCOUNT = { user: USER, password: PASSWORD }

let bench: Bench
const closing: (() => Promise<unknown>)[] = []

beforeAll(() => {
  bench = makeBench()
})
afterAll(() => bench.directory.remove())
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** A maildrop server, and every octet that it received. */
async function mailServer(
  options: Partial<MaildropServerOptions> = {},
): Promise<MaildropServer & { readonly received: () => string }> {
  let received = ''
  const server = await startMaildropServer({
    security: 'plain',
    tls: bench.serverTls,
    users: new Map([[USER, PASSWORD]]),
    messages: [MESSAGE],
    onReceived: (octets) => {
      received += octets.toString('latin1')
    },
    ...options,
  })
  closing.push(() => server.close())
  return Object.assign(server, { received: () => received })
}

async function proxyBefore(
  port: number,
  options: Partial<ServiceOptions> = {},
  extra: Parameters<typeof startBench>[1] = {},
): Promise<RunningBench> {
  const settings = bench.settings({ listen: ['plain'], upstream: 'plain', port, ...options })
  const running = await startBench(settings, extra)
  closing.push(() => running.proxy.stop())
  return running
}

async function tcpServer(
  serve: (socket: Socket) => void,
): Promise<{ readonly server: Server; readonly port: number }> {
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
  return { server, port: address !== null && typeof address === 'object' ? address.port : 0 }
}

describe('the nine combinations of legs', () => {
  const combinations = SECURITY.flatMap((client) => SECURITY.map((server) => ({ client, server })))
  it.each(combinations)(
    '$client toward the client, $server toward the server: a message passes exactly',
    async (legs) => {
      const server = await mailServer({ security: legs.server })
      const { kept, port, proxy } = await proxyBefore(server.port, {
        listen: [legs.client],
        upstream: legs.server,
      })
      const { client, greeting } = await connectClient({ port: port(), security: legs.client, ca: bench.ca })
      expect(greeting).toMatch(/^\+OK .*<.*>$/)
      await logIn(client, ACCOUNT)
      expect((await client.multiLine('RETR 1')).content.toString('latin1')).toBe(STUFFED)
      expect(await client.command('QUIT')).toMatch(/^\+OK/)
      await client.rest()
      await until('the session to be over', () => proxy.sessions === 0)

      const tlsOf = (security: LegSecurity): unknown => (security === 'plain' ? null : 'TLSv1.3')
      expect(kept.of('session-closed')).toMatchObject([
        {
          reason: 'quit',
          user: USER,
          messages: 1,
          tls: { client: tlsOf(legs.client), server: tlsOf(legs.server) },
        },
      ])
      // Never at any level, and this log goes down to trace.
      expect(kept.text()).not.toContain(PASSWORD)
      expect(kept.text()).toContain('PASS [redacted]')
      expect(kept.of('failure')).toEqual([])
    },
  )
})

describe('the log at level trace', () => {
  it.each([
    [`AUTH PLAIN ${Buffer.from(`\0${USER}\0${PASSWORD}`).toString('base64')}`, '+OK'],
    [`APOP ${USER} ${PASSWORD}`, '-ERR'],
    [`PASS${PASSWORD}`, '-ERR'],
    [`USER ${USER} ${PASSWORD}`, '-ERR'],
    [PASSWORD, '-ERR'],
  ])('holds no credential of %s', async (command, indicator) => {
    const server = await mailServer()
    const { kept, port, proxy } = await proxyBefore(server.port)
    const { client } = await connectClient({ port: port(), security: 'plain', ca: bench.ca })
    expect(await client.command(command)).toMatch(indicator === '+OK' ? /^\+OK/ : /^-ERR/)
    client.destroy()
    await until('the session to be over', () => proxy.sessions === 0)
    expect(server.received()).toContain(command)
    expect(kept.of('session-closed')).toHaveLength(1)
    expect(kept.text()).not.toContain(PASSWORD)
    expect(kept.text()).not.toContain(Buffer.from(`\0${USER}\0${PASSWORD}`).toString('base64'))
  })
})

describe('the start', () => {
  it('fails on a taken port with its address and cure, and leaves nothing open', async () => {
    const taken = await tcpServer(() => {})
    const [free = 0] = await freePorts(1)
    const before = openDescriptors()
    const listen = [listenerOf('plain', [], free), listenerOf('plain', [], taken.port)]
    const error: unknown = await startBench(bench.settings({ listen, upstream: 'plain', port: 9 })).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(ListenError)
    expect(error).toMatchObject({ code: 'EADDRINUSE', url: `pop3://127.0.0.1:${taken.port}` })
    await until('all descriptors to be back', () => openDescriptors() <= before)
    await expect(dial(free)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('fails on a listener that needs a certificate and has none', async () => {
    const settings = bench.settings({ listen: [listenerOf('tls', [])], upstream: 'plain', port: 9 })
    await expect(startBench(settings)).rejects.toBeInstanceOf(CertificateError)
  })

  it('names the port that the system chose', async () => {
    const { proxy, kept } = await proxyBefore(9)
    const [address] = proxy.addresses
    expect(address).toMatchObject({ service: 'default', host: '127.0.0.1' })
    expect(address?.url).toBe(`pop3://127.0.0.1:${address?.port}`)
    expect(kept.of('listening')).toMatchObject([{ url: address?.url, service: 'default' }])
  })
})

describe('limits of sessions', () => {
  const refused = /^-ERR \[SYS\/TEMP\] postern: limit of \d+ sessions[^\r\n]*; try again later\r\n$/

  it.each(['sessions', 'sessionsPerAddress'] as const)(
    '%s: two are served, the third gets one line',
    async (limit) => {
      const server = await mailServer()
      const { kept, port, proxy } = await proxyBefore(server.port, { limits: { [limit]: 2 } })
      const served = await Promise.all(
        [0, 1].map(() => connectClient({ port: port(), security: 'plain', ca: bench.ca })),
      )
      const third = await dial(port())
      expect((await third.rest()).toString()).toMatch(refused)
      expect(kept.of('session-refused')).toMatchObject([{ code: 'POSTERN_LIMIT', client: '127.0.0.1' }])
      served[0]?.client.destroy()
      await until('a place to be free', () => proxy.sessions === 1)
      const { greeting } = await connectClient({ port: port(), security: 'plain', ca: bench.ca })
      expect(greeting).toMatch(/^\+OK/)
      expect(server.acceptedConnections).toBe(3)
    },
  )

  it('a POP3S client past the limit is closed, since nobody could read the line', async () => {
    const server = await mailServer()
    const { port } = await proxyBefore(server.port, { listen: ['tls'], limits: { sessions: 1 } })
    await connectClient({ port: port(), security: 'tls', ca: bench.ca })
    const second = await dial(port())
    expect((await second.rest()).length).toBe(0)
  })

  it('handshakes: one that is not finished keeps the next out, and one that ends lets it in', async () => {
    const server = await mailServer()
    const { kept, port, proxy } = await proxyBefore(server.port, {
      listen: ['tls'],
      limits: { handshakes: 1 },
    })
    const silent = await dial(port())
    await until('the first to be in', () => proxy.sessions === 1)
    const second = await dial(port())
    expect((await second.rest()).length).toBe(0)
    expect(kept.of('session-refused')).toMatchObject([
      { text: 'limit of 1 TLS handshakes at a time reached' },
    ])
    silent.destroy()
    await until('the first to be gone', () => proxy.sessions === 0)
    const { greeting } = await connectClient({ port: port(), security: 'tls', ca: bench.ca })
    expect(greeting).toMatch(/^\+OK/)
    // A session whose handshake is over counts no more.
    await connectClient({ port: port(), security: 'tls', ca: bench.ca })
  })
})

describe('drain', () => {
  it('delivers a slow message whole, then ends without QUIT', async () => {
    const server = await mailServer({ replyDelayMs: 300 })
    const { kept, port, proxy } = await proxyBefore(server.port)
    const { client } = await connectClient({ port: port(), security: 'plain', ca: bench.ca })
    await logIn(client, ACCOUNT)
    client.write('RETR 1\r\n')
    await until('the server to have the command', () => server.received().includes('RETR'))
    const drained = proxy.drain()
    expect(await client.line()).toMatch(/^\+OK/)
    expect((await client.content()).toString('latin1')).toBe(STUFFED)
    expect((await client.rest()).length).toBe(0)
    client.destroy()
    await drained
    expect(kept.of('session-closed')).toMatchObject([{ reason: 'drained', messages: 1 }])
    expect(server.received()).not.toContain('QUIT')
  })

  it('ends idle sessions at once, deletes nothing, and takes no new ones', async () => {
    const server = await mailServer()
    const { kept, port, proxy } = await proxyBefore(server.port)
    const { client } = await connectClient({ port: port(), security: 'plain', ca: bench.ca })
    await logIn(client, ACCOUNT)
    expect(await client.command('DELE 1')).toMatch(/^\+OK/)
    const address = port()
    const drained = proxy.drain()
    expect((await client.rest()).length).toBe(0)
    client.destroy()
    await drained
    await expect(dial(address)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await until('the server to be left', () => server.openConnections === 0)
    expect(server.received()).not.toContain('QUIT')
    expect(server.messagesOf(USER)).toHaveLength(1)
    expect(kept.of('session-closed')).toMatchObject([{ reason: 'drained' }])
  })

  it('ends what has not begun yet with a line that says so', async () => {
    const silent = await tcpServer(() => {})
    const { port, proxy } = await proxyBefore(silent.port)
    const client = await dial(port())
    await until('the session to be there', () => proxy.sessions === 1)
    const drained = proxy.drain()
    expect((await client.rest()).toString()).toBe('-ERR [SYS/TEMP] postern is ending; try again later\r\n')
    client.destroy()
    await drained
  })
})

describe('stop', () => {
  it('breaks a message off at once and never lets it look whole', async () => {
    const large = Buffer.alloc(20_000_000, 'x'.repeat(76).concat('\r\n'))
    const server = await mailServer({ messages: [large] })
    const { port, proxy } = await proxyBefore(server.port)
    const { client } = await connectClient({ port: port(), security: 'plain', ca: bench.ca })
    await logIn(client, ACCOUNT)
    expect(await client.command('RETR 1')).toMatch(/^\+OK/)
    await proxy.stop()
    expect((await client.rest()).subarray(-5).toString('latin1')).not.toBe('\r\n.\r\n')
    await until('the server to be left', () => server.openConnections === 0)
    expect(server.received()).not.toContain('QUIT')
  })

  it('can be asked for twice and beside a drain', async () => {
    const server = await mailServer()
    const { port, proxy } = await proxyBefore(server.port)
    await connectClient({ port: port(), security: 'plain', ca: bench.ca })
    await Promise.all([proxy.drain(), proxy.stop(), proxy.stop()])
    expect(proxy.sessions).toBe(0)
  })
})

describe('reload', () => {
  it('adds and removes listeners, keeps those that stay, and leaves sessions alone', async () => {
    const server = await mailServer()
    const other = await mailServer({ greeting: 'the other server' })
    const [kept = 0, removed = 0, added = 0] = await freePorts(3)
    const listeners = (ports: readonly number[]) => ports.map((port) => listenerOf('plain', [], port))
    const running = await proxyBefore(server.port, { listen: listeners([kept, removed]) })
    const { client } = await connectClient({ port: removed, security: 'plain', ca: bench.ca })
    await logIn(client, ACCOUNT)

    await running.proxy.reload(
      bench.settings({ listen: listeners([kept, added]), upstream: 'plain', port: other.port }),
    )
    expect(running.proxy.addresses.map(({ port }) => port).sort()).toEqual([kept, added].sort())
    await expect(dial(removed)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(running.kept.of('listening-ended')).toMatchObject([{ url: `pop3://127.0.0.1:${removed}` }])
    for (const port of [kept, added]) {
      const { greeting } = await connectClient({ port, security: 'plain', ca: bench.ca })
      expect(greeting).toContain('the other server')
    }
    // The session from before is still with its server.
    expect((await client.multiLine('RETR 1')).content.toString('latin1')).toBe(STUFFED)
    expect(await client.command('QUIT')).toMatch(/^\+OK/)
  })

  it('keeps telling the port that the system chose', async () => {
    const server = await mailServer()
    const { proxy, kept, port } = await proxyBefore(server.port)
    await proxy.reload(bench.settings({ listen: ['plain'], upstream: 'plain', port: server.port }))
    await connectClient({ port: port(), security: 'plain', ca: bench.ca })
    expect(kept.of('session-opened')).toMatchObject([{ listener: `pop3://127.0.0.1:${port()}` }])
  })

  it('takes a renewed certificate for new clients', async () => {
    const server = await mailServer()
    const authority = testAuthority()
    const files = bench.writeCertificate('renewed', authority.issue({ names: ['localhost'] }))
    const listen = [listenerOf('tls', [files], (await freePorts(1))[0])]
    const { port, proxy } = await proxyBefore(server.port, { listen })
    await connectClient({ port: port(), security: 'tls', ca: authority.cert })
    const successor = testAuthority()
    bench.writeCertificate('renewed', successor.issue({ names: ['localhost'] }))
    await proxy.reload(bench.settings({ listen, upstream: 'plain', port: server.port }))
    await connectClient({ port: port(), security: 'tls', ca: successor.cert })
    await expect(connectClient({ port: port(), security: 'tls', ca: authority.cert })).rejects.toThrow()
  })

  it('refuses a bad certificate and keeps everything as it was', async () => {
    const server = await mailServer()
    const authority = testAuthority()
    const files = bench.writeCertificate('spoiled', authority.issue({ names: ['localhost'] }))
    const [first = 0, second = 0] = await freePorts(2)
    const listen = [listenerOf('tls', [files], first)]
    const { proxy } = await proxyBefore(server.port, { listen })
    writeFileSync(files.certFile, selfSigned().cert)
    const changed = [...listen, listenerOf('plain', [], second)]
    await expect(
      proxy.reload(bench.settings({ listen: changed, upstream: 'plain', port: 9 })),
    ).rejects.toBeInstanceOf(CertificateError)
    const { greeting } = await connectClient({ port: first, security: 'tls', ca: authority.cert })
    expect(greeting).toMatch(/^\+OK/)
    await expect(dial(second)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('refuses a taken port and opens none of the others', async () => {
    const server = await mailServer()
    const taken = await tcpServer(() => {})
    const [old = 0, added = 0] = await freePorts(2)
    const { proxy } = await proxyBefore(server.port, { listen: [listenerOf('plain', [], old)] })
    const listen = [old, added, taken.port].map((port) => listenerOf('plain', [], port))
    await expect(
      proxy.reload(bench.settings({ listen, upstream: 'plain', port: server.port })),
    ).rejects.toBeInstanceOf(ListenError)
    expect(proxy.addresses.map(({ port }) => port)).toEqual([old])
    await expect(dial(added)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('ends all listeners where no service is left', async () => {
    const { proxy } = await proxyBefore(9)
    await proxy.reload(settingsOf([], bench.directory.path))
    expect(proxy.addresses).toEqual([])
  })
})

describe('TLS secrets', () => {
  const format = /^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]+\n$/

  it('are told in the format of SSLKEYLOGFILE for both legs, where asked for', async () => {
    const server = await mailServer({ security: 'tls' })
    const lines: string[] = []
    const options = { listen: ['tls'], upstream: 'tls' } as const
    const { port } = await proxyBefore(server.port, options, {
      onKeyLog: (line) => lines.push(line.toString('latin1')),
    })
    await connectClient({ port: port(), security: 'tls', ca: bench.ca })
    for (const line of lines) expect(line).toMatch(format)
    const randoms = new Set(lines.map((line) => line.split(' ')[1]))
    expect(randoms.size).toBe(2)
  })
})

describe('500 sessions', () => {
  it('leave no descriptor, no session and no watcher behind', async () => {
    const server = await mailServer({ security: 'tls' })
    const feed = new Feed()
    const { kept, port, proxy } = await proxyBefore(
      server.port,
      { listen: ['plain', 'tls'], upstream: 'tls', limits: { sessionsPerAddress: 1_000 } },
      { feed },
    )
    const session = async (number: number): Promise<void> => {
      const security = number % 2 === 0 ? 'plain' : 'tls'
      const { client } = await connectClient({ port: port(number % 2), security, ca: bench.ca })
      if (number % 10 === 0) client.reset()
      else if (number % 5 === 0) client.destroy()
      else {
        await client.command('CAPA')
        await client.content()
        await client.command('QUIT')
        await client.rest()
        client.destroy()
      }
    }
    await session(1)
    await until('the first to be over', () => proxy.sessions === 0 && server.openConnections === 0)
    await sleep(50)
    const before = openDescriptors()
    // Node warns where an emitter gathers listeners.
    const warnings: string[] = []
    const warned = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', warned)
    closing.push(async () => process.off('warning', warned))
    for (let round = 0; round < 25; round += 1) {
      await Promise.all(Array.from({ length: 20 }, (_, index) => session(round * 20 + index)))
    }
    await until('all to be over', () => proxy.sessions === 0 && server.openConnections === 0)
    await until('all descriptors to be back', () => openDescriptors() <= before)
    expect(kept.of('session-closed')).toHaveLength(501)
    expect(kept.of('session-opened')).toHaveLength(501)
    expect(feed.isWatched).toBe(false)
    expect(warnings).toEqual([])
  })
})

describe('a client that asks nothing', () => {
  it('costs a session that is told and over when it leaves', async () => {
    const server = await mailServer()
    const { kept, port, proxy } = await proxyBefore(server.port)
    const socket = connect(port(), '127.0.0.1')
    const client = new Pop3Client(socket)
    await client.line()
    socket.end()
    await until('the session to be over', () => proxy.sessions === 0)
    expect(kept.of('session-closed')).toMatchObject([{ reason: 'client-left', commands: 0 }])
    expect(server.received()).toBe('')
  })
})
