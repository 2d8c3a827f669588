/**
 * What of one reply's content observers are told, and no more than they asked for. A message is told in the pieces it
 * comes in; a listing when it is complete, so that its text can be looked at as a whole before anybody sees it.
 */

import type { Attention } from '../trace/event.js'
import { type Exchange, fetchesMail } from './exchange.js'
import type { Narrator } from './narrator.js'

/** Of each listing so much is told: that of thousands of messages. */
const LISTING_OCTETS_TOLD = 65_536

/** The part of one reply's content that is told. */
export class ToldContent {
  readonly isMessage: boolean
  #left: number
  readonly #kept: Buffer[] = []

  /** @param most octets that are told at most, byte-stuffing included */
  constructor(isMessage: boolean, most: number) {
    this.isMessage = isMessage
    this.#left = most
  }

  /**
   * Takes the next piece of the content.
   *
   * @returns what of it is told now; null where nothing is
   */
  take(piece: Buffer): Buffer | null {
    if (this.#left === 0) return null
    const part = piece.subarray(0, this.#left)
    this.#left -= part.length
    if (this.isMessage) return part
    this.#kept.push(part)
    return null
  }

  /** What is told at the end; null where nothing is. */
  takeRest(): Buffer | null {
    return this.#kept.length === 0 ? null : Buffer.concat(this.#kept.splice(0))
  }
}

/** Tells the content of one session's replies. */
export class ContentTeller {
  readonly #attention: Attention
  readonly #narrator: Narrator

  constructor(attention: Attention, narrator: Narrator) {
    this.#attention = attention
    this.#narrator = narrator
  }

  /** Decides what of the content that follows is told; who comes to watch meanwhile gets the next one. */
  begins(exchange: Exchange): void {
    if (!this.#attention.isWatched) return
    const most = this.#mostOf(exchange)
    if (most > 0) exchange.told = new ToldContent(fetchesMail(exchange.command), most)
  }

  /** Takes the next piece, as it is on the wire. Costs nothing where nobody watches. */
  piece(exchange: Exchange, wire: Buffer): void {
    const part = exchange.told === null ? null : exchange.told.take(wire)
    if (part !== null) this.#narrator.content(exchange, 'server', part, true)
  }

  /** Tells what is left at the end of the content, or of the session within it. */
  ends(exchange: Exchange): void {
    const rest = exchange.told === null ? null : exchange.told.takeRest()
    if (rest !== null) this.#narrator.content(exchange, 'server', rest, false)
  }

  /** Tells the next piece of what the client gets in the place of a message. */
  replacedPiece(exchange: Exchange, wire: Buffer): void {
    if (!this.#attention.isWatched) return
    exchange.toldInstead ??= new ToldContent(true, this.#mostOf(exchange))
    const part = exchange.toldInstead.take(wire)
    if (part !== null) this.#narrator.content(exchange, 'postern', part, true)
  }

  /** Tells what the client got in the place of the server's content. */
  replaced(exchange: Exchange, content: Buffer): void {
    if (!this.#attention.isWatched) return
    const part = content.subarray(0, this.#mostOf(exchange))
    this.#narrator.content(exchange, 'postern', part, fetchesMail(exchange.command))
  }

  /** Who sends a command of their own wants to see what comes, mail or not. */
  #mostOf({ command, origin }: Exchange): number {
    const { messageOctets } = this.#attention
    if (!fetchesMail(command)) return LISTING_OCTETS_TOLD
    return origin === 'watcher' ? Math.max(messageOctets, LISTING_OCTETS_TOLD) : messageOctets
  }
}
