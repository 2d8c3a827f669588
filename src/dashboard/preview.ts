/**
 * What Enter would open. Screens are pure, so a key can be asked what it leads to without being pressed: this is how
 * a list shows its selected item beside itself.
 */
import type { OpenScreen } from './open-screen.js'
import type { ScreenArgument, ScreenContext, ScreenId } from './screen-module.js'

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
