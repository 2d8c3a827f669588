/**
 * Where control sockets are: the directory that only its owner may enter, the sockets of the proxies that run, and
 * the ones that were left behind. Owns every check of who may read what; knows nothing of what is said there.
 */
import { chmodSync, lstatSync, mkdirSync, readdirSync, rmSync, type Stats } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, isAbsolute, join } from 'node:path'
import type { ControlSettings } from '../config/settings.js'

/** A control socket that cannot be; the message says what to do. */
export class ControlError extends Error {
  override readonly name = 'ControlError'
}

/** What a process knows about itself and its user. */
export interface ControlPlace {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly temporaryDirectory: string
  readonly userId: number
}

/** Longest path of a Unix socket on Linux; others have 104. */
const LONGEST_PATH_OCTETS = 107
const SOCKET_NAME = /^([0-9]{1,10})\.sock$/

/** This process's own. */
export function currentPlace(): ControlPlace {
  return {
    environment: process.env,
    temporaryDirectory: tmpdir(),
    userId: process.getuid?.() ?? -1,
  }
}

/** The usual directories, the best first; the others may hold sockets of proxies that ran without the first. */
export function usualDirectories(place: ControlPlace): readonly string[] {
  const runtime = place.environment.XDG_RUNTIME_DIR ?? ''
  return [
    // A relative one is to be ignored, says the XDG base directory specification.
    ...(isAbsolute(runtime) ? [join(runtime, 'postern')] : []),
    join(place.temporaryDirectory, `postern-${place.userId}`),
  ]
}

/**
 * Makes ready the place of this process's control socket: a directory that nobody else may enter, without sockets
 * that were left behind.
 *
 * @returns path of the socket to open; null where none is wanted
 * @throws {ControlError} where no directory is safe, or something else is in the way
 */
export async function prepareControl(settings: ControlSettings, place: ControlPlace): Promise<string | null> {
  if (settings.type === 'none') return null
  if (settings.type === 'path') return await preparePath(settings.path)
  const problems: string[] = []
  for (const directory of usualDirectories(place)) {
    try {
      claimDirectory(directory, place.userId)
      await removeDead(directory)
      return await preparePath(join(directory, `${process.pid}.sock`))
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error))
    }
  }
  throw new ControlError(
    `no control socket, so that nobody can attach: ${problems.join('; ')}. Name another place with --control`,
  )
}

/** Sockets in the usual directories at which a proxy answers, the newest first. */
export async function liveSockets(place: ControlPlace): Promise<readonly string[]> {
  const found: { readonly path: string; readonly at: number }[] = []
  for (const directory of usualDirectories(place)) {
    for (const path of socketsIn(directory, place.userId)) {
      if (await answers(path)) found.push({ path, at: statsOf(path)?.mtimeMs ?? 0 })
    }
  }
  return found.toSorted((one, other) => other.at - one.at).map(({ path }) => path)
}

/** Makes the directory, or makes sure that the one that is there is its owner's alone. */
function claimDirectory(directory: string, userId: number): void {
  try {
    mkdirSync(directory, { mode: 0o700 })
    // The umask may have taken even the owner's rights.
    chmodSync(directory, 0o700)
    return
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  const problem = directoryProblem(directory, userId)
  if (problem !== null) throw new ControlError(problem)
}

/** Another user may have made the directory, to read what is said there. */
function directoryProblem(directory: string, userId: number): string | null {
  const stats = statsOf(directory)
  if (stats === null || !stats.isDirectory()) return `${directory} is no directory`
  if (stats.uid !== userId) return `${directory} belongs to another user (${stats.uid})`
  const mode = stats.mode & 0o777
  if ((mode & 0o077) !== 0)
    return `${directory} can be entered by others (mode ${mode.toString(8).padStart(4, '0')}): chmod 700 it`
  return null
}

async function preparePath(path: string): Promise<string> {
  if (Buffer.byteLength(path) > LONGEST_PATH_OCTETS)
    throw new ControlError(`${path} is too long for a socket: ${LONGEST_PATH_OCTETS} octets at most`)
  mkdirSync(dirname(path), { mode: 0o700, recursive: true })
  const stats = statsOf(path)
  if (stats === null) return path
  if (!stats.isSocket())
    throw new ControlError(`${path} exists and is no socket: name another with --control`)
  if (await answers(path)) throw new ControlError(`another postern is watched at ${path} already`)
  rmSync(path, { force: true })
  return path
}

/** Sockets of processes that are gone, as SIGKILL leaves them. */
async function removeDead(directory: string): Promise<void> {
  for (const name of readdirSync(directory)) {
    const pid = SOCKET_NAME.exec(name)?.[1]
    if (pid === undefined) continue
    const path = join(directory, name)
    // A process of the same number may be another by now; its socket answers, or is nobody's.
    if (!isRunning(Number.parseInt(pid, 10)) || !(await answers(path))) rmSync(path, { force: true })
  }
}

function socketsIn(directory: string, userId: number): readonly string[] {
  if (statsOf(directory) === null || directoryProblem(directory, userId) !== null) return []
  return readdirSync(directory)
    .filter((name) => SOCKET_NAME.test(basename(name)))
    .map((name) => join(directory, name))
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** A stopped proxy answers as well: the system accepts for it, until EAGAIN says that too many wait. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EAGAIN'))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

function statsOf(path: string): Stats | null {
  try {
    return lstatSync(path)
  } catch {
    return null
  }
}
