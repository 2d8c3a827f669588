import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ScreenContext } from '../../../src/dashboard/screen-module.js'
import { NO_ARGUMENT } from '../../../src/dashboard/screen-module.js'
import { type HeldItemState, heldItemScreen } from '../../../src/dashboard/screens/held-item.js'
import type { HeldSummary } from '../../../src/watch/protocol.js'
import type { Script } from '../../sessions/script.js'
import { LARGE, pressKeys, renderScreen, SMALL } from '../../support/screen-rendering.js'
import { expectGolden } from '../golden.js'
import { escapes, harmlessTwin, hostileText } from './hostile.js'
import { aliceSession, heldSummary, NOW, scene, storeOf } from './scene.js'

process.env.TZ = 'UTC'

const ARGUMENT = { session: 'alice-1', number: 8, hold: 'h1' }
const COMMAND = heldSummary({
  kind: 'command',
  verb: 'PASS',
  shown: 'PASS [redacted]',
  isCommitted: false,
  editableOctets: null,
})
const LONG = Array.from({ length: 200 }, (_, index) => `line ${index}\r\n`).join('')

/** What is held of Alice's message is told before it is held. */
function withContent(content: string): Script {
  const script = aliceSession()
  const held = script.events.pop()
  if (held === undefined) throw new Error('nothing is held')
  return script.piece(content).tell(held.content)
}

function context(item: HeldSummary | null, given: Partial<ScreenContext> = {}): ScreenContext {
  return scene({ held: item === null ? [] : [item], ...given })
}

function render(given: ScreenContext, state: HeldItemState): readonly string[] {
  return renderScreen(heldItemScreen, state, given)
}

describe('a held item', () => {
  it.each([
    ['message', heldSummary(), withContent('Subject: Invoice\r\n\r\nHello\r\n..dots\r\n'), SMALL],
    ['message-large', heldSummary(), withContent(LONG), LARGE],
    ['message-not-told', heldSummary({ isCommitted: false }), aliceSession(), SMALL],
    ['reply', heldSummary({ kind: 'reply', isCommitted: false }), aliceSession(), SMALL],
    ['command', COMMAND, aliceSession(), SMALL],
  ] as const)('looks as it did: %s', (name, item, script, size) => {
    const given = context(item, { store: storeOf(script), size })
    expectGolden(`held-item-${name}`, render(given, heldItemScreen.open(ARGUMENT, given)))
  })

  it('counts down', () => {
    const state = heldItemScreen.open(ARGUMENT, context(heldSummary()))
    expect(heldItemScreen.status(state, context(heldSummary()))).toBe('HELD  goes on in 56s')
    const later = context(heldSummary(), { now: NOW + 50_000 })
    expect(heldItemScreen.status(state, later)).toBe('HELD  goes on in 6.0s')
  })

  it('scrolls through what goes on, to its last line and no further', () => {
    const given = context(heldSummary(), { store: storeOf(withContent(LONG)) })
    const opened = heldItemScreen.open(ARGUMENT, given)
    expect(render(given, opened).join('\n')).toContain('line 0')
    const { state } = pressKeys(heldItemScreen, opened, given, 'S-g', 'j')
    const rows = render(given, state)
    expect(rows.join('\n')).toContain('line 199')
    expect(rows.length).toBe(given.size.rows)
    const back = pressKeys(heldItemScreen, state, given, 'g')
    expect(render(given, back.state).join('\n')).toContain('line 0')
  })

  it('finds text in what goes on', () => {
    const given = context(heldSummary(), { store: storeOf(withContent(LONG)), search: 'line 150' })
    const found = heldItemScreen.find(heldItemScreen.open(ARGUMENT, given), given, 'LINE 150', 1)
    if (found === null) throw new Error('nothing was found')
    expect(render(given, found).join('\n')).toContain('line 150')
    expect(heldItemScreen.find(found, given, 'no such line', 1)).toBeNull()
  })

  it('shows the beginning of a large message, and says how much is behind it', () => {
    const given = context(heldSummary(), { store: storeOf(withContent(LONG.repeat(40))) })
    const { state } = pressKeys(heldItemScreen, heldItemScreen.open(ARGUMENT, given), given, 'S-g')
    expect(render(given, state).at(-1)).toMatch(/and \S+k octets more: e opens it whole/)
  })

  it.each([
    ['released', 'it was released unchanged'],
    ['dropped', 'it was dropped'],
    ['timed-out', 'its time was up, it went on unchanged'],
    ['session-ended', 'its session ended'],
  ] as const)('tells how it went on: %s', (verdict, text) => {
    const script = aliceSession()
    const opened = heldItemScreen.open(ARGUMENT, context(heldSummary(), { store: storeOf(script) }))
    script.tell({ type: 'released', hold: 'h1', number: 8, kind: 'message', verdict, afterMs: 3 })
    const gone = context(null, { store: storeOf(script) })
    expect(render(gone, opened).join('\n')).toContain(`no longer: ${text}`)
    expect(heldItemScreen.status(heldItemScreen.settle(opened, gone), gone)).toBe('not held')
  })

  it('decides while it is held, and no longer when it went on', () => {
    const given = context(heldSummary())
    const opened = heldItemScreen.open(ARGUMENT, given)
    expect(pressKeys(heldItemScreen, opened, given, 'a').effects).toMatchObject([
      { request: { type: 'release', hold: 'h1' } },
    ])
    expect(pressKeys(heldItemScreen, opened, context(null), 'a').effects).toMatchObject([{ type: 'say' }])
  })

  it('opens its session at its command', () => {
    const given = context(heldSummary())
    expect(pressKeys(heldItemScreen, heldItemScreen.open(ARGUMENT, given), given, 'enter').effects).toEqual([
      { type: 'open', screen: 'session', argument: { session: 'alice-1', number: 8, hold: null } },
    ])
  })

  it('says so where it never was, or is of a recording', () => {
    const live = context(null)
    expect(render(live, heldItemScreen.open(ARGUMENT, live)).join('\n')).toContain(
      'The item of #5 (alice@example.org) is held no longer.',
    )
    const recording = context(null, { source: 'recording' })
    expect(render(recording, heldItemScreen.open(NO_ARGUMENT, recording)).join('\n')).toContain(
      'This is a recording',
    )
  })

  it('draws something at every size', () => {
    for (const columns of [1, 20, 59]) {
      for (const rows of [0, 1, 2, 5]) {
        const given = context(heldSummary(), { size: { columns, rows } })
        render(given, heldItemScreen.open(ARGUMENT, given))
      }
    }
  })

  it('keeps hostile content in its own rows', () => {
    const rowsOf = (content: string): readonly string[] => {
      const given = context(heldSummary(), { store: storeOf(withContent(content)) })
      return render(given, heldItemScreen.open(ARGUMENT, given))
    }
    const plain = rowsOf('Subject: a\r\n\r\n')
    const subject = plain.indexOf(' Subject: a')
    fc.assert(
      fc.property(hostileText, (text) => {
        const oneLine = text.replace(/[\r\n]/g, '')
        const rows = rowsOf(`Subject: a\r\n${oneLine}\r\nbehind\r\n`)
        expect(rows.slice(0, subject + 1)).toEqual(plain.slice(0, subject + 1))
        expect(rows[subject + 2]).toBe(' behind')
      }),
      { numRuns: 30 },
    )
  })

  it('keeps a hostile command in the cells of its field', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const [hostile, harmless] = [text, harmlessTwin(text)].map((field) => {
          const given = context(heldSummary({ kind: 'command', shown: field }))
          return render(given, heldItemScreen.open(ARGUMENT, given))
        })
        expect(escapes(hostile ?? [], harmless ?? [])).toEqual([])
      }),
      { numRuns: 30 },
    )
  })
})
