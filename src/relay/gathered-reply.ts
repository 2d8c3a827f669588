/**
 * A reply of several lines that does not go on as it comes: a capability list that is to be made true, a message that a
 * breakpoint may hold or a rule changes, what postern asked for itself. Owns its octets and their bound.
 */
import type { StatusLine } from '../pop3/reply-decoder.js'
import type { HoldingRoom } from './holding-room.js'
import { HeaderEnd } from './rewrite.js'

/** Why a piece was not kept. */
export type NotKept = 'too-large' | 'no-room'

/**
 * What for.
 * - `capabilities`: to be made true
 * - `message`: to be held, or changed as a whole
 * - `header`: a message whose header section is changed, or is all that is needed of it
 * - `own`: for postern alone
 */
type Purpose = 'capabilities' | 'message' | 'header' | 'own'

/** Status line and content of one positive reply. */
export class GatheredReply {
  readonly purpose: Purpose
  readonly status: StatusLine
  /** Looks for the end of the header section, where that is gathered alone. */
  readonly headerEnd = new HeaderEnd()
  readonly #statusLine: Buffer
  readonly #most: number
  readonly #room: HoldingRoom | null
  #pieces: Buffer[] = []
  #octets = 0
  #notKept: NotKept | null = null

  /**
   * @param most octets of content
   * @param room shared with other sessions, null where the bound is enough
   */
  constructor(
    purpose: Purpose,
    reply: { readonly status: StatusLine; readonly wire: Buffer },
    bounds: { readonly most: number; readonly room: HoldingRoom | null },
  ) {
    this.purpose = purpose
    this.status = reply.status
    this.#statusLine = reply.wire
    this.#most = bounds.most
    this.#room = bounds.room
  }

  get octets(): number {
    return this.#octets
  }

  /** The status line as the server sent it. */
  get statusLine(): Buffer {
    return this.#statusLine
  }

  /** Why nothing is kept any more; null while it is. */
  get notKept(): NotKept | null {
    return this.#notKept
  }

  /** What comes from now on is not needed. What was kept stays. */
  stop(): void {
    this.#notKept = 'too-large'
  }

  /** It does not fit: nothing is kept from now on. */
  giveUp(reason: NotKept): void {
    this.leave()
    this.#notKept = reason
  }

  /** Keeps a piece. @returns null, or why it was not kept */
  add(piece: Buffer): NotKept | null {
    if (this.#notKept !== null) return this.#notKept
    if (this.#octets + piece.length > this.#most) return 'too-large'
    if (this.#room !== null && !this.#room.take(piece.length)) return 'no-room'
    this.#octets += piece.length
    this.#pieces.push(piece)
    return null
  }

  /** The content so far, in the pieces it came in. */
  get pieces(): readonly Buffer[] {
    return this.#pieces
  }

  /** Gives back the room; to be called once, when the octets are not kept any more. */
  leave(): void {
    this.#room?.give(this.#octets)
    this.#octets = 0
    this.#pieces = []
  }
}
