import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  boundedDestination,
  createLog,
  type LogStream,
  WAITING_LOG_OCTETS,
} from '../../src/cli/log-destination.js'

class FakeStdout extends EventEmitter implements LogStream {
  writableLength = 0
  isTTY = false
  readonly writes: string[] = []

  write(text: string): boolean {
    this.writes.push(text)
    return true
  }
}

/** As long as a line waits for others at most. */
const WAIT_MS = 20

let listenersBefore: readonly unknown[]

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  listenersBefore = process.listeners('exit')
})

afterEach(() => {
  vi.useRealTimers()
  for (const listener of newExitListeners()) process.off('exit', listener)
})

function newExitListeners(): readonly NodeJS.ExitListener[] {
  return process.listeners('exit').filter((listener) => !listenersBefore.includes(listener))
}

/** What the end of the process brings about in what this test made. */
function endProcess(): void {
  for (const listener of newExitListeners()) listener(0)
}

describe('createLog', () => {
  it('writes a line of JSON with the level as a word', async () => {
    const stdout = new FakeStdout()
    const log = await createLog('info', stdout, {})
    log.info({ event: 'listening', url: 'pop3://127.0.0.1:1110' })
    log.debug({ event: 'command' })
    vi.advanceTimersByTime(WAIT_MS)
    const [written = ''] = stdout.writes
    expect(JSON.parse(written)).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      event: 'listening',
      url: 'pop3://127.0.0.1:1110',
    })
    expect(written).toMatch(/^[^\n]*\n$/)
  })

  it.each([
    [{}, true],
    [{ NO_COLOR: '' }, true],
    [{ NO_COLOR: '1' }, false],
    [{ TERM: 'dumb' }, false],
  ])('writes text to a terminal, coloured with %j: %s', async (environment, isColoured) => {
    const stdout = new FakeStdout()
    stdout.isTTY = true
    const log = await createLog('info', stdout, environment)
    log.info({ event: 'listening' })
    vi.advanceTimersByTime(WAIT_MS)
    const text = stdout.writes.join('')
    expect(text).toContain('INFO')
    expect(text).toContain('listening')
    expect(text.includes('\x1b[')).toBe(isColoured)
  })
})

describe('boundedDestination', () => {
  it('writes the lines of one moment together, in their order, and those of the next by themselves', () => {
    const stdout = new FakeStdout()
    const destination = boundedDestination(stdout)
    destination.write('one\n')
    destination.write('two\n')
    vi.advanceTimersByTime(WAIT_MS - 1)
    destination.write('three\n')
    expect(stdout.writes).toEqual([])
    vi.advanceTimersByTime(1)
    expect(stdout.writes).toEqual(['one\ntwo\nthree\n'])
    destination.write('four\n')
    vi.advanceTimersByTime(WAIT_MS)
    expect(stdout.writes).toEqual(['one\ntwo\nthree\n', 'four\n'])
  })

  it('writes what waits when the process ends, and only once', () => {
    const stdout = new FakeStdout()
    const destination = boundedDestination(stdout)
    destination.write('one\n')
    destination.write('two\n')
    endProcess()
    expect(stdout.writes).toEqual(['one\ntwo\n'])
    vi.advanceTimersByTime(WAIT_MS)
    endProcess()
    expect(stdout.writes).toEqual(['one\ntwo\n'])
  })

  it('drops lines while nobody reads, and says how many', () => {
    const stdout = new FakeStdout()
    const destination = boundedDestination(stdout)
    destination.write('one\n')
    vi.advanceTimersByTime(WAIT_MS)
    stdout.writableLength = WAITING_LOG_OCTETS + 1
    destination.write('two\n')
    destination.write('three\n')
    vi.advanceTimersByTime(WAIT_MS)
    expect(stdout.writes).toEqual(['one\n'])
    stdout.writableLength = 0
    destination.write('four\n')
    destination.write('five\n')
    vi.advanceTimersByTime(WAIT_MS)
    expect(stdout.writes).toHaveLength(2)
    const [dropped = '', ...others] = stdout.writes[1]?.split('\n') ?? []
    expect(JSON.parse(dropped)).toMatchObject({ event: 'log-lines-dropped', lines: 2 })
    expect(others).toEqual(['four', 'five', ''])
  })

  it('counts lines that wait to be written as lines that wait for a reader', () => {
    const stdout = new FakeStdout()
    const destination = boundedDestination(stdout)
    stdout.writableLength = WAITING_LOG_OCTETS / 2
    destination.write('a'.repeat(WAITING_LOG_OCTETS / 2))
    destination.write('b')
    destination.write('c')
    vi.advanceTimersByTime(WAIT_MS)
    expect(stdout.writes).toEqual([`${'a'.repeat(WAITING_LOG_OCTETS / 2)}b`])
    destination.write('d\n')
    vi.advanceTimersByTime(WAIT_MS)
    expect(stdout.writes[1]).toMatch(/"event":"log-lines-dropped","lines":1\}\nd\n$/)
  })

  it.each([
    ['before a line is there', 'error', 'write'],
    ['while lines wait', 'write', 'error'],
  ])('writes nothing more once the reader is gone, %s', (_, ...steps) => {
    const stdout = new FakeStdout()
    const destination = boundedDestination(stdout)
    for (const step of steps) {
      if (step === 'error') stdout.emit('error', new Error('EPIPE'))
      else destination.write('one\n')
    }
    vi.advanceTimersByTime(WAIT_MS)
    endProcess()
    expect(stdout.writes).toEqual([])
  })
})
