/**
 * A session as a person reads it: one line for each command, reply, listing and message, and everything that is to be
 * said about it on the lines behind. Pure; knows nothing of columns, colours or keys.
 */
import type { SessionRecord } from './session-record.js'

export type DialogueKind =
  | 'greeting'
  | 'command'
  /** What went to the server in place of the command above. */
  | 'replaced'
  | 'reply'
  | 'challenge'
  | 'response'
  | 'listing'
  | 'message'
  | 'note'
  | 'anomaly'
  | 'hint'
  | 'held'
  | 'failure'
  | 'tls'
  | 'closed'

/** One line. All texts are harmless and free of credentials. */
export interface DialogueLine {
  readonly kind: DialogueKind
  /** Who says it; null for what is told about the session. */
  readonly from: 'client' | 'server' | 'postern' | 'watcher' | null
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly sinceStartMs: number
  /** The command it belongs to, 0 for none. */
  readonly number: number
  readonly text: string
  /** Octets of the line, listing or message; null where that says nothing. */
  readonly octets: number | null
  /**
   * Of a command: until its reply was complete, null while it waits. Of a reply, listing or message: since its
   * command. Of a greeting: since the connection.
   */
  readonly durationMs: number | null
  readonly tone: 'plain' | 'attention' | 'error'
  /** What the line unfolds to: the lines of a listing, an explanation with its RFC section, facts of a certificate. */
  readonly detail: readonly string[]
  /** Number of the command whose message can be opened, see `messages.ts`; null where there is none. */
  readonly messageKey: number | null
}

/**
 * Words a session's dialogue, in the order in which things happened; what is said about a line follows it.
 */
export function dialogueOf(record: SessionRecord): readonly DialogueLine[] {
  void record
  return []
}
