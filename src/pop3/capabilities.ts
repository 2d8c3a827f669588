/**
 * The capability list of RFC 2449 §5: decoded, and made true for a leg. Owns what postern adds and takes away;
 * knows nothing of when a list is asked for.
 */

import { upperCaseOf } from './ascii.js'

/** One line of a capability list. */
export interface Capability {
  /** Upper-case tag. */
  readonly tag: string
  readonly parameters: readonly string[]
  /** The line as received, without CRLF, Latin-1. */
  readonly line: string
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
 * @returns the lines in order. Quirk: Dovecot's list begins with a line `CAPA`, which is kept as received.
 */
export function decodeCapabilities(content: Buffer): readonly Capability[] {
  const lines = content.toString('latin1').split('\r\n')
  if (lines[lines.length - 1] === '') lines.pop()
  return lines.map((line) => {
    const [tag = '', ...parameters] = line.split(' ').filter((word) => word !== '')
    return { tag: upperCaseOf(tag), parameters, line }
  })
}

/** Whether the list announces `tag` (upper case). */
export function announces(capabilities: readonly Capability[], tag: string): boolean {
  return capabilities.some((capability) => capability.tag === tag)
}

/**
 * Makes the server's list true for the client's leg: the server's STLS goes, postern's comes where it is
 * offered; PIPELINING comes, since postern keeps order for servers that cannot (RFC 2449 §6.6); mechanisms with
 * channel binding go, since they would bind the wrong channel; USER and SASL go where a login would be refused.
 * All other lines stay octet for octet.
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
