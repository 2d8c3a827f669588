/**
 * The same octets in many pieces: whole, cut in two everywhere, octet by octet, and cut at random. Owns the ways
 * of cutting; knows nothing of what is decoded.
 */
import { deepStrictEqual } from 'node:assert/strict'

/** Up to this many octets every two-way cut is tried; of longer input, the cuts near both ends and some between. */
const EVERY_CUT_OCTETS = 1_024
const CUTS_NEAR_AN_END = 96
const CUTS_BETWEEN = 64
const RANDOM_SPLITS = 6
/** Longer input is cut into pieces of about so many octets in place of single ones. */
const SMALL_PIECES = 4_096

/**
 * Names and makes the ways of cutting `octets`. Every piece is a copy of its own, so that a decoder that reads
 * beyond a piece finds nothing there.
 */
export function* splitsOf(octets: Buffer): Generator<{ readonly how: string; readonly pieces: Buffer[] }> {
  yield { how: 'whole', pieces: [Buffer.from(octets)] }
  for (const at of cutsOf(octets.length)) {
    yield { how: `cut at ${at}`, pieces: cut(octets, [at]) }
  }
  const step = Math.max(1, Math.ceil(octets.length / SMALL_PIECES))
  yield { how: `by ${step}`, pieces: cut(octets, range(step, octets.length, step)) }
  yield { how: 'with empty pieces', pieces: cut(octets, [0, 0, octets.length, octets.length]) }
  for (let seed = 1; seed <= RANDOM_SPLITS; seed += 1) {
    const random = randomFrom(seed)
    const chance = 1 / (2 + seed * 3)
    const cuts = range(1, octets.length, 1).filter(() => random() < chance)
    yield { how: `random split ${seed}`, pieces: cut(octets, cuts) }
  }
}

/**
 * Decodes `octets` in every split and demands the same outcome each time.
 *
 * @param decode makes a fresh decoder, feeds it the pieces and returns plain values
 * @returns the outcome
 * @throws AssertionError that names the split whose outcome differs from that of the whole
 */
export function everySplit<Outcome>(
  octets: Buffer | string,
  decode: (pieces: readonly Buffer[]) => Outcome,
): Outcome {
  const input = typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets
  const whole = decode([Buffer.from(input)])
  for (const { how, pieces } of splitsOf(input)) {
    const outcome = decode(pieces)
    try {
      deepStrictEqual(outcome, whole)
    } catch (error) {
      const shown = error instanceof Error ? error.message : String(error)
      throw new Error(`decoded otherwise when ${how} than in one piece\n${shown}`, { cause: error })
    }
  }
  return whole
}

/** Pieces of `octets` between the indices `cuts` (ascending), each a copy. */
export function cut(octets: Buffer, cuts: readonly number[]): Buffer[] {
  const bounds = [0, ...cuts, octets.length]
  return bounds.slice(1).map((end, index) => Buffer.from(octets.subarray(bounds[index], end)))
}

/** A small seeded generator of numbers in [0, 1) (mulberry32): the same seed gives the same test. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function cutsOf(length: number): readonly number[] {
  if (length <= EVERY_CUT_OCTETS) return range(1, length, 1)
  const between = Math.ceil(length / CUTS_BETWEEN)
  return [
    ...range(1, CUTS_NEAR_AN_END, 1),
    ...range(CUTS_NEAR_AN_END, length - CUTS_NEAR_AN_END, between),
    ...range(length - CUTS_NEAR_AN_END, length, 1),
  ]
}

function range(from: number, to: number, step: number): number[] {
  const numbers: number[] = []
  for (let number = from; number < to; number += step) numbers.push(number)
  return numbers
}
