import { describe, expect, it } from 'vitest'
import { TRACE_VERSION } from '../../src/trace/event.js'
import { droppedLine, recordingHeader, recordingLine } from '../../src/trace/recording.js'
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
