import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Slowness } from '../../src/proxy/slowness.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function slow(octetsPerSecond: number): { slowness: Slowness; written: string[]; slices: number[] } {
  const written: string[] = []
  const slices: number[] = []
  const slowness: Slowness = new Slowness(
    octetsPerSecond,
    (octets) => written.push(octets.toString()),
    () => slices.push(slowness.octets),
  )
  return { slowness, written, slices }
}

describe('a slow line on purpose', () => {
  test('lets octets leave at its pace and in their order', () => {
    const { slowness, written, slices } = slow(30)
    slowness.add(Buffer.from('abcd'))
    slowness.add(Buffer.from('ef'))
    expect(slowness.octets).toBe(6)
    vi.advanceTimersByTime(100)
    expect(written).toEqual(['abc'])
    vi.advanceTimersByTime(100)
    expect(written.join('')).toBe('abcdef')
    expect(slices).toEqual([3, 0])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('takes another pace for what waits as well', () => {
    const { slowness, written } = slow(10)
    slowness.add(Buffer.from('abcd'))
    vi.advanceTimersByTime(100)
    slowness.octetsPerSecond = 20
    vi.advanceTimersByTime(100)
    expect(written).toEqual(['a', 'bc'])
  })

  test('moves at least one octet, however slow it is', () => {
    const { slowness, written } = slow(1)
    slowness.add(Buffer.from('ab'))
    vi.advanceTimersByTime(200)
    expect(written).toEqual(['a', 'b'])
  })

  test('lets all leave at once when it has to', () => {
    const { slowness, written } = slow(1)
    slowness.add(Buffer.from('ab'))
    slowness.flush()
    expect(written).toEqual(['ab'])
    expect([slowness.octets, vi.getTimerCount()]).toEqual([0, 0])
  })

  test('keeps nothing once it is stopped', () => {
    const { slowness, written } = slow(1)
    slowness.add(Buffer.from('ab'))
    slowness.stop()
    vi.advanceTimersByTime(1_000)
    expect(written).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })
})
