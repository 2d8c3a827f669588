import { describe, expect, it } from 'vitest'
import { logLine } from '../../src/dashboard/log-line.js'

describe('logLine', () => {
  it('reads a line of the log', () => {
    const json =
      '{"level":"warn","time":1795183312117,"event":"failure","session":"s1","leg":"server","text":"no route"}'
    expect(logLine(json)).toEqual({
      at: 1_795_183_312_117,
      level: 'warn',
      event: 'failure',
      session: 's1',
      text: 'failure leg=server text="no route"',
      json,
    })
  })

  it('reads times and levels of either form', () => {
    expect(logLine('{"level":40,"time":"2026-11-20T14:02:25.000Z"}')).toMatchObject({
      at: Date.UTC(2026, 10, 20, 14, 2, 25),
      level: 'warn',
    })
  })

  it.each(['', 'no JSON', '[]', 'null', '{"level":{}}', '{"time":[]}'])(
    'makes a line of %j all the same',
    (json) => {
      expect(logLine(json)).toMatchObject({ level: 'info', at: 0, json })
    },
  )

  it('is harmless whatever is in it', () => {
    const { text, json, event } = logLine('{"event":"\\u001b[2J","text":"\\u202e\u009b"}')
    for (const shown of [text, json, event]) expect(shown).not.toMatch(/[\p{Cc}\p{Cf}]/u)
  })
})
