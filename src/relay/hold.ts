/**
 * What of one session waits for a person: asks the interceptor, names what it catches, tells when it is held and how
 * it went on. Knows nothing of what a verdict does to the dialogue.
 */
import type { HeldKind, TraceContent, Verdict } from '../trace/event.js'
import { safeText } from '../trace/safe-text.js'
import type { ArrivedReply, Exchange } from './exchange.js'
import { type HeldItem, type InterceptedItem, type Interceptor, LONGEST_HOLD_MS } from './interception.js'
import type { ShownStatus } from './narrator.js'
import { withoutLineEnd } from './person-command.js'
import type { RelayEffect } from './relay-input.js'

/** One item that waits. */
export interface Hold {
  readonly item: HeldItem
  /** Octets taken of the interceptor's room for `editable`. */
  readonly roomOctets: number
}

/** Who is told of holds. */
export interface HoldListener {
  trace(content: TraceContent): void
  effect(effect: RelayEffect): void
}

/** The holds of one session. */
export class Holds {
  readonly #session: string
  readonly #interceptor: Interceptor
  readonly #listener: HoldListener
  readonly #held = new Set<Exchange>()
  #count = 0
  #nextReleaseAt = Number.POSITIVE_INFINITY

  constructor(session: string, interceptor: Interceptor, listener: HoldListener) {
    this.#session = session
    this.#interceptor = interceptor
    this.#listener = listener
  }

  /** When the first item goes on by itself. */
  get nextReleaseAt(): number {
    return this.#nextReleaseAt
  }

  get isEmpty(): boolean {
    return this.#held.size === 0
  }

  /** Whether messages have to be gathered, to be offered whole. */
  get wantsMessages(): boolean {
    return this.#interceptor.holdsMessages
  }

  /**
   * Offers a command when its turn has come, so that a session has one held command at a time.
   *
   * @param user as it may be shown
   * @returns true where it is held from now on, as for all that is offered
   */
  takesCommand(exchange: Exchange, user: string | null, now: number): boolean {
    if (!this.#interceptor.holdsCommands || exchange.isCleared || exchange.origin !== 'client') return false
    exchange.isCleared = true
    const { wire, isSecret } = exchange
    const item = itemOf(exchange, 'command', user, { octets: wire.length })
    return this.#offer(exchange, item, isSecret ? null : withoutLineEnd(wire), now)
  }

  /**
   * Offers a reply of one line. The end of a SASL exchange is none: a dialogue has gone before, and what is wrong
   * with it shows in its command.
   */
  takesReply(
    exchange: Exchange,
    arrived: ArrivedReply,
    shown: ShownStatus,
    user: string | null,
    now: number,
  ): boolean {
    if (!this.#interceptor.holdsReplies || exchange.shape === 'sasl') return false
    const { statusLine, status } = arrived
    const { responseCode, text, isSecret } = shown
    const { indicator } = status
    const item = itemOf(exchange, 'reply', user, { indicator, responseCode, text, octets: statusLine.length })
    if (!this.#offer(exchange, item, isSecret ? null : withoutLineEnd(statusLine), now)) return false
    exchange.arrived = arrived
    return true
  }

  /** Offers a message that was gathered. @param message without byte-stuffing */
  takesMessage(
    exchange: Exchange,
    arrived: ArrivedReply,
    message: Buffer,
    user: string | null,
    now: number,
  ): boolean {
    const { indicator, responseCode, text } = arrived.status
    const item = itemOf(exchange, 'message', user, {
      indicator,
      responseCode: responseCode === null ? null : safeText(responseCode),
      text: safeText(text),
      octets: arrived.contentOctets,
      message,
    })
    if (!this.#offer(exchange, item, message, now)) return false
    exchange.arrived = arrived
    return true
  }

  /** @param editable what may be edited, null where it holds a credential */
  #offer(exchange: Exchange, item: InterceptedItem, editable: Buffer | null, now: number): boolean {
    const caught = this.#interceptor.catches(this.#session, item)
    if (caught === null) return false
    const isCommitted = exchange.life?.isCommitted ?? false
    // The pieces of a message are kept beside the copy that is edited.
    const roomOctets = item.message === null ? 0 : item.message.length
    const { kind, number, verb, shown } = item
    if (!this.#interceptor.room.take(roomOctets)) {
      this.#listener.trace({ type: 'not-held', number, kind, octets: item.octets, reason: 'no-room' })
      return false
    }
    this.#count += 1
    const { breakpoint } = caught
    const releaseAt = now + Math.max(0, Math.min(caught.holdMs, LONGEST_HOLD_MS))
    const hold = `${this.#session}.${this.#count}`
    const names = { hold, kind, number, breakpoint, releaseAt }
    const held: HeldItem = {
      ...names,
      session: this.#session,
      verb,
      shown,
      heldAt: now,
      isCommitted,
      editable,
    }
    exchange.hold = { item: held, roomOctets }
    this.#held.add(exchange)
    this.#nextReleaseAt = Math.min(this.#nextReleaseAt, releaseAt)
    this.#listener.trace({ type: 'held', ...names })
    this.#listener.effect({ type: 'hold', item: held })
    return true
  }

  /** The exchange whose item has this name, null where it went on already. */
  find(hold: string): Exchange | null {
    for (const exchange of this.#held) if (exchange.hold?.item.hold === hold) return exchange
    return null
  }

  /** Exchanges whose items go on by themselves now. */
  overdue(now: number): readonly Exchange[] {
    return [...this.#held].filter(({ hold }) => hold !== null && hold.item.releaseAt <= now)
  }

  /** Exchanges whose items wait. */
  all(): readonly Exchange[] {
    return [...this.#held]
  }

  /** The client has got `+OK` since the item was held. */
  committed(exchange: Exchange): void {
    const { hold } = exchange
    if (hold === null || hold.item.isCommitted) return
    exchange.hold = { ...hold, item: { ...hold.item, isCommitted: true } }
    this.#listener.effect({ type: 'hold', item: exchange.hold.item })
  }

  /** Ends the wait of an item. */
  end(exchange: Exchange, verdict: Verdict, now: number): void {
    const { hold } = exchange
    if (hold === null) return
    const { hold: name, kind, number, heldAt } = hold.item
    exchange.hold = null
    this.#interceptor.room.give(hold.roomOctets)
    this.#held.delete(exchange)
    this.#nextReleaseAt = Number.POSITIVE_INFINITY
    for (const other of this.#held)
      this.#nextReleaseAt = Math.min(this.#nextReleaseAt, other.hold?.item.releaseAt ?? this.#nextReleaseAt)
    this.#listener.trace({ type: 'released', hold: name, number, kind, verdict, afterMs: now - heldAt })
    this.#listener.effect({ type: 'unhold', hold: name })
  }
}

function itemOf(
  { number, command, shown }: Exchange,
  kind: HeldKind,
  user: string | null,
  facts: Partial<InterceptedItem> & Pick<InterceptedItem, 'octets'>,
): InterceptedItem {
  const none = { indicator: null, responseCode: null, text: null, message: null }
  return { ...none, kind, number, verb: command.verb, shown, user, ...facts }
}
