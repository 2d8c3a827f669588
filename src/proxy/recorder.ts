/**
 * Writes trace events to a file as JSON lines, as fast as the disk takes them and no faster: what the disk
 * cannot take in time is dropped and counted in the file.
 */
import { createWriteStream, type WriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { Feed, Subscription } from '../trace/feed.js'
import { droppedLine, recordingHeader, recordingLine } from '../trace/recording.js'

/** A recording being written. */
export class Recorder {
  readonly #file: string
  readonly #stream: WriteStream
  readonly #subscription: Subscription
  readonly #log: Logger
  #isScheduled = false
  #isBlocked = false
  #hasFailed = false

  private constructor(file: string, stream: WriteStream, feed: Feed, log: Logger) {
    this.#file = file
    this.#stream = stream
    this.#log = log
    this.#subscription = feed.subscribe(() => this.#schedule())
    stream.on('error', (error) => this.#failed(error))
    stream.on('drain', () => {
      this.#isBlocked = false
      this.#schedule()
    })
  }

  /**
   * Opens a new recording, readable by its owner alone.
   *
   * @param program name and version, for the file's first line
   * @throws the system's error where the file exists or cannot be created
   */
  static async start(file: string, program: string, feed: Feed, log: Logger): Promise<Recorder> {
    const handle = await open(file, 'wx', 0o600)
    const recorder = new Recorder(file, createWriteStream(file, { fd: handle }), feed, log)
    recorder.#stream.write(recordingHeader(program, Date.now()))
    return recorder
  }

  /** Writes what waits and closes the file. */
  async stop(): Promise<void> {
    this.#write()
    this.#subscription.cancel()
    if (this.#hasFailed) return
    await new Promise<void>((resolve) => {
      this.#stream.once('close', resolve)
      this.#stream.end()
    })
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isBlocked) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#write()
    })
  }

  #write(): void {
    if (this.#hasFailed) return
    const { events, dropped } = this.#subscription.take()
    const lines = events.map(recordingLine)
    if (dropped > 0) lines.unshift(droppedLine(dropped))
    if (lines.length > 0 && !this.#stream.write(lines.join(''))) this.#isBlocked = true
  }

  /** A full disk ends the recording, never a session. */
  #failed(error: Error): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    this.#subscription.cancel()
    this.#log.error({ event: 'recording-failed', file: this.#file, text: error.message })
  }
}
