/**
 * A dashboard on the terminal of its own process, whose picture changes all the time. Arguments: a directory, in which
 * it makes the file `ended` when it is left, and what it does on SIGUSR2: make the file `turned`, for which its event
 * loop has to turn (`quit`), or end by a bug (`throw`, `reject`).
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runDashboard } from '../../../src/dashboard/dashboard.js'
import { screenKind } from '../../../src/dashboard/open-screen.js'
import { row } from '../../../src/dashboard/spans.js'
import { fakeScreen } from './fake-screens.js'
import { FakeSource } from './fake-source.js'

const [, , directory = '', end = 'quit'] = process.argv

const source = new FakeSource()
const base = fakeScreen('sessions', 'Sessions', ['a line'], null)
const changing = {
  ...base,
  view: (_: unknown, { now, size }: { now: number; size: { columns: number; rows: number } }) =>
    Array.from({ length: size.rows }, (_each, index) =>
      row(`${now * (index + 7)} `.repeat(9).slice(0, size.columns)),
    ),
}

setInterval(() => source.say({ type: 'events', events: [], dropped: 0 }), 10)

process.on('SIGUSR2', () => {
  if (end === 'throw') throw new Error('a bug that nobody expected')
  if (end === 'reject') void Promise.reject(new Error('a promise that nobody kept'))
  writeFileSync(join(directory, 'turned'), '')
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
writeFileSync(join(directory, 'ended'), '')
process.exit(0)
