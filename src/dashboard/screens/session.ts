/**
 * One session as a person reads it: facts above, the dialogue below, long listings folded, remarks beneath the line
 * they belong to. Owns what is selected and unfolded; what the lines say is `sessions/dialogue.ts`, what a row looks
 * like `dialogue-rows.ts`.
 */
import { type DialogueLine, dialogueOf } from '../../sessions/dialogue.js'
import { explainLogin } from '../../sessions/explain-login.js'
import { matchesSession } from '../../sessions/fields.js'
import type { SessionRecord } from '../../sessions/session-record.js'
import type { Row } from '../frame.js'
import type {
  Binding,
  ScreenArgument,
  ScreenContext,
  ScreenEffect,
  ScreenModule,
  Step,
} from '../screen-module.js'
import { cutRow, highlightRow, row, rowText, span } from '../spans.js'
import { refuseInRecording } from './breakpoint-prompt.js'
import {
  type DialogueItem,
  dialogueHeader,
  dialogueItems,
  dialogueRow,
  findInDialogue,
  isRemark,
  keyOf,
  type LineKey,
  lineAsText,
} from './dialogue-rows.js'
import {
  followIndex,
  LIST_START,
  type ListExtent,
  type ListPosition,
  movementBindings,
  selectIndex,
} from './list-position.js'
import { ask } from './questions.js'
import { NO_SESSION, sessionBindings, sessionName } from './session-actions.js'
import { factRows, tlsRows } from './session-facts.js'

export interface SessionState {
  /** What it was opened with, for when the session is no longer kept. */
  readonly id: string | null
  /** Null where it is not kept (any more). */
  readonly session: SessionRecord | null
  readonly pane: 'dialogue' | 'tls'
  readonly showsRemarksOnly: boolean
  /** Null until a person chose: what went wrong is explained unasked, what went well is not. */
  readonly isLoginUnfolded: boolean | null
  readonly unfolded: ReadonlySet<LineKey>
  readonly isFollowing: boolean
  readonly position: ListPosition
  /** All lines of the session, and when they were read. */
  readonly lines: readonly DialogueLine[]
  readonly readAt: number
  /** Those that are shown, and the rows that they take. */
  readonly shown: readonly DialogueLine[]
  readonly items: readonly DialogueItem[]
  /** For which the rows were made. */
  readonly width: number
}

/** From so many lines on, a dialogue that goes on is read anew no more often than this: 20,000 take 40 ms. */
const LONG_DIALOGUE = 2_000
const REREAD_MS = 500
/** Under so many rows the facts give way to the dialogue. */
const SHORT_ROWS = 12
/** So many rows stay for the dialogue and its head, however much is to be said of the login. */
const DIALOGUE_ROWS = 5

const bindings: readonly Binding<SessionState>[] = [
  {
    keys: ['enter'],
    label: 'open',
    help: 'open the message or the held item of the line, or unfold the line',
    run: enter,
  },
  ...movementBindings<SessionState>((state, context, movement) => {
    const extent = extentOf(state, context)
    const position = selectIndex(state.position, movement(state.position.selected, extent), extent)
    return { ...state, position, isFollowing: position.selected >= extent.count - 1 }
  }),
  {
    keys: ['space'],
    label: 'unfold',
    help: 'unfold the line: a listing, an explanation, a certificate; or fold it again',
    run: (state, context) => only(foldToggled(state, context)),
  },
  {
    keys: ['S-f'],
    label: '',
    help: 'follow the newest line, or stay here',
    run: (state) => only({ ...state, isFollowing: !state.isFollowing }),
  },
  {
    keys: ['c'],
    label: 'certs',
    help: 'TLS and certificates of both legs, or the dialogue again',
    run: (state) =>
      only({
        ...state,
        pane: state.pane === 'tls' ? 'dialogue' : 'tls',
        position: LIST_START,
        isFollowing: false,
      }),
  },
  {
    keys: ['l'],
    label: 'login',
    help: 'explain the login: which leg, what the server really said, what to change',
    run: (state) => only({ ...state, isLoginUnfolded: !explainsLogin(state) }),
  },
  {
    keys: ['h'],
    label: 'hints',
    help: 'show only hints, anomalies and failures, or all lines again',
    run: (state) => only(remarksToggled(state)),
  },
  {
    keys: ['s'],
    label: 'send',
    help: 'send a command of your own to the server; its reply is shown here and never reaches the client',
    run: (state, context) => ({ state, effects: [sendCommand(state, context)] }),
  },
  {
    keys: ['['],
    label: '',
    help: 'the session before',
    run: (state, context) => neighbour(state, context, -1),
  },
  {
    keys: [']'],
    label: '',
    help: 'the session behind',
    run: (state, context) => neighbour(state, context, 1),
  },
  {
    keys: ['y'],
    label: 'copy',
    help: 'copy the line, with what it unfolds to',
    run: (state, context) => ({ state, effects: copyLine(state, context) }),
  },
  {
    keys: ['S-y'],
    label: '',
    help: 'copy the whole dialogue',
    run: (state) => ({
      state,
      effects:
        state.session === null
          ? [NO_SESSION]
          : [
              {
                type: 'copy',
                text: state.lines.map(lineAsText).join('\n'),
                what: `dialogue of #${state.session.ordinal}`,
              },
            ],
    }),
  },
  ...sessionBindings<SessionState>({
    one: ({ session }) => session,
    several: ({ session }) => (session === null ? [] : [session]),
  }),
]

/** Opened from wherever a session is listed, at a command's line if one is named. */
export const sessionScreen: ScreenModule<SessionState> = {
  id: 'session',
  title: 'Session',
  open,
  bindings,
  selection,
  settle,
  view,
  status,
  find,
}

function open({ session: id, number }: ScreenArgument, context: ScreenContext): SessionState {
  const session = id === null ? null : context.store.get(id)
  const lines = session === null ? [] : dialogueOf(session)
  const width = context.size.columns
  const items = dialogueItems(lines, () => false, width)
  const wanted = number === null ? -1 : items.findIndex(({ line }) => line.number === number)
  return {
    id,
    session,
    pane: 'dialogue',
    showsRemarksOnly: false,
    isLoginUnfolded: null,
    unfolded: new Set(),
    // What goes on is looked at where it goes on, what has ended from its beginning.
    isFollowing: wanted === -1 && session !== null && session.closedAt === null,
    position: { selected: Math.max(0, wanted), top: 0 },
    lines,
    readAt: context.now,
    shown: lines,
    items,
    width,
  }
}

function settle(state: SessionState, context: ScreenContext): SessionState {
  if (state.session === null) return state
  const lines = readLines(state, state.session, context.now)
  const width = context.size.columns
  const isSame = lines === state.lines && width === state.width
  const next = isSame ? state : withItems({ ...state, lines, width, readAt: context.now })
  const extent = extentOf(next, context)
  const { position } = state
  if (state.pane === 'tls') return { ...next, position: selectIndex(position, position.selected, extent) }
  if (state.isFollowing) return { ...next, position: selectIndex(position, extent.count - 1, extent) }
  return { ...next, position: followIndex(position, placeOf(state, next.items), extent) }
}

/** The session that is shown now, which `[` and `]` change, and what is held on the selected line. */
function selection(
  { id, session, items, position, pane }: SessionState,
  context: ScreenContext,
): ScreenArgument {
  const line = pane === 'dialogue' ? items[position.selected]?.line : undefined
  const hold = session === null || line?.kind !== 'held' ? null : heldAt(session, line, context)
  return { session: session?.id ?? id, number: null, hold }
}

function readLines(
  { lines, readAt }: SessionState,
  session: SessionRecord,
  now: number,
): readonly DialogueLine[] {
  const isRecent = now >= readAt && now - readAt < REREAD_MS
  return lines.length > LONG_DIALOGUE && isRecent ? lines : dialogueOf(session)
}

function view(state: SessionState, context: ScreenContext): readonly Row[] {
  const { size, now, search } = context
  const { columns: width } = size
  const { session, position, items } = state
  if (session === null) return notKept(state, context)
  const facts = factsOf(state, context)
  const bodyRows = Math.max(0, size.rows - facts.length - 1)
  if (state.pane === 'tls') {
    const rows = tlsRows(session, width, now).slice(position.top, position.top + bodyRows)
    const head = row(span(' TLS AND CERTIFICATES   c: the dialogue', 'dim'))
    return [...facts, cutRow(head, width), ...rows].slice(0, size.rows)
  }
  const rows = items.slice(position.top, position.top + bodyRows).map((item, index) => {
    const isSelected = position.top + index === position.selected
    return highlightRow(dialogueRow(item, width, isSelected), search)
  })
  const nothing = items.length === 0 ? [row(span(emptyText(state), 'dim'))] : []
  return [...facts, dialogueHeader(width), ...rows, ...nothing]
    .slice(0, size.rows)
    .map((each) => cutRow(each, width))
}

function status(state: SessionState): string {
  if (state.session === null) return 'not kept'
  const remarks = state.lines.filter(isRemark).length
  const parts = [
    state.pane === 'tls'
      ? 'TLS'
      : `${state.items.length === 0 ? 0 : state.position.selected + 1} of ${state.items.length}`,
    remarks > 0 ? `${remarks} to note` : '',
    state.showsRemarksOnly ? 'HINTS ONLY' : '',
    state.isFollowing ? 'FOLLOW' : '',
  ]
  return parts.filter((part) => part !== '').join('  ')
}

function find(
  state: SessionState,
  context: ScreenContext,
  text: string,
  direction: 1 | -1,
): SessionState | null {
  if (state.session === null || state.pane === 'tls') return null
  const from = state.items[state.position.selected] ?? null
  const found = findInDialogue(state.shown, from, { text, direction, width: state.width })
  if (found === null) return null
  const isHidden = found.part > 0 && !state.unfolded.has(keyOf(found.line))
  const shown = isHidden ? foldToggledAt(state, found.line) : state
  const index = shown.items.findIndex(({ line, part }) => line === found.line && part === found.part)
  const position = selectIndex(shown.position, index, extentOf(shown, context))
  return { ...shown, isFollowing: false, position }
}

function enter(state: SessionState, context: ScreenContext): Step<SessionState> {
  const { session } = state
  const item = state.items[state.position.selected]
  if (session === null) return { state, effects: [NO_SESSION] }
  if (item === undefined || state.pane === 'tls') return only(state)
  const { line } = item
  if (line.messageKey !== null) {
    const argument = { session: session.id, number: line.messageKey, hold: null }
    return { state, effects: [{ type: 'open', screen: 'message', argument }] }
  }
  const held = line.kind === 'held' ? heldAt(session, line, context) : null
  if (held !== null) {
    const argument = { session: session.id, number: line.number, hold: held }
    return { state, effects: [{ type: 'open', screen: 'held-item', argument }] }
  }
  if (item.fold !== 'none') return only(foldToggled(state, context))
  const text = line.kind === 'held' ? 'It waits no longer' : 'There is nothing behind this line'
  return { state, effects: [{ type: 'say', text, tone: 'plain' }] }
}

/** The hold of a line, as long as it waits. */
function heldAt(session: SessionRecord, { number }: DialogueLine, { held }: ScreenContext): string | null {
  return held.find((item) => item.session === session.id && item.number === number)?.hold ?? null
}

function foldToggled(state: SessionState, context: ScreenContext): SessionState {
  const item = state.items[state.position.selected]
  if (item === undefined || item.fold === 'none' || state.pane === 'tls') return state
  const toggled = foldToggledAt(state, item.line)
  const extent = extentOf(toggled, context)
  // From within what was unfolded, folding leads back to its line; what was unfolded comes into sight below it.
  const first = toggled.items.findIndex(({ line }) => line === item.line)
  const last = toggled.items.findLastIndex(({ line }) => line === item.line)
  const position = selectIndex(selectIndex(state.position, last, extent), first, extent)
  return { ...toggled, isFollowing: false, position }
}

function foldToggledAt(state: SessionState, line: DialogueLine): SessionState {
  const unfolded = new Set(state.unfolded)
  const key = keyOf(line)
  if (!unfolded.delete(key)) unfolded.add(key)
  return withItems({ ...state, unfolded })
}

function remarksToggled(state: SessionState): SessionState {
  const toggled = withItems({ ...state, showsRemarksOnly: !state.showsRemarksOnly })
  const selected = state.showsRemarksOnly ? placeOf(state, toggled.items) : 0
  return { ...toggled, isFollowing: false, position: { ...state.position, selected } }
}

function sendCommand({ session }: SessionState, { source }: ScreenContext): ScreenEffect {
  if (session === null) return NO_SESSION
  if (source === 'recording') return refuseInRecording('There is no server to send a command to')
  if (session.closedAt !== null) {
    return { type: 'say', text: `${sessionName(session)} has ended: no server listens`, tone: 'attention' }
  }
  return ask(`send to the server as ${sessionName(session)}`, '', (line) => {
    if (line.trim() === '') return []
    return [
      {
        type: 'request',
        request: { type: 'send', session: session.id, line },
        done: 'Sent; its reply appears in the dialogue, marked as yours (Y>)',
      },
    ]
  })
}

function neighbour(state: SessionState, context: ScreenContext, direction: 1 | -1): Step<SessionState> {
  const { store, filter } = context
  const ordinal = state.session?.ordinal ?? 0
  const inOrder = direction === 1 ? store.sessions : store.sessions.toReversed()
  for (const session of inOrder) {
    if (direction * (session.ordinal - ordinal) <= 0) continue
    if (filter !== null && !matchesSession(filter, session)) continue
    const opened = open({ session: session.id, number: null, hold: null }, context)
    return only(withItems({ ...opened, session, lines: dialogueOf(session), ...chosenViews(state) }))
  }
  const which = direction === 1 ? 'last' : 'first'
  const among = filter === null ? '' : ' that the filter finds'
  return { state, effects: [{ type: 'say', text: `This is the ${which} session${among}`, tone: 'plain' }] }
}

/** How a person looks at sessions stays while they go from one to the next. */
function chosenViews({ pane, showsRemarksOnly, isLoginUnfolded }: SessionState): Partial<SessionState> {
  return { pane, showsRemarksOnly, isLoginUnfolded }
}

function copyLine(state: SessionState, { size, now }: ScreenContext): readonly ScreenEffect[] {
  const { session, position } = state
  if (session === null) return [NO_SESSION]
  if (state.pane === 'tls') {
    const text = tlsRows(session, Math.max(size.columns, 200), now).map(rowText).join('\n')
    return [{ type: 'copy', text, what: 'TLS of both legs' }]
  }
  const line = state.items[position.selected]?.line
  return line === undefined ? [] : [{ type: 'copy', text: lineAsText(line), what: 'line' }]
}

function extentOf(state: SessionState, context: ScreenContext): ListExtent {
  const { size, now } = context
  const rows = Math.max(0, size.rows - factsOf(state, context).length - 1)
  const count =
    state.pane === 'tls' && state.session !== null
      ? tlsRows(state.session, size.columns, now).length
      : state.items.length
  return { count, rows }
}

/** Whether the lines behind the login's headline are shown. */
function explainsLogin({ session, isLoginUnfolded }: SessionState): boolean {
  if (isLoginUnfolded !== null || session === null) return isLoginUnfolded === true
  const { outcome } = explainLogin(session)
  return outcome === 'refused' || outcome === 'failed'
}

function factsOf(state: SessionState, { size, now }: ScreenContext): readonly Row[] {
  const { session } = state
  if (session === null) return []
  const isLoginUnfolded = explainsLogin(state)
  const login = explainLogin(session)
  const isShort = size.rows < SHORT_ROWS
  const rows = factRows(session, login, { width: size.columns, now, isShort, isLoginUnfolded })
  return rows.slice(0, Math.max(2, size.rows - DIALOGUE_ROWS))
}

/** Where the selected row is after lines were added, some of them between others. */
function placeOf({ items, position }: SessionState, next: readonly DialogueItem[]): number {
  const selected = items[position.selected]
  if (selected === undefined) return position.selected
  const key = keyOf(selected.line)
  const isSame = (item: DialogueItem | undefined): boolean =>
    item !== undefined && item.part === selected.part && keyOf(item.line) === key
  if (isSame(next[position.selected])) return position.selected
  const found = next.findIndex(isSame)
  return found === -1 ? position.selected : found
}

/** Makes the rows anew, after lines, choice or folding changed. */
function withItems(state: SessionState): SessionState {
  const shown = state.showsRemarksOnly ? state.lines.filter(isRemark) : state.lines
  return {
    ...state,
    shown,
    items: dialogueItems(shown, (line) => state.unfolded.has(keyOf(line)), state.width),
  }
}

function emptyText({ showsRemarksOnly }: SessionState): string {
  return showsRemarksOnly
    ? ' Nothing to remark on in this session. h shows all lines.'
    : ' Nothing was said yet.'
}

function notKept({ id }: SessionState, { size, store }: ScreenContext): readonly Row[] {
  const why =
    store.droppedSessions > 0
      ? ` It was dropped to stay within memory, like ${store.droppedSessions} in all: the oldest go first.`
      : ' Nothing was told of it here.'
  return [
    [],
    row(span(` The session ${id ?? ''} is not kept.`, 'attention')),
    row(span(why)),
    [],
    row(span(' Esc goes back.')),
  ]
    .slice(0, size.rows)
    .map((each) => cutRow(each, size.columns))
}

function only(state: SessionState): Step<SessionState> {
  return { state, effects: [] }
}
