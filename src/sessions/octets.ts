/**
 * How many octets an event stands for: on the wire, and in memory. Estimates, where the event does not say; a closed
 * session tells its exact counts.
 */
import type { TraceContent, TraceEvent } from '../trace/event.js'

/** Octets of a line that passed as text. */
const LINE_END_OCTETS = 2
const TERMINATION_OCTETS = 3
/** What an event costs in memory beside texts and `wire`: its objects with their fields, measured with V8. */
const EVENT_OCTETS = 200

/** Octets of a status line with its CRLF. */
export function statusLineOctets(line: {
  readonly indicator: string
  readonly responseCode?: string | null
  readonly text: string
  readonly wire?: Buffer | null
}): number {
  if (line.wire !== undefined && line.wire !== null) return line.wire.length
  const code = line.responseCode ?? null
  const codeOctets = code === null ? 0 : code.length + 3
  const textOctets = line.text === '' ? 0 : line.text.length + 1
  return line.indicator.length + codeOctets + textOctets + LINE_END_OCTETS
}

/** Octets of content with its termination octet line; byte-stuffing is not counted. */
export function contentOctets({ octets }: Extract<TraceContent, { type: 'content-end' }>): number {
  return octets + TERMINATION_OCTETS
}

/** Octets that an event keeps alive in `wire`. */
export function wireOctetsOf({ content }: TraceEvent): number {
  return 'wire' in content && content.wire !== null ? content.wire.length : 0
}

/** Octets of memory that an event is taken to cost, `wire` included. */
export function memoryOctetsOf(event: TraceEvent): number {
  return EVENT_OCTETS + textOctetsOf(event.content) + wireOctetsOf(event)
}

function textOctetsOf(content: TraceContent): number {
  switch (content.type) {
    case 'command':
    case 'command-replaced':
      return content.shown.length
    case 'greeting':
    case 'reply':
    case 'login-refused':
      return content.text.length
    case 'session-opened':
      return content.service.length + content.listener.length + content.client.length + content.server.length
    case 'tls-established':
      // A certificate with its names is a few short strings.
      return content.tls.certificate === null ? 100 : 800
    case 'failure':
      return content.failure.text.length + (content.failure.hint?.length ?? 0)
    case 'rules-blind':
      return content.text.length
    case 'rule-hit': {
      const { rule, place, actions, reason, uniqueId } = content
      const told = actions.reduce((sum, { length }) => sum + length, 0)
      return rule.length + place.length + reason.length + (uniqueId?.length ?? 0) + told
    }
    default:
      return 0
  }
}
