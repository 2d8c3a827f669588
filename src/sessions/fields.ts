/**
 * What an expression may ask of sessions and events, see `expression/fields.ts`: where each field comes from, and
 * which sessions a filter finds. Pure.
 */

import type { Fields } from '../expression/fields.js'
import type { Filter } from '../expression/filter.js'
import { JUDGE_FIELDS, MAIL_FIELDS } from '../expression/vocabulary.js'
import type { TraceContent, TraceEvent } from '../trace/event.js'
import { attachmentFieldsOf, factsOf, summaryOf } from './message-facts.js'
import { type MessageRecord, messagesOf } from './messages.js'
import type { SessionRecord } from './session-record.js'
import type { SessionStore } from './store.js'
import { turnsOf } from './turns.js'

type FieldName = keyof Fields
/** Names of the fields that matter; null for all. Those of mail cost most: they are read out of the message. */
export type Wanted = ReadonlySet<FieldName> | null
type Writable = { -readonly [Name in keyof Fields]: Fields[Name] }
type Of<Type extends TraceContent['type']> = Extract<TraceContent, { type: Type }>

/** They never change once a session has been opened. */
const LASTING: ReadonlySet<FieldName> = new Set([
  'session',
  'service',
  'listener',
  'client',
  'server',
] as const)
/** They are of a single event or message: a session by itself has none of them. */
const OF_EVENT: ReadonlySet<FieldName> = new Set([
  'type',
  'command',
  'argument',
  'indicator',
  'response_code',
  'text',
  'anomaly',
  'side',
  'after',
  'rule',
  'action',
  'number',
  'unique_id',
  'size',
  ...MAIL_FIELDS,
  ...JUDGE_FIELDS,
] as const)
const OF_MAIL: ReadonlySet<FieldName> = new Set(MAIL_FIELDS)

/** Fields of the session itself. */
export function fieldsOfSession(record: SessionRecord): Fields {
  const { closed, user, mechanism } = record
  const fields: Writable = {
    session: record.id,
    service: record.service,
    listener: record.listener,
    client: record.client,
    server: record.server,
    state: record.state,
    client_tls: record.clientTls?.protocol ?? '',
    server_tls: record.serverTls?.protocol ?? '',
    commands: record.commands,
    messages: record.messages,
    errors: record.errors,
    anomalies: record.anomalies,
    octets: record.octets.toClient,
    duration: (record.closedAt ?? record.lastAt) - record.openedAt,
    is_open: record.closedAt === null,
    is_held: record.held.size > 0,
  }
  if (user !== null) fields.user = user
  if (mechanism !== null) fields.mechanism = mechanism
  if (closed !== null) fields.reason = closed.reason
  if (closed?.code !== undefined && closed.code !== null) fields.code = closed.code
  return fields
}

/**
 * Fields of one event, and of the session it belongs to. A message is the event that ends it, of type `message`.
 */
export function fieldsOfEvent(record: SessionRecord, event: TraceEvent, wanted: Wanted = null): Fields {
  return eventFields(fieldsOfSession(record), record, event, wanted)
}

/** What a person sees of the session in the list, for a search by plain words. */
export function visibleTextOfSession(record: SessionRecord): string {
  const { id, client, user, server, state, lastCommand, clientTls, serverTls, closed, listener } = record
  return [
    id,
    client,
    user ?? '',
    listener,
    server,
    state,
    clientTls?.protocol ?? '',
    serverTls?.protocol ?? '',
    lastCommand,
    closed?.reason ?? '',
    closed?.code ?? '',
  ].join(' ')
}

/** What a person sees of the event in the dialogue; of a message, its headers with `record`. */
export function visibleTextOfEvent(event: TraceEvent, record: SessionRecord | null = null): string {
  const { content } = event
  switch (content.type) {
    case 'command':
    case 'command-replaced':
      return content.shown
    case 'greeting':
      return `${content.indicator} ${content.text}`
    case 'reply':
      return content.responseCode === null
        ? `${content.indicator} ${content.text}`
        : `${content.indicator} [${content.responseCode}] ${content.text}`
    case 'login-refused':
      return `login refused ${content.user ?? ''} ${content.mechanism ?? ''}`
    case 'logged-in':
      return `logged in ${content.user ?? ''} ${content.mechanism ?? ''}`
    case 'anomaly':
      return content.anomaly
    case 'failure':
      return `${content.failure.text} ${content.failure.code}`
    case 'held':
      return `held by ${content.breakpoint}`
    case 'tls-established':
      return `${content.tls.protocol} ${content.tls.cipher} ${content.tls.serverName ?? ''}`
    case 'rule-hit':
      return visibleTextOfHit(content)
    case 'maildrop-seen':
      return 'rules have seen the maildrop'
    case 'rules-blind':
      return `rules cannot be asked about this maildrop ${content.text}`
    case 'session-closed':
      return `${content.reason} ${content.code ?? ''}`
    case 'content-end':
      return record === null ? '' : visibleTextOfMessage(record, content)
    default:
      return ''
  }
}

function visibleTextOfHit({ rule, place, message, uniqueId, actions, reason }: Of<'rule-hit'>): string {
  const about = message === null ? '' : `message ${message} ${uniqueId ?? ''}`
  return `rule ${rule} ${place} ${about} ${actions.join(', ')} ${reason}`
}

/** Whether the filter holds for the session or for any of its events. */
export function matchesSession(filter: Filter, record: SessionRecord): boolean {
  return matchesItself(filter, record) || matchesEvents(filter, record, 0)
}

/**
 * The sessions of a store that a filter finds. Remembers the answers, and asks again for the sessions that changed
 * alone, so that it may be asked at every frame.
 */
export class SessionFilter {
  readonly filter: Filter
  readonly #store: SessionStore
  readonly #answers = new WeakMap<SessionRecord, Answer>()
  /** An event that was looked at once keeps its answer: nothing about the session that changes is asked. */
  readonly #eventsKeepAnswer: boolean
  #version = -1
  #matches: readonly SessionRecord[] = []

  constructor(filter: Filter, store: SessionStore) {
    this.filter = filter
    this.#store = store
    this.#eventsKeepAnswer = [...filter.fields].every((name) => LASTING.has(name) || OF_EVENT.has(name))
  }

  /** Oldest first; the same array until something changed. */
  get matches(): readonly SessionRecord[] {
    if (this.#version === this.#store.version) return this.#matches
    this.#version = this.#store.version
    const matches = this.#store.sessions.filter((record) => this.#isMatch(record))
    const isSame =
      matches.length === this.#matches.length &&
      matches.every((record, index) => record === this.#matches[index])
    if (!isSame) this.#matches = matches
    return this.#matches
  }

  #isMatch(record: SessionRecord): boolean {
    const seen = record.events.length + record.missedEvents
    const known = this.#answers.get(record)
    if (known?.seen === seen) return known.isMatch
    // Where events were left out, positions have moved.
    const isContinued = this.#eventsKeepAnswer && known !== undefined && known.missed === record.missedEvents
    const eventsMatch =
      (isContinued && known.eventsMatch) ||
      matchesEvents(this.filter, record, isContinued ? known.seen - known.missed : 0)
    const isMatch = eventsMatch || matchesItself(this.filter, record)
    this.#answers.set(record, { seen, missed: record.missedEvents, eventsMatch, isMatch })
    return isMatch
  }
}

interface Answer {
  /** Events there were, those left out included. */
  readonly seen: number
  readonly missed: number
  readonly eventsMatch: boolean
  readonly isMatch: boolean
}

function matchesItself(filter: Filter, record: SessionRecord): boolean {
  return filter.matches(fieldsOfSession(record), () => visibleTextOfSession(record))
}

/** @param from position of the first event to ask about */
function matchesEvents(filter: Filter, record: SessionRecord, from: number): boolean {
  // Nothing that an event adds is asked for.
  if (!filter.isText && ![...filter.fields].some((name) => OF_EVENT.has(name))) return false
  const base = fieldsOfSession(record)
  for (let index = from; index < record.events.length; index += 1) {
    const event = record.events[index]
    if (event === undefined || !isTold(event.content)) continue
    const fields = filter.isText ? base : eventFields(base, record, event, filter.fields)
    if (filter.matches(fields, () => visibleTextOfEvent(event, record))) return true
  }
  return false
}

/** Pieces of content say nothing that their end does not. */
function isTold({ type }: TraceContent): boolean {
  return type !== 'content'
}

function eventFields(base: Fields, record: SessionRecord, { content }: TraceEvent, wanted: Wanted): Fields {
  const fields: Writable = { ...base, type: content.type }
  if ('side' in content) fields.side = content.side
  if ('verb' in content) fields.command = content.verb
  if ('afterMs' in content) fields.after = content.afterMs
  if ('number' in content) putMessageNumber(fields, record, content.number)
  switch (content.type) {
    case 'command':
    case 'command-replaced':
      fields.argument = argumentOf(content.shown)
      fields.side = content.type === 'command' ? 'client' : 'server'
      break
    case 'greeting':
      fields.indicator = content.indicator
      fields.text = content.text
      fields.side = 'server'
      break
    case 'reply':
      fields.indicator = content.indicator
      fields.text = content.text
      if (content.responseCode !== null) fields.response_code = content.responseCode
      if (content.source === 'server') fields.side = 'server'
      break
    case 'login-refused':
      fields.text = content.text
      if (content.responseCode !== null) fields.response_code = content.responseCode
      break
    case 'anomaly':
      fields.anomaly = content.anomaly
      break
    case 'failure':
      fields.code = content.failure.code
      fields.text = content.failure.text
      break
    case 'rule-hit':
      fields.rule = content.rule
      fields.action = content.actions.join(', ')
      if (content.message !== null) fields.number = content.message
      if (content.uniqueId !== null) fields.unique_id = content.uniqueId
      break
    case 'rules-blind':
      fields.text = content.text
      break
    case 'content-end':
      fields.size = content.octets
      fields.side = 'server'
      if (isMail(content)) putMail(fields, record, content, wanted)
      break
  }
  return fields
}

function argumentOf(shown: string): string {
  const blank = shown.indexOf(' ')
  return blank === -1 ? '' : shown.slice(blank + 1)
}

/** Verbs whose first argument is a message-number. RFC 1939 §5 and §7. */
const OF_MESSAGE: ReadonlySet<string> = new Set(['LIST', 'RETR', 'DELE', 'TOP', 'UIDL'])

function putMessageNumber(fields: Writable, record: SessionRecord, number: number): void {
  const turn = turnsOf(record).get(number)
  if (turn === undefined || !OF_MESSAGE.has(turn.verb)) return
  const word = turn.words[0] ?? ''
  if (/^\d{1,10}$/.test(word)) fields.number = Number(word)
}

function isMail({ verb }: Of<'content-end'>): boolean {
  return verb === 'RETR' || verb === 'TOP'
}

function putMail(fields: Writable, record: SessionRecord, end: Of<'content-end'>, wanted: Wanted): void {
  fields.type = 'message'
  const message = messageOf(record, end)
  if (message === null) return
  if (message.uniqueId !== null) fields.unique_id = message.uniqueId
  if (wanted !== null && ![...wanted].some((name) => OF_MAIL.has(name))) return
  const summary = summaryOf(message)
  if (summary === null) return
  if (summary.subject !== null) fields.subject = summary.subject
  if (summary.from !== null) fields.from = summary.from
  if (summary.to !== null) fields.to = summary.to
  if (summary.date !== null) fields.date = summary.date
  const attachments = attachmentFieldsOf(message)
  if (attachments !== null) fields.attachments = attachments
  // What costs most is read only where it is named, or where nothing is.
  const facts = factsOf(message)
  if (facts === null) return
  if (wanted?.has('header') !== false) fields.header = facts.headers
  if (wanted?.has('raw_header') !== false) fields.raw_header = facts.rawHeaders
  if (wanted?.has('body') !== false) fields.body = facts.body
}

function visibleTextOfMessage(record: SessionRecord, end: Of<'content-end'>): string {
  const message = isMail(end) ? messageOf(record, end) : null
  const summary = message === null ? null : summaryOf(message)
  if (summary === null) return ''
  return [summary.subject ?? '', summary.from ?? '', ...summary.attachments.map(({ name }) => name)].join(' ')
}

function messageOf(record: SessionRecord, { number }: Of<'content-end'>): MessageRecord | null {
  // Messages stand in the order of their commands.
  const messages = messagesOf(record)
  let low = 0
  let high = messages.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const message = messages[middle]
    if (message === undefined || message.number === number) return message ?? null
    if (message.number < number) low = middle + 1
    else high = middle - 1
  }
  return null
}
