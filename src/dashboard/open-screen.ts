/**
 * A screen that is open: a module together with its state, which nobody else can see into. Owns the joining of the
 * two, so that the frame can hold screens of any kind in one stack. Pure: every call gives a new screen.
 */
import type { Row } from './frame.js'
import type { ScreenArgument, ScreenContext, ScreenEffect, ScreenId, ScreenModule } from './screen-module.js'

/** A key of a screen, for help and the key line. */
export interface KeyHelp {
  readonly keys: readonly string[]
  readonly label: string
  readonly help: string
}

/** What a key led to. */
export interface ScreenStep {
  readonly screen: OpenScreen
  readonly effects: readonly ScreenEffect[]
}

/** A screen with its state. */
export interface OpenScreen {
  readonly id: ScreenId
  readonly title: string
  readonly keys: readonly KeyHelp[]
  /** What a person has selected on it. */
  selection(context: ScreenContext): ScreenArgument
  /** @returns null where the screen has no such key */
  press(key: string, context: ScreenContext): ScreenStep | null
  settle(context: ScreenContext): OpenScreen
  view(context: ScreenContext): readonly Row[]
  status(context: ScreenContext): string
  /** @returns null where nothing was found */
  find(context: ScreenContext, text: string, direction: 1 | -1): OpenScreen | null
}

/** A kind of screen, ready to be opened. */
export interface ScreenKind {
  readonly id: ScreenId
  readonly title: string
  readonly keys: readonly KeyHelp[]
  open(argument: ScreenArgument, context: ScreenContext): OpenScreen
}

/** All kinds of screens, by id. */
export type Screens = ReadonlyMap<ScreenId, ScreenKind>

/** Makes a module a kind of screen. */
export function screenKind<State>(module: ScreenModule<State>): ScreenKind {
  return {
    id: module.id,
    title: module.title,
    keys: module.bindings,
    open: (argument, context) => opened(module, module.open(argument, context)),
  }
}

function opened<State>(module: ScreenModule<State>, state: State): OpenScreen {
  const reopened = (next: State): OpenScreen => opened(module, next)
  return {
    id: module.id,
    title: module.title,
    keys: module.bindings,
    selection: (context) => module.selection(state, context),
    press(key, context) {
      const binding = module.bindings.find(({ keys }) => keys.includes(key))
      if (binding === undefined) return null
      const step = binding.run(state, context)
      return { screen: reopened(step.state), effects: step.effects }
    },
    settle: (context) => reopened(module.settle(state, context)),
    view: (context) => module.view(state, context),
    status: (context) => module.status(state, context),
    find(context, text, direction) {
      const found = module.find(state, context, text, direction)
      return found === null ? null : reopened(found)
    },
  }
}
