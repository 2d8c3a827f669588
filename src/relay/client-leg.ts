/**
 * The client's leg: what its octets are decoded as and when, and what the client has said that decides what postern
 * answers or offers. A line is decoded only when it is known what it is, so nothing behind STLS, AUTH or QUIT is taken
 * for a command. Owns what is forgotten when TLS begins (RFC 2595 §4); knows nothing of the server or of replies.
 */
import type { Command } from '../pop3/command.js'
import { type ClientEvent, CommandDecoder } from '../pop3/command-decoder.js'
import type { Limits } from '../pop3/limits.js'
import type { Session } from '../pop3/session.js'
import type { Failure } from '../trace/event.js'
import type { LocalAnswer } from './exchange.js'
import { localAnswerTo } from './local-answer.js'
import type { Narrator } from './narrator.js'
import type { Pipeline } from './pipeline.js'

/** How the listener protects the leg. */
export interface ClientLegOptions {
  readonly security: 'plain' | 'stls' | 'tls'
  /** A certificate is there and STLS is not switched off. */
  readonly offersStls: boolean
}

/** The rest of the session, as far as the leg needs it. */
export interface ClientLegParts {
  readonly limits: Limits
  /** Upper-case verbs beyond the command table whose positive reply has several lines. */
  readonly multiLineVerbs: ReadonlySet<string>
  readonly session: Session
  readonly pipeline: Pick<Pipeline, 'isFull' | 'newest'>
  readonly narrator: Narrator
}

/** First octet of a TLS handshake record; no command begins with it. */
const TLS_HANDSHAKE = 0x16
const TLS_ON_PLAIN_PORT: Failure = {
  code: 'POSTERN_CLIENT_PROTOCOL',
  isPermanent: true,
  text: 'client began with TLS where POP3 begins in clear',
  hint: 'set the mail program to STARTTLS, or give it a pop3s:// listener',
}

/** The client's leg of one session. */
export class ClientLeg {
  readonly #options: ClientLegOptions
  readonly #decoder: CommandDecoder
  readonly #mostUndecodedOctets: number
  readonly #session: Session
  readonly #pipeline: Pick<Pipeline, 'isFull' | 'newest'>
  readonly #narrator: Narrator
  #octets = 0
  #hasTls = false
  #awaitsTls = false
  #stlsNumber = 0
  #userGiven = false
  #hasQuit = false
  #owesResponse = false

  constructor(options: ClientLegOptions, parts: ClientLegParts) {
    const { socketBufferOctets, commandLineOctets, saslLineOctets } = parts.limits
    this.#options = options
    this.#decoder = new CommandDecoder(parts.limits, parts.multiLineVerbs)
    // A line that fits its limit must fit here too, or its end would never be read.
    this.#mostUndecodedOctets = Math.max(socketBufferOctets, commandLineOctets, saslLineOctets)
    this.#session = parts.session
    this.#pipeline = parts.pipeline
    this.#narrator = parts.narrator
  }

  /** Octets received since the session began. */
  get octets(): number {
    return this.#octets
  }

  /** Whether more can be taken now. */
  get wantsOctets(): boolean {
    return this.#decoder.undecodedOctets < this.#mostUndecodedOctets && !this.#pipeline.isFull
  }

  /** TLS stands. */
  get hasTls(): boolean {
    return this.#hasTls
  }

  /** STLS was given and taken: what comes in clear from now on is discarded, never decoded. */
  get awaitsTls(): boolean {
    return this.#awaitsTls
  }

  /** QUIT was given and stands: nothing behind it is a command. */
  get hasQuit(): boolean {
    return this.#hasQuit
  }

  /** The client has a challenge to answer: its next line is a credential. RFC 5034 §4. */
  get owesResponse(): boolean {
    return this.#owesResponse
  }

  /** Whether STLS would be taken now; the capability list says so. RFC 2595 §4. */
  get offersStlsNow(): boolean {
    return this.#options.offersStls && !this.#hasTls && this.#session.state === 'AUTHORIZATION'
  }

  /** Whether logins wait for TLS; then the capability list has no USER and no SASL. */
  get refusesLogin(): boolean {
    return this.#options.security === 'stls' && !this.#hasTls
  }

  /** Takes octets. @returns why the session cannot go on, null where it can */
  push(octets: Buffer): Failure | null {
    const isFirst = this.#octets === 0
    this.#octets += octets.length
    if (this.#awaitsTls) this.#discard(octets.length)
    else if (isFirst && octets[0] === TLS_HANDSHAKE && !this.#hasTls) return TLS_ON_PLAIN_PORT
    else this.#decoder.push(octets)
    return null
  }

  /** Decodes the next line, null where there is none (as behind STLS) or it is not known yet what it would be. */
  next(): ClientEvent | null {
    if (this.#owesResponse) return this.#decoder.next('sasl-response')
    if (this.#hasQuit || this.#pipeline.isFull || this.#pipeline.newest?.shape === 'sasl') return null
    return this.#decoder.next('command')
  }

  /** What postern answers to a command in the place of the server, null where the server is to answer. */
  localAnswerTo(command: Command): LocalAnswer | null {
    return localAnswerTo(command, {
      session: this.#session,
      offersStls: this.#options.offersStls,
      clientHasTls: this.#hasTls,
      requiresTls: this.#options.security === 'stls',
      userGiven: this.#userGiven,
    })
  }

  /** The client gave a command. @param local what postern answers to it */
  given(number: number, { verb }: Command, local: LocalAnswer | null): void {
    if (verb === 'USER' && local === null) this.#userGiven = true
    if (verb === 'QUIT') this.#hasQuit = true
    if (local?.next !== 'start-tls') return
    this.#awaitsTls = true
    this.#stlsNumber = number
    this.#discard(this.#decoder.takeUndecoded().length)
  }

  /** A person put a command in the place of one that was held, or with null let the client go on without it. */
  replaced({ verb }: Command, instead: Command | null): void {
    if (verb === 'QUIT' && instead?.verb !== 'QUIT') this.#hasQuit = false
    if (instead?.verb === 'USER') this.#userGiven = true
  }

  /** The client has been sent a challenge. RFC 5034 §4. */
  challenged(): void {
    this.#owesResponse = true
  }

  /** The client has answered the challenge or cancelled. RFC 5034 §4. */
  responded(): void {
    this.#owesResponse = false
  }

  /** TLS stands from now on; what was said in clear is forgotten. RFC 2595 §4. */
  tlsEstablished(): void {
    this.#hasTls = true
    this.#awaitsTls = false
    this.#userGiven = false
    this.#session.tlsEstablished()
  }

  /** RFC 2595 §4: once STLS is issued, nothing may come in clear until TLS stands. What does is never decoded. */
  #discard(octets: number): void {
    if (octets > 0) this.#narrator.anomaly('client', 'clear-text-after-stls', this.#stlsNumber, octets)
  }
}
