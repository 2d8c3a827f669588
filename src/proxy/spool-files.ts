/**
 * Messages that are larger than memory is given, in files that nobody else can open: each loses its name as soon as it is
 * there, so that nothing is left behind, however this process ends. Owns files and the order of what is written to
 * them; knows nothing of what a message is but that it comes byte-stuffed.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { MessageSource } from '../mail/source.js'
import { Unstuffer } from '../pop3/encoder.js'
import { wordsOf } from '../quarantine/quarantine-error.js'
import type { SpooledMessage } from '../relay/spool.js'

/** Octets that wait for the disk in one session before its server is read no further. */
export const WAITING_OCTETS = 1_048_576

/** Octets that are read at one time. */
const READ_OCTETS = 65_536

/** The folder of the files, made when the first one is. */
export class SpoolFolder {
  readonly directory: string

  /** @param directory absolute */
  constructor(directory: string) {
    this.directory = directory
  }

  /**
   * Opens a file without a name.
   *
   * @throws Error in words that stand behind "it cannot be kept in a file: "
   */
  async open(): Promise<FileHandle> {
    try {
      await mkdir(this.directory, { recursive: true, mode: 0o700 })
      await this.#check()
      const path = join(this.directory, `spool-${randomBytes(12).toString('hex')}`)
      const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | noFollow, 0o600)
      await rm(path, { force: true })
      return file
    } catch (error) {
      throw error instanceof SpoolError ? error : this.#error(wordsOf(error))
    }
  }

  /** Whoever can write to the folder could put a link where the file comes. */
  async #check(): Promise<void> {
    // Windows has neither owners nor modes here, and keeps its permissions elsewhere.
    if (process.platform === 'win32') return
    const { uid, mode } = await lstat(this.directory)
    if (uid !== process.geteuid?.()) throw this.#error(`the folder belongs to user ${uid}`)
    if ((mode & 0o022) !== 0) throw this.#error('others may write to the folder: close it with chmod 700')
  }

  #error(text: string): SpoolError {
    return new SpoolError(`${this.directory}: ${text}`)
  }
}

class SpoolError extends Error {
  override readonly name = 'SpoolError'
}

const noFollow = process.platform === 'win32' ? 0 : constants.O_NOFOLLOW

/** Whom the files of a session tell what becomes of them. */
export interface SpoolListener {
  /** A file could not be written, in words. Told once for each. */
  failed(id: number, text: string): void
  /** What waited for the disk is written. */
  drained(): void
}

/** One file. It stays as long as somebody reads it, even where it was dropped. */
class SpoolFile {
  readonly id: number
  readonly #folder: SpoolFolder
  readonly #listener: SpoolListener
  readonly #waiting: Buffer[] = []
  #waitingOctets = 0
  #file: FileHandle | null = null
  #isWriting = false
  #problem: Error | null = null
  #isDropped = false
  #users = 0
  #whenWritten: (() => void)[] = []

  constructor(id: number, folder: SpoolFolder, listener: SpoolListener) {
    this.id = id
    this.#folder = folder
    this.#listener = listener
  }

  get waitingOctets(): number {
    return this.#waitingOctets
  }

  append(octets: Buffer): void {
    if (this.#problem !== null || this.#isDropped) return
    this.#waiting.push(octets)
    this.#waitingOctets += octets.length
    if (!this.#isWriting) void this.#write()
  }

  /** Keeps it while somebody uses it. @returns to be called once, when they do not any more */
  use(): () => void {
    this.#users += 1
    return () => {
      this.#users -= 1
      this.#closeWhenUnused()
    }
  }

  /** @throws the reason why the file has not got all octets */
  async read(start: number, end: number): Promise<Buffer> {
    const leave = this.use()
    try {
      await this.#written()
      return await this.#readNow(start, end)
    } finally {
      leave()
    }
  }

  /** All of it in pieces, byte-stuffing removed. */
  async *pieces(received: number): AsyncGenerator<Buffer> {
    const leave = this.use()
    try {
      await this.#written()
      const unstuffer = new Unstuffer()
      for (let at = 0; at < received; at += READ_OCTETS)
        yield unstuffer.take(await this.#readNow(at, Math.min(received, at + READ_OCTETS)))
      yield unstuffer.end()
    } finally {
      leave()
    }
  }

  drop(): void {
    this.#isDropped = true
    this.#closeWhenUnused()
  }

  async #write(): Promise<void> {
    this.#isWriting = true
    try {
      this.#file ??= await this.#folder.open()
      while (this.#waiting.length > 0 && (!this.#isDropped || this.#users > 0)) {
        const octets = Buffer.concat(this.#waiting.splice(0))
        // Written to its end: a file that is written at its place, and not by name, goes on where it was.
        await this.#file.writeFile(octets)
        this.#waitingOctets -= octets.length
        this.#listener.drained()
      }
    } catch (error) {
      this.#fails(error)
    }
    this.#isWriting = false
    for (const tell of this.#whenWritten.splice(0)) tell()
    this.#closeWhenUnused()
  }

  #fails(error: unknown): void {
    const reason =
      error instanceof SpoolError ? error.message : `${this.#folder.directory}: ${wordsOf(error)}`
    const text = `cannot be kept in a file: ${reason}`
    this.#problem = new SpoolError(`the message ${text}`)
    this.#waiting.length = 0
    this.#waitingOctets = 0
    this.#listener.failed(this.id, text)
    this.#listener.drained()
  }

  async #written(): Promise<void> {
    while (this.#isWriting) await new Promise<void>((resolve) => this.#whenWritten.push(resolve))
  }

  async #readNow(start: number, end: number): Promise<Buffer> {
    if (this.#problem !== null) throw this.#problem
    const octets = Buffer.allocUnsafe(end - start)
    let length = 0
    while (length < octets.length) {
      const bytesRead = await this.#readOnce(octets, length, start + length)
      if (bytesRead === 0)
        throw new SpoolError('the file of the message is shorter than what was put into it')
      length += bytesRead
    }
    return octets
  }

  async #readOnce(octets: Buffer, offset: number, position: number): Promise<number> {
    if (this.#file === null) return 0
    try {
      const { bytesRead } = await this.#file.read(octets, offset, octets.length - offset, position)
      return bytesRead
    } catch (error) {
      throw new SpoolError(`the file of the message cannot be read: ${wordsOf(error)}`)
    }
  }

  #closeWhenUnused(): void {
    if (!this.#isDropped || this.#users > 0 || this.#isWriting) return
    const file = this.#file
    this.#file = null
    // What cannot be closed has no name, and is gone with the process.
    void file?.close().catch(() => {})
  }
}

/** The files of one session. */
export class SpoolFiles {
  readonly #folder: SpoolFolder
  readonly #listener: SpoolListener
  readonly #files = new Map<number, SpoolFile>()

  constructor(folder: SpoolFolder, listener: SpoolListener) {
    this.#folder = folder
    this.#listener = listener
  }

  /** Whether so much waits for the disk that no more should come. */
  get isFull(): boolean {
    let waiting = 0
    for (const { waitingOctets } of this.#files.values()) waiting += waitingOctets
    return waiting >= WAITING_OCTETS
  }

  /** Puts octets at the end of a file, which begins with the first of them. */
  append(id: number, octets: Buffer): void {
    const file = this.#files.get(id) ?? new SpoolFile(id, this.#folder, this.#listener)
    this.#files.set(id, file)
    file.append(octets)
  }

  /**
   * Reads octets, once all is written.
   *
   * @throws Error in words for a person
   */
  async read(id: number, start: number, end: number): Promise<Buffer> {
    const file = this.#files.get(id)
    if (file === undefined) throw new SpoolError('the file of the message is not there')
    return await file.read(start, end)
  }

  /**
   * A message that lies in a file.
   *
   * @param beginning what of it is in memory
   */
  sourceOf({ id, octets, received }: SpooledMessage, beginning: Buffer): MessageSource {
    const file = this.#files.get(id)
    return {
      octets,
      inMemory: null,
      beginning,
      pieces: () => file?.pieces(received) ?? missing(),
    }
  }

  /** Keeps a file while it is used, though the session drops it. @returns to be called once, when it is not any more */
  use(id: number): () => void {
    return this.#files.get(id)?.use() ?? (() => {})
  }

  /** The session needs a file no more. */
  drop(id: number): void {
    this.#files.get(id)?.drop()
    this.#files.delete(id)
  }

  /** The session is over. */
  dropAll(): void {
    for (const id of [...this.#files.keys()]) this.drop(id)
  }
}

// biome-ignore lint/correctness/useYield: it has none to give.
async function* missing(): AsyncGenerator<Buffer> {
  throw new SpoolError('the file of the message is not there any more')
}
