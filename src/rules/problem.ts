/**
 * What is wrong with rule files: where it stands, in which rule, what was found, what may stand there. Owns the form
 * of these messages.
 */
import { ConfigError, type ConfigProblem } from '../config/problem.js'

/** One mistake. Line and column count from one. */
export interface RuleProblem {
  readonly file: string
  readonly line: number
  readonly column: number
  /** Name of the rule; null outside of rules and in one without a name. */
  readonly rule: string | null
  /** Path within the rule, or within the file outside of rules: `then[0].tag-subject`. Empty for the whole. */
  readonly field: string
  readonly found: string
  readonly expected: string
}

/** Rule files that cannot be used, with every mistake of all of them. */
export class RuleError extends Error {
  override readonly name = 'RuleError'
  readonly problems: readonly RuleProblem[]

  constructor(problems: readonly RuleProblem[]) {
    super(problems.map(formatRuleProblem).join('\n'))
    this.problems = problems
  }
}

/** Writes a problem as one line: `10-spam.yaml:4:10: rule "spam": when: found …, expected …`. */
export function formatRuleProblem({ file, line, column, rule, field, found, expected }: RuleProblem): string {
  const of = rule === null ? '' : `rule ${JSON.stringify(rule)}: `
  const path = field === '' ? '' : `${field}: `
  return `${file}:${line}:${column}: ${of}${path}found ${found}, expected ${expected}`
}

/** Turns a problem of a YAML text into one of a rule file. */
export function fileProblem(file: string, problem: ConfigProblem): RuleProblem {
  const { line, column, path, found, expected } = problem
  return { file, line: line ?? 1, column: column ?? 1, rule: null, field: path, found, expected }
}

/** The problems of a YAML text that could not be read. */
export function syntaxProblems(file: string, error: unknown): readonly RuleProblem[] {
  if (!(error instanceof ConfigError)) throw error
  return error.problems.map((problem) => fileProblem(file, problem))
}
