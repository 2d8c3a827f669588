/**
 * The shape of a configuration file: every key, what may stand there, and the sentence that an editor shows for
 * it. Owns the checks of one value at a time; contradictions between values are in `contradictions.ts`, defaults
 * in `defaults.ts`. Error messages of this schema are the text after "expected".
 */
import * as z from 'zod'
import { FilterError, parseFilter } from '../expression/filter.js'
import { DEFAULT_LIMITS } from '../pop3/limits.js'
import {
  DEFAULT_LISTEN_URL,
  DEFAULT_LOG_LEVEL,
  DEFAULT_UPSTREAM,
  DEFAULT_WRITE,
  DEFAULT_WRITE_KEEP,
} from './defaults.js'
import { parseCertificateFingerprint, parsePin } from './fingerprint.js'
import { LIMIT_FACTS, limitFacts, parseLimit, spellLimit } from './limit-facts.js'
import { METRICS_ADDRESS_EXPECTED, parseMetricsAddress } from './metrics-address.js'
import { LOG_LEVELS } from './settings.js'
import { formatOctets, parseOctets } from './units.js'
import { formatLegUrl, LegUrlError, parseHost, parseLegUrl } from './url.js'

/** More of one message than a session may hold back is not recorded either. */
const MOST_MESSAGE_OCTETS = 1_073_741_824
/** Less would rotate away what somebody just looks at. */
export const LEAST_RECORDING_OCTETS = 65_536
export const MOST_RECORDING_OCTETS = 1_099_511_627_776

/**
 * A mapping that refuses unknown keys. The message for such a key is the list of known ones, separated by commas:
 * whoever shows the message looks there for the key that was meant.
 */
export function mapping<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? Object.keys(shape).join(', ') : 'a mapping'),
  })
}

/** A text that a function reads; `null` from the function means that it could not. */
function text<Value>(parse: (value: string) => Value | null, expected: string, examples: readonly string[]) {
  return z
    .string({ error: expected })
    .meta({ examples: [...examples] })
    .transform((value, context) => {
      const parsed = parse(value)
      if (parsed !== null) return parsed
      context.addIssue({ code: 'custom', message: expected })
      return z.NEVER
    })
}

function legUrl(examples: readonly string[]) {
  return z
    .string({ error: 'a URL such as pop3s://pop.example.org' })
    .meta({ examples: [...examples], pattern: '^[Pp][Oo][Pp]3([Ss]|\\+[Ss][Tt][Ll][Ss])?://[^@/?#]+$' })
    .transform((value, context) => {
      try {
        return parseLegUrl(value)
      } catch (error) {
        if (!(error instanceof LegUrlError)) throw error
        context.addIssue({ code: 'custom', message: error.expected })
        return z.NEVER
      }
    })
}

const file = z.string({ error: 'the path of a file' }).min(1, { error: 'the path of a file' })

const fingerprintOfCertificate = text(
  parseCertificateFingerprint,
  'the SHA-256 fingerprint of a certificate, 64 hexadecimal digits with or without colons',
  [],
)

const certificate = mapping({
  cert: file.describe('PEM file: the certificate, then the intermediate ones. Relative to this file.'),
  key: file.describe('PEM file: the private key. Relative to this file.'),
}).describe('A certificate of your own and its key.')

const listenUrl = legUrl(['pop3://127.0.0.1:1110', 'pop3s://0.0.0.0:995', 'pop3+stls://[::1]:1110'])

const listener = z
  .union(
    [
      listenUrl,
      mapping({
        url: listenUrl.describe(
          'Where to accept clients. pop3:// takes clear logins and offers STLS, pop3+stls:// refuses logins before STLS, pop3s:// is TLS from the start. Port 110 or 995 where none is named; port 0 takes a free one.',
        ),
        certificate: z
          .union([certificate, z.array(certificate, { error: 'a mapping or a list of them' })], {
            error: 'a mapping with cert and key, or a list of such mappings',
          })
          .describe(
            'Certificates of your own, chosen by server name, the first where no name fits. Without them the local authority makes one.',
          )
          .optional(),
        names: z
          .array(
            text(parseHost, 'a host name or an IP address without brackets', [
              'mail.example.org',
              '192.0.2.7',
            ]),
            { error: 'a list of host names' },
          )
          .describe(
            'Names and IP addresses, beside the listening one, for which the local authority may make a certificate.',
          )
          .optional(),
        stls: z
          .boolean()
          .describe('Whether a pop3:// listener offers STLS. Default true.')
          .meta({ default: true })
          .optional(),
        'old-tls': z
          .boolean()
          .describe(
            'Accepts TLS 1.0 and 1.1 from mail programs that know nothing newer. Both are broken: use it on a trusted network only. Default false.',
          )
          .meta({ default: false })
          .optional(),
      }),
    ],
    { error: 'a URL, or a mapping with url' },
  )
  .describe('An address on which clients are accepted: a URL, or a mapping with url and more.')

const upstreamUrl = legUrl(['pop3s://pop.example.org', 'pop3+stls://pop.example.org:110']).refine(
  (url) => url.port !== 0,
  { error: 'a port from 1 to 65535 for a server' },
)

const upstream = z
  .union(
    [
      upstreamUrl,
      mapping({
        url: upstreamUrl.describe(
          'The server. pop3s:// is TLS from the start, pop3+stls:// insists on STLS, pop3:// sends everything in the clear. Port 995 or 110 where none is named.',
        ),
        name: text(parseHost, 'a host name', ['pop.example.org'])
          .describe('The name that its certificate must carry, where it is not the host of the URL.')
          .optional(),
        ca: file
          .describe('PEM file with the only authorities to trust for this server. Relative to this file.')
          .optional(),
        pins: z
          .array(
            text(
              parsePin,
              'a SHA-256 of the public key (44 characters of base64) or of the certificate (64 hexadecimal digits)',
              [],
            ),
            { error: 'a list of fingerprints' },
          )
          .describe(
            'SHA-256 of its public key (base64) or certificate (hexadecimal); one must match, and everything else must hold as well.',
          )
          .optional(),
        'accept-certificates': z
          .array(fingerprintOfCertificate, { error: 'a list of fingerprints' })
          .describe(
            'SHA-256 fingerprints of certificates to accept although they are self-signed, expired or for another name.',
          )
          .optional(),
        'minimum-tls': z
          .enum(['TLSv1.2', 'TLSv1.3'])
          .describe(`The oldest TLS to speak with the server. Default ${DEFAULT_UPSTREAM.minimumTls}.`)
          .meta({ default: DEFAULT_UPSTREAM.minimumTls })
          .optional(),
      }),
    ],
    { error: 'a URL, or a mapping with url' },
  )
  .describe('The server behind this service: a URL, or a mapping with url and more.')

const limits = mapping(
  Object.fromEntries(LIMIT_FACTS.map((facts) => [facts.key, limitSchema(facts.limit).optional()])),
).describe(
  'Bounds of this service. Durations have a unit (ms, s, min, h), octets may have one (B, KiB, MiB), counts have none.',
)

function limitSchema(limit: keyof typeof DEFAULT_LIMITS) {
  const facts = limitFacts(limit)
  const expected = `${facts.wanted}, from ${spellLimit(facts, facts.least)} to ${spellLimit(facts, facts.most)}${
    facts.reason === null ? '' : ` (${facts.reason})`
  }`
  const shape =
    facts.unit === 'ms' ? z.string({ error: expected }) : z.union([z.int(), z.string()], { error: expected })
  const fallback = spellLimit(facts, DEFAULT_LIMITS[limit])
  return (facts.unit === 'items' ? z.int({ error: expected }) : shape)
    .meta({ description: `${facts.meaning} Default ${fallback}.`, default: fallback })
    .transform((value, context) => {
      const amount = parseLimit(facts, value)
      if (amount !== null && amount >= facts.least && amount <= facts.most) return amount
      context.addIssue({ code: 'custom', message: expected })
      return z.NEVER
    })
}

/** One service of a configuration file. */
export const serviceSchema = mapping({
  name: z
    .string({ error: 'a name' })
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, {
      error: 'a name of letters, digits, ".", "_" and "-", at most 63 of them',
    })
    .describe('What the log and the dashboard call this service. Needed where there is more than one.')
    .optional(),
  listen: z
    .union([listener, z.array(listener).min(1, { error: 'at least one listener' })], {
      error: 'a URL, a mapping with url, or a list of these',
    })
    .describe(`Where clients are accepted. Default ${formatLegUrl(DEFAULT_LISTEN_URL)}.`)
    .optional(),
  upstream,
  limits: limits.optional(),
  'multi-line-verbs': z
    .array(
      text((verb) => (/^[\x21-\x7e]{1,40}$/.test(verb) ? verb.toUpperCase() : null), 'a verb such as XFOO', [
        'XFOO',
      ]),
      { error: 'a list of verbs' },
    )
    .describe(
      'Verbs that postern does not know and whose positive reply has several lines and ends with ".".',
    )
    .optional(),
})

const OCTETS_EXPECTED = 'a number of octets, such as 65536, 512KiB or 64MiB'

/** A number of octets within a range, as a number or with a unit. */
function octets(least: number, most: number, alternatives: string) {
  const expected = `${OCTETS_EXPECTED}, from ${formatOctets(least)} to ${formatOctets(most)}${alternatives}`
  return z.union([z.int(), z.string()], { error: expected }).transform((value, context) => {
    const amount = typeof value === 'string' ? parseOctets(value) : value
    if (amount !== null && amount >= least && amount <= most) return amount
    context.addIssue({ code: 'custom', message: expected })
    return z.NEVER
  })
}

const filter = z.string({ error: 'a filter' }).transform((value, context) => {
  try {
    return parseFilter(value).text
  } catch (error) {
    if (!(error instanceof FilterError)) throw error
    const message = `a filter (column ${error.column + 1}: ${error.message})`
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  }
})

const write = z
  .union(
    [
      file,
      mapping({
        file: file.describe('The file, JSON lines, readable by its owner alone. Relative to this file.'),
        messages: z
          .union([z.boolean(), octets(1, MOST_MESSAGE_OCTETS, ', or true or false')], {
            error: `true or false, or ${OCTETS_EXPECTED}`,
          })
          .describe(
            'Whether mail is recorded: whole messages, or so many octets of each. Default false: sessions without mail.',
          )
          .meta({ default: false })
          .optional(),
        filter: filter
          .describe('Records the sessions for which this expression holds, such as user == "bob".')
          .optional(),
        'max-size': octets(LEAST_RECORDING_OCTETS, MOST_RECORDING_OCTETS, '')
          .describe(
            `Largest file, then it is rotated: FILE becomes FILE.1. Without it the recording ends at ${formatOctets(DEFAULT_WRITE.maxOctets)}.`,
          )
          .optional(),
        keep: z
          .int({ error: 'a whole number from 0 to 100' })
          .min(0, { error: 'a whole number from 0 to 100' })
          .max(100, { error: 'a whole number from 0 to 100' })
          .describe(
            `Older files to keep beside the one that is written. Default ${DEFAULT_WRITE_KEEP} with max-size, else 0: then an existing file is never touched.`,
          )
          .optional(),
      }),
    ],
    { error: 'the path of a file, or a mapping with file' },
  )
  .describe('A recording of every session: a file, or a mapping with file and more.')

/** Where figures are served. */
export const metricsSchema = text(parseMetricsAddress, METRICS_ADDRESS_EXPECTED, ['127.0.0.1:9110', 'none'])

const ruleFiles = z
  .union([file, z.array(file, { error: 'the path of a file or a directory, or a list of them' })], {
    error: 'the path of a file or a directory, or a list of them',
  })
  .describe('Rule files, and directories of such (*.yaml, in order of name). Relative to this file.')

const rules = z
  .union(
    [
      ruleFiles,
      mapping({
        files: ruleFiles,
        quarantine: file
          .describe(
            'Maildir for messages that a rule takes away. Relative to this file. Default quarantine, beside the directory of the local authority.',
          )
          .optional(),
        spool: file
          .describe(
            'Folder for messages larger than held-message while rules look at them, in files without names. Relative to this file. Default spool, beside the quarantine.',
          )
          .optional(),
        verdicts: file
          .describe(
            'File that remembers what rules said of messages, so that a restart costs nothing. Relative to this file. Without it they are remembered in memory alone.',
          )
          .optional(),
        'keep-alive': z
          .boolean()
          .describe(
            'Whether a client gets +OK and then a blank every ten seconds, within the status line, while a rule or a person takes long. Default true.',
          )
          .meta({ default: true })
          .optional(),
      }),
    ],
    { error: 'the path of a file or a directory, or a mapping with files' },
  )
  .describe('Rules on mail and commands (see "postern rules"): files, or a mapping with files and more.')

/** A configuration file. */
export const configSchema = mapping({
  log: mapping({
    level: z
      .enum(LOG_LEVELS)
      .describe(
        `How much is logged: info tells of sessions, debug adds commands and replies. Default ${DEFAULT_LOG_LEVEL}.`,
      )
      .meta({ default: DEFAULT_LOG_LEVEL })
      .optional(),
    'user-names': z
      .boolean()
      .describe('False hides user names in the log: people type passwords there. Default true.')
      .meta({ default: true })
      .optional(),
  })
    .describe('The log, JSON lines on stdout.')
    .optional(),
  'authority-dir': file
    .describe('Directory of the local authority (see "postern ca"). Relative to this file.')
    .optional(),
  write: write.optional(),
  control: z
    .string({ error: 'the path of a socket, or none' })
    .min(1, { error: 'the path of a socket, or none' })
    .describe(
      'Unix socket at which dashboards attach (postern attach). Relative to this file; none opens none. Default a socket of its own in the runtime directory of the user.',
    )
    .optional(),
  metrics: metricsSchema
    .describe(
      'Loopback address at which /metrics (for Prometheus), /healthz and /readyz are served, port 9110 where none is named; port 0 takes a free one. none serves and counts nothing. Default none.',
    )
    .optional(),
  rules: rules.optional(),
  services: z
    .array(serviceSchema, { error: 'a list of services' })
    .min(1, { error: 'at least one service' })
    .describe(
      'Listeners, a server, and the bounds between them. A list here replaces that of files read before.',
    )
    .optional(),
})

/** What one checked service says, before defaults. */
export type ServiceSource = z.output<typeof serviceSchema>

/** What one checked file says, before defaults. */
export type ConfigSource = z.output<typeof configSchema>

/**
 * Checks a value against a schema and words zod's own issues as texts that fit after "expected".
 */
export function check<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): z.ZodSafeParseResult<z.output<Schema>> {
  return schema.safeParse(value, { error: expectation })
}

const KINDS: ReadonlyMap<string, string> = new Map([
  ['string', 'a text'],
  ['boolean', 'true or false'],
  ['number', 'a number'],
  ['int', 'a whole number'],
  ['array', 'a list'],
  ['object', 'a mapping'],
])

function expectation(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') return KINDS.get(issue.expected) ?? issue.expected
  if (issue.code === 'invalid_value') {
    return issue.values.length === 1
      ? String(issue.values[0])
      : `one of ${issue.values.map(String).join(', ')}`
  }
  return undefined
}

/**
 * The schema as JSON Schema (draft 2020-12), for editors that complete and check YAML.
 */
export function jsonSchema(): object {
  return {
    ...z.toJSONSchema(configSchema, { io: 'input' }),
    title: 'Configuration of postern',
    description:
      'Put "# yaml-language-server: $schema=postern.schema.json" on the first line of postern.yaml.',
  }
}
