/**
 * The effects that ask a person something, in as few words as a caller needs.
 */
import type { ScreenEffect } from '../screen-module.js'

/** Asks y/n; the effects happen on y. */
export function confirm(question: string, ...effects: readonly ScreenEffect[]): ScreenEffect {
  return { type: 'confirm', question, onYes: effects }
}

/** Asks for a line of text. */
export function ask(
  label: string,
  initial: string,
  onAnswer: (text: string) => readonly ScreenEffect[],
): ScreenEffect {
  return { type: 'ask', label, initial, onAnswer }
}
