/**
 * CPU time and memory of a program with all its processes, read from /proc (Linux). Knows nothing of what the
 * program does. CPU time comes in the kernel's ticks of usually 10 ms, so measure a second of it or more.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

interface ProcessEntry {
  readonly pid: number
  readonly parent: number
  readonly session: number
  readonly ticks: number
}

let ticksPerSecond: number | null = null

/**
 * Lists the processes of a program: those started, their descendants, and what moved away from its parent but
 * not from the session (as in setsid(2)) of those started.
 *
 * @param roots process ids of session leaders, as `spawn` with `detached` makes them
 */
export function processTree(roots: readonly number[]): readonly number[] {
  return entriesOf(roots).map((entry) => entry.pid)
}

/**
 * Adds up CPU time, user and system, in seconds. Processes that ended are in it as soon as their parent has
 * waited for them, so between two calls the sum never shrinks while the program lives and reaps its children.
 */
export function cpuSeconds(roots: readonly number[]): number {
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  return entriesOf(roots).reduce((sum, entry) => sum + entry.ticks, 0) / ticksPerSecond
}

/**
 * Adds up the proportional share (PSS) of all processes' memory in octets: pages that several of them share count
 * once. What the kernel holds for sockets is not in it.
 *
 * @throws where the memory of a process may not be read, so that no figure is too low in silence
 */
export function memoryOctets(roots: readonly number[]): number {
  return entriesOf(roots).reduce((sum, entry) => sum + proportionalShare(entry.pid), 0)
}

function proportionalShare(pid: number): number {
  const rollup = readOfProcess(pid, 'smaps_rollup')
  if (rollup === null) return 0
  const found = /^Pss:\s+(\d+) kB$/m.exec(rollup)
  return found === null ? 0 : Number(found[1]) * 1024
}

function entriesOf(roots: readonly number[]): readonly ProcessEntry[] {
  const all = new Map<number, ProcessEntry>()
  for (const name of readdirSync('/proc')) {
    const entry = /^\d+$/.test(name) ? readEntry(Number(name)) : null
    if (entry !== null) all.set(entry.pid, entry)
  }
  const belongs = (entry: ProcessEntry): boolean => {
    for (let at: ProcessEntry | undefined = entry; at !== undefined; at = all.get(at.parent)) {
      if (roots.includes(at.pid) || roots.includes(at.session)) return true
    }
    return false
  }
  return [...all.values()].filter(belongs)
}

/** Decodes /proc/PID/stat, see proc_pid_stat(5); the name in parentheses may itself hold spaces and parentheses. */
function readEntry(pid: number): ProcessEntry | null {
  const stat = readOfProcess(pid, 'stat')
  if (stat === null) return null
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // Counted from field 3 (state): parent 4, session 6, then utime 14, stime 15, cutime 16, cstime 17.
  const field = (number: number): number => Number(fields[number - 3])
  return { pid, parent: field(4), session: field(6), ticks: field(14) + field(15) + field(16) + field(17) }
}

/** @returns null where the process has ended meanwhile */
function readOfProcess(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    if (code === 'ENOENT' || code === 'ESRCH') return null
    throw error
  }
}
