/**
 * Messages put together from a stream of events, one at a time, so that a recording of any size can be exported. Owns
 * which messages are whole; `eml.ts` and `mbox.ts` write them. Pure.
 */
import { removeByteStuffing } from '../pop3/encoder.js'
import type { TraceContent, TraceEvent } from '../trace/event.js'
import { ContentOctets } from './content-octets.js'
import type { Interventions, Leg } from './interventions.js'

const LF = 0x0a

type Of<Type extends TraceContent['type']> = Extract<TraceContent, { type: Type }>

/** One message that passed, whole. */
export interface GatheredMessage {
  readonly session: string
  /** Of the command that asked for it. */
  readonly number: number
  /** As the command named it. */
  readonly messageNumber: string
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
}

interface SessionDraft {
  user: string | null
  /** The newest RETR, and TOP of everything, with the message-number they name; by number of the command. */
  readonly asked: Map<number, string>
  draft: Draft | null
}

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
    const { content, session: id } = event
    const session = this.#sessionOf(id)
    switch (content.type) {
      case 'logged-in':
        session.user = content.user
        return null
      case 'command':
        if (this.#leg === 'server' || this.#interventions.carriesCommand(id, 'client', content.number))
          noteCommand(session, content.number, content.shown)
        return null
      case 'command-replaced':
        if (this.#leg === 'server') noteCommand(session, content.number, content.shown)
        return null
      case 'content':
        return this.#content(event, content, session)
      case 'content-end':
        return this.#contentEnd(event, content, session)
      case 'session-closed':
        this.#sessions.delete(id)
        return null
      default:
        return null
    }
  }

  #content(event: TraceEvent, content: Of<'content'>, session: SessionDraft): GatheredMessage | null {
    const { number, source, wire } = content
    if (!this.#interventions.carriesContent(event.session, this.#leg, number, source)) return null
    const messageNumber = session.asked.get(number)
    if (messageNumber === undefined) return null
    session.draft = session.draft?.number === number ? session.draft : newDraft(number)
    addPiece(session.draft, wire)
    // Content of postern has no end of its own: it ends with its last piece.
    if (source === 'server' || !this.#isLastPiece(event.session, session.draft)) return null
    const { pieces } = session.draft
    forget(session, number)
    // What was kept in part does not end a line, but by chance.
    if (endsLine(wire) && pieces.length > 0)
      return messageOf(event, number, messageNumber, session.user, Buffer.concat(pieces))
    this.#notWhole += 1
    return null
  }

  #isLastPiece(session: string, { number, count }: Draft): boolean {
    return count.pieces >= this.#interventions.piecesOfPostern(session, number)
  }

  #contentEnd(event: TraceEvent, content: Of<'content-end'>, session: SessionDraft): GatheredMessage | null {
    const { number, octets } = content
    if (this.#leg === 'client' && this.#interventions.replacesContent(event.session, number)) return null
    const messageNumber = session.asked.get(number)
    if (messageNumber === undefined) return null
    const draft = session.draft?.number === number ? session.draft : newDraft(number)
    forget(session, number)
    if (draft.count.octets === octets && draft.count.octets <= MOST_MESSAGE_OCTETS)
      return messageOf(event, number, messageNumber, session.user, Buffer.concat(draft.pieces))
    this.#notWhole += 1
    return null
  }

  #sessionOf(id: string): SessionDraft {
    const known = this.#sessions.get(id)
    if (known !== undefined) return known
    const session = { user: null, asked: new Map<number, string>(), draft: null }
    this.#sessions.set(id, session)
    return session
  }
}

function noteCommand({ asked }: SessionDraft, number: number, shown: string): void {
  const [, ofRetr, ofTop] = WHOLE_MESSAGE.exec(shown) ?? []
  const messageNumber = ofRetr ?? ofTop
  if (messageNumber === undefined || asked.size >= MOST_ASKED) asked.delete(number)
  else asked.set(number, messageNumber)
}

/** Replies come in the order of commands: what was asked before has been answered. */
function forget(session: SessionDraft, number: number): void {
  session.draft = null
  for (const asked of session.asked.keys()) if (asked <= number) session.asked.delete(asked)
}

function newDraft(number: number): Draft {
  return { number, pieces: [], count: new ContentOctets() }
}

function endsLine(octets: Buffer): boolean {
  return octets[octets.length - 1] === LF
}

function addPiece({ pieces, count }: Draft, wire: Buffer): void {
  count.add(wire)
  if (count.octets > MOST_MESSAGE_OCTETS) pieces.length = 0
  else pieces.push(wire)
}

function messageOf(
  { session, at }: TraceEvent,
  number: number,
  messageNumber: string,
  user: string | null,
  wire: Buffer,
): GatheredMessage {
  return { session, number, messageNumber, user, at, octets: removeByteStuffing(wire) }
}
