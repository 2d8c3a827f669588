import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'

describe('DEFAULT_LIMITS', () => {
  it('are whole numbers above zero', () => {
    for (const [name, value] of Object.entries(DEFAULT_LIMITS)) {
      expect(Number.isSafeInteger(value) && value > 0, name).toBe(true)
    }
  })

  it('keep what the RFCs ask for', () => {
    expect(DEFAULT_LIMITS.commandLineOctets).toBeGreaterThanOrEqual(255) // RFC 2449 §4
    expect(DEFAULT_LIMITS.statusLineOctets).toBeGreaterThanOrEqual(512) // RFC 2449 §4
    expect(DEFAULT_LIMITS.saslLineOctets).toBeGreaterThanOrEqual(12_288) // RFC 5034 §4
    expect(DEFAULT_LIMITS.idleMs).toBeGreaterThanOrEqual(600_000) // RFC 1939 §3
  })
})
