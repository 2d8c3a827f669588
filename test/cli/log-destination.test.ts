import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import {
  boundedDestination,
  createLog,
  type LogStream,
  WAITING_LOG_OCTETS,
} from '../../src/cli/log-destination.js'

class FakeStdout extends EventEmitter implements LogStream {
  writableLength = 0
  isTTY = false
  readonly lines: string[] = []

  write(text: string): boolean {
    this.lines.push(text)
    return true
  }
}

describe('createLog', () => {
  it('writes a line of JSON with the level as a word', async () => {
    const stdout = new FakeStdout()
    const log = await createLog('info', stdout, {})
    log.info({ event: 'listening', url: 'pop3://127.0.0.1:1110' })
    log.debug({ event: 'command' })
    expect(stdout.lines).toHaveLength(1)
    expect(JSON.parse(stdout.lines[0] ?? '')).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      event: 'listening',
      url: 'pop3://127.0.0.1:1110',
    })
    expect(stdout.lines[0]).toMatch(/\n$/)
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
    expect(stdout.lines.join('')).toContain('INFO')
    expect(stdout.lines.join('')).toContain('listening')
    expect(stdout.lines.join('').includes('\x1b[')).toBe(isColoured)
  })
})

describe('boundedDestination', () => {
  it('drops lines while nobody reads, and says how many', () => {
    const stdout = new FakeStdout()
    const destination = boundedDestination(stdout)
    destination.write('one\n')
    stdout.writableLength = WAITING_LOG_OCTETS + 1
    destination.write('two\n')
    destination.write('three\n')
    stdout.writableLength = 0
    destination.write('four\n')
    destination.write('five\n')
    expect(stdout.lines).toHaveLength(4)
    expect(stdout.lines[0]).toBe('one\n')
    expect(JSON.parse(stdout.lines[1] ?? '')).toMatchObject({ event: 'log-lines-dropped', lines: 2 })
    expect(stdout.lines.slice(2)).toEqual(['four\n', 'five\n'])
  })

  it('writes nothing more once the reader is gone', () => {
    const stdout = new FakeStdout()
    const destination = boundedDestination(stdout)
    stdout.emit('error', new Error('EPIPE'))
    destination.write('one\n')
    expect(stdout.lines).toEqual([])
  })
})
