/**
 * Settings that are each valid and do not go together. Works on finished settings, so that a file and the command
 * line are judged by the same rules; knows nothing of where a value came from.
 */

import { formatMetricsAddress } from './metrics-address.js'
import type { ConfigPath } from './problem.js'
import type { ListenerSettings, MetricsSettings, ServiceSettings, UpstreamSettings } from './settings.js'
import { formatLegUrl } from './url.js'

/** Two settings against each other; the path names the one to change, as it is spelled in a file. */
export interface Contradiction {
  readonly path: ConfigPath
  readonly found: string
  readonly expected: string
}

/** A service and the index it has in its file. */
export interface PlacedService {
  readonly index: number
  readonly service: ServiceSettings
}

/**
 * Finds everything that contradicts within services, between them, and between them and the metrics.
 *
 * @returns one entry for each, in the order of the services; empty where all goes together
 */
export function findContradictions(
  services: readonly PlacedService[],
  metrics: MetricsSettings,
): readonly Contradiction[] {
  return [
    ...services.flatMap(({ index, service }) => [
      ...service.listeners.flatMap((listener, position) =>
        listenerContradictions(listener).map((found) => ({
          ...found,
          path: ['services', index, 'listen', position, ...found.path],
        })),
      ),
      ...upstreamContradictions(service.upstream).map((found) => ({
        ...found,
        path: ['services', index, 'upstream', ...found.path],
      })),
    ]),
    ...sharedNames(services),
    ...sharedAddresses(services),
    ...metricsContradictions(services, metrics),
  ]
}

function listenerContradictions(listener: ListenerSettings): readonly Contradiction[] {
  if (listener.offerStls) return []
  if (listener.url.security === 'stls') {
    return [
      {
        path: ['stls'],
        found: 'stls off',
        expected: 'pop3:// for a listener without STLS: pop3+stls:// takes no login before it',
      },
    ]
  }
  if (listener.url.security === 'tls') return []
  const without = 'STLS to be on, or nothing about TLS on a pop3:// listener'
  return [
    ...(listener.oldTls ? [{ path: ['old-tls'], found: 'old-tls with stls off', expected: without }] : []),
    ...(listener.certificates.length > 0
      ? [{ path: ['certificate'], found: 'a certificate with stls off', expected: without }]
      : []),
    ...(listener.names.length > 0
      ? [{ path: ['names'], found: 'names for a certificate with stls off', expected: without }]
      : []),
  ]
}

function upstreamContradictions(upstream: UpstreamSettings): readonly Contradiction[] {
  if (upstream.url.security !== 'plain') return []
  const given: readonly (readonly [key: string, isGiven: boolean])[] = [
    ['name', upstream.name !== null],
    ['ca', upstream.caFile !== null],
    ['pins', upstream.pins.length > 0],
    ['accept-certificates', upstream.acceptCertificates.length > 0],
    ['minimum-tls', upstream.minimumTls !== 'TLSv1.2'],
  ]
  return given
    .filter(([, isGiven]) => isGiven)
    .map(([key]) => ({
      path: [key],
      found: `${key} for ${formatLegUrl(upstream.url)}`,
      expected: 'pop3s:// or pop3+stls://, since a pop3:// server shows no certificate',
    }))
}

function sharedNames(services: readonly PlacedService[]): readonly Contradiction[] {
  return services.flatMap(({ index, service }, position) => {
    const isTaken = services.slice(0, position).some((other) => other.service.name === service.name)
    return isTaken
      ? [
          {
            path: ['services', index, 'name'],
            found: `a second service ${JSON.stringify(service.name)}`,
            expected: 'a name of its own',
          },
        ]
      : []
  })
}

function sharedAddresses(services: readonly PlacedService[]): readonly Contradiction[] {
  const taken = new Map<string, string>()
  return services.flatMap(({ index, service }) =>
    service.listeners.flatMap(({ url }, position) => {
      const address = `${url.host} ${url.port}`
      const holder = taken.get(address)
      // Port 0 is a free port each time.
      if (holder === undefined || url.port === 0) {
        taken.set(address, `services[${index}].listen[${position}]`)
        return []
      }
      return [
        {
          path: ['services', index, 'listen', position],
          found: `${formatLegUrl(url)}, the address of ${holder}`,
          expected: 'an address of its own',
        },
      ]
    }),
  )
}

/** Said here, since the system would blame another program. */
function metricsContradictions(
  services: readonly PlacedService[],
  metrics: MetricsSettings,
): readonly Contradiction[] {
  if (metrics.type === 'none' || metrics.port === 0) return []
  const { host, port } = metrics
  return services.flatMap(({ index, service }) =>
    service.listeners.flatMap(({ url }, position) =>
      url.host === host && url.port === port
        ? [
            {
              path: ['metrics'],
              found: `${formatMetricsAddress(metrics)}, the address of services[${index}].listen[${position}]`,
              expected: 'an address of its own',
            },
          ]
        : [],
    ),
  )
}
