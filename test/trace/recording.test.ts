import { describe, expect, it } from 'vitest'
import { TRACE_VERSION } from '../../src/trace/event.js'
import {
  droppedLine,
  type RecordingItem,
  RecordingReader,
  recordingHeader,
  recordingLine,
} from '../../src/trace/recording.js'
import { everySplit } from '../support/every-split.js'
import { ONE_OF_EACH } from './events.js'

describe('a recording', () => {
  it('begins with what it is, in which version, by whom and when', () => {
    expect(recordingHeader('postern 1.2.3', 0)).toBe(
      '{"postern":"recording","version":1,"program":"postern 1.2.3","at":"1970-01-01T00:00:00.000Z"}\n',
    )
    expect(JSON.parse(recordingHeader('x', 0)).version).toBe(TRACE_VERSION)
  })

  it.each(Object.values(ONE_OF_EACH))('has one line of JSON for $type, with all its fields', (content) => {
    const line = recordingLine({ at: 1_700_000_000_000, session: 'a-1', content })
    expect(line.endsWith('\n')).toBe(true)
    // Nothing within that any reader takes for a line end, control characters included.
    expect(line.slice(0, -1)).not.toMatch(/[\x00-\x1f]/)
    const octets = 'wire' in content && content.wire !== null ? { wire: content.wire.toString('base64') } : {}
    expect(JSON.parse(line)).toEqual({ at: 1_700_000_000_000, session: 'a-1', ...content, ...octets })
  })

  it.each([
    [1_000_000.1234, 1_000_000.123],
    [1_000_000.9999, 1_000_001],
    [0.0004, 0],
    [0.0005, 0.001],
    [12, 12],
  ])('rounds the time %d to microseconds: %d', (at, expected) => {
    const line = recordingLine({ at, session: 's', content: { type: 'server-connected' } })
    expect(JSON.parse(line).at).toBe(expected)
    expect(line).toContain(`"at":${expected},`)
  })

  it('has a line where events were lost', () => {
    expect(droppedLine(2_048)).toBe('{"type":"dropped","events":2048}\n')
  })
})

const HEADER = recordingHeader('postern 1.2.3', 5)
const EVENTS = Object.values(ONE_OF_EACH).map((content) => ({
  at: 1_700_000_000_000.5,
  session: 'a-1',
  content,
}))

/** Reads a whole file given in pieces. */
function read(...pieces: readonly (string | Buffer)[]): readonly RecordingItem[] {
  const reader = new RecordingReader()
  const items = pieces.flatMap((piece) => reader.push(Buffer.from(piece)))
  return [...items, ...reader.end()]
}

describe('the reader of a recording', () => {
  it('gives back what was written, in order, whatever pieces it comes in', () => {
    const whole = `${HEADER}${EVENTS.map(recordingLine).join('')}${droppedLine(7)}`
    const expected = [
      { type: 'header', version: 1, program: 'postern 1.2.3', at: 5 },
      ...EVENTS.map((event) => ({
        type: 'event',
        // The separator within was not made harmless when this event was made up; it is when it is read.
        event: JSON.parse(JSON.stringify(event).replaceAll('\u2028', '\\\\u{2028}'), revived),
      })),
      { type: 'dropped', events: 7 },
    ]
    expect(read(whole)).toEqual(expected)
    everySplit(whole, (pieces) => read(...pieces))
  })

  it('reads a long line in the same piece as the header', () => {
    const wire = Buffer.alloc(50_000, 'a')
    const content = { type: 'content', number: 1, verb: 'RETR', source: 'server', wire } as const
    const event = { at: 1, session: 's', content }
    expect(read(HEADER + recordingLine(event))).toEqual([
      expect.objectContaining({ type: 'header' }),
      { type: 'event', event },
    ])
  })

  it('passes over a damaged line, says which, and goes on behind it', () => {
    const good = recordingLine({ at: 1, session: 's', content: { type: 'server-connected' } })
    const items = read(HEADER, 'no json\n', good, '{"at":1,"session":"s","type":"unheard-of"}\n', '\n', good)
    expect(items.map((item) => (item.type === 'problem' ? [item.line, item.text] : item.type))).toEqual([
      'header',
      [2, 'the line is no JSON'],
      'event',
      [4, 'the line is no event that this version knows'],
      'event',
    ])
  })

  it('names a last line that is cut off, even where it happens to be JSON', () => {
    const good = recordingLine({ at: 1, session: 's', content: { type: 'server-connected' } })
    for (const cut of [good.slice(0, 20), good.trimEnd()]) {
      expect(read(HEADER, good, cut).at(-1)).toEqual({
        type: 'problem',
        line: 3,
        text: 'the line is cut off: it has no line end',
      })
    }
  })

  it('passes over a line that is longer than any event, and finds the next', () => {
    const reader = new RecordingReader()
    reader.push(Buffer.from(HEADER))
    const piece = Buffer.alloc(1024 * 1024, 'x')
    for (let count = 0; count < 33; count += 1) expect(reader.push(piece)).toEqual([])
    const line = recordingLine({ at: 1, session: 's', content: { type: 'server-connected' } })
    expect(reader.push(Buffer.from(`\n${line}`)).map(({ type }) => type)).toEqual(['problem', 'event'])
  })

  it('reads recordings that were put together', () => {
    expect(read(HEADER, HEADER).map(({ type }) => type)).toEqual(['header', 'header'])
  })

  it.each([
    ['nothing', ''],
    ['another text', 'From: alice\r\n\r\n'],
    ['JSON of something else', '{"log":{}}\n'],
    ['a header without its line end', HEADER.trimEnd()],
    ['octets without a line end', Buffer.alloc(100_000, 0x80)],
  ])('refuses %s', (_, octets) => {
    expect(() => read(octets)).toThrow('no recording of postern')
  })

  it('refuses a newer format, and says what to do', () => {
    const newer = HEADER.replace('"version":1', '"version":2')
    expect(() => read(newer)).toThrow(
      'a recording of format 2, written by postern 1.2.3; this postern reads format 1 and older ones: read it with a newer postern',
    )
  })
})

function revived(key: string, value: unknown): unknown {
  if (key !== 'wire' || value === null || typeof value !== 'object' || !('data' in value)) return value
  return Buffer.from(Array.isArray(value.data) ? value.data : [])
}
