/**
 * Plays a client's script against a server, through a proxy that lives as long as the play: TLS toward the server,
 * its verification and the trace are those of `postern run`, so that what comes out compares with a recording.
 */
import { pino } from 'pino'
import { loadConfig } from '../config/load.js'
import { startProxy } from '../proxy/proxy.js'
import { playClient } from '../replay/as-client.js'
import type { ClientScript } from '../replay/client-script.js'
import type { SessionRecord } from '../sessions/session-record.js'
import { SessionStore } from '../sessions/store.js'
import { Feed } from '../trace/feed.js'
import { defaultAuthorityDirectory } from './ca.js'
import { UsageError } from './failure.js'
import { checkOptions, currentSurroundings, type SharedOptions } from './options.js'

/** What came of a play. */
export interface Played {
  readonly played: SessionRecord
  /** Why it ended before its end; null where it did not. */
  readonly problem: string | null
}

const BUDGET = { sessions: 10, octets: 536_870_912 }
const MESSAGE_OCTETS = 268_435_456

/**
 * Plays a script.
 *
 * @param options the server, and how it is verified; `listen` names a free port on loopback
 * @throws UsageError where no server is named; what the proxy fails with
 */
export async function playThroughProxy(script: ClientScript, options: SharedOptions): Promise<Played> {
  const { commandLine } = checkOptions(options, process.cwd())
  if (commandLine.upstream === null) {
    throw new UsageError('--as-client needs the server: --upstream pop3s://pop.example.org')
  }
  // No file of the user's has a say here: what is played is on the command line.
  const surroundings = { ...currentSurroundings(defaultAuthorityDirectory()), environment: {} }
  const { settings } = loadConfig('/dev/null', commandLine, surroundings)
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
    const [service] = settings.services
    if (address === undefined || service === undefined)
      throw new Error('the proxy for the play does not listen')
    const { problem } = await playClient(address, script, service.limits)
    await proxy.drain()
    take()
    const [played] = store.sessions
    if (played === undefined) throw new Error('the play left no trace')
    return { played, problem }
  } finally {
    await proxy.stop()
    subscription.cancel()
  }
}
