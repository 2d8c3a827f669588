/**
 * What the screen of rules lists: a line for each rule of a file and for each breakpoint, and under one that is
 * unfolded what it says and the last times that it held. Owns where these come from; knows nothing of columns or keys.
 */
import { summaryOf } from '../../sessions/message-facts.js'
import { fetchedMessagesOf, type RuleHitEvent, ruleHitsOf } from '../../sessions/rule-hits.js'
import type { SessionRecord } from '../../sessions/session-record.js'
import type { TraceContent } from '../../trace/event.js'
import type { RuleHits } from '../../trace/rule-hits.js'
import type { Breakpoint, WatchedRule } from '../../watch/protocol.js'
import { wrapTo } from '../cells.js'
import type { ScreenContext } from '../screen-module.js'
import { ageText, clockText } from './quantities.js'

type Held = Extract<TraceContent, { type: 'held' }>

/** A rule of a file. */
export interface FileRuleLine {
  readonly type: 'rule'
  readonly id: string
  readonly name: string
  /** What the file says; null where nobody told it: in a recording, and of a rule that was in force before. */
  readonly told: WatchedRule | null
  /** Null before it held or failed for the first time. */
  readonly hits: RuleHits | null
}

/** A breakpoint, which holds things for a person. */
export interface BreakpointLine {
  readonly type: 'breakpoint'
  readonly id: string
  readonly breakpoint: Breakpoint
}

/** One time that the line above it caught something. */
export interface MatchLine {
  readonly type: 'match'
  readonly id: string
  readonly at: number
  readonly record: SessionRecord
  /** Of the command that it was about, or that fetched the message; null where there is none. */
  readonly number: number | null
  readonly what: string
}

/** What an unfolded line says of itself. */
export interface NoteLine {
  readonly type: 'note'
  readonly id: string
  readonly text: string
}

export type RuleLine = FileRuleLine | BreakpointLine
export type Line = RuleLine | MatchLine | NoteLine

/** Matches shown under a rule: enough to see which clients it is about. */
const MATCHES = 10
/** Sessions that are searched for matches, newest first: five thousand would be felt at every frame. */
const SEARCHED_SESSIONS = 500
/** Stands before what belongs to a rule; its label follows in so many cells. */
const NOTE_INDENT = 5
const LABEL_CELLS = 6

/**
 * Lists rules and breakpoints, with what is unfolded under them.
 *
 * @param factsWidth cells for what an unfolded rule says of itself; null where that stands elsewhere
 */
export function ruleLines(
  unfolded: ReadonlySet<string>,
  context: ScreenContext,
  factsWidth: number | null,
): readonly Line[] {
  return [...fileRules(context), ...context.breakpoints.map(breakpointLine)].flatMap(
    (line): readonly Line[] => {
      if (!unfolded.has(line.id)) return [line]
      const facts = factsWidth === null ? [] : factLines(line, factsWidth)
      return [line, ...facts, ...matchLines(line, context)]
    },
  )
}

/** Rules in force in their order; behind them those that held and are in force no more, or never were told. */
function fileRules({ rules: { rules }, ruleHits }: ScreenContext): readonly FileRuleLine[] {
  const hits = new Map(ruleHits.map((each) => [each.rule, each]))
  const inForce = rules.map((told) => fileRule(told.name, told, hits.get(told.name) ?? null))
  const names = new Set(rules.map(({ name }) => name))
  const others = ruleHits
    .filter(({ rule }) => !names.has(rule))
    .map((each) => fileRule(each.rule, null, each))
  return [...inForce, ...others]
}

function fileRule(name: string, told: WatchedRule | null, hits: RuleHits | null): FileRuleLine {
  return { type: 'rule', id: `rule ${name}`, name, told, hits }
}

function breakpointLine(breakpoint: Breakpoint): BreakpointLine {
  return { type: 'breakpoint', id: breakpoint.id, breakpoint }
}

/** The actions of a rule, as told or as the last hit told them. */
export function actionsOf({ told, hits }: FileRuleLine): readonly string[] {
  return told?.actions ?? hits?.actions ?? []
}

/** Where a rule stands, empty where nobody told it. */
export function placeOf({ told, hits }: FileRuleLine): string {
  return told?.place ?? hits?.place ?? ''
}

/** What a line says of itself: label and text. */
export function ruleFacts(line: RuleLine): readonly (readonly [label: string, text: string])[] {
  if (line.type === 'breakpoint') {
    const { filter, kinds, holdMs, isOn } = line.breakpoint
    return [
      ['when', filter],
      ['holds', kinds.join(', ')],
      ['until', `you decide, at most ${ageText(holdMs)}; then it goes on unchanged`],
      ['state', isOn ? 'on' : 'off: nothing is held'],
    ]
  }
  const { told } = line
  const place = placeOf(line)
  const actions = actionsOf(line)
  return [
    ...(told === null ? [] : ([['when', told.when]] as const)),
    ...(actions.length === 0 ? [] : ([['does', actions.join(', ')]] as const)),
    ...(told === null
      ? []
      : ([
          ['mode', modeText(told)],
          ['cost', told.cost],
        ] as const)),
    ...(place === '' ? [] : ([['at', place]] as const)),
  ]
}

function modeText({ of, mode, onFailure, stops }: WatchedRule): string {
  return [
    mode === 'shadow' ? 'a shadow: it shows what it would do, and does nothing' : 'in force',
    ...(of === 'command' ? [] : [ON_FAILURE[onFailure]]),
    ...(stops ? ['rules behind it are not asked where it holds'] : []),
  ].join('; ')
}

const ON_FAILURE = {
  deliver: 'where it cannot be asked, mail is delivered as it is',
  refuse: 'where it cannot be asked, mail is refused',
  hold: 'where it cannot be asked, mail waits',
} as const

/** A breakpoint stands in the list with all that it says. */
function factLines(line: RuleLine, width: number): readonly NoteLine[] {
  if (line.type === 'breakpoint') return []
  const room = Math.max(8, width - NOTE_INDENT - LABEL_CELLS - 1)
  return ruleFacts(line).flatMap(([label, text]) =>
    wrapTo(text, room).map((part, index) =>
      note(line, `${label} ${index}`, `${(index === 0 ? label : '').padEnd(LABEL_CELLS)}${part}`),
    ),
  )
}

function note(line: RuleLine, name: string, text: string): NoteLine {
  return { type: 'note', id: `${line.id} ${name}`, text }
}

function matchLines(line: RuleLine, context: ScreenContext): readonly Line[] {
  const count = line.type === 'breakpoint' ? line.breakpoint.hits : countOf(line)
  const matches = count === 0 ? [] : matchesOf(line, context)
  if (matches.length > 0) return matches
  const text = count === 0 ? 'nothing matched yet' : 'the sessions in which it matched are no longer kept'
  return [note(line, 'none', text)]
}

function countOf({ hits }: FileRuleLine): number {
  return hits === null ? 0 : hits.hits + hits.failures
}

/** The last times, newest first. */
function matchesOf(line: RuleLine, { store }: ScreenContext): readonly MatchLine[] {
  // Newest first before they are sorted too: many hits share a moment.
  const found = store.sessions
    .slice(-SEARCHED_SESSIONS)
    .toReversed()
    .flatMap((record) =>
      line.type === 'breakpoint' ? heldIn(record, line.breakpoint) : hitsIn(record, line),
    )
  return found.sort((a, b) => b.at - a.at).slice(0, MATCHES)
}

function heldIn(record: SessionRecord, { id, filter }: Breakpoint): readonly MatchLine[] {
  return record.events.flatMap(({ at, content }): readonly MatchLine[] => {
    if (content.type !== 'held' || (content.breakpoint !== filter && content.breakpoint !== id)) return []
    const what = `${whatIsHeld(record, content)}  ${verdictOf(record, content.hold)}`
    return [{ type: 'match', id: `${id} ${content.hold}`, at, record, number: content.number, what }]
  })
}

function hitsIn(record: SessionRecord, { id, name }: FileRuleLine): readonly MatchLine[] {
  if (record.ruleHits === 0) return []
  const hits = ruleHitsOf(record).byRule.get(name) ?? []
  // One session cannot have more than these among the last of all.
  const from = Math.max(0, hits.length - MATCHES)
  return hits
    .slice(from)
    .map((event, index): MatchLine => {
      return { ...hitOf(record, event), type: 'match', id: `${id} ${record.id} ${from + index}` }
    })
    .toReversed()
}

function hitOf(
  record: SessionRecord,
  { at, content }: RuleHitEvent,
): Pick<MatchLine, 'at' | 'record' | 'number' | 'what'> {
  const { message, uniqueId, number, mode, reason } = content
  const failed = mode === 'failed' ? `  failed: ${reason}` : mode === 'shadow' ? '  shadow' : ''
  if (message === null)
    return { at, record, number, what: `${commandOf(record, number) ?? 'the session'}${failed}` }
  const fetched = fetchedMessagesOf(record).get(message) ?? null
  const subject = fetched === null ? null : (summaryOf(fetched)?.subject ?? null)
  const named = subject ?? (uniqueId === null ? '' : `unique-id ${uniqueId}`)
  return { at, record, number: fetched?.number ?? null, what: `message ${message}  ${named}${failed}` }
}

function commandOf({ events }: SessionRecord, number: number): string | null {
  const command = events.find(
    ({ content }) => content.type === 'command' && content.number === number,
  )?.content
  return command?.type === 'command' ? command.shown : null
}

function whatIsHeld(record: SessionRecord, { number, kind }: Held): string {
  const shown = commandOf(record, number) ?? `command ${number}`
  return kind === 'command' ? shown : `${kind} of ${shown}`
}

function verdictOf({ events }: SessionRecord, hold: string): string {
  const released = events.find(({ content }) => content.type === 'released' && content.hold === hold)?.content
  if (released?.type !== 'released') return 'held now'
  return `${released.verdict} after ${ageText(released.afterMs)}`
}

/** A match in one line. */
export function matchText({ at, record, what }: MatchLine): string {
  return `${clockText(at)}  #${record.ordinal}  ${record.user ?? '-'}  ${what}`
}

/** What a line says, for a search. */
export function lineText(line: Line): string {
  switch (line.type) {
    case 'rule':
      return [line.name, line.told?.when ?? '', placeOf(line), ...actionsOf(line)].join(' ')
    case 'breakpoint':
      return `${line.breakpoint.filter} ${holdText(line.breakpoint)}`
    case 'match':
      return matchText(line)
    case 'note':
      return line.text
  }
}

/** What a breakpoint does, in few words. */
export function holdText({ kinds, holdMs }: Breakpoint): string {
  return `hold ${kinds.join(', ')} ${ageText(holdMs)}`
}
