/**
 * Octets as a hex dump, sixteen a line. Owns the form; builds no line that nobody asks for.
 */

const OCTETS = 16
const HALF = OCTETS / 2

/** Cells of one line: offset, two groups of eight, printable characters. */
export const HEX_CELLS = 8 + 2 + HALF * 3 + 1 + HALF * 3 + 1 + OCTETS

/** Counts the lines of a dump. */
export function hexLineCount(octets: Buffer): number {
  return Math.ceil(octets.length / OCTETS)
}

/** The line that an octet stands in. */
export function hexLineOf(offset: number): number {
  return Math.floor(offset / OCTETS)
}

/**
 * Writes one line of a dump: `00000010  25 50 44 46 2d 31 2e 37  0a 25 e2 e3 cf d3 0a 31  %PDF-1.7.%.....1`.
 */
export function hexLine(octets: Buffer, index: number): string {
  const offset = index * OCTETS
  const slice = octets.subarray(offset, offset + OCTETS)
  const group = (from: number): string =>
    Array.from(slice.subarray(from, from + HALF), (octet) => octet.toString(16).padStart(2, '0'))
      .join(' ')
      .padEnd(HALF * 3 - 1)
  const place = offset.toString(16).padStart(8, '0')
  return `${place}  ${group(0)}  ${group(HALF)}  ${printable(slice)}`
}

function printable(octets: Buffer): string {
  return Array.from(octets, (octet) =>
    octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : '.',
  ).join('')
}
