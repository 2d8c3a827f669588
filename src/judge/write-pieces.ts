/**
 * Writes a message to whoever judges it, no faster than it is read there. Owns the pace and how the source is let go;
 * knows nothing of what is written.
 */
import type { Writable } from 'node:stream'
import { UnreadableMessageError } from '../mail/exact-pieces.js'
import { safeText } from '../trace/safe-text.js'
import type { Trouble } from './adapter.js'
import { QUOTED_CODE_POINTS } from './limits.js'

/**
 * Writes pieces into a stream; the next one is taken once there is room for it.
 *
 * @returns whether all were taken; false as soon as the stream is closed, and the pieces are closed then too
 * @throws what the pieces throw
 */
export async function writePieces(pieces: AsyncIterable<Buffer>, stream: Writable): Promise<boolean> {
  for await (const piece of pieces) {
    if (!stream.writable) return false
    if (!stream.write(piece)) await room(stream)
    if (!stream.writable) return false
  }
  return stream.writable
}

/** Describes why a message could not be read to its end. */
export function readingTrouble(error: unknown): Trouble {
  const text = safeText(error instanceof Error ? error.message : String(error), QUOTED_CODE_POINTS)
  // Anything else is a fault of postern's own.
  if (!(error instanceof UnreadableMessageError)) return { trouble: `could not be asked: ${text}` }
  return { trouble: `could not be given the whole message: ${text}`, isOfMessage: true }
}

/** A stream that is closed never drains. */
async function room(stream: Writable): Promise<void> {
  if (!stream.writableNeedDrain) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off('drain', done)
      stream.off('close', done)
      resolve()
    }
    stream.on('drain', done)
    stream.on('close', done)
  })
}
