/**
 * TLS sessions of one server that may be resumed. Node checks neither name nor chain when a session is resumed,
 * so a store belongs to exactly one server with one set of trust settings, and only sessions whose full
 * handshake was verified get in. Knows nothing of sockets.
 */

/** Reads the time in milliseconds since 1970. */
export type Now = () => number

interface Stored {
  readonly session: Buffer
  readonly storedAt: number
}

// Sessions that open at the same moment take one each; more in parallel share the last.
const MAXIMUM_SESSIONS = 32
// Servers keep tickets for two hours by default; one that is refused costs a full handshake and nothing else.
const LIFETIME_MS = 3_600_000

/** A bounded stack of sessions, the freshest on top. */
export class SessionStore {
  readonly #now: Now
  #sessions: Stored[] = []
  #validUntil = Number.POSITIVE_INFINITY

  constructor(now: Now) {
    this.#now = now
  }

  /** Sessions held at this moment. */
  get size(): number {
    return this.#sessions.length
  }

  /**
   * Takes the freshest session; the last one stays for whoever comes next. RFC 8446 appendix C.4 advises
   * against using a ticket twice because observers could link two connections of one client, which here go from
   * one proxy to one server anyway. A server that allows no second use makes a full handshake of it.
   */
  take(): Buffer | null {
    const now = this.#now()
    if (now >= this.#validUntil) this.clear()
    const last = this.#sessions.at(-1)
    if (last === undefined) return null
    if (now - last.storedAt >= LIFETIME_MS) {
      // The freshest is on top: below it is nothing better.
      this.clear()
      return null
    }
    if (this.#sessions.length > 1) this.#sessions.pop()
    return last.session
  }

  /** Stores a session of a connection that was verified, or that resumed one which was. */
  put(session: Buffer): void {
    this.#sessions.push({ session, storedAt: this.#now() })
    if (this.#sessions.length > MAXIMUM_SESSIONS) this.#sessions.shift()
  }

  /**
   * Bounds all sessions by the validity of a certificate that was just verified: a resumed session shows no
   * certificate, so nobody else would notice that it has expired.
   */
  limitTo(validUntil: number): void {
    this.#validUntil = Math.min(this.#validUntil, validUntil)
  }

  /** Forgets all sessions. */
  clear(): void {
    this.#sessions = []
    this.#validUntil = Number.POSITIVE_INFINITY
  }
}
