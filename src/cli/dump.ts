/**
 * `postern dump`: like `postern run`, with a line of text for each command and reply instead of the log.
 */
import type { Feed } from '../trace/feed.js'
import { dumpLine } from './dump-line.js'
import type { ExitCode } from './exit-codes.js'
import { boundedDestination, type LogStream } from './log-destination.js'
import type { SharedOptions } from './options.js'
import { run } from './run.js'

/**
 * Prints what passes until a signal ends it. The log goes to stderr and only from warnings up, so that stdout has
 * nothing but the dump.
 *
 * @returns the exit status
 */
export function dump(options: SharedOptions): Promise<ExitCode> {
  return run(options, { log: 'stderr', watch: (feed) => printEvents(feed, process.stdout) })
}

/** Prints the events of a feed, as many lines at a time as wait. */
export function printEvents(feed: Feed, stream: LogStream): void {
  const destination = boundedDestination(stream)
  const subscription = feed.subscribe(() => setImmediate(print))
  const print = (): void => {
    const { events, dropped } = subscription.take()
    if (dropped > 0) destination.write(`** ${dropped} events were not printed in time\n`)
    destination.write(events.map((event) => `${dumpLine(event)}\n`).join(''))
  }
}
