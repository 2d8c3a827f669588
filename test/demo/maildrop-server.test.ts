import { writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, createSecureContext } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type MaildropServer,
  type MaildropServerOptions,
  startMaildropServer,
} from '../../src/demo/maildrop-server.js'
import { sampleMessages } from '../../src/demo/messages.js'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'
import { testAuthority } from '../support/certificates.js'
import { type ClientSecurity, connectClient, logIn } from '../support/pop3-client.js'
import { realThing } from '../support/real.js'
import { run, temporaryDirectory, until, within } from '../support/tools.js'

const authority = testAuthority()
const leaf = authority.issue({ names: ['localhost', '127.0.0.1'] })
const ACCOUNT = { user: 'demo', password: 'demo' }
const MESSAGES = [Buffer.from('A: b\r\n\r\n.\r\n..\r\nend\r\n'), Buffer.from('C: d\r\n\r\nno end')]

let servers: MaildropServer[] = []
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()))
  servers = []
})

async function start(options: Partial<MaildropServerOptions> = {}): Promise<MaildropServer> {
  const server = await startMaildropServer({
    security: 'plain',
    tls: { key: leaf.key, cert: leaf.chain },
    users: new Map([[ACCOUNT.user, ACCOUNT.password]]),
    messages: MESSAGES,
    ...options,
  })
  servers.push(server)
  return server
}

async function connect(server: MaildropServer, security: ClientSecurity) {
  return (await connectClient({ port: server.port, security, ca: authority.cert })).client
}

describe('a maildrop server', () => {
  it.each(['plain', 'stls', 'tls'] as const)('gives the exact octets to a client by %s', async (security) => {
    const messages = sampleMessages().map(({ octets }) => octets)
    const server = await start({ security, messages })
    const client = await connect(server, security)
    await logIn(client, ACCOUNT)
    for (const [index, octets] of messages.entries()) {
      const { status, content } = await client.multiLine(`RETR ${index + 1}`)
      expect(status).toBe(`+OK ${octets.length} octets`)
      const stuffed = octets.toString('latin1').replaceAll(/^\./gm, '..')
      expect(content.equals(Buffer.from(`${stuffed}.\r\n`, 'latin1'))).toBe(true)
    }
    expect(await client.command('QUIT')).toMatch(/^\+OK/)
    expect(await client.rest()).toHaveLength(0)
  })

  it('says which messages it had to complete', async () => {
    const server = await start()
    expect(server.completedMessages).toEqual([2])
    expect(server.messagesOf('demo')[1]?.toString()).toBe('C: d\r\n\r\nno end\r\n')
    expect(() => server.messagesOf('nobody')).toThrow('no user "nobody"')
  })

  it('removes by QUIT, and nothing when a client vanishes or resets', async () => {
    const server = await start()
    for (const leave of ['destroy', 'reset'] as const) {
      const client = await connect(server, 'plain')
      await logIn(client, ACCOUNT)
      await client.command('DELE 1')
      client[leave]()
      await until('the lock to be released', () => !server.isLocked('demo'))
      expect(server.messagesOf('demo')).toHaveLength(2)
    }
    const client = await connect(server, 'tls').catch(() => null)
    expect(client).toBeNull()
    const last = await connect(server, 'stls')
    await logIn(last, ACCOUNT)
    await last.command('DELE 1')
    await last.command('QUIT')
    expect(server.messagesOf('demo')).toHaveLength(1)
    expect(server.acceptedConnections).toBe(4)
  })

  it('never sees a command that came in clear behind STLS', async () => {
    const server = await start()
    const client = await connect(server, 'plain')
    client.write('STLS\r\nUSER demo\r\n')
    expect(await client.line()).toBe('+OK begin TLS negotiation')
    await client.startTls(authority.cert)
    expect(await client.command('PASS demo')).toBe('-ERR USER comes before PASS')
    expect(server.discardedOctets).toBe('USER demo\r\n'.length)
  })

  it('takes no login in clear where STLS must come first', async () => {
    const server = await start({ security: 'stls' })
    const client = await connect(server, 'plain')
    expect(await client.command('USER demo')).toMatch(/^-ERR no login without TLS/)
    await logIn(await connect(server, 'stls'), ACCOUNT)
  })

  it('lacks what it is told to lack', async () => {
    const server = await start({ stls: false, capa: false, apop: false })
    const { client, greeting } = await connectClient({ port: server.port, security: 'plain', ca: '' })
    expect(greeting).toBe('+OK postern demo maildrop ready')
    expect(await client.command('CAPA')).toMatch(/^-ERR/)
    expect(await client.command('STLS')).toMatch(/^-ERR/)
  })

  it('greets every client with another timestamp', async () => {
    const server = await start()
    const greetings = new Set<string>()
    for (let count = 0; count < 3; count += 1) {
      greetings.add((await connectClient({ port: server.port, security: 'plain', ca: '' })).greeting)
    }
    expect(greetings.size).toBe(3)
    for (const greeting of greetings) expect(greeting).toMatch(/ <[^<> ]+@[^<> ]+>$/)
  })

  it('agrees on ALPN pop3 and resumes TLS sessions', async () => {
    const server = await start({ security: 'tls' })
    const visit = (session: Buffer | undefined) =>
      within(
        'a TLS visit',
        new Promise<{ protocol: string | false | null; reused: boolean; session: Buffer }>(
          (resolve, reject) => {
            const socket = connectTls({
              port: server.port,
              host: '127.0.0.1',
              servername: 'localhost',
              ca: authority.cert,
              ALPNProtocols: ['pop3'],
              ...(session === undefined ? {} : { session }),
            })
            let ticket: Buffer | undefined
            socket.on('session', (fresh: Buffer) => {
              ticket = fresh
            })
            socket.on('error', reject)
            socket.once('data', () => {
              const reused = socket.isSessionReused()
              const protocol = socket.alpnProtocol
              socket.end('QUIT\r\n')
              socket
                .resume()
                .once('close', () => resolve({ protocol, reused, session: ticket ?? Buffer.alloc(0) }))
            })
          },
        ),
      )
    const first = await visit(undefined)
    expect(first).toMatchObject({ protocol: 'pop3', reused: false })
    expect((await visit(first.session)).reused).toBe(true)
  })

  it('takes a ready secure context', async () => {
    const secureContext = createSecureContext({ key: leaf.key, cert: leaf.chain })
    await logIn(await connect(await start({ security: 'tls', tls: { secureContext } }), 'tls'), ACCOUNT)
  })

  it('refuses to be a POP3S server without a certificate', async () => {
    await expect(start({ security: 'tls', tls: null })).rejects.toThrow('`tls` is missing')
  })

  it('answers all that was sent before a client closed its side', async () => {
    const server = await start()
    const socket = createConnection({ port: server.port, host: '127.0.0.1' })
    socket.end('USER demo\r\nPASS demo\r\nDELE 1\r\nSTAT\r\n')
    const received: Buffer[] = []
    socket.on('data', (octets: Buffer) => received.push(octets))
    await within('the end', new Promise((resolve) => socket.once('close', resolve)))
    expect(Buffer.concat(received).toString()).toMatch(/\+OK 1 16\r\n$/)
    expect(server.messagesOf('demo')).toHaveLength(2)
  })

  it('waits before each reply where it is told to', async () => {
    const server = await start({ replyDelayMs: 40 })
    const client = await connect(server, 'plain')
    const began = performance.now()
    client.write('USER demo\r\nPASS demo\r\nSTAT\r\n')
    for (let line = 0; line < 3; line += 1) expect(await client.line()).toMatch(/^\+OK/)
    // Three times 40 ms, less what timers round away; a slow machine takes longer, and none takes less.
    expect(performance.now() - began).toBeGreaterThan(110)
  })

  it('loses what is pipelined where it announces no pipelining', async () => {
    const server = await start({ pipelining: false })
    const client = await connect(server, 'plain')
    client.write('USER demo\r\nPASS demo\r\n')
    expect(await client.line()).toMatch(/^\+OK/)
    expect(await client.command('NOOP')).toMatch(/^-ERR NOOP is not for the AUTHORIZATION/)
    expect(server.discardedOctets).toBe('PASS demo\r\n'.length)
  })

  it('shows the octets it received, within TLS too', async () => {
    const received: string[] = []
    const server = await start({
      onReceived: (octets, sessionNumber) => received.push(`${sessionNumber}: ${octets.toString()}`),
    })
    const client = await connect(server, 'stls')
    await client.command('NOOP')
    expect(received).toEqual(['1: STLS\r\n', '1: NOOP\r\n'])
  })
})

describe('deadlines', () => {
  it('logs out without UPDATE and without a word', async () => {
    const server = await start({ autologoutMs: 60 })
    const client = await connect(server, 'plain')
    await logIn(client, ACCOUNT)
    await client.command('DELE 1')
    expect(await client.rest(5_000)).toHaveLength(0)
    await until('the lock to be released', () => !server.isLocked('demo'))
    expect(server.messagesOf('demo')).toHaveLength(2)
    await until('the connection to be forgotten', () => server.openConnections === 0)
  })

  it('ends a login that takes too long, however busy the client is, and leaves the logged-in alone', async () => {
    const server = await start({ limits: { ...DEFAULT_LIMITS, loginMs: 150 } })
    const stays = await connect(server, 'plain')
    await logIn(stays, ACCOUNT)
    const client = await connect(server, 'plain')
    const timer = setInterval(() => client.write('X'), 20)
    expect(await client.rest(5_000)).toHaveLength(0)
    clearInterval(timer)
    expect(await stays.command('NOOP')).toBe('+OK')
  })

  it('ends a TLS handshake that never comes', async () => {
    const server = await start({ security: 'tls', limits: { ...DEFAULT_LIMITS, handshakeMs: 60 } })
    const socket = createConnection({ port: server.port, host: '127.0.0.1' }).resume()
    await within('the end', new Promise((resolve) => socket.once('close', resolve)), 5_000)
    await until('the connection to be forgotten', () => server.openConnections === 0)
  })

  it('reads no further than a client takes', async () => {
    const [large] = sampleMessages()
      .map(({ octets }) => octets)
      .sort((one, other) => other.length - one.length)
    let received = 0
    const server = await start({
      messages: [large ?? Buffer.alloc(0)],
      onReceived: (octets) => {
        received += octets.length
      },
    })
    const socket = createConnection({ port: server.port, host: '127.0.0.1' })
    // 400 commands for 800 MB that nobody reads; more commands than fit into one read.
    socket.write(`USER demo\r\nPASS demo\r\n${'RETR 1\r\n'.repeat(400)}`)
    await until('the login', () => server.isLocked('demo'))
    socket.write('NOOP\r\n'.repeat(100_000))
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(received).toBeLessThan(200_000)
    socket.destroy()
  })
})

describe('real clients', () => {
  it.skipIf(!realThing('curl'))('curl fetches by all three ways', async () => {
    const directory = temporaryDirectory('demo-test')
    try {
      const ca = join(directory.path, 'ca.pem')
      writeFileSync(ca, authority.cert)
      const plain = await start()
      const tls = await start({ security: 'tls' })
      const fetches = [
        [`pop3://127.0.0.1:${plain.port}/1`],
        ['--ssl-reqd', '--cacert', ca, `pop3://localhost:${plain.port}/1`],
        ['--cacert', ca, `pop3s://localhost:${tls.port}/1`],
      ]
      for (const fetch of fetches) {
        const { status, stdout } = await run('curl', ['-sS', '-u', 'demo:demo', ...fetch])
        expect(status).toBe(0)
        expect(stdout.equals(MESSAGES[0] ?? Buffer.alloc(0))).toBe(true)
      }
      const refused = await run('curl', ['-s', '-u', 'demo:wrong', `pop3://127.0.0.1:${plain.port}/1`])
      // 67: login denied.
      expect(refused.status).toBe(67)
    } finally {
      directory.remove()
    }
  })

  it.skipIf(!realThing('openssl'))('openssl s_client upgrades and fetches', async () => {
    const server = await start()
    const { stdout } = await run(
      'openssl',
      ['s_client', '-quiet', '-crlf', '-starttls', 'pop3', '-connect', `127.0.0.1:${server.port}`],
      { input: 'USER demo\nPASS demo\nRETR 1\nQUIT\n' },
    )
    expect(stdout.toString()).toContain('+OK 20 octets\r\nA: b\r\n\r\n..\r\n...\r\nend\r\n.\r\n+OK good-bye')
  })
})
