/**
 * The recording format: one JSON value a line, the first of which says what the file is. Owns the form of a
 * line and its reading, damaged files included; knows nothing of files.
 */
import * as z from 'zod'
import { TRACE_VERSION, type TraceEvent } from './event.js'
import { COUNT, decodeEvent, encodeEvent, HARMLESS_TEXT } from './event-coding.js'
import { type JsonLine, JsonLineReader } from './json-lines.js'

/** How the first line of every recording begins. */
export const RECORDING_START = '{"postern":"recording"'

/** First line of a recording, with its LF. */
export function recordingHeader(program: string, at: number): string {
  return `${JSON.stringify({ postern: 'recording', version: TRACE_VERSION, program, at: new Date(at).toISOString() })}\n`
}

/** One event as a line with its LF, see {@link encodeEvent}. */
export function recordingLine(event: TraceEvent): string {
  return `${encodeEvent(event)}\n`
}

/** The line that stands where events were lost. */
export function droppedLine(dropped: number): string {
  return `${JSON.stringify({ type: 'dropped', events: dropped })}\n`
}

/** A file that is no recording, or one that this version cannot read. */
export class RecordingError extends Error {
  override readonly name = 'RecordingError'
}

/** What a recording holds, in its order. */
export type RecordingItem =
  /** Once more within a file where recordings were put together. */
  | { readonly type: 'header'; readonly version: number; readonly program: string; readonly at: number }
  | { readonly type: 'event'; readonly event: TraceEvent }
  /** So many events were lost here while it was written. */
  | { readonly type: 'dropped'; readonly events: number }
  /** A line that could not be read and was passed over; counted from 1. */
  | { readonly type: 'problem'; readonly line: number; readonly text: string }

/**
 * Longest line of a recording. A message that a person put in place of another is one event of up to 16 MiB, a third
 * more as base64.
 */
const MAXIMUM_LINE_OCTETS = 32 * 1024 * 1024
/** Longest first line: whatever is no recording shall not be gathered to find that out. */
const MAXIMUM_HEADER_OCTETS = 4_096

const HEADER = z.object({
  postern: z.literal('recording'),
  version: z.number().int().min(1),
  program: HARMLESS_TEXT,
  at: z.string().transform((text, context) => {
    const at = Date.parse(text)
    if (!Number.isNaN(at)) return at
    context.addIssue({ code: 'custom' })
    return z.NEVER
  }),
})

const DROPPED = z.object({ type: z.literal('dropped'), events: COUNT })

/** Reads a recording piece by piece. What is damaged becomes a problem in its place, and reading goes on behind it. */
export class RecordingReader {
  readonly #lines = new JsonLineReader(MAXIMUM_HEADER_OCTETS)
  #hasHeader = false

  /**
   * Takes the next octets of the file.
   *
   * @throws {RecordingError} where it begins like no recording, or is of a newer version
   */
  push(octets: Buffer): readonly RecordingItem[] {
    const items: RecordingItem[] = []
    // One by one: the bound on a line is another behind the first.
    for (const line of this.#lines.push(octets)) items.push(this.#read(line))
    if (!this.#hasHeader && this.#lines.isTooLong) throw noRecording()
    return items
  }

  /**
   * Ends the file. A last line without its end, as a crash leaves it, is a problem.
   *
   * @throws {RecordingError} where there was nothing at all
   */
  end(): readonly RecordingItem[] {
    const last = this.#lines.end()
    if (!this.#hasHeader) throw noRecording()
    return last === null ? [] : [this.#read(last)]
  }

  #read(line: JsonLine): RecordingItem {
    if (!this.#hasHeader) return this.#readHeader(line)
    if (line.type === 'damaged') return { type: 'problem', line: line.line, text: line.text }
    const event = decodeEvent(line.value)
    if (event !== null) return { type: 'event', event }
    const dropped = DROPPED.safeParse(line.value)
    if (dropped.success) return dropped.data
    const header = HEADER.safeParse(line.value)
    if (header.success) return headerItem(header.data)
    return { type: 'problem', line: line.line, text: 'the line is no event that this version knows' }
  }

  #readHeader(line: JsonLine): RecordingItem {
    const header = line.type === 'value' ? HEADER.safeParse(line.value) : null
    if (header === null || !header.success) throw noRecording()
    this.#hasHeader = true
    this.#lines.maximum = MAXIMUM_LINE_OCTETS
    return headerItem(header.data)
  }
}

function headerItem({ version, program, at }: z.output<typeof HEADER>): RecordingItem {
  if (version > TRACE_VERSION) {
    throw new RecordingError(
      `a recording of format ${version}, written by ${program}; this postern reads format ${TRACE_VERSION} and older ones: read it with a newer postern`,
    )
  }
  return { type: 'header', version, program, at }
}

function noRecording(): RecordingError {
  return new RecordingError(
    'no recording of postern: its first line is not {"postern":"recording",...}, as --write makes it',
  )
}
