/**
 * Numbers about all sessions, from their events: throughput, latencies, errors by reason. Memory is bounded whatever
 * comes; the clock is the caller's.
 */
import type { Side, TraceEvent } from '../trace/event.js'

/** Seconds that the rings remember. */
export const STATISTICS_SECONDS = 300

/** Milliseconds from a command to its status line. */
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

/** Counts events. Rings hold the last {@link STATISTICS_SECONDS} whole seconds, oldest first, the running one last. */
export class Statistics {
  /** Octets a second. */
  get towardClient(): readonly number[] {
    return []
  }

  get towardServer(): readonly number[] {
    return []
  }

  /** Sessions opened a second. */
  get sessionsOpened(): readonly number[] {
    return []
  }

  get open(): number {
    return 0
  }

  get peak(): number {
    return 0
  }

  get sessions(): number {
    return 0
  }

  /** Latencies by verb, most frequent first. */
  get latencies(): readonly Latency[] {
    return []
  }

  /** Most frequent first, as the four below. */
  get commands(): readonly Count[] {
    return []
  }

  /** By failure code, response code or `-ERR to VERB`. */
  get errors(): readonly Count[] {
    return []
  }

  get closed(): readonly Count[] {
    return []
  }

  get anomalies(): readonly Count[] {
    return []
  }

  /** By breakpoint. */
  get breakpointHits(): readonly Count[] {
    return []
  }

  /** `TLSv1.3`, and `none` for sessions closed without TLS on that leg. */
  tlsVersions(side: Side): readonly Count[] {
    void side
    return []
  }

  add(event: TraceEvent): void {
    void event
  }

  /** Tells the time, so that quiet seconds count as such. */
  tick(now: number): void {
    void now
  }
}
