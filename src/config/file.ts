/**
 * Reads and checks one configuration file, and finds every mistake in it. Knows nothing of other files, of the
 * environment or of the command line.
 */
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type * as z from 'zod'
import { findContradictions } from './contradictions.js'
import { DEFAULT_METRICS } from './defaults.js'
import { readYaml, type YamlDocument } from './document.js'
import {
  ConfigError,
  type ConfigPath,
  type ConfigProblem,
  describeValue,
  formatPath,
  nearest,
} from './problem.js'
import { check, configSchema, metricsSchema, serviceSchema } from './schema.js'
import { type PartialSettings, settleService, settleSource } from './source.js'

/** What a file says, and the place of each value in it. */
export interface ConfigFile {
  readonly settings: PartialSettings
  /** Place (`postern.yaml:4`) of each value, by its path (`services[0].upstream.url`). */
  readonly places: ReadonlyMap<string, string>
}

/**
 * Reads a configuration file.
 *
 * @throws {ConfigError} with every mistake, also where the file cannot be read
 */
export function readConfigFile(file: string): ConfigFile {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const found =
      error instanceof Error && 'code' in error ? `no readable file (${String(error.code)})` : String(error)
    throw new ConfigError(file, [{ line: null, column: null, path: '', found, expected: 'a YAML file' }])
  }
  return parseConfig(text, file)
}

/**
 * Checks the text of a configuration file.
 *
 * @param file its absolute path, which messages name and relative paths start from
 * @throws {ConfigError} with every mistake
 */
export function parseConfig(text: string, file: string): ConfigFile {
  const document = readYaml(file, text)
  // A file of comments only is a valid way to say nothing.
  const value = document.value ?? {}
  const checked = check(configSchema, value)
  const problems = [
    ...(checked.success
      ? []
      : checked.error.issues.flatMap((issue) => issueProblems(issue, [], document, value))),
    ...contradictionProblems(document, value, dirname(file)),
  ]
  if (!checked.success || problems.length > 0) {
    throw new ConfigError(
      file,
      problems.toSorted((one, other) => (one.line ?? 0) - (other.line ?? 0)),
    )
  }
  const places = document
    .leaves()
    .map(({ path, position }) => [formatPath(path), `${file}:${position.line}`] as const)
  return { settings: settleSource(checked.data, dirname(file)), places: new Map(places) }
}

/**
 * Words what a schema says of one value, with the place of what it is about.
 *
 * @param around path of the value that was checked, within `root`
 * @returns one problem, or one for each unknown key
 */
export function issueProblems(
  issue: z.core.$ZodIssue,
  around: ConfigPath,
  document: YamlDocument,
  root: unknown,
): readonly ConfigProblem[] {
  const path: ConfigPath = [...around, ...issue.path.filter((step) => typeof step !== 'symbol')]
  const found = valueAt(root, path)
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownKey(key, path, issue.message.split(', '), document))
  }
  if (issue.code === 'invalid_union') {
    // Of the alternatives, the one is meant whose kind of value (text, mapping, list) stands there.
    const meant = issue.errors.find((issues) => !issues.some(isWrongKind))
    if (meant !== undefined) return meant.flatMap((inner) => issueProblems(inner, path, document, root))
  }
  return [
    {
      ...document.positionOf(path),
      path: formatPath(path),
      found: describeValue(found),
      expected: issue.message,
    },
  ]
}

function isWrongKind(issue: z.core.$ZodIssue): boolean {
  if (issue.path.length > 0) return false
  return (
    issue.code === 'invalid_type' ||
    (issue.code === 'invalid_union' && issue.errors.every((inner) => inner.some(isWrongKind)))
  )
}

function unknownKey(
  key: string,
  path: ConfigPath,
  known: readonly string[],
  document: YamlDocument,
): ConfigProblem {
  const guess = nearest(key, known)
  return {
    ...document.positionOfKey([...path, key]),
    path: formatPath(path),
    found: `the unknown key ${describeValue(key)}`,
    expected:
      guess === null ? `one of ${known.join(', ')}` : `one of ${known.join(', ')} (did you mean ${guess}?)`,
  }
}

/** Contradictions of the services that are valid by themselves, whatever is wrong elsewhere in the file. */
function contradictionProblems(
  document: YamlDocument,
  root: unknown,
  directory: string,
): readonly ConfigProblem[] {
  const services = valueAt(root, ['services'])
  if (!Array.isArray(services)) return []
  const unnamed =
    services.length > 1 ? services.flatMap((service, index) => nameProblem(service, index, document)) : []
  const valid = services.flatMap((service: unknown, index) => {
    const checked = check(serviceSchema, service)
    if (!checked.success) return []
    // Nameless ones are reported as such, not as sharing the default name.
    const name = checked.data.name ?? `services[${index}]`
    return [{ index, service: { ...settleService(checked.data, directory), name } }]
  })
  const metrics = check(metricsSchema, valueAt(root, ['metrics']))
  return [
    ...unnamed,
    ...findContradictions(valid, metrics.success ? metrics.data : DEFAULT_METRICS).map(
      ({ path, found, expected }) => {
        const written = asWritten(path, root)
        return { ...document.positionOf(written), path: formatPath(written), found, expected }
      },
    ),
  ]
}

function nameProblem(service: unknown, index: number, document: YamlDocument): readonly ConfigProblem[] {
  const path = ['services', index]
  const isNameless = typeof service === 'object' && service !== null && !('name' in service)
  return isNameless
    ? [
        {
          ...document.positionOf(path),
          path: formatPath([...path, 'name']),
          found: 'nothing',
          expected: 'a name, since there are several services',
        },
      ]
    : []
}

/** A single listener may stand without a list: its path has no index then. */
function asWritten(path: ConfigPath, root: unknown): ConfigPath {
  const listen = path.indexOf('listen')
  if (listen < 0 || Array.isArray(valueAt(root, path.slice(0, listen + 1)))) return path
  return path.filter((_, position) => position !== listen + 1)
}

function valueAt(root: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>((value, step) => {
    if (typeof value !== 'object' || value === null) return undefined
    return Object.hasOwn(value, step) ? Reflect.get(value, step) : undefined
  }, root)
}
