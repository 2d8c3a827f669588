/**
 * What the headers and parts of a session's message say, read once and remembered within a bound: lists and filters
 * ask for it while a person types.
 */
import { LRUCache } from 'lru-cache'
import { describeMessage, type MessageFacts } from '../mail/message.js'
import type { MessageRecord } from './messages.js'

/** Octets of messages that remembered facts keep alive. */
const REMEMBERED_OCTETS = 16 * 1024 * 1024
/** What the facts themselves cost, headers decoded. */
const FACTS_OCTETS = 4_096

const remembered = new LRUCache<MessageRecord, MessageFacts>({
  maxSize: REMEMBERED_OCTETS,
  sizeCalculation: ({ octets }) => octets + FACTS_OCTETS,
})

/**
 * Describes a message as the server sent it.
 *
 * @returns null where nothing of it was kept
 */
export function factsOf(message: MessageRecord): MessageFacts | null {
  const known = remembered.get(message)
  if (known !== undefined) return known
  const { original } = message
  if (original === null) return null
  const facts = describeMessage(original)
  remembered.set(message, facts)
  return facts
}
