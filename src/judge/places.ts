/**
 * A bounded number of places and a bounded queue before them. Owns who is next; knows nothing of what is done there.
 */

/** What became of somebody who wanted a place. */
export type Admission = 'taken' | 'too-many' | 'given-up'

/** Places of one judge, given in order of arrival. */
export class Places {
  readonly #mostWaiting: number
  #free: number
  // A Set keeps the order of arrival, and whoever gives up leaves it at once.
  readonly #waiting = new Set<() => void>()

  /**
   * @param count places at one time, at least 1
   * @param mostWaiting who may wait for one; nobody else is let in
   */
  constructor(count: number, mostWaiting: number) {
    this.#free = count
    this.#mostWaiting = mostWaiting
  }

  /** Whether whoever comes now has to wait, or is not let in. */
  get isFull(): boolean {
    return this.#free === 0
  }

  /**
   * Takes a place, or waits for one. Whoever has `taken` one must {@link give} it back.
   *
   * @param signal gives up waiting
   */
  async take(signal: AbortSignal): Promise<Admission> {
    if (signal.aborted) return 'given-up'
    if (this.#free > 0) {
      this.#free -= 1
      return 'taken'
    }
    if (this.#waiting.size >= this.#mostWaiting) return 'too-many'
    return await new Promise((resolve) => {
      const enter = (): void => {
        signal.removeEventListener('abort', giveUp)
        resolve('taken')
      }
      const giveUp = (): void => {
        this.#waiting.delete(enter)
        resolve('given-up')
      }
      signal.addEventListener('abort', giveUp, { once: true })
      this.#waiting.add(enter)
    })
  }

  /** Gives a place back: the one who waits longest has it now. */
  give(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free += 1
      return
    }
    this.#waiting.delete(next)
    next()
  }
}
