/**
 * The server's side of the codec: octets in, greeting, replies, challenges and content out. Pulled and told
 * what to expect, because the shape of a reply depends on its command. Content goes through as slices of the
 * pieces it came in. Knows nothing of commands beyond the shape of their replies.
 */
import { type Anomaly, NO_ANOMALIES } from './anomaly.js'
import { upperCaseOf } from './ascii.js'
import type { ReplyShape } from './command.js'
import { ContentScanner, type Scan } from './content-scanner.js'
import type { Limits } from './limits.js'
import { LineBuffer } from './line-buffer.js'
import { isBase64Line } from './sasl.js'
import { Secret } from './secret.js'

/** First line of a reply. RFC 1939 §3, RFC 2449 §3 and §8. */
export interface StatusLine {
  readonly indicator: '+OK' | '-ERR'
  /** Upper-case content of the brackets that begin the text, as `SYS/TEMP`; null without any. */
  readonly responseCode: string | null
  /** Text behind indicator and response code, as received; hostile. */
  readonly text: string
}

/** What the server said. `wire` are the exact octets; concatenated over all events they are the input. */
export type ServerEvent =
  | {
      readonly type: 'greeting'
      readonly status: StatusLine
      /** The APOP timestamp with its angle brackets (RFC 1939 §7), null without. */
      readonly timestamp: string | null
      readonly wire: Buffer
      readonly anomalies: readonly Anomaly[]
    }
  | {
      readonly type: 'reply'
      readonly status: StatusLine
      /** Content events and a content-end follow. */
      readonly hasContent: boolean
      readonly wire: Buffer
      readonly anomalies: readonly Anomaly[]
    }
  | {
      readonly type: 'sasl-challenge'
      readonly challenge: Secret
      readonly wire: Buffer
      readonly anomalies: readonly Anomaly[]
    }
  | { readonly type: 'content'; readonly wire: Buffer; readonly anomalies: readonly Anomaly[] }
  | {
      readonly type: 'content-end'
      /** Octets of the content with byte-stuffing removed. */
      readonly octets: number
      readonly wire: Buffer
      readonly anomalies: readonly Anomaly[]
    }
  /** A line, or a part of one, that is no reply to anything. */
  | { readonly type: 'unsolicited'; readonly wire: Buffer; readonly anomalies: readonly Anomaly[] }
  /** A status line over its limit; `wire` are its first octets, and nothing behind them can be decoded. */
  | {
      readonly type: 'line-too-long'
      readonly limit: number
      readonly wire: Buffer
      readonly anomalies: readonly Anomaly[]
    }
  /** The greeting is none: what stands there is no POP3 server. */
  | { readonly type: 'no-greeting'; readonly wire: Buffer; readonly anomalies: readonly Anomaly[] }

export type ExpectedOfServer = 'greeting' | 'nothing' | ReplyShape

const CR = 0x0d
const LF = 0x0a
const SP = 0x20
const PLUS = 0x2b
const MINUS = 0x2d
/** RFC 2449 §4, CRLF included. */
const LAWFUL_LINE_OCTETS = 512
const TERMINATION_LINE = Buffer.from('.\r\n', 'latin1')
const UNSOLICITED: readonly Anomaly[] = ['unsolicited']
const MISSING_INDICATOR: readonly Anomaly[] = ['missing-status-indicator']
const TOO_LONG: readonly Anomaly[] = ['line-too-long']
const UNSTUFFED: readonly Anomaly[] = ['unstuffed-line']

/** Decodes one server's octets. */
export class ReplyDecoder {
  readonly #buffer = new LineBuffer()
  readonly #limits: Limits
  #scanner: ContentScanner | null = null
  /** A line that is no reply is longer than the limit: what is left of it belongs to it. */
  #withinStrayLine = false
  #contentEnd: ServerEvent | null = null

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Whether the decoder stands within a multi-line response. */
  get isWithinContent(): boolean {
    return this.#scanner !== null
  }

  /** Octets received and not yet decoded, without those kept back within content. */
  get undecodedOctets(): number {
    return this.#buffer.octets
  }

  push(octets: Buffer): void {
    this.#buffer.push(octets)
  }

  /**
   * A short way for the bulk of a large message, in the place of {@link push} and {@link next}: decodes a piece
   * that is content from its first octet to its last.
   *
   * @returns true where the piece is all one `content` event would hold; false where it has to be pushed
   */
  takeContent(octets: Buffer): boolean {
    const scanner = this.#scanner
    if (scanner === null || this.#contentEnd !== null || this.#buffer.octets > 0) return false
    return scanner.takeWhole(octets)
  }

  /**
   * Decodes what comes next.
   *
   * @param expecting shape of the reply to the oldest command without one; without effect within content
   * @returns null until more octets are there
   * Never fails. A line that is neither status line nor challenge is `unsolicited` and never taken for a reply,
   * so that stray lines do not shift the pairing of replies with commands.
   */
  next(expecting: ExpectedOfServer): ServerEvent | null {
    if (this.#scanner !== null) return this.#nextContent(this.#scanner)
    const limit = this.#limits.statusLineOctets
    const line = this.#buffer.takeLine(limit)
    if (line === 'incomplete') return null
    if (this.#withinStrayLine)
      return this.#stray(line === 'too-long' ? this.#buffer.take(limit) : line, UNSOLICITED)
    if (line === 'too-long') return this.#tooLong(this.#buffer.take(limit), expecting, limit)
    if (expecting === 'nothing') return { type: 'unsolicited', wire: line, anomalies: UNSOLICITED }
    if (expecting === 'sasl' && isChallenge(line)) return decodeChallenge(line)
    const decoded = decodeStatusLine(line)
    if (decoded === null) {
      return expecting === 'greeting'
        ? { type: 'no-greeting', wire: line, anomalies: MISSING_INDICATOR }
        : { type: 'unsolicited', wire: line, anomalies: MISSING_INDICATOR }
    }
    const { status, anomalies } = decoded
    if (expecting === 'greeting') {
      return { type: 'greeting', status, timestamp: timestampIn(status.text), wire: line, anomalies }
    }
    const hasContent = expecting === 'multi-line' && status.indicator === '+OK'
    if (hasContent) this.#scanner = new ContentScanner()
    return { type: 'reply', status, hasContent, wire: line, anomalies }
  }

  /** Hands back all octets that no event had yet, kept back ones included, and forgets them. */
  takeUndecoded(): Buffer {
    const held = this.#scanner?.takeHeld() ?? null
    const end = this.#contentEnd?.wire ?? null
    this.#scanner = null
    this.#contentEnd = null
    this.#withinStrayLine = false
    const rest = this.#buffer.take(this.#buffer.octets)
    const parts = [held, end, rest].filter((part) => part !== null)
    return Buffer.concat(parts)
  }

  #nextContent(scanner: ContentScanner): ServerEvent | null {
    if (this.#contentEnd !== null) {
      const event = this.#contentEnd
      this.#contentEnd = null
      this.#scanner = null
      return event
    }
    for (;;) {
      const piece = this.#buffer.takePiece()
      if (piece === null) return null
      const scan = scanner.scan(piece, 0)
      if (scan.next < piece.length) this.#buffer.unshift(piece.subarray(scan.next))
      if (scan.ended) this.#contentEnd = endOf(scanner, terminationIn(piece, scan))
      const wire = joined(scan.release, scan.end === piece.length ? piece : piece.subarray(0, scan.end))
      if (wire.length > 0) return { type: 'content', wire, anomalies: NO_ANOMALIES }
      if (scan.ended) return this.#nextContent(scanner)
    }
  }

  #tooLong(wire: Buffer, expecting: ExpectedOfServer, limit: number): ServerEvent {
    if (expecting === 'greeting') return { type: 'no-greeting', wire, anomalies: TOO_LONG }
    const isReply = decodeStatusLine(wire) !== null || (expecting === 'sasl' && isChallenge(wire))
    if (expecting !== 'nothing' && isReply) return { type: 'line-too-long', limit, wire, anomalies: TOO_LONG }
    return this.#stray(wire, expecting === 'nothing' ? UNSOLICITED : MISSING_INDICATOR)
  }

  #stray(wire: Buffer, anomalies: readonly Anomaly[]): ServerEvent {
    this.#withinStrayLine = wire[wire.length - 1] !== LF
    return { type: 'unsolicited', wire, anomalies }
  }
}

/** The termination octet line, from the piece where it stands there whole: its neighbours can then leave with it. */
function terminationIn(piece: Buffer, scan: Scan): Buffer {
  const wire = piece.subarray(scan.end, scan.next)
  return wire.length === TERMINATION_LINE.length ? wire : TERMINATION_LINE
}

function endOf(scanner: ContentScanner, wire: Buffer): ServerEvent {
  return {
    type: 'content-end',
    octets: scanner.octets,
    wire,
    anomalies: scanner.unstuffedLines > 0 ? UNSTUFFED : NO_ANOMALIES,
  }
}

/** At most four octets are ever kept back, so joining copies one piece in the rare case that they were. */
function joined(release: Buffer | null, piece: Buffer): Buffer {
  if (release === null) return piece
  return piece.length === 0 ? release : Buffer.concat([release, piece])
}

/**
 * Decodes a status line.
 *
 * @param line octets up to and including LF (or the beginning of a line)
 * @returns null where the line begins with no status indicator
 * RFC 1939 §3, RFC 2449 §3 and §8.
 */
export function decodeStatusLine(
  line: Buffer,
): { readonly status: StatusLine; readonly anomalies: readonly Anomaly[] } | null {
  const indicator = indicatorOf(line)
  if (indicator === null) return null
  const found: Anomaly[] = []
  let end = line.length
  if (line[end - 1] === LF) {
    end -= 1
    if (line[end - 1] === CR) end -= 1
    else found.push('bare-line-feed')
  }
  if (line.toString('latin1', 0, indicator.length) !== indicator) found.push('status-indicator-case')
  if (line.length > LAWFUL_LINE_OCTETS) found.push('status-line-long')
  let from = indicator.length
  if (line[from] === SP) from += 1
  else if (from < end) found.push('missing-separator')
  let text = line.toString('latin1', from, end)
  if (text.includes('\r')) found.push('bare-carriage-return')
  if (text.includes('\0')) found.push('nul-octet')
  let responseCode: string | null = null
  if (text.charCodeAt(0) === 0x5b) {
    const close = text.indexOf(']')
    if (close > 1) {
      responseCode = upperCaseOf(text.slice(1, close))
      text = text.slice(text.charCodeAt(close + 1) === SP ? close + 2 : close + 1)
    }
  }
  return {
    status: { indicator, responseCode, text },
    anomalies: found.length === 0 ? NO_ANOMALIES : found,
  }
}

function indicatorOf(line: Buffer): '+OK' | '-ERR' | null {
  if (line[0] === PLUS && isLetter(line[1], 0x4f) && isLetter(line[2], 0x4b)) return '+OK'
  const isError =
    line[0] === MINUS && isLetter(line[1], 0x45) && isLetter(line[2], 0x52) && isLetter(line[3], 0x52)
  return isError ? '-ERR' : null
}

function isLetter(octet: number | undefined, upperCase: number): boolean {
  return octet !== undefined && (octet & ~0x20) === upperCase
}

// Quirk: some servers send "+" without the space before an empty challenge; "+OK" is always the end.
function isChallenge(line: Buffer): boolean {
  return line[0] === PLUS && (line[1] === SP || line[1] === CR || line[1] === LF)
}

function decodeChallenge(line: Buffer): ServerEvent {
  let end = line.length - 1
  const found: Anomaly[] = []
  if (line[end - 1] === CR) end -= 1
  else found.push('bare-line-feed')
  const from = Math.min(line[1] === SP ? 2 : 1, end)
  if (from === 1) found.push('missing-separator')
  if (!isBase64Line(line, from, end)) found.push('not-base64')
  return {
    type: 'sasl-challenge',
    challenge: new Secret(line.subarray(from, end)),
    wire: line,
    anomalies: found.length === 0 ? NO_ANOMALIES : found,
  }
}

function timestampIn(text: string): string | null {
  const open = text.indexOf('<')
  const close = open < 0 ? -1 : text.indexOf('>', open)
  return close < 0 ? null : text.slice(open, close + 1)
}
