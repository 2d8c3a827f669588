import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TcpHalf } from '../../src/export/tcp-half.js'

const NO_FLAGS = { isSyn: false, isFin: false, cutOctets: 0 }

function data(sequence: number, text: string, more: Partial<Parameters<TcpHalf['take']>[0]> = {}) {
  return { ...NO_FLAGS, sequence: sequence >>> 0, payload: Buffer.from(text), ...more }
}

function opened(initialSequence: number): TcpHalf {
  const half = new TcpHalf()
  half.take({ ...NO_FLAGS, sequence: initialSequence, payload: Buffer.alloc(0), isSyn: true })
  return half
}

function readAll(half: TcpHalf, segments: readonly ReturnType<typeof data>[]): string {
  return segments.flatMap((segment) => half.take(segment).pieces.map(String)).join('')
}

describe('one direction of a captured connection', () => {
  it('leaves out what was sent again, and reads only the new part of an overlap', () => {
    const half = opened(99)
    expect(readAll(half, [data(100, 'abcd'), data(100, 'abcd'), data(102, 'cdef'), data(101, 'b')])).toBe(
      'abcdef',
    )
    expect(half.hasGap).toBe(false)
  })

  it('keeps early segments until those before them come', () => {
    const half = opened(99)
    expect(readAll(half, [data(104, 'ef'), data(102, 'cd')])).toBe('')
    expect(half.hasGap).toBe(true)
    expect(readAll(half, [data(100, 'ab')])).toBe('abcdef')
    expect(half.hasGap).toBe(false)
  })

  it('goes on where sequence numbers begin again at 0', () => {
    const half = opened(0xffff_fffd)
    expect(readAll(half, [data(0xffff_fffe, 'abcd'), data(2, 'ef')])).toBe('abcdef')
  })

  it('ends with the FIN, once everything before it is there', () => {
    const half = opened(99)
    expect(half.take(data(102, 'cd', { isFin: true })).hasEnded).toBe(false)
    expect(half.take(data(100, 'ab')).hasEnded).toBe(true)
  })

  it('knows of octets that were lost before the FIN', () => {
    const half = opened(99)
    half.take(data(100, 'ab'))
    half.take(data(110, '', { isFin: true }))
    expect(half.hasGap).toBe(true)
  })

  it('is lost where the snapshot length cut octets off, behind those that are there', () => {
    const half = opened(99)
    const step = half.take(data(100, 'ab', { cutOctets: 5 }))
    expect(step.pieces.map(String)).toEqual(['ab'])
    expect(step.isLost).toBe(true)
    expect(half.take(data(107, 'cd')).pieces).toEqual([])
  })

  it('is lost where more is held than can ever be in flight', () => {
    const half = opened(99)
    const piece = 'x'.repeat(65_536)
    const steps = Array.from({ length: 70 }, (_, index) => half.take(data(200 + index * 65_536, piece)))
    expect(steps.some(({ isLost }) => isLost)).toBe(true)
    expect(half.take(data(100, 'ab')).pieces).toEqual([])
  })

  it('reads a capture begun later from its first segment on', () => {
    expect(readAll(new TcpHalf(), [data(5_000, 'ab'), data(5_002, 'cd')])).toBe('abcd')
  })

  it('reads the same octets however segments are cut, repeated and disordered', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 60, unit: 'binary-ascii' }),
        fc.array(fc.tuple(fc.nat(59), fc.integer({ min: 1, max: 20 })), { maxLength: 40 }),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        (text, cuts, initialSequence) => {
          const half = opened(initialSequence)
          const begin = initialSequence + 1
          const parts = cuts.map(([from, length]) => data(begin + from, text.slice(from, from + length)))
          const some = readAll(
            half,
            parts.filter(({ payload }) => payload.length > 0),
          )
          expect(text.startsWith(some)).toBe(true)
          expect(some + readAll(half, [data(begin, text)])).toBe(text)
          expect(half.hasGap).toBe(false)
        },
      ),
    )
  })
})
