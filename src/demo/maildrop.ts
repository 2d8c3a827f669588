/**
 * One maildrop: its messages, the exclusive-access lock, and what a session that holds the lock sees and marks
 * (RFC 1939 §4 to §7). Owns sizes, unique-ids, deletions and what TOP cuts; knows nothing of commands, users
 * or sockets.
 */
import { createHash } from 'node:crypto'

/** One message as it is kept and sent: whole lines, without byte-stuffing. */
export interface StoredMessage {
  readonly octets: Buffer
  /** 1 to 70 characters of 0x21 to 0x7E, the same for the same maildrop in every session (RFC 1939 §7, UIDL). */
  readonly uniqueId: string
  /** The message did not end in CRLF, so one was added: a multi-line response has whole lines only. */
  readonly wasCompleted: boolean
}

/** A message with the number that it has in this session. */
export interface NumberedMessage {
  readonly messageNumber: number
  readonly message: StoredMessage
}

/** Why a message-number names no message. */
export type NoMessage = 'absent' | 'deleted'

const CRLF = Buffer.from('\r\n', 'latin1')
const END_OF_HEADER = Buffer.from('\r\n\r\n', 'latin1')

/**
 * Makes a maildrop's messages of octets.
 *
 * @param messages the octets of each; may hold anything, bare LF and NUL too, and is kept, not copied, where it
 * ends in CRLF. To others a CRLF is added, and `wasCompleted` says so; a message of no octets stays as it is
 * @returns the messages in the same order; the unique-id is a hash of the content, with a count behind it where
 * the same content comes again
 */
export function storeMessages(messages: readonly Buffer[]): readonly StoredMessage[] {
  const seen = new Map<string, number>()
  return messages.map((given) => {
    const isWhole = given.length === 0 || given.subarray(-2).equals(CRLF)
    const octets = isWhole ? given : Buffer.concat([given, CRLF])
    const hash = createHash('sha256').update(octets).digest('hex').slice(0, 32)
    const copies = (seen.get(hash) ?? 0) + 1
    seen.set(hash, copies)
    return { octets, uniqueId: copies === 1 ? hash : `${hash}.${copies}`, wasCompleted: !isWhole }
  })
}

/** A maildrop at rest. */
export class Maildrop {
  #messages: readonly StoredMessage[]
  #isLocked = false

  constructor(messages: readonly StoredMessage[]) {
    this.#messages = messages
  }

  /** The messages that are there now; those marked as deleted by an open session still are. */
  get messages(): readonly StoredMessage[] {
    return this.#messages
  }

  get isLocked(): boolean {
    return this.#isLocked
  }

  /**
   * Acquires the exclusive-access lock (RFC 1939 §4).
   *
   * @returns null where another session holds it
   */
  open(): OpenMaildrop | null {
    if (this.#isLocked) return null
    this.#isLocked = true
    return new OpenMaildrop(this.#messages, (kept) => {
      if (kept !== null) this.#messages = kept
      this.#isLocked = false
    })
  }
}

/** A maildrop within one session's TRANSACTION state. Its message-numbers stay what they are, whatever is deleted. */
export class OpenMaildrop {
  readonly #messages: readonly StoredMessage[]
  readonly #close: (kept: readonly StoredMessage[] | null) => void
  readonly #deleted = new Set<number>()
  #isOpen = true

  /** @param close is told once what remains, or null where nothing changes */
  constructor(messages: readonly StoredMessage[], close: (kept: readonly StoredMessage[] | null) => void) {
    this.#messages = messages
    this.#close = close
  }

  /** The messages not marked as deleted, in order. */
  list(): readonly NumberedMessage[] {
    return this.#messages
      .map((message, index) => ({ messageNumber: index + 1, message }))
      .filter(({ messageNumber }) => !this.#deleted.has(messageNumber))
  }

  /** Octets of all messages not marked as deleted, before byte-stuffing (RFC 1939 §5, STAT). */
  get octets(): number {
    return this.list().reduce((sum, { message }) => sum + message.octets.length, 0)
  }

  find(messageNumber: number): StoredMessage | NoMessage {
    if (this.#deleted.has(messageNumber)) return 'deleted'
    return this.#messages[messageNumber - 1] ?? 'absent'
  }

  /** Marks a message as deleted (RFC 1939 §5, DELE). It must be one that {@link find} finds. */
  markDeleted(messageNumber: number): void {
    this.#deleted.add(messageNumber)
  }

  /** Unmarks all messages (RFC 1939 §5, RSET). */
  unmarkAll(): void {
    this.#deleted.clear()
  }

  /**
   * Removes the marked messages and releases the lock: the UPDATE state (RFC 1939 §6).
   *
   * @returns how many were removed
   */
  update(): number {
    const kept = this.list().map(({ message }) => message)
    this.#release(kept)
    return this.#messages.length - kept.length
  }

  /** Releases the lock and removes nothing, as after any end but QUIT (RFC 1939 §6). Harmless when repeated. */
  abandon(): void {
    this.#release(null)
  }

  #release(kept: readonly StoredMessage[] | null): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#close(kept)
  }
}

/**
 * Cuts a message for TOP: the header section, the blank line and so many lines of the body.
 *
 * @param octets the whole message. Lines are what ends in CRLF; without a blank line all is header section
 * @param lines lines of the body wanted; the whole message where it has no more
 * RFC 1939 §7, TOP.
 */
export function topOf(octets: Buffer, lines: number): Buffer {
  let end = endOfHeader(octets)
  for (let line = 0; line < lines && end < octets.length; line += 1) {
    const found = octets.indexOf(CRLF, end)
    end = found < 0 ? octets.length : found + CRLF.length
  }
  return octets.subarray(0, end)
}

/** Index of the first octet of the body. */
function endOfHeader(octets: Buffer): number {
  if (octets.subarray(0, 2).equals(CRLF)) return CRLF.length
  const found = octets.indexOf(END_OF_HEADER)
  return found < 0 ? octets.length : found + END_OF_HEADER.length
}
