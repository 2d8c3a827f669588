/**
 * Starts subjects and ends them: each process in a session of its own, output kept to a file for the day it
 * fails, nothing ended that was not started here. Knows nothing of measuring.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import type { CertificateFiles } from './certificates.js'
import { processTree } from './process-tree.js'
import type { CommandLine, Subject } from './subjects.js'

/** mitmproxy takes two seconds on an idle machine; ten times that is broken. */
const START_MS = 20_000
/** Three dashboards start, attach and draw; one is stopped then. */
const WATCHERS_START_MS = 4_000
/** From SIGTERM to SIGKILL: what serves nobody has no reason to take longer. */
const STOP_MS = 3_000

/** A subject that accepts connections. */
export interface RunningSubject {
  readonly plainPort: number
  readonly tlsPort: number
  /** Process ids of what was started; its children are found through them. */
  readonly roots: readonly number[]
  readonly stop: () => Promise<void>
}

const running = new Set<RunningSubject>()
let starts = 0

/**
 * Starts a subject and waits until both its listeners accept.
 *
 * @param directory where a directory for this start is made
 * @throws with the end of the subject's output where it ends or does not listen in time
 */
export async function start(
  subject: Subject,
  directory: string,
  certificates: CertificateFiles,
  serverPort: number,
): Promise<RunningSubject> {
  const own = join(directory, `${subject.name}-${++starts}`)
  mkdirSync(own, { mode: 0o755 })
  const [plainPort, tlsPort] = await freePorts()
  const outputFile = join(own, 'output')
  const site = { ...certificates, directory: own, plainPort, tlsPort, serverPort }
  const children = subject.setUp(site).map((command) => launch(command, own, outputFile))
  const watchers: ChildProcess[] = []
  const started: RunningSubject = {
    plainPort,
    tlsPort,
    roots: children.flatMap((child) => (child.pid === undefined ? [] : [child.pid])),
    stop: async () => {
      running.delete(started)
      const looking = watchers.flatMap((child) => (child.pid === undefined ? [] : [child.pid]))
      await end(watchers, looking)
      await end(children, started.roots)
      rmSync(own, { recursive: true, force: true })
    },
  }
  running.add(started)
  try {
    await Promise.all([plainPort, tlsPort].map((port) => accepting(port, children)))
    const looks = subject.watchers?.(site) ?? []
    for (const command of looks) watchers.push(launch(command, process.cwd(), outputFile))
    if (looks.length > 0) await pause(WATCHERS_START_MS)
    const gone = watchers.find((child) => child.exitCode !== null)
    if (gone !== undefined) throw new Error(`the watchers ended with status ${gone.exitCode}`)
    return started
  } catch (error) {
    const output = readFileSync(outputFile, 'utf8').trim().slice(-500)
    await started.stop()
    const problem = error instanceof Error ? error.message : String(error)
    throw new Error(output === '' ? problem : `${problem}; its last words: ${output}`)
  }
}

/** Ends whatever still runs, at once and without waiting: for the way out after a signal or an error. */
export function killAll(): void {
  for (const subject of running) {
    for (const pid of processTree(subject.roots)) signal(pid, 'SIGKILL')
  }
}

function launch(command: CommandLine, directory: string, outputFile: string): ChildProcess {
  // Log lines are work that a proxy does; what is written is thrown away, as the same for all.
  const errors = openSync(outputFile, 'a')
  const child = spawn(command.file, command.args, {
    cwd: directory,
    detached: true,
    stdio: ['ignore', 'ignore', errors],
    env: { PATH: process.env.PATH, HOME: directory, XDG_STATE_HOME: directory, TMPDIR: directory },
  })
  // A program that cannot be started has no pid, and `accepting` says so.
  child.on('error', () => {})
  closeSync(errors)
  return child
}

async function end(children: readonly ChildProcess[], roots: readonly number[]): Promise<void> {
  for (const pid of roots) signal(pid, 'SIGTERM')
  const deadline = performance.now() + STOP_MS
  while (performance.now() < deadline && processTree(roots).length > 0) await pause(20)
  for (const pid of processTree(roots)) signal(pid, 'SIGKILL')
  for (const child of children) child.unref()
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // Has ended meanwhile, which is all that was wanted.
  }
}

async function accepting(port: number, children: readonly ChildProcess[]): Promise<void> {
  const deadline = performance.now() + START_MS
  while (performance.now() < deadline) {
    const gone = children.find((child) => child.pid === undefined || child.exitCode !== null)
    if (gone !== undefined)
      throw new Error(`${gone.spawnfile} ended with status ${gone.exitCode ?? 'unknown'}`)
    if (await accepts(port)) return
    await pause(50)
  }
  throw new Error(`no listener on port ${port} within ${START_MS / 1000} s`)
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port })
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

/** Asks the kernel for two ports that are free now; the first is held until the second is known. */
async function freePorts(): Promise<readonly [number, number]> {
  const servers = [net.createServer(), net.createServer()] as const
  const ports = [await freePort(servers[0]), await freePort(servers[1])] as const
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

function freePort(server: net.Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (address === null || typeof address === 'string') reject(new Error('no TCP port'))
      else resolve(address.port)
    })
  })
}

/** Resolves after so many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
