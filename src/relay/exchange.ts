/**
 * One command with everything that becomes of it until its reply is complete. The relay keeps these in one
 * queue, which gives replies their order and the decoder its grammar.
 */
import { type Command, type ReplyShape, replyShapeOf } from '../pop3/command.js'

/** What postern answers itself, in the place of the server. */
export interface LocalAnswer {
  readonly octets: Buffer
  readonly indicator: '+OK' | '-ERR'
  readonly responseCode: string | null
  readonly text: string
  readonly next: 'go-on' | 'start-tls' | 'end'
}

/** A command on its way: not sent yet, at the server, or answered by postern when its turn comes. */
export interface Exchange {
  readonly number: number
  readonly command: Command
  /** The exact octets of the command. */
  readonly wire: Buffer
  readonly shape: ReplyShape
  readonly givenAt: number
  readonly local: LocalAnswer | null
  isSent: boolean
  /** The status line has been passed on; content or nothing follows. */
  isAnswered: boolean
  /** Status line and content of a CAPA reply, held to be made true. */
  capabilities: HeldCapabilities | null
}

export interface HeldCapabilities {
  readonly statusLine: Buffer
  readonly content: Buffer[]
  octets: number
}

/** A command that goes to the server, or with `local` one that postern answers in its turn. */
export function newExchange(
  number: number,
  command: Command,
  wire: Buffer,
  givenAt: number,
  local: LocalAnswer | null,
): Exchange {
  return {
    number,
    command,
    wire,
    shape: replyShapeOf(command),
    givenAt,
    local,
    isSent: false,
    isAnswered: false,
    capabilities: null,
  }
}
