/**
 * `postern attach`: the dashboard of a proxy that runs already. Owns how one is found and how a connection becomes
 * what the dashboard reads; also the child in which `postern run` shows its own.
 */
import type { DashboardSource } from '../dashboard/source.js'
import { connectWatcher, type WatchAddress } from '../watch/client.js'
import { type ControlPlace, currentPlace, liveSockets } from './control-socket.js'
import { EXIT_CODES, type ExitCode } from './exit-codes.js'
import { UsageError } from './failure.js'
import { readFilter } from './filter-option.js'

/** Options of `postern attach`. */
export interface AttachOptions {
  readonly filter?: string
  /** The proxy that started this process left a pipe to itself as descriptor 3. */
  readonly inherited?: boolean
}

/** Descriptor of the pipe that a proxy leaves to its own dashboard. */
export const INHERITED_DESCRIPTOR = 3

/** Enough of each message to see header, text and outline, as the dashboard asks for. */
const MESSAGE_OCTETS = 262_144

/**
 * Shows the dashboard of a running proxy until the person leaves it.
 *
 * @param socket path of its control socket; undefined for the only one that is found
 * @returns the exit status
 * @throws {UsageError} where none or several are found; WatchError where it cannot be watched
 */
export async function attach(socket: string | undefined, options: AttachOptions): Promise<ExitCode> {
  const filter = await filterOf(options.filter)
  const { runDashboard } = await import('../dashboard/dashboard.js')
  const { watchSource } = await import('../dashboard/watch-source.js')
  const address: WatchAddress =
    options.inherited === true
      ? { fd: INHERITED_DESCRIPTOR }
      : { path: socket ?? (await findSocket(currentPlace())) }
  const connection = await connectWatcher(address, { messageOctets: MESSAGE_OCTETS, log: true })
  const source = watchSource(connection)
  const { stdin: input, stdout: output, env: environment } = process
  const shown = options.inherited === true ? { ...source, subscribe: leavingWith(source) } : source
  await runDashboard(shown, { input, output, environment, filter })
  return EXIT_CODES.success
}

/** The dashboard that a proxy opened itself has no reason to stay when that ends: it leaves as on SIGTERM. */
function leavingWith(source: DashboardSource): DashboardSource['subscribe'] {
  return (onMessage, onClosed) => {
    source.subscribe(onMessage, (problem) => {
      onClosed(problem)
      process.kill(process.pid, 'SIGTERM')
    })
  }
}

async function filterOf(text: string | undefined) {
  if (text === undefined) return null
  const { parseFilter } = await import('../expression/filter.js')
  return readFilter('--filter', text, parseFilter)
}

/**
 * Finds the one proxy of this user that runs.
 *
 * @throws {UsageError} that says what to type
 */
export async function findSocket(place: ControlPlace): Promise<string> {
  const [first, ...others] = await liveSockets(place)
  if (first === undefined) {
    throw new UsageError(
      'no running postern is found: start one with "postern run", or name its control socket ("postern attach SOCKET")',
    )
  }
  if (others.length > 0) {
    const lines = [first, ...others].map((path) => `  postern attach ${path}`)
    throw new UsageError(`several are running, the newest first; choose one:\n${lines.join('\n')}`)
  }
  return first
}
