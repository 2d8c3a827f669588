/**
 * Everything around a proxy that lets people look at it: feed, history, breakpoints, control socket and, on a
 * terminal, the dashboard's process. Owns the order in which these begin and end, for `run` and `demo` alike.
 */
import type { Settings } from '../config/settings.js'
import { Breakpoints } from '../proxy/breakpoints.js'
import { clock } from '../proxy/connection.js'
import { History } from '../proxy/history.js'
import type { Proxy as RunningProxy } from '../proxy/proxy.js'
import type { RulesInForce } from '../proxy/rules-in-force.js'
import { WatchedProxy } from '../proxy/watched.js'
import { Feed } from '../trace/feed.js'
import type { BreakpointWish } from '../watch/breakpoint-wish.js'
import { LogRing } from '../watch/log-ring.js'
import { WatchServer } from '../watch/server.js'
import { ControlError, currentPlace, prepareControl } from './control-socket.js'
import {
  type DashboardEnd,
  type DashboardProcess,
  restoreTerminal,
  startDashboardProcess,
} from './dashboard-process.js'
import type { Logger } from './log-destination.js'
import { note } from './standard-streams.js'
import { PROGRAM } from './version.js'

/** What is watched, once it runs. */
export interface Watched {
  readonly proxy: RunningProxy
  /** Asked each time: they change with a reload. */
  readonly settings: () => Settings
  readonly rules: RulesInForce
  readonly log: Logger
}

/** The parts of a proxy that people look at it through. */
export class Watching {
  readonly feed = new Feed()
  readonly ring = new LogRing()
  readonly history = new History()
  readonly breakpoints = new Breakpoints(clock)
  readonly #startedAt = clock()
  #server: WatchServer | null = null
  #log: Logger | null = null
  #dashboard: DashboardProcess | null = null
  #path: string | null = null
  #isEnding = false

  /** @param intercept breakpoints from the start */
  constructor(intercept: readonly BreakpointWish[]) {
    for (const wish of intercept) this.breakpoints.set(null, wish)
  }

  /**
   * Opens the control socket, so that others can attach.
   *
   * @throws {ControlError} where a socket that was asked for cannot be; without the usual one, postern only says so
   */
  async open({ proxy, settings, rules, log }: Watched): Promise<void> {
    this.#log = log
    const server = new WatchServer(
      new WatchedProxy({
        program: PROGRAM,
        startedAt: this.#startedAt,
        proxy,
        settings,
        feed: this.feed,
        log: this.ring,
        history: this.history,
        breakpoints: this.breakpoints,
        rules,
        endProxy: () => this.#end(),
      }),
    )
    this.#server = server
    this.breakpoints.onChange = (what) => server.changed(what)
    rules.onChange = () => server.changed('rules')
    const { control } = settings()
    try {
      this.#path = await prepareControl(control, currentPlace())
      if (this.#path !== null) await server.listen(this.#path)
    } catch (error) {
      if (control.type === 'path') throw asControlError(error)
      this.#path = null
      const text = error instanceof Error ? error.message : String(error)
      this.say(`warning: ${text}`)
      log.warn({ event: 'control-refused', text })
      return
    }
    if (this.#path !== null) log.info({ event: 'watched', socket: this.#path })
  }

  /** Opens the dashboard on this process's terminal. From now on nothing else writes there. */
  showDashboard(): void {
    const server = this.#server
    if (server === null) throw new Error('nothing is watched yet')
    const dashboard = startDashboardProcess()
    this.#dashboard = dashboard
    server.adopt(dashboard.pipe)
    dashboard.ended.then(
      (end) => this.#dashboardEnded(end),
      () => {},
    )
  }

  /** Tells the person at the terminal something in one line: beside the output, or in the log where that is shown. */
  say(line: string): void {
    if (this.#dashboard === null) note(`postern: ${line}`)
    else this.#log?.info({ event: 'note', text: line })
  }

  /** Tells all watchers that the proxy is ending. */
  announceEnding(): void {
    this.#isEnding = true
    this.#server?.announceEnding()
  }

  /** Ends all watching; the dashboard has given the terminal back then. */
  async close(): Promise<void> {
    this.#isEnding = true
    await this.#server?.close()
    await this.#dashboard?.stop()
    this.#dashboard = null
  }

  /** As SIGTERM does, and once only: a second one would cut replies short. */
  #end(): void {
    if (this.#isEnding) return
    this.#isEnding = true
    process.kill(process.pid, 'SIGTERM')
  }

  async #dashboardEnded(end: DashboardEnd): Promise<void> {
    if (this.#isEnding) return
    if (end.type === 'left') {
      this.#end()
      return
    }
    this.#log?.warn({ event: 'dashboard-gone', text: end.why })
    const again = this.#path === null ? '' : ` "postern attach ${this.#path}" looks again,`
    await restoreTerminal(
      `postern: the dashboard is gone (${end.why}), postern goes on.${again} Ctrl-C ends it.`,
    )
    this.#dashboard = null
  }
}

function asControlError(error: unknown): Error {
  if (error instanceof ControlError) return error
  return new ControlError(`--control: ${error instanceof Error ? error.message : String(error)}`)
}
