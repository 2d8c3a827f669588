/** Terminals are resized at any time, to any size: each screen stays within its room, and no key breaks it there. */
import { describe, expect, it } from 'vitest'
import { logLine } from '../../../src/dashboard/log-line.js'
import { NO_ARGUMENT, type ScreenArgument, type ScreenModule } from '../../../src/dashboard/screen-module.js'
import { logScreen } from '../../../src/dashboard/screens/log.js'
import { messageScreen } from '../../../src/dashboard/screens/message.js'
import { messagesScreen } from '../../../src/dashboard/screens/messages.js'
import { rulesScreen } from '../../../src/dashboard/screens/rules.js'
import { statisticsScreen } from '../../../src/dashboard/screens/statistics.js'
import { SessionStore } from '../../../src/sessions/store.js'
import { pressKeys, renderScreen } from '../../support/screen-rendering.js'
import { HOLDS_ALICE, mailSessions, NOW, storeOf, troubledScene } from './mail-scene.js'

const COLUMNS = [1, 2, 13, 60, 119, 120, 300]
const ROWS = [1, 2, 3, 8, 19, 90]

const full = troubledScene({
  log: { lines: [logLine('{"level":30,"event":"a","msg":"b"}'), logLine('no JSON')], dropped: 1 },
  breakpoints: [
    {
      id: 'b1',
      filter: HOLDS_ALICE,
      kinds: ['message'],
      isOn: true,
      holdMs: 60_000,
      hits: 1,
      lastHitAt: NOW,
    },
  ],
})
const empty = troubledScene({ store: new SessionStore() })
const mail = troubledScene({ store: storeOf(...mailSessions()) })

function walk<State>(
  module: ScreenModule<State>,
  argument: ScreenArgument,
  scenes: readonly (typeof full)[],
): void {
  for (const scene of scenes) {
    let state = module.open(argument, scene)
    for (const columns of COLUMNS) {
      for (const rows of ROWS) {
        const context = { ...scene, size: { columns, rows } }
        for (const { keys } of module.bindings) {
          state = pressKeys(module, state, context, keys[0] ?? '').state
          expect(renderScreen(module, state, context).length).toBeLessThanOrEqual(rows)
          expect(module.status(state, context)).not.toContain('NaN')
        }
      }
    }
  }
}

describe('a screen of any size', () => {
  it('stays within its room: messages', () => walk(messagesScreen, NO_ARGUMENT, [mail, empty]))
  it('stays within its room: a message', () => {
    for (const number of [4, 5, 6, 7, 99])
      walk(messageScreen, { session: 'alice-1', number, hold: null }, [mail])
  })
  it('stays within its room: rules', () => walk(rulesScreen, NO_ARGUMENT, [full, empty]))
  it('stays within its room: statistics', () => walk(statisticsScreen, NO_ARGUMENT, [full, empty]))
  it('stays within its room: log', () => walk(logScreen, NO_ARGUMENT, [full, empty]))
})
