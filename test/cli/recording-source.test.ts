import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { recordingSource } from '../../src/cli/recording-source.js'
import { EventReader, fileInput } from '../../src/export/read-events.js'
import type { FromProxy } from '../../src/watch/protocol.js'
import { fetchSession } from '../export/sessions.js'
import { Files, recordingText } from './recorded.js'

let files: Files

beforeEach(() => {
  files = new Files()
})
afterEach(() => files.remove())

/** Reads a source to its end. */
function watched(path: string): Promise<{ messages: readonly FromProxy[]; problem: string | null }> {
  const messages: FromProxy[] = []
  const reader = new EventReader([fileInput(path)], { ports: new Set(), messageOctets: 0 })
  return new Promise((resolve) => {
    recordingSource(reader, 'a.jsonl').subscribe(
      (message) => messages.push(message),
      (problem) => resolve({ messages, problem }),
    )
  })
}

describe('a recording as the source of a dashboard', () => {
  const { traces } = fetchSession(['Subject: x\r\n\r\n'])

  it('says hello, tells every event in order, and ends its snapshot', async () => {
    const many = Array.from({ length: 300 }, () => traces).flat()
    const { messages, problem } = await watched(files.recording('a.jsonl', many))
    expect(problem).toBeNull()
    expect(messages[0]).toMatchObject({ type: 'hello', isFace: false })
    expect(messages[messages.length - 1]).toEqual({ type: 'snapshot-end' })
    const events = messages.flatMap((message) => (message.type === 'events' ? message.events : []))
    expect(recordingText(events)).toBe(recordingText(many))
    expect(messages.filter(({ type }) => type === 'events').length).toBeGreaterThan(1)
  })

  it('counts events that the recording lost, and shows damage in the log', async () => {
    const lines = recordingText(traces).split('\n')
    lines.splice(2, 0, '{"type":"dropped","events":7}', 'broken')
    const { messages } = await watched(files.write('a.jsonl', lines.join('\n')))
    const dropped = messages.flatMap((message) => (message.type === 'events' ? [message.dropped] : []))
    expect(dropped.reduce((sum, count) => sum + count, 0)).toBe(7)
    const log = messages.flatMap((message) => (message.type === 'log' ? message.lines : []))
    expect(log).toEqual([expect.stringContaining('line 4')])
  })

  it('ends with what is wrong where the file cannot be read', async () => {
    const { messages, problem } = await watched(files.write('text', 'this is no recording\n'))
    expect(problem).toContain('neither a recording')
    expect(messages.map(({ type }) => type)).toEqual(['hello'])
  })
})
