/**
 * The server's leg: its decoder, and how it becomes a leg on which commands may pass, by greeting and by STLS where it
 * is to have TLS so. Owns the greeting that waits for TLS, and the words for a server that does not keep to RFC 2595
 * §4. Knows nothing of commands and clients: it is told what is expected, and says what is to be done.
 */
import type { Limits } from '../pop3/limits.js'
import {
  type ExpectedOfServer,
  ReplyDecoder,
  type ServerEvent,
  type StatusLine,
} from '../pop3/reply-decoder.js'
import type { Failure } from '../trace/event.js'

/** What is to be done next about the leg. */
export type ServerLegStep =
  /** The client gets the greeting, and commands may pass. */
  | { readonly type: 'open'; readonly greeting: Buffer }
  /** The server wants no session; the client gets its words. */
  | { readonly type: 'refused'; readonly greeting: Buffer }
  | { readonly type: 'send-stls' }
  | { readonly type: 'start-tls' }
  | { readonly type: 'failed'; readonly failure: Failure }

const NOTHING: Buffer = Buffer.alloc(0)
const CLEAR_TEXT = serverFailure(
  'POSTERN_SERVER_PROTOCOL',
  'server sent octets in clear around STLS, where none may be',
  true,
)
const NO_STLS: Failure = {
  code: 'POSTERN_SERVER_NO_STLS',
  isPermanent: true,
  text: 'server does not take STLS',
  hint: 'choose a pop3s:// URL for the upstream if the server has that port; nothing was sent in clear',
}

/** The server's leg of one session. */
export class ServerLeg {
  readonly #security: 'plain' | 'stls' | 'tls'
  readonly #limits: Limits
  #decoder: ReplyDecoder
  #octets = 0
  /** Of a server with STLS, until TLS stands. */
  #greeting = NOTHING
  #awaitsTls = false

  constructor(security: 'plain' | 'stls' | 'tls', limits: Limits) {
    this.#security = security
    this.#limits = limits
    this.#decoder = new ReplyDecoder(limits)
  }

  /** Octets received since the session began. */
  get octets(): number {
    return this.#octets
  }

  /** Whether octets wait that are no whole event yet, or were not asked for. */
  get hasUndecoded(): boolean {
    return this.#decoder.undecodedOctets > 0
  }

  /**
   * Takes octets. RFC 2595 §4: behind the +OK to STLS TLS begins, and what comes in clear was injected.
   *
   * @returns why the session cannot go on, null where it can
   */
  push(octets: Buffer): Failure | null {
    this.#octets += octets.length
    if (this.#awaitsTls) return CLEAR_TEXT
    this.#decoder.push(octets)
    return null
  }

  /** Takes octets that are content from the first to the last, and no others. @returns whether they were taken */
  takeContent(octets: Buffer): boolean {
    if (!this.#decoder.takeContent(octets)) return false
    this.#octets += octets.length
    return true
  }

  /** Decodes the next event, null where there is none yet. */
  next(expecting: ExpectedOfServer): ServerEvent | null {
    return this.#awaitsTls ? null : this.#decoder.next(expecting)
  }

  /** The server greeted. @param wire the greeting's octets */
  greeted(status: StatusLine, wire: Buffer): ServerLegStep {
    if (status.indicator === '-ERR') return { type: 'refused', greeting: wire }
    if (this.#security !== 'stls') return { type: 'open', greeting: wire }
    // Nothing may stand behind the greeting of a server that has been asked nothing: an answer to STLS that is here
    // before STLS was sent is forged.
    if (this.hasUndecoded) return { type: 'failed', failure: CLEAR_TEXT }
    this.#greeting = wire
    return { type: 'send-stls' }
  }

  /** The server answered STLS. RFC 2595 §4: TLS begins immediately after the CRLF of the +OK. */
  stlsAnswered({ indicator }: StatusLine): ServerLegStep {
    if (indicator === '-ERR') return { type: 'failed', failure: NO_STLS }
    if (this.hasUndecoded) return { type: 'failed', failure: CLEAR_TEXT }
    this.#awaitsTls = true
    return { type: 'start-tls' }
  }

  /** TLS stands behind STLS. The server sends no second greeting: the client gets the one that was kept. */
  upgraded(): ServerLegStep {
    this.#decoder = new ReplyDecoder(this.#limits)
    this.#awaitsTls = false
    return { type: 'open', greeting: this.#greeting }
  }
}

/** Writes a failure of the server's without a hint. @param text what happened, beginning with "server" */
export function serverFailure(code: Failure['code'], text: string, isPermanent: boolean): Failure {
  return { code, isPermanent, text, hint: null }
}
