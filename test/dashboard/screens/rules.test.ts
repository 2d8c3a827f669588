import { describe, expect, it } from 'vitest'
import { NO_ARGUMENT, type ScreenContext } from '../../../src/dashboard/screen-module.js'
import { type RulesState, rulesScreen } from '../../../src/dashboard/screens/rules.js'
import type { Breakpoint } from '../../../src/watch/protocol.js'
import { LARGE, pressKeys, renderScreen, SMALL } from '../../support/screen-rendering.js'
import { expectGolden } from '../golden.js'
import { HOLDS_ALICE, NOW, troubledScene } from './mail-scene.js'

process.env.TZ = 'UTC'

const ALICE: Breakpoint = {
  id: 'b1',
  filter: HOLDS_ALICE,
  kinds: ['message'],
  isOn: true,
  holdMs: 60_000,
  hits: 1,
  lastHitAt: NOW - 4_100,
}
const DELETIONS: Breakpoint = {
  id: 'b2',
  filter: 'command == "DELE"',
  kinds: ['command', 'reply'],
  isOn: false,
  holdMs: 60_000,
  hits: 0,
  lastHitAt: null,
}

function context(given: Partial<ScreenContext> = {}): ScreenContext {
  return troubledScene({ breakpoints: [ALICE, DELETIONS], ...given })
}

function open(given: ScreenContext): RulesState {
  return rulesScreen.open(NO_ARGUMENT, given)
}

function screen(state: RulesState, given: ScreenContext): string {
  return renderScreen(rulesScreen, state, given).join('\n')
}

describe('the rules', () => {
  for (const [name, size] of [
    ['80x24', SMALL],
    ['160x45', LARGE],
  ] as const) {
    it(`show breakpoints and their last matches at ${name}`, () => {
      const given = context({ size })
      const unfolded = pressKeys(rulesScreen, open(given), given, 'enter', 'S-g', 'enter').state
      expectGolden(`rules-${name}`, renderScreen(rulesScreen, unfolded, given))
    })
  }

  it('fold their matches away again', () => {
    const given = context()
    const folded = pressKeys(rulesScreen, open(given), given, 'enter', 'enter').state
    expect(screen(folded, given)).toBe(screen(open(given), given))
  })

  it('open the session of a match at its command', () => {
    const given = context()
    expect(pressKeys(rulesScreen, open(given), given, 'enter', 'j', 'enter').effects).toEqual([
      { type: 'open', screen: 'session', argument: { session: 'alice-1', number: 6, hold: null } },
    ])
  })

  it('are switched on and off as they are', () => {
    const given = context()
    expect(pressKeys(rulesScreen, open(given), given, 'j', 'space').effects).toEqual([
      {
        type: 'request',
        request: {
          type: 'set-breakpoint',
          breakpoint: 'b2',
          filter: 'command == "DELE"',
          kinds: ['command', 'reply'],
          holdMs: 60_000,
          isOn: true,
        },
        done: 'Breakpoint on: command == "DELE"',
      },
    ])
  })

  it('are removed after a question, the one that a match belongs to', () => {
    const given = context()
    const [question] = pressKeys(rulesScreen, open(given), given, 'enter', 'j', 'x').effects
    if (question?.type !== 'confirm') throw new Error('nothing is asked')
    expect(question.question).toBe('Remove the breakpoint user == "alice@example.org"?')
    expect(question.onYes).toMatchObject([
      { type: 'request', request: { type: 'remove-breakpoint', breakpoint: 'b1' } },
    ])
  })

  it('keep the selected one selected while others come and go', () => {
    const given = context()
    const second = pressKeys(rulesScreen, open(given), given, 'j').state
    const swapped = rulesScreen.settle(second, context({ breakpoints: [DELETIONS, ALICE] }))
    expect(swapped.position.selected).toBe(0)
  })

  it('count what is on', () => {
    const given = context()
    expect(rulesScreen.status(open(given), given)).toBe('1 of 2 on')
  })

  it('are found by their filter', () => {
    const given = context()
    expect(rulesScreen.find(open(given), given, 'dele', 1)?.position.selected).toBe(1)
    expect(rulesScreen.find(open(given), given, 'nowhere', 1)).toBeNull()
  })

  it('say what to do where there is none, and change nothing in a recording', () => {
    const none = context({ breakpoints: [] })
    expectGolden('rules-empty-80x24', renderScreen(rulesScreen, open(none), none))
    expect(pressKeys(rulesScreen, open(none), none, 'space').effects).toMatchObject([{ type: 'say' }])
    const recording = context({ source: 'recording' })
    for (const key of ['space', 'x', 'a', 'e'])
      expect(pressKeys(rulesScreen, open(recording), recording, key).effects).toMatchObject([{ type: 'say' }])
    expect(screen(open(none), { ...none, source: 'recording' })).toContain('A recording has no rules')
  })
})
