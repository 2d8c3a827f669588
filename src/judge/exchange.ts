/**
 * One question and one answer over a connection of its own, TCP or Unix. Owns the socket from its first to its last
 * moment; knows nothing of what is said on it.
 */
import { Socket } from 'node:net'
import type { JudgeAddress } from '../rules/judge-settings.js'
import { connectionTrouble, type Trouble } from './adapter.js'
import { readingTrouble, writePieces } from './write-pieces.js'

/** What is written, and when its answer is whole. */
export interface Exchange {
  readonly address: JudgeAddress
  /** What is sent, in pieces; the next one is taken once the socket has room for it. Closed where nobody wants more. */
  readonly pieces: AsyncIterable<Buffer>
  /** Whether the writing side is closed behind the last piece. */
  readonly endsWriting: boolean
  /** Octets of the largest answer; a larger one is a trouble. */
  readonly mostOctets: number
  /** Tells from all that was received so far whether the answer is whole; the judge's close ends it anyway. */
  isWhole(received: Buffer): boolean
}

/**
 * Connects, writes, and reads to the end of the answer.
 *
 * @param signal destroys the socket at once
 * @returns all octets of the answer, an empty one where the judge closed without a word; or the trouble. What was
 *   received before a connection broke counts as an answer: a judge that has had enough answers, closes, and resets
 *   the connection on which the message still comes. A message that cannot be read has no answer.
 */
export async function exchange(asked: Exchange, signal: AbortSignal): Promise<Buffer | Trouble> {
  if (signal.aborted) return ABORTED
  return await new Promise((resolve) => {
    const received = new Received(asked.mostOctets)
    const { address } = asked
    const socket = new ReadingSocket()
    socket.connect('path' in address ? { path: address.path } : { host: address.host, port: address.port })
    const end = (outcome: Buffer | Trouble): void => {
      signal.removeEventListener('abort', abort)
      socket.destroy()
      resolve(outcome)
    }
    const abort = (): void => end(ABORTED)
    signal.addEventListener('abort', abort, { once: true })

    const write = async (): Promise<void> => {
      if ((await writePieces(asked.pieces, socket)) && asked.endsWriting) socket.end()
    }
    socket.on('connect', () => {
      write().catch((error: unknown) => end(readingTrouble(error)))
    })
    socket.on('data', (octets) => {
      if (!received.add(octets)) end({ trouble: `gave an answer of more than ${asked.mostOctets} octets` })
      else if (asked.isWhole(received.octets)) end(received.octets)
    })
    socket.on('end', () => end(received.octets))
    socket.on('error', (error) =>
      end(received.octets.length > 0 ? received.octets : connectionTrouble(error)),
    )
    socket.on('close', () => end(received.octets))
  })
}

/** Nobody waits for this one any more; whoever ended the question knows better words. */
const ABORTED: Trouble = { trouble: 'was not waited for' }

/**
 * A socket that reads what has arrived before an error destroys it. A judge that has had enough answers and goes, and
 * whoever writes on meanwhile finds the connection broken: its answer is here, and not read yet.
 */
class ReadingSocket extends Socket {
  #isEnding = false

  override destroy(error?: Error): this {
    if (error === undefined || this.#isEnding) return super.destroy(error)
    this.#isEnding = true
    // Once around the event loop, on which reading comes before the second of these.
    setImmediate(() => setImmediate(() => super.destroy(error)))
    return this
  }

  // Quirk: Node 20 tells nobody of what is read behind a failed write.
  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (!this.#isEnding || !Buffer.isBuffer(chunk)) return super.push(chunk, encoding)
    return this.emit('data', chunk)
  }
}

/** Octets that come in pieces of any size, kept in one place that doubles: a slow drip costs no more than a flood. */
class Received {
  readonly #mostOctets: number
  #room = Buffer.allocUnsafe(1_024)
  #length = 0

  constructor(mostOctets: number) {
    this.#mostOctets = mostOctets
  }

  get octets(): Buffer {
    return this.#room.subarray(0, this.#length)
  }

  /** @returns false where there is more than may be kept */
  add(octets: Buffer): boolean {
    const length = this.#length + octets.length
    if (length > this.#mostOctets) return false
    if (length > this.#room.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.#room.length))
      this.octets.copy(larger)
      this.#room = larger
    }
    octets.copy(this.#room, this.#length)
    this.#length = length
    return true
  }
}
