/**
 * Messages that are larger than memory is given: the edge keeps what was received in a file, and of the message stays
 * what rules look at. Owns the numbers that the edge knows files by, their bounds, and when a file is not needed any
 * more; writes and reads nothing itself.
 */
import { type Abridged, type Gap, wholeOctets } from '../mail/abridged.js'
import { ABRIDGER_LIMITS, Abridger, type AbridgerLimits } from './abridger.js'
import type { HoldingRoom } from './holding-room.js'
import type { RelayEffect } from './relay-input.js'

/** What may lie in files at one time, over all sessions of a process: four messages of the largest usual size. */
export const SPOOL_ROOM_OCTETS = 1_073_741_824

/** A file counts as so many octets at least, so that there are never more than 256. */
export const LEAST_SPOOL_OCTETS = 4_194_304

/** Why a message is not in a file. */
export type NotSpooled = 'too-large' | 'no-room' | 'unwritable'

/** What a session may spool. */
export interface SpoolOptions {
  /** Octets of the largest message, byte-stuffing included. */
  readonly mostOctets: number
  /** Octets of what stays of it in memory. */
  readonly keptOctets: number
  /** Room in files, shared by all sessions. */
  readonly room: HoldingRoom
  /** Room in memory, shared by all sessions. */
  readonly memory: HoldingRoom
  readonly abridger?: AbridgerLimits
}

/** A whole message in a file. */
export interface SpooledMessage {
  /** The number that the edge knows it by. */
  readonly id: number
  /** What stands in the place of its octets in memory, where they are missing. */
  readonly gaps: readonly Gap[]
  /** Octets of all of it, without byte-stuffing. */
  readonly octets: number
  /** Octets in the file, byte-stuffing included. */
  readonly received: number
  /** It is not needed any more. */
  drop(): void
}

/** A message without byte-stuffing, as far as it is in memory. */
export interface WholeMessage {
  readonly message: Buffer
  /** The file that all of it is in; null where memory has all of it. */
  readonly spooled: SpooledMessage | null
}

/** One message on its way into a file. */
export class Spool {
  readonly id: number
  readonly #options: SpoolOptions
  readonly #effect: (effect: RelayEffect) => void
  readonly #abridger: Abridger
  #received = 0
  #roomTaken = 0
  #memoryTaken = 0
  #problem: string | null = null
  #isDropped = false

  /** @param effect tells the edge */
  constructor(id: number, options: SpoolOptions, effect: (effect: RelayEffect) => void) {
    this.id = id
    this.#options = options
    this.#effect = effect
    this.#abridger = new Abridger(options.abridger ?? ABRIDGER_LIMITS)
  }

  /** Why the edge could not keep it, in words; null where it could so far. */
  get problem(): string | null {
    return this.#problem
  }

  /** The edge could not write or read it. */
  fails(text: string): void {
    this.#problem ??= text
  }

  /** Takes a piece of the content as it was received. @returns why there is no use in going on; null where there is */
  add(piece: Buffer): NotSpooled | null {
    if (this.#problem !== null) return 'unwritable'
    const received = this.#received + piece.length
    if (received > this.#options.mostOctets) return 'too-large'
    if (!this.#takeRoom(Math.max(received, LEAST_SPOOL_OCTETS))) return 'no-room'
    this.#received = received
    this.#abridger.add(piece)
    if (this.#abridger.octets > this.#options.keptOctets) return 'too-large'
    if (!this.#takeMemory(this.#abridger.octets)) return 'no-room'
    this.#effect({ type: 'spool', id: this.id, octets: piece })
    return null
  }

  /**
   * All of it is here. Room in memory is given back: whoever takes the message counts it.
   *
   * @returns what of it is in memory, and what is in the file; or why nobody can make use of it
   */
  finish(): { readonly octets: Buffer; readonly spooled: SpooledMessage } | NotSpooled {
    if (this.#problem !== null) return 'unwritable'
    const message: Abridged | null = this.#abridger.finish()
    this.#takeMemory(0)
    if (message === null) return 'too-large'
    const { octets, gaps } = message
    const spooled = {
      id: this.id,
      gaps,
      octets: wholeOctets(message),
      received: this.#received,
      drop: () => this.drop(),
    }
    return { octets, spooled }
  }

  /** It is not needed any more. */
  drop(): void {
    if (this.#isDropped) return
    this.#isDropped = true
    this.#takeMemory(0)
    this.#options.room.give(this.#roomTaken)
    this.#roomTaken = 0
    this.#effect({ type: 'drop-spool', id: this.id })
  }

  #takeRoom(octets: number): boolean {
    const more = octets - this.#roomTaken
    if (more > 0 && !this.#options.room.take(more)) return false
    this.#roomTaken = Math.max(octets, this.#roomTaken)
    return true
  }

  #takeMemory(octets: number): boolean {
    const more = octets - this.#memoryTaken
    if (more > 0 && !this.#options.memory.take(more)) return false
    if (more < 0) this.#options.memory.give(-more)
    this.#memoryTaken = octets
    return true
  }
}

/** All files of one session. */
export class Spools {
  readonly #options: SpoolOptions | null
  readonly #effect: (effect: RelayEffect) => void
  readonly #spools = new Map<number, Spool>()
  #count = 0

  /** @param options null where nothing may be spooled */
  constructor(options: SpoolOptions | null, effect: (effect: RelayEffect) => void) {
    this.#options = options
    this.#effect = effect
  }

  /** Begins a file; null where there may be none. */
  begin(): Spool | null {
    if (this.#options === null) return null
    this.#count += 1
    const spool = new Spool(this.#count, this.#options, (effect) => {
      if (effect.type === 'drop-spool') this.#spools.delete(effect.id)
      this.#effect(effect)
    })
    this.#spools.set(spool.id, spool)
    return spool
  }

  /** The edge could not write or read a file. Without effect for one that is not needed any more. */
  failed(id: number, text: string): void {
    this.#spools.get(id)?.fails(text)
  }

  /** The session is over. */
  dropAll(): void {
    for (const spool of this.#spools.values()) spool.drop()
  }
}
