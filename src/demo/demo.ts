/**
 * The demo: a POP3S server with sample mail, postern before it, visitors that fetch, and the words that tell a
 * person what to type. Owns how these are put together and taken down; everything is on loopback, and all that
 * touches the disk is one certificate in the system's temporary directory.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Logger } from 'pino'
import { DEFAULT_LIMITS, DEFAULT_LISTENER, DEFAULT_RULES, DEFAULT_UPSTREAM } from '../config/defaults.js'
import type { LegUrl, Settings } from '../config/settings.js'
import { type Authority, memoryAuthority } from '../tls/authority.js'
import { shellWord } from '../tls/certificate-error.js'
import { leafKeys, mintLeaf } from '../tls/leaf.js'
import { startMaildropServer } from './maildrop-server.js'
import { type SampleMessage, sampleMessages } from './messages.js'
import { startVisitors, type VisitorAccount, type Visitors } from './visitor.js'

/** What the demo needs of a running proxy. */
export interface DemoProxy {
  /** Where it listens, in the order of the settings' listeners. */
  readonly addresses: readonly { readonly port: number }[]
  drain(): Promise<void>
  stop(): Promise<void>
}

/** What the demo hands over beside the settings, since no file holds it. */
export interface DemoProxyOptions {
  /** Mints certificates toward clients. */
  readonly authority: Authority
}

export interface DemoOptions {
  readonly log: Logger
  /** Shows a person a text of one or more lines, without the last line's end. */
  readonly print: (text: string) => void
  readonly startProxy: (settings: Settings, log: Logger, options: DemoProxyOptions) => Promise<DemoProxy>
  /** Address of both listeners; 127.0.0.1. */
  readonly host?: string
  /** Preferred port of the plain listener; 1110. Where it is taken, the next free one. */
  readonly plainPort?: number
  /** Preferred port of the POP3S listener; 1995. Where it is taken, the next free one. */
  readonly tlsPort?: number
  /** Between two visitors; 4 s. Null lets none come. */
  readonly visitIntervalMs?: number | null
}

/** A running demo. */
export interface Demo {
  readonly plainPort: number
  readonly tlsPort: number
  /** File with the authority's certificate, gone when the demo ends. */
  readonly certificateFile: string
  /** Ends it after the replies in flight. */
  drain(): Promise<void>
  /** Ends it at once. Harmless when repeated. */
  stop(): Promise<void>
}

/** Both are in the printed commands, so they are no secret. */
const DEMO_ACCOUNT: VisitorAccount = { user: 'demo', password: 'demo' }
const VISITORS: readonly [VisitorAccount, ...VisitorAccount[]] = [
  { user: 'amara', password: 'under the blue pot' },
  { user: 'piet', password: 'the sexton has it' },
  { user: 'edda', password: 'ring at nine' },
]
const HOST = '127.0.0.1'
const SERVER_NAME = 'localhost'
const PLAIN_PORT = 1110
const TLS_PORT = 1995
const VISIT_INTERVAL_MS = 4_000
/** How far to look for a free port before any free one is taken. */
const PORTS_TO_TRY = 20
/** Between finding a free port and listening on it, another program may come first; that often it will not. */
const STARTS_TO_TRY = 3

/**
 * Starts the demo and prints how to try it.
 *
 * @throws whatever the proxy fails with, other than that a port is taken; nothing stays behind then
 */
export async function runDemo(options: DemoOptions): Promise<Demo> {
  const { log, print } = options
  const cleanups: (() => Promise<void>)[] = []
  const cleanUp = async () => {
    for (const clean of cleanups.splice(0).reverse()) await clean()
  }
  try {
    const messages = sampleMessages()
    const authority = memoryAuthority()
    const server = await startServer(authority, messages)
    cleanups.push(() => server.close())
    const directory = await mkdtemp(join(tmpdir(), 'postern-demo-'))
    cleanups.push(() => rm(directory, { recursive: true, force: true }))
    const certificateFile = join(directory, 'authority.crt')
    await writeFile(certificateFile, authority.certificatePem)

    const { proxy, plain, tls } = await startBefore(server.port, options, authority, certificateFile)
    cleanups.push(() => proxy.stop())
    const interval = options.visitIntervalMs === undefined ? VISIT_INTERVAL_MS : options.visitIntervalMs
    const visitors = interval === null ? null : sendVisitors(plain, tls, authority, interval, log)
    if (visitors !== null) cleanups.push(() => visitors.stop())
    print(
      instructions({
        plain,
        tls,
        messages,
        certificateFile,
        fingerprint: authority.certificate.fingerprint256,
        interval,
      }),
    )
    return {
      plainPort: plain.port,
      tlsPort: tls.port,
      certificateFile,
      drain: async () => {
        await visitors?.stop()
        await proxy.drain()
        await cleanUp()
      },
      stop: cleanUp,
    }
  } catch (error) {
    await cleanUp()
    throw error
  }
}

async function startServer(authority: Authority, messages: readonly SampleMessage[]) {
  const leaf = mintLeaf(authority, [SERVER_NAME, HOST], await leafKeys(), new Date())
  return await startMaildropServer({
    host: HOST,
    security: 'tls',
    tls: leaf,
    users: new Map([DEMO_ACCOUNT, ...VISITORS].map(({ user, password }) => [user, password])),
    messages: messages.map(({ octets }) => octets),
  })
}

function sendVisitors(
  plain: Place,
  tls: Place,
  authority: Authority,
  intervalMs: number,
  log: Logger,
): Visitors {
  const common = { host: plain.host, ca: authority.certificatePem, serverName: SERVER_NAME }
  return startVisitors({
    targets: {
      plain: { ...common, port: plain.port, security: 'plain' },
      pop3s: { ...common, port: tls.port, security: 'tls' },
    },
    accounts: VISITORS,
    intervalMs,
    log,
  })
}

/** A listener of the demo, and the port it would rather have had. */
interface Place extends LegUrl {
  readonly preferredPort: number
}

async function startBefore(
  serverPort: number,
  options: DemoOptions,
  authority: Authority,
  certificateFile: string,
): Promise<{ readonly proxy: DemoProxy; readonly plain: Place; readonly tls: Place }> {
  const host = options.host ?? HOST
  for (let attempt = 1; ; attempt += 1) {
    const plain = await findPlace('plain', host, options.plainPort ?? PLAIN_PORT, 0)
    const tls = await findPlace('tls', host, options.tlsPort ?? TLS_PORT, plain.port)
    const settings = settingsOf(serverPort, [plain, tls], certificateFile)
    try {
      const proxy = await options.startProxy(settings, options.log, { authority })
      return { proxy, plain, tls }
    } catch (error) {
      if (attempt === STARTS_TO_TRY || !isTaken(error)) throw error
    }
  }
}

function settingsOf(serverPort: number, listeners: readonly LegUrl[], certificateFile: string): Settings {
  return {
    log: { level: 'info', userNames: true },
    authorityDirectory: dirname(certificateFile),
    write: null,
    control: { type: 'none' },
    metrics: { type: 'none' },
    rules: DEFAULT_RULES,
    services: [
      {
        name: 'demo',
        listeners: listeners.map(({ security, host, port }) => ({
          ...DEFAULT_LISTENER,
          url: { security, host, port },
          names: [SERVER_NAME],
        })),
        upstream: {
          ...DEFAULT_UPSTREAM,
          url: { security: 'tls', host: HOST, port: serverPort },
          name: SERVER_NAME,
          caFile: certificateFile,
        },
        limits: DEFAULT_LIMITS,
        multiLineVerbs: [],
      },
    ],
  }
}

/** Finds a free port from the preferred one on, other than `except`; any free one where all of the next are taken. */
async function findPlace(
  security: 'plain' | 'tls',
  host: string,
  preferredPort: number,
  except: number,
): Promise<Place> {
  const tries = Array.from({ length: PORTS_TO_TRY }, (_, index) => preferredPort + index)
  for (const candidate of preferredPort === 0 ? [] : tries) {
    if (candidate === except || candidate > 65_535) continue
    const port = await tryPort(host, candidate)
    if (port !== null) return { security, host, port, preferredPort }
  }
  return { security, host, port: (await tryPort(host, 0)) ?? 0, preferredPort }
}

/** Listens for a moment. Returns the port, or null where it is taken; other errors are left to the proxy to name. */
async function tryPort(host: string, port: number): Promise<number | null> {
  const server = createServer()
  return await new Promise((resolve) => {
    server.once('error', (error) => resolve(isTaken(error) ? null : port))
    server.listen(port, host, () => {
      const address = server.address()
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : port))
    })
  })
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
}

function instructions(facts: {
  readonly plain: Place
  readonly tls: Place
  readonly messages: readonly SampleMessage[]
  readonly certificateFile: string
  readonly fingerprint: string
  readonly interval: number | null
}): string {
  const { plain, tls, messages } = facts
  const file = shellWord(facts.certificateFile)
  const login = `-u ${DEMO_ACCOUNT.user}:${DEMO_ACCOUNT.password}`
  const hostile = messages.findIndex(({ name }) => name === 'escape-sequences') + 1
  const log =
    facts.interval === null
      ? ''
      : `Every ${facts.interval / 1000} s a visitor fetches mail; the log shows it. `
  return `
The demo is running, on this machine only: a POP3S server with ${messages.length} messages, and postern before it.

  POP3    ${addressOf(plain)}   offers STLS${takenNote(plain)}
  POP3S   ${addressOf(tls)}   TLS from the start${takenNote(tls)}
  login   user ${DEMO_ACCOUNT.user}, password ${DEMO_ACCOUNT.password}

Try it from another terminal. List the maildrop and fetch a message:

  curl -s pop3://${addressOf(plain)}/ ${login}
  curl -s pop3://${addressOf(plain)}/1 ${login}

By STLS, and by POP3S:

  curl -s --ssl-reqd --cacert ${file} pop3://${addressOf(plain)}/2 ${login}
  curl -s --cacert ${file} pop3s://${addressOf(tls)}/2 ${login}

By hand (then type USER demo, PASS demo, LIST, RETR 1, QUIT):

  openssl s_client -quiet -crlf -starttls pop3 -CAfile ${file} -connect ${addressOf(plain)}

Two rules are at work: one tags what comes from outside of example.org with "[external]", the other only
shows which newsletters it would hide.

Messages from ${hostile} on are hostile to terminals: look at them with "| cat -v" behind curl.

The certificates come from an authority made for this run. Its own, without the key, is the file
above until the demo ends; do not install it anywhere. SHA-256 fingerprint:

  ${facts.fingerprint}

${log}Ctrl-C ends the demo.
`
}

function addressOf(place: LegUrl): string {
  return place.host.includes(':') ? `[${place.host}]:${place.port}` : `${place.host}:${place.port}`
}

function takenNote({ port, preferredPort }: Place): string {
  if (preferredPort === 0 || port === preferredPort) return ''
  return ` (${preferredPort} is taken by another program, this is the next free port)`
}
