/**
 * `postern rules test`: rules on messages of files, each decision explained step by step, with what would be changed.
 * What the mail says is hostile: every line is made harmless before it is printed.
 */
import { isUtf8 } from 'node:buffer'
import { readdirSync, statSync } from 'node:fs'
import { compareLines, withContext } from '../dashboard/screens/line-difference.js'
import type { Judges } from '../judge/judge.js'
import { createJudges } from '../judge/judges.js'
import { editMessage } from '../mail/edit.js'
import { describeMessage } from '../mail/message.js'
import { inMemory } from '../mail/source.js'
import { examineMessage } from '../rules/examine.js'
import { type ExplainedPart, type ExplainedRule, type Explanation, explain } from '../rules/explain.js'
import { KnownMessage } from '../rules/known-message.js'
import type { RuleSet } from '../rules/rule-set.js'
import type { JudgeAnswers, MessageVerdict, SeenMessage, SessionFields } from '../rules/verdict.js'
import { safeText } from '../trace/safe-text.js'
import { EXIT_CODES, type ExitCode } from './exit-codes.js'
import { UsageError } from './failure.js'
import { type MailFile, mailFiles } from './mail-files.js'
import { loadNamedRules } from './rules.js'

export interface RulesTestOptions {
  readonly rules?: readonly string[]
  readonly askJudges?: boolean
  readonly user?: string
  readonly client?: string
  readonly summary?: boolean
}

/** Lines of a difference that are printed for one message. */
const MOST_LINES = 200
/** Code points of one printed line. */
const LINE_CODE_POINTS = 300

/**
 * Runs rules on messages and prints what they decide and why.
 *
 * @returns 0 where a rule holds for a message, 1 where none does, as grep(1) does
 * @throws {RuleError} with every mistake of the rule files
 */
export async function testRules(paths: readonly string[], options: RulesTestOptions): Promise<ExitCode> {
  const ofRules = paths.filter(holdsRules)
  const ofMail = paths.filter((path) => !ofRules.includes(path))
  if (ofMail.length === 0)
    throw new UsageError('no messages named: postern rules test --rules rules/ mail.eml')
  const rules = await loadNamedRules([...(options.rules ?? []), ...ofRules])
  const judges = options.askJudges === true ? createJudges(rules.judges) : null
  const table = new Table(rules)
  try {
    for await (const file of mailFiles(ofMail)) {
      const message = file.read()
      const seen = seenOf(file, message)
      const session = sessionOf(options, file)
      const judged = judges === null ? null : await answersFor(rules, seen, session, judges)
      const explanation = explain(rules, new KnownMessage({ ...seen, judged }, session), Date.now())
      table.add(explanation)
      if (options.summary !== true) {
        process.stdout.write(`${linesOf(file.name, message, explanation).map(harmless).join('\n')}\n\n`)
      }
    }
  } finally {
    judges?.close()
  }
  process.stdout.write(`${table.lines().map(harmless).join('\n')}\n`)
  return table.hasHit ? EXIT_CODES.success : EXIT_CODES.failure
}

/** `postern rules test rules/ mail/`: a rule file, or a directory of such and of no mail. */
function holdsRules(path: string): boolean {
  if (/\.ya?ml$/i.test(path)) return true
  try {
    const names = statSync(path).isDirectory() ? readdirSync(path) : []
    return names.some((name) => /\.ya?ml$/i.test(name)) && !names.some((name) => /\.eml$|^cur$/i.test(name))
  } catch {
    return false
  }
}

/** The session that fetched a recorded message, or one that might. */
function sessionOf({ user, client }: RulesTestOptions, { session }: MailFile): SessionFields {
  return {
    session: session?.id ?? 'test',
    service: session?.service ?? 'test',
    listener: session?.listener ?? '127.0.0.1:110',
    client: client ?? session?.client ?? '127.0.0.1',
    server: session?.server ?? '127.0.0.1:110',
    user: user ?? session?.user ?? null,
    mechanism: session?.mechanism ?? null,
    state: 'TRANSACTION',
    clientTls: session?.clientTls?.protocol ?? '',
    serverTls: session?.serverTls?.protocol ?? '',
    commands: session?.commands ?? 0,
  }
}

function seenOf({ number, uniqueId }: MailFile, message: Buffer): SeenMessage {
  return { number, uniqueId, size: message.length, header: message, message, judged: null, unseen: null }
}

/** Asks whom the rules want to ask, as a session would. */
async function answersFor(
  rules: RuleSet,
  seen: SeenMessage,
  session: SessionFields,
  judges: Judges,
): Promise<JudgeAnswers | null> {
  const finding = examineMessage(rules, new KnownMessage(seen, session), 'delivery')
  if (finding.type !== 'asks' || seen.message === null) return null
  const { session: id, client, user, service } = session
  return judges.ask(finding.judges, inMemory(seen.message), { session: id, client, user, service })
}

function linesOf(path: string, message: Buffer, explanation: Explanation): readonly string[] {
  const { subject } = describeMessage(message)
  const { verdict } = explanation
  const edited = verdict.isHidden ? message : editMessage(message, verdict.edits)
  return [
    `${path}: ${message.length} octets, ${subject === null ? 'no subject' : JSON.stringify(subject)}`,
    ...explanation.rules.flatMap(linesOfRule),
    `  => ${resultOf(verdict, message.length, edited.length)}`,
    ...differenceOf(message, edited),
  ]
}

const OUTCOMES: Readonly<Record<ExplainedRule['outcome'], string>> = {
  holds: 'yes',
  'does-not-hold': 'no ',
  unknown: '?  ',
  'not-asked': '-  ',
}

function linesOfRule({ rule, outcome, parts, why }: ExplainedRule): readonly string[] {
  const shadow = rule.mode === 'shadow' ? ' (shadow)' : ''
  const reason =
    outcome === 'not-asked' ? ': a rule before it ends the asking' : why === null ? '' : `: ${why}`
  return [
    `  ${OUTCOMES[outcome]} ${rule.name}${shadow} (${rule.place})${reason}`,
    ...parts.flatMap(linesOfPart),
    ...(outcome === 'holds' ? rule.actions.map(({ words }) => `        then  ${words}`) : []),
  ]
}

function linesOfPart({ text, holds, values }: ExplainedPart): readonly string[] {
  const truth = holds === null ? 'unknown' : holds ? 'true' : 'false'
  return [
    `        ${truth.padEnd(7)} ${text}`,
    ...values.map(({ name, value }) => `                ${name}: ${value}`),
  ]
}

function resultOf(verdict: MessageVerdict, before: number, after: number): string {
  const results = [
    ...(verdict.isHidden ? ['hidden'] : []),
    ...(verdict.quarantine === null ? [] : ['quarantined']),
    ...(verdict.isKeptOnServer ? ['kept on the server'] : []),
    ...(verdict.notifications.length > 0 ? [`${verdict.notifications.length} told by webhook`] : []),
    ...(verdict.edits.length > 0 ? [`changed, ${before} octets become ${after}`] : []),
  ]
  return results.length === 0 ? 'passes as it is' : results.join(', ')
}

/** As diff -u writes it, of what a client would get. */
function differenceOf(before: Buffer, after: Buffer): readonly string[] {
  if (before.equals(after)) return []
  const lines = withContext(compareLines(textLines(before), textLines(after)))
  const shown = lines.slice(0, MOST_LINES).map(({ kind, text }) => `  ${SIGNS[kind]}${text}`)
  return lines.length > MOST_LINES ? [...shown, `  … ${lines.length - MOST_LINES} more lines`] : shown
}

const SIGNS = { same: ' ', removed: '-', added: '+', note: '@ ' } as const

function textLines(message: Buffer): readonly string[] {
  const lines = message.toString('latin1').split('\r\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map(asRead)
}

/** RFC 6532 §3: header fields may be UTF-8, and so is most text of eight bits. */
function asRead(line: string): string {
  const octets = Buffer.from(line, 'latin1')
  return isUtf8(octets) ? octets.toString('utf8') : line
}

function harmless(line: string): string {
  return line
    .split('\n')
    .map((each) => safeText(each, LINE_CODE_POINTS))
    .join('\n')
}

/** How often each rule held. */
class Table {
  readonly #counts: Map<string, Record<ExplainedRule['outcome'], number>>
  #messages = 0

  constructor({ messageRules }: RuleSet) {
    this.#counts = new Map(
      messageRules.map(({ name }) => [name, { holds: 0, 'does-not-hold': 0, unknown: 0, 'not-asked': 0 }]),
    )
  }

  get hasHit(): boolean {
    return [...this.#counts.values()].some(({ holds }) => holds > 0)
  }

  add({ rules }: Explanation): void {
    this.#messages += 1
    for (const { rule, outcome } of rules) {
      const counts = this.#counts.get(rule.name)
      if (counts !== undefined) counts[outcome] += 1
    }
  }

  lines(): readonly string[] {
    const total = `${this.#messages} message${this.#messages === 1 ? '' : 's'}`
    if (this.#counts.size === 0) return [`${total}; no rule is of messages`]
    const rows = [...this.#counts].map(([name, counts]) =>
      [counts.holds, counts['does-not-hold'], counts.unknown, counts['not-asked']]
        .map((count) => String(count).padStart(9))
        .concat(`  ${name}`)
        .join(''),
    )
    return [total, '    holds       not   unknown not asked  rule', ...rows]
  }
}
