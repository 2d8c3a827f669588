/**
 * The MIME tree of a message: which parts it has, what each claims to be and where its octets lie. Decodes no body.
 */
import { type HeaderSection, readHeader } from './header.js'
import { MAIL_LIMITS, type MailLimits } from './limits.js'

/** One part. The whole message is the part `1`, its parts are `1.1`, `1.2`. */
export interface MimePart {
  readonly path: string
  /** 0 for the whole message. */
  readonly depth: number
  /** Lower case, such as `text/plain`. */
  readonly type: string
  /** As the part says, lower case. */
  readonly charset: string | null
  /** Content-Transfer-Encoding in lower case; `7bit` where none is named. RFC 2045 §6.1. */
  readonly encoding: string
  /** File name for display. */
  readonly name: string | null
  /** `inline`, `attachment` or what it says; null where none is named. RFC 2183 §2. */
  readonly disposition: string | null
  readonly header: HeaderSection
  /** Where its body begins and ends in the message. */
  readonly bodyStart: number
  readonly bodyEnd: number
  /** Octets of the body as transferred. */
  readonly octets: number
  readonly children: readonly MimePart[]
}

/** What is wrong with, or left out of, an outline. */
export type OutlineDefect =
  | 'too-many-parts'
  | 'too-deep'
  | 'no-boundary'
  | 'boundary-never-closed'
  | 'no-parts'

export interface MimeOutline {
  readonly root: MimePart
  /** Every part, the whole message first, in their order in the message. */
  readonly parts: readonly MimePart[]
  /** Each at most once. */
  readonly defects: readonly OutlineDefect[]
}

/** Finds the parts of a message. Never fails. RFC 2046 §5.1. */
export function mimeOutline(octets: Buffer, limits: MailLimits = MAIL_LIMITS): MimeOutline {
  const header = readHeader(octets, limits)
  const root: MimePart = {
    path: '1',
    depth: 0,
    type: 'text/plain',
    charset: null,
    encoding: '7bit',
    name: null,
    disposition: null,
    header,
    bodyStart: header.end,
    bodyEnd: octets.length,
    octets: octets.length - header.end,
    children: [],
  }
  return { root, parts: [root], defects: [] }
}
