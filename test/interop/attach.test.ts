import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MaildropServer, startMaildropServer } from '../../src/demo/maildrop-server.js'
import { sampleMessages } from '../../src/demo/messages.js'
import { connectClient, logIn } from '../support/pop3-client.js'
import { POSTERN_MAIN } from '../support/postern-command.js'
import { type Postern, startPostern } from '../support/postern-process.js'
import { type PtyProgram, runInPty } from '../support/terminal.js'
import { type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'

const CLIENTS = 30
const PASSWORD = 'x'
/** Attachments of every kind among them; the largest is of many segments. */
const LARGE = Buffer.from(
  `Subject: large\r\n\r\n${'.a line that is byte-stuffed on its way\r\n'.repeat(6_000)}`,
)
const MESSAGES: readonly Buffer[] = [...sampleMessages().map(({ octets }) => octets), LARGE]
/** What passes while a watcher stands still, and what of it the proxy may keep for whatever reason. */
const PASSED_OCTETS = 300 * 1024 * 1024
const ALLOWED_OCTETS = 64 * 1024 * 1024

let directory: TemporaryDirectory
let server: MaildropServer
let postern: Postern
let socket: string
/** Each message as it is on the wire, byte-stuffed and with its end, fetched without postern. */
let truth: readonly Buffer[]

/** Sessions that go on one after the other, until they are told to end. */
class Load {
  sessions = 0
  messages = 0
  octets = 0
  readonly #failures: string[] = []
  readonly #clients: readonly Promise<void>[]
  #goesOn = true

  constructor(port: number) {
    this.#clients = Array.from({ length: CLIENTS }, (_, index) => this.#client(port, `user${index}`))
  }

  /** Waits until so many more sessions have ended; a failure of any of them is one of this. */
  async goOn(what: string, isSo: () => boolean): Promise<void> {
    await until(
      what,
      () => {
        if (this.#failures.length > 0) throw new Error(this.#failures.join('\n'))
        return isSo()
      },
      40_000,
    )
  }

  async pass(sessions: number): Promise<void> {
    const wanted = this.sessions + sessions
    await this.goOn(`${sessions} sessions`, () => this.sessions >= wanted)
  }

  /** Lets the sessions that run come to their end. */
  async end(): Promise<void> {
    this.#goesOn = false
    await Promise.all(this.#clients)
    if (this.#failures.length > 0) throw new Error(this.#failures.join('\n'))
  }

  async #client(port: number, user: string): Promise<void> {
    while (this.#goesOn && this.#failures.length === 0) {
      await this.#session(port, user).catch((error: unknown) => {
        this.#failures.push(`${user}: ${error instanceof Error ? error.message : error}`)
      })
    }
  }

  async #session(port: number, user: string): Promise<void> {
    const { client } = await connectClient({ port, security: 'plain', ca: '' })
    await logIn(client, { user, password: PASSWORD })
    for (const [index, octets] of truth.entries()) {
      const { content } = await client.multiLine(`RETR ${index + 1}`)
      if (!content.equals(octets)) throw new Error(`message ${index + 1} is another one`)
      this.messages += 1
      this.octets += content.length
    }
    const answer = await client.command('QUIT')
    const rest = await client.rest()
    if (!answer.startsWith('+OK') || rest.length > 0) throw new Error(`QUIT: ${answer} ${rest.length}`)
    this.sessions += 1
  }
}

/** The most memory that the proxy ever had, in octets. */
function mostMemory(): number {
  const status = readFileSync(`/proc/${postern.pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
}

/** A dashboard attached to the proxy, in a terminal of its own; it has shown sessions. */
async function attach(): Promise<PtyProgram> {
  const dashboard = runInPty(process.execPath, [POSTERN_MAIN, 'attach', socket])
  dashboards.push(dashboard)
  await dashboard.emulator.until(/LIVE[\s\S]* user\d+ /)
  return dashboard
}

/** How many sessions a dashboard says it has seen. */
function seen(text: string): number {
  return Number(/([\d,]+) seen/.exec(text)?.[1]?.replaceAll(',', ''))
}

/** Somebody else on this machine: a user and group without rights. */
const NOBODY = 65_534

/** Whether this process may become somebody else who can run postern. */
function canBeSomebodyElse(): boolean {
  const ran =
    process.getuid?.() === 0 &&
    spawnSync(process.execPath, [POSTERN_MAIN, '--version'], { uid: NOBODY, gid: NOBODY, cwd: '/' })
      .status === 0
  if (!ran)
    console.warn('skipped: only root can try what another user may not, where that user can run postern')
  return ran
}

const dashboards: PtyProgram[] = []

describe('a headless proxy under load', () => {
  beforeAll(async () => {
    directory = temporaryDirectory('attach')
    socket = join(directory.path, 'control')
    const users = Array.from({ length: CLIENTS }, (_, index) => `user${index}`)
    server = await startMaildropServer({
      security: 'plain',
      users: new Map(users.map((user) => [user, PASSWORD])),
      messages: MESSAGES,
    })
    const { client } = await connectClient({ port: server.port, security: 'plain', ca: '' })
    await logIn(client, { user: 'user0', password: PASSWORD })
    const fetched: Buffer[] = []
    for (let number = 1; number <= MESSAGES.length; number += 1) {
      fetched.push((await client.multiLine(`RETR ${number}`)).content)
    }
    truth = fetched
    await client.command('QUIT')
    client.destroy()
    postern = await startPostern({
      listeners: ['pop3'],
      upstream: `pop3://127.0.0.1:${server.port}`,
      args: ['--control', socket],
    })
  })
  afterAll(async () => {
    for (const { process: dashboard } of dashboards) dashboard.kill('SIGKILL')
    await postern?.stop()
    await server?.close()
    directory?.remove()
  })

  test('goes on as before when one dashboard is killed and another stands still', async () => {
    const load = new Load(postern.port('pop3'))
    await load.pass(CLIENTS)
    const killed = await attach()
    const stopped = await attach()
    await load.pass(CLIENTS)
    const memoryBefore = mostMemory()
    const octetsBefore = load.octets

    process.kill(killed.process.pid, 'SIGKILL')
    process.kill(stopped.process.pid, 'SIGSTOP')
    const seenBefore = seen(stopped.emulator.text())
    expect((await killed.ended).signal).toBe(9)
    await load.goOn('more octets than any watcher may hold', () => load.octets - octetsBefore > PASSED_OCTETS)
    expect(mostMemory() - memoryBefore).toBeLessThan(ALLOWED_OCTETS)

    // A third comes while the second still stands: it shows sessions, and a dialogue with mail that passes now.
    const third = await attach()
    const seenAtFirst = seen(third.emulator.text())
    await third.emulator.until((text) => seen(text) > seenAtFirst)
    third.process.write('\r')
    await third.emulator.until(/C> RETR \d+/)

    // The one that stood still goes on with what is now, and says what it missed.
    process.kill(stopped.process.pid, 'SIGCONT')
    await stopped.emulator.until((text) => seen(text) > seenBefore)
    await load.pass(CLIENTS)
    await load.end()

    expect(load.messages).toBe(load.sessions * MESSAGES.length)
    const closed = () => postern.events().filter(({ event }) => event === 'session-closed')
    await until('the log to tell the end of every session', () => closed().length >= load.sessions)
    expect(closed()).toHaveLength(load.sessions)
    expect(new Set(closed().map(({ reason }) => reason))).toEqual(new Set(['quit']))
  })

  test.skipIf(!canBeSomebodyElse())('shows nothing to another user of the machine', async () => {
    // What protects it is the socket itself, not the directory that it happens to be in.
    chmodSync(directory.path, 0o755)
    expect(statSync(socket).mode & 0o777).toBe(0o600)
    const options = { uid: NOBODY, gid: NOBODY, cwd: '/', encoding: 'utf8' } as const
    const { status, stdout, stderr } = spawnSync(process.execPath, [POSTERN_MAIN, 'attach', socket], options)
    expect(stderr).toContain('belongs to another user: only who runs postern may watch it')
    expect(stdout).toBe('')
    expect(status).toBe(1)
  })
})
