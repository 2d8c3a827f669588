/**
 * A running proxy as what a dashboard watches. Owns nothing but the joining of the two.
 */
import type { WatchConnection } from '../watch/client.js'
import type { DashboardSource } from './source.js'

/** Makes a watcher's connection a source; it belongs to the source from then on. */
export function watchSource(connection: WatchConnection): DashboardSource {
  return {
    kind: 'live',
    subscribe(onMessage, onClosed) {
      onMessage(connection.hello)
      connection.onMessage(onMessage)
      connection.onClosed(onClosed)
    },
    request: (message) => connection.send(message),
    close: () => connection.close(),
  }
}
