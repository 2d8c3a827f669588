import { connect, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import {
  ADMIN_LIMITS,
  type Admin,
  type AdminFacts,
  type AdminLimits,
  openAdmin,
} from '../../src/proxy/admin.js'
import { ListenError } from '../../src/proxy/listen-error.js'
import { until, within } from '../support/tools.js'
import { type KeptLog, keptLog } from './bench.js'

const HAS_IPV6 = Object.values(networkInterfaces()).some((each) =>
  each?.some(({ address }) => address === '::1'),
)
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0).reverse()) close()
})

interface Opened {
  readonly admin: Admin
  readonly kept: KeptLog
  /** Times that figures were made. */
  readonly made: () => number
}

async function open(
  facts: Partial<AdminFacts> = {},
  limits: Partial<AdminLimits> = {},
  port = 0,
  host = '127.0.0.1',
): Promise<Opened> {
  const kept = keptLog()
  let made = 0
  const { metrics = () => Promise.resolve('a 1\n'), ...others } = facts
  const counted = (): Promise<string> => {
    made += 1
    return metrics()
  }
  const all = { contentType: 'text/x-figures', unready: () => [], now: () => 0, ...others, metrics: counted }
  const admin = await openAdmin({ type: 'address', host, port }, all, kept.log, {
    ...ADMIN_LIMITS,
    ...limits,
  })
  closing.push(() => admin.close())
  return { admin, kept, made: () => made }
}

interface Raw {
  readonly socket: Socket
  got(): string
  readonly ended: Promise<void>
}

function raw({ admin }: Opened): Raw {
  const socket = connect(Number(new URL(admin.url).port), '127.0.0.1')
  closing.push(() => socket.destroy())
  let got = ''
  socket.on('data', (octets) => {
    got += octets.toString('latin1')
  })
  socket.on('error', () => {})
  return { socket, got: () => got, ended: new Promise((done) => socket.once('close', () => done())) }
}

/** Sends octets as they are and gives all that comes back. */
async function exchange(opened: Opened, octets: string): Promise<string> {
  const { socket, got, ended } = raw(opened)
  socket.write(octets, 'latin1')
  await within('the end of the connection', ended)
  return got()
}

const request = (method: string, path: string, headers = ''): string =>
  `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`

describe('the admin listener', () => {
  it('serves figures, with their media type and nothing to keep', async () => {
    const opened = await open()
    const answer = await fetch(`${opened.admin.url}/metrics?name[]=a`)
    expect([answer.status, await answer.text()]).toEqual([200, 'a 1\n'])
    expect(answer.headers.get('content-type')).toBe('text/x-figures')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('connection')).toBe('close')
  })

  it('says that it is alive, whatever else is wrong', async () => {
    const { admin } = await open({ unready: () => ['no'], metrics: () => Promise.reject(new Error('no')) })
    const answer = await fetch(`${admin.url}/healthz`)
    expect([answer.status, await answer.text()]).toEqual([200, 'ok\n'])
  })

  it('says whether it is ready, and why not in words', async () => {
    let problems: readonly string[] = []
    const { admin } = await open({ unready: () => problems })
    const ready = await fetch(`${admin.url}/readyz`)
    expect([ready.status, await ready.text()]).toEqual([200, 'ready\n'])
    problems = ['one thing', 'another']
    const unready = await fetch(`${admin.url}/readyz`)
    expect([unready.status, await unready.text()]).toEqual([503, 'one thing\nanother\n'])
  })

  it.each([
    '/',
    '/metrics/',
    '/Metrics',
    '//metrics',
    '/healthz/../metrics',
    '/%6detrics',
    '*',
    'http://x/metrics',
  ])('has nothing at %s', async (path) => {
    const got = await exchange(await open(), request('GET', path))
    expect(got).toMatch(/^HTTP\/1\.1 (404 Not Found|400 Bad Request)\r\n/)
    expect(got).not.toContain('a 1')
  })

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'CONNECT'])(
    'refuses %s and names what it takes',
    async (method) => {
      const got = await exchange(await open(), request(method, method === 'CONNECT' ? 'x:80' : '/metrics'))
      expect(got).toMatch(/^HTTP\/1\.1 405 Method Not Allowed\r\n/)
      expect(got).toMatch(/^allow: GET, HEAD\r$/im)
    },
  )

  it('answers HEAD like GET, without the content', async () => {
    const opened = await open()
    const headers = (got: string): string => got.split('\r\n\r\n')[0]?.replace(/^Date: .*$/m, '') ?? ''
    for (const path of ['/metrics', '/healthz', '/readyz', '/x']) {
      const got = await exchange(opened, request('GET', path))
      const head = await exchange(opened, request('HEAD', path))
      expect(headers(head)).toBe(headers(got))
      expect(head.endsWith('\r\n\r\n')).toBe(true)
      expect(got.endsWith('\r\n\r\n')).toBe(false)
    }
  })

  it('makes one text for all who ask within a moment, and another one afterwards', async () => {
    let now = 1_000
    const opened = await open({ now: () => now }, { sharedMs: 250 })
    await Promise.all([1, 2, 3].map(() => fetch(`${opened.admin.url}/metrics`)))
    now += 249
    await fetch(`${opened.admin.url}/metrics`)
    expect(opened.made()).toBe(1)
    now += 1
    await fetch(`${opened.admin.url}/metrics`)
    expect(opened.made()).toBe(2)
  })

  it('says that figures cannot be told, keeps the reason to the log, and goes on', async () => {
    let now = 0
    let problem: Error | null = new Error('out of order')
    const metrics = () => (problem === null ? Promise.resolve('b 2\n') : Promise.reject(problem))
    const { admin, kept } = await open({ metrics, now: () => now })
    const broken = await fetch(`${admin.url}/metrics`)
    expect(broken.status).toBe(500)
    expect(await broken.text()).not.toContain('out of order')
    expect(kept.of('listener-failed')).toMatchObject([{ url: admin.url, text: 'out of order' }])
    problem = null
    now += ADMIN_LIMITS.sharedMs
    expect(await (await fetch(`${admin.url}/metrics`)).text()).toBe('b 2\n')
  })

  it('does the same where readiness cannot be told', async () => {
    const unready = () => {
      throw new Error('a bug')
    }
    const { admin, kept } = await open({ unready })
    expect((await fetch(`${admin.url}/readyz`)).status).toBe(500)
    expect(kept.of('listener-failed')).toMatchObject([{ text: 'a bug' }])
    expect((await fetch(`${admin.url}/healthz`)).status).toBe(200)
  })

  it.skipIf(!HAS_IPV6)('listens on IPv6 loopback too', async () => {
    const { admin } = await open({}, {}, 0, '::1')
    expect(admin.url).toMatch(/^http:\/\/\[::1\]:\d+$/)
    expect((await fetch(`${admin.url}/healthz`)).status).toBe(200)
  })

  it('says of a taken port what other listeners say, with its own option', async () => {
    const { admin } = await open()
    const port = Number(new URL(admin.url).port)
    const error: unknown = await open({}, {}, port).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ListenError)
    expect(error).toMatchObject({ url: admin.url, code: 'EADDRINUSE' })
    expect(error).toMatchObject({
      message: `cannot listen on ${admin.url}: another program listens there (EADDRINUSE)`,
      cure: 'end that program (`ss -ltnp` names it) or choose another port with --metrics',
    })
  })

  it('ends all connections when it is closed, and takes no more', async () => {
    const opened = await open()
    const idle = raw(opened)
    idle.socket.write('GET /metr')
    await until('a connection', () => idle.socket.readyState === 'open')
    opened.admin.close()
    await within('the end of the connection', idle.ended)
    await expect(fetch(`${opened.admin.url}/healthz`)).rejects.toThrow()
  })
})

describe('whoever asks in bad faith', () => {
  it('sends no larger headers than are needed', async () => {
    const opened = await open({}, { headerOctets: 2_000 })
    expect(await exchange(opened, request('GET', '/healthz', `X: ${'x'.repeat(1_500)}\r\n`))).toContain(
      ' 200 OK',
    )
    for (const octets of [
      request('GET', '/healthz', `X: ${'x'.repeat(2_500)}\r\n`),
      // Node counts names and values.
      request('GET', '/healthz', 'X: y\r\n'.repeat(1_500)),
      request('GET', `/${'x'.repeat(2_500)}`),
    ])
      expect(await exchange(opened, octets)).toMatch(/^HTTP\/1\.1 431 /)
    expect(opened.made()).toBe(0)
  })

  it('does not keep a place by a request that never ends', async () => {
    const opened = await open({}, { requestMs: 60, checkMs: 20, connections: 1 })
    for (const beginning of ['', 'GET /metr', 'GET /metrics HTTP/1.1\r\nX: ']) {
      const slow = raw(opened)
      slow.socket.write(beginning)
      await within('the end of the slow connection', slow.ended)
    }
    expect(await exchange(opened, request('GET', '/healthz'))).toContain(' 200 OK')
  })

  it('does not keep a place by sending a little now and then', async () => {
    const opened = await open({}, { requestMs: 80, checkMs: 20 })
    const { socket, ended } = raw(opened)
    socket.write('GET /metrics HTTP/1.1\r\n')
    const dripping = setInterval(() => socket.write('X: y\r\n'), 10)
    closing.push(() => clearInterval(dripping))
    await within('the end of the slow connection', ended)
  })

  it('does not keep a place by reading nothing of a long answer', async () => {
    const long = `${'# '.padEnd(1_000, 'x')}\n`.repeat(20_000)
    const opened = await open({ metrics: () => Promise.resolve(long) }, { connectionMs: 150, connections: 1 })
    const { socket } = raw(opened)
    socket.pause()
    socket.write(request('GET', '/metrics'))
    await until('its request to be taken', () => opened.made() === 1)
    await until('its place to be free', async () => {
      const answer = await fetch(`${opened.admin.url}/healthz`).catch(() => null)
      return answer?.status === 200
    })
  })

  it('has so many connections at a time and no more, until one ends', async () => {
    const opened = await open({}, { connections: 3 })
    const places = [1, 2, 3].map(() => raw(opened))
    for (const { socket } of places) socket.write('G')
    await until('all to be connected', () => places.every(({ socket }) => socket.readyState === 'open'))
    // The last place is taken, since connections are accepted in their order.
    expect(await exchange(opened, request('GET', '/healthz'))).toBe('')
    places[0]?.socket.destroy()
    await until('a place', async () => {
      const answer = await fetch(`${opened.admin.url}/healthz`).catch(() => null)
      return answer?.status === 200
    })
    for (const { socket } of places.slice(1)) expect(socket.readyState).toBe('open')
  })

  it('gets one answer a connection, whatever it sends behind the request', async () => {
    let now = 0
    const opened = await open({ now: () => (now += 1_000) })
    const got = await exchange(opened, request('GET', '/metrics').repeat(2_000))
    expect(got.split('HTTP/1.1 200 OK')).toHaveLength(2)
    expect(opened.made()).toBe(1)
    expect(now).toBe(1_000)
  })

  it.each([
    ['octets of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['POP3', 'USER bob\r\nPASS secret\r\n'],
    ['no host', 'GET /metrics HTTP/1.1\r\n\r\n'],
    ['two lengths', request('GET', '/metrics', 'Content-Length: 1\r\nContent-Length: 2\r\n')],
    [
      'a length and chunks',
      request('POST', '/metrics', 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n'),
    ],
    ['NUL', request('GET', '/metrics', 'X: \0\r\n')],
    ['nothing but line ends', '\r\n'.repeat(10_000)],
    ['a request and garbage', `${request('GET', '/x')}\x00\xff${'garbage'.repeat(10_000)}`],
  ])('is told so or left without an answer, and others are served: %s', async (_, octets) => {
    const opened = await open({}, { requestMs: 100, checkMs: 20 })
    const got = await exchange(opened, octets)
    expect(got).not.toContain('200 OK')
    expect(got).not.toContain('secret')
    expect((await fetch(`${opened.admin.url}/healthz`)).status).toBe(200)
    expect(opened.kept.lines).toEqual([])
  })

  it('is answered before it has sent all of a body that nobody wants', async () => {
    const opened = await open()
    const got = await exchange(
      opened,
      request('POST', '/metrics', 'Content-Length: 100000000\r\n') + 'x'.repeat(100),
    )
    expect(got).toMatch(/^HTTP\/1\.1 405 /)
  })

  it('finds bounds on everything', () => {
    for (const [name, amount] of Object.entries(ADMIN_LIMITS)) expect(amount, name).toBeGreaterThan(0)
    expect(ADMIN_LIMITS.connectionMs).toBeGreaterThan(ADMIN_LIMITS.requestMs)
  })
})
