/**
 * Where the two legs of a session differ: what postern or a person answered, replaced or sent. Gathered in a first
 * pass over the events, because a command has to be written to a leg before its answer tells whether it went there.
 * Keeps numbers of commands only.
 */
import type { TraceEvent } from '../trace/event.js'

/** One leg of a session. */
export type Leg = 'client' | 'server'

/** A command of a watcher: no part of the client's leg, nor is its reply. */
const OF_WATCHER = 1
/** It went to the server in another form. */
const REPLACED = 2
/** Its status line came from postern, with or without one of the server. */
const ANSWERED = 4
/** The server answered it too. */
const ANSWERED_TWICE = 8
/** Content came from postern. */
const CONTENT = 16

/** What a first pass found out, by session. */
export class Interventions {
  /** By session, and there by number of the command; most sessions have one or none that is special. */
  readonly #special = new Map<string, Map<number, number>>()
  /** Pieces of content from postern, by session and number of the command. */
  readonly #pieces = new Map<string, Map<number, number>>()
  /** Number of the server's last reply, of sessions that have not ended. */
  readonly #lastOfServer = new Map<string, number>()

  /** Takes one event of the first pass. */
  note({ session, content }: TraceEvent): void {
    switch (content.type) {
      case 'command':
        if (content.origin === 'watcher') this.#mark(session, content.number, OF_WATCHER)
        return
      case 'command-replaced':
        this.#mark(session, content.number, REPLACED)
        return
      case 'reply':
        this.#noteReply(session, content.source, content.number)
        return
      case 'content':
        if (content.source === 'postern') {
          this.#mark(session, content.number, CONTENT)
          this.#countPiece(session, content.number)
        }
        return
      case 'session-closed':
        this.#lastOfServer.delete(session)
        return
      default:
        return
    }
  }

  /** Whether a command of the client (not its replacement) crossed the leg. */
  carriesCommand(session: string, leg: Leg, number: number): boolean {
    if (leg === 'client') return !this.#is(session, number, OF_WATCHER)
    if (this.#is(session, number, REPLACED)) return false
    return !this.#is(session, number, ANSWERED) || this.#is(session, number, ANSWERED_TWICE)
  }

  /** Whether a status line from there crossed the leg. */
  carriesReply(session: string, leg: Leg, number: number, source: 'server' | 'postern'): boolean {
    if (leg === 'server') return source === 'server'
    if (this.#is(session, number, OF_WATCHER)) return false
    return source === 'postern' || !this.#is(session, number, ANSWERED)
  }

  /** Whether content from there crossed the leg. */
  carriesContent(session: string, leg: Leg, number: number, source: 'server' | 'postern'): boolean {
    if (leg === 'server') return source === 'server'
    if (this.#is(session, number, OF_WATCHER)) return false
    return source === 'postern' || !this.replacesContent(session, number)
  }

  /** Whether the client got something else than the content of the server: other content, or none at all. */
  replacesContent(session: string, number: number): boolean {
    return this.#is(session, number, ANSWERED | CONTENT)
  }

  /**
   * How many pieces the content has that came from postern, which ends with the last of them and has no other end: of a
   * message whose header section a rule changed, the rest goes on piece by piece.
   */
  piecesOfPostern(session: string, number: number): number {
    return this.#pieces.get(session)?.get(number) ?? 0
  }

  #countPiece(session: string, number: number): void {
    const pieces = this.#pieces.get(session) ?? new Map<number, number>()
    pieces.set(number, (pieces.get(number) ?? 0) + 1)
    this.#pieces.set(session, pieces)
  }

  #noteReply(session: string, source: 'server' | 'postern', number: number): void {
    if (source === 'server') this.#lastOfServer.set(session, number)
    else {
      const isSecond = this.#lastOfServer.get(session) === number
      this.#mark(session, number, isSecond ? ANSWERED | ANSWERED_TWICE : ANSWERED)
    }
  }

  #is(session: string, number: number, marks: number): boolean {
    return ((this.#special.get(session)?.get(number) ?? 0) & marks) !== 0
  }

  #mark(session: string, number: number, mark: number): void {
    const marks = this.#special.get(session) ?? new Map<number, number>()
    marks.set(number, (marks.get(number) ?? 0) | mark)
    this.#special.set(session, marks)
  }
}
