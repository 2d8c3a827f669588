/**
 * All messages that clients fetched, over all sessions, in the order in which they were asked for. Owns what a filter
 * may ask of a message and what a list says of it; decodes the beginning of a header section only where that is asked.
 */
import type { Fields } from '../../expression/fields.js'
import type { Filter } from '../../expression/filter.js'
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
  'subject',
  'from',
  'to',
  'date',
  'header',
  'attachments',
])

interface Listing {
  readonly version: number
  readonly all: readonly ListedMessage[]
  readonly filter: Filter | null
  readonly found: readonly ListedMessage[]
}

const listings = new WeakMap<SessionStore, Listing>()
const verdicts = new WeakMap<Filter, WeakMap<MessageRecord, boolean>>()
const heads = new WeakMap<MessageRecord, MessageHead>()

/**
 * Lists the messages that a filter finds, oldest first.
 *
 * @returns the same array until the store or the filter changes
 */
export function listMessages(store: SessionStore, filter: Filter | null): readonly ListedMessage[] {
  return listingOf(store, filter).found
}

/** Counts the messages of all sessions, whatever is filtered. */
export function countMessages(store: SessionStore, filter: Filter | null): number {
  return listingOf(store, filter).all.length
}

function listingOf(store: SessionStore, filter: Filter | null): Listing {
  const known = listings.get(store)
  const { version } = store
  if (known !== undefined && known.version === version && known.filter === filter) return known
  const all = known?.version === version ? known.all : allMessages(store)
  const found = filter === null ? all : all.filter(({ record, message }) => isFound(filter, record, message))
  const listing = { version, all, filter, found }
  listings.set(store, listing)
  return listing
}

function allMessages({ sessions }: SessionStore): readonly ListedMessage[] {
  const all: ListedMessage[] = []
  for (const record of sessions) {
    for (const message of messagesOf(record)) all.push({ record, message })
  }
  return all.sort(byTime)
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

function isFound(filter: Filter, record: SessionRecord, message: MessageRecord): boolean {
  const isLasting = !isRunning(record, message) && [...filter.fields].every((field) => LASTING.has(field))
  const known = isLasting ? verdicts.get(filter)?.get(message) : undefined
  if (known !== undefined) return known
  const listed = { record, message }
  const isMatch = filter.matches(fieldsOfMessage(listed, filter), () => visibleTextOfMessage(listed))
  if (isLasting) {
    const remembered = verdicts.get(filter) ?? new WeakMap<MessageRecord, boolean>()
    verdicts.set(filter, remembered.set(message, isMatch))
  }
  return isMatch
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
  const asksWithin = ['subject', 'from', 'to', 'date', 'header', 'attachments'] as const
  if (!asksWithin.some((field) => fields.has(field))) return plain
  const facts = factsOf(message)
  if (facts === null) return plain
  const { subject, from, to, date } = facts
  return {
    ...plain,
    ...(subject === null ? {} : { subject }),
    ...(from === null ? {} : { from }),
    ...(to === null ? {} : { to }),
    ...(date === null ? {} : { date }),
    ...(fields.has('header') ? { header: facts.headers } : {}),
    // Counting an attachment's octets decodes it.
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
