/**
 * The language between a running proxy and those who watch it over its control socket: JSON, one message a line, in
 * both directions. Types only; `coding.ts` reads and writes them, and believes neither side.
 */
import type { HeldKind, TraceEvent } from '../trace/event.js'
import type { RuleHits } from '../trace/rule-hits.js'

/** Raised where a watcher of the version before would misread the proxy, or the other way round. */
export const WATCH_VERSION = 1

/** One address that the proxy accepts clients at. */
export interface WatchedAddress {
  readonly service: string
  readonly url: string
  readonly server: string
}

/** A breakpoint: what is held, for how long. */
export interface Breakpoint {
  readonly id: string
  /** CEL expression, see `expression/`. */
  readonly filter: string
  readonly kinds: readonly HeldKind[]
  readonly isOn: boolean
  /** After so long an item goes on unchanged. */
  readonly holdMs: number
  readonly hits: number
  /** Milliseconds since the epoch of the last hit, null before the first. */
  readonly lastHitAt: number | null
}

/** A held item without its octets, which are fetched one by one. */
export interface HeldSummary {
  readonly hold: string
  readonly session: string
  readonly kind: HeldKind
  readonly number: number
  readonly verb: string
  readonly shown: string
  readonly breakpoint: string
  readonly heldAt: number
  readonly releaseAt: number
  readonly isCommitted: boolean
  /** Octets of what may be edited; null where it holds a credential. */
  readonly editableOctets: number | null
}

/** A rule in force. All texts are harmless. */
export interface WatchedRule {
  readonly name: string
  /** `FILE:LINE`. */
  readonly place: string
  readonly of: 'message' | 'command'
  readonly mode: 'enforce' | 'shadow'
  /** CEL expression, see `expression/`. */
  readonly when: string
  /** In words of the rule file. */
  readonly actions: readonly string[]
  /** What it costs to ask it, in one line. */
  readonly cost: string
  readonly onFailure: 'deliver' | 'refuse' | 'hold'
  /** Whether the rules behind it are not asked where it holds. */
  readonly stops: boolean
}

/** Changed rule files that were not taken: the rules before them stay. */
export interface RulesRefusal {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** Why, in lines for a person. */
  readonly lines: readonly string[]
}

/** The rules of files, as they are in force. */
export interface WatchedRules {
  /** In the order in which they are asked. */
  readonly rules: readonly WatchedRule[]
  /** Null once the files are in force. */
  readonly refusal: RulesRefusal | null
}

/** What the process itself says of its state, once a second. */
export interface ProcessFacts {
  readonly rssOctets: number
  readonly heapOctets: number
  /** CPU of user and system since the start. */
  readonly cpuMs: number
  /** Longest delay of the event loop in the last second. */
  readonly loopDelayMs: number
  readonly openSessions: number
}

/** From the proxy to a watcher. `hello` is the first; `snapshot-end` ends what is told of the time before. */
export type FromProxy =
  | {
      readonly type: 'hello'
      readonly version: number
      readonly program: string
      readonly pid: number
      readonly startedAt: number
      readonly addresses: readonly WatchedAddress[]
      /** The watcher is the face of this process: quitting it may end the proxy. */
      readonly isFace: boolean
    }
  | { readonly type: 'events'; readonly events: readonly TraceEvent[]; readonly dropped: number }
  | { readonly type: 'snapshot-end' }
  /** Lines of the log, each one JSON object as text. */
  | { readonly type: 'log'; readonly lines: readonly string[]; readonly dropped: number }
  | { readonly type: 'process'; readonly facts: ProcessFacts }
  | { readonly type: 'breakpoints'; readonly breakpoints: readonly Breakpoint[] }
  /** All that is held, told again at each change. */
  | { readonly type: 'held'; readonly items: readonly HeldSummary[] }
  /** Told again at each change of the rules themselves. */
  | ({ readonly type: 'rules' } & WatchedRules)
  /** How often rules held since the start of the proxy; once a second, where that changed. */
  | { readonly type: 'rule-hits'; readonly hits: readonly RuleHits[] }
  /** Answer to a request: `problem` null where it was done. */
  | { readonly type: 'done'; readonly id: string; readonly problem: string | null }
  /** Answer to `fetch-held`. */
  | { readonly type: 'held-octets'; readonly id: string; readonly octets: Buffer }
  /** The proxy is ending; the connection closes after the last session. */
  | { readonly type: 'ending' }

/** From a watcher to the proxy. `id` is the watcher's own and comes back in `done`. */
export type FromWatcher =
  /** What to tell; first message of a watcher, again to change it. `messageOctets` of each message, 0 for no mail. */
  | {
      readonly type: 'watch'
      readonly version: number
      readonly messageOctets: number
      readonly log: boolean
    }
  | {
      readonly type: 'set-breakpoint'
      readonly id: string
      /** Null makes a new one. */
      readonly breakpoint: string | null
      readonly filter: string
      readonly kinds: readonly HeldKind[]
      readonly holdMs: number
      readonly isOn: boolean
    }
  | { readonly type: 'remove-breakpoint'; readonly id: string; readonly breakpoint: string }
  | { readonly type: 'release'; readonly id: string; readonly hold: string }
  | { readonly type: 'drop'; readonly id: string; readonly hold: string }
  | { readonly type: 'answer'; readonly id: string; readonly hold: string; readonly octets: Buffer }
  | { readonly type: 'edit'; readonly id: string; readonly hold: string; readonly octets: Buffer }
  | { readonly type: 'fetch-held'; readonly id: string; readonly hold: string }
  /** The repeater: a command of one's own in a session, without line end. */
  | { readonly type: 'send'; readonly id: string; readonly session: string; readonly line: string }
  | { readonly type: 'kill-session'; readonly id: string; readonly session: string }
  /** Ends the proxy after a drain; taken from its face alone. */
  | { readonly type: 'end-proxy'; readonly id: string }
