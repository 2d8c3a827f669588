/**
 * Settings as the YAML file that would give them, each value with its origin. Owns the way back from settings to
 * keys; whoever adds a key to `schema.ts` adds it here.
 */
import { Document, isCollection, isScalar, type Node } from 'yaml'
import { LIMIT_FACTS, spellLimit } from './limit-facts.js'
import { formatMetricsAddress } from './metrics-address.js'
import { type ConfigPath, formatPath } from './problem.js'
import type {
  ControlSettings,
  ListenerSettings,
  RulesSettings,
  ServiceSettings,
  Settings,
  UpstreamSettings,
  WriteSettings,
} from './settings.js'
import { formatOctets } from './units.js'
import { formatLegUrl } from './url.js'

/**
 * Writes settings as a configuration file.
 *
 * @param origins place of each value by its path; what is missing is marked as default. Null writes no comments.
 * @returns YAML that, read again, gives the same settings
 */
export function printSettings(settings: Settings, origins: ReadonlyMap<string, string> | null): string {
  const document = new Document(asSource(settings), { aliasDuplicateObjects: false })
  if (origins !== null) annotate(document.contents, [], origins)
  return document.toString({ lineWidth: 0 })
}

function asSource(settings: Settings): object {
  return {
    log: { level: settings.log.level, 'user-names': settings.log.userNames },
    'authority-dir': settings.authorityDirectory,
    ...(settings.write === null ? {} : { write: writeSource(settings.write) }),
    ...controlSource(settings.control),
    metrics: formatMetricsAddress(settings.metrics),
    ...rulesSource(settings.rules),
    ...(settings.services.length === 0 ? {} : { services: settings.services.map(serviceSource) }),
  }
}

function writeSource({ file, messageOctets, filter, maxOctets, keep }: WriteSettings): object {
  return {
    file,
    messages: messageOctets === 0 ? false : formatOctets(messageOctets),
    ...(filter === null ? {} : { filter }),
    'max-size': formatOctets(maxOctets),
    keep,
  }
}

/** The usual place is what saying nothing means. */
function controlSource(control: ControlSettings): object {
  return control.type === 'usual' ? {} : { control: control.type === 'none' ? 'none' : control.path }
}

/** Without files nothing is said: the other keys would have nothing to be about. */
function rulesSource(rules: RulesSettings): object {
  const { paths, quarantineDirectory, spoolDirectory, verdictsFile, keepsClientsAlive } = rules
  if (paths.length === 0) return {}
  return {
    rules: {
      files: paths,
      ...(quarantineDirectory === null ? {} : { quarantine: quarantineDirectory }),
      ...(spoolDirectory === null ? {} : { spool: spoolDirectory }),
      ...(verdictsFile === null ? {} : { verdicts: verdictsFile }),
      'keep-alive': keepsClientsAlive,
    },
  }
}

function serviceSource(service: ServiceSettings): object {
  return {
    name: service.name,
    listen: service.listeners.map(listenerSource),
    upstream: upstreamSource(service.upstream),
    limits: Object.fromEntries(
      LIMIT_FACTS.map((facts) => [facts.key, spellLimit(facts, service.limits[facts.limit])]),
    ),
    'multi-line-verbs': service.multiLineVerbs,
  }
}

function listenerSource(listener: ListenerSettings): object {
  const certificates = listener.certificates.map(({ certFile, keyFile }) => ({
    cert: certFile,
    key: keyFile,
  }))
  return {
    url: formatLegUrl(listener.url),
    ...(certificates.length === 0
      ? {}
      : { certificate: certificates.length === 1 ? certificates[0] : certificates }),
    names: listener.names,
    stls: listener.offerStls,
    'old-tls': listener.oldTls,
  }
}

function upstreamSource(upstream: UpstreamSettings): object {
  const url = formatLegUrl(upstream.url)
  if (upstream.url.security === 'plain') return { url }
  return {
    url,
    ...(upstream.name === null ? {} : { name: upstream.name }),
    ...(upstream.caFile === null ? {} : { ca: upstream.caFile }),
    pins: upstream.pins,
    'accept-certificates': upstream.acceptCertificates,
    'minimum-tls': upstream.minimumTls,
  }
}

function annotate(node: Node | null, path: ConfigPath, origins: ReadonlyMap<string, string>): void {
  if (isCollection(node) && node.items.length > 0) {
    const keys = 'items' in node ? keysOf(node) : []
    for (const key of keys) {
      const child = node.get(key, true)
      annotate(isNodeLike(child) ? child : null, [...path, key], origins)
    }
    return
  }
  if (node === null) return
  if (isCollection(node)) node.flow = true
  node.comment = ` ${originOf(path, origins)}`
}

/** A short form (a URL where a mapping may stand, one item where a list may) has the origin of what it stands for. */
function originOf(path: ConfigPath, origins: ReadonlyMap<string, string>): string {
  const written = [path, path.filter((_, index) => !(path[index - 1] === 'listen'))]
  for (const candidate of written) {
    const exact = origins.get(formatPath(candidate))
    if (exact !== undefined) return exact
    const shortened = origins.get(formatPath(candidate.slice(0, -1)))
    const isPartOfValue =
      candidate.at(-1) === 'url' ||
      formatPath(candidate) === 'write.file' ||
      formatPath(candidate) === 'rules.files' ||
      ['certificate', 'pins', 'accept-certificates'].includes(String(candidate.at(-2)))
    if (shortened !== undefined && isPartOfValue) return shortened
  }
  return 'default'
}

function keysOf(node: { readonly items: readonly unknown[] }): readonly (string | number)[] {
  return node.items.map((item, index) => {
    const key = typeof item === 'object' && item !== null && 'key' in item ? item.key : index
    return isScalar(key) ? String(key.value) : index
  })
}

function isNodeLike(value: unknown): value is Node {
  return isCollection(value) || isScalar(value)
}
