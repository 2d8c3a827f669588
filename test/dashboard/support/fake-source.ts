/**
 * A source that says what a test has it say, and remembers what it was asked.
 */
import type { DashboardSource } from '../../../src/dashboard/source.js'
import { type FromProxy, type FromWatcher, WATCH_VERSION } from '../../../src/watch/protocol.js'

/** What a proxy says of itself at first. */
export const HELLO: Extract<FromProxy, { type: 'hello' }> = {
  type: 'hello',
  version: WATCH_VERSION,
  program: 'postern 0.1.0',
  pid: 1,
  startedAt: 0,
  addresses: [{ service: 'mail', url: 'pop3://127.0.0.1:1110', server: 'pop3s://pop.example.org:995' }],
  isFace: false,
}

/** A source in a test's hands. */
export class FakeSource implements DashboardSource {
  readonly kind: 'live' | 'recording'
  readonly requests: FromWatcher[] = []
  isClosed = false
  #onMessage: (message: FromProxy) => void = () => {}
  #onClosed: (problem: string | null) => void = () => {}

  constructor(kind: 'live' | 'recording' = 'live') {
    this.kind = kind
  }

  subscribe(onMessage: (message: FromProxy) => void, onClosed: (problem: string | null) => void): void {
    this.#onMessage = onMessage
    this.#onClosed = onClosed
  }

  request(message: FromWatcher): void {
    this.requests.push(message)
  }

  close(): void {
    this.isClosed = true
  }

  say(...messages: readonly FromProxy[]): void {
    for (const message of messages) this.#onMessage(message)
  }

  end(problem: string | null): void {
    this.#onClosed(problem)
  }

  /** Says what a proxy says to a new watcher. */
  greet(hello: Partial<typeof HELLO> = {}): void {
    this.say({ ...HELLO, ...hello }, { type: 'snapshot-end' })
  }
}
