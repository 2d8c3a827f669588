/** What tests of rules share: a rule set from lines, a message to ask about, a session. */
import { KnownMessage } from '../../src/rules/known-message.js'
import type { VerdictCache } from '../../src/rules/remembered.js'
import { loadRules, type RuleSet } from '../../src/rules/rule-set.js'
import { createSessionRules } from '../../src/rules/session-rules.js'
import type {
  Examination,
  JudgeAnswers,
  MessageVerdict,
  Purpose,
  SeenMessage,
  SessionFields,
  SessionRules,
} from '../../src/rules/verdict.js'

export const JUDGES = `judges:
  clamd: {type: clamd, address: 127.0.0.1:3310}
  rspamd: {type: rspamd, url: http://127.0.0.1:11333}
`

export const SESSION: SessionFields = {
  session: 's1',
  service: 'main',
  listener: '127.0.0.1:1110',
  client: '192.0.2.7:40001',
  server: 'pop.example.org:995',
  user: 'alice',
  mechanism: 'USER',
  state: 'TRANSACTION',
  clientTls: '',
  serverTls: 'TLSv1.3',
  commands: 3,
}

export const MAIL = [
  'Received: from a by b; Sat, 28 Nov 2026 08:00:00 +0000',
  'From: bob@example.com',
  'Subject: invoice',
  'Date: Mon, 1 Jun 2026 10:00:00 +0200',
  'Content-Type: text/plain',
  '',
  'Please pay.',
  '',
].join('\r\n')

/** Reads rules; `rules:` may be left out. */
export function rulesOf(text: string): RuleSet {
  return loadRules([{ file: 'a.yaml', text: text.includes('rules:') ? text : `${JUDGES}rules:\n${text}` }])
}

/** What is seen of a mail. */
export function seen(
  mail: string,
  sight: 'listing' | 'header' | 'message' = 'message',
  more: Partial<SeenMessage> = {},
): SeenMessage {
  const message = Buffer.from(mail, 'latin1')
  const end = mail.indexOf('\r\n\r\n') + 4
  return {
    number: 1,
    uniqueId: 'u1',
    size: message.length,
    header: sight === 'listing' ? null : message.subarray(0, end),
    message: sight === 'message' ? message : null,
    judged: null,
    unseen: null,
    ...more,
  }
}

export function memoryCache(): VerdictCache & { readonly entries: Map<string, string> } {
  const entries = new Map<string, string>()
  return {
    entries,
    get: (key) => {
      const text = entries.get(key)
      return text === undefined ? undefined : JSON.parse(text)
    },
    set: (key, value) => {
      entries.set(key, JSON.stringify(value))
    },
  }
}

export const NOW = Date.UTC(2026, 10, 28, 12)

export function sessionRules(
  text: string,
  cache: VerdictCache = memoryCache(),
  now = () => NOW,
): SessionRules {
  return createSessionRules(rulesOf(text), cache, now)
}

export function decided(examination: Examination): MessageVerdict {
  if (examination.type !== 'decided') throw new Error(`not decided: ${JSON.stringify(examination)}`)
  return examination.verdict
}

/** Asks step by step as a relay does, from the listing on. @returns the verdict and what was asked for */
export function stepByStep(
  rules: SessionRules,
  mail: string,
  answers: JudgeAnswers,
  purpose: Purpose = 'delivery',
  session: SessionFields = SESSION,
): { readonly verdict: MessageVerdict; readonly steps: readonly string[] } {
  const steps: string[] = []
  let sight: 'listing' | 'header' | 'message' = 'listing'
  let judged: JudgeAnswers | null = null
  for (;;) {
    const examination = rules.examine(seen(mail, sight, { judged }), session, purpose)
    if (examination.type === 'decided') return { verdict: examination.verdict, steps }
    if (examination.type === 'needs') {
      if (sight === 'message' || sight === examination.sight) throw new Error('asks for what it has')
      sight = examination.sight
      steps.push(sight)
      continue
    }
    // As the relay does: nobody is asked a second time about the same message.
    if (sight !== 'message' || judged !== null) throw new Error('asks judges too early or again')
    judged = new Map([...answers].filter(([name]) => examination.judges.includes(name)))
    steps.push(`judges ${examination.judges.join(' ')}`)
  }
}

/** A message of which everything is known. */
export function wholeKnown(mail: string, judged: JudgeAnswers | null = null): KnownMessage {
  return new KnownMessage(seen(mail, 'message', { judged }), SESSION)
}
