/**
 * The keys of the frame: one table that dispatches them, that help lists, and that the key line is made of. A screen's
 * own keys are in its module; where both name a key, the frame's wins, so that these work everywhere.
 */
import type { KeyHelp } from './open-screen.js'
import type { ScreenId } from './screen-module.js'

/** What a key of the frame asks for; the names are also commands of `:`. */
export type FrameAction =
  | { readonly type: 'tab'; readonly screen: ScreenId }
  | {
      readonly type:
        | 'search'
        | 'search-next'
        | 'search-previous'
        | 'filter'
        | 'command'
        | 'help'
        | 'pause'
        | 'break'
        | 'catch'
        | 'mouse'
        | 'redraw'
        | 'suspend'
        | 'back'
        | 'quit'
        | 'interrupt'
    }

/** A key of the frame. */
export interface FrameBinding extends KeyHelp {
  readonly action: FrameAction
  /** The command of `:` that does the same; empty for `:` itself. */
  readonly command: string
}

/** The tabs, in the order of their numbers. */
export const TABS: readonly { readonly screen: ScreenId; readonly title: string }[] = [
  { screen: 'sessions', title: 'Sessions' },
  { screen: 'messages', title: 'Messages' },
  { screen: 'rules', title: 'Rules' },
  { screen: 'held', title: 'Held' },
  { screen: 'statistics', title: 'Stats' },
  { screen: 'log', title: 'Log' },
]

const TAB_BINDINGS: readonly FrameBinding[] = TABS.map(({ screen, title }, index) => ({
  keys: [String(index + 1)],
  label: '',
  help: `screen ${title}; once more: back to its start`,
  action: { type: 'tab', screen },
  command: screen,
}))

/** Every key of the frame. */
export const FRAME_BINDINGS: readonly FrameBinding[] = [
  ...TAB_BINDINGS,
  {
    keys: ['/'],
    label: 'search',
    help: 'search the text of this screen',
    action: { type: 'search' },
    command: 'search',
  },
  {
    keys: ['n'],
    label: '',
    help: 'next match of the search',
    action: { type: 'search-next' },
    command: 'next',
  },
  {
    keys: ['S-n'],
    label: '',
    help: 'previous match of the search',
    action: { type: 'search-previous' },
    command: 'previous',
  },
  {
    keys: ['f'],
    label: 'filter',
    help: 'filter sessions, messages and the log lines of these sessions: an expression, or plain words',
    action: { type: 'filter' },
    command: 'filter',
  },
  {
    keys: [':'],
    label: 'command',
    help: 'type a command; Tab completes',
    action: { type: 'command' },
    command: '',
  },
  {
    keys: ['p'],
    label: 'pause',
    help: 'stop the display; the proxy goes on, and a count shows what waits',
    action: { type: 'pause' },
    command: 'pause',
  },
  {
    keys: ['i'],
    label: '',
    help: 'set a breakpoint: hold what a filter catches',
    action: { type: 'break' },
    command: 'break',
  },
  {
    keys: ['S-i'],
    label: '',
    help: 'all breakpoints on or off',
    action: { type: 'catch' },
    command: 'catch',
  },
  {
    keys: ['S-r'],
    label: '',
    help: 'mouse on or off; while it is on, hold Shift to select text',
    action: { type: 'mouse' },
    command: 'mouse',
  },
  {
    keys: ['C-l'],
    label: '',
    help: 'draw the screen anew',
    action: { type: 'redraw' },
    command: 'redraw',
  },
  {
    keys: ['C-z'],
    label: '',
    help: 'suspend the dashboard',
    action: { type: 'suspend' },
    command: 'suspend',
  },
  { keys: ['?'], label: 'help', help: 'keys and commands', action: { type: 'help' }, command: 'help' },
  {
    keys: ['escape'],
    label: '',
    help: 'back to the screen before; there, clears search, then filter',
    action: { type: 'back' },
    command: 'back',
  },
  {
    keys: ['q'],
    label: 'quit',
    help: 'back; on the first screen, leave the dashboard',
    action: { type: 'quit' },
    command: 'quit',
  },
  {
    keys: ['C-c'],
    label: '',
    help: 'twice: leave the dashboard at once',
    action: { type: 'interrupt' },
    command: 'quit',
  },
]

/** @returns what the frame does with a key, null where it does nothing */
export function frameAction(key: string): FrameAction | null {
  return FRAME_BINDINGS.find(({ keys }) => keys.includes(key))?.action ?? null
}
