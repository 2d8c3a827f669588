import { PerformanceObserver } from 'node:perf_hooks'
import { expect, test } from 'vitest'
import { octetsRead } from '../../src/proxy/young-collection.js'

const MEBIBYTE = 1024 * 1024
const MINOR = 1

test('collects new objects once for every four mebibytes that were read', async () => {
  let minor = 0
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const detail: unknown = Reflect.get(entry, 'detail')
      if (typeof detail === 'object' && detail !== null && 'kind' in detail && detail.kind === MINOR)
        minor += 1
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20))
  await turn()
  const before = minor
  for (let count = 0; count < 3; count += 1) octetsRead(MEBIBYTE)
  await turn()
  const below = minor - before
  for (let count = 0; count < 17; count += 1) octetsRead(MEBIBYTE)
  await turn()
  observer.disconnect()
  // V8 may collect on its own account too; below four mebibytes this asks for none, for twenty it asks for five.
  expect(below).toBeLessThanOrEqual(1)
  expect(minor - before).toBeGreaterThanOrEqual(5)
})
