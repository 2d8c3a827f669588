/**
 * What an administrator should hear before the first client connects: settings that are allowed and dangerous.
 * Pure; the sentences are printed by `run.ts` and `doctor.ts`.
 */
import { ConfigError } from '../config/problem.js'
import type { ListenerSettings, ServiceSettings, Settings } from '../config/settings.js'
import { formatLegUrl, isLoopback } from '../config/url.js'

type Environment = Readonly<Record<string, string | undefined>>

/** End of life of Node's release lines: on that day security fixes stopped or will stop. */
const END_OF_LIFE: ReadonlyMap<number, string> = new Map([
  [20, '2026-04-30'],
  [22, '2027-04-30'],
  [24, '2028-04-30'],
])

/** Release lines with an odd number live half a year and are past it whenever a newer one is in the table. */
const NEWEST_KNOWN = Math.max(...END_OF_LIFE.keys())

/**
 * Refuses an environment in which nothing postern says about certificates would be true.
 *
 * @throws {ConfigError} for NODE_TLS_REJECT_UNAUTHORIZED=0
 */
export function refuseUnsafeEnvironment(environment: Environment): void {
  if (environment.NODE_TLS_REJECT_UNAUTHORIZED !== '0') return
  throw new ConfigError('environment', [
    {
      line: null,
      column: null,
      path: 'NODE_TLS_REJECT_UNAUTHORIZED',
      found: '0, which lets every TLS connection of the process go unverified',
      expected: 'it to be unset; one certificate is accepted by its fingerprint, --accept-certificate SHA256',
    },
  ])
}

/**
 * Says that Node gets no security fixes any more.
 *
 * @param version `process.version`, such as `v20.20.2`
 * @returns a sentence, or null while the release line is maintained or unknown
 */
export function nodeAgeWarning(version: string, now: Date): string | null {
  const major = Number.parseInt(version.replace(/^v/, ''), 10)
  const end = END_OF_LIFE.get(major)
  if (end === undefined) {
    return major < NEWEST_KNOWN
      ? `Node ${version} is past its end of life and gets no security fixes: install Node ${NEWEST_KNOWN} or later.`
      : null
  }
  if (now.toISOString().slice(0, 10) <= end) return null
  return `Node ${version} is past its end of life (${end}) and gets no security fixes: install Node ${NEWEST_KNOWN} or later.`
}

/**
 * Names everything about settings and environment that shows passwords to others or weakens TLS.
 *
 * @returns sentences that name the setting and the way out; empty where there is nothing to say
 */
export function settingsWarnings(settings: Settings, environment: Environment): readonly string[] {
  const keyLog = environment.SSLKEYLOGFILE ?? ''
  return [
    ...(keyLog === ''
      ? []
      : [`SSLKEYLOGFILE is set: whoever reads ${keyLog} can decrypt every session, passwords included.`]),
    ...settings.services.flatMap((service) => [
      ...service.listeners.flatMap((listener) => listenerWarnings(service, listener)),
      ...upstreamWarnings(service),
    ]),
  ]
}

function listenerWarnings(service: ServiceSettings, listener: ListenerSettings): readonly string[] {
  const url = formatLegUrl(listener.url)
  const name = service.name
  const takesClearLogins = listener.url.security === 'plain' && !isLoopback(listener.url.host)
  return [
    ...(takesClearLogins
      ? [
          `${name}: ${url} accepts logins in the clear from other machines: everyone on the way can read the passwords. Use pop3+stls:// or pop3s://, or listen on 127.0.0.1.`,
        ]
      : []),
    ...(listener.oldTls
      ? [
          `${name}: ${url} accepts TLS 1.0 and 1.1, which are broken. Switch old-tls off as soon as the programs that need it are gone.`,
        ]
      : []),
  ]
}

function upstreamWarnings(service: ServiceSettings): readonly string[] {
  const { url, acceptCertificates } = service.upstream
  const name = service.name
  return [
    ...(url.security === 'plain' && !isLoopback(url.host)
      ? [
          `${name}: ${formatLegUrl(url)} is not protected: passwords and mail go to the server in the clear. Use pop3s:// or pop3+stls:// where the server has it.`,
        ]
      : []),
    ...(acceptCertificates.length > 0
      ? [
          `${name}: ${acceptCertificates.length === 1 ? 'one certificate is' : `${acceptCertificates.length} certificates are`} accepted for ${formatLegUrl(url)} without verification of chain, name and date.`,
        ]
      : []),
  ]
}
