/**
 * The capability list of RFC 2449 §5: decoded, and made true for a leg. Owns what postern adds and takes away;
 * knows nothing of when a list is asked for.
 */

import { type Anomaly, NO_ANOMALIES } from './anomaly.js'
import { upperCaseOf } from './ascii.js'

// What isspace() of C takes for a blank, so that a client which uses it finds no other tag than postern.
const BLANKS = /[ \t\v\f]+/
const LINE_END_TO_SOME = /[\r\n\0]/

/** One line of a capability list. */
export interface Capability {
  /** Upper-case tag. */
  readonly tag: string
  readonly parameters: readonly string[]
  /** The line as received, byte-stuffed, without CRLF, Latin-1. */
  readonly line: string
  /** Parted from others by a CR, LF or NUL that is no line end in a list, but is one to some readers. */
  readonly wasHidden: boolean
}

/** What postern does on the leg toward the client, in this state. */
export interface ClientLeg {
  /** STLS is offered and TLS not yet active. */
  readonly offersStls: boolean
  /** Logins are refused until TLS is active. */
  readonly refusesLogin: boolean
}

/**
 * Decodes the content of a CAPA response.
 *
 * @param content octets between status line and termination octet line
 * @returns the lines in order. Quirk: Dovecot's list begins with a line `CAPA`, which is kept as received. A line
 * with CR, LF or NUL in it becomes several: a client might read them so, and would find a STLS behind them that
 * postern had not seen
 */
export function decodeCapabilities(content: Buffer): readonly Capability[] {
  const lines = content.toString('latin1').split('\r\n')
  if (lines[lines.length - 1] === '') lines.pop()
  return lines.flatMap((line) =>
    LINE_END_TO_SOME.test(line) ? hiddenLines(line) : [decodeLine(line, false)],
  )
}

/** What is odd about a list, each once. RFC 2449 §5 and §3: a tag in each line, no control characters. */
export function capabilityAnomalies(capabilities: readonly Capability[]): readonly Anomaly[] {
  const found: Anomaly[] = []
  if (capabilities.some(({ tag, wasHidden }) => tag === '' || wasHidden)) found.push('malformed-capability')
  const tags = capabilities.map(({ tag }) => tag).filter((tag) => tag !== '')
  if (new Set(tags).size < tags.length) found.push('capability-repeated')
  return found.length === 0 ? NO_ANOMALIES : found
}

function hiddenLines(line: string): readonly Capability[] {
  const texts = removeStuffing(line).split(LINE_END_TO_SOME)
  // Each text becomes a line of its own, so that one of a lone "." must not end the response.
  return texts
    .filter((text) => text !== '')
    .map((text) => decodeLine(text.startsWith('.') ? `.${text}` : text, true))
}

function decodeLine(line: string, wasHidden: boolean): Capability {
  const words = removeStuffing(line).split(BLANKS)
  const [tag = '', ...parameters] = words.filter((word) => word !== '')
  return { tag: upperCaseOf(tag), parameters, line, wasHidden }
}

/** RFC 1939 §3: a client takes the first of a line's octets away where it is a "."; `.STLS` is a STLS to it. */
function removeStuffing(line: string): string {
  return line.startsWith('.') ? line.slice(1) : line
}

/** Whether the list announces `tag` (upper case). */
export function announces(capabilities: readonly Capability[], tag: string): boolean {
  return capabilities.some((capability) => capability.tag === tag)
}

/**
 * Makes the server's list true for the client's leg: the server's STLS goes, postern's comes where it is
 * offered; PIPELINING comes, since postern keeps order for servers that cannot (RFC 2449 §6.6); mechanisms with
 * channel binding go, since they would bind the wrong channel; USER and SASL go where a login would be refused.
 * All other lines stay octet for octet, those apart that {@link decodeCapabilities} had to part.
 *
 * @returns content without the termination octet line
 */
export function capabilitiesForClient(capabilities: readonly Capability[], leg: ClientLeg): Buffer {
  const lines: string[] = []
  for (const capability of capabilities) {
    if (capability.tag === 'STLS') continue
    if (leg.refusesLogin && (capability.tag === 'USER' || capability.tag === 'SASL')) continue
    const line = capability.tag === 'SASL' ? withoutChannelBinding(capability) : capability.line
    if (line !== null) lines.push(line)
  }
  if (!announces(capabilities, 'PIPELINING')) lines.push('PIPELINING')
  if (leg.offersStls) lines.push('STLS')
  return Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'latin1')
}

function withoutChannelBinding(capability: Capability): string | null {
  const kept = capability.parameters.filter((mechanism) => !upperCaseOf(mechanism).endsWith('-PLUS'))
  if (kept.length === capability.parameters.length) return capability.line
  return kept.length === 0 ? null : ['SASL', ...kept].join(' ')
}
