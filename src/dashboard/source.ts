/**
 * Where the dashboard gets what it shows: a running proxy or a recording, behind one interface. Types only.
 */
import type { FromProxy, FromWatcher } from '../watch/protocol.js'

/** What the dashboard watches. */
export interface DashboardSource {
  /** A recording never changes after its `snapshot-end`, and refuses every request. */
  readonly kind: 'live' | 'recording'
  /**
   * Begins to tell (the proxy was asked to be watched before): first `hello`, then what is known already, then what happens. Called once. What came before is
   * kept until then.
   *
   * @param onClosed called once when nothing more will come; `problem` is one line for a person, null where the source
   * ended as it should
   */
  subscribe(onMessage: (message: FromProxy) => void, onClosed: (problem: string | null) => void): void
  /** Sends a request; its `done` comes as a message. Never throws: what cannot be sent is told by `onClosed`. */
  request(message: FromWatcher): void
  /** Lets go of the source. The proxy goes on. */
  close(): void
}
