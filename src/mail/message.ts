/**
 * What is told of one message: the headers that people look for, its parts and attachments. The one call that
 * fields, lists and the message screen are made of. Nothing is looked for before it is asked for.
 */
import { decodeText, safeText } from '../trace/safe-text.js'
import { type Gap, wholeOctets } from './abridged.js'
import { type ArchiveListing, listArchives } from './archive.js'
import { fieldNamed, type HeaderField, type HeaderSection, readHeader } from './header.js'
import { MAIL_LIMITS, type MailLimits } from './limits.js'
import { type MimeOutline, type MimePart, mimeOutline } from './outline.js'
import { decodedOctets, textOfPart } from './part.js'

/** A part that has a file name or calls itself an attachment. */
export interface Attachment {
  readonly path: string
  /** Harmless; empty where the part has none. */
  readonly name: string
  /** Another name that the part has as well, harmless; left out where it has none. */
  readonly otherName?: string
  readonly type: string
  /** Decoded octets. */
  readonly size: number
  /** Names of the files in it, harmless; empty for what is no ZIP archive. */
  readonly files: readonly string[]
  /** It is a ZIP archive whose names are not all in `files`: damaged, masked, or beyond a bound. */
  readonly isUnlisted: boolean
}

/**
 * Harmless text throughout; null for a header that the message does not have. Each is found when first asked for, so
 * read the ones you need: spreading an object loses them.
 */
export interface MessageFacts {
  readonly subject: string | null
  readonly from: string | null
  readonly to: string | null
  /** As written. */
  readonly date: string | null
  readonly messageId: string | null
  readonly header: HeaderSection
  /** Decoded values by lower-case name, the first of each. */
  readonly headers: ReadonlyMap<string, string>
  /** Values as they stand in the message, unfolded, by lower-case name, the first of each. */
  readonly rawHeaders: ReadonlyMap<string, string>
  readonly attachments: readonly Attachment[]
  readonly outline: MimeOutline
  readonly octets: number
  /** The text that a person would read first, bounded, lines joined by LF; empty where there is none. */
  readonly text: string
  /** The text of all text parts that are no attachments, bounded, parts and lines joined by LF. */
  readonly body: string
}

/**
 * Describes a message, complete or not.
 *
 * @param octets the message without byte-stuffing; kept alive by the result
 * @param gaps where octets are missing that count for its size, and for that of its attachments
 * Never fails.
 */
export function describeMessage(
  octets: Buffer,
  limits: MailLimits = MAIL_LIMITS,
  gaps: readonly Gap[] = [],
): MessageFacts {
  return new Description(octets, limits, gaps)
}

class Description implements MessageFacts {
  readonly #octets: Buffer
  readonly #limits: MailLimits
  readonly #gaps: readonly Gap[]
  #header: HeaderSection | null = null
  #headers: ReadonlyMap<string, string> | null = null
  #outline: MimeOutline | null = null
  #attachments: readonly Attachment[] | null = null
  #text: string | null = null
  #body: string | null = null
  #rawHeaders: ReadonlyMap<string, string> | null = null
  #archives: ReadonlyMap<string, ArchiveListing> | null = null

  constructor(octets: Buffer, limits: MailLimits, gaps: readonly Gap[]) {
    this.#octets = octets
    this.#limits = limits
    this.#gaps = gaps
  }

  get octets(): number {
    return wholeOctets({ octets: this.#octets, gaps: this.#gaps })
  }

  get subject(): string | null {
    return this.#valueOf('subject')
  }

  get from(): string | null {
    return this.#valueOf('from')
  }

  get to(): string | null {
    return this.#valueOf('to')
  }

  get date(): string | null {
    return this.#valueOf('date')
  }

  get messageId(): string | null {
    return this.#valueOf('message-id')
  }

  get header(): HeaderSection {
    this.#header ??= readHeader(this.#octets, this.#limits)
    return this.#header
  }

  get headers(): ReadonlyMap<string, string> {
    this.#headers ??= firstOfEach(this.header, ({ value }) => value)
    return this.#headers
  }

  get rawHeaders(): ReadonlyMap<string, string> {
    this.#rawHeaders ??= firstOfEach(this.header, (field) => unfolded(field, this.#limits))
    return this.#rawHeaders
  }

  get outline(): MimeOutline {
    this.#outline ??= mimeOutline(this.#octets, this.#limits)
    return this.#outline
  }

  get attachments(): readonly Attachment[] {
    this.#attachments ??= this.outline.parts
      .filter(isAttachment)
      .map((part) => attachmentOf(this.#octets, part, this.#gaps, () => this.#archiveAt(part.path)))
    return this.#attachments
  }

  get text(): string {
    this.#text ??= this.#firstText()
    return this.#text
  }

  get body(): string {
    this.#body ??= this.#allText()
    return this.#body
  }

  /** All are listed at once, since what they may cost together is bounded. */
  #archiveAt(path: string): ArchiveListing | null {
    this.#archives ??= listArchives(
      { octets: this.#octets, gaps: this.#gaps },
      this.outline.parts.filter(isAttachment),
      this.#limits,
    )
    return this.#archives.get(path) ?? null
  }

  #valueOf(name: string): string | null {
    return fieldNamed(this.header, name)?.value ?? null
  }

  #allText(): string {
    const texts: string[] = []
    let room = this.#limits.textOctets
    for (const part of this.outline.parts) {
      if (room <= 0) break
      if (!part.type.startsWith('text/') || isAttachment(part)) continue
      const text = textOfPart(this.#octets, part, { ...this.#limits, textOctets: room })
      texts.push(text)
      room -= text.length
    }
    return texts.join('\n')
  }

  #firstText(): string {
    const leaves = this.outline.parts.filter(({ children }) => children.length === 0)
    const shown = leaves.filter(({ disposition }) => disposition !== 'attachment')
    // A text with a file name is read only where there is no other.
    const readable = [
      ...shown.filter(({ name }) => name === null),
      ...shown.filter(({ name }) => name !== null),
    ]
    const part =
      readable.find(({ type }) => type === 'text/plain') ??
      readable.find(({ type }) => type === 'text/html') ??
      readable.find(({ type }) => type.startsWith('text/'))
    return part === undefined ? '' : textOfPart(this.#octets, part, this.#limits)
  }
}

function firstOfEach(
  header: HeaderSection,
  textOf: (field: HeaderField) => string,
): ReadonlyMap<string, string> {
  const headers = new Map<string, string>()
  for (const field of header.fields) {
    const key = field.name.toLowerCase()
    if (!headers.has(key)) headers.set(key, textOf(field))
  }
  return headers
}

/** One line, its blanks as they are but for tabs. RFC 5322 §2.2.3. */
function unfolded({ body }: HeaderField, limits: MailLimits): string {
  const text = decodeText(body.subarray(0, limits.fieldOctets))
  return safeText(text.replace(/\r?\n/g, '').replaceAll('\t', ' ').trim(), limits.fieldOctets)
}

/** Tells whether a part is an {@link Attachment}. RFC 2183 §2. */
export function isAttachment(part: MimePart): boolean {
  if (part.type.startsWith('multipart/')) return false
  return part.name !== null || part.disposition === 'attachment'
}

/** Size and names are found when asked for: that decodes the part. The library for expressions wants plain objects. */
function attachmentOf(
  octets: Buffer,
  part: MimePart,
  gaps: readonly Gap[],
  archive: () => ArchiveListing | null,
): Attachment {
  let size: number | null = null
  return {
    path: part.path,
    name: part.name ?? '',
    ...(part.otherName === null ? {} : { otherName: part.otherName }),
    type: part.type,
    get size() {
      size ??= decodedOctets(octets, part, gaps)
      return size
    },
    get files() {
      return archive()?.names ?? []
    },
    get isUnlisted() {
      return archive()?.isWhole === false
    },
  }
}
