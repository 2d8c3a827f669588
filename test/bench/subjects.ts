/**
 * The programs that the bench compares: whether each is here, in which version, and how it is set up, from files
 * in a directory of its own and never from the system's configuration. Every one of them verifies the server
 * as far as it can; where it cannot, its footnote says so. Starts nothing itself (see running.ts).
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CertificateFiles } from './certificates.js'
import { ADDED_FIELD, type Effect, TAG, TEXT } from './maildrop.js'

/** What a subject is set up with. Ports are on 127.0.0.1; the plain and TLS port are the subject's own. */
export interface Site extends CertificateFiles {
  /** A directory for this start of the subject alone. */
  readonly directory: string
  readonly plainPort: number
  readonly tlsPort: number
  readonly serverPort: number
}

/** One process to start. */
export interface CommandLine {
  readonly file: string
  readonly args: readonly string[]
}

/** A program under test. */
export interface Subject {
  readonly name: string
  /** What a reader of the table has to know to judge the figures; null where there is nothing. */
  readonly footnote: string | null
  /** What it makes of the mail; without it, nothing. */
  readonly effect?: Effect
  /** @returns the version in the program's own words, or null where it is not here */
  readonly version: () => string | null
  /** Writes the subject's files and tells what to start: nothing for `direct`. */
  readonly setUp: (site: Site) => readonly CommandLine[]
  /** What looks at the subject while it works. Started once it accepts; what it costs itself is in no figure. */
  readonly watchers?: (site: Site) => readonly CommandLine[]
}

/** The subject that everything is divided by. */
export const YARDSTICK = 'pipe'
/** The rows without any proxy. */
export const DIRECT = 'direct'

const SERVER_NAME = 'localhost'
const WATCHERS = fileURLToPath(new URL('./watchers.ts', import.meta.url))
const POSTERN = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
const PIPE = fileURLToPath(new URL('./pipe.mjs', import.meta.url))

/** Runs a program for the words it prints about itself; null where it is missing, fails to start or hangs. */
function words(file: string, args: readonly string[], pattern: RegExp): string | null {
  const { stdout, stderr, error } = spawnSync(file, args, { encoding: 'utf8', timeout: 20_000 })
  if (error !== undefined) return null
  return pattern.exec(`${stdout}\n${stderr}`)?.[1] ?? null
}

function pipe(name: string, resume: boolean, footnote: string): Subject {
  return {
    name,
    footnote,
    version: () => `Node ${process.version}`,
    setUp: (site) => [
      {
        file: process.execPath,
        args: [PIPE, JSON.stringify({ ...site, serverName: SERVER_NAME, resume })],
      },
    ],
  }
}

const direct: Subject = {
  name: DIRECT,
  footnote: 'No proxy: the load generator talks to the server itself, over plain POP3 or POP3S.',
  version: () => `Node ${process.version}`,
  setUp: () => [],
}

const postern: Subject = {
  name: 'postern',
  footnote: 'Without a control socket: nobody can look.',
  version: () =>
    existsSync(POSTERN) ? words(process.execPath, [POSTERN, '--version'], /^(?:\S+ )?v?(\d\S*)$/m) : null,
  setUp: (site) => {
    const config = join(site.directory, 'postern.yaml')
    const certificate = `{ cert: ${site.certFile}, key: ${site.keyFile} }`
    writeFileSync(
      config,
      `services:
  - listen:
      - { url: 'pop3://127.0.0.1:${site.plainPort}', certificate: ${certificate} }
      - { url: 'pop3s://127.0.0.1:${site.tlsPort}', certificate: ${certificate} }
    upstream: { url: 'pop3s://127.0.0.1:${site.serverPort}', name: ${SERVER_NAME}, ca: ${site.caFile} }
    limits: { sessions-per-address: 1000 }
`,
    )
    return [
      { file: process.execPath, args: [POSTERN, ...POSTERN_RUN, '--control', 'none', '--config', config] },
    ]
  },
}

const POSTERN_RUN = ['run', '--headless'] as const

const posternWatched: Subject = {
  ...postern,
  name: 'postern-watched',
  footnote:
    'With three dashboards attached, one of them stopped (SIGSTOP). What these cost themselves is not in it.',
  setUp: (site) => {
    const [command] = postern.setUp(site)
    const config = command?.args.at(-1) ?? ''
    const args = [POSTERN, ...POSTERN_RUN, '--control', controlSocket(site), '--config', config]
    return [{ file: process.execPath, args }]
  },
  watchers: (site) => [
    { file: process.execPath, args: ['--import', 'tsx', WATCHERS, POSTERN, controlSocket(site)] },
  ],
}

const posternMetrics: Subject = {
  ...postern,
  name: 'postern-metrics',
  footnote: 'Counting for Prometheus, which asks for nothing meanwhile.',
  setUp: (site) =>
    postern.setUp(site).map(({ file, args }) => ({ file, args: [...args, '--metrics', '127.0.0.1:0'] })),
}

/** postern with rules, from one file. */
function ruled(name: string, effect: Effect, footnote: string, rules: string): Subject {
  return {
    ...postern,
    name,
    effect,
    footnote,
    setUp: (site) => {
      const file = join(site.directory, 'rules.yaml')
      writeFileSync(file, rules)
      return postern
        .setUp(site)
        .map(({ file: node, args }) => ({ file: node, args: [...args, '--rules', file] }))
    },
  }
}

/** Its conditions ask for what most rules ask for, of every message and every command. */
const posternRules = ruled(
  'postern-rules',
  'none',
  'With a rule of messages and one of commands that never hold.',
  `rules:
  - name: tag what nobody sends
    when: 'header["x-never-sent"].contains("never") || from.endsWith("@nowhere.example")'
    then: [{ tag-subject: "[never]" }]
  - name: refuse what nobody says
    when: 'command == "XTND" && argument.contains("never")'
    then: [{ refuse: "never" }]
`,
)

const posternTag = ruled(
  'postern-tag',
  'tag',
  'With a rule that tags the subject of every message and adds a header field.',
  `rules:
  - name: tag everything
    when: 'size > 0'
    then:
      - tag-subject: "${TAG}"
      - add-header: { name: ${ADDED_FIELD.name}, value: "${ADDED_FIELD.value}" }
`,
)

const posternText = ruled(
  'postern-text',
  'text',
  'With a rule that replaces a word in the text of every message.',
  `rules:
  - name: replace a word
    when: 'size > 0'
    then: [{ replace-text: { pattern: "${TEXT.from}", with: "${TEXT.to}" } }]
`,
)

const posternHide = ruled(
  'postern-hide',
  'hide',
  'With a rule that hides what has a List-Id.',
  `rules:
  - name: hide mailing lists
    when: '"list-id" in header'
    then: [hide]
`,
)

function controlSocket(site: Site): string {
  return join(site.directory, 'control', 'socket')
}

const stunnel: Subject = {
  name: 'stunnel',
  footnote:
    'Octets only, no POP3. It cannot speak TLS on both legs of one service: for POP3S clients two of its services stand in a row.',
  version: () => words('stunnel', ['-version'], /^stunnel (\S+)/m),
  setUp: (site) => {
    const config = join(site.directory, 'stunnel.conf')
    writeFileSync(
      config,
      `foreground = yes
pid =
debug = err
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[to-server]
client = yes
accept = 127.0.0.1:${site.plainPort}
connect = 127.0.0.1:${site.serverPort}
CAfile = ${site.caFile}
verifyChain = yes
checkHost = ${SERVER_NAME}
sni = ${SERVER_NAME}
[from-client]
accept = 127.0.0.1:${site.tlsPort}
connect = 127.0.0.1:${site.plainPort}
cert = ${site.certFile}
key = ${site.keyFile}
`,
    )
    return [{ file: 'stunnel', args: [config] }]
  },
}

const dovecot: Subject = {
  name: 'dovecot',
  footnote: 'Login proxy in its high-performance mode: one login process for all sessions.',
  version: () => words('dovecot', ['--version'], /^(\d\S*)/m),
  setUp: (site) => {
    const { uid, username } = userInfo()
    const loginUser = uid === 0 ? 'dovenull' : username
    const internalUser = uid === 0 ? 'dovecot' : username
    const config = join(site.directory, 'dovecot.conf')
    // Quirk: its login proxy does not look at ssl_client_ca_file; the authorities it trusts are those of ssl_ca.
    for (const name of ['run', 'state']) mkdirSync(join(site.directory, name), { mode: 0o755 })
    writeFileSync(
      config,
      `protocols = pop3
base_dir = ${site.directory}/run
state_dir = ${site.directory}/state
log_path = ${site.directory}/dovecot.log
info_log_path = /dev/null
listen = 127.0.0.1
default_login_user = ${loginUser}
default_internal_user = ${internalUser}
${uid === 0 ? '' : `default_internal_group = ${internalUser}\n`}ssl = yes
ssl_cert = <${site.certFile}
ssl_key = <${site.keyFile}
ssl_ca = <${site.caFile}
ssl_require_crl = no
ssl_client_require_valid_cert = yes
disable_plaintext_auth = no
auth_mechanisms = plain
mail_max_userip_connections = 0
passdb {
  driver = static
  args = proxy=y host=${SERVER_NAME} hostip=127.0.0.1 port=${site.serverPort} ssl=yes nopassword=y
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}
service pop3-login {
  chroot =
  service_count = 0
  process_min_avail = 1
  process_limit = 1
  client_limit = 5000
  inet_listener pop3 {
    port = ${site.plainPort}
  }
  inet_listener pop3s {
    port = ${site.tlsPort}
    ssl = yes
  }
}
service auth {
  client_limit = 10000
}
service anvil {
  client_limit = 10000
  chroot =
}
service stats {
  client_limit = 10000
}
`,
    )
    return [{ file: 'dovecot', args: ['-F', '-c', config] }]
  },
}

const perdition: Subject = {
  name: 'perdition',
  footnote: 'A process for each session.',
  version: () => words('perdition', ['--help'], /^perdition version (\S+)/m),
  setUp: (site) => {
    const { uid, username } = userInfo()
    return (
      [
        { protocol: 'POP3', port: site.plainPort, mode: 'ssl_outgoing' },
        { protocol: 'POP3S', port: site.tlsPort, mode: 'ssl_listen,ssl_outgoing' },
      ] as const
    ).map(({ protocol, port, mode }) => ({
      file: 'perdition',
      args: [
        ...['--config_file', '/dev/null', '--log_facility', '+', '--quiet', '--no_daemon', '--pid_file', ''],
        ...(uid === 0 ? [] : ['--username', username, '--group', username]),
        ...['--no_lookup', '--map_library', '', '--connect_relog', '0', '--pop_capability', 'USER  UIDL'],
        ...['--protocol', protocol, '--bind_address', '127.0.0.1', '--listen_port', String(port)],
        ...['--outgoing_server', SERVER_NAME, '--outgoing_port', String(site.serverPort)],
        ...['--ssl_mode', mode, '--ssl_ca_file', site.caFile, '--ssl_ca_path', ''],
        ...['--ssl_cert_file', site.certFile, '--ssl_key_file', site.keyFile, '--ssl_no_client_cert_verify'],
      ],
    }))
  },
}

const haproxy: Subject = {
  name: 'haproxy',
  footnote: 'Octets only, no POP3; one thread.',
  version: () => words('haproxy', ['-v'], /^HAProxy version (\S+)/m),
  setUp: (site) => {
    const config = join(site.directory, 'haproxy.cfg')
    writeFileSync(
      config,
      `global
  nbthread 1
  maxconn 5000
defaults
  mode tcp
  timeout connect 10s
  timeout client 11m
  timeout server 11m
frontend clients
  bind 127.0.0.1:${site.plainPort}
  bind 127.0.0.1:${site.tlsPort} ssl crt ${site.bothFile}
  default_backend servers
backend servers
  server one 127.0.0.1:${site.serverPort} ssl verify required ca-file ${site.caFile} sni str(${SERVER_NAME}) verifyhost ${SERVER_NAME}
`,
    )
    return [{ file: 'haproxy', args: ['-db', '-f', config] }]
  },
}

/**
 * Quirk: mitmproxy 8 guesses by what comes first whether a client speaks TLS, and under load the server's greeting
 * comes before the ClientHello. The script takes the guess away from the POP3S listener.
 */
const MITMPROXY_SCRIPT = `from mitmproxy.proxy import layers

def next_layer(nextlayer):
    context = nextlayer.context
    if context.layers and not context.client.tls:
        nextlayer.layer = layers.ClientTLSLayer(context)
`

const mitmproxy: Subject = {
  name: 'mitmproxy',
  footnote:
    'mitmdump in reverse mode, printing nothing; keeps every octet of a session until it ends. For POP3S clients a script tells it that they begin with TLS.',
  version: () => words('mitmdump', ['--version'], /^Mitmproxy: (\S+)/m),
  setUp: (site) => {
    const script = join(site.directory, 'tls-first.py')
    writeFileSync(script, MITMPROXY_SCRIPT)
    return [
      { port: site.plainPort, extra: [] },
      { port: site.tlsPort, extra: ['--scripts', script] },
    ].map(({ port, extra }) => ({
      file: 'mitmdump',
      args: [
        ...['--quiet', '--set', 'flow_detail=0', '--set', `confdir=${site.directory}`],
        ...['--mode', `reverse:https://${SERVER_NAME}:${site.serverPort}`],
        ...['--listen-host', '127.0.0.1', '--listen-port', String(port), '--certs', site.bothFile],
        ...['--set', `ssl_verify_upstream_trusted_ca=${site.caFile}`, ...extra],
      ],
    }))
  },
}

/** What a subject makes of the mail. */
export function effectOf({ effect }: Subject): Effect {
  return effect ?? 'none'
}

/** Tells whether a subject is among those with one of the effects that a row is for. */
export function takesPart(subject: Subject, effects: readonly Effect[]): boolean {
  return effects.includes(effectOf(subject))
}

/** Every subject, in the order of the table. */
export const SUBJECTS: readonly Subject[] = [
  direct,
  pipe(YARDSTICK, true, 'The yardstick (pipe.mjs): plain Node, resumes TLS sessions toward the server.'),
  pipe('pipe-unresumed', false, 'The same with a full handshake toward the server each time.'),
  postern,
  posternWatched,
  posternMetrics,
  posternRules,
  posternTag,
  posternText,
  posternHide,
  stunnel,
  haproxy,
  dovecot,
  perdition,
  mitmproxy,
]
