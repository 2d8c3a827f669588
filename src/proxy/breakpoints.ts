/**
 * The breakpoints of a process and what they hold: set by whoever watches or at the start, asked by every session,
 * seen alike by all watchers. Owns filters, hits and the list of held items; what a verdict does is the relay's.
 */
import type { Fields } from '../expression/fields.js'
import { type Filter, FilterError, parseFilter } from '../expression/filter.js'
import { describeMessage, type MessageFacts } from '../mail/message.js'
import { HoldingRoom } from '../relay/holding-room.js'
import {
  type Caught,
  type HeldItem,
  type HoldAnswer,
  type InterceptedItem,
  type Interceptor,
  LONGEST_HOLD_MS,
} from '../relay/interception.js'
import { type BreakpointWish, DEFAULT_HOLD_MS, kindsOf } from '../watch/breakpoint-wish.js'
import type { Breakpoint, HeldSummary } from '../watch/protocol.js'
import { mentionsMail } from './recording-filter.js'
import type { SessionFacts } from './session-log.js'

/** Breakpoints at one time: each is asked for every command, reply or message. */
export const MAXIMUM_BREAKPOINTS = 32

interface Entry extends Breakpoint {
  readonly compiled: Filter
}

interface Held {
  readonly item: HeldItem
  /** @returns what is wrong with the answer; null where it was done */
  readonly answer: (answer: HoldAnswer) => string | null
}

const NOTHING = Buffer.alloc(0)

/** All breakpoints and held items of a process. */
export class Breakpoints implements Interceptor {
  readonly room = new HoldingRoom()
  holdsCommands = false
  holdsReplies = false
  holdsMessages = false
  readonly #now: () => number
  readonly #entries = new Map<string, Entry>()
  readonly #held = new Map<string, Held>()
  readonly #sessions = new Map<string, SessionFacts>()
  #made = 0
  #changed: (what: 'breakpoints' | 'held') => void = () => {}

  /** @param now milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now
  }

  get breakpoints(): readonly Breakpoint[] {
    return [...this.#entries.values()].map(({ compiled: _, ...breakpoint }) => breakpoint)
  }

  /** What waits, oldest first. */
  get held(): readonly HeldSummary[] {
    return [...this.#held.values()].map(({ item: { editable, ...item } }) => ({
      ...item,
      editableOctets: editable?.length ?? null,
    }))
  }

  /** Told whenever breakpoints or what they hold change. Must return at once. */
  set onChange(changed: (what: 'breakpoints' | 'held') => void) {
    this.#changed = changed
  }

  /**
   * Makes a breakpoint, or changes one.
   *
   * @param id null makes a new one
   * @returns why that cannot be, in one line; null where it was done
   */
  set(id: string | null, wish: BreakpointWish): string | null {
    const before = id === null ? null : (this.#entries.get(id) ?? null)
    if (id !== null && before === null) return 'there is no such breakpoint any more'
    if (id === null && this.#entries.size >= MAXIMUM_BREAKPOINTS)
      return `there are ${MAXIMUM_BREAKPOINTS} breakpoints already: remove one`
    if (wish.filter.trim() === '') return 'a breakpoint needs a filter: type != "" catches everything'
    let compiled: Filter
    try {
      compiled = parseFilter(wish.filter)
    } catch (error) {
      if (error instanceof FilterError) return `column ${error.column + 1}: ${error.message}`
      throw error
    }
    if (id === null) this.#made += 1
    const key = id ?? `b${this.#made}`
    this.#entries.set(key, {
      id: key,
      filter: compiled.text,
      compiled,
      kinds: wish.kinds.length > 0 ? wish.kinds : kindsOf(compiled),
      isOn: wish.isOn,
      holdMs: wish.holdMs > 0 ? Math.min(wish.holdMs, LONGEST_HOLD_MS) : DEFAULT_HOLD_MS,
      hits: before?.hits ?? 0,
      lastHitAt: before?.lastHitAt ?? null,
    })
    this.#settle()
    return null
  }

  /** @returns why it was not removed; null where it was. What it holds stays held. */
  remove(id: string): string | null {
    if (!this.#entries.delete(id)) return 'there is no such breakpoint any more'
    this.#settle()
    return null
  }

  /** Learns of a session, so that filters can name what is known of it. */
  entered(session: string, facts: SessionFacts): void {
    this.#sessions.set(session, facts)
  }

  left(session: string): void {
    this.#sessions.delete(session)
  }

  catches(session: string, item: InterceptedItem): Caught | null {
    const asked = [...this.#entries.values()].filter(({ isOn, kinds }) => isOn && kinds.includes(item.kind))
    if (asked.length === 0) return null
    // A message is read once for all breakpoints, and not at all where none asks for what is in it.
    const facts = once(() => describeMessage(item.message ?? NOTHING))
    const readsMail = asked.some(({ compiled }) => mentionsMail(compiled))
    const fields: Fields = {
      ...itemFields(session, item, this.#sessions.get(session) ?? null),
      ...(item.message !== null && readsMail ? mailFields(facts(), asked) : {}),
    }
    for (const entry of asked) {
      if (!entry.compiled.matches(fields, () => visibleText(item, facts))) continue
      this.#entries.set(entry.id, { ...entry, hits: entry.hits + 1, lastHitAt: this.#now() })
      this.#changed('breakpoints')
      return { breakpoint: entry.filter, holdMs: entry.holdMs }
    }
    return null
  }

  /**
   * Keeps an item that is held from now on, or what is told anew of it.
   *
   * @param answer hands a person's decision to the session
   */
  holds(item: HeldItem, answer: Held['answer']): void {
    this.#held.set(item.hold, { item, answer })
    this.#changed('held')
  }

  releases(hold: string): void {
    if (this.#held.delete(hold)) this.#changed('held')
  }

  /** Octets of what is held, as a person may edit them; null where there are none. */
  octetsOf(hold: string): Buffer | null {
    return this.#held.get(hold)?.item.editable ?? null
  }

  /**
   * Decides about a held item.
   *
   * @returns why that cannot be, in one line; null where it was done
   */
  answer(hold: string, answer: HoldAnswer): string | null {
    const held = this.#held.get(hold)
    return held === undefined ? 'the item is held no longer' : held.answer(answer)
  }

  #settle(): void {
    const on = [...this.#entries.values()].filter(({ isOn }) => isOn)
    this.holdsCommands = on.some(({ kinds }) => kinds.includes('command'))
    this.holdsReplies = on.some(({ kinds }) => kinds.includes('reply'))
    this.holdsMessages = on.some(({ kinds }) => kinds.includes('message'))
    this.#changed('breakpoints')
  }
}

/** What an expression may ask of an item; see `expression/fields.ts`. */
function itemFields(session: string, item: InterceptedItem, facts: SessionFacts | null): Fields {
  const space = item.shown.indexOf(' ')
  const argument = space < 0 ? '' : item.shown.slice(space + 1)
  return {
    session,
    ...(facts === null
      ? {}
      : {
          service: facts.service,
          listener: facts.listener,
          client: facts.client,
          server: facts.server,
          client_tls: facts.clientTls?.protocol ?? '',
          server_tls: facts.serverTls?.protocol ?? '',
        }),
    ...(item.user === null ? {} : { user: item.user }),
    commands: item.number,
    is_open: true,
    type: item.kind,
    side: item.kind === 'command' ? 'client' : 'server',
    command: item.verb,
    argument,
    ...(item.indicator === null ? {} : { indicator: item.indicator }),
    ...(item.responseCode === null ? {} : { response_code: item.responseCode }),
    ...(item.text === null ? {} : { text: item.text }),
    ...(item.message === null ? {} : { size: item.octets, ...messageNumber(argument) }),
  }
}

/** RFC 1939 §5: a message-number comes first behind RETR and TOP. */
function messageNumber(argument: string): Fields {
  const number = /^[0-9]{1,10}/.exec(argument)?.[0]
  return number === undefined ? {} : { number: Number.parseInt(number, 10) }
}

/** What costs most is read only where a breakpoint names it. */
function mailFields(facts: MessageFacts, asked: readonly Entry[]): Fields {
  const { subject, from, to, date, headers, attachments } = facts
  const isNamed = (name: keyof Fields) => asked.some(({ compiled }) => compiled.fields.has(name))
  return {
    ...(subject === null ? {} : { subject }),
    ...(from === null ? {} : { from }),
    ...(to === null ? {} : { to }),
    ...(date === null ? {} : { date }),
    header: headers,
    attachments,
    ...(isNamed('raw_header') ? { raw_header: facts.rawHeaders } : {}),
    ...(isNamed('body') ? { body: facts.body } : {}),
  }
}

function visibleText(item: InterceptedItem, facts: () => MessageFacts): string {
  if (item.kind === 'command') return item.shown
  if (item.message === null) return `${item.indicator ?? ''} ${item.text ?? ''}`
  const { subject, from, to, text } = facts()
  return [subject, from, to, text].join('\n')
}

/** Computes a value when it is first asked for. */
function once<Value>(compute: () => Value): () => Value {
  let known: { readonly value: Value } | null = null
  return () => {
    known ??= { value: compute() }
    return known.value
  }
}
