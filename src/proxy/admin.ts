/**
 * The listener for programs that look after this one: `/metrics`, `/healthz` and `/readyz` over HTTP, on loopback. Owns
 * the bounds on who asks; knows nothing of what it tells. This module alone imports node:http, and is itself imported
 * only where somebody wants metrics.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import { formatMetricsAddress } from '../config/metrics-address.js'
import type { MetricsSettings } from '../config/settings.js'
import { ListenError } from './listen-error.js'

/** Bounds of the admin listener. Whoever asks is on this machine, and needs little. */
export interface AdminLimits {
  /** Octets of one request before its body. */
  readonly headerOctets: number
  /** Connections at one time; one more is closed at once. */
  readonly connections: number
  /** Until a request is whole. */
  readonly requestMs: number
  /** How often that is looked at. */
  readonly checkMs: number
  /** From the connection to its end, however slowly the answer is read. */
  readonly connectionMs: number
  /** How long one text of figures answers all who ask. */
  readonly sharedMs: number
}

export const ADMIN_LIMITS: AdminLimits = {
  // Prometheus sends some 300.
  headerOctets: 8_192,
  // Some Prometheus servers and a probe or two, each for a moment. They fit what `descriptors.ts` reserves.
  connections: 16,
  requestMs: 5_000,
  checkMs: 1_000,
  // Prometheus itself gives up after ten seconds.
  connectionMs: 15_000,
  // Making a text takes milliseconds that sessions wait for: who asks without end shall not take more than a few of them.
  sharedMs: 250,
}

/** What is told. */
export interface AdminFacts {
  /** All figures, in `contentType`. */
  readonly metrics: () => Promise<string>
  readonly contentType: string
  /** Why no session can be served now, one sentence each; empty where they are served. */
  readonly unready: () => readonly string[]
  /** Milliseconds, of whatever epoch. */
  readonly now: () => number
}

/** A listener that serves. */
export interface Admin {
  /** With the real port where 0 was asked for. */
  readonly url: string
  /** Stops at once. */
  close(): void
}

type Address = Extract<MetricsSettings, { type: 'address' }>

interface Answer {
  readonly status: number
  readonly text: string
  readonly headers: Readonly<Record<string, string>>
}

const METHODS = 'GET, HEAD'
const NOT_ALLOWED: Answer = {
  ...plain(405, `only ${METHODS}`),
  headers: { ...plain(405, '').headers, Allow: METHODS },
}
const BROKEN = plain(500, 'this cannot be told now: see the log')
const NO_TUNNEL = `HTTP/1.1 405 Method Not Allowed\r\nAllow: ${METHODS}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`

/**
 * Opens the listener.
 *
 * @throws ListenError naming the address and the cure
 */
export async function openAdmin(
  address: Address,
  facts: AdminFacts,
  log: Logger,
  limits: AdminLimits = ADMIN_LIMITS,
): Promise<Admin> {
  const server = createServer({
    maxHeaderSize: limits.headerOctets,
    headersTimeout: limits.requestMs,
    requestTimeout: limits.requestMs,
    connectionsCheckingInterval: limits.checkMs,
  })
  // One answer a connection: nothing stays open for whoever asks again in a quarter of a minute, and what is sent behind
  // a request costs nothing.
  server.maxRequestsPerSocket = 1
  server.maxConnections = limits.connections
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new ListenError(urlOf(address), error, '--metrics')))
    server.listen({ host: address.host, port: address.port }, resolve)
  })
  const url = urlOf({ ...address, port: portOf(server) ?? address.port })
  const failed = (error: unknown): void => {
    const text = error instanceof Error ? error.message : String(error)
    log.error({ event: 'listener-failed', url, text })
  }
  const desk = new Desk(facts, limits.sharedMs, failed)
  server.on('connection', (socket) => endInTime(socket, limits.connectionMs))
  server.on('request', (request, response) => void serve(desk, request, response))
  server.on('connect', (_request, socket) => socket.end(NO_TUNNEL))
  server.on('error', failed)
  return {
    url,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Finds the answer to a request. */
class Desk {
  readonly #facts: AdminFacts
  readonly #sharedMs: number
  readonly #failed: (error: unknown) => void
  #shared: { readonly at: number; readonly answer: Promise<Answer> } | null = null

  constructor(facts: AdminFacts, sharedMs: number, failed: (error: unknown) => void) {
    this.#facts = facts
    this.#sharedMs = sharedMs
    this.#failed = failed
  }

  /** Never rejects: a question must not end the process that has the mail. */
  async answer(method: string, path: string): Promise<Answer> {
    const find = this.#finder(path)
    if (find === null) return plain(404, 'there are /metrics, /healthz and /readyz')
    if (method !== 'GET' && method !== 'HEAD') return NOT_ALLOWED
    try {
      return await find()
    } catch (error) {
      this.#failed(error)
      return BROKEN
    }
  }

  #finder(path: string): (() => Answer | Promise<Answer>) | null {
    switch (path) {
      case '/metrics':
        return () => this.#metrics()
      case '/healthz':
        // Whoever gets this has seen that the event loop turns.
        return () => plain(200, 'ok')
      case '/readyz':
        return () => this.#readiness()
      default:
        return null
    }
  }

  #readiness(): Answer {
    const problems = this.#facts.unready()
    return problems.length === 0 ? plain(200, 'ready') : plain(503, problems.join('\n'))
  }

  #metrics(): Promise<Answer> {
    const now = this.#facts.now()
    if (this.#shared !== null && now - this.#shared.at < this.#sharedMs) return this.#shared.answer
    const answer = this.#makeMetrics()
    this.#shared = { at: now, answer }
    return answer
  }

  async #makeMetrics(): Promise<Answer> {
    const text = await this.#facts.metrics()
    return { status: 200, text, headers: { 'Content-Type': this.#facts.contentType } }
  }
}

async function serve(desk: Desk, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', url = '' } = request
  const [path = ''] = url.split('?', 1)
  const { status, text, headers } = await desk.answer(method, path)
  const content = Buffer.from(text, 'utf8')
  response.writeHead(status, {
    ...headers,
    'Content-Length': content.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Connection: 'close',
  })
  response.end(method === 'HEAD' ? undefined : content)
}

function plain(status: number, text: string): Answer {
  return { status, text: `${text}\n`, headers: { 'Content-Type': 'text/plain; charset=utf-8' } }
}

function endInTime(socket: Duplex, connectionMs: number): void {
  const timer = setTimeout(() => socket.destroy(), connectionMs)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
}

function urlOf(address: Address): string {
  return `http://${formatMetricsAddress(address)}`
}

function portOf(server: Server): number | null {
  const bound = server.address()
  return bound !== null && typeof bound === 'object' ? bound.port : null
}
