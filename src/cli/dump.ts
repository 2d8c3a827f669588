/**
 * `postern dump`: like `postern run`, with a line of text for each command and reply instead of the log.
 */
import { type Filter, parseFilter } from '../expression/filter.js'
import { messageOctetsFor } from '../proxy/recording-filter.js'
import { fieldsOfEvent, visibleTextOfEvent } from '../sessions/fields.js'
import { SessionStore } from '../sessions/store.js'
import type { TraceEvent } from '../trace/event.js'
import type { Feed } from '../trace/feed.js'
import { dumpLine } from './dump-line.js'
import type { ExitCode } from './exit-codes.js'
import { UsageError } from './failure.js'
import { readFilter } from './filter-option.js'
import { boundedDestination, type LogStream } from './log-destination.js'
import type { RunOptions } from './options.js'
import { run } from './run.js'

/** Options of `postern dump`. */
export interface DumpOptions extends RunOptions {
  readonly filter?: string
}

/** What is remembered of sessions for the sake of a filter. */
const BUDGET = { sessions: 2_000, octets: 16 * 1024 * 1024 }

/**
 * Prints what passes until a signal ends it. The log goes to stderr and only from warnings up, so that stdout has
 * nothing but the dump.
 *
 * @param filter which events to print, as an argument; undefined for all, or where it stands as an option
 * @returns the exit status
 * @throws {FilterMistake} for a filter that is none, and what {@link run} throws
 */
export async function dump(filter: string | undefined, options: DumpOptions): Promise<ExitCode> {
  if (filter !== undefined && options.filter !== undefined)
    throw new UsageError('a filter stands behind dump or behind --filter, not both')
  const text = filter ?? options.filter
  const parsed = text === undefined ? null : readFilter('the filter', text, parseFilter)
  return await run(options, { type: 'output', print: (feed) => printEvents(feed, process.stdout, parsed) })
}

/**
 * Prints the events of a feed, as many lines at a time as wait.
 *
 * @param filter asked for each event, with what is known of its session by then; null prints all
 */
export function printEvents(feed: Feed, stream: LogStream, filter: Filter | null = null): void {
  const destination = boundedDestination(stream)
  const isWanted = filter === null ? () => true : matcher(filter)
  const messageOctets = filter === null ? 0 : messageOctetsFor(filter)
  const subscription = feed.subscribe(() => setImmediate(print), { messageOctets })
  const print = (): void => {
    const { events, dropped } = subscription.take()
    if (dropped > 0) destination.write(`** ${dropped} events were not printed in time\n`)
    const lines = events
      .filter((event) => isWanted(event) && isPrinted(event))
      .map((event) => `${dumpLine(event)}\n`)
    destination.write(lines.join(''))
  }
}

/** Pieces of content are only asked for by filters; what matters of them is in the line that ends them. */
function isPrinted({ content }: TraceEvent): boolean {
  return content.type !== 'content'
}

function matcher(filter: Filter): (event: TraceEvent) => boolean {
  const store = new SessionStore(BUDGET)
  return (event) => {
    store.add(event)
    const record = store.get(event.session)
    if (record === null) return false
    const fields = fieldsOfEvent(record, event, filter.fields)
    return filter.matches(fields, () => visibleTextOfEvent(event, record))
  }
}
