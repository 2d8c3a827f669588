/**
 * Every default that is not a bound (those are in `pop3/limits.ts`). Owns values and nothing else.
 */
import { DEFAULT_LIMITS } from '../pop3/limits.js'
import type { LegUrl, ListenerSettings, LogLevel, UpstreamSettings } from './settings.js'

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
