/**
 * Recordings and captures as what a dashboard watches: read piece by piece, so that the first sessions can be looked at
 * while the rest is read. Owns nothing but the joining of the two.
 */
import type { DashboardSource } from '../dashboard/source.js'
import type { EventReader } from '../export/read-events.js'
import type { TraceEvent } from '../trace/event.js'
import { WATCH_VERSION } from '../watch/protocol.js'

/** Events handed over at once; keys are answered in between. */
const EVENTS_AT_ONCE = 1_000

/**
 * Makes a source of what the reader reads. It refuses every request: nobody is there to answer.
 *
 * @param name what the first line calls it: the names of the files
 */
export function recordingSource(reader: EventReader, name: string): DashboardSource {
  let isClosed = false
  return {
    kind: 'recording',
    subscribe(onMessage, onClosed) {
      onMessage({
        type: 'hello',
        version: WATCH_VERSION,
        program: name,
        pid: 0,
        startedAt: 0,
        addresses: [],
        isFace: false,
      })
      readAll().then(onClosed, (error: unknown) =>
        onClosed(error instanceof Error ? error.message : String(error)),
      )

      async function readAll(): Promise<null> {
        let events: TraceEvent[] = []
        let dropped = 0
        const tell = (): void => {
          if (events.length > 0 || dropped > 0) onMessage({ type: 'events', events, dropped })
          events = []
          dropped = 0
        }
        for await (const item of reader.read()) {
          if (isClosed) return null
          if (item.type === 'event') events.push(item.event)
          else if (item.type === 'dropped') dropped += item.events
          else onMessage({ type: 'log', lines: [problemLine(item.text)], dropped: 0 })
          if (events.length < EVENTS_AT_ONCE) continue
          tell()
          await new Promise<void>((resolve) => setImmediate(resolve))
        }
        tell()
        onMessage({ type: 'snapshot-end' })
        return null
      }
    },
    request() {},
    close() {
      isClosed = true
    },
  }
}

function problemLine(text: string): string {
  const time = new Date().toISOString()
  return JSON.stringify({ level: 'warn', time, event: 'unreadable', text })
}
