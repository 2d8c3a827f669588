import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toCells, widthOf } from '../../src/dashboard/cells.js'
import type { Size } from '../../src/dashboard/frame.js'
import { settled } from '../../src/dashboard/model.js'
import { previewed } from '../../src/dashboard/preview.js'
import { rowText } from '../../src/dashboard/spans.js'
import { view } from '../../src/dashboard/view.js'
import type { HeldSummary } from '../../src/watch/protocol.js'
import { expectGolden } from './golden.js'
import { fakeScreens } from './support/fake-screens.js'
import { FrameModel, START } from './support/frame-model.js'

const SMALL: Size = { columns: 80, rows: 24 }
const LARGE: Size = { columns: 160, rows: 45 }

const LINES = ['alice@example.org', 'bob@example.org', 'carol@example.net', '漢字@example.org', 'Müller']

function frame(size: Size): FrameModel {
  return FrameModel.greeted({ size, screens: fakeScreens(LINES) })
}

function hold(shown: string): HeldSummary {
  return {
    hold: 'h1',
    session: 's1',
    kind: 'command',
    number: 3,
    verb: 'RETR',
    shown,
    breakpoint: 'b1',
    heldAt: START,
    releaseAt: START + 56_000,
    isCommitted: false,
    editableOctets: 6,
  }
}

describe.each([
  ['80x24', SMALL],
  ['160x45', LARGE],
])('the frame at %s', (name, size) => {
  it('stands around a list, with what Enter opens beside it where there is room', () => {
    expectGolden(`frame/list-${name}`, frame(size).press('j').lines())
  })

  it('shows the way to a screen that is open on another', () => {
    expectGolden(`frame/opened-${name}`, frame(size).press('j', 'enter').lines())
  })

  it('shows a mistake in a filter, and where it is', () => {
    expectGolden(`frame/filter-mistake-${name}`, frame(size).press('f').type('usr == "bob"').lines())
  })

  it('lists keys and commands', () => {
    expectGolden(`frame/help-${name}`, frame(size).press('?').lines())
    expectGolden(
      `frame/help-filtered-${name}`,
      frame(size).press('?', '/').type('break').press('enter').lines(),
    )
  })

  it('asks before something that cannot be taken back', () => {
    expectGolden(`frame/question-${name}`, frame(size).press('d').lines())
  })

  it('shows what is held, what waits and what was missed', () => {
    const held = frame(size).press('p')
    held.say({ type: 'held', items: [hold('RETR 3')] }, { type: 'events', events: [], dropped: 12 })
    expectGolden(`frame/held-${name}`, held.lines())
  })
})

describe('view', () => {
  it('has a picture of every size, exactly as large', () => {
    const sizes = [1, 2, 3, 14, 15, 16, 24, 45, 80].flatMap((rows) =>
      [1, 2, 5, 59, 60, 61, 80, 119, 120, 121, 160, 300].map((columns) => ({ columns, rows })),
    )
    const open: readonly ((frame: FrameModel) => FrameModel)[] = [
      (each) => each,
      (each) => each.press('enter'),
      (each) => each.press('?'),
      (each) => each.press('f').type('user == "somebody with a long name" && x'),
      (each) => each.press('d'),
    ]
    for (const size of sizes) {
      for (const prepare of open) {
        const made = prepare(frame(SMALL))
        made.take({ type: 'resized', ...size })
        const { rows, cursor } = view(previewed(settled(made.model)))
        expect(rows.length).toBe(size.rows)
        for (const spans of rows) expect(widthOf(rowText(spans)), JSON.stringify(size)).toBe(size.columns)
        if (cursor !== null) expect(cursor.column).toBeLessThan(size.columns)
      }
    }
  })

  it('shows no screen where there is no room for one, and it again once there is', () => {
    const made = frame(SMALL)
    made.take({ type: 'resized', columns: 59, rows: 24 })
    expect(made.lines().join('\n')).toContain('terminal too small')
    made.take({ type: 'resized', columns: 60, rows: 15 })
    expect(made.lines()[3]).toBe('> alice@example.org')
  })

  it('shows all of a message that is longer than a line', () => {
    const made = frame(SMALL)
    const words = Array.from({ length: 30 }, (_, index) => `word${index}`).join(' ')
    made.take({ type: 'performed', text: words, tone: 'error' })
    const lines = made.lines()
    expect(lines).toHaveLength(24)
    expect(lines.slice(-5, -1).join('').replaceAll(' ', '')).toBe(words.replaceAll(' ', ''))
  })

  it('has all tabs in the narrowest line', () => {
    const made = frame({ columns: 60, rows: 15 })
    expect(made.lines()[1]).toBe(' [1 Sessions] 2 Messages 3 Rules 4 Held 5 Stats 6 Log')
  })

  it('always says how to get out and where help is', () => {
    const made = frame({ columns: 60, rows: 15 })
    expect(made.lines().at(-1)).toMatch(/\? help {2}q quit$/)
    expect(made.press('enter').lines().at(-1)).toMatch(/Esc back {2}\? help$/)
  })

  it('lets nothing through that is not harmless, wherever it comes from', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (hostile) => {
        const made = FrameModel.greeted({ screens: fakeScreens([hostile]) })
        made.say(
          {
            type: 'hello',
            version: 1,
            program: hostile,
            pid: 1,
            startedAt: 0,
            addresses: [{ service: hostile, url: hostile, server: hostile }],
            isFace: false,
          },
          { type: 'held', items: [hold(hostile)] },
        )
        made.take({ type: 'performed', text: hostile, tone: 'error' })
        made.press('/').burst([{ type: 'paste', text: hostile }])
        const { rows } = view(previewed(settled(made.model)))
        for (const spans of rows) {
          for (const { text } of spans) expect(text).toBe(toCells(text))
          expect(widthOf(rowText(spans))).toBe(80)
        }
      }),
    )
  })

  it('has the cursor behind what was typed', () => {
    const made = frame(SMALL).press('f').type('漢x')
    expect(view(previewed(settled(made.model))).cursor).toEqual({ column: ' filter: '.length + 3, row: 22 })
  })
})
