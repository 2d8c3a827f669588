/**
 * `postern run`: configuration, warnings, log, proxy and signals put together. Owns the order in which these
 * happen; the work is done elsewhere.
 */
import { createWriteStream, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type LoadedConfig, loadConfig } from '../config/load.js'
import { ConfigError } from '../config/problem.js'
import type { ListenerSettings, LogLevel, Settings, WriteSettings } from '../config/settings.js'
import { formatLegUrl } from '../config/url.js'
import { type Proxy as RunningProxy, startProxy } from '../proxy/proxy.js'
import { Recorder } from '../proxy/recorder.js'
import { RulesInForce, type RulesPlaces } from '../proxy/rules-in-force.js'
import { AUTHORITY_KEY_FILE, type Authority, loadAuthority, loadOrCreateAuthority } from '../tls/authority.js'
import type { Feed } from '../trace/feed.js'
import { parseBreakpoint } from '../watch/breakpoint-wish.js'
import type { LogRing } from '../watch/log-ring.js'
import { defaultAuthorityDirectory } from './ca.js'
import { canShowDashboard } from './dashboard-process.js'
import type { ExitCode } from './exit-codes.js'
import { UsageError } from './failure.js'
import { readFilter } from './filter-option.js'
import { serveUntilSignal } from './lifecycle.js'
import { createLog, type Logger } from './log-destination.js'
import { type CheckedOptions, checkOptions, currentSurroundings, type RunOptions } from './options.js'
import { note } from './standard-streams.js'
import { nodeAgeWarning, refuseUnsafeEnvironment, settingsWarnings } from './start-warnings.js'
import { defaultQuarantineDirectory, defaultSpoolDirectory } from './state-directory.js'
import { PROGRAM, VERSION } from './version.js'
import { Watching } from './watching.js'

const NOTHING_TO_RUN = `no server is named. Type for example
  postern run --upstream pop3s://pop.example.org
or write a postern.yaml (see "postern config schema" and "postern run --help").
"postern demo" needs neither.`

/** How a run shows itself. */
export type RunFace =
  /** The log on stdout. */
  | { readonly type: 'log' }
  /** The dashboard on the terminal, in a process of its own; the log goes there too. */
  | { readonly type: 'dashboard' }
  /**
   * Something else on stdout, made of the feed, which is handed over before the first session. The log goes to stderr,
   * begins at warnings, and leaves out what a note beside it says.
   */
  | { readonly type: 'output'; print(feed: Feed): void }

/**
 * Runs until a signal ends it, or the person who looks at its dashboard.
 *
 * @param face null for the dashboard where there is a terminal for it, and the log where there is none
 * @returns the exit status
 * @throws {UsageError} where no server is named; errors of options, filters, configuration, certificates, listeners
 * and the control socket
 */
export async function run(options: RunOptions, face: RunFace | null = null): Promise<ExitCode> {
  const checked = checkOptions(options, process.cwd())
  const intercept = (options.intercept ?? []).map((text) => readFilter('--intercept', text, parseBreakpoint))
  const config = load(checked)
  if (config.settings.services.length === 0) throw new UsageError(NOTHING_TO_RUN)
  return serve(
    config.settings,
    checked,
    face ?? usualFace(options.headless === true),
    new Watching(intercept),
  )
}

/** What a person sees who names no face: the dashboard where it can be shown. */
function usualFace(isHeadless: boolean): RunFace {
  const hasTerminal = canShowDashboard(process.stdin, process.stdout, process.env)
  return { type: hasTerminal && !isHeadless ? 'dashboard' : 'log' }
}

/**
 * Runs what a bare `postern` means: the configuration that it finds, or the demo where there is none.
 *
 * @returns the exit status
 */
export async function runOrDemo(): Promise<ExitCode> {
  const config = load(checkOptions({}, process.cwd()))
  if (config.files.length > 0) return run({})
  const { demo } = await import('./demo.js')
  return demo({})
}

async function serve(
  initial: Settings,
  checked: CheckedOptions,
  face: RunFace,
  watching: Watching,
): Promise<ExitCode> {
  refuseUnsafeEnvironment(process.env)
  let settings = initial
  // Where nobody can ever look, nothing is kept for whoever looks later.
  const isWatchable = settings.control.type !== 'none' || face.type === 'dashboard'
  const log = await logFor(settings, face, isWatchable ? watching.ring : null)
  for (const warning of warnings(settings)) {
    note(`postern: warning: ${warning}`)
    if (face.type !== 'output') log.warn({ event: 'start-warning', text: warning })
  }
  const { feed, breakpoints, history } = watching
  if (face.type === 'output') face.print(feed)
  const authority = authorityFor(settings)
  const rules = await RulesInForce.open(settings.rules, rulesPlaces(), log)
  rules.listen({
    changed: ({ rules: { length } }) => watching.say(`${length} rules are in force`),
    refused: (text) => watching.say(`the changed rules are refused, those before stay:\n${text}`),
  })
  const recorder = settings.write === null ? null : await startRecorder(settings.write, feed, log)
  let proxy: RunningProxy | null = null
  try {
    const onKeyLog = keyLog(process.env.SSLKEYLOGFILE ?? '', (line) => watching.say(line))
    const past = isWatchable ? { history } : {}
    const seen = { feed, onKeyLog, breakpoints, rules, ...past }
    proxy = await startProxy(settings, log, { authority, version: VERSION, ...seen })
    await watching.open({ proxy, settings: () => settings, rules, log })
  } catch (error) {
    await proxy?.stop()
    await rules.close()
    await watching.close()
    // Nothing but its first line is in it, and it would be in the way of the next start.
    await recorder?.stop()
    if (settings.write !== null) rmSync(settings.write.file, { force: true })
    throw error
  }
  const ended = serveUntilSignal({
    drain: () => {
      watching.announceEnding()
      return proxy.drain()
    },
    stop: () => proxy.stop(),
    drainMs: () => longestDrain(settings),
    announce: (line) => watching.say(line),
    reload: async () => {
      settings = await reload({ proxy, rules }, checked, settings, log, face, watching)
    },
  })
  // Signals are taken by now: whoever waits for these lines may send one as soon as they are there.
  announceAddresses(proxy, settings)
  if (face.type === 'dashboard') watching.showDashboard()
  const code = await ended
  await rules.close()
  await watching.close()
  await recorder?.stop()
  return code
}

function logFor(settings: Settings, face: RunFace, ring: LogRing | null): Promise<Logger> {
  const stream = face.type === 'dashboard' ? null : face.type === 'output' ? process.stderr : process.stdout
  return createLog(logLevel(settings, face), stream, process.env, ring)
}

/** A recording is never overwritten: it may be the only trace of what somebody looks for. */
async function startRecorder(write: WriteSettings, feed: Feed, log: Logger): Promise<Recorder> {
  try {
    return await Recorder.start(write, PROGRAM, feed, log)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    const problem = typeof code === 'string' ? WRITE_PROBLEMS.get(code) : undefined
    throw problem === undefined ? error : new UsageError(`the recording ${write.file} ${problem}`)
  }
}

const WRITE_PROBLEMS: ReadonlyMap<string, string> = new Map([
  ['EEXIST', 'exists already: name another file, or have recordings rotate with --write-max-size'],
  ['ENOENT', 'cannot be made: there is no such directory'],
  ['ENOTDIR', 'cannot be made: a part of its path is no directory'],
  ['EACCES', 'cannot be made: its directory may not be written to'],
  ['EROFS', 'cannot be made: its file system is read-only'],
  ['ENOSPC', 'cannot be made: the disk is full'],
  ['EISDIR', 'is a directory: name a file'],
])

function warnings(settings: Settings): readonly string[] {
  const age = nodeAgeWarning(process.version, new Date())
  return [...(age === null ? [] : [age]), ...settingsWarnings(settings, process.env)]
}

/** The proxy bounds its own drain by the same limit; the second more is for closing what it dropped. */
function longestDrain(settings: Settings): number {
  return Math.max(0, ...settings.services.map(({ limits }) => limits.drainMs)) + 1_000
}

/**
 * The local authority, made at the first start where a listener cannot do without it. A plain listener can: STLS is
 * offered there once an authority exists, and nothing is written to disk for those who never want one.
 */
function authorityFor(settings: Settings): Authority | null {
  const directory = settings.authorityDirectory
  const listeners = settings.services.flatMap((service) => service.listeners)
  if (listeners.some(needsAuthority)) {
    const isNew = !existsSync(join(directory, AUTHORITY_KEY_FILE))
    const authority = loadOrCreateAuthority(directory)
    if (isNew) {
      note(`postern: made a local authority in ${directory}, SHA-256 ${authority.certificate.fingerprint256}`)
      note('postern: clients have to trust it: "postern ca export" and "postern ca show" tell how')
    }
    return authority
  }
  const canUse = listeners.some((listener) => listener.offerStls && listener.certificates.length === 0)
  return canUse && existsSync(join(directory, AUTHORITY_KEY_FILE)) ? loadAuthority(directory) : null
}

function needsAuthority(listener: ListenerSettings): boolean {
  return listener.url.security !== 'plain' && listener.certificates.length === 0
}

/** TLS secrets for a packet analyser, appended where the conventional variable says so. */
function keyLog(file: string, say: (line: string) => void): ((line: Buffer) => void) | null {
  if (file === '') return null
  const stream = createWriteStream(file, { flags: 'a', mode: 0o600 })
  stream.on('error', (error) => say(`SSLKEYLOGFILE: ${error.message}`))
  return (line) => stream.write(line)
}

/** Takes over a changed configuration, or keeps the old one and says why. */
async function reload(
  { proxy, rules }: { readonly proxy: RunningProxy; readonly rules: RulesInForce },
  checked: CheckedOptions,
  before: Settings,
  log: Logger,
  face: RunFace,
  watching: Watching,
): Promise<Settings> {
  try {
    const { settings } = load(checked)
    if (settings.services.length === 0) throw new UsageError('the configuration defines no service any more')
    await rules.reload(settings.rules)
    await proxy.reload(settings)
    log.level = logLevel(settings, face)
    log.info({ event: 'reloaded', services: settings.services.map(({ name }) => name) })
    return settings
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    const problems = error instanceof ConfigError ? error.problems : []
    watching.say(`the changed configuration is refused, the one before stays:\n${text}`)
    if (face.type !== 'output') log.error({ event: 'reload-refused', text, problems })
    return before
  }
}

function rulesPlaces(): RulesPlaces {
  return {
    workingDirectory: process.cwd(),
    quarantineDirectory: defaultQuarantineDirectory(),
    spoolDirectory: defaultSpoolDirectory(),
  }
}

function logLevel({ log: { level } }: Settings, face: RunFace): LogLevel {
  return face.type !== 'output' || level === 'silent' || level === 'error' ? level : 'warn'
}

function announceAddresses(proxy: RunningProxy, settings: Settings): void {
  for (const { service, url } of proxy.addresses) {
    const server = settings.services.find(({ name }) => name === service)?.upstream.url
    note(
      `postern: ${service}: accepting ${url}${server === undefined ? '' : `, server ${formatLegUrl(server)}`}`,
    )
  }
  if (proxy.metricsUrl !== null) note(`postern: metrics at ${proxy.metricsUrl}/metrics`)
}

function load(checked: CheckedOptions): LoadedConfig {
  return loadConfig(checked.file, checked.commandLine, currentSurroundings(defaultAuthorityDirectory()))
}
