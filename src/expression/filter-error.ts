/** What is said of a text that is no filter. */

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
