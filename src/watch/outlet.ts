/**
 * What goes to one watcher. Owns the order and the bound of what waits for a watcher that reads slowly or not at all,
 * and the count of what it missed; knows nothing of what the messages say.
 */
import { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'
import { encodeEvents, encodeMessage } from './coding.js'

/** Octets handed to the socket and not yet taken by the system. */
export const SOCKET_OCTETS = 1024 * 1024

/** Octets that wait before the socket; the batches among them are shared by all watchers. */
export const QUEUE_OCTETS = 8 * 1024 * 1024

/** Octets to send, and what is missed where they are not sent. */
export interface Batch {
  readonly octets: Buffer
  readonly events: number
  readonly lines: number
}

/** Something that is worth telling only as it is at the moment of telling. */
export type State = 'breakpoints' | 'held' | 'rules' | 'rule-hits' | 'process'

/** The way to one watcher. */
export class Outlet {
  readonly #socket: Socket
  readonly #encodeState: (state: State) => Buffer
  #snapshot: Iterator<Buffer> | null = null
  #queue: Batch[] = []
  #octets = 0
  #missedEvents = 0
  #missedLines = 0
  readonly #states = new Set<State>()
  #isScheduled = false

  /** @param encodeState asked when there is room for it */
  constructor(socket: Socket, encodeState: (state: State) => Buffer) {
    this.#socket = socket
    this.#encodeState = encodeState
    socket.on('drain', () => this.flush())
  }

  /** Whether the watcher has taken nearly everything: only then its own requests are read. */
  get isCaughtUp(): boolean {
    return this.#socket.writableLength + this.#octets < SOCKET_OCTETS
  }

  /** Octets that wait here and in the socket. */
  get waitingOctets(): number {
    return this.#octets + this.#socket.writableLength
  }

  /** Sends what is known already, before everything that is offered from now on. */
  begin(snapshot: Iterator<Buffer>): void {
    this.#snapshot = snapshot
    this.flush()
  }

  /** Sends an answer that the watcher asked for: it is never dropped. */
  answer(octets: Buffer): void {
    this.#push({ octets, events: 0, lines: 0 })
    this.flush()
  }

  /** Sends a batch, or counts it as missed where the watcher is too far behind. The oldest go first. */
  offer(batch: Batch): void {
    this.#push(batch)
    if (this.#octets > QUEUE_OCTETS) this.#dropHalf()
    this.flush()
  }

  /** Tells a state as soon as there is room, once however often it changed meanwhile. */
  mark(state: State): void {
    this.#states.add(state)
    this.flush()
  }

  /** Writes as much as there is room for. */
  flush(): void {
    while (!this.#socket.destroyed && this.#socket.writableLength < SOCKET_OCTETS) {
      if (this.#snapshot !== null) {
        const next = this.#snapshot.next()
        if (next.done !== true) {
          this.#socket.write(next.value)
          // Writing a slice takes about a millisecond; sessions go first.
          this.#flushLater()
          return
        }
        this.#snapshot = null
      }
      const octets = this.#next()
      if (octets === null) return
      this.#socket.write(octets)
    }
  }

  #flushLater(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.flush()
    })
  }

  #next(): Buffer | null {
    if (this.#missedEvents > 0) {
      const missed = this.#missedEvents
      this.#missedEvents = 0
      return Buffer.from(encodeEvents([], missed))
    }
    if (this.#missedLines > 0) {
      const missed = this.#missedLines
      this.#missedLines = 0
      return Buffer.from(encodeMessage({ type: 'log', lines: [], dropped: missed }))
    }
    const batch = this.#queue.shift()
    if (batch !== undefined) {
      this.#octets -= batch.octets.length
      return batch.octets
    }
    for (const state of this.#states) {
      this.#states.delete(state)
      return this.#encodeState(state)
    }
    return null
  }

  #push(batch: Batch): void {
    this.#queue.push(batch)
    this.#octets += batch.octets.length
  }

  /** As with the feed: halving at once costs less than one by one, and who is so far behind misses something anyway. */
  #dropHalf(): void {
    const kept: Batch[] = []
    for (const batch of this.#queue) {
      const isAnswer = batch.events === 0 && batch.lines === 0
      if (isAnswer || this.#octets <= QUEUE_OCTETS / 2) kept.push(batch)
      else {
        this.#octets -= batch.octets.length
        this.#missedEvents += batch.events
        this.#missedLines += batch.lines
      }
    }
    this.#queue = kept
  }
}
