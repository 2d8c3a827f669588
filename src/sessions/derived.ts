/**
 * Remembers what was derived from a session until the session changes, so that views may ask at every frame.
 */
import type { SessionRecord } from './session-record.js'

/**
 * Makes a derivation remember its last result for each record.
 *
 * @param derive must depend on the record alone; `before` is its last result, to take over from what still holds
 * @returns the same function; the same result as long as no event came
 */
export function remembered<Result>(
  derive: (record: SessionRecord, before: Result | null) => Result,
): (record: SessionRecord) => Result {
  const results = new WeakMap<SessionRecord, { readonly events: number; readonly result: Result }>()
  return (record) => {
    // Grows with every event, those that are left out included.
    const events = record.events.length + record.missedEvents
    const known = results.get(record)
    if (known?.events === events) return known.result
    const result = derive(record, known?.result ?? null)
    results.set(record, { events, result })
    return result
  }
}
