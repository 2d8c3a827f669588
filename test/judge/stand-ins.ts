/**
 * Judges that are none: servers on loopback that answer as a test says, and what tests ask them with. Owns their
 * sockets; knows nothing of what is right.
 */
import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { JudgedSession, Judges } from '../../src/judge/judge.js'
import { createJudges, type JudgesOptions } from '../../src/judge/judges.js'
import { inMemory, type MessageSource } from '../../src/mail/source.js'
import type { JudgeHow, JudgeSettings } from '../../src/rules/judge-settings.js'
import type { JudgeAnswer, JudgeFailure } from '../../src/rules/verdict.js'
import { until } from '../support/tools.js'

export const ABOUT: JudgedSession = {
  session: 'c41f-7',
  client: '192.0.2.7',
  user: 'anna@example.org',
  service: 'pop3',
}

export const MESSAGE = Buffer.from('From: a@example.org\r\nSubject: hello\r\n\r\nSome text.\r\n')

/** A judge's settings with a budget that no honest answer on loopback outstays. */
export function settings(how: JudgeHow, changed: Partial<JudgeSettings> = {}): JudgeSettings {
  return { name: 'j', budgetMs: 20_000, atOnce: 4, mostOctets: 50_000_000, how, ...changed }
}

/** One judge, asked one question; closed behind it. */
export async function askOnce(
  how: JudgeHow,
  { message = MESSAGE, about = ABOUT, changed = {}, options = {} }: AskOptions = {},
): Promise<JudgeAnswer | JudgeFailure> {
  const judges = createJudges([settings(how, changed)], options)
  try {
    return await askFor('j', judges, message, about)
  } finally {
    judges.close()
  }
}

export interface AskOptions {
  readonly message?: Buffer | MessageSource
  readonly about?: JudgedSession
  readonly changed?: Partial<JudgeSettings>
  readonly options?: JudgesOptions
}

/** The answer of one judge of many. */
export async function askFor(
  name: string,
  judges: Judges,
  message: Buffer | MessageSource = MESSAGE,
  about: JudgedSession = ABOUT,
): Promise<JudgeAnswer | JudgeFailure> {
  const source = Buffer.isBuffer(message) ? inMemory(message) : message
  const answer = (await judges.ask([name], source, about)).get(name)
  if (answer === undefined) throw new Error(`no answer of "${name}"`)
  return answer
}

/** A server that is no judge. */
export interface StandIn {
  readonly port: number
  /** Connections since it was started. */
  readonly connections: number
  /** Connections that postern has not closed. */
  readonly open: number
  stop(): Promise<void>
}

/** Listens on 127.0.0.1, or on a Unix socket, and leaves each connection to the test. */
export async function standIn(behave: (socket: Socket) => void, path?: string): Promise<StandIn> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    behave(socket)
  })
  return await listening(server, path)
}

/** Collects what comes until it ends with something, then answers and closes. */
export function answering(
  end: string | Buffer,
  answer: string | Buffer,
  heard?: (question: Buffer) => void,
): (socket: Socket) => void {
  return (socket) => {
    let question = Buffer.alloc(0)
    socket.on('data', (octets) => {
      question = Buffer.concat([question, octets])
      if (!question.subarray(-Buffer.byteLength(end)).equals(Buffer.from(end))) return
      heard?.(question)
      socket.end(answer)
    })
  }
}

/** Listens for HTTP on 127.0.0.1; the test gets each request with its whole body. */
export async function httpStandIn(
  behave: (request: IncomingMessage, body: Buffer, response: ServerResponse) => void,
): Promise<StandIn> {
  const server = createHttpServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (octets: Buffer) => pieces.push(octets))
    request.on('end', () => behave(request, Buffer.concat(pieces), response))
    request.on('error', () => {})
    response.on('error', () => {})
  })
  return await listening(server)
}

/** Listens on 127.0.0.1 or a Unix socket, and counts connections. */
export async function listening(server: Server, path?: string): Promise<StandIn> {
  const sockets = new Set<Socket>()
  const closed = new WeakSet<Socket>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('end', () => closed.add(socket))
    socket.on('close', () => sockets.delete(socket))
  })
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  const address = server.address()
  return {
    port: isPort(address) ? address.port : 0,
    get connections() {
      return connections
    },
    get open() {
      return [...sockets].filter((socket) => !closed.has(socket)).length
    },
    async stop() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function isPort(address: AddressInfo | string | null): address is AddressInfo {
  return address !== null && typeof address === 'object'
}

const HELD = ['TCPSocketWrap', 'TCPConnectWrap', 'PipeWrap', 'PipeConnectWrap', 'ProcessWrap', 'Timeout']

/** What keeps this process alive and was not there before. */
export function resources(): readonly string[] {
  return process.getActiveResourcesInfo().filter((name) => HELD.includes(name))
}

/** Waits until nothing is left of what was begun since `before` was taken by {@link resources}. */
export async function nothingLeft(before: readonly string[]): Promise<void> {
  let now: readonly string[] = []
  // The look every few milliseconds is a timer itself while it waits, and none while it looks.
  await until('sockets, timers and processes to be gone', () => {
    now = resources()
    return now.length <= before.length
  }).catch((error: unknown) => {
    throw new Error(`still there: ${now.join(' ')}, before: ${before.join(' ')}`, { cause: error })
  })
}
