import { readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { MetricsSettings, Settings } from '../../src/config/settings.js'
import { ListenError } from '../../src/proxy/listen-error.js'
import { Monitoring } from '../../src/proxy/monitoring.js'
import { memoryAuthority } from '../../src/tls/authority.js'
import { testAuthority } from '../support/certificates.js'
import { type Exposition, parseExposition } from '../support/exposition.js'
import { importsBelow } from '../support/import-table.js'
import { connectClient, dial, logIn, type Pop3Client } from '../support/pop3-client.js'
import { freePorts, until } from '../support/tools.js'
import {
  type Bench,
  keptLog,
  listenerOf,
  makeBench,
  openDescriptors,
  type RunningBench,
  startBench,
} from './bench.js'

const SOURCES = join(import.meta.dirname, '../../src')
const OFF: MetricsSettings = { type: 'none' }
const ANYWHERE: MetricsSettings = { type: 'address', host: '127.0.0.1', port: 0 }

let bench: Bench
const closing: (() => unknown)[] = []

beforeAll(() => {
  bench = makeBench()
})
afterAll(() => bench.directory.remove())
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const at = (port: number): MetricsSettings => ({ type: 'address', host: '127.0.0.1', port })

interface ScriptedServer {
  readonly port: number
  /** Sends the reply to RETR that was kept back. */
  finish(): void
}

/** A server that takes every command but keeps the rest of each message back. */
async function slowServer(): Promise<ScriptedServer> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.write('+OK ready\r\n')
    socket.on('data', (octets) => {
      for (const line of octets.toString('latin1').split('\r\n').slice(0, -1))
        socket.write(line.startsWith('RETR') ? '+OK\r\nfirst half\r\n' : '+OK\r\n')
    })
  })
  const port = await listening(server)
  closing.push(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    port,
    finish: () => {
      for (const socket of sockets) socket.write('second half\r\n.\r\n')
    },
  }
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}

/** A port that something else has. */
async function takenPort(): Promise<number> {
  const server = createServer()
  closing.push(() => new Promise((resolve) => server.close(resolve)))
  return await listening(server)
}

function settings(metrics: MetricsSettings, upstream = 9, listen = [listenerOf('plain', [])]): Settings {
  return { ...bench.settings({ listen, upstream: 'plain', port: upstream }), metrics }
}

async function start(...of: Parameters<typeof startBench>): Promise<RunningBench> {
  const running = await startBench(...of)
  closing.push(() => running.proxy.stop())
  return running
}

async function scrape({ proxy }: RunningBench): Promise<Exposition> {
  return parseExposition(await (await fetch(`${proxy.metricsUrl}/metrics`)).text())
}

/** Status and text of /readyz. */
async function readiness(url: string | null): Promise<readonly [number, string]> {
  const answer = await fetch(`${url}/readyz`)
  return [answer.status, await answer.text()]
}

async function session(running: RunningBench): Promise<Pop3Client> {
  const { client } = await connectClient({ port: running.port(), security: 'plain', ca: '' })
  return client
}

describe('metrics that are off', () => {
  it('listen nowhere and load nothing', async () => {
    const { proxy, kept } = await start(settings(OFF))
    expect(proxy.metricsUrl).toBeNull()
    expect(kept.of('metrics-served')).toEqual([])
  })

  it('are imported by nobody who does not want them', () => {
    const imports = importsBelow(SOURCES)
    const importers = (specifier: RegExp): readonly string[] =>
      imports.filter((one) => !one.isTypeOnly && specifier.test(one.specifier)).map(({ file }) => file)
    expect(importers(/^prom-client$/)).toEqual(['proxy/metrics.ts'])
    expect(importers(/^node:http$/)).toEqual(['proxy/admin.ts'])
    expect(importers(/proxy\/(metrics|admin)\.js$|^\.\/(metrics|admin)\.js$/)).toEqual([
      'proxy/monitoring.ts',
      'proxy/monitoring.ts',
    ])
    const source = readFileSync(join(SOURCES, 'proxy/monitoring.ts'), 'utf8')
    expect(source.match(/^import .*(?:metrics|admin)\.js'$/gm)).toEqual([
      "import type { Admin, AdminFacts } from './admin.js'",
      "import type { Metrics, MetricsOptions } from './metrics.js'",
    ])
  })
})

describe('the start with metrics', () => {
  it('says where they are served', async () => {
    const { proxy, kept } = await start(settings(ANYWHERE))
    expect(kept.of('metrics-served')).toMatchObject([{ url: proxy.metricsUrl }])
    expect(await readiness(proxy.metricsUrl)).toEqual([200, 'ready\n'])
  })

  it('fails on a taken port with its address and cure, and leaves nothing open', async () => {
    const taken = await takenPort()
    const [port = 0] = await freePorts(1)
    const before = openDescriptors()
    const error: unknown = await startBench(settings(at(taken), 9, [listenerOf('plain', [], port)])).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(ListenError)
    expect(error).toMatchObject({ code: 'EADDRINUSE', url: `http://127.0.0.1:${taken}` })
    await until('all descriptors to be back', () => openDescriptors() <= before)
    await expect(dial(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('serves nothing where a listener of mail cannot be opened', async () => {
    const taken = await takenPort()
    const [port = 0] = await freePorts(1)
    const starting = startBench(settings(at(port), 9, [listenerOf('plain', [], taken)]))
    await expect(starting).rejects.toMatchObject({ url: `pop3://127.0.0.1:${taken}` })
    await expect(dial(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})

describe('readiness', () => {
  it('ends with the beginning of a drain, and the listener with its end', async () => {
    const server = await slowServer()
    const { proxy, ...others } = await start(settings(ANYWHERE, server.port))
    const url = proxy.metricsUrl
    const client = await session({ proxy, ...others })
    await logIn(client, { user: 'u', password: 'p' })
    client.write('RETR 1\r\n')
    await until('half a message', () => client.waiting.includes('first half'))
    const drained = proxy.drain()
    expect(await readiness(url)).toEqual([
      503,
      'postern is ending: open sessions finish, new ones are not taken\n',
    ])
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    const during = parseExposition(await (await fetch(`${url}/metrics`)).text())
    expect(during.value('postern_sessions_open')).toBe(1)
    server.finish()
    await drained
    await expect(fetch(`${url}/readyz`)).rejects.toThrow()
    expect(proxy.metricsUrl).toBeNull()
  })

  it('says which listener shows a certificate that is not valid any more, or not yet', async () => {
    const authority = testAuthority()
    const day = 86_400_000
    const daysFromNow = (days: number): Date => new Date(Date.now() + days * day)
    const before = daysFromNow(-10)
    const ended = new Date(before.getTime() + 3 * day)
    const begins = daysFromNow(3)
    const past = authority.issue({ names: ['localhost'], notBefore: before, days: 3 })
    const future = authority.issue({ names: ['localhost'], notBefore: begins })
    const listen = [
      listenerOf('tls', [bench.writeCertificate('past', past)]),
      listenerOf('tls', [bench.writeCertificate('future', future)]),
      listenerOf('tls', bench.certificates),
    ]
    const { proxy } = await start(settings(ANYWHERE, 9, listen))
    const [status, text] = await readiness(proxy.metricsUrl)
    const date = (of: Date) => of.toISOString().slice(0, 10)
    expect(status).toBe(503)
    expect(text).toBe(
      `${proxy.addresses[0]?.url}: its certificate expired on ${date(ended)}\n${proxy.addresses[1]?.url}: its certificate is valid only from ${date(begins)} on\n`,
    )
  })

  it('is there with a local authority that is valid', async () => {
    const { proxy } = await start(settings(ANYWHERE, 9, [listenerOf('tls', [])]), {
      authority: memoryAuthority(),
    })
    expect(await readiness(proxy.metricsUrl)).toEqual([200, 'ready\n'])
  })

  it('needs an address that is listened on', async () => {
    const { proxy } = await start(settings(ANYWHERE))
    await proxy.reload({ ...settings(ANYWHERE), services: [] })
    expect(await readiness(proxy.metricsUrl)).toEqual([503, 'no address is listened on\n'])
  })
})

describe('a reload with metrics', () => {
  it('keeps a listener whose address stays, and what was counted', async () => {
    const server = await slowServer()
    const running = await start(settings(ANYWHERE, server.port))
    const { proxy, kept } = running
    const url = proxy.metricsUrl
    const client = await session(running)
    expect(await client.command('NOOP')).toBe('+OK')
    await proxy.reload(settings(ANYWHERE, server.port))
    expect(proxy.metricsUrl).toBe(url)
    expect(kept.of('metrics-served')).toHaveLength(1)
    expect(kept.of('listening-ended')).toEqual([])
    expect(await client.command('NOOP')).toBe('+OK')
    const { value, valuesOf } = await scrape(running)
    expect(value('postern_commands_total', { verb: 'NOOP' })).toBe(2)
    // The system chose the port, and both sessions came to it.
    await session(running)
    expect((await scrape(running)).valuesOf('postern_sessions_open', 'listener')).toEqual([
      proxy.addresses[0]?.url,
    ])
    expect(valuesOf('postern_sessions_open', 'listener')).toEqual([proxy.addresses[0]?.url])
  })

  it('moves to another address and goes on counting', async () => {
    const server = await slowServer()
    const running = await start(settings(ANYWHERE, server.port))
    const { proxy, kept } = running
    const old = proxy.metricsUrl
    const client = await session(running)
    await client.command('NOOP')
    const [port = 0] = await freePorts(1)
    await proxy.reload(settings(at(port), server.port))
    expect(proxy.metricsUrl).toBe(`http://127.0.0.1:${port}`)
    await expect(fetch(`${old}/healthz`)).rejects.toThrow()
    expect(kept.of('listening-ended')).toMatchObject([{ url: old }])
    await client.command('NOOP')
    expect((await scrape(running)).value('postern_commands_total', { verb: 'NOOP' })).toBe(2)
  })

  it('is refused where the new address is taken, and leaves everything as it was', async () => {
    const taken = await takenPort()
    const [added = 0] = await freePorts(1)
    const running = await start(settings(ANYWHERE))
    const { proxy } = running
    const before = [proxy.metricsUrl, proxy.addresses]
    const changed = settings(at(taken), 9, [listenerOf('plain', [], added)])
    await expect(proxy.reload(changed)).rejects.toMatchObject({ url: `http://127.0.0.1:${taken}` })
    expect([proxy.metricsUrl, proxy.addresses]).toEqual(before)
    expect((await readiness(proxy.metricsUrl))[0]).toBe(200)
    await expect(dial(added)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('that is refused for another reason opens no listener for metrics', async () => {
    const taken = await takenPort()
    const [added = 0] = await freePorts(1)
    const { proxy } = await start(settings(ANYWHERE))
    const before = proxy.metricsUrl
    const changed = settings(at(added), 9, [listenerOf('plain', [], taken)])
    await expect(proxy.reload(changed)).rejects.toBeInstanceOf(ListenError)
    expect(proxy.metricsUrl).toBe(before)
    await expect(dial(added)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('opens nothing where all was ended meanwhile', async () => {
    const proxy = {
      version: '1',
      authority: null,
      openSessions: () => new Map(),
      heldMessages: () => 0,
      unready: () => [],
      now: () => 0,
    }
    const { log, lines } = keptLog()
    const monitoring = new Monitoring(proxy, log)
    const [port = 0] = await freePorts(1)
    const prepared = await monitoring.prepare(at(port))
    monitoring.close()
    prepared.commit()
    expect(monitoring.url).toBeNull()
    await expect(dial(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(lines).toEqual([])
  })

  it('switches them on for sessions to come, and tells of all that are open', async () => {
    const server = await slowServer()
    const running = await start(settings(OFF, server.port))
    const { proxy } = running
    const early = await session(running)
    await proxy.reload(settings(ANYWHERE, server.port))
    await early.command('NOOP')
    const late = await session(running)
    await late.command('NOOP')
    const { value } = await scrape(running)
    expect(value('postern_sessions_open')).toBe(2)
    expect(value('postern_commands_total', { verb: 'NOOP' })).toBe(1)
  })

  it('switches them off, and on again with what was counted before', async () => {
    const server = await slowServer()
    const running = await start(settings(ANYWHERE, server.port))
    const { proxy } = running
    const url = proxy.metricsUrl
    const first = await session(running)
    await first.command('NOOP')
    await proxy.reload(settings(OFF, server.port))
    expect(proxy.metricsUrl).toBeNull()
    await expect(fetch(`${url}/metrics`)).rejects.toThrow()
    const uncounted = await session(running)
    await uncounted.command('NOOP')
    await proxy.reload(settings(ANYWHERE, server.port))
    expect((await scrape(running)).value('postern_commands_total', { verb: 'NOOP' })).toBe(1)
  })
})
