/**
 * A question in the status line: what is asked, the line typed so far, its history and completion. Pure; what becomes
 * of the answer is `update.ts`'s.
 */
import { editLine, insert, type Line, lineOf } from './line-editor.js'

/** What the answer is for. A `confirm` takes one key, the others a line. */
export type PromptKind = 'search' | 'filter' | 'command' | 'help' | 'ask' | 'confirm'

/** One open question. */
export interface Prompt {
  readonly kind: PromptKind
  readonly label: string
  readonly line: Line
  /** What the line was before the history was looked into; null while it is not. */
  readonly draft: { readonly text: string; readonly back: number } | null
  /** What Tab found, shown until the next key; empty for none. */
  readonly offers: readonly string[]
  /** What is wrong with the line, and where; null while nothing is known to be. */
  readonly problem: Problem | null
  /** Milliseconds: keys of the burst that opened the question do not answer it. */
  readonly openedAt: number
}

/** A mistake in a line. */
export interface Problem {
  readonly text: string
  /** Characters from 0. */
  readonly column: number
  readonly length: number
}

/** Lines given before, newest last, by kind of prompt. */
export type History = ReadonlyMap<PromptKind, readonly string[]>

/** Nobody goes further back by key. */
const HISTORY_LINES = 100

/** Opens a question. */
export function openPrompt(kind: PromptKind, label: string, initial: string, now: number): Prompt {
  return { kind, label, line: lineOf(initial), draft: null, offers: [], problem: null, openedAt: now }
}

/** Remembers a line; the same one twice in a row, and an empty one, are not worth it. */
export function remember(history: History, kind: PromptKind, text: string): History {
  const lines = history.get(kind) ?? []
  if (text === '' || lines.at(-1) === text) return history
  return new Map(history).set(kind, [...lines, text].slice(-HISTORY_LINES))
}

/** Continues the word before the cursor. */
export type Completer = (text: string, cursor: number) => readonly string[]

/**
 * Applies a key to a prompt's line.
 *
 * @param typed what the key writes, empty for none
 * @param complete asked for Tab
 * @returns the prompt after it; the same where the key means nothing to it
 */
export function promptKey<Asked extends Prompt>(
  prompt: Asked,
  key: string,
  typed: string,
  history: readonly string[],
  complete: Completer,
): Asked {
  if (key === 'up' || key === 'C-p') return recall(prompt, history, 1)
  if (key === 'down' || key === 'C-n') return recall(prompt, history, -1)
  if (key === 'tab') return completed(prompt, complete)
  const edited = editLine(prompt.line, key)
  if (edited !== null) return { ...prompt, line: edited, draft: null, offers: [] }
  return typed === '' ? prompt : promptText(prompt, typed)
}

/** Writes text into a prompt's line, as a paste does. */
export function promptText<Asked extends Prompt>(prompt: Asked, text: string): Asked {
  return { ...prompt, line: insert(prompt.line, text), draft: null, offers: [] }
}

function recall<Asked extends Prompt>(prompt: Asked, history: readonly string[], step: 1 | -1): Asked {
  const draft = prompt.draft ?? { text: prompt.line.text, back: 0 }
  const back = Math.min(history.length, Math.max(0, draft.back + step))
  if (back === draft.back) return prompt
  const text = back === 0 ? draft.text : (history.at(-back) ?? draft.text)
  return { ...prompt, line: lineOf(text), draft: { text: draft.text, back }, offers: [] }
}

function completed<Asked extends Prompt>(prompt: Asked, complete: Completer): Asked {
  const { text, cursor } = prompt.line
  const offers = complete(text, cursor)
  const word = wordBefore(text, cursor)
  const common = commonStart(offers)
  if (common.length <= word.length) return { ...prompt, offers: offers.length > 1 ? offers : [] }
  const start = cursor - word.length
  const line = { text: text.slice(0, start) + common + text.slice(cursor), cursor: start + common.length }
  return { ...prompt, line, draft: null, offers: offers.length > 1 ? offers : [] }
}

/** The word that ends at the cursor; a field, function, command or number is one. */
export function wordBefore(text: string, cursor: number): string {
  return /[\p{L}\p{N}_.-]*$/u.exec(text.slice(0, cursor))?.[0] ?? ''
}

function commonStart(words: readonly string[]): string {
  const [first = '', ...others] = words
  let length = first.length
  for (const word of others) {
    while (length > 0 && !word.startsWith(first.slice(0, length))) length -= 1
  }
  return first.slice(0, length)
}
