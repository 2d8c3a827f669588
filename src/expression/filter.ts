/**
 * The one filter language: an expression over {@link Fields}, or plain words that search visible text. Owns which of
 * the two a text is, and that asking a filter is cheap and never fails. Knows nothing of where fields come from.
 *
 * A field that is absent makes its comparison false, whichever it is: of something without a size, `size > 5`,
 * `size != 5` and `!(size > 5)` are all false. `||` and `&&` go on with their other side, so `errors > 0 || size > 5`
 * holds where there are errors and no size. `known(size)` asks whether there is one.
 */
import { ENVIRONMENT, EvaluationContext, RENAMED_FIELDS } from './environment.js'
import type { Fields } from './fields.js'
import { FilterError } from './filter-error.js'
import { FILTER_CHARACTERS } from './limits.js'
import { isMeantAsExpression, parsePlainWords } from './plain-words.js'
import { type Replacement, survey } from './survey.js'
import { typeInWords, wordingOf } from './wording.js'

export { completions } from './completion.js'
export { FilterError } from './filter-error.js'

/** A filter that is ready to be asked. */
export interface Filter {
  /** As written, without surrounding blanks. */
  readonly text: string
  /** Plain words: searches visible text instead of evaluating. */
  readonly isText: boolean
  /** The fields that it mentions; none for plain words. */
  readonly fields: ReadonlySet<keyof Fields>
  /** Names of the judges that it asks by: the keys of `verdict`, `score` and `finding`. */
  readonly judges: ReadonlySet<string>
  /**
   * Tells whether the filter holds. A field that is absent makes its comparison false.
   *
   * @param visibleText what a person sees of the object; asked for by plain words only
   * Never fails.
   */
  matches(fields: Fields, visibleText: () => string): boolean
}

/**
 * Reads a filter. What has an operator or a parenthesis outside of double quotes is an expression; so is any other
 * text that is one and gives a yes or no, such as `is_held`. Everything else is plain words.
 *
 * @throws FilterError for an expression that is too long, malformed, wrongly typed or not a yes or no
 */
export function parseFilter(text: string): Filter {
  return read(text, (trimmed) => (isMeantAsExpression(trimmed) ? null : plainWords(trimmed)))
}

/**
 * Reads a filter that must be an expression, as in a rule: plain words are what a mistake looks like there.
 *
 * @throws FilterError for everything else
 */
export function parseCondition(text: string): Filter {
  return read(text, () => null)
}

/** @param otherwise what the text is where it is no expression; null for a mistake */
function read(text: string, otherwise: (trimmed: string) => Filter | null): Filter {
  const before = text.length - text.trimStart().length
  const trimmed = text.trim()
  if (trimmed.length > FILTER_CHARACTERS) {
    const message = `the filter has ${trimmed.length} characters; at most ${FILTER_CHARACTERS} are possible`
    throw new FilterError(message, before + FILTER_CHARACTERS, trimmed.length - FILTER_CHARACTERS)
  }
  try {
    return parseExpression(trimmed)
  } catch (error) {
    const problem = wordingOf(error, trimmed)
    const other = otherwise(trimmed)
    if (other !== null) return other
    throw new FilterError(problem.message, before + problem.column, problem.length)
  }
}

function plainWords(text: string): Filter {
  const words = parsePlainWords(text)
  return {
    text,
    isText: true,
    fields: new Set(),
    judges: new Set(),
    matches: (_fields, visible) => words.areIn(visible()),
  }
}

function parseExpression(text: string): Filter {
  const { fields, needed, judges, replacements } = survey(ENVIRONMENT.parse(text).ast, RENAMED_FIELDS)
  const evaluate = ENVIRONMENT.parse(replaced(text, replacements))
  const { type, error } = evaluate.check()
  if (error !== undefined) throw error
  if (type !== 'bool') {
    const example =
      type === 'string' ? ', as in `user == "alice"`' : type === 'double' ? ', as in `errors > 0`' : ''
    throw new FilterError(
      `this is ${typeInWords(type ?? '')}, not a yes or no: compare it${example}`,
      0,
      text.length,
    )
  }
  return {
    text,
    isText: false,
    fields,
    judges,
    matches: (values) => {
      // Without these it is false; to find that out by evaluating costs an exception.
      for (const name of needed) if (!(name in values)) return false
      return withoutStackTraces(() => evaluate(new EvaluationContext(values)) === true)
    },
  }
}

/**
 * Asks a condition; what it throws makes it false. A field that is absent is an exception to the library, of which
 * only the first half microsecond is needed: collecting its stack would take ten times as long.
 */
function withoutStackTraces(condition: () => boolean): boolean {
  const before = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    return condition()
  } catch {
    return false
  } finally {
    Error.stackTraceLimit = before
  }
}

function replaced(text: string, replacements: readonly Replacement[]): string {
  let result = text
  for (const { start, text: other } of replacements) {
    result = result.slice(0, start) + other + result.slice(start + other.length)
  }
  return result
}
