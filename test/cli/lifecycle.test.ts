import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { type Lifecycle, type SignalSource, serveUntilSignal } from '../../src/cli/lifecycle.js'

/** Signals that a test sends, and the exit codes with which the process would have ended at once. */
class FakeProcess extends EventEmitter implements SignalSource {
  readonly exits: number[] = []

  exit(code: number): void {
    this.exits.push(code)
  }
}

function lifecycle(change: Partial<Lifecycle> = {}): {
  readonly calls: string[]
  readonly subject: Lifecycle
} {
  const calls: string[] = []
  const subject: Lifecycle = {
    drain: async () => void calls.push('drain'),
    stop: async () => void calls.push('stop'),
    reload: async () => void calls.push('reload'),
    drainMs: () => 1_000,
    announce: () => {},
    ...change,
  }
  return { calls, subject }
}

describe('serveUntilSignal', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('drains on %s and ends with 0', async (signal) => {
    const signals = new FakeProcess()
    const { calls, subject } = lifecycle()
    const ended = serveUntilSignal(subject, signals)
    signals.emit(signal)
    expect(await ended).toBe(0)
    expect(calls).toEqual(['drain'])
    expect(signals.exits).toEqual([])
    expect(signals.eventNames()).toEqual([])
  })

  it('stops and ends with 1 where draining takes too long', async () => {
    const signals = new FakeProcess()
    const stopped: string[] = []
    const { subject } = lifecycle({
      drain: () => new Promise(() => {}),
      stop: async () => void stopped.push('stop'),
      drainMs: () => 10,
    })
    const ended = serveUntilSignal(subject, signals)
    signals.emit('SIGTERM')
    expect(await ended).toBe(1)
    expect(stopped).toEqual(['stop'])
  })

  it('ends at once with 130 on a second signal', () => {
    const signals = new FakeProcess()
    const { subject } = lifecycle({ drain: () => new Promise(() => {}), drainMs: () => 10 })
    void serveUntilSignal(subject, signals)
    signals.emit('SIGTERM')
    expect(signals.exits).toEqual([])
    signals.emit('SIGINT')
    expect(signals.exits).toEqual([130])
  })

  it('reloads on SIGHUP, one after the other, and goes on', async () => {
    const signals = new FakeProcess()
    const log: string[] = []
    const { subject } = lifecycle({
      reload: async () => {
        log.push('begin')
        await new Promise((resolve) => setTimeout(resolve, 5))
        log.push('end')
      },
    })
    const ended = serveUntilSignal(subject, signals)
    signals.emit('SIGHUP')
    signals.emit('SIGHUP')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(log).toEqual(['begin', 'end', 'begin', 'end'])
    signals.emit('SIGTERM')
    expect(await ended).toBe(0)
  })

  it('reloads nothing while it ends', async () => {
    const signals = new FakeProcess()
    const { calls, subject } = lifecycle()
    const ended = serveUntilSignal(subject, signals)
    signals.emit('SIGTERM')
    signals.emit('SIGHUP')
    await ended
    expect(calls).toEqual(['drain'])
  })

  it('does not leave SIGUSR1 to the inspector', () => {
    const signals = new FakeProcess()
    void serveUntilSignal(lifecycle().subject, signals)
    expect(signals.listenerCount('SIGUSR1')).toBe(1)
  })

  it('passes on what draining throws', async () => {
    const signals = new FakeProcess()
    const { subject } = lifecycle({ drain: () => Promise.reject(new Error('broken')) })
    const ended = serveUntilSignal(subject, signals)
    signals.emit('SIGTERM')
    await expect(ended).rejects.toThrow('broken')
  })
})
