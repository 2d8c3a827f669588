/**
 * Messages kept back from clients, octet for octet, in a Maildir that other mail tools can read, with a sidecar for
 * each that says why. Owns the folder, its bounds, and what was released; knows nothing of rules. The original stays
 * at the server whatever happens here. A proxy keeps while a person releases and deletes from another process: what
 * counts is what is on the disk.
 *
 *     DIRECTORY/new/HASH        kept (Maildir: nobody has looked yet)
 *     DIRECTORY/cur/HASH:2,S    released, or looked at by a mail program
 *     DIRECTORY/tmp/            being written
 *     DIRECTORY/meta/HASH.json  the sidecar
 *     DIRECTORY/released/HASH   this content shall pass from now on, whether a copy is still here or not
 *
 * HASH is the SHA-256 of the content: a collision of short names, which a sender could make, would let one message
 * pass for another.
 */
import { createHash } from 'node:crypto'
import { lstat, readdir, rm, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { exactPieces } from '../mail/exact-pieces.js'
import { inMemory, type MessageSource } from '../mail/source.js'
import {
  ABANDONED_AFTER_MS,
  ID_DIGITS,
  LEAST_ID_DIGITS,
  LOOK_EVERY_MS,
  MOST_HEADER_OCTETS,
  MOST_SIDECAR_OCTETS,
  type QuarantineLimits,
  SETTLED_AFTER_MS,
} from './limits.js'
import {
  type Missing,
  moveDurably,
  readPieces,
  readPrivate,
  removeDurably,
  securePrivateFolder,
  writeDurably,
} from './private-files.js'
import { errorCode, QuarantineError, shellWord, wordsOf } from './quarantine-error.js'
import { describeKept, type KeptAbout, parseSidecar, type Sidecar, sidecarText } from './sidecar.js'

export type { KeptAbout } from './sidecar.js'

/** What came of keeping a message. */
export type KeepResult =
  /** It is on the disk, now or since earlier; `id` names it to `postern quarantine`. */
  | { readonly type: 'kept'; readonly id: string }
  /** A person has released this content: it is to be delivered. */
  | { readonly type: 'released' }
  /** It could not be kept; `text` says why in one sentence. */
  | { readonly type: 'failed'; readonly text: string }

/** One message in quarantine. Texts are harmless; null for what is not known. */
export interface QuarantinedMessage extends Sidecar {
  /** The first {@link ID_DIGITS} of `sha256`. */
  readonly id: string
  /** Of the content, in hexadecimal. */
  readonly sha256: string
  readonly octets: number
  readonly state: 'kept' | 'released'
}

/** A message with its content, which is read when somebody wants it. */
export interface OpenedMessage {
  readonly message: QuarantinedMessage
  readonly content: MessageSource
  /** False where the file is not what was kept: the disk or somebody changed it. */
  readonly isIntact: boolean
}

/** A message with its content in memory. */
export interface ShownMessage {
  readonly message: QuarantinedMessage
  readonly content: Buffer
  /** False where the file is not what was kept: the disk or somebody changed it. */
  readonly isIntact: boolean
}

/** A quarantine in use. */
export interface Quarantine {
  readonly directory: string
  /**
   * Keeps a message, once for each content.
   *
   * @param message as the server sent it; stored octet for octet, read piece by piece, twice
   * Never rejects: a message that cannot be read is one that cannot be kept.
   */
  keep(message: MessageSource, about: KeptAbout): Promise<KeepResult>
  /** All messages, the oldest first. @throws QuarantineError where the folder cannot be read */
  list(): Promise<readonly QuarantinedMessage[]>
  /** One message, to be read piece by piece. @param id its first digits, at least four @throws QuarantineError */
  open(id: string): Promise<OpenedMessage>
  /** One message, all of it. @param id as for {@link open} @throws QuarantineError */
  show(id: string): Promise<ShownMessage>
  /** Lets this content pass from the next fetch on. The copy stays. @throws QuarantineError */
  release(id: string): Promise<QuarantinedMessage>
  /** Deletes the copy for good; the original at the server stays, and what was released stays so. @throws QuarantineError */
  delete(id: string): Promise<QuarantinedMessage>
  /**
   * Tells whether a message was released, at once and from memory, for a listing of thousands. A release by another
   * process is known about a second later. A hint: {@link keep} compares the whole content.
   *
   * @param id as {@link keep} returned it
   */
  isReleased(id: string): boolean
  /**
   * Another text whenever something was released: what was decided before is to be decided anew. From memory, so that a
   * release by another process is known about a second later. The same after a restart.
   */
  readonly releases: string
  /** Looks for releases no longer. */
  close(): void
}

/**
 * Opens a quarantine.
 *
 * @param missing `create` makes a folder that is not there
 * @throws QuarantineError where the folder is not this user's own, others may write to it, or it cannot be made
 */
export async function openQuarantine(
  directory: string,
  limits: QuarantineLimits,
  missing: Missing = 'create',
): Promise<Quarantine> {
  const root = resolve(directory)
  await securePrivateFolder(root, missing)
  // One that a loss of power left half made is made whole, also where none may be begun.
  for (const folder of FOLDERS) await securePrivateFolder(join(root, folder), 'create')
  await removeAbandoned(join(root, 'tmp'))
  const store = new Store(root, limits)
  await store.begin()
  return store
}

const FOLDERS = ['tmp', 'new', 'cur', 'meta', 'released'] as const
const HASH = /^[0-9a-f]{64}$/
// Windows allows no colon in names; Maildir programs there write a semicolon.
const FLAGS = process.platform === 'win32' ? ';2,S' : ':2,S'
/** Files that are looked at at one time. */
const AT_ONCE = 64

/** Where the copy of a message is. */
interface Copy {
  readonly sha256: string
  readonly file: string
  readonly octets: number
  /** When it was written, where no sidecar says so. */
  readonly at: number
}

class Store implements Quarantine {
  readonly directory: string
  readonly #limits: QuarantineLimits
  readonly #timer: NodeJS.Timeout
  #copies = new Map<string, Copy>()
  #octets = 0
  /** By id. */
  #released: ReadonlySet<string> = new Set()
  /** Hash of these, null where it is not known yet. */
  #releases: string | null = null
  #releasedAsOf: FolderState = NEVER
  #isLooking = false
  /** One at a time: two keeps of one process must not both find the last place free. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(directory: string, limits: QuarantineLimits) {
    this.directory = directory
    this.#limits = limits
    this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS).unref()
  }

  async begin(): Promise<void> {
    try {
      await this.#scan()
      await this.#look()
    } catch (cause) {
      this.close()
      throw this.#unusable(cause)
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  get releases(): string {
    this.#releases ??= createHash('sha256')
      .update([...this.#released].sort().join(' '))
      .digest('hex')
    return this.#releases
  }

  isReleased(id: string): boolean {
    return this.#released.has(id.slice(0, ID_DIGITS))
  }

  async keep(message: MessageSource, about: KeptAbout): Promise<KeepResult> {
    return await this.#inTurn(async () => {
      try {
        return await this.#keep(message, about)
      } catch (error) {
        return this.#failed(wordsOf(error))
      }
    })
  }

  async #keep(message: MessageSource, about: KeptAbout): Promise<KeepResult> {
    const { octets } = message
    const sha256 = await sha256Of(message)
    const id = idOf(sha256)
    if (await exists(this.#note(sha256))) return { type: 'released' }
    if (await this.#hasCopy(sha256, octets)) return { type: 'kept', id }
    if (!this.#hasRoomFor(octets)) {
      // Somebody may have made room meanwhile.
      await this.#scan()
      if (!this.#hasRoomFor(octets)) return this.#failed(this.#fullText(octets))
    }
    const file = join(this.directory, 'new', sha256)
    const drafts = join(this.directory, 'tmp')
    // The sidecar first: nobody ever sees a message that says nothing of why it is here.
    const sidecar = sidecarText(describeKept(message.beginning, about), sha256)
    await writeDurably(this.#sidecar(sha256), sidecar, drafts)
    try {
      await writeDurably(file, sameAs(sha256, message), drafts)
    } catch (error) {
      await rm(this.#sidecar(sha256), { force: true }).catch(() => {})
      throw error
    }
    this.#remember({ sha256, file, octets, at: about.at })
    return { type: 'kept', id }
  }

  async list(): Promise<readonly QuarantinedMessage[]> {
    return await this.#inTurn(() => this.#asError(() => this.#list()))
  }

  async #list(): Promise<readonly QuarantinedMessage[]> {
    await this.#scan()
    const described = await inPieces([...this.#copies.values()], (copy) => this.#describe(copy))
    return described.sort((one, other) => (one.at ?? 0) - (other.at ?? 0) || (one.id < other.id ? -1 : 1))
  }

  async open(id: string): Promise<OpenedMessage> {
    return await this.#inTurn(() =>
      this.#asError(async () => {
        const copy = await this.#find(id)
        const { file, octets } = copy
        const beginning = await readPrivate(file, MOST_HEADER_OCTETS)
        if (beginning === null) throw this.#unknown(id)
        const content = { octets, inMemory: null, beginning, pieces: () => readPieces(file) }
        const isIntact = (await sha256Of(content)) === copy.sha256
        return { message: await this.#describe(copy), content, isIntact }
      }),
    )
  }

  async show(id: string): Promise<ShownMessage> {
    return await this.#inTurn(() =>
      this.#asError(async () => {
        const copy = await this.#find(id)
        const content = await readPrivate(copy.file, Number.POSITIVE_INFINITY)
        if (content === null) throw this.#unknown(id)
        const isIntact = (await sha256Of(inMemory(content))) === copy.sha256
        return { message: await this.#describe(copy), content, isIntact }
      }),
    )
  }

  async release(id: string): Promise<QuarantinedMessage> {
    return await this.#inTurn(() =>
      this.#asError(async () => {
        const copy = await this.#find(id)
        const note = this.#note(copy.sha256)
        if (!(await exists(note))) {
          await this.#refuseTooMany()
          const text = `${JSON.stringify({ postern: 'released', version: 1, at: new Date().toISOString() })}\n`
          // The note counts, and the place only tells mail programs: it comes first.
          await writeDurably(note, text, join(this.directory, 'tmp'))
        }
        this.#released = new Set([...this.#released, idOf(copy.sha256)])
        this.#releases = null
        const seen = join(this.directory, 'cur', `${copy.sha256}${FLAGS}`)
        if (!copy.file.startsWith(join(this.directory, 'cur'))) {
          await moveDurably(copy.file, seen)
          this.#remember({ ...copy, file: seen })
        }
        return await this.#describe(this.#copies.get(copy.sha256) ?? copy)
      }),
    )
  }

  async delete(id: string): Promise<QuarantinedMessage> {
    return await this.#inTurn(() =>
      this.#asError(async () => {
        const copy = await this.#find(id)
        const message = await this.#describe(copy)
        await removeDurably(copy.file)
        await removeDurably(this.#sidecar(copy.sha256))
        this.#forget(copy.sha256)
        return message
      }),
    )
  }

  /** Runs after everything that was begun before. */
  #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const mine = this.#turn.then(work)
    this.#turn = mine.catch(() => {})
    return mine
  }

  async #asError<Value>(work: () => Promise<Value>): Promise<Value> {
    try {
      return await work()
    } catch (cause) {
      throw cause instanceof QuarantineError ? cause : this.#unusable(cause)
    }
  }

  #unusable(cause: unknown): QuarantineError {
    const cure = 'the quarantine needs a folder that this user can read and write, with room on its disk'
    return new QuarantineError(this.directory, wordsOf(cause), cure, { cause })
  }

  #failed(text: string): KeepResult {
    return { type: 'failed', text: `the message cannot be kept in ${this.directory}: ${text}` }
  }

  #hasRoomFor(octets: number): boolean {
    return this.#copies.size < this.#limits.messages && this.#octets + octets <= this.#limits.octets
  }

  #fullText(octets: number): string {
    const { messages, octets: most } = this.#limits
    const found =
      this.#copies.size >= messages
        ? `it holds ${this.#copies.size} messages and may hold ${messages}`
        : `it holds ${this.#octets} octets and may hold ${most}, too few for ${octets} more`
    return `${found}; delete some with: postern quarantine delete ID --directory ${shellWord(this.directory)}`
  }

  async #refuseTooMany(): Promise<void> {
    const folder = join(this.directory, 'released')
    const count = (await readdir(folder)).length
    if (count < this.#limits.released) return
    throw new QuarantineError(
      folder,
      `${count} messages are released, and ${this.#limits.released} may be`,
      'remove the oldest files of this folder: what they released is kept back again when it is fetched again',
    )
  }

  /** Whether a copy is on the disk: what is in memory may have been deleted or moved by another process. */
  async #hasCopy(sha256: string, octets: number): Promise<boolean> {
    const known = this.#copies.get(sha256)
    if (known === undefined) {
      // Another process of ours may have kept it a moment ago.
      const facts = await factsOf(join(this.directory, 'new', sha256))
      return facts !== null && facts.size === octets
    }
    const facts = await factsOf(known.file)
    if (facts?.size === octets) return true
    await this.#scan()
    return this.#copies.get(sha256)?.octets === octets
  }

  async #find(id: string): Promise<Copy> {
    const digits = id.toLowerCase()
    if (!/^[0-9a-f]{1,64}$/.test(digits) || digits.length < LEAST_ID_DIGITS)
      throw new QuarantineError(
        this.directory,
        `${JSON.stringify(id.slice(0, 80))} is no id`,
        `an id is ${LEAST_ID_DIGITS} or more hexadecimal digits, as "postern quarantine list" shows them`,
      )
    await this.#scan()
    const found = [...this.#copies.values()].filter(({ sha256 }) => sha256.startsWith(digits))
    const [only] = found
    if (only === undefined) throw this.#unknown(id)
    if (found.length === 1) return only
    throw new QuarantineError(
      this.directory,
      `${found.length} messages have an id that begins with ${digits}`,
      `name more digits: ${found
        .slice(0, 5)
        .map(({ sha256 }) => sha256.slice(0, Math.max(ID_DIGITS, distinctDigits(found))))
        .join(', ')}`,
    )
  }

  #unknown(id: string): QuarantineError {
    return new QuarantineError(
      this.directory,
      `no message here has an id that begins with ${id}`,
      `those that are here: postern quarantine list --directory ${shellWord(this.directory)}`,
    )
  }

  async #describe(copy: Copy): Promise<QuarantinedMessage> {
    const text = await readPrivate(this.#sidecar(copy.sha256), MOST_SIDECAR_OCTETS)
    const sidecar = text === null ? null : parseSidecar(text.toString('utf8'))
    // Somebody took the sidecar away: what the message itself says is still there.
    const known =
      sidecar ?? describeKept((await readPrivate(copy.file, MOST_HEADER_OCTETS)) ?? Buffer.alloc(0), null)
    return {
      ...known,
      at: known.at ?? copy.at,
      id: idOf(copy.sha256),
      sha256: copy.sha256,
      octets: copy.octets,
      state: (await exists(this.#note(copy.sha256))) ? 'released' : 'kept',
    }
  }

  #sidecar(sha256: string): string {
    return join(this.directory, 'meta', `${sha256}.json`)
  }

  #note(sha256: string): string {
    return join(this.directory, 'released', sha256)
  }

  #remember(copy: Copy): void {
    this.#forget(copy.sha256)
    this.#copies.set(copy.sha256, copy)
    this.#octets += copy.octets
  }

  #forget(sha256: string): void {
    this.#octets -= this.#copies.get(sha256)?.octets ?? 0
    this.#copies.delete(sha256)
  }

  /** Reads what is on the disk. */
  async #scan(): Promise<void> {
    const files: string[] = []
    for (const folder of ['new', 'cur'])
      for (const name of await readdir(join(this.directory, folder)))
        if (hashOf(name) !== null) files.push(join(this.directory, folder, name))
    const copies = await inPieces(files, copyOf)
    this.#copies = new Map()
    this.#octets = 0
    for (const copy of copies) if (copy !== null) this.#remember(copy)
  }

  /** Reads what is released where it may have changed since it was read. */
  async #look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      const folder = join(this.directory, 'released')
      const { mtimeMs } = await stat(folder)
      if (this.#releasedAsOf.mtimeMs === mtimeMs && this.#releasedAsOf.isSettled) return
      const isSettled = Date.now() - mtimeMs > SETTLED_AFTER_MS
      const names = (await readdir(folder)).filter((name) => HASH.test(name))
      this.#released = new Set(names.slice(0, this.#limits.released).map(idOf))
      this.#releases = null
      this.#releasedAsOf = { mtimeMs, isSettled }
    } catch {
      // What was released before stays so; keeping will say what is wrong with the folder.
    } finally {
      this.#isLooking = false
    }
  }
}

/** As of when a folder was read. */
interface FolderState {
  readonly mtimeMs: number
  readonly isSettled: boolean
}

const NEVER: FolderState = { mtimeMs: -1, isSettled: false }

async function sha256Of(message: MessageSource): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of exactPieces(message)) hash.update(piece)
  return hash.digest('hex')
}

/** Reads a message once more. Throws where it is not the one that was read before: its file is named after that one. */
async function* sameAs(sha256: string, message: MessageSource): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  for await (const piece of exactPieces(message)) {
    hash.update(piece)
    yield piece
  }
  if (hash.digest('hex') !== sha256) throw new Error('it was another message when it was read once more')
}

function idOf(sha256: string): string {
  return sha256.slice(0, ID_DIGITS)
}

/** The hash that a file is named after, whatever flags a mail program has put behind it; null for others. */
function hashOf(name: string): string | null {
  const [hash = ''] = name.split(/[:;]/, 1)
  return HASH.test(hash) ? hash : null
}

async function copyOf(file: string): Promise<Copy | null> {
  const facts = await factsOf(file)
  const sha256 = hashOf(basename(file))
  if (facts === null || sha256 === null) return null
  return { sha256, file, octets: facts.size, at: facts.mtimeMs }
}

/** Null for what is not there, and for links and everything else that is no file. */
async function factsOf(file: string): Promise<{ readonly size: number; readonly mtimeMs: number } | null> {
  try {
    const facts = await lstat(file)
    return facts.isFile() ? facts : null
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw error
  }
}

async function exists(file: string): Promise<boolean> {
  return (await factsOf(file)) !== null
}

/** How many digits tell all of these apart. */
function distinctDigits(copies: readonly Copy[]): number {
  for (let digits = LEAST_ID_DIGITS; digits < 64; digits += 1)
    if (new Set(copies.map(({ sha256 }) => sha256.slice(0, digits))).size === copies.length) return digits
  return 64
}

/** Does the same with each, a few at a time: ten thousand open files would be too many. */
async function inPieces<Item, Value>(
  items: readonly Item[],
  work: (item: Item) => Promise<Value>,
): Promise<Value[]> {
  const values: Value[] = []
  for (let start = 0; start < items.length; start += AT_ONCE)
    values.push(...(await Promise.all(items.slice(start, start + AT_ONCE).map(work))))
  return values
}

async function removeAbandoned(folder: string): Promise<void> {
  const before = Date.now() - ABANDONED_AFTER_MS
  for (const name of await readdir(folder).catch(() => [])) {
    const facts = await factsOf(join(folder, name)).catch(() => null)
    if (facts !== null && facts.mtimeMs < before)
      await rm(join(folder, name), { force: true }).catch(() => {})
  }
}
