/**
 * What watchers see of a running proxy and may do with it: feed, log, history, breakpoints and rules behind the
 * interface that the control socket serves. Decides nothing itself.
 */
import type { Settings } from '../config/settings.js'
import { formatLegUrl } from '../config/url.js'
import type { Rule } from '../rules/rule.js'
import type { Feed } from '../trace/feed.js'
import { RuleHitCounter } from '../trace/rule-hits.js'
import { safeText } from '../trace/safe-text.js'
import { MAXIMUM_REFUSAL_LINES } from '../watch/coding.js'
import type { LogRing } from '../watch/log-ring.js'
import type {
  Breakpoint,
  HeldSummary,
  RulesRefusal,
  WatchedAddress,
  WatchedRule,
  WatchedRules,
} from '../watch/protocol.js'
import type { FactsSampler, Snapshot, WatchHost, WatchRequest } from '../watch/server.js'
import type { Breakpoints } from './breakpoints.js'
import type { History } from './history.js'
import { sampleFacts } from './process-facts.js'
import type { Proxy as RunningProxy } from './proxy.js'
import type { RulesInForce } from './rules-in-force.js'

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
  /** Null where no rules are read. */
  readonly rules: Pick<RulesInForce, 'ruleSet' | 'refusal' | 'hits'> | null
  /** Begins to end the process, as SIGTERM does. */
  readonly endProxy: () => void
}

/** Code points of a condition that is told: a page of it is in the file, not on a screen. */
const CONDITION_CODE_POINTS = 2_048
/** Code points of one action, which may hold the text of a notice. */
const ACTION_CODE_POINTS = 256
const NO_RULES: WatchedRules = { rules: [], refusal: null }
const NO_HITS = new RuleHitCounter()

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

  get rules(): WatchedRules {
    const { rules } = this.#parts
    if (rules === null) return NO_RULES
    const { refusal } = rules
    return {
      rules: rules.ruleSet.rules.map(watchedRule),
      refusal: refusal === null ? null : { at: refusal.at, lines: refusalLines(refusal.text) },
    }
  }

  get ruleHits(): RuleHitCounter {
    return this.#parts.rules?.hits ?? NO_HITS
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

function watchedRule({
  name,
  place,
  of,
  mode,
  when,
  actions,
  analysis,
  onFailure,
  stops,
}: Rule): WatchedRule {
  return {
    name: safeText(name),
    place: safeText(place),
    of,
    mode,
    when: safeText(when.text.trim().replace(/\s+/g, ' '), CONDITION_CODE_POINTS),
    actions: actions.map(({ words }) => safeText(words, ACTION_CODE_POINTS)),
    cost: safeText(analysis.cost),
    onFailure,
    stops,
  }
}

/** A message of a rule file's mistakes may be as long as the file. */
function refusalLines(text: string): RulesRefusal['lines'] {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const rest = lines.length - MAXIMUM_REFUSAL_LINES + 1
  const told = rest <= 1 ? lines : [...lines.slice(0, -rest), `and ${rest} more lines: see the log`]
  return told.map((line) => safeText(line.trimEnd()))
}
