/**
 * Trace events as JSON and back. Owns the written form of an event, for recordings and for the control socket;
 * believes nothing that it reads: whatever comes back is as harmless as an event that was just made.
 */
import * as z from 'zod'
import { ANOMALIES, type Anomaly } from '../pop3/anomaly.js'
import { FAILURE_CODES, type FailureCode, type TraceContent, type TraceEvent } from './event.js'
import { safeText } from './safe-text.js'

/** Longest text of an event: 512 code points, each of which may be written as `\u{10ffff}`, and what was cut off. */
const TEXT_CODE_POINTS = 8_192
/** The last moment that a Date can name; a time beyond it could not be shown. */
const LAST_MOMENT = 8.64e15
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/**
 * Writes an event as the text of one JSON object without line end: `at` in milliseconds since the epoch, `session`,
 * then the event's own fields; octets are base64.
 */
export function encodeEvent({ at, session, content }: TraceEvent): string {
  const moment = roundToMicroseconds(at)
  return JSON.stringify(
    'wire' in content && content.wire !== null
      ? { at: moment, session, ...content, wire: content.wire.toString('base64') }
      : { at: moment, session, ...content },
  )
}

/**
 * Reads an event that {@link encodeEvent} wrote, or something that claims to be one. Every text is made harmless and
 * bounded again.
 *
 * @param value as JSON.parse returned it
 * @returns null where it is no event, or one of a type that this version does not know
 */
export function decodeEvent(value: unknown): TraceEvent | null {
  const envelope = ENVELOPE.safeParse(value)
  if (!envelope.success) return null
  const { type, ...moment } = envelope.data
  const content = isKnown(type) ? CONTENTS[type].safeParse(value) : null
  return content?.success === true ? { ...moment, content: content.data } : null
}

/** A text that was made harmless once and is made so again: who wrote it is not known. */
export const HARMLESS_TEXT = z.string().transform((text) => safeText(text, TEXT_CODE_POINTS))

/** Octets, written as base64. */
export const OCTETS = z
  .string()
  .regex(BASE64)
  .transform((text) => Buffer.from(text, 'base64'))

/** A whole number that counts something. */
export const COUNT = z.number().int().min(0)

/** Milliseconds since the epoch, with fractions. */
export const MOMENT = z.number().min(0).max(LAST_MOMENT)

/** What is held at a breakpoint. */
export const HELD_KIND = z.enum(['command', 'reply', 'message'])

const text = HARMLESS_TEXT
const textOrNull = text.nullable()
const duration = z.number()
const side = z.enum(['client', 'server'])
const indicator = z.enum(['+OK', '-ERR'])
const source = z.enum(['server', 'postern'])
// Absent in what was written while nobody asked for octets.
const wire = OCTETS.nullable().default(null)
const anomaly = z.string().refine((name): name is Anomaly => Object.hasOwn(ANOMALIES, name))
const failureCode = z.string().refine((code): code is FailureCode => Object.hasOwn(FAILURE_CODES, code))

const ENVELOPE = z.object({ at: MOMENT, session: text, type: z.string() })

const CERTIFICATE = z.object({
  subject: text,
  issuer: text,
  names: z.array(text).max(16),
  notBefore: text,
  notAfter: text,
  fingerprint256: text,
})

const TLS = z.object({
  protocol: text,
  cipher: text,
  resumed: z.boolean(),
  serverName: textOrNull,
  alpn: textOrNull,
  certificate: CERTIFICATE.nullable().default(null),
})

/** By type, so that a type without a form does not compile. */
const CONTENTS: {
  readonly [Type in TraceContent['type']]: z.ZodType<Extract<TraceContent, { type: Type }>>
} = {
  'session-opened': z.object({
    type: z.literal('session-opened'),
    service: text,
    listener: text,
    client: text,
    server: text,
  }),
  'tls-established': z.object({ type: z.literal('tls-established'), side, tls: TLS }),
  'server-connected': z.object({ type: z.literal('server-connected') }),
  greeting: z.object({ type: z.literal('greeting'), indicator, text, afterMs: duration }),
  command: z.object({
    type: z.literal('command'),
    number: COUNT,
    verb: text,
    shown: text,
    octets: COUNT,
    origin: z.enum(['client', 'watcher']).default('client'),
    wire,
  }),
  'command-replaced': z.object({
    type: z.literal('command-replaced'),
    number: COUNT,
    verb: text,
    shown: text,
    octets: COUNT,
    wire,
  }),
  'sasl-challenge': z.object({ type: z.literal('sasl-challenge'), number: COUNT, octets: COUNT }),
  'sasl-response': z.object({
    type: z.literal('sasl-response'),
    number: COUNT,
    octets: COUNT,
    cancels: z.boolean(),
  }),
  reply: z.object({
    type: z.literal('reply'),
    number: COUNT,
    verb: text,
    source,
    indicator,
    responseCode: textOrNull,
    text,
    afterMs: duration,
    wire,
  }),
  content: z.object({ type: z.literal('content'), number: COUNT, verb: text, source, wire: OCTETS }),
  'content-end': z.object({
    type: z.literal('content-end'),
    number: COUNT,
    verb: text,
    octets: COUNT,
    afterMs: duration,
  }),
  unsolicited: z.object({ type: z.literal('unsolicited'), octets: COUNT }),
  'logged-in': z.object({ type: z.literal('logged-in'), user: textOrNull, mechanism: textOrNull }),
  'login-refused': z.object({
    type: z.literal('login-refused'),
    user: textOrNull,
    mechanism: textOrNull,
    responseCode: textOrNull,
    text,
  }),
  anomaly: z.object({ type: z.literal('anomaly'), side, number: COUNT, anomaly, octets: COUNT.nullable() }),
  held: z.object({
    type: z.literal('held'),
    hold: text,
    number: COUNT,
    kind: HELD_KIND,
    breakpoint: text,
    releaseAt: MOMENT,
  }),
  released: z.object({
    type: z.literal('released'),
    hold: text,
    number: COUNT,
    kind: HELD_KIND,
    verdict: z.enum(['released', 'edited', 'answered', 'dropped', 'timed-out', 'session-ended']),
    afterMs: duration,
  }),
  'not-held': z.object({
    type: z.literal('not-held'),
    number: COUNT,
    kind: HELD_KIND,
    octets: COUNT,
    reason: z.enum(['too-large', 'no-room']),
  }),
  'rule-hit': z.object({
    type: z.literal('rule-hit'),
    number: COUNT,
    message: COUNT.nullable(),
    uniqueId: textOrNull,
    rule: text,
    place: text,
    actions: z.array(text),
    reason: text,
    mode: z.enum(['enforce', 'shadow', 'failed']),
  }),
  'maildrop-seen': z.object({
    type: z.literal('maildrop-seen'),
    messages: COUNT,
    remembered: COUNT,
    headers: COUNT,
    whole: COUNT,
    hidden: COUNT,
  }),
  'rules-blind': z.object({ type: z.literal('rules-blind'), text }),
  failure: z.object({
    type: z.literal('failure'),
    side,
    failure: z.object({ code: failureCode, isPermanent: z.boolean(), text, hint: textOrNull }),
  }),
  'session-closed': z.object({
    type: z.literal('session-closed'),
    reason: z.enum([
      'quit',
      'client-left',
      'server-closed',
      'server-refused',
      'login-deadline',
      'idle',
      'drained',
      'rule',
      'failed',
    ]),
    code: failureCode.nullable(),
    user: textOrNull,
    state: z.enum(['AUTHORIZATION', 'TRANSACTION', 'UPDATE']),
    commands: COUNT,
    messages: COUNT,
    octets: z.object({ fromClient: COUNT, toClient: COUNT, fromServer: COUNT, toServer: COUNT }),
    durationMs: duration,
  }),
}

function isKnown(type: string): type is TraceContent['type'] {
  return Object.hasOwn(CONTENTS, type)
}

function roundToMicroseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}
