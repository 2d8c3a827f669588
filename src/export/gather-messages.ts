/**
 * Messages put together from a stream of events, one at a time, so that a recording of any size can be exported. Owns
 * which messages are whole; `eml.ts` and `mbox.ts` write them. Pure.
 */
import { removeByteStuffing } from '../pop3/encoder.js'
import type { TraceContent, TraceEvent } from '../trace/event.js'
import { ContentOctets } from './content-octets.js'
import type { Interventions, Leg } from './interventions.js'

/** One message that passed, whole. */
export interface GatheredMessage {
  readonly session: string
  /** Of the command that asked for it. */
  readonly number: number
  /** As the client named it; null where its command was not recorded. */
  readonly messageNumber: string | null
  readonly user: string | null
  /** When its last octet passed, milliseconds since the epoch. */
  readonly at: number
  /** Without byte-stuffing. */
  readonly octets: Buffer
}

interface Draft {
  readonly number: number
  readonly pieces: Buffer[]
  readonly count: ContentOctets
  isTooLarge: boolean
  endedAt: number | null
  /** As the end says; null before it, and where postern's own content has no end of its own. */
  octets: number | null
}

interface SessionDraft {
  user: string | null
  /** Number of the newest RETR, or TOP of everything, and the message-number it names. */
  asked: { readonly number: number; readonly messageNumber: string | null }[]
  draft: Draft | null
}

/** The events that may come between a message's end and what a person put in its place. */
const WITHIN_A_MESSAGE = new Set<TraceContent['type']>(['content', 'held', 'released', 'not-held', 'anomaly'])
/** RFC 1939 §7: TOP with so many lines is another RETR; fetchmail asks for 99999999. */
const WHOLE_MESSAGE = /^(?:RETR (\d+)|TOP (\d+) \d{7,})$/
/** Beyond it a message is counted and left out; a recording keeps less of one anyway. */
const MOST_MESSAGE_OCTETS = 268_435_456
/** Commands in flight of a session that are remembered. */
const MOST_ASKED = 4_096

/** Gathers the messages of one leg. */
export class MessageGatherer {
  readonly #leg: Leg
  readonly #interventions: Interventions
  readonly #sessions = new Map<string, SessionDraft>()
  #notWhole = 0

  constructor(leg: Leg, interventions: Interventions) {
    this.#leg = leg
    this.#interventions = interventions
  }

  /** Messages that passed, but of which the events lack octets. */
  get notWhole(): number {
    return this.#notWhole
  }

  /** Takes the next event. @returns the message that is complete by it, null for none */
  add(event: TraceEvent): GatheredMessage | null {
    const session = this.#sessionOf(event.session)
    const finished = WITHIN_A_MESSAGE.has(event.content.type) ? null : this.#finish(event.session, session)
    this.#take(event, session)
    if (event.content.type === 'session-closed') this.#sessions.delete(event.session)
    return finished ?? this.#finishAtOnce(event.session, session)
  }

  /** Ends the events. */
  end(): readonly GatheredMessage[] {
    const messages = [...this.#sessions].map(([id, session]) => this.#finish(id, session))
    this.#sessions.clear()
    return messages.filter((message) => message !== null)
  }

  #take({ session: id, at, content }: TraceEvent, session: SessionDraft): void {
    switch (content.type) {
      case 'logged-in':
        session.user = content.user
        return
      case 'command': {
        const [whole, ofRetr, ofTop] = WHOLE_MESSAGE.exec(content.shown) ?? []
        if (whole === undefined || session.asked.length >= MOST_ASKED) return
        if (!this.#interventions.carriesCommand(id, 'client', content.number) && this.#leg === 'client')
          return
        session.asked.push({ number: content.number, messageNumber: ofRetr ?? ofTop ?? null })
        return
      }
      case 'content':
        if (!this.#interventions.carriesContent(id, this.#leg, content.number, content.source)) return
        if (!isAsked(session, content.number)) return
        addPiece(draftOf(session, content.number), content.wire, at)
        return
      case 'content-end': {
        if (!isAsked(session, content.number)) return
        const draft = draftOf(session, content.number)
        draft.endedAt = at
        draft.octets = this.#isReplaced(id, content.number) ? null : content.octets
        return
      }
      default:
        return
    }
  }

  #isReplaced(id: string, number: number): boolean {
    return this.#leg === 'client' && this.#interventions.replacesContent(id, number)
  }

  /** Nothing more can come for a message that nobody replaced. */
  #finishAtOnce(id: string, session: SessionDraft): GatheredMessage | null {
    const { draft } = session
    if (draft === null || draft.endedAt === null || this.#isReplaced(id, draft.number)) return null
    return this.#finish(id, session)
  }

  #finish(id: string, session: SessionDraft): GatheredMessage | null {
    const { draft, user } = session
    if (draft === null || draft.endedAt === null) return null
    const { number, endedAt } = draft
    const asked = session.asked.find((one) => one.number === number)
    session.draft = null
    session.asked = session.asked.filter((one) => one.number > number)
    const isWhole = !draft.isTooLarge && (draft.octets === null || draft.octets === draft.count.octets)
    if (!isWhole) {
      this.#notWhole += 1
      return null
    }
    const octets = removeByteStuffing(Buffer.concat(draft.pieces))
    return { session: id, number, messageNumber: asked?.messageNumber ?? null, user, at: endedAt, octets }
  }

  #sessionOf(id: string): SessionDraft {
    const known = this.#sessions.get(id)
    if (known !== undefined) return known
    const session = { user: null, asked: [], draft: null }
    this.#sessions.set(id, session)
    return session
  }
}

function isAsked(session: SessionDraft, number: number): boolean {
  return session.asked.some((one) => one.number === number)
}

function draftOf(session: SessionDraft, number: number): Draft {
  if (session.draft?.number === number) return session.draft
  const draft: Draft = {
    number,
    pieces: [],
    count: new ContentOctets(),
    isTooLarge: false,
    endedAt: null,
    octets: null,
  }
  session.draft = draft
  return draft
}

function addPiece(draft: Draft, wire: Buffer, at: number): void {
  // Content that stands in the place of the server's may come behind its end.
  if (draft.endedAt !== null) draft.endedAt = at
  draft.count.add(wire)
  if (draft.count.octets > MOST_MESSAGE_OCTETS) draft.isTooLarge = true
  if (draft.isTooLarge) draft.pieces.length = 0
  else draft.pieces.push(wire)
}
