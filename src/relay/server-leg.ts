/**
 * How the server's leg becomes one on which commands may pass: greeting, and STLS where the leg is to have it. Owns the
 * greeting that waits for TLS, and in which words a server that does not keep to RFC 2595 §4 is refused. Reads and
 * writes nothing itself: it is told what came and says what is to be done.
 */
import type { StatusLine } from '../pop3/reply-decoder.js'
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
const CLEAR_TEXT: ServerLegStep = {
  type: 'failed',
  failure: serverFailure(
    'POSTERN_SERVER_PROTOCOL',
    'server sent octets in clear around STLS, where none may be',
    true,
  ),
}
const NO_STLS: ServerLegStep = {
  type: 'failed',
  failure: {
    code: 'POSTERN_SERVER_NO_STLS',
    isPermanent: true,
    text: 'server does not take STLS',
    hint: 'choose a pop3s:// URL for the upstream if the server has that port; nothing was sent in clear',
  },
}

/** The server's leg of one session until it is open. */
export class ServerLeg {
  readonly #security: 'plain' | 'stls' | 'tls'
  /** Of a server with STLS, until TLS stands. */
  #greeting = NOTHING

  constructor(security: 'plain' | 'stls' | 'tls') {
    this.#security = security
  }

  /**
   * The server greeted.
   *
   * @param wire the greeting's octets
   * @param undecodedOctets how many stand behind it already
   */
  greeted(status: StatusLine, wire: Buffer, undecodedOctets: number): ServerLegStep {
    if (status.indicator === '-ERR') return { type: 'refused', greeting: wire }
    if (this.#security !== 'stls') return { type: 'open', greeting: wire }
    // Nothing may stand behind the greeting of a server that has been asked nothing: an answer to STLS that is here
    // before STLS was sent is forged.
    if (undecodedOctets > 0) return CLEAR_TEXT
    this.#greeting = wire
    return { type: 'send-stls' }
  }

  /** The server answered STLS. @param undecodedOctets how many stand behind the answer already */
  stlsAnswered(status: StatusLine, undecodedOctets: number): ServerLegStep {
    if (status.indicator === '-ERR') return NO_STLS
    return undecodedOctets > 0 ? CLEAR_TEXT : { type: 'start-tls' }
  }

  /** RFC 2595 §4: TLS begins immediately after the CRLF of the +OK. Octets in clear there were injected. */
  clearText(): ServerLegStep {
    return CLEAR_TEXT
  }

  /** TLS stands behind STLS. The server sends no second greeting: the client gets the one that was kept. */
  upgraded(): ServerLegStep {
    return { type: 'open', greeting: this.#greeting }
  }
}

/** Writes a failure of the server's without a hint. @param text what happened, beginning with "server" */
export function serverFailure(code: Failure['code'], text: string, isPermanent: boolean): Failure {
  return { code, isPermanent, text, hint: null }
}
