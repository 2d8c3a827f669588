/**
 * All messages that clients fetched, over all sessions, in the order in which they were asked for. Owns what a filter
 * may ask of a message and what a list says of it; decodes the beginning of a header section only where that is asked.
 */

import type { Fields } from '../../expression/fields.js'
import type { Filter } from '../../expression/filter.js'
import { MAIL_FIELDS } from '../../expression/vocabulary.js'
import { describeMessage } from '../../mail/message.js'
import { fieldsOfSession } from '../../sessions/fields.js'
import { factsOf } from '../../sessions/message-facts.js'
import { type MessageRecord, messagesOf } from '../../sessions/messages.js'
import type { SessionRecord } from '../../sessions/session-record.js'
import type { SessionStore } from '../../sessions/store.js'

/** A message with the session it was fetched in. */
export interface ListedMessage {
  readonly record: SessionRecord
  readonly message: MessageRecord
}

/** What a list says of a message. */
export interface MessageHead {
  /** Null where the message has none, or where nothing of it was kept. */
  readonly subject: string | null
  readonly from: string | null
  readonly flags: readonly MessageFlag[]
}

/**
 * - `changed`: the client got something else than the server sent
 * - `top`: header and first lines only, by TOP
 * - `running`: not at its end yet
 * - `broken-off`: the session ended within it
 * - `partly-kept`, `not-kept`: its content was not told, or made room for newer mail
 */
export type MessageFlag = 'changed' | 'top' | 'running' | 'broken-off' | 'partly-kept' | 'not-kept'

/** Octets of a message that a list reads: nearly every header section is shorter. */
const HEAD_OCTETS = 32_768

/** What of a message and its session never changes once the message is at its end. */
const LASTING: ReadonlySet<keyof Fields> = new Set([
  'session',
  'service',
  'listener',
  'client',
  'server',
  'type',
  'command',
  'number',
  'unique_id',
  'size',
  ...MAIL_FIELDS,
])

const listings = new WeakMap<SessionStore, Listing>()
const verdicts = new WeakMap<Filter, WeakMap<MessageRecord, boolean>>()
const heads = new WeakMap<MessageRecord, MessageHead>()

/**
 * Lists the messages that a filter finds, oldest first.
 *
 * @returns the same array until the store or the filter changes
 */
export function listMessages(store: SessionStore, filter: Filter | null): readonly ListedMessage[] {
  return listingOf(store).found(filter)
}

/** Counts the messages of all sessions, whatever is filtered. */
export function countMessages(store: SessionStore): number {
  return listingOf(store).all.length
}

function listingOf(store: SessionStore): Listing {
  const known = listings.get(store)
  if (known !== undefined) return known
  const listing = new Listing(store)
  listings.set(store, listing)
  return listing
}

/** All messages of one store. Takes over what did not change: at every frame some sessions do, out of thousands. */
class Listing {
  readonly #store: SessionStore
  /** What each session had; the same array as long as nothing of it changed. */
  readonly #known = new Map<SessionRecord, readonly MessageRecord[]>()
  #version = -1
  #droppedSessions = 0
  #all: readonly ListedMessage[] = []
  #found: { readonly filter: Filter; readonly messages: readonly ListedMessage[] } | null = null

  constructor(store: SessionStore) {
    this.#store = store
  }

  get all(): readonly ListedMessage[] {
    if (this.#version !== this.#store.version) this.#update()
    return this.#all
  }

  found(filter: Filter | null): readonly ListedMessage[] {
    const { all } = this
    if (filter === null) return all
    if (this.#found?.filter === filter) return this.#found.messages
    const messages = all.filter(asks(filter))
    this.#found = { filter, messages }
    return messages
  }

  #update(): void {
    const { sessions, version, droppedSessions } = this.#store
    const stale = droppedSessions === this.#droppedSessions ? new Set<SessionRecord>() : this.#forgetDropped()
    const fresh: ListedMessage[] = []
    for (const record of sessions) {
      const messages = messagesOf(record)
      const listed = this.#known.get(record)
      if (listed === messages) continue
      this.#known.set(record, messages)
      if (listed !== undefined && listed.length > 0) stale.add(record)
      for (const message of messages) fresh.push({ record, message })
    }
    const kept = stale.size === 0 ? this.#all : this.#all.filter(({ record }) => !stale.has(record))
    this.#all = fresh.length === 0 ? kept : merged(kept, fresh.sort(byTime))
    this.#version = version
    this.#droppedSessions = droppedSessions
    // Fields of a session change with every event of it, and a filter may ask for them.
    this.#found = null
  }

  /** @returns the sessions that made room for newer ones */
  #forgetDropped(): Set<SessionRecord> {
    const current = new Set(this.#store.sessions)
    const dropped = new Set<SessionRecord>()
    for (const record of this.#known.keys()) if (!current.has(record)) dropped.add(record)
    for (const record of dropped) this.#known.delete(record)
    return dropped
  }
}

/** Joins two lists that are in order each. */
function merged(left: readonly ListedMessage[], right: readonly ListedMessage[]): readonly ListedMessage[] {
  const last = left.at(-1)
  const first = right[0]
  // What comes, comes behind the rest, nearly always.
  if (last === undefined || first === undefined || byTime(last, first) <= 0) return left.concat(right)
  const all: ListedMessage[] = []
  let at = 0
  for (const each of right) {
    for (let next = left[at]; next !== undefined && byTime(next, each) <= 0; next = left[at]) {
      all.push(next)
      at += 1
    }
    all.push(each)
  }
  for (; at < left.length; at += 1) {
    const next = left[at]
    if (next !== undefined) all.push(next)
  }
  return all
}

/**
 * Says what a list shows of a message.
 */
export function headOf({ record, message }: ListedMessage): MessageHead {
  // What runs grows with every piece, and to read it is to put them all together.
  if (isRunning(record, message)) return { subject: null, from: null, flags: runningFlags(message) }
  const known = heads.get(message)
  if (known !== undefined) return known
  const { original } = message
  const facts = original === null ? null : describeMessage(original.subarray(0, HEAD_OCTETS))
  const flags = flagsOf(message, original)
  const head = { subject: facts?.subject ?? null, from: facts?.from ?? null, flags }
  heads.set(message, head)
  return head
}

/** What a person sees of a message in a list. */
export function visibleTextOfMessage(listed: ListedMessage): string {
  const { record, message } = listed
  const { subject, from } = headOf(listed)
  return `${record.id} ${record.user ?? ''} ${message.verb} ${message.messageNumber ?? ''} ${subject ?? ''} ${from ?? ''}`
}

function isRunning(record: SessionRecord, { octets }: MessageRecord): boolean {
  return octets === null && record.closedAt === null
}

/** As they were asked for; at the same moment, by session and command. */
function byTime(a: ListedMessage, b: ListedMessage): number {
  return (
    a.message.at - b.message.at || a.record.ordinal - b.record.ordinal || a.message.number - b.message.number
  )
}

/** A filter's question to each message; what it said of one that has ended is remembered, where nothing can change it. */
function asks(filter: Filter): (listed: ListedMessage) => boolean {
  const isLasting = [...filter.fields].every((field) => LASTING.has(field))
  const known = verdicts.get(filter) ?? new WeakMap<MessageRecord, boolean>()
  verdicts.set(filter, known)
  return (listed) => {
    const { record, message } = listed
    const before = known.get(message)
    if (before !== undefined) return before
    const isFound = filter.matches(fieldsOfMessage(listed, filter), () => visibleTextOfMessage(listed))
    if (isLasting && !isRunning(record, message)) known.set(message, isFound)
    return isFound
  }
}

/** What a filter may ask of a message. The message is read only where the filter names what stands in it. */
function fieldsOfMessage(listed: ListedMessage, { fields }: Filter): Fields {
  const { record, message } = listed
  const { messageNumber, uniqueId, octets } = message
  const plain: Fields = {
    ...fieldsOfSession(record),
    type: 'message',
    command: message.verb,
    ...(messageNumber === null ? {} : { number: messageNumber }),
    ...(uniqueId === null ? {} : { unique_id: uniqueId }),
    ...(octets === null ? {} : { size: octets }),
  }
  const facts = MAIL_FIELDS.some((field) => fields.has(field)) ? factsOf(message) : null
  if (facts === null) return plain
  // Only what is named is read: each header is decoded, and the octets of attachments are counted by decoding them.
  const subject = fields.has('subject') ? facts.subject : null
  const from = fields.has('from') ? facts.from : null
  const to = fields.has('to') ? facts.to : null
  const date = fields.has('date') ? facts.date : null
  return {
    ...plain,
    ...(subject === null ? {} : { subject }),
    ...(from === null ? {} : { from }),
    ...(to === null ? {} : { to }),
    ...(date === null ? {} : { date }),
    ...(fields.has('header') ? { header: facts.headers } : {}),
    ...(fields.has('raw_header') ? { raw_header: facts.rawHeaders } : {}),
    ...(fields.has('body') ? { body: facts.body } : {}),
    ...(fields.has('attachments') ? { attachments: facts.attachments } : {}),
  }
}

function runningFlags({ verb }: MessageRecord): readonly MessageFlag[] {
  return verb === 'TOP' ? ['top', 'running'] : ['running']
}

function flagsOf(message: MessageRecord, original: Buffer | null): readonly MessageFlag[] {
  const { octets, sent, verb } = message
  const flags: MessageFlag[] = []
  if (sent !== null) flags.push('changed')
  if (verb === 'TOP') flags.push('top')
  if (octets === null) flags.push('broken-off')
  if (original === null && octets !== 0) flags.push('not-kept')
  if (original !== null && octets !== null && original.length < octets) flags.push('partly-kept')
  return flags
}
