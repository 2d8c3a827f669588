/**
 * Every anomaly as a sentence for a person who debugs one of the sides: what it did, what may come of it, where to
 * read on.
 */
import type { Anomaly } from '../pop3/anomaly.js'
import type { TraceContent } from '../trace/event.js'
import { COMMON_PRACTICE, type Hint } from './hint.js'

interface Wording {
  /** Goes on after `the client` or `the server`. */
  readonly did: string
  readonly reference: string
  readonly severity: Hint['severity']
}

function wording(did: string, reference: string, severity: Hint['severity'] = 'hint'): Wording {
  return { did, reference, severity }
}

const WORDINGS: Readonly<Record<Anomaly, Wording>> = {
  'bare-line-feed': wording(
    'ended a line with LF alone: a peer that waits for CRLF never sees its end',
    'RFC 1939 §3',
  ),
  'bare-carriage-return': wording(
    'sent a CR within a line: some peers take it for the end of the line',
    'RFC 1939 §3',
  ),
  'nul-octet': wording(
    'sent a NUL octet: programs written in C read the line up to there only',
    'RFC 1939 §3',
  ),
  'eight-bit-command': wording(
    'sent a command with octets that are no printable ASCII: such names and passwords need UTF8 first',
    'RFC 1939 §3',
  ),
  'padded-command': wording(
    'put other blanks than one space between words: strict servers refuse such a command',
    'RFC 1939 §3',
  ),
  'missing-argument': wording('left out an argument of the command', 'RFC 1939 §9'),
  'surplus-argument': wording('gave the command more arguments than it takes', 'RFC 1939 §9'),
  'malformed-argument': wording(
    'gave an argument that is not of the form the command takes, such as a message-number',
    'RFC 1939 §9',
  ),
  'wrong-state': wording(
    'gave a command that is not valid in this state, such as LIST before the login',
    'RFC 1939 §3',
  ),
  'not-base64': wording('sent a line that is not base64 within a SASL exchange', 'RFC 5034 §4'),
  'line-too-long': wording(
    'sent a longer line than postern takes: 255 octets are what every peer must take',
    'RFC 2449 §4',
  ),
  'status-indicator-case': wording(
    'did not write +OK or -ERR in upper case: clients that compare octets see neither',
    'RFC 1939 §3',
  ),
  'status-line-long': wording(
    'sent a status line of more than 512 octets: clients may cut it and take the rest for the next reply',
    'RFC 2449 §4',
  ),
  'missing-separator': wording('left out the blank behind the status indicator', 'RFC 2449 §3'),
  'missing-status-indicator': wording(
    'sent a line without +OK or -ERR where a reply was due: replies and commands no longer pair for the client',
    'RFC 1939 §3',
    'attention',
  ),
  unsolicited: wording(
    'sent octets that nobody asked for: a client takes them for the reply to its next command',
    'RFC 1939 §3',
    'attention',
  ),
  'unstuffed-line': wording(
    'did not double a dot at the beginning of a line: the client loses that dot, or takes the message for ended',
    'RFC 1939 §3',
    'attention',
  ),
  'malformed-capability': wording(
    'sent a line in its capability list that has no tag, or CR, LF or NUL in it: clients disagree on what it announces',
    'RFC 2449 §5',
  ),
  'capability-repeated': wording('lists a capability twice: which one counts is not defined', 'RFC 2449 §5'),
  'clear-text-after-stls': wording(
    'sent octets in clear behind STLS, which postern discarded: a fault of its program, or somebody injecting commands',
    'RFC 2595 §4',
    'attention',
  ),
  'truncated-reply': wording(
    'closed the connection within a reply: what the client has of it is not whole',
    'RFC 1939 §3',
    'attention',
  ),
  'credential-echoed': wording(
    'repeats a credential in the text of its reply: it ends up in the logs of mail programs',
    COMMON_PRACTICE,
    'attention',
  ),
}

/** Words an anomaly. */
export function hintOfAnomaly({
  side,
  number,
  anomaly,
  octets,
}: Extract<TraceContent, { type: 'anomaly' }>): Hint {
  const { did, reference, severity } = WORDINGS[anomaly]
  const count = octets === null ? '' : ` (${octets} octets)`
  return { number, side, text: `the ${side} ${did}${count}`, reference, severity }
}
