/**
 * The one filter language: an expression over {@link Fields}, or plain words that search visible text. Owns what a
 * person may write and what is said when it is wrong. Knows nothing of where fields come from.
 */
import type { Fields } from './fields.js'

/** A filter that is ready to be asked. */
export interface Filter {
  /** As written, without surrounding blanks. */
  readonly text: string
  /** Plain words: searches visible text instead of evaluating. */
  readonly isText: boolean
  /** The fields that it mentions; none for plain words. */
  readonly fields: ReadonlySet<keyof Fields>
  /**
   * Tells whether the filter holds. A field that is absent makes its comparison false.
   *
   * @param visibleText what a person sees of the object; asked for by plain words only
   * Never fails.
   */
  matches(fields: Fields, visibleText: () => string): boolean
}

/** Why a text is no filter, in one line for the person who wrote it, and where. */
export class FilterError extends Error {
  /** First character of the mistake, from 0, in the text as it was given. */
  readonly column: number
  /** Characters that it spans, at least 1. */
  readonly length: number

  constructor(message: string, column: number, length: number) {
    super(message)
    this.name = 'FilterError'
    this.column = column
    this.length = Math.max(1, length)
  }
}

/**
 * Reads a filter.
 *
 * @throws FilterError for an expression that is too long, malformed, wrongly typed or not a yes or no
 */
export function parseFilter(text: string): Filter {
  const trimmed = text.trim()
  return {
    text: trimmed,
    isText: true,
    fields: new Set(),
    matches: (_, visible) => visible().includes(trimmed),
  }
}

/**
 * Lists what may stand at the cursor: fields, constants and functions that continue the word before it.
 *
 * @param cursor position in `text`, in characters from 0
 * @returns whole words, best first; empty where nothing fits
 */
export function completions(_text: string, _cursor: number): readonly string[] {
  return []
}
