import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ScreenContext, ScreenEffect } from '../../../src/dashboard/screen-module.js'
import { type SessionState, sessionScreen } from '../../../src/dashboard/screens/session.js'
import { parseFilter } from '../../../src/expression/filter.js'
import { SessionStore } from '../../../src/sessions/store.js'
import { loggedIn, Script, START } from '../../sessions/script.js'
import { expectGrowth } from '../../support/growth.js'
import { LARGE, pressKeys, renderScreen, SMALL } from '../../support/screen-rendering.js'
import { expectGolden } from '../golden.js'
import { escapes, FIELD, harmlessTwin, hostileText, withField } from './hostile.js'
import { aliceSession, answered, confirmed, heldSummary, NOW, scene, storeOf } from './scene.js'

process.env.TZ = 'UTC'

function opened(context: ScreenContext, session = 'alice-1', number: number | null = null): SessionState {
  return sessionScreen.settle(sessionScreen.open({ session, number, hold: null }, context), context)
}

function press(context: ScreenContext, state: SessionState, ...keys: readonly string[]): SessionState {
  return sessionScreen.settle(pressKeys(sessionScreen, state, context, ...keys).state, context)
}

function effectsOf(
  context: ScreenContext,
  state: SessionState,
  ...keys: readonly string[]
): readonly ScreenEffect[] {
  return pressKeys(sessionScreen, state, context, ...keys).effects
}

function render(context: ScreenContext, state: SessionState): readonly string[] {
  return renderScreen(sessionScreen, state, context)
}

/** The dialogue's row in sight that holds a text. */
function rowWith(context: ScreenContext, state: SessionState, text: string): string {
  return render(context, state).find((line) => line.includes(text)) ?? ''
}

/** With the cursor on the first row that holds a text. */
function at(context: ScreenContext, state: SessionState, text: string): SessionState {
  const found = sessionScreen.find(press(context, state, 'g'), context, text, 1)
  if (found === null) throw new Error(`no row holds ${text}`)
  return sessionScreen.settle(found, context)
}

/** With 300 lines in its unique-id listing. */
function listing(): Script {
  const lines = Array.from({ length: 300 }, (_, index) => `${index + 1} uid-${index + 1}\r\n`).join('')
  return loggedIn('long').exchange('UIDL', '+OK', lines).exchange('NOOP')
}

describe('a session', () => {
  it.each([
    ['small', SMALL, 'alice-1', ['g']],
    ['small-end', SMALL, 'alice-1', []],
    ['large', LARGE, 'alice-1', ['l']],
    ['refused', SMALL, 'carol-1', []],
    ['certificate-expired', LARGE, 'nobody-1', []],
    ['tls', LARGE, 'dave-1', ['c']],
    ['hints', SMALL, 'alice-1', ['h', 'space']],
    ['short', { columns: 60, rows: 10 }, 'alice-1', []],
  ] as const)('looks as it did: %s', (name, size, session, keys) => {
    const context = scene({ size })
    expectGolden(`session-${name}`, render(context, press(context, opened(context, session), ...keys)))
  })

  it('draws something at every size', () => {
    for (const columns of [1, 2, 20, 59]) {
      for (const rows of [0, 1, 2, 5]) {
        const context = scene({ size: { columns, rows } })
        render(context, press(context, opened(context), 'l', 'space', 'c'))
      }
    }
  })

  it('says why there is none: dropped, or never told', () => {
    const store = new SessionStore({ sessions: 1, octets: 1 << 26 })
    aliceSession().into(store)
    loggedIn('next').quit().into(store)
    loggedIn('last').quit().into(store)
    const dropped = scene({ store })
    expect(render(dropped, opened(dropped, 'alice-1')).join('\n')).toMatchInlineSnapshot(`
      "
       The session alice-1 is not kept.
       It was dropped to stay within memory, like 2 in all: the oldest go first.

       Esc goes back."
    `)
    expect(render(scene(), opened(scene(), 'zoe')).join('\n')).toContain('Nothing was told of it here.')
  })

  it('tells a command of a person apart from the client’s, and what postern said itself from the server', () => {
    const script = loggedIn('two')
      .command('STAT', 'watcher')
      .reply('+OK 3 120')
      .exchange('XFOO', '-ERR no such command', null, { source: 'postern' })
    const context = scene({ store: storeOf(script) })
    const state = opened(context, 'two')
    expect(rowWith(context, state, 'STAT')).toContain('Y> STAT')
    expect(rowWith(context, state, 'no such command')).toContain('P* -ERR')
    expect(rowWith(context, state, '+OK 3 120')).toContain('S< +OK')
  })
})

describe('the dialogue', () => {
  it('opens at the end of what goes on and follows it, until a person goes up', () => {
    const script = loggedIn('live')
    const context = scene({ store: storeOf(script) })
    let state = opened(context, 'live')
    const last = (): string | undefined => state.items[state.position.selected]?.line.text
    expect(last()).toBe('logged in as alice with USER')
    const heard = script.events.length
    script.exchange('NOOP')
    for (const event of script.events.slice(heard)) context.store.add(event)
    state = sessionScreen.settle(state, context)
    expect(last()).toBe('+OK')
    state = press(context, state, 'k')
    script.exchange('STAT', '+OK 0 0')
    for (const event of script.events.slice(heard + 2)) context.store.add(event)
    state = sessionScreen.settle(state, context)
    expect(last()).toBe('NOOP')
    state = press(context, state, 'S-g')
    expect(sessionScreen.status(state, context)).toContain('FOLLOW')
  })

  it('opens what has ended at its beginning, and at a command where one is named', () => {
    const context = scene()
    expect(opened(context, 'bob-1').position.selected).toBe(0)
    const state = opened(context, 'alice-1', 6)
    expect(state.items[state.position.selected]?.line.text).toBe('RETR 2')
    expect(state.isFollowing).toBe(false)
  })

  it('folds a long listing to one row; Space and Enter unfold it, and fold it from within', () => {
    const context = scene({ store: storeOf(listing()), size: LARGE })
    const folded = at(context, opened(context, 'long'), '300 lines')
    expect(rowWith(context, folded, '300 lines')).toContain('[+300]')
    for (const key of ['space', 'enter']) {
      const unfolded = press(context, folded, key)
      expect(unfolded.items.length).toBe(folded.items.length + 300)
      expect(rowWith(context, unfolded, '300 lines')).toContain('[-]')
      expect(rowWith(context, unfolded, '7 uid-7')).not.toBe('')
      const within = press(context, unfolded, 'j', 'j', 'j', key)
      expect(within.items.length).toBe(folded.items.length)
      expect(within.items[within.position.selected]?.line.text).toBe('300 lines')
    }
  })

  it('unfolds a line that is longer than the screen is wide', () => {
    const words = Array.from({ length: 30 }, (_, index) => `word${index}`).join(' ')
    const context = scene({ store: storeOf(loggedIn('wide').exchange('NOOP', `+OK ${words}`)) })
    const folded = at(context, opened(context, 'wide'), 'word0')
    expect(render(context, folded).join('\n')).not.toContain('word29')
    const shown = render(context, press(context, folded, 'space')).join('\n')
    for (const word of words.split(' ')) expect(shown).toContain(word)
  })

  it('stays on its line while a line is added above it', () => {
    const script = loggedIn('hinted').exchange('STAT', '+OK 2 100').exchange('NOOP')
    const context = scene({ store: storeOf(script) })
    const before = at(context, opened(context, 'hinted'), 'NOOP')
    const heard = script.events.length
    // LIST disagrees with STAT: the hint goes behind STAT's reply or LIST's, wherever; NOOP stays selected.
    script.exchange('LIST', '+OK', '1 10\r\n2 20\r\n')
    for (const event of script.events.slice(heard)) context.store.add(event)
    const after = sessionScreen.settle(before, context)
    expect(after.items[after.position.selected]?.line.text).toBe('NOOP')
  })

  it('finds text in folded lines, and unfolds them', () => {
    const context = scene({ store: storeOf(listing()) })
    const state = press(context, opened(context, 'long'), 'g')
    const found = sessionScreen.find(state, context, 'UID-250', 1)
    expect(found?.items[found.position.selected]?.text.trim()).toBe('250 uid-250')
    const next = found === null ? null : sessionScreen.find(found, context, 'uid-25', 1)
    expect(next?.items[next.position.selected]?.text.trim()).toBe('251 uid-251')
    expect(sessionScreen.find(state, context, 'nowhere', 1)).toBeNull()
  })

  it('shows hints, anomalies and failures alone, and all again', () => {
    const context = scene()
    const all = opened(context)
    const hints = press(context, all, 'h')
    expect(hints.items.length).toBeGreaterThan(2)
    for (const { line } of hints.items) {
      expect(['anomaly', 'hint', 'failure'].includes(line.kind) || line.tone !== 'plain').toBe(true)
    }
    expect(sessionScreen.status(hints, context)).toContain('HINTS ONLY')
    expect(press(context, hints, 'h').items.length).toBe(all.items.length)
  })
})

describe('what a line leads to', () => {
  it('opens the message', () => {
    const context = scene()
    const state = at(context, opened(context), 'Invoice')
    expect(effectsOf(context, state, 'enter')).toEqual([
      { type: 'open', screen: 'message', argument: { session: 'alice-1', number: 6, hold: null } },
    ])
  })

  it('opens what is held there, as long as it waits', () => {
    const waiting = scene({ held: [heldSummary()] })
    expect(effectsOf(waiting, at(waiting, opened(waiting), 'message held'), 'enter')).toEqual([
      { type: 'open', screen: 'held-item', argument: { session: 'alice-1', number: 8, hold: 'h1' } },
    ])
  })

  it('says so where it leads nowhere', () => {
    const context = scene({ size: LARGE })
    const state = at(context, opened(context), 'STAT')
    expect(effectsOf(context, state, 'enter')).toMatchObject([{ type: 'say' }])
  })
})

describe('what can be done', () => {
  it('sends a command of a person’s own', () => {
    const context = scene()
    const [question] = effectsOf(context, opened(context), 's')
    expect(answered(question, 'STAT')).toMatchObject([
      { type: 'request', request: { type: 'send', session: 'alice-1', line: 'STAT' } },
    ])
    expect(answered(question, '  ')).toEqual([])
  })

  it('says why nothing can be sent: the session has ended, or is a recording', () => {
    const context = scene()
    expect(effectsOf(context, opened(context, 'bob-1'), 's')).toMatchObject([
      { text: '#1 (bob@example.org) has ended: no server listens' },
    ])
    const recording = scene({ source: 'recording' })
    expect(effectsOf(recording, opened(recording), 's')).toMatchObject([
      { text: 'There is no server to send a command to: this is a recording' },
    ])
  })

  it('ends the session after a question', () => {
    const context = scene()
    expect(confirmed(effectsOf(context, opened(context), 'x')[0])).toMatchObject([
      { request: { type: 'kill-session', session: 'alice-1' } },
    ])
  })

  it('copies a line with what it unfolds to, the dialogue, and both legs’ TLS', () => {
    const context = scene()
    const state = at(context, opened(context), 'Invoice')
    const [line] = effectsOf(context, state, 'y')
    expect(line).toMatchObject({ what: 'line' })
    expect(line?.type === 'copy' && line.text).toMatch(/^\+0\.046 +S< message 2.*\n +From: Joerg/)
    const [dialogue] = effectsOf(context, state, 'S-y')
    expect(dialogue?.type === 'copy' && dialogue.text.split('\n').length).toBeGreaterThan(28)
    const [tls] = effectsOf(context, state, 'c', 'y').slice(-1)
    expect(tls?.type === 'copy' && tls.text).toContain('TLSv1.3')
  })

  it('goes to the session before and behind, past those that the filter leaves out', () => {
    const context = scene()
    const ids = (state: SessionState): string | undefined => state.session?.id
    const alice = opened(context)
    expect(ids(press(context, alice, '['))).toBe('dave-1')
    expect(ids(press(context, alice, ']'))).toBe('poll-0')
    const filtered = scene({ filter: parseFilter('errors > 0') })
    expect(ids(press(filtered, opened(filtered), '['))).toBe('nobody-1')
    expect(effectsOf(filtered, opened(filtered), ']')).toMatchObject([
      { text: 'This is the last session that the filter finds' },
    ])
    expect(press(context, press(context, alice, 'h', 'l'), '[').showsRemarksOnly).toBe(true)
  })
})

describe('hostile text', () => {
  const template = new Script('h')
    .opened({ client: FIELD })
    .tls('server')
    // Whether a greeting has a timestamp for APOP decides a hint, and a text can look like one.
    .greeting(`+OK <1@h> ${FIELD}`)
    .login(FIELD)
    .exchange(`XFOO ${FIELD}`, `-ERR ${FIELD}`)
    .tell({
      type: 'failure',
      side: 'server',
      failure: { code: 'POSTERN_DEADLINE', isPermanent: false, text: FIELD, hint: FIELD },
    }).events

  /** A session with the field in every line that may have one, in a subject too. */
  function session(field: string): SessionStore {
    const store = storeOf()
    for (const event of withField(template, field)) store.add(event)
    // A longer encoded-word is left as it is.
    const subject = Buffer.from(field.slice(0, 40)).toString('base64')
    const message = new Script('h', START + 1_000)
    message.number = 20
    message.command('RETR 1').reply('+OK').piece(`Subject: =?utf-8?B?${subject}?=\r\n\r\n`).end(100)
    for (const event of message.events) store.add(event)
    return store
  }

  it.each([
    ['small', SMALL],
    ['large', LARGE],
  ] as const)('stays in the cells of its field: %s', (_, size) => {
    // Number, time and sender stand before a line's text; behind it its octets, which follow from it, and the mark of
    // what unfolds, at the end of the row where there are no octets.
    const columns = { from: 18, to: size.columns }
    fc.assert(
      fc.property(hostileText, (text) => {
        const [hostile, harmless] = [text, harmlessTwin(text)].map((field) => {
          const context = scene({ store: session(field), size })
          // The rows above the dialogue have fields in the middle of sentences.
          return render(context, press(context, opened(context, 'h'), 'g')).slice(6)
        })
        expect(escapes(hostile ?? [], harmless ?? [], columns)).toEqual([])
      }),
      { numRuns: 30, examples: [['<!@!>']] },
    )
  })

  it('stays harmless wherever it is unfolded or copied from', () => {
    fc.assert(
      fc.property(hostileText, fc.integer({ min: 20, max: 160 }), (text, columns) => {
        // No text of an event has more than 512 code points.
        const context = scene({ store: session(text.slice(0, 512)), size: { columns, rows: 60 } })
        let state = press(context, opened(context, 'h'), 'l')
        // From below, so that each line is unfolded once.
        while (state.position.selected > 0) state = press(context, state, 'space', 'k')
        // Throws for a row that is too wide, or whose text is not harmless.
        render(context, state)
        render(context, press(context, state, 'c'))
      }),
      { numRuns: 10 },
    )
  })
})

/** A session that has said NOOP until it had so many events. */
function busySession(events: number): SessionStore {
  const script = new Script('busy', START).opened()
  while (script.events.length < events) script.exchange('NOOP')
  return storeOf(script)
}

describe('a session of 20,000 events', () => {
  it('is read anew twice a second, not at every event', () => {
    const store = busySession(19_999)
    const busy = (ms: number): ScreenContext => scene({ store, now: NOW + ms })
    const before = opened(busy(0), 'busy')
    store.add({ at: NOW, session: 'busy', content: { type: 'unsolicited', octets: 3 } })
    expect(sessionScreen.settle(before, busy(499)).items.length).toBe(before.items.length)
    expect(sessionScreen.settle(before, busy(500)).items.length).toBe(before.items.length + 1)
  })

  it('answers a key at the cost of one that is not long', () => {
    expectGrowth('constant', { from: 1_250 }, (events) => {
      const context = scene({ store: busySession(events), size: LARGE, now: NOW })
      let state = opened(context, 'busy')
      let isUp = false
      return () => {
        isUp = !isUp
        state = press(context, state, isUp ? 'k' : 'C-b')
        return sessionScreen.view(state, context)
      }
    })
  })
})
