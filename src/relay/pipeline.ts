/**
 * The commands of one session without a whole reply, oldest first: which is answered next, and what may be sent. Owns
 * their order and the count of those in flight (RFC 2449 §6.6). Knows nothing of octets, of states, or of what a
 * reply says.
 */
import type { Limits } from '../pop3/limits.js'
import type { Exchange } from './exchange.js'

/**
 * What became of a command whose turn to be sent had come.
 * - `sent`: the server has it
 * - `answered`: postern answers it in its turn
 * - `preceded`: others were put before it, and it is asked about again behind them
 * - `waits`: and all behind it waits with it
 */
export type Given = 'sent' | 'answered' | 'preceded' | 'waits'

/** One session's queue of exchanges. */
export class Pipeline {
  readonly #limits: Pick<Limits, 'pendingCommands' | 'pipelinedCommands'>
  /** Those at the server form a prefix, local ones aside. */
  #exchanges: Exchange[] = []
  #inFlight = 0
  #serverPipelines = false
  #hasStray = false

  constructor(limits: Pick<Limits, 'pendingCommands' | 'pipelinedCommands'>) {
    this.#limits = limits
  }

  /** The oldest, whose reply the client or watcher gets next. */
  get head(): Exchange | null {
    return this.#exchanges[0] ?? null
  }

  /** The last one given. */
  get newest(): Exchange | null {
    return this.#exchanges.at(-1) ?? null
  }

  /** The oldest where it is at the server, whose reply is the next to come. */
  get awaited(): Exchange | null {
    const { head } = this
    return head?.isSent === true ? head : null
  }

  /** The oldest command of the client's. */
  get owed(): Exchange | null {
    return this.#exchanges.find(isClients) ?? null
  }

  /** As many wait as may; the client is read no further. */
  get isFull(): boolean {
    return this.#exchanges.length >= this.#limits.pendingCommands
  }

  /** Commands at the server without a whole reply. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Whether the next reply is here whole and waits for a person. */
  get isReplyHeld(): boolean {
    return this.#exchanges[0]?.arrived != null
  }

  /** Whether a SASL exchange is under way or about to be: whose line comes next is not known. */
  get hasSaslExchange(): boolean {
    return this.#exchanges.some(({ shape }) => shape === 'sasl')
  }

  /** Whether STLS still waits for its turn to be answered: until then the client expects replies in clear. */
  get owesStlsAnswer(): boolean {
    return this.#exchanges.some(({ local }) => local?.next === 'start-tls')
  }

  /** Whether a command of the client's for the server has not been sent. */
  get hasUnsent(): boolean {
    return this.#exchanges.some(
      (exchange) => isClients(exchange) && exchange.local === null && !exchange.isSent,
    )
  }

  /** How many are commands of watchers. */
  get ofWatchers(): number {
    return this.#exchanges.filter(({ origin }) => origin === 'watcher').length
  }

  /** Adds a command behind all others. */
  add(exchange: Exchange): void {
    this.#exchanges.push(exchange)
  }

  /** The first one that has not been sent and that postern does not answer; null where there is none. */
  get nextToSend(): Exchange | null {
    return this.#exchanges.find(({ isSent, local }) => !isSent && local === null) ?? null
  }

  /** Puts commands of postern's own before one that waits for what they bring. */
  addBefore(exchange: Exchange, own: readonly Exchange[]): void {
    const at = this.#exchanges.indexOf(exchange)
    this.#exchanges.splice(Math.max(at, 0), 0, ...own)
  }

  /** The server said whether it takes a command before it has answered the one before. RFC 2449 §6.6. */
  serverAnnounces(pipelining: boolean): void {
    this.#serverPipelines = pipelining
  }

  /**
   * A line came that is no reply while one was awaited. Perhaps it stood in the place of that reply: until the next
   * reply, commands are sent as if the server pipelined, lest the client wait for ever.
   */
  strayed(): void {
    this.#hasStray = true
  }

  /**
   * Sends what may be sent.
   *
   * @param give gives one command to the server, or says why not
   * @returns whether postern answers some from now on
   */
  send(give: (exchange: Exchange) => Given): boolean {
    let isAnswered = false
    // Asked of a long pipeline at each command: the way past those in flight is only for a reason.
    if (!this.#mayPassAnother()) return isAnswered
    for (let index = 0; index < this.#exchanges.length; index += 1) {
      const exchange = this.#exchanges[index]
      // What stands behind a held command or reply waits with it.
      if (exchange === undefined || exchange.hold !== null) return isAnswered
      if (exchange.local !== null) continue
      const { holdsNext } = exchange.command.grammar
      if (exchange.isSent) {
        if (holdsNext && !this.#hasStray) return isAnswered
        continue
      }
      if (!this.#mayPassAnother()) return isAnswered
      const given = give(exchange)
      if (given === 'waits') return isAnswered
      if (given === 'answered') isAnswered = true
      else if (given === 'preceded') index -= 1
      else {
        exchange.isSent = true
        this.#inFlight += 1
        if (exchange.command.grammar.holdsNext) return isAnswered
      }
    }
    return isAnswered
  }

  /** Takes out the oldest where postern answers it: its turn has come. */
  takeLocal(): Exchange | null {
    const { head } = this
    if (head === null || head.local === null) return null
    this.#exchanges.shift()
    return head
  }

  /** The reply to the oldest is whole. */
  finish(): void {
    this.#exchanges.shift()
    this.#inFlight -= 1
    this.#hasStray = false
  }

  /** Puts one in the place of all behind the oldest: they will not be answered. */
  endWith(exchange: Exchange): void {
    this.#exchanges.splice(1, this.#exchanges.length, exchange)
  }

  /** Takes out all: the session has ended. */
  takeAll(): readonly Exchange[] {
    const exchanges = this.#exchanges
    this.#exchanges = []
    return exchanges
  }

  #mayPassAnother(): boolean {
    if (this.#inFlight === 0) return true
    return (this.#serverPipelines || this.#hasStray) && this.#inFlight < this.#limits.pipelinedCommands
  }
}

function isClients({ origin }: Exchange): boolean {
  return origin === 'client'
}
