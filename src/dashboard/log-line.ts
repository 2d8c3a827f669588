/**
 * A line of the proxy's log, read for display. Owns the words in which a person reads it; believes nothing of what it
 * reads, since a log tells of hostile peers.
 */

import { safeText } from '../trace/safe-text.js'
import type { LogLine } from './screen-module.js'

/** Characters of a line that are shown; a log line is bounded where it is written, a forged one is not. */
const LINE_CHARACTERS = 8_192

const LEVELS: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  [10, 'trace'],
  [20, 'debug'],
  [30, 'info'],
  [40, 'warn'],
  [50, 'error'],
  [60, 'fatal'],
])

// Said by their own columns.
const OWN_COLUMNS = new Set(['level', 'time', 'event', 'session', 'pid', 'hostname', 'msg'])

/**
 * Reads one line of the log.
 *
 * Never fails: what is no JSON object is a line of level `info` that says itself.
 */
export function logLine(json: string): LogLine {
  const harmless = safeText(json, LINE_CHARACTERS)
  const fields = parsed(json)
  if (fields === null)
    return { at: 0, level: 'info', event: '', session: null, text: harmless, json: harmless }
  const { level, time, event, session, msg } = fields
  const words = Object.entries(fields)
    .filter(([name, value]) => !OWN_COLUMNS.has(name) && value !== null)
    .map(([name, value]) => `${name}=${worded(value)}`)
  const name = typeof event === 'string' ? event : ''
  const said = typeof msg === 'string' ? [msg] : []
  return {
    at: momentOf(time),
    level: LEVELS.get(level) ?? (typeof level === 'string' ? safeText(level, 16) : 'info'),
    event: safeText(name, 64),
    session: typeof session === 'string' ? safeText(session, 64) : null,
    text: safeText([...(name === '' ? [] : [name]), ...said, ...words].join(' '), LINE_CHARACTERS),
    json: harmless,
  }
}

function parsed(json: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
  } catch {
    return null
  }
}

function momentOf(time: unknown): number {
  if (typeof time === 'number' && Number.isFinite(time)) return time
  const moment = typeof time === 'string' ? Date.parse(time) : Number.NaN
  return Number.isNaN(moment) ? 0 : moment
}

/** A text with blanks is quoted, so that one sees where it ends. */
function worded(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value) ?? ''
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)
}
