/**
 * Writes trace events to a file as JSON lines, as fast as the disk takes them and no faster: what the disk
 * cannot take in time is dropped and counted in the file. Owns the file, its bound and its rotation.
 */
import { createWriteStream, type WriteStream } from 'node:fs'
import { lstat, open, rename, rm } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { WriteSettings } from '../config/settings.js'
import { type Filter, parseFilter } from '../expression/filter.js'
import type { TraceEvent } from '../trace/event.js'
import type { Feed, Subscription } from '../trace/feed.js'
import { droppedLine, RECORDING_START, recordingHeader, recordingLine } from '../trace/recording.js'
import { messageOctetsFor, RecordingFilter } from './recording-filter.js'

/** A recording being written. */
export class Recorder {
  readonly #settings: WriteSettings
  readonly #program: string
  readonly #subscription: Subscription
  readonly #log: Logger
  readonly #filter: RecordingFilter | null
  #stream: WriteStream
  #octets = 0
  #isScheduled = false
  #isBlocked = false
  #hasEnded = false
  #rotation: Promise<void> | null = null

  private constructor(
    settings: WriteSettings,
    program: string,
    stream: WriteStream,
    feed: Feed,
    log: Logger,
  ) {
    this.#settings = settings
    this.#program = program
    this.#log = log
    this.#stream = stream
    const filter: Filter | null = settings.filter === null ? null : parseFilter(settings.filter)
    this.#filter = filter === null ? null : new RecordingFilter(filter)
    this.#subscription = feed.subscribe(() => this.#schedule(), {
      messageOctets: Math.max(settings.messageOctets, filter === null ? 0 : messageOctetsFor(filter)),
    })
    this.#use(stream)
  }

  /**
   * Opens a new recording, readable by its owner alone. Where recordings are rotated, one that is there already is
   * rotated away first.
   *
   * @param program name and version, for the file's first line
   * @throws the system's error where the file exists or cannot be created; a FilterError for a filter that is none
   */
  static async start(settings: WriteSettings, program: string, feed: Feed, log: Logger): Promise<Recorder> {
    if (settings.keep > 0 && (await isRecording(settings.file))) await rotate(settings)
    const stream = await create(settings.file)
    return new Recorder(settings, program, stream, feed, log)
  }

  /** Writes what waits and closes the file. */
  async stop(): Promise<void> {
    await this.#rotation
    this.#write()
    await this.#rotation
    this.#subscription.cancel()
    if (this.#hasEnded) return
    this.#hasEnded = true
    await closed(this.#stream)
  }

  #use(stream: WriteStream): void {
    this.#stream = stream
    this.#octets = 0
    this.#isBlocked = false
    stream.on('error', (error) => this.#failed(error))
    stream.on('drain', () => {
      if (stream !== this.#stream) return
      this.#isBlocked = false
      this.#schedule()
    })
    this.#put(recordingHeader(this.#program, Date.now()))
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isBlocked || this.#rotation !== null) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      if (this.#rotation === null) this.#write()
    })
  }

  #write(): void {
    if (this.#hasEnded) return
    const { events, dropped } = this.#subscription.take()
    if (dropped > 0) this.#put(droppedLine(dropped))
    let lines = ''
    for (const event of events) {
      if (this.#filter === null) lines += recordingLine(event)
      else {
        const chosen = this.#filter.choose(event)
        if (chosen.dropped > 0) lines += droppedLine(chosen.dropped)
        for (const each of chosen.events) if (this.#isWanted(each)) lines += recordingLine(each)
      }
    }
    if (lines !== '') this.#put(lines)
    if (this.#octets >= this.#settings.maxOctets) this.#full()
  }

  /** A filter may have to look into mail that nobody wants recorded. */
  #isWanted({ content }: TraceEvent): boolean {
    const isMail = content.type === 'content' && (content.verb === 'RETR' || content.verb === 'TOP')
    return !isMail || this.#settings.messageOctets > 0
  }

  #put(lines: string): void {
    this.#octets += Buffer.byteLength(lines)
    if (!this.#stream.write(lines)) this.#isBlocked = true
  }

  /** What happens meanwhile waits in the feed, which bounds it. */
  #full(): void {
    if (this.#settings.keep === 0) {
      this.#log.warn({
        event: 'recording-full',
        file: this.#settings.file,
        octets: this.#octets,
        hint: 'max-size and keep under write in the configuration let recordings rotate',
      })
      this.#end()
      this.#stream.end()
      return
    }
    this.#rotation = this.#rotate().catch((error) => {
      this.#failed(error instanceof Error ? error : new Error(String(error)))
    })
    this.#rotation.then(
      () => {
        this.#rotation = null
        this.#schedule()
      },
      () => {},
    )
  }

  async #rotate(): Promise<void> {
    await closed(this.#stream)
    if (this.#hasEnded) return
    await rotate(this.#settings)
    this.#use(await create(this.#settings.file))
  }

  /** A full disk ends the recording, never a session. */
  #failed(error: Error): void {
    if (this.#hasEnded) return
    this.#end()
    this.#log.error({ event: 'recording-failed', file: this.#settings.file, text: error.message })
  }

  #end(): void {
    this.#hasEnded = true
    this.#subscription.cancel()
  }
}

async function create(file: string): Promise<WriteStream> {
  const handle = await open(file, 'wx', 0o600)
  return createWriteStream(file, { fd: handle })
}

async function closed(stream: WriteStream): Promise<void> {
  if (stream.closed) return
  await new Promise<void>((resolve) => {
    stream.once('close', resolve)
    stream.end()
  })
}

/** FILE becomes FILE.1, FILE.1 becomes FILE.2, and the last one goes. */
async function rotate({ file, keep }: WriteSettings): Promise<void> {
  await rm(`${file}.${keep}`, { force: true })
  for (let number = keep; number > 0; number -= 1) {
    const from = number === 1 ? file : `${file}.${number - 1}`
    await rename(from, `${file}.${number}`).catch((error: NodeJS.ErrnoException) => {
      // There were fewer rotations than may be kept.
      if (error.code !== 'ENOENT') throw error
    })
  }
}

/** Only what begins like a recording is moved out of the way: a mistyped name must not move something precious. */
async function isRecording(file: string): Promise<boolean> {
  const facts = await lstat(file).catch(() => null)
  if (facts === null || !facts.isFile()) return false
  if (facts.size === 0) return true
  const handle = await open(file, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(RECORDING_START.length), 0)
    return buffer.subarray(0, bytesRead).toString('latin1') === RECORDING_START
  } finally {
    await handle.close()
  }
}
