/**
 * A POP3 server that a test scripts and that keeps every octet it receives, before TLS and within it. Owns the
 * sockets of its connections; understands commands only as far as a fixed answer for each verb goes.
 */
import { createServer, type Socket } from 'node:net'
import { createSecureContext, type SecureContextOptions, TLSSocket } from 'node:tls'

export interface RecordingServerOptions {
  /** Sent as soon as a connection is open, CRLF and all; null says nothing at all. */
  readonly greeting?: Buffer | string | null
  /** TLS from the start, or by STLS, or not at all; plain by default. */
  readonly security?: 'plain' | 'stls' | 'tls'
  /** Certificate, key and whatever else the TLS of this server is to be. */
  readonly context?: SecureContextOptions
  /** Plaintext that follows the positive answer to STLS in the same segment, as an attacker in the path puts it. */
  readonly injection?: string
  /**
   * Answers a verb in place of the ordinary answer; null leaves it to that one. What is answered is written as
   * it is, so nothing stops it from being wrong.
   */
  readonly answer?: (verb: string, connection: RecordedConnection) => Buffer | string | null
}

/** One connection to the server, as the server saw it. */
export interface RecordedConnection {
  /** All that was received so far, octet for octet: first the plaintext, then what TLS carried. */
  readonly received: Buffer
  readonly isOpen: boolean
  /** True once a TLS handshake has been completed. */
  readonly isSecure: boolean
  /** Name that the client asked for by SNI, or null. */
  readonly serverName: string | null
  /** Protocol agreed by ALPN, or null. */
  readonly protocol: string | null
  write(octets: Buffer | string): void
  /** Ends the connection in order. */
  end(): void
  /** Ends it by RST. */
  reset(): void
}

export interface RecordingServer {
  readonly port: number
  readonly connections: readonly RecordedConnection[]
  /** All octets of all connections, in latin1. */
  received(): string
  stop(): Promise<void>
}

const CAPABILITIES = ['TOP', 'UIDL', 'USER', 'SASL PLAIN LOGIN CRAM-MD5', 'RESP-CODES', 'PIPELINING']

/** Starts the server on a free port of 127.0.0.1. */
export async function startRecordingServer(options: RecordingServerOptions = {}): Promise<RecordingServer> {
  const connections: Connection[] = []
  const server = createServer({ noDelay: true }, (socket) => {
    connections.push(new Connection(socket, options))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    connections,
    received: () => connections.map(({ received }) => received.toString('latin1')).join(''),
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const connection of connections) connection.reset()
      await closed
    },
  }
}

class Connection implements RecordedConnection {
  received: Buffer = Buffer.alloc(0)
  isOpen = true
  isSecure = false
  serverName: string | null = null
  protocol: string | null = null
  readonly #options: RecordingServerOptions
  readonly #raw: Socket
  #socket: Socket
  #answered = 0

  constructor(raw: Socket, options: RecordingServerOptions) {
    this.#raw = raw
    this.#socket = raw
    this.#options = options
    raw.on('error', () => {})
    raw.on('close', () => {
      this.isOpen = false
    })
    if (options.security === 'tls') this.#secure(() => this.#greet())
    else {
      this.#socket.on('data', this.#take)
      this.#greet()
    }
  }

  write(octets: Buffer | string): void {
    if (this.isOpen) this.#socket.write(octets)
  }

  end(): void {
    this.#socket.end()
  }

  reset(): void {
    this.#raw.resetAndDestroy()
  }

  #greet(): void {
    const { greeting = '+OK ready\r\n' } = this.#options
    if (greeting !== null) this.write(greeting)
  }

  readonly #take = (octets: Buffer): void => {
    this.received = Buffer.concat([this.received, octets])
    for (;;) {
      const end = this.received.indexOf('\r\n', this.#answered)
      if (end < 0) return
      const line = this.received.subarray(this.#answered, end).toString('latin1')
      this.#answered = end + 2
      this.#reply(line.split(' ', 1)[0]!.toUpperCase())
    }
  }

  #reply(verb: string): void {
    const own = this.#options.answer?.(verb, this)
    if (own !== null && own !== undefined) {
      this.write(own)
      return
    }
    if (verb === 'STLS' && this.#options.security === 'stls' && !this.isSecure) {
      this.#raw.off('data', this.#take)
      this.write(`+OK begin\r\n${this.#options.injection ?? ''}`)
      this.#secure(() => {})
      return
    }
    this.write(this.#ordinaryAnswer(verb))
    if (verb === 'QUIT') this.end()
  }

  #ordinaryAnswer(verb: string): string {
    switch (verb) {
      case 'CAPA':
        return `+OK\r\n${this.#capabilities().join('\r\n')}\r\n.\r\n`
      case 'STAT':
        return '+OK 1 20\r\n'
      case 'USER':
      case 'PASS':
      case 'APOP':
      case 'NOOP':
      case 'DELE':
      case 'RSET':
      case 'QUIT':
        return '+OK\r\n'
      case 'LIST':
        return '+OK\r\n1 20\r\n.\r\n'
      case 'RETR':
        return '+OK\r\nSubject: x\r\n\r\nbody\r\n.\r\n'
      default:
        return '-ERR not here\r\n'
    }
  }

  #capabilities(): readonly string[] {
    const offersStls = this.#options.security === 'stls' && !this.isSecure
    return offersStls ? [...CAPABILITIES, 'STLS'] : CAPABILITIES
  }

  #secure(whenSecure: () => void): void {
    const socket = new TLSSocket(this.#raw, {
      isServer: true,
      secureContext: createSecureContext(this.#options.context),
      ALPNProtocols: ['pop3'],
      SNICallback: (name, answer) => {
        this.serverName = name
        answer(null)
      },
    })
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('secure', () => {
      this.isSecure = true
      this.protocol = socket.alpnProtocol === false ? null : (socket.alpnProtocol ?? null)
      whenSecure()
    })
    socket.on('data', this.#take)
  }
}
