/**
 * The running proxy: listeners, the sessions they accept, and what happens to all of them at once (reload,
 * drain, stop, the passing of time). Decides nothing within a session.
 */
import { randomBytes } from 'node:crypto'
import * as net from 'node:net'
import type { Logger } from 'pino'
import type { ListenerSettings, ServiceSettings, Settings } from '../config/settings.js'
import { formatLegUrl } from '../config/url.js'
import { encodeStatusLine } from '../pop3/encoder.js'
import { NO_INTERCEPTOR } from '../relay/interception.js'
import type { Authority } from '../tls/authority.js'
import { ClientTls } from '../tls/toward-client.js'
import { ServerTls } from '../tls/toward-server.js'
import type { TraceEvent } from '../trace/event.js'
import type { Feed } from '../trace/feed.js'
import { Admission } from './admission.js'
import type { Breakpoints } from './breakpoints.js'
import { Connection, clock } from './connection.js'
import { sessionsThatFit } from './descriptors.js'
import type { History } from './history.js'
import { ListenError } from './listen-error.js'
import type { Metrics } from './metrics.js'
import { Monitoring } from './monitoring.js'
import type { RulesInForce } from './rules-in-force.js'
import { logTraceEvent, type SessionFacts } from './session-log.js'

/** What the proxy takes beside its settings. */
export interface ProxyOptions {
  /** Mints certificates toward clients where a listener has none of its own; null mints none. */
  readonly authority: Authority | null
  readonly feed: Feed
  /** Receives TLS secrets in the format of SSLKEYLOGFILE; null where nobody asked for them. */
  readonly onKeyLog: ((line: Buffer) => void) | null
  /** What is held, and where it is told; without it nothing ever is. */
  readonly breakpoints?: Breakpoints
  /** The rules that sessions get; without it there are none. */
  readonly rules?: RulesInForce
  /** Keeps what happens for those who watch later; without it nothing is kept. */
  readonly history?: History
  /** Of this program, for those who ask for metrics. */
  readonly version?: string
}

/** Where a listener really listens. */
export interface ListeningAddress {
  readonly service: string
  /** With the real port where 0 was asked for. */
  readonly url: string
  readonly host: string
  readonly port: number
}

export interface Proxy {
  readonly addresses: readonly ListeningAddress[]
  /** Where metrics are served, as `http://127.0.0.1:9110`; null where they are not. */
  readonly metricsUrl: string | null
  /** Sessions that are open. */
  readonly sessions: number
  /**
   * Sends a command of a person's own in a session; its reply never reaches the client.
   *
   * @param line without line end
   * @returns why it was not taken, in one line for that person; null where it was
   */
  send(session: string, line: string): Promise<string | null>
  /** Ends a session at once. Returns why not, null where it was done. */
  kill(session: string): string | null
  /**
   * Takes new settings for the connections to come. Sessions that are open keep theirs.
   *
   * @throws ListenError or CertificateError, with nothing changed
   */
  reload(settings: Settings): Promise<void>
  /** Stops accepting, lets replies in flight finish, and ends. The caller bounds the time, with {@link stop}. */
  drain(): Promise<void>
  /** Drops everything at once. */
  stop(): Promise<void>
}

/** How often deadlines are looked at. */
const TICK_MS = 250
/** Connections the system may hold for us before they are accepted. */
const BACKLOG = 511

/** What only a session without rules would hear. */
const NOBODY_TO_ASK = { type: 'failed', text: 'there are no rules' } as const

/** One service's settings in use: what a new session is made of. */
interface Route {
  readonly service: ServiceSettings
  readonly listener: ListenerSettings
  readonly listenerUrl: string
  readonly serverUrl: string
  readonly clientTls: ClientTls | null
  readonly serverTls: ServerTls | null
  readonly multiLineVerbs: ReadonlySet<string>
  readonly admission: Admission
  readonly showsUserNames: boolean
  readonly keepsClientsAlive: boolean
}

interface Listener {
  readonly key: string
  readonly server: net.Server
  readonly address: ListeningAddress
  route: Route
}

/**
 * Opens all listeners.
 *
 * @throws ListenError naming the address and the cure; CertificateError for certificates; nothing stays open
 */
export async function startProxy(settings: Settings, log: Logger, options: ProxyOptions): Promise<Proxy> {
  const proxy = new RunningProxy(log, options)
  await proxy.open(settings)
  return proxy
}

class RunningProxy implements Proxy {
  readonly #log: Logger
  readonly #options: ProxyOptions
  readonly #listeners = new Map<string, Listener>()
  readonly #connections = new Map<Connection, Route>()
  readonly #admissions = new Map<string, Admission>()
  readonly #sessionPrefix = randomBytes(3).toString('hex')
  readonly #byId = new Map<string, Connection>()
  /** Commands of watchers that were given to a session and not answered for yet. */
  readonly #sent = new Map<string, (problem: string | null) => void>()
  #sendCount = 0
  readonly #ticker: NodeJS.Timeout
  readonly #monitoring: Monitoring
  #sessionCount = 0
  #isDraining = false
  #whenEmpty: (() => void) | null = null

  constructor(log: Logger, options: ProxyOptions) {
    this.#log = log
    this.#options = options
    this.#ticker = setInterval(() => this.#tick(), TICK_MS)
    const { authority, breakpoints, version = 'unknown' } = options
    const isMessage = ({ kind }: { readonly kind: string }): boolean => kind === 'message'
    this.#monitoring = new Monitoring(
      {
        version,
        authority,
        openSessions: () => this.#openSessions(),
        heldMessages: () => breakpoints?.held.filter(isMessage).length ?? 0,
        unready: () => this.#unready(),
        now: clock,
      },
      log,
    )
  }

  get addresses(): readonly ListeningAddress[] {
    return [...this.#listeners.values()].map(({ address }) => address)
  }

  get metricsUrl(): string | null {
    return this.#monitoring.url
  }

  get sessions(): number {
    return this.#connections.size
  }

  send(session: string, line: string): Promise<string | null> {
    const connection = this.#byId.get(session)
    if (connection === undefined) return Promise.resolve('the session is over')
    this.#sendCount += 1
    const id = `send-${this.#sendCount}`
    return new Promise((resolve) => {
      this.#sent.set(id, resolve)
      // A command has the octets that were typed; what is no ASCII is the server's to judge.
      connection.send(id, Buffer.from(line, 'utf8'))
    })
  }

  kill(session: string): string | null {
    const connection = this.#byId.get(session)
    if (connection === undefined) return 'the session is over'
    connection.destroy()
    return null
  }

  async open(settings: Settings): Promise<void> {
    try {
      await this.reload(settings)
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async reload(settings: Settings): Promise<void> {
    // Whatever can fail comes first; then the change is made in one go.
    const monitoring = await this.#monitoring.prepare(settings.metrics)
    const opened: Listener[] = []
    let routes: ReadonlyMap<string, Route>
    try {
      routes = await this.#routes(settings, monitoring.metrics)
      for (const [key, route] of routes) {
        if (!this.#listeners.has(key)) opened.push(await this.#listen(key, route))
      }
    } catch (error) {
      monitoring.cancel()
      for (const { server } of opened) server.close()
      throw error
    }
    monitoring.commit()
    for (const [key, listener] of this.#listeners) {
      const route = routes.get(key)
      if (route !== undefined) listener.route = { ...route, listenerUrl: listener.address.url }
      else {
        listener.server.close()
        this.#listeners.delete(key)
        this.#log.info({ event: 'listening-ended', url: listener.address.url })
      }
    }
    for (const listener of opened) {
      this.#listeners.set(listener.key, listener)
      this.#log.info({ event: 'listening', service: listener.address.service, url: listener.address.url })
    }
    const fit = sessionsThatFit()
    const wanted = settings.services.reduce((sum, { limits }) => sum + limits.sessions, 0)
    if (fit < wanted)
      this.#log.warn({ event: 'few-descriptors', sessions: fit, wanted, hint: 'raise `ulimit -n`' })
    for (const { server } of this.#listeners.values()) if (Number.isFinite(fit)) server.maxConnections = fit
  }

  async drain(): Promise<void> {
    this.#isDraining = true
    this.#closeListeners()
    for (const connection of this.#connections.keys()) connection.drain()
    await this.#untilEmpty()
    await this.stop()
  }

  async stop(): Promise<void> {
    clearInterval(this.#ticker)
    this.#closeListeners()
    for (const connection of [...this.#connections.keys()]) connection.destroy()
    await this.#untilEmpty()
    // Last of all: until then somebody may want to see how far the drain has got.
    this.#monitoring.close()
  }

  #untilEmpty(): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const before = this.#whenEmpty
      this.#whenEmpty = () => {
        before?.()
        resolve()
      }
    })
  }

  #closeListeners(): void {
    for (const { server } of this.#listeners.values()) server.close()
    this.#listeners.clear()
  }

  async #routes(settings: Settings, metrics: Metrics | null): Promise<ReadonlyMap<string, Route>> {
    const { authority } = this.#options
    const timed = authority === null ? null : (metrics?.timed(authority) ?? authority)
    const routes = new Map<string, Route>()
    for (const service of settings.services) {
      const { url } = service.upstream
      const serverTls = url.security === 'plain' ? null : ServerTls.create(service.upstream)
      for (const [index, listener] of service.listeners.entries()) {
        routes.set(listenerKey(service, listener, index), {
          service,
          listener,
          listenerUrl: formatLegUrl(listener.url),
          serverUrl: formatLegUrl(url),
          clientTls: await this.#clientTls(listener, timed),
          serverTls,
          multiLineVerbs: new Set(service.multiLineVerbs),
          admission: this.#admissionOf(service.name),
          showsUserNames: settings.log.userNames,
          keepsClientsAlive: settings.rules.keepsClientsAlive,
        })
      }
    }
    return routes
  }

  /** A plain listener without certificate and authority offers no STLS; the other kinds cannot do without. */
  async #clientTls(listener: ListenerSettings, authority: Authority | null): Promise<ClientTls | null> {
    const hasCertificate = listener.certificates.length > 0 || authority !== null
    const canDoWithout = listener.url.security === 'plain'
    if (canDoWithout && !(listener.offerStls && hasCertificate)) return null
    const clientTls = await ClientTls.create(listener, authority)
    const url = formatLegUrl(listener.url)
    for (const text of clientTls.warnings) this.#log.warn({ event: 'certificate-warning', url, text })
    if (listener.oldTls) {
      const text =
        'TLS 1.0 and 1.1 are accepted here: they are broken, use this for programs that know nothing newer'
      this.#log.warn({ event: 'old-tls', url, text })
    }
    return clientTls
  }

  #admissionOf(service: string): Admission {
    const admission = this.#admissions.get(service) ?? new Admission()
    this.#admissions.set(service, admission)
    return admission
  }

  async #listen(key: string, route: Route): Promise<Listener> {
    const { url } = route.listener
    const highWaterMark = route.service.limits.socketBufferOctets
    const server = net.createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true, highWaterMark })
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(new ListenError(route.listenerUrl, error)))
      server.listen({ host: url.host, port: url.port, backlog: BACKLOG }, resolve)
    })
    const bound = server.address()
    const port = bound !== null && typeof bound === 'object' ? bound.port : url.port
    const address = { service: route.service.name, url: formatLegUrl({ ...url, port }), host: url.host, port }
    const listener: Listener = { key, server, address, route: { ...route, listenerUrl: address.url } }
    server.on('connection', (socket) => this.#accept(socket, listener.route))
    server.on('drop', () => {
      this.#monitoring.metrics?.turnedAway(address.url, 'dropped')
      this.#log.warn({ event: 'connection-dropped', url: address.url, text: 'no descriptors left' })
    })
    server.on('error', (error) =>
      this.#log.error({ event: 'listener-failed', url: address.url, text: error.message }),
    )
    return listener
  }

  #accept(socket: net.Socket, route: Route): void {
    const address = socket.remoteAddress ?? ''
    const limits = route.service.limits
    const refusal = route.admission.enter(address, limits, this.#handshakesOf(route))
    if (refusal !== null) {
      this.#refuse(socket, route, address, refusal)
      return
    }
    const client = net.isIPv6(address)
      ? `[${address}]:${socket.remotePort}`
      : `${address}:${socket.remotePort}`
    const facts: SessionFacts = {
      service: route.service.name,
      listener: route.listenerUrl,
      client,
      server: route.serverUrl,
      clientTls: null,
      serverTls: null,
    }
    this.#sessionCount += 1
    const session = `${this.#sessionPrefix}-${this.#sessionCount.toString(36)}`
    const { feed, onKeyLog, breakpoints } = this.#options
    let user: string | null = null
    const ruled =
      this.#options.rules?.forSession({ session, service: facts.service, client, user: () => user }) ?? null
    const trace = this.#tracer(facts)
    const { url } = route.service.upstream
    const connection = new Connection(socket, {
      relay: {
        sessionId: session,
        service: facts.service,
        listener: facts.listener,
        client,
        server: facts.server,
        clientLeg: {
          security: route.listener.url.security,
          offersStls:
            route.clientTls !== null && (route.listener.offerStls || route.listener.url.security === 'stls'),
        },
        serverLeg: url.security,
        limits,
        multiLineVerbs: route.multiLineVerbs,
        showsUserNames: route.showsUserNames,
        attention: feed.attention,
        interceptor: breakpoints ?? NO_INTERCEPTOR,
        rules: ruled?.rules ?? null,
        keepsClientAlive: route.keepsClientsAlive,
        spool: ruled === null ? null : { room: ruled.spoolRoom },
      },
      spoolFolder: ruled?.spoolFolder ?? null,
      serverHost: url.host,
      serverPort: url.port,
      clientTls: route.clientTls,
      serverTls: route.serverTls,
      onHold: (item) => breakpoints?.holds(item, (answer) => connection.answerHold(item.hold, answer)),
      onUnhold: (hold) => breakpoints?.releases(hold),
      onSendAnswered: (id, problem) => {
        this.#sent.get(id)?.(problem)
        this.#sent.delete(id)
      },
      ask: (question, message) => ruled?.ask(question, message) ?? Promise.resolve(NOBODY_TO_ASK),
      onNotify: (about) => ruled?.notify(about),
      onTrace: (event) => {
        if (event.content.type === 'logged-in') {
          user = event.content.user
          ruled?.loggedIn()
        }
        trace(event)
      },
      onClosed: () => {
        this.#connections.delete(connection)
        this.#byId.delete(session)
        breakpoints?.left(session)
        ruled?.leave()
        route.admission.leave(address)
        if (this.#connections.size === 0) this.#whenEmpty?.()
      },
      onKeyLog,
    })
    breakpoints?.entered(session, facts)
    this.#byId.set(session, connection)
    this.#connections.set(connection, route)
    connection.start()
  }

  /** Where each event of a session goes: the log, the history, the metrics, the feed. */
  #tracer(facts: SessionFacts): (event: TraceEvent) => void {
    const { feed, history, rules } = this.#options
    const log = this.#log
    const hits = rules?.hits
    const kept = history?.open() ?? null
    const meter = this.#monitoring.metrics?.session(facts.listener) ?? null
    return (event) => {
      if (event.content.type === 'tls-established') {
        if (event.content.side === 'client') facts.clientTls = event.content.tls
        else facts.serverTls = event.content.tls
      }
      if (event.content.type === 'rule-hit') hits?.add(event)
      logTraceEvent(log, facts, event)
      kept?.add(event)
      meter?.add(event)
      feed.publish(event)
    }
  }

  #handshakesOf(route: Route): number {
    if (route.clientTls === null) return 0
    // Counting is as dear as the sessions are many, so it is done only where the bound could be reached.
    if (this.#connections.size < route.service.limits.handshakes) return 0
    let count = 0
    for (const [connection, { service }] of this.#connections) {
      if (service === route.service && connection.isInHandshake) count += 1
    }
    return count
  }

  #openSessions(): ReadonlyMap<string, number> {
    const counts = new Map([...this.#listeners.values()].map(({ address }) => [address.url, 0]))
    for (const { listenerUrl } of this.#connections.values())
      counts.set(listenerUrl, (counts.get(listenerUrl) ?? 0) + 1)
    return counts
  }

  /** Why no session can be served now, one sentence each. */
  #unready(): readonly string[] {
    if (this.#isDraining) return ['postern is ending: open sessions finish, new ones are not taken']
    if (this.#listeners.size === 0) return ['no address is listened on']
    const now = new Date()
    return [...this.#listeners.values()].flatMap(({ address: { url }, route: { clientTls } }) =>
      (clientTls?.dateProblems(now) ?? []).map((problem) => `${url}: ${problem}`),
    )
  }

  /** RFC 3206: SYS/TEMP, so that the client tries again and does not ask for a new password. */
  #refuse(socket: net.Socket, route: Route, address: string, reason: string): void {
    this.#monitoring.metrics?.turnedAway(route.listenerUrl, 'refused')
    this.#log.warn({
      event: 'session-refused',
      service: route.service.name,
      client: address,
      code: 'POSTERN_LIMIT',
      text: reason,
    })
    socket.on('error', () => {})
    if (route.listener.url.security === 'tls') socket.destroy()
    else {
      socket.end(encodeStatusLine('-ERR', 'SYS/TEMP', `postern: ${reason}; try again later`), () =>
        socket.destroy(),
      )
    }
  }

  #tick(): void {
    const now = clock()
    for (const connection of this.#connections.keys()) connection.tick(now)
  }
}

/** What stays the same over a reload. Port 0 asks for any free port, so several listeners may share it. */
function listenerKey(service: ServiceSettings, { url }: ListenerSettings, index: number): string {
  const address = `${url.host} ${url.port}`
  return url.port === 0 ? `${address} ${service.name} ${index}` : address
}
