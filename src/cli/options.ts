/**
 * Options that several commands share, and what they amount to. Values are checked here and not by the parser of
 * the command line, so that every mistake is named at once and no password in a URL is repeated.
 */
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { DEFAULT_METRICS_ADDRESS, DEFAULT_WRITE, DEFAULT_WRITE_MESSAGE_OCTETS } from '../config/defaults.js'
import { parseCertificateFingerprint, parsePin } from '../config/fingerprint.js'
import type { CommandLineSettings, Surroundings } from '../config/load.js'
import { METRICS_ADDRESS_EXPECTED, parseMetricsAddress } from '../config/metrics-address.js'
import { describeValue, nearest } from '../config/problem.js'
import { LEAST_RECORDING_OCTETS, MOST_RECORDING_OCTETS } from '../config/schema.js'
import { type ControlSettings, LOG_LEVELS } from '../config/settings.js'
import { formatOctets, parseOctets } from '../config/units.js'
import { LegUrlError, parseHost, parseLegUrl } from '../config/url.js'
import { parseFilter } from '../expression/filter.js'
import { UsageError } from './failure.js'
import { readFilter } from './filter-option.js'

/** Values of the shared options as the parser hands them over. */
export interface SharedOptions {
  readonly listen?: readonly string[]
  readonly upstream?: string
  readonly upstreamCa?: string
  readonly upstreamName?: string
  readonly pin?: readonly string[]
  readonly acceptCertificate?: readonly string[]
  readonly cert?: string
  readonly key?: string
  /** False for `--no-stls`; the parser says true otherwise. */
  readonly stls?: boolean
  readonly oldTls?: boolean
  readonly authorityDir?: string
  readonly write?: string
  /** Octets, or true for whole messages. */
  readonly writeMessages?: string | true
  readonly writeFilter?: string
  readonly writeMaxSize?: string
  readonly control?: string
  /** An address, or true for the usual one. */
  readonly metrics?: string | true
  readonly rules?: readonly string[]
  readonly quarantine?: string
  readonly verdicts?: string
  readonly config?: string
  readonly logLevel?: string
}

/** Options of what runs a proxy. */
export interface RunOptions extends SharedOptions {
  readonly headless?: boolean
  readonly intercept?: readonly string[]
}

/** Checked options: the file to read, and what the command line says itself. */
export interface CheckedOptions {
  /** Null where the usual places are searched. */
  readonly file: string | null
  readonly commandLine: CommandLineSettings
}

/** Adds `-c`, which says where the configuration is. */
export function addConfigOption(command: Command): Command {
  return command.option(
    '-c, --config <file>',
    'read this YAML file and no other (also POSTERN_CONFIG; see "postern config schema")',
  )
}

/** Adds the options that say what to listen on and which server to speak with. */
export function addSharedOptions(command: Command): Command {
  const repeat = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]
  return addConfigOption(
    command
      .option(
        '-l, --listen <url>',
        'accept clients here, can be repeated: pop3://HOST:PORT takes clear logins and offers STLS, pop3+stls:// insists on STLS, pop3s:// is TLS from the start (default: pop3://127.0.0.1:1110)',
        repeat,
      )
      .option(
        '-u, --upstream <url>',
        'the server: pop3s://HOST[:PORT], pop3+stls:// or pop3:// (ports default to 995 and 110)',
      )
      .option('--upstream-ca <file>', 'trust only the authorities in this PEM file for the server')
      .option(
        '--upstream-name <name>',
        'the name its certificate must carry, where it is not the host of the URL',
      )
      .option(
        '--pin <sha256>',
        'demand this public key (base64) or certificate (hexadecimal) of the server, can be repeated',
        repeat,
      )
      .option(
        '--accept-certificate <sha256>',
        'accept this one certificate of the server although it does not verify, can be repeated',
        repeat,
      )
      .option(
        '--cert <file>',
        'certificate chain toward clients, PEM (default: the local authority makes one)',
      )
      .option('--key <file>', 'private key of --cert, PEM')
      .option('--no-stls', 'do not offer STLS on pop3:// listeners')
      .option('--old-tls', 'accept TLS 1.0 and 1.1 from clients that know nothing newer')
      .option('--authority-dir <dir>', 'directory of the local authority (see "postern ca")'),
  )
    .option('-w, --write <file>', 'record every session to this file, one line of JSON for each event')
    .option('--write-messages [octets]', 'record mail too: whole messages, or so many octets of each')
    .option('--write-filter <filter>', 'record only sessions for which this expression holds')
    .option(
      '--write-max-size <octets>',
      'rotate the recording at this size, such as 64MiB: five older files are kept',
    )
    .option(
      '--control <socket>',
      'socket for "postern attach", or none (default: one of its own in $XDG_RUNTIME_DIR/postern)',
    )
    .option(
      '--metrics [address]',
      'serve /metrics for Prometheus, /healthz and /readyz at this loopback address, or none (default with no address: 127.0.0.1:9110)',
    )
    .option(
      '-R, --rules <path>',
      'rules on mail and commands: a file, or a directory of *.yaml, can be repeated (see "postern rules")',
      repeat,
    )
    .option('--quarantine <dir>', 'Maildir for messages that a rule takes away (see "postern quarantine")')
    .option('--verdicts <file>', 'remember in this file what rules said of messages, beyond a restart')
    .option('--log-level <level>', `${LOG_LEVELS.join(', ')} (default: info)`)
}

/** Adds the options of what runs a proxy, beside the shared ones. */
export function addInterceptOption(command: Command): Command {
  return command.option(
    '-i, --intercept <filter>',
    'hold commands, replies or messages for which this holds, can be repeated; "reply: ..." names what',
    (value: string, before: readonly string[] = []): readonly string[] => [...before, value],
  )
}

/**
 * Checks the shared options.
 *
 * @param directory where relative paths start
 * @throws {UsageError} that names every value that cannot be; FilterMistake for a filter that cannot be understood
 */
export function checkOptions(options: SharedOptions, directory: string): CheckedOptions {
  const mistakes: string[] = []
  const read = <Value>(
    option: string,
    text: string | undefined,
    parse: (text: string) => Value,
  ): Value | null => {
    if (text === undefined) return null
    try {
      return parse(text)
    } catch (error) {
      if (!(error instanceof LegUrlError || error instanceof UsageError)) throw error
      mistakes.push(`${option}: ${error.message}`)
      return null
    }
  }
  const readAll = <Value>(
    option: string,
    texts: readonly string[] | undefined,
    parse: (text: string) => Value,
  ): readonly Value[] =>
    (texts ?? []).map((text) => read(option, text, parse)).filter((value) => value !== null)
  const path = (text: string): string =>
    resolve(directory, orMistake(text === '' ? null : text, text, 'a path'))

  const { cert, key } = options
  if ((cert === undefined) !== (key === undefined)) {
    const [given, missing] = cert === undefined ? ['--key', '--cert'] : ['--cert', '--key']
    mistakes.push(`${given} needs ${missing} beside it: a certificate and its private key go together`)
  }
  const checked: CheckedOptions = {
    file: read('--config', options.config, path),
    commandLine: {
      listen: readAll('--listen', options.listen, parseLegUrl),
      upstream: read('--upstream', options.upstream, parseServerUrl),
      upstreamName: read('--upstream-name', options.upstreamName, (text) =>
        orMistake(parseHost(text), text, 'a host name'),
      ),
      upstreamCaFile: read('--upstream-ca', options.upstreamCa, path),
      pins: readAll('--pin', options.pin, (text) =>
        orMistake(
          parsePin(text),
          text,
          'a SHA-256 of a public key (base64) or of a certificate (64 hexadecimal digits)',
        ),
      ),
      acceptCertificates: readAll('--accept-certificate', options.acceptCertificate, (text) =>
        orMistake(parseCertificateFingerprint(text), text, 'a SHA-256 fingerprint, 64 hexadecimal digits'),
      ),
      certificate:
        cert === undefined || key === undefined
          ? null
          : { certFile: resolve(directory, cert), keyFile: resolve(directory, key) },
      offerStls: options.stls === false ? false : null,
      oldTls: options.oldTls === true ? true : null,
      authorityDirectory: read('--authority-dir', options.authorityDir, path),
      writeFile: read('--write', options.write, path),
      writeMessageOctets:
        options.writeMessages === true
          ? DEFAULT_WRITE_MESSAGE_OCTETS
          : read('--write-messages', options.writeMessages, (text) =>
              parseSize(text, 0, DEFAULT_WRITE.maxOctets),
            ),
      writeFilter: options.writeFilter ?? null,
      writeMaxOctets: read('--write-max-size', options.writeMaxSize, (text) =>
        parseSize(text, LEAST_RECORDING_OCTETS, MOST_RECORDING_OCTETS),
      ),
      control: read(
        '--control',
        options.control,
        (text): ControlSettings => (text === 'none' ? { type: 'none' } : { type: 'path', path: path(text) }),
      ),
      metrics:
        options.metrics === true
          ? DEFAULT_METRICS_ADDRESS
          : read('--metrics', options.metrics, (text) =>
              orMistake(parseMetricsAddress(text), text, METRICS_ADDRESS_EXPECTED),
            ),
      rules: readAll('--rules', options.rules, path),
      quarantineDirectory: read('--quarantine', options.quarantine, path),
      verdictsFile: read('--verdicts', options.verdicts, path),
      logLevel: read('--log-level', options.logLevel, (text) => {
        const guess = nearest(text, LOG_LEVELS)
        const hint = guess === null ? '' : ` (did you mean ${guess}?)`
        return orMistake(
          LOG_LEVELS.find((level) => level === text) ?? null,
          text,
          `one of ${LOG_LEVELS.join(', ')}${hint}`,
        )
      }),
    },
  }
  if (mistakes.length > 0) throw new UsageError(mistakes.join('\n'))
  if (options.writeFilter !== undefined) readFilter('--write-filter', options.writeFilter, parseFilter)
  return checked
}

/**
 * Says where this process runs.
 *
 * @param authorityDirectory that of the local authority where nothing names one, absolute
 */
export function currentSurroundings(authorityDirectory: string): Surroundings {
  return {
    workingDirectory: process.cwd(),
    homeDirectory: homedir(),
    environment: process.env,
    authorityDirectory,
  }
}

function parseServerUrl(text: string): ReturnType<typeof parseLegUrl> {
  const url = parseLegUrl(text)
  return orMistake(url.port === 0 ? null : url, text, 'a port from 1 to 65535 for a server')
}

function parseSize(text: string, least: number, most: number): number {
  const octets = /^[0-9]{1,15}$/.test(text) ? Number.parseInt(text, 10) : parseOctets(text)
  const fits = octets !== null && octets >= least && octets <= most
  const range = `from ${formatOctets(least)} to ${formatOctets(most)}`
  return orMistake(fits ? octets : null, text, `a number of octets such as 65536, 512KiB or 64MiB, ${range}`)
}

function orMistake<Value>(value: Value | null, text: string, expected: string): Value {
  if (value === null) throw new UsageError(`found ${describeValue(text)}, expected ${expected}`)
  return value
}
