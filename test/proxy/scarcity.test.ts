/** The program where the system gives little: descriptors, and room for a recording. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseExposition } from '../support/exposition.js'
import { connectClient } from '../support/pop3-client.js'
import { type RecordingServer, startRecordingServer } from '../support/recording-server.js'
import { type TemporaryDirectory, temporaryDirectory, until, within } from '../support/tools.js'

const MAIN = new URL('../../dist/main.js', import.meta.url).pathname

let directory: TemporaryDirectory
let server: RecordingServer
let child: ChildProcess | null = null
let printed = ''

beforeEach(async () => {
  if (!existsSync(MAIN)) throw new Error('dist/main.js is missing: run "npm run build" first')
  directory = temporaryDirectory('scarcity')
  server = await startRecordingServer()
})

afterEach(async () => {
  child?.kill('SIGKILL')
  await server.stop()
  directory.remove()
})

/** Starts postern under a limit of the shell and resolves to its port. */
async function startUnder(limit: string, ...options: readonly string[]): Promise<number> {
  printed = ''
  const postern = [
    MAIN,
    'run',
    '--headless',
    '-l',
    'pop3://127.0.0.1:0',
    '-u',
    `pop3://127.0.0.1:${server.port}`,
  ]
  const started = spawn(
    'sh',
    ['-c', `${limit} && exec "$@"`, 'sh', process.execPath, ...postern, ...options],
    {
      cwd: directory.path,
      env: { PATH: process.env.PATH ?? '', HOME: directory.path },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  child = started
  for (const stream of [started.stdout, started.stderr])
    stream.on('data', (octets: Buffer) => {
      printed += octets.toString()
    })
  await until('postern to listen', () => {
    if (started.exitCode !== null) throw new Error(`postern ended: ${printed}`)
    return /"event":"listening"/.test(printed)
  })
  return Number(/accepting pop3:\/\/127\.0\.0\.1:(\d+)/.exec(printed)?.[1])
}

async function ended(): Promise<number | null> {
  const running = child
  if (running === null) return null
  const closed = new Promise<number | null>((resolve) => running.on('close', (code) => resolve(code)))
  running.kill('SIGTERM')
  return await within('postern to end', closed)
}

/** Whether the child sleeps, and neither runs nor waits for a processor. See proc(5). */
function isAsleep(running: ChildProcess | null): boolean {
  const stat = readFileSync(`/proc/${running?.pid}/stat`, 'latin1')
  return stat[stat.lastIndexOf(')') + 2] === 'S'
}

describe.skipIf(process.platform !== 'linux')('with descriptors for few sessions', () => {
  it.each([
    [128, 32],
    [112, 24],
  ])('%i: 200 clients neither end the process nor keep it busy, and some are served', async (files, fit) => {
    const port = await startUnder(`ulimit -n ${files}`)
    expect(printed).toMatch(new RegExp(`"event":"few-descriptors","sessions":${fit},`))
    const clients: Socket[] = []
    let greeted = 0
    for (let index = 0; index < 200; index += 1) {
      const client = connect(port, '127.0.0.1')
      client.on('error', () => {})
      client.once('data', () => {
        greeted += 1
      })
      clients.push(client)
    }
    await until('some to be greeted', () => greeted >= fit)
    await until('the others to be dropped', () => clients.filter(({ closed }) => closed).length >= 200 - fit)
    await until('that to be logged', () => printed.includes('"event":"connection-dropped"'))
    // On a machine with much to do, what is busy waits for a processor in between, and sleeps no more than elsewhere.
    await until('it to sleep for most of a second', async () => {
      let asleep = 0
      for (let look = 0; look < 100; look += 1) {
        await sleep(10)
        if (isAsleep(child)) asleep += 1
      }
      return asleep > 70
    })
    for (const client of clients) client.destroy()
    await until('the server to be left', () => server.connections.every(({ isOpen }) => !isOpen))
    // As good as new.
    const { client } = await connectClient({ port, security: 'plain', ca: '' })
    expect(await client.command('USER bob')).toBe('+OK')
    client.destroy()
    expect(await ended()).toBe(0)
  })

  it('counts those that were dropped, and still has a place for who asks', async () => {
    const port = await startUnder('ulimit -n 112', '--metrics', '127.0.0.1:0')
    await until('the note', () => printed.includes('metrics at '))
    const url = /metrics at (\S+)/.exec(printed)?.[1] ?? ''
    const clients = Array.from({ length: 40 }, () => connect(port, '127.0.0.1').on('error', () => {}))
    await until('some to be dropped', () => clients.filter(({ closed }) => closed).length === 40 - 24)
    const listener = `pop3://127.0.0.1:${port}`
    await until('figures of them', async () => {
      const { value } = parseExposition(await (await fetch(url)).text())
      return value('postern_sessions_total', { listener, result: 'dropped' }) === 40 - 24
    })
    for (const client of clients) client.destroy()
    expect(await ended()).toBe(0)
  })
})

describe.skipIf(process.platform !== 'linux')('with a recording that can grow no more', () => {
  it('says so once and serves on', async () => {
    const file = join(directory.path, 'trace.jsonl')
    const port = await startUnder('ulimit -f 16', '-w', file)
    const session = async (): Promise<void> => {
      const { client } = await connectClient({ port, security: 'plain', ca: '' })
      for (let turn = 0; turn < 40; turn += 1) expect(await client.command('NOOP')).toBe('+OK')
      expect(await client.command('QUIT')).toBe('+OK')
    }
    for (let number = 0; number < 8; number += 1) await session()
    await until('the failure to be told', () => printed.includes('"event":"recording-failed"'))
    await session()
    expect(await ended()).toBe(0)
    expect(printed.match(/recording-failed/g)).toHaveLength(1)
    expect(printed.match(/"event":"session-closed"/g)).toHaveLength(9)
    expect(printed.match(/"reason":"quit"/g)).toHaveLength(9)
  })
})
