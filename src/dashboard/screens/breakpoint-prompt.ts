/**
 * Asks a person for a breakpoint: the filter, then what of it is to be held and for how long. Owns the words of the
 * two questions and what their answers mean; the proxy owns what a breakpoint does.
 */

import { FilterError, parseFilter } from '../../expression/filter.js'
import type { HeldKind } from '../../trace/event.js'
import { DEFAULT_HOLD_MS } from '../../watch/breakpoint-wish.js'
import type { Breakpoint } from '../../watch/protocol.js'
import type { ScreenContext, ScreenEffect } from '../screen-module.js'
import { ask } from './questions.js'

/** Long enough to read and edit a message; the client is kept alive meanwhile. */
const HOLD_SECONDS = DEFAULT_HOLD_MS / 1_000
/** The relay holds nothing longer, whatever it is told: the server's autologout timer runs meanwhile. */
const MAXIMUM_HOLD_SECONDS = 300
const KINDS: readonly HeldKind[] = ['command', 'reply', 'message']

/** What a breakpoint holds, and for how long. */
export interface HoldTerms {
  readonly kinds: readonly HeldKind[]
  readonly holdMs: number
}

/**
 * Asks for a new breakpoint and sets it.
 *
 * @param filter what stands in the first question already
 */
export function askNewBreakpoint(filter: string, context: ScreenContext): readonly ScreenEffect[] {
  if (context.source === 'recording') return [refuseInRecording('Nothing passes that could be held')]
  return [askFilter(filter, null, { kinds: ['message'], holdMs: HOLD_SECONDS * 1_000 })]
}

/**
 * Asks how a breakpoint is to be changed and changes it.
 */
export function askChangedBreakpoint(breakpoint: Breakpoint): readonly ScreenEffect[] {
  return [askFilter(breakpoint.filter, breakpoint, breakpoint)]
}

/**
 * Sends a breakpoint as it is, switched on or off.
 */
export function switchBreakpoint({ id, filter, kinds, holdMs, isOn }: Breakpoint): ScreenEffect {
  return {
    type: 'request',
    request: { type: 'set-breakpoint', breakpoint: id, filter, kinds, holdMs, isOn: !isOn },
    done: `Breakpoint ${isOn ? 'off' : 'on'}: ${filter}`,
  }
}

/** The expression that finds the sessions of a user. */
export function filterForUser(user: string): string {
  return `user == ${JSON.stringify(user)}`
}

/**
 * Reads the answer to the second question: kinds and seconds in any order, such as `message reply 60`.
 *
 * @returns a sentence for the person where it is none
 */
export function readHoldTerms(text: string): HoldTerms | string {
  const kinds = new Set<HeldKind>()
  let seconds: number | null = null
  for (const word of text.split(/[\s,]+/).filter((each) => each !== '')) {
    const kind = KINDS.find(
      (each) => each === word || `${each}s` === word || (each === 'reply' && word === 'replies'),
    )
    const count = /^(\d{1,6})s?$/.exec(word)?.[1]
    if (kind !== undefined) kinds.add(kind)
    else if (count !== undefined) seconds = Number(count)
    else return `"${word}" is neither command, reply nor message, nor a number of seconds`
  }
  if (kinds.size === 0) return 'Say what to hold: command, reply or message'
  const holdSeconds = seconds ?? HOLD_SECONDS
  if (holdSeconds < 1 || holdSeconds > MAXIMUM_HOLD_SECONDS) {
    return `Hold it for 1 to ${MAXIMUM_HOLD_SECONDS} seconds, not ${holdSeconds}`
  }
  return { kinds: KINDS.filter((kind) => kinds.has(kind)), holdMs: holdSeconds * 1_000 }
}

/** Words what a breakpoint holds: `message reply 120s`. */
export function holdTermsText({ kinds, holdMs }: HoldTerms): string {
  return `${kinds.join(' ')} ${Math.round(holdMs / 1_000)}s`
}

/** Says that a recording cannot do what was asked. */
export function refuseInRecording(why: string): ScreenEffect {
  return { type: 'say', text: `${why}: this is a recording`, tone: 'attention' }
}

function askFilter(filter: string, changed: Breakpoint | null, terms: HoldTerms): ScreenEffect {
  return ask('hold where (filter)', filter, (text) => {
    const problem = problemOf(text)
    if (problem === null) return [askTerms(text.trim(), holdTermsText(terms), changed)]
    // Asked again with what was written: nobody types a filter twice.
    return [askFilter(text, changed, terms), say(problem)]
  })
}

function askTerms(filter: string, initial: string, changed: Breakpoint | null): ScreenEffect {
  return ask('hold what (command reply message), how many seconds', initial, (text) => {
    const terms = readHoldTerms(text)
    if (typeof terms === 'string') return [askTerms(filter, text, changed), say(terms)]
    return [
      {
        type: 'request',
        request: {
          type: 'set-breakpoint',
          breakpoint: changed?.id ?? null,
          filter,
          ...terms,
          isOn: changed?.isOn ?? true,
        },
        done: `Holding ${holdTermsText(terms)} where ${filter}`,
      },
    ]
  })
}

function problemOf(text: string): string | null {
  if (text.trim() === '') return 'A breakpoint needs a filter; true holds everything'
  try {
    // Plain words search what is on screen, where a breakpoint has none.
    return parseFilter(text).isText ? 'A breakpoint needs an expression, such as user == "bob"' : null
  } catch (error) {
    if (error instanceof FilterError) return `${error.message} (at character ${error.column + 1})`
    throw error
  }
}

function say(text: string): ScreenEffect {
  return { type: 'say', text, tone: 'error' }
}
