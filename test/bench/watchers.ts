/**
 * `node watchers.ts POSTERN SOCKET`: three dashboards, each in a terminal of its own, attached to one proxy. The last
 * is stopped once it has drawn, as by a person who pressed Ctrl-Z in a forgotten window. Ends them when it is ended.
 */
import * as pty from '@lydell/node-pty'

const [, , postern = '', socket = ''] = process.argv
const DRAWN_MS = 2_500

const terminals = [1, 2, 3].map(() =>
  pty.spawn(process.execPath, [postern, 'attach', socket], {
    name: 'xterm-256color',
    cols: 160,
    rows: 45,
    env: { ...process.env, TERM: 'xterm-256color', LANG: 'C.UTF-8' },
  }),
)

for (const terminal of terminals) {
  terminal.onData(() => {})
  terminal.onExit(({ exitCode }) => {
    process.stderr.write(`a dashboard ended with status ${exitCode}\n`)
    process.exit(1)
  })
}

const last = terminals.at(-1)
const stop = setTimeout(() => {
  if (last !== undefined) process.kill(last.pid, 'SIGSTOP')
}, DRAWN_MS)

process.on('SIGTERM', () => {
  clearTimeout(stop)
  for (const terminal of terminals) {
    try {
      process.kill(terminal.pid, 'SIGKILL')
    } catch {
      // Gone already, which is what was wanted.
    }
  }
  process.exit(0)
})
