import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ScreenContext, ScreenEffect } from '../../../src/dashboard/screen-module.js'
import { NO_ARGUMENT } from '../../../src/dashboard/screen-module.js'
import { type HeldState, heldScreen } from '../../../src/dashboard/screens/held.js'
import type { HeldSummary } from '../../../src/watch/protocol.js'
import { LARGE, pressKeys, renderScreen, SMALL } from '../../support/screen-rendering.js'
import { expectGolden } from '../golden.js'
import { escapes, harmlessTwin, hostileText } from './hostile.js'
import { answered, breakpoint, confirmed, heldSummary, NOW, scene } from './scene.js'

process.env.TZ = 'UTC'

const HELD: readonly HeldSummary[] = [
  heldSummary({
    hold: 'h2',
    session: 'dave-1',
    kind: 'command',
    number: 2,
    verb: 'PASS',
    shown: 'PASS [redacted]',
    breakpoint: 'command == "PASS"',
    heldAt: NOW - 1_000,
    releaseAt: NOW + 9_000,
    isCommitted: false,
    editableOctets: null,
  }),
  heldSummary(),
]
const BREAKPOINTS = [
  breakpoint(),
  breakpoint({
    id: 'b2',
    filter: 'command == "PASS"',
    kinds: ['command', 'reply', 'message'],
    hits: 31,
    lastHitAt: NOW - 1_000,
  }),
  breakpoint({ id: 'b3', filter: 'size > 1000000', isOn: false, hits: 0, lastHitAt: null }),
]

function context(given: Partial<ScreenContext> = {}): ScreenContext {
  return scene({ held: HELD, breakpoints: BREAKPOINTS, ...given })
}

const OPENED = heldScreen.settle(heldScreen.open(NO_ARGUMENT, context()), context())

function press(given: ScreenContext, state: HeldState, ...keys: readonly string[]): HeldState {
  return heldScreen.settle(pressKeys(heldScreen, state, given, ...keys).state, given)
}

function effectsOf(given: ScreenContext, ...keys: readonly string[]): readonly ScreenEffect[] {
  return pressKeys(heldScreen, OPENED, given, ...keys).effects
}

function render(given: ScreenContext, state: HeldState = OPENED): readonly string[] {
  return renderScreen(heldScreen, state, given)
}

describe('the list of held items', () => {
  it.each([
    ['small', {}, []],
    ['large', { size: LARGE }, ['j']],
    ['breakpoints', {}, ['b', 'j']],
    ['ascii', { isUnicode: false }, []],
    ['empty', { held: [] }, []],
    ['empty-without-breakpoints', { held: [], breakpoints: [] }, []],
    ['recording', { held: [], breakpoints: [], source: 'recording' }, []],
  ] as const)('looks as it did: %s', (name, given, keys) => {
    expectGolden(`held-${name}`, render(context(given), press(context(given), OPENED, ...keys)))
  })

  it('draws its borders in ASCII where nothing else may be used', () => {
    const ascii = context({ isUnicode: false })
    for (const keys of [[], ['b']]) {
      expect(render(ascii, press(ascii, OPENED, ...keys)).join('')).toMatch(/^[\x20-\x7e…]*$/)
    }
  })

  it('draws something at every size', () => {
    for (const columns of [1, 20, 59]) {
      for (const rows of [0, 1, 2, 3, 4]) render(context({ size: { columns, rows } }))
    }
  })

  it('has the one on top that has waited longest', () => {
    expect(OPENED.items.selected).toBe('h1')
  })

  it('stays on its item while others go on, and takes the next when it goes on itself', () => {
    const second = press(context(), OPENED, 'j')
    expect(second.items.selected).toBe('h2')
    expect(heldScreen.settle(second, context({ held: HELD.slice(0, 1) })).items).toMatchObject({
      selected: 'h2',
    })
    expect(heldScreen.settle(second, context({ held: HELD.slice(1) })).items.selected).toBe('h1')
    expect(heldScreen.settle(second, context({ held: [] })).items.selected).toBeNull()
  })

  it('counts what is held and says whether anything is caught', () => {
    expect(heldScreen.status(OPENED, context())).toBe('2 held  2 of 3 on')
    expect(heldScreen.status(OPENED, context({ held: [], breakpoints: [] }))).toBe('0 held  CATCH OFF')
  })

  it('finds a user, a command, a filter', () => {
    expect(heldScreen.find(OPENED, context(), 'dave', 1)?.items.selected).toBe('h2')
    expect(heldScreen.find(OPENED, context(), 'zoe', 1)).toBeNull()
    const below = press(context(), OPENED, 'b')
    expect(heldScreen.find(below, context(), 'SIZE >', 1)?.breakpoints.selected).toBe('b3')
  })
})

describe('what a person decides', () => {
  it('looks at the item', () => {
    expect(effectsOf(context(), 'enter')).toEqual([
      { type: 'open', screen: 'held-item', argument: { session: 'alice-1', number: 8, hold: 'h1' } },
    ])
  })

  it('releases at once, and edits in the editor', () => {
    expect(effectsOf(context(), 'a')).toMatchObject([{ request: { type: 'release', hold: 'h1' } }])
    expect(effectsOf(context(), 'e')).toEqual([{ type: 'edit-held', hold: 'h1' }])
  })

  it('edits nothing that holds a credential, and says what can be done instead', () => {
    expect(effectsOf(context(), 'j', 'e')).toMatchObject([
      { type: 'say', text: 'It holds a credential, which nobody is shown: release it, answer or drop it' },
    ])
  })

  it('begins an answer with what may still be said', () => {
    expect(effectsOf(context(), 'r')).toEqual([{ type: 'answer-held', hold: 'h1', initial: '+OK\n\n' }])
    expect(effectsOf(context(), 'j', 'r')).toEqual([
      { type: 'answer-held', hold: 'h2', initial: '-ERR [SYS/TEMP] Not now, please try again later\n' },
    ])
  })

  it('drops and kills after a question that says what the client will see', () => {
    const [drop] = effectsOf(context(), 'd')
    expect(drop).toMatchObject({
      question: 'Drop RETR 3? Then the client gets a notice instead: +OK was said already.',
    })
    expect(confirmed(drop)).toMatchObject([{ request: { type: 'drop', hold: 'h1' } }])
    expect(confirmed(effectsOf(context(), 'x')[0])).toMatchObject([
      { request: { type: 'kill-session', session: 'alice-1' } },
    ])
  })

  it('says that nothing is selected where nothing is held', () => {
    for (const key of ['a', 'e', 'r', 'd', 'x']) {
      expect(effectsOf(context({ held: [] }), key)).toMatchObject([{ text: 'No held item is selected' }])
    }
  })

  it('decides about no item while the breakpoints are chosen', () => {
    for (const key of ['a', 'd', 'x']) {
      expect(effectsOf(context(), 'b', key)).toMatchObject([{ type: 'say' }])
    }
  })
})

describe('the breakpoints', () => {
  it('are switched and removed where they are chosen', () => {
    expect(effectsOf(context(), 'b', 'space')).toMatchObject([
      {
        request: {
          type: 'set-breakpoint',
          breakpoint: 'b1',
          isOn: false,
          kinds: ['message'],
          holdMs: 60_000,
        },
      },
    ])
    expect(confirmed(effectsOf(context(), 'b', 'j', '-')[0])).toMatchObject([
      { request: { type: 'remove-breakpoint', breakpoint: 'b2' } },
    ])
    expect(effectsOf(context(), 'space')).toMatchObject([{ type: 'say' }])
  })

  it('are changed by two questions that begin with what is', () => {
    const [filter] = effectsOf(context(), 'b', 'enter')
    const [terms] = answered(filter)
    expect(answered(terms)).toMatchObject([
      {
        request: {
          type: 'set-breakpoint',
          breakpoint: 'b1',
          filter: 'user == "alice@example.org"',
          kinds: ['message'],
          holdMs: 60_000,
        },
      },
    ])
  })

  it.each([
    ['', 'A breakpoint needs a filter; true holds everything'],
    ['invoice', 'A breakpoint needs an expression, such as user == "bob"'],
    ['user ==', /\(at character \d+\)$/],
  ])('asks again with what was written where the filter is none: %j', (text, problem) => {
    const [filter] = effectsOf(context(), 'b', 'enter')
    const [again, said] = answered(filter, text)
    expect(again).toMatchObject({ type: 'ask', initial: text })
    expect(said).toMatchObject({ type: 'say', tone: 'error', text: expect.stringMatching(problem) })
  })

  it.each([
    ['', 'Say what to hold: command, reply or message'],
    ['mail', '"mail" is neither command, reply nor message, nor a number of seconds'],
    ['message 301', 'Hold it for 1 to 300 seconds, not 301'],
    ['message 0', 'Hold it for 1 to 300 seconds, not 0'],
  ])('asks again where it is not said what to hold: %j', (text, problem) => {
    const [terms] = answered(effectsOf(context(), 'b', 'enter')[0])
    const [again, said] = answered(terms, text)
    expect(again).toMatchObject({ type: 'ask', initial: text })
    expect(said).toMatchObject({ text: problem })
  })
})

describe('hostile text', () => {
  it.each([
    ['small', SMALL],
    ['large', LARGE],
  ] as const)('stays in the cells of its field: %s', (_, size) => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const [hostile, harmless] = [text, harmlessTwin(text)].map((field) =>
          render(
            context({
              size,
              held: [heldSummary({ shown: field, breakpoint: field }), ...HELD],
              breakpoints: [breakpoint({ filter: field }), ...BREAKPOINTS],
            }),
          ),
        )
        expect(escapes(hostile ?? [], harmless ?? [])).toEqual([])
      }),
      { numRuns: 30 },
    )
  })
})
