/** How many sessions the process's file descriptors allow. */
import { readFileSync } from 'node:fs'

/** Descriptors that are no session's: listeners, log, recording, resolver, event loop. */
const RESERVED_DESCRIPTORS = 64
/** A socket toward the client and one toward the server. */
const DESCRIPTORS_PER_SESSION = 2

/**
 * Reads the soft limit of open files.
 *
 * @returns sessions that fit below it, or infinity where the system does not tell (no /proc)
 */
export function sessionsThatFit(): number {
  let text: string
  try {
    text = readFileSync('/proc/self/limits', 'latin1')
  } catch {
    return Number.POSITIVE_INFINITY
  }
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(text)?.[1]
  if (soft === undefined || soft === 'unlimited') return Number.POSITIVE_INFINITY
  return Math.max(1, Math.floor((Number(soft) - RESERVED_DESCRIPTORS) / DESCRIPTORS_PER_SESSION))
}
