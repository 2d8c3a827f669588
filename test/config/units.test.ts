import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDuration, formatOctets, parseDuration, parseOctets } from '../../src/config/units.js'

describe('parseDuration', () => {
  it.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['11min', 660_000],
    ['1h', 3_600_000],
    ['1.5min', 90_000],
    ['1.1min', 66_000],
    ['10 s', 10_000],
    ['0s', 0],
  ])('reads %s', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds)
  })
  it.each(['', '10', 's', '10m', '10sec', '-1s', '1e3s', '0.5ms', '10s ', '1_000ms', '10 constructor'])(
    'refuses %j',
    (text) => {
      expect(parseDuration(text)).toBeNull()
    },
  )
  it('reads what formatDuration writes', () => {
    fc.assert(
      fc.property(fc.nat(10 ** 8), (amount) => {
        expect(parseDuration(formatDuration(amount))).toBe(amount)
      }),
    )
  })
})

describe('parseOctets', () => {
  it.each([
    ['512B', 512],
    ['8KiB', 8_192],
    ['1.5KiB', 1_536],
    ['1MiB', 1_048_576],
  ])('reads %s', (text, octets) => {
    expect(parseOctets(text)).toBe(octets)
  })
  it.each(['8K', '8KB', '8kib', '0.3B', '8 GiB'])('refuses %j', (text) => {
    expect(parseOctets(text)).toBeNull()
  })
  it('reads what formatOctets writes', () => {
    fc.assert(
      fc.property(fc.nat(10 ** 8), (amount) => {
        expect(parseOctets(formatOctets(amount))).toBe(amount)
      }),
    )
  })
})

describe('formatDuration', () => {
  it.each([
    [660_000, '11min'],
    [90_000, '90s'],
    [1_500, '1500ms'],
    [0, '0ms'],
  ])('takes the largest unit without a fraction for %i', (amount, text) => {
    expect(formatDuration(amount)).toBe(text)
  })
})
