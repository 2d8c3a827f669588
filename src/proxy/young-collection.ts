/**
 * Frees octets that have gone through before V8 would. Owns one counter for the process; knows nothing of sessions.
 *
 * A piece of a message is memory outside of V8's heap, and leaves next to nothing within it. So the cheap
 * collection of new objects comes late, the pieces gather, and after some 20 MiB V8 collects its whole heap to be rid
 * of them: 20 MB messages cost twice the CPU time of a bare pipe that way. A cheap collection in time costs a
 * third of a millisecond.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Well below what sets off the collection of the whole heap: twice as many have V8 mark the whole heap time and again,
 * a third more CPU time for large messages; half as many win nothing.
 */
const OCTETS_BETWEEN = 4 * 1024 * 1024

let octetsSince = 0
let collect: (() => void) | null = null

/** Counts octets that were read from a socket, and has new objects collected once they are many. */
export function octetsRead(octets: number): void {
  octetsSince += octets
  if (octetsSince < OCTETS_BETWEEN) return
  octetsSince = 0
  collect ??= youngCollection()
  collect()
}

/** V8 has no other way to ask for it than its function `gc`, which a flag gives to contexts made afterwards. */
function youngCollection(): () => void {
  setFlagsFromString('--expose-gc')
  const gc: unknown = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  return typeof gc === 'function' ? () => void gc({ type: 'minor' }) : () => {}
}
