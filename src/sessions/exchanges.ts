/**
 * A session as a list of exchanges: each command with what answered it. The form that comparing and replaying need,
 * where {@link dialogueOf} is the one for reading. Pure; robust where events are missing.
 */
import { removeByteStuffing } from '../pop3/encoder.js'
import type { Origin, TraceContent, TraceEvent } from '../trace/event.js'
import type { SessionRecord } from './session-record.js'

type Of<Type extends TraceContent['type']> = Extract<TraceContent, { type: Type }>

/** A status line as it was told. */
export interface StatusLineTold {
  readonly source: 'server' | 'postern'
  readonly indicator: '+OK' | '-ERR'
  readonly responseCode: string | null
  /** Behind the response code. */
  readonly text: string
  /** Milliseconds from the command. */
  readonly afterMs: number
  /** Exact octets with CRLF where they differ from indicator and text; null otherwise. */
  readonly wire: Buffer | null
}

/** What stood between a status line and the termination octet. */
export interface ContentTold {
  /** Octets without byte-stuffing; null where its end was not seen. */
  readonly octets: number | null
  /** As on the wire, byte-stuffed, without the termination octet line; null where any of it was not kept. */
  readonly wire: Buffer | null
}

/** One command and what became of it. */
export interface ExchangeTold {
  readonly number: number
  readonly origin: Origin
  readonly verb: string
  readonly shown: string
  /** Octets of the command's line. */
  readonly octets: number
  readonly wire: Buffer | null
  /** What the client got: the server's reply, or what stood in its place. */
  readonly reply: StatusLineTold | null
  /** What the server said where the client got something else; null otherwise. */
  readonly replaced: StatusLineTold | null
  readonly content: ContentTold | null
  /** Lines of a SASL exchange under this command. */
  readonly challenges: number
}

interface Draft {
  readonly command: Of<'command'>
  readonly replies: Of<'reply'>[]
  readonly content: { readonly server: Buffer[]; readonly postern: Buffer[] }
  end: Of<'content-end'> | null
  challenges: number
}

/**
 * Puts a session's exchanges together, in the order of their commands.
 *
 * @returns those whose command was seen; what came without one is not among them
 */
export function exchangesOf(record: SessionRecord): readonly ExchangeTold[] {
  const drafts = new Map<number, Draft>()
  for (const event of record.events) take(drafts, event)
  return [...drafts.values()].map(exchangeFrom)
}

/**
 * Octets of a status line as it was on the wire, with CRLF.
 */
export function statusLineWire(status: StatusLineTold): Buffer {
  return status.wire ?? Buffer.from(`${statusLineText(status)}\r\n`, 'utf8')
}

/** A status line for a person, without line end. */
export function statusLineText({ indicator, responseCode, text }: StatusLineTold): string {
  const code = responseCode === null ? '' : `[${responseCode}]`
  return [indicator, code, text].filter((word) => word !== '').join(' ')
}

function take(drafts: Map<number, Draft>, { content }: TraceEvent): void {
  if (content.type === 'command') {
    drafts.set(content.number, {
      command: content,
      replies: [],
      content: { server: [], postern: [] },
      end: null,
      challenges: 0,
    })
    return
  }
  const draft = 'number' in content ? drafts.get(content.number) : undefined
  if (draft === undefined) return
  if (content.type === 'reply') draft.replies.push(content)
  else if (content.type === 'content') draft.content[content.source].push(content.wire)
  else if (content.type === 'content-end') draft.end = content
  else if (content.type === 'sasl-challenge') draft.challenges += 1
}

function exchangeFrom({ command, replies, content, end, challenges }: Draft): ExchangeTold {
  const { number, origin, verb, shown, octets, wire } = command
  const reply = replies.at(-1) ?? null
  const first = replies.length > 1 ? (replies[0] ?? null) : null
  return {
    number,
    origin,
    verb,
    shown,
    octets,
    wire,
    reply,
    replaced: first,
    content: contentFrom(content.server, content.postern, end),
    challenges,
  }
}

function contentFrom(
  server: readonly Buffer[],
  postern: readonly Buffer[],
  end: Of<'content-end'> | null,
): ContentTold | null {
  if (end === null && server.length === 0 && postern.length === 0) return null
  if (postern.length > 0) {
    const wire = Buffer.concat(postern)
    return { octets: removeByteStuffing(wire).length, wire }
  }
  const wire = Buffer.concat(server)
  const isWhole = end !== null && removeByteStuffing(wire).length === end.octets
  return { octets: end?.octets ?? null, wire: isWhole ? wire : null }
}
