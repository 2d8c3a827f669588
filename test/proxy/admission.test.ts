import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'
import { Admission } from '../../src/proxy/admission.js'

const LIMITS = { ...DEFAULT_LIMITS, sessions: 3, sessionsPerAddress: 2, handshakes: 1 }

describe('admission', () => {
  it('gives places up to the limit of sessions, and again when one is left', () => {
    const admission = new Admission()
    for (const address of ['a', 'b', 'c']) expect(admission.enter(address, LIMITS, 0)).toBeNull()
    expect(admission.sessions).toBe(3)
    expect(admission.enter('d', LIMITS, 0)).toBe('limit of 3 sessions reached')
    expect(admission.sessions).toBe(3)
    admission.leave('b')
    expect(admission.enter('d', LIMITS, 0)).toBeNull()
  })

  it('counts each address for itself', () => {
    const admission = new Admission()
    expect(admission.enter('a', LIMITS, 0)).toBeNull()
    expect(admission.enter('a', LIMITS, 0)).toBeNull()
    expect(admission.enter('a', LIMITS, 0)).toBe('limit of 2 sessions per address reached')
    expect(admission.enter('b', LIMITS, 0)).toBeNull()
    admission.leave('a')
    expect(admission.enter('a', LIMITS, 0)).toBeNull()
  })

  it('takes nobody while too many are within a handshake', () => {
    const admission = new Admission()
    expect(admission.enter('a', LIMITS, 1)).toBe('limit of 1 TLS handshakes at a time reached')
    expect(admission.sessions).toBe(0)
    expect(admission.enter('a', LIMITS, 0)).toBeNull()
  })

  it('is empty when all have left, whatever was refused between', () => {
    const admission = new Admission()
    for (let turn = 0; turn < 50; turn += 1) {
      const entered = ['a', 'a', 'a', 'b', 'c'].filter(
        (address) => admission.enter(address, LIMITS, 0) === null,
      )
      expect(entered).toEqual(['a', 'a', 'b'])
      for (const address of entered) admission.leave(address)
    }
    expect(admission.sessions).toBe(0)
  })
})
