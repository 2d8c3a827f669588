/**
 * The messages of a session: what RETR and TOP fetched, as far as content was kept. Octets are put together when they
 * are asked for, and remembered within a bound. Pure; reads no header itself, see `message-facts.ts`.
 */
import { Buffer } from 'node:buffer'
import { LRUCache } from 'lru-cache'
import { removeByteStuffing } from '../pop3/encoder.js'
import { remembered } from './derived.js'
import { linesOf, listedMessages, shownLine } from './listings.js'
import type { SessionRecord } from './session-record.js'
import { type Turn, turnsOf } from './turns.js'

/** One message that a client asked for. */
export interface MessageRecord {
  /** Id of the session. */
  readonly session: string
  /** Number of the command. */
  readonly number: number
  /** `RETR` or `TOP`. */
  readonly verb: string
  /** As the client named it; null where its command was missed. */
  readonly messageNumber: number | null
  /** From a unique-id listing of the same session. Harmless text. */
  readonly uniqueId: string | null
  /** Without byte-stuffing; null while it runs, and where it broke off. */
  readonly octets: number | null
  /** When it was asked for, milliseconds since the epoch. */
  readonly at: number
  /** What the server sent, without byte-stuffing; null where nothing was kept. */
  readonly original: Buffer | null
  /** Complete, and every octet of it was kept. */
  readonly isWhole: boolean
  /** What the client got in place of it; null where that was the original. */
  readonly sent: Buffer | null
  /** Octets of the message that were not kept, as far as known. */
  readonly notKept: number
}

/** Octets of messages put together that are remembered: what a person pages through, not a maildrop. */
const REMEMBERED_OCTETS = 16 * 1024 * 1024

/** Lists a session's messages in the order of their commands. */
export const messagesOf: (record: SessionRecord) => readonly MessageRecord[] = remembered(collect)

function collect(record: SessionRecord, before: readonly Message[] | null): readonly Message[] {
  const known = new Map(before?.map((message) => [message.number, message]))
  const uniqueIds = uniqueIdsOf(record)
  const messages: Message[] = []
  for (const turn of turnsOf(record).values()) {
    if (!isMessage(turn)) continue
    const messageNumber = messageNumberOf(turn)
    const uniqueId = messageNumber === null ? null : (uniqueIds.get(messageNumber) ?? null)
    const message = known.get(turn.number)
    messages.push(
      message?.isStill(turn, uniqueId) === true
        ? message
        : new Message(record.id, turn, messageNumber, uniqueId),
    )
  }
  return messages
}

/** A refused RETR is no message; one whose reply is still to come may become one. */
function isMessage({ verb, content, end, replies }: Turn): boolean {
  if (verb !== 'RETR' && verb !== 'TOP') return false
  if (end !== null || content.server.length > 0 || content.postern.length > 0) return true
  return replies.at(-1)?.indicator === '+OK'
}

function messageNumberOf({ words }: Turn): number | null {
  const word = words[0] ?? ''
  return /^\d{1,10}$/.test(word) ? Number(word) : null
}

/** Unique-ids by message-number. RFC 1939 §7. */
function uniqueIdsOf(record: SessionRecord): ReadonlyMap<number, string> {
  const found = new Map<number, string>()
  for (const { verb, words, content, replies } of turnsOf(record).values()) {
    if (verb !== 'UIDL') continue
    const listed =
      words.length === 0
        ? linesOf(Buffer.concat([...(content.postern.length > 0 ? content.postern : content.server)]))
        : replies.filter(({ indicator }) => indicator === '+OK').map(({ text }) => text)
    for (const { messageNumber, rest } of listedMessages(listed)) found.set(messageNumber, shownLine(rest))
  }
  return found
}

const octetsOfMessages = new LRUCache<object, Buffer>({
  maxSize: REMEMBERED_OCTETS,
  // Octets of nothing have a size too.
  sizeCalculation: (octets) => octets.length + 64,
})

class Message implements MessageRecord {
  readonly session: string
  readonly number: number
  readonly verb: string
  readonly messageNumber: number | null
  readonly uniqueId: string | null
  readonly octets: number | null
  readonly at: number
  readonly #server: readonly Buffer[]
  readonly #postern: readonly Buffer[]
  /** The keys under which what was put together is remembered. */
  readonly #keys = { original: {}, sent: {} }
  #originalOctets: number | null = null

  constructor(session: string, turn: Turn, messageNumber: number | null, uniqueId: string | null) {
    this.session = session
    this.number = turn.number
    this.verb = turn.verb
    this.messageNumber = messageNumber
    this.uniqueId = uniqueId
    this.octets = turn.end?.octets ?? null
    this.at = turn.at
    this.#server = turn.content.server
    this.#postern = turn.content.postern
  }

  get original(): Buffer | null {
    return this.#server.length === 0 ? null : joined(this.#keys.original, this.#server)
  }

  get sent(): Buffer | null {
    return this.#postern.length === 0 ? null : joined(this.#keys.sent, this.#postern)
  }

  get isWhole(): boolean {
    return this.octets !== null && this.#kept() >= this.octets
  }

  get notKept(): number {
    return this.octets === null ? 0 : Math.max(0, this.octets - this.#kept())
  }

  /** Whether nothing has come that would make it another. */
  isStill(turn: Turn, uniqueId: string | null): boolean {
    return (
      this.#server.length === turn.content.server.length &&
      this.#postern.length === turn.content.postern.length &&
      this.octets === (turn.end?.octets ?? null) &&
      this.uniqueId === uniqueId
    )
  }

  #kept(): number {
    this.#originalOctets ??= this.original?.length ?? 0
    return this.#originalOctets
  }
}

function joined(key: object, pieces: readonly Buffer[]): Buffer {
  const known = octetsOfMessages.get(key)
  if (known !== undefined) return known
  const octets = removeByteStuffing(Buffer.concat([...pieces]))
  octetsOfMessages.set(key, octets)
  return octets
}
