/**
 * From files, environment and command line to the one {@link Settings}. Owns the order in which they win and
 * remembers where each value came from; knows nothing of YAML or of option parsing.
 *
 * Order, the last wins: built-in, `/etc/postern/postern.yaml`, `$XDG_CONFIG_HOME/postern/postern.yaml`,
 * `./postern.yaml` (or the one file that `-c` or `POSTERN_CONFIG` names instead of all three),
 * `POSTERN_LOG_LEVEL`, command line.
 */
import { existsSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { findContradictions } from './contradictions.js'
import {
  DEFAULT_CONTROL,
  DEFAULT_LIMITS,
  DEFAULT_LISTEN_URL,
  DEFAULT_LISTENER,
  DEFAULT_LOG_LEVEL,
  DEFAULT_LOG_USER_NAMES,
  DEFAULT_METRICS,
  DEFAULT_RULES,
  DEFAULT_SERVICE_NAME,
  DEFAULT_UPSTREAM,
  DEFAULT_WRITE,
  DEFAULT_WRITE_KEEP,
} from './defaults.js'
import { readConfigFile } from './file.js'
import { ConfigError, describeValue, formatPath } from './problem.js'
import {
  type ControlSettings,
  type LegUrl,
  LOG_LEVELS,
  type LogLevel,
  type MetricsSettings,
  type RulesSettings,
  type ServiceSettings,
  type Settings,
  type WriteSettings,
} from './settings.js'
import type { PartialSettings } from './source.js'

/** What the command line says; null and empty lists where it says nothing. Files are absolute. */
export interface CommandLineSettings {
  readonly listen: readonly LegUrl[]
  readonly upstream: LegUrl | null
  readonly upstreamName: string | null
  readonly upstreamCaFile: string | null
  readonly pins: readonly string[]
  readonly acceptCertificates: readonly string[]
  readonly certificate: { readonly certFile: string; readonly keyFile: string } | null
  readonly offerStls: boolean | null
  readonly oldTls: boolean | null
  readonly authorityDirectory: string | null
  readonly writeFile: string | null
  /** Octets of each message to record. */
  readonly writeMessageOctets: number | null
  readonly writeFilter: string | null
  readonly writeMaxOctets: number | null
  readonly control: ControlSettings | null
  readonly metrics: MetricsSettings | null
  /** Rule files and directories, absolute; empty where nothing is said. */
  readonly rules: readonly string[]
  readonly quarantineDirectory: string | null
  readonly verdictsFile: string | null
  readonly logLevel: LogLevel | null
}

/** A command line that says nothing. */
export const NO_COMMAND_LINE_SETTINGS: CommandLineSettings = {
  listen: [],
  upstream: null,
  upstreamName: null,
  upstreamCaFile: null,
  pins: [],
  acceptCertificates: [],
  certificate: null,
  offerStls: null,
  oldTls: null,
  authorityDirectory: null,
  writeFile: null,
  writeMessageOctets: null,
  writeFilter: null,
  writeMaxOctets: null,
  control: null,
  metrics: null,
  rules: [],
  quarantineDirectory: null,
  verdictsFile: null,
  logLevel: null,
}

/** Where the process runs, as far as a configuration depends on it. */
export interface Surroundings {
  readonly workingDirectory: string
  readonly homeDirectory: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Directory of the local authority where nothing names one, absolute. */
  readonly authorityDirectory: string
}

/** Settings and where they came from. */
export interface LoadedConfig {
  /** Complete and without contradictions; without services where nothing defines one. */
  readonly settings: Settings
  /** Files that were read, absolute, in the order in which they win. */
  readonly files: readonly string[]
  /** `FILE:LINE`, `POSTERN_LOG_LEVEL` or `command line`, by path (`services[0].upstream.url`); the rest is default. */
  readonly origins: ReadonlyMap<string, string>
}

/** Options that do not go together with each other or with the configuration files. */
export class OptionConflict extends Error {
  override readonly name = 'OptionConflict'
}

/** Directory that holds what belongs to all users; a parameter only to tests. */
export const SYSTEM_CONFIG_DIRECTORY = '/etc/postern'

const FILE_NAME = 'postern.yaml'
const ON_COMMAND_LINE = 'command line'

/**
 * Finds the files, reads them and completes the settings.
 *
 * @param file the one file that the command line names, or null
 * @throws {ConfigError} with every mistake of the first file (or variable) that has one
 * @throws {OptionConflict} where the command line contradicts itself or the files
 */
export function loadConfig(
  file: string | null,
  commandLine: CommandLineSettings,
  surroundings: Surroundings,
  systemDirectory: string = SYSTEM_CONFIG_DIRECTORY,
): LoadedConfig {
  const files = configFiles(file, surroundings, systemDirectory)
  const origins = new Map<string, string>()
  const layers = files.map((each) => {
    const { settings, places } = readConfigFile(each)
    if (settings.services !== null) forget(origins, 'services')
    for (const [path, place] of places) origins.set(path, place)
    return settings
  })
  const base = mergeLayers(layers, surroundings)
  const services = applyToServices(base.services, commandLine, origins)
  const level = logLevel(commandLine, surroundings, base.log.level, origins)
  if (commandLine.authorityDirectory !== null) origins.set('authority-dir', ON_COMMAND_LINE)
  if (commandLine.control !== null) origins.set('control', ON_COMMAND_LINE)
  if (commandLine.metrics !== null) origins.set('metrics', ON_COMMAND_LINE)
  const settings: Settings = {
    log: { ...base.log, level },
    authorityDirectory: commandLine.authorityDirectory ?? base.authorityDirectory,
    write: applyToWrite(base.write, commandLine, origins),
    control: commandLine.control ?? base.control,
    metrics: commandLine.metrics ?? base.metrics,
    rules: applyToRules(base.rules, commandLine, origins),
    services,
  }
  refuseContradictions(settings)
  return { settings, files, origins }
}

/**
 * Names the files that {@link loadConfig} reads, in the order in which they win.
 */
export function configFiles(
  file: string | null,
  surroundings: Surroundings,
  systemDirectory: string = SYSTEM_CONFIG_DIRECTORY,
): readonly string[] {
  const { workingDirectory, environment, homeDirectory } = surroundings
  const named = file ?? emptyToNull(environment.POSTERN_CONFIG)
  if (named !== null) return [resolve(workingDirectory, named)]
  // A relative XDG_CONFIG_HOME is to be ignored, says the XDG base directory specification.
  const given = environment.XDG_CONFIG_HOME ?? ''
  const userDirectory = isAbsolute(given) ? given : join(homeDirectory, '.config')
  return [
    join(systemDirectory, FILE_NAME),
    join(userDirectory, 'postern', FILE_NAME),
    join(workingDirectory, FILE_NAME),
  ].filter((candidate) => existsSync(candidate))
}

function mergeLayers(layers: readonly PartialSettings[], surroundings: Surroundings): Settings {
  const last = <Key extends keyof PartialSettings>(key: Key): PartialSettings[Key] | null =>
    layers.map((layer) => layer[key]).findLast((value) => value !== null) ?? null
  return {
    log: {
      level: last('logLevel') ?? DEFAULT_LOG_LEVEL,
      userNames: last('logUserNames') ?? DEFAULT_LOG_USER_NAMES,
    },
    authorityDirectory: last('authorityDirectory') ?? surroundings.authorityDirectory,
    write: last('write'),
    control: last('control') ?? DEFAULT_CONTROL,
    metrics: last('metrics') ?? DEFAULT_METRICS,
    rules: last('rules') ?? DEFAULT_RULES,
    services: last('services') ?? [],
  }
}

function logLevel(
  commandLine: CommandLineSettings,
  surroundings: Surroundings,
  fallback: LogLevel,
  origins: Map<string, string>,
): LogLevel {
  if (commandLine.logLevel !== null) {
    origins.set('log.level', ON_COMMAND_LINE)
    return commandLine.logLevel
  }
  const given = emptyToNull(surroundings.environment.POSTERN_LOG_LEVEL)
  if (given === null) return fallback
  const level = LOG_LEVELS.find((known) => known === given)
  if (level === undefined) {
    throw new ConfigError('environment', [
      {
        line: null,
        column: null,
        path: 'POSTERN_LOG_LEVEL',
        found: describeValue(given),
        expected: `one of ${LOG_LEVELS.join(', ')}`,
      },
    ])
  }
  origins.set('log.level', 'POSTERN_LOG_LEVEL')
  return level
}

/** Rules named on the command line stand in the place of those that files name. */
function applyToRules(
  rules: RulesSettings,
  commandLine: CommandLineSettings,
  origins: Map<string, string>,
): RulesSettings {
  const { quarantineDirectory, verdictsFile } = commandLine
  if (commandLine.rules.length > 0) {
    forget(origins, 'rules.files')
    origins.set('rules.files', ON_COMMAND_LINE)
  }
  if (quarantineDirectory !== null) origins.set('rules.quarantine', ON_COMMAND_LINE)
  if (verdictsFile !== null) origins.set('rules.verdicts', ON_COMMAND_LINE)
  return {
    ...rules,
    paths: commandLine.rules.length > 0 ? commandLine.rules : rules.paths,
    quarantineDirectory: quarantineDirectory ?? rules.quarantineDirectory,
    verdictsFile: verdictsFile ?? rules.verdictsFile,
  }
}

/** Another file starts without what a configuration says about its own; the other options change what is there. */
function applyToWrite(
  write: WriteSettings | null,
  commandLine: CommandLineSettings,
  origins: Map<string, string>,
): WriteSettings | null {
  const { writeFile, writeMessageOctets, writeFilter, writeMaxOctets } = commandLine
  if (writeFile !== null) forget(origins, 'write')
  const changed = writeFile === null ? write : { ...DEFAULT_WRITE, file: writeFile }
  const given: readonly (readonly [option: string, key: string, isGiven: boolean])[] = [
    ['--write', 'file', writeFile !== null],
    ['--write-messages', 'messages', writeMessageOctets !== null],
    ['--write-filter', 'filter', writeFilter !== null],
    ['--write-max-size', 'max-size', writeMaxOctets !== null],
  ]
  const options = given.filter(([, , isGiven]) => isGiven)
  if (changed === null) {
    if (options.length === 0) return null
    const names = options.map(([option]) => option).join(', ')
    throw new OptionConflict(`${names}: nothing is recorded; name the file with --write`)
  }
  for (const [, key] of options) origins.set(`write.${key}`, ON_COMMAND_LINE)
  return {
    ...changed,
    messageOctets: writeMessageOctets ?? changed.messageOctets,
    filter: writeFilter ?? changed.filter,
    maxOctets: writeMaxOctets ?? changed.maxOctets,
    keep: writeMaxOctets !== null && changed.keep === 0 ? DEFAULT_WRITE_KEEP : changed.keep,
  }
}

/**
 * Options about listeners and server make a service where files define none, and override the service where they
 * define one. With several they would have to guess which one is meant, so they are refused.
 */
function applyToServices(
  services: readonly ServiceSettings[],
  commandLine: CommandLineSettings,
  origins: Map<string, string>,
): readonly ServiceSettings[] {
  const options = serviceOptions(commandLine)
  if (options.length === 0) return services
  if (services.length > 1) {
    const names = services.map(({ name }) => name).join(', ')
    throw new OptionConflict(
      `${options.join(', ')}: the configuration defines ${services.length} services (${names}) and an option cannot say which one it means. Change the file, or name another one with -c.`,
    )
  }
  const service = services[0] ?? newService(commandLine.upstream)
  // Without a server there is nothing to run; the caller says what to type.
  if (service === null) return []
  return [overrideService(service, commandLine, origins)]
}

function serviceOptions(commandLine: CommandLineSettings): readonly string[] {
  const given: readonly (readonly [option: string, isGiven: boolean])[] = [
    ['--listen', commandLine.listen.length > 0],
    ['--upstream', commandLine.upstream !== null],
    ['--upstream-name', commandLine.upstreamName !== null],
    ['--upstream-ca', commandLine.upstreamCaFile !== null],
    ['--pin', commandLine.pins.length > 0],
    ['--accept-certificate', commandLine.acceptCertificates.length > 0],
    ['--cert', commandLine.certificate !== null],
    ['--no-stls', commandLine.offerStls !== null],
    ['--old-tls', commandLine.oldTls !== null],
  ]
  return given.filter(([, isGiven]) => isGiven).map(([option]) => option)
}

function newService(upstream: LegUrl | null): ServiceSettings | null {
  if (upstream === null) return null
  return {
    name: DEFAULT_SERVICE_NAME,
    listeners: [{ ...DEFAULT_LISTENER, url: DEFAULT_LISTEN_URL }],
    upstream: { ...DEFAULT_UPSTREAM, url: upstream },
    limits: DEFAULT_LIMITS,
    multiLineVerbs: [],
  }
}

function overrideService(
  service: ServiceSettings,
  commandLine: CommandLineSettings,
  origins: Map<string, string>,
): ServiceSettings {
  const mark = (path: string): void => {
    forget(origins, path)
    origins.set(path, ON_COMMAND_LINE)
  }
  if (commandLine.listen.length > 0) forget(origins, 'services[0].listen')
  const listeners = (
    commandLine.listen.length > 0
      ? commandLine.listen.map((url) => ({ ...DEFAULT_LISTENER, url }))
      : service.listeners
  ).map((listener, index) => {
    const path = `services[0].listen[${index}]`
    if (commandLine.listen.length > 0) mark(`${path}.url`)
    if (commandLine.certificate !== null) mark(`${path}.certificate`)
    if (commandLine.offerStls !== null) mark(`${path}.stls`)
    if (commandLine.oldTls !== null) mark(`${path}.old-tls`)
    return {
      ...listener,
      certificates: commandLine.certificate === null ? listener.certificates : [commandLine.certificate],
      // POP3S has no STLS to switch off.
      offerStls:
        listener.url.security === 'tls' ? listener.offerStls : (commandLine.offerStls ?? listener.offerStls),
      oldTls: commandLine.oldTls ?? listener.oldTls,
    }
  })
  // Pins, name and authority belong to one server: another one starts without them.
  if (commandLine.upstream !== null) forget(origins, 'services[0].upstream')
  const upstream =
    commandLine.upstream === null ? service.upstream : { ...DEFAULT_UPSTREAM, url: commandLine.upstream }
  if (commandLine.upstream !== null) mark('services[0].upstream.url')
  if (commandLine.upstreamName !== null) mark('services[0].upstream.name')
  if (commandLine.upstreamCaFile !== null) mark('services[0].upstream.ca')
  if (commandLine.pins.length > 0) mark('services[0].upstream.pins')
  if (commandLine.acceptCertificates.length > 0) mark('services[0].upstream.accept-certificates')
  return {
    ...service,
    listeners,
    upstream: {
      ...upstream,
      name: commandLine.upstreamName ?? upstream.name,
      caFile: commandLine.upstreamCaFile ?? upstream.caFile,
      pins: commandLine.pins.length > 0 ? commandLine.pins : upstream.pins,
      acceptCertificates:
        commandLine.acceptCertificates.length > 0
          ? commandLine.acceptCertificates
          : upstream.acceptCertificates,
    },
  }
}

/** Files are free of contradictions by now, so any that is left came with the command line. */
function refuseContradictions({ services, metrics }: Settings): void {
  const placed = services.map((service, index) => ({ index, service }))
  const contradictions = findContradictions(placed, metrics)
  if (contradictions.length === 0) return
  const lines = contradictions.map(
    ({ path, found, expected }) => `${formatPath(path)}: found ${found}, expected ${expected}`,
  )
  throw new OptionConflict(`the options contradict each other or the configuration\n${lines.join('\n')}`)
}

function forget(origins: Map<string, string>, path: string): void {
  for (const known of origins.keys()) {
    if (known === path || known.startsWith(`${path}.`) || known.startsWith(`${path}[`)) origins.delete(known)
  }
}

function emptyToNull(value: string | undefined): string | null {
  return value === undefined || value === '' ? null : value
}
