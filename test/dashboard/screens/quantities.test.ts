import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ageText,
  clockText,
  countdownText,
  countText,
  durationText,
  octetsText,
  sinceText,
} from '../../../src/dashboard/screens/quantities.js'

process.env.TZ = 'UTC'

describe('quantities', () => {
  it.each([
    [octetsText, 0, '0'],
    [octetsText, 999, '999'],
    [octetsText, 1_000, '1.0k'],
    [octetsText, 188_240, '188.2k'],
    [octetsText, 999_949, '999.9k'],
    [octetsText, 999_950, '1.0M'],
    [octetsText, 2_100_000_000, '2.1G'],
    [countText, 999, '999'],
    [countText, 12_999, '12k'],
    [countText, 3_400_000, '3M'],
    [ageText, -5, '0.0s'],
    [ageText, 4_100, '4.1s'],
    [ageText, 9_949, '9.9s'],
    [ageText, 9_950, '9s'],
    [ageText, 59_999, '59s'],
    [ageText, 60_000, '1m'],
    [ageText, 3_600_000, '1h'],
    [ageText, 172_800_000, '2d'],
    [countdownText, 9_000, '9.0s'],
    [countdownText, 112_900, '112s'],
    [countdownText, 999_999, '999s'],
    [countdownText, 1_000_000, '16m'],
    [durationText, 0.04, '0.0'],
    [durationText, 38.14, '38.1'],
    [durationText, 4_012.4, '4012'],
    [sinceText, 373, '+0.373'],
    [sinceText, 599_999, '+599.999'],
    [sinceText, 600_000, '+10m00s'],
    [sinceText, 11_045_000, '+3h04m'],
    [clockText, Date.UTC(2026, 10, 20, 14, 2, 1), '14:02:01'],
  ] as const)('are written short: %o %d', (write, value, text) => {
    expect(write(value)).toBe(text)
  })

  it('never take more cells than they say', () => {
    const value = fc.double({ min: 0, max: 9.9e11, noNaN: true }).map(Math.floor)
    fc.assert(
      fc.property(value, (any) => {
        expect(octetsText(any).length).toBeLessThanOrEqual(6)
        expect(countText(any).length).toBeLessThanOrEqual(4)
        expect(ageText(any % 86_400_000_000).length).toBeLessThanOrEqual(4)
        expect(countdownText(any % 86_400_000_000).length).toBeLessThanOrEqual(4)
        expect(sinceText(any % 86_400_000).length).toBeLessThanOrEqual(8)
      }),
    )
  })
})
