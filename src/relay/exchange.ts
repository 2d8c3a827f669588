/**
 * One command with everything that becomes of it until its reply is complete. The relay keeps these in one
 * queue, which gives replies their order and the decoder its grammar.
 */
import { type Command, type ReplyShape, replyShapeOf } from '../pop3/command.js'
import type { StatusLine } from '../pop3/reply-decoder.js'
import type { Transition } from '../pop3/session.js'
import type { CommandVerdict } from '../rules/verdict.js'
import type { Origin } from '../trace/event.js'
import type { GatheredReply } from './gathered-reply.js'
import type { Hold } from './hold.js'
import type { Outgoing } from './outgoing.js'
import type { OwnStep } from './own-command.js'
import type { Rewrite } from './rewrite.js'
import type { SignsOfLife } from './signs-of-life.js'
import type { SpooledMessage } from './spool.js'
import type { ToldContent } from './told-content.js'
import type { Trouble } from './trouble.js'

/** TOP with at least this many lines fetches a message whole; fetchmail asks for 99999999. */
const WHOLE_MESSAGE_LINES = 1_000_000

/** What postern answers itself, in the place of the server. */
export interface LocalAnswer {
  /** All of it, content and termination octet line included. */
  readonly octets: Buffer
  readonly indicator: '+OK' | '-ERR'
  readonly responseCode: string | null
  readonly text: string
  /** What of `octets` is content, byte-stuffed, without the termination octet line; null for one line. */
  readonly content: Buffer | null
  /** `end`: the client broke the protocol; `leave`: it was told that the session is over; `close`: a rule ends it. */
  readonly next: 'go-on' | 'start-tls' | 'end' | 'leave' | 'close'
}

/** A reply that is here whole and waits for a person. */
export interface ArrivedReply {
  readonly status: StatusLine
  readonly statusLine: Buffer
  /** Content and termination octet line as they came; empty for one line. */
  readonly content: readonly Buffer[]
  /** Octets of the content with byte-stuffing removed. */
  readonly contentOctets: number
  readonly transition: Transition
}

/** A command on its way: not sent yet, at the server, or answered by postern when its turn comes. */
export interface Exchange {
  readonly number: number
  /** Who gave it; `postern` on its own account, which is told to nobody. */
  readonly origin: Origin | 'postern'
  /** As the server gets it. */
  command: Command
  /** The exact octets of the command. */
  wire: Buffer
  /** The command as it was told when it came, and whether part of it was left out as a credential. */
  readonly shown: string
  readonly isSecret: boolean
  /** Of the reply that the client waits for; what the server is sent instead has the same. */
  readonly shape: ReplyShape
  readonly givenAt: number
  local: LocalAnswer | null
  /** What it is for, where postern gave it on its own account. */
  readonly step: OwnStep | null
  /** Rules were asked about the command. */
  isRuled: boolean
  /** Breakpoints were asked about the command. */
  isCleared: boolean
  isSent: boolean
  /** The status line has been decoded; content or nothing follows. */
  isAnswered: boolean
  /** The client has octets of the reply: nothing else can be said in its place. */
  hasBegun: boolean
  /** Content goes to the client as it comes. */
  passes: boolean
  /** A reply that does not go on as it comes. */
  gathered: GatheredReply | null
  /** What a rule wants to go wrong with the reply. */
  trouble: Trouble | null
  /** What a rule adds to a capability list and takes from it. */
  capabilities: CommandVerdict['capabilities']
  /** A rule ends the session behind the reply. */
  endsSession: boolean
  /** What rules make of the message that the reply brings. */
  rewrite: Rewrite | null
  /** A message that is here whole and waits for what a judge writes in its place. */
  awaitsOutput: {
    readonly message: Buffer
    readonly spooled: SpooledMessage | null
    readonly end: Buffer
  } | null
  /** A message that goes to the client piece by piece, since it is not all in memory; and its termination octet line. */
  outgoing: { readonly content: Outgoing; readonly end: Buffer } | null
  /** What the client gets while the reply takes long; null while it does not. */
  life: SignsOfLife | null
  told: ToldContent | null
  /** Of what the client gets in the place of the server's content. */
  toldInstead: ToldContent | null
  hold: Hold | null
  arrived: ArrivedReply | null
}

/** A command that goes to the server, or with `local` one that postern answers in its turn. */
export function newExchange(
  number: number,
  origin: Exchange['origin'],
  command: Command,
  wire: Buffer,
  told: { readonly shown: string; readonly isSecret: boolean },
  givenAt: number,
  local: LocalAnswer | null,
  step: OwnStep | null = null,
): Exchange {
  return {
    number,
    origin,
    command,
    wire,
    ...told,
    shape: replyShapeOf(command),
    givenAt,
    local,
    step,
    isRuled: false,
    isCleared: false,
    isSent: false,
    isAnswered: false,
    hasBegun: false,
    passes: false,
    gathered: null,
    trouble: null,
    capabilities: null,
    endsSession: false,
    rewrite: null,
    awaitsOutput: null,
    outgoing: null,
    life: null,
    told: null,
    toldInstead: null,
    hold: null,
    arrived: null,
  }
}

/** Whether the content of the reply is mail, not a listing. */
export function fetchesMail({ verb }: Command): boolean {
  return verb === 'RETR' || verb === 'TOP'
}

/** Whether a rewritten reply stands for a message from its first octet to its last. */
export function isWholeMessage({ lines }: Pick<Rewrite, 'lines'>): boolean {
  return lines === null || lines >= WHOLE_MESSAGE_LINES
}

/** Whether the content of the reply is a message from its first octet to its last. */
export function fetchesWholeMessage(command: Command): boolean {
  if (command.verb === 'RETR') return true
  return command.verb === 'TOP' && Number(command.arguments[1] ?? '0') >= WHOLE_MESSAGE_LINES
}
