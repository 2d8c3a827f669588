/**
 * A watcher's end of the control socket. Owns the first exchange and that nothing is lost between it and the first
 * listener; knows nothing of what is done with a message.
 */
import { Socket } from 'node:net'
import { JsonLineReader } from '../trace/json-lines.js'
import { decodeFromProxy, encodeMessage, MAXIMUM_LINE_OCTETS } from './coding.js'
import { type FromProxy, type FromWatcher, WATCH_VERSION } from './protocol.js'

/** A proxy that cannot be watched; the message says why and what to do. */
export class WatchError extends Error {
  override readonly name = 'WatchError'
}

/** What a watcher wants to be told. */
export interface WatchWishes {
  /** Octets of each message that passes; 0 for no mail. */
  readonly messageOctets: number
  /** Lines of the log. */
  readonly log: boolean
}

/** Where the proxy is: a control socket, or a descriptor that was inherited from the proxy itself. */
export type WatchAddress = { readonly path: string } | { readonly fd: number }

export interface WatchConnection {
  readonly hello: Extract<FromProxy, { type: 'hello' }>
  /** Sends a message. What cannot be sent is told by the listener of {@link onClosed}. */
  send(message: FromWatcher): void
  /** Hands over all messages behind `hello`, those that came before the call too. Called once. */
  onMessage(listener: (message: FromProxy) => void): void
  /**
   * Tells that nothing more will come. Called once.
   *
   * @param listener `problem` is null where the proxy ended or this side closed
   */
  onClosed(listener: (problem: string | null) => void): void
  close(): void
}

/** How long a proxy may take to say hello. */
const HELLO_MS = 5_000

/**
 * Begins to watch a proxy.
 *
 * @throws {WatchError} where nobody answers, or somebody who is no postern of this version
 */
export async function connectWatcher(address: WatchAddress, wishes: WatchWishes): Promise<WatchConnection> {
  const where = 'path' in address ? address.path : 'the proxy'
  const socket = await connected(address, where)
  const watcher = new Watching(socket)
  watcher.send({ type: 'watch', version: WATCH_VERSION, ...wishes })
  await watcher.greeted(where)
  return watcher
}

async function connected(address: WatchAddress, where: string): Promise<Socket> {
  if ('fd' in address) return new Socket({ fd: address.fd, readable: true, writable: true })
  const socket = new Socket()
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => reject(new WatchError(wordError(error, where))))
    socket.connect({ path: address.path }, resolve)
  })
  socket.removeAllListeners('error')
  return socket
}

function wordError(error: NodeJS.ErrnoException, where: string): string {
  switch (error.code) {
    case 'ENOENT':
      return `${where} does not exist: is postern running, with --control?`
    case 'ECONNREFUSED':
      return `nobody listens at ${where}: the postern that made it is gone`
    case 'EACCES':
      return `${where} belongs to another user: only who runs postern may watch it`
    default:
      return `${where}: ${error.message}`
  }
}

class Watching implements WatchConnection {
  readonly #socket: Socket
  readonly #lines = new JsonLineReader(MAXIMUM_LINE_OCTETS)
  #hello: Extract<FromProxy, { type: 'hello' }> | null = null
  #whenGreeted: (refusal: string | null) => void = () => {}
  #listener: ((message: FromProxy) => void) | null = null
  #waiting: FromProxy[] = []
  #closedListener: ((problem: string | null) => void) | null = null
  #closed: { readonly problem: string | null } | null = null
  #isEnding = false
  #error: string | null = null

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (octets: Buffer) => this.#take(octets))
    socket.on('error', (error) => {
      this.#error = error.message
    })
    socket.on('close', () => this.#end())
  }

  get hello(): Extract<FromProxy, { type: 'hello' }> {
    if (this.#hello === null) throw new Error('not greeted yet')
    return this.#hello
  }

  async greeted(where: string): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const refusal = await new Promise<string | null>((resolve) => {
      this.#whenGreeted = resolve
      timer = setTimeout(() => resolve(`${where} does not answer: is it a postern?`), HELLO_MS)
    })
    clearTimeout(timer)
    if (refusal !== null) {
      this.#socket.destroy()
      throw new WatchError(refusal)
    }
  }

  send(message: FromWatcher): void {
    if (!this.#socket.destroyed) this.#socket.write(encodeMessage(message))
  }

  onMessage(listener: (message: FromProxy) => void): void {
    this.#listener = listener
    const waiting = this.#waiting
    this.#waiting = []
    for (const message of waiting) listener(message)
    this.#socket.resume()
  }

  onClosed(listener: (problem: string | null) => void): void {
    this.#closedListener = listener
    if (this.#closed !== null) listener(this.#closed.problem)
  }

  close(): void {
    this.#isEnding = true
    this.#socket.end()
    // A stopped proxy takes no end; nobody waits for it.
    this.#socket.destroySoon()
  }

  #take(octets: Buffer): void {
    for (const line of this.#lines.push(octets)) {
      const message = line.type === 'value' ? decodeFromProxy(line.value) : null
      // A newer proxy may say more than this watcher knows.
      if (message !== null) this.#receive(message)
    }
    if (this.#hello === null && this.#lines.isTooLong) this.#socket.destroy()
  }

  #receive(message: FromProxy): void {
    if (this.#hello === null) {
      this.#greet(message)
      return
    }
    if (message.type === 'ending') this.#isEnding = true
    if (this.#listener !== null) this.#listener(message)
    else {
      this.#waiting.push(message)
      // Nobody listens yet: the rest waits in the socket, where the proxy bounds it.
      this.#socket.pause()
    }
  }

  #greet(message: FromProxy): void {
    if (message.type === 'done') {
      this.#whenGreeted(message.problem ?? 'the proxy takes no watcher')
    } else if (message.type === 'hello') {
      if (message.version !== WATCH_VERSION) {
        this.#whenGreeted(
          `${message.program} speaks version ${message.version} of the watch protocol and this postern version ${WATCH_VERSION}: use the same postern on both sides`,
        )
        return
      }
      this.#hello = message
      this.#whenGreeted(null)
    }
  }

  #end(): void {
    if (this.#closed !== null) return
    const isLost = !this.#isEnding
    this.#closed = {
      problem: isLost
        ? `the proxy is gone without a word${this.#error === null ? '' : ` (${this.#error})`}`
        : null,
    }
    this.#whenGreeted('the proxy closed the connection before it said hello')
    this.#closedListener?.(this.#closed.problem)
  }
}
