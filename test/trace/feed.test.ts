import { describe, expect, it } from 'vitest'
import type { TraceEvent } from '../../src/trace/event.js'
import { FEED_CAPACITY, Feed } from '../../src/trace/feed.js'

function event(at: number): TraceEvent {
  return { at, session: 's', content: { type: 'server-connected' } }
}

/** Publishes events with ascending times from `from` on. */
function publish(feed: Feed, count: number, from = 0): void {
  for (let index = 0; index < count; index += 1) feed.publish(event(from + index))
}

const ignore = (): void => {}

describe('a watcher', () => {
  it('gets every event in order up to its capacity', () => {
    const feed = new Feed()
    const watcher = feed.subscribe(ignore, { capacity: 4 })
    publish(feed, 4)
    expect(watcher.take()).toEqual({ events: [0, 1, 2, 3].map(event), dropped: 0 })
    expect(watcher.take()).toEqual({ events: [], dropped: 0 })
  })

  it('loses the older half one past its capacity, and is told how many', () => {
    const feed = new Feed()
    const watcher = feed.subscribe(ignore, { capacity: 4 })
    publish(feed, 5)
    expect(watcher.take()).toEqual({ events: [2, 3, 4].map(event), dropped: 2 })
    publish(feed, 1, 5)
    expect(watcher.take()).toEqual({ events: [event(5)], dropped: 0 })
  })

  it.each([1, 2, 3, 4, 7, 64])(
    'never holds more than a capacity of %i, and every event is got or counted',
    (capacity) => {
      const feed = new Feed()
      const watcher = feed.subscribe(ignore, { capacity: capacity })
      for (const count of [1, capacity, capacity + 1, capacity * 3, 1_000]) {
        publish(feed, count)
        const { events, dropped } = watcher.take()
        expect(events.length).toBeLessThanOrEqual(capacity)
        expect(events.length + dropped).toBe(count)
        expect(events.at(-1)).toEqual(event(count - 1))
      }
    },
  )

  it('has a bound where none is named', () => {
    const feed = new Feed()
    const watcher = feed.subscribe(ignore)
    publish(feed, FEED_CAPACITY)
    expect(watcher.take()).toMatchObject({ dropped: 0 })
    publish(feed, FEED_CAPACITY + 1)
    expect(watcher.take()).toMatchObject({ dropped: FEED_CAPACITY / 2 })
  })

  it('is woken once for all that waits, and again only after it took', () => {
    const feed = new Feed()
    let woken = 0
    const watcher = feed.subscribe(
      () => {
        woken += 1
      },
      { capacity: 4 },
    )
    expect(woken).toBe(0)
    publish(feed, 4)
    expect(woken).toBe(1)
    // Overrun, halved and filled again: still nobody took.
    publish(feed, 40)
    expect(woken).toBe(1)
    watcher.take()
    publish(feed, 1)
    expect(woken).toBe(2)
  })

  it.each([1, 2])('with a capacity of %i is not woken again by being overrun', (capacity) => {
    const feed = new Feed()
    let woken = 0
    feed.subscribe(
      () => {
        woken += 1
      },
      { capacity: capacity },
    )
    publish(feed, 10)
    expect(woken).toBe(1)
  })

  it('may take within its being woken', () => {
    const feed = new Feed()
    const seen: number[] = []
    const watcher = feed.subscribe(() => seen.push(...watcher.take().events.map(({ at }) => at)), {
      capacity: 2,
    })
    publish(feed, 5)
    expect(seen).toEqual([0, 1, 2, 3, 4])
  })

  it('gets nothing after it cancelled', () => {
    const feed = new Feed()
    let woken = 0
    const watcher = feed.subscribe(() => {
      woken += 1
    })
    publish(feed, 1)
    watcher.cancel()
    publish(feed, 1)
    expect(watcher.take()).toEqual({ events: [], dropped: 0 })
    expect(woken).toBe(1)
    expect(feed.isWatched).toBe(false)
    watcher.cancel()
  })
})

describe('two watchers', () => {
  it('know nothing of each other', () => {
    const feed = new Feed()
    const slow = feed.subscribe(ignore, { capacity: 2 })
    const fast = feed.subscribe(ignore, { capacity: 2 })
    const got: number[] = []
    for (let at = 0; at < 10; at += 1) {
      feed.publish(event(at))
      got.push(...fast.take().events.map((taken) => taken.at))
    }
    expect(got).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    const { events, dropped } = slow.take()
    expect(events.length + dropped).toBe(10)
    expect(dropped).toBeGreaterThan(0)
    slow.cancel()
    expect(feed.isWatched).toBe(true)
    publish(feed, 1)
    expect(fast.take().events).toEqual([event(0)])
  })

  it('may leave while they are told', () => {
    const feed = new Feed()
    const first = feed.subscribe(() => first.cancel())
    const second = feed.subscribe(ignore)
    publish(feed, 2)
    expect(second.take().events).toHaveLength(2)
    expect(first.take().events).toEqual([])
  })
})

describe('nobody', () => {
  it('watches a new feed, which takes events all the same', () => {
    const feed = new Feed()
    expect(feed.isWatched).toBe(false)
    publish(feed, 3)
    expect(feed.subscribe(ignore).take()).toEqual({ events: [], dropped: 0 })
  })
})

/** A piece of a message or listing. */
function content(octets: number, verb = 'RETR', session = 's', number = 1): TraceEvent {
  const wire = Buffer.alloc(octets, 'a')
  return { at: 0, session, content: { type: 'content', number, verb, source: 'server', wire } }
}

function octetsIn(events: readonly TraceEvent[]): number {
  return events.reduce((sum, { content: each }) => sum + (each.type === 'content' ? each.wire.length : 0), 0)
}

describe('a watcher of mail', () => {
  it('gets no mail unless it asks for it, but listings', () => {
    const feed = new Feed()
    const modest = feed.subscribe(ignore)
    const curious = feed.subscribe(ignore, { messageOctets: 1_000 })
    for (const verb of ['RETR', 'TOP', 'LIST', 'UIDL']) feed.publish(content(10, verb))
    expect(modest.take()).toEqual({ events: [content(10, 'LIST'), content(10, 'UIDL')], dropped: 0 })
    expect(curious.take().events).toHaveLength(4)
  })

  it('gets as many octets of each message as it asked for, whatever another one wants', () => {
    const feed = new Feed()
    feed.subscribe(ignore, { messageOctets: 1_000 })
    const watcher = feed.subscribe(ignore, { messageOctets: 25 })
    for (let piece = 0; piece < 5; piece += 1) {
      feed.publish(content(10, 'RETR', 'a', 1))
      feed.publish(content(10, 'RETR', 'b', 1))
    }
    feed.publish(content(10, 'RETR', 'a', 2))
    const { events, dropped } = watcher.take()
    expect(octetsIn(events.filter(({ session }) => session === 'b'))).toBe(25)
    expect(octetsIn(events.filter(({ session }) => session === 'a'))).toBe(25 + 10)
    // What it did not ask for was not dropped.
    expect(dropped).toBe(0)
  })

  it('never holds more octets than its bound, and every event is got or counted', () => {
    const feed = new Feed()
    const watcher = feed.subscribe(ignore, { octets: 1_000, messageOctets: 1e9 })
    for (let count = 0; count < 100; count += 1) feed.publish(content(99))
    const { events, dropped } = watcher.take()
    expect(octetsIn(events)).toBeLessThanOrEqual(1_000)
    expect(octetsIn(events)).toBeGreaterThan(0)
    expect(events.length + dropped).toBe(100)
  })

  it('loses content before anything else', () => {
    const feed = new Feed()
    const watcher = feed.subscribe(ignore, { octets: 1_000, messageOctets: 1e9 })
    publish(feed, 50)
    for (let count = 0; count < 30; count += 1) feed.publish(content(99))
    publish(feed, 50, 50)
    const { events, dropped } = watcher.take()
    expect(events.filter(({ content: { type } }) => type === 'server-connected')).toHaveLength(100)
    expect(dropped).toBeGreaterThan(0)
  })

  it('loses a piece that alone is over the bound', () => {
    const feed = new Feed()
    const watcher = feed.subscribe(ignore, { octets: 1_000, messageOctets: 1e9 })
    feed.publish(content(1_001))
    expect(watcher.take()).toEqual({ events: [], dropped: 1 })
  })
})

describe('the attention of a feed', () => {
  it('is one object that says what all watchers together want', () => {
    const feed = new Feed()
    const { attention } = feed
    expect(attention).toEqual({ isWatched: false, messageOctets: 0 })
    const first = feed.subscribe(ignore, { messageOctets: 10 })
    const second = feed.subscribe(ignore, { messageOctets: 30 })
    expect(attention).toEqual({ isWatched: true, messageOctets: 30 })
    first.wantMessages(50)
    expect(attention).toEqual({ isWatched: true, messageOctets: 50 })
    first.cancel()
    expect(attention).toEqual({ isWatched: true, messageOctets: 30 })
    second.cancel()
    expect(attention).toEqual({ isWatched: false, messageOctets: 0 })
    expect(feed.attention).toBe(attention)
  })
})
