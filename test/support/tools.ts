/**
 * Children, temporary directories and waiting, for tests that start real programs. Owns the promise that no
 * child outlives its test: each has a time limit, runs in a process group of its own and is killed with it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** How a child ended. */
export interface Finished {
  /** Exit status, or null where a signal ended it. */
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderr: string
}

export interface RunOptions {
  /** What the child reads on its standard input; nothing by default. */
  readonly input?: Buffer | string
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** After this the child and all it started are killed, and {@link run} fails. 20 s by default. */
  readonly limitMs?: number
}

/** A temporary directory that others may enter, as a server under another user must. */
export interface TemporaryDirectory {
  readonly path: string
  remove(): void
}

/** Creates a fresh directory below the system's temporary one. */
export function temporaryDirectory(purpose: string): TemporaryDirectory {
  const path = mkdtempSync(join(tmpdir(), `postern-${purpose}-`))
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) }
}

/** Sends a signal to a child's whole process group; does nothing where it has ended. */
export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // The group is gone already, which is what was asked for.
  }
}

/** Runs a program to its end. Rejects where it cannot be started or outstays its time limit. */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const child = spawn(program, args, {
    detached: true,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (octets: Buffer) => stdout.push(octets))
  child.stderr.on('data', (octets: Buffer) => stderr.push(octets))
  // A child that ends before it has read its input is the child's business, seen in its exit status.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')

  const limitMs = options.limitMs ?? 20_000
  return await new Promise<Finished>((resolve, reject) => {
    const printed = () => `${Buffer.concat(stderr).toString()}${Buffer.concat(stdout).toString('latin1')}`
    const timer = setTimeout(() => {
      signalGroup(child, 'SIGKILL')
      reject(
        new Error(`${program} had not ended after ${limitMs} ms; it printed:\n${printed().slice(-2_000)}`),
      )
    }, limitMs)
    child.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      resolve({ status, signal, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() })
    })
  })
}

/**
 * Waits until something is so, looking every few milliseconds.
 *
 * @param what names the thing waited for, for the message of the failure
 */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  limitMs = 10_000,
): Promise<void> {
  const end = performance.now() + limitMs
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms in vain for: ${what}`)
    await sleep(10)
  }
}

/** Fails a promise that takes too long, so that a test names what it waited for. */
export async function within<T>(what: string, promise: Promise<T>, limitMs = 10_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limitMs} ms in vain for: ${what}`)), limitMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Finds TCP ports of 127.0.0.1 that were free a moment ago. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.on('error', reject)
          server.listen(0, '127.0.0.1', () => {
            const address = server.address()
            resolve(address !== null && typeof address === 'object' ? address.port : 0)
          })
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
