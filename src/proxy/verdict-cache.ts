/**
 * Verdicts of earlier sessions, remembered in memory and, where a file is named, beyond the end of the process. Owns
 * the bounds, the file and what becomes of it when the disk fails: then it is memory alone, and no session ever waits.
 * Knows nothing of what a verdict says: its keys are hashed, since they hold user names, and its values are JSON.
 *
 * The file begins with a line that says what it is; each line behind it is one entry, and the last one of a key counts:
 *
 *     {"postern":"verdicts","version":1}
 *     {"key":"HASH","value":...}
 *     {"key":"HASH"}                 forgotten
 */
import { hash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { LRUCache } from 'lru-cache'
import type { Logger } from 'pino'
import { JsonLineReader } from '../trace/json-lines.js'

/** Bounds of a cache of verdicts. */
export interface VerdictCacheLimits {
  readonly entries: number
  /** Octets of all entries as lines of the file; in memory they take about as much and half again. */
  readonly octets: number
  /** Octets of one entry as a line; what is longer is not remembered. */
  readonly entryOctets: number
  /** Octets that wait for the disk; what comes then is written with everything else as soon as it can be. */
  readonly waitingOctets: number
}

/** The defaults. */
export const VERDICT_CACHE_LIMITS: VerdictCacheLimits = {
  // Ten full maildrops of 10,000; whoever has more is asked anew for the oldest.
  entries: 100_000,
  octets: 33_554_432,
  // A verdict with all its hits has some hundred octets; a text of rules in it may have thousands.
  entryOctets: 65_536,
  // A quarter of the whole: a disk that is this far behind stands still.
  waitingOctets: 8_388_608,
}

/** The file grows to twice what lives in it, but a small one is not rewritten for every few entries. */
const LEAST_COMPACTED_OCTETS = 262_144
/** Entries of a while go to the disk together. */
const WRITE_EVERY_MS = 200
/** After a failure the disk is left alone for this: a full one does not become empty by being asked. */
const RETRY_AFTER_MS = 60_000
/** Octets that are written at once when the file is rewritten: the rest of the process has its turn in between. */
const PIECE_OCTETS = 262_144

const VERSION = 1
const FIRST_LINE = `{"postern":"verdicts","version":${VERSION}}\n`

/** A file of verdicts that cannot be used, with what mends it. Never raised once the cache is open. */
export class VerdictCacheError extends Error {
  override readonly name = 'VerdictCacheError'
  readonly code = 'POSTERN_VERDICT_CACHE'
  readonly file: string
  /** What was found, without the file's name. */
  readonly problem: string
  /** What a person can do. */
  readonly cure: string

  constructor(file: string, problem: string, cure: string, options?: ErrorOptions) {
    super(`${file}: ${problem}; ${cure}`, options)
    this.file = file
    this.problem = problem
    this.cure = cure
  }
}

/** What was remembered and what was not, since the start. */
export interface VerdictCacheCounts {
  readonly entries: number
  readonly octets: number
  /** Entries that did not wait for the disk, since it was too slow or had failed: it gets them when it can. */
  readonly unwritten: number
}

type Lines = LRUCache<string, string>

/** A cache of verdicts. `get` and `set` never fail and never wait. */
export class VerdictCache {
  readonly #limits: VerdictCacheLimits
  readonly #log: Logger
  /** By hash; each is its line of the file, so that its size is known exactly and nobody can change what is shared. */
  readonly #lines: Lines
  #file: EntryFile | null = null

  private constructor(limits: VerdictCacheLimits, log: Logger) {
    this.#limits = limits
    this.#log = log
    this.#lines = new LRUCache({
      max: limits.entries,
      maxSize: limits.octets,
      maxEntrySize: limits.entryOctets,
      sizeCalculation: (line) => Buffer.byteLength(line),
    })
  }

  /** Makes a cache that is gone with the process. */
  static inMemory(log: Logger, limits: VerdictCacheLimits = VERDICT_CACHE_LIMITS): VerdictCache {
    return new VerdictCache(limits, log)
  }

  /**
   * Opens a cache that is kept in a file, for one process at a time. What an earlier process was writing when it was
   * killed is left out; the file is written anew without it, readable by its owner alone.
   *
   * @throws VerdictCacheError where the file is something else, damaged, of another version, or cannot be written; it
   *   is left as it is then
   */
  static async open(
    file: string,
    log: Logger,
    limits: VerdictCacheLimits = VERDICT_CACHE_LIMITS,
  ): Promise<VerdictCache> {
    const cache = new VerdictCache(limits, log)
    await readEntries(file, limits, (key, line) => {
      if (line === null) cache.#lines.delete(key)
      else cache.#lines.set(key, line)
    })
    cache.#file = new EntryFile(file, cache.#lines, limits, log)
    await cache.#file.begin()
    return cache
  }

  /** The value that was set last for a key, a new copy each time; undefined where none is known. */
  get(key: string): unknown {
    const line = this.#lines.get(hashOf(key))
    return line === undefined ? undefined : valueIn(line)
  }

  /** Remembers a value that JSON can say. What it cannot say, or is too long, is not remembered. */
  set(key: string, value: unknown): void {
    const hashed = hashOf(key)
    const line = lineOf(hashed, value)
    if (line === null || Buffer.byteLength(line) > this.#limits.entryOctets) {
      // What was known before is not true any more.
      if (this.#lines.delete(hashed)) this.#file?.add(forgottenLine(hashed))
      this.#log.debug({
        event: 'verdict-not-remembered',
        text: 'the verdict is longer than may be remembered',
      })
      return
    }
    if (this.#lines.get(hashed) === line) return
    this.#lines.set(hashed, line)
    this.#file?.add(line)
  }

  get counts(): VerdictCacheCounts {
    return {
      entries: this.#lines.size,
      octets: this.#lines.calculatedSize,
      unwritten: this.#file?.unwritten ?? 0,
    }
  }

  /** Writes what waits and closes the file. Never rejects. */
  async close(): Promise<void> {
    await this.#file?.close()
  }
}

/** The file behind a cache: written by one hand, batch after batch. */
class EntryFile {
  unwritten = 0
  readonly #path: string
  readonly #lines: Lines
  readonly #limits: VerdictCacheLimits
  readonly #log: Logger
  #handle: FileHandle | null = null
  #octets = 0
  #waiting: string[] = []
  #waitingOctets = 0
  #timer: NodeJS.Timeout | null = null
  #writing: Promise<void> = Promise.resolve()
  #hasFailed = false
  /** Something is in memory that the file does not get unless it is written anew. */
  #isBehind = false
  #isClosed = false

  constructor(path: string, lines: Lines, limits: VerdictCacheLimits, log: Logger) {
    this.#path = path
    this.#lines = lines
    this.#limits = limits
    this.#log = log
  }

  /** @throws VerdictCacheError where it cannot be written */
  async begin(): Promise<void> {
    try {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
      await this.#rewrite()
    } catch (cause) {
      throw new VerdictCacheError(
        this.#path,
        `cannot be written: ${textOf(cause)}`,
        'name a file in a folder that this user can write to',
        { cause },
      )
    }
  }

  add(line: string): void {
    if (this.#isClosed) return
    const octets = Buffer.byteLength(line)
    if (this.#hasFailed || this.#waitingOctets + octets > this.#limits.waitingOctets) {
      this.unwritten += 1
      this.#isBehind = true
      this.#schedule()
      return
    }
    this.#waiting.push(line)
    this.#waitingOctets += octets
    this.#schedule()
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (!this.#isClosed) {
      this.#isClosed = true
      this.#writing = this.#writing.then(() => this.#write())
    }
    await this.#writing
    await this.#handle?.close().catch(() => {})
    this.#handle = null
  }

  #schedule(): void {
    if (this.#timer !== null || this.#isClosed) return
    this.#timer = setTimeout(
      () => {
        this.#timer = null
        this.#writing = this.#writing.then(() => this.#write())
      },
      this.#hasFailed ? RETRY_AFTER_MS : WRITE_EVERY_MS,
    ).unref()
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    try {
      if (this.#isBehind || this.#isTooLong) await this.#rewrite()
      else await this.#append()
      if (this.#hasFailed) this.#log.info({ event: 'verdict-cache-written-again', file: this.#path })
      this.#hasFailed = false
    } catch (error) {
      await this.#failed(error)
    }
  }

  get #isTooLong(): boolean {
    return (
      this.#octets + this.#waitingOctets > Math.max(LEAST_COMPACTED_OCTETS, 2 * this.#lines.calculatedSize)
    )
  }

  async #append(): Promise<void> {
    const octets = Buffer.from(this.#takeWaiting())
    if (octets.length === 0 || this.#handle === null) return
    await writeAll(this.#handle, octets)
    this.#octets += octets.length
  }

  #takeWaiting(): string {
    const lines = this.#waiting.join('')
    this.#waiting = []
    this.#waitingOctets = 0
    return lines
  }

  /**
   * Writes what lives into a new file that takes the place of the old one. What is set meanwhile waits and goes behind
   * it. What is used least comes first, so that a cache that is read again forgets the same.
   */
  async #rewrite(): Promise<void> {
    this.#takeWaiting()
    this.#isBehind = false
    const lines = [...this.#lines.rvalues()].filter((line) => line !== undefined)
    const draft = `${this.#path}.new`
    await rm(draft, { force: true })
    const handle = await open(draft, NEW_FILE, 0o600)
    let octets = 0
    try {
      for (const piece of piecesOf(lines)) {
        await writeAll(handle, piece)
        octets += piece.length
      }
      // Without this, a loss of power may leave the new name with nothing in it.
      await handle.sync()
      await rename(draft, this.#path)
    } catch (error) {
      await handle.close().catch(() => {})
      await rm(draft, { force: true }).catch(() => {})
      throw error
    }
    await syncFolder(dirname(this.#path))
    await this.#handle?.close().catch(() => {})
    this.#handle = handle
    this.#octets = octets
  }

  /** The file may end within a line now: nothing may be written behind it, and it is written anew before anything is. */
  async #failed(error: unknown): Promise<void> {
    this.#takeWaiting()
    this.#isBehind = true
    await this.#handle?.close().catch(() => {})
    this.#handle = null
    if (!this.#hasFailed)
      this.#log.error({
        event: 'verdict-cache-failed',
        file: this.#path,
        text: textOf(error),
        hint: 'verdicts are remembered in memory until the file can be written again',
      })
    this.#hasFailed = true
    this.#schedule()
  }
}

const NEW_FILE =
  constants.O_WRONLY |
  constants.O_CREAT |
  constants.O_EXCL |
  (process.platform === 'win32' ? 0 : constants.O_NOFOLLOW)

/** Takes one entry; null for one that was forgotten. */
type Take = (key: string, line: string | null) => void

/** Reads all entries of a file that is there and one of ours. */
async function readEntries(file: string, limits: VerdictCacheLimits, take: Take): Promise<void> {
  try {
    const facts = await lstat(file)
    if (!facts.isFile()) throw new VerdictCacheError(file, 'is no file', 'name a file of its own')
    const handle = await open(file, 'r')
    try {
      await readLines(file, handle, limits, take)
    } finally {
      await handle.close()
    }
  } catch (cause) {
    if (cause instanceof VerdictCacheError) throw cause
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return
    throw new VerdictCacheError(file, `cannot be read: ${textOf(cause)}`, 'name another file', { cause })
  }
}

async function readLines(
  file: string,
  handle: FileHandle,
  limits: VerdictCacheLimits,
  take: Take,
): Promise<void> {
  // Another bound may have been in force when the file was written.
  const reader = new JsonLineReader(Math.max(limits.entryOctets, VERDICT_CACHE_LIMITS.entryOctets))
  let isBegun = false
  for await (const octets of handle.createReadStream({ autoClose: false, highWaterMark: PIECE_OCTETS })) {
    for (const line of reader.push(octets)) {
      const value = line.type === 'value' ? line.value : null
      if (!isBegun) checkFirstLine(file, value)
      else takeEntry(file, line.line, value, take)
      isBegun = true
    }
    // Something else entirely may be one endless line.
    if (!isBegun && (reader.isTooLong || reader.keptOctets > FIRST_LINE.length * 4)) throw foreign(file)
  }
  // Without a line end: an earlier process was killed within the line, and nothing can stand behind it. The first line
  // is there whole or not at all, since it comes with a new name.
  if (!isBegun && reader.end() !== null) throw foreign(file)
}

function checkFirstLine(file: string, value: unknown): void {
  const isOurs = isObject(value) && value.postern === 'verdicts'
  if (!isOurs) throw foreign(file)
  if (value.version === VERSION) return
  throw new VerdictCacheError(
    file,
    `is of version ${JSON.stringify(value.version)}, and this postern reads ${VERSION}`,
    'name another file, or delete this one: it holds nothing that cannot be found out again',
  )
}

function takeEntry(file: string, number: number, entry: unknown, take: Take): void {
  if (!isObject(entry) || typeof entry.key !== 'string' || !KEY.test(entry.key))
    throw new VerdictCacheError(
      file,
      `line ${number} is damaged`,
      'delete the file: it holds nothing that cannot be found out again',
    )
  take(entry.key, lineOf(entry.key, entry.value))
}

function foreign(file: string): VerdictCacheError {
  return new VerdictCacheError(
    file,
    'holds something else than verdicts, and is left as it is',
    'name a file of its own',
  )
}

/** SHA-256 in base64url. */
const KEY = /^[\w-]{43}$/

function hashOf(key: string): string {
  return hash('sha256', key, 'base64url')
}

/** Null for what JSON cannot say. */
function lineOf(key: string, value: unknown): string | null {
  try {
    const text: unknown = JSON.stringify(value)
    return typeof text === 'string' ? `{"key":"${key}","value":${text}${LINE_END}` : null
  } catch {
    return null
  }
}

function forgottenLine(key: string): string {
  return `{"key":"${key}"}\n`
}

/** Behind this in each line of an entry comes its value; all keys have the same length. */
const VALUE_AT = '{"key":"'.length + 43 + '","value":'.length
const LINE_END = '}\n'

/** Reads the value alone: a maildrop is ten thousand lines. */
function valueIn(line: string): unknown {
  return JSON.parse(line.slice(VALUE_AT, -LINE_END.length))
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The first line and all others, in pieces. */
function* piecesOf(lines: readonly string[]): Generator<Buffer, void, void> {
  let piece = FIRST_LINE
  for (const line of lines) {
    piece += line
    if (piece.length < PIECE_OCTETS) continue
    yield Buffer.from(piece)
    piece = ''
  }
  if (piece !== '') yield Buffer.from(piece)
}

/** A disk may take less than it was given before it takes no more. */
async function writeAll(handle: FileHandle, octets: Buffer): Promise<void> {
  for (let at = 0; at < octets.length; ) {
    const { bytesWritten } = await handle.write(octets, at)
    at += bytesWritten
  }
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
