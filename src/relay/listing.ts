/**
 * The server's listings, read for what they say, and the lines in which the client is told of its maildrop. Knows
 * nothing of rules.
 */

/** One line of a scan listing. RFC 1939 §5. */
export interface ScanListingLine {
  /** Message-number, 1 and up. */
  readonly number: number
  /** Octets. */
  readonly size: number
}

// Some servers write more behind the size, which RFC 1939 §5 allows ("discouraged").
const SCAN_LINE = /^ *([0-9]{1,10}) +([0-9]{1,15})(?: .*)?$/
/** RFC 1939 §7: 1 to 70 characters from 0x21 to 0x7E. Longer ones are seen; what matters is that they are one word. */
const UNIQUE_ID_LINE = /^ *([0-9]{1,10}) +([\x21-\x7e\x80-\xff]{1,255}) *$/

/**
 * Reads a scan listing.
 *
 * @param content without byte-stuffing
 * @returns the lines in ascending order of number; null where a line says nothing, or a number comes twice
 */
export function readScanListing(content: Buffer): readonly ScanListingLine[] | null {
  const lines: ScanListingLine[] = []
  const seen = new Set<number>()
  for (const line of linesOf(content)) {
    const [, number, size] = SCAN_LINE.exec(line) ?? []
    const read = { number: Number(number), size: Number(size) }
    if (number === undefined || read.number === 0 || seen.has(read.number)) return null
    seen.add(read.number)
    lines.push(read)
  }
  return lines.sort((one, other) => one.number - other.number)
}

/**
 * Reads a unique-id listing. Lines that say nothing are left out: a message without unique-id is one that is looked
 * at anew each time.
 *
 * @param content without byte-stuffing
 */
export function readUniqueIds(content: Buffer): ReadonlyMap<number, string> {
  const ids = new Map<number, string>()
  for (const line of linesOf(content)) {
    const [, number, id] = UNIQUE_ID_LINE.exec(line) ?? []
    if (number !== undefined && id !== undefined) ids.set(Number(number), id)
  }
  return ids
}

function linesOf(content: Buffer): readonly string[] {
  const lines = content.toString('latin1').split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
}
