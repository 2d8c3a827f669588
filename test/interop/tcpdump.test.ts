import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EventReader, fileInput } from '../../src/export/read-events.js'
import type { TraceContent, TraceEvent } from '../../src/trace/event.js'
import { findProgram, realThing } from '../support/real.js'
import { until } from '../support/tools.js'
import { SAMPLE_MAILS } from './both-ways.js'
import { type RecordedBench, startRecordedBench } from './recorded-sessions.js'

/** The proxy's clock goes on evenly from when it started, the kernel's is set right now and then. */
const CLOCKS_APART_MS = 250

let bench: RecordedBench

/** tcpdump at work on the loopback interface. */
interface Tcpdump {
  readonly child: ChildProcess
  said(): string
  readonly ended: Promise<void>
}

/** Starts tcpdump, and resolves once it captures. Rejects where it cannot. */
async function startTcpdump(args: readonly string[]): Promise<Tcpdump> {
  const child = spawn(findProgram('tcpdump') ?? 'tcpdump', ['-i', 'lo', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await until('tcpdump to listen', () => {
    if (child.exitCode !== null) throw new Error(`tcpdump ended: ${said}`)
    return said.includes('listening on')
  })
  return { child, ended, said: () => said }
}

/** Whether this user may capture, which takes a privilege. */
async function mayCapture(): Promise<boolean> {
  try {
    const { child, ended } = await startTcpdump(['-w', '/dev/null', 'tcp port 1'])
    child.kill('SIGINT')
    await ended
    return true
  } catch (error) {
    console.warn(
      `skipped: no capture on the loopback interface: ${error instanceof Error ? error.message : error}`,
    )
    return false
  }
}

interface Capture {
  readonly file: string
  finish(): Promise<void>
}

/** Captures what passes a port of the loopback interface, from now on. */
async function capture(name: string, port: number, args: readonly string[] = []): Promise<Capture> {
  const file = join(bench.directory, name)
  const options = ['-U', '-Z', 'root', '-w', file, '-s', '0', '-B', '8192', ...args]
  const { child, ended, said } = await startTcpdump([...options, `tcp port ${port}`])
  return {
    file,
    async finish() {
      child.kill('SIGINT')
      await ended
      expect(said()).toContain('0 packets dropped by kernel')
    },
  }
}

async function eventsOf(file: string, port: number): Promise<readonly TraceEvent[]> {
  const reader = new EventReader([fileInput(file)], {
    ports: new Set([port]),
    messageOctets: Number.MAX_SAFE_INTEGER,
  })
  const events: TraceEvent[] = []
  for await (const item of reader.read()) {
    expect(item).toMatchObject({ type: 'event' })
    if (item.type === 'event') events.push(item.event)
  }
  return events
}

/** Waits until a capture holds as many ended sessions, since tcpdump writes what the kernel gave it a moment ago. */
async function captured(capture: Capture, port: number, sessions: number): Promise<readonly TraceEvent[]> {
  await until('the capture to hold the end of every session', async () => {
    const events = await eventsOf(capture.file, port).catch(() => [])
    return events.filter(({ content }) => content.type === 'session-closed').length >= sessions
  })
  await capture.finish()
  return await eventsOf(capture.file, port)
}

/**
 * A session's events as both see them. Content comes in other pieces; who answers and what the legs behind postern do
 * is not on this one; times and addresses are looked at apart.
 */
function comparable(events: readonly TraceEvent[]): readonly object[] {
  const seen: object[] = []
  const contents = new Map<number, Buffer[]>()
  for (const { content } of clientsLeg(events)) {
    if (content.type === 'content') {
      contents.set(content.number, [...(contents.get(content.number) ?? []), content.wire])
      continue
    }
    if (content.type === 'content-end') {
      const wire = Buffer.concat(contents.get(content.number) ?? []).toString('latin1')
      seen.push({ ...content, afterMs: 0, wire })
    } else seen.push(withoutTimes(content))
  }
  return seen
}

/** The list that the client got stands behind the end of the server's; on the client's leg there is but one. */
function clientsLeg(events: readonly TraceEvent[]): readonly TraceEvent[] {
  const replaced = new Set(
    events.flatMap(({ content }) =>
      content.type === 'content' && content.source === 'postern' ? [content.number] : [],
    ),
  )
  const kept = events.filter(
    ({ content }) =>
      !(content.type === 'content' && content.source === 'server' && replaced.has(content.number)),
  )
  return kept.flatMap((event, index) => {
    const { content } = event
    if (content.type === 'content' && content.source === 'postern') return []
    const next = kept[index + 1]
    const stands =
      content.type === 'content-end' && next?.content.type === 'content' && replaced.has(content.number)
    if (!stands || next.content.type !== 'content') return [event]
    const end = { ...content, octets: next.content.wire.length }
    return [
      { ...next, content: { ...next.content, source: 'server' as const } },
      { ...event, content: end },
    ]
  })
}

function withoutTimes(content: TraceContent): object {
  if (content.type === 'session-opened') return { type: content.type, client: content.client }
  if (content.type === 'session-closed') {
    const { fromClient, toClient } = content.octets
    return { ...content, durationMs: 0, octets: { fromClient, toClient } }
  }
  return 'afterMs' in content ? { ...content, afterMs: 0 } : content
}

function sessionsOf(events: readonly TraceEvent[]): readonly (readonly TraceEvent[])[] {
  const sessions = new Map<string, TraceEvent[]>()
  for (const event of events) sessions.set(event.session, [...(sessions.get(event.session) ?? []), event])
  return [...sessions.values()]
}

async function recorded(): Promise<readonly TraceEvent[]> {
  const reader = new EventReader([fileInput(bench.recording)], { ports: new Set(), messageOctets: 0 })
  const events: TraceEvent[] = []
  for await (const item of reader.read()) if (item.type === 'event') events.push(item.event)
  return events
}

/** The session of an account in the recording, once it is written. */
async function live(user: string): Promise<readonly TraceEvent[]> {
  const find = async () =>
    sessionsOf(await recorded()).find((events) =>
      events.some(({ content }) => content.type === 'session-closed' && content.user === user),
    )
  await until('the recording to hold the session', async () => (await find()) !== undefined)
  return (await find()) ?? []
}

const isPossible = realThing('dovecot', 'tcpdump') && (await mayCapture())

describe.skipIf(!isPossible)('a capture by tcpdump', () => {
  beforeAll(async () => {
    bench = await startRecordedBench()
  })
  afterAll(async () => await bench?.stop())

  test('of a plain session with mail is told as the proxy told it', async () => {
    const account = bench.openAccount(SAMPLE_MAILS)
    const port = bench.postern.port('pop3')
    const running = await capture('client.pcap', port)
    await bench.session('plain', account, SAMPLE_MAILS.length)
    const fromCapture = await captured(running, port, 1)
    const fromProxy = await live(account.user)

    expect(sessionsOf(fromCapture)).toHaveLength(1)
    expect(comparable(fromCapture)).toEqual(comparable(fromProxy))

    // The proxy sees a command behind its packet and before that of its reply, however long either takes.
    const times = (events: readonly TraceEvent[], type: 'command' | 'reply') =>
      new Map(
        events.flatMap(({ at, content }) => (content.type === type ? [[content.number, at] as const] : [])),
      )
    const replied = times(fromCapture, 'reply')
    const seen = times(fromProxy, 'command')
    expect(seen.size).toBeGreaterThan(5)
    for (const [number, at] of times(fromCapture, 'command')) {
      expect(seen.get(number)).toBeGreaterThan(at - CLOCKS_APART_MS)
      expect(seen.get(number)).toBeLessThan((replied.get(number) ?? 0) + CLOCKS_APART_MS)
    }
    expect(readFileSync(running.file).includes(account.password)).toBe(true)
    expect(JSON.stringify(fromCapture)).not.toContain(account.password)
  })

  test('of several sessions at one time tells them apart', async () => {
    const accounts = [1, 2, 3].map(() => bench.openAccount(SAMPLE_MAILS.slice(0, 3)))
    const port = bench.postern.port('pop3')
    const running = await capture('several.pcap', port)
    await Promise.all(accounts.map(async (account) => await bench.session('plain', account, 3)))
    const fromCapture = sessionsOf(await captured(running, port, 3))
    expect(fromCapture).toHaveLength(3)
    for (const { user } of accounts) {
      const own = fromCapture.find((events) =>
        events.some(({ content }) => content.type === 'session-closed' && content.user === user),
      )
      expect(comparable(own ?? [])).toEqual(comparable(await live(user)))
    }
  })

  test('of the leg to a plain server shows the same mail', async () => {
    const account = bench.openAccount(SAMPLE_MAILS)
    const port = bench.dovecot.plainPort
    const running = await capture('server.pcap', port)
    await bench.session('plain', account, SAMPLE_MAILS.length)
    const fromCapture = await captured(running, port, 1)
    const ends = (events: readonly TraceEvent[]) =>
      events.flatMap(({ content }) =>
        content.type === 'content-end' && content.verb === 'RETR' ? [[content.number, content.octets]] : [],
      )
    expect(ends(fromCapture)).toHaveLength(SAMPLE_MAILS.length)
    expect(ends(fromCapture)).toEqual(ends(await live(account.user)))
  })

  test('of a session that goes on in TLS shows what was in clear, and says where it ended', async () => {
    const account = bench.openAccount(SAMPLE_MAILS.slice(0, 1))
    const port = bench.postern.port('pop3')
    const running = await capture('stls.pcap', port)
    await bench.session('stls', account, 1)
    const fromCapture = await captured(running, port, 1)
    const types = fromCapture.map(({ content }) => content.type)
    expect(types).toEqual([
      'session-opened',
      'server-connected',
      'greeting',
      'command',
      'reply',
      'failure',
      'session-closed',
    ])
    expect(fromCapture[5]?.content).toMatchObject({ failure: { code: 'POSTERN_CAPTURE_ENCRYPTED' } })
  })

  test('cut by a short snapshot length says that octets are missing', async () => {
    const account = bench.openAccount(SAMPLE_MAILS)
    const port = bench.postern.port('pop3')
    const running = await capture('cut.pcap', port, ['-s', '200'])
    await bench.session('plain', account, SAMPLE_MAILS.length)
    const fromCapture = await captured(running, port, 1)
    const failures = fromCapture.flatMap(({ content }) =>
      content.type === 'failure' ? [content.failure] : [],
    )
    expect(failures).toMatchObject([
      { code: 'POSTERN_CAPTURE_INCOMPLETE', hint: expect.stringContaining('-s 0') },
    ])
  })
})
