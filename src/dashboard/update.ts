/**
 * How the dashboard's state goes on: keys and messages in, a new state and effects out. Owns the dispatch of keys
 * (question, help, frame, screen), the stack of screens, and what the proxy's messages mean. No terminal, no clock, no
 * promises.
 */
import { completions, FilterError, parseFilter } from '../expression/filter.js'
import { type FrameAction, frameAction } from './bindings.js'
import { completeCommand, runCommand } from './commands.js'
import type { Update } from './effect.js'
import { helpKey, NO_HELP } from './help.js'
import type { TerminalInput } from './keys.js'
import {
  type Model,
  type OpenPrompt,
  settled,
  stackOf,
  topContext,
  topScreen,
  type Wish,
  withNote,
  withStack,
  withTop,
} from './model.js'
import { guardPaste } from './paste-guard.js'
import {
  openPrompt,
  type Problem,
  type Prompt,
  type PromptKind,
  promptKey,
  promptText,
  remember,
} from './prompt.js'
import type { ScreenEffect } from './screen-module.js'
import { askNewBreakpoint, switchBreakpoint } from './screens/breakpoint-prompt.js'
import { tabAt } from './tabs.js'
import { fromProxy, resume } from './update-source.js'

/** What can happen. */
export type Message =
  | { readonly type: 'inputs'; readonly inputs: readonly TerminalInput[] }
  | { readonly type: 'from-proxy'; readonly message: Parameters<typeof fromProxy>[1] }
  /** The source ended. */
  | { readonly type: 'closed'; readonly problem: string | null }
  | { readonly type: 'tick' }
  | { readonly type: 'resized'; readonly columns: number; readonly rows: number }
  /** The editor ended; null octets for an unchanged text. */
  | {
      readonly type: 'edited'
      readonly purpose: 'edit' | 'answer'
      readonly hold: string
      readonly octets: Buffer | null
    }
  /** An effect was performed, or could not be. */
  | { readonly type: 'performed'; readonly text: string; readonly tone: 'plain' | 'attention' | 'error' }

/** Milliseconds for the second Ctrl-C. */
const INTERRUPT_MS = 2_000
/** Milliseconds that the status line says something. */
const NOTE_MS = 10_000

/**
 * Applies one message.
 *
 * @param now milliseconds since the epoch
 */
export function update(before: Model, message: Message, now: number): Update {
  const model: Model = { ...before, now }
  switch (message.type) {
    case 'inputs':
      return applyInputs(model, message.inputs)
    case 'from-proxy':
      return fromProxy(model, message.message)
    case 'closed':
      return closed(model, message.problem)
    case 'tick':
      // The seconds of a recording are over: its graphs end with its last event.
      if (model.source === 'live') model.statistics.tick(now)
      return only(model.note !== null && now - model.note.at > NOTE_MS ? { ...model, note: null } : model)
    case 'resized':
      return only({ ...model, size: { columns: message.columns, rows: message.rows } })
    case 'edited':
      return edited(model, message.purpose, message.hold, message.octets)
    case 'performed':
      return only(withNote(model, message.text, message.tone))
    default:
      return unreachable(message)
  }
}

function only(model: Model): Update {
  return { model, effects: [] }
}

function closed(model: Model, problem: string | null): Update {
  if (model.source === 'recording' && problem === null) return only({ ...model, sourceState: 'open' })
  const text = problem ?? 'the proxy has ended; what it told before stays here until you quit'
  const ended: Model = { ...model, sourceState: 'closed', pending: new Map(), held: [] }
  return only(withNote(ended, text, problem === null ? 'attention' : 'error'))
}

function edited(model: Model, purpose: 'edit' | 'answer', hold: string, octets: Buffer | null): Update {
  if (octets === null)
    return only(withNote(model, 'nothing was changed, so nothing was sent: it is still held'))
  const done = purpose === 'edit' ? 'sent on as edited' : 'answered'
  return wish(model, { type: 'request', request: { type: purpose, hold, octets }, done })
}

function applyInputs(model: Model, inputs: readonly TerminalInput[]): Update {
  let state = only(model)
  for (const [index, input] of inputs.entries()) {
    const { typedAt, now } = state.model
    // What is typed into a line may come as fast as it likes.
    const isLine = state.model.prompt !== null || state.model.help !== null
    if (!isLine) {
      const guarded = guardPaste(typedAt, inputs.slice(index), now)
      if (guarded.isPaste)
        return isLineOpener(input)
          ? typedAhead(state, inputs.slice(index))
          : pasteIgnored(state, guarded.typedAt)
    }
    const next = applyInput(settled(state.model), input)
    const remembered = isLine ? [] : guardPaste(typedAt, [input], now).typedAt
    state = { model: { ...next.model, typedAt: remembered }, effects: [...state.effects, ...next.effects] }
  }
  return state
}

function isLineOpener(input: TerminalInput): boolean {
  return input.type === 'key' && (input.name === ':' || input.name === '/')
}

/**
 * A line that a person typed while the link stood still comes at once. It is taken up to its Enter, which the person
 * presses again: if it was a paste after all, nothing has happened.
 */
function typedAhead(state: Update, inputs: readonly TerminalInput[]): Update {
  const end = inputs.findIndex((input) => input.type !== 'key' || input.name === 'enter')
  return inputs.slice(0, end === -1 ? inputs.length : end).reduce<Update>((before, input) => {
    const next = applyInput(settled(before.model), input)
    return { model: { ...next.model, typedAt: [] }, effects: [...before.effects, ...next.effects] }
  }, state)
}

function pasteIgnored(state: Update, typedAt: Model['typedAt']): Update {
  const model = withNote(
    state.model,
    'That looked like a paste; a list takes keys, so nothing was done',
    'attention',
  )
  return { model: { ...model, typedAt }, effects: state.effects }
}

function applyInput(model: Model, input: TerminalInput): Update {
  switch (input.type) {
    case 'key':
      return applyKey(model, input.name, input.text)
    case 'paste':
      return pasted(model, input.text)
    case 'wheel':
      return pressed(
        model,
        Array.from({ length: 3 }, () => (input.direction === 1 ? 'down' : 'up')),
      )
    case 'click':
      return clicked(model, input.column, input.row)
    default:
      return unreachable(input)
  }
}

function pasted(model: Model, text: string): Update {
  const { prompt } = model
  if (prompt === null || prompt.kind === 'confirm') return pasteIgnored(only(model), model.typedAt)
  return only({ ...model, prompt: checked(model, promptText(prompt, text)) })
}

function pressed(model: Model, keys: readonly string[]): Update {
  return keys.reduce<Update>((state, name) => {
    const next = applyKey(settled(state.model), name, '')
    return { model: next.model, effects: [...state.effects, ...next.effects] }
  }, only(model))
}

/** The tab line takes clicks; everything else is for keys. */
function clicked(model: Model, column: number, row: number): Update {
  if (row !== 1 || model.prompt !== null || model.help !== null) return only(model)
  const tab = tabAt(model, column)
  return tab === null ? only(model) : act(model, { type: 'tab', screen: tab.screen })
}

function applyKey(model: Model, key: string, typed: string): Update {
  if (model.prompt !== null) return keyInPrompt(model, model.prompt, key, typed)
  if (model.help !== null) return keyInHelp(model, key)
  const action = frameAction(key)
  return action === null ? pressScreen(model, key) : act(model, action)
}

function pressScreen(model: Model, key: string): Update {
  const step = topScreen(model)?.press(key, topContext(model)) ?? null
  if (step === null) return only(model)
  return wishes(withTop(model, step.screen), step.effects)
}

function keyInHelp(model: Model, key: string): Update {
  if (key === 'C-c') return act({ ...model, help: null }, { type: 'interrupt' })
  if (key === 'escape' || key === 'q' || key === '?') {
    const { help } = model
    const isFiltered = key === 'escape' && help !== null && help.filter !== ''
    return only({ ...model, help: isFiltered ? NO_HELP : null })
  }
  if (key === '/') {
    return only(
      ask(model, 'help', 'keys with', model.help?.filter ?? '', (text) => [{ type: 'help-filter', text }]),
    )
  }
  if (key === 'C-l') return act(model, { type: 'redraw' })
  return only({ ...model, help: helpKey(model, key) })
}

// Questions.

function ask(
  model: Model,
  kind: PromptKind,
  label: string,
  initial: string,
  answered: OpenPrompt['answered'],
): Model {
  const prompt: OpenPrompt = { ...openPrompt(kind, label, initial, model.now), answered }
  return { ...model, prompt: checked(model, prompt), note: null }
}

/** Keys within this time of the question belong to the burst that opened it; nobody reads a question so fast. */
const ANSWER_MS = 10

function keyInPrompt(model: Model, prompt: OpenPrompt, key: string, typed: string): Update {
  if (key === 'escape' || key === 'C-c') return only({ ...model, prompt: null })
  if (prompt.kind === 'confirm') {
    if (key === 'y' && model.now - prompt.openedAt >= ANSWER_MS) {
      return wishes({ ...model, prompt: null }, prompt.answered('y'))
    }
    return only(key === 'n' || key === 'q' ? withNote({ ...model, prompt: null }, 'left as it is') : model)
  }
  if (key === 'enter') return entered(model, prompt)
  const history = model.history.get(prompt.kind) ?? []
  const complete = (text: string, cursor: number): readonly string[] =>
    offersFor(model, prompt.kind, text, cursor)
  return only({ ...model, prompt: checked(model, promptKey(prompt, key, typed, history, complete)) })
}

function entered(model: Model, prompt: OpenPrompt): Update {
  const text = prompt.line.text.trim()
  // A filter with a mistake stays open: the mistake is on screen, and the one before is still at work.
  if (prompt.problem !== null) return only(model)
  const history = remember(model.history, prompt.kind, text)
  return wishes({ ...model, prompt: null, history }, prompt.answered(text))
}

function offersFor(model: Model, kind: PromptKind, text: string, cursor: number): readonly string[] {
  if (kind === 'command') return completeCommand(text, cursor, model)
  return kind === 'filter' || kind === 'ask' ? completions(text, cursor) : []
}

function checked<Checked extends Prompt>(model: Model, prompt: Checked): Checked {
  const problem = prompt.kind === 'filter' ? filterProblem(prompt.line.text) : null
  return { ...prompt, problem: model.prompt === null && prompt.line.text === '' ? null : problem }
}

function filterProblem(text: string): Problem | null {
  if (text.trim() === '') return null
  try {
    parseFilter(text)
    return null
  } catch (error) {
    if (error instanceof FilterError)
      return { text: error.message, column: error.column, length: error.length }
    throw error
  }
}

// Wishes.

function wishes(model: Model, wanted: readonly Wish[]): Update {
  return wanted.reduce<Update>((state, each) => {
    const next = wish(state.model, each)
    return { model: next.model, effects: [...state.effects, ...next.effects] }
  }, only(model))
}

function wish(model: Model, wanted: Wish): Update {
  switch (wanted.type) {
    case 'open':
      return only(opened(model, wanted))
    case 'back':
      return only(back(model))
    case 'say':
      return only(withNote(model, wanted.text, wanted.tone))
    case 'confirm':
      return only(ask(model, 'confirm', wanted.question, '', () => wanted.onYes))
    case 'ask':
      return only(ask(model, 'ask', wanted.label, wanted.initial, wanted.onAnswer))
    case 'request':
      return requested(model, wanted)
    case 'edit-held':
      return fetched(model, wanted.hold)
    case 'answer-held': {
      const octets = Buffer.from(wanted.initial)
      return { model, effects: [{ type: 'edit', purpose: 'answer', hold: wanted.hold, octets }] }
    }
    case 'copy':
      return { model, effects: [wanted] }
    case 'save':
      return only(
        ask(model, 'ask', `save ${wanted.what} as`, wanted.name, (name) =>
          name === '' ? [] : [{ type: 'write-file', name, octets: wanted.octets, what: wanted.what }],
        ),
      )
    case 'write-file':
      return { model, effects: [wanted] }
    case 'filter':
      return only(filtered(model, wanted.text))
    case 'search':
      return only(searched({ ...model, search: wanted.text }, wanted.text, 1))
    case 'help-filter':
      return only({ ...model, help: { top: 0, filter: wanted.text } })
    case 'run-command': {
      const result = runCommand(wanted.text, model)
      return typeof result === 'string' ? only(withNote(model, result, 'error')) : wishes(model, result)
    }
    case 'act':
      return act(model, wanted.action)
    case 'press':
      return pressScreen(settled(model), wanted.key)
    case 'leave':
      return leave(model)
    default:
      return unreachable(wanted)
  }
}

function opened(model: Model, { screen, argument }: Extract<ScreenEffect, { type: 'open' }>): Model {
  const kind = model.screens.get(screen)
  if (kind === undefined) return withNote(model, `there is no screen for ${screen}`, 'error')
  const next = withStack(model, [...stackOf(model), kind.open(argument, topContext(model))])
  // Opened for the room it has now, which is another one than the screen before had.
  return settled({ ...next, note: null })
}

function back(model: Model): Model {
  const stack = stackOf(model)
  if (stack.length > 1) return withStack({ ...model, note: null }, stack.slice(0, -1))
  if (model.search !== '') return { ...model, search: '' }
  if (model.filter !== null)
    return withNote({ ...model, filter: null }, 'the filter is off: everything is shown')
  return { ...model, note: null }
}

function requested(model: Model, { request, done }: Extract<ScreenEffect, { type: 'request' }>): Update {
  const refusal = refusalOf(model)
  if (refusal !== null) return only(withNote(model, refusal, 'attention'))
  const id = `w${model.nextRequest}`
  const pending = new Map(model.pending).set(id, { type: 'say', done } as const)
  return {
    model: { ...model, pending, nextRequest: model.nextRequest + 1 },
    effects: [{ type: 'request', message: { ...request, id } }],
  }
}

function fetched(model: Model, hold: string): Update {
  const refusal = refusalOf(model)
  if (refusal !== null) return only(withNote(model, refusal, 'attention'))
  const id = `w${model.nextRequest}`
  const pending = new Map(model.pending).set(id, { type: 'edit', hold } as const)
  return {
    model: { ...model, pending, nextRequest: model.nextRequest + 1 },
    effects: [{ type: 'request', message: { type: 'fetch-held', id, hold } }],
  }
}

function refusalOf(model: Model): string | null {
  if (model.source === 'recording') return 'a recording can be read, not changed'
  return model.sourceState === 'closed' ? 'the proxy has ended' : null
}

function filtered(model: Model, text: string): Model {
  if (text.trim() === '') {
    return model.filter === null
      ? model
      : withNote({ ...model, filter: null }, 'the filter is off: everything is shown')
  }
  try {
    return { ...model, filter: parseFilter(text), note: null }
  } catch (error) {
    if (error instanceof FilterError)
      return withNote(model, `column ${error.column + 1}: ${error.message}`, 'error')
    throw error
  }
}

function searched(model: Model, text: string, direction: 1 | -1): Model {
  if (text === '') return model
  const settledModel = settled(model)
  const found = topScreen(settledModel)?.find(topContext(settledModel), text, direction) ?? null
  return found === null
    ? withNote(model, `"${text}" is nowhere on this screen`, 'attention')
    : { ...withTop(settledModel, found), note: null }
}

// The frame's own actions.

function act(model: Model, action: FrameAction): Update {
  switch (action.type) {
    case 'tab':
      return only(tabbed(model, action.screen))
    case 'search':
      return only(ask(model, 'search', 'search', '', (text) => [{ type: 'search', text }]))
    case 'search-next':
    case 'search-previous': {
      if (model.search === '') return only(withNote(model, 'nothing is searched yet: / asks for it'))
      return only(searched(model, model.search, action.type === 'search-next' ? 1 : -1))
    }
    case 'filter':
      return only(
        ask(model, 'filter', 'filter', model.filter?.text ?? '', (text) => [{ type: 'filter', text }]),
      )
    case 'command':
      return only(ask(model, 'command', '', '', (text) => [{ type: 'run-command', text }]))
    case 'help':
      return only({ ...model, help: NO_HELP, note: null })
    case 'pause':
      return only(model.paused === null ? { ...model, paused: { events: [], missed: 0 } } : resume(model))
    case 'break':
      return wishes(model, askNewBreakpoint('', topContext(model)))
    case 'catch':
      return switchAll(model)
    case 'mouse': {
      const isMouseOn = !model.isMouseOn
      const text = isMouseOn ? 'mouse on: hold Shift to select text' : 'mouse off: select text as always'
      return { model: withNote({ ...model, isMouseOn }, text), effects: [{ type: 'mouse', isOn: isMouseOn }] }
    }
    case 'redraw':
      return { model, effects: [{ type: 'redraw' }] }
    case 'suspend':
      return suspended(model)
    case 'back':
      return only(back(model))
    case 'quit':
      return quit(model)
    case 'interrupt':
      return interrupted(model)
    default:
      return unreachable(action)
  }
}

function tabbed(model: Model, tab: Model['tab']): Model {
  if (model.tab !== tab) return { ...model, tab, note: null }
  return withStack(model, stackOf(model).slice(0, 1))
}

function switchAll(model: Model): Update {
  if (model.breakpoints.length === 0) return only(withNote(model, 'there is no breakpoint: i sets one'))
  const isOn = model.breakpoints.some((breakpoint) => breakpoint.isOn)
  const changed = model.breakpoints.filter((breakpoint) => breakpoint.isOn === isOn)
  return wishes(model, changed.map(switchBreakpoint))
}

function suspended(model: Model): Update {
  if (model.hello?.isFace === true) {
    const text =
      'this dashboard belongs to the proxy, which would stop with it: use postern attach in another terminal'
    return only(withNote(model, text, 'attention'))
  }
  return { model, effects: [{ type: 'suspend' }] }
}

function quit(model: Model): Update {
  if (stackOf(model).length > 1) return only(back(model))
  const question = leavingQuestion(model)
  return question === null
    ? leave(model)
    : only(ask(model, 'confirm', question, '', () => [{ type: 'leave' }]))
}

/** What leaving would mean; null where it means nothing. */
function leavingQuestion(model: Model): string | null {
  if (model.source === 'recording' || model.sourceState === 'closed') return null
  const open = model.process?.openSessions ?? model.store.openSessions
  const isFace = model.hello?.isFace === true
  if (open === 0 && model.held.length === 0) return isFace ? 'End the proxy?' : null
  const sessions = open === 1 ? '1 session is open' : `${open} sessions are open`
  if (isFace) return `End the proxy? ${sessions}; each may finish its reply.`
  const held = model.held.length === 0 ? '' : `, ${model.held.length} held until their time is up`
  return `${sessions}${held}. Leave the dashboard? The proxy goes on.`
}

function leave(model: Model): Update {
  if (model.hello?.isFace !== true || model.sourceState === 'closed')
    return { model, effects: [{ type: 'leave' }] }
  const { model: asked, effects } = requested(model, {
    type: 'request',
    request: { type: 'end-proxy' },
    done: 'the proxy is ending',
  })
  return { model: asked, effects: [...effects, { type: 'leave' }] }
}

function interrupted(model: Model): Update {
  const before = model.interruptedAt
  if (before !== null && model.now - before <= INTERRUPT_MS) return leave(model)
  return only(
    withNote({ ...model, interruptedAt: model.now }, 'Ctrl-C once more leaves the dashboard', 'attention'),
  )
}

function unreachable(value: never): never {
  throw new Error(`not handled: ${String(value)}`)
}
