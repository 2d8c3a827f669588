import { describe, expect, it } from 'vitest'
import { NO_ARGUMENT, type ScreenContext } from '../../../src/dashboard/screen-module.js'
import { type StatisticsState, statisticsScreen } from '../../../src/dashboard/screens/statistics.js'
import { Statistics } from '../../../src/sessions/statistics.js'
import { SessionStore } from '../../../src/sessions/store.js'
import type { ProcessFacts } from '../../../src/watch/protocol.js'
import { LARGE, pressKeys, renderScreen, SMALL } from '../../support/screen-rendering.js'
import { expectGolden } from '../golden.js'
import { NOW, troubledScene, troubledSessions } from './mail-scene.js'

process.env.TZ = 'UTC'

const FACTS: ProcessFacts = {
  rssOctets: 96_000_000,
  heapOctets: 41_000_000,
  cpuMs: 6_000,
  loopDelayMs: 4.2,
  openSessions: 3,
}

function counted(): Statistics {
  const statistics = new Statistics()
  const events = troubledSessions().flatMap((script) => script.events)
  for (const event of events.toSorted((a, b) => a.at - b.at)) statistics.add(event)
  statistics.tick(NOW)
  return statistics
}

function context(given: Partial<ScreenContext> = {}): ScreenContext {
  return troubledScene({ statistics: counted(), process: FACTS, ...given })
}

function open(given: ScreenContext): StatisticsState {
  return statisticsScreen.settle(statisticsScreen.open(NO_ARGUMENT, given), given)
}

function all(given: ScreenContext): string {
  return renderScreen(statisticsScreen, open(given), { ...given, size: { ...given.size, rows: 200 } }).join(
    '\n',
  )
}

describe('the statistics', () => {
  it('begin with graphs and commands at 80x24', () => {
    const given = context({ size: SMALL })
    expectGolden('statistics-80x24', renderScreen(statisticsScreen, open(given), given))
  })

  it('end with errors and the process at 80x24', () => {
    const given = context({ size: SMALL })
    const end = pressKeys(statisticsScreen, open(given), given, 'S-g').state
    expectGolden('statistics-end-80x24', renderScreen(statisticsScreen, end, given))
    expect(statisticsScreen.status(end, given)).toBe('end  last 5 minutes')
  })

  it('stand in two columns at 160x45', () => {
    const given = context({ size: LARGE })
    expectGolden('statistics-160x45', renderScreen(statisticsScreen, open(given), given))
  })

  it('are drawn in ASCII where there is nothing else', () => {
    const given = context({ size: LARGE, isUnicode: false })
    const rows = renderScreen(statisticsScreen, open(given), given)
    expectGolden('statistics-ascii-160x45', rows)
    expect(rows.join('')).toMatch(/^[\x20-\x7e]*$/)
  })

  it('say how much CPU was used between two facts, and in all before', () => {
    const given = context()
    expect(all(given)).toContain('cpu 6.0 s in all')
    const later = context({ now: NOW + 2_000, process: { ...FACTS, cpuMs: 6_500 } })
    const state = statisticsScreen.settle(open(given), later)
    const rows = renderScreen(statisticsScreen, state, { ...later, size: { columns: 80, rows: 200 } })
    expect(rows.join('\n')).toContain('cpu 25%')
  })

  it('count what is missing', () => {
    const store = new SessionStore()
    store.missed(7)
    expect(all(context({ store, log: { lines: [], dropped: 2 } }))).toContain(
      '7 events, 0 sessions, 2 log lines',
    )
  })

  it('open the session of the newest error at its command, and say so where there is none', () => {
    const given = context()
    expect(pressKeys(statisticsScreen, open(given), given, 'enter').effects).toEqual([
      { type: 'open', screen: 'session', argument: { session: 'alice-1', number: 5, hold: null } },
    ])
    const none = context({ store: new SessionStore() })
    expect(pressKeys(statisticsScreen, open(none), none, 'enter').effects).toMatchObject([{ type: 'say' }])
  })

  it('lead to the sessions with errors', () => {
    const given = context()
    expect(pressKeys(statisticsScreen, open(given), given, 'e').effects).toEqual([
      { type: 'filter', text: 'errors > 0' },
      { type: 'open', screen: 'sessions', argument: NO_ARGUMENT },
    ])
  })

  it('find a row, and scroll no further than their end', () => {
    const given = context({ size: SMALL })
    const found = statisticsScreen.find(open(given), given, 'loop delay', 1)
    expect(found === null ? '' : renderScreen(statisticsScreen, found, given).join('\n')).toContain(
      'loop delay',
    )
    expect(statisticsScreen.find(open(given), given, 'nowhere', 1)).toBeNull()
    const keys = Array.from({ length: 60 }, () => 'j')
    const end = pressKeys(statisticsScreen, open(given), given, ...keys).state
    expect(renderScreen(statisticsScreen, end, given)).toHaveLength(SMALL.rows)
  })

  it('stand where nothing has happened yet', () => {
    const given = troubledScene({ store: new SessionStore(), source: 'recording' })
    const text = all(given)
    expect(text).toContain('No command has been answered yet.')
    expect(text).not.toContain('now')
    expect(text).not.toContain('NaN')
  })
})
