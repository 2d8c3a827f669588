/**
 * One session of the demo server as a pure machine: the client's octets go in, replies come out one at a time
 * when they are asked for, so that whoever owns the socket decides the pace. Owns the states of RFC 1939 and
 * what is said in each; knows nothing of sockets, TLS handshakes, clocks or randomness.
 */

import { type Command, replyShapeOf } from '../pop3/command.js'
import { type ClientEvent, CommandDecoder } from '../pop3/command-decoder.js'
import type { SessionState } from '../pop3/command-table.js'
import { encodeContent, encodeStatusLine } from '../pop3/encoder.js'
import type { Limits } from '../pop3/limits.js'
import { declassify, type Secret } from '../pop3/secret.js'
import {
  type Account,
  type Accounts,
  logInByDigest,
  logInByPassword,
  MECHANISMS,
  SaslExchange,
  type SaslOutcome,
} from './accounts.js'
import { type NumberedMessage, type OpenMaildrop, type StoredMessage, topOf } from './maildrop.js'

/** What this server offers, and the oddities it is told to have. */
export interface Character {
  /** Text of the greeting, before the timestamp. */
  readonly greeting: string
  /** Name in the capability IMPLEMENTATION (RFC 2449 §6.9). */
  readonly implementation: string
  /** Offers STLS while TLS is not active (RFC 2595 §4). */
  readonly offersStls: boolean
  /** Refuses every login until TLS is active. */
  readonly loginNeedsTls: boolean
  /** Puts a timestamp into the greeting and takes APOP (RFC 1939 §7). */
  readonly apop: boolean
  /** Knows CAPA; otherwise `-ERR`, as before RFC 2449. */
  readonly capa: boolean
  /**
   * Announces PIPELINING and keeps to it. Otherwise what arrives together with a command, behind it, is lost, as
   * at servers that read one command a packet.
   */
  readonly pipelining: boolean
  /** Lines added to the capability list as they are. */
  readonly announce: readonly string[]
}

export interface SessionOptions {
  readonly accounts: Accounts
  readonly character: Character
  readonly limits: Limits
  /** TLS stands before the greeting (RFC 8314 §3). */
  readonly isSecure: boolean
  /** A new `<msg-id>` at each call, for APOP and CRAM-MD5. */
  readonly nextTimestamp: () => string
}

/** What the owner of the socket shall do. After `start-tls` it calls `tlsEstablished`; after `end` nothing comes. */
export type SessionEffect =
  | { readonly type: 'write'; readonly octets: Buffer }
  | { readonly type: 'start-tls' }
  | { readonly type: 'end' }

type Effects = readonly SessionEffect[]

const NO_MULTI_LINE_VERBS: ReadonlySet<string> = new Set()
const NOT_SUPPORTED = 'this server does not support that command'
const SYNTAX_ANOMALIES = ['missing-argument', 'malformed-argument', 'surplus-argument'] as const

/** A session of the demo server. */
export class MaildropSession {
  readonly #accounts: Accounts
  readonly #character: Character
  readonly #limits: Limits
  readonly #nextTimestamp: () => string
  readonly #timestamp: string | null
  #effects: readonly SessionEffect[]
  #decoder: CommandDecoder
  #isSecure: boolean
  #isAwaitingTls = false
  #hasEnded = false
  #userName: string | null = null
  #exchange: SaslExchange | null = null
  #maildrop: OpenMaildrop | null = null
  #errorsBeforeLogin = 0
  #discardedOctets = 0

  constructor(options: SessionOptions) {
    this.#accounts = options.accounts
    this.#character = options.character
    this.#limits = options.limits
    this.#nextTimestamp = options.nextTimestamp
    this.#isSecure = options.isSecure
    this.#decoder = new CommandDecoder(options.limits, NO_MULTI_LINE_VERBS)
    this.#timestamp = options.character.apop ? options.nextTimestamp() : null
    const greeting = [options.character.greeting, this.#timestamp].filter((word) => word !== null)
    this.#effects = [...this.#say(greeting.join(' '))]
  }

  /** UPDATE is over as soon as it is entered: no command is served in it. */
  get state(): Exclude<SessionState, 'UPDATE'> {
    return this.#maildrop === null ? 'AUTHORIZATION' : 'TRANSACTION'
  }

  /** Octets received that no command was made of yet. */
  get undecodedOctets(): number {
    return this.#decoder.undecodedOctets
  }

  /** Octets thrown away unread: in clear behind STLS, behind the end, behind a command without pipelining. */
  get discardedOctets(): number {
    return this.#discardedOctets
  }

  /** Takes what the client sent. Without effect after the end. */
  receive(octets: Buffer): void {
    if (this.#hasEnded || this.#isAwaitingTls) this.#discardedOctets += octets.length
    else this.#decoder.push(octets)
  }

  /**
   * Gives what is to be done next, and serves the next command where nothing is.
   *
   * @returns null until more octets are there
   */
  next(): SessionEffect | null {
    for (;;) {
      const [effect, ...others] = this.#effects
      this.#effects = others
      if (effect !== undefined) return effect
      if (this.#hasEnded || this.#isAwaitingTls) return null
      const event = this.#decoder.next(this.#exchange === null ? 'command' : 'sasl-response')
      if (event === null) return null
      this.#effects = this.#serve(event)
      if (!this.#character.pipelining) this.#discardUndecoded()
    }
  }

  /** The handshake behind `start-tls` is done. All that came before it is forgotten (RFC 2595 §4). */
  tlsEstablished(): void {
    this.#isAwaitingTls = false
    this.#isSecure = true
    this.#userName = null
    this.#errorsBeforeLogin = 0
    this.#decoder = new CommandDecoder(this.#limits, NO_MULTI_LINE_VERBS)
  }

  /** The connection is gone. Releases the lock and removes nothing (RFC 1939 §6). Harmless when repeated. */
  abandon(): void {
    this.#maildrop?.abandon()
    this.#maildrop = null
    this.#hasEnded = true
    this.#effects = []
  }

  #serve(event: ClientEvent): Effects {
    switch (event.type) {
      case 'line-too-long':
        return [...this.#fail(`line longer than ${event.limit} octets; good-bye`), ...this.#end()]
      case 'sasl-response':
        return this.#respond(event.cancels ? null : event.response)
      case 'command': {
        const isMalformed = SYNTAX_ANOMALIES.some((anomaly) => event.anomalies.includes(anomaly))
        return this.#serveCommand(event.command, isMalformed)
      }
    }
  }

  #respond(response: Secret | null): Effects {
    const exchange = this.#exchange
    if (response !== null && exchange !== null) return this.#goOn(exchange.proceed(response))
    this.#exchange = null
    return this.#fail('authentication cancelled')
  }

  #serveCommand(command: Command, isMalformed: boolean): Effects {
    if (command.verb === 'unrecognized') return this.#fail('unknown command')
    if (!command.grammar.states.includes(this.state)) {
      return this.#fail(`${command.verb} is not for the ${this.state} state`)
    }
    if (command.verb === 'AUTH') return this.#auth(command)
    if (isMalformed) return this.#fail(`wrong arguments to ${command.verb}`)
    switch (command.verb) {
      case 'CAPA':
        return this.#capa()
      case 'STLS':
        return this.#stls()
      case 'USER':
        return this.#user(command)
      case 'PASS':
        return this.#pass(command)
      case 'APOP':
        return this.#apop(command)
      case 'QUIT':
        return this.#quit()
      default:
        return this.#maildrop === null ? this.#fail(NOT_SUPPORTED) : this.#transact(command, this.#maildrop)
    }
  }

  #transact(command: Command, maildrop: OpenMaildrop): Effects {
    switch (command.verb) {
      case 'NOOP':
        return this.#say('')
      case 'STAT':
        return this.#say(`${maildrop.list().length} ${maildrop.octets}`)
      case 'LIST':
        return this.#listing(
          command,
          maildrop,
          ({ octets }) => `${octets.length}`,
          () => `${maildrop.list().length} messages (${maildrop.octets} octets)`,
        )
      case 'UIDL':
        return this.#listing(
          command,
          maildrop,
          ({ uniqueId }) => uniqueId,
          () => 'unique-id listing follows',
        )
      case 'RETR':
        return this.#withMessage(command, maildrop, ({ message: { octets } }) =>
          this.#sayContent(`${octets.length} octets`, octets),
        )
      case 'TOP':
        return this.#withMessage(command, maildrop, ({ message: { octets } }) =>
          this.#sayContent('top of message follows', topOf(octets, Number(command.arguments[1]))),
        )
      case 'DELE':
        return this.#withMessage(command, maildrop, ({ messageNumber }) => {
          maildrop.markDeleted(messageNumber)
          return this.#say(`message ${messageNumber} is marked as deleted`)
        })
      case 'RSET':
        maildrop.unmarkAll()
        return this.#say(`${maildrop.list().length} messages (${maildrop.octets} octets)`)
      default:
        return this.#fail(NOT_SUPPORTED)
    }
  }

  /** LIST and UIDL: all messages in several lines, or one in the status line (RFC 1939 §5 and §7). */
  #listing(
    command: Command,
    maildrop: OpenMaildrop,
    fact: (message: StoredMessage) => string,
    heading: () => string,
  ): Effects {
    const write = ({ messageNumber, message }: NumberedMessage) => `${messageNumber} ${fact(message)}`
    if (replyShapeOf(command) === 'multi-line') {
      const lines = maildrop.list().map((numbered) => `${write(numbered)}\r\n`)
      return this.#sayContent(heading(), Buffer.from(lines.join(''), 'latin1'))
    }
    return this.#withMessage(command, maildrop, (numbered) => this.#say(write(numbered)))
  }

  #withMessage(
    command: Command,
    maildrop: OpenMaildrop,
    use: (numbered: NumberedMessage) => Effects,
  ): Effects {
    const messageNumber = Number(command.arguments[0])
    const message = maildrop.find(messageNumber)
    if (message === 'deleted') return this.#fail(`message ${messageNumber} is marked as deleted`)
    if (message === 'absent') return this.#fail(`no message ${messageNumber} in this maildrop`)
    return use({ messageNumber, message })
  }

  /** RFC 2449 §5: what is there in AUTHORIZATION is announced in TRANSACTION too; STLS only where it is permitted. */
  #capa(): Effects {
    if (!this.#character.capa) return this.#fail('unknown command')
    const lines = ['TOP', 'UIDL', 'RESP-CODES', 'AUTH-RESP-CODE', 'EXPIRE NEVER']
    if (!this.#refusesLogin) lines.push('USER', `SASL ${MECHANISMS.join(' ')}`)
    if (this.#character.pipelining) lines.push('PIPELINING')
    if (this.#mayStartTls && this.#maildrop === null) lines.push('STLS')
    lines.push(`IMPLEMENTATION ${this.#character.implementation}`, ...this.#character.announce)
    const content = lines.map((line) => `${line}\r\n`).join('')
    return this.#sayContent('capability list follows', Buffer.from(content, 'latin1'))
  }

  #stls(): Effects {
    if (this.#isSecure) return this.#fail('TLS is active already')
    if (!this.#mayStartTls) return this.#fail('STLS is not supported')
    this.#isAwaitingTls = true
    // Whatever stands behind STLS in clear may come from somebody between (RFC 2595 §4).
    this.#discardUndecoded()
    return [...this.#say('begin TLS negotiation'), { type: 'start-tls' }]
  }

  #user(command: Command): Effects {
    if (this.#refusesLogin) return this.#failForTls()
    this.#userName = textOf(command.arguments[0] ?? '')
    // The answer is the same for every name, so that it tells nobody which exist.
    return this.#say('now the password')
  }

  #pass(command: Command): Effects {
    if (this.#refusesLogin) return this.#failForTls()
    const name = this.#userName
    this.#userName = null
    if (name === null || command.secret === null) return this.#fail('USER comes before PASS')
    return this.#logIn(logInByPassword(this.#accounts, name, declassify(command.secret)))
  }

  #apop(command: Command): Effects {
    if (this.#refusesLogin) return this.#failForTls()
    this.#userName = null
    if (this.#timestamp === null || command.secret === null) return this.#fail('APOP is not supported')
    const name = textOf(command.arguments[0] ?? '')
    return this.#logIn(logInByDigest(this.#accounts, name, this.#timestamp, declassify(command.secret)))
  }

  /** RFC 5034 §4. Quirk: without an argument it lists the mechanisms, as Dovecot does. */
  #auth(command: Command): Effects {
    if (this.#refusesLogin) return this.#failForTls()
    this.#userName = null
    if (replyShapeOf(command) === 'multi-line') {
      const content = MECHANISMS.map((mechanism) => `${mechanism}\r\n`).join('')
      return this.#sayContent('mechanisms follow', Buffer.from(content, 'latin1'))
    }
    const mechanism = MECHANISMS.find((known) => known === command.arguments[0])
    if (mechanism === undefined) return this.#fail('unknown authentication mechanism')
    this.#exchange = new SaslExchange(this.#accounts, mechanism, this.#nextTimestamp())
    return this.#goOn(this.#exchange.begin(command.secret))
  }

  #goOn(outcome: SaslOutcome): Effects {
    if (outcome.type === 'challenge') {
      const line = `+ ${outcome.challenge.toString('base64')}\r\n`
      return [{ type: 'write', octets: Buffer.from(line, 'latin1') }]
    }
    this.#exchange = null
    switch (outcome.type) {
      case 'malformed':
        return this.#fail('not a response of this mechanism')
      case 'refused':
        return this.#logIn(null)
      case 'account':
        return this.#logIn(outcome.account)
    }
  }

  #logIn(account: Account | null): Effects {
    // AUTH: what was wrong are the credentials (RFC 3206); IN-USE: they were right (RFC 2449 §8.1.2).
    if (account === null) return this.#refuse('AUTH', 'wrong user name or password')
    this.#maildrop = account.maildrop.open()
    if (this.#maildrop === null) return this.#refuse('IN-USE', 'another session has this maildrop open')
    const count = this.#maildrop.list().length
    return this.#say(`maildrop has ${count} messages (${this.#maildrop.octets} octets)`)
  }

  /** RFC 1939 §4 and §6: only from TRANSACTION does it lead to UPDATE. */
  #quit(): Effects {
    const removed = this.#maildrop?.update() ?? 0
    const parting = removed === 0 ? 'good-bye' : `${removed} messages removed; good-bye`
    return [...this.#say(parting), ...this.#end()]
  }

  get #mayStartTls(): boolean {
    return this.#character.offersStls && !this.#isSecure
  }

  get #refusesLogin(): boolean {
    return this.#character.loginNeedsTls && !this.#isSecure
  }

  #failForTls(): Effects {
    const cure = this.#character.offersStls ? 'give STLS first' : 'and this server has none'
    return this.#fail(`no login without TLS, ${cure}`)
  }

  #say(text: string): Effects {
    return [{ type: 'write', octets: encodeStatusLine('+OK', null, text) }]
  }

  #sayContent(text: string, content: Buffer): Effects {
    // One write for both: some clients look for the end of a response at the end of a packet only.
    const octets = Buffer.concat([encodeStatusLine('+OK', null, text), encodeContent(content)])
    return [{ type: 'write', octets }]
  }

  #fail(text: string): Effects {
    return this.#refuse(null, text)
  }

  #refuse(responseCode: string | null, text: string): Effects {
    const line: Effects = [{ type: 'write', octets: encodeStatusLine('-ERR', responseCode, text) }]
    if (this.#maildrop !== null) return line
    this.#errorsBeforeLogin += 1
    return this.#errorsBeforeLogin > this.#limits.errorsBeforeLogin ? [...line, ...this.#end()] : line
  }

  #end(): Effects {
    if (this.#hasEnded) return []
    this.#maildrop?.abandon()
    this.#maildrop = null
    this.#hasEnded = true
    this.#discardUndecoded()
    return [{ type: 'end' }]
  }

  #discardUndecoded(): void {
    this.#discardedOctets += this.#decoder.takeUndecoded().length
  }
}

/** User names are octets on the wire and UTF-8 for people (RFC 6856 §2.2). */
function textOf(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8')
}
