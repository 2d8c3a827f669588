/**
 * The tabs as they stand in their line: one layout, which the view draws and a click is looked up in.
 */
import { TABS } from './bindings.js'
import type { Model } from './model.js'
import type { ScreenId } from './screen-module.js'

/** A tab in its line. */
export interface Tab {
  readonly screen: ScreenId
  readonly text: string
  readonly isSelected: boolean
}

/** Columns from which each tab has a blank on either side. */
const ROOMY_COLUMNS = 70

/** The tabs from left to right, each followed by one blank; the line begins with one. */
export function tabs(model: Model): readonly Tab[] {
  return TABS.map(({ screen, title }, index) => {
    const count = screen === 'held' && model.held.length > 0 ? `(${model.held.length})` : ''
    const label = `${index + 1} ${title}${count}`
    const isSelected = model.tab === screen
    const plain = model.size.columns < ROOMY_COLUMNS ? label : ` ${label} `
    return { screen, text: isSelected ? `[${label}]` : plain, isSelected }
  })
}

/** @returns the tab at a cell of the line, null where there is none */
export function tabAt(model: Model, column: number): Tab | null {
  let start = 1
  for (const tab of tabs(model)) {
    if (column >= start && column < start + tab.text.length) return tab
    start += tab.text.length + 1
  }
  return null
}
