/**
 * The octets that breakpoints may keep in memory, over all sessions of a process. Counts; keeps nothing itself.
 */

/** What may be gathered and held at one time: four messages of the largest size, or thousands of usual ones. */
export const HOLDING_ROOM_OCTETS = 67_108_864

/** Room for octets, taken before they are kept and given back when they are not. */
export class HoldingRoom {
  readonly #most: number
  #taken = 0

  constructor(most: number = HOLDING_ROOM_OCTETS) {
    this.#most = most
  }

  /** Octets that are taken now. */
  get taken(): number {
    return this.#taken
  }

  /** @returns false where they do not fit; then nothing was taken */
  take(octets: number): boolean {
    if (this.#taken + octets > this.#most) return false
    this.#taken += octets
    return true
  }

  give(octets: number): void {
    this.#taken -= octets
  }
}
