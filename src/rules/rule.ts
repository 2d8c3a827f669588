/**
 * A checked rule: what a rule file says, complete with defaults and with what it costs to ask. Types only.
 */
import type { Division } from '../expression/division.js'
import type { Fields } from '../expression/fields.js'
import type { Filter } from '../expression/filter.js'
import type { Action } from './action.js'
import type { Need } from './sight.js'
import type { OnFailure, Sight } from './verdict.js'

/** One action as it is done, and as the rule file says it. */
export interface RuleAction {
  readonly words: string
  readonly does: Action
}

/** What it costs to ask a rule and to do what it says. */
export interface RuleAnalysis {
  /** What must be seen of a message at most to know whether the rule holds; `nothing` for rules of commands. */
  readonly condition: Need
  /** What must be seen to answer STAT, LIST and UIDL truly; `nothing` where the rule changes nothing there. */
  readonly beforeListing: Need
  /** What must be seen before the message is handed out. */
  readonly beforeMessage: Need
  /** Names of judges that are asked, in the condition or in texts. */
  readonly judges: readonly string[]
  /** Why, one line for each reason: "`subject` in when needs the header section". */
  readonly because: readonly string[]
  /** The cost in one line: "needs the header section: one TOP for each new message before LIST". */
  readonly cost: string
}

/** One rule. */
export interface Rule {
  readonly name: string
  /** `FILE:LINE`. */
  readonly place: string
  readonly of: 'message' | 'command'
  readonly mode: 'enforce' | 'shadow'
  readonly onFailure: OnFailure
  /** Milliseconds; null for those of each judge. */
  readonly budgetMs: number | null
  readonly stops: boolean
  readonly when: Filter
  /** `when` in parts that can be asked one at a time. */
  readonly parts: Division
  readonly actions: readonly RuleAction[]
  /** Fields that `when` and texts name. */
  readonly fields: ReadonlySet<keyof Fields>
  /** Judges whose answer a text tells, or whose output an action takes. */
  readonly judgesInTexts: readonly string[]
  /** What must be seen to do what it says: to what the listings show, and to everything. */
  readonly actionSight: { readonly listing: Sight; readonly delivery: Sight }
  readonly analysis: RuleAnalysis
}
