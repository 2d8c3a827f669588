/**
 * What a breakpoint and the person behind it may say about a session: the questions the relay asks, the items it
 * holds, the answers it takes. Hardly more than types; the relay decides what an answer does, the edge who is asked.
 */
import type { HeldKind } from '../trace/event.js'
import { HoldingRoom } from './holding-room.js'

/** One command, reply or message at the point where it could be held. Texts are harmless and free of credentials. */
export interface InterceptedItem {
  readonly kind: HeldKind
  readonly number: number
  readonly verb: string
  /** The command as a person may see it. */
  readonly shown: string
  readonly user: string | null
  /** Null for a command. */
  readonly indicator: '+OK' | '-ERR' | null
  readonly responseCode: string | null
  /** Text of the status line, null for a command. */
  readonly text: string | null
  /** Octets of the line, or of the message without byte-stuffing. */
  readonly octets: number
  /** The message without byte-stuffing; null for commands and replies. */
  readonly message: Buffer | null
}

/**
 * Longest time that an item waits for a person. Nothing is said to the server meanwhile, whose autologout timer runs
 * ten minutes at least (RFC 1939 §3).
 */
export const LONGEST_HOLD_MS = 300_000

/** A breakpoint that caught an item. */
export interface Caught {
  /** The breakpoint's filter, as it is shown. */
  readonly breakpoint: string
  /** After so long it goes on unchanged; at most {@link LONGEST_HOLD_MS}, whatever is asked for. */
  readonly holdMs: number
}

/**
 * Decides what is held. Asked synchronously within {@link Relay.handle}, so it must be quick and must not throw.
 * Shared by all sessions of a process and changed while they run.
 */
export interface Interceptor {
  readonly holdsCommands: boolean
  readonly holdsReplies: boolean
  /** While true, every RETR and TOP is gathered up to the limit before it goes on. */
  readonly holdsMessages: boolean
  /** Room for what is gathered and held, shared by all sessions. */
  readonly room: HoldingRoom
  /** @returns the breakpoint that catches it, null where none does */
  catches(session: string, item: InterceptedItem): Caught | null
}

/** Nothing is ever held. */
export const NO_INTERCEPTOR: Interceptor = {
  holdsCommands: false,
  holdsReplies: false,
  holdsMessages: false,
  room: new HoldingRoom(),
  catches: () => null,
}

/** An item that waits for a person. */
export interface HeldItem {
  readonly hold: string
  readonly session: string
  readonly kind: HeldKind
  readonly number: number
  readonly verb: string
  readonly shown: string
  readonly breakpoint: string
  /** Milliseconds since the epoch. */
  readonly heldAt: number
  readonly releaseAt: number
  /**
   * Whether postern keeps the client alive within the status line already: then `-ERR` can no longer be said. So it is
   * for messages alone: before a command was answered, nobody knows what to begin with.
   */
  readonly isCommitted: boolean
  /**
   * What may be edited: the line without its line end, or the message without byte-stuffing. Null where it holds a
   * credential.
   */
  readonly editable: Buffer | null
}

/** What a person decides about a held item. */
export type HoldAnswer =
  | { readonly type: 'release' }
  /**
   * The client gets `-ERR`, or a notice in place of the message where the status line has gone already. Toward the
   * server nothing is undone: what it did at a command whose reply is dropped is done.
   */
  | { readonly type: 'drop' }
  /**
   * The client gets this reply instead of the server's: a status line, and for a reply of several lines its content
   * behind it. Line ends of any kind; byte-stuffing and the termination octet are postern's to add.
   */
  | { readonly type: 'answer'; readonly octets: Buffer }
  /**
   * This goes on instead: a command line, a status line, or a message, with line ends of any kind. A command keeps the
   * form of its reply, and becomes none that logs in, begins TLS or leaves.
   */
  | { readonly type: 'edit'; readonly octets: Buffer }
