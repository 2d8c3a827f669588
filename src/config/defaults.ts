/**
 * Every default that is not a bound (those are in `pop3/limits.ts`). Owns values and nothing else.
 */
import { DEFAULT_LIMITS } from '../pop3/limits.js'
import type {
  ControlSettings,
  LegUrl,
  ListenerSettings,
  LogLevel,
  MetricsSettings,
  RulesSettings,
  UpstreamSettings,
  WriteSettings,
} from './settings.js'

export { DEFAULT_LIMITS }

/** Sessions, refused logins and what goes wrong, but not each command. */
export const DEFAULT_LOG_LEVEL: LogLevel = 'info'

/** User names are what an administrator looks for; where people type passwords there, they can be hidden. */
export const DEFAULT_LOG_USER_NAMES = true

/** What a service is called where it is the only one and has no name. */
export const DEFAULT_SERVICE_NAME = 'default'

/** Loopback and above 1024: needs no privilege and shows no password to the network. */
export const DEFAULT_LISTEN_URL: LegUrl = { security: 'plain', host: '127.0.0.1', port: 1110 }

/** A listener of which only the address is known. */
export const DEFAULT_LISTENER: Omit<ListenerSettings, 'url'> = {
  offerStls: true,
  oldTls: false,
  certificates: [],
  names: [],
}

/** An upstream of which only the URL is known: verified like any TLS server, nothing accepted beyond that. */
export const DEFAULT_UPSTREAM: Omit<UpstreamSettings, 'url'> = {
  name: null,
  caFile: null,
  pins: [],
  acceptCertificates: [],
  minimumTls: 'TLSv1.2',
}

/** Octets of each message that are recorded where somebody asks for messages and names no number: whole ones. */
export const DEFAULT_WRITE_MESSAGE_OCTETS = 16_777_216

/** Older recordings to keep where somebody names a size and no number. */
export const DEFAULT_WRITE_KEEP = 5

/** A recording of which only the file is known: no mail, and an end before a forgotten one fills the disk. */
export const DEFAULT_WRITE: Omit<WriteSettings, 'file'> = {
  messageOctets: 0,
  filter: null,
  maxOctets: 1_073_741_824,
  keep: 0,
}

/** No rules: nothing is changed, and nothing is looked at. */
export const DEFAULT_RULES: RulesSettings = {
  paths: [],
  quarantineDirectory: null,
  spoolDirectory: null,
  verdictsFile: null,
  keepsClientsAlive: true,
}

/** Whoever runs postern can look at it without having prepared for it. */
export const DEFAULT_CONTROL: ControlSettings = { type: 'usual' }

/** Nothing is counted that nobody asked for, and nothing listens. */
export const DEFAULT_METRICS: MetricsSettings = { type: 'none' }

/** In the range that exporters for Prometheus share. */
export const DEFAULT_METRICS_PORT = 9110

/** Where somebody asks for metrics and names no address. */
export const DEFAULT_METRICS_ADDRESS: MetricsSettings = {
  type: 'address',
  host: '127.0.0.1',
  port: DEFAULT_METRICS_PORT,
}
