/**
 * The load generator, a process of its own: sockets, the least of POP3, and a check of every octet that
 * arrives, so that no subject wins by losing some. Resumes TLS sessions as a good mail program does. Started by
 * main.ts, ends with it; its CPU time belongs to no subject.
 */
import { createHash, type Hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import tls from 'node:tls'
import {
  type Effect,
  listing,
  type MaildropName,
  type MaildropSizes,
  type Message,
  maildrop,
  PASSWORD,
} from './maildrop.js'
import { ClientSetup, Job, type JobOutcome, type Target } from './messages.js'
import { median } from './statistics.js'

/** A subject that is silent for so long has lost something (no row waits for anything but it). */
const SILENCE_MS = 20_000
/** After the reply to QUIT nobody has a reason to keep the connection. */
const CLOSE_MS = 5_000
/** So many loopback addresses take turns: proxies bound the sessions of one client address. */
const SOURCE_ADDRESSES = 50
/** Logins under way at once while idle sessions are opened. */
const OPENING_AT_ONCE = 8

type Done = Extract<JobOutcome, { type: 'done' }>
const NOTHING_DONE: Done = {
  type: 'done',
  sessions: 0,
  retrievals: 0,
  octets: 0,
  seconds: 0,
}

/** What has to arrive; the octets themselves are the server's. */
type ExpectedMessage = Pick<Message, 'octets' | 'contentOctets' | 'contentDigest'>

/** A maildrop as it is behind a subject. */
interface ExpectedMaildrop {
  readonly messages: readonly ExpectedMessage[]
  readonly stat: string
  readonly scanListing: ExpectedContent
  readonly uniqueIds: ExpectedContent
}

/** What has to follow a status line, its octets counted and hashed by SHA-256 in hex. */
type ExpectedContent = Pick<Message, 'contentOctets' | 'contentDigest'>

let connections = 0
let newUsers = 0
const tlsSessions = new Map<number, Buffer>()
const idle: Session[] = []

process.once('disconnect', () => process.exit(0))
process.once('message', (raw) => {
  const setup = ClientSetup.parse(raw)
  const secureContext = tls.createSecureContext({ ca: readFileSync(setup.caFile) })
  const maildrops = new Map<string, ExpectedMaildrop>()
  const expect: Expect = (name, effect) => {
    const key = `${name} ${effect}`
    const expected = maildrops.get(key) ?? expectedMaildrop(name, setup.sizes, effect)
    maildrops.set(key, expected)
    return expected
  }
  process.on('message', (job) => {
    perform(Job.parse(job), secureContext, expect).then(
      (outcome) => process.send?.(outcome),
      (error: unknown) => process.send?.({ type: 'failed', problem: problemOf(error) }),
    )
  })
  process.send?.(NOTHING_DONE)
})

type Expect = (name: MaildropName, effect: Effect) => ExpectedMaildrop

function expectedMaildrop(name: MaildropName, sizes: MaildropSizes, effect: Effect): ExpectedMaildrop {
  const messages = maildrop(name, sizes, effect)
  const octets = messages.reduce((sum, message) => sum + message.octets, 0)
  return {
    messages: messages.map(({ octets, contentOctets, contentDigest }) => ({
      octets,
      contentOctets,
      contentDigest,
    })),
    stat: `+OK ${messages.length} ${octets}`,
    scanListing: contentOf(listing('LIST', messages)),
    uniqueIds: contentOf(listing('UIDL', messages)),
  }
}

function contentOf(response: Buffer): ExpectedContent {
  const content = response.subarray(response.indexOf(10) + 1)
  const contentDigest = createHash('sha256').update(content).digest('hex')
  return { contentOctets: content.length, contentDigest }
}

function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function perform(job: Job, secureContext: tls.SecureContext, expect: Expect): Promise<JobOutcome> {
  // Making mail takes its time, which is nobody's.
  const expected = job.type === 'sessions' ? expect(job.maildrop, job.effect) : null
  const begin = performance.now()
  const isOver = (deadlineMs: number): boolean => performance.now() - begin > deadlineMs
  const seconds = (): number => (performance.now() - begin) / 1000
  switch (job.type) {
    case 'sessions': {
      if (expected === null) throw new Error('nothing is expected of these sessions')
      const { messages } = expected
      let left = job.sessions
      const done = { sessions: 0, retrievals: 0, octets: 0 }
      await atOnce(job.atOnce, async () => {
        while (left > 0 && !isOver(job.deadlineMs)) {
          left--
          const user = job.isOfNewUsers ? `${job.maildrop}-${++newUsers}` : job.maildrop
          const session = await logIn(job.target, user, secureContext)
          const stat = await session.command('STAT')
          if (stat !== expected.stat) throw new Error(`STAT was answered "${stat}"`)
          if (job.lists) {
            await session.fetch('LIST', expected.scanListing)
            await session.fetch('UIDL', expected.uniqueIds)
          }
          for (let index = 0; index < job.retrievals && !isOver(job.deadlineMs); index++) {
            const messageNumber = (index % messages.length) + 1
            // Added after the wait: `+=` on an awaited value would lose what other sessions added meanwhile.
            const octets = await session.fetch(`RETR ${messageNumber}`, messages[messageNumber - 1]!)
            done.octets += octets
            done.retrievals++
          }
          await session.quit()
          done.sessions++
        }
      })
      return { ...NOTHING_DONE, ...done, seconds: seconds() }
    }
    case 'ping': {
      const pingers = job.targets.map((target) => new Pinger(target, secureContext))
      for (let slice = 0; slice < job.slices && !isOver(job.deadlineMs); slice++) {
        for (const pinger of pingers) await pinger.ping(job.commandsPerSlice)
      }
      for (const pinger of pingers) await pinger.end()
      return {
        type: 'pinged',
        results: pingers.map(({ medianMicroseconds, problem }) => ({ medianMicroseconds, problem })),
      }
    }
    case 'open-idle': {
      // Left by a job that failed: they are not sessions of this subject.
      for (const session of idle.splice(0)) session.abandon()
      let left = job.sessions
      await atOnce(OPENING_AT_ONCE, async () => {
        while (left > 0 && !isOver(job.deadlineMs)) {
          left--
          idle.push(await logIn(job.target, 'login', secureContext))
        }
      })
      return { ...NOTHING_DONE, sessions: idle.length, seconds: seconds() }
    }
    case 'close-idle': {
      const closing = idle.splice(0)
      await atOnce(OPENING_AT_ONCE, async () => {
        for (let session = closing.pop(); session !== undefined; session = closing.pop()) await session.quit()
      })
      return { ...NOTHING_DONE, seconds: seconds() }
    }
  }
}

async function atOnce(count: number, work: () => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(Array.from({ length: count }, work))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

/** One session that is asked NOOP now and then. Its failure is its own: the others go on. */
class Pinger {
  problem: string | null = null
  readonly #microseconds: number[] = []
  readonly #session: Promise<Session>

  constructor(target: Target, secureContext: tls.SecureContext) {
    this.#session = logIn(target, 'login', secureContext)
    this.#session.catch((error: unknown) => {
      this.problem ??= problemOf(error)
    })
  }

  get medianMicroseconds(): number {
    return median(this.#microseconds) ?? 0
  }

  async ping(commands: number): Promise<void> {
    await this.#attempt(async (session) => {
      for (let count = 0; count < commands; count++) {
        const sent = performance.now()
        await session.command('NOOP')
        this.#microseconds.push((performance.now() - sent) * 1000)
      }
    })
  }

  async end(): Promise<void> {
    await this.#attempt((session) => session.quit())
  }

  async #attempt(act: (session: Session) => Promise<void>): Promise<void> {
    if (this.problem !== null) return
    try {
      await act(await this.#session)
    } catch (error) {
      this.problem ??= problemOf(error)
    }
  }
}

async function logIn(target: Target, user: string, secureContext: tls.SecureContext): Promise<Session> {
  const session = new Session(target, secureContext)
  await session.greeting
  await session.command(`USER ${user}`)
  await session.command(`PASS ${PASSWORD}`)
  return session
}

/** What the session waits for: a status line and, behind it, so many octets. */
interface Expected {
  readonly what: string
  readonly contentOctets: number
  readonly hash: Hash | null
  readonly resolve: (statusLine: string) => void
  readonly reject: (error: Error) => void
}

/** One POP3 session, one command at a time. Octets that nobody asked for are an error, as are missing ones. */
class Session {
  readonly greeting: Promise<string>
  readonly #socket: net.Socket
  #expected: Expected | null = null
  #statusLine = ''
  #hasStatusLine = false
  #contentLeft = 0
  #failure: Error | null = null
  #isClosed = false

  constructor(target: Target, secureContext: tls.SecureContext) {
    const where = {
      host: '127.0.0.1',
      port: target.port,
      localAddress: `127.0.1.${1 + (connections++ % SOURCE_ADDRESSES)}`,
    }
    if (target.tls) {
      const session = tlsSessions.get(target.port)
      const secured = tls.connect({
        ...where,
        secureContext,
        servername: 'localhost',
        ...(session === undefined ? {} : { session }),
      })
      secured.on('session', (ticket: Buffer) => tlsSessions.set(target.port, ticket))
      this.#socket = secured
    } else {
      this.#socket = net.connect(where)
    }
    this.#socket.setNoDelay(true)
    this.#socket.setTimeout(SILENCE_MS, () => {
      // An idle session is silent by purpose.
      if (this.#expected !== null) this.#fail(new Error(`silence of ${SILENCE_MS / 1000} s`))
    })
    this.#socket.on('data', (octets: Buffer) => this.#take(octets))
    this.#socket.on('error', (error) => this.#fail(error))
    this.#socket.on('close', () => {
      this.#isClosed = true
      this.#fail(new Error('connection closed'))
    })
    this.greeting = this.#expect('the greeting', 0, null)
  }

  command(line: string): Promise<string> {
    this.#socket.write(`${line}\r\n`)
    return this.#expect(line.startsWith('PASS') ? 'PASS' : line, 0, null)
  }

  /** @returns the octets behind the status line, all verified */
  async fetch(line: string, { contentOctets, contentDigest }: ExpectedContent): Promise<number> {
    const hash = createHash('sha256')
    this.#socket.write(`${line}\r\n`)
    await this.#expect(line, contentOctets, hash)
    if (hash.digest('hex') !== contentDigest) {
      throw new Error(`${line}: other octets arrived than were expected`)
    }
    return contentOctets
  }

  async quit(): Promise<void> {
    await this.command('QUIT')
    if (this.#isClosed) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#socket.destroy(), CLOSE_MS)
      this.#socket.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
      this.#socket.end()
    })
  }

  abandon(): void {
    this.#socket.destroy()
  }

  #expect(what: string, contentOctets: number, hash: Hash | null): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#expected = { what, contentOctets, hash, resolve, reject }
      this.#statusLine = ''
      this.#hasStatusLine = false
      if (this.#failure !== null) this.#fail(this.#failure)
    })
  }

  #take(octets: Buffer): void {
    const expected = this.#expected
    if (expected === null) {
      this.#fail(new Error(`${octets.length} octets that nobody asked for`))
      return
    }
    const content = this.#hasStatusLine ? octets : this.#takeStatusLine(octets, expected)
    if (content === null) return
    if (content.length > this.#contentLeft) {
      this.#fail(new Error(`${content.length - this.#contentLeft} octets too many`))
      return
    }
    expected.hash?.update(content)
    this.#contentLeft -= content.length
    if (this.#contentLeft > 0) return
    this.#expected = null
    expected.resolve(this.#statusLine)
  }

  /** @returns what stands behind the status line, or null while the line is not whole or is a refusal */
  #takeStatusLine(octets: Buffer, expected: Expected): Buffer | null {
    const end = octets.indexOf(10)
    this.#statusLine += octets.toString('latin1', 0, end === -1 ? octets.length : end + 1)
    if (end === -1) return null
    this.#hasStatusLine = true
    this.#statusLine = this.#statusLine.trimEnd()
    if (!this.#statusLine.startsWith('+OK')) {
      this.#fail(new Error(`was answered "${this.#statusLine}"`))
      return null
    }
    this.#contentLeft = expected.contentOctets
    return octets.subarray(end + 1)
  }

  #fail(error: Error): void {
    this.#failure ??= error
    const expected = this.#expected
    this.#expected = null
    expected?.reject(new Error(`${expected.what}: ${error.message}`))
    this.#socket.destroy()
  }
}
