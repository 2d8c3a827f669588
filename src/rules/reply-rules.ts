/**
 * Rules asked about the server's reply to a command. Owns that a `+OK` stays one: what the server did is done, and a
 * client that is told otherwise does it again or not at all.
 */
import { hitOf } from './command-rules.js'
import { cutForLine, textsFilled } from './effect.js'
import { replyFieldsOf } from './known-message.js'
import type { Rule } from './rule.js'
import type { ReplyVerdict, RuleHit, SeenReply, SessionFields } from './verdict.js'

/** Asks rules about a reply, in their order. Null where none holds. Never fails. */
export function judgeReply(
  rules: readonly Rule[],
  seen: SeenReply,
  session: SessionFields,
): ReplyVerdict | null {
  const fields = replyFieldsOf(seen, session)
  const hits: RuleHit[] = []
  const notifications: { readonly rule: string; readonly url: string }[] = []
  let instead: ReplyVerdict['instead'] = null
  let closes = false
  for (const rule of rules) {
    // Nothing is put in the place of a +OK, nor of what an earlier rule has put there.
    if (refuses(rule) && (seen.indicator === '+OK' || (rule.mode === 'enforce' && instead !== null))) continue
    if (!rule.when.matches(fields, () => '')) continue
    hits.push(hitOf(rule, fields))
    if (rule.mode === 'shadow') continue
    for (const { does } of rule.actions) {
      if (does.type === 'refuse') {
        const [text = ''] = textsFilled(does, rule, fields).map(cutForLine)
        instead ??= { responseCode: does.code, text }
      } else if (does.type === 'close') closes = true
      else if (does.type === 'notify') notifications.push({ rule: rule.name, url: does.url })
    }
    if (rule.stops) break
  }
  return hits.length === 0 ? null : { hits, instead, closes, notifications }
}

function refuses({ actions }: Rule): boolean {
  return actions.some(({ does }) => does.type === 'refuse')
}
