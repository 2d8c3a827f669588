/**
 * A dashboard on the terminal of its own process, whose picture changes all the time. Arguments: a file for the
 * longest pause of the event loop in milliseconds, and how it ends (`quit`, `throw`, `reject`).
 */
import { writeFileSync } from 'node:fs'
import { runDashboard } from '../../../src/dashboard/dashboard.js'
import { screenKind } from '../../../src/dashboard/open-screen.js'
import { row } from '../../../src/dashboard/spans.js'
import { fakeScreen } from './fake-screens.js'
import { FakeSource } from './fake-source.js'

const [, , file = '', end = 'quit'] = process.argv

const source = new FakeSource()
const base = fakeScreen('sessions', 'Sessions', ['a line'], null)
const changing = {
  ...base,
  view: (_: unknown, { now, size }: { now: number; size: { columns: number; rows: number } }) =>
    Array.from({ length: size.rows }, (_each, index) =>
      row(`${now * (index + 7)} `.repeat(9).slice(0, size.columns)),
    ),
}

let last = performance.now()
let longest = 0
setInterval(() => {
  const now = performance.now()
  longest = Math.max(longest, now - last - 10)
  last = now
  source.say({ type: 'events', events: [], dropped: 0 })
}, 10)

process.on('SIGUSR2', () => {
  if (end === 'throw') throw new Error('a bug that nobody expected')
  if (end === 'reject') void Promise.reject(new Error('a promise that nobody kept'))
})

const { stdin: input, stdout: output, env: environment } = process
const result = runDashboard(source, {
  input,
  output,
  environment,
  screens: new Map([['sessions', screenKind(changing)]]),
})
source.greet()
console.error(await result)
writeFileSync(file, String(Math.round(longest)))
process.exit(0)
