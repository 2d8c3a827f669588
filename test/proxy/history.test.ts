import { describe, expect, it } from 'vitest'
import { HISTORY_LIMITS, History, type HistoryLimits, type SessionHistory } from '../../src/proxy/history.js'
import type { TraceContent, TraceEvent } from '../../src/trace/event.js'
import { ONE_OF_EACH } from '../trace/events.js'

const SMALL: HistoryLimits = { eventsPerSession: 6, events: 20, closedSessions: 2, troubledSessions: 1 }

let at = 0

function event(session: string, content: TraceContent = { type: 'unsolicited', octets: 1 }): TraceEvent {
  at += 1
  return { at, session, content }
}

function session(history: History, name: string, contents: readonly TraceContent[]): SessionHistory {
  const kept = history.open()
  kept.add(event(name, ONE_OF_EACH['session-opened']))
  for (const content of contents) kept.add(event(name, content))
  return kept
}

function told(history: History): readonly (readonly string[])[] {
  return [...history.snapshot().events].map((events) =>
    events.map(({ session: name, content }) => `${name} ${content.type}`),
  )
}

const CLOSED = ONE_OF_EACH['session-closed']

describe('a history', () => {
  it('tells open and closed sessions in the order in which they began', () => {
    const history = new History()
    const first = session(history, 'a', [])
    session(history, 'b', [CLOSED])
    session(history, 'c', [])
    first.add(event('a', ONE_OF_EACH['logged-in']))
    expect(told(history)).toEqual([
      ['a session-opened', 'a logged-in'],
      ['b session-opened', 'b session-closed'],
      ['c session-opened'],
    ])
    expect(history.snapshot().dropped).toBe(0)
  })

  it('is a copy: what happens afterwards is not in it', () => {
    const history = new History()
    const kept = session(history, 'a', [])
    const snapshot = history.snapshot()
    kept.add(event('a'))
    expect([...snapshot.events].flat()).toHaveLength(1)
  })

  it('keeps the first and the last events of a long session, and counts the others', () => {
    const history = new History(SMALL)
    const kept = session(history, 'a', [])
    for (let octets = 1; octets <= 10; octets += 1) kept.add(event('a', { type: 'unsolicited', octets }))
    const [events = []] = [...history.snapshot().events]
    expect(events.map(({ content }) => ('octets' in content ? content.octets : content.type))).toEqual([
      'session-opened',
      1,
      2,
      8,
      9,
      10,
    ])
    expect(history.snapshot().dropped).toBe(5)
  })

  it('keeps the last closed sessions, and longer those in which something went wrong', () => {
    const history = new History(SMALL)
    session(history, 'trouble', [ONE_OF_EACH.failure, CLOSED])
    for (const name of ['a', 'b', 'c', 'd']) session(history, name, [CLOSED])
    expect(told(history).map(([first]) => first)).toEqual([
      'trouble session-opened',
      'c session-opened',
      'd session-opened',
    ])
    session(history, 'refused', [ONE_OF_EACH['login-refused'], CLOSED])
    expect(told(history).flat()).not.toContain('trouble session-opened')
    expect(told(history).flat()).toContain('refused session-opened')
  })

  it('never keeps more events than its bound, however many sessions are open', () => {
    const history = new History(SMALL)
    for (let number = 0; number < 50; number += 1) {
      session(history, `s${number}`, [ONE_OF_EACH.greeting, ...(number % 3 === 0 ? [CLOSED] : [])])
      const kept = [...history.snapshot().events].flat().length
      expect(kept).toBeLessThanOrEqual(SMALL.events)
      expect(history.events).toBe(kept)
    }
  })

  it('has room for the end of a session, even where all room is taken by open ones', () => {
    const history = new History(SMALL)
    const open = Array.from({ length: 20 }, (_, number) => session(history, `s${number}`, []))
    open[3]?.add(event('s3', ONE_OF_EACH.greeting))
    open[3]?.add(event('s3', CLOSED))
    expect(told(history).flat()).toContain('s3 session-closed')
    expect(history.events).toBe(SMALL.events)
  })

  it('keeps no octets: they would keep all alive that was read with them', () => {
    const history = new History(HISTORY_LIMITS)
    session(history, 'a', Object.values(ONE_OF_EACH))
    for (const { content } of [...history.snapshot().events].flat()) {
      expect(content.type).not.toBe('content')
      if ('wire' in content) expect(content.wire).toBeNull()
    }
  })
})
