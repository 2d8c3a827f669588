/**
 * What rules did in a session: their hits by rule and by message, and which of them a command met. Owns how a message
 * is found again whose number is another one at the client. Pure.
 */
import type { TraceEvent } from '../trace/event.js'
import type { RuleHit } from '../trace/rule-hits.js'
import { remembered } from './derived.js'
import { type MessageRecord, messagesOf } from './messages.js'
import type { SessionRecord } from './session-record.js'
import { type Turn, turnsOf } from './turns.js'

export type { RuleHit } from '../trace/rule-hits.js'

/** A hit, and when it was told. */
export interface RuleHitEvent extends TraceEvent {
  readonly content: RuleHit
}

/** All hits of a session, each list in the order in which they were told. */
export interface SessionRuleHits {
  readonly all: readonly RuleHitEvent[]
  readonly byRule: ReadonlyMap<string, readonly RuleHitEvent[]>
  /** By message-number at the server. */
  readonly byMessage: ReadonlyMap<number, readonly RuleHit[]>
  /** Those about commands, by number of the command. */
  readonly byCommand: ReadonlyMap<number, readonly RuleHit[]>
}

/** Finds the hits of a session. */
export const ruleHitsOf: (record: SessionRecord) => SessionRuleHits = remembered(collect)

/**
 * Lists the rules that a command of the client met: those of commands, and those of the message that it names.
 */
export function ruleHitsOfTurn(record: SessionRecord, turn: Turn): readonly RuleHit[] {
  const { byMessage, byCommand } = ruleHitsOf(record)
  const number = OF_MESSAGE.has(turn.verb) ? serverMessageNumberOf(turn) : null
  return [...(byCommand.get(turn.number) ?? []), ...(number === null ? [] : (byMessage.get(number) ?? []))]
}

/**
 * The message-number under which the server knows what a command names: the client's own, unless something else was
 * sent in its place. Null where it names none.
 */
export function serverMessageNumberOf({ words, replacement }: Turn): number | null {
  const word = (replacement === null ? words : replacement.shown.split(' ').slice(1))[0] ?? ''
  return /^\d{1,10}$/.test(word) ? Number(word) : null
}

/** The messages that a session fetched, the last of each, by message-number at the server. */
export const fetchedMessagesOf: (record: SessionRecord) => ReadonlyMap<number, MessageRecord> = remembered(
  (record) => {
    const turns = turnsOf(record)
    const fetched = new Map<number, MessageRecord>()
    for (const message of messagesOf(record)) {
      const turn = turns.get(message.number)
      const number = turn === undefined ? null : serverMessageNumberOf(turn)
      if (number !== null) fetched.set(number, message)
    }
    return fetched
  },
)

/** Whether a rule did more than to tell: actions as rule files write them, `tag-subject "[external]"`. */
export function changesSomething({ mode, actions }: Pick<RuleHit, 'mode' | 'actions'>): boolean {
  return mode === 'enforce' && actions.some((action) => !TELLING.has(action.split(/[\s:]/, 1)[0] ?? ''))
}

/** Says in one line what a rule did and why. */
export function ruleHitText({ rule, mode, actions, reason }: RuleHit): string {
  if (mode === 'failed') return `rule "${rule}" could not be asked: ${reason}`
  const done = actions.length === 0 ? '' : `: ${actions.join(', ')}`
  return `rule "${rule}"${mode === 'shadow' ? ' (shadow, nothing is done)' : ''}${done}, because ${reason}`
}

/** Actions that change neither mail nor dialogue. */
const TELLING: ReadonlySet<string> = new Set(['log', 'mark', 'notify'])
const OF_MESSAGE: ReadonlySet<string> = new Set(['RETR', 'TOP', 'DELE'])

function collect({ events }: SessionRecord): SessionRuleHits {
  const all = events.filter(isRuleHit)
  const byRule = new Map<string, RuleHitEvent[]>()
  const byMessage = new Map<number, RuleHit[]>()
  const byCommand = new Map<number, RuleHit[]>()
  for (const event of all) {
    const { rule, message, number } = event.content
    add(byRule, rule, event)
    if (message !== null) add(byMessage, message, event.content)
    else add(byCommand, number, event.content)
  }
  return { all, byRule, byMessage, byCommand }
}

function isRuleHit(event: TraceEvent): event is RuleHitEvent {
  return event.content.type === 'rule-hit'
}

function add<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}
