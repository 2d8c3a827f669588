import { connect } from 'node:net'
import { resolve } from 'node:path'
import { expect, it } from 'vitest'
import { startMaildropServer } from '../../src/demo/maildrop-server.js'
import { Pop3Client } from '../support/pop3-client.js'
import { runInPty, until } from '../support/terminal.js'
import { freePorts } from '../support/tools.js'

const MAIN = process.env.POSTERN_MAIN ?? resolve(import.meta.dirname, '../../dist/main.js')
/** Log lines of some 150 octets each: many times what a terminal's buffers take. */
const COMMANDS = 2_000

it('serves on while the terminal that its log goes to takes nothing', async () => {
  const server = await startMaildropServer({
    security: 'plain',
    users: new Map([['alice', 'secret']]),
    messages: [],
  })
  const [port = 0] = await freePorts(1)
  const { emulator, process: child } = runInPty(
    process.execPath,
    [
      ...[MAIN, 'run', '--headless', '--control', 'none', '--log-level', 'debug'],
      ...['-l', `pop3://127.0.0.1:${port}`, '-u', `pop3://127.0.0.1:${server.port}`],
    ],
    { HOME: '/nonexistent' },
  )
  try {
    await until(() => Promise.resolve(emulator.text()), 'listening')
    child.pause()
    const client = new Pop3Client(connect(port, '127.0.0.1'))
    expect(await client.line()).toMatch(/^\+OK/)
    await client.command('USER alice')
    expect(await client.command('PASS secret')).toMatch(/^\+OK/)
    for (let count = 0; count < COMMANDS; count += 1) expect(await client.command('NOOP')).toMatch(/^\+OK/)
    expect(await client.command('QUIT')).toMatch(/^\+OK/)
    child.resume()
    await until(() => Promise.resolve(emulator.text()), 'session-closed')
  } finally {
    child.kill('SIGKILL')
    await server.close()
  }
})
