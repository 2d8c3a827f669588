/**
 * Counts how often each rule held, out of the events that tell so. Owns the bound and what is remembered of the last
 * time; knows no rule beyond its name.
 */
import type { TraceContent, TraceEvent } from './event.js'

/** Tells that a rule holds. */
export type RuleHit = Extract<TraceContent, { type: 'rule-hit' }>

/** What was counted of one rule. All texts are harmless. */
export interface RuleHits {
  readonly rule: string
  /** `FILE:LINE`; empty where no event told it. */
  readonly place: string
  /** As the last event told it; `failed` where the rule never did anything else. */
  readonly mode: RuleHit['mode']
  readonly of: 'message' | 'command'
  readonly actions: readonly string[]
  /** Times that it held, in force or as a shadow. */
  readonly hits: number
  /** Times that it could not be asked or carried out. */
  readonly failures: number
  readonly last: LastRuleHit
}

/** The last time that a rule held, or failed. */
export interface LastRuleHit {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly session: string
  /** Of the command, 0 where it was about a message. */
  readonly number: number
  /** Message-number at the server; null where it was about a command. */
  readonly message: number | null
  readonly uniqueId: string | null
}

/** Names that are counted. Rule files hold half as many at most, and names come and go as they are changed. */
export const COUNTED_RULES = 2_000

type Counted = { -readonly [Name in keyof RuleHits]: RuleHits[Name] }

/** Counts rule hits by name of the rule. */
export class RuleHitCounter {
  readonly #counted = new Map<string, Counted>()
  #version = 0

  /** Another one whenever something was counted. */
  get version(): number {
    return this.#version
  }

  /** All rules that held or failed at least once, in the order in which they first did. */
  get counts(): readonly RuleHits[] {
    return [...this.#counted.values()].map((each) => ({ ...each }))
  }

  /** Counts one event; without effect for other events than rule hits, and for rules beyond {@link COUNTED_RULES}. */
  add({ at, session, content }: TraceEvent): void {
    if (content.type !== 'rule-hit') return
    const { rule, number, message, uniqueId } = content
    let counted = this.#counted.get(rule)
    if (counted === undefined) {
      if (this.#counted.size >= COUNTED_RULES) return
      counted = newlyCounted(content, { at, session, number, message, uniqueId })
      this.#counted.set(rule, counted)
    }
    this.#version += 1
    counted.last = { at, session, number, message, uniqueId }
    if (content.place !== '') counted.place = content.place
    if (content.mode === 'failed') {
      counted.failures += 1
      return
    }
    counted.hits += 1
    counted.mode = content.mode
    counted.actions = content.actions
  }
}

function newlyCounted({ rule, place, mode, message, actions }: RuleHit, last: LastRuleHit): Counted {
  const of = message === null ? 'command' : 'message'
  return { rule, place, mode, of, actions, hits: 0, failures: 0, last }
}
