/**
 * A recorded session that answers as the server did: octets of a client in, octets of the recording out. Owns which
 * recorded reply a command gets and what follows from the recording where it has none; has no sockets and no clock.
 * Invents no mail: what was not recorded is refused, and says so.
 */
import { decodeCapabilities } from '../pop3/capabilities.js'
import type { Command } from '../pop3/command.js'
import { type ClientEvent, CommandDecoder } from '../pop3/command-decoder.js'
import { encodeStatusLine, removeByteStuffing } from '../pop3/encoder.js'
import type { Limits } from '../pop3/limits.js'
import { type ExchangeTold, exchangesOf, statusLineWire } from '../sessions/exchanges.js'
import type { SessionRecord } from '../sessions/session-record.js'

/** What the stand-in says to one piece of the client's octets, in order. */
export type StandInEffect =
  /** After so many milliseconds, as long as the server took; 0 where it was not recorded. */
  | { readonly type: 'write'; readonly octets: readonly Buffer[]; readonly afterMs: number }
  /** For the person who runs it: what was asked, and where the answer came from. */
  | { readonly type: 'note'; readonly text: string }
  | { readonly type: 'end' }

/** Where an answer came from. */
type Origin = 'recorded' | 'follows' | 'missing'

interface Answer {
  /** Pieces of the recording itself where they can be: a client that asks a thousand times costs no thousand copies. */
  readonly octets: readonly Buffer[]
  readonly afterMs: number
  readonly origin: Origin
}

/** Mechanisms whose exchange needs nothing that only the real server knows. */
const PLAYABLE_MECHANISMS: ReadonlyMap<string, readonly string[]> = new Map([
  ['PLAIN', ['']],
  ['LOGIN', ['VXNlcm5hbWU6', 'UGFzc3dvcmQ6']],
  ['CRAM-MD5', ['PDEuMUBwb3N0ZXJuLmV4YW1wbGU+']],
  ['XOAUTH2', ['']],
  ['OAUTHBEARER', ['']],
])
const LOGIN_VERBS: ReadonlySet<string> = new Set(['PASS', 'APOP', 'AUTH', 'RPOP'])
/** TOP with so many lines is a message; fetchmail asks for 99999999. */
const WHOLE_MESSAGE_LINES = 1_000_000

/** One client's session with a recording. */
export class StandIn {
  readonly #exchanges: readonly ExchangeTold[]
  readonly #record: SessionRecord
  readonly #decoder: CommandDecoder
  readonly #used = new Set<ExchangeTold>()
  #position = 0
  /** Challenges still to send in a SASL exchange; null outside of one. */
  #challenges: string[] | null = null
  #hasEnded = false

  /**
   * @param record with content where mail shall be served
   * @param limits of the client's lines
   */
  constructor(record: SessionRecord, limits: Limits) {
    this.#record = record
    // What the server said to postern's changes is played as the client saw it; a watcher's commands are not its.
    this.#exchanges = exchangesOf(record).filter(({ origin }) => origin === 'client')
    this.#decoder = new CommandDecoder(limits, new Set())
  }

  /** The recorded greeting; without one, a greeting that says so. */
  greet(): readonly StandInEffect[] {
    for (const { content } of this.#record.events) {
      if (content.type !== 'greeting') continue
      const octets = Buffer.from(`${content.indicator} ${content.text}\r\n`, 'utf8')
      return [{ type: 'write', octets: [octets], afterMs: content.afterMs }]
    }
    return [
      { type: 'write', octets: [encodeStatusLine('+OK', null, 'postern plays a recording')], afterMs: 0 },
      { type: 'note', text: 'the recording has no greeting' },
    ]
  }

  /**
   * Takes octets of the client.
   *
   * Never fails on anything a client can send.
   */
  handle(octets: Buffer): readonly StandInEffect[] {
    const effects: StandInEffect[] = []
    if (this.#hasEnded) return effects
    this.#decoder.push(octets)
    for (;;) {
      const event = this.#decoder.next(this.#challenges === null ? 'command' : 'sasl-response')
      if (event === null || this.#hasEnded) return effects
      this.#take(event, effects)
    }
  }

  #take(event: ClientEvent, effects: StandInEffect[]): void {
    switch (event.type) {
      case 'command':
        this.#command(event.command, effects)
        return
      case 'sasl-response':
        if (event.cancels) {
          this.#challenges = null
          write(effects, refused('the client cancelled the login', 'follows'))
        } else this.#challenge(effects)
        return
      case 'line-too-long':
        write(effects, refused(`line of more than ${event.limit} octets`, 'follows'))
        this.#end(effects)
    }
  }

  #command(command: Command, effects: StandInEffect[]): void {
    const key = keyOf(command.verb, command.arguments, command.keyword)
    if (command.verb === 'AUTH' && command.arguments.length > 0) {
      this.#authenticate(command, effects)
      return
    }
    const answer = this.#recorded(key) ?? this.#follows(command)
    effects.push({ type: 'note', text: `${key}: ${ORIGIN_TEXT[answer.origin]}` })
    write(effects, answer)
    if (command.verb === 'QUIT') this.#end(effects)
  }

  /** The recorded answer to the same command: the next one in order, else any other, else the last one again. */
  #recorded(key: string): Answer | null {
    const isSame = (exchange: ExchangeTold): boolean => keyOfTold(exchange) === key && exchange.reply !== null
    const fresh = (exchange: ExchangeTold): boolean => isSame(exchange) && !this.#used.has(exchange)
    const found =
      this.#exchanges.slice(this.#position).find(fresh) ??
      this.#exchanges.find(fresh) ??
      this.#exchanges.findLast(isSame)
    if (found === undefined) return null
    const answer = answerOf(found)
    if (answer === null) return null
    this.#used.add(found)
    this.#position = Math.max(this.#position, this.#exchanges.indexOf(found) + 1)
    return answer
  }

  #authenticate(command: Command, effects: StandInEffect[]): void {
    const [mechanism = ''] = command.arguments
    const challenges = PLAYABLE_MECHANISMS.get(mechanism.toUpperCase())
    if (challenges === undefined) {
      const text = `${mechanism} cannot be played from a recording: it proves what only the server knows`
      effects.push({ type: 'note', text: `AUTH ${mechanism}: ${ORIGIN_TEXT.missing}` })
      write(effects, refused(text, 'missing'))
      return
    }
    this.#challenges = command.secret === null ? [...challenges] : challenges.slice(1)
    this.#challenge(effects)
  }

  /** Any credential is taken: the recorded outcome of the login is what counts. */
  #challenge(effects: StandInEffect[]): void {
    const next = this.#challenges?.shift()
    if (next !== undefined) {
      effects.push({ type: 'write', octets: [Buffer.from(`+ ${next}\r\n`, 'latin1')], afterMs: 0 })
      return
    }
    this.#challenges = null
    const answer = this.#loginAnswer()
    effects.push({ type: 'note', text: `AUTH: ${ORIGIN_TEXT[answer.origin]}` })
    write(effects, answer)
  }

  #loginAnswer(): Answer {
    const login = this.#exchanges.findLast(({ verb, reply }) => LOGIN_VERBS.has(verb) && reply !== null)
    const answer = login === undefined ? null : answerOf(login)
    return answer ?? refused('the recording has no login', 'missing')
  }

  /** What can be said of a command that was not recorded. RFC 1939 §5 and §7. */
  #follows(command: Command): Answer {
    const { verb } = command
    if (LOGIN_VERBS.has(verb) && verb !== 'AUTH') return this.#loginAnswer()
    switch (verb) {
      case 'USER':
        return accepted('send PASS')
      case 'NOOP':
      case 'RSET':
      case 'DELE':
        return accepted('')
      case 'QUIT':
        return accepted('end of the recording')
      case 'CAPA':
        return refused('the recording has no capability list', 'missing')
      case 'STAT':
        return this.#dropListing()
      case 'LIST':
      case 'UIDL':
        return this.#lineOfListing(verb, command.arguments[0])
      case 'RETR':
      case 'TOP':
        return this.#message(command)
      default:
        return refused('not in the recording', 'missing')
    }
  }

  #dropListing(): Answer {
    const lines = this.#listing('LIST')
    if (lines === null) return refused('the recording has neither STAT, LIST nor a message', 'missing')
    const octets = lines.reduce((sum, line) => sum + (Number(line.split(' ')[1]) || 0), 0)
    return accepted(`${lines.length} ${octets}`)
  }

  #lineOfListing(verb: 'LIST' | 'UIDL', messageNumber: string | undefined): Answer {
    const lines = this.#listing(verb)
    if (lines === null) return refused('not in the recording', 'missing')
    if (messageNumber === undefined) {
      const listing = Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'latin1')
      return {
        octets: [encodeStatusLine('+OK', null, ''), listing, TERMINATION],
        afterMs: 0,
        origin: 'follows',
      }
    }
    const line = lines.find((one) => one.split(' ')[0] === String(Number(messageNumber)))
    return line === undefined ? refused('no such message in the recording', 'follows') : accepted(line)
  }

  /** What the server listed; where nobody asked it, the messages that were fetched are the maildrop. */
  #listing(verb: 'LIST' | 'UIDL'): readonly string[] | null {
    const wire = this.#exchanges.find((exchange) => exchange.shown.toUpperCase() === verb)?.content?.wire
    if (wire === undefined || wire === null) return verb === 'LIST' ? this.#fetchedMessages() : null
    const lines = removeByteStuffing(wire).toString('latin1').split('\r\n')
    return lines.filter((line) => line !== '')
  }

  /** A scan listing of the messages that can be served; null where there is none. */
  #fetchedMessages(): readonly string[] | null {
    const octetsOf = new Map<number, number>()
    for (const exchange of this.#exchanges) {
      const messageNumber = Number(exchange.shown.split(' ')[1])
      const { octets = null, wire = null } = exchange.content ?? {}
      if (wire !== null && octets !== null && isWholeMessage(exchange, String(messageNumber))) {
        octetsOf.set(messageNumber, octets)
      }
    }
    if (octetsOf.size === 0) return null
    return [...octetsOf].toSorted(([one], [other]) => one - other).map((words) => words.join(' '))
  }

  /** TOP follows from a whole message, and RETR from a TOP that asked for all of it. */
  #message(command: Command): Answer {
    const [messageNumber = '', lineCount] = command.arguments
    const whole = this.#exchanges.find(
      (exchange) => isWholeMessage(exchange, messageNumber) && exchange.content?.wire !== null,
    )
    const wire = whole?.content?.wire ?? null
    if (wire === null) {
      const asked = this.#exchanges.some((exchange) => isWholeMessage(exchange, messageNumber))
      const text = asked
        ? 'this message was fetched but not recorded: record with its content'
        : 'this message is not in the recording'
      return refused(text, 'missing')
    }
    const octets = whole?.content?.octets ?? wire.length
    if (command.verb === 'RETR') {
      const status = encodeStatusLine('+OK', null, `${octets} octets`)
      return { octets: [status, wire, endOf(wire)], afterMs: 0, origin: 'follows' }
    }
    const top = beginning(wire, Number(lineCount ?? '0'))
    return { octets: [encodeStatusLine('+OK', null, ''), top, endOf(top)], afterMs: 0, origin: 'follows' }
  }

  #end(effects: StandInEffect[]): void {
    this.#hasEnded = true
    effects.push({ type: 'end' })
  }
}

const ORIGIN_TEXT: Readonly<Record<Origin, string>> = {
  recorded: 'as recorded',
  follows: 'follows from the recording',
  missing: 'not in the recording, refused',
}

function write(effects: StandInEffect[], { octets, afterMs }: Answer): void {
  effects.push({ type: 'write', octets, afterMs })
}

function accepted(text: string): Answer {
  return { octets: [encodeStatusLine('+OK', null, text)], afterMs: 0, origin: 'follows' }
}

function refused(text: string, origin: Origin): Answer {
  return { octets: [encodeStatusLine('-ERR', null, text)], afterMs: 0, origin }
}

/** Null where the server was cut off before it had answered, or the content was not kept. */
function answerOf({ verb, reply, content }: ExchangeTold): Answer | null {
  if (reply === null) return null
  const status = statusLineWire(reply)
  const { afterMs } = reply
  if (content === null || reply.indicator === '-ERR') return { octets: [status], afterMs, origin: 'recorded' }
  if (content.wire === null) return null
  const lines = verb === 'CAPA' ? playableCapabilities(content.wire) : content.wire
  return { octets: [status, lines, endOf(lines)], afterMs, origin: 'recorded' }
}

const TERMINATION = Buffer.from('.\r\n', 'latin1')
const LINE_END_AND_TERMINATION = Buffer.from('\r\n.\r\n', 'latin1')

/** RFC 1939 §3: the termination octet stands at the beginning of a line. */
function endOf(content: Buffer): Buffer {
  const isAtLineStart = content.length === 0 || content.subarray(-2).equals(LINE_END)
  return isAtLineStart ? TERMINATION : LINE_END_AND_TERMINATION
}

const LINE_END = Buffer.from('\r\n', 'latin1')

/** STLS and mechanisms that cannot be played would only make a client fail. */
function playableCapabilities(content: Buffer): Buffer {
  const lines = decodeCapabilities(content).flatMap(({ tag, parameters, line }) => {
    if (tag === 'STLS') return []
    if (tag !== 'SASL') return [line]
    const kept = parameters.filter((mechanism) => PLAYABLE_MECHANISMS.has(mechanism.toUpperCase()))
    return kept.length === 0 ? [] : [['SASL', ...kept].join(' ')]
  })
  return Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'latin1')
}

/** What makes two commands the same: names and credentials of a login do not count. */
function keyOf(verb: string, words: readonly string[], keyword: string): string {
  if (verb === 'unrecognized') return keyword.toUpperCase()
  if (verb === 'USER' || LOGIN_VERBS.has(verb)) return verb
  return [verb, ...words.map((word) => (/^[0-9]+$/.test(word) ? String(Number(word)) : word.toUpperCase()))]
    .join(' ')
    .trimEnd()
}

function keyOfTold({ verb, shown }: ExchangeTold): string {
  const [keyword = '', ...words] = shown.split(' ')
  return keyOf(verb, words, keyword)
}

function isWholeMessage({ verb, shown, reply }: ExchangeTold, messageNumber: string): boolean {
  if (reply?.indicator !== '+OK') return false
  const [, told = '', lines = '0'] = shown.split(' ')
  if (Number(told) !== Number(messageNumber)) return false
  return verb === 'RETR' || (verb === 'TOP' && Number(lines) >= WHOLE_MESSAGE_LINES)
}

/** The header section, the blank line and so many lines of the body, byte-stuffed as they are. RFC 1939 §7, TOP. */
function beginning(message: Buffer, lines: number): Buffer {
  const body = message.indexOf('\r\n\r\n')
  if (body < 0 || lines >= WHOLE_MESSAGE_LINES) return message
  let end = body + 4
  for (let count = 0; count < lines; count += 1) {
    const next = message.indexOf('\r\n', end)
    if (next < 0) return message
    end = next + 2
  }
  return message.subarray(0, end)
}
