/**
 * Screens that are as small as a screen can be, for tests of the frame around them.
 */
import { type ScreenKind, type Screens, screenKind } from '../../../src/dashboard/open-screen.js'
import {
  NO_ARGUMENT,
  type ScreenArgument,
  type ScreenId,
  type ScreenModule,
  type Step,
} from '../../../src/dashboard/screen-module.js'
import { row, span } from '../../../src/dashboard/spans.js'

/** A list of lines, one of them selected. */
export interface FakeState {
  readonly argument: ScreenArgument
  readonly selected: number
  /** Keys that were dispatched to it. */
  readonly pressed: readonly string[]
}

/** What a fake lists. */
export type FakeLines = readonly string[]

/**
 * A list of which Enter opens another screen.
 *
 * @param opens null where Enter opens nothing
 */
export function fakeScreen(
  id: ScreenId,
  title: string,
  lines: FakeLines,
  opens: ScreenId | null,
): ScreenModule<FakeState> {
  const stay = (state: FakeState): Step<FakeState> => ({ state, effects: [] })
  const move = (state: FakeState, by: number): Step<FakeState> =>
    stay({ ...state, selected: Math.max(0, Math.min(lines.length - 1, state.selected + by)) })
  return {
    id,
    title,
    open: (argument) => ({ argument, selected: 0, pressed: [] }),
    bindings: [
      { keys: ['j', 'down'], label: '', help: 'down', run: (state) => move(state, 1) },
      { keys: ['k', 'up'], label: '', help: 'up', run: (state) => move(state, -1) },
      {
        keys: ['enter'],
        label: 'open',
        help: 'open it',
        run: (state) => ({
          state,
          effects:
            opens === null
              ? []
              : [{ type: 'open', screen: opens, argument: { ...NO_ARGUMENT, number: state.selected + 1 } }],
        }),
      },
      {
        keys: ['d'],
        label: 'drop',
        help: 'drop it, after a question',
        run: (state) => ({
          state,
          effects: [
            {
              type: 'confirm',
              question: 'Drop it?',
              onYes: [{ type: 'request', request: { type: 'drop', hold: 'h1' }, done: 'dropped' }],
            },
          ],
        }),
      },
      {
        keys: ['e'],
        label: 'edit',
        help: 'edit what is held',
        run: (state) => ({ state, effects: [{ type: 'edit-held', hold: 'h1' }] }),
      },
      {
        keys: ['S-f'],
        label: 'follow',
        help: 'follow',
        run: (state) => stay({ ...state, pressed: [...state.pressed, 'S-f'] }),
      },
      {
        keys: ['y'],
        label: 'copy',
        help: 'copy it',
        run: (state) => ({
          state,
          effects: [{ type: 'copy', text: lines[state.selected] ?? '', what: 'the line' }],
        }),
      },
    ],
    selection: ({ argument }) => argument,
    settle: (state) => state,
    view: (state, context) =>
      lines
        .slice(0, context.size.rows)
        .map((line, index) =>
          index === state.selected ? row(span(`> ${line}`, 'selected')) : row('  ', span(line)),
        ),
    status: (state) => `${state.selected + 1} of ${lines.length}${state.pressed.length > 0 ? ' FOLLOW' : ''}`,
    find(state, _context, text, direction) {
      const order = lines.map(
        (_, step) => (state.selected + direction * (step + 1) + 2 * lines.length) % lines.length,
      )
      const found = order.find((index) => lines[index]?.includes(text))
      return found === undefined ? null : { ...state, selected: found }
    },
  }
}

/** A list of three on every tab; Enter on sessions opens a session. */
export function fakeScreens(lines: FakeLines = ['first', 'second', 'third']): Screens {
  const kinds: readonly ScreenKind[] = [
    screenKind(fakeScreen('sessions', 'Sessions', lines, 'session')),
    screenKind(fakeScreen('session', 'Session', ['+OK ready', 'USER alice'], null)),
    screenKind(fakeScreen('messages', 'Messages', ['a message'], null)),
    screenKind(fakeScreen('held', 'Held', ['a held item'], null)),
    screenKind(fakeScreen('statistics', 'Statistics', ['a number'], null)),
    screenKind(fakeScreen('log', 'Log', ['a line'], null)),
  ]
  return new Map(kinds.map((kind) => [kind.id, kind]))
}
