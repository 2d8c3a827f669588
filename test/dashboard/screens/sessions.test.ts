import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Row } from '../../../src/dashboard/frame.js'
import type { ScreenContext, ScreenEffect } from '../../../src/dashboard/screen-module.js'
import { NO_ARGUMENT } from '../../../src/dashboard/screen-module.js'
import { type SessionsState, sessionsScreen } from '../../../src/dashboard/screens/sessions.js'
import { type Filter, parseFilter } from '../../../src/expression/filter.js'
import { SessionStore } from '../../../src/sessions/store.js'
import { RecordingReader } from '../../../src/trace/recording.js'
import { loggedIn, Script, START } from '../../sessions/script.js'
import { expectGrowth } from '../../support/growth.js'
import { LARGE, pressKeys, renderScreen, SMALL } from '../../support/screen-rendering.js'
import { expectGolden } from '../golden.js'
import { escapes, FIELD, harmlessTwin, hostileText, withField } from './hostile.js'
import { ADDRESSES, aliceSession, answered, confirmed, NOW, scene, storeOf } from './scene.js'

process.env.TZ = 'UTC'

const OPENED = sessionsScreen.open(NO_ARGUMENT, scene())

function render(context: ScreenContext, state: SessionsState = OPENED): readonly string[] {
  return renderScreen(sessionsScreen, state, context)
}

function settled(context: ScreenContext, state: SessionsState = OPENED): SessionsState {
  return sessionsScreen.settle(state, context)
}

function press(context: ScreenContext, state: SessionsState, ...keys: readonly string[]): SessionsState {
  return settled(context, pressKeys(sessionsScreen, state, context, ...keys).state)
}

function effectsOf(context: ScreenContext, ...keys: readonly string[]): readonly ScreenEffect[] {
  return pressKeys(sessionsScreen, OPENED, context, ...keys).effects
}

/** Ids of the rows in sight, from top to bottom. */
function order(state: SessionsState): readonly string[] {
  return state.order?.ordered.map(({ id }) => id) ?? []
}

/** Adds so many sessions that ended. */
function add(store: SessionStore, ...ids: readonly string[]): void {
  for (const id of ids) loggedIn(id).quit().into(store)
}

describe('the list of sessions', () => {
  it.each([
    ['small', SMALL],
    ['large', LARGE],
    ['narrow', { columns: 60, rows: 10 }],
  ] as const)('looks as it did: %s', (name, size) => {
    expectGolden(`sessions-${name}`, render(scene({ size })))
  })

  it.each([
    ['waiting', { store: new SessionStore() }],
    ['recording', { store: new SessionStore(), source: 'recording' }],
    ['nothing-found', { filter: parseFilter('user == "zoe"') }],
  ] as const)('says what to do while it is empty: %s', (name, given) => {
    expectGolden(`sessions-empty-${name}`, render(scene(given)))
  })

  it('names every address and a curl line that fits the first', () => {
    const text = render(scene({ store: new SessionStore() })).join('\n')
    for (const { url } of ADDRESSES) expect(text).toContain(url)
    expect(text).toContain('curl -v --user NAME pop3://127.0.0.1:1110/')
  })

  it('leaves columns out in a fixed order as it gets narrower, and never the user, TLS or the flags', () => {
    const gone: string[] = []
    let before = header(200)
    for (let columns = 199; columns >= 40; columns -= 1) {
      const now = header(columns)
      gone.push(...before.filter((title) => !now.includes(title)))
      before = now
    }
    expect(gone).toEqual(['RULES', 'LAST', 'SERVER', 'AGE', 'C>S', 'START', 'S>C', 'MSG', 'CLIENT', 'STATE'])
    expect(before).toEqual(['#', 'USER', 'TLS', 'C/S', 'FLG'])

    function header(columns: number): readonly string[] {
      const [first = ''] = render(scene({ size: { columns, rows: 10 } }))
      return first.trim().split(/\s+/)
    }
  })

  it('gives who and from where their room before what only tells more, at the width of the pane at 160', () => {
    const context = scene({ size: { columns: 92, rows: 10 } })
    const [head = '', row = ''] = render(context, press(context, OPENED, 'g'))
    expect(head.trim().split(/\s+/)).toEqual([
      '#',
      'START',
      'CLIENT',
      'USER',
      'TLS',
      'C/S',
      'STATE',
      'MSG',
      'S>C',
      'FLG',
    ])
    expect(row).toMatch(/ 10\.0\.5\.31:51000 +bob@example\.org /)
  })

  it('cuts no name while another column has room that it does not use', () => {
    const long = 'alice.van.der.berg@example.org'
    const rowAt = (columns: number): string => {
      const context = scene({ store: storeOf(aliceSession('a', long)), size: { columns, rows: 5 } })
      return render(context)[1] ?? ''
    }
    expect(rowAt(92)).toContain(long)
    // Here the client has its minimum, the number three cells, and the rest is the user's.
    expect(rowAt(80)).toMatch(/51018 alice\.van\.der\.berg@example… -/)
  })

  it('keeps its columns in their places while a person scrolls, and measures anew for another width', () => {
    const short = Array.from({ length: 10 }, (_, index) => loggedIn(`s${index}`, START + 1 + index))
    const store = storeOf(aliceSession('a', 'alice.van.der.berg@mail.example.org', START - 1), ...short)
    const at = (columns: number): ScreenContext => scene({ store, size: { columns, rows: 5 } })
    const first = press(at(92), OPENED, 'g')
    const places = render(at(92), first)[0]
    const scrolled = press(at(92), first, 'C-f', 'C-f')
    expect(render(at(92), scrolled)[0]).toBe(places)
    const fresh = settled(at(92), { ...OPENED, position: scrolled.position, isFollowing: false })
    expect(render(at(92), fresh)[0]).not.toBe(places)
    expect(render(at(92), settled(at(91), scrolled))[0]).toBe(render(at(92), fresh)[0])
  })

  it('draws something at every size', () => {
    for (const columns of [1, 2, 10, 59]) {
      for (const rows of [0, 1, 2, 3]) render(scene({ size: { columns, rows } }))
    }
  })
})

describe('the selection', () => {
  it('follows the newest session until a person moves', () => {
    const context = scene({ store: storeOf() })
    add(context.store, 'a', 'b')
    const following = settled(context)
    expect(following.selected?.id).toBe('b')
    add(context.store, 'c')
    expect(settled(context, following).selected?.id).toBe('c')
    const moved = press(context, following, 'k')
    add(context.store, 'd')
    expect(settled(context, moved).selected?.id).toBe('b')
    expect(press(context, moved, 'S-f').selected?.id).toBe('d')
  })

  it('begins at the first session of a recording', () => {
    const recording = scene({ source: 'recording' })
    expect(settled(recording, sessionsScreen.open(NO_ARGUMENT, recording)).selected?.id).toBe('bob-1')
  })

  it('stays on its session and its line of the screen while older ones are dropped', () => {
    const store = new SessionStore({ sessions: 100, octets: 1 << 26 })
    const context = scene({ store })
    add(store, ...Array.from({ length: 100 }, (_, index) => `s${index}`))
    const before = press(context, OPENED, 'g', ...Array.from({ length: 60 }, () => 'j'))
    expect(before.selected?.id).toBe('s60')
    add(store, ...Array.from({ length: 30 }, (_, index) => `t${index}`))
    const after = settled(context, before)
    expect(after.selected?.id).toBe('s60')
    expect(after.position.selected - after.position.top).toBe(before.position.selected - before.position.top)
    expect(after.position.selected).toBe(before.position.selected - 30)
  })

  it('goes to the next session where its own was dropped', () => {
    const store = new SessionStore({ sessions: 3, octets: 1 << 26 })
    const context = scene({ store })
    add(store, 'a', 'b', 'c')
    const first = press(context, OPENED, 'g')
    expect(first.selected?.id).toBe('a')
    add(store, 'd')
    expect(settled(context, first).selected?.id).toBe('b')
  })

  it('tells two sessions with one id apart, as a recording of two runs has them', () => {
    const context = scene({ store: storeOf() })
    add(context.store, 'same')
    add(context.store, 'same')
    const first = press(context, OPENED, 'g', 'm')
    expect([...first.marked]).toEqual([1])
  })

  it('moves by lines, pages and to the ends', () => {
    const context = scene()
    const at = (...keys: readonly string[]): number => press(context, OPENED, ...keys).position.selected
    expect(at('g')).toBe(0)
    expect(at('g', 'down', 'j')).toBe(2)
    expect(at('g', 'k')).toBe(0)
    expect(at('g', 'S-g')).toBe(21)
    expect(at('g', 'C-f')).toBe(17)
    expect(at('end', 'pageup')).toBe(4)
  })

  it('goes to the next and the last match of a search, around the ends', () => {
    const context = scene()
    const first = press(context, OPENED, 'g')
    const next = sessionsScreen.find(first, context, 'EXAMPLE.ORG', 1)
    expect(next?.selected?.user).toBe('alice')
    expect(sessionsScreen.find(first, context, '10.0.6.15', -1)?.selected?.id).toBe('poll-15')
    expect(sessionsScreen.find(first, context, '11.11.11.11', 1)).toBeNull()
  })
})

describe('the order', () => {
  it('begins as sessions came; v turns it round', () => {
    const context = scene()
    const ids = order(settled(context))
    expect(ids[0]).toBe('bob-1')
    expect(ids.at(-1)).toBe('erin-1')
    expect(order(press(context, OPENED, 'v'))).toEqual(ids.toReversed())
  })

  it('goes by the next column at each o, says which, and comes round to the first', () => {
    const context = scene()
    let state = OPENED
    const said: string[] = []
    for (let count = 0; count < 14; count += 1) {
      const step = pressKeys(sessionsScreen, state, context, 'o')
      state = step.state
      for (const effect of step.effects) if (effect.type === 'say') said.push(effect.text)
    }
    expect(state.sort).toEqual(OPENED.sort)
    expect(said[0]).toBe('Sorted by start')
    expect(new Set(said).size).toBe(14)
  })

  it('marks its column in the header and names it in the status', () => {
    const context = scene({ size: LARGE })
    const byUser = press(context, OPENED, 'o', 'o', 'o')
    expect(render(context, byUser)[0]).toContain('USER^')
    expect(sessionsScreen.status(byUser, context)).toContain('by user')
    expect(render(context, press(context, byUser, 'v'))[0]).toContain('USERv')
  })

  it('is right for every column, against a plain sort', () => {
    const context = scene()
    let state = OPENED
    for (let count = 0; count < 12; count += 1) {
      state = press(context, state, 'o')
      const column = state.sort.column
      const sorted = state.order?.ordered ?? []
      expect(sorted.length, column).toBe(22)
      for (const [index, session] of sorted.entries()) {
        const next = sorted[index + 1]
        if (next === undefined) continue
        if (column === 'client') expect(session.client <= next.client).toBe(true)
        if (column === 'messages') expect(session.messages <= next.messages).toBe(true)
        if (column === 'to-client') expect(session.octets.toClient <= next.octets.toClient).toBe(true)
        if (column === 'user') expect((session.user ?? '\uffff') <= (next.user ?? '\uffff')).toBe(true)
        if (column === 'flags') expect(session.held.size >= next.held.size).toBe(true)
      }
    }
  })

  it('keeps rows in their places for half a second while sessions change, not longer', () => {
    const store = storeOf()
    const at = (ms: number): ScreenContext => scene({ store, now: NOW + ms })
    add(store, 'a', 'b')
    const byMessages = {
      ...OPENED,
      isFollowing: false,
      sort: { column: 'messages', isReversed: true },
    } as const
    const before = settled(at(0), byMessages)
    expect(order(before)).toEqual(['b', 'a'])
    new Script('c').opened().exchange('RETR 1', '+OK', 'x\r\n').into(store)
    expect(order(settled(at(499), before))).toEqual(['b', 'a'])
    expect(order(settled(at(500), before))).toEqual(['c', 'b', 'a'])
  })

  it('obeys another filter at once', () => {
    const store = storeOf()
    add(store, 'a')
    const byUser = { ...OPENED, sort: { column: 'user', isReversed: false } } as const
    const before = settled(scene({ store }), byUser)
    expect(order(settled(scene({ store, filter: parseFilter('user == "zoe"') }), before))).toEqual([])
  })
})

describe('filter and marks', () => {
  it('shows what the filter finds, and says of how many', () => {
    const context = scene({ filter: parseFilter('errors > 0') })
    const state = settled(context)
    expect(order(state)).toEqual(['carol-1', 'nobody-1', 'alice-1'])
    expect(sessionsScreen.status(state, context)).toContain('3 of 22')
  })

  it('marks the session and goes on to the next; M shows the marked alone', () => {
    const context = scene()
    const marked = press(context, OPENED, 'g', 'm', 'j', 'm')
    expect(render(context, marked)[1]).toMatch(/^ \* +1 /)
    const alone = press(context, marked, 'S-m')
    expect(order(alone)).toEqual(['bob-1', 'nobody-1'])
    expect(sessionsScreen.status(alone, context)).toContain('MARKED ONLY')
    expect(order(press(context, alone, 'S-m'))).toHaveLength(22)
    const unmarked = press(context, marked, 'g', 'm')
    expect([...unmarked.marked]).toEqual([3])
  })

  it('says so where none is marked', () => {
    expect(render(scene(), press(scene(), OPENED, 'S-m')).join('\n')).toContain('M shows all again')
  })
})

describe('what can be done with a session', () => {
  it('opens it', () => {
    expect(effectsOf(scene(), 'g', 'enter')).toEqual([
      { type: 'open', screen: 'session', argument: { session: 'bob-1', number: null, hold: null } },
    ])
  })

  it('ends it after a question, only while it is open and live', () => {
    const [effect] = effectsOf(scene(), 'x')
    expect(confirmed(effect)).toMatchObject([
      { type: 'request', request: { type: 'kill-session', session: 'erin-1' } },
    ])
    expect(effectsOf(scene(), 'g', 'x')).toMatchObject([
      { type: 'say', text: '#1 (bob@example.org) has ended already' },
    ])
    expect(effectsOf(scene({ source: 'recording' }), 'x')).toMatchObject([
      { type: 'say', text: 'There is no connection to close: this is a recording' },
    ])
    expect(effectsOf(scene({ store: new SessionStore() }), 'x')).toMatchObject([{ type: 'say' }])
  })

  it('writes it as a recording that reads back', () => {
    const [effect] = effectsOf(scene(), 'g', 'w')
    expect(effect).toMatchObject({ type: 'save', name: 'session-1.jsonl', what: 'session #1' })
    if (effect?.type !== 'save') throw new Error('nothing was saved')
    const reader = new RecordingReader()
    const items = [...reader.push(effect.octets), ...reader.end()]
    const events = items.flatMap((item) => (item.type === 'event' ? [item.event.content.type] : []))
    expect(items[0]?.type).toBe('header')
    expect(events).toEqual(
      scene()
        .store.get('bob-1')
        ?.events.map(({ content }) => content.type),
    )
    expect(items.filter(({ type }) => type === 'problem')).toEqual([])
  })

  it('writes all that are marked', () => {
    const effect = effectsOf(scene(), 'g', 'm', 'm', 'm', 'w').at(-1)
    expect(effect).toMatchObject({ name: 'sessions-1-and-2-more.jsonl', what: '3 sessions' })
  })

  it('copies the row with all its columns', () => {
    const [effect] = effectsOf(scene(), 'g', 'y')
    expect(effect).toEqual({
      type: 'copy',
      what: 'row of #1',
      text: '1  11:50:00  10.0.5.31:51000  bob@example.org  pop.example.org:995  S1.2/1.3  END  1  96  43.6k  QUIT  0.0s  -  -',
    })
  })

  it("asks for a breakpoint, with the session's user in the filter, quotes and all", () => {
    const store = storeOf(aliceSession('q', 'o"brien\\'))
    const [question] = effectsOf(scene({ store }), 'b')
    const filter = 'user == "o\\"brien\\\\"'
    expect(question).toMatchObject({ type: 'ask', initial: filter })
    const [terms] = answered(question)
    expect(answered(terms, 'reply message 30')).toMatchObject([
      {
        type: 'request',
        request: {
          type: 'set-breakpoint',
          breakpoint: null,
          filter,
          kinds: ['reply', 'message'],
          holdMs: 30_000,
          isOn: true,
        },
      },
    ])
    expect(effectsOf(scene({ store, source: 'recording' }), 'b')).toMatchObject([{ type: 'say' }])
  })
})

describe('hostile text', () => {
  const template = aliceSession('h', FIELD).events

  it.each([SMALL, LARGE])('stays in the cells of its field', (size) => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const [hostile, harmless] = [text, harmlessTwin(text)].map((field) => {
          const store = storeOf()
          for (const event of withField(template, field)) store.add(event)
          return render(scene({ store, size }))
        })
        expect(escapes(hostile ?? [], harmless ?? [])).toEqual([])
      }),
      { numRuns: 150 },
    )
  })
})

describe('five thousand sessions', () => {
  const filter = parseFilter('user.startsWith("a") && errors > 0')

  it.each([
    ['as they came', 'constant', OPENED.sort, null],
    ['sorted by what changes', 'constant', { column: 'to-client', isReversed: true }, null],
    // The filter's answers, which it remembers, are gone through.
    ['filtered', 'linear', OPENED.sort, filter],
  ] as const)(
    'answer a key at the cost of a few hundred while they change, %s',
    (_, growth, sort, wanted) => {
      expectGrowth(growth, { from: 312 }, (sessions) => frames(sessions, { filter: wanted }, sort))
    },
  )

  it('are asked of a filter where they have changed, and no more', () => {
    let asked = 0
    const counting: Filter = {
      ...filter,
      matches: (...question) => {
        asked += 1
        return filter.matches(...question)
      },
    }
    const frame = frames(5_000, { filter: counting }, OPENED.sort)
    expect(asked).toBe(5_000)
    frame()
    expect(asked).toBeGreaterThan(5_000)
    expect(asked).toBeLessThanOrEqual(5_000 + EVENTS_A_FRAME)
  })

  /** At 500 events a second and 15 frames. */
  const EVENTS_A_FRAME = 33

  /** Sessions of which some change from each frame to the next, in each of which a key is pressed. */
  function frames(
    sessions: number,
    given: Partial<ScreenContext>,
    sort: SessionsState['sort'],
  ): () => readonly Row[] {
    const store = new SessionStore()
    for (let index = 0; index < sessions; index += 1) loggedIn(`s${index}`, START + index).into(store)
    let context = scene({ ...given, store, size: LARGE })
    let state: SessionsState = settled(context, { ...OPENED, sort })
    let round = 0
    return () => {
      round += 1
      for (let event = 0; event < EVENTS_A_FRAME; event += 1) {
        const session = `s${(round * 997 + event * 131) % sessions}`
        store.add({ at: NOW, session, content: { type: 'unsolicited', octets: 7 } })
      }
      context = { ...context, now: context.now + 67 }
      state = press(context, state, round % 2 === 0 ? 'j' : 'C-b')
      return sessionsScreen.view(state, context)
    }
  }
})
