/**
 * Rules asked about one message, in their order: the verdict, or what must be seen or whom must be asked before there
 * is one. All conditions see the message as the server has it, whatever rules before them do.
 */
import { safeText } from '../trace/safe-text.js'
import { type HoldingRule, hides, type Outcome, outcomeOf, sightOfEffects, textsFilled } from './effect.js'
import type { KnownMessage } from './known-message.js'
import { REASON_CODE_POINTS } from './limits.js'
import type { Rule } from './rule.js'
import type { RuleSet } from './rule-set.js'
import { lacking, type Truth, truthOf, truthOfAnswers } from './truth.js'
import type { OnFailure, Purpose, RuleHit } from './verdict.js'

/** What was decided about a message, before it is put into the form of a verdict. */
export interface Decision {
  readonly hits: readonly RuleHit[]
  /** Of each hit the place of its rule. */
  readonly hitRules: readonly number[]
  readonly outcome: Outcome
  /** A rule failed that wants the message refused or held. */
  readonly failure: { readonly policy: Exclude<OnFailure, 'deliver'>; readonly reason: string } | null
  /** No rule failed. */
  readonly isLasting: boolean
}

/** What an examination comes to. */
export type Finding =
  | { readonly type: 'decided'; readonly decision: Decision }
  | { readonly type: 'needs'; readonly sight: 'header' | 'message' }
  | { readonly type: 'asks'; readonly judges: readonly string[]; readonly budgetMs: number | null }

/** Asks the rules about a message, with what is known of it. Never fails. */
export function examineMessage(rules: RuleSet, known: KnownMessage, purpose: Purpose): Finding {
  const asked = purpose === 'listing' ? rules.listingRules : rules.messageRules
  const survey = new Survey(rules, known)
  for (const [position, rule] of asked.entries()) {
    const truth = truthOfRule(rule, known)
    switch (truth.type) {
      case 'no':
        continue
      case 'needs':
        return truth
      case 'asks':
        return asking(asked.slice(position), known)
      case 'failed':
        survey.fails(rule, truth.why)
        break
      case 'yes':
        survey.holds(rule)
        if (rule.stops && rule.mode === 'enforce') return survey.finish(purpose)
    }
    if (survey.isOver) break
  }
  return survey.finish(purpose)
}

/** Whether a rule holds, and whether all is known that its texts tell. */
export function truthOfRule(rule: Rule, known: KnownMessage): Truth {
  const truth = truthOf(rule.parts, known)
  if (truth.type !== 'yes' || rule.mode === 'shadow') return truth
  return truthOfAnswers(rule.judgesInTexts, known)
}

/**
 * All judges that can still matter, at the same time: one after the other they would keep a client waiting for the sum
 * of their times. What lies behind a rule that certainly ends the asking does not matter.
 */
function asking(rules: readonly Rule[], known: KnownMessage): Finding {
  const judges = new Set<string>()
  const budgets: (number | null)[] = []
  for (const rule of rules) {
    const truth = truthOfRule(rule, known)
    if (truth.type === 'asks') {
      const inTexts = rule.mode === 'shadow' ? [] : rule.judgesInTexts
      for (const name of [...truth.judges, ...inTexts]) if (known.answerOf(name) === null) judges.add(name)
      budgets.push(rule.budgetMs)
    }
    if (truth.type === 'yes' && rule.stops && rule.mode === 'enforce') break
  }
  // A rule that waits longer must not fail because another one is in a hurry.
  const all = budgets.filter((budget) => budget !== null)
  return {
    type: 'asks',
    judges: [...judges],
    budgetMs: all.length < budgets.length ? null : Math.max(...all),
  }
}

/** What was found while rules are asked one by one. */
class Survey {
  readonly #rules: RuleSet
  readonly #known: KnownMessage
  readonly #hits: { readonly hit: RuleHit; readonly index: number }[] = []
  #holding: HoldingRule[] = []
  #failure: Decision['failure'] = null
  #isLasting = true

  constructor(rules: RuleSet, known: KnownMessage) {
    this.#rules = rules
    this.#known = known
  }

  /** A rule that failed wants the message to wait or to be refused: nothing else matters. */
  get isOver(): boolean {
    return this.#failure !== null
  }

  holds(rule: Rule): void {
    const index = this.#rules.rules.indexOf(rule)
    this.#hits.push({ hit: hitOf(rule, rule.mode, reasonOf(rule, this.#known)), index })
    if (rule.mode === 'enforce') this.#holding.push({ rule, index })
  }

  fails(rule: Rule, why: string): void {
    this.#isLasting = false
    const reason = safeText(why, REASON_CODE_POINTS)
    const index = this.#rules.rules.indexOf(rule)
    this.#hits.push({ hit: hitOf(rule, 'failed', reason), index })
    if (rule.mode === 'shadow' || rule.onFailure === 'deliver') return
    this.#failure ??= { policy: rule.onFailure, reason }
  }

  finish(purpose: Purpose): Finding {
    const needs = this.#failure === null ? this.#whatIsLacking(purpose) : null
    if (needs !== null) return needs
    const { message, header } = this.#known.seen
    const done = this.#failure === null ? this.#holding : []
    const outcome = outcomeOf(done, this.#known.fields, message ?? header, purpose)
    const hits = this.#hits.map(({ hit, index }) => this.#withMarks(hit, index, purpose))
    const hitRules = this.#hits.map(({ index }) => index)
    const decision = { hits, hitRules, outcome, failure: this.#failure, isLasting: this.#isLasting }
    return { type: 'decided', decision }
  }

  /** What must be seen to do what rules say. A rule that cannot be done for it has failed. */
  #whatIsLacking(purpose: Purpose): Finding | null {
    for (;;) {
      const isHidden = this.#holding.some(hides)
      const lacks = this.#holding.map((holding) => ({
        holding,
        truth: lacking(sightOfEffects(holding, isHidden, purpose), this.#known),
      }))
      const failed = lacks.find(({ truth }) => truth?.type === 'failed')
      if (failed === undefined) {
        const needs = lacks.flatMap(({ truth }) => (truth?.type === 'needs' ? [truth] : []))
        return needs.find(({ sight }) => sight === 'message') ?? needs[0] ?? null
      }
      const { rule } = failed.holding
      this.#holding = this.#holding.filter((holding) => holding !== failed.holding)
      const hit = this.#hits.findIndex(({ hit: { rule: name } }) => name === rule.name)
      this.#hits.splice(hit, 1)
      this.fails(rule, failed.truth?.type === 'failed' ? failed.truth.why : '')
      if (this.isOver) return null
    }
  }

  /** What a rule marks a message with is told with its values. */
  #withMarks(hit: RuleHit, index: number, purpose: Purpose): RuleHit {
    const rule = this.#rules.rules[index]
    if (purpose === 'listing' || hit.mode !== 'enforce' || rule === undefined) return hit
    const actions = rule.actions.map(({ words, does }) =>
      does.type === 'mark' && does.text.fields.size > 0
        ? `mark ${JSON.stringify(textsFilled(does, rule, this.#known.fields)[0] ?? '')}`
        : words,
    )
    return { ...hit, actions }
  }
}

/** A rule that holds or failed, to be told. */
export function hitOf(rule: Rule, mode: RuleHit['mode'], reason: string): RuleHit {
  return { rule: rule.name, place: rule.place, actions: rule.actions.map(({ words }) => words), reason, mode }
}

/** The condition, and what the judges that it asks have said. */
export function reasonOf(rule: Rule, known: KnownMessage): string {
  const said = [...rule.when.judges].flatMap((name) => {
    const answer = known.answerOf(name)
    if (answer === null || 'failed' in answer) return []
    const { verdict, score, finding } = answer
    return [
      [
        `${name}: ${verdict}`,
        ...(score === null ? [] : [`score ${score}`]),
        ...(finding === '' ? [] : [finding]),
      ].join(', '),
    ]
  })
  return safeText([rule.when.text.replace(/\s+/g, ' '), ...said].join('; '), REASON_CODE_POINTS)
}
