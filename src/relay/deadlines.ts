/**
 * How long a session may wait for what: one deadline at each moment, from where the session stands and since when.
 * Owns the times it counts from; has no clock and fires nothing.
 */
import type { Limits } from '../pop3/limits.js'

/**
 * Where the session stands. Until `open`, the client's octets wait undecoded.
 * - `new`, `client-handshake`: before anything is asked of the server
 * - `connecting`, `server-tls`, `greeting`, `stls`, `upgrading`: making the server's leg ready
 * - `open`: commands and replies pass
 * - `closed`: nothing passes any more
 */
export type Phase =
  | 'new'
  | 'client-handshake'
  | 'connecting'
  | 'server-tls'
  | 'greeting'
  | 'stls'
  | 'upgrading'
  | 'open'
  | 'closed'

/** What an open session waits for: the client's handshake, the server's answer to QUIT, a login, anything at all. */
export type OpenWait = 'client-tls' | 'quit' | 'login' | 'anything'

/** The times of one session. */
export class Deadlines {
  readonly #limits: Limits
  #openedAt = 0
  #waitBegan = 0
  #lastActivity = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  get openedAt(): number {
    return this.#openedAt
  }

  /** When the present phase began, or the wait within it that has a deadline of its own. */
  get waitBegan(): number {
    return this.#waitBegan
  }

  /** When octets last came, or what was held went on. */
  get lastActivity(): number {
    return this.#lastActivity
  }

  opened(now: number): void {
    this.#openedAt = now
    this.#lastActivity = now
  }

  /** A phase begins, or STLS or QUIT within the open one. */
  waits(now: number): void {
    this.#waitBegan = now
  }

  /** Octets came, or what was held went on. */
  active(now: number): void {
    this.#lastActivity = now
  }

  /** When the session has waited too long. */
  of(phase: Phase, wait: OpenWait): number {
    const limits = this.#limits
    const login = this.#openedAt + limits.loginMs
    switch (phase) {
      case 'new':
      case 'closed':
        return Number.POSITIVE_INFINITY
      case 'client-handshake':
      case 'server-tls':
      case 'upgrading':
        return Math.min(login, this.#waitBegan + limits.handshakeMs)
      case 'connecting':
        return Math.min(login, this.#waitBegan + limits.connectMs)
      case 'greeting':
        return Math.min(login, this.#waitBegan + limits.greetingMs)
      case 'stls':
        return Math.min(login, this.#waitBegan + limits.stlsMs)
      case 'open':
        switch (wait) {
          case 'client-tls':
            return Math.min(login, this.#waitBegan + limits.handshakeMs)
          case 'quit':
            return this.#waitBegan + limits.quitMs
          case 'login':
            return login
          case 'anything':
            return this.#lastActivity + limits.idleMs
        }
    }
  }
}

/** What the server is late with, null where it is the client that is. */
export function lateText(phase: Phase, wait: OpenWait): string | null {
  switch (phase) {
    case 'connecting':
      return 'server could not be reached in time'
    case 'server-tls':
    case 'upgrading':
      return 'server did not finish the TLS handshake in time'
    case 'greeting':
      return 'server sent no greeting in time'
    case 'stls':
      return 'server did not answer STLS in time'
    case 'open':
      return wait === 'quit' ? 'server did not answer QUIT in time' : null
    default:
      return null
  }
}
