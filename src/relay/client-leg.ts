/**
 * What has become of the client's leg: whether TLS stands on it, and what the client has said on it that decides what
 * postern answers or offers. Owns what is forgotten when TLS begins (RFC 2595 §4); knows nothing of octets or order.
 */
import type { Command } from '../pop3/command.js'
import type { Session } from '../pop3/session.js'
import type { LocalAnswer } from './exchange.js'
import { localAnswerTo } from './local-answer.js'

/** How the listener protects the leg. */
export interface ClientLegOptions {
  readonly security: 'plain' | 'stls' | 'tls'
  /** A certificate is there and STLS is not switched off. */
  readonly offersStls: boolean
}

/** The client's leg of one session. */
export class ClientLeg {
  readonly #options: ClientLegOptions
  readonly #session: Session
  #hasTls = false
  #awaitsTls = false
  #userGiven = false

  constructor(options: ClientLegOptions, session: Session) {
    this.#options = options
    this.#session = session
  }

  /** TLS stands. */
  get hasTls(): boolean {
    return this.#hasTls
  }

  /** STLS was given and taken: what comes in clear from now on is discarded, never decoded. */
  get awaitsTls(): boolean {
    return this.#awaitsTls
  }

  /** Whether STLS would be taken now; the capability list says so. RFC 2595 §4. */
  get offersStlsNow(): boolean {
    return this.#options.offersStls && !this.#hasTls && this.#session.state === 'AUTHORIZATION'
  }

  /** Whether logins wait for TLS; then the capability list has no USER and no SASL. */
  get refusesLogin(): boolean {
    return this.#options.security === 'stls' && !this.#hasTls
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

  /** The client gave a command, or a person replaced one. @param local what postern answers to it */
  given({ verb }: Command, local: LocalAnswer | null): void {
    if (local === null && verb === 'USER') this.#userGiven = true
    if (local?.next === 'start-tls') this.#awaitsTls = true
  }

  /** TLS stands from now on; what was said in clear is forgotten. RFC 2595 §4. */
  tlsEstablished(): void {
    this.#hasTls = true
    this.#awaitsTls = false
    this.#userGiven = false
    this.#session.tlsEstablished()
  }
}
