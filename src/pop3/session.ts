/**
 * One POP3 session as the RFC sees it: its state, who logs in, and what a reply changes. Knows nothing about
 * octets, sockets or queues; everything that can change the state is in this file.
 */
import type { Command } from './command.js'
import type { SessionState } from './command-table.js'
import type { StatusLine } from './reply-decoder.js'
import { userOfSaslResponse } from './sasl.js'
import type { Secret } from './secret.js'

/** What a reply did to the session. */
export type Transition = 'none' | 'logged-in' | 'login-refused' | 'ended'

/** State of RFC 1939 §3 with what is known of the login. Begins in AUTHORIZATION. */
export class Session {
  #state: SessionState = 'AUTHORIZATION'
  #user: string | null = null
  #mechanism: string | null = null
  #responses = 0
  #isUtf8 = false

  get state(): SessionState {
    return this.#state
  }

  /** Name given with USER or APOP or found in a SASL response; hostile text. */
  get user(): string | null {
    return this.#user
  }

  /** `USER`, `APOP`, `RPOP` or the SASL mechanism of the last login tried. */
  get mechanism(): string | null {
    return this.#mechanism
  }

  /** UTF8 succeeded, after which STLS must not be given. RFC 6856 §2.1. */
  get isUtf8(): boolean {
    return this.#isUtf8
  }

  /** Notes a command when it is decoded. */
  commandGiven(command: Command): void {
    if (this.#state !== 'AUTHORIZATION') return
    switch (command.verb) {
      case 'USER':
      case 'APOP':
        this.#user = command.arguments[0] ?? null
        this.#mechanism = command.verb
        return
      case 'RPOP':
        this.#mechanism = 'RPOP'
        return
      case 'AUTH':
        this.#user = null
        this.#mechanism = command.arguments[0] ?? null
        this.#responses = 0
        if (command.secret !== null) this.saslResponseGiven(command.secret)
        return
    }
  }

  /** Notes a SASL response (or the initial one) when it is decoded. */
  saslResponseGiven(response: Secret): void {
    const found = userOfSaslResponse(this.#mechanism ?? '', this.#responses, response)
    this.#responses += 1
    if (found !== null) this.#user = found
  }

  /**
   * Applies the reply to a command.
   *
   * RFC 1939 §4 and §6, RFC 5034 §4: a positive reply to PASS, APOP or AUTH enters TRANSACTION, one to QUIT
   * ends the session.
   */
  replied(command: Command, status: StatusLine): Transition {
    const isPositive = status.indicator === '+OK'
    if (command.verb === 'QUIT') {
      if (!isPositive) return 'none'
      if (this.#state === 'TRANSACTION') this.#state = 'UPDATE'
      return 'ended'
    }
    if (this.#state !== 'AUTHORIZATION') return 'none'
    if (command.verb === 'UTF8' && isPositive) this.#isUtf8 = true
    const isLogin = command.grammar.logsIn && !isMechanismListing(command)
    if (!isLogin) return 'none'
    if (!isPositive) return 'login-refused'
    this.#state = 'TRANSACTION'
    return 'logged-in'
  }

  /** Forgets all that was learnt in clear. RFC 2595 §4. */
  tlsEstablished(): void {
    this.#user = null
    this.#mechanism = null
    this.#responses = 0
    this.#isUtf8 = false
  }
}

/** AUTH without an argument logs nobody in: servers that take it list their mechanisms. */
function isMechanismListing(command: Command): boolean {
  return command.verb === 'AUTH' && command.arguments.length === 0 && command.secret === null
}
