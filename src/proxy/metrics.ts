/**
 * What Prometheus is told: every figure with its labels, counted from trace events as the log is written from them.
 * Owns names, labels and how many values a label may have; knows nothing of who asks. No label is ever made of what a
 * peer sent. This module alone imports prom-client, and is itself imported only where somebody wants metrics.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { COMMAND_TABLE } from '../pop3/command-table.js'
import { ACTION_FACTS } from '../rules/action.js'
import type { Authority } from '../tls/authority.js'
import type { Failure, Side, TraceContent, TraceEvent } from '../trace/event.js'

/** What is not counted but looked at when somebody asks. */
export interface MeteredProxy {
  /** Sessions that are open, by URL of their listener; 0 for a listener without any. */
  readonly openSessions: () => ReadonlyMap<string, number>
  /** Messages that wait at a breakpoint. */
  readonly heldMessages: () => number
}

export interface MetricsOptions extends MeteredProxy {
  /** Of this program. */
  readonly version: string
  /** Whose end is told; null where there is no local authority. */
  readonly authority: Authority | null
}

/**
 * Rules that have a figure of their own. Each has one for each of its actions, and Prometheus keeps every one of them
 * for as long as it keeps anything; nobody looks at more than some dozens.
 */
export const METERED_RULES = 200
/** Listeners that have figures of their own: more than any configuration has, and no more over all reloads. */
export const METERED_LISTENERS = 100
/** Stands for all values beyond a bound, and for what the tables do not know. */
export const OTHER = 'other'

/** From a server beside postern to the limit `connect`. */
const CONNECT_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** From a reply out of memory to a server that deletes ten thousand messages. Few, since each verb has them all. */
const COMMAND_BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.25, 1, 2.5, 10, 60]
/** From a P-256 leaf on an idle machine to an RSA leaf on a small one. */
const MINT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]

const MS = 1_000
const TLS_VERSIONS: ReadonlySet<string> = new Set(['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'])
/** Told on the server's side, and no fault of the server. */
const OUR_OWN_FAILURES: ReadonlySet<Failure['code']> = new Set([
  'POSTERN_SHUTTING_DOWN',
  'POSTERN_RULES',
  'POSTERN_LIMIT',
])

type Closed = Extract<TraceContent, { type: 'session-closed' }>
type Reply = Extract<TraceContent, { type: 'reply' }>
type RuleHit = Extract<TraceContent, { type: 'rule-hit' }>

/** All figures of a process. Made once: what was counted is never counted anew. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #figures: Figures

  constructor(options: MetricsOptions) {
    this.#figures = createFigures(this.#registry)
    lookAtProxy(this.#registry, options, this.#figures.listeners)
    const { version, authority } = options
    gauge(this.#registry, 'postern_build_info', 'Always 1: what runs.', ['version', 'node']).set(
      { version, node: process.version },
      1,
    )
    if (authority !== null) {
      const help = 'When the certificate of the local authority ends, in seconds since the epoch.'
      const expiry = gauge(this.#registry, 'postern_ca_expiry_timestamp_seconds', help, [])
      expiry.set(Date.parse(authority.certificate.validTo) / MS)
    }
    collectDefaultMetrics({ register: this.#registry })
  }

  /** Media type of {@link text}. */
  get contentType(): string {
    return this.#registry.contentType
  }

  /** All figures in the text format of Prometheus. */
  async text(): Promise<string> {
    return await this.#registry.metrics()
  }

  /** Begins to count a session. @param listener URL of its listener, as configured */
  session(listener: string): SessionMeter {
    return new SessionMeter(this.#figures, this.#figures.listeners.of(listener))
  }

  /** A client was turned away before it had a session. @param result `refused` by a limit, `dropped` by the system */
  turnedAway(listener: string, result: 'refused' | 'dropped'): void {
    this.#figures.sessions.inc({ listener: this.#figures.listeners.of(listener), result })
  }

  /** The same authority, with the time measured that each leaf takes. */
  timed(authority: Authority): Authority {
    const { mintSeconds } = this.#figures
    return {
      ...authority,
      issue: (...leaf) => {
        const startedAt = performance.now()
        const chain = authority.issue(...leaf)
        mintSeconds.observe((performance.now() - startedAt) / MS)
        return chain
      },
    }
  }
}

/** Counts the events of one session. */
export class SessionMeter {
  readonly #figures: Figures
  readonly #listener: string
  /** Verbs of the client's commands without a reply, by number: a command is counted once, with its first reply. */
  readonly #unanswered = new Map<number, string>()
  #connectingSince: number | null = null
  /** Messages that the server deletes at QUIT. */
  #deletions = 0

  /** @param listener as the label says it */
  constructor(figures: Figures, listener: string) {
    this.#figures = figures
    this.#listener = listener
  }

  /** Counts one event; must be given all of them, in order. */
  add({ at, content }: TraceEvent): void {
    const figures = this.#figures
    switch (content.type) {
      case 'session-opened':
        this.#connectingSince = at
        return
      case 'tls-established': {
        const { side, tls } = content
        // With TLS from the start, the server is connected to once the client's handshake is done.
        if (side === 'client' && this.#connectingSince !== null) this.#connectingSince = at
        figures.handshakes.inc({
          side,
          version: TLS_VERSIONS.has(tls.protocol) ? tls.protocol : OTHER,
          result: tls.resumed ? 'resumed' : 'full',
        })
        return
      }
      case 'server-connected':
        if (this.#connectingSince !== null)
          figures.connectSeconds.observe(Math.max(0, at - this.#connectingSince) / MS)
        this.#connectingSince = null
        return
      case 'command':
        // What a person sends in a session is no traffic.
        if (content.origin === 'client') this.#unanswered.set(content.number, verbLabel(content.verb))
        return
      case 'reply':
        this.#replied(content)
        return
      case 'maildrop-seen':
        figures.messages.inc({ action: 'hidden' }, content.hidden)
        return
      case 'held':
        if (content.kind === 'message') figures.messages.inc({ action: 'held' })
        return
      case 'released':
        if (content.verdict === 'timed-out') figures.holdTimeouts.inc()
        if (content.verdict === 'dropped' && content.kind === 'message')
          figures.messages.inc({ action: 'dropped' })
        return
      case 'rule-hit':
        this.#ruled(content)
        return
      case 'failure':
        this.#failed(content.side, content.failure)
        return
      case 'session-closed':
        this.#closed(content)
        return
      default:
        return
    }
  }

  /** The first reply is what became of the command; another one for it is what a person or a rule put in its place. */
  #replied({ number, verb, source, indicator, afterMs }: Reply): void {
    if (indicator === '+OK') {
      // RFC 1939 §5: RSET takes all marks back. A DELE that postern answers itself has marked nothing.
      if (verb === 'RSET') this.#deletions = 0
      else if (verb === 'DELE' && source === 'server') this.#deletions += 1
    }
    const given = this.#unanswered.get(number)
    if (given === undefined) return
    this.#unanswered.delete(number)
    this.#figures.commands.inc({ verb: given, result: indicator === '+OK' ? 'ok' : 'err' })
    this.#figures.commandSeconds.observe({ verb: given }, Math.max(0, afterMs) / MS)
  }

  #ruled({ rule: name, actions, mode }: RuleHit): void {
    const figures = this.#figures
    const rule = figures.rules.of(name)
    if (mode === 'failed') {
      figures.ruleErrors.inc({ rule })
      return
    }
    for (const action of new Set(actions.map(actionLabel))) figures.ruleHits.inc({ rule, action, mode })
  }

  #failed(side: Side, { code }: Failure): void {
    const figures = this.#figures
    if (side === 'server' && !OUR_OWN_FAILURES.has(code)) figures.upstreamErrors.inc({ code })
    const isHandshake =
      code === 'POSTERN_CLIENT_TLS' ||
      code.startsWith('POSTERN_SERVER_TLS_') ||
      code.startsWith('POSTERN_SERVER_CERTIFICATE_')
    if (isHandshake) figures.handshakes.inc({ side, version: 'none', result: 'failed' })
  }

  #closed({ reason, messages, octets }: Closed): void {
    const figures = this.#figures
    figures.sessions.inc({ listener: this.#listener, result: reason })
    for (const verb of this.#unanswered.values()) figures.commands.inc({ verb, result: 'unanswered' })
    this.#unanswered.clear()
    figures.messages.inc({ action: 'delivered' }, messages)
    // RFC 1939 §6: a session that ends in another way has deleted nothing.
    if (reason === 'quit') figures.messages.inc({ action: 'deleted' }, this.#deletions)
    figures.octets.inc({ side: 'client', direction: 'in' }, octets.fromClient)
    figures.octets.inc({ side: 'client', direction: 'out' }, octets.toClient)
    figures.octets.inc({ side: 'server', direction: 'in' }, octets.fromServer)
    figures.octets.inc({ side: 'server', direction: 'out' }, octets.toServer)
  }
}

/** The values of a label whose names come from the administrator's files, and come and go with reloads. */
export class BoundedLabel {
  readonly #most: number
  readonly #values = new Set<string>()

  constructor(most: number) {
    this.#most = most
  }

  /** @returns the value, or {@link OTHER} where it is one too many */
  of(value: string): string {
    if (this.#values.has(value)) return value
    if (this.#values.size >= this.#most) return OTHER
    this.#values.add(value)
    return value
  }
}

type Figures = ReturnType<typeof createFigures>

function createFigures(registry: Registry) {
  const figures = {
    listeners: new BoundedLabel(METERED_LISTENERS),
    rules: new BoundedLabel(METERED_RULES),
    sessions: counter(
      registry,
      'postern_sessions_total',
      'Sessions that ended, by reason, and clients that were turned away (refused, dropped).',
      ['listener', 'result'],
    ),
    commands: counter(
      registry,
      'postern_commands_total',
      'Commands of clients by the indicator of the reply; unanswered where the session ended before it.',
      ['verb', 'result'],
    ),
    commandSeconds: histogram(
      registry,
      'postern_command_seconds',
      'Time from a command of a client to the status line of its reply.',
      COMMAND_BUCKETS,
      ['verb'],
    ),
    messages: counter(
      registry,
      'postern_messages_total',
      'Messages delivered whole and deleted (both counted when a session ends), hidden by rules, held and dropped at breakpoints.',
      ['action'],
    ),
    octets: counter(
      registry,
      'postern_bytes_total',
      'Octets without TLS, in from a side and out to it; counted when a session ends.',
      ['side', 'direction'],
    ),
    ruleHits: counter(
      registry,
      'postern_rule_hits_total',
      'Times that a rule held, once for each kind of action it has; mode shadow did nothing.',
      ['rule', 'action', 'mode'],
    ),
    ruleErrors: counter(
      registry,
      'postern_rule_errors_total',
      'Times that a rule could not be asked or carried out.',
      ['rule'],
    ),
    holdTimeouts: counter(
      registry,
      'postern_hold_timeouts_total',
      'Held commands, replies and messages that went on because nobody decided.',
      [],
    ),
    connectSeconds: histogram(
      registry,
      'postern_upstream_connect_seconds',
      'Time that TCP connections to servers took, those that failed left out.',
      CONNECT_BUCKETS,
      [],
    ),
    upstreamErrors: counter(
      registry,
      'postern_upstream_errors_total',
      'Sessions that failed on the side of the server, by failure code.',
      ['code'],
    ),
    handshakes: counter(
      registry,
      'postern_tls_handshakes_total',
      'TLS handshakes: full, resumed, or failed (then version is none).',
      ['side', 'version', 'result'],
    ),
    mintSeconds: histogram(
      registry,
      'postern_cert_mint_seconds',
      'Time that the local authority took to issue a leaf certificate.',
      MINT_BUCKETS,
      [],
    ),
  } as const
  // What has never happened yet is told as 0 where its labels are known, so that a first time is seen as a rise.
  for (const action of ['delivered', 'deleted', 'hidden', 'held', 'dropped'])
    figures.messages.inc({ action }, 0)
  for (const side of ['client', 'server'])
    for (const direction of ['in', 'out']) figures.octets.inc({ side, direction }, 0)
  return figures
}

/** Asked at each scrape, so that it is right whenever metrics were switched on. */
function lookAtProxy(
  registry: Registry,
  { openSessions, heldMessages }: MeteredProxy,
  listeners: BoundedLabel,
): void {
  new Gauge({
    name: 'postern_sessions_open',
    help: 'Sessions that are open.',
    labelNames: ['listener'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [listener, sessions] of openSessions())
        this.inc({ listener: listeners.of(listener) }, sessions)
    },
  })
  new Gauge({
    name: 'postern_held_messages',
    help: 'Messages that wait at a breakpoint.',
    registers: [registry],
    collect() {
      this.set(heldMessages())
    },
  })
}

function counter<Label extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly Label[],
): Counter<Label> {
  return new Counter({ name, help, labelNames: [...labelNames], registers: [registry] })
}

function gauge<Label extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly Label[],
): Gauge<Label> {
  return new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] })
}

function histogram<Label extends string>(
  registry: Registry,
  name: string,
  help: string,
  buckets: number[],
  labelNames: readonly Label[],
): Histogram<Label> {
  return new Histogram({ name, help, buckets, labelNames: [...labelNames], registers: [registry] })
}

/** An unknown verb may be a mistyped password. */
function verbLabel(verb: string): string {
  return COMMAND_TABLE.has(verb) ? verb : OTHER
}

/** The words of an action begin with its type; what follows may hold texts of mail. */
function actionLabel(words: string): string {
  const [type = ''] = words.split(' ', 1)
  return Object.hasOwn(ACTION_FACTS, type) ? type : OTHER
}
