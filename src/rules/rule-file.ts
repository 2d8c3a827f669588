/**
 * One rule file read and checked as far as it goes by itself: each rule and each judge, every mistake with its place.
 * Knows nothing of other files.
 */
import { readYaml, type YamlDocument } from '../config/document.js'
import { issueProblems } from '../config/file.js'
import { describeValue, formatPath, nearest } from '../config/problem.js'
import { check } from '../config/schema.js'
import type { JudgeHow, JudgeSettings } from './judge-settings.js'
import { AT_ONCE, BUDGET_MS, FILE_CHARACTERS, JUDGED_OCTETS } from './limits.js'
import { fileProblem, type RuleProblem, syntaxProblems } from './problem.js'
import {
  JUDGE_NAME,
  type JudgeSource,
  judgeSchema,
  type RuleSource,
  ruleSchema,
  shellSchema,
} from './schema.js'

/** A rule file as it was read. */
export interface RuleText {
  /** Name for messages. */
  readonly file: string
  readonly text: string
}

/** Where something stands, and how to say that it is wrong. */
export interface Place {
  readonly line: number
  /** Makes a problem of the value at a path within the rule or judge. */
  problem(path: readonly (string | number)[], found: string, expected: string): RuleProblem
}

/** A rule whose values are right one by one. */
export interface ReadRule {
  readonly source: RuleSource
  /** As it stands in the file: plain values. */
  readonly written: unknown
  readonly place: Place & { readonly file: string }
}

export interface ReadJudge {
  readonly settings: JudgeSettings
  readonly written: unknown
  readonly place: Place
}

/** What one file says. */
export interface ReadFile {
  readonly rules: readonly ReadRule[]
  readonly judges: readonly ReadJudge[]
  /** Names of judges that are named in the file, right or not. */
  readonly judgeNames: readonly string[]
  readonly problems: readonly RuleProblem[]
}

/** Reads a rule file. Its mistakes are in the result. */
export function readRuleFile({ file, text }: RuleText): ReadFile {
  if (text.length > FILE_CHARACTERS) {
    const found = `${text.length} characters`
    return failed([
      fileProblem(file, { line: 1, column: 1, path: '', found, expected: `at most ${FILE_CHARACTERS}` }),
    ])
  }
  let document: YamlDocument
  try {
    document = readYaml(file, text)
  } catch (error) {
    return failed(syntaxProblems(file, error))
  }
  // A file of comments only is a valid way to say nothing.
  return new FileReader(file, document).read(document.value ?? {})
}

function failed(problems: readonly RuleProblem[]): ReadFile {
  return { rules: [], judges: [], judgeNames: [], problems }
}

class FileReader {
  readonly #file: string
  readonly #document: YamlDocument
  readonly #problems: RuleProblem[] = []

  constructor(file: string, document: YamlDocument) {
    this.#file = file
    this.#document = document
  }

  read(root: unknown): ReadFile {
    const shell = check(shellSchema, root)
    if (!shell.success) this.#take(shell.error.issues, [], root, null)
    const rules = listAt(root, 'rules').flatMap((rule, index) => this.#readRule(root, rule, index))
    const written = Object.entries(mappingAt(root, 'judges'))
    const judges = written.flatMap(([name, judge]) => this.#readJudge(root, name, judge))
    return { rules, judges, judgeNames: written.map(([name]) => name), problems: this.#problems }
  }

  #readRule(root: unknown, written: unknown, index: number): readonly ReadRule[] {
    const around = ['rules', index]
    const name = nameOf(written)
    const checked = check(ruleSchema, written)
    if (!checked.success) {
      this.#take(checked.error.issues, around, root, name)
      return []
    }
    const place = { ...this.#placeAt(around, name), file: this.#file }
    return [{ source: checked.data, written, place }]
  }

  #readJudge(root: unknown, name: string, written: unknown): readonly ReadJudge[] {
    const around = ['judges', name]
    if (!JUDGE_NAME.test(name)) {
      const expected = 'a name of letters, digits, "_" and "-", at most 40 of them, that begins with a letter'
      const position = this.#document.positionOfKey(around)
      this.#problems.push(
        fileProblem(this.#file, { ...position, path: 'judges', found: describeValue(name), expected }),
      )
    }
    const checked = check(judgeSchema, written)
    if (!checked.success) {
      this.#take(checked.error.issues, around, root, null)
      return []
    }
    return [{ settings: settle(name, checked.data), written, place: this.#placeAt(around, null) }]
  }

  #take(
    issues: Parameters<typeof issueProblems>[0][],
    around: readonly (string | number)[],
    root: unknown,
    rule: string | null,
  ): void {
    const problems = issues.flatMap((issue) => issueProblems(issue, around, this.#document, root))
    for (const problem of problems) {
      const ofFile = withoutSecret(fileProblem(this.#file, problem))
      this.#problems.push(rule === null ? ofFile : { ...ofFile, rule, field: withinRule(ofFile.field) })
    }
  }

  #placeAt(around: readonly (string | number)[], rule: string | null): Place {
    const prefix = rule === null ? around : []
    return {
      line: this.#document.positionOf(around).line,
      problem: (path, found, expected) => {
        const position = this.#document.positionOf([...around, ...path])
        const field = formatPath([...prefix, ...path])
        return { file: this.#file, ...position, rule, field, found, expected }
      },
    }
  }
}

const OF_SECRET = /^judges\..*\.(?:password|headers)(?:\.|$)/
const SHOWS_NOTHING = /^(?:nothing|a list|a mapping|the unknown key )/

/** A password in the wrong form is one all the same. */
function withoutSecret(problem: RuleProblem): RuleProblem {
  const isShown = !OF_SECRET.test(problem.field) || SHOWS_NOTHING.test(problem.found)
  return isShown ? problem : { ...problem, found: 'something else, not shown here' }
}

/** `rules[3].then[0].hide` of a rule that is named anyway. */
function withinRule(path: string): string {
  return path.replace(/^rules\[\d+\]\.?/, '')
}

function nameOf(rule: unknown): string | null {
  if (typeof rule !== 'object' || rule === null || !('name' in rule)) return null
  return typeof rule.name === 'string' && rule.name !== '' ? rule.name.slice(0, 80) : null
}

function listAt(root: unknown, key: string): readonly unknown[] {
  const value = valueAt(root, key)
  return Array.isArray(value) ? value : []
}

function mappingAt(root: unknown, key: string): object {
  const value = valueAt(root, key)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
}

function valueAt(root: unknown, key: string): unknown {
  return typeof root === 'object' && root !== null && Object.hasOwn(root, key)
    ? Reflect.get(root, key)
    : undefined
}

function settle(name: string, source: JudgeSource): JudgeSettings {
  return {
    name,
    budgetMs: source.budget ?? BUDGET_MS.default,
    atOnce: source['at-once'] ?? AT_ONCE.default,
    mostOctets: source.largest ?? JUDGED_OCTETS.default,
    how: howOf(source),
  }
}

function howOf(source: JudgeSource): JudgeHow {
  switch (source.type) {
    case 'clamd':
      return { type: 'clamd', address: source.address }
    case 'rspamd':
      return { type: 'rspamd', url: source.url, password: source.password ?? null }
    case 'spamd':
      return { type: 'spamd', address: source.address, user: source.user ?? null }
    case 'http':
      return { type: 'http', url: source.url, headers: source.headers ?? {} }
    case 'command': {
      const [program = '', ...rest] = source.run
      return { type: 'command', program, arguments: rest, writes: source.writes ?? 'finding' }
    }
    case 'signatures':
      return { type: 'signatures', dns: source.dns ?? [] }
  }
}

/** Says which of the possible names was probably meant. */
export function possibleNames(word: string, possible: readonly string[]): string {
  const guess = nearest(word, possible)
  return `one of ${possible.join(', ')}${guess === null ? '' : ` (did you mean ${guess}?)`}`
}
