/**
 * From a running service to the exit status of its process: what each signal does. Knows nothing of what is being
 * served.
 */
import { EXIT_CODES, type ExitCode } from './exit-codes.js'

/** What signals do to whatever is running. */
export interface Lifecycle {
  /** Accepts nothing more and lets replies in flight finish; resolves when everything is closed. */
  drain(): Promise<void>
  /** Closes everything at once. */
  stop(): Promise<void>
  /** Reads configuration and certificates again. Reports its failures itself; must not reject. */
  reload(): Promise<void>
  /** Longest time for {@link drain}, asked for when it starts. */
  drainMs(): number
  /** Tells the administrator what is happening, in one line. */
  announce(line: string): void
}

/** Where signals come from and how a process ends at once; a test has its own. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown
  off(signal: NodeJS.Signals, listener: () => void): unknown
  exit(code: ExitCode): void
}

/**
 * Serves until a signal ends it. SIGTERM and SIGINT drain, bounded in time; a second one ends the process at once
 * with 130. SIGHUP reloads, one reload after the other. SIGUSR1 is taken so that nobody can open Node's inspector in a
 * process that holds passwords.
 *
 * @returns the exit status, once everything is closed: 0 after a clean drain, 1 where it had to be cut short
 */
export function serveUntilSignal(lifecycle: Lifecycle, signals: SignalSource = process): Promise<ExitCode> {
  return new Promise((resolve, reject) => {
    let isEnding = false
    let reloading = Promise.resolve()

    const end = (): void => {
      if (isEnding) {
        signals.exit(EXIT_CODES.interrupted)
        return
      }
      isEnding = true
      lifecycle.announce('ending: replies in flight finish first; a second signal ends at once')
      drainBounded(lifecycle).then((code) => {
        for (const [signal, listener] of listeners) signals.off(signal, listener)
        resolve(code)
      }, reject)
    }
    const reload = (): void => {
      if (isEnding) return
      reloading = reloading.then(() => lifecycle.reload())
    }
    const listeners: readonly (readonly [NodeJS.Signals, () => void])[] = [
      ['SIGTERM', end],
      ['SIGINT', end],
      ['SIGHUP', reload],
      ['SIGUSR1', () => {}],
    ]
    for (const [signal, listener] of listeners) signals.on(signal, listener)
  })
}

async function drainBounded(lifecycle: Lifecycle): Promise<ExitCode> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), lifecycle.drainMs())
  })
  const outcome = await Promise.race([lifecycle.drain().then(() => 'drained' as const), deadline])
  clearTimeout(timer)
  if (outcome === 'drained') return EXIT_CODES.success
  lifecycle.announce('the time to drain is over: what is still open is closed now')
  await lifecycle.stop()
  return EXIT_CODES.failure
}
