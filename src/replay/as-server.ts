/**
 * Serves a recorded session to clients under test: the sockets and timers around {@link StandIn}. Owns addresses,
 * TLS, pace and bounds; knows nothing of what the octets mean.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { Limits } from '../pop3/limits.js'
import type { SessionRecord } from '../sessions/session-record.js'
import { StandIn, type StandInEffect } from './stand-in.js'

/** How a recording is served. */
export interface ReplayServerOptions {
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  /** Chain and key in PEM for POP3S; null for plain POP3. */
  readonly tls: { readonly cert: string; readonly key: string } | null
  /** Answers take as long as the server took. */
  readonly keepsTime: boolean
  readonly limits: Limits
  /** Tells what a client asked and where the answer came from. */
  readonly onNote: (client: string, text: string) => void
}

/** A recording that is being served. */
export interface ReplayServer {
  readonly port: number
  close(): Promise<void>
}

/** Longest wait between a command and its answer, whatever was recorded. */
const LONGEST_DELAY_MS = 600_000

/**
 * Begins to serve; each client meets the recording from its beginning.
 *
 * @throws the system's error where the address cannot be listened on
 */
export async function serveRecording(
  record: SessionRecord,
  options: ReplayServerOptions,
): Promise<ReplayServer> {
  const sockets = new Set<Socket>()
  const accept = (socket: Socket): void => {
    if (sockets.size >= options.limits.sessions) {
      socket.destroy()
      return
    }
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    serve(socket, record, options)
  }
  const server =
    options.tls === null
      ? createServer({ noDelay: true }, accept)
      : createTlsServer({ ...options.tls, ALPNProtocols: ['pop3'] }, accept)
  await listen(server, options)
  const address = server.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function listen(server: Server, { host, port }: ReplayServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      // A client whose handshake fails is no reason to end.
      server.on('error', () => {})
      resolve()
    })
  })
}

function serve(socket: Socket, record: SessionRecord, options: ReplayServerOptions): void {
  const client = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`
  const standIn = new StandIn(record, options.limits)
  // Answers keep their order, so each waits for the one before.
  let turn = Promise.resolve()
  const perform = (effects: readonly StandInEffect[]): void => {
    for (const effect of effects) {
      if (effect.type === 'note') options.onNote(client, effect.text)
      else turn = turn.then(() => performOne(socket, effect, options.keepsTime))
    }
  }
  socket.setTimeout(options.limits.idleMs, () => socket.destroy())
  socket.on('error', () => {
    // What follows is 'close'; a client under test may leave as it likes.
  })
  socket.on('data', (octets: Buffer) => {
    // One piece at a time: a client that sends faster than it reads waits, and nothing gathers here.
    socket.pause()
    perform(standIn.handle(octets))
    turn = turn.then(() => void socket.resume())
  })
  perform(standIn.greet())
}

async function performOne(
  socket: Socket,
  effect: Exclude<StandInEffect, { type: 'note' }>,
  keepsTime: boolean,
): Promise<void> {
  if (socket.destroyed) return
  if (effect.type === 'end') {
    socket.end()
    return
  }
  if (keepsTime && effect.afterMs > 0) await passed(Math.min(effect.afterMs, LONGEST_DELAY_MS), socket)
  if (socket.destroyed) return
  // One packet for a reply: some clients need its end in one read.
  socket.cork()
  const takesMore = effect.octets.map((octets) => socket.write(octets)).every((taken) => taken)
  socket.uncork()
  if (!takesMore) await drained(socket)
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.on('drain', done)
    socket.on('close', done)
  })
}

function passed(milliseconds: number, socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      socket.off('close', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    socket.on('close', done)
  })
}
