/**
 * What every screen of the dashboard is made of: a state of its own, keys with their help, a view. The frame around
 * it (status, tabs, filter, prompts) belongs to `update.ts` and `view.ts`. Types only.
 */
import type { Filter } from '../expression/filter.js'
import type { Statistics } from '../sessions/statistics.js'
import type { SessionStore } from '../sessions/store.js'
import type { RuleHits } from '../trace/rule-hits.js'
import type {
  Breakpoint,
  FromWatcher,
  HeldSummary,
  ProcessFacts,
  WatchedAddress,
  WatchedRules,
} from '../watch/protocol.js'
import type { Row, Size } from './frame.js'

export type ScreenId =
  | 'sessions'
  | 'session'
  | 'message'
  | 'messages'
  | 'rules'
  | 'held'
  | 'held-item'
  | 'statistics'
  | 'log'

/** Everything that a screen may look at. It changes nothing of it; what it wants done are effects. */
export interface ScreenContext {
  /** Milliseconds since the epoch. */
  readonly now: number
  /** Room for the screen's own rows. */
  readonly size: Size
  /** Whether borders and marks beyond ASCII may be used. */
  readonly isUnicode: boolean
  /** `live` for a running proxy, `recording` for a file. */
  readonly source: 'live' | 'recording'
  readonly addresses: readonly WatchedAddress[]
  readonly store: SessionStore
  readonly statistics: Statistics
  readonly log: LogLines
  readonly held: readonly HeldSummary[]
  readonly breakpoints: readonly Breakpoint[]
  /** Those of files, as they are in force; none in a recording, which does not tell them. */
  readonly rules: WatchedRules
  /** How often rules held: since the start of the proxy, or in the recording. */
  readonly ruleHits: readonly RuleHits[]
  readonly process: ProcessFacts | null
  /** What is filtered by now; null for everything. */
  readonly filter: Filter | null
  /** Text that is searched (`/`), empty for none. */
  readonly search: string
}

/** The recent log, oldest first; what was dropped is counted. */
export interface LogLines {
  readonly lines: readonly LogLine[]
  readonly dropped: number
}

export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly level: string
  readonly event: string
  readonly session: string | null
  /** One line for a person, harmless. */
  readonly text: string
  /** The whole line as JSON, harmless. */
  readonly json: string
}

/** What a screen wants done beside its own state. */
export type ScreenEffect =
  /** Opens another screen on top; Esc comes back. */
  | { readonly type: 'open'; readonly screen: ScreenId; readonly argument: ScreenArgument }
  | { readonly type: 'back' }
  /** Says something in the status line. */
  | { readonly type: 'say'; readonly text: string; readonly tone: 'plain' | 'attention' | 'error' }
  /** Asks y/n; `onYes` happens on y. */
  | { readonly type: 'confirm'; readonly question: string; readonly onYes: readonly ScreenEffect[] }
  /** Asks for a line of text, given to `onAnswer`. */
  | {
      readonly type: 'ask'
      readonly label: string
      readonly initial: string
      readonly onAnswer: (text: string) => readonly ScreenEffect[]
    }
  /** Sends a request to the proxy; its answer is said in the status line. */
  | { readonly type: 'request'; readonly request: WithoutId<FromWatcher>; readonly done: string }
  /** Fetches a held item's octets, opens $EDITOR with them and sends what comes back as an edit. */
  | { readonly type: 'edit-held'; readonly hold: string }
  /** Opens $EDITOR with a text and sends what comes back as an answer. */
  | { readonly type: 'answer-held'; readonly hold: string; readonly initial: string }
  | { readonly type: 'copy'; readonly text: string; readonly what: string }
  /** Writes a file that must not exist; null asks for the name. */
  | { readonly type: 'save'; readonly octets: Buffer; readonly name: string; readonly what: string }
  /** Sets the filter that all lists share. */
  | { readonly type: 'filter'; readonly text: string }

type WithoutId<Message> = Message extends { readonly id: string } ? Omit<Message, 'id'> : never

/** What a screen is opened with, and what a person has selected on it. */
export interface ScreenArgument {
  readonly session: string | null
  /** Number of the command. */
  readonly number: number | null
  readonly hold: string | null
}

export const NO_ARGUMENT: ScreenArgument = { session: null, number: null, hold: null }

/** A state and what else is to happen. */
export interface Step<State> {
  readonly state: State
  readonly effects: readonly ScreenEffect[]
}

/** A key (blessed's full names: `j`, `S-g` is `G`, `C-f`, `enter`, `escape`, `pagedown`, `space`) with what it does. */
export interface Binding<State> {
  /** The first is the one that the foot line shows. */
  readonly keys: readonly string[]
  /** Two words for the foot line; empty leaves it out there. */
  readonly label: string
  /** One line for `?`. */
  readonly help: string
  run(state: State, context: ScreenContext): Step<State>
}

/** One screen. Pure throughout. */
export interface ScreenModule<State> {
  readonly id: ScreenId
  /** For the crumb line and help. */
  readonly title: string
  open(argument: ScreenArgument, context: ScreenContext): State
  readonly bindings: readonly Binding<State>[]
  /**
   * What a person has selected now: what commands such as `:kill` act on, whatever the screen was opened with.
   * {@link NO_ARGUMENT} where nothing is.
   */
  selection(state: State, context: ScreenContext): ScreenArgument
  /** Called before a view where store, size or filter changed: keeps selection and scroll in place. */
  settle(state: State, context: ScreenContext): State
  /** As many rows as `context.size.rows`, or fewer. */
  view(state: State, context: ScreenContext): readonly Row[]
  /** At the right end of the filter line: `41 of 4812`, `FOLLOW`. */
  status(state: State, context: ScreenContext): string
  /** Text of what the screen lists, line by line, for `/`; null where there is nothing to search. */
  find(state: State, context: ScreenContext, text: string, direction: 1 | -1): State | null
}
