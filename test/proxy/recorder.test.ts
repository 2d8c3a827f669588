import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DEFAULT_WRITE } from '../../src/config/defaults.js'
import type { WriteSettings } from '../../src/config/settings.js'
import { Recorder } from '../../src/proxy/recorder.js'
import type { TraceEvent } from '../../src/trace/event.js'
import { FEED_CAPACITY, Feed } from '../../src/trace/feed.js'
import { run, type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'
import { keptLog } from './bench.js'

let directory: TemporaryDirectory
let file: string

beforeEach(() => {
  directory = temporaryDirectory('recorder')
  file = join(directory.path, 'trace.jsonl')
})
afterEach(() => directory.remove())

function writing(settings: Partial<WriteSettings> = {}): WriteSettings {
  return { ...DEFAULT_WRITE, file, ...settings }
}

function event(octets: number): TraceEvent {
  return { at: 1_000.5, session: 's1', content: { type: 'unsolicited', octets } }
}

function linesOf(path: string): readonly unknown[] {
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

describe('a recording', () => {
  it('is readable by its owner alone, begins with what it is, and has one event a line', async () => {
    const feed = new Feed()
    const recorder = await Recorder.start(writing(), 'postern 1.2.3', feed, keptLog().log)
    feed.publish(event(1))
    await until('the event to be in the file', () => readFileSync(file, 'utf8').includes('unsolicited'))
    feed.publish(event(2))
    await recorder.stop()
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(linesOf(file)).toEqual([
      {
        postern: 'recording',
        version: 1,
        program: 'postern 1.2.3',
        at: expect.stringMatching(/^\d{4}-.*Z$/),
      },
      { at: 1000.5, session: 's1', type: 'unsolicited', octets: 1 },
      { at: 1000.5, session: 's1', type: 'unsolicited', octets: 2 },
    ])
    expect(feed.isWatched).toBe(false)
  })

  it('never goes over a file that is there', async () => {
    writeFileSync(file, 'precious')
    const feed = new Feed()
    await expect(Recorder.start(writing(), 'postern', feed, keptLog().log)).rejects.toMatchObject({
      code: 'EEXIST',
    })
    expect(readFileSync(file, 'utf8')).toBe('precious')
    expect(feed.isWatched).toBe(false)
  })

  it('counts in the file what was lost while it could not write', async () => {
    const feed = new Feed()
    const recorder = await Recorder.start(writing(), 'postern', feed, keptLog().log)
    // In one turn of the loop nothing can be written: one event more than fits loses the older half.
    for (let number = 0; number <= FEED_CAPACITY; number += 1) feed.publish(event(number))
    await recorder.stop()
    const [, dropped, ...events] = linesOf(file)
    expect(dropped).toEqual({ type: 'dropped', events: FEED_CAPACITY / 2 })
    expect(events).toHaveLength(FEED_CAPACITY / 2 + 1)
    expect(events.at(-1)).toMatchObject({ octets: FEED_CAPACITY })
  })

  it('keeps all that a disk takes in time', async () => {
    const feed = new Feed()
    const recorder = await Recorder.start(writing(), 'postern', feed, keptLog().log)
    const total = FEED_CAPACITY * 4
    for (let number = 0; number < total; number += 1) {
      feed.publish(event(number))
      if (number % 1_000 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await recorder.stop()
    const counted = linesOf(file)
      .slice(1)
      .map((line) => (typeof line === 'object' && line !== null && 'octets' in line ? line.octets : line))
    expect(counted).toEqual(Array.from({ length: total }, (_, number) => number))
  })
})

/** A piece of a message. */
function mail(octets: number): TraceEvent {
  const wire = Buffer.alloc(octets, 'm')
  const content = { type: 'content', number: 3, verb: 'RETR', source: 'server', wire } as const
  return { at: 1, session: 's1', content }
}

function opened(session: string): TraceEvent {
  const content = {
    type: 'session-opened',
    service: 'default',
    listener: 'pop3://127.0.0.1:110',
    client: '127.0.0.1:1',
    server: 'pop3://127.0.0.1:2',
  } as const
  return { at: 1, session, content }
}

function command(session: string, shown: string): TraceEvent {
  const verb = shown.split(' ')[0] ?? ''
  const content = {
    type: 'command',
    number: 1,
    verb,
    shown,
    octets: 9,
    origin: 'client',
    wire: null,
  } as const
  return { at: 2, session, content }
}

function closed(session: string): TraceEvent {
  const octets = { fromClient: 1, toClient: 1, fromServer: 1, toServer: 1 }
  const content = {
    type: 'session-closed',
    reason: 'quit',
    code: null,
    user: null,
    state: 'UPDATE',
    commands: 1,
    messages: 0,
    octets,
    durationMs: 1,
  } as const
  return { at: 3, session, content }
}

describe('a recording of mail', () => {
  it('has none unless it is asked for, whoever else watches', async () => {
    const feed = new Feed()
    feed.subscribe(() => {}, { messageOctets: 1_000_000 })
    const recorder = await Recorder.start(writing(), 'postern', feed, keptLog().log)
    feed.publish(mail(100))
    await recorder.stop()
    expect(readFileSync(file, 'utf8')).not.toContain('content')
  })

  it('has as many octets of each message as were asked for', async () => {
    const feed = new Feed()
    const recorder = await Recorder.start(writing({ messageOctets: 150 }), 'postern', feed, keptLog().log)
    expect(feed.attention.messageOctets).toBe(150)
    for (let piece = 0; piece < 3; piece += 1) feed.publish(mail(100))
    await recorder.stop()
    const [, ...lines] = linesOf(file)
    expect(lines).toMatchObject([
      { type: 'content', wire: Buffer.alloc(100, 'm').toString('base64') },
      { type: 'content', wire: Buffer.alloc(50, 'm').toString('base64') },
    ])
  })
})

describe('a recording with a filter', () => {
  it('holds the sessions that it finds, from their beginning to their end, and no others', async () => {
    const feed = new Feed()
    const filter = 'command == "DELE"'
    const recorder = await Recorder.start(writing({ filter }), 'postern', feed, keptLog().log)
    for (const session of ['kept', 'other']) feed.publish(opened(session))
    feed.publish(command('kept', 'STAT'))
    feed.publish(command('other', 'STAT'))
    feed.publish(command('kept', 'DELE 1'))
    feed.publish(command('kept', 'QUIT'))
    for (const session of ['kept', 'other']) feed.publish(closed(session))
    await recorder.stop()
    const [, ...lines] = linesOf(file)
    expect(lines).toMatchObject([
      { session: 'kept', type: 'session-opened' },
      { session: 'kept', shown: 'STAT' },
      { session: 'kept', shown: 'DELE 1' },
      { session: 'kept', shown: 'QUIT' },
      { session: 'kept', type: 'session-closed' },
    ])
  })
})

describe('a recording with a filter about mail', () => {
  it('looks into messages without recording them', async () => {
    const feed = new Feed()
    const filter = 'subject.contains("invoice")'
    const recorder = await Recorder.start(writing({ filter }), 'postern', feed, keptLog().log)
    expect(feed.attention.messageOctets).toBeGreaterThan(0)
    for (const [session, subject] of [
      ['kept', 'invoice 7'],
      ['other', 'hello'],
    ] as const) {
      const message = Buffer.from(`Subject: ${subject}\r\n\r\nbody\r\n`)
      const part = { number: 1, verb: 'RETR' } as const
      feed.publish(opened(session))
      feed.publish(command(session, 'RETR 1'))
      feed.publish({
        at: 2,
        session,
        content: {
          ...part,
          type: 'reply',
          source: 'server',
          indicator: '+OK',
          responseCode: null,
          text: '',
          afterMs: 1,
          wire: null,
        },
      })
      feed.publish({ at: 2, session, content: { ...part, type: 'content', source: 'server', wire: message } })
      const end = { ...part, type: 'content-end', octets: message.length, afterMs: 1 } as const
      feed.publish({ at: 2, session, content: end })
      feed.publish(closed(session))
    }
    await recorder.stop()
    const [, ...lines] = linesOf(file)
    expect(lines.map((line) => Object(line).session)).toEqual(Array(5).fill('kept'))
    expect(readFileSync(file, 'utf8')).not.toContain('"content"')
  })
})

describe('a recording with a bound', () => {
  async function fill(settings: Partial<WriteSettings>, events: number) {
    const feed = new Feed()
    const kept = keptLog()
    const recorder = await Recorder.start(writing(settings), 'postern', feed, kept.log)
    for (let number = 0; number < events; number += 1) {
      feed.publish(event(number))
      if (number % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    }
    return { feed, kept, recorder }
  }

  function numbersIn(path: string): readonly unknown[] {
    const [, ...lines] = linesOf(path)
    return lines.map((line) =>
      typeof line === 'object' && line !== null && 'octets' in line ? line.octets : line,
    )
  }

  it('is rotated, keeps as many older files as it shall, and loses nothing between two', async () => {
    const { recorder } = await fill({ maxOctets: 20_000, keep: 3 }, 2_000)
    await recorder.stop()
    const files = [`${file}.3`, `${file}.2`, `${file}.1`, file]
    for (const each of files) expect(statSync(each).mode & 0o777, each).toBe(0o600)
    for (const each of files.slice(0, 3)) expect(statSync(each).size).toBeGreaterThanOrEqual(20_000)
    expect(existsSync(`${file}.4`)).toBe(false)
    const numbers = files.flatMap(numbersIn)
    const [first] = numbers
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => Number(first) + index))
    expect(numbers.at(-1)).toBe(1_999)
  })

  it('without rotation ends there, says so once, and leaves the feed alone', async () => {
    const { recorder, feed, kept } = await fill({ maxOctets: 20_000 }, 2_000)
    await until('the recording to end', () => !feed.isWatched)
    await recorder.stop()
    expect(statSync(file).size).toBeLessThan(40_000)
    expect(kept.lines.filter((line) => line.event === 'recording-full')).toHaveLength(1)
  })

  it('moves an older recording out of the way at the start', async () => {
    const { recorder } = await fill({ keep: 2 }, 1)
    await recorder.stop()
    const before = readFileSync(file, 'utf8')
    const { recorder: second } = await fill({ keep: 2 }, 1)
    await second.stop()
    expect(readFileSync(`${file}.1`, 'utf8')).toBe(before)
  })

  it('never moves what is no recording', async () => {
    writeFileSync(file, 'precious')
    await expect(
      Recorder.start(writing({ keep: 2 }), 'postern', new Feed(), keptLog().log),
    ).rejects.toMatchObject({ code: 'EEXIST' })
    expect(readFileSync(file, 'utf8')).toBe('precious')
  })
})

describe.skipIf(process.platform !== 'linux')('a file that can grow no more, as on a full disk', () => {
  it('ends the recording, says so once, and leaves the feed alone', async () => {
    // Run as a process of its own, whose files may have 32 KiB; a write past that fails with EFBIG.
    const program = `
      const { pino } = await import('pino')
      const { Recorder } = await import('./src/proxy/recorder.ts')
      const { Feed } = await import('./src/trace/feed.ts')
      const feed = new Feed()
      const recorder = await Recorder.start({ file: process.argv[1], messageOctets: 0, filter: null, maxOctets: 1e9, keep: 0 }, 'postern', feed, pino({ base: null }))
      for (let turn = 0; turn < 40; turn += 1) {
        for (let octets = 0; octets < 50; octets += 1)
          feed.publish({ at: turn, session: 's', content: { type: 'unsolicited', octets } })
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      console.log(JSON.stringify({ event: 'published', isWatched: feed.isWatched }))
      await recorder.stop()
      console.log(JSON.stringify({ event: 'stopped' }))`
    const { status, stdout, stderr } = await run('sh', [
      '-c',
      'ulimit -f 64 && exec "$0" --import tsx --input-type=module -e "$1" "$2"',
      process.execPath,
      program,
      file,
    ])
    expect(stderr).toBe('')
    expect(status).toBe(0)
    const lines = stdout
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines).toMatchObject([
      { level: 50, event: 'recording-failed', file, text: expect.stringContaining('EFBIG') },
      { event: 'published', isWatched: false },
      { event: 'stopped' },
    ])
    expect(statSync(file).size).toBeLessThanOrEqual(65_536)
  })
})
