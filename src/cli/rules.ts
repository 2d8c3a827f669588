/**
 * `postern rules check`, `test`, `explain` and `schema`: what rules say, what they cost and what they would do to mail,
 * before they are in force. Owns the wording; the work is done in `rules/`, which is loaded when a command runs.
 */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Division } from '../expression/division.js'
import type { Rule } from '../rules/rule.js'
import type { RuleSet } from '../rules/rule-set.js'
import { safeText } from '../trace/safe-text.js'
import { EXIT_CODES, type ExitCode } from './exit-codes.js'
import { UsageError } from './failure.js'
import { repeat } from './read.js'
import type { RulesTestOptions } from './rules-test.js'

/** Where rules are looked for when nothing is named. */
export const DEFAULT_RULES = 'rules'

interface RulesOption {
  readonly rules?: readonly string[]
}

/** Adds `rules` and the commands below it; `report` receives the exit status. */
export function registerRules(program: Command, report: (code: ExitCode) => void): void {
  const rules = program
    .command('rules')
    .summary('check, try and explain the rules that filter and rewrite mail')
    .description('What rules say, what they cost, and what they would do to mail, before they are in force.')
    .addHelpText('after', RULES_HELP)

  rules
    .command('check')
    .argument('[path...]', `rule files, or directories of *.yaml (default: ${DEFAULT_RULES})`)
    .description('Names every mistake with its line, or prints each rule with what it costs.')
    .action(async (paths: readonly string[]) => report(await check(paths)))
  withRules(rules.command('test'))
    .argument(
      '<mail...>',
      'messages (.eml), Maildirs, directories of messages, recordings; rule files among them count as --rules',
    )
    .description('Runs rules on messages of files and explains each decision, with what would be changed.')
    .option('--ask-judges', 'ask the judges that rules name (default: what they say counts as unknown)')
    .option('--user <name>', 'the user whose mail it is')
    .option('--client <address>', 'the address that the mail is fetched from (default: 127.0.0.1)')
    .option('--summary', 'print the table at the end alone')
    .addHelpText('after', TEST_HELP)
    .action(async (mail: readonly string[], options: RulesTestOptions) => {
      const { testRules } = await import('./rules-test.js')
      report(await testRules(mail, options))
    })
  withRules(rules.command('explain'))
    .argument('<name>', 'the name of a rule; its beginning is enough')
    .description('Prints one rule in words: when it holds, what it does, what it must see and why.')
    .action(async (name: string, options: RulesOption) => report(await explainRule(name, options)))
  rules
    .command('schema')
    .description('Prints the JSON Schema of rule files, for editors.')
    .action(async () => {
      const { ruleJsonSchema } = await import('../rules/schema.js')
      process.stdout.write(`${JSON.stringify(ruleJsonSchema(), null, 2)}\n`)
      report(EXIT_CODES.success)
    })
}

function withRules(command: Command): Command {
  return command.option(
    '-R, --rules <path>',
    `a rule file or a directory of *.yaml, can be repeated (default: ${DEFAULT_RULES})`,
    repeat,
  )
}

/**
 * Loads the rules that a command names.
 *
 * @throws {RuleError} or RuleFileError with every mistake
 */
export async function loadNamedRules(paths: readonly string[] | undefined): Promise<RuleSet> {
  const { readRuleFiles } = await import('../proxy/rule-files.js')
  const { loadRules } = await import('../rules/rule-set.js')
  const named = paths === undefined || paths.length === 0 ? [DEFAULT_RULES] : paths
  const directory = process.cwd()
  return loadRules(
    readRuleFiles(
      named.map((path) => resolve(directory, path)),
      directory,
    ),
  )
}

async function check(paths: readonly string[]): Promise<ExitCode> {
  const rules = await loadNamedRules(paths)
  for (const rule of rules.rules) process.stdout.write(`${summaryOf(rule).join('\n')}\n\n`)
  process.stdout.write(`${totalOf(rules).join('\n')}\n`)
  return EXIT_CODES.success
}

function summaryOf(rule: Rule): readonly string[] {
  const mode = rule.mode === 'shadow' ? ' (shadow: nothing is done)' : ''
  return [
    `${rule.place}: ${rule.name}${mode}`,
    `  when  ${oneLine(rule.when.text)}`,
    ...rule.actions.map(({ words }, index) => `  ${index === 0 ? 'then' : '    '}  ${words}`),
    `  cost  ${rule.analysis.cost}`,
  ]
}

function totalOf({ rules, judges, sightBeforeListing, sightBeforeMessage }: RuleSet): readonly string[] {
  const judged = judges.length === 0 ? '' : `, ${counted(judges.length, 'judge')}`
  return [
    `${counted(rules.length, 'rule')}${judged}: valid`,
    `before STAT, LIST and UIDL: ${SEEN[sightBeforeListing]}`,
    `before a message is handed out: ${SEEN[sightBeforeMessage]}`,
  ]
}

const SEEN = {
  nothing: 'nothing is looked at',
  listing: 'sizes and unique-ids are looked at',
  header: 'the header section of each new message is looked at',
  message: 'each new message is looked at whole where its rules need it',
} as const

async function explainRule(name: string, { rules: paths }: RulesOption): Promise<ExitCode> {
  const rules = await loadNamedRules(paths)
  const rule = await found(name, rules)
  const { ACTION_FACTS } = await import('../rules/action.js')
  const { formatDuration } = await import('../config/units.js')
  const facts: readonly (readonly [string, string])[] = [
    ['of', rule.of === 'message' ? 'messages' : 'commands'],
    ['mode', rule.mode === 'shadow' ? 'shadow: it tells what it would do, and does nothing' : 'enforce'],
    ...(rule.of === 'command' ? [] : ([['on failure', FAILURES[rule.onFailure]]] as const)),
    ...(rule.budgetMs === null ? [] : ([['budget', formatDuration(rule.budgetMs)]] as const)),
    ['after it', rule.stops ? 'later rules are not asked where it holds' : 'later rules are asked'],
    ...(rule.analysis.judges.length === 0 ? [] : ([['judges', rule.analysis.judges.join(', ')]] as const)),
  ]
  const lines = [
    `${rule.name}`,
    `${rule.place}`,
    '',
    'It holds when',
    ...treeOf(rule.parts, '  '),
    '',
    'Then it',
    ...rule.actions.map(({ words, does }) => `  ${words}\n      ${ACTION_FACTS[does.type].meaning}`),
    '',
    ...facts.map(([label, value]) => `${label.padEnd(12)}${value}`),
    '',
    `It ${rule.analysis.cost}`,
    ...rule.analysis.because.map((reason) => `  ${reason}`),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
  return EXIT_CODES.success
}

const FAILURES: Readonly<Record<Rule['onFailure'], string>> = {
  deliver: 'deliver: what cannot be checked passes by this rule',
  refuse: 'refuse: RETR and TOP of what cannot be checked get -ERR',
  hold: 'hold: what cannot be checked is not shown before the next session',
}

/** @throws {UsageError} where no rule or several have the name */
async function found(name: string, { rules }: RuleSet): Promise<Rule> {
  const { nearest } = await import('../config/problem.js')
  const exact = rules.find((rule) => rule.name === name)
  if (exact !== undefined) return exact
  const begun = rules.filter((rule) => rule.name.startsWith(name))
  const [first] = begun
  if (first !== undefined && begun.length === 1) return first
  const names = rules.map((rule) => rule.name)
  const guess = nearest(name, names)
  const several =
    begun.length > 1
      ? `several rules begin with ${JSON.stringify(name)}`
      : `no rule is called ${JSON.stringify(name)}`
  const hint = guess === null ? `there are: ${names.join(', ')}` : `did you mean ${JSON.stringify(guess)}?`
  throw new UsageError(safeText(`${several} (${hint})`, 2_000))
}

function treeOf(division: Division, indent: string): readonly string[] {
  if (division.type === 'part') return [`${indent}${oneLine(division.filter.text)}`]
  const title = division.type === 'all' ? 'all of' : 'any of'
  return [`${indent}${title}`, ...division.of.flatMap((each) => treeOf(each, `${indent}  `))]
}

function oneLine(text: string): string {
  return safeText(text.replace(/\s+/g, ' '), 500)
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

const RULES_HELP = `
Examples:
  $ postern rules check rules/                each rule with its cost, or every mistake with its line
  $ postern rules test --rules rules/ mail.eml
  $ postern rules explain "tag external senders"
  $ postern rules schema > postern-rules.schema.json
      Then "# yaml-language-server: $schema=postern-rules.schema.json" as the first line of a rule file
      lets an editor complete and check it.`

const TEST_HELP = `
Examples:
  $ postern rules test mail.eml               the rules of ./rules, step by step
  $ postern rules test -R rules/30-virus-clamd.yaml --ask-judges ~/Maildir
  $ postern rules test --summary --user bob rules/ ~/Maildir

Exit status 0 where a rule holds for a message, 1 where none does, 3 where a rule file has mistakes.`
