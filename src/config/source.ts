/**
 * From what one file says to settings: paths made absolute, short forms written out, defaults filled in. Knows
 * nothing of YAML or of other files.
 */
import { resolve } from 'node:path'
import { DEFAULT_LIMITS, type Limits } from '../pop3/limits.js'
import {
  DEFAULT_LISTEN_URL,
  DEFAULT_LISTENER,
  DEFAULT_RULES,
  DEFAULT_SERVICE_NAME,
  DEFAULT_UPSTREAM,
  DEFAULT_WRITE,
  DEFAULT_WRITE_KEEP,
  DEFAULT_WRITE_MESSAGE_OCTETS,
} from './defaults.js'
import { LIMIT_FACTS } from './limit-facts.js'
import type { ConfigSource, ServiceSource } from './schema.js'
import type {
  ControlSettings,
  LegUrl,
  ListenerSettings,
  LogLevel,
  MetricsSettings,
  RulesSettings,
  ServiceSettings,
  UpstreamSettings,
  WriteSettings,
} from './settings.js'

/** What one place says about the settings; null where it says nothing. */
export interface PartialSettings {
  readonly logLevel: LogLevel | null
  readonly logUserNames: boolean | null
  readonly authorityDirectory: string | null
  readonly write: WriteSettings | null
  readonly control: ControlSettings | null
  readonly metrics: MetricsSettings | null
  readonly rules: RulesSettings | null
  readonly services: readonly ServiceSettings[] | null
}

/**
 * Takes over what a checked file says.
 *
 * @param directory that of the file, absolute; relative paths start there
 */
export function settleSource(source: ConfigSource, directory: string): PartialSettings {
  return {
    logLevel: source.log?.level ?? null,
    logUserNames: source.log?.['user-names'] ?? null,
    authorityDirectory: absolute(directory, source['authority-dir']),
    write: source.write === undefined ? null : settleWrite(source.write, directory),
    control: source.control === undefined ? null : settleControl(source.control, directory),
    metrics: source.metrics ?? null,
    rules: source.rules === undefined ? null : settleRules(source.rules, directory),
    services: source.services?.map((service) => settleService(service, directory)) ?? null,
  }
}

function settleWrite(source: NonNullable<ConfigSource['write']>, directory: string): WriteSettings {
  if (typeof source === 'string') return { ...DEFAULT_WRITE, file: resolve(directory, source) }
  const { file, messages, filter, keep, 'max-size': maxOctets } = source
  return {
    file: resolve(directory, file),
    messageOctets:
      messages === true ? DEFAULT_WRITE_MESSAGE_OCTETS : messages === false ? 0 : (messages ?? 0),
    filter: filter ?? null,
    maxOctets: maxOctets ?? DEFAULT_WRITE.maxOctets,
    keep: keep ?? (maxOctets === undefined ? DEFAULT_WRITE.keep : DEFAULT_WRITE_KEEP),
  }
}

function settleRules(source: NonNullable<ConfigSource['rules']>, directory: string): RulesSettings {
  const named = typeof source === 'string' || Array.isArray(source) ? { files: source } : source
  return {
    paths: asList(named.files).map((path) => resolve(directory, path)),
    quarantineDirectory: absolute(directory, named.quarantine),
    spoolDirectory: absolute(directory, named.spool),
    verdictsFile: absolute(directory, named.verdicts),
    keepsClientsAlive: named['keep-alive'] ?? DEFAULT_RULES.keepsClientsAlive,
  }
}

function settleControl(source: string, directory: string): ControlSettings {
  return source === 'none' ? { type: 'none' } : { type: 'path', path: resolve(directory, source) }
}

/** Takes over what a checked service says and completes it by defaults. */
export function settleService(source: ServiceSource, directory: string): ServiceSettings {
  return {
    name: source.name ?? DEFAULT_SERVICE_NAME,
    listeners: asList(source.listen ?? DEFAULT_LISTEN_URL).map((listener) =>
      settleListener(listener, directory),
    ),
    upstream: settleUpstream(source.upstream, directory),
    limits: settleLimits(source.limits ?? {}),
    multiLineVerbs: source['multi-line-verbs'] ?? [],
  }
}

type ListenerSource = Exclude<NonNullable<ServiceSource['listen']>, readonly unknown[]>

function settleListener(source: ListenerSource, directory: string): ListenerSettings {
  if (isLegUrl(source)) return { ...DEFAULT_LISTENER, url: source }
  return {
    url: source.url,
    offerStls: source.stls ?? DEFAULT_LISTENER.offerStls,
    oldTls: source['old-tls'] ?? DEFAULT_LISTENER.oldTls,
    certificates: asList(source.certificate ?? []).map(({ cert, key }) => ({
      certFile: resolve(directory, cert),
      keyFile: resolve(directory, key),
    })),
    names: source.names ?? DEFAULT_LISTENER.names,
  }
}

function settleUpstream(source: ServiceSource['upstream'], directory: string): UpstreamSettings {
  if (isLegUrl(source)) return { ...DEFAULT_UPSTREAM, url: source }
  return {
    url: source.url,
    name: source.name ?? DEFAULT_UPSTREAM.name,
    caFile: absolute(directory, source.ca),
    pins: source.pins ?? DEFAULT_UPSTREAM.pins,
    acceptCertificates: source['accept-certificates'] ?? DEFAULT_UPSTREAM.acceptCertificates,
    minimumTls: source['minimum-tls'] ?? DEFAULT_UPSTREAM.minimumTls,
  }
}

function settleLimits(source: NonNullable<ServiceSource['limits']>): Limits {
  const given = LIMIT_FACTS.flatMap(({ limit, key }) => {
    const amount = source[key]
    return amount === undefined ? [] : [[limit, amount] as const]
  })
  return { ...DEFAULT_LIMITS, ...Object.fromEntries(given) }
}

function isLegUrl(source: LegUrl | object): source is LegUrl {
  return 'security' in source
}

function asList<Item>(value: Item | readonly Item[]): readonly Item[] {
  return isList(value) ? value : [value]
}

function isList<Item>(value: Item | readonly Item[]): value is readonly Item[] {
  return Array.isArray(value)
}

function absolute(directory: string, file: string | undefined): string | null {
  return file === undefined ? null : resolve(directory, file)
}
