/**
 * `postern demo`: hands over to the demo, with the proxy that it shall run and a place to print to. Nothing is
 * configured: everything of it is on loopback.
 */
import { DEFAULT_LOG_LEVEL } from '../config/defaults.js'
import { runDemo } from '../demo/demo.js'
import { startProxy } from '../proxy/proxy.js'
import { Feed } from '../trace/feed.js'
import type { ExitCode } from './exit-codes.js'
import { serveUntilSignal } from './lifecycle.js'
import { createLog } from './log-destination.js'
import { checkOptions, type SharedOptions } from './options.js'
import { note } from './standard-streams.js'
import { nodeAgeWarning, refuseUnsafeEnvironment } from './start-warnings.js'

/** Longest time for sessions of the demo to end; nobody waits for its mail. */
const DRAIN_MS = 2_000

/**
 * Runs the demo until a signal ends it.
 *
 * @returns the exit status
 */
export async function demo(options: Pick<SharedOptions, 'logLevel'>): Promise<ExitCode> {
  refuseUnsafeEnvironment(process.env)
  const { commandLine } = checkOptions(options, process.cwd())
  const age = nodeAgeWarning(process.version, new Date())
  if (age !== null) note(`postern: warning: ${age}`)
  const instructions: string[] = []
  const running = await runDemo({
    log: await createLog(commandLine.logLevel ?? DEFAULT_LOG_LEVEL),
    print: (text) => instructions.push(text),
    startProxy: (settings, log, own) =>
      startProxy(settings, log, { ...own, feed: new Feed(), onKeyLog: null }),
  })
  const ended = serveUntilSignal({
    drain: () => running.drain(),
    stop: () => running.stop(),
    reload: async () => {},
    drainMs: () => DRAIN_MS,
    announce: (line) => note(`postern: ${line}`),
  })
  // Signals are taken by now: whoever reads this may send one as soon as it is there.
  for (const text of instructions) note(text)
  return ended
}
