/**
 * What the messages of a proxy, or of a recording, change in the dashboard's state. Owns the pause of the display and
 * the bounds of what waits. Pure but for the store and the statistics, which grow in place.
 */
import type { TraceEvent } from '../trace/event.js'
import type { FromProxy } from '../watch/protocol.js'
import type { Update } from './effect.js'
import { logLine } from './log-line.js'
import { type Model, withNote } from './model.js'

/** Log lines that are kept: an evening of a small office. */
export const LOG_LINES = 5_000
/** Events that wait for the end of a pause. At most 32 MiB or so; older ones are counted and gone. */
export const WAITING_EVENTS = 20_000

/** Applies a message of the source. */
export function fromProxy(model: Model, message: FromProxy): Update {
  switch (message.type) {
    case 'hello':
      return only({ ...model, hello: message })
    case 'snapshot-end':
      return only({ ...model, sourceState: model.sourceState === 'opening' ? 'open' : model.sourceState })
    case 'events':
      return only(takeEvents(model, message.events, message.dropped))
    case 'log':
      return only(takeLog(model, message.lines, message.dropped))
    case 'process':
      return only({ ...model, process: message.facts })
    case 'breakpoints':
      return only({ ...model, breakpoints: message.breakpoints })
    case 'rules':
      return only({ ...model, rules: { rules: message.rules, refusal: message.refusal } })
    case 'rule-hits':
      return only({ ...model, ruleHits: message.hits })
    case 'held':
      return only({ ...model, held: message.items })
    case 'done':
      return only(answered(model, message.id, message.problem))
    case 'held-octets':
      return edit(model, message.id, message.octets)
    case 'ending':
      return only(withNote({ ...model, sourceState: 'ending' }, 'the proxy is ending', 'attention'))
    default:
      // A newer proxy may say what this dashboard does not know.
      return only(model)
  }
}

/** Shows what came while the display stood still, and goes on. */
export function resume(model: Model): Model {
  const { paused } = model
  if (paused === null) return model
  if (paused.missed > 0) model.store.missed(paused.missed)
  for (const event of paused.events) model.store.add(event)
  return { ...model, paused: null }
}

function only(model: Model): Update {
  return { model, effects: [] }
}

function takeEvents(before: Model, events: readonly TraceEvent[], dropped: number): Model {
  const model = before.source === 'recording' ? { ...before, recordedUntil: latest(before, events) } : before
  // Numbers go on while the display stands still: their rings are of the time that passes.
  for (const event of events) model.statistics.add(event)
  const { paused } = model
  if (paused !== null) {
    const waiting = [...paused.events, ...events]
    const tooMany = Math.max(0, waiting.length - WAITING_EVENTS)
    return {
      ...model,
      paused: { events: waiting.slice(tooMany), missed: paused.missed + dropped + tooMany },
    }
  }
  if (dropped > 0) model.store.missed(dropped)
  for (const event of events) model.store.add(event)
  return model
}

function latest({ recordedUntil }: Model, events: readonly TraceEvent[]): number | null {
  return events.reduce<number | null>((last, { at }) => Math.max(last ?? at, at), recordedUntil)
}

function takeLog(model: Model, lines: readonly string[], dropped: number): Model {
  const all = [...model.log.lines, ...lines.map(logLine)]
  const tooMany = Math.max(0, all.length - LOG_LINES)
  return { ...model, log: { lines: all.slice(tooMany), dropped: model.log.dropped + dropped + tooMany } }
}

function answered(model: Model, id: string, problem: string | null): Model {
  const pending = new Map(model.pending)
  const request = pending.get(id)
  pending.delete(id)
  const rest: Model = { ...model, pending }
  if (request === undefined) return rest
  if (problem !== null) return withNote(rest, problem, 'error')
  return request.type === 'say' ? withNote(rest, request.done) : rest
}

function edit(model: Model, id: string, octets: Buffer): Update {
  const request = model.pending.get(id)
  const pending = new Map(model.pending)
  pending.delete(id)
  if (request?.type !== 'edit') return only({ ...model, pending })
  return {
    model: { ...model, pending },
    effects: [{ type: 'edit', purpose: 'edit', hold: request.hold, octets }],
  }
}
