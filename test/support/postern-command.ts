/**
 * The built program with any command line: run to its end, or started and watched until it says something. Owns the
 * process and the directory that it lives in, where no configuration is found.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Finished, run, temporaryDirectory, until, within } from './tools.js'

/** The program under test; `POSTERN_MAIN` names another, such as an installed one. */
export const POSTERN_MAIN = process.env.POSTERN_MAIN ?? resolve(import.meta.dirname, '../../dist/main.js')

/** What a command came to. */
export interface CommandEnd {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command line to its end. */
export async function runPosternCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<CommandEnd> {
  assertBuilt()
  const directory = temporaryDirectory('command')
  try {
    const env = { HOME: directory.path, XDG_CONFIG_HOME: directory.path, ...environment }
    const ended: Finished = await run(process.execPath, [POSTERN_MAIN, ...args], {
      cwd: directory.path,
      env,
      limitMs: 45_000,
    })
    return { status: ended.status, stdout: ended.stdout.toString('latin1'), stderr: ended.stderr }
  } finally {
    directory.remove()
  }
}

/** A command that goes on until it is told to end. */
export interface RunningCommand {
  readonly pid: number
  /** All that it printed so far, both streams. */
  printed(): string
  /** Waits until it has printed something, and returns the match. */
  saw(wanted: RegExp): Promise<RegExpExecArray>
  signal(signal: NodeJS.Signals): void
  /** Its exit status, once it has ended. */
  readonly ended: Promise<number | null>
  /** Ends it, by force where it does not end by itself. */
  stop(): Promise<void>
}

/** Starts a command line. */
export function startPosternCommand(args: readonly string[]): RunningCommand {
  assertBuilt()
  const directory = temporaryDirectory('command')
  const child = spawn(process.execPath, [POSTERN_MAIN, ...args], {
    cwd: directory.path,
    env: { ...process.env, HOME: directory.path, XDG_CONFIG_HOME: directory.path },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text
    })
  }
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null
  const ended = new Promise<number | null>((done) => child.once('close', (status) => done(status)))
  return {
    pid: child.pid ?? 0,
    printed: () => printed,
    ended,
    async saw(wanted) {
      await until(`postern ${args[0]} to print ${wanted}`, () => {
        if (wanted.test(printed)) return true
        if (hasEnded()) throw new Error(`postern ${args[0]} ended with ${child.exitCode}: ${printed}`)
        return false
      })
      const match = wanted.exec(printed)
      if (match === null) throw new Error('what was printed is gone')
      return match
    },
    signal: (signal) => void child.kill(signal),
    async stop() {
      if (!hasEnded()) {
        child.kill('SIGTERM')
        await within('postern to end', ended, 3_000).catch(() => child.kill('SIGKILL'))
        await ended
      }
      directory.remove()
    },
  }
}

function assertBuilt(): void {
  if (!existsSync(POSTERN_MAIN)) throw new Error(`${POSTERN_MAIN} does not exist; "npm run build" makes it`)
}
