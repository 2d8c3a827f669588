/**
 * Multi-line responses read line by line, as RFC 1939 §3 says it: what a reader would write who cared for nothing
 * but being right. The reference that the fast scanner is held against.
 */

export interface NaiveContent {
  /** Octets before the termination line, Latin-1; null where there is none. */
  readonly content: string | null
  readonly behind: string
  /** Octets with byte-stuffing removed. */
  readonly octets: number
  /** Whether a line begins with a single "." though it ends nothing. */
  readonly unstuffed: boolean
}

/** Reads what stands behind a status line. */
export function naively(wire: string): NaiveContent {
  const end = `\r\n${wire}`.indexOf('\r\n.\r\n')
  if (end < 0) return { content: null, behind: '', octets: 0, unstuffed: false }
  const content = wire.slice(0, end)
  const lines = content.split('\r\n')
  const stuffed = lines.filter((line) => line.startsWith('..')).length
  const unstuffed = lines.some((line) => line.startsWith('.') && !line.startsWith('..'))
  return { content, behind: wire.slice(end + 3), octets: content.length - stuffed, unstuffed }
}
