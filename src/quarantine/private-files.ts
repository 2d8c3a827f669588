/**
 * Folders and files that nobody but their owner touches: made, checked, written so that they are there whole or not
 * at all, and read without following a link. Knows nothing of what they hold.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { errorCode, QuarantineError, shellWord, wordsOf } from './quarantine-error.js'

/** What to do where a folder is not there. */
export type Missing = 'create' | 'refuse'

/**
 * Makes sure of a folder: a real one, of this user, that nobody else can write to.
 *
 * @throws QuarantineError that says what is wrong and what mends it
 */
export async function securePrivateFolder(folder: string, missing: Missing): Promise<void> {
  try {
    // What is missing above it belongs to nobody else either.
    if (missing === 'create') await mkdir(folder, { recursive: true, mode: 0o700 })
    await check(folder)
  } catch (cause) {
    if (cause instanceof QuarantineError) throw cause
    if (errorCode(cause) === 'ENOENT')
      throw new QuarantineError(
        folder,
        'there is no quarantine',
        'it is made when a rule first keeps a message; name another folder with --directory',
      )
    if (errorCode(cause) === 'EEXIST') throw noFolder(folder)
    throw new QuarantineError(folder, wordsOf(cause), 'name another folder', { cause })
  }
}

async function check(folder: string): Promise<void> {
  const facts = await lstat(folder)
  if (facts.isSymbolicLink())
    throw new QuarantineError(folder, 'is a symbolic link', 'name the folder itself')
  if (!facts.isDirectory()) throw noFolder(folder)
  // Windows has neither owners nor modes here, and keeps its permissions elsewhere.
  if (process.platform === 'win32') return
  const user = process.geteuid?.() ?? facts.uid
  if (facts.uid !== user) {
    // Root too: whoever owns the folder could swap what is in it while root writes there.
    throw new QuarantineError(
      folder,
      `belongs to user ${facts.uid}, and this is user ${user}`,
      `run the command as that user: sudo -u '#${facts.uid}' ...`,
    )
  }
  if ((facts.mode & 0o022) !== 0) {
    const mode = (facts.mode & 0o7777).toString(8).padStart(4, '0')
    throw new QuarantineError(
      folder,
      `others may write to it (mode ${mode})`,
      `close it with: chmod 700 ${shellWord(folder)}`,
    )
  }
}

function noFolder(folder: string): QuarantineError {
  return new QuarantineError(folder, 'is no folder', 'move it away, or name another folder')
}

/**
 * Writes a file for its owner alone, in one step as others see it, and so that it outlives a loss of power.
 *
 * @param contents whole, or in pieces, of which the next one is taken when the one before is written
 * @param draftFolder where it grows, in the same file system
 * @throws the system's error, or that of the pieces; nothing is left behind then
 */
export async function writeDurably(
  file: string,
  contents: AsyncIterable<Buffer> | string,
  draftFolder: string,
): Promise<void> {
  const draft = join(draftFolder, `${basename(file)}.${randomBytes(6).toString('hex')}`)
  try {
    const handle = await open(
      draft,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | noFollow,
      0o600,
    )
    try {
      await writeFile(handle, contents)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {})
    throw error
  }
  await syncFolder(dirname(file))
}

/** Moves a file within the quarantine, so that it outlives a loss of power. Throws the system's error. */
export async function moveDurably(from: string, to: string): Promise<void> {
  await rename(from, to)
  await syncFolder(dirname(to))
  if (dirname(from) !== dirname(to)) await syncFolder(dirname(from))
}

/** Removes a file, so that it stays away after a loss of power. One that is gone already is fine. */
export async function removeDurably(file: string): Promise<void> {
  await rm(file, { force: true })
  await syncFolder(dirname(file))
}

/**
 * Reads the beginning of a file that is one, not a link to one.
 *
 * @param maximum octets that are read
 * @returns null where it is not there or no file
 * @throws the system's error
 */
export async function readPrivate(file: string, maximum: number): Promise<Buffer | null> {
  const handle = await openPrivate(file)
  if (handle === null) return null
  try {
    const facts = await handle.stat()
    if (facts.size <= maximum) return await handle.readFile()
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(maximum), 0, maximum, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

/**
 * Reads a file that is one, not a link to one, piece by piece. Closed where the reader stops early.
 *
 * @throws the system's error, QuarantineError where it is not there or no file
 */
export async function* readPieces(file: string): AsyncGenerator<Buffer, void, undefined> {
  const handle = await openPrivate(file)
  if (handle === null) throw new QuarantineError(file, 'the file is gone', 'look again what is there')
  try {
    for (;;) {
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(PIECE_OCTETS), 0, PIECE_OCTETS)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}

const PIECE_OCTETS = 65_536

/** Null where there is no file, or a link or something else in its place. */
async function openPrivate(file: string): Promise<FileHandle | null> {
  let handle: FileHandle
  try {
    // Not blocking: a pipe in its place would be waited for.
    handle = await open(file, constants.O_RDONLY | noFollow | nonBlocking)
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ELOOP') return null
    throw error
  }
  try {
    if ((await handle.stat()).isFile()) return handle
  } catch (error) {
    await handle.close()
    throw error
  }
  await handle.close()
  return null
}

/** A name is durable when its folder is. Windows cannot open folders. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

// Both are missing on Windows.
const noFollow = process.platform === 'win32' ? 0 : constants.O_NOFOLLOW
const nonBlocking = process.platform === 'win32' ? 0 : constants.O_NONBLOCK
