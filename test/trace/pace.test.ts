import { describe, expect, it } from 'vitest'
import type { TraceContent, TraceEvent } from '../../src/trace/event.js'
import { Feed } from '../../src/trace/feed.js'
import { Pace } from '../../src/trace/pace.js'
import { ONE_OF_EACH } from './events.js'

const BURST = 20
const LIMITS = { eventsAtOnce: BURST, eventsPerSecond: 10, octetsAtOnce: 2_000, octetsPerSecond: 1_000 }
/** Nothing is told but trouble. */
const NOTHING = { eventsAtOnce: 0, eventsPerSecond: 0, octetsAtOnce: 0, octetsPerSecond: 0 }

function event(type: TraceContent['type'], session: string, at: number): TraceEvent {
  return { at, session, content: ONE_OF_EACH[type] }
}

/** So many commands of one session at one moment. */
function spend(pace: Pace, events: number, at: number): void {
  for (let count = 0; count < events; count += 1) pace.admit(event('command', 'busy', at), 0)
}

describe("a watcher's pace", () => {
  it('tells everything up to its burst, and leaves out whole sessions that begin beyond it', () => {
    const pace = new Pace(LIMITS)
    spend(pace, BURST - 1, 0)
    expect(pace.admit(event('session-opened', 'a', 0), 0)).toHaveLength(1)
    expect(pace.admit(event('session-opened', 'b', 0), 0)).toEqual([])
    expect(pace.admit(event('command', 'a', 0), 0)).toHaveLength(1)
    expect(pace.admit(event('command', 'b', 0), 0)).toEqual([])
    expect(pace.admit(event('session-closed', 'b', 0), 0)).toEqual([])
  })

  it('goes on once time has passed, with sessions that begin then', () => {
    const pace = new Pace(LIMITS)
    spend(pace, BURST, 0)
    expect(pace.admit(event('session-opened', 'a', 99), 0)).toEqual([])
    expect(pace.admit(event('session-opened', 'b', 200), 0)).toHaveLength(1)
    expect(pace.admit(event('command', 'a', 10_000), 0)).toEqual([])
  })

  it('tells a session after all in which something goes wrong, from its opening on', () => {
    const pace = new Pace(LIMITS)
    spend(pace, BURST, 0)
    const opening = event('session-opened', 'a', 0)
    pace.admit(opening, 0)
    const failure = event('failure', 'a', 0)
    expect(pace.admit(failure, 0)).toEqual([opening, failure])
    expect(pace.admit(event('session-closed', 'a', 0), 0)).toHaveLength(1)
  })

  it('asks for no detail while nothing more is told, and again when half a second is there', () => {
    const pace = new Pace(LIMITS)
    spend(pace, BURST, 0)
    expect(pace.tellsDetail).toBe(false)
    pace.admit(event('session-opened', 'a', 499), 0)
    expect(pace.tellsDetail).toBe(false)
    pace.admit(event('session-closed', 'z', 700), 0)
    expect(pace.tellsDetail).toBe(true)
  })

  it('has a bound for trouble too', () => {
    const pace = new Pace(LIMITS)
    spend(pace, BURST, 0)
    let told = 0
    for (let count = 0; count < 1_000; count += 1) {
      pace.admit(event('session-opened', `s${count}`, 0), 0)
      told += pace.admit(event('failure', `s${count}`, 0), 0).length
    }
    expect(told).toBeGreaterThanOrEqual(BURST)
    expect(told).toBeLessThanOrEqual(BURST + 2)
  })

  it('stops telling mail when its octets are spent, and begins again when a second has passed', () => {
    const pace = new Pace(LIMITS)
    pace.admit(event('content', 'a', 0), 1_999)
    expect(pace.tellsMail).toBe(true)
    pace.admit(event('content', 'a', 0), 1)
    expect(pace.tellsMail).toBe(false)
    pace.admit(event('command', 'a', 999), 0)
    expect(pace.tellsMail).toBe(false)
    pace.admit(event('command', 'a', 1_000), 0)
    expect(pace.tellsMail).toBe(true)
  })

  it('forgets the oldest of too many sessions that it left out', () => {
    const pace = new Pace(LIMITS)
    spend(pace, BURST, 0)
    for (let count = 0; count <= 10_000; count += 1) pace.admit(event('session-opened', `s${count}`, 0), 0)
    expect(pace.admit(event('failure', 's0', 0), 0)).toHaveLength(1)
    expect(pace.admit(event('failure', 's1', 0), 0)).toHaveLength(2)
  })
})

describe('a feed with a paced watcher', () => {
  it('asks sessions for no mail while the pace is exceeded, and counts what is not told', () => {
    const feed = new Feed()
    const subscription = feed.subscribe(() => {}, {
      messageOctets: 100,
      pace: { eventsAtOnce: 2, eventsPerSecond: 1, octetsAtOnce: 20, octetsPerSecond: 10 },
    })
    expect(feed.attention.messageOctets).toBe(100)
    const content = {
      type: 'content',
      number: 1,
      verb: 'RETR',
      source: 'server',
      wire: Buffer.alloc(30),
    } as const
    feed.publish({ at: 0, session: 'a', content })
    expect(feed.attention.messageOctets).toBe(0)
    feed.publish(event('session-opened', 'b', 0))
    feed.publish(event('session-opened', 'c', 0))
    expect(subscription.take()).toMatchObject({ events: [{ session: 'a' }, { session: 'b' }], dropped: 1 })
    feed.publish(event('session-opened', 'd', 5_000))
    expect(feed.attention.messageOctets).toBe(100)
  })

  it('wakes for a count alone', () => {
    const feed = new Feed()
    let woken = 0
    const subscription = feed.subscribe(
      () => {
        woken += 1
      },
      { pace: NOTHING },
    )
    feed.publish(event('session-opened', 'a', 0))
    expect(woken).toBe(1)
    expect(subscription.take()).toEqual({ events: [], dropped: 1 })
  })

  it('leaves other watchers everything', () => {
    const feed = new Feed()
    const recorder = feed.subscribe(() => {})
    feed.subscribe(() => {}, { pace: NOTHING })
    for (let count = 0; count < 100; count += 1) feed.publish(event('session-opened', `${count}`, 0))
    expect(recorder.take().events).toHaveLength(100)
  })
})
