/**
 * Whether figures are counted and served, and where: off, on, or elsewhere after a reload. Loads what counts and what
 * serves when it is wanted for the first time, so that nobody else pays for it. Owns neither figures nor sockets.
 */
import type { Logger } from 'pino'
import type { MetricsSettings } from '../config/settings.js'
import type { Admin, AdminFacts } from './admin.js'
import type { Metrics, MetricsOptions } from './metrics.js'

/** The proxy as far as it is told of. */
export type MonitoredProxy = MetricsOptions & Pick<AdminFacts, 'unready' | 'now'>

/** A change that can still be left undone. */
export interface PreparedMonitoring {
  /** What counts from the change on; null where nothing does. */
  readonly metrics: Metrics | null
  commit(): void
  cancel(): void
}

/** Metrics of a process, on or off. */
export class Monitoring {
  readonly #proxy: MonitoredProxy
  readonly #log: Logger
  /** Made once and kept: figures that begin anew would look like a restart. */
  #metrics: Metrics | null = null
  #served: { readonly settings: MetricsSettings; readonly admin: Admin } | null = null
  #isOver = false

  constructor(proxy: MonitoredProxy, log: Logger) {
    this.#proxy = proxy
    this.#log = log
  }

  /** What sessions that begin now are counted by; null where metrics are off. */
  get metrics(): Metrics | null {
    return this.#served === null ? null : this.#metrics
  }

  /** Where figures are served; null where they are not. */
  get url(): string | null {
    return this.#served?.admin.url ?? null
  }

  /**
   * Opens what the settings want. The listener serves at once, what was there before until the change is committed.
   *
   * @throws ListenError, with nothing changed
   */
  async prepare(settings: MetricsSettings): Promise<PreparedMonitoring> {
    const before = this.#served
    if (isSame(before?.settings ?? { type: 'none' }, settings))
      return { metrics: this.metrics, commit: () => {}, cancel: () => {} }
    if (settings.type === 'none')
      return { metrics: null, commit: () => this.#replace(null), cancel: () => {} }
    const metrics = await this.#metricsMade()
    const { openAdmin } = await import('./admin.js')
    const { unready, now } = this.#proxy
    const facts = { metrics: () => metrics.text(), contentType: metrics.contentType, unready, now }
    const admin = await openAdmin(settings, facts, this.#log)
    return {
      metrics,
      commit: () => this.#replace({ settings, admin }),
      cancel: () => admin.close(),
    }
  }

  /** Ends the listener, for good: a reload that is under way opens none any more. */
  close(): void {
    this.#isOver = true
    this.#served?.admin.close()
    this.#served = null
  }

  async #metricsMade(): Promise<Metrics> {
    if (this.#metrics === null) {
      const { Metrics } = await import('./metrics.js')
      this.#metrics = new Metrics(this.#proxy)
    }
    return this.#metrics
  }

  #replace(served: { readonly settings: MetricsSettings; readonly admin: Admin } | null): void {
    if (this.#isOver) {
      served?.admin.close()
      return
    }
    const before = this.#served
    this.#served = served
    if (before !== null) {
      before.admin.close()
      this.#log.info({ event: 'listening-ended', url: before.admin.url })
    }
    if (served !== null) this.#log.info({ event: 'metrics-served', url: served.admin.url })
  }
}

function isSame(one: MetricsSettings, other: MetricsSettings): boolean {
  if (one.type === 'none' || other.type === 'none') return one.type === other.type
  return one.host === other.host && one.port === other.port
}
