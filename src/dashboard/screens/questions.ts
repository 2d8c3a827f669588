/**
 * The effects that ask a person something. Here and nowhere else, because the property that says what follows is
 * called `then`: such an object must never be awaited.
 */
import type { ScreenEffect } from '../screen-module.js'

/** Asks y/n; the effects happen on y. */
export function confirm(question: string, ...effects: readonly ScreenEffect[]): ScreenEffect {
  // biome-ignore lint/suspicious/noThenProperty: an effect is performed, never awaited
  return { type: 'confirm', question, then: effects }
}

/** Asks for a line of text. */
export function ask(
  label: string,
  initial: string,
  answered: (text: string) => readonly ScreenEffect[],
): ScreenEffect {
  // biome-ignore lint/suspicious/noThenProperty: an effect is performed, never awaited
  return { type: 'ask', label, initial, then: answered }
}
