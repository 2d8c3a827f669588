/** What the process can say of itself. Measures only while somebody asks: the histogram of the loop costs a timer. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { ProcessFacts } from '../watch/protocol.js'
import type { FactsSampler } from '../watch/server.js'

const NANOSECONDS = 1e6

/**
 * Begins to measure.
 *
 * @param openSessions asked at each reading
 */
export function sampleFacts(openSessions: () => number): FactsSampler {
  const delays = monitorEventLoopDelay({ resolution: 10 })
  delays.enable()
  return {
    read(): ProcessFacts {
      const { rss, heapUsed } = process.memoryUsage()
      const { user, system } = process.cpuUsage()
      // Without a sample yet, the histogram's maximum is nonsense.
      const loopDelayMs = delays.count === 0 ? 0 : delays.max / NANOSECONDS
      delays.reset()
      return {
        rssOctets: rss,
        heapOctets: heapUsed,
        cpuMs: (user + system) / 1000,
        loopDelayMs: Math.round(loopDelayMs * 10) / 10,
        openSessions: openSessions(),
      }
    },
    stop: () => delays.disable(),
  }
}
