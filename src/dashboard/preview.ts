/**
 * What Enter would open. Screens are pure, so a key can be asked what it leads to without being pressed: this is how
 * a list shows its selected item beside itself, and how a command finds the session that it is about.
 */
import { type Model, topContext, topScreen } from './model.js'
import type { OpenScreen } from './open-screen.js'
import { NO_ARGUMENT, type ScreenArgument, type ScreenContext, type ScreenId } from './screen-module.js'

/** A screen that could be opened. */
export interface Preview {
  readonly screen: ScreenId
  readonly argument: ScreenArgument
}

/**
 * Asks a screen what Enter would open.
 *
 * @returns null where Enter opens nothing
 */
export function previewOf(screen: OpenScreen, context: ScreenContext): Preview | null {
  for (const effect of screen.press('enter', context)?.effects ?? []) {
    if (effect.type === 'open') return { screen: effect.screen, argument: effect.argument }
  }
  return null
}

/**
 * Says what a person has selected: what the screen in sight was opened with, and what Enter would open on it.
 */
export function selectionOf(model: Model): ScreenArgument {
  const top = topScreen(model)
  if (top === null) return NO_ARGUMENT
  const within = previewOf(top, topContext(model))?.argument ?? NO_ARGUMENT
  const { argument } = top
  return {
    session: within.session ?? argument.session,
    number: within.number ?? argument.number,
    hold: within.hold ?? argument.hold,
  }
}
