/**
 * Everything that the dashboard knows, in one value: what the proxy told, which screens are open, what is typed. The
 * value is never changed, `update.ts` makes a new one; store and statistics within it are the exception, which grow in
 * place because copying thousands of sessions for each event would be all that the dashboard does.
 */
import type { Filter } from '../expression/filter.js'
import { Statistics } from '../sessions/statistics.js'
import { SessionStore } from '../sessions/store.js'
import type { TraceEvent } from '../trace/event.js'
import type { RuleHits } from '../trace/rule-hits.js'
import type { Breakpoint, FromProxy, HeldSummary, ProcessFacts, WatchedRules } from '../watch/protocol.js'
import type { FrameAction } from './bindings.js'
import type { Size } from './frame.js'
import type { OpenScreen, Screens } from './open-screen.js'
import type { SidePane } from './preview.js'
import type { History, Prompt } from './prompt.js'
import {
  type LogLines,
  NO_ARGUMENT,
  type ScreenArgument,
  type ScreenContext,
  type ScreenEffect,
  type ScreenId,
} from './screen-module.js'

/** What the status line says. */
export interface Note {
  readonly text: string
  readonly tone: 'plain' | 'attention' | 'error'
  readonly at: number
}

/** An open question, and what its answer leads to. A `confirm` is answered with `y`. */
export interface OpenPrompt extends Prompt {
  readonly answered: (answer: string) => readonly Wish[]
}

/** What a screen, a key or a command wants done. */
export type Wish =
  | ScreenEffect
  | { readonly type: 'act'; readonly action: FrameAction }
  | { readonly type: 'press'; readonly key: string }
  | { readonly type: 'run-command'; readonly text: string }
  | { readonly type: 'search'; readonly text: string }
  | { readonly type: 'help-filter'; readonly text: string }
  | { readonly type: 'write-file'; readonly name: string; readonly octets: Buffer; readonly what: string }
  | { readonly type: 'leave' }

/** What becomes of a request's answer. */
export type Pending =
  | { readonly type: 'say'; readonly done: string }
  | { readonly type: 'edit'; readonly hold: string }

/** The list of keys that `?` shows. */
export interface Help {
  readonly top: number
  readonly filter: string
}

/** Where what is shown comes from: its state. */
export type SourceState = 'opening' | 'open' | 'ending' | 'closed'

/** The whole state. */
export interface Model {
  readonly screens: Screens
  readonly source: 'live' | 'recording'
  readonly sourceState: SourceState
  readonly isUnicode: boolean
  readonly size: Size
  readonly now: number
  /** When the last event of a recording was, milliseconds since the epoch; null before there is one. */
  readonly recordedUntil: number | null
  readonly hello: Extract<FromProxy, { type: 'hello' }> | null
  readonly store: SessionStore
  readonly statistics: Statistics
  readonly log: LogLines
  readonly held: readonly HeldSummary[]
  readonly breakpoints: readonly Breakpoint[]
  readonly rules: WatchedRules
  /** As the proxy counted them; a recording's are in the statistics. */
  readonly ruleHits: readonly RuleHits[]
  readonly process: ProcessFacts | null
  readonly filter: Filter | null
  readonly search: string
  readonly tab: ScreenId
  /** The screens of each tab, the one in sight last; a tab that was never looked at is missing. */
  readonly stacks: ReadonlyMap<ScreenId, readonly OpenScreen[]>
  /** What stands beside the list in sight, from top to bottom. */
  readonly sidePanes: readonly SidePane[]
  readonly prompt: OpenPrompt | null
  readonly history: History
  readonly help: Help | null
  readonly note: Note | null
  /** Events that wait while the display stands still; null while it does not. */
  readonly paused: { readonly events: readonly TraceEvent[]; readonly missed: number } | null
  readonly pending: ReadonlyMap<string, Pending>
  readonly nextRequest: number
  readonly isMouseOn: boolean
  /** When Ctrl-C was pressed last. */
  readonly interruptedAt: number | null
  /** When keys came lately, for telling a paste from typing. */
  readonly typedAt: readonly TypedKey[]
}

/** A key that writes a character, and when it came. */
export interface TypedKey {
  readonly name: string
  readonly at: number
}

/** What a dashboard begins with. */
export interface Beginning {
  readonly screens: Screens
  readonly source: 'live' | 'recording'
  readonly isUnicode: boolean
  readonly size: Size
  readonly now: number
  readonly filter: Filter | null
}

/** The state before the source said anything. */
export function initialModel({ screens, source, isUnicode, size, now, filter }: Beginning): Model {
  return {
    screens,
    source,
    sourceState: 'opening',
    isUnicode,
    size,
    now,
    recordedUntil: null,
    hello: null,
    store: new SessionStore(),
    statistics: new Statistics(),
    log: { lines: [], dropped: 0 },
    held: [],
    breakpoints: [],
    rules: { rules: [], refusal: null },
    ruleHits: [],
    process: null,
    filter,
    search: '',
    tab: 'sessions',
    stacks: new Map(),
    sidePanes: [],
    prompt: null,
    history: new Map(),
    help: null,
    note: null,
    paused: null,
    pending: new Map(),
    nextRequest: 1,
    isMouseOn: false,
    interruptedAt: null,
    typedAt: [],
  }
}

/** When what is shown is: the clock's time, or in a recording that of its last event, once it has been read. */
function shownAt({ source, sourceState, now, recordedUntil }: Model): number {
  return source === 'recording' && sourceState !== 'opening' ? (recordedUntil ?? now) : now
}

/** What a screen may look at, for a room of a size. */
export function contextOf(model: Model, size: Size): ScreenContext {
  return {
    now: shownAt(model),
    size,
    isUnicode: model.isUnicode,
    source: model.source,
    addresses: model.hello?.addresses ?? [],
    store: model.store,
    statistics: model.statistics,
    log: model.log,
    held: model.held,
    breakpoints: model.breakpoints,
    rules: model.rules,
    ruleHits: model.source === 'recording' ? model.statistics.ruleHits : model.ruleHits,
    process: model.process,
    filter: model.filter,
    search: model.search,
  }
}

/** The screens of the tab in sight; the first is opened where none is. Empty where the tab has no screen at all. */
export function stackOf(model: Model): readonly OpenScreen[] {
  const stack = model.stacks.get(model.tab)
  if (stack !== undefined) return stack
  const kind = model.screens.get(model.tab)
  return kind === undefined ? [] : [kind.open(NO_ARGUMENT, contextOf(model, screenSize(model)))]
}

/** The screen in sight; null where the tab has none. */
export function topScreen(model: Model): OpenScreen | null {
  return stackOf(model).at(-1) ?? null
}

/** The same state with another screen in sight. */
export function withTop(model: Model, screen: OpenScreen): Model {
  return withStack(model, [...stackOf(model).slice(0, -1), screen])
}

/** The same state with other screens in the tab in sight. */
export function withStack(model: Model, stack: readonly OpenScreen[]): Model {
  return { ...model, stacks: new Map(model.stacks).set(model.tab, stack) }
}

/** The same state with something said in the status line. */
export function withNote(model: Model, text: string, tone: Note['tone'] = 'plain'): Model {
  return { ...model, note: { text, tone, at: model.now } }
}

/** Columns and rows from which there is room for screens at all. */
export const SMALLEST: Size = { columns: 60, rows: 15 }
/** Columns from which a list has what it would open beside it. */
export const SPLIT_COLUMNS = 120
/** Rows from which a message is shown below that. */
export const STACKED_ROWS = 40
/** Rows around a screen: top line, tabs, filter; status, keys. */
export const FRAME_ROWS = 5

/** Lists that have what they would open beside them where there is room. */
const SPLIT_SCREENS: readonly ScreenId[] = ['sessions', 'messages', 'held']

/** Columns of the screen in sight and of what it would open; 0 where there is one pane. */
export function paneColumns(
  model: Model,
  id: ScreenId | null,
): { readonly main: number; readonly side: number } {
  const { columns } = model.size
  if (columns < SPLIT_COLUMNS || id === null || !SPLIT_SCREENS.includes(id)) return { main: columns, side: 0 }
  // Two thirds at 120, where the list needs all of its 80 columns; on wider screens the dialogue gets more.
  const main = Math.max(80, Math.floor(columns * 0.58))
  return { main, side: columns - main - 1 }
}

/** Room of the screen in sight. */
export function screenSize(model: Model): Size {
  const id = model.stacks.get(model.tab)?.at(-1)?.id ?? model.tab
  return {
    columns: Math.max(1, paneColumns(model, id).main),
    rows: Math.max(1, model.size.rows - FRAME_ROWS),
  }
}

/** What the screen in sight may look at. */
export function topContext(model: Model): ScreenContext {
  return contextOf(model, screenSize(model))
}

/** What a person has selected on the screen in sight: a session, a message, what is held. */
export function selectionOf(model: Model): ScreenArgument {
  return topScreen(model)?.selection(topContext(model)) ?? NO_ARGUMENT
}

/**
 * Lets the screen in sight keep its selection and scroll in place after a change. To be called before keys and before
 * a view.
 */
export function settled(model: Model): Model {
  const top = topScreen(model)
  return top === null ? model : withTop(model, top.settle(topContext(model)))
}
