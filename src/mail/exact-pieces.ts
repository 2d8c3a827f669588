/**
 * A message read from its source as whoever passes it on wants it: as many octets as were announced, in pieces of a
 * known size. Knows nothing of where the octets lie.
 */
import type { MessageSource } from './source.js'

/** Octets of the largest piece: what comes back meanwhile, an early answer above all, is looked at in between. */
const MOST_PIECE_OCTETS = 65_536

/** A message that cannot be read to its end. Its message is for a person, and says no more than why. */
export class UnreadableMessageError extends Error {
  override readonly name = 'UnreadableMessageError'
}

/**
 * Reads a message from its first octet to its last.
 *
 * @returns pieces of 1 to 65,536 octets; the source is closed where the reader stops early
 * @throws UnreadableMessageError where the source fails, ends too early or has more than it said: no octet beyond what
 *   was announced is ever given
 */
export async function* exactPieces(message: MessageSource): AsyncGenerator<Buffer, void, undefined> {
  let given = 0
  try {
    for await (const piece of message.pieces()) {
      given += piece.length
      if (given > message.octets) break
      for (let at = 0; at < piece.length; at += MOST_PIECE_OCTETS)
        yield piece.subarray(at, at + MOST_PIECE_OCTETS)
    }
  } catch (cause) {
    throw new UnreadableMessageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
  if (given === message.octets) return
  const found = given < message.octets ? `ended after ${given}` : 'has more'
  throw new UnreadableMessageError(`it was said to have ${message.octets} octets and ${found}`)
}
