/**
 * The commands of `:`, one table: what each is called, how it is written, what it does. Everything that a key does
 * has a command here, and each key of the screen in sight has one by its label. Pure: a command gives wishes, or says
 * what is wrong with it.
 */
import { completions, FilterError, parseFilter } from '../expression/filter.js'
import { matchesSession } from '../sessions/fields.js'
import { parseBreakpoint } from '../watch/breakpoint-wish.js'
import { FRAME_BINDINGS, type FrameAction } from './bindings.js'
import { type Model, selectionOf, topScreen, type Wish } from './model.js'
import type { KeyHelp } from './open-screen.js'
import { wordBefore } from './prompt.js'
import { NO_ARGUMENT } from './screen-module.js'
import { confirm } from './screens/questions.js'
import { recordingOf } from './screens/recording-of.js'

/** A command of `:`. */
export interface Command {
  readonly names: readonly string[]
  /** What stands behind the name, empty for nothing. */
  readonly usage: string
  readonly help: string
  /** @returns what is to happen, or what is wrong in one line */
  run(argument: string, model: Model): readonly Wish[] | string
  /** What may stand behind the name, for Tab. */
  complete?(argument: string, model: Model): readonly string[]
}

/** All commands, in the order in which help lists them. */
export const COMMANDS: readonly Command[] = [
  ...['sessions', 'messages', 'rules', 'held', 'statistics', 'log'].map((name) =>
    frameCommand([name], actionOf(name)),
  ),
  {
    names: ['session'],
    usage: 'NUMBER',
    help: 'open a session by its number in the list',
    run: openSession,
  },
  {
    names: ['filter'],
    usage: '[FILTER]',
    help: 'filter sessions, messages and log; without one: show everything',
    run: (text) => [{ type: 'filter', text }],
    complete: (argument) => completions(argument, argument.length),
  },
  {
    names: ['search'],
    usage: '[TEXT]',
    help: 'search the text of this screen',
    run: (text) => [{ type: 'search', text }],
  },
  frameCommand(['next'], { type: 'search-next' }),
  frameCommand(['previous'], { type: 'search-previous' }),
  {
    names: ['break', 'breakpoint'],
    usage: '[command, reply, message:] FILTER',
    help: 'hold what a filter catches; the kind follows from the filter where none is given',
    run: setBreakpoint,
    complete: (argument) => completions(argument, argument.length),
  },
  {
    names: ['unbreak'],
    usage: '[all]',
    help: 'remove the newest breakpoint, or all',
    run: removeBreakpoints,
  },
  frameCommand(['catch'], { type: 'catch' }),
  {
    names: ['release', 'a'],
    usage: '[all]',
    help: 'let the selected held item go on, or all of them',
    run: release,
    complete: () => ['all'],
  },
  {
    names: ['edit', 'e'],
    usage: '',
    help: 'edit the selected held item in $EDITOR',
    run: onHold((hold) => [{ type: 'edit-held', hold }]),
  },
  {
    names: ['answer'],
    usage: '[REPLY]',
    help: 'answer for the selected held item; without a reply: in $EDITOR',
    run: answer,
  },
  {
    names: ['drop'],
    usage: '',
    help: 'refuse the selected held item: the client gets -ERR',
    run: onHold((hold) => [
      confirm('Drop it? The client gets -ERR.', {
        type: 'request',
        request: { type: 'drop', hold },
        done: 'dropped',
      }),
    ]),
  },
  {
    names: ['send'],
    usage: 'COMMAND',
    help: 'repeater: send a command of your own in the selected session; the client sees nothing of it',
    run: send,
  },
  { names: ['kill'], usage: '', help: 'break the selected session off, on both legs', run: kill },
  {
    names: ['write', 'w'],
    usage: 'FILE',
    help: 'write the sessions that the filter shows to a new recording',
    run: write,
  },
  frameCommand(['pause'], { type: 'pause' }),
  {
    names: ['mouse'],
    usage: '[on|off]',
    help: 'mouse on or off; while it is on, hold Shift to select text',
    run: mouse,
    complete: () => ['on', 'off'],
  },
  frameCommand(['redraw'], { type: 'redraw' }),
  frameCommand(['suspend'], { type: 'suspend' }),
  frameCommand(['help', 'map'], { type: 'help' }),
  frameCommand(['back'], { type: 'back' }),
  frameCommand(['quit', 'q'], { type: 'quit' }),
]

/**
 * Reads a line of `:`.
 *
 * @returns what is to happen, or what is wrong in one line
 */
export function runCommand(line: string, model: Model): readonly Wish[] | string {
  const [, name = '', argument = ''] = /^\s*:?(\S*)\s*(.*?)\s*$/.exec(line) ?? []
  if (name === '') return []
  const command = COMMANDS.find(({ names }) => names.includes(name))
  if (command !== undefined) return command.run(argument, model)
  const key = screenCommands(model).get(name)
  if (key !== undefined) return [{ type: 'press', key }]
  const near = commandNames(model).filter((known) => known.startsWith(name.slice(0, 2)))
  return `no command ${name}${near.length === 0 ? '; ? lists them' : `; did you mean ${near.join(', ')}?`}`
}

/** Continues a line of `:`: the name of a command, or what may stand behind it. */
export function completeCommand(text: string, cursor: number, model: Model): readonly string[] {
  const before = text.slice(0, cursor)
  const [, name = null, argument = ''] = /^\s*(\S+)\s+(.*)$/.exec(before) ?? []
  const word = wordBefore(text, cursor)
  if (name === null) return commandNames(model).filter((known) => known.startsWith(word))
  const command = COMMANDS.find(({ names }) => names.includes(name))
  return (command?.complete?.(argument, model) ?? []).filter((offer) => offer.startsWith(word))
}

/** Commands that the screen in sight has by the labels of its keys: `follow`, `sort`. */
export function screenCommands(model: Model): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const binding of topScreen(model)?.keys ?? []) {
    const [key] = binding.keys
    const name = commandOf(binding)
    if (name !== '' && key !== undefined && !found.has(name)) found.set(name, key)
  }
  return found
}

/** The command that a screen's key has, empty for none. */
export function commandOf({ label }: KeyHelp): string {
  return label.toLowerCase().replaceAll(' ', '-')
}

function commandNames(model: Model): readonly string[] {
  const names = [...COMMANDS.map(({ names: [first = ''] }) => first), ...screenCommands(model).keys()]
  return [...new Set(names)].sort()
}

function actionOf(command: string): FrameAction {
  return FRAME_BINDINGS.find((binding) => binding.command === command)?.action ?? { type: 'redraw' }
}

function frameCommand(names: readonly string[], action: FrameAction): Command {
  const binding = FRAME_BINDINGS.find((candidate) => candidate.action.type === action.type)
  const tab = FRAME_BINDINGS.find((candidate) => candidate.action === action)
  return {
    names,
    usage: '',
    help: (tab ?? binding)?.help ?? '',
    run: () => [{ type: 'act', action }],
  }
}

function openSession(argument: string, model: Model): readonly Wish[] | string {
  const wanted = argument.replace(/^#/, '')
  const session = model.store.sessions.find(({ id, ordinal }) => String(ordinal) === wanted || id === wanted)
  if (session === undefined)
    return `no session ${wanted === '' ? 'given: :session NUMBER' : `${wanted} is kept`}`
  return [{ type: 'open', screen: 'session', argument: { ...NO_ARGUMENT, session: session.id } }]
}

function setBreakpoint(argument: string): readonly Wish[] | string {
  if (argument === '') return 'what is to be held? :break command == "RETR"'
  try {
    const wish = parseBreakpoint(argument)
    if (parseFilter(wish.filter).isText) return 'a breakpoint needs an expression: :break command == "RETR"'
    return [
      {
        type: 'request',
        request: { type: 'set-breakpoint', breakpoint: null, ...wish },
        done: `${wish.kinds.join(' and ')} held where ${wish.filter}, for ${wish.holdMs / 1000} s each`,
      },
    ]
  } catch (error) {
    if (error instanceof FilterError) return `column ${error.column + 1}: ${error.message}`
    throw error
  }
}

function removeBreakpoints(argument: string, model: Model): readonly Wish[] | string {
  const newest = model.breakpoints.at(-1)
  if (newest === undefined) return 'there is no breakpoint'
  const removed = argument === 'all' ? model.breakpoints : [newest]
  return removed.map(({ id, filter }) => ({
    type: 'request',
    request: { type: 'remove-breakpoint', breakpoint: id },
    done: `nothing is held any more where ${filter}`,
  }))
}

function release(argument: string, model: Model): readonly Wish[] | string {
  if (argument !== 'all') {
    return onHold((hold) => [{ type: 'request', request: { type: 'release', hold }, done: 'released' }])(
      '',
      model,
    )
  }
  if (model.held.length === 0) return 'nothing is held'
  return model.held.map(({ hold }) => ({
    type: 'request',
    request: { type: 'release', hold },
    done: `all ${model.held.length} released`,
  }))
}

function answer(argument: string, model: Model): readonly Wish[] | string {
  return onHold((hold) =>
    argument === ''
      ? [{ type: 'answer-held', hold, initial: '-ERR [SYS/TEMP] answered by hand\n' }]
      : [
          {
            type: 'request',
            request: { type: 'answer', hold, octets: Buffer.from(argument) },
            done: 'answered',
          },
        ],
  )('', model)
}

/** A command about one held item: the selected one, or the only one there is. */
function onHold(wishes: (hold: string) => readonly Wish[]): Command['run'] {
  return (_argument, model) => {
    if (model.held.length === 0) return 'nothing is held'
    const selected = selectionOf(model).hold
    const hold = selected ?? (model.held.length === 1 ? model.held[0]?.hold : undefined)
    return hold === undefined || hold === null ? 'which one? Select it on screen 4' : wishes(hold)
  }
}

function send(argument: string, model: Model): readonly Wish[] | string {
  const { session } = selectionOf(model)
  if (session === null) return 'in which session? Select one first'
  if (argument === '') return 'what is to be sent? :send NOOP'
  const ordinal = model.store.get(session)?.ordinal ?? session
  const request = { type: 'send', session, line: argument } as const
  return [{ type: 'request', request, done: `sent in session ${ordinal}; its answer is in the dialogue` }]
}

function kill(_argument: string, model: Model): readonly Wish[] | string {
  const { session } = selectionOf(model)
  if (session === null) return 'which session? Select one first'
  const ordinal = model.store.get(session)?.ordinal ?? session
  return [
    confirm(`Break session ${ordinal} off, on both legs?`, {
      type: 'request',
      request: { type: 'kill-session', session },
      done: `session ${ordinal} ended`,
    }),
  ]
}

function write(argument: string, model: Model): readonly Wish[] | string {
  if (argument === '') return 'into which file? :write FILE'
  const { filter, store } = model
  const sessions = store.sessions.filter((session) => filter === null || matchesSession(filter, session))
  const what = `${sessions.length} ${sessions.length === 1 ? 'session' : 'sessions'}`
  return [{ type: 'write-file', name: argument, octets: recordingOf(sessions, model.now), what }]
}

function mouse(argument: string, model: Model): readonly Wish[] | string {
  if (argument !== '' && argument !== 'on' && argument !== 'off') return ':mouse takes on or off'
  const isOn = argument === '' ? !model.isMouseOn : argument === 'on'
  return isOn === model.isMouseOn ? [] : [{ type: 'act', action: { type: 'mouse' } }]
}
