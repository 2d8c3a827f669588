/**
 * A session by its commands: each with the events that belong to it, in order, as far as they were kept. What reads
 * the dialogue, lists messages or looks for hints begins here. `exchanges.ts` is the form for comparing and replaying.
 */
import { COMMAND_TABLE } from '../pop3/command-table.js'
import type { Origin, TraceContent } from '../trace/event.js'
import { remembered } from './derived.js'
import type { SessionRecord } from './session-record.js'

type Of<Type extends TraceContent['type']> = Extract<TraceContent, { type: Type }>

/** One command with all that became of it. */
export interface Turn {
  readonly number: number
  /** Upper case; `unrecognized` for a verb that postern does not know. */
  readonly verb: string
  /** Arguments as shown; empty where the command was missed. */
  readonly words: readonly string[]
  /** Null where the event was missed. */
  readonly command: Of<'command'> | null
  readonly origin: Origin
  /** Of its first event, milliseconds since the epoch. */
  readonly at: number
  /** It came while an earlier command of the client had no complete reply. */
  readonly isPipelined: boolean
  readonly replacement: Of<'command-replaced'> | null
  /** In order; the last is what the client got. */
  readonly replies: readonly Of<'reply'>[]
  /** Byte-stuffed, as kept. `postern` is what the client got in place of the server's. */
  readonly content: { readonly server: readonly Buffer[]; readonly postern: readonly Buffer[] }
  readonly end: Of<'content-end'> | null
  /** Milliseconds from the command to the end of its reply; null where it has none. */
  readonly completeAfterMs: number | null
}

interface Draft extends Turn {
  verb: string
  words: readonly string[]
  command: Of<'command'> | null
  origin: Origin
  isPipelined: boolean
  replacement: Of<'command-replaced'> | null
  readonly replies: Of<'reply'>[]
  readonly content: { readonly server: Buffer[]; readonly postern: Buffer[] }
  end: Of<'content-end'> | null
  completeAfterMs: number | null
}

/** A session's commands by number, in the order in which they were given. */
export const turnsOf: (record: SessionRecord) => ReadonlyMap<number, Turn> = remembered(collect)

/** The status line that the client got, null before it. */
export function replyOf(turn: Turn): Of<'reply'> | null {
  return turn.replies.at(-1) ?? null
}

/** What the server said, null where it was not asked or has not answered. */
export function serverReplyOf(turn: Turn): Of<'reply'> | null {
  return turn.replies.find(({ source }) => source === 'server') ?? null
}

/** Whether a positive reply to the command has content behind its status line. */
export function expectsContent({ verb, words }: Pick<Turn, 'verb' | 'words'>): boolean {
  const shape = COMMAND_TABLE.get(verb)?.reply
  return shape === 'multi-line' || (shape === 'multi-line-without-argument' && words.length === 0)
}

function collect(record: SessionRecord): ReadonlyMap<number, Turn> {
  const turns = new Map<number, Draft>()
  let lastGiven = 0
  // Replies come in the order of their commands: one that was missed is told by those behind it.
  let lastComplete = 0
  const finish = (turn: Draft, afterMs: number): void => {
    turn.completeAfterMs = afterMs
    lastComplete = Math.max(lastComplete, turn.number)
  }
  for (const { at, content } of record.events) {
    if (!('number' in content) || content.number === 0) continue
    const turn = turns.get(content.number) ?? newTurn(content.number, at)
    turns.set(content.number, turn)
    switch (content.type) {
      case 'command':
        turn.command = content
        turn.verb = content.verb
        turn.words = content.shown.split(' ').slice(1)
        turn.origin = content.origin
        if (content.origin === 'client') {
          turn.isPipelined = lastGiven > lastComplete
          lastGiven = content.number
        }
        break
      case 'command-replaced':
        turn.replacement = content
        break
      case 'reply':
        turn.verb = turn.verb === '' ? content.verb : turn.verb
        turn.replies.push(content)
        if (isLast(content, turn)) finish(turn, content.afterMs)
        break
      case 'content':
        turn.verb = turn.verb === '' ? content.verb : turn.verb
        turn.content[content.source].push(content.wire)
        break
      case 'content-end':
        turn.verb = turn.verb === '' ? content.verb : turn.verb
        turn.end = content
        finish(turn, content.afterMs)
        break
    }
  }
  return turns
}

/** Nothing follows the status line; behind one of postern's own, nothing need follow. */
function isLast({ indicator, source }: Of<'reply'>, turn: Turn): boolean {
  return indicator === '-ERR' || source === 'postern' || !expectsContent(turn)
}

function newTurn(number: number, at: number): Draft {
  return {
    number,
    verb: '',
    words: [],
    command: null,
    origin: 'client',
    at,
    isPipelined: false,
    replacement: null,
    replies: [],
    content: { server: [], postern: [] },
    end: null,
    completeAfterMs: null,
  }
}
