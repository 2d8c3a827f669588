/**
 * Tells typing from a paste into a terminal that does not mark it. Keys act at once in a list, so a pasted mail would
 * be dozens of commands. Pure.
 */
import type { TerminalInput } from './keys.js'
import type { TypedKey } from './model.js'

/** Nobody types faster: 33 keys a second. */
const BURST_MS = 30
/** Two hands on the keyboard make so many keys at once, a paste more. */
const BURST_KEYS = 4

/** What was made of some keys. */
export interface Guarded {
  readonly isPaste: boolean
  /** To be remembered for the next keys. */
  readonly typedAt: readonly TypedKey[]
}

/**
 * Looks at keys that came at one moment, and at those shortly before.
 *
 * Cursor keys are never pasted, and one key over and over is held down, on a link that delivers in pieces.
 */
export function guardPaste(
  before: readonly TypedKey[],
  inputs: readonly TerminalInput[],
  now: number,
): Guarded {
  const typed = inputs.flatMap((input) =>
    input.type === 'key' && (input.text !== '' || input.name === 'enter')
      ? [{ name: input.name, at: now }]
      : [],
  )
  const recent = [...before.filter(({ at }) => now - at < BURST_MS), ...typed].slice(-64)
  const isPaste =
    typed.length > 0 && recent.length > BURST_KEYS && new Set(recent.map(({ name }) => name)).size > 1
  return { isPaste, typedAt: recent }
}
