/**
 * What it costs to ask a rule: worked out once when it is loaded, so that nothing more is fetched than some rule needs,
 * and so that a person can be told before.
 */
import { ACTION_FACTS, type Action, textsOf } from './action.js'
import type { Rule, RuleAction, RuleAnalysis } from './rule.js'
import { fieldOfReply, greatest, isBeyond, type Need, needOf, sightFor } from './sight.js'
import type { Sight } from './verdict.js'

/** A rule before it is analysed. */
export type UnanalysedRule = Omit<Rule, 'analysis' | 'actionSight' | 'judgesInTexts' | 'fields'>

type Asked = Pick<Rule, 'mode' | 'of' | 'actions' | 'onFailure' | 'when' | 'judgesInTexts' | 'actionSight'>

/** Completes a rule with what it costs. */
export function analysed(rule: UnanalysedRule): Rule {
  const texts = rule.actions.flatMap(({ does }) => textsOf(does))
  const outputs = rule.actions.flatMap(({ does }) => (does.type === 'take-output' ? [does.judge] : []))
  const judgesInTexts = [...new Set([...texts.flatMap(({ judges }) => [...judges]), ...outputs])]
  const fields = new Set([...rule.when.fields, ...texts.flatMap((text) => [...text.fields])])
  if (rule.of === 'command') {
    const actionSight = { listing: 'nothing', delivery: 'nothing' } as const
    const analysis = fieldOfReply(fields) === null ? COMMANDS_ALONE : REPLIES_ALONE
    return { ...rule, fields, judgesInTexts: [], actionSight, analysis }
  }
  const listed = rule.actions.filter(({ does }) => isListed(does))
  const actionSight = { listing: sightOfAll(listed), delivery: sightOfAll(rule.actions) }
  return { ...rule, fields, judgesInTexts, actionSight, analysis: analyse(rule, judgesInTexts, actionSight) }
}

/** What must be seen to do what an action says; for that alone, not for whether it is done. */
export function sightOfAction(action: Action): Sight {
  const texts = textsOf(action).map((text) => sightFor(needOf(text.fields)))
  // How old a message is, its header section tells.
  const own =
    action.type === 'keep-on-server' && action.forMs !== null ? 'header' : ACTION_FACTS[action.type].sight
  return greatest([own, ...texts])
}

/** Whether STAT, LIST or UIDL are different for it. */
export function isListed(action: Action): boolean {
  return ACTION_FACTS[action.type].isListed
}

/** Whether the rule can change what STAT, LIST and UIDL say. */
export function changesListing({
  mode,
  of,
  actions,
  onFailure,
  when,
  judgesInTexts,
  actionSight,
}: Asked): boolean {
  if (mode === 'shadow' || of === 'command') return false
  if (actions.some(({ does }) => isListed(does))) return true
  // What waits after a failure is hidden; only what looks further than a listing can fail.
  const most = greatest<Need>([
    needOf(when.fields),
    judgesInTexts.length > 0 ? 'judges' : actionSight.delivery,
  ])
  return onFailure === 'hold' && isBeyond(most, 'listing')
}

function sightOfAll(actions: readonly RuleAction[]): Sight {
  return greatest(actions.map(({ does }) => sightOfAction(does)))
}

const COMMANDS_ALONE: RuleAnalysis = {
  condition: 'nothing',
  beforeListing: 'nothing',
  beforeMessage: 'nothing',
  judges: [],
  because: [],
  cost: 'sees commands alone: nothing is asked of the server for it',
}

const REPLIES_ALONE: RuleAnalysis = {
  ...COMMANDS_ALONE,
  cost: 'sees replies to commands alone: nothing is asked of the server for it',
}

function analyse(
  rule: UnanalysedRule,
  judgesInTexts: readonly string[],
  actionSight: Rule['actionSight'],
): RuleAnalysis {
  const condition = needOf(rule.when.fields)
  const judges = [...new Set([...rule.when.judges, ...judgesInTexts])]
  const asks: Need = judgesInTexts.length > 0 ? 'judges' : condition
  const isShadow = rule.mode === 'shadow'
  const isInListing = changesListing({ ...rule, judgesInTexts, actionSight })
  const beforeListing = isInListing ? greatest<Need>(['listing', asks, actionSight.listing]) : 'nothing'
  const beforeMessage = greatest<Need>([
    'listing',
    isShadow ? condition : asks,
    isShadow ? 'nothing' : actionSight.delivery,
  ])
  return {
    condition,
    beforeListing,
    beforeMessage,
    judges,
    because: becauseOf(rule),
    cost: costOf(beforeListing, beforeMessage, judges),
  }
}

const SEEN: Readonly<Record<Need, string>> = {
  nothing: 'nothing of the message',
  listing: 'the size and unique-id',
  header: 'the header section',
  message: 'the whole message',
  judges: 'the whole message',
}

function becauseOf(rule: UnanalysedRule): readonly string[] {
  const ofFields = [...rule.when.fields].flatMap((name) => {
    const need = needOf([name])
    if (need === 'nothing') return []
    if (need !== 'judges') return [`\`${name}\` in when needs ${SEEN[need]}`]
    return [`\`${name}\` in when needs answers of judges: ${[...rule.when.judges].join(', ')}`]
  })
  if (rule.mode === 'shadow') return [...ofFields, 'mode shadow: nothing is done']
  const ofActions = rule.actions.flatMap(({ does, words }) => {
    const sight = sightOfAction(does)
    if (!isBeyond(sight, 'listing')) return []
    const why = isListed(does) ? ', since it changes the size' : ''
    return [`\`${words}\` needs ${SEEN[sight]}${why}`]
  })
  const hidden = rule.actions.some(({ does }) => does.type === 'hide')
    ? ['`hide` changes what LIST shows']
    : []
  return [...ofFields, ...ofActions, ...hidden]
}

function costOf(beforeListing: Need, beforeMessage: Need, judges: readonly string[]): string {
  const first =
    beforeListing === 'nothing' ? null : priceOf(beforeListing, judges, 'before STAT, LIST or UIDL')
  const then =
    isBeyond(beforeMessage, beforeListing) || first === null
      ? priceOf(beforeMessage, judges, 'before it is handed out')
      : null
  return [first, then].filter((each) => each !== null).join('; ')
}

function priceOf(need: Need, judges: readonly string[], when: string): string {
  switch (need) {
    case 'nothing':
    case 'listing':
      return `needs the size and unique-id: one LIST and UIDL for each session ${when}`
    case 'header':
      return `needs the header section: one TOP for each new message ${when}`
    case 'message':
      return `needs the whole message: one RETR for each new message ${when}`
    case 'judges':
      return `needs the whole message and ${judges.join(', ')}: one RETR and a question to each for each new message ${when}`
  }
}
