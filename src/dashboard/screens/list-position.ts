/**
 * Where a person stands in a list that is longer than the screen: which item is selected, which one is at the top.
 * Owns the arithmetic and the keys that move; knows nothing of the items.
 */
import type { Binding, ScreenContext } from '../screen-module.js'

/** Indexes into a list, both 0 where it is empty. */
export interface ListPosition {
  readonly selected: number
  readonly top: number
}

export const LIST_START: ListPosition = { selected: 0, top: 0 }

/** How long a list is, and how much of it the screen shows. */
export interface ListExtent {
  readonly count: number
  readonly rows: number
}

/** From one selected index to another; may go beyond the ends. */
export type Movement = (selected: number, extent: ListExtent) => number

/**
 * Selects an index and scrolls as little as it takes to show it.
 *
 * @returns a position within the list
 */
export function selectIndex(position: ListPosition, index: number, extent: ListExtent): ListPosition {
  const selected = Math.max(0, Math.min(index, extent.count - 1))
  const rows = Math.max(1, extent.rows)
  const highest = Math.max(0, extent.count - rows)
  const top = Math.min(Math.max(position.top, selected - rows + 1), selected, highest)
  return { selected, top: Math.max(0, top) }
}

/**
 * Follows the selected item to its new index, and keeps it on the same line of the screen where that can be: the rest
 * of the list moves around it.
 */
export function followIndex(position: ListPosition, index: number, extent: ListExtent): ListPosition {
  return selectIndex({ ...position, top: position.top + index - position.selected }, index, extent)
}

/**
 * The keys that move in every list.
 *
 * @param move performs a movement on the screen's own state
 */
export function movementBindings<State>(
  move: (state: State, context: ScreenContext, movement: Movement) => State,
): readonly Binding<State>[] {
  const binding = (keys: readonly string[], help: string, movement: Movement): Binding<State> => ({
    keys,
    label: '',
    help,
    run: (state, context) => ({ state: move(state, context, movement), effects: [] }),
  })
  return [
    binding(['j', 'down'], 'one line down', (selected) => selected + 1),
    binding(['k', 'up'], 'one line up', (selected) => selected - 1),
    binding(['g', 'home'], 'to the first line', () => 0),
    binding(['S-g', 'end'], 'to the last line', (_, { count }) => count - 1),
    // One line stays, so that the eye finds its place.
    binding(['C-f', 'pagedown'], 'one page down', (selected, { rows }) => selected + Math.max(1, rows - 1)),
    binding(['C-b', 'pageup'], 'one page up', (selected, { rows }) => selected - Math.max(1, rows - 1)),
  ]
}
