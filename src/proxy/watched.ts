/**
 * What watchers see of a running proxy and may do with it: feed, log, history and breakpoints behind the interface
 * that the control socket serves. Decides nothing itself.
 */
import type { Settings } from '../config/settings.js'
import { formatLegUrl } from '../config/url.js'
import type { Feed } from '../trace/feed.js'
import type { LogRing } from '../watch/log-ring.js'
import type { Breakpoint, HeldSummary, WatchedAddress } from '../watch/protocol.js'
import type { FactsSampler, Snapshot, WatchHost, WatchRequest } from '../watch/server.js'
import type { Breakpoints } from './breakpoints.js'
import type { History } from './history.js'
import { sampleFacts } from './process-facts.js'
import type { Proxy as RunningProxy } from './proxy.js'

/** The parts that are watched. */
export interface WatchedParts {
  /** Name and version. */
  readonly program: string
  readonly startedAt: number
  readonly proxy: Pick<RunningProxy, 'addresses' | 'sessions' | 'send' | 'kill'>
  /** Asked each time: they change with a reload. */
  readonly settings: () => Settings
  readonly feed: Feed
  readonly log: LogRing
  readonly history: History
  readonly breakpoints: Breakpoints
  /** Begins to end the process, as SIGTERM does. */
  readonly endProxy: () => void
}

/** A proxy as watchers see it. */
export class WatchedProxy implements WatchHost {
  readonly #parts: WatchedParts
  readonly program: string
  readonly startedAt: number
  readonly feed: Feed
  readonly log: LogRing

  constructor(parts: WatchedParts) {
    this.#parts = parts
    this.program = parts.program
    this.startedAt = parts.startedAt
    this.feed = parts.feed
    this.log = parts.log
  }

  get addresses(): readonly WatchedAddress[] {
    const { services } = this.#parts.settings()
    return this.#parts.proxy.addresses.map(({ service, url }) => {
      const upstream = services.find(({ name }) => name === service)?.upstream.url
      return { service, url, server: upstream === undefined ? '' : formatLegUrl(upstream) }
    })
  }

  get breakpoints(): readonly Breakpoint[] {
    return this.#parts.breakpoints.breakpoints
  }

  get held(): readonly HeldSummary[] {
    return this.#parts.breakpoints.held
  }

  snapshot(): Snapshot {
    return this.#parts.history.snapshot()
  }

  sampleFacts(): FactsSampler {
    return sampleFacts(() => this.#parts.proxy.sessions)
  }

  heldOctets(hold: string): Buffer | null {
    return this.#parts.breakpoints.octetsOf(hold)
  }

  async perform(request: WatchRequest): Promise<string | null> {
    const { breakpoints, proxy } = this.#parts
    switch (request.type) {
      case 'set-breakpoint':
        return breakpoints.set(request.breakpoint, request)
      case 'remove-breakpoint':
        return breakpoints.remove(request.breakpoint)
      case 'release':
      case 'drop':
        return breakpoints.answer(request.hold, { type: request.type })
      case 'answer':
      case 'edit':
        return breakpoints.answer(request.hold, { type: request.type, octets: request.octets })
      case 'send':
        return await proxy.send(request.session, request.line)
      case 'kill-session':
        return proxy.kill(request.session)
      case 'end-proxy':
        this.#parts.endProxy()
        return null
    }
  }
}
