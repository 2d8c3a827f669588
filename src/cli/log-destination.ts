/**
 * Where the log goes: JSON lines, or text on a terminal. Owns the form of its lines, and that a slow, full or closed
 * stdout neither delays nor ends a session; knows nothing of what is logged.
 */
import { type DestinationStream, type Logger, pino } from 'pino'
import type { LogLevel } from '../config/settings.js'
import { outliveStdout } from './standard-streams.js'

export type { Logger }

/** What a destination needs of `process.stdout` or `process.stderr`. */
export interface LogStream {
  readonly writableLength: number
  readonly isTTY?: boolean
  write(text: string): boolean
  on(event: 'error', listener: () => void): unknown
}

/**
 * Most octets that may wait for a reader of the log. A line is dropped and counted past it: to a pipe, Node writes
 * without blocking and would otherwise keep everything that a stalled reader does not take.
 */
export const WAITING_LOG_OCTETS = 1_048_576

/**
 * Makes the log.
 *
 * @param stream a pipe or file receives JSON lines, a terminal receives text; null where only watchers see the log
 * @param environment NO_COLOR, where it is not empty, leaves colours out (as TERM=dumb does)
 * @param watched receives every line as JSON as well
 */
export async function createLog(
  level: LogLevel,
  stream: LogStream | null = process.stdout,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  watched: DestinationStream | null = null,
): Promise<Logger> {
  outliveStdout()
  const destinations = [
    ...(stream === null ? [] : [await destinationTo(stream, environment)]),
    ...(watched === null ? [] : [watched]),
  ]
  const [only] = destinations
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destinations.length === 1 && only !== undefined
      ? only
      : { write: (line) => destinations.forEach((each) => void each.write(line)) },
  )
}

async function destinationTo(
  stream: LogStream,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<DestinationStream> {
  const destination = boundedDestination(stream)
  return stream.isTTY === true ? await readable(destination, environment) : destination
}

/**
 * Lets a terminal that stops reading (Ctrl-S, a dead line) stop nothing but the log: on Linux Node writes to terminals
 * synchronously, and every session would stand still. `_handle` is Node's own affair, so it is asked for what it can
 * do; what the terminal does not take then waits, bounded, as with a pipe.
 */
function doNotWaitFor(stream: LogStream): void {
  const handle: unknown = Reflect.get(stream, '_handle')
  if (typeof handle !== 'object' || handle === null || !('setBlocking' in handle)) return
  if (typeof handle.setBlocking === 'function') handle.setBlocking(false)
}

/** Lines wait this long for others to be written with: a system call a line was a twentieth of a login's cost. */
const BATCH_MS = 20

/**
 * Passes lines on as long as somebody takes them; what is dropped meanwhile is counted in a line of its own
 * (`event: "log-lines-dropped"`) once lines are taken again. Lines of the same moment are written together; none
 * waits when the process ends.
 */
export function boundedDestination(stream: LogStream): DestinationStream {
  if (stream.isTTY === true) doNotWaitFor(stream)
  let isBroken = false
  let dropped = 0
  let waiting = ''
  let timer: NodeJS.Timeout | null = null
  stream.on('error', () => {
    isBroken = true
  })
  const flush = (): void => {
    if (timer !== null) clearTimeout(timer)
    timer = null
    const lines = waiting
    waiting = ''
    if (lines !== '' && !isBroken) stream.write(lines)
  }
  process.on('exit', flush)
  return {
    write(line: string): void {
      if (isBroken) return
      if (stream.writableLength + waiting.length > WAITING_LOG_OCTETS) {
        dropped += 1
        return
      }
      if (dropped > 0) {
        const time = new Date().toISOString()
        waiting += `${JSON.stringify({ level: 'warn', time, event: 'log-lines-dropped', lines: dropped })}\n`
        dropped = 0
      }
      waiting += line
      timer ??= setTimeout(flush, BATCH_MS)
    },
  }
}

async function readable(
  destination: DestinationStream,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<DestinationStream> {
  const { prettyFactory } = await import('pino-pretty')
  const isColourless = (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb'
  const format = prettyFactory({
    colorize: !isColourless,
    translateTime: 'SYS:HH:MM:ss.l',
    messageFormat: readableEvent,
    hideObject: true,
  })
  return { write: (line: string) => destination.write(format(line)) }
}

const SHOWN_BY_PRETTY: ReadonlySet<string> = new Set(['level', 'time', 'event'])

/** One line of the log for a person: `logged-in session=5f2c-1 user=bob tls.server=TLSv1.3`. */
function readableEvent(line: Readonly<Record<string, unknown>>): string {
  const fields = Object.entries(line).filter(([key]) => !SHOWN_BY_PRETTY.has(key))
  return [String(line.event ?? ''), ...fields.flatMap(([key, value]) => readableField(key, value))].join(' ')
}

function readableField(key: string, value: unknown): readonly string[] {
  if (value === null || value === undefined) return []
  if (typeof value === 'object' && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([inner, part]) => readableField(`${key}.${inner}`, part))
  }
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return [`${key}=${/[\s"=]/.test(text) || text === '' ? JSON.stringify(text) : text}`]
}
