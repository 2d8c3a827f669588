/**
 * Sessions as a recording, for whoever wants to keep or send what the dashboard shows. Knows nothing of files.
 */
import type { SessionRecord } from '../../sessions/session-record.js'
import { droppedLine, recordingHeader, recordingLine } from '../../trace/recording.js'

/**
 * Writes sessions as the octets of a recording, each with all the events that are kept of it. What is missing is
 * counted at the end of its session.
 *
 * @param now milliseconds since the epoch
 */
export function recordingOf(sessions: readonly SessionRecord[], now: number): Buffer {
  const lines = [recordingHeader('postern', now)]
  for (const { events, missedEvents } of sessions) {
    for (const event of events) lines.push(recordingLine(event))
    if (missedEvents > 0) lines.push(droppedLine(missedEvents))
  }
  return Buffer.from(lines.join(''))
}
