/**
 * The header section of a message: found in its octets and split into fields, each with its place. Reads what is
 * there, however broken; knows nothing of what a field means.
 */
import { displayField } from './display.js'
import { MAIL_LIMITS, type MailLimits } from './limits.js'

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a

/** One field of a header section. */
export interface HeaderField {
  /** As written: printable ASCII. */
  readonly name: string
  /** Its octets with name, folding and line end, not copied. */
  readonly raw: Buffer
  /** The octets behind its colon. */
  readonly body: Buffer
  /** Decoded for display when first asked for: one harmless line. */
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

/**
 * Reads the header section at the start of a message.
 *
 * A line that is neither field nor continuation is left out. Beyond a bound, fields are left out, but the end is
 * still found.
 * Never fails. RFC 5322 §2.2.
 */
export function readHeader(octets: Buffer, limits: MailLimits = MAIL_LIMITS): HeaderSection {
  return readHeaderBetween(octets, 0, octets.length, limits)
}

/** Reads the header section of a part that lies between two places of a message. See {@link readHeader}. */
export function readHeaderBetween(
  octets: Buffer,
  start: number,
  stop: number,
  limits: MailLimits,
): HeaderSection {
  return new HeaderReader(octets, stop, limits).read(start)
}

/** Finds the first field of a name, in any case. */
export function fieldNamed(section: HeaderSection, name: string): HeaderField | null {
  const wanted = name.toLowerCase()
  return section.fields.find((field) => field.name.toLowerCase() === wanted) ?? null
}

class Field implements HeaderField {
  readonly name: string
  readonly raw: Buffer
  readonly offset: number
  readonly #limits: MailLimits
  #value: string | null = null

  constructor(name: string, raw: Buffer, offset: number, limits: MailLimits) {
    this.name = name
    this.raw = raw
    this.offset = offset
    this.#limits = limits
  }

  get length(): number {
    return this.raw.length
  }

  get body(): Buffer {
    return this.raw.subarray(this.raw.indexOf(COLON) + 1)
  }

  get value(): string {
    this.#value ??= displayField(this.name, this.body, this.#limits)
    return this.#value
  }
}

/** The lines of one field while they are read. */
interface Open {
  readonly name: string
  readonly start: number
  end: number
}

class HeaderReader {
  readonly #octets: Buffer
  readonly #stop: number
  readonly #limits: MailLimits
  readonly #fields: HeaderField[] = []
  readonly #defects = new Set<HeaderDefect>()
  #open: Open | null = null
  /** A line that was left out takes its continuations with it. */
  #skipping = false

  constructor(octets: Buffer, stop: number, limits: MailLimits) {
    this.#octets = octets
    this.#stop = stop
    this.#limits = limits
  }

  read(start: number): HeaderSection {
    const bound = start + this.#limits.headerOctets
    let at = start
    while (at < this.#stop) {
      const lineFeed = this.#octets.indexOf(LF, at)
      const next = lineFeed < 0 || lineFeed >= this.#stop ? this.#stop : lineFeed + 1
      const end = this.#contentEnd(at, next)
      if (end === at && next > at && this.#octets[next - 1] === LF) return this.#finish(next, true)
      if (next > bound) {
        // What fits of a line that does not is kept: a huge subject is still a subject.
        this.#takeLine(at, Math.min(end, bound), bound)
        return this.#finishBeyond(bound, 'too-many-octets')
      }
      this.#takeLine(at, end, next)
      if (this.#defects.has('too-many-fields')) return this.#finishBeyond(next, 'too-many-fields')
      at = next
    }
    this.#defects.add('no-blank-line')
    return this.#finish(this.#stop, false)
  }

  /** Where a line ends without its line end; notes an end that is not CRLF. */
  #contentEnd(at: number, next: number): number {
    if (next === at || this.#octets[next - 1] !== LF) return next
    const isCrlf = next - 2 >= at && this.#octets[next - 2] === CR
    const end = isCrlf ? next - 2 : next - 1
    if (!isCrlf) this.#defects.add('bare-line-end')
    return end
  }

  #takeLine(at: number, end: number, next: number): void {
    if (isBlank(this.#octets[at])) {
      if (this.#open !== null) this.#open.end = next
      else if (!this.#skipping) this.#defects.add('continuation-first')
      return
    }
    this.#close()
    const name = this.#nameOf(at, end)
    this.#skipping = name === null
    if (name === null) this.#defects.add('line-without-colon')
    else if (this.#fields.length < this.#limits.headerFields) this.#open = { name, start: at, end: next }
    else this.#defects.add('too-many-fields')
  }

  /** Printable ASCII before a colon. RFC 5322 §2.2, and §4.5 for the blanks before it. */
  #nameOf(at: number, end: number): string | null {
    const colon = this.#octets.subarray(at, Math.min(end, at + MAXIMUM_NAME)).indexOf(COLON)
    if (colon <= 0) return null
    const name = this.#octets.toString('latin1', at, at + colon).trimEnd()
    return /^[\x21-\x39\x3b-\x7e]+$/.test(name) ? name : null
  }

  #close(): void {
    if (this.#open === null) return
    const { name, start, end } = this.#open
    this.#fields.push(new Field(name, this.#octets.subarray(start, end), start, this.#limits))
    this.#open = null
  }

  #finishBeyond(at: number, defect: HeaderDefect): HeaderSection {
    this.#defects.add(defect)
    // One octet earlier: the line end before a blank line that stands right here.
    const from = Math.max(0, at - 1)
    const rest = this.#octets.subarray(from, this.#stop)
    const ends = [endBehind(rest, '\n\r\n'), endBehind(rest, '\n\n')].filter((end) => end >= 0)
    if (ends.length === 0) this.#defects.add('no-blank-line')
    return this.#finish(ends.length === 0 ? this.#stop : from + Math.min(...ends), false)
  }

  #finish(end: number, isComplete: boolean): HeaderSection {
    this.#close()
    return { fields: this.#fields, end, isComplete, defects: [...this.#defects] }
  }
}

/** No field has a longer name; what looks like one is text without a colon nearby. */
const MAXIMUM_NAME = 256

function isBlank(octet: number | undefined): boolean {
  return octet === 0x20 || octet === 0x09
}

function endBehind(octets: Buffer, wanted: string): number {
  const found = octets.indexOf(wanted, 0, 'latin1')
  return found < 0 ? -1 : found + wanted.length
}
