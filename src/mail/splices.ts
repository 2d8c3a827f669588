/**
 * Octets put in the place of others. Owns the promise that what lies between them is not touched.
 */

/** What comes in the place of the octets from `start` to `end`. */
export interface Splice {
  readonly start: number
  readonly end: number
  readonly octets: Buffer
}

/**
 * Puts octets in the place of others.
 *
 * @param splices in their order, none overlapping another
 * @returns the same buffer where there are none
 */
export function spliced(octets: Buffer, splices: readonly Splice[]): Buffer {
  if (splices.length === 0) return octets
  const pieces: Buffer[] = []
  let at = 0
  for (const splice of splices) {
    pieces.push(octets.subarray(at, splice.start), splice.octets)
    at = splice.end
  }
  return Buffer.concat([...pieces, octets.subarray(at)])
}
