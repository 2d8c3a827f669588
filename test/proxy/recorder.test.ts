import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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
    const recorder = await Recorder.start(file, 'postern 1.2.3', feed, keptLog().log)
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
    await expect(Recorder.start(file, 'postern', feed, keptLog().log)).rejects.toMatchObject({
      code: 'EEXIST',
    })
    expect(readFileSync(file, 'utf8')).toBe('precious')
    expect(feed.isWatched).toBe(false)
  })

  it('counts in the file what was lost while it could not write', async () => {
    const feed = new Feed()
    const recorder = await Recorder.start(file, 'postern', feed, keptLog().log)
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
    const recorder = await Recorder.start(file, 'postern', feed, keptLog().log)
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

describe.skipIf(process.platform !== 'linux')('a file that can grow no more, as on a full disk', () => {
  it('ends the recording, says so once, and leaves the feed alone', async () => {
    // Run as a process of its own, whose files may have 32 KiB; a write past that fails with EFBIG.
    const program = `
      const { pino } = await import('pino')
      const { Recorder } = await import('./src/proxy/recorder.ts')
      const { Feed } = await import('./src/trace/feed.ts')
      const feed = new Feed()
      const recorder = await Recorder.start(process.argv[1], 'postern', feed, pino({ base: null }))
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
