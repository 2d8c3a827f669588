/**
 * A session as a person reads it: one line for each command, reply, listing and message, and everything that is to be
 * said about it on the lines behind. Pure; knows nothing of columns, colours or keys.
 */
import { Buffer } from 'node:buffer'
import type { CertificateFacts, ClosedReason, TraceContent, TraceEvent, Verdict } from '../trace/event.js'
import type { RuleHit } from '../trace/rule-hits.js'
import { hintOfAnomaly } from './anomaly-hints.js'
import { remembered } from './derived.js'
import { type Hint, habitHints } from './hints.js'
import { linesOf, shownLine } from './listings.js'
import { summaryOf } from './message-facts.js'
import { type MessageRecord, messagesOf } from './messages.js'
import { statusLineOctets } from './octets.js'
import { changesSomething, ruleHitsOfTurn, ruleHitText } from './rule-hits.js'
import type { SessionRecord } from './session-record.js'
import { replyOf, serverReplyOf, type Turn, turnsOf } from './turns.js'

export type DialogueKind =
  | 'greeting'
  | 'command'
  /** What went to the server in place of the command above. */
  | 'replaced'
  | 'reply'
  | 'challenge'
  | 'response'
  | 'listing'
  | 'message'
  | 'note'
  | 'anomaly'
  | 'hint'
  | 'held'
  | 'rule'
  | 'failure'
  | 'tls'
  | 'closed'

/** One line. All texts are harmless and free of credentials. */
export interface DialogueLine {
  readonly kind: DialogueKind
  /** Who says it; null for what is told about the session. */
  readonly from: 'client' | 'server' | 'postern' | 'watcher' | null
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly sinceStartMs: number
  /** The command it belongs to, 0 for none. */
  readonly number: number
  readonly text: string
  /** Octets of the line, listing or message; null where that says nothing. */
  readonly octets: number | null
  /**
   * Of a command: until its reply was complete, null while it waits. Of a reply, listing or message: since its
   * command. Of a greeting: since the connection.
   */
  readonly durationMs: number | null
  readonly tone: 'plain' | 'attention' | 'error'
  /** What the line unfolds to: the lines of a listing, an explanation with its RFC section, facts of a certificate. */
  readonly detail: readonly string[]
  /** Number of the command whose message can be opened, see `messages.ts`; null where there is none. */
  readonly messageKey: number | null
}

/** Lines that one listing unfolds to; the rest is counted. */
const LISTING_LINES = 2_000
/** Reasons that one line about a rule unfolds to; the rest is counted. A judge may give another for each message. */
const RULE_LINES = 100
/** Ranges of message-numbers that are told of one reason: some rows of a screen. */
const RANGES = 40

type Of<Type extends TraceContent['type']> = Extract<TraceContent, { type: Type }>
type Line = Omit<DialogueLine, 'at' | 'sinceStartMs'>

/**
 * Words a session's dialogue, in the order in which things happened; what is said about a line follows it.
 */
export const dialogueOf: (record: SessionRecord) => readonly DialogueLine[] = remembered((record) =>
  new Writer(record).write(),
)

/** Puts the lines down, keeping in mind what has been said of each command. */
class Writer {
  readonly #record: SessionRecord
  readonly #turns: ReadonlyMap<number, Turn>
  readonly #messages: ReadonlyMap<number, MessageRecord>
  readonly #lines: DialogueLine[] = []
  /** Where hints go: behind the last line of their command. */
  readonly #lastLine = new Map<number, number>()
  #lastCommand = 0
  #isGapTold = false
  /** Hits about messages that nothing else stands between, by what one line says of them. */
  readonly #folded = new Map<string, Folded>()
  readonly #folds: Folded[] = []

  constructor(record: SessionRecord) {
    this.#record = record
    this.#turns = turnsOf(record)
    this.#messages = new Map(messagesOf(record).map((message) => [message.number, message]))
  }

  write(): readonly DialogueLine[] {
    for (const event of this.#record.events) this.#event(event)
    this.#wordFolds()
    if (this.#record.missedEvents > 0 && !this.#isGapTold) this.#gap(this.#record.openedAt)
    return this.#withHints()
  }

  #event({ at, content }: TraceEvent): void {
    if (content.type === 'rule-hit' && content.message !== null) {
      this.#fold(content, at)
      return
    }
    this.#folded.clear()
    if (content.type === 'command') {
      const isGap = this.#record.missedEvents > 0 && content.number > this.#lastCommand + 1
      if (isGap && !this.#isGapTold) this.#gap(at)
      this.#lastCommand = content.number
    }
    for (const line of this.#linesOf(content)) this.#put(line, at)
  }

  /** Rules that look at a whole maildrop would bury the dialogue: what one rule says of many messages is one line. */
  #fold(hit: RuleHit, at: number): void {
    const key = `${hit.mode} ${hit.rule} ${hit.mode === 'failed' ? '' : hit.actions.join(', ')}`
    const folded = this.#folded.get(key)
    if (folded !== undefined) {
      folded.hits.push(hit)
      return
    }
    const fold = { index: this.#lines.length, hits: [hit] }
    this.#folded.set(key, fold)
    this.#folds.push(fold)
    this.#put(ruleLine(hit), at)
  }

  #wordFolds(): void {
    for (const { index, hits } of this.#folds) {
      const line = this.#lines[index]
      if (hits.length > 1 && line !== undefined) this.#lines[index] = { ...line, ...foldedTexts(hits) }
    }
  }

  #put(line: Line, at: number): void {
    if (line.number !== 0) this.#lastLine.set(line.number, this.#lines.length)
    this.#lines.push({ ...line, at, sinceStartMs: at - this.#record.openedAt })
  }

  #gap(at: number): void {
    this.#isGapTold = true
    this.#put(about('note', `${this.#record.missedEvents} events here were not kept`, 'attention'), at)
  }

  #linesOf(content: TraceContent): readonly Line[] {
    switch (content.type) {
      case 'session-opened':
        return [
          about('note', `${content.client} connected to ${content.listener}`, 'plain', [
            `service ${content.service}, server ${content.server}`,
          ]),
        ]
      case 'server-connected':
        return [about('note', 'connected to the server')]
      case 'tls-established':
        return [tlsLine(content)]
      case 'greeting':
        return [greetingLine(content)]
      case 'command':
        return [this.#commandLine(content)]
      case 'command-replaced':
        return [replacedLine(content)]
      case 'sasl-challenge':
        return [
          said(
            'challenge',
            'server',
            content.number,
            `+ [challenge, ${content.octets} octets]`,
            content.octets,
          ),
        ]
      case 'sasl-response': {
        const text = content.cancels ? '* (gave the login up)' : `[response, ${content.octets} octets]`
        return [said('response', 'client', content.number, text, content.octets)]
      }
      case 'reply':
        return [this.#replyLine(content)]
      case 'content':
        return this.#isLastOfUnfinished(content) ? this.#contentLines(content, null) : []
      case 'content-end':
        return this.#contentLines(content, content)
      case 'unsolicited':
        return [
          {
            ...said('note', 'server', 0, 'octets that nobody asked for, passed on', content.octets),
            tone: 'attention',
          },
        ]
      case 'logged-in':
        return [about('note', `logged in${by(content)}`)]
      case 'login-refused':
        return [about('note', `login refused${by(content)}`, 'error')]
      case 'anomaly': {
        const { number, side, text, reference } = hintOfAnomaly(content)
        return [
          {
            ...about('anomaly', `${text} (${reference})`, 'attention', [`anomaly ${content.anomaly}`]),
            from: side,
            number,
            octets: content.octets,
          },
        ]
      }
      case 'held':
        return [
          {
            ...about('held', `${content.kind} held by ${content.breakpoint}`, 'attention'),
            number: content.number,
          },
        ]
      case 'released':
        return [releasedLine(content)]
      case 'not-held': {
        const why =
          content.reason === 'too-large' ? 'it is too large' : 'all that is held is too much already'
        const text = `${content.kind} passed unseen by breakpoints: ${why}`
        return [{ ...about('held', text, 'attention'), number: content.number, octets: content.octets }]
      }
      case 'rule-hit':
        return [ruleLine(content)]
      case 'maildrop-seen':
        return [maildropLine(content)]
      case 'rules-blind':
        return [about('rule', `rules cannot be asked about this maildrop: ${content.text}`, 'error')]
      case 'failure': {
        const { text, code, hint } = content.failure
        return [
          {
            ...about('failure', `${text} (${code})`, 'error', hint === null ? [] : [hint]),
            from: content.side,
          },
        ]
      }
      case 'session-closed':
        return [closedLine(content)]
      default:
        return unreachable(content)
    }
  }

  #commandLine({ number, shown, octets, origin }: Of<'command'>): Line {
    const turn = this.#turns.get(number)
    const pipelined = turn?.isPipelined === true ? ' (pipelined)' : ''
    const line = said('command', origin, number, `${shown}${pipelined}`, octets)
    return { ...line, durationMs: turn?.completeAfterMs ?? null }
  }

  #replyLine(reply: Of<'reply'>): Line {
    const { number, source, indicator, afterMs } = reply
    const turn = this.#turns.get(number)
    const isForWatcher = turn?.origin === 'watcher'
    const isReplaced = source === 'server' && turn?.replies.at(-1)?.source === 'postern'
    const isInPlace = turn !== undefined && serverReplyOf(turn) !== null
    const detail = [
      ...(isForWatcher ? ['for the watcher alone: the client did not get it'] : []),
      ...(isReplaced ? ['the client did not get it: postern answered in its place'] : []),
      ...(source === 'postern'
        ? [isInPlace ? "in place of the server's reply" : 'answered by postern itself']
        : []),
    ]
    const rules = source === 'postern' && turn !== undefined ? this.#rulesOf(turn) : []
    const line = said('reply', source, number, statusText(reply), statusLineOctets(reply))
    const tone = indicator === '-ERR' ? 'error' : 'plain'
    return { ...line, durationMs: afterMs, tone, detail: [...detail, ...rules] }
  }

  /** What rules did to a command or to its message, one line each. */
  #rulesOf(turn: Turn): readonly string[] {
    return ruleHitsOfTurn(this.#record, turn).map(ruleHitText)
  }

  /** Content that was cut short has no end to be told at. */
  #isLastOfUnfinished({ number, wire }: Of<'content'>): boolean {
    const turn = this.#turns.get(number)
    if (turn === undefined || turn.end !== null) return false
    return (turn.content.server.at(-1) ?? turn.content.postern.at(-1)) === wire
  }

  #contentLines(
    { number, verb }: Of<'content' | 'content-end'>,
    end: Of<'content-end'> | null,
  ): readonly Line[] {
    const turn = this.#turns.get(number)
    if (verb === 'RETR' || verb === 'TOP') return [this.#messageLine(number, end)]
    const changed = turn?.content.postern ?? []
    // Postern answered by itself: there is nothing that its list could differ from.
    if (end === null && turn?.content.server.length === 0 && changed.length > 0)
      return [ownListing(number, changed)]
    const lines = [listingLine(number, turn?.content.server ?? [], end)]
    return changed.length === 0
      ? lines
      : [...lines, changedListing(number, turn?.content.server ?? [], changed)]
  }

  #messageLine(number: number, end: Of<'content-end'> | null): Line {
    const message = this.#messages.get(number)
    const facts = message === undefined ? null : summaryOf(message)
    const which = message?.messageNumber === undefined ? 'message' : `message ${message.messageNumber ?? '?'}`
    const isAnswered = message !== undefined && message.original === null && message.sent !== null
    const size = end !== null ? `${end.octets} octets` : isAnswered ? 'answered by postern' : 'not ended'
    const subject = facts?.subject === null || facts === null ? '' : `: ${facts.subject}`
    const sent = message?.sent ?? null
    const turn = this.#turns.get(number)
    const detail = [
      ...(facts?.from === null || facts === null ? [] : [`From: ${facts.from}`]),
      ...(facts?.date === null || facts === null ? [] : [`Date: ${facts.date}`]),
      ...(facts?.attachments.map(
        ({ name, type }) => `attachment: ${name === '' ? type : `${name} (${type})`}`,
      ) ?? []),
      ...(sent === null ? [] : [`changed: the client got ${sent.length} octets in its place`]),
      ...(message === undefined || message.notKept === 0
        ? []
        : [`${message.notKept} octets of it were not kept`]),
      ...(turn === undefined ? [] : this.#rulesOf(turn)),
    ]
    const isDropped = turn !== undefined && replyOf(turn)?.indicator === '-ERR'
    const by = sent === null || turn === undefined ? [] : changingRules(ruleHitsOfTurn(this.#record, turn))
    const changed = isDropped
      ? ' (the client did not get it)'
      : sent === null
        ? ''
        : by.length === 0
          ? ' (changed)'
          : ` (changed by ${by.join(', ')})`
    return {
      ...said(
        'message',
        isAnswered ? 'postern' : 'server',
        number,
        `${which}, ${size}${subject}${changed}`,
        end?.octets ?? null,
      ),
      durationMs: end?.afterMs ?? null,
      tone: sent === null && end !== null && !isDropped ? 'plain' : 'attention',
      detail,
      messageKey: number,
    }
  }

  #withHints(): readonly DialogueLine[] {
    const behind = new Map<number, Hint[]>()
    for (const hint of habitHints(this.#record)) {
      const index = this.#lastLine.get(hint.number) ?? this.#lines.length - 1
      const hints = behind.get(index)
      if (hints === undefined) behind.set(index, [hint])
      else hints.push(hint)
    }
    if (behind.size === 0) return this.#lines
    return this.#lines.flatMap((line, index) => [
      line,
      ...(behind.get(index) ?? []).map((hint) => hintLine(hint, line)),
    ])
  }
}

function said(
  kind: DialogueKind,
  from: DialogueLine['from'],
  number: number,
  text: string,
  octets: number | null,
): Line {
  return { kind, from, number, text, octets, durationMs: null, tone: 'plain', detail: [], messageKey: null }
}

function about(
  kind: DialogueKind,
  text: string,
  tone: DialogueLine['tone'] = 'plain',
  detail: readonly string[] = [],
): Line {
  return { ...said(kind, null, 0, text, null), tone, detail }
}

function hintLine(
  { number, side, text, reference, severity }: Hint,
  { at, sinceStartMs }: DialogueLine,
): DialogueLine {
  const tone = severity === 'attention' ? 'attention' : 'plain'
  return { ...about('hint', `${text} (${reference})`, tone), from: side, number, at, sinceStartMs }
}

function greetingLine({ indicator, text, afterMs }: Of<'greeting'>): Line {
  const line = said(
    'greeting',
    'server',
    0,
    statusText({ indicator, text }),
    statusLineOctets({ indicator, text }),
  )
  return { ...line, durationMs: afterMs, tone: indicator === '-ERR' ? 'error' : 'plain' }
}

function replacedLine({ number, shown, octets }: Of<'command-replaced'>): Line {
  const line = said('replaced', 'postern', number, shown, octets)
  return { ...line, tone: 'attention', detail: ['this went to the server in place of the command above'] }
}

function tlsLine({ side, tls }: Of<'tls-established'>): Line {
  const name = tls.serverName === null ? '' : `, name ${tls.serverName}`
  const resumed = tls.resumed ? ', resumed' : ''
  const detail = [
    ...(tls.alpn === null ? [] : [`ALPN ${tls.alpn}`]),
    ...(tls.certificate === null ? [] : certificateLines(tls.certificate)),
  ]
  const text = `TLS with the ${side}: ${tls.protocol} ${tls.cipher}${name}${resumed}`
  return { ...about('tls', text, 'plain', detail), from: side }
}

function certificateLines({
  subject,
  issuer,
  names,
  notBefore,
  notAfter,
  fingerprint256,
}: CertificateFacts): readonly string[] {
  return [
    `certificate for ${subject}`,
    ...(names.length === 0 ? [] : [`names ${names.join(', ')}`]),
    `issued by ${issuer}`,
    `valid from ${notBefore} until ${notAfter}`,
    `SHA-256 ${fingerprint256}`,
  ]
}

function listingLine(number: number, pieces: readonly Buffer[], end: Of<'content-end'> | null): Line {
  const lines = linesOf(Buffer.concat([...pieces]))
  const isKept = pieces.length > 0 || end?.octets === 0
  const count = countOf(lines.length, 'line')
  const text = isKept ? count : 'lines that were not kept'
  const line = said(
    'listing',
    'server',
    number,
    end === null ? `${text}, not ended` : text,
    end?.octets ?? null,
  )
  return { ...line, durationMs: end?.afterMs ?? null, detail: shownLines(lines) }
}

function ownListing(number: number, pieces: readonly Buffer[]): Line {
  const octets = Buffer.concat([...pieces])
  const lines = linesOf(octets)
  const line = said('listing', 'postern', number, countOf(lines.length, 'line'), octets.length)
  return { ...line, detail: shownLines(lines) }
}

/** What postern made of a list, and how it differs from the server's. */
function changedListing(number: number, server: readonly Buffer[], postern: readonly Buffer[]): Line {
  const before = linesOf(Buffer.concat([...server]))
  const octets = Buffer.concat([...postern])
  const lines = linesOf(octets)
  const added = without(lines, before).map((line) => `+ ${shownLine(line)}`)
  const removed = without(before, lines).map((line) => `- ${shownLine(line)}`)
  const difference = [...removed, ...added]
  const count = countOf(lines.length, 'line')
  const text = `the client got ${count}${difference.length === 0 ? '' : `: ${difference.join(', ')}`}`
  const shortText =
    text.length <= 160 ? text : `the client got ${count}, ${difference.length} of them changed`
  return {
    ...said('listing', 'postern', number, shortText, octets.length),
    detail: [...difference, ...(difference.length === 0 ? [] : ['']), ...shownLines(lines)],
  }
}

function without(lines: readonly string[], others: readonly string[]): readonly string[] {
  const left = new Set(others)
  return lines.filter((line) => !left.has(line))
}

function shownLines(lines: readonly string[]): readonly string[] {
  const shown = lines.slice(0, LISTING_LINES).map(shownLine)
  return lines.length <= LISTING_LINES ? shown : [...shown, `... and ${lines.length - LISTING_LINES} more`]
}

const VERDICTS: Readonly<Record<Verdict, string>> = {
  released: 'released unchanged',
  edited: 'edited',
  answered: 'answered by a person',
  dropped: 'dropped',
  'timed-out': 'released by itself: nobody decided in time',
  'session-ended': 'no longer held: the session ended',
}

function releasedLine({ number, kind, verdict, afterMs }: Of<'released'>): Line {
  const tone = verdict === 'released' ? 'plain' : 'attention'
  return { ...about('held', `${kind} ${VERDICTS[verdict]}`, tone), number, durationMs: afterMs }
}

/** Hits of one rule that one line tells of. */
interface Folded {
  /** Where the line stands. */
  readonly index: number
  readonly hits: RuleHit[]
}

function ruleLine(hit: RuleHit): Line {
  const { number, message, uniqueId, place, actions, reason, mode } = hit
  const what = mode === 'failed' ? `could not be asked: ${reason}` : actions.join(', ')
  const text = `${ruleName(hit)}${message === null ? '' : `, message ${message}`}: ${what}`
  const detail = [
    ...(mode === 'failed' ? [] : [`because ${reason}`]),
    ...(place === '' ? [] : [`at ${place}`]),
    ...(uniqueId === null ? [] : [`unique-id ${uniqueId}`]),
  ]
  const tone = mode === 'failed' ? 'error' : mode === 'shadow' ? 'plain' : 'attention'
  return { ...about('rule', text, tone, detail), number }
}

function ruleName({ rule, mode }: RuleHit): string {
  return `rule "${rule}"${mode === 'shadow' ? ' (shadow, nothing is done)' : ''}`
}

/** What a line says of many messages, and what it unfolds to: why, and of which messages. */
function foldedTexts(hits: readonly RuleHit[]): Pick<Line, 'text' | 'detail'> {
  const [first] = hits
  if (first === undefined) return { text: '', detail: [] }
  const what = first.mode === 'failed' ? 'could not be asked' : first.actions.join(', ')
  const byReason = new Map<string, number[]>()
  for (const { message, reason } of hits) {
    const messages = byReason.get(reason)
    if (messages === undefined) byReason.set(reason, [message ?? 0])
    else messages.push(message ?? 0)
  }
  const reasons = [...byReason]
  const shown = reasons
    .slice(0, RULE_LINES)
    .flatMap(([reason, messages]) => [
      `because ${reason}`,
      `  ${messages.length === 1 ? 'message' : 'messages'} ${numbersText(messages)}`,
    ])
  const more = reasons.length - RULE_LINES
  return {
    text: `${ruleName(first)}, ${hits.length} messages: ${what}`,
    detail: [
      ...(first.place === '' ? [] : [`at ${first.place}`]),
      ...shown,
      ...(more <= 0 ? [] : [`... and for ${more} more reasons`]),
    ],
  }
}

/** `2-5, 7` of 2, 3, 4, 5 and 7. */
function numbersText(numbers: readonly number[]): string {
  const ranges: { from: number; to: number }[] = []
  for (const number of numbers.toSorted((one, other) => one - other)) {
    const last = ranges.at(-1)
    if (last !== undefined && number <= last.to + 1) last.to = number
    else ranges.push({ from: number, to: number })
  }
  const texts = ranges.slice(0, RANGES).map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`))
  return `${texts.join(', ')}${ranges.length > RANGES ? ', ...' : ''}`
}

/** Names of the rules that may have changed a message, each once. */
function changingRules(hits: readonly RuleHit[]): readonly string[] {
  return [...new Set(hits.filter(changesSomething).map(({ rule }) => `rule "${rule}"`))]
}

function maildropLine({ messages, remembered, headers, whole, hidden }: Of<'maildrop-seen'>): Line {
  const text = `rules have seen the maildrop: ${countOf(messages, 'message')}, ${hidden} hidden`
  const fetched = `${countOf(headers, 'header section')} and ${countOf(whole, 'whole message')} fetched for them`
  return about('rule', text, 'plain', [fetched, `${countOf(remembered, 'verdict')} known from before`])
}

const REASONS: Readonly<Record<ClosedReason, string>> = {
  quit: 'ended by QUIT',
  'client-left': 'the client left without QUIT',
  'server-closed': 'the server closed the connection',
  'server-refused': 'the server refused the session in its greeting',
  'login-deadline': 'closed: the login took too long',
  idle: 'closed: nothing was said for too long',
  drained: 'closed: postern is ending',
  rule: 'closed by a rule',
  failed: 'closed after a failure',
}

function closedLine({ reason, code, commands, messages, octets }: Of<'session-closed'>): Line {
  const isExpected = reason === 'quit'
  const detail = [
    `${countOf(commands, 'command')}, ${countOf(messages, 'message')}`,
    `from the client ${octets.fromClient} octets, toward it ${octets.toClient}`,
    `from the server ${octets.fromServer} octets, toward it ${octets.toServer}`,
  ]
  const text = `${REASONS[reason]}${code === null ? '' : ` (${code})`}`
  return about('closed', text, isExpected ? 'plain' : reason === 'failed' ? 'error' : 'attention', detail)
}

function countOf(count: number, what: string): string {
  return count === 1 ? `1 ${what}` : `${count} ${what}s`
}

function by({
  user,
  mechanism,
}: {
  readonly user: string | null
  readonly mechanism: string | null
}): string {
  return `${user === null ? '' : ` as ${user}`}${mechanism === null ? '' : ` with ${mechanism}`}`
}

function statusText(line: {
  readonly indicator: string
  readonly responseCode?: string | null
  readonly text: string
}): string {
  const code = line.responseCode === undefined || line.responseCode === null ? '' : `[${line.responseCode}] `
  return `${line.indicator} ${code}${line.text}`.trimEnd()
}

function unreachable(value: never): never {
  throw new Error(`no such event: ${JSON.stringify(value)}`)
}
