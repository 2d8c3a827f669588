/**
 * What a client gets while the reply to its command takes long: `+OK` and then blanks, within the status line, so that it
 * does not give up. Owns when the next is due, and that what follows fits behind it.
 */

/** Between two signs of life. DavMail has the same; clients give up after 30 seconds at the earliest. */
export const SIGN_OF_LIFE_MS = 10_000

/** Octets of either status indicator's beginning that a sign of life consists of: `+OK`. */
const INDICATOR_OCTETS = 3
const OK = Buffer.from('+OK', 'latin1')
const BLANK = Buffer.from(' ', 'latin1')

/** The signs of life within one reply. */
export class SignsOfLife {
  #at: number
  #isCommitted = false

  /** @param now the wait begins: milliseconds, of the clock that {@link next} is asked by */
  constructor(now: number) {
    this.#at = now + SIGN_OF_LIFE_MS
  }

  /** When the next one is due; never once the reply goes on. */
  get at(): number {
    return this.#at
  }

  /** The client has `+OK` already: `-ERR` can no longer be said. */
  get isCommitted(): boolean {
    return this.#isCommitted
  }

  /**
   * The next one: the indicator, then one blank each time. They stand before the text of the status line, so that the
   * reply stays one.
   *
   * @param statusLine the server's positive one, where it is here: its indicator is taken as it is written there
   */
  next(now: number, statusLine: Buffer | null): Buffer {
    this.#at = now + SIGN_OF_LIFE_MS
    if (this.#isCommitted) return BLANK
    this.#isCommitted = true
    return statusLine?.subarray(0, INDICATOR_OCTETS) ?? OK
  }

  /** The reply goes on. @returns what of its positive status line is still to be written */
  restOf(statusLine: Buffer): Buffer {
    this.#at = Number.POSITIVE_INFINITY
    return this.#isCommitted ? statusLine.subarray(INDICATOR_OCTETS) : statusLine
  }
}
