import { describe, expect, it } from 'vitest'
import { logLine } from '../../../src/dashboard/log-line.js'
import { type LogLine, NO_ARGUMENT, type ScreenContext } from '../../../src/dashboard/screen-module.js'
import { type LogState, logScreen } from '../../../src/dashboard/screens/log.js'
import { parseFilter } from '../../../src/expression/filter.js'
import { SessionStore } from '../../../src/sessions/store.js'
import { Script } from '../../sessions/script.js'
import { LARGE, pressKeys, renderScreen, SMALL } from '../../support/screen-rendering.js'
import { expectGolden } from '../golden.js'
import { NOW, troubledScene } from './mail-scene.js'

process.env.TZ = 'UTC'

function line(fields: Record<string, unknown>): LogLine {
  return logLine(JSON.stringify({ level: 30, time: NOW, ...fields }))
}

const LINES = [
  line({ event: 'session-opened', session: 'alice-1', client: '10.0.5.35:51018' }),
  line({ level: 20, event: 'command', session: 'alice-1', shown: 'PASS [redacted]' }),
  line({
    level: 40,
    event: 'failure',
    session: 'nobody-1',
    leg: 'server',
    text: 'server certificate expired',
  }),
  line({ level: 50, event: 'listen-failed', msg: 'address in use' }),
  line({ event: 'logged-in', session: 'long-gone', user: 'bob@example.org' }),
]

function context(given: Partial<ScreenContext> = {}): ScreenContext {
  return troubledScene({ log: { lines: LINES, dropped: 3 }, ...given })
}

function open(given: ScreenContext): LogState {
  return logScreen.settle(logScreen.open(NO_ARGUMENT, given), given)
}

function screen(state: LogState, given: ScreenContext): string {
  return renderScreen(logScreen, state, given).join('\n')
}

describe('the log', () => {
  it('shows lines and the record of the selected one at 80x24', () => {
    const given = context({ size: SMALL })
    expectGolden('log-80x24', renderScreen(logScreen, open(given), given))
  })

  it('shows the record beside the lines at 160x45', () => {
    const given = context({ size: LARGE })
    expectGolden('log-160x45', renderScreen(logScreen, open(given), given))
  })

  it('shows more urgent lines only, says so, and comes back to all', () => {
    const given = context()
    const warnings = pressKeys(logScreen, open(given), given, 'l', 'l', 'l').state
    expect(warnings.shown.map(({ level }) => level)).toEqual(['warn', 'error'])
    expect(logScreen.status(warnings, given)).toBe('warn+  2 of 5 lines  3 dropped  FOLLOW')
    const all = pressKeys(logScreen, warnings, given, 'l', 'l').state
    expect(logScreen.status(all, given)).toBe('all levels  5 lines  3 dropped  FOLLOW')
  })

  it('follows the newest line until somebody moves, then keeps theirs though older ones are dropped', () => {
    const given = context()
    const moved = pressKeys(logScreen, open(given), given, 'k', 'k').state
    expect(moved.selected).toBe(LINES[2])
    const later = context({ log: { lines: [...LINES.slice(2), line({ event: 'new' })], dropped: 5 } })
    expect(logScreen.settle(moved, later).selected).toBe(LINES[2])
    expect(logScreen.settle(open(given), later).selected?.event).toBe('new')
    expect(pressKeys(logScreen, moved, later, 'S-f').state.selected?.event).toBe('new')
  })

  it('sees new lines in a list that grows in place', () => {
    const lines = [...LINES]
    const given = context({ log: { lines, dropped: 0 } })
    const state = open(given)
    lines.push(line({ event: 'grown' }))
    expect(logScreen.settle(state, given).selected?.event).toBe('grown')
  })

  it('opens the session of the line, and says why where it cannot', () => {
    const given = context()
    const keys = (...each: string[]) => pressKeys(logScreen, open(given), given, ...each).effects
    expect(keys('g', 'enter')).toEqual([
      { type: 'open', screen: 'session', argument: { session: 'alice-1', number: null, hold: null } },
    ])
    expect(keys('k', 'enter')).toMatchObject([{ type: 'say', text: 'This line is about no session.' }])
    expect(keys('enter')).toMatchObject([
      { type: 'say', text: 'Session long-gone is no longer kept: older sessions make room for newer ones.' },
    ])
  })

  it('is filtered by the sessions that lines are about, and by their own words', () => {
    const shown = (filter: string): readonly string[] => {
      const given = context({ filter: parseFilter(filter) })
      return open(given).shown.map(({ event }) => event)
    }
    expect(shown('user == "alice@example.org"')).toEqual(['session-opened', 'command'])
    // As in the list: the filter holds for a session if it does for one of its events.
    expect(shown('type == "failure"')).toEqual(['failure'])
    expect(shown('command == "RETR"')).toEqual(['session-opened', 'command'])
    // The words stand in no line of that session, but in its dialogue.
    expect(shown('ready')).toContain('session-opened')
    // Of no session, or of one that is not kept: plain words alone find these.
    expect(shown('address in use')).toEqual(['listen-failed'])
    expect(shown('bob@example.org')).toEqual(['logged-in'])
    expect(shown('text == "listen-failed address in use"')).toEqual([])
    expect(shown('user == "bob@example.org"')).toEqual([])
  })

  it('shows a line once the filter holds for its session, which may be later', () => {
    const store = new SessionStore()
    const script = new Script('alice-1', NOW).opened()
    script.into(store)
    const given = context({ store, filter: parseFilter('errors > 0') })
    const before = open(given)
    expect(before.shown).toEqual([])
    const told = script.events.length
    script.exchange('XFOO', '-ERR what?')
    for (const event of script.events.slice(told)) store.add(event)
    expect(logScreen.settle(before, given).shown.map(({ event }) => event)).toEqual([
      'session-opened',
      'command',
    ])
  })

  it('says what an expression finds where it finds nothing', () => {
    const given = context({ filter: parseFilter('text == "listen-failed address in use"') })
    expect(screen(open(given), given)).toContain('An expression finds the lines of its sessions')
  })

  it('finds lines in both directions, from the one that is selected', () => {
    const given = context()
    const found = logScreen.find(open(given), given, 'ALICE-1', -1)
    expect(found?.selected).toBe(LINES[1])
    expect(found?.isFollowing).toBe(false)
    expect(found === null ? null : logScreen.find(found, given, 'alice-1', 1)?.selected).toBe(LINES[0])
    expect(logScreen.find(open(given), given, 'nowhere', 1)).toBeNull()
  })

  it('copies a line as JSON, and writes the shown ones', () => {
    const given = context()
    const [copied] = pressKeys(logScreen, open(given), given, 'g', 'y').effects
    expect(copied).toMatchObject({ type: 'copy', text: LINES[0]?.json })
    const [saved] = pressKeys(logScreen, open(given), given, 'l', 'l', 'l', 'w').effects
    if (saved?.type !== 'save') throw new Error('nothing is saved')
    expect(saved.octets.toString()).toBe(`${LINES[2]?.json}\n${LINES[3]?.json}\n`)
  })

  it('says what to do where it is empty', () => {
    const empty = context({ log: { lines: [], dropped: 0 } })
    expect(screen(open(empty), empty)).toContain('No log line yet')
    expect(screen(open(empty), { ...empty, source: 'recording' })).toContain('no log')
    const filtered = context({ filter: parseFilter('type == "nothing"') })
    expect(screen(open(filtered), filtered)).toContain(
      'None of 5 log lines that the filter finds: type == "nothing"',
    )
  })
})
