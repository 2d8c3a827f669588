/**
 * Verdicts as plain values that can be kept in memory or on disk, and read back by a later process. Owns that form and
 * that nothing read back is trusted: what does not fit the rule set is as if it had never been kept.
 */
import * as z from 'zod'
import type { Action } from './action.js'
import { type Effect, editOf, type Outcome } from './effect.js'
import type { Decision } from './examine.js'
import type { Rule } from './rule.js'
import type { MessageVerdict, RuleHit } from './verdict.js'

/** Where verdicts are kept. Values are JSON; what is got may come from a disk. */
export interface VerdictCache {
  /** Undefined where nothing is kept. */
  get(key: string): unknown
  set(key: string, value: RememberedDecision): void
}

const count = z.int().min(0)
const text = z.string().max(65_536)

const rememberedSchema = z.strictObject({
  hits: z.array(
    z.strictObject({
      rule: count,
      /** Null for the words of the rule. */
      actions: z.array(text).nullable(),
      reason: text,
      mode: z.enum(['enforce', 'shadow']),
    }),
  ),
  hidden: z.boolean(),
  quarantined: count.nullable(),
  effects: z.array(z.strictObject({ rule: count, action: count, texts: z.array(text) })),
  /** Milliseconds since the epoch; null for ever. */
  kept: z.number().nullable(),
  octets: count,
})

/** A verdict as it is kept. */
export type RememberedDecision = z.output<typeof rememberedSchema>

/** Makes the form to keep. */
export function toRemember(
  { hits, hitRules, outcome }: Decision,
  rules: readonly Rule[],
  octets: number,
): RememberedDecision | null {
  const kept = hits.flatMap(({ actions, reason, mode }, position) => {
    const rule = hitRules[position]
    if (rule === undefined || mode === 'failed') return []
    const words = rules[rule]?.actions.map((action) => action.words) ?? []
    const isPlain = actions.every((action, index) => action === words[index])
    return [{ rule, actions: isPlain ? null : [...actions], reason, mode }]
  })
  // Where a rule failed there is nothing to keep.
  if (kept.length < hits.length) return null
  return {
    hits: kept,
    hidden: outcome.isHidden,
    quarantined: outcome.quarantinedBy,
    effects: outcome.effects.map(({ rule, action, texts }) => ({ rule, action, texts: [...texts] })),
    kept: outcome.keptUntil,
    octets,
  }
}

/** What was kept, made a decision again. Null where the value is none of this rule set. */
export function fromRemembered(
  value: unknown,
  rules: readonly Rule[],
): { readonly hits: readonly RuleHit[]; readonly outcome: Outcome; readonly octets: number } | null {
  const checked = rememberedSchema.safeParse(value)
  if (!checked.success) return null
  const { hidden, quarantined, effects, kept, octets } = checked.data
  const hits = checked.data.hits.flatMap(({ rule: index, actions, reason, mode }): readonly RuleHit[] => {
    const rule = rules[index]
    if (rule === undefined) return []
    const words = actions ?? rule.actions.map((action) => action.words)
    return [{ rule: rule.name, place: rule.place, actions: words, reason, mode }]
  })
  const isOfRules =
    hits.length === checked.data.hits.length &&
    (quarantined === null || rules[quarantined] !== undefined) &&
    effects.every(({ rule, action }) => rules[rule]?.actions[action] !== undefined)
  if (!isOfRules) return null
  return { hits, outcome: { isHidden: hidden, quarantinedBy: quarantined, effects, keptUntil: kept }, octets }
}

/** Puts a decision into the form that the relay acts on. */
export function verdictOf(
  decision: Omit<Decision, 'hitRules'>,
  rules: readonly Rule[],
  now: number,
): MessageVerdict {
  const { hits, outcome, failure, isLasting } = decision
  const isHeld = failure?.policy === 'hold'
  const quarantining = outcome.quarantinedBy === null ? undefined : rules[outcome.quarantinedBy]
  return {
    hits,
    isHidden: outcome.isHidden || isHeld,
    isHeld,
    refusal: failure?.policy === 'refuse' ? `the message could not be checked: ${failure.reason}` : null,
    outputOf: outcome.effects.map((effect) => withAction(effect, rules, judgeOf)).findLast(isName) ?? null,
    edits: outcome.effects.flatMap((effect) => {
      const edit = withAction(effect, rules, editOf)
      return edit === null ? [] : [edit]
    }),
    quarantine:
      quarantining === undefined
        ? null
        : {
            rule: quarantining.name,
            reason: hits.find(({ rule }) => rule === quarantining.name)?.reason ?? '',
            onFailure: quarantining.onFailure,
          },
    isKeptOnServer: outcome.keptUntil === null || outcome.keptUntil > now,
    notifications: outcome.effects.flatMap(({ rule, action }) => {
      const of = rules[rule]
      const does = of?.actions[action]?.does
      return of !== undefined && does?.type === 'notify' ? [{ rule: of.name, url: does.url }] : []
    }),
    isLasting,
  }
}

function judgeOf(does: Action): string | null {
  return does.type === 'take-output' ? does.judge : null
}

function isName(judge: string | null): judge is string {
  return judge !== null
}

function withAction<Value>(
  { rule, action, texts }: Effect,
  rules: readonly Rule[],
  make: (does: Rule['actions'][number]['does'], texts: readonly string[]) => Value | null,
): Value | null {
  const does = rules[rule]?.actions[action]?.does
  return does === undefined ? null : make(does, texts)
}
