/**
 * Every bound on expressions. Owns numbers and nothing else: what a person types is bounded so that evaluating it for
 * each event stays cheap, and a pattern over hostile text stays far below a moment.
 */

/** Characters of a filter. */
export const FILTER_CHARACTERS = 4_096

/** Bounds of the parser. A filter of 4 KiB written by a person has less than 500 nodes. */
export const PARSER_LIMITS = {
  maxAstNodes: 1_000,
  maxDepth: 32,
  maxListElements: 200,
  maxMapEntries: 0,
  maxCallArguments: 4,
} as const

/** Nodes within nodes, long chains of `&&` included: each level costs some stack when it is checked and evaluated. */
export const NODE_DEPTH = 256

/** `exists` within `exists`; one of them may go through something other than a list written out. */
export const MACRO_DEPTH = 2

/** Characters of a pattern. */
export const PATTERN_CHARACTERS = 512

/** Instructions of a compiled pattern: time is this times the subject, and `(a?){500}` makes 2,000 of 9 characters. */
export const PATTERN_INSTRUCTIONS = 1_500

/** Characters of a text that a pattern looks at; what follows is not searched. */
export const SUBJECT_CHARACTERS = 16_384

/** Compiled patterns that were not written out in a filter, kept for the next evaluation. */
export const PATTERN_CACHE = 64

/**
 * Instructions times characters that replacing may cost in one text, about a second; what follows is left as it is.
 * A search behind each match may look at the rest of its line, so that what a line costs grows with its square.
 */
export const REPLACE_WORK = 50_000_000

/** Characters that replacing may add to one text, so that a letter replaced by a page makes no book of a page. */
export const REPLACE_GROWTH = 1_048_576
