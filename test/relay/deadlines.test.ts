import { describe, expect, test } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'
import { Deadlines, lateText, type Phase } from '../../src/relay/deadlines.js'

const limits = {
  ...DEFAULT_LIMITS,
  loginMs: 1_000,
  connectMs: 10,
  greetingMs: 20,
  stlsMs: 30,
  handshakeMs: 40,
}

function deadlines(): Deadlines {
  const times = new Deadlines(limits)
  times.opened(100)
  times.waits(200)
  times.active(300)
  return times
}

describe('a deadline', () => {
  test.each<readonly [Phase, number]>([
    ['connecting', 210],
    ['greeting', 220],
    ['stls', 230],
    ['client-handshake', 240],
    ['server-tls', 240],
    ['upgrading', 240],
    ['closed', Number.POSITIVE_INFINITY],
    ['new', Number.POSITIVE_INFINITY],
  ])('of %s is at %d', (phase, at) => {
    expect(deadlines().of(phase, 'login')).toBe(at)
  })

  test('of a phase is never behind that of the login', () => {
    const times = deadlines()
    times.waits(1_095)
    for (const phase of ['connecting', 'greeting', 'stls', 'upgrading'] as const)
      expect(times.of(phase, 'login')).toBe(1_100)
  })

  test('of an open session depends on what it waits for', () => {
    const times = deadlines()
    expect(times.of('open', 'client-tls')).toBe(240)
    expect(times.of('open', 'login')).toBe(1_100)
    expect(times.of('open', 'quit')).toBe(200 + limits.quitMs)
    expect(times.of('open', 'anything')).toBe(300 + limits.idleMs)
  })

  test('blames the server only where the server is late', () => {
    expect(lateText('greeting', 'login')).toBe('server sent no greeting in time')
    expect(lateText('open', 'quit')).toBe('server did not answer QUIT in time')
    expect([
      lateText('open', 'anything'),
      lateText('open', 'login'),
      lateText('client-handshake', 'login'),
    ]).toEqual([null, null, null])
  })
})
