/**
 * One message while a person looks at it: read once, each part decoded when it is first asked for, and all of it
 * forgotten with the screen. Owns what is remembered; knows nothing of rows or keys.
 */
import { describeMessage, type MessageFacts } from '../../mail/message.js'
import type { MimePart } from '../../mail/outline.js'
import { decodePart, textOfPart } from '../../mail/part.js'
import type { MessageRecord } from '../../sessions/messages.js'
import { type RuleHit, ruleHitsOfTurn } from '../../sessions/rule-hits.js'
import type { SessionRecord } from '../../sessions/session-record.js'
import { turnsOf } from '../../sessions/turns.js'
import type { DifferenceLine } from './line-difference.js'
import { messageDifference } from './message-difference.js'
import type { MessageDocument } from './message-documents.js'
import { OctetLines } from './octet-lines.js'

/** Whose version of a message is looked at: the server's, or what the client got in place of it. */
export type Version = 'original' | 'sent'

/** The text of a part for display. */
export interface PartText {
  readonly lines: readonly string[]
  /** Controls of writing direction, each shown as a dot. */
  readonly bidiControls: number
}

// As safeText writes them: what reorders text, and what takes no room in it.
const BIDI = /\\u\{(?:61c|200[ef]|202[a-e]|206[6-9])\}/g
const INVISIBLE = /\\xad|\\u\{(?:200[b-d]|206[0-4]|feff)\}/g
const DOT = '·'
/** As many as the panes of some widths and parts; then all are made anew. */
const DOCUMENTS = 32

/** A message that is open on a screen. */
export class OpenedMessage {
  readonly record: SessionRecord
  readonly message: MessageRecord
  /** When it was read: what still runs is not read again at every frame. */
  readonly readAt: number
  /** As the server sent it, without byte-stuffing; null where nothing of it was kept. */
  readonly original: Buffer | null
  /** What the client got in place of it; null where that was the original. */
  readonly sent: Buffer | null
  /** The rules that held for it, or for the command that fetched it. */
  readonly rules: readonly RuleHit[]
  readonly #versions = new Map<Version, ReadVersion>()
  readonly #documents = new Map<string, MessageDocument>()
  #difference: readonly DifferenceLine[] | null = null

  constructor(record: SessionRecord, message: MessageRecord, now: number) {
    this.record = record
    this.message = message
    this.readAt = now
    this.original = message.original
    this.sent = message.sent
    const turn = turnsOf(record).get(message.number)
    this.rules = turn === undefined ? [] : ruleHitsOfTurn(record, turn)
  }

  /** @returns null where nothing of this version was kept */
  version(version: Version): ReadVersion | null {
    const known = this.#versions.get(version)
    if (known !== undefined) return known
    const octets = version === 'original' ? this.original : this.sent
    if (octets === null) return null
    const read = new ReadVersion(octets)
    this.#versions.set(version, read)
    return read
  }

  /**
   * Remembers a document until the message is closed, so that no frame wraps a text again.
   *
   * @param key names the document and everything it depends on
   */
  document(key: string, make: () => MessageDocument): MessageDocument {
    const known = this.#documents.get(key)
    if (known !== undefined) return known
    if (this.#documents.size >= DOCUMENTS) this.#documents.clear()
    const made = make()
    this.#documents.set(key, made)
    return made
  }

  /** What changed between the server and the client; null where nothing was, or where a side is not known. */
  get difference(): readonly DifferenceLine[] | null {
    if (this.original === null || this.sent === null) return null
    this.#difference ??= messageDifference(this.original, this.sent, this.message.notKept === 0)
    return this.#difference
  }
}

/** One version of a message, read as far as somebody asked. */
export class ReadVersion {
  readonly octets: Buffer
  readonly facts: MessageFacts
  #lines: OctetLines | null = null
  readonly #texts = new Map<string, PartText>()
  /** The part whose content was decoded last: it may be as large as the message. */
  #decoded: { readonly path: string; readonly octets: Buffer } | null = null

  constructor(octets: Buffer) {
    this.octets = octets
    this.facts = describeMessage(octets)
  }

  get lines(): OctetLines {
    this.#lines ??= new OctetLines(this.octets)
    return this.#lines
  }

  /** The part at a path; the whole message where there is none. */
  part(path: string): MimePart {
    const { parts, root } = this.facts.outline
    return parts.find((part) => part.path === path) ?? root
  }

  /** The decoded content of a part. */
  content(part: MimePart): Buffer {
    if (this.#decoded?.path !== part.path)
      this.#decoded = { path: part.path, octets: decodePart(this.octets, part) }
    return this.#decoded.octets
  }

  /** The text of a part, lines not yet fitted to any width. */
  text(part: MimePart): PartText {
    const known = this.#texts.get(part.path)
    if (known !== undefined) return known
    const text = textOfPart(this.octets, part)
    const bidiControls = text.match(BIDI)?.length ?? 0
    const lines = text.replace(BIDI, DOT).replace(INVISIBLE, DOT).split('\n')
    const made = { lines, bidiControls }
    this.#texts.set(part.path, made)
    return made
  }
}
