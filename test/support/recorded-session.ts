/** Sessions as a recording has them, written down in a few lines: for tests of what is derived from events. */
import { removeByteStuffing } from '../../src/pop3/encoder.js'
import type { SessionRecord } from '../../src/sessions/session-record.js'
import { SessionStore } from '../../src/sessions/store.js'
import type { TraceContent, TraceEvent } from '../../src/trace/event.js'

/** One command with its reply: `['RETR 1', '+OK 9 octets', 'mail\r\n']`; content byte-stuffed, null for not kept. */
export type RecordedTurn = readonly [command: string, reply: string, content?: string | null]

export interface RecordedOptions {
  readonly id?: string
  readonly greeting?: string
  readonly user?: string | null
  /** False leaves the end out. */
  readonly ends?: boolean
}

/** Content events of a session: opened, greeted, its turns, closed. Each reply comes 2 ms after its command. */
export function recordedEvents(
  turns: readonly RecordedTurn[],
  options: RecordedOptions = {},
): readonly TraceEvent[] {
  const { id = 's-1', greeting = '+OK ready', user = 'alice', ends = true } = options
  const events: TraceEvent[] = []
  let at = 1_000_000
  const tell = (content: TraceContent): void => {
    at += 1
    events.push({ at, session: id, content })
  }
  tell({
    type: 'session-opened',
    service: 'default',
    listener: 'pop3://127.0.0.1:1110',
    client: '127.0.0.1:50000',
    server: 'pop3s://pop.example.org:995',
  })
  tell({ type: 'server-connected' })
  const [hello, helloText] = status(greeting)
  tell({ type: 'greeting', indicator: hello, text: helloText, afterMs: 5 })
  turns.forEach(([shown, reply, body], index) => {
    const number = index + 1
    const verb = shown.split(' ')[0]?.toUpperCase() ?? ''
    tell({ type: 'command', number, verb, shown, octets: shown.length + 2, origin: 'client', wire: null })
    const [indicator, words] = status(reply)
    const [, responseCode = null, text = words] = /^\[([^\]]*)\] *(.*)$/.exec(words) ?? []
    tell({
      type: 'reply',
      number,
      verb,
      source: 'server',
      indicator,
      responseCode,
      text,
      afterMs: 2,
      wire: null,
    })
    if (body !== undefined) {
      if (body !== null)
        tell({ type: 'content', number, verb, source: 'server', wire: Buffer.from(body, 'latin1') })
      const octets = body === null ? 100 : removeByteStuffing(Buffer.from(body, 'latin1')).length
      tell({ type: 'content-end', number, verb, octets, afterMs: 3 })
    }
    if (verb === 'PASS' && indicator === '+OK') tell({ type: 'logged-in', user, mechanism: 'USER' })
  })
  if (ends) {
    tell({
      type: 'session-closed',
      reason: 'quit',
      code: null,
      user,
      state: 'UPDATE',
      commands: turns.length,
      messages: turns.filter(([shown]) => shown.startsWith('RETR')).length,
      octets: { fromClient: 1, toClient: 2, fromServer: 2, toServer: 1 },
      durationMs: at - 1_000_000,
    })
  }
  return events
}

/** The same as a record. */
export function recordedSession(
  turns: readonly RecordedTurn[],
  options: RecordedOptions = {},
): SessionRecord {
  const store = new SessionStore()
  for (const event of recordedEvents(turns, options)) store.add(event)
  const [record] = store.sessions
  if (record === undefined) throw new Error('no session came of these events')
  return record
}

function status(line: string): readonly ['+OK' | '-ERR', string] {
  const indicator = line.startsWith('-ERR') ? '-ERR' : '+OK'
  return [indicator, line.slice(indicator.length).trimStart()]
}
