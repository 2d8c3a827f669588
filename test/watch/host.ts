/** A proxy that is none, for tests of the control socket: what it tells is what a test puts into it. */

import type { TraceContent, TraceEvent } from '../../src/trace/event.js'
import { Feed } from '../../src/trace/feed.js'
import { RuleHitCounter } from '../../src/trace/rule-hits.js'
import { connectWatcher, type WatchConnection } from '../../src/watch/client.js'
import { LogRing } from '../../src/watch/log-ring.js'
import type { FromProxy } from '../../src/watch/protocol.js'
import type { WatchHost, WatchRequest } from '../../src/watch/server.js'
import { until } from '../support/tools.js'

export interface FakeHost extends WatchHost {
  /** May be replaced. */
  snapshot: WatchHost['snapshot']
  rules: WatchHost['rules']
  readonly ruleHits: RuleHitCounter
  /** What was asked for, in order. */
  readonly requests: readonly WatchRequest[]
  /** How often the process is measured at this moment. */
  readonly samplers: () => number
}

/** @param past what is told to whoever attaches */
export function fakeHost(
  past: readonly TraceEvent[] = [],
  perform: (request: WatchRequest) => Promise<string | null> = async () => null,
): FakeHost {
  const requests: WatchRequest[] = []
  let samplers = 0
  return {
    feed: new Feed(),
    log: new LogRing(),
    program: 'postern 1.2.3',
    startedAt: 1_000,
    addresses: [{ service: 'default', url: 'pop3://127.0.0.1:1110', server: 'pop3s://pop.example.org:995' }],
    breakpoints: [],
    held: [],
    rules: { rules: [], refusal: null },
    ruleHits: new RuleHitCounter(),
    requests,
    samplers: () => samplers,
    snapshot: () => ({ events: [past], dropped: 0 }),
    sampleFacts: () => {
      samplers += 1
      return {
        read: () => ({ rssOctets: 1, heapOctets: 2, cpuMs: 3, loopDelayMs: 4, openSessions: 5 }),
        stop: () => {
          samplers -= 1
        },
      }
    },
    heldOctets: (hold) => (hold === 'h1' ? Buffer.from('RETR 1') : null),
    perform: (request) => {
      requests.push(request)
      return perform(request)
    },
  }
}

/** An event that is known by its number. */
export function numbered(octets: number, session = 's1'): TraceEvent {
  return { at: 1_000, session, content: { type: 'unsolicited', octets } }
}

/** A piece of a message. */
export function mail(octets: number, number = 1): TraceEvent {
  const wire = Buffer.alloc(octets, 'm')
  return {
    at: 1_000,
    session: 's1',
    content: { type: 'content', number, verb: 'RETR', source: 'server', wire },
  }
}

/** A watcher and all that it was told. */
export interface Watching {
  readonly connection: WatchConnection
  readonly messages: FromProxy[]
  contents(): readonly TraceContent[]
  /** Numbers of {@link numbered} events, in order. */
  numbers(): readonly number[]
  dropped(): number
  /** Undefined while it is open. */
  closed(): string | null | undefined
  until(type: FromProxy['type']): Promise<FromProxy>
}

/** Attaches to a socket and keeps what it is told. */
export async function watch(path: string, messageOctets = 0, log = false): Promise<Watching> {
  const connection = await connectWatcher({ path }, { messageOctets, log })
  const messages: FromProxy[] = []
  let closed: string | null | undefined
  connection.onMessage((message) => messages.push(message))
  connection.onClosed((problem) => {
    closed = problem
  })
  const contents = (): readonly TraceContent[] =>
    messages
      .flatMap((message) => (message.type === 'events' ? message.events : []))
      .map(({ content }) => content)
  return {
    connection,
    messages,
    contents,
    numbers: () => contents().flatMap((content) => (content.type === 'unsolicited' ? [content.octets] : [])),
    dropped: () =>
      messages.reduce((sum, message) => sum + (message.type === 'events' ? message.dropped : 0), 0),
    closed: () => closed,
    until: async (type) => {
      await until(`a message ${type}`, () => messages.some((message) => message.type === type))
      return messages.find((message) => message.type === type)!
    },
  }
}
