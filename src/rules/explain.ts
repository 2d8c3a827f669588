/**
 * Why rules decide about a message as they do, step by step: which rule held, which part of a condition failed, with
 * the values that it looked at. For people who try rules before they trust them.
 */
import type { Division } from '../expression/division.js'
import type { Fields } from '../expression/fields.js'
import type { Filter } from '../expression/filter.js'
import { safeText } from '../trace/safe-text.js'
import { type HoldingRule, outcomeOf } from './effect.js'
import { hitOf, reasonOf, truthOfRule } from './examine.js'
import type { KnownMessage } from './known-message.js'
import { VALUE_CODE_POINTS } from './limits.js'
import { verdictOf } from './remembered.js'
import type { Rule } from './rule.js'
import type { RuleSet } from './rule-set.js'
import { type Truth, truthOf } from './truth.js'
import type { MessageVerdict } from './verdict.js'

/** A part of a condition with what it looked at. Texts are harmless and of bounded length. */
export interface ExplainedPart {
  readonly text: string
  /** Null where it is not known: `why` says what is missing. */
  readonly holds: boolean | null
  readonly why: string | null
  readonly values: readonly { readonly name: string; readonly value: string }[]
}

/** What became of one rule. */
export interface ExplainedRule {
  readonly rule: Rule
  /** `unknown`: something that it asks for was not seen. `not-asked`: a rule before it ended the asking. */
  readonly outcome: 'holds' | 'does-not-hold' | 'unknown' | 'not-asked'
  readonly parts: readonly ExplainedPart[]
  /** Why it is not known; null otherwise. */
  readonly why: string | null
}

/** A decision with its reasons. */
export interface Explanation {
  readonly rules: readonly ExplainedRule[]
  /** What the rules that hold do. Those that are not known do nothing. */
  readonly verdict: MessageVerdict
}

/**
 * Explains what the rules of messages do to a message.
 *
 * @param now milliseconds since the epoch, for what is kept on the server for a time
 * Never fails.
 */
export function explain(rules: RuleSet, known: KnownMessage, now: number): Explanation {
  const explained: ExplainedRule[] = []
  const holding: HoldingRule[] = []
  let isOver = false
  for (const rule of rules.messageRules) {
    if (isOver) {
      explained.push({ rule, outcome: 'not-asked', parts: [], why: null })
      continue
    }
    const truth = truthOfRule(rule, known)
    const parts = partsOf(rule.parts).map((filter) => explainPart(filter, known))
    explained.push({ rule, outcome: outcomeIn(truth), parts, why: whyOf(truth) })
    if (truth.type !== 'yes') continue
    holding.push({ rule, index: rules.rules.indexOf(rule) })
    isOver = rule.stops && rule.mode === 'enforce'
  }
  const done = holding.filter(({ rule }) => rule.mode === 'enforce')
  const { message, header } = known.seen
  const outcome = outcomeOf(done, known.fields, message ?? header, 'delivery')
  const hits = holding.map(({ rule }) => hitOf(rule, rule.mode, reasonOf(rule, known)))
  const isLasting = explained.every(({ outcome: each }) => each !== 'unknown')
  return {
    rules: explained,
    verdict: verdictOf({ hits, outcome, failure: null, isLasting }, rules.rules, now),
  }
}

function partsOf(division: Division): readonly Filter[] {
  return division.type === 'part' ? [division.filter] : division.of.flatMap(partsOf)
}

function explainPart(filter: Filter, known: KnownMessage): ExplainedPart {
  const truth = truthOf({ type: 'part', filter }, known)
  return {
    text: safeText(filter.text.replace(/\s+/g, ' ')),
    holds: truth.type === 'yes' ? true : truth.type === 'no' ? false : null,
    why: whyOf(truth),
    values: [...filter.fields].map((name) => ({ name, value: shown(name, filter, known) })),
  }
}

function outcomeIn({ type }: Truth): ExplainedRule['outcome'] {
  if (type === 'yes') return 'holds'
  return type === 'no' ? 'does-not-hold' : 'unknown'
}

function whyOf(truth: Truth): string | null {
  switch (truth.type) {
    case 'yes':
    case 'no':
      return null
    case 'needs':
      return truth.sight === 'header' ? 'the header section was not seen' : 'the message was not seen'
    case 'asks':
      return `not asked: ${[...truth.judges].join(', ')}`
    case 'failed':
      return safeText(truth.why)
  }
}

/** Of a table the entries that the part names, of a list its first elements. */
function shown(name: keyof Fields, filter: Filter, known: KnownMessage): string {
  const value = known.fields[name]
  if (value === undefined) return 'absent'
  if (typeof value === 'string') return safeText(JSON.stringify(value), VALUE_CODE_POINTS)
  if (value instanceof Map) {
    const wanted = [...value].filter(([key]) => filter.judges.has(key) || mentions(filter, String(key)))
    const entries = wanted.slice(0, MOST_SHOWN).map(([key, entry]) => `${key}: ${JSON.stringify(entry)}`)
    return safeText(entries.length === 0 ? 'nothing of that name' : entries.join(', '), VALUE_CODE_POINTS)
  }
  if (Array.isArray(value)) {
    const names =
      known.fields.attachments?.slice(0, MOST_SHOWN).map((each) => `${each.name} (${each.type})`) ?? []
    const more = value.length > MOST_SHOWN ? ` and ${value.length - MOST_SHOWN} more` : ''
    return value.length === 0 ? 'none' : safeText(names.join(', '), VALUE_CODE_POINTS) + more
  }
  return String(value)
}

/** Entries of a table and elements of a list that are shown. */
const MOST_SHOWN = 5

function mentions(filter: Filter, key: string): boolean {
  return filter.text.toLowerCase().includes(key)
}
