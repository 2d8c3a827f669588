import { describe, expect, it } from 'vitest'
import { LOG_RING_LINES, LogRing } from '../../src/watch/log-ring.js'

function written(count: number): LogRing {
  const ring = new LogRing()
  for (let number = 1; number <= count; number += 1) ring.write(`line ${number}\n`)
  return ring
}

describe('a ring of log lines', () => {
  it('tells what came behind a position', () => {
    const ring = written(3)
    expect(ring.since(0)).toEqual({ lines: ['line 1', 'line 2', 'line 3'], dropped: 0 })
    expect(ring.since(2)).toEqual({ lines: ['line 3'], dropped: 0 })
    expect(ring.since(ring.position)).toEqual({ lines: [], dropped: 0 })
  })

  it.each([LOG_RING_LINES, LOG_RING_LINES + 1, LOG_RING_LINES * 2, LOG_RING_LINES * 7 + 3])(
    'keeps the last %i at most and counts the others',
    (count) => {
      const { lines, dropped } = written(count).since(0)
      expect(lines).toHaveLength(Math.min(count, LOG_RING_LINES))
      expect(lines.length + dropped).toBe(count)
      expect(lines.at(-1)).toBe(`line ${count}`)
    },
  )

  it('keeps no line without bound: half of a JSON object would be none', () => {
    const ring = written(1)
    ring.write('x'.repeat(1_000_000))
    ring.write('line 3')
    expect(ring.since(0)).toEqual({ lines: ['line 1', 'line 3'], dropped: 1 })
  })

  it('tells who wants to know of each line', () => {
    const ring = new LogRing()
    let told = 0
    ring.onLine = () => {
      told += 1
    }
    ring.write('a')
    ring.onLine = null
    ring.write('b')
    expect(told).toBe(1)
  })
})
