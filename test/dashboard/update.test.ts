import { describe, expect, it } from 'vitest'
import { FRAME_BINDINGS } from '../../src/dashboard/bindings.js'
import { COMMANDS } from '../../src/dashboard/commands.js'
import { topContext, topScreen } from '../../src/dashboard/model.js'
import type { Screens } from '../../src/dashboard/open-screen.js'
import { SCREENS } from '../../src/dashboard/screens.js'
import { WAITING_EVENTS } from '../../src/dashboard/update-source.js'
import type { TraceEvent } from '../../src/trace/event.js'
import { RuleHitCounter } from '../../src/trace/rule-hits.js'
import type { Breakpoint, HeldSummary } from '../../src/watch/protocol.js'
import { HIT } from '../sessions/script.js'
import { screenContext } from '../support/screen-rendering.js'
import { fakeScreens } from './support/fake-screens.js'
import { FrameModel, keyInput, START } from './support/frame-model.js'

function opened(session: string): TraceEvent {
  return {
    at: START,
    session,
    content: {
      type: 'session-opened',
      service: 'mail',
      listener: '127.0.0.1:1110',
      client: '127.0.0.1:51000',
      server: 'pop.example.org:995',
    },
  }
}

function held(hold: string): HeldSummary {
  return {
    hold,
    session: 's1',
    kind: 'message',
    number: 3,
    verb: 'RETR',
    shown: 'RETR 3',
    breakpoint: 'b1',
    heldAt: START,
    releaseAt: START + 60_000,
    isCommitted: false,
    editableOctets: 100,
  }
}

const BREAKPOINT: Breakpoint = {
  id: 'b1',
  filter: 'command == "RETR"',
  kinds: ['message'],
  isOn: true,
  holdMs: 60_000,
  hits: 0,
  lastHitAt: null,
}

describe('keys', () => {
  it('of the frame and of every screen are dispatched, each one that help lists', () => {
    for (const [id, kind] of fakeScreens()) {
      for (const key of kind.keys.flatMap(({ keys }) => keys)) {
        const top = topScreen(FrameModel.greeted({ screens: new Map([['sessions', { ...kind, id }]]) }).model)
        expect(top?.press(key, screenContext()), `${id} ${key}`).not.toBeNull()
      }
    }
    // A key that nothing is bound to leaves the state as it is, but for the time.
    for (const { keys, action } of FRAME_BINDINGS) {
      for (const key of keys) {
        const frame = FrameModel.greeted().press('enter')
        frame.model = { ...frame.model, search: 'first', note: null }
        const before = { ...frame.model, now: 0, typedAt: [] }
        const effects = frame.effects.length
        frame.press(key)
        const after = { ...frame.model, now: 0, typedAt: [] }
        const isDifferent = frame.effects.length > effects || JSON.stringify(after) !== JSON.stringify(before)
        expect(isDifferent || stacks(after) !== stacks(before), `${key} ${action.type}`).toBe(true)
      }
    }
  })

  it('of no screen are taken by the frame', () => {
    const ofFrame = new Set(FRAME_BINDINGS.flatMap(({ keys }) => keys))
    const taken = [...SCREENS].flatMap(([id, { keys }]) =>
      keys.flatMap((binding) => binding.keys.filter((key) => ofFrame.has(key)).map((key) => `${id}: ${key}`)),
    )
    expect(taken).toEqual([])
  })

  it('have one meaning each in the frame and in every screen', () => {
    for (const { id, keys } of [{ id: 'frame', keys: FRAME_BINDINGS }, ...SCREENS.values()]) {
      const all = keys.flatMap((binding) => binding.keys)
      expect(all.length, id).toBe(new Set(all).size)
    }
  })

  it('of the frame have a command each that does the same', () => {
    const names = new Set(COMMANDS.flatMap((command) => command.names))
    for (const { command } of FRAME_BINDINGS) if (command !== '') expect(names, command).toContain(command)
  })
})

function stacks(model: {
  readonly stacks: ReadonlyMap<string, readonly unknown[]>
  readonly tab: string
}): string {
  return `${model.tab} ${[...model.stacks].map(([tab, stack]) => `${tab}:${stack.length}`).join(' ')}`
}

describe('screens', () => {
  it('open on Enter, go back on Esc, and are where they were', () => {
    const frame = FrameModel.greeted().press('j', 'enter')
    expect(topScreen(frame.model)?.id).toBe('session')
    expect(frame.lines()[1]).toMatch(/Session\/2$/)
    frame.press('escape')
    expect(frame.lines()[4]).toBe('> second')
  })

  it('stay open on their tab; the same number again goes back to its start', () => {
    const frame = FrameModel.greeted().press('enter', '6')
    expect(topScreen(frame.model)?.id).toBe('log')
    frame.press('1')
    expect(topScreen(frame.model)?.id).toBe('session')
    frame.press('1')
    expect(topScreen(frame.model)?.id).toBe('sessions')
  })

  it('that are not there are said to be missing', () => {
    const frame = FrameModel.greeted({ screens: new Map([...fakeScreens()].slice(0, 1)) }).press('enter')
    expect(frame.status()).toBe('there is no screen for session')
  })

  it('get the wheel as cursor keys, and the tab line takes clicks', () => {
    const frame = FrameModel.greeted().burst([{ type: 'wheel', direction: 1 }])
    expect(frame.lines()[5]).toBe('> third')
    frame.burst([{ type: 'click', column: frame.lines()[1]?.indexOf('6 Log') ?? 0, row: 1 }])
    expect(topScreen(frame.model)?.id).toBe('log')
    frame.burst([{ type: 'click', column: 1, row: 7 }])
    expect(topScreen(frame.model)?.id).toBe('log')
  })
})

describe('search', () => {
  it('goes to the next match, n on, N back, and says when there is none', () => {
    const frame = FrameModel.greeted().press('/').type('ir').press('enter')
    expect(frame.lines()[5]).toBe('> third')
    frame.press('n')
    expect(frame.lines()[3]).toBe('> first')
    frame.press('S-n')
    expect(frame.lines()[5]).toBe('> third')
    frame.press('/').type('nowhere').press('enter')
    expect(frame.status()).toBe('"nowhere" is nowhere on this screen')
  })

  it('is cleared by Esc before the filter is', () => {
    const frame = FrameModel.greeted().press('f').type('alice').press('enter', '/').type('x').press('enter')
    frame.press('escape')
    expect(frame.model.search).toBe('')
    expect(frame.model.filter?.text).toBe('alice')
    frame.press('escape')
    expect(frame.model.filter).toBeNull()
  })
})

describe('the filter prompt', () => {
  it('shows what is wrong and where while it is typed, and the filter before stays', () => {
    const frame = FrameModel.greeted().press('f').type('errors > 0').press('enter')
    expect(frame.model.filter?.text).toBe('errors > 0')
    frame.press('f', 'C-u').type('errors > "x"')
    expect(frame.lines().at(-1)).toMatch(/^ column \d+: /)
    frame.press('enter')
    expect(frame.model.prompt).not.toBeNull()
    expect(frame.model.filter?.text).toBe('errors > 0')
    frame.press('escape')
    expect(frame.lines()[2]).toContain('filter: errors > 0')
  })

  it('shows everything again for an empty line', () => {
    const frame = FrameModel.greeted().press('f').type('alice').press('enter', 'f', 'C-u', 'enter')
    expect(frame.model.filter).toBeNull()
    expect(frame.status()).toBe('the filter is off: everything is shown')
  })

  it('completes fields by Tab and remembers lines', () => {
    const frame = FrameModel.greeted().press('f').type('comman').press('tab')
    expect(frame.model.prompt?.line.text).toMatch(/^command/)
    frame.press('escape', 'f').type('alice').press('enter', 'f', 'C-u', 'up')
    expect(frame.model.prompt?.line.text).toBe('alice')
    frame.press('down')
    expect(frame.model.prompt?.line.text).toBe('')
  })
})

describe('a paste', () => {
  const hostile = [...'dyqx1'].map(keyInput)

  it('into a list does nothing, and is said', () => {
    const frame = FrameModel.greeted().burst(hostile)
    expect(frame.model.prompt).toBeNull()
    expect(frame.effects).toEqual([])
    expect(frame.status()).toMatch(/looked like a paste/)
  })

  it('that comes in pieces is known by its pace', () => {
    const frame = FrameModel.greeted()
    for (const key of ['j', 'k', 'j', 'k', 'd']) {
      frame.now += 5
      frame.burst([keyInput(key)])
    }
    expect(frame.model.prompt).toBeNull()
  })

  it('is no burst of cursor keys, and no key that is held down', () => {
    const down = FrameModel.greeted().burst(Array.from({ length: 8 }, () => keyInput('down')))
    expect(down.lines()[5]).toBe('> third')
    const held = FrameModel.greeted().burst(Array.from({ length: 8 }, () => keyInput('j')))
    expect(held.lines()[5]).toBe('> third')
  })

  it('that opens a line is typed into it, and its Enter is for the person', () => {
    const frame = FrameModel.greeted().burst([
      ...[...':quit'].map(keyInput),
      keyInput('enter'),
      keyInput('y'),
    ])
    expect(frame.model.prompt?.line.text).toBe('quit')
    expect(frame.effects).toEqual([])
    expect(frame.press('enter').effects).toEqual([{ type: 'leave' }])
  })

  it('is no line that is typed fast, nor the key behind it', () => {
    const frame = FrameModel.greeted().press('/')
    frame
      .burst([...'third'].map(keyInput))
      .burst([keyInput('enter')])
      .burst([keyInput('k')])
    expect(frame.lines()[4]).toBe('> second')
  })

  it('marked as one does nothing in a list, and is text in a prompt', () => {
    const frame = FrameModel.greeted().burst([{ type: 'paste', text: 'q' }])
    expect(frame.effects).toEqual([])
    frame.press('f').burst([{ type: 'paste', text: 'user ==\n"bob"' }])
    expect(frame.model.prompt?.line.text).toBe('user == "bob"')
  })

  it('does not answer the question that it opened', () => {
    const frame = FrameModel.greeted().burst(['d', 'y'].map(keyInput))
    expect(frame.model.prompt?.kind).toBe('confirm')
    expect(frame.requests()).toEqual([])
    frame.press('y')
    expect(frame.requests()).toMatchObject([{ type: 'drop', hold: 'h1' }])
  })
})

describe('requests', () => {
  it('are said to be done, or why not', () => {
    const frame = FrameModel.greeted().press('d', 'y')
    const id = frame.requests().map((request) => ('id' in request ? request.id : ''))[0] ?? ''
    frame.say({ type: 'done', id, problem: null })
    expect(frame.status()).toBe('dropped')
    frame.press('d', 'y')
    frame.say({ type: 'done', id: 'w2', problem: 'it went on a moment ago' })
    expect(frame.status()).toBe('it went on a moment ago')
  })

  it('are not sent for n, nor in a recording, nor after the proxy ended', () => {
    expect(FrameModel.greeted().press('d', 'n').requests()).toEqual([])
    const recording = FrameModel.greeted({ source: 'recording' }).press('d', 'y')
    expect(recording.requests()).toEqual([])
    expect(recording.status()).toBe('a recording can be read, not changed')
    const frame = FrameModel.greeted()
    frame.take({ type: 'closed', problem: null })
    expect(frame.press('d', 'y').requests()).toEqual([])
    expect(frame.status()).toBe('the proxy has ended')
  })

  it('fetch what is held, have it edited and send what changed', () => {
    const frame = FrameModel.greeted().press('e')
    expect(frame.requests()).toEqual([{ type: 'fetch-held', id: 'w1', hold: 'h1' }])
    frame.say({ type: 'held-octets', id: 'w1', octets: Buffer.from('Subject: a\r\n') })
    expect(frame.effects.at(-1)).toEqual({
      type: 'edit',
      purpose: 'edit',
      hold: 'h1',
      octets: Buffer.from('Subject: a\r\n'),
    })
    frame.take({ type: 'edited', purpose: 'edit', hold: 'h1', octets: Buffer.from('Subject: b\r\n') })
    expect(frame.requests().at(-1)).toEqual({
      type: 'edit',
      id: 'w2',
      hold: 'h1',
      octets: Buffer.from('Subject: b\r\n'),
    })
    frame.take({ type: 'edited', purpose: 'edit', hold: 'h1', octets: null })
    expect(frame.requests()).toHaveLength(2)
    expect(frame.status()).toMatch(/^nothing was changed/)
  })
})

describe('commands', () => {
  function run(line: string, frame = FrameModel.greeted()): FrameModel {
    return frame.press(':').type(line).press('enter')
  }

  it('do what keys do, those of the screen by their labels too', () => {
    expect(topScreen(run('log').model)?.id).toBe('log')
    expect(run('follow').lines()[2]).toMatch(/FOLLOW$/)
    expect(run('mouse on').model.isMouseOn).toBe(true)
    expect(run('help').model.help).not.toBeNull()
    expect(run('filter alice').model.filter?.text).toBe('alice')
  })

  it('set a breakpoint of the kind that follows from its filter', () => {
    const kinds = (line: string) =>
      run(line)
        .requests()
        .map((request) => request.type === 'set-breakpoint' && request.kinds)
    expect(kinds('break command == "RETR"')).toEqual([['command']])
    expect(kinds('break subject.contains("invoice")')).toEqual([['message']])
    expect(kinds('break indicator == "-ERR"')).toEqual([['reply']])
    expect(kinds('break reply, message: user == "bob"')).toEqual([['reply', 'message']])
    expect(run('break user ==').status()).toMatch(/^column \d+: /)
    expect(run('break').status()).toMatch(/^what is to be held/)
  })

  it('release what is held, one by one or all', () => {
    const frame = FrameModel.greeted()
    expect(run('release', frame).status()).toBe('nothing is held')
    frame.say({ type: 'held', items: [held('h1')] })
    expect(run('release', frame).requests()).toMatchObject([{ type: 'release', hold: 'h1' }])
    frame.say({ type: 'held', items: [held('h1'), held('h2')] })
    expect(run('release', frame).status()).toBe('which one? Select it on screen 4')
    expect(run('release all', frame).requests().slice(1)).toMatchObject([{ hold: 'h1' }, { hold: 'h2' }])
  })

  it('write the sessions that the filter shows', () => {
    const frame = FrameModel.greeted()
    frame.say({ type: 'events', events: [opened('s1'), opened('s2')], dropped: 0 })
    run('write /tmp/x.jsonl', frame)
    expect(frame.effects.at(-1)).toMatchObject({
      type: 'write-file',
      name: '/tmp/x.jsonl',
      what: '2 sessions',
    })
    expect(run('write', frame).status()).toBe('into which file? :write FILE')
  })

  it('that nobody knows are answered with those that are near', () => {
    expect(run('filtr x').status()).toBe('no command filtr; did you mean filter?')
    expect(run('zzz').status()).toBe('no command zzz; ? lists them')
  })

  it('are completed by Tab, with what may stand behind them', () => {
    const frame = FrameModel.greeted().press(':').type('fil').press('tab')
    expect(frame.model.prompt?.line.text).toBe('filter')
    frame.press('C-u').type('mouse o').press('tab')
    expect(frame.lines().at(-1)).toBe(' on  off')
  })
})

describe('the display', () => {
  it('hears of the rules in force and of their hits', () => {
    const frame = FrameModel.greeted()
    const refusal = { at: 1, lines: ['a.yaml:1: expected rules'] }
    frame.say({ type: 'rules', rules: [], refusal })
    expect(frame.model.rules).toEqual({ rules: [], refusal })
    const counter = new RuleHitCounter()
    counter.add({ at: 1, session: 's1', content: HIT })
    frame.say({ type: 'rule-hits', hits: counter.counts }, { type: 'rules', rules: [], refusal: null })
    expect(frame.model.rules.refusal).toBeNull()
    expect(topContext(frame.model).ruleHits).toEqual(counter.counts)
  })

  it('counts the hits of a recording itself, since no proxy does', () => {
    const frame = FrameModel.greeted({ source: 'recording' })
    frame.say({ type: 'events', events: [{ at: 1, session: 's1', content: HIT }], dropped: 0 })
    expect(topContext(frame.model).ruleHits).toMatchObject([{ rule: HIT.rule, hits: 1 }])
  })

  it('stands still for p: events wait, are counted, and come at its end', () => {
    const frame = FrameModel.greeted().press('p')
    frame.say({ type: 'events', events: [opened('s1')], dropped: 3 })
    expect(frame.model.store.sessions).toHaveLength(0)
    expect(frame.lines()[2]).toContain('PAUSED(4 wait)')
    frame.press('p')
    expect(frame.model.store.sessions).toHaveLength(1)
    expect(frame.lines()[0]).toContain('3 dropped')
  })

  it('waits with so many events and no more; the others are counted', () => {
    const frame = FrameModel.greeted().press('p')
    const events = Array.from({ length: WAITING_EVENTS + 7 }, (_, index) => opened(`s${index}`))
    frame.say({ type: 'events', events, dropped: 0 })
    expect(frame.model.paused?.events).toHaveLength(WAITING_EVENTS)
    expect(frame.model.paused?.missed).toBe(7)
  })

  it('shows that breakpoints catch, and what is held with its time', () => {
    const frame = FrameModel.greeted()
    frame.say({ type: 'breakpoints', breakpoints: [BREAKPOINT] }, { type: 'held', items: [held('h1')] })
    expect(frame.lines()[2]).toContain('CATCH(1)')
    expect(frame.lines()[1]).toContain('4 Held(1)')
    expect(frame.status()).toMatch(/RETR 3 is held, goes on by itself in 60s/)
  })

  it('says for ten seconds what happened', () => {
    const frame = FrameModel.greeted().press('n')
    expect(frame.status()).toMatch(/nothing is searched/)
    frame.now += 10_001
    frame.take({ type: 'tick' })
    expect(frame.status()).toBe('')
  })
})

describe('leaving', () => {
  it('asks where sessions are open, and says that the proxy goes on', () => {
    const frame = FrameModel.greeted()
    frame.say({ type: 'events', events: [opened('s1')], dropped: 0 })
    frame.press('q')
    expect(frame.status()).toBe('1 session is open. Leave the dashboard? The proxy goes on. (y/n)')
    frame.press('n')
    expect(frame.effects).toEqual([])
    frame.press('q', 'y')
    expect(frame.effects).toEqual([{ type: 'leave' }])
  })

  it('asks nothing where nothing is open, in a recording, and after the proxy ended', () => {
    expect(FrameModel.greeted().press('q').effects).toEqual([{ type: 'leave' }])
    const recording = FrameModel.greeted({ source: 'recording' })
    recording.say({ type: 'events', events: [opened('s1')], dropped: 0 })
    expect(recording.press('q').effects).toEqual([{ type: 'leave' }])
  })

  it('goes back first where a screen is open on another', () => {
    const frame = FrameModel.greeted().press('enter', 'q')
    expect(frame.effects).toEqual([])
    expect(topScreen(frame.model)?.id).toBe('sessions')
  })

  it('ends the proxy where this is its face, after a question', () => {
    const frame = FrameModel.greeted({ isFace: true }).press('q')
    expect(frame.status()).toBe('End the proxy? (y/n)')
    frame.press('y')
    expect(frame.effects.map(({ type }) => type)).toEqual(['request', 'leave'])
    expect(frame.requests()).toMatchObject([{ type: 'end-proxy' }])
  })

  it('takes Ctrl-C twice within two seconds', () => {
    const frame = FrameModel.greeted().press('C-c')
    expect(frame.effects).toEqual([])
    frame.now += 5_000
    frame.press('C-c')
    expect(frame.effects).toEqual([])
    frame.press('C-c')
    expect(frame.effects).toEqual([{ type: 'leave' }])
  })

  it('is not what Ctrl-Z does where this is the face of a proxy, which would stop with it', () => {
    expect(FrameModel.greeted().press('C-z').effects).toEqual([{ type: 'suspend' }])
    expect(FrameModel.greeted({ isFace: true }).press('C-z').effects).toEqual([])
  })
})

describe('registry', () => {
  it('has every screen that a tab or another screen opens', () => {
    const all: Screens = SCREENS
    expect([...all.keys()].sort()).toEqual(
      [
        'held',
        'held-item',
        'log',
        'message',
        'messages',
        'rules',
        'session',
        'sessions',
        'statistics',
      ].sort(),
    )
  })
})
