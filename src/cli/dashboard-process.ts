/**
 * The dashboard of `postern run`, in a process of its own: a terminal that stops reading stops that one and no
 * session. Owns the child, what its end means, and a terminal that it left behind unusable.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { INHERITED_DESCRIPTOR } from './attach.js'

/** How the dashboard ended: the person left it, or it died. */
export type DashboardEnd = { readonly type: 'left' } | { readonly type: 'died'; readonly why: string }

/** A dashboard that runs. */
export interface DashboardProcess {
  /** Speaks the watch protocol. */
  readonly pipe: Socket
  readonly ended: Promise<DashboardEnd>
  /** Ends it where it does not end by itself soon; resolves when it is gone. */
  stop(): Promise<void>
}

/** How long the dashboard may take to give the terminal back when the proxy has ended. */
const LEAVE_MS = 2_000

/** Whether a dashboard can be shown here: both ways of a terminal, and one that can do more than print. */
export function canShowDashboard(
  input: { readonly isTTY?: boolean },
  output: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  return input.isTTY === true && output.isTTY === true && environment.TERM !== 'dumb'
}

/** Starts the dashboard on this process's terminal. */
export function startDashboardProcess(): DashboardProcess {
  const [, main = ''] = process.argv
  const child = spawn(process.execPath, [...process.execArgv, main, 'attach', '--inherited'], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
  })
  const pipe = child.stdio[INHERITED_DESCRIPTOR]
  if (!(pipe instanceof Socket)) throw new Error('a pipe to a child is no socket')
  const ended = endOf(child)
  return {
    pipe,
    ended,
    async stop() {
      const timer = setTimeout(() => child.kill('SIGTERM'), LEAVE_MS)
      const last = setTimeout(() => child.kill('SIGKILL'), LEAVE_MS * 2)
      await ended
      clearTimeout(timer)
      clearTimeout(last)
    },
  }
}

function endOf(child: ChildProcess): Promise<DashboardEnd> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ type: 'died', why: error.message }))
    child.once('exit', (status, signal) => {
      if (status === 0) resolve({ type: 'left' })
      else resolve({ type: 'died', why: signal ?? `exit status ${status}` })
    })
  })
}

// Alternative screen, mouse (four ways), bracketed paste, cursor, colours: what a dashboard switches.
const RESTORE =
  '\\033[?1049l\\033[?1000l\\033[?1002l\\033[?1003l\\033[?1006l\\033[?2004l\\033[?25h\\033[0m\\r'

/**
 * Gives back a terminal that a killed dashboard left behind, and writes a line there. In a child too: a terminal that
 * takes nothing must not hold up who owns the sockets.
 */
export function restoreTerminal(line: string): Promise<void> {
  const script = `stty sane; printf '${RESTORE}'; printf '%s\\n' "$1" >&2`
  const child = spawn('sh', ['-c', script, 'sh', line], { stdio: 'inherit' })
  return new Promise((resolve) => {
    child.once('error', () => resolve())
    child.once('exit', () => resolve())
  })
}
