/**
 * One message: an overview of headers, outline and text, and tabs for all headers, the text of a part, attachments, raw
 * octets, hex, and what changed on the way to the client. Owns which tab, part and place a person looks at; what stands
 * there is `message-documents.ts`, what is remembered of a message `opened-message.ts`.
 */
import type { MimePart } from '../../mail/outline.js'
import { messagesOf } from '../../sessions/messages.js'
import { changesSomething } from '../../sessions/rule-hits.js'
import type { Row, Size } from '../frame.js'
import type {
  Binding,
  ScreenArgument,
  ScreenContext,
  ScreenEffect,
  ScreenModule,
  Step,
} from '../screen-module.js'
import { cutRow, highlightRow, joinPanes, row, span, spreadRow, titleRow } from '../spans.js'
import { LIST_START, type ListExtent, type Movement, movementBindings, selectIndex } from './list-position.js'
import { findNext } from './list-search.js'
import {
  attachmentsDocument,
  decodedHeaders,
  differenceDocument,
  headerSummary,
  hexDocument,
  type MessageDocument,
  outlineDocument,
  rawDocument,
  rawHeaders,
  textDocument,
  textPartOf,
} from './message-documents.js'
import { saveMessage, savePart } from './message-file.js'
import { listMessages } from './message-list.js'
import { OpenedMessage, type ReadVersion, type Version } from './opened-message.js'
import { proseRows } from './prose.js'
import { clockText } from './quantities.js'

type Tab = 'overview' | 'headers' | 'text' | 'attachments' | 'raw' | 'hex' | 'diff'

export interface MessageState {
  readonly argument: ScreenArgument
  /** Null while the session is not known. */
  readonly opened: OpenedMessage | null
  readonly version: Version
  readonly tab: Tab
  readonly areHeadersRaw: boolean
  /** Path of the selected part; null until there is a message to choose it from. */
  readonly part: string | null
  /** First line of the tab's document on the screen. */
  readonly top: number
  /** The line that a search found, until somebody moves. */
  readonly found: number | null
  /** Octets of raw lines that are left out at their beginning. */
  readonly shift: number
}

/** Two panes from so many columns on. */
const SPLIT_COLUMNS = 120
/** What the message is, and the tabs. */
const HEAD_ROWS = 2
/** How far left and right go. */
const SHIFT_OCTETS = 20
/** What still runs is read again after so long: reading is work, and it grows at every frame. */
const REREAD_MS = 1_000
/** Terminals take about 100 kB by OSC 52, in base64. */
const COPIED_CHARACTERS = 64 * 1024

const TABS: readonly { readonly tab: Tab; readonly key: string; readonly title: string }[] = [
  { tab: 'headers', key: 'h', title: 'headers' },
  { tab: 'text', key: 't', title: 'text' },
  { tab: 'attachments', key: 'a', title: 'attachments' },
  { tab: 'raw', key: 'r', title: 'raw' },
  { tab: 'hex', key: 'x', title: 'hex' },
  { tab: 'diff', key: 'd', title: 'diff' },
]

const bindings: readonly Binding<MessageState>[] = [
  {
    keys: ['h'],
    // The row of tabs names the keys of all tabs.
    label: '',
    help: 'overview of headers, outline and text; once more: all header fields',
    run: (state) => only(toTab(state, state.tab === 'overview' ? 'headers' : 'overview')),
  },
  tabBinding('t', 'text', 'text of the selected part'),
  {
    keys: ['a'],
    label: '',
    help: 'attachments by name, type and size',
    run: (state, context) =>
      only(toAttachment(toTab(state, 'attachments'), context, (selected) => Math.max(0, selected))),
  },
  tabBinding('r', 'raw', 'the message line by line, byte-stuffing removed'),
  tabBinding('x', 'hex', 'octets of the selected part, decoded'),
  tabBinding('d', 'diff', 'what changed between the server and the client'),
  {
    keys: ['c'],
    label: 'raw headers',
    help: 'header fields as written, or decoded again',
    run: (state) =>
      only({
        ...toTab(state, 'headers'),
        areHeadersRaw: state.tab === 'headers' ? !state.areHeadersRaw : true,
      }),
  },
  ...movementBindings<MessageState>(moved),
  {
    keys: ['S-j'],
    label: '',
    help: 'the next part',
    run: (state, context) => only(toPart(state, context, (selected) => selected + 1)),
  },
  {
    keys: ['S-k'],
    label: '',
    help: 'the part before',
    run: (state, context) => only(toPart(state, context, (selected) => selected - 1)),
  },
  {
    keys: ['enter'],
    label: 'open part',
    help: 'show the selected part: its text, or its octets',
    run: (state, context) => {
      const part = selectedPart(settle(state, context))
      if (part === null) return only(state)
      const isText = part.children.length > 0 || part.type.startsWith('text/')
      return only(toTab(state, isText ? 'text' : 'hex'))
    },
  },
  {
    keys: ['right'],
    label: '',
    help: 'raw lines further to the right',
    run: (state) => only({ ...state, shift: state.shift + SHIFT_OCTETS }),
  },
  {
    keys: ['left'],
    label: '',
    help: 'raw lines back to the left',
    run: (state) => only({ ...state, shift: Math.max(0, state.shift - SHIFT_OCTETS) }),
  },
  {
    keys: ['o'],
    label: '',
    help: 'look at what the client got, or at what the server sent',
    run: otherVersion,
  },
  {
    keys: ['s'],
    label: 'save part',
    help: 'write the selected part to a file, decoded',
    run: (given, context) => {
      const state = settle(given, context)
      const { opened } = state
      const read = readOf(state)
      const part = selectedPart(state)
      if (opened === null || read === null || part === null) return { state, effects: [nothingKept()] }
      return { state, effects: [savePart(opened.record, opened.message, part, read.content(part))] }
    },
  },
  {
    keys: ['w'],
    label: 'save',
    help: 'write the message to a file that mail programs open (.eml)',
    run: (given, context) => {
      const state = settle(given, context)
      const { opened } = state
      if (opened === null) return { state, effects: [nothingKept()] }
      return { state, effects: [saveMessage(opened.record, opened.message, readOf(state)?.octets ?? null)] }
    },
  },
  {
    keys: ['y'],
    label: 'copy',
    help: 'copy what the tab shows',
    run: (given, context) => {
      const state = settle(given, context)
      const document = documentOf(state, context)
      if (document === null) return { state, effects: [nothingKept()] }
      return { state, effects: [copy(document)] }
    },
  },
  {
    keys: ['['],
    label: 'previous',
    help: 'the message before',
    run: (state, context) => neighbour(state, context, -1),
  },
  {
    keys: [']'],
    label: 'next',
    help: 'the message behind',
    run: (state, context) => neighbour(state, context, 1),
  },
]

/** Opened with a session and the number of the command that fetched the message. */
export const messageScreen: ScreenModule<MessageState> = {
  id: 'message',
  title: 'Message',
  open: (argument, context) => settle(stateFor(argument), context),
  bindings,
  selection: ({ argument }) => argument,
  settle,
  view,
  status,
  find,
}

function stateFor(argument: ScreenArgument): MessageState {
  return {
    argument,
    opened: null,
    version: 'original',
    tab: 'overview',
    areHeadersRaw: false,
    part: null,
    top: 0,
    found: null,
    shift: 0,
  }
}

function tabBinding(key: string, tab: Tab, help: string): Binding<MessageState> {
  return { keys: [key], label: '', help, run: (state) => only(toTab(state, tab)) }
}

function toTab(state: MessageState, tab: Tab): MessageState {
  return { ...state, tab, top: 0, found: null, shift: 0, areHeadersRaw: false }
}

function moved(given: MessageState, context: ScreenContext, movement: Movement): MessageState {
  const state = settle(given, context)
  if (state.tab === 'overview') return toPart(state, context, movement)
  if (state.tab === 'attachments') return toAttachment(state, context, movement)
  const document = documentOf(state, context)
  if (document === null) return state
  const rows = documentRows(state, context.size)
  const count = lastTop(document, rows) + 1
  return { ...state, found: null, top: clamp(movement(state.top, { count, rows }), count) }
}

function toPart(given: MessageState, context: ScreenContext, movement: Movement): MessageState {
  const state = settle(given, context)
  const parts = readOf(state)?.facts.outline.parts.map(({ path }) => path) ?? []
  return toPath(state, context, parts, movement)
}

function toAttachment(state: MessageState, context: ScreenContext, movement: Movement): MessageState {
  const paths = readOf(state)?.facts.attachments.map(({ path }) => path) ?? []
  const moved = toPath(state, context, paths, movement)
  const selected = paths.indexOf(moved.part ?? '')
  return {
    ...moved,
    top: selectIndex({ selected, top: state.top }, selected, extentFor(state, paths.length, context)).top,
  }
}

function toPath(
  state: MessageState,
  context: ScreenContext,
  paths: readonly string[],
  movement: Movement,
): MessageState {
  const index = movement(paths.indexOf(state.part ?? ''), extentFor(state, paths.length, context))
  const part = paths[clamp(index, paths.length)]
  // A new part is looked at from its beginning, wherever the one before was.
  return part === undefined
    ? state
    : { ...state, part, found: null, top: state.tab === 'raw' ? state.top : 0 }
}

function extentFor(state: MessageState, count: number, { size }: ScreenContext): ListExtent {
  return { count, rows: documentRows(state, size) }
}

function clamp(index: number, count: number): number {
  return Math.max(0, Math.min(index, count - 1))
}

function otherVersion(given: MessageState, context: ScreenContext): Step<MessageState> {
  const state = settle(given, context)
  const { opened, version } = state
  if (opened === null || opened.sent === null || opened.original === null)
    return {
      state,
      effects: [
        {
          type: 'say',
          text: 'There is one version only: the client got what the server sent.',
          tone: 'plain',
        },
      ],
    }
  const other = version === 'original' ? 'sent' : 'original'
  const text = other === 'sent' ? 'This is what the client got.' : 'This is what the server sent.'
  return {
    state: settle({ ...state, version: other, top: 0, found: null }, context),
    effects: [{ type: 'say', text, tone: 'plain' }],
  }
}

function neighbour(given: MessageState, context: ScreenContext, direction: 1 | -1): Step<MessageState> {
  const state = settle(given, context)
  const listed = listMessages(context.store, context.filter)
  const index = indexOf(state, context)
  const next = index === -1 ? undefined : listed[index + direction]
  if (next === undefined) {
    const which = direction === 1 ? 'last' : 'first'
    const among = context.filter === null ? '' : ' that the filter finds'
    return { state, effects: [{ type: 'say', text: `This is the ${which} message${among}.`, tone: 'plain' }] }
  }
  const argument = { session: next.record.id, number: next.message.number, hold: null }
  const { tab, areHeadersRaw } = state
  return only(settle({ ...stateFor(argument), tab, areHeadersRaw }, context))
}

/** Where the message stands among those that are listed; -1 where it does not. */
function indexOf({ opened }: MessageState, { store, filter }: ScreenContext): number {
  if (opened === null) return -1
  return listMessages(store, filter).findIndex(
    ({ record, message }) => record === opened.record && message.number === opened.message.number,
  )
}

function copy(document: MessageDocument): ScreenEffect {
  const lines: string[] = []
  let characters = 0
  for (let index = 0; index < document.count && characters < COPIED_CHARACTERS; index += 1) {
    const line = document.textAt(index)
    lines.push(line)
    characters += line.length + 1
  }
  const text = lines.join('\n').slice(0, COPIED_CHARACTERS)
  const part = lines.length < document.count || characters > COPIED_CHARACTERS ? 'the beginning of ' : ''
  return { type: 'copy', text, what: `${part}${document.title}` }
}

function settle(state: MessageState, context: ScreenContext): MessageState {
  const opened = reread(state, context)
  const changed = opened === state.opened ? state : choosePart(chooseVersion({ ...state, opened }))
  const document = documentOf(changed, context)
  const top =
    document === null ? 0 : Math.min(changed.top, lastTop(document, documentRows(state, context.size)))
  return top === changed.top ? changed : { ...changed, top }
}

/** Where only one version was kept, that one is looked at. */
function chooseVersion(state: MessageState): MessageState {
  const { opened } = state
  if (opened === null || opened.version(state.version) !== null) return state
  const version: Version = state.version === 'original' ? 'sent' : 'original'
  return opened.version(version) === null ? state : { ...state, version }
}

/** At first the part that a person would read. */
function choosePart(state: MessageState): MessageState {
  const read = readOf(state)
  if (state.part !== null || read === null) return state
  const { root } = read.facts.outline
  return { ...state, part: (textPartOf(root) ?? root).path }
}

function reread({ argument, opened }: MessageState, { store, now }: ScreenContext): OpenedMessage | null {
  if (argument.session === null) return opened
  const record = store.get(argument.session)
  // Older sessions make room for newer ones; the message stays as long as somebody looks at it.
  if (record === null) return opened
  const message = messagesOf(record).find(({ number }) => number === argument.number)
  if (message === undefined || message === opened?.message) return opened
  const isRunning = message.octets === null && record.closedAt === null
  // A recording's clock goes back once it has been read to its end.
  const isRecent = opened !== null && now >= opened.readAt && now - opened.readAt < REREAD_MS
  if (isRunning && isRecent) return opened
  return new OpenedMessage(record, message, now)
}

function readOf({ opened, version }: MessageState): ReadVersion | null {
  return opened?.version(version) ?? null
}

function selectedPart(state: MessageState): MimePart | null {
  return readOf(state)?.part(state.part ?? '') ?? null
}

/** Rows of a tab that has the screen, or its half, to itself: without title. */
function documentRows({ opened }: MessageState, { rows }: Size): number {
  const above = opened !== null && isPartlyKept(opened) ? HEAD_ROWS + 1 : HEAD_ROWS
  return Math.max(1, rows - above - 1)
}

function isPartlyKept({ original, message: { octets } }: OpenedMessage): boolean {
  return original !== null && octets !== null && original.length < octets
}

function lastTop({ count }: MessageDocument, rows: number): number {
  return Math.max(0, count - rows)
}

interface Panes {
  readonly left: number
  /** 0 where there is one pane only. */
  readonly right: number
}

function panesOf({ columns }: Size): Panes {
  if (columns < SPLIT_COLUMNS) return { left: columns, right: 0 }
  const left = Math.floor((columns - 1) / 2)
  return { left, right: columns - 1 - left }
}

/** The document of the tab; of the overview, the text of the selected part. */
function documentOf(state: MessageState, context: ScreenContext): MessageDocument | null {
  const { left, right } = panesOf(context.size)
  const width = right === 0 || state.tab === 'overview' ? left : right
  return makeDocument(state, state.tab === 'overview' ? 'text' : state.tab, width, context)
}

function makeDocument(
  { opened, version, part, areHeadersRaw, shift }: MessageState,
  tab: Exclude<Tab, 'overview'> | 'outline',
  width: number,
  { isUnicode }: ScreenContext,
): MessageDocument | null {
  const read = opened?.version(version) ?? null
  if (opened === null || read === null) return null
  const form = { width, isUnicode }
  const selected = read.part(part ?? '')
  const key = [version, tab, width, isUnicode, selected.path, areHeadersRaw, shift].join(' ')
  return opened.document(key, () => {
    switch (tab) {
      case 'outline':
        return outlineDocument(read, form, selected.path)
      case 'headers':
        return areHeadersRaw ? rawHeaders(read, form) : decodedHeaders(read, form)
      case 'text':
        return textDocument(read, form, selected)
      case 'attachments':
        return attachmentsDocument(read, form, selected.path)
      case 'raw':
        return rawDocument(read, form, shift)
      case 'hex':
        return hexDocument(read, selected)
      case 'diff':
        return differenceDocument(opened, form)
      default:
        return unreachable(tab)
    }
  })
}

function view(given: MessageState, context: ScreenContext): readonly Row[] {
  const state = settle(given, context)
  const { columns, rows } = context.size
  const { opened } = state
  if (opened === null) return missingRows(state, context)
  const head = [headRow(state, opened, columns), tabRow(state, context), ...partlyKeptRows(opened)]
  const room = Math.max(0, rows - head.length)
  const body = readOf(state) === null ? notKeptRows(opened, context) : bodyRows(state, context, room)
  return [...head, ...body].slice(0, rows).map((each) => highlightRow(cutRow(each, columns), context.search))
}

function headRow({ version }: MessageState, opened: OpenedMessage, width: number): Row {
  const { record, message, original, sent } = opened
  const { octets, messageNumber, verb, uniqueId, at } = message
  const size =
    octets === null ? (record.closedAt === null ? 'still running' : 'broken off') : `${octets} octets`
  const isPart = isPartlyKept(opened)
  const notes = [
    size,
    isPart ? `only ${original?.length ?? 0} kept` : null,
    sent === null ? null : `changed${byRules(opened)}: ${sent.length} octets to the client`,
    sent === null ? null : version === 'sent' ? 'as the client got it' : 'as the server sent it',
    uniqueId === null ? null : `unique-id ${uniqueId}`,
  ].filter((note) => note !== null)
  return spreadRow(
    row(
      span(` #${record.ordinal} ${record.user ?? '-'}`, 'bold'),
      `  ${verb} ${messageNumber ?? '?'}  `,
      span(notes.join('  '), isPart || sent !== null ? 'attention' : 'plain'),
    ),
    row(span(` ${clockText(at)} `, 'dim')),
    width,
  )
}

/** Who changed it, where rules did. */
function byRules({ rules }: OpenedMessage): string {
  const names = new Set(rules.filter(changesSomething).map(({ rule }) => rule))
  return names.size === 0 ? '' : ` by ${names.size === 1 ? 'rule' : 'rules'} ${[...names].join(', ')}`
}

function partlyKeptRows(opened: OpenedMessage): readonly Row[] {
  if (!isPartlyKept(opened)) return []
  // One that watches live takes the beginning of each message, so that large mail does not push all else out.
  return [row(span(' The rest was not kept. To have all of it, record with --write-messages.', 'attention'))]
}

/** The tab in brackets is the one that is shown: readable without colour. */
function tabRow(state: MessageState, { size }: ScreenContext): Row {
  const count = readOf(state)?.facts.attachments.length ?? 0
  const cells = TABS.map(({ tab, key, title }) => {
    const isShown = state.tab === tab || (state.tab === 'overview' && tab === 'headers')
    const text = `${key} ${title}${tab === 'attachments' ? ` (${count})` : ''}`
    return isShown ? span(`[${text}]`, 'heading') : span(` ${text} `)
  })
  return cutRow(row(' ', ...cells), size.columns)
}

function bodyRows(state: MessageState, context: ScreenContext, rows: number): readonly Row[] {
  const { left, right } = panesOf(context.size)
  const { isUnicode } = context
  if (right === 0)
    return state.tab === 'overview'
      ? overviewRows(state, context, left, rows)
      : tabRows(state, context, left, rows)
  return joinPanes({
    left: overviewRows(state, context, left, rows),
    right:
      state.tab === 'overview'
        ? asideRows(state, context, right, rows)
        : tabRows(state, context, right, rows),
    leftWidth: left,
    rightWidth: right,
    rows,
    isUnicode,
  })
}

/** The tab's document, from the place where a person stands. */
function tabRows(state: MessageState, context: ScreenContext, width: number, rows: number): readonly Row[] {
  if (state.tab === 'overview') return []
  const document = makeDocument(state, state.tab, width, context)
  return document === null ? [] : paneRows(document, state.top, width, rows, context)
}

/** Beside the overview: the octets of the selected part above, what changed below. */
function asideRows(state: MessageState, context: ScreenContext, width: number, rows: number): readonly Row[] {
  const hex = makeDocument(state, 'hex', width, context)
  const diff = makeDocument(state, 'diff', width, context)
  if (hex === null || diff === null) return []
  const below = Math.min(diff.count + 1, Math.floor(rows / 2))
  const above = paneRows(hex, 0, width, rows - below, context)
  const gap = Array.from({ length: Math.max(0, rows - below - above.length) }, (): Row => [])
  return [...above, ...gap, ...paneRows(diff, 0, width, below, context)]
}

/** Headers, outline and the beginning of the text, one above the other. */
function overviewRows(
  state: MessageState,
  context: ScreenContext,
  width: number,
  rows: number,
): readonly Row[] {
  const read = readOf(state)
  const outline = makeDocument(state, 'outline', width, context)
  const text = makeDocument(state, 'text', width, context)
  if (read === null || outline === null || text === null) return []
  const summary = headerSummary(read)
  const headers = width >= 70 && rows >= 30 ? headerPane(state, context, width) : summary
  const outlineRows = Math.max(2, Math.min(outline.count, Math.floor((rows - headers.length) / 2))) + 1
  const selected = Math.max(
    0,
    read.facts.outline.parts.findIndex(({ path }) => path === read.part(state.part ?? '').path),
  )
  const { top } = selectIndex(LIST_START, selected, { count: outline.count, rows: outlineRows - 1 })
  const above = [...headers, ...paneRows(outline, top, width, outlineRows, context)].slice(0, rows)
  return [...above, ...paneRows(text, 0, width, rows - above.length, context)]
}

/** With room, as many header fields as the half of it takes. */
function headerPane(state: MessageState, context: ScreenContext, width: number): readonly Row[] {
  const headers = makeDocument({ ...state, areHeadersRaw: false }, 'headers', width, context)
  if (headers === null) return []
  const rows = Math.min(headers.count, 14)
  const shown = paneRows(headers, 0, width, rows + 1, context)
  const rest = headers.count - rows
  return rest > 0 ? [...shown, row(span(` … ${rest} more lines: h`, 'dim'))] : shown
}

/** A title and as many lines as have room below it. */
function paneRows(
  document: MessageDocument,
  top: number,
  width: number,
  rows: number,
  { isUnicode }: ScreenContext,
): readonly Row[] {
  if (rows <= 0) return []
  const count = Math.max(0, Math.min(rows - 1, document.count - top))
  return [
    titleRow(document.title, width, isUnicode),
    ...Array.from({ length: count }, (_, index) => document.rowAt(top + index)),
  ].map((each) => cutRow(each, width))
}

function missingRows({ argument }: MessageState, { size }: ScreenContext): readonly Row[] {
  return proseRows(
    size,
    `There is no message of command ${argument.number ?? '?'} in session ${argument.session ?? '?'}.`,
    'Either it was refused, or its session made room for newer ones. Esc goes back.',
  )
}

function notKeptRows({ record, message }: OpenedMessage, { source, size }: ScreenContext): readonly Row[] {
  const isRunning = message.octets === null && record.closedAt === null
  if (isRunning)
    return proseRows(size, 'Nothing of this message has come yet.', 'It appears here as it comes.')
  if (source === 'recording')
    return proseRows(
      size,
      'The content of this message is not in the recording: mail is recorded only where that is asked for.',
      'To have it, record with the option --write-messages.',
    )
  return proseRows(
    size,
    'The content of this message was not kept. Either it passed before this dashboard watched, or the dashboard does not take that much of a message, or it made room for newer mail.',
    'To have it, let the client fetch the message again while this dashboard is open.',
  )
}

function status(given: MessageState, context: ScreenContext): string {
  const state = settle(given, context)
  const index = indexOf(state, context)
  const count = listMessages(context.store, context.filter).length
  const place = index === -1 ? `not among the ${count} listed` : `message ${index + 1} of ${count}`
  const document = state.tab === 'overview' ? null : documentOf(state, context)
  const rows = documentRows(state, context.size)
  if (document === null || document.count <= rows) return place
  const last = Math.min(document.count, state.top + rows)
  return `lines ${state.top + 1}-${last} of ${document.count}  ${place}`
}

function find(
  given: MessageState,
  context: ScreenContext,
  text: string,
  direction: 1 | -1,
): MessageState | null {
  const state = settle(given, context)
  if (state.tab === 'overview') return findFromOverview(state, context, text, direction)
  const document = documentOf(state, context)
  if (document === null) return null
  const { count, textAt } = document
  const from = state.found ?? state.top - direction
  const found = findNext({ count, from, textAt }, text, direction)
  return found === -1 ? null : atLine(state, context, document, found)
}

/** The overview shows a little of each: what is found opens the tab that it stands in. */
function findFromOverview(
  state: MessageState,
  context: ScreenContext,
  text: string,
  direction: 1 | -1,
): MessageState | null {
  for (const tab of ['text', 'headers'] as const) {
    const inTab = toTab(state, tab)
    const document = documentOf(inTab, context)
    if (document === null) continue
    const found = findNext(
      { count: document.count, from: direction === 1 ? -1 : 0, textAt: document.textAt },
      text,
      direction,
    )
    if (found !== -1) return atLine(inTab, context, document, found)
  }
  return null
}

function atLine(
  state: MessageState,
  { size }: ScreenContext,
  { count }: MessageDocument,
  found: number,
): MessageState {
  const rows = documentRows(state, size)
  const { top } = selectIndex({ selected: 0, top: state.top }, found, { count, rows })
  return { ...state, found, top }
}

function nothingKept(): ScreenEffect {
  return { type: 'say', text: 'Nothing of this message was kept.', tone: 'attention' }
}

function only(state: MessageState): Step<MessageState> {
  return { state, effects: [] }
}

function unreachable(value: never): never {
  throw new Error(`no such tab: ${JSON.stringify(value)}`)
}
