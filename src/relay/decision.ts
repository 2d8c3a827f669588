/**
 * What a person's answer to a held item comes to: the item goes on, as it is or replaced, or the answer cannot be taken
 * and the item is held as before. Decides nothing about what is sent when.
 */
import type { Verdict } from '../trace/event.js'
import type { Exchange } from './exchange.js'
import type { HoldAnswer } from './interception.js'
import {
  type CommandRules,
  editedCommand,
  isProblem,
  type PersonCommand,
  type Problem,
} from './person-command.js'
import { type PersonReply, replyInstead } from './person-reply.js'

/** How a held item goes on. At most one of the two stands in its place. */
export interface Decision {
  readonly verdict: Verdict
  /** The server gets this command. */
  readonly command: PersonCommand | null
  /** The client gets this reply. */
  readonly reply: PersonReply | null
}

const VERDICT_OF = { drop: 'dropped', answer: 'answered', edit: 'edited' } as const

/** The item goes on as it is. */
export function unchanged(verdict: Verdict): Decision {
  return { verdict, command: null, reply: null }
}

/**
 * Reads a person's answer.
 *
 * @param exchange with its reply where that is held; else its command is
 * @returns what is wrong with the answer, where it cannot be taken
 */
export function decisionOf(exchange: Exchange, answer: HoldAnswer, rules: CommandRules): Decision | Problem {
  if (answer.type === 'release') return unchanged('released')
  if (answer.type === 'edit' && exchange.arrived === null) {
    const command = editedCommand(answer.octets, exchange, rules)
    return isProblem(command) ? command : { verdict: 'edited', command, reply: null }
  }
  const reply = replyInstead(exchange, answer)
  return isProblem(reply) ? reply : { verdict: VERDICT_OF[answer.type], command: null, reply }
}
