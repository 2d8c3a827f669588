import { describe, expect, it } from 'vitest'
import { SCREENS } from '../../src/dashboard/screens.js'
import type { TraceEvent } from '../../src/trace/event.js'
import { loggedIn, START } from '../sessions/script.js'
import { FrameModel } from './support/frame-model.js'

const WIDE = { columns: 160, rows: 45 }

function frame(events: readonly TraceEvent[]): FrameModel {
  const made = FrameModel.greeted({ screens: SCREENS, size: WIDE })
  made.say({ type: 'events', events, dropped: 0 })
  return made
}

/** A session that lives, of so many commands. */
function chatty(commands: number): readonly TraceEvent[] {
  const script = loggedIn('chatty', START)
  for (let count = 0; count < commands; count += 1) script.exchange('NOOP')
  return script.events
}

function panes(made: FrameModel): string {
  return made
    .lines()
    .map((line) => line.slice(92))
    .join('\n')
}

describe('beside a list', () => {
  it('stands what Enter would open, of whatever is selected', () => {
    const made = frame([...loggedIn('a', START).events, ...loggedIn('b', START + 10_000).events])
    expect(panes(made.press('g'))).toContain('Session #1')
    expect(panes(made.press('j'))).toContain('Session #2')
  })

  it('stands the last message below its session where the screen is high', () => {
    const script = loggedIn('a', START).exchange('RETR 1', '+OK', 'Subject: tea\r\n\r\nat five\r\n')
    const made = frame(script.events)
    expect(panes(made)).toMatch(/Session #1[\s\S]*Message #1[\s\S]*tea[\s\S]*at five/)
    made.take({ type: 'resized', columns: 160, rows: 39 })
    expect(panes(made)).not.toContain('Message #1')
    made.take({ type: 'resized', columns: 119, rows: 45 })
    expect(made.lines().join('\n')).not.toContain('Session #1')
  })

  it('goes on with its session as that does', () => {
    const script = loggedIn('a', START)
    const made = frame(script.events)
    expect(panes(made)).not.toContain('XTALK')
    const before = script.events.length
    script.exchange('XTALK', '-ERR what?')
    made.say({ type: 'events', events: script.events.slice(before), dropped: 0 })
    expect(panes(made)).toContain('XTALK')
  })

  it('stays as it is while it shows the same, and is opened anew for something else', () => {
    const made = frame([...loggedIn('a', START).events, ...loggedIn('b', START + 10_000).events])
    made.press('g').lines()
    const [opened] = made.model.sidePanes
    made.lines()
    expect(made.model.sidePanes[0]?.preview).toEqual(opened?.preview)
    made.press('j').lines()
    expect(made.model.sidePanes[0]?.preview.argument.session).toBe('b')
  })

  it('does not read 20,000 events of a live session anew at every frame', () => {
    let read = 0
    const made = frame(
      chatty(10_000).map((event) => {
        const { content } = event
        if (content.type !== 'command' || content.number !== 100) return event
        const { octets, ...rest } = content
        // What puts a command into words asks how long it is.
        const counting = {
          ...rest,
          get octets() {
            read += 1
            return octets
          },
        }
        return { ...event, content: counting }
      }),
    )
    const draw = (afterMs: number): void => {
      made.now += afterMs
      const content = { type: 'unsolicited', octets: 7 } as const
      made.say({ type: 'events', events: [{ at: START, session: 'chatty', content }], dropped: 0 })
      made.lines()
    }
    draw(500)
    read = 0
    // Less than the half second after which it may be read again.
    for (let round = 0; round < 6; round += 1) draw(67)
    expect(read).toBe(0)
    draw(500)
    expect(read).toBe(1)
  })
})
