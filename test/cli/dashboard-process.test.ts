import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { canShowDashboard } from '../../src/cli/dashboard-process.js'
import { dial, logIn, type Pop3Client } from '../support/pop3-client.js'
import { type RecordingServer, startRecordingServer } from '../support/recording-server.js'
import { type PtyProgram, runInPty } from '../support/terminal.js'
import { type TemporaryDirectory, temporaryDirectory, until, within } from '../support/tools.js'

const MAIN = process.env.POSTERN_MAIN ?? resolve(import.meta.dirname, '../../dist/main.js')
const ACCOUNT = { user: 'bob', password: 'pass phrase' }

describe('a dashboard', () => {
  it.each([
    [true, true, {}, true],
    [true, true, { TERM: 'xterm' }, true],
    [true, true, { TERM: 'dumb' }, false],
    [true, false, {}, false],
    [false, true, {}, false],
    [undefined, undefined, {}, false],
  ])('can be shown with input %s, output %s and %j: %s', (input, output, environment, can) => {
    const terminal = (isTTY: boolean | undefined) => (isTTY === undefined ? {} : { isTTY })
    expect(canShowDashboard(terminal(input), terminal(output), environment)).toBe(can)
  })
})

describe.skipIf(process.platform !== 'linux')('postern on a terminal', () => {
  let directory: TemporaryDirectory
  let server: RecordingServer
  let programs: PtyProgram[]
  let clients: Pop3Client[]

  beforeEach(async () => {
    directory = temporaryDirectory('dashboard')
    server = await startRecordingServer()
    programs = []
    clients = []
  })

  afterEach(async () => {
    for (const client of clients) client.destroy()
    for (const { process: child, ended } of programs) {
      try {
        child.kill('SIGKILL')
      } catch {
        // It has ended, which is what most tests want.
      }
      await within('the program to end', ended, 5_000)
    }
    await server.stop()
    directory.remove()
  })

  function start(...parameters: readonly string[]): PtyProgram {
    const environment = {
      HOME: directory.path,
      XDG_STATE_HOME: join(directory.path, 'state'),
      XDG_CONFIG_HOME: join(directory.path, 'config'),
      XDG_RUNTIME_DIR: directory.path,
      TMPDIR: directory.path,
    }
    const program = runInPty(process.execPath, [MAIN, ...parameters], environment)
    programs.push(program)
    return program
  }

  async function startProxy(...parameters: readonly string[]): Promise<PtyProgram> {
    const upstream = `pop3://127.0.0.1:${server.port}`
    const program = start('run', '-l', 'pop3://127.0.0.1:0', '-u', upstream, ...parameters)
    await until('the address', () => /accepting pop3:\/\/127\.0\.0\.1:\d+/.test(program.emulator.written))
    return program
  }

  async function connect({ emulator }: PtyProgram): Promise<Pop3Client> {
    const port = Number(/accepting pop3:\/\/127\.0\.0\.1:(\d+)/.exec(emulator.written)?.[1])
    const client = await dial(port)
    clients.push(client)
    await client.line()
    await logIn(client, ACCOUNT)
    return client
  }

  /** Quits a dashboard, and with its own the proxy. */
  async function leave({ emulator, process: terminal }: PtyProgram): Promise<void> {
    terminal.write('q')
    // Keys that follow one another faster than a person types are taken for a paste.
    await until('the dashboard to be left', async () => {
      if (emulator.text().includes('(y/n)')) terminal.write('y')
      await new Promise((resolve) => setTimeout(resolve, 300))
      return !emulator.isAlternate
    })
  }

  /** Process of the dashboard. */
  function childOf({ process: { pid } }: PtyProgram): number {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0])
  }

  it('opens the dashboard, which shows sessions; leaving it ends postern and gives the terminal back', async () => {
    const program = await startProxy()
    await program.emulator.until('LIVE')
    const client = await connect(program)
    await program.emulator.until('bob')
    expect(await client.command('QUIT')).toMatch(/^\+OK/)
    client.destroy()
    await leave(program)
    expect(await program.ended).toEqual({ exitCode: 0, signal: 0 })
    expect(program.emulator.isAlternate).toBe(false)
    expect(program.emulator.written).not.toContain(ACCOUNT.password)
  })

  it('goes on without its dashboard where that is killed, says so, and can be looked at again', async () => {
    const program = await startProxy()
    await program.emulator.until('LIVE')
    const client = await connect(program)
    process.kill(childOf(program), 'SIGKILL')
    await program.emulator.until((text) =>
      text.replaceAll('\n', '').includes('the dashboard is gone (SIGKILL)'),
    )
    expect(program.emulator.isAlternate).toBe(false)
    expect(program.emulator.terminal.modes.mouseTrackingMode).toBe('none')
    expect((await client.multiLine('RETR 1')).content.toString()).toContain('body')
    const again = start('attach')
    await again.emulator.until('bob')
    await leave(again)
    expect((await again.ended).exitCode).toBe(0)
    expect(await client.command('NOOP')).toMatch(/^\+OK/)
    client.destroy()
    program.process.write('\x03')
    expect((await program.ended).exitCode).toBe(0)
  })

  it('lets replies in flight finish on SIGTERM, and the dashboard leaves in order', async () => {
    const program = await startProxy()
    await program.emulator.until('LIVE')
    process.kill(program.process.pid, 'SIGTERM')
    expect(await program.ended).toEqual({ exitCode: 0, signal: 0 })
    expect(program.emulator.isAlternate).toBe(false)
  })

  it('leaves no dashboard behind where it is killed itself', async () => {
    const program = await startProxy()
    await program.emulator.until('LIVE')
    const dashboard = childOf(program)
    process.kill(program.process.pid, 'SIGKILL')
    await until('the dashboard to end', () => {
      try {
        process.kill(dashboard, 0)
        // A zombie of the terminal's has ended as well.
        return /^\d+ \(.*\) Z/.test(readFileSync(`/proc/${dashboard}/stat`, 'utf8'))
      } catch {
        return true
      }
    })
  })

  it('serves sessions while its terminal takes nothing', async () => {
    const program = await startProxy()
    await program.emulator.until('LIVE')
    const client = await connect(program)
    program.process.pause()
    // More than a terminal holds is painted meanwhile. It reads nothing until all of this is answered: a proxy that
    // waited for it would wait for ever.
    for (let count = 0; count < 300; count += 1) {
      expect(await client.command('NOOP')).toMatch(/^\+OK/)
      if (count % 30 === 0) await new Promise((resolve) => setTimeout(resolve, 100))
    }
    program.process.resume()
    expect(await client.command('NOOP')).toMatch(/^\+OK/)
  })

  it('shows the log where nobody wants a dashboard', async () => {
    const program = await startProxy('--headless')
    await program.emulator.until('listening')
    expect(program.emulator.isAlternate).toBe(false)
    expect(readFileSync(`/proc/${program.process.pid}/task/${program.process.pid}/children`, 'utf8')).toBe('')
    program.process.write('\x03')
    expect((await program.ended).exitCode).toBe(0)
  })

  it('opens the dashboard of the demo, with its hints in the log', async () => {
    const program = start('demo')
    await program.emulator.until('LIVE')
    program.process.write('6')
    await program.emulator.until('demo-hint')
    await leave(program)
    expect((await program.ended).exitCode).toBe(0)
  })
})
