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
    const watcher = feed.subscribe(ignore, 4)
    publish(feed, 4)
    expect(watcher.take()).toEqual({ events: [0, 1, 2, 3].map(event), dropped: 0 })
    expect(watcher.take()).toEqual({ events: [], dropped: 0 })
  })

  it('loses the older half one past its capacity, and is told how many', () => {
    const feed = new Feed()
    const watcher = feed.subscribe(ignore, 4)
    publish(feed, 5)
    expect(watcher.take()).toEqual({ events: [2, 3, 4].map(event), dropped: 2 })
    publish(feed, 1, 5)
    expect(watcher.take()).toEqual({ events: [event(5)], dropped: 0 })
  })

  it.each([1, 2, 3, 4, 7, 64])(
    'never holds more than a capacity of %i, and every event is got or counted',
    (capacity) => {
      const feed = new Feed()
      const watcher = feed.subscribe(ignore, capacity)
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
    const watcher = feed.subscribe(() => {
      woken += 1
    }, 4)
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
    feed.subscribe(() => {
      woken += 1
    }, capacity)
    publish(feed, 10)
    expect(woken).toBe(1)
  })

  it('may take within its being woken', () => {
    const feed = new Feed()
    const seen: number[] = []
    const watcher = feed.subscribe(() => seen.push(...watcher.take().events.map(({ at }) => at)), 2)
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
    const slow = feed.subscribe(ignore, 2)
    const fast = feed.subscribe(ignore, 2)
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
