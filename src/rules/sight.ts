/**
 * How much of a message somebody must see: the order of sights, and which field needs which.
 */
import type { Fields } from '../expression/fields.js'
import type { Sight } from './verdict.js'

/** A sight, or the answers of judges, who see the whole message. */
export type Need = Sight | 'judges'

const ORDER: readonly Need[] = ['nothing', 'listing', 'header', 'message', 'judges']

/** Tells whether one need goes beyond another. */
export function isBeyond(one: Need, other: Need): boolean {
  return ORDER.indexOf(one) > ORDER.indexOf(other)
}

/** The greatest of all needs; `nothing` of none. */
export function greatest<Some extends Need>(needs: Iterable<Some | 'nothing'>): Some | 'nothing' {
  let most: Some | 'nothing' = 'nothing'
  for (const need of needs) if (isBeyond(need, most)) most = need
  return most
}

/** What must be seen for judges to be asked: the whole message. */
export function sightFor(need: Need): Sight {
  return need === 'judges' ? 'message' : need
}

/** Fields of a message, with what must be seen to know them. */
const FIELDS_OF_MESSAGE: ReadonlyMap<keyof Fields, Need> = new Map<keyof Fields, Need>([
  ['number', 'listing'],
  ['unique_id', 'listing'],
  ['size', 'listing'],
  ['subject', 'header'],
  ['from', 'header'],
  ['to', 'header'],
  ['date', 'header'],
  ['header', 'header'],
  ['raw_header', 'header'],
  ['attachments', 'message'],
  ['body', 'message'],
  ['verdict', 'judges'],
  ['score', 'judges'],
  ['finding', 'judges'],
])

/** Fields of commands. `number` is of commands that name a message as well. */
const FIELDS_OF_COMMANDS: ReadonlySet<keyof Fields> = new Set<keyof Fields>(['command', 'argument', 'number'])

/** Fields of the server's reply to a command: a rule that names one is asked when the reply comes. */
const FIELDS_OF_REPLIES: ReadonlySet<keyof Fields> = new Set<keyof Fields>([
  'indicator',
  'response_code',
  'text',
])

/** Fields of the session that are known whenever rules are asked. */
const FIELDS_OF_SESSIONS: ReadonlySet<keyof Fields> = new Set<keyof Fields>([
  'session',
  'service',
  'listener',
  'client',
  'server',
  'user',
  'mechanism',
  'state',
  'client_tls',
  'server_tls',
  'commands',
])

/** Fields that rules of messages may name. `rule` is the name of the rule itself. */
export const MESSAGE_RULE_FIELDS: ReadonlySet<keyof Fields> = new Set<keyof Fields>([
  ...FIELDS_OF_SESSIONS,
  ...FIELDS_OF_MESSAGE.keys(),
])

/** Fields that rules of commands may name, those of the reply included. */
export const COMMAND_RULE_FIELDS: ReadonlySet<keyof Fields> = new Set<keyof Fields>([
  ...FIELDS_OF_SESSIONS,
  ...FIELDS_OF_COMMANDS,
  ...FIELDS_OF_REPLIES,
])

/** The field of a reply among others, for which a rule of commands is asked when the reply comes; null for none. */
export function fieldOfReply(fields: Iterable<keyof Fields>): keyof Fields | null {
  for (const name of fields) if (FIELDS_OF_REPLIES.has(name)) return name
  return null
}

/** What must be seen of a message to know all of the fields. */
export function needOf(fields: Iterable<keyof Fields>): Need {
  return greatest([...fields].map((name) => FIELDS_OF_MESSAGE.get(name) ?? 'nothing'))
}
