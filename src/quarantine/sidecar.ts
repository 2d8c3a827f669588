/**
 * What is known of a message in quarantine, as the JSON file beside it says it. Owns the format and its version. What
 * is read may have been written by anybody, a newer postern included: nothing is believed, nothing is required.
 */
import { describeMessage } from '../mail/message.js'
import { safeText } from '../trace/safe-text.js'
import { MOST_FIELD_CHARACTERS, MOST_HEADER_OCTETS } from './limits.js'

/** Why a message is kept, and where it came from. Texts are harmless; null for what is not known. */
export interface KeptAbout {
  readonly rule: string
  readonly reason: string
  readonly user: string | null
  readonly service: string
  readonly session: string
  /** When, in milliseconds since the epoch. */
  readonly at: number
  readonly uniqueId: string | null
}

/** What a sidecar says. Texts are harmless; null for what is not known. */
export interface Sidecar {
  readonly at: number | null
  readonly rule: string | null
  readonly reason: string | null
  readonly user: string | null
  readonly service: string | null
  readonly session: string | null
  readonly uniqueId: string | null
  /** Decoded for display, as subject and date. */
  readonly from: string | null
  readonly subject: string | null
  /** As the message says it. */
  readonly date: string | null
}

/** Version of the format: a reader leaves alone what it does not know. */
const VERSION = 1

/** Describes a message that is about to be kept. @param message its beginning at least. Never fails. */
export function describeKept(message: Buffer, about: KeptAbout | null): Sidecar {
  const facts = describeMessage(message.subarray(0, MOST_HEADER_OCTETS))
  return {
    at: about?.at ?? null,
    rule: short(about?.rule),
    reason: short(about?.reason),
    user: short(about?.user),
    service: short(about?.service),
    session: short(about?.session),
    uniqueId: short(about?.uniqueId),
    from: short(facts.from),
    subject: short(facts.subject),
    date: short(facts.date),
  }
}

/** Words a sidecar for its file. */
export function sidecarText(sidecar: Sidecar, sha256: string): string {
  return `${JSON.stringify({ postern: 'quarantined', version: VERSION, sha256, ...sidecar }, null, 2)}\n`
}

/** Reads a sidecar. Null where it is none, or of another version. Never fails. */
export function parseSidecar(text: string): Sidecar | null {
  const fields = fieldsOf(text)
  if (fields === null || fields.postern !== 'quarantined' || fields.version !== VERSION) return null
  return {
    at: numberOf(fields.at),
    rule: textOf(fields.rule),
    reason: textOf(fields.reason),
    user: textOf(fields.user),
    service: textOf(fields.service),
    session: textOf(fields.session),
    uniqueId: textOf(fields.uniqueId),
    from: textOf(fields.from),
    subject: textOf(fields.subject),
    date: textOf(fields.date),
  }
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
  } catch {
    return null
  }
}

/** Ours say at their end how much was left out. */
function textOf(value: unknown): string | null {
  return typeof value === 'string' ? safeText(value, MOST_FIELD_CHARACTERS + 32) : null
}

/** A time that a Date can say. */
function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Math.abs(value) <= 8_640_000_000_000_000 ? value : null
}

function short(text: string | null | undefined): string | null {
  return text === null || text === undefined ? null : safeText(text, MOST_FIELD_CHARACTERS)
}
