/**
 * Who may open a session: the bounds on sessions, per address and within TLS handshakes. Counts; knows nothing
 * of sockets.
 */
import type { Limits } from '../pop3/limits.js'

/** Counts the sessions of one service. */
export class Admission {
  readonly #perAddress = new Map<string, number>()
  #sessions = 0

  get sessions(): number {
    return this.#sessions
  }

  /**
   * Asks for a place.
   *
   * @param handshakes client handshakes under way in the service
   * @returns null with a place taken, else why there is none
   */
  enter(address: string, limits: Limits, handshakes: number): string | null {
    if (this.#sessions >= limits.sessions) return `limit of ${limits.sessions} sessions reached`
    const here = this.#perAddress.get(address) ?? 0
    if (here >= limits.sessionsPerAddress)
      return `limit of ${limits.sessionsPerAddress} sessions per address reached`
    if (handshakes >= limits.handshakes)
      return `limit of ${limits.handshakes} TLS handshakes at a time reached`
    this.#sessions += 1
    this.#perAddress.set(address, here + 1)
    return null
  }

  leave(address: string): void {
    this.#sessions -= 1
    const here = (this.#perAddress.get(address) ?? 1) - 1
    if (here === 0) this.#perAddress.delete(address)
    else this.#perAddress.set(address, here)
  }
}
