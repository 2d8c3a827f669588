/**
 * Rules asked about one command: what the client gets, how long it waits, whether the session ends.
 */
import type { Fields } from '../expression/fields.js'
import { safeText } from '../trace/safe-text.js'
import type { Action, ActionType } from './action.js'
import { cutForLine, textsFilled } from './effect.js'
import { addressOf, commandFieldsOf, sessionFieldsOf } from './known-message.js'
import { MOST_DELAY_MS, REASON_CODE_POINTS } from './limits.js'
import type { Rule } from './rule.js'
import type { CommandVerdict, Logins, RuleHit, SeenCommand, SessionFields } from './verdict.js'

/** RFC 1939 §7 and RFC 5034 §4; USER alone logs nobody in. */
const LOGS_IN: ReadonlySet<string> = new Set(['PASS', 'APOP', 'AUTH', 'RPOP'])
const ANSWERS: ReadonlySet<ActionType> = new Set<ActionType>(['refuse', 'answer', 'limit-logins'])

/** What rules of commands may ask beside the command. */
export interface CommandSurroundings {
  readonly logins: Logins
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** Asks rules about a command, in their order. Null where none holds. Never fails. */
export function judgeCommand(
  rules: readonly Rule[],
  seen: SeenCommand,
  session: SessionFields,
  around: CommandSurroundings,
): CommandVerdict | null {
  const fields = commandFieldsOf(seen, session)
  const hits: RuleHit[] = []
  const notifications: { readonly rule: string; readonly url: string }[] = []
  let delayMs = 0
  let answer: CommandVerdict['answer'] = null
  let closes = false
  let obeyed: Partial<CommandVerdict> = {}
  for (const rule of rules) {
    if (isOfGreeting(rule) || !rule.when.matches(fields, () => '')) continue
    const tooSoon = tooSoonFor(rule, seen, session, around)
    // A login that does not come too soon is none of the rule's business.
    if (tooSoon === null && isAboutLogins(rule)) continue
    // The client gets one answer: a rule that would give another one is not asked any more.
    if (rule.mode === 'enforce' && answer !== null && answers(rule)) continue
    hits.push(hitOf(rule, fields))
    if (rule.mode === 'shadow') continue
    answer ??= tooSoon
    for (const { does } of rule.actions) {
      answer ??= answerOf(does, rule, fields)
      obeyed = { ...effectOf(does, rule, fields), ...obeyed }
      if (does.type === 'delay') delayMs = Math.min(MOST_DELAY_MS, delayMs + does.ms)
      else if (does.type === 'close') closes = true
      else if (does.type === 'notify') notifications.push({ rule: rule.name, url: does.url })
    }
    if (rule.stops) break
  }
  return hits.length === 0 ? null : { hits, delayMs, answer, closes, notifications, ...obeyed }
}

/** Asks rules about the server's greeting. Null where none has another one. Never fails. */
export function judgeGreeting(
  rules: readonly Rule[],
  session: SessionFields,
): { readonly text: string; readonly hits: readonly RuleHit[] } | null {
  // Nothing was said yet: a condition on a command is false.
  const fields: Fields = { ...sessionFieldsOf(session), client: session.client }
  const hits: RuleHit[] = []
  for (const rule of rules) {
    if (!isOfGreeting(rule) || !rule.when.matches(fields, () => '')) continue
    hits.push(hitOf(rule, fields))
    if (rule.mode === 'shadow') continue
    const [text] = rule.actions.flatMap(({ does }) =>
      does.type === 'greeting' ? textsFilled(does, rule, fields).map(cutForLine) : [],
    )
    if (text !== undefined) return { text, hits }
  }
  return null
}

function isOfGreeting({ actions }: Rule): boolean {
  return actions.some(({ does }) => does.type === 'greeting')
}

function isAboutLogins({ actions }: Rule): boolean {
  return actions.some(({ does }) => does.type === 'limit-logins')
}

/** RFC 2449 §8.1.1: LOGIN-DELAY tells the client that its password is none the worse. */
function tooSoonFor(
  { actions }: Rule,
  { verb, argument }: SeenCommand,
  { service, user, client }: SessionFields,
  { logins, now }: CommandSurroundings,
): CommandVerdict['answer'] {
  if (!LOGS_IN.has(verb)) return null
  const name = verb === 'APOP' ? (argument.split(' ')[0] ?? null) : verb === 'PASS' ? user : null
  const last = logins.lastAt(service, name, addressOf(client))
  if (last === null) return null
  for (const { does } of actions) {
    if (does.type !== 'limit-logins' || now - last >= does.everyMs) continue
    const seconds = Math.ceil((last + does.everyMs - now) / 1_000)
    const text = `the last login was too short a time ago: try again in ${seconds} s`
    return { indicator: '-ERR', responseCode: 'LOGIN-DELAY', text, lines: null }
  }
  return null
}

/** What an action does beside answering. The first rule that says something about a thing is the one that counts. */
function effectOf(action: Action, rule: Rule, fields: Fields): Partial<CommandVerdict> {
  switch (action.type) {
    case 'set-argument':
      return { argument: textsFilled(action, rule, fields).map(cutForLine)[0] ?? null }
    case 'capabilities':
      return { capabilities: { add: action.add, remove: action.remove } }
    case 'throttle':
      return { octetsPerSecond: action.octetsPerSecond }
    case 'cut-off':
      return { cutOffAfter: action.octets }
    case 'corrupt':
      return { corruptEvery: action.every }
    default:
      return {}
  }
}

function answers({ actions }: Rule): boolean {
  return actions.some(({ does }) => ANSWERS.has(does.type))
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

/** Tells that a rule holds. */
export function hitOf(rule: Rule, fields: Fields): RuleHit {
  const actions = rule.actions.map(({ words, does }) =>
    does.type === 'mark' && does.text.fields.size > 0
      ? `mark ${JSON.stringify(textsFilled(does, rule, fields)[0] ?? '')}`
      : words,
  )
  const reason = safeText(rule.when.text.replace(/\s+/g, ' '), REASON_CODE_POINTS)
  return { rule: rule.name, place: rule.place, actions, reason, mode: rule.mode }
}
