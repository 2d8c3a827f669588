import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { VERSION } from '../../src/cli/version.js'
import { parseExposition } from '../support/exposition.js'
import { dial } from '../support/pop3-client.js'
import { type Postern, startConfiguredPostern, startPostern } from '../support/postern-process.js'
import { freePorts, run, type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'

const MAIN = new URL('../../dist/main.js', import.meta.url).pathname
const UPSTREAM = 'pop3://127.0.0.1:9'

let directory: TemporaryDirectory
let running: Postern | null = null
const closing: (() => unknown)[] = []

beforeEach(() => {
  if (!existsSync(MAIN)) throw new Error('dist/main.js is missing: run "npm run build" first')
  directory = temporaryDirectory('metrics')
})
afterEach(async () => {
  await running?.stop()
  running = null
  for (const close of closing.splice(0)) await close()
  directory.remove()
})

async function takenPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => new Promise((resolve) => server.close(resolve)))
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}

/** Where the last listener for metrics is, by the log. */
function servedAt(postern: Postern): string {
  return String(postern.events().findLast(({ event }) => event === 'metrics-served')?.url ?? '')
}

/** Runs a command of postern to its end, away from any configuration. */
async function postern(...args: readonly string[]): Promise<{ status: number | null; printed: string }> {
  const env = { HOME: directory.path, XDG_STATE_HOME: directory.path, XDG_CONFIG_HOME: directory.path }
  const { status, stdout, stderr } = await run(process.execPath, [MAIN, ...args], {
    cwd: directory.path,
    env,
  })
  return { status, printed: `${stdout}${stderr}` }
}

describe('postern run with --metrics', () => {
  it('serves them, says where, and ends with status 0 though somebody is connected', async () => {
    running = await startPostern({
      listeners: ['pop3'],
      upstream: UPSTREAM,
      args: ['--metrics', '127.0.0.1:0'],
    })
    const url = servedAt(running)
    await until(
      'the note',
      () => running?.printed().includes(`postern: metrics at ${url}/metrics\n`) === true,
    )
    const { value } = parseExposition(await (await fetch(`${url}/metrics`)).text())
    expect(value('postern_build_info', { version: VERSION, node: process.version })).toBe(1)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    const idle = await dial(Number(new URL(url).port))
    idle.write('GET /metr')
    running.signal('SIGTERM')
    expect((await idle.rest()).toString()).toBe('')
    expect(await running.ended).toEqual({ status: 0, signal: null })
  })

  it.each([true, false])('loads what counts only where somebody wants it: %s', async (isWanted) => {
    const hook = join(directory.path, 'hook.cjs')
    const seen = join(directory.path, 'seen')
    const find = `Object.keys(require.cache).some((file) => file.includes('prom-client'))`
    writeFileSync(
      hook,
      `process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(seen)}, String(${find})))`,
    )
    const before = process.env.NODE_OPTIONS
    process.env.NODE_OPTIONS = `--require ${hook}`
    try {
      const args = isWanted ? ['--metrics', '127.0.0.1:0'] : []
      running = await startPostern({ listeners: ['pop3'], upstream: UPSTREAM, args })
    } finally {
      if (before === undefined) delete process.env.NODE_OPTIONS
      else process.env.NODE_OPTIONS = before
    }
    running.signal('SIGTERM')
    await running.ended
    expect(readFileSync(seen, 'utf8')).toBe(String(isWanted))
  })

  it('refuses an address that others could reach with status 2', async () => {
    const { status, printed } = await postern('run', '-u', UPSTREAM, '--metrics', '0.0.0.0:9110')
    expect(printed).toMatch(
      /^postern: --metrics: found "0\.0\.0\.0:9110", expected a loopback address such as/m,
    )
    expect(status).toBe(2)
  })

  it('refuses a port that is taken with status 4 and the cure', async () => {
    const port = await takenPort()
    const { status, printed } = await postern(
      ...['run', '-l', 'pop3://127.0.0.1:0', '-u', UPSTREAM, '--metrics', `127.0.0.1:${port}`],
    )
    expect(printed).toContain(
      `postern: cannot listen on http://127.0.0.1:${port}: another program listens there (EADDRINUSE)\n`,
    )
    expect(printed).toContain('choose another port with --metrics')
    expect(status).toBe(4)
  })
})

describe('SIGHUP', () => {
  it('moves metrics to another address, and keeps them where the new one is taken', async () => {
    const taken = await takenPort()
    const [port = 0] = await freePorts(1)
    const file = join(directory.path, 'postern.yaml')
    const configuration = (metrics: string): string =>
      `metrics: ${metrics}\nservices: [{ listen: "pop3://127.0.0.1:0", upstream: "${UPSTREAM}" }]\n`
    const process_ = await startConfiguredPostern(file, configuration('127.0.0.1:0'), 1)
    running = process_
    const count = (event: string): number => process_.events().filter((line) => line.event === event).length
    const first = servedAt(process_)
    expect((await fetch(`${first}/healthz`)).status).toBe(200)

    writeFileSync(file, configuration(`127.0.0.1:${taken}`))
    process_.signal('SIGHUP')
    await until('the refusal', () => count('reload-refused') === 1)
    expect(process_.printed()).toContain(`cannot listen on http://127.0.0.1:${taken}`)
    expect((await fetch(`${first}/readyz`)).status).toBe(200)

    writeFileSync(file, configuration(`127.0.0.1:${port}`))
    process_.signal('SIGHUP')
    await until('the reload', () => count('reloaded') === 1)
    expect(servedAt(process_)).toBe(`http://127.0.0.1:${port}`)
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200)
    await expect(fetch(`${first}/healthz`)).rejects.toThrow()
  })
})

describe('other commands', () => {
  it('doctor looks at the address of the metrics', async () => {
    const [port = 0] = await freePorts(1)
    const free = await postern('doctor', '--metrics', `127.0.0.1:${port}`)
    expect(free.printed).toContain(`ok    metrics http://127.0.0.1:${port}: can be listened on\n`)
    const taken = await takenPort()
    const { status, printed } = await postern('doctor', '--metrics', `127.0.0.1:${taken}`)
    expect(printed).toMatch(
      new RegExp(
        `^fail  metrics http://127\\.0\\.0\\.1:${taken}: cannot listen on .* → all is well if it is postern .* with --metrics$`,
        'm',
      ),
    )
    expect(status).toBe(1)
    expect((await postern('doctor')).printed).not.toContain('metrics http')
  })

  it('config print shows it with its origin, the defaults too', async () => {
    expect((await postern('config', 'print', '--metrics', 'localhost')).printed).toMatch(
      /^metrics: 127\.0\.0\.1:9110 # command line$/m,
    )
    expect((await postern('config', 'print')).printed).toMatch(/^metrics: none # default$/m)
    expect((await postern('config', 'print', '--defaults')).printed).toMatch(/^metrics: none$/m)
  })

  it('config check names an address that others could reach, with status 3', async () => {
    const file = join(directory.path, 'bad.yaml')
    writeFileSync(file, `metrics: 192.168.1.5:9110\nservices: [{ upstream: "${UPSTREAM}" }]\n`)
    const { status, printed } = await postern('config', 'check', file)
    expect(printed).toMatch(
      /bad\.yaml:1:10: metrics: found "192\.168\.1\.5:9110", expected a loopback address/,
    )
    expect(status).toBe(3)
  })

  it('help names it', async () => {
    expect((await postern('run', '--help')).printed).toContain('--metrics [address]')
  })
})
