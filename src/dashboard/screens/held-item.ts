/**
 * One held item: what goes on if it is released, whether it may be edited, how long is left. Shows what its session's
 * events tell of it; the octets themselves are fetched by the editor alone.
 */
import { messagesOf } from '../../sessions/messages.js'
import type { SessionRecord } from '../../sessions/session-record.js'
import type { TraceContent } from '../../trace/event.js'
import { decodeText, safeText } from '../../trace/safe-text.js'
import type { HeldSummary } from '../../watch/protocol.js'
import { wrapTo } from '../cells.js'
import type { Row, Style } from '../frame.js'
import type { Binding, ScreenArgument, ScreenContext, ScreenModule } from '../screen-module.js'
import { cutRow, highlightRow, row, span, titleRow } from '../spans.js'
import { dropText, heldBindings, whyNotEditable } from './held-actions.js'
import { LIST_START, type ListPosition, movementBindings, selectIndex } from './list-position.js'
import { ageText, countdownText, octetsText } from './quantities.js'
import { sessionName } from './session-actions.js'

export interface HeldItemState {
  readonly argument: ScreenArgument
  /** As it was when it was last held; null where it never was while this was open. */
  readonly item: HeldSummary | null
  readonly isHeld: boolean
  /** Of the preview, line by line. */
  readonly position: ListPosition
}

/** Octets of a message that are looked at: its header section and its beginning. */
const PREVIEW_OCTETS = 32_768
const LABEL_CELLS = 9

const bindings: readonly Binding<HeldItemState>[] = [
  ...heldBindings<HeldItemState>(({ item, isHeld }) => (isHeld ? item : null)),
  ...movementBindings<HeldItemState>((state, context, movement) => {
    const extent = previewExtent(state, context)
    // There is nothing to select in a preview: the top moves, and with it what counts as selected.
    const top = Math.max(0, Math.min(movement(state.position.top, extent), extent.count - extent.rows))
    return { ...state, position: { selected: top, top } }
  }),
  {
    keys: ['enter'],
    label: 'session',
    help: 'open the session it belongs to',
    run: (state) => {
      const { session, number } = state.item ?? state.argument
      if (session === null) return { state, effects: [] }
      return {
        state,
        effects: [{ type: 'open', screen: 'session', argument: { session, number, hold: null } }],
      }
    },
  },
]

/** Opened from the list of held items, and from the line of a session. */
export const heldItemScreen: ScreenModule<HeldItemState> = {
  id: 'held-item',
  title: 'Held item',
  open: (argument, context) => settle({ argument, item: null, isHeld: false, position: LIST_START }, context),
  bindings,
  // Of what is held no longer too: a command then says so, and acts on nothing else.
  selection: ({ argument }) => argument,
  settle,
  view,
  status: ({ item, isHeld }, { now }) =>
    item !== null && isHeld ? `HELD  goes on in ${countdownText(item.releaseAt - now)}` : 'not held',
  find,
}

function settle(state: HeldItemState, context: ScreenContext): HeldItemState {
  const held = context.held.find(({ hold }) => hold === state.argument.hold) ?? null
  const next = { ...state, item: held ?? state.item, isHeld: held !== null }
  return {
    ...next,
    position: selectIndex(state.position, state.position.selected, previewExtent(next, context)),
  }
}

function view(state: HeldItemState, context: ScreenContext): readonly Row[] {
  const { size, isUnicode, search } = context
  const { item, position } = state
  if (item === null) return gone(state, context)
  const facts = factRows(state, item, context)
  const preview = previewLines(item, context)
  const rows = [
    ...facts,
    titleRow(state.isHeld ? 'what goes on if it is released' : 'what it was', size.columns, isUnicode),
    ...preview
      .slice(position.top, position.top + Math.max(0, size.rows - facts.length - 1))
      .map((line) => highlightRow(row(span(` ${line.text}`, line.style)), search)),
  ]
  return rows.slice(0, size.rows).map((each) => cutRow(each, size.columns))
}

function find(
  state: HeldItemState,
  context: ScreenContext,
  text: string,
  direction: 1 | -1,
): HeldItemState | null {
  if (state.item === null) return null
  const lines = previewLines(state.item, context)
  const wanted = text.toLowerCase()
  for (let step = 1; step <= lines.length; step += 1) {
    const index = (state.position.selected + direction * step + lines.length * step) % lines.length
    if (lines[index]?.text.toLowerCase().includes(wanted) !== true) continue
    return { ...state, position: selectIndex(state.position, index, previewExtent(state, context)) }
  }
  return null
}

function factRows(state: HeldItemState, item: HeldSummary, context: ScreenContext): readonly Row[] {
  const { now, size, store } = context
  const session = store.get(item.session)
  const title = row(
    span(` ${session === null ? item.session : sessionName(session)}  `, 'bold'),
    span(`${item.kind} ${item.shown}`, 'bold'),
  )
  const facts: readonly (readonly [string, string, Style])[] = state.isHeld
    ? [
        ['held', `for ${ageText(now - item.heldAt)}, by ${item.breakpoint}`, 'plain'],
        ['left', `${countdownText(item.releaseAt - now)}, then it goes on unchanged`, 'attention'],
        ['client', clientText(item), 'plain'],
        [
          'edit',
          whyNotEditable(item) ?? `e edits ${octetsText(item.editableOctets ?? 0)} octets in $EDITOR`,
          'plain',
        ],
        ['drop', `d: ${dropText(item)}`, 'plain'],
      ]
    : [['held', `no longer: ${howItWentOn(session, item)}`, 'attention']]
  const width = Math.max(8, size.columns - LABEL_CELLS - 2)
  return [
    title,
    ...facts.flatMap(([label, text, style]) =>
      wrapTo(text, width).map((line, index) =>
        row(span(` ${(index === 0 ? label : '').padEnd(LABEL_CELLS)}`, 'dim'), span(line, style)),
      ),
    ),
  ]
}

function clientText({ isCommitted }: HeldSummary): string {
  return isCommitted
    ? 'kept alive: it was told +OK and a blank every few seconds since, so -ERR can no longer be said'
    : 'waits: most clients give up after 30 to 60 seconds without an octet'
}

function howItWentOn(session: SessionRecord | null, { hold }: HeldSummary): string {
  for (const { content } of session?.events.toReversed() ?? []) {
    if (content.type === 'released' && content.hold === hold) return VERDICTS[content.verdict]
  }
  return 'it went on'
}

const VERDICTS: Readonly<Record<Extract<TraceContent, { type: 'released' }>['verdict'], string>> = {
  released: 'it was released unchanged',
  edited: 'it was edited and went on',
  answered: 'the client got an answer in its place',
  dropped: 'it was dropped',
  'timed-out': 'its time was up, it went on unchanged',
  'session-ended': 'its session ended',
}

interface PreviewLine {
  readonly text: string
  readonly style: Style
}

function previewLines(item: HeldSummary, context: ScreenContext): readonly PreviewLine[] {
  const session = context.store.get(item.session)
  switch (item.kind) {
    case 'command':
      return [plain(item.shown)]
    case 'reply':
      return [plain(replyText(session, item) ?? item.shown)]
    case 'message':
      return messageLines(session, item)
  }
}

function replyText(session: SessionRecord | null, { number }: HeldSummary): string | null {
  for (const { content } of session?.events.toReversed() ?? []) {
    if (content.type !== 'reply' || content.number !== number || content.source !== 'server') continue
    const code = content.responseCode === null ? '' : `[${content.responseCode}] `
    return `${content.indicator} ${code}${content.text}`
  }
  return null
}

function messageLines(session: SessionRecord | null, item: HeldSummary): readonly PreviewLine[] {
  const message =
    session === null ? undefined : messagesOf(session).find(({ number }) => number === item.number)
  const octets = message?.original ?? null
  if (octets === null) return [dim('Its content is not told here. e opens it in your editor, whole.')]
  const known = beginnings.get(octets)
  if (known !== undefined) return known
  const lines = beginningOf(octets)
  beginnings.set(octets, lines)
  return lines
}

/** Of messages that are looked at: a frame asks several times. */
const beginnings = new WeakMap<Buffer, readonly PreviewLine[]>()

function beginningOf(octets: Buffer): readonly PreviewLine[] {
  const shown = octets.subarray(0, PREVIEW_OCTETS)
  const lines = decodeText(shown)
    .split(/\r?\n/)
    .map((line) => plain(safeText(line)))
  const rest = octets.length - shown.length
  return rest === 0 ? lines : [...lines, dim(`and ${octetsText(rest)} octets more: e opens it whole`)]
}

function previewExtent(
  state: HeldItemState,
  context: ScreenContext,
): { readonly count: number; readonly rows: number } {
  if (state.item === null) return { count: 0, rows: 0 }
  const facts = factRows(state, state.item, context).length
  return { count: previewLines(state.item, context).length, rows: Math.max(1, context.size.rows - facts - 1) }
}

function gone({ argument }: HeldItemState, { size, source, store }: ScreenContext): readonly Row[] {
  const session = argument.session === null ? null : store.get(argument.session)
  const whose = session === null ? '' : ` of ${sessionName(session)}`
  const why =
    source === 'recording'
      ? 'This is a recording: what was held then went on long ago.'
      : `The item${whose} is held no longer.`
  return [[], row(span(` ${why}`, 'attention')), [], row(span(' Enter opens its session, Esc goes back.'))]
    .slice(0, size.rows)
    .map((each) => cutRow(each, size.columns))
}

function plain(text: string): PreviewLine {
  return { text, style: 'plain' }
}

function dim(text: string): PreviewLine {
  return { text, style: 'dim' }
}
