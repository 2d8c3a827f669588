/**
 * Messages that lie nowhere: sources that make their octets when they are asked, in pieces of uneven sizes, and count
 * who reads them. Owns the octets and the counting; knows nothing of who reads.
 */
import { createHash } from 'node:crypto'
import { inMemory, type MessageSource } from '../../src/mail/source.js'
import { randomFrom } from './every-split.js'

/** A source that is not in memory, and what was done with it. */
export interface CountedSource extends MessageSource {
  readonly inMemory: null
  /** How often it was opened. */
  readonly opened: number
  /** How many of these are open now. */
  readonly open: number
  /** Octets that were given by the one that was opened last. */
  readonly given: number
}

export interface SourceOptions {
  /** Octets that it says it has; as many as there are by default. */
  readonly octets?: number
  /** Fails in place of the piece with this octet, in this message. */
  readonly failsAt?: number
  readonly failure?: Error
  /** Waited for before each piece, with what was given so far: it may be slow, or look around. */
  readonly before?: (given: number, opened: number) => Promise<void> | void
}

const HEADER = Buffer.from('From: Eve <eve@example.org>\r\nSubject: large\r\n\r\n')
const BLOCK_OCTETS = 65_536
const LINE_OCTETS = 64
const MOST_PIECE_OCTETS = 196_608
/** Lines that repeat themselves, as long as a piece may be from anywhere in the first block. */
const LINES = Buffer.concat(
  Array.from({ length: (BLOCK_OCTETS + MOST_PIECE_OCTETS) / LINE_OCTETS }, (_, line) =>
    Buffer.from(`${String(line % (BLOCK_OCTETS / LINE_OCTETS)).padStart(LINE_OCTETS - 2, '.')}\r\n`),
  ),
)

/** A message that is given in just these pieces, empty ones included. */
export function piecesSource(pieces: readonly Buffer[], options: SourceOptions = {}): CountedSource {
  const octets = pieces.reduce((sum, piece) => sum + piece.length, 0)
  return counted(Buffer.concat(pieces).subarray(0, 4_096), octets, () => pieces, options)
}

/** A message of any size: a header section, then lines, in pieces of 1 octet to some pages. The same each time. */
export function largeSource(octets: number, options: SourceOptions & { seed?: number } = {}): CountedSource {
  const beginning = HEADER.subarray(0, octets)
  return counted(beginning, octets, () => piecesOf(octets, options.seed ?? 1), options)
}

/** The same message in memory. */
export function largeMessage(octets: number): Buffer {
  return Buffer.concat([...piecesOf(octets, 1)])
}

/** The same message at the same octets, whatever the pieces: SHA-256 in hexadecimal. */
export function largeHash(octets: number): string {
  const hash = createHash('sha256')
  for (const piece of piecesOf(octets, 2)) hash.update(piece)
  return hash.digest('hex')
}

/** A message in memory, and the same one that is not. */
export function bothWays(message: Buffer): readonly MessageSource[] {
  return [inMemory(message), piecesSource(unevenly(message))]
}

function unevenly(message: Buffer): readonly Buffer[] {
  const random = randomFrom(message.length)
  const pieces: Buffer[] = []
  for (let at = 0; at < message.length; ) {
    const end = at + 1 + Math.floor(random() * MOST_PIECE_OCTETS)
    pieces.push(Buffer.from(message.subarray(at, end)))
    at = end
  }
  return pieces
}

function* piecesOf(octets: number, seed: number): Generator<Buffer> {
  const random = randomFrom(seed)
  for (let at = 0; at < octets; ) {
    const length = Math.min(octets - at, 1 + Math.floor(random() * (random() < 0.2 ? 10 : MOST_PIECE_OCTETS)))
    const from = at % BLOCK_OCTETS
    // A copy: whoever keeps it keeps nothing else.
    const piece = Buffer.from(LINES.subarray(from, from + length))
    if (at < HEADER.length) HEADER.copy(piece, 0, at)
    yield piece
    at += length
  }
}

function counted(
  beginning: Buffer,
  octets: number,
  make: () => Iterable<Buffer>,
  { octets: said, failsAt, failure, before }: SourceOptions,
): CountedSource {
  let opened = 0
  let open = 0
  let given = 0
  return {
    octets: said ?? octets,
    inMemory: null,
    beginning,
    async *pieces() {
      opened += 1
      open += 1
      given = 0
      const mine = opened
      try {
        for (const piece of make()) {
          await before?.(given, mine)
          if (failsAt !== undefined && given + piece.length > failsAt)
            throw failure ?? new Error('the disk reports an error')
          given += piece.length
          yield piece
        }
        await before?.(given, mine)
      } finally {
        open -= 1
      }
    },
    get opened() {
      return opened
    },
    get open() {
      return open
    },
    get given() {
      return given
    },
  }
}
