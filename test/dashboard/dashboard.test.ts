import { EventEmitter } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DashboardError, type DashboardOptions, runDashboard } from '../../src/dashboard/dashboard.js'
import type { Screens } from '../../src/dashboard/open-screen.js'
import { SCREENS } from '../../src/dashboard/screens.js'
import type { TraceEvent } from '../../src/trace/event.js'
import { type InProcessTerminal, inProcessTerminal } from '../support/terminal.js'
import { harmlessTwin } from './screens/hostile.js'
import { fakeScreens } from './support/fake-screens.js'
import { FakeSource } from './support/fake-source.js'

interface Running extends InProcessTerminal {
  readonly source: FakeSource
  readonly result: Promise<'quit' | 'source-closed'>
}

function started(
  given: Partial<DashboardOptions> & { columns?: number; rows?: number; isFace?: boolean } = {},
): Running {
  const { columns = 80, rows = 24, isFace = false, environment = {}, ...options } = given
  const terminal = inProcessTerminal(columns, rows)
  const source = new FakeSource()
  const result = runDashboard(source, {
    input: terminal.input,
    output: terminal.output,
    screens: fakeScreens(),
    environment: { PATH: process.env.PATH, LANG: 'C.UTF-8', TERM: 'xterm-256color', ...environment },
    ...options,
  })
  source.greet({ isFace })
  onTestFinished(async () => {
    process.emit('SIGTERM')
    await result
  })
  return { ...terminal, source, result }
}

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'postern-test-'))
  onTestFinished(() => rm(made, { recursive: true, force: true }))
  return made
}

/** What a dashboard listens to while it runs. */
const EVENTS = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGCONT', 'exit', 'uncaughtException'] as const

/** An editor: a script of a shell that gets the file as `$1`. */
async function editor(script: string): Promise<string> {
  const file = join(await folder(), 'editor')
  await writeFile(file, `#!/bin/sh\n${script}\n`)
  await chmod(file, 0o700)
  return file
}

function opened(session: string): TraceEvent {
  return {
    at: Date.now(),
    session,
    content: {
      type: 'session-opened',
      service: 'mail',
      listener: '127.0.0.1:1110',
      client: '127.0.0.1:51000',
      server: 'pop.example.org:995',
    },
  }
}

describe('runDashboard', () => {
  it('shows what the source tells, and leaves the terminal as it was', async () => {
    const { emulator, type, result, source } = started()
    await emulator.until('> first')
    expect(emulator.isAlternate).toBe(true)
    type('q')
    expect(await result).toBe('quit')
    await emulator.until(() => !emulator.isAlternate)
    expect(source.isClosed).toBe(true)
  })

  it('refuses what is no terminal, and says what to do instead', async () => {
    const { input, output } = inProcessTerminal(80, 24)
    const options = { input, output, screens: fakeScreens(), environment: { TERM: 'dumb' } }
    await expect(runDashboard(new FakeSource(), options)).rejects.toThrow(DashboardError)
    await expect(runDashboard(new FakeSource(), options)).rejects.toThrow(/TERM is dumb: postern dump/)
    const file = Object.assign(output, { isTTY: false })
    await expect(
      runDashboard(new FakeSource(), { ...options, output: file, environment: {} }),
    ).rejects.toThrow(/standard output is none/)
  })

  it('follows the size of the terminal, down to a single cell and back', async () => {
    const { emulator, resize } = started()
    await emulator.until('> first')
    resize(59, 20)
    await emulator.until('terminal too small')
    resize(1, 1)
    resize(160, 45)
    // The session that Enter would open stands beside the list.
    await emulator.until('USER alice')
    resize(80, 24)
    await emulator.until((text) => text.includes('> first') && !text.includes('USER alice'))
  })

  it('draws at most fifteen times a second, and at once after a key', async () => {
    const drawn: number[] = []
    const screens: Screens = new Map(
      [...fakeScreens()].map(([id, kind]) => [
        id,
        {
          ...kind,
          open: (argument, context) => {
            const made = kind.open(argument, context)
            const spied: typeof made = {
              ...made,
              settle: () => spied,
              view: (each) => {
                drawn.push(performance.now())
                return made.view(each)
              },
            }
            return spied
          },
        },
      ]),
    )
    const { source, emulator, type } = started({ screens })
    await emulator.until('> first')
    drawn.length = 0
    const start = performance.now()
    for (let index = 0; index < 200; index += 1) {
      source.say({ type: 'events', events: [opened(`s${index}`)], dropped: 0 })
      await wait(2)
    }
    const passedMs = performance.now() - start
    expect(drawn.length).toBeGreaterThan(1)
    // A fifteenth of a second apart, less the millisecond by which a timer may be early: a slow machine draws less.
    expect(drawn.length).toBeLessThanOrEqual(Math.ceil(passedMs / 66) + 1)
    await wait(80)
    const before = drawn.length
    type('x')
    type('z')
    await wait(0)
    await wait(0)
    expect(drawn.length).toBe(before + 2)
  })

  it('writes nothing to the terminal while nothing changes', async () => {
    const { source, emulator } = started()
    await emulator.until('> first')
    await wait(100)
    const before = emulator.written.length
    source.say({
      type: 'process',
      facts: { rssOctets: 1, heapOctets: 1, cpuMs: 1, loopDelayMs: 1, openSessions: 0 },
    })
    await wait(150)
    expect(emulator.written.length).toBe(before)
  })

  it('stays with what it has when the proxy ends, and says so', async () => {
    const { source, emulator, type, result } = started()
    await emulator.until('> first')
    source.end(null)
    await emulator.until('ENDED')
    await emulator.until('the proxy has ended')
    type('q')
    expect(await result).toBe('source-closed')
  })

  it('goes with the proxy whose face it is', async () => {
    const { source, emulator, result } = started({ isFace: true })
    await emulator.until('> first')
    source.end(null)
    expect(await result).toBe('source-closed')
  })

  it('leaves where its terminal goes away', async () => {
    const { input, result, emulator } = started()
    await emulator.until('> first')
    input.push(null)
    expect(await result).toBe('quit')
  })

  it('ends the proxy whose face it is when the terminal goes away', async () => {
    const { input, result, source, emulator } = started({ isFace: true })
    await emulator.until('> first')
    input.push(null)
    expect(await result).toBe('quit')
    expect(source.requests).toMatchObject([{ type: 'end-proxy' }])
  })

  it('leaves for SIGTERM with the terminal as it was, and lets go of the process', async () => {
    const before = EVENTS.map((event) => process.listenerCount(event))
    const { emulator, result } = started()
    await emulator.until('> first')
    process.emit('SIGTERM')
    expect(await result).toBe('quit')
    await emulator.until(() => !emulator.isAlternate)
    expect(EVENTS.map((event) => process.listenerCount(event))).toEqual(before)
  })

  it('restores the terminal before an error that nobody caught is told', async () => {
    const { emulator } = started()
    await emulator.until('> first')
    EventEmitter.prototype.emit.call(
      process,
      'uncaughtExceptionMonitor',
      new Error('a bug'),
      'uncaughtException',
    )
    await emulator.until(() => !emulator.isAlternate)
  })

  it('stops the job for Ctrl-Z, and takes the terminal again', async () => {
    const seen: boolean[] = []
    const running: Running = started({ stopJob: () => seen.push(running.emulator.isAlternate) })
    const { emulator, type } = running
    await emulator.until('> first')
    type('\x1a')
    await emulator.until(() => !emulator.isAlternate)
    await emulator.until((text) => emulator.isAlternate && text.includes('> first'))
    expect(seen).toHaveLength(1)
  })
})

describe('an edit', () => {
  const MESSAGE = Buffer.from('Subject: old\r\n\r\nbody\r\n')

  async function edited(script: string, options: Partial<DashboardOptions> = {}): Promise<Running> {
    const running = started({ environment: { EDITOR: await editor(script) }, ...options })
    await running.emulator.until('> first')
    running.type('e')
    await running.emulator.until(() => running.source.requests.length > 0)
    expect(running.source.requests[0]).toEqual({ type: 'fetch-held', id: 'w1', hold: 'h1' })
    running.source.say({ type: 'held-octets', id: 'w1', octets: MESSAGE })
    return running
  }

  it('shows LF to the editor in a file for its owner only, sends CRLF, and leaves no file', async () => {
    const notes = await folder()
    const { source, emulator } = await edited(
      `cp "$1" ${notes}/seen; stat -c %a "$1" > ${notes}/mode; echo "$1" > ${notes}/name; sed -i s/old/new/ "$1"`,
    )
    await emulator.until(() => source.requests.length > 1)
    expect(source.requests[1]).toEqual({
      type: 'edit',
      id: 'w2',
      hold: 'h1',
      octets: Buffer.from('Subject: new\r\n\r\nbody\r\n'),
    })
    expect(await readFile(join(notes, 'seen'), 'utf8')).toBe('Subject: old\n\nbody\n')
    expect(await readFile(join(notes, 'mode'), 'utf8')).toBe('600\n')
    expect(existsSync((await readFile(join(notes, 'name'), 'utf8')).trim())).toBe(false)
    source.say({ type: 'done', id: 'w2', problem: null })
    await emulator.until('sent on as edited')
    expect(emulator.isAlternate).toBe(true)
  })

  it('sends nothing where nothing was changed', async () => {
    const { source, emulator } = await edited('exit 0')
    await emulator.until('nothing was changed')
    expect(source.requests).toHaveLength(1)
  })

  it('says of an editor that fails or is missing what to do', async () => {
    const { source, emulator } = await edited('exit 3')
    await emulator.until('nothing was sent: the editor ended with exit code 3')
    expect(source.requests).toHaveLength(1)
    const missing = started({ environment: { EDITOR: '/nowhere/ed' } })
    await missing.emulator.until('> first')
    missing.type('e')
    await missing.emulator.until(() => missing.source.requests.length > 0)
    missing.source.say({ type: 'held-octets', id: 'w1', octets: MESSAGE })
    await missing.emulator.until('there is no editor /nowhere/ed: set EDITOR')
  })

  it('takes VISUAL before EDITOR, and arguments with either', async () => {
    const script = await editor('[ "$1" = --wait ] && sed -i s/old/new/ "$2"')
    const { source, emulator } = await edited('exit 1', {
      environment: { VISUAL: `${script} --wait`, EDITOR: '/bin/false' },
    })
    await emulator.until(() => source.requests.length > 1)
    expect(source.requests[1]).toMatchObject({ type: 'edit' })
  })

  it('leaves no file behind where the dashboard ends first', async () => {
    const notes = await folder()
    const { emulator, result } = await edited(`echo "$1" > ${notes}/name; sleep 30`)
    await emulator.until(
      () => existsSync(join(notes, 'name')) && readFileSync(join(notes, 'name')).length > 0,
    )
    const name = readFileSync(join(notes, 'name'), 'utf8').trim()
    expect(existsSync(name)).toBe(true)
    process.emit('SIGTERM')
    await result
    expect(existsSync(name)).toBe(false)
  })
})

describe('files and clipboard', () => {
  it('write what the filter shows into a new file for its owner only, never over another', async () => {
    const place = await folder()
    const { emulator, type, source } = started()
    await emulator.until('> first')
    source.say({ type: 'events', events: [opened('s1')], dropped: 0 })
    type(':')
    await emulator.until('take it')
    type(`write ${place}/out.jsonl\r`)
    await emulator.until('wrote 1 session')
    expect(statSync(join(place, 'out.jsonl')).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(place, 'out.jsonl'), 'utf8')).toContain('session-opened')
    type(':')
    await emulator.until('take it')
    type(`write ${place}/out.jsonl\r`)
    await emulator.until('exists already')
    expect(readdirSync(place)).toEqual(['out.jsonl'])
  })

  it('copy through the terminal, and say so', async () => {
    const { emulator, type } = started()
    await emulator.until('> first')
    type('y')
    await emulator.until('copied the line')
    expect(emulator.written).toContain(`\x1b]52;c;${Buffer.from('first').toString('base64')}\x07`)
  })

  it('refuse to copy what a clipboard does not take', async () => {
    const { emulator, type } = started({ screens: fakeScreens(['x'.repeat(60_000)]) })
    await emulator.until('> xxx')
    type('y')
    await emulator.until('is longer than the')
  })
})

describe('the screens that there are', () => {
  it.each([
    [80, 24],
    [160, 45],
  ])('can all be opened with nothing to show at %ix%i', async (columns, rows) => {
    const { emulator, type } = started({ screens: SCREENS, columns, rows })
    await emulator.until('[1 Sessions]')
    for (const [key, title] of ['Sessions', 'Messages', 'Rules', 'Held', 'Stats', 'Log'].entries()) {
      type(String(key + 1))
      await emulator.until(`[${key + 1} ${title}`)
      type('?')
      await emulator.until('Esc close')
      type('\x1b')
      await emulator.until((text) => !text.includes('Esc close'))
    }
  })

  it.each([
    '\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[8m',
    '\x9b31m\x90evil\x9c',
    '\u202egro.elpmaxe@ecila\u2066',
    '{red-fg}{bold}{/}{escape}',
    '👨‍👩‍👧‍👦😀🇩🇪⚠️漢字e\u0334\u0335',
    'x'.repeat(4_096),
  ])('show a user named %j within the cells of the user, and change no other', async (user) => {
    const pictures = await Promise.all(
      // Columns are as wide as what they show: the harmless name is one of the same width.
      [harmlessTwin(user), user].map(async (name) => {
        const { emulator, source } = started({ screens: SCREENS, now: () => 1_795_183_312_117 })
        const loggedIn: TraceEvent = {
          at: 1_795_183_312_117,
          session: 's1',
          content: { type: 'logged-in', user: name, mechanism: 'USER' },
        }
        source.say({
          type: 'events',
          events: [{ ...opened('s1'), at: 1_795_183_312_000 }, loggedIn],
          dropped: 0,
        })
        await emulator.until('TRAN')
        return emulator
      }),
    )
    const [plain, hostile] = pictures
    const header = plain?.lines().find((line) => line.includes('USER')) ?? ''
    const from = header.indexOf('USER')
    const to = header.indexOf('TLS')
    expect(to).toBeGreaterThan(from)
    const row = plain?.lines().findIndex((line) => line.includes('TRAN')) ?? -1
    for (let y = 0; y < 24; y += 1) {
      for (let x = 0; x < 80; x += 1) {
        if (y === row && x >= from && x < to) continue
        expect(hostile?.cell(x, y), `column ${x}, row ${y}`).toEqual(plain?.cell(x, y))
      }
    }
    expect(hostile?.written).not.toMatch(/\x1b\]|[\x80-\x9f]/)
  })
})
