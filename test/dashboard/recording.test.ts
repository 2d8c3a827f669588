import { describe, expect, it } from 'vitest'
import { topContext } from '../../src/dashboard/model.js'
import { SCREENS } from '../../src/dashboard/screens.js'
import { loggedIn } from '../sessions/script.js'
import { FrameModel, START } from './support/frame-model.js'

/** A day before the dashboard looks at it. */
const THEN = START - 86_400_000

/** A recording that is being read; its last session never closed. */
function reading(): FrameModel {
  const made = new FrameModel({ screens: SCREENS, source: 'recording', size: { columns: 160, rows: 30 } })
  const sessions = [
    loggedIn('first', THEN).quit(),
    loggedIn('second', THEN + 60_000).quit(),
    loggedIn('open', THEN + 120_000),
  ]
  const last = loggedIn('last', THEN + 165_000).quit()
  for (const { events } of [...sessions, last]) made.say({ type: 'events', events, dropped: 0 })
  return made
}

function read(): FrameModel {
  const made = reading()
  made.take({ type: 'closed', problem: null })
  return made
}

describe('a recording', () => {
  it('has the time of its last event: what never closed is as old as it was then', () => {
    const made = read()
    const { now } = topContext(made.model)
    expect(now - THEN).toBeGreaterThanOrEqual(165_000)
    expect(now - THEN).toBeLessThan(167_000)
    expect(made.press('g', 'j', 'j').lines().join('\n')).toMatch(/#3 alice .*TRANSACTION +45s/)
  })

  it('stands still: an hour later everything looks the same', () => {
    const made = read().press('g', 'j', 'j')
    const before = made.lines()
    made.now += 3_600_000
    made.take({ type: 'tick' })
    expect(made.lines()).toEqual(before)
    made.press('5')
    expect(made.lines()[2]).toContain('last 5 minutes recorded')
    expect(made.model.statistics.towardClient.some((octets) => octets > 0)).toBe(true)
  })

  it('begins at its first session; G goes to the newest, and stays there', () => {
    const made = read()
    expect(made.lines().join('\n')).toMatch(/^> +1 /m)
    expect(made.press('S-g').lines().join('\n')).toMatch(/^> +4 /m)
    made.now += 60_000
    made.take({ type: 'tick' })
    expect(made.lines().join('\n')).toMatch(/^> +4 /m)
  })

  it('stays at the newest after G while it is still being read', () => {
    const made = reading().press('S-g')
    made.say({ type: 'events', events: loggedIn('later', THEN + 240_000).quit().events, dropped: 0 })
    expect(made.lines().join('\n')).toMatch(/^> +5 /m)
    made.press('k')
    made.say({ type: 'events', events: loggedIn('still later', THEN + 250_000).quit().events, dropped: 0 })
    expect(made.lines().join('\n')).toMatch(/^> +4 /m)
  })
})
