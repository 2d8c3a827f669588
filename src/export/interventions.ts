/**
 * Where the two legs of a session differ: what postern or a person answered, replaced or sent. Gathered in a first
 * pass over the events, because a command has to be written to a leg before its answer tells whether it went there.
 * Keeps numbers of commands only.
 */
import type { TraceEvent } from '../trace/event.js'

/** One leg of a session. */
export type Leg = 'client' | 'server'

interface Numbers {
  /** Commands of a watcher: no part of the client's leg, nor are their replies. */
  readonly watchers: Set<number>
  /** Commands that went to the server in another form. */
  readonly replaced: Set<number>
  /** Commands whose status line came from postern, with or without one of the server. */
  readonly answered: Set<number>
  /** Among these, those that the server answered too. */
  readonly answeredTwice: Set<number>
  /** Commands with content from postern. */
  readonly contents: Set<number>
  /** Number of the last reply of the server. */
  lastOfServer: number
}

/** What a first pass found out, by session. */
export class Interventions {
  readonly #sessions = new Map<string, Numbers>()

  /** Takes one event of the first pass. */
  note({ session, content }: TraceEvent): void {
    switch (content.type) {
      case 'command':
        if (content.origin === 'watcher') this.#of(session).watchers.add(content.number)
        return
      case 'command-replaced':
        this.#of(session).replaced.add(content.number)
        return
      case 'reply':
        this.#noteReply(session, content.source, content.number)
        return
      case 'content':
        if (content.source === 'postern') this.#of(session).contents.add(content.number)
        return
      default:
        return
    }
  }

  /** Whether a command of the client (not its replacement) crossed the leg. */
  carriesCommand(session: string, leg: Leg, number: number): boolean {
    const numbers = this.#sessions.get(session)
    if (numbers === undefined) return true
    if (leg === 'client') return !numbers.watchers.has(number)
    if (numbers.replaced.has(number)) return false
    return !numbers.answered.has(number) || numbers.answeredTwice.has(number)
  }

  /** Whether a status line from there crossed the leg. */
  carriesReply(session: string, leg: Leg, number: number, source: 'server' | 'postern'): boolean {
    if (leg === 'server') return source === 'server'
    const numbers = this.#sessions.get(session)
    if (numbers === undefined) return true
    if (numbers.watchers.has(number)) return false
    return source === 'postern' || !numbers.answered.has(number)
  }

  /** Whether content from there crossed the leg. */
  carriesContent(session: string, leg: Leg, number: number, source: 'server' | 'postern'): boolean {
    if (leg === 'server') return source === 'server'
    const numbers = this.#sessions.get(session)
    if (numbers === undefined) return true
    if (numbers.watchers.has(number)) return false
    return source === 'postern' || !replaces(numbers, number)
  }

  /** Whether the client got something else than the content of the server: other content, or none at all. */
  replacesContent(session: string, number: number): boolean {
    const numbers = this.#sessions.get(session)
    return numbers !== undefined && replaces(numbers, number)
  }

  #noteReply(session: string, source: 'server' | 'postern', number: number): void {
    const numbers = this.#of(session)
    if (source === 'server') {
      numbers.lastOfServer = number
      return
    }
    numbers.answered.add(number)
    if (numbers.lastOfServer === number) numbers.answeredTwice.add(number)
  }

  #of(session: string): Numbers {
    const known = this.#sessions.get(session)
    if (known !== undefined) return known
    const numbers = {
      watchers: new Set<number>(),
      replaced: new Set<number>(),
      answered: new Set<number>(),
      answeredTwice: new Set<number>(),
      contents: new Set<number>(),
      lastOfServer: -1,
    }
    this.#sessions.set(session, numbers)
    return numbers
  }
}

function replaces({ answered, contents }: Numbers, number: number): boolean {
  return answered.has(number) || contents.has(number)
}
