/**
 * Numbers about all sessions: throughput as graphs, latencies, TLS versions, errors by reason with the last of them,
 * what was dropped, and the process itself. Owns their order and wording; counts nothing itself.
 */
import type { Count } from '../../sessions/statistics.js'
import type { RuleHits } from '../../trace/rule-hits.js'
import type { ProcessFacts } from '../../watch/protocol.js'
import { padTo, widthOf } from '../cells.js'
import type { Row, Style } from '../frame.js'
import { NO_ARGUMENT, type ScreenContext, type ScreenModule, type Step } from '../screen-module.js'
import { cutRow, highlightRow, joinPanes, row, rowText, span, tableRow, titleRow } from '../spans.js'
import { barGraph } from './bar-graph.js'
import { movementBindings } from './list-position.js'
import { findNext } from './list-search.js'
import { clockText, countText, durationText, octetsText } from './quantities.js'
import { type RecentError, recentErrors } from './recent-errors.js'

/** What the process said of itself, and when it was first seen here. */
interface Sample {
  readonly facts: ProcessFacts
  readonly at: number
}

export interface StatisticsState {
  /** First row on the screen. */
  readonly top: number
  readonly latest: Sample | null
  /** The one before, so that CPU time becomes a share. */
  readonly before: Sample | null
}

/** Tables stand side by side from so many columns on. */
const SPLIT_COLUMNS = 120
const LABEL_CELLS = 12
/** Cells of the scale at the left of a graph. */
const SCALE_CELLS = 7
const LAST_ERRORS = 5
const LATENCY_ROWS = 8
/** Names of a kind that are listed; what is rarer is summed up. */
const NAMES = 8

/** Statistics of the running proxy, or of a recording. */
export const statisticsScreen: ScreenModule<StatisticsState> = {
  id: 'statistics',
  title: 'Statistics',
  open: () => ({ top: 0, latest: null, before: null }),
  bindings: [
    ...movementBindings<StatisticsState>((state, context, movement) => {
      const { rows } = context.size
      // What moves is the window, not a selection: the end is reached when the last row shows.
      const last = lastTop(rowsOf(state, context), context)
      const top = movement(Math.min(state.top, last), { count: last + 1, rows })
      return { ...state, top: Math.max(0, Math.min(top, last)) }
    }),
    {
      keys: ['enter'],
      label: 'last error',
      help: 'open the session of the newest error',
      run: openNewestError,
    },
    {
      keys: ['e'],
      label: 'errors only',
      help: 'show the sessions with errors: filter by errors > 0',
      run: (state) => ({
        state,
        effects: [
          { type: 'filter', text: 'errors > 0' },
          { type: 'open', screen: 'sessions', argument: { session: null, number: null, hold: null } },
        ],
      }),
    },
    {
      keys: ['y'],
      label: 'copy',
      help: 'copy all numbers as text',
      run: (state, context) => {
        const text = rowsOf(state, context)
          .map((each) => rowText(each).trimEnd())
          .join('\n')
        return { state, effects: [{ type: 'copy', text, what: 'the statistics' }] }
      },
    },
  ],
  // A number is of no session, not even where Enter leads to one.
  selection: () => NO_ARGUMENT,
  settle,
  view: (given, context) => {
    const state = settle(given, context)
    const rows = rowsOf(state, context)
    const top = Math.min(state.top, lastTop(rows, context))
    return rows
      .slice(top, top + context.size.rows)
      .map((each) => highlightRow(cutRow(each, context.size.columns), context.search))
  },
  status: (state, context) => {
    const last = lastTop(rowsOf(state, context), context)
    const below = last - Math.min(state.top, last)
    const more = last === 0 ? '' : below === 0 ? 'end  ' : `${below} rows below  `
    return `${more}last 5 minutes${context.source === 'recording' ? ' recorded' : ''}`
  },
  find: (state, context, text, direction) => {
    const rows = rowsOf(state, context)
    const from = state.top
    const found = findNext(
      { count: rows.length, from, textAt: (index) => rowText(rows[index] ?? []) },
      text,
      direction,
    )
    return found === -1 ? null : settle({ ...state, top: found }, context)
  },
}

function openNewestError(state: StatisticsState, { store }: ScreenContext): Step<StatisticsState> {
  const newest = recentErrors(store, 1)[0]
  if (newest === undefined)
    return {
      state,
      effects: [{ type: 'say', text: 'No session that is still kept had an error.', tone: 'plain' }],
    }
  const argument = {
    session: newest.record.id,
    number: newest.number === 0 ? null : newest.number,
    hold: null,
  }
  return { state, effects: [{ type: 'open', screen: 'session', argument }] }
}

/** Takes note of what the process said; where the window ends is known to the view alone, which has the rows. */
function settle(state: StatisticsState, { process, now }: ScreenContext): StatisticsState {
  if (process === null || process === state.latest?.facts) return state
  return { ...state, before: state.latest, latest: { facts: process, at: now } }
}

function lastTop(rows: readonly Row[], { size }: ScreenContext): number {
  return Math.max(0, rows.length - size.rows)
}

function rowsOf(state: StatisticsState, context: ScreenContext): readonly Row[] {
  const { columns } = context.size
  if (columns < SPLIT_COLUMNS)
    return [...graphRows(context), ...traffic(context, columns), ...trouble(state, context, columns)]
  const leftWidth = Math.floor((columns - 1) / 2)
  const rightWidth = columns - 1 - leftWidth
  const left = traffic(context, leftWidth)
  const right = trouble(state, context, rightWidth)
  const rows = Math.max(left.length, right.length)
  const { isUnicode } = context
  return [...graphRows(context), ...joinPanes({ left, right, leftWidth, rightWidth, rows, isUnicode })]
}

/** The two graphs, side by side. */
function graphRows(context: ScreenContext): readonly Row[] {
  const { size, statistics, isUnicode } = context
  const rows = size.rows >= 30 ? 8 : 4
  const form = { rows, isUnicode, end: context.source === 'live' ? 'now' : 'end' }
  const leftWidth = Math.floor((size.columns - 1) / 2)
  const rightWidth = size.columns - 1 - leftWidth
  const left = graph('toward the client', statistics.towardClient, leftWidth, form, 'client')
  const right = graph('toward the server', statistics.towardServer, rightWidth, form, 'server')
  return joinPanes({ left, right, leftWidth, rightWidth, rows: rows + 2, isUnicode })
}

interface GraphRoom {
  readonly rows: number
  readonly isUnicode: boolean
  /** What the newest value is called: a recording has no now. */
  readonly end: string
}

function graph(
  title: string,
  values: readonly number[],
  width: number,
  { rows, isUnicode, end }: GraphRoom,
  style: Style,
): readonly Row[] {
  const peak = Math.max(0, ...values)
  // The last one still grows.
  const now = values.at(-2) ?? 0
  const room = Math.max(0, width - SCALE_CELLS - 1)
  const bars = barGraph(values, { width: room, rows, isUnicode, peak })
  const scale = (index: number): string => {
    if (index === 0) return octetsText(peak)
    return index === rows - 1 ? '0' : ''
  }
  const axis = `${padTo('-5m', Math.max(0, room - 3))}${end}`
  return [
    row(span(` ${title}`, 'bold'), `  ${octetsText(now)}/s  peak ${octetsText(peak)}/s`),
    ...bars.map((bar, index) =>
      row(
        span(`${padTo(scale(index), SCALE_CELLS - 1, 'right')}${isUnicode ? '│' : '|'}`, 'dim'),
        span(bar, style),
      ),
    ),
    row(span(`${' '.repeat(SCALE_CELLS)}${axis}`, 'dim')),
  ].map((each) => cutRow(each, width))
}

/** What passes: sessions, commands, latencies. */
function traffic(context: ScreenContext, width: number): readonly Row[] {
  const { statistics, isUnicode } = context
  const opened = statistics.sessionsOpened
  const peak = Math.max(0, ...opened)
  const line = barGraph(opened, { width: 24, rows: 1, isUnicode, peak })[0] ?? ''
  const perSecond = opened.slice(-11, -1)
  const mean = perSecond.length === 0 ? 0 : perSecond.reduce((sum, each) => sum + each, 0) / perSecond.length
  const sessions = `  ${mean.toFixed(1)}/s   open ${statistics.open}   peak ${statistics.peak}   seen ${statistics.sessions}`
  return [
    titleRow('Sessions and commands', width, isUnicode),
    cutRow(row(label('sessions'), span(line, 'bold'), sessions), width),
    ...sharesRows('commands', statistics.commands, width),
    ...sharesRows('endings', statistics.closed, width),
    ...rulesRows('rules', context.ruleHits, ({ hits }) => hits, width),
    titleRow('Milliseconds from command to status line', width, isUnicode),
    ...latencyRows(context, width),
  ]
}

function latencyRows({ statistics }: ScreenContext, width: number): readonly Row[] {
  const { latencies } = statistics
  if (latencies.length === 0) return [row(span(' No command has been answered yet.', 'dim'))]
  const line = (verb: string, count: string, ...times: readonly string[]): Row =>
    tableRow([
      { text: ` ${verb}`, width: LABEL_CELLS },
      { text: count, width: 7, align: 'right' },
      ...times.map((text) => ({ text, width: 9, align: 'right' as const })),
    ])
  const rows = latencies
    .slice(0, LATENCY_ROWS)
    .map(({ verb, count, p50, p99 }) => line(verb, countText(count), durationText(p50), durationText(p99)))
  const rest = latencies.length - rows.length
  return [
    row(span(rowText(line('VERB', 'COUNT', 'p50', 'p99')), 'dim')),
    ...rows,
    ...(rest > 0 ? [row(span(` and ${rest} more verbs`, 'dim'))] : []),
  ].map((each) => cutRow(each, width))
}

/** What is wrong, what is missing, and what it costs. */
function trouble(state: StatisticsState, context: ScreenContext, width: number): readonly Row[] {
  const { statistics, store, log, isUnicode } = context
  const errors = recentErrors(store, LAST_ERRORS)
  return [
    titleRow('TLS', width, isUnicode),
    ...sharesRows('client leg', statistics.tlsVersions('client'), width),
    ...sharesRows('server leg', statistics.tlsVersions('server'), width),
    titleRow('Errors', width, isUnicode),
    ...countsRows('errors', statistics.errors, width),
    ...countsRows('anomalies', statistics.anomalies, width),
    ...countsRows('held', statistics.breakpointHits, width),
    ...rulesRows('rules', context.ruleHits, ({ failures }) => failures, width),
    ...errors.map((error, index) => errorRow(error, index === 0, width)),
    titleRow(context.source === 'live' ? 'Dashboard and proxy' : 'Dashboard', width, isUnicode),
    cutRow(
      row(
        label('dropped'),
        span(
          `${store.droppedEvents} events, ${store.droppedSessions} sessions, ${log.dropped} log lines`,
          store.droppedEvents + store.droppedSessions + log.dropped > 0 ? 'attention' : 'plain',
        ),
      ),
      width,
    ),
    ...(context.source === 'live' ? processRows(state, width) : []),
  ]
}

function errorRow({ at, record, text }: RecentError, isNewest: boolean, width: number): Row {
  const who = `${clockText(at)} #${record.ordinal} `
  return cutRow(row(isNewest ? '>' : ' ', span(who, 'dim'), span(text, 'error')), width)
}

function processRows({ latest, before }: StatisticsState, width: number): readonly Row[] {
  if (latest === null) return [row(label('process'), span('has not said anything of itself yet', 'dim'))]
  const { rssOctets, heapOctets, loopDelayMs } = latest.facts
  const text = [
    `rss ${octetsText(rssOctets)}`,
    `heap ${octetsText(heapOctets)}`,
    `cpu ${cpuText(latest, before)}`,
    `loop delay ${durationText(loopDelayMs)} ms`,
  ].join('   ')
  return [cutRow(row(label('process'), text), width)]
}

function cpuText(latest: Sample, before: Sample | null): string {
  if (before === null || latest.at <= before.at) return `${(latest.facts.cpuMs / 1000).toFixed(1)} s in all`
  const share = (latest.facts.cpuMs - before.facts.cpuMs) / (latest.at - before.at)
  return `${Math.max(0, Math.round(share * 100))}%`
}

function sharesRows(name: string, counts: readonly Count[], width: number): readonly Row[] {
  const all = counts.reduce((sum, { count }) => sum + count, 0)
  return listRows(name, counts, width, (count) => `${Math.round((count / all) * 100)}%`)
}

function countsRows(name: string, counts: readonly Count[], width: number): readonly Row[] {
  return listRows(name, counts, width, countText)
}

/** How often each rule held, or failed; nothing where none did, as in the days before rules. */
function rulesRows(
  name: string,
  hits: readonly RuleHits[],
  countOf: (hits: RuleHits) => number,
  width: number,
): readonly Row[] {
  const counts = hits
    .map((each) => ({ name: each.rule, count: countOf(each) }))
    .filter(({ count }) => count > 0)
    .sort((one, other) => other.count - one.count)
  return counts.length === 0 ? [] : countsRows(name, counts, width)
}

/** A label, and names with numbers behind it on as many rows as they need. */
function listRows(
  name: string,
  counts: readonly Count[],
  width: number,
  numberText: (count: number) => string,
): readonly Row[] {
  if (counts.length === 0) return [row(label(name), span('none', 'dim'))]
  const named = counts.slice(0, NAMES).map(({ name: each, count }) => `${each} ${numberText(count)}`)
  const rest = counts.slice(NAMES).reduce((sum, { count }) => sum + count, 0)
  const pieces = rest === 0 ? named : [...named, `other ${numberText(rest)}`]
  const lines: string[] = []
  for (const piece of pieces) {
    const last = lines.at(-1)
    const together = last === undefined ? piece : `${last}   ${piece}`
    if (last !== undefined && widthOf(together) <= width - LABEL_CELLS - 1) lines[lines.length - 1] = together
    else lines.push(piece)
  }
  return lines.map((line, index) => cutRow(row(label(index === 0 ? name : ''), line), width))
}

function label(text: string): { readonly text: string; readonly style: Style } {
  return { text: ` ${padTo(text, LABEL_CELLS - 1)}`, style: 'dim' }
}
