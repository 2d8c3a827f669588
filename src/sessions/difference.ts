/**
 * What differs between two sessions: direct and through postern, yesterday and today, recorded and played again.
 * Owns how exchanges are paired and what counts as a difference; knows nothing of where the sessions come from.
 */
import { createHash } from 'node:crypto'
import type { CertificateFacts, TlsFacts } from '../trace/event.js'
import { type ExchangeTold, exchangesOf, type StatusLineTold, statusLineText } from './exchanges.js'
import type { SessionRecord } from './session-record.js'

/** One line of a comparison, in the order of the sessions. */
export interface DifferenceLine {
  /**
   * - `same`: an exchange that is alike on both sides
   * - `only-first`, `only-second`: a command that the other session lacks
   * - `changed`: the exchange stands in both, and `details` says what is different
   */
  readonly kind: 'same' | 'only-first' | 'only-second' | 'changed'
  /** The command as shown, `(greeting)` or `(end)`. */
  readonly what: string
  /** `first -> second` of each property that differs. Harmless. */
  readonly details: readonly string[]
}

/** Exchanges that are paired by comparing each with each; past it, they are paired by position. */
const PAIRED_EXCHANGES = 2_000

/**
 * Compares two sessions. Passing of time, ports, timestamps in greetings and who answered do not count; texts of
 * positive replies to a login or QUIT do not either, since servers put counters and names in them.
 *
 * @returns every exchange of both, in order; alike sessions give only `same`
 */
export function differenceOf(first: SessionRecord, second: SessionRecord): readonly DifferenceLine[] {
  const pairs = pair(clientExchanges(first), clientExchanges(second))
  return [
    line('(connection)', connectionDifferences(first, second)),
    line('(greeting)', greetingDifferences(first, second)),
    ...pairs.map(([one, two]) => compareExchanges(one, two)),
    line('(end)', endDifferences(first, second)),
  ]
}

/** Whether a comparison found the sessions alike. */
export function isAlike(lines: readonly DifferenceLine[]): boolean {
  return lines.every(({ kind }) => kind === 'same')
}

type Pair = readonly [ExchangeTold | null, ExchangeTold | null]

function clientExchanges(record: SessionRecord): readonly ExchangeTold[] {
  return exchangesOf(record).filter(({ origin }) => origin === 'client')
}

/** Pairs by the longest common sequence of commands, so that one command more shifts nothing. */
function pair(first: readonly ExchangeTold[], second: readonly ExchangeTold[]): readonly Pair[] {
  if (first.length > PAIRED_EXCHANGES || second.length > PAIRED_EXCHANGES)
    return pairByPosition(first, second)
  const lengths = commonLengths(first, second)
  const pairs: Pair[] = []
  let one = 0
  let two = 0
  while (one < first.length || two < second.length) {
    const left = first[one]
    const right = second[two]
    if (left !== undefined && right !== undefined && left.shown === right.shown) {
      pairs.push([left, right])
      one += 1
      two += 1
    } else if (
      right === undefined ||
      (left !== undefined && lengthAt(lengths, one + 1, two) >= lengthAt(lengths, one, two + 1))
    ) {
      pairs.push([left ?? null, null])
      one += 1
    } else {
      pairs.push([null, right])
      two += 1
    }
  }
  return pairs
}

function pairByPosition(first: readonly ExchangeTold[], second: readonly ExchangeTold[]): readonly Pair[] {
  const pairs: Pair[] = []
  for (let index = 0; index < Math.max(first.length, second.length); index += 1) {
    const left = first[index] ?? null
    const right = second[index] ?? null
    if (left === null || right === null || left.shown === right.shown) pairs.push([left, right])
    else pairs.push([left, null], [null, right])
  }
  return pairs
}

/** Length of the longest common sequence of the rests from each position on. */
function commonLengths(
  first: readonly ExchangeTold[],
  second: readonly ExchangeTold[],
): readonly Uint16Array[] {
  const lengths = Array.from({ length: first.length + 1 }, () => new Uint16Array(second.length + 1))
  for (let one = first.length - 1; one >= 0; one -= 1) {
    const row = lengths[one]
    if (row === undefined) continue
    for (let two = second.length - 1; two >= 0; two -= 1) {
      row[two] =
        first[one]?.shown === second[two]?.shown
          ? lengthAt(lengths, one + 1, two + 1) + 1
          : Math.max(lengthAt(lengths, one + 1, two), lengthAt(lengths, one, two + 1))
    }
  }
  return lengths
}

function lengthAt(lengths: readonly Uint16Array[], one: number, two: number): number {
  return lengths[one]?.[two] ?? 0
}

function compareExchanges(first: ExchangeTold | null, second: ExchangeTold | null): DifferenceLine {
  if (first === null) return { kind: 'only-second', what: second?.shown ?? '', details: outcome(second) }
  if (second === null) return { kind: 'only-first', what: first.shown, details: outcome(first) }
  return line(first.shown, [...replyDifferences(first, second), ...contentDifferences(first, second)])
}

function outcome(exchange: ExchangeTold | null): readonly string[] {
  return exchange === null || exchange.reply === null ? [] : [statusLineText(exchange.reply)]
}

function replyDifferences(first: ExchangeTold, second: ExchangeTold): readonly string[] {
  const one = first.reply
  const two = second.reply
  if (one === null || two === null) {
    return one === two ? [] : [`reply: ${shownReply(one)} -> ${shownReply(two)}`]
  }
  if (one.indicator !== two.indicator || one.responseCode !== two.responseCode) {
    return [`reply: ${statusLineText(one)} -> ${statusLineText(two)}`]
  }
  if (one.text === two.text || hasTextOfItsOwn(first.verb, one)) return []
  return [`text: ${statusLineText(one)} -> ${statusLineText(two)}`]
}

function shownReply(reply: StatusLineTold | null): string {
  return reply === null ? 'none' : statusLineText(reply)
}

/** Positive answers to these name sessions, users or counters. */
const TALKATIVE_VERBS: ReadonlySet<string> = new Set(['USER', 'PASS', 'APOP', 'AUTH', 'QUIT', 'STLS'])

function hasTextOfItsOwn(verb: string, { indicator }: StatusLineTold): boolean {
  return indicator === '+OK' && TALKATIVE_VERBS.has(verb)
}

function contentDifferences(first: ExchangeTold, second: ExchangeTold): readonly string[] {
  const one = first.content
  const two = second.content
  if (one === null || two === null) {
    if (one === two) return []
    return [`content: ${octetsText(one?.octets ?? null)} -> ${octetsText(two?.octets ?? null)}`]
  }
  if (one.octets !== two.octets) return [`content: ${octetsText(one.octets)} -> ${octetsText(two.octets)}`]
  if (one.wire === null || two.wire === null || one.wire.equals(two.wire)) return []
  const at = firstDifference(one.wire, two.wire)
  return [
    `content: ${octetsText(one.octets)} on both sides, different from octet ${at} on (SHA-256 ${digest(one.wire)} -> ${digest(two.wire)})`,
  ]
}

function octetsText(octets: number | null): string {
  return octets === null ? 'none' : `${octets} octets`
}

function firstDifference(one: Buffer, two: Buffer): number {
  const length = Math.min(one.length, two.length)
  for (let at = 0; at < length; at += 1) if (one[at] !== two[at]) return at
  return length
}

function digest(octets: Buffer): string {
  return createHash('sha256').update(octets).digest('hex').slice(0, 12)
}

function connectionDifferences(first: SessionRecord, second: SessionRecord): readonly string[] {
  return [
    ...different('TLS of the client', tlsText(first.clientTls), tlsText(second.clientTls)),
    ...different('TLS of the server', tlsText(first.serverTls), tlsText(second.serverTls)),
    ...certificateDifferences(first.serverTls?.certificate ?? null, second.serverTls?.certificate ?? null),
    ...different('user', first.user ?? 'none', second.user ?? 'none'),
  ]
}

function tlsText(tls: TlsFacts | null): string {
  return tls === null ? 'none' : `${tls.protocol} ${tls.cipher}`
}

/** Only where both were told: nobody may have watched one of the handshakes. */
function certificateDifferences(
  first: CertificateFacts | null,
  second: CertificateFacts | null,
): readonly string[] {
  if (first === null || second === null || first.fingerprint256 === second.fingerprint256) return []
  return [`certificate of the server: ${certificateText(first)} -> ${certificateText(second)}`]
}

function certificateText({ subject, notAfter, fingerprint256 }: CertificateFacts): string {
  return `${subject} until ${notAfter.slice(0, 10)} (${fingerprint256.slice(0, 11)}...)`
}

function greetingDifferences(first: SessionRecord, second: SessionRecord): readonly string[] {
  return different('greeting', greetingText(first), greetingText(second))
}

function greetingText({ events }: SessionRecord): string {
  for (const { content } of events) {
    if (content.type === 'greeting') return `${content.indicator} ${withoutTimestamp(content.text)}`
  }
  return 'none'
}

/** RFC 1939 §7: the APOP timestamp is different at each greeting. */
function withoutTimestamp(text: string): string {
  const begin = text.indexOf('<')
  const end = text.indexOf('>', begin)
  return begin < 0 || end < 0 ? text : `${text.slice(0, begin)}<...>${text.slice(end + 1)}`
}

function endDifferences(first: SessionRecord, second: SessionRecord): readonly string[] {
  return [
    ...different('end', endText(first), endText(second)),
    ...different('messages', String(first.messages), String(second.messages)),
    ...different('errors', String(first.errors), String(second.errors)),
  ]
}

function endText({ closed }: SessionRecord): string {
  return closed === null ? 'open' : (closed.code ?? closed.reason)
}

function different(what: string, first: string, second: string): readonly string[] {
  return first === second ? [] : [`${what}: ${first} -> ${second}`]
}

function line(what: string, details: readonly string[]): DifferenceLine {
  return { kind: details.length === 0 ? 'same' : 'changed', what, details }
}
