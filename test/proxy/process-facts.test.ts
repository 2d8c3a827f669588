import { describe, expect, it } from 'vitest'
import { sampleFacts } from '../../src/proxy/process-facts.js'
import { until } from '../support/tools.js'

/** Computes for so much CPU time, which takes as much time of the clock at least. */
function busy(milliseconds: number): void {
  const begin = process.cpuUsage()
  for (;;) {
    const { user, system } = process.cpuUsage(begin)
    if ((user + system) / 1000 >= milliseconds) return
  }
}

describe('the facts of the process', () => {
  it('name its memory, its CPU time, its sessions and the longest delay since the last reading', async () => {
    const sampler = sampleFacts(() => 7)
    try {
      await new Promise((resolve) => setTimeout(resolve, 30))
      sampler.read()
      // A reading begins the next measurement, which needs a turn of the loop to compare with.
      await new Promise((resolve) => setTimeout(resolve, 30))
      busy(150)
      await new Promise((resolve) => setTimeout(resolve, 30))
      const facts = sampler.read()
      expect(facts.openSessions).toBe(7)
      expect(facts.rssOctets).toBeGreaterThan(facts.heapOctets)
      expect(facts.cpuMs).toBeGreaterThan(150)
      expect(facts.loopDelayMs).toBeGreaterThan(100)
      // The next readings do not have it any more; on a busy machine one of them may have a delay of its own.
      await until('a reading without that delay', async () => {
        await new Promise((resolve) => setTimeout(resolve, 30))
        return sampler.read().loopDelayMs < facts.loopDelayMs
      })
    } finally {
      sampler.stop()
    }
  })

  it('are nothing odd before anything was measured', () => {
    const sampler = sampleFacts(() => 0)
    sampler.stop()
    expect(sampler.read().loopDelayMs).toBe(0)
  })
})
