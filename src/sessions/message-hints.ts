/**
 * Hints about the octets of messages: line ends, line lengths, headers. A message is looked at once.
 */
import type { Heard } from './heard.js'
import type { Hint } from './hint.js'
import { type MessageRecord, messagesOf } from './messages.js'

const LF = 0x0a
const CR = 0x0d
/** RFC 5321 §4.5.3.1.6: 1000 with CRLF. */
const LINE_OCTETS = 998
/** Octets of one message that are looked at: what is wrong is wrong from the start, or hardly matters. */
const OCTETS = 1024 * 1024

type Defect = 'bare-line-feed' | 'long-line' | 'no-blank-line'

const WORDINGS: Readonly<Record<Defect, { readonly text: string; readonly reference: string }>> = {
  'bare-line-feed': {
    text: 'has lines that end with LF alone: clients count and split them differently',
    reference: 'RFC 5321 §2.3.8',
  },
  'long-line': {
    text: `has lines of more than ${LINE_OCTETS} octets: clients with a fixed buffer cut them`,
    reference: 'RFC 5321 §4.5.3.1.6',
  },
  'no-blank-line': {
    text: 'has no blank line behind its header: where the body begins is up to the client',
    reference: 'RFC 1939 §11',
  },
}

/** Finds them: each once a session, at the first message that shows it. */
export function messageHints({ record }: Heard): readonly Hint[] {
  const found = new Map<Defect, MessageRecord[]>()
  for (const message of messagesOf(record)) {
    for (const defect of defectsOf(message)) {
      const messages = found.get(defect)
      if (messages === undefined) found.set(defect, [message])
      else messages.push(message)
    }
  }
  return [...found].flatMap(([defect, messages]) => {
    const [first] = messages
    if (first === undefined) return []
    const { text, reference } = WORDINGS[defect]
    const others = messages.length === 1 ? '' : `; ${messages.length - 1} more like it`
    const what = first.messageNumber === null ? 'the message' : `message ${first.messageNumber}`
    return [
      { number: first.number, side: 'server', text: `${what} ${text}${others}`, reference, severity: 'hint' },
    ] as const
  })
}

const known = new WeakMap<MessageRecord, readonly Defect[]>()

function defectsOf(message: MessageRecord): readonly Defect[] {
  const before = known.get(message)
  if (before !== undefined) return before
  // One that still runs is another record when it has come.
  if (message.octets === null) return []
  const defects = findDefects(message)
  known.set(message, defects)
  return defects
}

function findDefects(message: MessageRecord): readonly Defect[] {
  const { original } = message
  if (original === null) return []
  const octets = original.subarray(0, OCTETS)
  const defects = new Set<Defect>()
  let hasBlankLine = false
  let start = 0
  for (let end = octets.indexOf(LF); end !== -1; end = octets.indexOf(LF, start)) {
    const hasCr = end > start && octets[end - 1] === CR
    const length = end - start - (hasCr ? 1 : 0)
    if (!hasCr) defects.add('bare-line-feed')
    if (length > LINE_OCTETS) defects.add('long-line')
    if (length === 0) hasBlankLine = true
    start = end + 1
  }
  if (!hasBlankLine && message.isWhole && octets.length === original.length) defects.add('no-blank-line')
  return [...defects]
}
