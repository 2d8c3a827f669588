/**
 * Reads what servers list of a maildrop: drop listings, scan listings, unique-id listings, capabilities. Takes what
 * fits the form and leaves the rest.
 */
import { safeText } from '../trace/safe-text.js'

/** Lines of one listing that are read: a maildrop with more is rare, and a hostile one is cut. */
const LINES = 100_000
const NUMBER_AND_REST = /^(\d{1,10})[ \t]+(\S.*?)\s*$/

/** A line of a scan or unique-id listing. */
export interface ListedMessage {
  readonly messageNumber: number
  /** What stands behind the message-number, as received: Latin-1, not harmless. */
  readonly rest: string
}

/**
 * Splits content into lines.
 *
 * @param content byte-stuffed, without the termination octet line
 * @returns lines without their ends and byte-stuffing, as received: Latin-1, not harmless
 */
export function linesOf(content: Buffer): readonly string[] {
  const lines = content.toString('latin1').split(/\r?\n/, LINES)
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line) => (line.startsWith('.') ? line.slice(1) : line))
}

/** Reads a scan listing (`1 120`) or a unique-id listing (`1 whqtswO00WBw418f9t5JxYwZ`). RFC 1939 §5 and §7. */
export function listedMessages(lines: readonly string[]): readonly ListedMessage[] {
  const listed: ListedMessage[] = []
  for (const line of lines) {
    const found = NUMBER_AND_REST.exec(line)
    if (found?.[1] !== undefined && found[2] !== undefined)
      listed.push({ messageNumber: Number(found[1]), rest: found[2] })
  }
  return listed
}

/** Reads the octets out of a scan listing's rest or a reply to `LIST n`; null where there is no number. */
export function listedOctets(rest: string): number | null {
  const digits = /^(\d{1,15})(?:\s|$)/.exec(rest)?.[1]
  return digits === undefined ? null : Number(digits)
}

/** Reads a drop listing: `+OK nn mm`. RFC 1939 §5. */
export function dropListing(text: string): { readonly messages: number; readonly octets: number } | null {
  const found = /^(\d{1,10}) (\d{1,15})(?:\s|$)/.exec(text)
  if (found === null) return null
  return { messages: Number(found[1]), octets: Number(found[2]) }
}

/** Makes listed text harmless for a person. */
export function shownLine(line: string): string {
  return safeText(Buffer.from(line, 'latin1'))
}
