import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createProgram } from '../../src/cli/program.js'
import { parseConfig } from '../../src/config/file.js'

const MAIN = new URL('../../dist/main.js', import.meta.url).pathname

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

let directory: string
const children = new Set<ChildProcess>()

beforeAll(() => {
  if (!existsSync(MAIN)) throw new Error('dist/main.js is missing: run "npm run build" first')
  directory = mkdtempSync(join(tmpdir(), 'postern-cli-'))
})

afterAll(() => {
  rmSync(directory, { recursive: true })
})

afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
})

interface Running {
  readonly ended: Promise<Ended>
  readonly saw: (pattern: RegExp) => Promise<RegExpMatchArray>
  readonly signal: (name: NodeJS.Signals) => void
  readonly closeStdout: () => void
}

/** Starts postern where no configuration is found but that of the test. */
function start(arguments_: readonly string[], environment: Readonly<Record<string, string>> = {}): Running {
  const child = spawn(process.execPath, [MAIN, ...arguments_], {
    cwd: directory,
    env: { PATH: process.env.PATH ?? '', HOME: directory, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  let stdout = ''
  let stderr = ''
  const watchers = new Set<() => void>()
  const told = (): void => {
    for (const watch of watchers) watch()
  }
  child.stdout.on('data', (octets: Buffer) => {
    stdout += octets.toString()
    told()
  })
  child.stderr.on('data', (octets: Buffer) => {
    stderr += octets.toString()
    told()
  })
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => {
      children.delete(child)
      resolve({ code, stdout, stderr })
    })
  })
  const saw = (pattern: RegExp): Promise<RegExpMatchArray> =>
    new Promise((resolve, reject) => {
      const watch = (): void => {
        const match = pattern.exec(stderr) ?? pattern.exec(stdout)
        if (match === null) return
        watchers.delete(watch)
        resolve(match)
      }
      watchers.add(watch)
      watch()
      setTimeout(() => reject(new Error(`nothing like ${pattern} in: ${stderr}${stdout}`)), 20_000).unref()
      void ended.then(() => reject(new Error(`ended without ${pattern}: ${stderr}`)))
    })
  return { ended, saw, signal: (name) => child.kill(name), closeStdout: () => child.stdout.destroy() }
}

function postern(
  arguments_: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return start(arguments_, environment).ended
}

function write(name: string, text: string): string {
  const file = join(directory, name)
  writeFileSync(file, text)
  return file
}

describe('postern', () => {
  it.each([
    ['--help'],
    ['-h'],
    ['run', '--help'],
    ['dump', '--help'],
    ['demo', '--help'],
    ['config', '--help'],
    ['doctor', '--help'],
    ['ca', '--help'],
  ])('explains itself with examples: %s %s', async (...arguments_) => {
    const { code, stdout, stderr } = await postern(arguments_)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('Usage: postern')
    expect(stdout).toContain('Examples:')
  })

  it('describes each command in a sentence, and shows no default that says nothing', () => {
    const commandsOf = (command: Command): readonly Command[] => [
      command,
      ...command.commands.flatMap(commandsOf),
    ]
    const commands = commandsOf(createProgram(() => {}))
    expect(commands.map((command) => command.name())).toContain('init')
    for (const command of commands) {
      expect(command.description(), command.name()).toMatch(/^[A-Z].*\.$/)
      expect(command.helpInformation(), command.name()).not.toMatch(/default: (\[\]|true|false)/)
    }
  })

  it('prints its version', async () => {
    const { code, stdout } = await postern(['--version'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  const usage: readonly (readonly [arguments_: readonly string[], message: RegExp])[] = [
    [['--upstrem', 'x'], /unknown option '--upstrem'\n\(Did you mean --upstream\?\)/],
    [['run', '--upstream'], /option '-u, --upstream <url>' argument missing/],
    [['run', '-u', 'pop4://x'], /--upstream: found "pop4:\/\/x", expected pop3:\/\//],
    [['run', '-u', 'pop3s://h', '--cert', 'a'], /--cert needs --key/],
    [['run', '-u', 'pop3://h', '--pin', 'ab'.repeat(32)], /pins for pop3:\/\/h:110, expected pop3s:\/\//],
    [
      ['run'],
      /no server is named\. Type for example\n {2}postern run --upstream pop3s:\/\/pop\.example\.org/,
    ],
    [['-l', 'pop3://127.0.0.1:0'], /no server is named/],
    [['rnu'], /unknown command "rnu" \(did you mean run\?\)/],
    [['run', 'extra'], /too many arguments/],
    [['config'], /Usage: postern config/],
    [['config', 'chekc'], /unknown command 'chekc'\n\(Did you mean check\?\)/],
    [['config', 'check'], /no configuration found/],
  ]
  it.each(usage)('answers %j with status 2 and what to type', async (arguments_, message) => {
    const { code, stdout, stderr } = await postern(arguments_)
    expect(stderr).toMatch(message)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })

  it('never repeats a password of an option', async () => {
    const { code, stderr } = await postern(['run', '-u', 'pop3s://me:hunter2@h'])
    expect(code).toBe(2)
    expect(stderr).toContain('credentials do not belong into it')
    expect(stderr).not.toContain('hunter2')
  })

  it('refuses to run with certificate verification switched off', async () => {
    const { code, stderr } = await postern(['-u', 'pop3s://h'], { NODE_TLS_REJECT_UNAUTHORIZED: '0' })
    expect(code).toBe(3)
    expect(stderr).toContain('NODE_TLS_REJECT_UNAUTHORIZED')
  })

  it('answers an invalid configuration with status 3', async () => {
    const file = write('bad.yaml', 'services: [{upstrem: x}]\n')
    const { code, stderr } = await postern(['run', '-c', file])
    expect(code).toBe(3)
    expect(stderr).toContain(`${file}:1:13: services[0]: found the unknown key "upstrem"`)
    expect(stderr).toContain('did you mean upstream?')
  })

  it('writes nothing of a file that a terminal would obey', async () => {
    const file = write('escape.yaml', 'services: [{upstream: "pop3s://\\u009b31m\\u202e"}]\n')
    const { stderr } = await postern(['run', '-c', file])
    expect(stderr).toContain('\\x9b31m\\u{202e}')
    expect(stderr).not.toMatch(/[\u009b\u202e]/)
  })
})

describe('postern config', () => {
  it('checks a file', async () => {
    const file = write('good.yaml', 'services: [{upstream: pop3s://pop.example.org}]\n')
    expect(await postern(['config', 'check', file])).toEqual({
      code: 0,
      stdout: `${file}: valid, 1 service\n`,
      stderr: '',
    })
  })

  it('names every mistake of a file, with status 3', async () => {
    const file = write('mistakes.yaml', 'log: {level: loud}\nservices: [{upstream: x}]\n')
    const { code, stderr } = await postern(['config', 'check', file])
    expect(code).toBe(3)
    expect(stderr).toContain(`${file}:1:14: log.level`)
    expect(stderr).toContain(`${file}:2:23: services[0].upstream`)
  })

  it('names files that are missing', async () => {
    const file = write('files.yaml', 'services: [{upstream: {url: pop3s://h, ca: nowhere.pem}}]\n')
    const { code, stderr } = await postern(['config', 'check', file])
    expect(code).toBe(3)
    expect(stderr).toContain(join(directory, 'nowhere.pem'))
  })

  it('prints where each value came from', async () => {
    const file = write('print.yaml', 'log: {level: warn}\nservices: [{upstream: pop3s://h}]\n')
    const { code, stdout } = await postern(['config', 'print', '-c', file, '-l', 'pop3://127.0.0.1:1'])
    expect(code).toBe(0)
    expect(stdout).toContain(`level: warn # ${file}:1`)
    expect(stdout).toContain(`url: pop3s://h:995 # ${file}:2`)
    expect(stdout).toContain('url: pop3://127.0.0.1:1 # command line')
    expect(stdout).toContain('idle: 11min # default')
  })

  it('prints defaults that are a valid configuration', async () => {
    const { code, stdout } = await postern(['config', 'print', '--defaults'])
    expect(code).toBe(0)
    expect(parseConfig(stdout, '/x.yaml').settings.services).toHaveLength(1)
  })

  it('prints a JSON Schema', async () => {
    const { code, stdout } = await postern(['config', 'schema'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ $schema: expect.stringContaining('2020-12'), type: 'object' })
  })

  it('ends quietly when its reader goes away', async () => {
    const running = start(['config', 'schema'])
    running.closeStdout()
    expect(await running.ended).toMatchObject({ code: 0, stderr: '' })
  })
})

describe('a running postern', () => {
  it('says where it listens and drains on SIGTERM', async () => {
    const running = start(['run', '-l', 'pop3://127.0.0.1:0', '-u', 'pop3://127.0.0.1:9'])
    await running.saw(/default: accepting pop3:\/\/127\.0\.0\.1:[1-9]\d*, server pop3:\/\/127\.0\.0\.1:9/)
    running.signal('SIGTERM')
    const { code, stdout } = await running.ended
    expect(code).toBe(0)
    for (const line of stdout.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('level')
  })

  it('outlives the reader of its log', async () => {
    const running = start([
      'run',
      '-l',
      'pop3://127.0.0.1:0',
      '-u',
      'pop3://127.0.0.1:9',
      '--log-level',
      'trace',
    ])
    const [, port] = await running.saw(/accepting pop3:\/\/127\.0\.0\.1:(\d+)/)
    running.closeStdout()
    const { connect } = await import('node:net')
    const greet = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect(Number(port), '127.0.0.1')
        let text = ''
        socket.on('data', (octets) => {
          text += octets.toString()
        })
        socket.on('error', reject)
        socket.on('close', () => resolve(text))
      })
    for (let session = 0; session < 3; session += 1) expect(await greet()).toMatch(/^-ERR \[SYS\/TEMP\]/)
    running.signal('SIGTERM')
    expect((await running.ended).code).toBe(0)
  })

  it('keeps the old configuration where the new one is bad', async () => {
    const file = write(
      'reload.yaml',
      'services: [{listen: pop3://127.0.0.1:0, upstream: pop3://127.0.0.1:9}]\n',
    )
    const running = start(['run', '-c', file])
    await running.saw(/accepting/)
    write('reload.yaml', 'services: [{listen: pop3://127.0.0.1:0, upstream: nonsense}]\n')
    running.signal('SIGHUP')
    await running.saw(/the changed configuration is refused, the one before stays:\n.*reload\.yaml:1:51/)
    write(
      'reload.yaml',
      'log: {level: debug}\nservices: [{listen: pop3://127.0.0.1:0, upstream: pop3://127.0.0.1:9}]\n',
    )
    running.signal('SIGHUP')
    await running.saw(/"event":"reloaded"/)
    running.signal('SIGINT')
    expect((await running.ended).code).toBe(0)
  })

  it('warns of clear logins from other machines', async () => {
    const running = start(['run', '-l', 'pop3://0.0.0.0:0', '-u', 'pop3://127.0.0.1:9'])
    await running.saw(/warning: default: pop3:\/\/0\.0\.0\.0:0 accepts logins in the clear/)
    await running.saw(/accepting/)
    running.signal('SIGTERM')
    await running.ended
  })

  it.each([
    { command: 'run', notes: 1, lines: 1 },
    { command: 'dump', notes: 1, lines: 0 },
  ])('says what it warns of once on stderr: $command', async ({ command, notes, lines }) => {
    const running = start([command, '-l', 'pop3://0.0.0.0:0', '-u', 'pop3://127.0.0.1:9'])
    await running.saw(/accepting pop3/)
    running.signal('SIGTERM')
    const { stdout, stderr } = await running.ended
    expect(stderr.match(/accepts logins in the clear/g)).toHaveLength(notes)
    expect(stdout.match(/"event":"start-warning".*accepts logins in the clear/g) ?? []).toHaveLength(lines)
  })

  it('dumps on stdout, and logs on stderr, from warnings up, in the form that the log has', async () => {
    const file = write(
      'dump.yaml',
      'services: [{listen: pop3://127.0.0.1:0, upstream: pop3://127.0.0.1:9}]\n',
    )
    const running = start(['dump', '-c', file, '--log-level', 'trace'])
    const [, port] = await running.saw(/accepting pop3:\/\/127\.0\.0\.1:(\d+)/)
    // A reload takes over the level of the file, which dump raises again.
    running.signal('SIGHUP')
    const { connect } = await import('node:net')
    connect(Number(port), '127.0.0.1').resume()
    await running.saw(/\*\* closed/)
    write('dump.yaml', 'services: nonsense\n')
    running.signal('SIGHUP')
    await running.saw(/the changed configuration is refused/)
    running.signal('SIGTERM')
    const { stdout, stderr } = await running.ended
    expect(stdout).not.toContain('"event"')
    const logged = stderr.split('\n').filter((line) => line.startsWith('{'))
    expect(logged.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({
        level: 'warn',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        event: 'failure',
      }),
    ])
  })

  it('records to a new file, and never over an old one', async () => {
    const file = join(directory, 'trace.jsonl')
    const options = ['run', '-l', 'pop3://127.0.0.1:0', '-u', 'pop3://127.0.0.1:9', '-w', file]
    const running = start(options)
    await running.saw(/accepting/)
    running.signal('SIGTERM')
    expect((await running.ended).code).toBe(0)
    expect(JSON.parse(readFileSync(file, 'utf8').split('\n')[0] ?? '')).toMatchObject({
      postern: 'recording',
    })
    expect(await postern(options)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('exists already'),
    })
  })

  it('leaves no recording of a start that failed', async () => {
    const { server, port } = await takePort()
    const file = join(directory, 'failed.jsonl')
    const { code } = await postern([
      'run',
      '-l',
      `pop3://127.0.0.1:${port}`,
      '-u',
      'pop3://127.0.0.1:9',
      '-w',
      file,
    ])
    server.close()
    expect(code).toBe(4)
    expect(existsSync(file)).toBe(false)
  })

  it('answers a taken port with status 4 and the cure', async () => {
    const { server, port } = await takePort()
    const { code, stderr } = await postern([
      'run',
      '-l',
      `pop3://127.0.0.1:${port}`,
      '-u',
      'pop3://127.0.0.1:9',
    ])
    server.close()
    expect(code).toBe(4)
    expect(stderr).toMatch(/cannot listen on .*EADDRINUSE.*\n.*--listen/)
  })
})

describe('postern doctor', () => {
  it('ends with 6 where the server cannot be reached', async () => {
    const { server, port } = await takePort()
    await new Promise((resolve) => server.close(resolve))
    const { code, stdout } = await postern([
      'doctor',
      '-l',
      'pop3://127.0.0.1:0',
      '-u',
      `pop3s://127.0.0.1:${port}`,
    ])
    expect(code).toBe(6)
    expect(stdout).toMatch(/^ok {4}listener pop3:\/\/127\.0\.0\.1:0: can be listened on$/m)
    expect(stdout).toMatch(/^fail {2}upstream pop3s:\/\/127\.0\.0\.1:\d+: .*refused the connection/m)
  })

  it('ends with 1 where a port is taken, and goes on to the server', async () => {
    const { server, port } = await takePort((socket) => {
      socket.on('error', () => {})
      socket.write('+OK \x1b[31mready\r\n')
      socket.on('data', (octets) => {
        socket.write(octets.toString().startsWith('CAPA') ? '+OK\r\nUIDL\r\nSTLS\r\n.\r\n' : '+OK bye\r\n')
      })
    })
    const { code, stdout } = await postern([
      'doctor',
      '-l',
      `pop3://127.0.0.1:${port}`,
      '-u',
      `pop3://127.0.0.1:${port}`,
    ])
    server.close()
    expect(code).toBe(1)
    expect(stdout).toMatch(/^fail {2}listener .*EADDRINUSE.* → /m)
    expect(stdout).toContain('greets: \\x1b[31mready')
    expect(stdout).toContain('capabilities: UIDL, STLS')
  })

  it('does not take a silent end for a server', async () => {
    const { server, port } = await takePort((socket) => socket.end())
    const { code, stdout } = await postern([
      'doctor',
      '-l',
      'pop3://127.0.0.1:0',
      '-u',
      `pop3://127.0.0.1:${port}`,
    ])
    server.close()
    expect(code).toBe(6)
    expect(stdout).toContain('the server closed the connection')
  })
})

async function takePort(
  onConnection: Parameters<typeof createServer>[1] = () => {},
): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer(onConnection)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return { server, port: address !== null && typeof address === 'object' ? address.port : 0 }
}
