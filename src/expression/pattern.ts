/**
 * Patterns that a person writes and a stranger's text is matched against: RE2 syntax, in time linear to the text.
 * Owns what a pattern may cost; JavaScript's own regular expressions, which backtrack, are not used for it.
 */
import { RE2JS, RE2JSException } from 're2js'
import { PATTERN_CACHE, PATTERN_CHARACTERS, PATTERN_INSTRUCTIONS, SUBJECT_CHARACTERS } from './limits.js'

/** A pattern that is ready to be found. */
export interface Pattern {
  readonly source: string
  /** Tells whether the pattern is found in the first 16,384 characters of a text. Never fails. */
  isIn(text: string): boolean
}

/** Why a text is no pattern, in one line. */
export class PatternError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'PatternError'
  }
}

/**
 * Compiles a pattern.
 *
 * @param source RE2 syntax: `(?i)` for any case; neither lookaround nor references back
 * @throws PatternError that names what is not possible
 */
export function compilePattern(source: string): Pattern {
  if (source.length > PATTERN_CHARACTERS) {
    throw new PatternError(
      `the pattern has ${source.length} characters; at most ${PATTERN_CHARACTERS} are possible`,
    )
  }
  const compiled = compile(source)
  if (compiled.programSize() > PATTERN_INSTRUCTIONS) {
    throw new PatternError('the pattern repeats too much; use smaller counts or `*`')
  }
  return {
    source,
    isIn: (text) =>
      compiled.test(text.length > SUBJECT_CHARACTERS ? text.slice(0, SUBJECT_CHARACTERS) : text),
  }
}

function compile(source: string): RE2JS {
  try {
    return RE2JS.compile(source)
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw new PatternError(wordingOf(error.message))
  }
}

function wordingOf(message: string): string {
  const problem = message.replace(/^error parsing regexp: /, '')
  const missing = /\(\?<?[=!]|\\[1-9]/.exec(problem)?.[0]
  if (missing !== undefined) {
    return `\`${missing}\` is not possible in a pattern: RE2 has neither lookaround nor references back`
  }
  return `the pattern is malformed: ${problem}`
}

/** Compiles patterns that are not known before an evaluation, and keeps the last ones. */
export class PatternCache {
  readonly #patterns = new Map<string, Pattern>()

  /** @throws PatternError as {@link compilePattern} does */
  get(source: string): Pattern {
    const known = this.#patterns.get(source)
    if (known !== undefined) return known
    const pattern = compilePattern(source)
    const oldest = this.#patterns.keys().next().value
    if (this.#patterns.size >= PATTERN_CACHE && oldest !== undefined) this.#patterns.delete(oldest)
    this.#patterns.set(source, pattern)
    return pattern
  }

  get size(): number {
    return this.#patterns.size
  }
}
