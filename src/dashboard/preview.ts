/**
 * What stands beside a list where there is room: what Enter would open. Screens are pure, so a key can be asked what it
 * leads to without being pressed. Owns which screens these are, how large, and that each stays the same one for as long
 * as it shows the same thing: to read a long session anew at every frame would be all that the dashboard does.
 */
import { messagesOf } from '../sessions/messages.js'
import type { Size } from './frame.js'
import {
  contextOf,
  FRAME_ROWS,
  type Model,
  paneColumns,
  STACKED_ROWS,
  topContext,
  topScreen,
} from './model.js'
import type { OpenScreen } from './open-screen.js'
import type { ScreenArgument, ScreenContext, ScreenId } from './screen-module.js'

/** A screen that could be opened. */
export interface Preview {
  readonly screen: ScreenId
  readonly argument: ScreenArgument
}

/** A screen beside the list. */
export interface SidePane {
  readonly preview: Preview
  readonly screen: OpenScreen
  /** With the row of its title. */
  readonly size: Size
}

/** The part of a high screen's rows that the upper pane has, where there are two. */
const UPPER_PART = 0.6

/**
 * Opens what is to stand beside the list in sight, or lets it go on where it is there already. To be called before a
 * view, with a state that is settled.
 */
export function previewed(model: Model): Model {
  const sidePanes = wantedPanes(model).flatMap(({ preview, size }, index) => {
    const screen = paneScreen(model, preview, size, model.sidePanes[index] ?? null)
    return screen === null ? [] : [{ preview, screen, size }]
  })
  return sidePanes.length === 0 && model.sidePanes.length === 0 ? model : { ...model, sidePanes }
}

/** What the screen of a pane may look at: all but its title. */
export function paneContext(model: Model, { columns, rows }: Size): ScreenContext {
  return contextOf(model, { columns, rows: rows - 1 })
}

function paneScreen(model: Model, preview: Preview, size: Size, before: SidePane | null): OpenScreen | null {
  if (size.rows < 2) return null
  const context = paneContext(model, size)
  if (before !== null && isSame(before.preview, preview)) return before.screen.settle(context)
  return model.screens.get(preview.screen)?.open(preview.argument, context).settle(context) ?? null
}

/** What Enter would open, and on high screens the session's last message below it. */
function wantedPanes(model: Model): readonly Omit<SidePane, 'screen'>[] {
  const top = topScreen(model)
  const { side } = paneColumns(model, top?.id ?? null)
  if (top === null || side === 0) return []
  const preview = previewOf(top, topContext(model))
  if (preview === null) return []
  const rows = model.size.rows - FRAME_ROWS
  const message = model.size.rows >= STACKED_ROWS ? messageBelow(model, preview) : null
  const upper = message === null ? rows : Math.floor(rows * UPPER_PART)
  const above = { preview, size: { columns: side, rows: upper } }
  if (message === null) return [above]
  return [above, { preview: message, size: { columns: side, rows: rows - upper } }]
}

/** Asks a screen what Enter would open; null where Enter opens nothing. */
function previewOf(screen: OpenScreen, context: ScreenContext): Preview | null {
  for (const effect of screen.press('enter', context)?.effects ?? []) {
    if (effect.type === 'open') return { screen: effect.screen, argument: effect.argument }
  }
  return null
}

function messageBelow(model: Model, { screen, argument }: Preview): Preview | null {
  const session = argument.session === null ? null : model.store.get(argument.session)
  if (screen !== 'session' || session === null) return null
  const message = messagesOf(session).findLast(({ original }) => original !== null)
  return message === undefined
    ? null
    : { screen: 'message', argument: { ...argument, number: message.number } }
}

function isSame(a: Preview, b: Preview): boolean {
  return (
    a.screen === b.screen &&
    a.argument.session === b.argument.session &&
    a.argument.number === b.argument.number &&
    a.argument.hold === b.argument.hold
  )
}
