/**
 * The list of messages that clients fetched, over all sessions: followed as they come, filtered, searched. Builds only
 * the rows that are visible; which messages there are is `message-list.ts`.
 */
import type { Row } from '../frame.js'
import {
  NO_ARGUMENT,
  type ScreenArgument,
  type ScreenContext,
  type ScreenEffect,
  type ScreenModule,
  type Step,
} from '../screen-module.js'
import { cutRow, highlightRow, row, span } from '../spans.js'
import {
  LIST_START,
  type ListExtent,
  type ListPosition,
  movementBindings,
  selectIndex,
} from './list-position.js'
import { findNext } from './list-search.js'
import { saveMessage, saveName } from './message-file.js'
import {
  countMessages,
  headOf,
  type ListedMessage,
  listMessages,
  type MessageFlag,
  visibleTextOfMessage,
} from './message-list.js'
import { proseRows } from './prose.js'
import { clockText, octetsText } from './quantities.js'
import { fitColumns, headerRow, itemRow, type TableColumn } from './table.js'

export interface MessagesState {
  readonly isFollowing: boolean
  readonly position: ListPosition
  /** The selected message; null where there is none. */
  readonly selected: ListedMessage | null
  readonly listed: readonly ListedMessage[]
}

type ColumnId = 'time' | 'session' | 'user' | 'what' | 'size' | 'flags' | 'subject' | 'from'

/** Letters, so that they can be read without colour; explained below the list. */
const FLAGS: Readonly<Record<MessageFlag, string>> = {
  changed: 'R',
  top: 'T',
  running: '>',
  'broken-off': '!',
  'partly-kept': '~',
  'not-kept': '-',
}
const LEGEND = ' R changed  T top only  > still running  ! broken off  ~ partly kept  - not kept'

const COLUMNS: readonly TableColumn<ColumnId, ListedMessage>[] = [
  {
    id: 'time',
    title: 'TIME',
    minimum: 8,
    maximum: 8,
    rank: 3,
    align: 'left',
    text: ({ message }) => clockText(message.at),
    style: () => 'dim',
  },
  {
    id: 'session',
    title: 'SESS',
    minimum: 5,
    maximum: 7,
    rank: 4,
    align: 'right',
    text: ({ record }) => `#${record.ordinal}`,
    style: () => null,
  },
  {
    id: 'user',
    title: 'USER',
    minimum: 10,
    maximum: 24,
    rank: 2,
    align: 'left',
    text: ({ record }) => record.user ?? '-',
    style: () => null,
  },
  {
    id: 'what',
    title: 'COMMAND',
    minimum: 8,
    maximum: 9,
    rank: 0,
    align: 'left',
    text: ({ message }) => `${message.verb} ${message.messageNumber ?? '?'}`,
    style: () => null,
  },
  {
    id: 'size',
    title: 'SIZE',
    minimum: 6,
    maximum: 6,
    rank: 0,
    align: 'right',
    text: ({ message }) => (message.octets === null ? '?' : octetsText(message.octets)),
    style: () => null,
  },
  {
    id: 'flags',
    title: 'FLG',
    minimum: 3,
    maximum: 3,
    rank: 0,
    align: 'left',
    text: (listed) =>
      headOf(listed)
        .flags.map((flag) => FLAGS[flag])
        .join(''),
    style: (listed) => (headOf(listed).flags.length === 0 ? null : 'attention'),
  },
  {
    id: 'subject',
    title: 'SUBJECT',
    minimum: 24,
    maximum: 70,
    rank: 0,
    align: 'left',
    text: subjectText,
    style: (listed) => (headOf(listed).subject === null ? 'dim' : null),
  },
  {
    id: 'from',
    title: 'FROM',
    minimum: 12,
    maximum: 40,
    rank: 1,
    align: 'left',
    text: (listed) => headOf(listed).from ?? '-',
    style: () => null,
  },
]

/** The messages of all sessions. */
export const messagesScreen: ScreenModule<MessagesState> = {
  id: 'messages',
  title: 'Messages',
  open: () => ({ isFollowing: true, position: LIST_START, selected: null, listed: [] }),
  bindings: [
    {
      keys: ['enter'],
      label: 'open',
      help: 'open the message: headers, outline, text, attachments, octets',
      run: (state, context) =>
        withMessage(state, context, (listed) => ({
          type: 'open',
          screen: 'message',
          argument: argumentOf(listed),
        })),
    },
    ...movementBindings<MessagesState>((given, context, movement) => {
      const state = settle(given, context)
      const extent = extentOf(state.listed, context)
      const index = movement(state.position.selected, extent)
      return select(state, index, extent, index >= extent.count - 1 && state.isFollowing)
    }),
    {
      keys: ['S-f', 'space'],
      label: 'follow',
      help: 'follow the newest message, or keep the list where it is',
      run: (state, context) => ({
        state: settle({ ...state, isFollowing: !state.isFollowing }, context),
        effects: [],
      }),
    },
    {
      keys: ['s'],
      label: 'session',
      help: 'open the session that the message was fetched in, at its command',
      run: (state, context) =>
        withMessage(state, context, (listed) => ({
          type: 'open',
          screen: 'session',
          argument: argumentOf(listed),
        })),
    },
    {
      keys: ['w'],
      label: 'save',
      help: 'write the message to a file, as the server sent it (.eml)',
      run: (state, context) =>
        withMessage(state, context, ({ record, message }) => saveMessage(record, message, message.original)),
    },
    {
      keys: ['y'],
      label: 'copy',
      help: 'copy time, user, size, subject and sender of the message',
      run: (state, context) =>
        withMessage(state, context, (listed) => ({
          type: 'copy',
          text: COLUMNS.map((column) => column.text(listed)).join('\t'),
          what: saveName(listed.record, listed.message),
        })),
    },
  ],
  selection: ({ selected }) => argumentOf(selected),
  settle,
  view,
  status: (given, context) => {
    const state = settle(given, context)
    const all = countMessages(context.store)
    const of = context.filter === null ? '' : `${state.listed.length} of `
    const count = `${of}${all} message${all === 1 ? '' : 's'}`
    return state.isFollowing ? `${count}  FOLLOW` : count
  },
  find: (given, context, text, direction) => {
    const state = settle(given, context)
    const { listed, position } = state
    const textAt = (index: number): string => {
      const each = listed[index]
      return each === undefined ? '' : visibleTextOfMessage(each)
    }
    const found = findNext({ count: listed.length, from: position.selected, textAt }, text, direction)
    return found === -1 ? null : select(state, found, extentOf(listed, context), false)
  },
}

function argumentOf(listed: ListedMessage | null): ScreenArgument {
  if (listed === null) return NO_ARGUMENT
  return { session: listed.record.id, number: listed.message.number, hold: null }
}

function withMessage(
  given: MessagesState,
  context: ScreenContext,
  effect: (listed: ListedMessage) => ScreenEffect,
): Step<MessagesState> {
  const state = settle(given, context)
  if (state.selected !== null) return { state, effects: [effect(state.selected)] }
  return { state, effects: [{ type: 'say', text: 'No message is listed.', tone: 'attention' }] }
}

function settle(state: MessagesState, context: ScreenContext): MessagesState {
  const listed = listMessages(context.store, context.filter)
  const extent = extentOf(listed, context)
  const index = state.isFollowing ? listed.length - 1 : indexIn(listed, state)
  return select({ ...state, listed }, index, extent, state.isFollowing)
}

/** Where the selected message is now; where it was, if it is no longer listed. */
function indexIn(listed: readonly ListedMessage[], { selected, position }: MessagesState): number {
  if (selected === null) return position.selected
  const isSelected = ({ record, message }: ListedMessage): boolean =>
    record === selected.record && message.number === selected.message.number
  const there = listed[position.selected]
  // Nearly always: what comes, comes behind it.
  if (there !== undefined && isSelected(there)) return position.selected
  const found = listed.findIndex(isSelected)
  return found === -1 ? position.selected : found
}

function select(
  state: MessagesState,
  index: number,
  extent: ListExtent,
  isFollowing: boolean,
): MessagesState {
  const position = selectIndex(state.position, index, extent)
  return { ...state, position, selected: state.listed[position.selected] ?? null, isFollowing }
}

/** The head of the table and the legend take a row each. */
function extentOf(listed: readonly ListedMessage[], { size }: ScreenContext): ListExtent {
  return { count: listed.length, rows: Math.max(1, size.rows - 2) }
}

function view(given: MessagesState, context: ScreenContext): readonly Row[] {
  const state = settle(given, context)
  const { columns } = context.size
  if (state.listed.length === 0) return emptyRows(context)
  const fitted = fitColumns(COLUMNS, columns - 1)
  const { top, selected } = state.position
  const { rows } = extentOf(state.listed, context)
  const lines = state.listed.slice(top, top + rows).map((listed, index): Row => {
    const isSelected = top + index === selected
    const line = itemRow(fitted, listed, isSelected ? '>' : ' ', isSelected ? 'selected' : 'plain')
    return highlightRow(line, context.search)
  })
  const gap = Array.from({ length: Math.max(0, rows - lines.length) }, (): Row => [])
  return [headerRow(fitted, ' ', () => ''), ...lines, ...gap, row(span(LEGEND, 'dim'))]
    .slice(0, context.size.rows)
    .map((each) => cutRow(each, columns))
}

function emptyRows({ store, filter, source, size }: ScreenContext): readonly Row[] {
  const all = countMessages(store)
  if (filter !== null && all > 0)
    return proseRows(
      size,
      `None of ${all} messages is found by the filter: ${filter.text}`,
      'f changes the filter, Esc clears it.',
    )
  if (source === 'recording') return proseRows(size, 'No client fetched a message in this recording.')
  return proseRows(
    size,
    'No message yet: each RETR and TOP of a client appears here.',
    'postern keeps no mail of its own: it shows what passes while this dashboard is open.',
  )
}

function subjectText(listed: ListedMessage): string {
  const { subject, flags } = headOf(listed)
  if (subject !== null) return subject === '' ? '(empty)' : subject
  if (flags.includes('running')) return '(still running)'
  if (flags.includes('not-kept')) return '(content not kept)'
  return '(no subject)'
}
