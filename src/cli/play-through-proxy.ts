/**
 * Plays a client's script against a server, through a proxy that lives as long as the play: TLS toward the server,
 * its verification and the trace are those of `postern run`, so that what comes out compares with a recording.
 */
import { pino } from 'pino'
import { findContradictions } from '../config/contradictions.js'
import {
  DEFAULT_LIMITS,
  DEFAULT_LISTENER,
  DEFAULT_LOG_USER_NAMES,
  DEFAULT_METRICS,
  DEFAULT_RULES,
  DEFAULT_SERVICE_NAME,
  DEFAULT_UPSTREAM,
} from '../config/defaults.js'
import type { CommandLineSettings } from '../config/load.js'
import { formatPath } from '../config/problem.js'
import type { ServiceSettings, Settings } from '../config/settings.js'
import { startProxy } from '../proxy/proxy.js'
import { type PlayProblem, playClient } from '../replay/as-client.js'
import type { ClientScript } from '../replay/client-script.js'
import type { SessionRecord } from '../sessions/session-record.js'
import { SessionStore } from '../sessions/store.js'
import type { Failure } from '../trace/event.js'
import { Feed } from '../trace/feed.js'
import { defaultAuthorityDirectory } from './ca.js'
import { UsageError } from './failure.js'
import { checkOptions, type SharedOptions } from './options.js'

/** What came of a play. */
export interface Played {
  readonly played: SessionRecord
  /** Why it ended before its end; null where it did not. */
  readonly problem: PlayProblem | null
  /** What went wrong with the server, with what to do; null where nothing did. */
  readonly failure: Failure | null
}

const BUDGET = { sessions: 10, octets: 536_870_912 }
const MESSAGE_OCTETS = 268_435_456

/**
 * Plays a script.
 *
 * @param options the server, and how it is verified
 * @throws UsageError where no server is named, or options contradict each other; what the proxy fails with
 */
export async function playThroughProxy(script: ClientScript, options: SharedOptions): Promise<Played> {
  const settings = settingsOf(checkOptions(options, process.cwd()).commandLine)
  const feed = new Feed()
  const store = new SessionStore(BUDGET)
  const take = (): void => {
    for (const event of subscription.take().events) store.add(event)
  }
  const subscription = feed.subscribe(take, { messageOctets: MESSAGE_OCTETS })
  const proxy = await startProxy(settings, pino({ level: 'silent' }), {
    authority: null,
    feed,
    onKeyLog: null,
  })
  try {
    const [address] = proxy.addresses
    if (address === undefined) throw new Error('the proxy for the play does not listen')
    const { problem } = await playClient(address, script, DEFAULT_LIMITS)
    await proxy.drain()
    take()
    const [played] = store.sessions
    if (played === undefined) throw new Error('the play left no trace')
    return { played, problem, failure: failureOf(played) }
  } finally {
    await proxy.stop()
    subscription.cancel()
  }
}

/** The command line's server behind a plain listener on loopback; no file or variable of the user has a say. */
function settingsOf(commandLine: CommandLineSettings): Settings {
  if (commandLine.upstream === null) {
    throw new UsageError('--as-client needs the server: --upstream pop3s://pop.example.org')
  }
  const service: ServiceSettings = {
    name: DEFAULT_SERVICE_NAME,
    listeners: [
      { ...DEFAULT_LISTENER, offerStls: false, url: { security: 'plain', host: '127.0.0.1', port: 0 } },
    ],
    upstream: {
      ...DEFAULT_UPSTREAM,
      url: commandLine.upstream,
      name: commandLine.upstreamName,
      caFile: commandLine.upstreamCaFile,
      pins: commandLine.pins,
      acceptCertificates: commandLine.acceptCertificates,
    },
    limits: DEFAULT_LIMITS,
    multiLineVerbs: [],
  }
  const contradictions = findContradictions([{ index: 0, service }], DEFAULT_METRICS)
  if (contradictions.length > 0) {
    const texts = contradictions.map(
      ({ path, found, expected }) => `${formatPath(path)}: found ${found}, expected ${expected}`,
    )
    throw new UsageError(`the options contradict each other\n${texts.join('\n')}`)
  }
  return {
    log: { level: 'silent', userNames: DEFAULT_LOG_USER_NAMES },
    authorityDirectory: defaultAuthorityDirectory(),
    write: null,
    control: { type: 'none' },
    metrics: DEFAULT_METRICS,
    rules: DEFAULT_RULES,
    services: [service],
  }
}

function failureOf({ events }: SessionRecord): Failure | null {
  for (const { content } of events) if (content.type === 'failure') return content.failure
  return null
}
