/**
 * A reply of several lines that does not go on as it comes: a capability list that is to be made true, a message that
 * a breakpoint may hold. Owns its octets, their bound, and the signs of life that the client gets meanwhile.
 */
import type { StatusLine } from '../pop3/reply-decoder.js'
import type { HoldingRoom } from './holding-room.js'

/** Between two signs of life. DavMail has the same; clients give up after 30 seconds at the earliest. */
export const SIGN_OF_LIFE_MS = 10_000

/** Octets of either status indicator's beginning that a sign of life consists of: `+OK`. */
const INDICATOR_OCTETS = 3
const BLANK = Buffer.from(' ', 'latin1')

/** Why a piece was not kept. */
export type NotKept = 'too-large' | 'no-room'

/** Status line and content of one positive reply. */
export class GatheredReply {
  readonly purpose: 'capabilities' | 'message'
  readonly status: StatusLine
  readonly #statusLine: Buffer
  readonly #most: number
  readonly #room: HoldingRoom | null
  #pieces: Buffer[] = []
  #octets = 0
  #isCommitted = false
  #signOfLifeAt: number

  /**
   * @param most octets of content
   * @param room shared with other sessions, null where the bound is enough
   */
  constructor(
    purpose: 'capabilities' | 'message',
    reply: { readonly status: StatusLine; readonly wire: Buffer },
    bounds: { readonly most: number; readonly room: HoldingRoom | null },
    now: number,
  ) {
    this.purpose = purpose
    this.status = reply.status
    this.#statusLine = reply.wire
    this.#most = bounds.most
    this.#room = bounds.room
    this.#signOfLifeAt = now + SIGN_OF_LIFE_MS
  }

  get octets(): number {
    return this.#octets
  }

  /** The status line as the server sent it. */
  get statusLine(): Buffer {
    return this.#statusLine
  }

  /** The client has `+OK` already. */
  get isCommitted(): boolean {
    return this.#isCommitted
  }

  /** When the next sign of life is due; never for a capability list, which comes at once. */
  get signOfLifeAt(): number {
    return this.purpose === 'message' ? this.#signOfLifeAt : Number.POSITIVE_INFINITY
  }

  /** Keeps a piece. @returns null, or why it was not kept */
  add(piece: Buffer): NotKept | null {
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

  /**
   * What the client gets while it waits: the server's own `+OK`, then one blank each time. They stand within the
   * status line, before its text, so that the reply stays one.
   */
  signOfLife(now: number): Buffer {
    this.#signOfLifeAt = now + SIGN_OF_LIFE_MS
    if (this.#isCommitted) return BLANK
    this.#isCommitted = true
    return this.#statusLine.subarray(0, INDICATOR_OCTETS)
  }

  /** What of a positive status line is still to be written. */
  restOf(statusLine: Buffer): Buffer {
    return this.#isCommitted ? statusLine.subarray(INDICATOR_OCTETS) : statusLine
  }
}
