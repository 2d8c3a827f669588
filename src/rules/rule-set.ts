/**
 * Rule files as a checked rule set: rules in order, the judges that they ask, and what must be seen before what. Owns
 * what is checked between the values of a rule and between rules; finds every mistake of all files at once.
 */
import { createHash } from 'node:crypto'
import { describeValue } from '../config/problem.js'
import { divide } from '../expression/division.js'
import type { Fields } from '../expression/fields.js'
import { FIELD_FACTS } from '../expression/vocabulary.js'
import { ACTION_FACTS, ACTIONS_ON_REPLIES, textsOf } from './action.js'
import { analysed, changesListing } from './analysis.js'
import { compileAction } from './compile-action.js'
import type { JudgeSettings } from './judge-settings.js'
import { MOST_JUDGES, MOST_RULES } from './limits.js'
import { RuleError, type RuleProblem } from './problem.js'
import type { Rule, RuleAction } from './rule.js'
import { possibleNames, type ReadFile, type ReadRule, type RuleText, readRuleFile } from './rule-file.js'
import {
  COMMAND_RULE_FIELDS,
  fieldOfReply,
  greatest,
  isBeyond,
  MESSAGE_RULE_FIELDS,
  type Need,
  sightFor,
} from './sight.js'
import type { Sight } from './verdict.js'

/** Raised where decisions that were kept would be read or made differently by a newer program. */
const DECISIONS_VERSION = 1

/** A checked rule set. */
export interface RuleSet {
  /** All rules, in the order in which they are asked. */
  readonly rules: readonly Rule[]
  readonly judges: readonly JudgeSettings[]
  /** SHA-256 of what the files say, comments and places aside: the same hash, the same verdicts. */
  readonly hash: string
  /** Rules of messages. */
  readonly messageRules: readonly Rule[]
  /** Those that must be asked before STAT, LIST and UIDL can be answered. */
  readonly listingRules: readonly Rule[]
  /** Rules of commands that are asked when the command comes, and those that are asked when its reply comes. */
  readonly commandRules: readonly Rule[]
  readonly replyRules: readonly Rule[]
  /** See {@link SessionRules}. */
  readonly sightBeforeListing: Sight
  readonly sightBeforeMessage: Sight
  /** Fields of the session that rules of messages name, in a fixed order. */
  readonly sessionFields: readonly (keyof Fields)[]
  /** Whether a rule of messages names the message-number, which is another one in the next session. */
  readonly namesNumber: boolean
}

/**
 * Reads and checks rule files.
 *
 * @param files in the order of their names
 * @throws {RuleError} with every mistake of all files
 */
export function loadRules(files: readonly RuleText[]): RuleSet {
  const read = files.map(readRuleFile)
  const judges = read.flatMap((file) => file.judges)
  const named = read.flatMap((file) => file.rules)
  const checker = new Checker(read)
  const rules = named.flatMap((rule) => checker.check(rule))
  const problems = [...read.flatMap((file) => file.problems), ...checker.problems, ...boundProblems(read)]
  if (problems.length > 0) throw new RuleError(inOrder(problems, files))
  const written = [
    DECISIONS_VERSION,
    named.map((rule) => rule.written),
    judges.map((judge) => [judge.settings.name, judge.written]),
  ]
  return ruleSet(
    rules,
    judges.map(({ settings }) => settings),
    hashOf(written),
  )
}

/** A rule set without rules. */
export const NO_RULES: RuleSet = ruleSet([], [], hashOf([DECISIONS_VERSION]))

function ruleSet(rules: readonly Rule[], judges: readonly JudgeSettings[], hash: string): RuleSet {
  const messageRules = rules.filter((rule) => rule.of === 'message')
  const listingRules = askedBeforeListing(messageRules)
  const ofCommands = rules.filter((rule) => rule.of === 'command')
  const fields = new Set(messageRules.flatMap((rule) => [...rule.fields]))
  return {
    rules,
    judges,
    hash,
    messageRules,
    listingRules,
    commandRules: ofCommands.filter((rule) => fieldOfReply(rule.fields) === null),
    replyRules: ofCommands.filter((rule) => fieldOfReply(rule.fields) !== null),
    sightBeforeListing: sightFor(
      greatest<Need>(
        listingRules.map(({ analysis }) =>
          greatest<Need>(['listing', analysis.condition, analysis.beforeListing]),
        ),
      ),
    ),
    sightBeforeMessage: sightFor(greatest<Need>(messageRules.map(({ analysis }) => analysis.beforeMessage))),
    sessionFields: [...fields].filter((name) => FIELD_FACTS[name].of === 'session').sort(),
    namesNumber: fields.has('number'),
  }
}

/** Those that change what listings say, and those that end the asking before one of these. */
function askedBeforeListing(rules: readonly Rule[]): readonly Rule[] {
  const last = rules.findLastIndex(changesListing)
  return rules.filter(
    (rule, index) => index <= last && (changesListing(rule) || (rule.stops && rule.mode === 'enforce')),
  )
}

/** Whether all there is to ask is asked before listings: then a verdict for them is one for everything. */
export function listingIsAll({ messageRules, listingRules }: RuleSet): boolean {
  return (
    listingRules.length === messageRules.length &&
    messageRules.every(({ actionSight }) => !isBeyond(actionSight.delivery, actionSight.listing))
  )
}

class Checker {
  readonly problems: RuleProblem[] = []
  readonly #judges: readonly string[]
  /** Names of judges that write messages. */
  readonly #writers = new Set<string>()
  /** Place of each rule that was there already. */
  readonly #names = new Map<string, string>()

  constructor(files: readonly ReadFile[]) {
    this.#judges = files.flatMap(({ judgeNames }) => judgeNames)
    const seen = new Set<string>()
    for (const { settings, place } of files.flatMap(({ judges }) => judges)) {
      if (seen.has(settings.name)) {
        const found = `a second judge ${describeValue(settings.name)}`
        this.problems.push(place.problem([], found, 'names that are unique over all files'))
      }
      seen.add(settings.name)
      if (settings.how.type === 'command' && settings.how.writes === 'message')
        this.#writers.add(settings.name)
    }
  }

  check(read: ReadRule): readonly Rule[] {
    const before = this.problems.length
    const { source, place } = read
    const actions = source.then.map(compileAction).filter((action) => action !== null)
    const position = `${place.file}:${place.line}`
    this.#checkName(read, position)
    const of = this.#objectOf(read, actions)
    if (of !== null) this.#checkFields(read, of, actions)
    if (of === 'command') this.#checkActionsOnReply(read, actions)
    this.#checkJudges(read, actions)
    if (of === null || this.problems.length > before) return []
    return [
      analysed({
        name: source.name,
        place: position,
        of,
        mode: source.mode ?? 'enforce',
        onFailure: source['on-failure'] ?? 'deliver',
        budgetMs: source.budget ?? null,
        stops: source.stop ?? false,
        when: source.when,
        parts: divide(source.when),
        actions,
      }),
    ]
  }

  #checkName({ source: { name }, place }: ReadRule, position: string): void {
    const other = this.#names.get(name)
    if (other === undefined) this.#names.set(name, position)
    else {
      const expected = `names that are unique over all files (the other one is at ${other})`
      this.problems.push(place.problem(['name'], describeValue(name), expected))
    }
  }

  /** @returns null where actions contradict each other */
  #objectOf({ source, place }: ReadRule, actions: readonly RuleAction[]): 'message' | 'command' | null {
    const objectOf = ({ does }: RuleAction) => ACTION_FACTS[does.type].of
    const ofMessages = actions.find((action) => objectOf(action) === 'message')
    const ofCommands = actions.findIndex((action) => objectOf(action) === 'command')
    const command = actions[ofCommands]
    if (ofMessages !== undefined && command !== undefined) {
      const found = `\`${ofMessages.does.type}\`, which is done to messages, beside \`${command.does.type}\`, which is done to commands`
      this.problems.push(
        place.problem(['then', ofCommands], found, 'actions on messages or on commands, in a rule for each'),
      )
      return null
    }
    if (ofMessages !== undefined) return 'message'
    if (command !== undefined) return 'command'
    // What is only told may be told of both: the fields decide.
    const fields = [...fieldsOf(source.when.fields, actions)]
    if (fields.some((name) => !MESSAGE_RULE_FIELDS.has(name) && COMMAND_RULE_FIELDS.has(name)))
      return 'command'
    return fields.some((name) => FIELD_FACTS[name].of === 'message') ? 'message' : 'command'
  }

  #checkFields({ source, place }: ReadRule, of: 'message' | 'command', actions: readonly RuleAction[]): void {
    const possible = of === 'message' ? MESSAGE_RULE_FIELDS : COMMAND_RULE_FIELDS
    const decisive = actions.find(({ does }) => ACTION_FACTS[does.type].of === of)
    const check = (path: readonly (string | number)[], fields: ReadonlySet<keyof Fields>) => {
      for (const name of fields) {
        if (possible.has(name)) continue
        const other = of === 'message' ? COMMAND_RULE_FIELDS : MESSAGE_RULE_FIELDS
        const why =
          decisive === undefined ? `the rule is of ${of}s` : `\`${decisive.does.type}\` is done to ${of}s`
        const found = other.has(name)
          ? `\`${name}\`, which is of ${of === 'message' ? 'commands' : 'messages'}, where ${why}`
          : `\`${name}\`, which is not known when rules are asked`
        this.problems.push(
          place.problem(path, found, `fields of ${of}s and sessions: ${[...possible].join(', ')}`),
        )
      }
    }
    check(['when'], source.when.fields)
    const isNamed = new Set([...possible, 'rule'] satisfies (keyof Fields)[])
    for (const [index, action] of actions.entries()) {
      const unknown = [...fieldsOf(new Set(), [action])].filter((name) => !isNamed.has(name))
      check(['then', index, action.does.type], new Set(unknown))
    }
  }

  /** What is done before the command goes to the server cannot wait for the server's reply. */
  #checkActionsOnReply({ source, place }: ReadRule, actions: readonly RuleAction[]): void {
    const field = fieldOfReply(fieldsOf(source.when.fields, actions))
    if (field === null) return
    for (const [index, { does }] of actions.entries()) {
      if (ACTIONS_ON_REPLIES.has(does.type)) continue
      const found = `\`${does.type}\`, which is done when a command comes, in a rule that names \`${field}\`, which its reply tells`
      const expected = `actions on replies: ${[...ACTIONS_ON_REPLIES].join(', ')}`
      this.problems.push(place.problem(['then', index], found, expected))
    }
  }

  #checkJudges({ source, place }: ReadRule, actions: readonly RuleAction[]): void {
    const check = (path: readonly (string | number)[], names: Iterable<string>) => {
      for (const name of names) {
        if (this.#judges.includes(name)) continue
        const expected =
          this.#judges.length === 0
            ? 'a judge that is described under judges: there is none'
            : possibleNames(name, this.#judges)
        this.problems.push(place.problem(path, `the unknown judge ${describeValue(name)}`, expected))
      }
    }
    check(['when'], source.when.judges)
    for (const [index, { does }] of actions.entries()) {
      check(['then', index, does.type], new Set(textsOf(does).flatMap((text) => [...text.judges])))
      if (does.type !== 'take-output') continue
      check(['then', index, does.type], [does.judge])
      if (!this.#judges.includes(does.judge) || this.#writers.has(does.judge)) continue
      const found = `the judge ${describeValue(does.judge)}, which writes no messages`
      const expected = 'a judge with type: command and writes: message'
      this.problems.push(place.problem(['then', index, does.type], found, expected))
    }
  }
}

function fieldsOf(
  fields: ReadonlySet<keyof Fields>,
  actions: readonly RuleAction[],
): ReadonlySet<keyof Fields> {
  return new Set([
    ...fields,
    ...actions.flatMap(({ does }) => textsOf(does).flatMap((text) => [...text.fields])),
  ])
}

function boundProblems(files: readonly ReadFile[]): readonly RuleProblem[] {
  const rule = files.flatMap(({ rules }) => rules)[MOST_RULES]
  const judge = files.flatMap(({ judges }) => judges)[MOST_JUDGES]
  return [
    ...(rule === undefined ? [] : [rule.place.problem([], 'one rule more', `at most ${MOST_RULES} rules`)]),
    ...(judge === undefined
      ? []
      : [judge.place.problem([], 'one judge more', `at most ${MOST_JUDGES} judges`)]),
  ]
}

function inOrder(problems: readonly RuleProblem[], files: readonly RuleText[]): readonly RuleProblem[] {
  const order = new Map(files.map(({ file }, index) => [file, index]))
  return problems.toSorted(
    (one, other) =>
      (order.get(one.file) ?? 0) - (order.get(other.file) ?? 0) ||
      one.line - other.line ||
      one.column - other.column,
  )
}

function hashOf(written: unknown): string {
  return createHash('sha256').update(JSON.stringify(written, sortedKeys)).digest('hex')
}

/** Keys in one order, so that the order in which a person wrote them is none. */
function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
}
