/**
 * The built program in a real terminal: what a person does, and what is left of it when they go.
 */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connectClient, logIn, type Pop3Client } from '../support/pop3-client.js'
import { realThing } from '../support/real.js'
import { Tmux } from '../support/terminal.js'
import { type TemporaryDirectory, temporaryDirectory } from '../support/tools.js'

const MAIN = process.env.POSTERN_MAIN ?? resolve(import.meta.dirname, '../../dist/main.js')
/** A terminal as a shell wants it: no alternate screen, no mouse, a cursor. */
const RESTORED = '0 0 1'

describe.skipIf(!realThing('tmux'))('in tmux', () => {
  let place: TemporaryDirectory
  let socket: string
  let tmux: Tmux

  beforeEach(() => {
    place = temporaryDirectory('tmux')
    socket = join(place.path, 'control')
  })

  afterEach(async () => {
    await tmux.end()
    // The proxy of the second test runs in the background, and outlives a test that fails.
    if (existsSync(join(place.path, 'proxy'))) endProcess(pidIn('proxy'))
    place.remove()
  })

  /** A command line with the program, and what a terminal has in its environment; its pid goes into a file. */
  function postern(parameters: string, environment = ''): string {
    const plain = `env -u NO_COLOR TERM=xterm-256color LANG=C.UTF-8 ${environment}`
    const started = `exec ${plain} ${process.execPath} ${MAIN} ${parameters} 2>${place.path}/stderr`
    return `sh -c 'echo $$ >${place.path}/pid; ${started}'`
  }

  function pidIn(file: string): number {
    return Number(readFileSync(join(place.path, file), 'utf8'))
  }

  async function client(port: number): Promise<Pop3Client> {
    const { client: made } = await connectClient({ port, security: 'plain', ca: '' })
    await logIn(made, { user: 'demo', password: 'demo' })
    return made
  }

  it('shows the demo: filter, session, message, a command held and edited, the end', async () => {
    const editor = join(place.path, 'editor')
    writeFileSync(editor, '#!/bin/sh\nsed -i "s/RETR 2/RETR 1/" "$1"\n')
    chmodSync(editor, 0o700)
    tmux = await Tmux.start(
      `${postern(`demo --control ${socket}`, `EDITOR=${editor}`)}; echo ended $?; exec cat`,
    )
    const first = await tmux.until(/127\.0\.0\.1:\d+ ▸/)
    const port = Number(/127\.0\.0\.1:(\d+) ▸/.exec(first)?.[1])

    const mine = await client(port)
    expect((await mine.multiLine('RETR 1')).content.toString()).toContain('Subject: Welcome to the demo')
    await tmux.press('f')
    await tmux.until('take it')
    await tmux.type('user == "dem')
    await tmux.until(/column \d+/)
    await tmux.type('o"')
    await tmux.press('Enter')
    await tmux.until(/filter: user == "demo"/)
    await tmux.until(/^> .* demo /m)

    await tmux.press('Enter')
    await tmux.until('RETR 1')
    await tmux.press('/')
    await tmux.until('take it')
    await tmux.type('message 1, ')
    await tmux.press('Enter')
    await tmux.until(/^>.*message 1/m)
    await tmux.press('Enter')
    await tmux.until('Welcome to the demo')
    await tmux.press('Escape')
    await tmux.until(/^>.*message 1/m)

    await tmux.type(':')
    await tmux.until('take it')
    await tmux.type('break command == "RETR" && user == "demo"')
    await tmux.press('Enter')
    await tmux.until('CATCH(1)')
    const answer = mine.multiLine('RETR 2')
    // Looked at below: what fails until then must not be hidden behind a promise that nobody caught.
    answer.catch(() => {})
    await tmux.until('1 held')
    await tmux.type('4')
    await tmux.until(/^>.*RETR 2/m)
    await tmux.type('e')
    await tmux.until('sent on as edited')
    // The client asked for message 2, and a person gave it message 1.
    expect((await answer).content.toString()).toContain('Subject: Welcome to the demo')

    await tmux.resize(160, 45)
    await tmux.type('1')
    await tmux.type('1')
    await tmux.until('── Session')
    await tmux.type('q')
    await tmux.until(/End the proxy\? 1 session is open/)
    mine.destroy()
    // A key at once behind the question would be taken for the end of a paste.
    await wait(50)
    await tmux.type('y')
    await tmux.until('ended 0')
    expect(await tmux.modes()).toBe(RESTORED)
  })

  it('is stopped by Ctrl-Z and goes on; SIGTERM and SIGHUP leave the terminal as it was', async () => {
    tmux = await Tmux.start('env PS1="ready$ " sh -i')
    await tmux.until('ready$')
    const headless = `${process.execPath} ${MAIN} demo --headless --control ${socket}`
    const listening = `while ! [ -S ${socket} ]; do sleep 0.1; done; echo listening`
    await tmux.type(`${headless} >/dev/null 2>&1 & echo $! >${place.path}/proxy; ${listening}`)
    await tmux.press('Enter')
    await tmux.until(/^listening/m)
    await tmux.type('clear')
    await tmux.press('Enter')
    const attach = async () => {
      await tmux.type(postern(`attach ${socket}`))
      await tmux.press('Enter')
      await tmux.until('LIVE')
    }
    await attach()
    await tmux.press('C-z')
    await tmux.until(/Stopped/)
    expect(await tmux.modes()).toBe(RESTORED)
    await tmux.type('fg')
    await tmux.press('Enter')
    await tmux.until('LIVE')
    await tmux.type('?')
    await tmux.until('Esc close')

    for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
      process.kill(pidIn('pid'), signal)
      await tmux.until((text) => !text.includes('LIVE'))
      expect(await tmux.modes()).toBe(RESTORED)
      await attach()
    }
    await tmux.press('C-c')
    await tmux.until('Ctrl-C once more')
    await tmux.press('C-c')
    await tmux.until((text) => !text.includes('LIVE'))
    expect(await tmux.modes()).toBe(RESTORED)
  })
})

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch {
    // It has ended already.
  }
}
