import { describe, expect, it } from 'vitest'
import { selectionOf } from '../../src/dashboard/model.js'
import { SCREENS } from '../../src/dashboard/screens.js'
import type { FromWatcher } from '../../src/watch/protocol.js'
import { loggedIn, type Script, START } from '../sessions/script.js'
import { breakpoint, heldSummary } from './screens/scene.js'
import { FrameModel } from './support/frame-model.js'

/** Three open sessions that fetched a message each, in the list of a live proxy. */
function frame(size = { columns: 80, rows: 24 }): FrameModel {
  const made = FrameModel.greeted({ screens: SCREENS, size })
  const sessions = ['first', 'second', 'third'].map((id, index) => fetching(id, START + index * 1_000))
  const events = sessions.flatMap((script) => script.events)
  made.say({ type: 'events', events: events.toSorted((a, b) => a.at - b.at), dropped: 0 })
  return made
}

function fetching(id: string, at: number): Script {
  return loggedIn(id, at).exchange('RETR 1', '+OK', `Subject: ${id}\r\n\r\nHello\r\n`)
}

/** What a line of `:` asks of the proxy; its question is answered with yes. */
function asked(made: FrameModel, line: string): FromWatcher | undefined {
  made.press(':').type(line).press('enter')
  if (made.model.prompt?.kind === 'confirm') made.press('y')
  return made.requests().at(-1)
}

function pressed(made: FrameModel, ...keys: readonly string[]): FromWatcher | undefined {
  made.press(...keys)
  return made.requests().at(-1)
}

describe('what a command acts on', () => {
  it('is the session in sight after ] and [, whichever one was opened', () => {
    const made = frame().press('g', 'enter', ']')
    expect(asked(made, 'send NOOP')).toMatchObject({ type: 'send', session: 'second', line: 'NOOP' })
    expect(asked(made, 'kill')).toMatchObject({ type: 'kill-session', session: 'second' })
    made.press(']', '[', ']')
    expect(asked(made, 'kill')).toMatchObject({ type: 'kill-session', session: 'third' })
    made.press('[')
    expect(asked(made, 'send STAT')).toMatchObject({ type: 'send', session: 'second', line: 'STAT' })
  })

  it('is the same as what the keys of the screen act on', () => {
    const made = frame().press('g', 'enter', ']')
    expect(pressed(made, 's', 'N', 'enter')).toMatchObject({ type: 'send', session: 'second' })
    expect(pressed(made, 'x', 'y')).toMatchObject({ type: 'kill-session', session: 'second' })
  })

  it('is the session of the message in sight', () => {
    const made = frame().press('2', 'g', 'enter', ']')
    expect(asked(made, 'kill')).toMatchObject({ type: 'kill-session', session: 'second' })
    made.press('[')
    expect(asked(made, 'send NOOP')).toMatchObject({ type: 'send', session: 'first' })
  })

  it('is what is selected in each list, wherever a person has moved to', () => {
    const made = frame().press('g', 'j')
    expect(asked(made, 'kill')).toMatchObject({ session: 'second' })
    made.press('2', 'g')
    expect(asked(made, 'kill')).toMatchObject({ session: 'first' })
    const lines = ['first', 'third'].map((session) => JSON.stringify({ level: 30, time: START, session }))
    made.say({ type: 'log', lines, dropped: 0 })
    made.press('6', 'g')
    expect(asked(made, 'kill')).toMatchObject({ session: 'first' })
    made.press('j')
    expect(asked(made, 'kill')).toMatchObject({ session: 'third' })
  })

  it('is the held item that is selected or looked at, and no other once it is gone', () => {
    const made = frame()
    const items = ['h1', 'h2'].map((hold, index) =>
      heldSummary({ hold, session: 'second', heldAt: START + index, kind: 'command' }),
    )
    made.say({ type: 'breakpoints', breakpoints: [breakpoint()] }, { type: 'held', items })
    made.press('4', 'j')
    expect(asked(made, 'release')).toMatchObject({ type: 'release', hold: 'h2' })
    made.press('enter')
    expect(asked(made, 'kill')).toMatchObject({ type: 'kill-session', session: 'second' })
    made.say({ type: 'held', items: items.slice(0, 1) })
    expect(asked(made, 'release')).toMatchObject({ type: 'release', hold: 'h2' })
  })

  it('is nothing where nothing is selected', () => {
    const made = frame().press('5')
    const before = made.requests().length
    asked(made, 'kill')
    expect(made.requests()).toHaveLength(before)
    expect(made.status()).toContain('Select one first')
    expect(selectionOf(FrameModel.greeted({ screens: SCREENS }).model)).toEqual({
      session: null,
      number: null,
      hold: null,
    })
  })
})

describe('the crumbs', () => {
  it('name what is in sight, not what was opened', () => {
    const made = frame().press('g', 'enter')
    expect(made.lines()[1]).toMatch(/Session #1$/)
    expect(made.press(']').lines()[1]).toMatch(/Session #2$/)
    expect(made.press('[').lines()[1]).toMatch(/Session #1$/)
    expect(made.press('2', 'g', 'enter', ']').lines()[1]).toMatch(/Message #2\/\d+$/)
  })

  it('leave the tabs whole, however far one has gone', () => {
    const made = frame()
    made.say({ type: 'held', items: [heldSummary({ session: 'second' })] })
    made.press('4', 'enter')
    expect(made.lines()[1]).toMatch(/5 Stats {3}6 Log +#2\/8$/)
    made.press('enter')
    expect(made.lines()[1]).toMatch(/5 Stats {3}6 Log +Session #2$/)
    made.take({ type: 'resized', columns: 120, rows: 24 })
    expect(made.lines()[1]).toMatch(/6 Log +Held item #2\/8 › Session #2$/)
  })
})
