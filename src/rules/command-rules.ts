/**
 * Rules asked about one command: what the client gets, how long it waits, whether the session ends.
 */
import type { Fields } from '../expression/fields.js'
import { safeText } from '../trace/safe-text.js'
import type { Action } from './action.js'
import { cutForLine, textsFilled } from './effect.js'
import { commandFieldsOf } from './known-message.js'
import { MOST_DELAY_MS, REASON_CODE_POINTS } from './limits.js'
import type { Rule } from './rule.js'
import type { CommandVerdict, RuleHit, SeenCommand, SessionFields } from './verdict.js'

/** Asks rules about a command, in their order. Null where none holds. Never fails. */
export function judgeCommand(
  rules: readonly Rule[],
  seen: SeenCommand,
  session: SessionFields,
): CommandVerdict | null {
  const fields = commandFieldsOf(seen, session)
  const hits: RuleHit[] = []
  const notifications: { readonly rule: string; readonly url: string }[] = []
  let delayMs = 0
  let answer: CommandVerdict['answer'] = null
  let closes = false
  for (const rule of rules) {
    if (!rule.when.matches(fields, () => '')) continue
    // The client gets one answer: a rule that would give another one is not asked any more.
    if (rule.mode === 'enforce' && answer !== null && answers(rule)) continue
    hits.push(hitOf(rule, fields))
    if (rule.mode === 'shadow') continue
    for (const { does } of rule.actions) {
      answer ??= answerOf(does, rule, fields)
      if (does.type === 'delay') delayMs = Math.min(MOST_DELAY_MS, delayMs + does.ms)
      else if (does.type === 'close') closes = true
      else if (does.type === 'notify') notifications.push({ rule: rule.name, url: does.url })
    }
    if (rule.stops) break
  }
  return hits.length === 0 ? null : { hits, delayMs, answer, closes, notifications }
}

function answers({ actions }: Rule): boolean {
  return actions.some(({ does }) => does.type === 'refuse' || does.type === 'answer')
}

function answerOf(action: Action, rule: Rule, fields: Fields): CommandVerdict['answer'] {
  const [text = '', ...lines] = textsFilled(action, rule, fields).map(cutForLine)
  switch (action.type) {
    case 'refuse':
      return { indicator: '-ERR', responseCode: action.code, text, lines: null }
    case 'answer':
      return { indicator: '+OK', responseCode: null, text, lines: action.lines === null ? null : lines }
    default:
      return null
  }
}

function hitOf(rule: Rule, fields: Fields): RuleHit {
  const actions = rule.actions.map(({ words, does }) =>
    does.type === 'mark' && does.text.fields.size > 0
      ? `mark ${JSON.stringify(textsFilled(does, rule, fields)[0] ?? '')}`
      : words,
  )
  const reason = safeText(rule.when.text.replace(/\s+/g, ' '), REASON_CODE_POINTS)
  return { rule: rule.name, place: rule.place, actions, reason, mode: rule.mode }
}
