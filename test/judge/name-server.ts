/**
 * A name server that is none: on loopback, UDP and TCP, with the records that a test gives it. Owns as much of DNS
 * (RFC 1035) as a resolver needs to believe it.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'

/** What is answered about a name: texts of its TXT record, or what happens instead. */
export type Answer =
  | string
  | readonly string[]
  | 'SERVFAIL'
  | 'REFUSED'
  | 'silence'
  | 'garbage'
  | 'no-data'
  | { readonly truncated: string }

export interface NameServerStandIn {
  readonly port: number
  /** Names in the order in which they were asked for, `TCP ` before those over TCP. */
  readonly asked: string[]
  stop(): Promise<void>
}

const TXT = 16
const CODES = { none: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 }

/** @param answers by name in lower case; any other name does not exist */
export async function nameServer(answers: Readonly<Record<string, Answer>> = {}): Promise<NameServerStandIn> {
  const asked: string[] = []
  const { udp, tcp } = await samePort()
  udp.on('message', (query, { port, address }) => {
    const reply = replyTo(query, false)
    if (reply !== null) udp.send(reply, port, address)
  })
  const { port } = udp.address()
  const sockets = new Set<Socket>()
  tcp.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    let heard = Buffer.alloc(0)
    socket.on('data', (octets) => {
      heard = Buffer.concat([heard, octets])
      while (heard.length >= 2 && heard.length >= 2 + heard.readUInt16BE(0)) {
        const reply = replyTo(heard.subarray(2, 2 + heard.readUInt16BE(0)), true)
        heard = heard.subarray(2 + heard.readUInt16BE(0))
        if (reply === null) continue
        const length = Buffer.alloc(2)
        length.writeUInt16BE(reply.length)
        socket.write(Buffer.concat([length, reply]))
      }
    })
  })

  function replyTo(query: Buffer, isTcp: boolean): Buffer | null {
    const { name, end } = questionIn(query)
    asked.push(`${isTcp ? 'TCP ' : ''}${name}`)
    const answer = answers[name]
    if (answer === 'silence') return null
    if (answer === 'garbage') return Buffer.concat([query.subarray(0, 12), Buffer.alloc(40, 0xff)])
    if (answer === 'SERVFAIL' || answer === 'REFUSED') return reply(query, end, CODES[answer], [], false)
    if (answer === undefined) return reply(query, end, CODES.NXDOMAIN, [], false)
    if (answer === 'no-data') return reply(query, end, CODES.none, [], false)
    if (typeof answer === 'object' && 'truncated' in answer)
      return isTcp
        ? reply(query, end, CODES.none, [answer.truncated], false)
        : reply(query, end, CODES.none, [], true)
    const texts: readonly string[] = typeof answer === 'string' ? [answer] : answer
    // As a real one: what does not fit is asked for again over TCP.
    const whole = reply(query, end, CODES.none, texts, false)
    return isTcp || whole.length <= 1_232 ? whole : reply(query, end, CODES.none, [], true)
  }

  return {
    port,
    asked,
    async stop() {
      if (!tcp.listening) return
      for (const socket of sockets) socket.destroy()
      tcp.close()
      udp.close()
      await Promise.all([once(tcp, 'close'), once(udp, 'close')])
    },
  }
}

/** UDP and TCP at one port, which a free one of either need not be for the other. */
async function samePort(): Promise<{ readonly udp: UdpSocket; readonly tcp: Server }> {
  for (let tries = 0; ; tries += 1) {
    const tcp = createServer().listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    const address = tcp.address()
    const udp = createSocket('udp4')
    try {
      udp.bind(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1')
      await once(udp, 'listening')
      return { udp, tcp }
    } catch (error) {
      tcp.close()
      udp.close()
      if (tries === 20) throw error
    }
  }
}

function questionIn(query: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = []
  let at = 12
  for (;;) {
    const length = query[at] ?? 0
    if (length === 0) break
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), end: at + 5 }
}

function reply(
  query: Buffer,
  end: number,
  code: number,
  texts: readonly string[],
  isTruncated: boolean,
): Buffer {
  const header = Buffer.from(query.subarray(0, 12))
  header.writeUInt16BE(0x8180 | code | (isTruncated ? 0x0200 : 0), 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(texts.length, 6)
  header.writeUInt32BE(0, 8)
  return Buffer.concat([header, query.subarray(12, end), ...texts.map(record)])
}

function record(text: string): Buffer {
  const pieces = (text === '' ? [''] : (text.match(/.{1,255}/gs) ?? [])).map((piece) =>
    Buffer.concat([Buffer.from([piece.length]), Buffer.from(piece, 'latin1')]),
  )
  const data = Buffer.concat(pieces)
  const head = Buffer.alloc(12)
  // The name is that of the question.
  head.writeUInt16BE(0xc00c, 0)
  head.writeUInt16BE(TXT, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt32BE(60, 6)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}
