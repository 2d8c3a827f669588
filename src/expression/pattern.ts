/**
 * Patterns that a person writes and a stranger's text is matched against: RE2 syntax, in time linear to the text.
 * Owns what a pattern may cost; JavaScript's own regular expressions, which backtrack, are not used for it.
 */
import { type Matcher, RE2JS, RE2JSException } from 're2js'
import {
  PATTERN_CACHE,
  PATTERN_CHARACTERS,
  PATTERN_INSTRUCTIONS,
  REPLACE_GROWTH,
  REPLACE_WORK,
  SUBJECT_CHARACTERS,
} from './limits.js'

/** A pattern that is ready to be found. */
export interface Pattern {
  readonly source: string
  /** Tells whether the pattern is found in the first 16,384 characters of a text. Never fails. */
  isIn(text: string): boolean
  /**
   * Replaces what the pattern finds in each line of a text; matches of nothing are left alone. Of a line the first
   * 16,384 characters are looked at, of a text as much as costs no more than a second or grows by no more than a MiB.
   *
   * @param replacement what stands in its place: `$1` is the first group, `$0` all of it, `$$` a dollar
   * Never fails.
   */
  replaceIn(text: string, replacement: string): string
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
    replaceIn: (text, replacement) => new Replacing(compiled, replacement).replaceIn(text),
  }
}

/** One text while its lines are replaced, and what that may still cost. */
class Replacing {
  readonly #pattern: RE2JS
  readonly #replacement: string
  #work = REPLACE_WORK
  #growth = REPLACE_GROWTH

  constructor(pattern: RE2JS, replacement: string) {
    this.#pattern = pattern
    this.#replacement = replacement
  }

  replaceIn(text: string): string {
    // Line ends stand at odd places.
    const pieces = text.split(/(\r\n|\n|\r)/)
    return pieces.map((piece, index) => (index % 2 === 0 ? this.#replaceInLine(piece) : piece)).join('')
  }

  #replaceInLine(line: string): string {
    const subject = line.slice(0, SUBJECT_CHARACTERS)
    const matcher = this.#pattern.matcher(subject)
    let replaced = ''
    let end = 0
    while (this.#pay(subject.length - end + 1) && matcher.find()) {
      const found = matcher.group() ?? ''
      if (found === '') continue
      const other = this.#expanded(matcher)
      this.#growth -= other.length - found.length
      if (this.#growth < 0) break
      replaced += subject.slice(end, matcher.start()) + other
      end = matcher.end()
    }
    return replaced + line.slice(end)
  }

  #pay(characters: number): boolean {
    if (this.#work <= 0 || this.#growth < 0) return false
    this.#work -= characters * this.#pattern.programSize()
    return true
  }

  #expanded(matcher: Matcher): string {
    const groups = matcher.groupCount()
    return this.#replacement.replace(/\$([$0-9])/g, (written, sign: string) => {
      if (sign === '$') return '$'
      const group = Number(sign)
      return group > groups ? written : (matcher.group(group) ?? '')
    })
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
