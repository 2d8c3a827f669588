/**
 * The built program as a process of its own, as users run it: started by its command line, read by its log,
 * stopped by signals. Owns the process and its temporary state directory; knows nothing of what is inside.
 */
import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { CertificateFiles } from './dovecot.js'
import { temporaryDirectory, until, within } from './tools.js'

/** The program under test; `POSTERN_MAIN` names another, such as an installed one. */
const MAIN = process.env.POSTERN_MAIN ?? resolve(import.meta.dirname, '../../dist/main.js')

/** Kinds of listener, by the scheme of their URL. */
export type ListenerScheme = 'pop3' | 'pop3+stls' | 'pop3s'

export interface PosternOptions {
  /** One listener on 127.0.0.1 for each scheme named; the system chooses the ports. */
  readonly listeners: readonly ListenerScheme[]
  /** URL of the server, such as `pop3s://localhost:995`. */
  readonly upstream: string
  readonly upstreamCaFile?: string
  readonly upstreamName?: string
  /** What clients are shown on STLS and POP3S. */
  readonly certificate?: CertificateFiles
  /** Further arguments of `run`. */
  readonly args?: readonly string[]
}

/** One line of the log. */
export interface LogLine {
  readonly event?: string
  readonly [field: string]: unknown
}

/** How the process ended. */
export interface Ended {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Postern {
  readonly pid: number
  /** Resolves when the process has ended. */
  readonly ended: Promise<Ended>
  /** Port of the listener with this scheme. */
  port(scheme: ListenerScheme): number
  /** Lines of the log so far that are JSON. */
  events(): readonly LogLine[]
  /** All that the process has printed so far, for searching it and for the message of a failed test. */
  printed(): string
  signal(signal: NodeJS.Signals): void
  /** Closes the reading end of its standard output, as a log collector does that dies. */
  closeLog(): void
  /** Ends the process, by force where it does not drain at once. */
  stop(): Promise<void>
}

/** Starts `postern run` and resolves once all its listeners are open. */
export async function startPostern(options: PosternOptions): Promise<Postern> {
  const args = [
    ...options.listeners.flatMap((scheme) => ['--listen', `${scheme}://127.0.0.1:0`]),
    '--upstream',
    options.upstream,
    ...(options.upstreamCaFile === undefined ? [] : ['--upstream-ca', options.upstreamCaFile]),
    ...(options.upstreamName === undefined ? [] : ['--upstream-name', options.upstreamName]),
    ...(options.certificate === undefined
      ? []
      : ['--cert', options.certificate.certFile, '--key', options.certificate.keyFile]),
    ...(options.args ?? []),
  ]
  return await start(args, options.listeners.length)
}

/**
 * Writes a configuration file and starts `postern run` with it.
 *
 * @param listeners how many listeners the configuration opens
 */
export async function startConfiguredPostern(
  file: string,
  configuration: string,
  listeners: number,
): Promise<Postern> {
  writeFileSync(file, configuration)
  return await start(['--config', file], listeners)
}

async function start(args: readonly string[], listeners: number): Promise<Postern> {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} does not exist; "npm run build" makes it`)
  const directory = temporaryDirectory('process')
  const child = spawn(process.execPath, [MAIN, 'run', '--headless', ...args], {
    // Away from the repository, so that neither its certs/ nor the user's own state is used or changed.
    cwd: directory.path,
    env: {
      ...process.env,
      HOME: directory.path,
      XDG_STATE_HOME: join(directory.path, 'state'),
      XDG_CONFIG_HOME: join(directory.path, 'config'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = new Promise<Ended>((resolve) => {
    child.on('exit', (status, signal) => resolve({ status, signal }))
  })
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  const printed = () => `${stdout}${stderr}`
  const listening = () => linesOf(stdout).filter((line) => line.event === 'listening')

  async function stop(): Promise<void> {
    if (!hasEnded()) {
      child.kill('SIGTERM')
      await within('postern to end', ended, 3_000).catch(() => child.kill('SIGKILL'))
      await ended
    }
    directory.remove()
  }

  try {
    await until('postern to listen', () => {
      if (hasEnded()) throw new Error('postern ended instead of listening')
      return listening().length >= listeners
    })
  } catch (error) {
    await stop()
    throw new Error(`${error instanceof Error ? error.message : error}; it printed:\n${printed()}`)
  }

  return {
    pid: child.pid ?? 0,
    ended,
    printed,
    events: () => linesOf(stdout),
    port(scheme) {
      const urls = listening().map((line) => new URL(String(line.url)))
      const url = urls.find(({ protocol }) => protocol === `${scheme}:`)
      if (url === undefined) throw new Error(`no ${scheme} listener; it printed:\n${printed()}`)
      return Number(url.port)
    },
    signal: (signal) => {
      child.kill(signal)
    },
    closeLog: () => {
      child.stdout.destroy()
    },
    stop,
  }
}

function linesOf(text: string): readonly LogLine[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as LogLine)
}
