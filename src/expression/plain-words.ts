/**
 * Plain words: the search for people who do not want to write an expression. Owns how words and phrases are told
 * apart and what counts as found.
 */

/** A search that is ready to be asked. */
export interface PlainWords {
  /** Tells whether a text has all the words, in any case. */
  areIn(text: string): boolean
}

/**
 * Reads words and phrases: `invoice "from alice"`. A quotation mark that is never closed reaches to the end.
 *
 * @returns a search; without any word it finds everything
 */
export function parsePlainWords(text: string): PlainWords {
  const words: string[] = []
  for (const [, phrase, word] of text.matchAll(/"([^"]*)"?|([^\s"]+)/g)) {
    const wanted = (phrase ?? word ?? '').toLowerCase()
    if (wanted !== '') words.push(wanted)
  }
  return {
    areIn: (searched) => {
      if (words.length === 0) return true
      const lower = searched.toLowerCase()
      return words.every((word) => lower.includes(word))
    },
  }
}

/** Signs that nobody means as a word: comparisons, logic, parentheses, a list to be looked into. */
const MARKS = /[()<>=]|&&|\|\||(?:^|\s)!+[^\s!]|\bin\s*\[/

/**
 * Tells whether a text can only be meant as an expression, so that a mistake in it is an error and no search.
 * Signs within double quotes do not count.
 */
export function isMeantAsExpression(text: string): boolean {
  return MARKS.test(text.replace(/"[^"]*"/g, '""'))
}
