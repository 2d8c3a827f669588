import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Recorder } from '../../src/proxy/recorder.js'
import type { TraceEvent } from '../../src/trace/event.js'
import { FEED_CAPACITY, Feed } from '../../src/trace/feed.js'
import { type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'
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

describe.skipIf(!existsSync('/dev/full'))('a full disk', () => {
  it('ends the recording, says so once, and leaves the feed alone', async () => {
    const { symlinkSync } = await import('node:fs')
    symlinkSync('/dev/full', file)
    const kept = keptLog()
    const feed = new Feed()
    // 'wx' refuses whatever exists, a link too: the start fails before anything is lost.
    await expect(Recorder.start(file, 'postern', feed, kept.log)).rejects.toMatchObject({ code: 'EEXIST' })
  })
})
