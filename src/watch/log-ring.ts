/**
 * The last lines of the log, for whoever begins to watch later. Owns the bound; knows nothing of what a line says.
 */

/** Lines that are kept. */
export const LOG_RING_LINES = 500
/** Longest line that is kept; postern's own are far shorter. */
const MAXIMUM_LINE_CHARACTERS = 16_384

/** Lines behind a position, oldest first, and how many there were that are not kept any more. */
export interface LogRingPart {
  readonly lines: readonly string[]
  readonly dropped: number
}

/** A bounded log that is written by one and read by many, each from its own position. */
export class LogRing {
  #lines: string[] = []
  #written = 0
  #wake: (() => void) | null = null

  /** Lines written so far, kept or not: the position behind the last. */
  get position(): number {
    return this.#written
  }

  /** Called at each line; null for nobody. Must return at once. */
  set onLine(wake: (() => void) | null) {
    this.#wake = wake
  }

  /** Takes one line, with or without its line end. */
  write(line: string): void {
    this.#written += 1
    this.#lines.push(line.length <= MAXIMUM_LINE_CHARACTERS ? line.trimEnd() : '')
    // Twice as many are kept as told, so that moving them costs little a line.
    if (this.#lines.length >= LOG_RING_LINES * 2) this.#lines = this.#lines.slice(-LOG_RING_LINES)
    this.#wake?.()
  }

  /** What was written behind a position. */
  since(position: number): LogRingPart {
    const wanted = Math.min(this.#written - position, LOG_RING_LINES)
    const kept = wanted <= 0 ? [] : this.#lines.slice(-wanted)
    const lines = kept.filter((line) => line !== '')
    return { lines, dropped: this.#written - position - lines.length }
  }
}
