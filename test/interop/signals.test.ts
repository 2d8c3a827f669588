import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connectClient, logIn, type Pop3Client } from '../support/pop3-client.js'
import { type Postern, startConfiguredPostern } from '../support/postern-process.js'
import { type RecordingServer, startRecordingServer } from '../support/recording-server.js'
import { type TemporaryDirectory, temporaryDirectory, until, within } from '../support/tools.js'

const MESSAGE = 'Subject: slow\r\n\r\nfirst half\r\nsecond half\r\n'
const HALF = MESSAGE.indexOf('second')

let directory: TemporaryDirectory
let server: RecordingServer
let postern: Postern
let configuration: string

/** Lets the server send the rest of a message that it holds back in the middle of RETR. */
let finishMessage: () => void

beforeEach(async () => {
  directory = temporaryDirectory('signals')
  server = await startRecordingServer({
    answer: (verb, connection) => {
      if (verb !== 'RETR') return null
      finishMessage = () => connection.write(`${MESSAGE.slice(HALF)}.\r\n`)
      return `+OK\r\n${MESSAGE.slice(0, HALF)}`
    },
  })
  configuration = `
log: { level: info }
services:
  - listen: { url: 'pop3://127.0.0.1:0', stls: false }
    upstream: pop3://127.0.0.1:${server.port}
    limits: { drain: 20s }
`
  postern = await startConfiguredPostern(join(directory.path, 'postern.yaml'), configuration, 1)
})

afterEach(async () => {
  await postern?.stop()
  await server?.stop()
  directory?.remove()
})

async function loggedIn(): Promise<Pop3Client> {
  const { client } = await connectClient({ port: postern.port('pop3'), security: 'plain', ca: '' })
  await logIn(client, { user: 'u', password: 'p' })
  return client
}

/** A session that waits for the second half of a message. */
async function withinRetrieval(): Promise<Pop3Client> {
  const client = await loggedIn()
  client.write('RETR 1\r\n')
  await until('half a message', () => client.waiting.includes('first half'))
  return client
}

async function refusesConnections(): Promise<boolean> {
  return await connectClient({ port: postern.port('pop3'), security: 'plain', ca: '' }).then(
    ({ client, greeting }) => {
      client.destroy()
      return greeting.startsWith('-ERR')
    },
    () => true,
  )
}

describe('SIGTERM and SIGINT', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`${signal} lets a message finish, takes no new client, and ends with status 0`, async () => {
      const client = await withinRetrieval()
      const idle = await loggedIn()
      postern.signal(signal)
      await until('the listener to close', refusesConnections)
      await within('the idle session to end', idle.rest())
      finishMessage()
      const received = (await client.rest()).toString()
      expect(received.slice(0, `+OK\r\n${MESSAGE}.\r\n`.length)).toBe(`+OK\r\n${MESSAGE}.\r\n`)
      expect(await within('postern to end', postern.ended)).toEqual({ status: 0, signal: null })
      expect(server.received()).not.toContain('QUIT')
    })
  }

  test('a second one ends at once, and the message that was cut does not look whole', async () => {
    const client = await withinRetrieval()
    postern.signal('SIGINT')
    await until('the listener to close', refusesConnections)
    postern.signal('SIGINT')
    // Nothing else ends it before the drain's deadline, for which this would not wait.
    expect(await within('postern to end', postern.ended)).toEqual({ status: 130, signal: null })
    const received = (await client.rest()).toString()
    expect(received).toContain('first half')
    expect(received).not.toMatch(/\r\n\.\r\n/)
    expect(server.received()).not.toContain('QUIT')
  })

  test('without sessions it ends without waiting for the drain to be over', async () => {
    postern.signal('SIGTERM')
    // Its deadline is beyond what this waits for.
    expect(await within('postern to end', postern.ended)).toEqual({ status: 0, signal: null })
  })
})

describe('SIGHUP', () => {
  test('with a bad configuration keeps the old one, names the mistake, and ends no session', async () => {
    const client = await withinRetrieval()
    writeFileSync(join(directory.path, 'postern.yaml'), 'services:\n  - upstreem: pop3s://x.example.org\n')
    postern.signal('SIGHUP')
    await until('the mistake to be named', () => postern.printed().includes('upstreem'))
    finishMessage()
    expect((await client.content()).toString()).toContain('second half')
    const another = await loggedIn()
    expect(await another.command('STAT')).toBe('+OK 1 20')
    expect(await client.command('NOOP')).toBe('+OK')
  })

  test('with a good configuration uses it for new sessions and ends none', async () => {
    const other = await startRecordingServer({ answer: (verb) => (verb === 'STAT' ? '+OK 2 40\r\n' : null) })
    try {
      const client = await loggedIn()
      const changed = configuration.replace(String(server.port), String(other.port))
      writeFileSync(join(directory.path, 'postern.yaml'), changed)
      postern.signal('SIGHUP')
      await until('a new session to reach the other server', async () => {
        const probe = await loggedIn()
        const drop = await probe.command('STAT')
        probe.destroy()
        return drop === '+OK 2 40'
      })
      expect(await client.command('STAT')).toBe('+OK 1 20')
    } finally {
      await other.stop()
    }
  })
})

describe('a broken log', () => {
  test('ends no session and no service', async () => {
    const client = await withinRetrieval()
    postern.closeLog()
    await sleep(100)
    // Sessions opened and closed are log lines: each of these meets the closed pipe.
    for (let session = 0; session < 5; session++) {
      const short = await loggedIn()
      expect(await short.command('QUIT')).toMatch(/^\+OK/)
    }
    finishMessage()
    expect((await client.content()).toString()).toContain('second half')
    expect(await client.command('NOOP')).toBe('+OK')
    postern.signal('SIGTERM')
    expect((await within('postern to end', postern.ended)).status).toBe(0)
  })
})

describe('open files', () => {
  test.skipIf(!existsSync('/proc/self/fd'))(
    'are given back when sessions end, however they end',
    async () => {
      const warm = await loggedIn()
      warm.destroy()
      await sleep(200)
      const before = openFiles()
      for (let round = 0; round < 10; round++) {
        const [quits, leaves, resets] = await Promise.all([loggedIn(), loggedIn(), loggedIn()])
        await quits.command('QUIT')
        leaves.destroy()
        resets.reset()
      }
      await until('the descriptors to be closed', () => openFiles() <= before)
      await until('the server to be left', () => server.connections.every(({ isOpen }) => !isOpen))
      expect(server.received().match(/QUIT/g)).toHaveLength(10)
    },
  )
})

/** Descriptors of the process, as Linux lists them. */
function openFiles(): number {
  return readdirSync(`/proc/${postern.pid}/fd`).length
}
