/**
 * What `?` shows: keys of the screen in sight, keys of the frame, commands; made of the tables that dispatch them, so
 * that it cannot say anything else. Owns its scrolling and its filter. Pure.
 */
import { FRAME_BINDINGS } from './bindings.js'
import { wrapTo } from './cells.js'
import { COMMANDS, commandOf } from './commands.js'
import type { Row } from './frame.js'
import { keyLabel } from './keys.js'
import { type Help, type Model, topScreen } from './model.js'
import { highlightRow, row, span, tableRow } from './spans.js'

/** The list from its beginning, all of it. */
export const NO_HELP: Help = { top: 0, filter: '' }

/** One line of help. */
interface Entry {
  readonly keys: string
  readonly command: string
  readonly help: string
}

/** Lines of help under a heading. */
interface Section {
  readonly title: string
  readonly entries: readonly Entry[]
}

const KEY_COLUMNS = 16
const COMMAND_COLUMNS = 12

/** Rows of help for a room so wide, before scrolling. */
function helpRows(model: Model, columns: number): readonly Row[] {
  const filter = model.help?.filter ?? ''
  const rows: Row[] = []
  for (const { title, entries } of sections(model)) {
    const wanted = entries.filter((entry) => contains(entry, filter))
    if (wanted.length === 0) continue
    if (rows.length > 0) rows.push([])
    rows.push(row(' ', span(title, 'heading')))
    for (const entry of wanted)
      rows.push(...entryRows(entry, columns).map((each) => highlightRow(each, filter)))
  }
  return rows.length > 0
    ? rows
    : [row(` No key and no command has "${filter}" in it. Esc shows all of them.`)]
}

/** A line of help, and as many more as its longest part needs. */
function entryRows({ keys, command, help }: Entry, columns: number): readonly Row[] {
  const keyLines = wrapTo(keys, KEY_COLUMNS)
  // Without a key the command has its room as well: usage is longer than a name.
  const commandColumns = keys === '' ? KEY_COLUMNS + 1 + COMMAND_COLUMNS : COMMAND_COLUMNS
  const commandLines = wrapTo(command, commandColumns)
  const helpColumns = Math.max(1, columns - KEY_COLUMNS - COMMAND_COLUMNS - 5)
  const helpLines = wrapTo(help, helpColumns)
  const count = Math.max(keyLines.length, commandLines.length, helpLines.length)
  return Array.from({ length: count }, (_, index) =>
    tableRow([
      { text: '', width: 1 },
      { text: keyLines[index] ?? '', width: keys === '' ? 0 : KEY_COLUMNS, style: 'bold' },
      { text: commandLines[index] ?? '', width: commandColumns, style: keys === '' ? 'bold' : 'dim' },
      { text: helpLines[index] ?? '', width: helpColumns },
    ]),
  )
}

/**
 * Shows as much of the help as there is room for.
 */
export function helpView(model: Model, columns: number, rows: number): readonly Row[] {
  const all = helpRows(model, columns)
  const top = Math.min(model.help?.top ?? 0, lastTop(all.length, rows))
  return all.slice(top, top + Math.max(0, rows))
}

/** What stands at the right end of the filter line: how far one has come. */
export function helpStatus(model: Model, columns: number, rows: number): string {
  const { length } = helpRows(model, columns)
  const top = Math.min(model.help?.top ?? 0, lastTop(length, rows))
  return length <= rows ? `${length} lines` : `${top + 1}-${Math.min(length, top + rows)} of ${length}`
}

/** Keys that scroll help; others leave it as it is. */
export function helpKey(model: Model, key: string): Help {
  const help = model.help ?? NO_HELP
  const rows = Math.max(1, model.size.rows - 5)
  const last = lastTop(helpRows(model, model.size.columns).length, rows)
  const to = (top: number): Help => ({ ...help, top: Math.max(0, Math.min(last, top)) })
  if (key === 'j' || key === 'down') return to(help.top + 1)
  if (key === 'k' || key === 'up') return to(help.top - 1)
  if (key === 'C-f' || key === 'pagedown' || key === 'space') return to(help.top + rows)
  if (key === 'C-b' || key === 'pageup') return to(help.top - rows)
  if (key === 'g' || key === 'home') return to(0)
  if (key === 'S-g' || key === 'end') return to(last)
  return help
}

function lastTop(length: number, rows: number): number {
  return Math.max(0, length - rows)
}

function contains({ keys, command, help }: Entry, filter: string): boolean {
  return `${keys} ${command} ${help}`.toLowerCase().includes(filter.toLowerCase())
}

function sections(model: Model): readonly Section[] {
  const top = topScreen(model)
  const own = (top?.keys ?? []).map((binding) => {
    const command = commandOf(binding)
    return { keys: shownKeys(binding.keys), command: command === '' ? '' : `:${command}`, help: binding.help }
  })
  const frame = FRAME_BINDINGS.map(({ keys, command, help }) => ({
    keys: shownKeys(keys),
    command: command === '' ? '' : `:${command}`,
    help,
  }))
  const commands = COMMANDS.map(({ names, usage, help }) => ({
    keys: '',
    command: `:${names[0] ?? ''}${usage === '' ? '' : ` ${usage}`}`,
    help,
  }))
  return [
    { title: top === null ? 'This screen' : `Screen ${top.title}`, entries: own },
    { title: 'Everywhere', entries: frame },
    { title: 'Commands', entries: commands },
    { title: 'While a line is typed', entries: TYPING },
  ]
}

const TYPING: readonly Entry[] = [
  { keys: 'Enter, Esc', command: '', help: 'take it, leave it' },
  { keys: 'Tab', command: '', help: 'complete a field, function or command' },
  { keys: 'Up Down', command: '', help: 'lines given before' },
  { keys: 'Ctrl-A Ctrl-E', command: '', help: 'to the start, to the end' },
  { keys: 'Ctrl-W Ctrl-U Ctrl-K', command: '', help: 'delete the word, all before, all behind' },
]

function shownKeys(keys: readonly string[]): string {
  return keys.map(keyLabel).join(' ')
}
