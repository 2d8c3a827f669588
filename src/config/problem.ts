/**
 * What is wrong with a configuration: where it stands, what was found, what may stand there. Owns the form of
 * these messages and the guess at what was meant; knows nothing of YAML or of the schema.
 */
import { hideUserinfo } from './url.js'

/** Keys and indices from the root of a document down to a value. */
export type ConfigPath = readonly (string | number)[]

/** One mistake. Line and column count from one; both are null where no text has the mistake (a missing file). */
export interface ConfigProblem {
  readonly line: number | null
  readonly column: number | null
  /** Such as `services[0].listen[1].url`; empty for the document as a whole. */
  readonly path: string
  readonly found: string
  readonly expected: string
}

/** A configuration that cannot be used, with every mistake that was found in it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly file: string
  readonly problems: readonly ConfigProblem[]

  constructor(file: string, problems: readonly ConfigProblem[]) {
    super(problems.map((problem) => formatProblem(file, problem)).join('\n'))
    this.file = file
    this.problems = problems
  }
}

/**
 * Writes a problem as one line: `postern.yaml:4:10: services[0].upstream: found "pop4://x", expected pop3://, ...`.
 */
export function formatProblem(file: string, problem: ConfigProblem): string {
  const place = problem.line === null ? file : `${file}:${problem.line}:${problem.column ?? 1}`
  const path = problem.path === '' ? '' : `${problem.path}: `
  return `${place}: ${path}found ${problem.found}, expected ${problem.expected}`
}

/** Writes a path as a person would: `services[0].listen`. */
export function formatPath(path: ConfigPath): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`
    return text === '' ? step : `${text}.${step}`
  }, '')
}

/** Longest part of a value that a message quotes, in characters. */
const SHOWN_CHARACTERS = 80

/**
 * Names a value found in a configuration: scalars in quotes and shortened, user names and passwords in URLs
 * hidden, anything larger by its kind.
 */
export function describeValue(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return 'a mapping'
  if (typeof value !== 'string') return String(value)
  const shown = hideUserinfo(value)
  return JSON.stringify(shown.length > SHOWN_CHARACTERS ? `${shown.slice(0, SHOWN_CHARACTERS)}…` : shown)
}

/**
 * Finds the candidate that a mistyped word was probably meant to be.
 *
 * @returns the nearest within a third of the word's length (at least one, at most three changes); null where none is
 */
export function nearest(word: string, candidates: readonly string[]): string | null {
  const allowed = Math.min(3, Math.max(1, Math.floor(word.length / 3)))
  const ranked = candidates
    .map((candidate) => ({ candidate, changes: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ changes }) => changes <= allowed)
    .sort((one, other) => one.changes - other.changes)
  return ranked[0]?.candidate ?? null
}

/** Counts insertions, deletions, substitutions and swaps of neighbours that turn one word into the other. */
function editDistance(one: string, other: string): number {
  let beforeLast: readonly number[] = []
  let last: readonly number[] = Array.from({ length: other.length + 1 }, (_, column) => column)
  for (let row = 1; row <= one.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= other.length; column += 1) {
      const substitution = one[row - 1] === other[column - 1] ? 0 : 1
      const isSwap =
        row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1]
      current[column] = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + substitution,
        isSwap ? (beforeLast[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    beforeLast = last
    last = current
  }
  return last[other.length] ?? 0
}
