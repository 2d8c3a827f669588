/**
 * What the headers and parts of a session's message say, read once: lists and filters ask for it while a person
 * types. A summary of each message is remembered as long as the message, its facts within a bound.
 */
import { LRUCache } from 'lru-cache'
import type { AttachmentFields } from '../expression/fields.js'
import { describeMessage, type MessageFacts } from '../mail/message.js'
import type { MessageRecord } from './messages.js'

/** The headers that people look for; null for one that the message does not have. Harmless text. */
export interface MessageSummary {
  readonly subject: string | null
  readonly from: string | null
  readonly to: string | null
  readonly date: string | null
  readonly attachments: readonly AttachmentFields[]
}

/** Octets of messages that remembered facts keep alive. */
const REMEMBERED_OCTETS = 16 * 1024 * 1024
/** What the facts themselves cost, headers decoded. */
const FACTS_OCTETS = 4_096

const facts = new LRUCache<MessageRecord, MessageFacts>({
  maxSize: REMEMBERED_OCTETS,
  sizeCalculation: ({ octets }) => octets + FACTS_OCTETS,
})

const summaries = new WeakMap<MessageRecord, MessageSummary>()

/**
 * Describes a message as the server sent it.
 *
 * @returns null where nothing of it was kept
 */
export function factsOf(message: MessageRecord): MessageFacts | null {
  const known = facts.get(message)
  if (known !== undefined) return known
  const { original } = message
  if (original === null) return null
  const described = describeMessage(original)
  facts.set(message, described)
  return described
}

/** The short form of {@link factsOf}, for lists. Null where nothing of the message was kept. */
export function summaryOf(message: MessageRecord): MessageSummary | null {
  const known = summaries.get(message)
  if (known !== undefined) return known
  const found = factsOf(message)
  if (found === null) return null
  const { subject, from, to, date } = found
  const attachments = found.attachments.map(({ name, otherName, type, size }) => ({
    name,
    ...(otherName === undefined ? {} : { otherName }),
    type,
    size,
  }))
  const summary = { subject, from, to, date, attachments }
  summaries.set(message, summary)
  return summary
}

/**
 * Attachments as filters ask for them. Few ask for the names in archives, of which there may be many: these are read
 * when they are asked for, and stay with the facts. Null where nothing of the message was kept.
 */
export function attachmentFieldsOf(message: MessageRecord): readonly AttachmentFields[] | null {
  let known: readonly AttachmentFields[] | null = null
  const archiveAt = (index: number): AttachmentFields | undefined => {
    known ??= factsOf(message)?.attachments ?? []
    return known[index]
  }
  const attachments = summaryOf(message)?.attachments
  if (attachments === undefined) return null
  return attachments.map((attachment, index) => ({
    ...attachment,
    get files() {
      return archiveAt(index)?.files ?? []
    },
    get isUnlisted() {
      return archiveAt(index)?.isUnlisted ?? false
    },
  }))
}
