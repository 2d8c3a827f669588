import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Socket } from 'node:net'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import {
  NOTIFIER_LIMITS,
  type Notification,
  Notifier,
  type NotifierLimits,
} from '../../src/proxy/notifier.js'
import { freePorts, until } from '../support/tools.js'
import { type KeptLog, keptLog } from './bench.js'

interface Heard {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

interface Hook {
  readonly url: string
  readonly heard: Heard[]
  /** Requests that were answered at no time. */
  open(): number
  /** The most that were open at one time. */
  mostAtOnce(): number
}

type Answer = (response: ServerResponse, number: number) => void

const cleanUps: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp()
})

/** A webhook on loopback. */
async function hook(answer: Answer): Promise<Hook> {
  const heard: Heard[] = []
  let open = 0
  let most = 0
  const server = createServer((request, response) => {
    open += 1
    most = Math.max(most, open)
    response.on('close', () => {
      open -= 1
    })
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    request.on('end', () => {
      heard.push({
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body,
      })
      answer(response, heard.length)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  cleanUps.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${address.port}/hook`,
    heard,
    open: () => open,
    mostAtOnce: () => most,
  }
}

const ok: Answer = (response) => void response.writeHead(204).end()
const silence: Answer = () => {}

function status(code: number, headers: Record<string, string> = {}): Answer {
  return (response) => void response.writeHead(code, headers).end('some words')
}

function notifier(limits: Partial<NotifierLimits> = {}): {
  readonly notifier: Notifier
  readonly kept: KeptLog
} {
  const kept = keptLog()
  const made = new Notifier(kept.log, { ...NOTIFIER_LIMITS, retryAfterMs: [1, 1], ...limits })
  cleanUps.push(() => made.close())
  return { notifier: made, kept }
}

function news(url: string, more: Partial<Notification> = {}): Notification {
  return {
    url,
    rule: 'virus',
    reason: 'Eicar-Signature',
    service: 'default',
    session: 's1',
    client: '127.0.0.1:4711',
    user: 'bob',
    uniqueId: 'uid-1',
    from: 'Eve <eve@example.org>',
    subject: 'invoice',
    size: 1_234,
    at: Date.UTC(2026, 9, 1),
    ...more,
  }
}

describe('a webhook', () => {
  it('gets JSON that says what was found', async () => {
    const { url, heard } = await hook(ok)
    const { notifier: to, kept } = notifier()
    to.notify(news(url, { uniqueId: null }))
    await until('the notification to be delivered', () => to.counts.delivered === 1)
    expect(heard).toHaveLength(1)
    expect(heard[0]).toMatchObject({ method: 'POST', path: '/hook' })
    expect(heard[0]?.headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'postern' })
    expect(JSON.parse(heard[0]?.body ?? '')).toEqual({
      postern: 'notification',
      version: 1,
      at: '2026-10-01T00:00:00.000Z',
      rule: 'virus',
      reason: 'Eicar-Signature',
      service: 'default',
      session: 's1',
      client: '127.0.0.1:4711',
      user: 'bob',
      uniqueId: null,
      from: 'Eve <eve@example.org>',
      subject: 'invoice',
      size: 1_234,
    })
    expect(to.counts).toEqual({ delivered: 1, failed: 0, dropped: 0, waiting: 0 })
    expect(kept.lines).toEqual([])
  })

  it('gets texts of bounded length without control characters, whatever mail says', async () => {
    const { url, heard } = await hook(ok)
    const { notifier: to } = notifier()
    let told = 0
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 2_000 }), fc.double(), async (text, at) => {
        to.notify(news(url, { subject: text, from: text, rule: text, at }))
        told += 1
        await until('the notification to be delivered', () => to.counts.delivered === told)
        const { subject } = JSON.parse(heard.at(-1)?.body ?? '')
        expect(subject).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u)
        expect([...subject].length).toBeLessThan(500 * 8 + 20)
      }),
      { numRuns: 40 },
    )
  })

  it('is logged in to where its URL says so, and its URL is never logged', async () => {
    const { url, heard } = await hook(status(403))
    const { notifier: to, kept } = notifier()
    to.notify(news(url.replace('http://', 'http://b%C3%B6b:pa%3Ass@').concat('/secret-token')))
    await until('the notification to be refused', () => to.counts.failed === 1)
    expect(heard[0]?.headers.authorization).toBe(`Basic ${Buffer.from('böb:pa:ss').toString('base64')}`)
    expect(kept.of('notification-failed')).toMatchObject([
      { rule: 'virus', host: new URL(url).host, text: 'answered with status 403' },
    ])
    expect(kept.text()).not.toMatch(/secret-token|pa%3Ass|pa:ss/)
  })

  it('is asked again after a failure that may pass, and given up after the third time', async () => {
    const { url, heard } = await hook((response, number) => status(number < 3 ? 500 : 200)(response, number))
    const { notifier: to, kept } = notifier()
    to.notify(news(url))
    await until('the notification to be delivered', () => to.counts.delivered === 1)
    expect(heard).toHaveLength(3)
    expect(kept.lines).toEqual([])
    for (const code of [500, 503, 429, 408]) {
      const dead = await hook(status(code))
      const failed = to.counts.failed
      to.notify(news(dead.url))
      await until('it to be given up', () => to.counts.failed === failed + 1)
      expect(dead.heard).toHaveLength(3)
    }
    expect(kept.of('notification-failed')).toHaveLength(4)
  })

  it('is not asked again where the answer is no', async () => {
    for (const code of [400, 401, 404, 410, 413]) {
      const { url, heard } = await hook(status(code))
      const { notifier: to } = notifier()
      to.notify(news(url))
      await until('it to be given up', () => to.counts.failed === 1)
      expect(heard).toHaveLength(1)
    }
  })

  it('sends nobody to another place', async () => {
    const other = await hook(ok)
    for (const code of [301, 302, 303, 307, 308]) {
      const { url, heard } = await hook(status(code, { location: other.url }))
      const { notifier: to, kept } = notifier()
      to.notify(news(url))
      await until('it to be given up', () => to.counts.failed === 1)
      expect(heard).toHaveLength(1)
      expect(kept.of('notification-failed')[0]?.text).toContain('redirect')
    }
    expect(other.heard).toEqual([])
  })

  it('is given up where it does not answer in time, hangs up, or is not there', async () => {
    const slow = await hook(silence)
    const { notifier: to, kept } = notifier({ timeoutMs: 50 })
    to.notify(news(slow.url))
    await until('the slow one to be given up', () => to.counts.failed === 1)
    expect(slow.heard).toHaveLength(3)
    expect(kept.lines.at(-1)).toMatchObject({ text: 'no answer within 50 ms' })
    await until('its connections to be closed', () => slow.open() === 0)

    const rude = createTcpServer((socket: Socket) => void socket.on('error', () => {}).destroy())
    rude.listen(0, '127.0.0.1')
    await once(rude, 'listening')
    cleanUps.push(() => void rude.close())
    const address = rude.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    to.notify(news(`http://127.0.0.1:${port}/`))
    await until('the rude one to be given up', () => to.counts.failed === 2)

    const [gone] = await freePorts(1)
    to.notify(news(`http://127.0.0.1:${gone}/`))
    await until('the absent one to be given up', () => to.counts.failed === 3)
    expect(kept.lines.at(-1)).toMatchObject({
      host: `127.0.0.1:${gone}`,
      text: expect.stringContaining('ECONNREFUSED'),
    })
  })

  it('cannot hold anybody up by an answer without end', async () => {
    const endless = await hook((response) => {
      response.writeHead(200)
      const more = (): void => {
        if (response.destroyed) return
        response.write('x'.repeat(65_536))
        setImmediate(more)
      }
      more()
    })
    const { notifier: to } = notifier()
    to.notify(news(endless.url))
    await until('it to be delivered', () => to.counts.delivered === 1)
    await until('its connection to be closed', () => endless.open() === 0)
  })

  it('that has no URL is counted and told, and nothing is thrown', () => {
    const { notifier: to, kept } = notifier()
    for (const url of ['', 'nonsense', 'file:///etc/passwd', 'ftp://x/', 'http://']) to.notify(news(url))
    expect(to.counts).toMatchObject({ failed: 5, waiting: 0 })
    expect(kept.of('notification-failed')).toHaveLength(5)
  })
})

describe('the queue of webhooks', () => {
  it('serves a host one at a time and in order, and others meanwhile', async () => {
    const slow = await hook((response) => setTimeout(() => response.writeHead(200).end(), 20))
    const stuck = await hook(silence)
    const { notifier: to } = notifier()
    to.notify(news(stuck.url))
    for (let number = 0; number < 10; number += 1) to.notify(news(slow.url, { session: `s${number}` }))
    await until('all to be delivered', () => to.counts.delivered === 10)
    expect(slow.mostAtOnce()).toBe(1)
    expect(slow.heard.map(({ body }) => JSON.parse(body).session)).toEqual(
      Array.from({ length: 10 }, (_, number) => `s${number}`),
    )
    expect(to.counts).toEqual({ delivered: 10, failed: 0, dropped: 0, waiting: 1 })
  })

  it('takes as many for one host as it may and not one more, and says once that it drops', async () => {
    const stuck = await hook(silence)
    const fine = await hook(ok)
    const { notifier: to, kept } = notifier({ waitingForHost: 3 })
    for (let number = 0; number < 3; number += 1) to.notify(news(stuck.url))
    expect(to.counts).toMatchObject({ waiting: 3, dropped: 0 })
    for (let number = 0; number < 5; number += 1) to.notify(news(stuck.url))
    expect(to.counts).toMatchObject({ waiting: 3, dropped: 5 })
    expect(kept.of('notifications-dropped')).toHaveLength(1)
    to.notify(news(fine.url))
    await until('the other host to be told', () => to.counts.delivered === 1)
  })

  it('takes as many in all as it may and not one more', async () => {
    const hooks = await Promise.all([hook(silence), hook(silence), hook(ok)])
    const { notifier: to } = notifier({ waiting: 2 })
    for (const { url } of hooks) to.notify(news(url))
    expect(to.counts).toMatchObject({ waiting: 2, dropped: 1 })
    expect(hooks[2]?.heard).toEqual([])
  })

  it('says again that it drops after all that waited was told', async () => {
    const { url } = await hook(ok)
    const { notifier: to, kept } = notifier({ waitingForHost: 1 })
    for (const delivered of [1, 2]) {
      to.notify(news(url))
      to.notify(news(url))
      await until('the first one to be delivered', () => to.counts.waiting === 0)
      expect(to.counts).toMatchObject({ delivered, dropped: delivered })
      await until('the queue to be gone', () => kept.of('notifications-dropped').length === delivered)
    }
  })

  it('ends at once: what is under way is broken off, also in a pause, and nothing is taken any more', async () => {
    const stuck = await hook(silence)
    const failing = await hook(status(500))
    const { notifier: to, kept } = notifier({ retryAfterMs: [600_000] })
    to.notify(news(stuck.url))
    to.notify(news(stuck.url))
    to.notify(news(failing.url))
    await until('both hosts to be asked', () => stuck.heard.length === 1 && failing.heard.length === 1)
    to.close()
    to.close()
    await until('the connection to be broken off', () => stuck.open() === 0)
    to.notify(news(failing.url))
    expect(kept.of('notifications-left')).toMatchObject([{ count: 3 }])
    expect(kept.of('notification-failed')).toEqual([])
    expect(to.counts).toEqual({ delivered: 0, failed: 0, dropped: 4, waiting: 0 })
    expect(failing.heard).toHaveLength(1)
  })
})
