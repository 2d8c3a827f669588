/**
 * Reads and writes the messages of `protocol.ts`, one JSON object a line. Owns their checks: neither side believes the
 * other, so unknown messages are none, texts are made harmless again, and every line has a bound.
 */
import { Buffer } from 'node:buffer'
import * as z from 'zod'
import type { TraceEvent } from '../trace/event.js'
import {
  COUNT,
  decodeEvent,
  encodeEvent,
  HARMLESS_TEXT,
  HELD_KIND,
  MOMENT,
  OCTETS,
} from '../trace/event-coding.js'
import { COUNTED_RULES } from '../trace/rule-hits.js'
import { SAFE_TEXT_CODE_POINTS, safeText } from '../trace/safe-text.js'
import type { FromProxy, FromWatcher } from './protocol.js'

/** Longest line of a watcher that has not said yet what it wants. */
export const MAXIMUM_FIRST_LINE_OCTETS = 4_096

/** Longest line of either side: a held message of 16 MiB as base64, and what stands around it. */
export const MAXIMUM_LINE_OCTETS = 24 * 1024 * 1024

/** Longest expression and command line of a watcher. */
const MAXIMUM_TEXT = 16_384
/** Longest time to hold an item. */
const MAXIMUM_HOLD_MS = 3_600_000
const MAXIMUM_NAME = 128
/** Actions of one rule; rule files allow fewer. */
const MAXIMUM_ACTIONS = 64
/** Lines that say why rule files were refused: more than a screen has, and the log has them all. */
export const MAXIMUM_REFUSAL_LINES = 100

/** Writes one message with its line end. */
export function encodeMessage(message: FromProxy | FromWatcher): string {
  if (message.type === 'events') {
    return encodeEvents(message.events.map(encodeEvent), message.dropped)
  }
  return `${JSON.stringify('octets' in message ? { ...message, octets: message.octets.toString('base64') } : message)}\n`
}

/**
 * Writes the message `events` of events that are written already.
 *
 * @param events each as {@link encodeEvent} wrote it
 */
export function encodeEvents(events: readonly string[], dropped: number): string {
  return `{"type":"events","dropped":${dropped},"events":[${events.join(',')}]}\n`
}

/**
 * Reads what a proxy said.
 *
 * @param value as JSON.parse returned it
 * @returns null where it is no message, or one that this version does not know
 */
export function decodeFromProxy(value: unknown): FromProxy | null {
  const result = FROM_PROXY.safeParse(value)
  return result.success ? result.data : null
}

/**
 * Reads what a watcher said.
 *
 * @param value as JSON.parse returned it
 * @returns null where it is no message, or one that this version does not know
 */
export function decodeFromWatcher(value: unknown): FromWatcher | null {
  const result = FROM_WATCHER.safeParse(value)
  return result.success ? result.data : null
}

const text = HARMLESS_TEXT
const id = z.string().max(MAXIMUM_NAME)
const expression = z.string().max(MAXIMUM_TEXT)
const kinds = z.array(HELD_KIND).max(3)
const holdMs = z.number().int().min(0).max(MAXIMUM_HOLD_MS)

// What cannot be read counts as dropped: it is missing, whatever it was.
const EVENTS = z
  .object({ type: z.literal('events'), events: z.array(z.unknown()), dropped: COUNT })
  .transform(({ type, events, dropped }) => {
    const decoded = events.map(decodeEvent)
    const known = decoded.filter((event): event is TraceEvent => event !== null)
    return { type, events: known, dropped: dropped + decoded.length - known.length }
  })

const LOG = z
  .object({ type: z.literal('log'), lines: z.array(z.string()), dropped: COUNT })
  .transform(({ type, lines, dropped }) => {
    const harmless = lines.map(harmlessJson).filter((line) => line !== null)
    return { type, lines: harmless, dropped: dropped + lines.length - harmless.length }
  })

const BREAKPOINT = z.object({
  id: text,
  filter: text,
  kinds,
  isOn: z.boolean(),
  holdMs,
  hits: COUNT,
  lastHitAt: MOMENT.nullable(),
})

const HELD_SUMMARY = z.object({
  hold: text,
  session: text,
  kind: HELD_KIND,
  number: COUNT,
  verb: text,
  shown: text,
  breakpoint: text,
  heldAt: MOMENT,
  releaseAt: MOMENT,
  isCommitted: z.boolean(),
  editableOctets: COUNT.nullable(),
})

const texts = (most: number) => z.array(text).max(most)

const WATCHED_RULE = z.object({
  name: text,
  place: text,
  of: z.enum(['message', 'command']),
  mode: z.enum(['enforce', 'shadow']),
  when: text,
  actions: texts(MAXIMUM_ACTIONS),
  cost: text,
  onFailure: z.enum(['deliver', 'refuse', 'hold']),
  stops: z.boolean(),
})

const RULE_HITS = z.object({
  rule: text,
  place: text,
  mode: z.enum(['enforce', 'shadow', 'failed']),
  of: z.enum(['message', 'command']),
  actions: texts(MAXIMUM_ACTIONS),
  hits: COUNT,
  failures: COUNT,
  last: z.object({
    at: MOMENT,
    session: text,
    number: COUNT,
    message: COUNT.nullable(),
    uniqueId: text.nullable(),
  }),
})

const FROM_PROXY: z.ZodType<FromProxy> = z.union([
  EVENTS,
  LOG,
  z.discriminatedUnion('type', [
    z.object({
      type: z.literal('hello'),
      version: z.number().int(),
      program: text,
      pid: COUNT,
      startedAt: MOMENT,
      addresses: z.array(z.object({ service: text, url: text, server: text })),
      isFace: z.boolean(),
    }),
    z.object({ type: z.literal('snapshot-end') }),
    z.object({
      type: z.literal('process'),
      facts: z.object({
        rssOctets: COUNT,
        heapOctets: COUNT,
        cpuMs: z.number().min(0),
        loopDelayMs: z.number().min(0),
        openSessions: COUNT,
      }),
    }),
    z.object({ type: z.literal('breakpoints'), breakpoints: z.array(BREAKPOINT) }),
    z.object({ type: z.literal('held'), items: z.array(HELD_SUMMARY) }),
    z.object({
      type: z.literal('rules'),
      rules: z.array(WATCHED_RULE).max(COUNTED_RULES),
      refusal: z.object({ at: MOMENT, lines: texts(MAXIMUM_REFUSAL_LINES) }).nullable(),
    }),
    z.object({ type: z.literal('rule-hits'), hits: z.array(RULE_HITS).max(COUNTED_RULES) }),
    z.object({ type: z.literal('done'), id, problem: text.nullable() }),
    z.object({ type: z.literal('held-octets'), id, octets: OCTETS }),
    z.object({ type: z.literal('ending') }),
  ]),
])

const FROM_WATCHER: z.ZodType<FromWatcher> = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('watch'),
    version: z.number().int(),
    messageOctets: COUNT,
    log: z.boolean(),
  }),
  z.object({
    type: z.literal('set-breakpoint'),
    id,
    breakpoint: id.nullable(),
    filter: expression,
    kinds,
    holdMs,
    isOn: z.boolean(),
  }),
  z.object({ type: z.literal('remove-breakpoint'), id, breakpoint: id }),
  z.object({ type: z.literal('release'), id, hold: id }),
  z.object({ type: z.literal('drop'), id, hold: id }),
  z.object({ type: z.literal('answer'), id, hold: id, octets: OCTETS }),
  z.object({ type: z.literal('edit'), id, hold: id, octets: OCTETS }),
  z.object({ type: z.literal('fetch-held'), id, hold: id }),
  // A line end within it would smuggle a second command past the proxy's queue of replies.
  z.object({
    type: z.literal('send'),
    id,
    session: id,
    line: z
      .string()
      .max(MAXIMUM_TEXT)
      .regex(/^[^\r\n\0]*$/),
  }),
  z.object({ type: z.literal('kill-session'), id, session: id }),
  z.object({ type: z.literal('end-proxy'), id }),
])

/** How deep the values of a log line may be; postern's own have three levels. */
const MAXIMUM_DEPTH = 6

/** Makes every text in a JSON object harmless; null where the line is no object. */
function harmlessJson(line: string): string | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? JSON.stringify(harmless(value, 0)) : null
  } catch {
    return null
  }
}

function harmless(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return safeText(value, SAFE_TEXT_CODE_POINTS * 16)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= MAXIMUM_DEPTH) return null
  if (Array.isArray(value)) return value.map((item) => harmless(item, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [safeText(key), harmless(inner, depth + 1)]),
  )
}

/** The octets of a message, for a socket. */
export function octetsOfMessage(message: FromProxy | FromWatcher): Buffer {
  return Buffer.from(encodeMessage(message))
}
