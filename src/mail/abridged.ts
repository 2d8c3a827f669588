/**
 * A message of which long stretches are not in memory: what rules look at and change is, and the rest lies elsewhere.
 * Owns what a gap is and how gaps move when something around them changes; knows nothing of where the rest lies.
 */
import { type Splice, spliced } from './splices.js'

/**
 * Whole lines that were left out of the body of one part. There is always a line of the body before them and one with
 * its line end behind, so that it is certain what they belong to.
 */
export interface Gap {
  /** Where they were, in the octets that are here. */
  readonly at: number
  /** How many octets they have, without byte-stuffing. */
  readonly octets: number
  /** Where they lie in the message as it was received, byte-stuffing included. */
  readonly source: { readonly start: number; readonly end: number }
  /** The encoding of their part, in lower case: what {@link Gap.decoded} was counted by. */
  readonly encoding: string
  /** Of base64 the digits, up to the padding; of everything else the octets that they decode to. */
  readonly decoded: number
  /** There was padding among them: digits behind them do not count. */
  readonly isPadded: boolean
  /** The last of them ends with CRLF, not with a bare LF. */
  readonly isCrlfEnded: boolean
}

/** A message without byte-stuffing, and what of it is not here. */
export interface Abridged {
  readonly octets: Buffer
  /** In their order. */
  readonly gaps: readonly Gap[]
}

const NO_GAPS: readonly Gap[] = []

/** A message that is here from its first octet to its last. */
export function unabridged(octets: Buffer): Abridged {
  return { octets, gaps: NO_GAPS }
}

/** Octets of the whole message, those that are not here included. */
export function wholeOctets({ octets, gaps }: Abridged): number {
  return gaps.reduce((sum, gap) => sum + gap.octets, octets.length)
}

/** The gaps between two places. */
export function gapsWithin(gaps: readonly Gap[], start: number, end: number): readonly Gap[] {
  if (gaps.length === 0) return gaps
  return gaps.filter(({ at }) => at > start && at < end)
}

/**
 * Says where gaps are once octets were put in the place of others. Those within what was replaced are gone with it.
 *
 * @param splices in their order, none overlapping another
 */
function gapsBehind(gaps: readonly Gap[], splices: readonly Splice[]): readonly Gap[] {
  if (gaps.length === 0 || splices.length === 0) return gaps
  return gaps.flatMap((gap) => {
    if (splices.some(({ start, end }) => start < gap.at && gap.at < end)) return []
    const moved = splices
      .filter(({ end }) => end <= gap.at)
      .reduce((sum, { start, end, octets }) => sum + octets.length - (end - start), 0)
    return [moved === 0 ? gap : { ...gap, at: gap.at + moved }]
  })
}

/** Puts octets in the place of others. @returns the same message where there are no splices */
export function splicedAbridged(message: Abridged, splices: readonly Splice[]): Abridged {
  if (splices.length === 0) return message
  return { octets: spliced(message.octets, splices), gaps: gapsBehind(message.gaps, splices) }
}

/** Moves gaps by so many octets. */
export function gapsMoved(gaps: readonly Gap[], by: number): readonly Gap[] {
  return by === 0 ? gaps : gaps.map((gap) => ({ ...gap, at: gap.at + by }))
}
