/**
 * The recording format: one JSON value a line, the first of which says what the file is. Owns the form of a
 * line; knows nothing of files.
 */
import { TRACE_VERSION, type TraceEvent } from './event.js'

/** First line of a recording, with its LF. */
export function recordingHeader(program: string, at: number): string {
  return `${JSON.stringify({ postern: 'recording', version: TRACE_VERSION, program, at: new Date(at).toISOString() })}\n`
}

/** One event as a line with its LF: `at` in milliseconds since the epoch, `session`, then the event's own fields. */
export function recordingLine(event: TraceEvent): string {
  return `${JSON.stringify({ at: roundToMicroseconds(event.at), session: event.session, ...event.content })}\n`
}

/** The line that stands where events were lost. */
export function droppedLine(dropped: number): string {
  return `${JSON.stringify({ type: 'dropped', events: dropped })}\n`
}

function roundToMicroseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}
