/**
 * What a person decides about a held item, wherever one is shown. Owns the keys, the questions and the refusals; the
 * screens say which item is meant.
 */
import type { HeldSummary } from '../../watch/protocol.js'
import type { Binding, ScreenContext, ScreenEffect } from '../screen-module.js'
import { confirm } from './questions.js'

/**
 * The keys `a` (release), `e` (edit), `r` (answer), `d` (drop) and `x` (end its session).
 *
 * @param selected the item that is meant; null for none
 */
export function heldBindings<State>(
  selected: (state: State, context: ScreenContext) => HeldSummary | null,
): readonly Binding<State>[] {
  const binding = (
    key: string,
    label: string,
    help: string,
    decide: (item: HeldSummary, context: ScreenContext) => ScreenEffect,
  ): Binding<State> => ({
    keys: [key],
    label,
    help,
    run(state, context) {
      const item = selected(state, context)
      return { state, effects: [item === null ? NO_ITEM : decide(item, context)] }
    },
  })
  return [
    binding('a', 'release', 'release the held item: it goes on as it is', ({ hold, shown }) => ({
      type: 'request',
      request: { type: 'release', hold },
      done: `Released: ${shown}`,
    })),
    binding('e', 'edit', 'edit it in $EDITOR; what you save goes on, dots and sizes are put right', editItem),
    binding('r', 'answer', 'answer the client yourself, in $EDITOR', answerItem),
    binding(
      'd',
      'drop',
      'drop it: the client gets -ERR, or a notice in place of a message (asks first)',
      dropItem,
    ),
    binding('x', 'kill', 'end its session: close both of its connections (asks first)', killItsSession),
  ]
}

/** Says why an item cannot be edited; null where it can. */
export function whyNotEditable({ editableOctets }: HeldSummary): string | null {
  return editableOctets === null
    ? 'It holds a credential, which nobody is shown: release it, answer or drop it'
    : null
}

/** Says what a drop leads to, in words for the person who decides. */
export function dropText({ kind, isCommitted }: HeldSummary): string {
  if (isCommitted) {
    return kind === 'message'
      ? 'the client gets a notice instead: +OK was said already'
      : 'the client gets an empty answer: +OK was said already'
  }
  return kind === 'command'
    ? 'the client gets -ERR, the server never sees it'
    : 'the client gets -ERR in its place'
}

const NO_ITEM: ScreenEffect = { type: 'say', text: 'No held item is selected', tone: 'attention' }

function editItem(item: HeldSummary): ScreenEffect {
  const problem = whyNotEditable(item)
  return problem === null
    ? { type: 'edit-held', hold: item.hold }
    : { type: 'say', text: problem, tone: 'attention' }
}

function answerItem({ hold, kind, isCommitted }: HeldSummary): ScreenEffect {
  // What was said cannot be taken back: an answer then begins with the +OK that the client has.
  const status = isCommitted ? '+OK' : '-ERR [SYS/TEMP] Not now, please try again later'
  const content = isCommitted && kind === 'message' ? '\n\n' : '\n'
  return { type: 'answer-held', hold, initial: status + content }
}

function dropItem(item: HeldSummary): ScreenEffect {
  return confirm(`Drop ${item.shown}? Then ${dropText(item)}.`, {
    type: 'request',
    request: { type: 'drop', hold: item.hold },
    done: `Dropped: ${item.shown}`,
  })
}

function killItsSession({ session, shown }: HeldSummary, { store }: ScreenContext): ScreenEffect {
  const ordinal = store.get(session)?.ordinal
  const name = ordinal === undefined ? session : `#${ordinal}`
  return confirm(
    `Close both connections of ${name}, which waits with ${shown}? Its client sees them break.`,
    {
      type: 'request',
      request: { type: 'kill-session', session },
      done: `${name} was ended`,
    },
  )
}
