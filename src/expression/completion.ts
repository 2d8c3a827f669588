/**
 * What Tab offers: the words of the language that continue what stands before the cursor.
 */
import {
  ATTACHMENT_NAMES,
  CONSTANTS,
  FIELD_FACTS,
  FIELD_NAMES,
  FUNCTIONS,
  isField,
  MACROS,
  METHODS,
} from './vocabulary.js'

const LIST_METHODS: ReadonlySet<string> = new Set([...MACROS, 'size'])

/**
 * Lists what may stand at the cursor: fields, constants and functions that continue the word before it.
 *
 * @param cursor position in `text`, in characters from 0
 * @returns whole words, fields first, each in the order of help; empty where nothing fits and within quotes
 */
export function completions(text: string, cursor: number): readonly string[] {
  const before = text.slice(0, cursor)
  if (endsWithinQuotes(before)) return []
  const [, owner, word = ''] = /(?:([\w"')\]]+)\s*\.\s*)?(\w*)$/.exec(before) ?? []
  const possible =
    owner === undefined ? [...FIELD_NAMES, ...FUNCTIONS.keys(), ...CONSTANTS.keys()] : behindDot(owner)
  const begun = word.toLowerCase()
  return possible.filter((name) => name !== word && name.toLowerCase().startsWith(begun))
}

function behindDot(owner: string): readonly string[] {
  const textMethods = [...METHODS.keys()].filter((name) => !MACROS.has(name))
  // The only list that an attachment has.
  if (owner === 'files') return [...METHODS.keys()].filter((name) => LIST_METHODS.has(name))
  if (!isField(owner)) return /^\w+$/.test(owner) ? ATTACHMENT_NAMES : textMethods
  switch (FIELD_FACTS[owner].type) {
    case 'text':
      return textMethods
    case 'list':
      return [...METHODS.keys()].filter((name) => LIST_METHODS.has(name))
    case 'table':
    case 'numbers':
    case 'number':
    case 'yes or no':
      return []
  }
}

function endsWithinQuotes(text: string): boolean {
  let quote: string | null = null
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at)
    if (quote === null) quote = character === '"' || character === "'" ? character : null
    else if (character === '\\') at += 1
    else if (character === quote) quote = null
  }
  return quote !== null
}
