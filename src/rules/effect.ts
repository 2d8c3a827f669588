/**
 * What rules that hold do to a message, as plain values: they can be kept and written down, and become edits when they
 * are needed. Owns how actions of several rules add up.
 */
import type { Fields } from '../expression/fields.js'
import type { MessageEdit } from '../mail/edit.js'
import { type Action, textsOf } from './action.js'
import { isListed, sightOfAction } from './analysis.js'
import { STATUS_CODE_POINTS } from './limits.js'
import { arrivedAt } from './message-age.js'
import type { Rule } from './rule.js'
import { greatest } from './sight.js'
import type { Purpose, Sight } from './verdict.js'

/** One action of a rule with its texts filled in. */
export interface Effect {
  /** Places in the rule set and in the rule. */
  readonly rule: number
  readonly action: number
  readonly texts: readonly string[]
}

/** All that becomes of a message, but for what is told. */
export interface Outcome {
  readonly isHidden: boolean
  /** Place of the rule. */
  readonly quarantinedBy: number | null
  /** Edits in order, and webhooks. */
  readonly effects: readonly Effect[]
  /** Until when DELE is not passed on, in milliseconds since the epoch: 0 for now already, null for ever. */
  readonly keptUntil: number | null
}

/** A rule that holds, with its place among all rules. */
export interface HoldingRule {
  readonly rule: Rule
  readonly index: number
}

/** What must be seen to do what a rule says. What is hidden needs no edit. */
export function sightOfEffects({ rule }: HoldingRule, isHidden: boolean, purpose: Purpose): Sight {
  const done = rule.actions.filter(({ does }) => {
    if (purpose === 'listing' && !isListed(does)) return false
    return !isHidden || does.type === 'quarantine' || !isListed(does)
  })
  return greatest(done.map(({ does }) => sightOfAction(does)))
}

/** Whether the client does not see the message any more. */
export function hides({ rule }: HoldingRule): boolean {
  return rule.actions.some(
    ({ does }) => does.type === 'hide' || (does.type === 'quarantine' && does.leaves === 'hide'),
  )
}

/**
 * Adds up what rules do.
 *
 * @param fields what texts are filled in from
 * @param header the header section or the whole message; null where no rule needs it
 */
export function outcomeOf(
  holding: readonly HoldingRule[],
  fields: Fields,
  header: Buffer | null,
  purpose: Purpose,
): Outcome {
  const isHidden = holding.some(hides)
  const quarantining = holding.find(({ rule }) => rule.actions.some(({ does }) => does.type === 'quarantine'))
  const effects = holding.flatMap(({ rule, index }) =>
    rule.actions.flatMap(({ does }, action): readonly Effect[] => {
      const isDone = does.type === 'notify' ? purpose === 'delivery' : !isHidden && isEdit(does)
      if (!isDone) return []
      return [{ rule: index, action, texts: textsFilled(does, rule, fields) }]
    }),
  )
  return {
    isHidden,
    quarantinedBy: quarantining?.index ?? null,
    effects,
    keptUntil: purpose === 'listing' ? 0 : keptUntil(holding, header),
  }
}

/** Texts of an action with values in the place of placeholders. */
export function textsFilled(action: Action, rule: Rule, fields: Fields): readonly string[] {
  const values: Fields = new Proxy(fields, {
    get: (target, name, receiver) => (name === 'rule' ? rule.name : Reflect.get(target, name, receiver)),
  })
  const change = action.type === 'replace-text' ? (value: string) => value.replaceAll('$', '$$$$') : undefined
  return textsOf(action).map((text) => text.fill(values, change))
}

/** A text for a status line or a line of an answer. */
export function cutForLine(text: string): string {
  return [...text].slice(0, STATUS_CODE_POINTS).join('')
}

function isEdit(action: Action): boolean {
  return (
    isListed(action) && action.type !== 'hide' && (action.type !== 'quarantine' || action.leaves === 'notice')
  )
}

function keptUntil(holding: readonly HoldingRule[], header: Buffer | null): number | null {
  let until = 0
  for (const { rule } of holding) {
    for (const { does } of rule.actions) {
      if (does.type !== 'keep-on-server') continue
      if (does.forMs === null) return null
      const arrived = header === null ? null : arrivedAt(header)
      // Whoever cannot tell how old a message is does not delete it.
      if (arrived === null) return null
      until = Math.max(until, arrived + does.forMs)
    }
  }
  return until
}

/** Makes an edit of an effect. Null for one that edits nothing. */
export function editOf(action: Action, texts: readonly string[]): MessageEdit | null {
  const [text = ''] = texts
  switch (action.type) {
    case 'add-header':
    case 'set-header':
      return { type: action.type, name: action.name, value: text }
    case 'remove-header':
      return { type: 'remove-header', name: action.name }
    case 'tag-subject':
      return { type: 'tag-subject', tag: text }
    case 'replace-text':
      return { type: 'replace-text', replace: (whole) => action.pattern.replaceIn(whole, text) }
    case 'strip-attachments':
      return { type: 'strip-attachments', isMeant: action.isMeant, text }
    case 'rename-attachments':
      return { type: 'rename-attachments', isMeant: action.isMeant, suffix: action.suffix }
    case 'disarm-links':
      return { type: 'disarm-links' }
    case 'notice':
    case 'quarantine':
      return { type: 'notice', text }
    default:
      return null
  }
}
