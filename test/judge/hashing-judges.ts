/**
 * Judges of every kind that find nothing but the SHA-256 of what they heard: whoever asks sees whether each octet has
 * arrived. They may answer early, or read nothing. Owns their sockets and programs; knows nothing of what is right.
 */
import { createHash } from 'node:crypto'
import { createServer as createHttpServer } from 'node:http'
import type { Socket } from 'node:net'
import type { JudgeHow } from '../../src/rules/judge-settings.js'
import { listening, type StandIn, standIn } from './stand-ins.js'

export const KINDS = ['clamd', 'spamd', 'rspamd', 'http', 'command'] as const
export type Kind = (typeof KINDS)[number]

/** What such a judge does. */
export type Manner =
  | 'reads-all'
  /** Answers and closes as soon as it has some of the message. Its finding is `enough`. */
  | 'answers-early'
  /** Never takes an octet of the message, as far as it can. */
  | 'deaf'

export interface HashingJudge {
  readonly how: JudgeHow
  /** Octets of the message that it has read; null for a program, of which nobody knows. */
  readonly taken: number | null
  /** Messages that it has heard to their end. */
  readonly whole: number
  /** Connections that are open; 0 for a program. */
  readonly open: number
  stop(): Promise<void>
}

export async function hashingJudge(kind: Kind, manner: Manner = 'reads-all'): Promise<HashingJudge> {
  if (kind === 'command') return program(manner)
  const heard = new Heard()
  const server = await (kind === 'clamd'
    ? standIn((socket) => asClamd(socket, heard, manner))
    : kind === 'spamd'
      ? standIn((socket) => asSpamd(socket, heard, manner))
      : httpServer(kind, heard, manner))
  const url = `http://127.0.0.1:${server.port}`
  const address = { host: '127.0.0.1', port: server.port }
  const hows: Record<typeof kind, JudgeHow> = {
    clamd: { type: 'clamd', address },
    spamd: { type: 'spamd', address, user: null },
    rspamd: { type: 'rspamd', url, password: null },
    http: { type: 'http', url, headers: {} },
  }
  return {
    how: hows[kind],
    get taken() {
      return heard.octets
    },
    get whole() {
      return heard.whole
    },
    get open() {
      return server.open
    },
    stop: () => server.stop(),
  }
}

function program(manner: Manner): HashingJudge {
  const scripts: Record<Manner, string> = {
    'reads-all': 'sha256sum | cut -c 1-64; exit 1',
    'answers-early': 'head -c 1000 >/dev/null; echo enough; exit 1',
    deaf: 'sleep 600',
  }
  return {
    how: { type: 'command', program: '/bin/sh', arguments: ['-c', scripts[manner]], writes: 'finding' },
    taken: null,
    whole: 0,
    open: 0,
    stop: async () => {},
  }
}

/** What all have said, counted. */
class Heard {
  octets = 0
  whole = 0
}

/** What one has said. */
class Hearing {
  readonly #heard: Heard
  readonly #hash = createHash('sha256')
  octets = 0

  constructor(heard: Heard) {
    this.#heard = heard
  }

  add(octets: Buffer): void {
    this.octets += octets.length
    this.#heard.octets += octets.length
    this.#hash.update(octets)
  }

  /** @returns the finding */
  end(): string {
    this.#heard.whole += 1
    return this.#hash.digest('hex')
  }
}

/** Reads chunks behind their lengths; see clamd(8). */
function asClamd(socket: Socket, heard: Heard, manner: Manner): void {
  if (manner === 'deaf') return
  const hearing = new Hearing(heard)
  let rest = Buffer.alloc(0)
  let isBegun = false
  const say = (finding: string): unknown => socket.end(`stream: ${finding} FOUND\0`)
  socket.on('data', (octets) => {
    if (socket.writableEnded) return
    rest = Buffer.concat([rest, octets])
    if (!isBegun) {
      if (rest.length < 10) return
      isBegun = true
      rest = rest.subarray(10)
    }
    if (manner === 'answers-early') return say('enough')
    for (;;) {
      if (rest.length < 4) return
      const length = rest.readUInt32BE()
      if (length === 0) return say(hearing.end())
      if (rest.length < 4 + length) return
      hearing.add(rest.subarray(4, 4 + length))
      rest = rest.subarray(4 + length)
    }
  })
}

function asSpamd(socket: Socket, heard: Heard, manner: Manner): void {
  if (manner === 'deaf') return
  const say = (finding: string): unknown =>
    socket.end(
      `SPAMD/1.1 0 EX_OK\r\nContent-length: ${finding.length}\r\nSpam: True ; 9.0 / 5.0\r\n\r\n${finding}`,
    )
  const hearing = new Hearing(heard)
  let head: Buffer | null = Buffer.alloc(0)
  let wanted = 0
  socket.on('data', (octets) => {
    let body: Buffer = octets
    if (head !== null) {
      const before: Buffer = Buffer.concat([head, octets])
      const end = before.indexOf('\r\n\r\n')
      if (end === -1) {
        head = before
        return
      }
      wanted = Number(/Content-length: (\d+)/.exec(before.toString('latin1', 0, end))?.[1])
      head = null
      body = before.subarray(end + 4)
      if (manner === 'answers-early') say('enough')
    }
    hearing.add(body)
  })
  socket.on('end', () => {
    if (manner === 'reads-all' && hearing.octets === wanted) say(hearing.end())
  })
}

async function httpServer(kind: 'rspamd' | 'http', heard: Heard, manner: Manner): Promise<StandIn> {
  const answer = (finding: string): string =>
    kind === 'http'
      ? JSON.stringify({ verdict: 'bad', finding })
      : JSON.stringify({ action: 'reject', score: 9, symbols: { [finding]: { score: 9 } } })
  const server = createHttpServer((request, response) => {
    request.on('error', () => {})
    response.on('error', () => {})
    if (manner === 'deaf') return
    // A body of unknown length is not what every judge takes.
    if (request.headers['transfer-encoding'] !== undefined) {
      response.writeHead(411).end()
      return
    }
    const hearing = new Hearing(heard)
    request.on('data', (octets: Buffer) => hearing.add(octets))
    request.on('end', () => {
      if (manner === 'reads-all') response.end(answer(hearing.end()))
    })
    if (manner === 'answers-early') response.end(answer('enough'))
  })
  return await listening(server)
}
