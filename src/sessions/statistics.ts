/**
 * Numbers about all sessions, from their events: throughput, latencies, errors by reason. Memory is bounded whatever
 * comes; the clock is the caller's.
 */
import type { Side, TraceContent, TraceEvent } from '../trace/event.js'
import { RuleHitCounter, type RuleHits } from '../trace/rule-hits.js'
import { Histogram } from './histogram.js'
import { contentOctets, statusLineOctets } from './octets.js'
import { SecondsRing } from './seconds-ring.js'

/** Seconds that the rings remember. */
export const STATISTICS_SECONDS = 300

/** Milliseconds from a command to its status line; at most 5 % off. */
export interface Latency {
  readonly verb: string
  readonly count: number
  readonly p50: number
  readonly p99: number
}

/** A name with how often it came. */
export interface Count {
  readonly name: string
  readonly count: number
}

/** Open sessions that are remembered for their TLS; a recording may open more than it closes. */
const OPEN_REMEMBERED = 100_000

type Of<Type extends TraceContent['type']> = Extract<TraceContent, { type: Type }>

/** What must be known of a session until it closes. */
interface OpenSession {
  hasClientTls: boolean
  hasServerTls: boolean
  isConnected: boolean
}

/** Counts events. Rings hold the last {@link STATISTICS_SECONDS} seconds, oldest first, the running one last. */
export class Statistics {
  readonly #towardClient = new SecondsRing(STATISTICS_SECONDS)
  readonly #towardServer = new SecondsRing(STATISTICS_SECONDS)
  readonly #opened = new SecondsRing(STATISTICS_SECONDS)
  readonly #open = new Map<string, OpenSession>()
  #peak = 0
  #sessions = 0
  readonly #latencies = new Map<string, Histogram>()
  readonly #commands = new Tally()
  readonly #errors = new Tally()
  readonly #closed = new Tally()
  readonly #anomalies = new Tally()
  readonly #breakpointHits = new Tally()
  readonly #ruleHits = new RuleHitCounter()
  readonly #tls = { client: new Tally(), server: new Tally() }

  /** Octets a second, as events tell them: a message counts where it ends. */
  get towardClient(): readonly number[] {
    return this.#towardClient.values
  }

  get towardServer(): readonly number[] {
    return this.#towardServer.values
  }

  /** Sessions opened a second. */
  get sessionsOpened(): readonly number[] {
    return this.#opened.values
  }

  get open(): number {
    return this.#open.size
  }

  get peak(): number {
    return this.#peak
  }

  get sessions(): number {
    return this.#sessions
  }

  /** Latencies of the server by verb, most frequent first. */
  get latencies(): readonly Latency[] {
    return [...this.#latencies]
      .map(([verb, histogram]) => ({
        verb,
        count: histogram.count,
        p50: histogram.percentile(0.5),
        p99: histogram.percentile(0.99),
      }))
      .sort((one, two) => two.count - one.count)
  }

  /** Most frequent first, as the four below. */
  get commands(): readonly Count[] {
    return this.#commands.counts
  }

  /** By failure code, response code or `-ERR to VERB`. */
  get errors(): readonly Count[] {
    return this.#errors.counts
  }

  /** By reason. */
  get closed(): readonly Count[] {
    return this.#closed.counts
  }

  get anomalies(): readonly Count[] {
    return this.#anomalies.counts
  }

  /** By breakpoint. */
  get breakpointHits(): readonly Count[] {
    return this.#breakpointHits.counts
  }

  /** By rule, in the order in which they first held. */
  get ruleHits(): readonly RuleHits[] {
    return this.#ruleHits.counts
  }

  /** `TLSv1.3`, and `none` for sessions that closed without TLS on that leg. */
  tlsVersions(side: Side): readonly Count[] {
    return this.#tls[side].counts
  }

  /** Counts one event. */
  add(event: TraceEvent): void {
    const { at, session, content } = event
    switch (content.type) {
      case 'session-opened':
        this.#opened.add(at, 1)
        this.#sessions += 1
        if (this.#open.size < OPEN_REMEMBERED)
          this.#open.set(session, { hasClientTls: false, hasServerTls: false, isConnected: false })
        this.#peak = Math.max(this.#peak, this.#open.size)
        return
      case 'server-connected': {
        const open = this.#open.get(session)
        if (open !== undefined) open.isConnected = true
        return
      }
      case 'tls-established':
        this.#tlsEstablished(session, content)
        return
      case 'command':
        if (content.origin === 'client') this.#commands.add(content.verb)
        this.#towardServer.add(at, content.octets)
        return
      case 'sasl-response':
        this.#towardServer.add(at, content.octets)
        return
      case 'greeting':
        this.#towardClient.add(at, statusLineOctets(content))
        if (content.indicator === '-ERR') this.#errors.add('-ERR in greeting')
        return
      case 'reply':
        this.#reply(at, content)
        return
      case 'content-end':
        this.#towardClient.add(at, contentOctets(content))
        return
      case 'anomaly':
        this.#anomalies.add(content.anomaly)
        return
      case 'held':
        this.#breakpointHits.add(content.breakpoint)
        return
      case 'rule-hit':
        this.#ruleHits.add(event)
        return
      case 'failure':
        this.#errors.add(content.failure.code)
        return
      case 'session-closed':
        this.#sessionClosed(session, content)
        return
    }
  }

  /** Tells the time, so that quiet seconds count as such. */
  tick(now: number): void {
    this.#towardClient.tick(now)
    this.#towardServer.tick(now)
    this.#opened.tick(now)
  }

  #reply(at: number, reply: Of<'reply'>): void {
    this.#towardClient.add(at, statusLineOctets(reply))
    if (reply.indicator === '-ERR') {
      const code = reply.responseCode?.toUpperCase()
      this.#errors.add(code === undefined ? `-ERR to ${reply.verb}` : `[${code}]`)
    }
    if (reply.source !== 'server') return
    let histogram = this.#latencies.get(reply.verb)
    if (histogram === undefined) {
      // Verbs come from the command table, and those of a hostile recording from nowhere.
      if (this.#latencies.size >= Tally.NAMES) return
      histogram = new Histogram()
      this.#latencies.set(reply.verb, histogram)
    }
    histogram.add(reply.afterMs)
  }

  #tlsEstablished(session: string, { side, tls }: Of<'tls-established'>): void {
    this.#tls[side].add(tls.protocol)
    const open = this.#open.get(session)
    if (open === undefined) return
    if (side === 'client') open.hasClientTls = true
    else open.hasServerTls = true
  }

  #sessionClosed(session: string, { reason, code }: Of<'session-closed'>): void {
    this.#closed.add(code === null ? reason : `${reason} ${code}`)
    const open = this.#open.get(session)
    if (open === undefined) return
    this.#open.delete(session)
    if (!open.hasClientTls) this.#tls.client.add('none')
    // A server that was never reached has no leg.
    if (!open.hasServerTls && open.isConnected) this.#tls.server.add('none')
  }
}

/** Counts by name; names that come too late are counted together. */
class Tally {
  /** Response codes are the server's to invent. */
  static readonly NAMES = 200
  readonly #counts = new Map<string, number>()

  get counts(): readonly Count[] {
    return [...this.#counts]
      .map(([name, count]) => ({ name, count }))
      .sort((one, two) => two.count - one.count || (one.name < two.name ? -1 : 1))
  }

  add(name: string): void {
    const isNew = !this.#counts.has(name)
    const key = isNew && this.#counts.size >= Tally.NAMES ? 'other' : name
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }
}
