/**
 * What a screen looks like, before any terminal is involved: rows of styled spans. Types, and the few styles there
 * are. Every text in a span went through `cells.ts`, so that its width is known and nothing in it is a control.
 */

/**
 * How a span looks. Meaning comes first: each has a form without colour (bold, inverse, underline) and a colour that
 * people with a colour deficiency can tell apart.
 */
export type Style =
  | 'plain'
  /** Less important: labels, borders. */
  | 'dim'
  | 'bold'
  /** Headings and the selected tab. */
  | 'heading'
  /** The selected row. */
  | 'selected'
  /** From the client, from the server, from postern itself. */
  | 'client'
  | 'server'
  | 'postern'
  /** Needs a look: anomalies, held items. */
  | 'attention'
  /** Failed. */
  | 'error'
  /** A match of the search. */
  | 'match'

/** Text of known width, in one style. */
export interface Span {
  readonly text: string
  readonly style: Style
}

/** One row of a frame. Rows that are too long are cut by the painter, too short ones filled. */
export type Row = readonly Span[]

/** Width and height in cells. */
export interface Size {
  readonly columns: number
  readonly rows: number
}

/** A whole picture: as many rows as the screen has. */
export interface Frame {
  readonly rows: readonly Row[]
  /** Where the terminal's cursor stands; null hides it. */
  readonly cursor: { readonly column: number; readonly row: number } | null
}
