/** Breakpoints for the tests of the relay: what is caught is said by a function, and what was asked is kept. */
import { HoldingRoom } from '../../src/relay/holding-room.js'
import type { Caught, HeldItem, InterceptedItem, Interceptor } from '../../src/relay/interception.js'
import type { RelayEffect } from '../../src/relay/relay-input.js'
import type { HeldKind } from '../../src/trace/event.js'
import type { Conversation } from './conversation.js'

export const HOLD_MS = 60_000

/** Catches what `condition` says, of the kinds named. */
export class TestBreakpoint implements Interceptor {
  readonly asked: InterceptedItem[] = []
  readonly room: HoldingRoom
  readonly #kinds: readonly HeldKind[]
  readonly #condition: (item: InterceptedItem) => boolean
  readonly #holdMs: number

  constructor(
    kinds: readonly HeldKind[],
    condition: (item: InterceptedItem) => boolean = () => true,
    bounds: { readonly holdMs?: number; readonly room?: number } = {},
  ) {
    this.#kinds = kinds
    this.#condition = condition
    this.#holdMs = bounds.holdMs ?? HOLD_MS
    this.room = new HoldingRoom(bounds.room)
  }

  get holdsCommands(): boolean {
    return this.#kinds.includes('command')
  }

  get holdsReplies(): boolean {
    return this.#kinds.includes('reply')
  }

  get holdsMessages(): boolean {
    return this.#kinds.includes('message')
  }

  catches(_session: string, item: InterceptedItem): Caught | null {
    this.asked.push(item)
    const isCaught = this.#kinds.includes(item.kind) && this.#condition(item)
    return isCaught ? { breakpoint: 'test', holdMs: this.#holdMs } : null
  }
}

/** What the edge holds now, by the effects. */
export function heldNow(it: Conversation): readonly HeldItem[] {
  const held = new Map<string, HeldItem>()
  for (const effect of it.effects) {
    if (effect.type === 'hold') held.set(effect.item.hold, effect.item)
    if (effect.type === 'unhold') held.delete(effect.hold)
  }
  return [...held.values()]
}

/** The one item that is held. */
export function onlyHeld(it: Conversation): HeldItem {
  const [item, ...more] = heldNow(it)
  if (item === undefined || more.length > 0) throw new Error(`${more.length + (item ? 1 : 0)} items are held`)
  return item
}

/** Decides about an item, the one that is held unless named. @returns the problem */
export function decide(
  it: Conversation,
  type: 'release' | 'drop' | 'answer' | 'edit',
  octets: string | Buffer = '',
  { hold }: HeldItem = onlyHeld(it),
): string | null {
  const given = typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets
  const answer = type === 'answer' || type === 'edit' ? { type, octets: given } : { type }
  const effects = it.feed({ type: 'verdict', hold, answer })
  return problemOf(effects)
}

function problemOf(effects: readonly RelayEffect[]): string | null {
  for (const effect of effects) if (effect.type === 'verdict-answered') return effect.problem
  throw new Error('the verdict was not answered')
}
