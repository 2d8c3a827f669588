/**
 * The address at which figures are served: loopback and nothing else. Owns how it is read and written; knows nothing of
 * what is served there.
 */
import { isIPv6 } from 'node:net'
import { DEFAULT_METRICS_PORT } from './defaults.js'
import type { MetricsSettings } from './settings.js'
import { isLoopback, parseHost } from './url.js'

/** What may stand there, for messages after "expected". */
export const METRICS_ADDRESS_EXPECTED =
  'a loopback address such as 127.0.0.1:9110 or [::1]:9110, or none: programs of this machine alone may ask'

const HIGHEST_PORT = 65_535
/** RFC 6761 §6.3: the name means loopback, whatever a resolver says. */
const LOCALHOST = '127.0.0.1'

/**
 * Reads the address of the metrics.
 *
 * @param text `HOST[:PORT]` or `none`; IPv6 in brackets; port 0 takes a free one
 * @returns null where it is neither, or can be reached from other machines
 */
export function parseMetricsAddress(text: string): MetricsSettings | null {
  if (text === 'none') return { type: 'none' }
  const parts = /^(?:\[([^\]]*)\]|([^:[\]]+))(?::([0-9]{1,5}))?$/.exec(text)
  if (parts === null) return null
  const [, bracketed, bare, portText] = parts
  if (bracketed !== undefined && !isIPv6(bracketed)) return null
  const host = parseHost(bracketed ?? bare ?? '')
  if (host === null || !isLoopback(host)) return null
  const port = portText === undefined ? DEFAULT_METRICS_PORT : Number.parseInt(portText, 10)
  if (port > HIGHEST_PORT) return null
  return { type: 'address', host: isLiteral(host) ? host : LOCALHOST, port }
}

/** Writes the address of the metrics, such that {@link parseMetricsAddress} gives the same back. */
export function formatMetricsAddress(metrics: MetricsSettings): string {
  if (metrics.type === 'none') return 'none'
  const { host, port } = metrics
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Of a loopback host, what is no address is a name. */
function isLiteral(host: string): boolean {
  return host === '::1' || host.startsWith('127.')
}
