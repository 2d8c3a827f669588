/**
 * `postern config check`, `print` and `schema`: what a configuration says, before anything runs with it.
 */
import { accessSync, constants } from 'node:fs'
import {
  DEFAULT_LIMITS,
  DEFAULT_LISTEN_URL,
  DEFAULT_LISTENER,
  DEFAULT_SERVICE_NAME,
  DEFAULT_UPSTREAM,
} from '../config/defaults.js'
import { type LoadedConfig, loadConfig, NO_COMMAND_LINE_SETTINGS } from '../config/load.js'
import { printSettings } from '../config/print.js'
import { jsonSchema } from '../config/schema.js'
import type { Settings } from '../config/settings.js'
import { readRuleFiles } from '../proxy/rule-files.js'
import { loadRules } from '../rules/rule-set.js'
import { defaultAuthorityDirectory } from './ca.js'
import { EXIT_CODES, type ExitCode } from './exit-codes.js'
import { UsageError } from './failure.js'
import { checkOptions, currentSurroundings, type SharedOptions } from './options.js'
import { note } from './standard-streams.js'

/**
 * Checks the file named, or those that `run` would read.
 *
 * @returns 0 where it can be used, 3 where a file that it names cannot be read
 * @throws {ConfigError} with every mistake
 */
export async function checkConfig(file: string | undefined, options: SharedOptions): Promise<ExitCode> {
  const config = load(file === undefined ? options : { ...options, config: file })
  if (config.files.length === 0) {
    throw new UsageError('no configuration found. Name the file: postern config check FILE')
  }
  const unreadable = filesNamed(config.settings).filter((each) => !isReadable(each))
  for (const each of unreadable) note(`postern: ${each}: named in the configuration and not readable`)
  if (unreadable.length > 0) return EXIT_CODES.configuration
  const { services, rules } = config.settings
  // Throws with every mistake.
  const { length } = loadRules(readRuleFiles(rules.paths, process.cwd())).rules
  const counts = [countOf(services.length, 'service'), ...(length === 0 ? [] : [countOf(length, 'rule')])]
  process.stdout.write(`${config.files.join(', ')}: valid, ${counts.join(', ')}\n`)
  return EXIT_CODES.success
}

/**
 * Prints the settings that `run` would use, each with its origin, or those of a service of which only the server is
 * named.
 */
export async function printConfig(
  options: SharedOptions & { readonly defaults?: boolean },
): Promise<ExitCode> {
  if (options.defaults === true) {
    process.stdout.write(`# What postern assumes where nothing else is said. The server has no default.\n`)
    process.stdout.write(printSettings(defaultSettings(), null))
    return EXIT_CODES.success
  }
  const { settings, origins } = load(options)
  process.stdout.write(printSettings(settings, origins))
  return EXIT_CODES.success
}

/** Prints the JSON Schema of configuration files. */
export async function printSchema(): Promise<ExitCode> {
  process.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`)
  return EXIT_CODES.success
}

function load(options: SharedOptions): LoadedConfig {
  const { file, commandLine } = checkOptions(options, process.cwd())
  return loadConfig(
    file,
    { ...NO_COMMAND_LINE_SETTINGS, ...commandLine },
    currentSurroundings(defaultAuthorityDirectory()),
  )
}

function defaultSettings(): Settings {
  const { settings } = loadConfig(
    null,
    NO_COMMAND_LINE_SETTINGS,
    {
      // A directory that has no configuration: what is left are the defaults.
      workingDirectory: '/nonexistent',
      homeDirectory: '/nonexistent',
      environment: {},
      authorityDirectory: defaultAuthorityDirectory(),
    },
    '/nonexistent',
  )
  return {
    ...settings,
    services: [
      {
        name: DEFAULT_SERVICE_NAME,
        listeners: [{ ...DEFAULT_LISTENER, url: DEFAULT_LISTEN_URL }],
        upstream: { ...DEFAULT_UPSTREAM, url: { security: 'tls', host: 'pop.example.org', port: 995 } },
        limits: DEFAULT_LIMITS,
        multiLineVerbs: [],
      },
    ],
  }
}

function countOf(count: number, what: string): string {
  return count === 1 ? `1 ${what}` : `${count} ${what}s`
}

function filesNamed(settings: Settings): readonly string[] {
  return settings.services.flatMap(({ listeners, upstream }) => [
    ...listeners.flatMap(({ certificates }) =>
      certificates.flatMap(({ certFile, keyFile }) => [certFile, keyFile]),
    ),
    ...(upstream.caFile === null ? [] : [upstream.caFile]),
  ])
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK)
    return true
  } catch {
    return false
  }
}
