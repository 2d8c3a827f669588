/**
 * The MIME tree of a message: which parts it has, what each claims to be and where its octets lie. Decodes no body.
 *
 * Read by hand and not by a library: those at hand are streams that lose octets of malformed mail and do not tell
 * where a part lies. Lines that begin as a boundary does are found once for the whole message, so that parts within
 * parts do not search it again.
 */
import { safeText } from '../trace/safe-text.js'
import { type ParameterizedValue, parseParameters, unfold } from './display.js'
import { fieldNamed, type HeaderSection, readHeaderBetween } from './header.js'
import { MAIL_LIMITS, type MailLimits } from './limits.js'

const LF = 0x0a
const CR = 0x0d
/** RFC 2046 §5.1.1 allows 70 characters; nobody is stricter by so much that more would matter. */
const MAXIMUM_BOUNDARY = 200
const MAXIMUM_NAME = 255

/** One part. The whole message is the part `1`, its parts are `1.1`, `1.2`. */
export interface MimePart {
  readonly path: string
  /** 0 for the whole message. */
  readonly depth: number
  /** Lower case and harmless, such as `text/plain`. */
  readonly type: string
  /** As the part says, lower case and harmless. */
  readonly charset: string | null
  /** Content-Transfer-Encoding in lower case; `7bit` where none is named. RFC 2045 §6.1. */
  readonly encoding: string
  /** File name, harmless: of the Content-Disposition where that has one, else of the Content-Type. */
  readonly name: string | null
  /** The file name of the Content-Type where it is another one: which of the two counts, programs do not agree on. */
  readonly otherName: string | null
  /** `inline`, `attachment` or what it says; null where none is named. RFC 2183 §2. */
  readonly disposition: string | null
  readonly header: HeaderSection
  /** Where its header section begins in the message. */
  readonly start: number
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
  | 'too-many-boundary-lines'
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
  return new OutlineReader(octets, limits).read()
}

/** A line that begins with two hyphens. */
interface BoundaryLine {
  readonly offset: number
  /** Where the next line begins. */
  readonly next: number
  /** What stands behind the hyphens, without blanks at its end. */
  readonly text: string
}

/** Where a part ends: at a boundary line of a multipart around it, or with the message. */
interface End {
  readonly offset: number
  readonly next: number
  /** Index of the multipart that it belongs to among those that are open; -1 with the message. */
  readonly level: number
  readonly isClosing: boolean
}

class OutlineReader {
  readonly #octets: Buffer
  readonly #limits: MailLimits
  readonly #defects = new Set<OutlineDefect>()
  /** Boundaries of the multiparts around the place that is read, outermost first. */
  readonly #open: string[] = []
  #lines: readonly BoundaryLine[] | null = null
  /** The first of the lines that can still matter. */
  #nextLine = 0
  #count = 0
  /** Where the part that was read last ended. */
  #ended: End

  constructor(octets: Buffer, limits: MailLimits) {
    this.#octets = octets
    this.#limits = limits
    this.#ended = this.#endOfMessage()
  }

  read(): MimeOutline {
    const root = this.#readPart(0, '1', 0, 'text/plain')
    return { root, parts: flatten(root), defects: [...this.#defects] }
  }

  #readPart(start: number, path: string, depth: number, defaultType: string): MimePart {
    this.#count += 1
    const header = readHeaderBetween(this.#octets, start, this.#endBehind(start).offset, this.#limits)
    const claims = claimsOf(header, defaultType, this.#limits)
    const children = this.#readChildren(claims, header.end, path, depth)
    if (children === null) this.#ended = this.#endBehind(header.end)
    // A blank line that ends the header section of the last part counts for it, not for the boundary.
    const least = Math.max(header.end, children?.at(-1)?.bodyEnd ?? 0)
    const bodyEnd = Math.max(least, this.#withoutLineEnd(this.#ended))
    const { type, charset, encoding, name, otherName, disposition } = claims
    return {
      path,
      depth,
      type,
      charset,
      encoding,
      name,
      otherName,
      disposition,
      header,
      start,
      bodyStart: header.end,
      bodyEnd,
      octets: bodyEnd - header.end,
      children: children ?? [],
    }
  }

  /** @returns null for a part without parts, of which nothing is read yet */
  #readChildren(claims: Claims, from: number, path: string, depth: number): readonly MimePart[] | null {
    const isMultipart = claims.type.startsWith('multipart/')
    const isMessage = holdsMessage(claims)
    if (!isMultipart && !isMessage) return null
    if (isMultipart && claims.boundary === null) return this.#givingUp('no-boundary')
    if (depth >= this.#limits.depth) return this.#givingUp('too-deep')
    if (this.#isFull()) return this.#givingUp('too-many-parts')
    if (isMessage) return [this.#readPart(from, `${path}.1`, depth + 1, 'text/plain')]
    const defaultType = claims.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain'
    return this.#readMultipart(claims.boundary ?? '', defaultType, from, path, depth)
  }

  #readMultipart(
    boundary: string,
    defaultType: string,
    from: number,
    path: string,
    depth: number,
  ): readonly MimePart[] {
    const level = this.#open.push(boundary) - 1
    const children: MimePart[] = []
    let end = this.#endBehind(from)
    while (end.level === level && !end.isClosing) {
      if (this.#isFull()) {
        this.#defects.add('too-many-parts')
        end = this.#endBehind(end.next)
      } else {
        children.push(this.#readPart(end.next, `${path}.${children.length + 1}`, depth + 1, defaultType))
        end = this.#ended
      }
    }
    this.#open.length = level
    if (children.length === 0) this.#defects.add('no-parts')
    // Behind the closing line comes an epilogue, which reaches to the next line of a multipart around this one.
    if (end.level === level) this.#ended = this.#endBehind(end.next)
    else {
      this.#defects.add('boundary-never-closed')
      this.#ended = end
    }
    return children
  }

  #givingUp(defect: OutlineDefect): null {
    this.#defects.add(defect)
    return null
  }

  #isFull(): boolean {
    return this.#count >= this.#limits.parts
  }

  /** Finds the first boundary line, at or behind a place, of a multipart that is open. */
  #endBehind(from: number): End {
    if (this.#open.length === 0) return this.#endOfMessage()
    this.#lines ??= this.#findLines()
    while ((this.#lines[this.#nextLine]?.offset ?? Number.POSITIVE_INFINITY) < from) this.#nextLine += 1
    for (let index = this.#nextLine; index < this.#lines.length; index += 1) {
      const line = this.#lines[index]
      const found = line === undefined ? null : this.#belongs(line)
      if (found !== null) return found
    }
    return this.#endOfMessage()
  }

  #belongs({ offset, next, text }: BoundaryLine): End | null {
    for (let level = this.#open.length - 1; level >= 0; level -= 1) {
      const boundary = this.#open[level]
      if (text === boundary) return { offset, next, level, isClosing: false }
      if (text === `${boundary}--`) return { offset, next, level, isClosing: true }
    }
    return null
  }

  #endOfMessage(): End {
    const { length } = this.#octets
    return { offset: length, next: length, level: -1, isClosing: false }
  }

  /** The line end before a boundary line belongs to the boundary. RFC 2046 §5.1.1. */
  #withoutLineEnd({ offset, level }: End): number {
    if (level < 0 || offset === 0) return offset
    return offset >= 2 && this.#octets[offset - 2] === CR ? offset - 2 : offset - 1
  }

  #findLines(): readonly BoundaryLine[] {
    const lines: BoundaryLine[] = []
    let at = this.#octets.indexOf('--', 0, 'latin1') === 0 ? 0 : this.#lineBehind(0)
    while (at >= 0) {
      if (lines.length >= this.#limits.boundaryLines) {
        this.#defects.add('too-many-boundary-lines')
        return lines
      }
      const line = this.#lineAt(at)
      lines.push(line)
      at = this.#lineBehind(at)
    }
    return lines
  }

  #lineBehind(from: number): number {
    const found = this.#octets.indexOf('\n--', from, 'latin1')
    return found < 0 ? -1 : found + 1
  }

  #lineAt(offset: number): BoundaryLine {
    const start = offset + 2
    const lineFeed = this.#octets.subarray(start, start + MAXIMUM_BOUNDARY).indexOf(LF)
    // A longer line is no boundary; where it ends is of no use then.
    if (lineFeed >= 0) {
      const text = this.#octets.toString('latin1', start, start + lineFeed).trimEnd()
      return { offset, next: start + lineFeed + 1, text }
    }
    const { length } = this.#octets
    if (length - start >= MAXIMUM_BOUNDARY) return { offset, next: start, text: '' }
    return { offset, next: length, text: this.#octets.toString('latin1', start, length).trimEnd() }
  }
}

/** Encodings that have to be undone before there is a message to look into. RFC 2046 §5.2.1 forbids them. */
const ENCODED: ReadonlySet<string> = new Set(['base64', 'quoted-printable'])

/** Whether a part holds a message whose header section stands right behind its own. */
export function holdsMessage({ type, encoding }: Pick<MimePart, 'type' | 'encoding'>): boolean {
  return type === 'message/rfc822' && !ENCODED.has(encoding)
}

/** What the header of a part says of it. */
interface Claims
  extends Pick<MimePart, 'type' | 'charset' | 'encoding' | 'name' | 'otherName' | 'disposition'> {
  /** Each character an octet. */
  readonly boundary: string | null
}

function claimsOf(header: HeaderSection, defaultType: string, limits: MailLimits): Claims {
  const content = parametersOf(header, 'content-type', limits)
  const disposition = parametersOf(header, 'content-disposition', limits)
  const names = [disposition?.parameter('filename'), content?.parameter('name')].flatMap((name) =>
    name === undefined || name === null ? [] : [safeText(name, MAXIMUM_NAME)],
  )
  const [name = null, second = null] = names
  const charset = content?.parameter('charset') ?? null
  const boundary = content?.octetsOf('boundary')?.toString('latin1').trimEnd() ?? ''
  return {
    // RFC 2045 §5.2: what has no type, or none that can be read, is text/plain.
    type: content?.value.includes('/') ? safeText(content.value, MAXIMUM_NAME) : defaultType,
    charset: charset === null ? null : safeText(charset.toLowerCase(), MAXIMUM_NAME),
    encoding: encodingOf(header, limits),
    name,
    otherName: second === name ? null : second,
    disposition: disposition === null ? null : safeText(disposition.value, MAXIMUM_NAME),
    boundary: boundary === '' ? null : boundary,
  }
}

function parametersOf(header: HeaderSection, name: string, limits: MailLimits): ParameterizedValue | null {
  const field = fieldNamed(header, name)
  return field === null ? null : parseParameters(field.body, limits)
}

function encodingOf(header: HeaderSection, limits: MailLimits): string {
  const field = fieldNamed(header, 'content-transfer-encoding')
  const token = field === null ? '' : unfold(field.body.subarray(0, limits.fieldOctets))
  return safeText(/^[^\s;(]*/.exec(token)?.[0].toLowerCase() || '7bit', MAXIMUM_NAME)
}

function flatten(part: MimePart): readonly MimePart[] {
  return [part, ...part.children.flatMap(flatten)]
}
