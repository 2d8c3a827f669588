/**
 * Filters on a command line, and what is said when one is wrong: the text with the place marked under it.
 */
import { FilterError } from '../expression/filter.js'

/** A filter that cannot be understood, ready to be shown. */
export class FilterMistake extends Error {
  override readonly name = 'FilterMistake'
}

/**
 * Reads a filter that a person typed.
 *
 * @param option where it stood, such as `--filter`
 * @param parse throws FilterError with the place in `text`
 * @throws {FilterMistake} with the place marked
 */
export function readFilter<Value>(option: string, text: string, parse: (text: string) => Value): Value {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof FilterError)) throw error
    throw new FilterMistake(`${option}: ${error.message}\n${markedFilter(text, error)}`)
  }
}

/** The text on one line, and carets under the mistake on the next. */
export function markedFilter(text: string, { column, length }: FilterError): string {
  // One column for each character, so that the carets stand under what they mean.
  const line = text.replace(/\s/g, ' ')
  const width = Math.max(1, Math.min(length, line.length - column))
  return `  ${line}\n  ${' '.repeat(column)}${'^'.repeat(width)}`
}
