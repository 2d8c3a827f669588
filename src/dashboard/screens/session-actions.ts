/**
 * What can be done with a session wherever one is shown: end it, keep it, wait for its user. Owns the keys, the
 * questions and the refusals; the screens say which session is meant.
 */
import type { SessionRecord } from '../../sessions/session-record.js'
import type { Binding, ScreenContext, ScreenEffect } from '../screen-module.js'
import { askNewBreakpoint, filterForUser, refuseInRecording } from './breakpoint-prompt.js'
import { confirm } from './questions.js'
import { recordingOf } from './recording-of.js'

/** Which sessions the keys act on; none where nothing is selected. */
export interface SessionChoice<State> {
  /** The one under the cursor. */
  one(state: State, context: ScreenContext): SessionRecord | null
  /** Those to be kept in a file. */
  several(state: State, context: ScreenContext): readonly SessionRecord[]
}

/**
 * The keys `x` (end the session), `w` (write a recording) and `b` (breakpoint for its user).
 */
export function sessionBindings<State>(choice: SessionChoice<State>): readonly Binding<State>[] {
  return [
    {
      keys: ['x'],
      label: 'kill',
      help: 'end the session: close both of its connections (asks first)',
      run: (state, context) => ({ state, effects: [killSession(choice.one(state, context), context)] }),
    },
    {
      keys: ['w'],
      label: 'write',
      help: 'write the session, or all that are marked, to a recording that postern read opens',
      run: (state, context) => ({ state, effects: [writeSessions(choice.several(state, context), context)] }),
    },
    {
      keys: ['b'],
      label: 'break',
      help: "hold what passes for this session's user: set a breakpoint",
      run: (state, context) => ({
        state,
        effects: askNewBreakpoint(filterForSession(choice.one(state, context)), context),
      }),
    },
  ]
}

/** Names a session in a sentence: `#4794 (alice)`. */
export function sessionName({ ordinal, user }: SessionRecord): string {
  return user === null ? `#${ordinal}` : `#${ordinal} (${user})`
}

/** The expression that finds what passes for a session's user, or in it alone while nobody knows its user. */
export function filterForSession(session: SessionRecord | null): string {
  if (session === null) return ''
  return session.user === null ? `session == ${JSON.stringify(session.id)}` : filterForUser(session.user)
}

/** Says that there is no session to act on. */
export const NO_SESSION: ScreenEffect = { type: 'say', text: 'No session is selected', tone: 'attention' }

function killSession(session: SessionRecord | null, context: ScreenContext): ScreenEffect {
  if (session === null) return NO_SESSION
  if (context.source === 'recording') return refuseInRecording('There is no connection to close')
  if (session.closedAt !== null) {
    return { type: 'say', text: `${sessionName(session)} has ended already`, tone: 'attention' }
  }
  return confirm(`Close both connections of ${sessionName(session)}? Its client sees the connection break.`, {
    type: 'request',
    request: { type: 'kill-session', session: session.id },
    done: `${sessionName(session)} was ended`,
  })
}

function writeSessions(sessions: readonly SessionRecord[], { now }: ScreenContext): ScreenEffect {
  const [first] = sessions
  if (first === undefined) return NO_SESSION
  const isOne = sessions.length === 1
  return {
    type: 'save',
    octets: recordingOf(sessions, now),
    name: isOne
      ? `session-${first.ordinal}.jsonl`
      : `sessions-${first.ordinal}-and-${sessions.length - 1}-more.jsonl`,
    what: isOne ? `session #${first.ordinal}` : `${sessions.length} sessions`,
  }
}
