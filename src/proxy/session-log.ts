/**
 * Writes what the administrator reads of a session: one line each for its opening, its login and its end, and
 * more at debug. Owns the names of the log's events and fields, which the README documents and scripts rely on.
 */
import type { Logger } from 'pino'
import type { Anomaly } from '../pop3/anomaly.js'
import type { TlsFacts, TraceContent, TraceEvent } from '../trace/event.js'

/** What a closing line repeats of a session's beginning, so that each line stands on its own. */
export interface SessionFacts {
  readonly service: string
  readonly listener: string
  readonly client: string
  readonly server: string
  clientTls: TlsFacts | null
  serverTls: TlsFacts | null
}

// These point at an attack or a leak, not at a quirk.
const LOUD_ANOMALIES: ReadonlySet<Anomaly> = new Set(['clear-text-after-stls', 'credential-echoed'])

/** Logs one trace event of a session. */
export function logTraceEvent(log: Logger, facts: SessionFacts, { session, content }: TraceEvent): void {
  switch (content.type) {
    case 'session-opened':
      log.info({ event: content.type, session, ...facts, clientTls: undefined, serverTls: undefined })
      return
    case 'logged-in':
      log.info({
        event: content.type,
        session,
        user: content.user,
        mechanism: content.mechanism,
        ...tlsOf(facts),
      })
      return
    case 'login-refused': {
      const { user, mechanism, responseCode, text } = content
      log.info({ event: content.type, session, user, mechanism, responseCode, text, ...tlsOf(facts) })
      return
    }
    case 'session-closed':
      logClosed(log, facts, session, content)
      return
    case 'failure': {
      const { code, text, hint } = content.failure
      log.warn({ event: content.type, session, leg: content.side, code, text, hint: hint ?? undefined })
      return
    }
    case 'anomaly': {
      const { side, number, anomaly, octets } = content
      const fields = { event: content.type, session, leg: side, number, anomaly, octets: octets ?? undefined }
      if (LOUD_ANOMALIES.has(anomaly)) log.warn(fields)
      else log.debug(fields)
      return
    }
    case 'rule-hit':
    case 'rules-blind': {
      // What a rule does to mail is what its owner looks for in the log.
      const { type, ...fields } = content
      const isTrouble = content.type === 'rules-blind' || content.mode === 'failed'
      log[isTrouble ? 'warn' : 'info']({ event: type, session, ...fields })
      return
    }
    case 'held':
    case 'released':
    case 'not-held': {
      // A person interferes: whoever reads the log later has to know.
      const { type, ...fields } = content
      log.info({ event: type, session, ...fields })
      return
    }
    default:
      if (log.isLevelEnabled('debug')) {
        const { type, ...fields } = content
        log.debug({ event: type, session, ...fields, wire: undefined })
      }
  }
}

function logClosed(
  log: Logger,
  facts: SessionFacts,
  session: string,
  content: Extract<TraceContent, { type: 'session-closed' }>,
): void {
  const { reason, code, user, state, commands, messages, octets, durationMs } = content
  log.info({
    event: content.type,
    session,
    service: facts.service,
    client: facts.client,
    server: facts.server,
    user,
    ...tlsOf(facts),
    state,
    commands,
    messages,
    octets,
    durationMs: Math.round(durationMs),
    reason,
    code: code ?? undefined,
  })
}

function tlsOf(facts: SessionFacts): {
  readonly tls: { readonly client: string | null; readonly server: string | null }
} {
  return { tls: { client: facts.clientTls?.protocol ?? null, server: facts.serverTls?.protocol ?? null } }
}
