/**
 * A reply of several lines that does not go on as it comes: a capability list that is to be made true, a message that a
 * breakpoint may hold or a rule changes, what postern asked for itself. Owns its octets, their bound, and that they go
 * into a file where they exceed it and a file will do.
 */
import type { StatusLine } from '../pop3/reply-decoder.js'
import type { HoldingRoom } from './holding-room.js'
import { HeaderEnd } from './rewrite.js'
import type { NotSpooled, Spool } from './spool.js'

/** Why a piece was not kept. */
export type NotKept = NotSpooled

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
  readonly #beginSpool: () => Spool | null
  #pieces: Buffer[] = []
  #octets = 0
  #notKept: NotKept | null = null
  #spool: Spool | null = null
  #problem: string | null = null

  /**
   * @param most octets of content
   * @param room shared with other sessions, null where the bound is enough
   * @param beginSpool where octets go beyond it; null, or a function that gives null, for nowhere
   */
  constructor(
    purpose: Purpose,
    reply: { readonly status: StatusLine; readonly wire: Buffer },
    bounds: {
      readonly most: number
      readonly room: HoldingRoom | null
      readonly beginSpool?: (() => Spool | null) | null
    },
  ) {
    this.purpose = purpose
    this.status = reply.status
    this.#statusLine = reply.wire
    this.#most = bounds.most
    this.#room = bounds.room
    this.#beginSpool = bounds.beginSpool ?? (() => null)
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

  /** Why a file could not be written, in words; null where that was not the reason. */
  get problem(): string | null {
    return this.#problem
  }

  /** What comes from now on is not needed. What was kept stays. */
  stop(): void {
    this.#notKept = 'too-large'
  }

  /** It does not fit: nothing is kept from now on. */
  giveUp(reason: NotKept): void {
    this.#problem ??= this.#spool?.problem ?? null
    this.leave()
    this.#notKept = reason
  }

  /** Keeps a piece. @returns null, or why it was not kept */
  add(piece: Buffer): NotKept | null {
    if (this.#notKept !== null) return this.#notKept
    if (this.#spool !== null) return this.#spool.add(piece)
    const why = this.#whyNot(piece)
    if (why !== null) return this.#addToSpool(why, piece)
    this.#octets += piece.length
    this.#pieces.push(piece)
    return null
  }

  #whyNot(piece: Buffer): NotKept | null {
    if (this.#octets + piece.length > this.#most) return 'too-large'
    return this.#room === null || this.#room.take(piece.length) ? null : 'no-room'
  }

  /** What does not fit into memory goes into a file with all that was there. */
  #addToSpool(why: NotKept, piece: Buffer): NotKept | null {
    this.#spool = this.#beginSpool()
    if (this.#spool === null) return why
    const pieces = [...this.#pieces, piece]
    this.#leaveMemory()
    for (const each of pieces) {
      const notKept = this.#spool.add(each)
      if (notKept !== null) return notKept
    }
    return null
  }

  /** The file that the content is in; null where it is in memory. */
  get spool(): Spool | null {
    return this.#spool
  }

  /** The file is somebody else's to drop from now on. */
  handOver(): void {
    this.#spool = null
  }

  /** The content so far, in the pieces it came in. */
  get pieces(): readonly Buffer[] {
    return this.#pieces
  }

  /** Gives back the room, and the file; to be called once, when the octets are not kept any more. */
  leave(): void {
    this.#leaveMemory()
    this.#spool?.drop()
    this.#spool = null
  }

  #leaveMemory(): void {
    this.#room?.give(this.#octets)
    this.#octets = 0
    this.#pieces = []
  }
}
