/**
 * What conditions and texts may know of a message and its session at one moment: what was seen so far and nothing
 * more. Each value is found when it is first asked for.
 */
import type { Fields } from '../expression/fields.js'
import { MAIL_LIMITS } from '../mail/limits.js'
import { describeMessage, type MessageFacts } from '../mail/message.js'
import { isBeyond, type Need } from './sight.js'
import type {
  JudgeAnswer,
  JudgeAnswers,
  SeenCommand,
  SeenMessage,
  SeenReply,
  SessionFields,
} from './verdict.js'

/** The address without its port: of messages, verdicts are remembered, and the next session has another port. */
export function addressOf(client: string): string {
  const bracketed = /^\[([^\]]*)\](?::[0-9]+)?$/.exec(client)?.[1]
  if (bracketed !== undefined) return bracketed
  const colon = client.indexOf(':')
  return colon > 0 && colon === client.lastIndexOf(':') ? client.slice(0, colon) : client
}

/** The relay gives the same object for as long as nothing in it changes. */
const fieldsBySession = new WeakMap<SessionFields, Fields>()

/** Fields of a session for rules of messages. The same object for the same session; copy it to add to it. */
export function sessionFieldsOf(session: SessionFields): Fields {
  const known = fieldsBySession.get(session)
  if (known !== undefined) return known
  const fields: Fields = {
    session: session.session,
    service: session.service,
    listener: session.listener,
    client: addressOf(session.client),
    server: session.server,
    state: session.state,
    client_tls: session.clientTls,
    server_tls: session.serverTls,
    commands: session.commands,
    ...(session.user === null ? {} : { user: session.user }),
    ...(session.mechanism === null ? {} : { mechanism: session.mechanism }),
  }
  fieldsBySession.set(session, fields)
  return fields
}

/** Fields of a command and its session. */
export function commandFieldsOf(seen: SeenCommand, session: SessionFields): Fields {
  return {
    ...sessionFieldsOf(session),
    client: session.client,
    command: seen.verb,
    argument: seen.argument,
    ...(seen.number === null ? {} : { number: seen.number }),
  }
}

/** Fields of a reply, its command and its session. */
export function replyFieldsOf(seen: SeenReply, session: SessionFields): Fields {
  const { indicator, responseCode, text } = seen
  return {
    ...commandFieldsOf(seen, session),
    indicator,
    text,
    ...(responseCode === null ? {} : { response_code: responseCode }),
  }
}

/** A message as far as it was seen. */
export class KnownMessage {
  readonly seen: SeenMessage
  readonly fields: Fields
  /** What was seen, judges aside. */
  readonly #sight: Need

  constructor(seen: SeenMessage, session: SessionFields) {
    this.seen = seen
    this.#sight = seen.message !== null ? 'message' : seen.header !== null ? 'header' : 'listing'
    this.fields = messageFieldsOf(seen, sessionFieldsOf(session))
  }

  /** Whether enough was seen for a need, judges aside. */
  sees(need: Need): boolean {
    return !isBeyond(need, this.#sight)
  }

  /** Why more cannot be seen; null where it can be had for the asking. */
  get unseen(): string | null {
    return this.seen.unseen
  }

  /** What a judge said, or why it said nothing; null where it was not asked. */
  answerOf(judge: string): JudgeAnswer | { readonly failed: string } | null {
    return this.seen.judged?.get(judge) ?? null
  }
}

/** What the header section tells, by field. */
const OF_HEADER: ReadonlyMap<keyof Fields, (facts: MessageFacts) => unknown> = new Map<
  keyof Fields,
  (facts: MessageFacts) => unknown
>([
  ['subject', ({ subject }) => subject ?? undefined],
  ['from', ({ from }) => from ?? undefined],
  ['to', ({ to }) => to ?? undefined],
  ['date', ({ date }) => date ?? undefined],
  ['header', ({ headers }) => headers],
  ['raw_header', ({ rawHeaders }) => rawHeaders],
])
/** What only the whole message tells. */
const OF_WHOLE: ReadonlyMap<keyof Fields, (facts: MessageFacts) => unknown> = new Map<
  keyof Fields,
  (facts: MessageFacts) => unknown
>([
  ['attachments', ({ attachments }) => attachments],
  ['body', ({ body }) => body],
])

/** Fields that can be known, each read when it is asked for; one that is absent is undefined, or not there at all. */
function messageFieldsOf(seen: SeenMessage, session: Fields): Fields {
  const { message, header, judged } = seen
  const fields: Fields = {
    ...session,
    number: seen.number,
    size: seen.size,
    ...(seen.uniqueId === null ? {} : { unique_id: seen.uniqueId }),
    ...(judged === null ? {} : tablesOf(judged)),
  }
  const octets = message ?? header
  if (octets === null) return fields
  const facts = describeMessage(octets, MAIL_LIMITS, message === null ? [] : seen.gaps)
  for (const [name, read] of message === null ? OF_HEADER : [...OF_HEADER, ...OF_WHOLE]) {
    Object.defineProperty(fields, name, { enumerable: true, get: () => read(facts) })
  }
  return fields
}

interface JudgeTables {
  readonly verdict: ReadonlyMap<string, string>
  readonly score: ReadonlyMap<string, number>
  readonly finding: ReadonlyMap<string, string>
}

function tablesOf(judged: JudgeAnswers): JudgeTables {
  const verdict = new Map<string, string>()
  const score = new Map<string, number>()
  const finding = new Map<string, string>()
  for (const [name, answer] of judged) {
    if ('failed' in answer) continue
    verdict.set(name, answer.verdict)
    finding.set(name, answer.finding)
    if (answer.score !== null) score.set(name, answer.score)
  }
  return { verdict, score, finding }
}
