/**
 * All octets of one message, wherever they lie: in memory, or in a file for one that is larger than memory is given.
 * For whoever takes a message from its first octet to its last and needs no more than a piece at a time.
 */

/** A message to be read from its beginning, as often as somebody wants to. Without byte-stuffing. */
export interface MessageSource {
  /** How many there are. */
  readonly octets: number
  /** All of it where it lies in memory; null where it does not. */
  readonly inMemory: Buffer | null
  /** Its first octets: the header section at least, where that is of a size that rules look at. */
  readonly beginning: Buffer
  /**
   * All octets in order. A reader that stops early leaves nothing open.
   *
   * Rejects with an error for a person where the file cannot be read (any more).
   */
  pieces(): AsyncIterable<Buffer>
}

/** Octets that are handed over at one time. */
const PIECE_OCTETS = 65_536

/** A message that lies in memory. @param message must not be changed while it is read */
export function inMemory(message: Buffer): MessageSource {
  return {
    octets: message.length,
    inMemory: message,
    beginning: message,
    async *pieces() {
      for (let at = 0; at < message.length; at += PIECE_OCTETS) yield message.subarray(at, at + PIECE_OCTETS)
    },
  }
}
