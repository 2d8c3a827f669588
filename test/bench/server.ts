/**
 * The POP3S server behind every subject, a process of its own: a maildrop of ready-made responses, so that it
 * costs little beside TLS. Resumes TLS sessions (tickets). The plain listener serves only the rows without
 * proxy. Started by main.ts, ends with it; its CPU time belongs to no subject.
 */
import { readFileSync } from 'node:fs'
import net from 'node:net'
import tls from 'node:tls'
import { listing, MAILDROP_NAMES, type Message, maildrop, PASSWORD } from './maildrop.js'
import { type ServerCounts, type ServerReady, ServerSetup } from './messages.js'

/** What goes to the socket in one write; a power of two of whole TLS records of 16 KiB. */
const WRITE_OCTETS = 256 * 1024
/** Commands are short; whoever sends more than this without a line end is not the bench's client. */
const MAX_COMMAND_OCTETS = 8_192

/** A maildrop with what is told of it, made once. */
interface Served {
  readonly messages: readonly Message[]
  readonly stat: string
  readonly scanListing: Buffer
  readonly uniqueIds: Buffer
}

process.once('message', (raw) => {
  void serve(ServerSetup.parse(raw))
})
process.once('disconnect', () => process.exit(0))

async function serve(setup: ServerSetup): Promise<void> {
  const maildrops = new Map<string, Served>(
    MAILDROP_NAMES.map((name) => [name, served(maildrop(name, setup.sizes))]),
  )
  let counts = { tlsConnections: 0, resumed: 0, protocols: new Set<string>() }
  const onConnection = (socket: net.Socket): void => new Session(socket, maildrops).start()
  const plain = net.createServer({ noDelay: true }, onConnection)
  const secure = tls.createServer(
    { cert: readFileSync(setup.certFile), key: readFileSync(setup.keyFile), noDelay: true },
    (socket) => {
      counts.tlsConnections++
      if (socket.isSessionReused()) counts.resumed++
      counts.protocols.add(socket.getProtocol() ?? 'unknown')
      onConnection(socket)
    },
  )
  process.on('message', () => {
    send({ ...counts, protocols: [...counts.protocols] })
    counts = { tlsConnections: 0, resumed: 0, protocols: new Set() }
  })
  send({ plainPort: await listen(plain), tlsPort: await listen(secure) })
}

function served(messages: readonly Message[]): Served {
  const octets = messages.reduce((sum, message) => sum + message.octets, 0)
  return {
    messages,
    stat: `+OK ${messages.length} ${octets}\r\n`,
    scanListing: listing('LIST', messages),
    uniqueIds: listing('UIDL', messages),
  }
}

function send(message: ServerReady | ServerCounts): void {
  process.send?.(message)
}

function listen(server: net.Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 }, () => {
      const address = server.address()
      if (address === null || typeof address === 'string') reject(new Error('no TCP port'))
      else resolve(address.port)
    })
  })
}

class Session {
  readonly #socket: net.Socket
  readonly #maildrops: ReadonlyMap<string, Served>
  #user = ''
  #maildrop: Served | null = null
  #received = ''
  #isSending = false

  constructor(socket: net.Socket, maildrops: ReadonlyMap<string, Served>) {
    this.#socket = socket
    this.#maildrops = maildrops
  }

  start(): void {
    this.#socket.on('error', () => this.#socket.destroy())
    this.#socket.on('data', (octets: Buffer) => {
      this.#received += octets.toString('latin1')
      this.#serve()
    })
    this.#socket.write('+OK bench ready\r\n')
  }

  /** Answers what has arrived, one command after the other: a long response holds back what was pipelined behind it. */
  #serve(): void {
    while (!this.#isSending && !this.#socket.writableEnded) {
      const end = this.#received.indexOf('\r\n')
      if (end === -1) {
        if (this.#received.length > MAX_COMMAND_OCTETS) this.#socket.destroy()
        return
      }
      const line = this.#received.slice(0, end)
      this.#received = this.#received.slice(end + 2)
      this.#answer(line)
    }
  }

  #answer(line: string): void {
    const space = line.indexOf(' ')
    const verb = (space === -1 ? line : line.slice(0, space)).toUpperCase()
    const argument = space === -1 ? '' : line.slice(space + 1)
    switch (verb) {
      case 'CAPA':
        this.#socket.write('+OK\r\nUSER\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\n.\r\n')
        return
      case 'NOOP':
        this.#socket.write('+OK\r\n')
        return
      case 'QUIT':
        this.#socket.end('+OK bye\r\n')
        return
      case 'USER':
        this.#user = argument
        this.#socket.write('+OK\r\n')
        return
      case 'PASS':
        this.#maildrop =
          argument === PASSWORD ? (this.#maildrops.get(this.#user.replace(/-\d+$/, '')) ?? null) : null
        this.#socket.write(this.#maildrop === null ? '-ERR [AUTH] no such user\r\n' : '+OK logged in\r\n')
        return
    }
    if (this.#maildrop === null) this.#socket.write('-ERR not logged in\r\n')
    else this.#answerInTransaction(verb, argument, this.#maildrop)
  }

  #answerInTransaction(verb: string, argument: string, maildrop: Served): void {
    if (verb === 'STAT') this.#socket.write(maildrop.stat)
    else if (verb === 'LIST' && argument === '') this.#send(maildrop.scanListing, 0)
    else if (verb === 'UIDL' && argument === '') this.#send(maildrop.uniqueIds, 0)
    else {
      const [number, lines] = argument.split(' ')
      const message = maildrop.messages[Number(number) - 1]
      if (message !== undefined && verb === 'RETR') this.#send(message.response, 0)
      // Nobody here wants more than the header section.
      else if (message !== undefined && verb === 'TOP' && lines === '0') this.#socket.write(message.top)
      else this.#socket.write('-ERR no such command or message\r\n')
    }
  }

  #send(response: Buffer, from: number): void {
    let at = from
    while (at < response.length) {
      const wantsMore = this.#socket.write(response.subarray(at, at + WRITE_OCTETS))
      at += WRITE_OCTETS
      if (!wantsMore && at < response.length) {
        this.#isSending = true
        this.#socket.once('drain', () => this.#send(response, at))
        return
      }
    }
    if (this.#isSending) {
      this.#isSending = false
      this.#serve()
    }
  }
}
