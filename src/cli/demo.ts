/**
 * `postern demo`: hands over to the demo, with the proxy that it shall run and a place to print to. Nothing is
 * configured: everything of it is on loopback.
 */
import { DEFAULT_CONTROL, DEFAULT_LOG_LEVEL, DEFAULT_RULES } from '../config/defaults.js'
import type { Settings } from '../config/settings.js'
import { runDemo } from '../demo/demo.js'
import { SAMPLE_RULES } from '../demo/sample-rules.js'
import { type Proxy as RunningProxy, startProxy } from '../proxy/proxy.js'
import { RulesInForce } from '../proxy/rules-in-force.js'
import { canShowDashboard } from './dashboard-process.js'
import type { ExitCode } from './exit-codes.js'
import { serveUntilSignal } from './lifecycle.js'
import { createLog, type Logger } from './log-destination.js'
import { checkOptions, type RunOptions } from './options.js'
import { note } from './standard-streams.js'
import { nodeAgeWarning, refuseUnsafeEnvironment } from './start-warnings.js'
import { defaultQuarantineDirectory, defaultSpoolDirectory } from './state-directory.js'
import { Watching } from './watching.js'

/** Longest time for sessions of the demo to end; nobody waits for its mail. */
const DRAIN_MS = 2_000

/**
 * Runs the demo until a signal ends it, or the person who looks at its dashboard.
 *
 * @returns the exit status
 */
export async function demo(
  options: Pick<RunOptions, 'logLevel' | 'control' | 'headless'>,
): Promise<ExitCode> {
  refuseUnsafeEnvironment(process.env)
  const { commandLine } = checkOptions(options, process.cwd())
  const age = nodeAgeWarning(process.version, new Date())
  if (age !== null) note(`postern: warning: ${age}`)
  const showsDashboard =
    options.headless !== true && canShowDashboard(process.stdin, process.stdout, process.env)
  const watching = new Watching([])
  const instructions: string[] = []
  const log = await createLog(
    commandLine.logLevel ?? DEFAULT_LOG_LEVEL,
    showsDashboard ? null : process.stdout,
    process.env,
    watching.ring,
  )
  let watched: DemoWatched | null = null
  const rules = await demoRules(log)
  const running = await runDemo({
    log,
    print: (text) => instructions.push(text),
    startProxy: async (settings, demoLog, own) => {
      const { feed, breakpoints, history } = watching
      const proxy = await startProxy(settings, demoLog, {
        ...own,
        feed,
        breakpoints,
        history,
        rules,
        onKeyLog: null,
      })
      watched = { proxy, settings: { ...settings, control: commandLine.control ?? DEFAULT_CONTROL } }
      return proxy
    },
  }).catch(async (error: unknown) => {
    await rules.close()
    throw error
  })
  try {
    await openFor(watching, watched, rules, log)
  } catch (error) {
    await running.stop()
    await rules.close()
    throw error
  }
  const ended = serveUntilSignal({
    drain: () => {
      watching.announceEnding()
      return running.drain()
    },
    stop: () => running.stop(),
    reload: async () => {},
    drainMs: () => DRAIN_MS,
    announce: (line) => watching.say(line),
  })
  // Signals are taken by now: whoever reads this may send one as soon as it is there.
  if (!showsDashboard) for (const text of instructions) note(text)
  else {
    // Below the dashboard nobody sees what is printed, and when it ends it is true no more.
    for (const line of instructions.join('\n').split('\n')) {
      if (line.trim() !== '') log.info({ event: 'demo-hint', text: line.trim() })
    }
    watching.showDashboard()
  }
  const code = await ended
  await watching.close()
  await rules.close()
  return code
}

/** The sample rules, in force. They name no quarantine, so that nothing of the places is touched. */
function demoRules(log: Logger): Promise<RulesInForce> {
  const places = {
    workingDirectory: process.cwd(),
    quarantineDirectory: defaultQuarantineDirectory(),
    spoolDirectory: defaultSpoolDirectory(),
  }
  return RulesInForce.ofTexts([SAMPLE_RULES], DEFAULT_RULES, places, log)
}

/** What the demo started, for those who look at it. */
interface DemoWatched {
  readonly proxy: RunningProxy
  readonly settings: Settings
}

async function openFor(
  watching: Watching,
  watched: DemoWatched | null,
  rules: RulesInForce,
  log: Logger,
): Promise<void> {
  if (watched === null) throw new Error('the demo started without a proxy')
  const { proxy, settings } = watched
  await watching.open({ proxy, settings: () => settings, rules, log })
}
