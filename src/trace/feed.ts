/**
 * Hands trace events to whoever watches, without ever waiting for a watcher. Owns the bounded queues and the
 * count of what each watcher missed; knows nothing of what is done with an event.
 */
import type { TraceEvent } from './event.js'

/** Events a watcher may be behind before it misses the oldest. */
export const FEED_CAPACITY = 4_096

/** What a watcher takes at once. */
export interface FeedBatch {
  readonly events: readonly TraceEvent[]
  /** Events lost to this watcher since the batch before: they were older than those of this one. */
  readonly dropped: number
}

/** A watcher's end of the feed. */
export interface Subscription {
  /** Takes all that waits. */
  take(): FeedBatch
  /** Ends the watching; what waits is gone. */
  cancel(): void
}

class Watcher implements Subscription {
  readonly #capacity: number
  readonly #wake: () => void
  readonly #leave: (watcher: Watcher) => void
  #events: TraceEvent[] = []
  #dropped = 0
  #isWoken = false

  constructor(capacity: number, wake: () => void, leave: (watcher: Watcher) => void) {
    this.#capacity = capacity
    this.#wake = wake
    this.#leave = leave
  }

  offer(event: TraceEvent): void {
    // Halving at once costs less than shifting one by one, and an overrun watcher is behind anyway.
    if (this.#events.length >= this.#capacity) {
      const lost = Math.ceil(this.#capacity / 2)
      this.#events.splice(0, lost)
      this.#dropped += lost
    }
    this.#events.push(event)
    if (this.#isWoken) return
    this.#isWoken = true
    this.#wake()
  }

  take(): FeedBatch {
    const batch = { events: this.#events, dropped: this.#dropped }
    this.#events = []
    this.#dropped = 0
    this.#isWoken = false
    return batch
  }

  cancel(): void {
    this.#leave(this)
    this.#events = []
  }
}

/** One process's events, to any number of watchers. */
export class Feed {
  readonly #watchers = new Set<Watcher>()

  /** Whether anybody watches; with nobody, publishing costs nothing. */
  get isWatched(): boolean {
    return this.#watchers.size > 0
  }

  publish(event: TraceEvent): void {
    for (const watcher of this.#watchers) watcher.offer(event)
  }

  /**
   * Begins to watch.
   *
   * @param wake called when the first event waits, and not again before it was taken; must return at once
   * @param capacity events to hold
   */
  subscribe(wake: () => void, capacity: number = FEED_CAPACITY): Subscription {
    const watcher = new Watcher(capacity, wake, (gone) => this.#watchers.delete(gone))
    this.#watchers.add(watcher)
    return watcher
  }
}
