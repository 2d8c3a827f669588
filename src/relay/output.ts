/**
 * What one input leads to: effects in their order, dated alike. Owns the clock reading of the input and the count of
 * octets written to each side; knows nothing of why anything is written or told.
 */
import type { Side, TraceContent } from '../trace/event.js'
import type { RelayEffect } from './relay-input.js'
import type { Trouble } from './trouble.js'

/** The effects of a session, input by input. */
export class Output {
  readonly #session: string
  #effects: RelayEffect[] = []
  #now = 0
  #toClient = 0
  #toServer = 0
  /** Of the reply that the client gets now. */
  trouble: Trouble | null = null

  /** @param session name that its events carry */
  constructor(session: string) {
    this.#session = session
  }

  /** When the input came: milliseconds since the epoch, monotonic. */
  get now(): number {
    return this.#now
  }

  /** All that the input has led to so far. */
  get effects(): readonly RelayEffect[] {
    return this.#effects
  }

  /** Octets written to the client since the session began. */
  get toClient(): number {
    return this.#toClient
  }

  /** Octets written to the server since the session began. */
  get toServer(): number {
    return this.#toServer
  }

  /** The next input begins; what the one before led to is the edge's alone. */
  begin(now: number): void {
    this.#now = now
    this.#effects = []
  }

  /**
   * Begins an input that leads to one write and little else: what most octets of a large message are. Apart from
   * {@link begin}, since a list that holds one effect from the start is cheaper than an empty one that grows.
   */
  beginWithWrite(octets: Buffer, now: number): void {
    this.#now = now
    this.#toClient += octets.length
    this.#effects = [{ type: 'write', side: 'client', octets }]
  }

  /** Adds any effect but those that the other methods are for. */
  effect(effect: RelayEffect): void {
    this.#effects.push(effect)
  }

  /** Writes octets as they are, never a copy; none is no effect. */
  write(side: Side, octets: Buffer): void {
    const left = side === 'client' && this.trouble !== null ? this.trouble.apply(octets) : octets
    if (left.length === 0) return
    if (side === 'client') this.#toClient += left.length
    else this.#toServer += left.length
    this.#effects.push({ type: 'write', side, octets: left })
  }

  /** Tells observers. */
  trace(content: TraceContent): void {
    this.#effects.push({ type: 'trace', event: { at: this.#now, session: this.#session, content } })
  }
}
