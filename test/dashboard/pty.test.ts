/**
 * The dashboard on a pseudo terminal that does what terminals do: stop reading, and go away.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type PtyProgram, runInPty } from '../support/terminal.js'
import { type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'

const PROGRAM = resolve(import.meta.dirname, 'support/dashboard-program.ts')

describe('in a pseudo terminal', () => {
  let place: TemporaryDirectory

  beforeEach(() => {
    place = temporaryDirectory('pty')
  })

  afterEach(() => place.remove())

  async function started(end: string): Promise<PtyProgram> {
    const program = runInPty(process.execPath, ['--import', 'tsx', PROGRAM, place.path, end])
    await program.emulator.until('LIVE')
    return program
  }

  it('does not wait for a terminal that stops reading, and shows the newest once it reads again', async () => {
    const { process: pty, emulator, ended } = await started('quit')
    await wait(300)
    pty.pause()
    const seen = emulator.written.length
    await wait(3_000)
    expect(emulator.written.length).toBe(seen)
    // Without the guard the event loop stands still by now, for as long as the terminal does.
    process.kill(pty.pid, 'SIGUSR2')
    await until('the event loop to turn', () => existsSync(join(place.path, 'turned')))
    pty.resume()
    const before = emulator.text()
    await emulator.until((text) => text !== before)
    pty.write('\x03')
    await emulator.until('Ctrl-C once more')
    pty.write('\x03')
    expect((await ended).exitCode).toBe(0)
    expect(emulator.isAlternate).toBe(false)
  })

  it.each([
    ['throw', 'a bug that nobody expected'],
    ['reject', 'a promise that nobody kept'],
  ])('restores the terminal before it tells of a bug (%s)', async (end, words) => {
    const { process: pty, emulator, ended } = await started(end)
    process.kill(pty.pid, 'SIGUSR2')
    expect((await ended).exitCode).toBe(1)
    await emulator.until(words)
    expect(emulator.isAlternate).toBe(false)
    expect(emulator.terminal.modes.bracketedPasteMode).toBe(false)
    expect(emulator.written.lastIndexOf('\x1b[?25h')).toBeGreaterThan(
      emulator.written.lastIndexOf('\x1b[?25l'),
    )
  })

  it('restores the terminal for every signal that asks it to end', async () => {
    for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'] as const) {
      const { process: pty, emulator, ended } = await started('quit')
      process.kill(pty.pid, signal)
      expect(await ended, signal).toMatchObject({ exitCode: 0 })
      expect(emulator.isAlternate, signal).toBe(false)
    }
  })

  it('ends in good order when its terminal is closed', async () => {
    const { process: pty } = await started('quit')
    // As a closed window does: the other end is gone, and SIGHUP comes.
    Reflect.get(pty, 'destroy').call(pty)
    await until('the program to end by itself', () => existsSync(join(place.path, 'ended')))
  })
})
