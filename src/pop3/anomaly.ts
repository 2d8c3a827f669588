/**
 * What a peer did that its RFC does not allow, or that a reader might stumble over. An anomaly is recorded on
 * the event it belongs to, named, and passed on; it is never an exception.
 */

/** The name of each anomaly, stable, with what it says in plain words. */
export const ANOMALIES = {
  'bare-line-feed': 'the line ends with LF alone (RFC 1939 §3 asks for CRLF)',
  'bare-carriage-return': 'the line holds a CR that does not end it',
  'nul-octet': 'the line holds a NUL octet',
  'eight-bit-command': 'the command holds octets above 126 or control characters',
  'padded-command': 'the command has blanks before, behind or doubled between its words',
  'missing-argument': 'the command lacks an argument its RFC asks for',
  'surplus-argument': 'the command has more arguments than its RFC allows',
  'malformed-argument': 'an argument is not of the form its RFC asks for',
  'wrong-state': 'the command may not be given in this state',
  'not-base64': 'the SASL line is not base64 (RFC 5034 §4)',
  'line-too-long': 'the line is longer than the limit',
  'status-indicator-case': 'the status indicator is not in upper case (RFC 1939 §3)',
  'status-line-long': 'the line is longer than 512 octets (RFC 2449 §4)',
  'missing-separator': 'no blank between the status indicator and the text',
  'missing-status-indicator': 'a line came where a reply was expected and is none',
  unsolicited: 'octets came from the server though no reply was expected',
  'unstuffed-line': 'a line of a multi-line response begins with a single "." (RFC 1939 §3 asks for "..")',
  'malformed-capability': 'a line of the capability list has no tag, or holds CR, LF or NUL',
  'capability-repeated': 'a capability is listed twice',
  'clear-text-after-stls': 'octets in clear came behind STLS and were discarded (RFC 2595 §4)',
  'truncated-reply': 'the connection ended within a reply',
  'credential-echoed': 'the text of a reply repeats what the client sent as a secret',
} as const

export type Anomaly = keyof typeof ANOMALIES

/** The shared empty list, so that a clean event costs no allocation. */
export const NO_ANOMALIES: readonly Anomaly[] = Object.freeze([])
