import { beforeEach, describe, expect, it } from 'vitest'
import { SessionStore } from '../../src/tls/session-store.js'

const HOUR_MS = 3_600_000
let now: number
let store: SessionStore

beforeEach(() => {
  now = 1_000_000
  store = new SessionStore(() => now)
})

function put(...names: readonly string[]): void {
  for (const name of names) store.put(Buffer.from(name))
}

function take(): string | null {
  return store.take()?.toString() ?? null
}

describe('the sessions of one server', () => {
  it('are handed out once each, freshest first; the last stays', () => {
    expect(take()).toBeNull()
    put('a', 'b', 'c')
    expect([take(), take(), take(), take()]).toEqual(['c', 'b', 'a', 'a'])
  })

  it('are bounded in number', () => {
    put(...Array.from({ length: 100 }, (_, index) => `${index}`))
    expect(store.size).toBe(32)
    expect(take()).toBe('99')
  })

  it('expire an hour after they were stored', () => {
    put('a')
    now += HOUR_MS - 1
    expect(take()).toBe('a')
    now += 1
    expect(take()).toBeNull()
    expect(store.size).toBe(0)
  })

  it('end with the first certificate that was verified for them', () => {
    put('a', 'b')
    store.limitTo(now + 20)
    store.limitTo(now + 10)
    store.limitTo(now + 30)
    now += 9
    expect(take()).toBe('b')
    now += 1
    expect(take()).toBeNull()
    // What is verified afterwards has a limit of its own.
    put('c')
    expect(take()).toBe('c')
  })
})
