/**
 * A rule set as the relay asks it, with the verdicts of earlier sessions. Owns what a verdict depends on: where none of
 * it changed, the next session gets the same verdict without anybody being asked.
 */
import { judgeCommand, judgeGreeting } from './command-rules.js'
import { type Decision, examineMessage } from './examine.js'
import { KnownMessage, sessionFieldsOf } from './known-message.js'
import { fromRemembered, toRemember, type VerdictCache, verdictOf } from './remembered.js'
import { judgeReply } from './reply-rules.js'
import { listingIsAll, type RuleSet } from './rule-set.js'
import type {
  ListedMessage,
  Logins,
  MessageVerdict,
  Purpose,
  RememberedVerdict,
  SessionFields,
  SessionRules,
} from './verdict.js'

const NO_LOGINS: Logins = { lastAt: () => null }

/**
 * Makes the rules that sessions ask.
 *
 * @param cache where verdicts are kept for sessions to come
 * @param now milliseconds since the epoch; asked for how old a message is that waits on the server, and a login
 * @param logins when users logged in last
 */
export function createSessionRules(
  rules: RuleSet,
  cache: VerdictCache,
  now: () => number,
  logins: Logins = NO_LOGINS,
): SessionRules {
  // A verdict holds functions: what is kept of it is found by the verdict itself.
  const decisions = new WeakMap<MessageVerdict, Decision>()
  const isOnePurpose = listingIsAll(rules)
  const enforced = rules.messageRules.filter(({ mode }) => mode === 'enforce')

  const ofSessions = new WeakMap<SessionFields, { readonly before: string; readonly behind: string }>()
  /** The parts of a key that are the same for all messages of a session. */
  const ofSession = (session: SessionFields): { readonly before: string; readonly behind: string } => {
    const known = ofSessions.get(session)
    if (known !== undefined) return known
    const fields = sessionFieldsOf(session)
    const before = JSON.stringify([rules.hash, session.service, session.user]).slice(0, -1)
    const behind = JSON.stringify(rules.sessionFields.map((name) => fields[name] ?? null))
    const parts = { before, behind: `${behind}]` }
    ofSessions.set(session, parts)
    return parts
  }

  const keyOf = (message: ListedMessage, session: SessionFields, purpose: Purpose): string => {
    const { before, behind } = ofSession(session)
    const { uniqueId, size, number } = message
    const asked = isOnePurpose ? 'delivery' : purpose
    return `${before},${JSON.stringify(uniqueId)},${size},"${asked}",${rules.namesNumber ? number : null},${behind}`
  }

  return {
    sightBeforeListing: rules.sightBeforeListing,
    sightBeforeMessage: rules.sightBeforeMessage,
    keepsOnServer: enforced.some(({ actions }) => actions.some(({ does }) => does.type === 'keep-on-server')),
    judgesCommands: rules.commandRules.length > 0,
    refusesUnseen: enforced.some(({ onFailure }) => onFailure !== 'deliver'),

    examine(seen, session, purpose) {
      const finding = examineMessage(
        rules,
        new KnownMessage(seen, session),
        isOnePurpose ? 'delivery' : purpose,
      )
      switch (finding.type) {
        case 'needs':
          return finding
        case 'asks': {
          const { judges, budgetMs } = finding
          return { type: 'asks', judges, ...(budgetMs === null ? {} : { budgetMs }) }
        }
        case 'decided': {
          const verdict = verdictOf(finding.decision, rules.rules, now())
          decisions.set(verdict, finding.decision)
          return { type: 'decided', verdict }
        }
      }
    },

    command: (seen, session) => judgeCommand(rules.commandRules, seen, session, { logins, now: now() }),

    greeting: (session) => judgeGreeting(rules.commandRules, session),

    ...(rules.replyRules.length === 0
      ? {}
      : { reply: (seen, session) => judgeReply(rules.replyRules, seen, session) }),

    recall(message, session, purpose): RememberedVerdict | null {
      const kept = fromRemembered(cache.get(keyOf(message, session, purpose)), rules.rules)
      if (kept === null) return null
      const { hits, outcome, octets } = kept
      const verdict = verdictOf({ hits, outcome, failure: null, isLasting: true }, rules.rules, now())
      // It was copied and told when it was decided.
      return { verdict: { ...verdict, quarantine: null, notifications: [] }, octets }
    },

    remember(message, session, purpose, { verdict, octets }) {
      const decision = decisions.get(verdict)
      if (decision === undefined || !verdict.isLasting) return
      const kept = toRemember(decision, rules.rules, octets)
      if (kept !== null) cache.set(keyOf(message, session, purpose), kept)
    },
  }
}
