/**
 * A POP3 client for tests that have to know every octet: a socket, lines, multi-line responses as Buffers, STLS.
 * Understands nothing of what it carries and repairs nothing.
 */
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { within } from './tools.js'

const CRLF = Buffer.from('\r\n')
const TERMINATION = Buffer.from('\r\n.\r\n')

/** How a client protects its leg: not at all, by STLS (RFC 2595 §4), by TLS from the start (RFC 8314 §3). */
export type ClientSecurity = 'plain' | 'stls' | 'tls'

export interface ClientOptions {
  readonly port: number
  readonly security: ClientSecurity
  /** PEM of the only authority to trust; without effect on a plain session. */
  readonly ca: string | Buffer
}

export class Pop3Client {
  #socket: Socket | TLSSocket
  #received: Buffer = Buffer.alloc(0)
  #chunks: Buffer[] = []
  #ended = false
  #wake: () => void = () => {}
  #ignore: () => void = () => {}

  constructor(socket: Socket | TLSSocket) {
    this.#socket = socket
    this.#listen()
  }

  /** Octets that have arrived and were not asked for yet. */
  get waiting(): Buffer {
    return this.#joined()
  }

  /** Sends octets as they are, in one write. */
  write(octets: Buffer | string): void {
    this.#socket.write(octets)
  }

  /** Sends one command and resolves to the line that answers it, without its CRLF. */
  async command(line: string): Promise<string> {
    this.write(`${line}\r\n`)
    return await this.line()
  }

  /** Sends one command and resolves to its status line and its content, both octet for octet. */
  async multiLine(line: string): Promise<{ status: string; content: Buffer }> {
    const status = await this.command(line)
    if (!status.startsWith('+OK')) throw new Error(`${line} was answered by ${status}`)
    return { status, content: await this.content() }
  }

  /** Resolves to the next line, without its CRLF, in latin1. */
  async line(): Promise<string> {
    const end = await this.#find(CRLF, 'a line')
    return this.#take(end + 2)
      .subarray(0, end)
      .toString('latin1')
  }

  /** Resolves to the content of a multi-line response: byte-stuffed, up to and including the termination octets. */
  async content(): Promise<Buffer> {
    // The CRLF of the status line may be the one before the termination octet: an empty content.
    await this.#hold(3, 'the end of a multi-line response')
    if (this.#joined().subarray(0, 3).equals(TERMINATION.subarray(2))) return this.#take(3)
    const end = await this.#find(TERMINATION, 'the end of a multi-line response')
    return this.#take(end + TERMINATION.length)
  }

  /** Resolves to the next `count` octets, or to fewer where the connection ends before. */
  async octets(count: number, limitMs = 30_000): Promise<Buffer> {
    await this.#until(`${count} octets`, () => this.#arrived() >= count || this.#ended, limitMs)
    return this.#take(count)
  }

  /** Resolves to all that still arrives, once the other side has closed or reset the connection. */
  async rest(limitMs = 30_000): Promise<Buffer> {
    await this.#until('the end of the connection', () => this.#ended, limitMs)
    return this.#take(this.#joined().length)
  }

  /** Starts TLS on this connection, whatever the server said before. Rejects where the handshake fails. */
  async startTls(ca: string | Buffer): Promise<void> {
    // The connection's own listeners stay; ours must not take octets of the handshake for replies.
    this.#ignore()
    this.#socket = await secure(this.#socket, ca)
    this.#listen()
  }

  /** Closes the connection with a RST, as a crashed machine's peer sees it. */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  /** Closes the connection at once. */
  destroy(): void {
    this.#socket.destroy()
  }

  #listen(): void {
    const socket = this.#socket
    const end = () => {
      this.#ended = true
      this.#wake()
    }
    const take = (octets: Buffer) => {
      this.#chunks.push(octets)
      this.#wake()
    }
    socket.on('data', take)
    socket.on('end', end)
    socket.on('error', end)
    socket.on('close', end)
    this.#ignore = () => {
      socket.off('data', take)
      socket.off('end', end)
      socket.off('error', end)
      socket.off('close', end)
    }
  }

  #take(octets: number): Buffer {
    const received = this.#joined()
    this.#received = received.subarray(octets)
    return received.subarray(0, octets)
  }

  #arrived(): number {
    return this.#chunks.reduce((sum, { length }) => sum + length, this.#received.length)
  }

  /** Joined only when looked at: a large message in small TLS records would be copied once a record otherwise. */
  #joined(): Buffer {
    if (this.#chunks.length > 0) {
      this.#received = Buffer.concat([this.#received, ...this.#chunks])
      this.#chunks = []
    }
    return this.#received
  }

  async #find(mark: Buffer, what: string): Promise<number> {
    let searched = 0
    let found = -1
    await this.#until(what, () => {
      const received = this.#joined()
      found = received.indexOf(mark, Math.max(0, searched - mark.length))
      searched = received.length
      return found >= 0 || this.#ended
    })
    if (found < 0) throw new Error(`the connection ended before ${what}; left: ${this.#shown()}`)
    return found
  }

  async #hold(octets: number, what: string): Promise<void> {
    await this.#until(what, () => this.#joined().length >= octets || this.#ended)
    if (this.#joined().length < octets)
      throw new Error(`the connection ended before ${what}; left: ${this.#shown()}`)
  }

  async #until(what: string, isSo: () => boolean, limitMs = 15_000): Promise<void> {
    const waiting = new Promise<void>((resolve) => {
      this.#wake = () => {
        if (isSo()) resolve()
      }
      this.#wake()
    })
    try {
      await within(what, waiting, limitMs)
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}; received so far: ${this.#shown()}`)
    } finally {
      this.#wake = () => {}
    }
  }

  #shown(): string {
    return JSON.stringify(this.#joined().subarray(0, 300).toString('latin1'))
  }
}

/** Connects in the clear and reads nothing, for clients that wait for nothing either. */
export async function dial(port: number): Promise<Pop3Client> {
  return new Pop3Client(await opened(port))
}

/**
 * Connects to localhost and reads the greeting; for `stls` upgrades the connection first.
 *
 * @returns the client and the greeting's line
 */
export async function connectClient(
  options: ClientOptions,
): Promise<{ client: Pop3Client; greeting: string }> {
  const socket = await opened(options.port)
  const client = new Pop3Client(options.security === 'tls' ? await secure(socket, options.ca) : socket)
  const greeting = await client.line()
  if (options.security === 'stls') {
    const answer = await client.command('STLS')
    if (!answer.startsWith('+OK')) throw new Error(`STLS was answered by ${answer}`)
    await client.startTls(options.ca)
  }
  return { client, greeting }
}

/** Logs in by USER and PASS (RFC 1939 §7). Rejects where the server refuses. */
export async function logIn(
  client: Pop3Client,
  account: { readonly user: string; readonly password: string },
): Promise<void> {
  for (const command of [`USER ${account.user}`, `PASS ${account.password}`]) {
    const answer = await client.command(command)
    if (!answer.startsWith('+OK')) throw new Error(`${command.slice(0, 4)} was answered by ${answer}`)
  }
}

async function opened(port: number): Promise<Socket> {
  return await new Promise((resolve, reject) => {
    const socket = connectTcp({ host: '127.0.0.1', port, noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.removeListener('error', reject)
      resolve(socket)
    })
  })
}

async function secure(socket: Socket, ca: string | Buffer): Promise<TLSSocket> {
  return await within(
    'a TLS handshake',
    new Promise((resolve, reject) => {
      const upgraded = connectTls({ socket, ca, servername: 'localhost', ALPNProtocols: ['pop3'] })
      upgraded.once('error', reject)
      upgraded.once('close', () => reject(new Error('the connection ended within the TLS handshake')))
      upgraded.once('secureConnect', () => {
        upgraded.removeAllListeners('error')
        upgraded.removeAllListeners('close')
        resolve(upgraded)
      })
    }),
  )
}
