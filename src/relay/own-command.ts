/**
 * The commands that postern gives on its own account, to learn what the rules must know of a maildrop before the client
 * hears of it, and what came of them. Hardly more than types; who gives them is the maildrop.
 */
import { type Command, decodeCommand } from '../pop3/command.js'
import type { StatusLine } from '../pop3/reply-decoder.js'
import type { NotKept } from './gathered-reply.js'
import type { MaildropMessage } from './maildrop.js'
import type { SpooledMessage } from './spool.js'

/** What a command of postern's own is for. */
export type OwnStep =
  | { readonly type: 'capabilities' }
  | { readonly type: 'scan-listing' }
  | { readonly type: 'unique-ids' }
  /** To see a message: its header section by TOP, or all of it by RETR, where the server has no TOP too. */
  | { readonly type: 'look'; readonly message: MaildropMessage; readonly by: 'TOP' | 'RETR' }
  /** To be heard of by the server while a judge thinks. */
  | { readonly type: 'keep-alive' }

/** What the server answered. */
export interface OwnReply {
  readonly status: StatusLine
  /** Without byte-stuffing; null for a reply of one line, and where it was not kept. */
  readonly content: Buffer | null
  /** The file of a message that is not all in `content`, which is whoever gets this one's to drop. */
  readonly spooled: SpooledMessage | null
  /** Why the content was not kept. */
  readonly notKept: NotKept | null
  /** In words, where a file could not be written. */
  readonly problem: string | null
}

/** A command as the server gets it. */
export interface EncodedCommand {
  readonly command: Command
  readonly wire: Buffer
}

const NO_VERBS: ReadonlySet<string> = new Set()

/** Writes the command of a step. */
export function commandOf(step: OwnStep): EncodedCommand {
  switch (step.type) {
    case 'capabilities':
      return commandLine('CAPA')
    case 'scan-listing':
      return commandLine('LIST')
    case 'unique-ids':
      return commandLine('UIDL')
    case 'look':
      return commandLine(step.by === 'TOP' ? `TOP ${step.message.number} 0` : `RETR ${step.message.number}`)
    case 'keep-alive':
      return commandLine('NOOP')
  }
}

/** @param line without its line end; of a known verb */
export function commandLine(line: string): EncodedCommand {
  const wire = Buffer.from(`${line}\r\n`, 'latin1')
  return { command: decodeCommand(wire, NO_VERBS).command, wire }
}
