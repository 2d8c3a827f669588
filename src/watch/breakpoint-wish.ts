/**
 * What a person says to have something held: a filter, and the kinds of item that it is about where these are not to be
 * guessed. One grammar for `--intercept`, `:break` and the prompts of the dashboard.
 */
import type { Fields } from '../expression/fields.js'
import { type Filter, FilterError, parseFilter } from '../expression/filter.js'
import { MAIL_FIELDS } from '../expression/vocabulary.js'
import type { HeldKind } from '../trace/event.js'

/** How long an item waits for a person, where nothing else is said: less than mail programs wait for a reply. */
export const DEFAULT_HOLD_MS = 120_000

/** What a person says about a breakpoint. */
export interface BreakpointWish {
  readonly filter: string
  readonly kinds: readonly HeldKind[]
  readonly holdMs: number
  readonly isOn: boolean
}

const KINDS: readonly HeldKind[] = ['command', 'reply', 'message']
const PREFIX = /^\s*((?:command|reply|message)(?:\s*,\s*(?:command|reply|message))*)\s*:\s*/

// Fields that one kind alone has decide what an expression is about.
const FIELDS_OF_MESSAGES: ReadonlySet<keyof Fields> = new Set([...MAIL_FIELDS, 'size', 'unique_id'])
const FIELDS_OF_REPLIES: ReadonlySet<keyof Fields> = new Set(['indicator', 'response_code', 'text', 'after'])

/**
 * Reads a breakpoint: a filter, with the kinds that it holds before a colon where they are not to be guessed
 * (`reply: user == "bob"`). Guessed, a filter holds messages where it names a field that only messages have, replies
 * where it names one of replies, both where it names both, and commands otherwise. One that asks for `type` sees all
 * three.
 *
 * @throws {FilterError} with the column in the whole text
 */
export function parseBreakpoint(text: string): BreakpointWish {
  const prefix = PREFIX.exec(text)
  const start = prefix?.[0].length ?? 0
  const filter = filterFrom(text, start)
  const named = KINDS.filter((kind) => prefix?.[1]?.includes(kind))
  return {
    filter: filter.text,
    kinds: named.length > 0 ? named : kindsOf(filter),
    holdMs: DEFAULT_HOLD_MS,
    isOn: true,
  }
}

function filterFrom(text: string, start: number): Filter {
  try {
    return parseFilter(text.slice(start))
  } catch (error) {
    if (!(error instanceof FilterError)) throw error
    throw new FilterError(error.message, error.column + start, error.length)
  }
}

/** What a filter can be about: only a message has a subject, only a reply a status indicator. */
export function kindsOf({ fields }: Filter): readonly HeldKind[] {
  if (fields.has('type')) return KINDS
  const names = [...fields]
  const kinds: readonly HeldKind[] = [
    ...(names.some((name) => FIELDS_OF_REPLIES.has(name)) ? (['reply'] as const) : []),
    ...(names.some((name) => FIELDS_OF_MESSAGES.has(name)) ? (['message'] as const) : []),
  ]
  return kinds.length > 0 ? kinds : ['command']
}
