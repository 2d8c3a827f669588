/**
 * Events of recordings and captures, whatever the file is: told by its first octets, not by its name. Reads piece by
 * piece and as often as asked for. Owns no wording but that of problems within a file.
 */
import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import type { TraceEvent } from '../trace/event.js'
import { RecordingReader } from '../trace/recording.js'
import { beginsLikeCapture, CaptureReader } from './capture-file.js'
import { CaptureObserver } from './observe.js'

export { POP3_PORTS } from './observe.js'

/** A file, or what stands for one. */
export interface EventInput {
  /** For messages to a person. */
  readonly name: string
  /** Its octets from the beginning, each time anew. */
  open(): AsyncIterable<Buffer>
}

/** What a file holds, in its order; a `problem` is one line for a person and names the file. */
export type ReadItem =
  | { readonly type: 'event'; readonly event: TraceEvent }
  /** Events that were lost when the recording was written. */
  | { readonly type: 'dropped'; readonly events: number }
  | { readonly type: 'problem'; readonly text: string }

/** How captures are read. */
export interface ReadOptions {
  readonly ports: ReadonlySet<number>
  /** Octets of each message in a capture that are told as content. */
  readonly messageOctets: number
}

/** A file that is neither recording nor capture, or cannot be read. The message names it and says what to do. */
export class InputError extends Error {
  override readonly name = 'InputError'
}

/** Turns octets of one file into events. */
interface Decoder {
  push(octets: Buffer): Iterable<ReadItem>
  end(): Iterable<ReadItem>
}

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b])
const MAGIC_OCTETS = 4

/** A file by its path. */
export function fileInput(path: string): EventInput {
  return { name: path, open: () => createReadStream(path, { highWaterMark: 262_144 }) }
}

/** Several inputs as one stream of events. Sessions of captures are numbered through: `capture-1`, `capture-2`. */
export class EventReader {
  readonly #inputs: readonly EventInput[]
  readonly #options: ReadOptions

  constructor(inputs: readonly EventInput[], options: ReadOptions) {
    this.#inputs = inputs
    this.#options = options
  }

  /**
   * Reads everything once, from the beginning.
   *
   * @throws InputError
   */
  async *read(): AsyncGenerator<ReadItem, void, void> {
    let captured = 0
    for (const input of this.#inputs) {
      try {
        let ordinal = 0
        const before = captured
        const nameSession = (number: number): string => {
          ordinal = number
          return `capture-${before + number}`
        }
        yield* this.#readOne(input, nameSession)
        captured += ordinal
      } catch (error) {
        throw inputError(input.name, error)
      }
    }
  }

  async *#readOne(
    input: EventInput,
    nameSession: (ordinal: number) => string,
  ): AsyncGenerator<ReadItem, void, void> {
    let decoder: Decoder | null = null
    for await (const octets of withMagic(unpacked(withMagic(input.open())))) {
      decoder ??= beginsLikeCapture(octets)
        ? new CaptureDecoder(this.#options, nameSession)
        : new RecordingDecoder()
      yield* named(input.name, decoder.push(octets))
    }
    if (decoder === null) throw new InputError(`${input.name} is empty`)
    yield* named(input.name, decoder.end())
  }
}

class RecordingDecoder implements Decoder {
  readonly #reader = new RecordingReader();

  *push(octets: Buffer): Iterable<ReadItem> {
    for (const item of this.#reader.push(octets)) yield* readItem(item)
  }

  *end(): Iterable<ReadItem> {
    for (const item of this.#reader.end()) yield* readItem(item)
  }
}

function* readItem(item: ReturnType<RecordingReader['push']>[number]): Iterable<ReadItem> {
  if (item.type === 'problem') yield { type: 'problem', text: `line ${item.line}: ${item.text}` }
  else if (item.type !== 'header') yield item
}

class CaptureDecoder implements Decoder {
  readonly #reader = new CaptureReader()
  readonly #observer: CaptureObserver

  constructor(options: ReadOptions, nameSession: (ordinal: number) => string) {
    this.#observer = new CaptureObserver({ ...options, nameSession })
  }

  *push(octets: Buffer): Iterable<ReadItem> {
    for (const item of this.#reader.push(octets)) {
      if (item.type === 'problem') yield item
      else yield* this.#observer.add(item.packet)
    }
  }

  *end(): Iterable<ReadItem> {
    for (const item of this.#reader.end()) if (item.type === 'problem') yield item
    yield* this.#observer.end()
  }
}

function* named(name: string, items: Iterable<ReadItem>): Iterable<ReadItem> {
  for (const item of items)
    yield item.type === 'problem' ? { type: 'problem', text: `${name}: ${item.text}` } : item
}

/** Joins first pieces until what they are can be told. */
async function* withMagic(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
  let first: Buffer | null = Buffer.alloc(0)
  for await (const piece of pieces) {
    if (first === null) {
      yield piece
      continue
    }
    first = Buffer.concat([first, piece])
    if (first.length < MAGIC_OCTETS) continue
    yield first
    first = null
  }
  if (first !== null && first.length > 0) yield first
}

async function* unpacked(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
  const iterator = pieces[Symbol.asyncIterator]()
  const first = await iterator.next()
  if (first.done === true) return
  const all = (async function* () {
    yield first.value
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value
  })()
  if (!first.value.subarray(0, 2).equals(GZIP_MAGIC)) {
    yield* all
    return
  }
  const gunzip = createGunzip()
  const feeding = feed(all, gunzip)
  for await (const piece of gunzip) yield Buffer.from(piece)
  await feeding
}

async function feed(pieces: AsyncIterable<Buffer>, gunzip: ReturnType<typeof createGunzip>): Promise<void> {
  try {
    for await (const piece of pieces) {
      if (gunzip.destroyed) return
      if (!gunzip.write(piece))
        await new Promise<void>((resolve) => gunzip.once('drain', resolve).once('close', resolve))
    }
    gunzip.end()
  } catch (error) {
    gunzip.destroy(error instanceof Error ? error : new Error(String(error)))
  }
}

const CURES: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['EACCES', 'it may not be read by this user'],
  ['EISDIR', 'it is a directory; name the files in it'],
  ['Z_BUF_ERROR', 'its compressed end is missing'],
  ['Z_DATA_ERROR', 'its compression is damaged'],
])

function inputError(name: string, error: unknown): Error {
  if (error instanceof InputError) return error
  if (!(error instanceof Error)) return new InputError(`${name}: ${String(error)}`)
  if (error.name === 'RecordingError')
    return new InputError(
      `${name} is neither a recording of postern nor a capture (pcap, pcapng): ${error.message}`,
    )
  const code = 'code' in error && typeof error.code === 'string' ? error.code : null
  if (code === null) return error
  return new InputError(`${name} cannot be read: ${CURES.get(code) ?? error.message}`)
}
