/**
 * Renders a screen of the dashboard to plain lines, without a terminal: what golden screens compare.
 */
import { toCells, widthOf } from '../../src/dashboard/cells.js'
import type { Row, Size } from '../../src/dashboard/frame.js'
import type { Binding, ScreenContext, ScreenModule, Step } from '../../src/dashboard/screen-module.js'
import { rowText } from '../../src/dashboard/spans.js'
import { Statistics } from '../../src/sessions/statistics.js'
import { SessionStore } from '../../src/sessions/store.js'

/** Rows that a screen has at 80x24 and 160x45: the frame around it takes five. */
export const SMALL: Size = { columns: 80, rows: 19 }
export const LARGE: Size = { columns: 160, rows: 40 }

/** A context with nothing in it, and what a test puts there. */
export function screenContext(given: Partial<ScreenContext> = {}): ScreenContext {
  return {
    now: Date.UTC(2026, 10, 20, 14, 2, 25),
    size: SMALL,
    isUnicode: true,
    source: 'live',
    addresses: [],
    store: new SessionStore(),
    statistics: new Statistics(),
    log: { lines: [], dropped: 0 },
    held: [],
    breakpoints: [],
    rules: { rules: [], refusal: null },
    ruleHits: [],
    process: null,
    filter: null,
    search: '',
    ...given,
  }
}

/**
 * Settles and views a screen.
 *
 * @returns its rows as text, trailing blanks cut
 * @throws Error for a row with text that did not go through `cells.ts`, a row that is too wide, and too many rows
 */
export function renderScreen<State>(
  module: ScreenModule<State>,
  state: State,
  context: ScreenContext,
): readonly string[] {
  return renderRows(module.view(module.settle(state, context), context), context.size)
}

/** Like {@link renderScreen}, for rows that are there already. */
export function renderRows(rows: readonly Row[], size: Size): readonly string[] {
  if (rows.length > size.rows) throw new Error(`${rows.length} rows where ${size.rows} have room`)
  return rows.map((spans, index) => {
    for (const { text } of spans) {
      if (text !== toCells(text))
        throw new Error(`row ${index} has text that is not harmless: ${JSON.stringify(text)}`)
    }
    const text = rowText(spans)
    if (widthOf(text) > size.columns) throw new Error(`row ${index} is ${widthOf(text)} cells wide: ${text}`)
    return text.trimEnd()
  })
}

/**
 * Presses keys, one after the other, as the frame would: each binding gets the settled state.
 *
 * @throws Error for a key that the screen has no binding for
 */
export function pressKeys<State>(
  module: ScreenModule<State>,
  state: State,
  context: ScreenContext,
  ...keys: readonly string[]
): Step<State> {
  let step: Step<State> = { state, effects: [] }
  for (const key of keys) {
    const binding = module.bindings.find((candidate: Binding<State>) => candidate.keys.includes(key))
    if (binding === undefined) throw new Error(`${module.id} has no binding for ${key}`)
    const next = binding.run(module.settle(step.state, context), context)
    step = { state: next.state, effects: [...step.effects, ...next.effects] }
  }
  return step
}
