/**
 * A TCP connection made up for a dialogue that was recorded above TCP: handshake, segments, acknowledgements, end,
 * with right checksums. Pure; knows nothing of POP3 and nothing of files.
 */
import type { PcapngPacket } from './pcapng.js'

/** One end of a connection. */
export interface Endpoint {
  /** 4 octets for IPv4, 16 for IPv6. Both ends have the same length. */
  readonly address: Buffer
  readonly port: number
}

/** Who sends: the side that opened the connection, or the one that accepted it. */
export type Sender = 'opener' | 'accepter'

const TCP = 6
const FIN = 0x01
const SYN = 0x02
const RST = 0x04
const PUSH = 0x08
const ACK = 0x10
/** Ethernet's 1500 octets less both headers without options. */
const SEGMENT_OCTETS_IPV4 = 1_460
const SEGMENT_OCTETS_IPV6 = 1_440
const WINDOW = 65_535
/** The other side acknowledges well before a window is full, or tshark would call the receiver stalled. */
const ACKNOWLEDGE_EVERY_OCTETS = 32_768
/** A jump past half of the sequence space would look like a repetition. */
const MOST_GAP_OCTETS = 0x3fff_ffff

/** One made-up connection. Every method returns the packets it takes, in order. */
export class SyntheticConnection {
  readonly #ends: Readonly<Record<Sender, Endpoint>>
  readonly #next: Record<Sender, number>
  readonly #segmentOctets: number
  readonly #unacknowledged: Record<Sender, number> = { opener: 0, accepter: 0 }

  /** @param initialSequence of the opener; any number, told apart so that connections do not look alike */
  constructor(opener: Endpoint, accepter: Endpoint, initialSequence: number) {
    this.#ends = { opener, accepter }
    this.#next = { opener: initialSequence >>> 0, accepter: (initialSequence + 0x1000_0000) >>> 0 }
    this.#segmentOctets = opener.address.length === 4 ? SEGMENT_OCTETS_IPV4 : SEGMENT_OCTETS_IPV6
  }

  /** Octets that one segment can hold. */
  get segmentOctets(): number {
    return this.#segmentOctets
  }

  /** SYN, SYN and ACK, ACK.. */
  open(at: number, comment: string | null): readonly PcapngPacket[] {
    const syn = this.#packet('opener', at, SYN, NOTHING, comment)
    this.#advance('opener', 1)
    const answer = this.#packet('accepter', at, SYN | ACK, NOTHING, null)
    this.#advance('accepter', 1)
    return [syn, answer, this.#packet('opener', at, ACK, NOTHING, null)]
  }

  /** Sends octets in as many segments as they need; the comment stands at the first. */
  send(sender: Sender, at: number, octets: Buffer, comment: string | null): readonly PcapngPacket[] {
    const packets: PcapngPacket[] = []
    for (let from = 0; from < octets.length; from += this.#segmentOctets) {
      const piece = octets.subarray(from, from + this.#segmentOctets)
      packets.push(this.#packet(sender, at, PUSH | ACK, piece, from === 0 ? comment : null))
      this.#advance(sender, piece.length)
      this.#unacknowledged[sender] += piece.length
      if (this.#unacknowledged[sender] >= ACKNOWLEDGE_EVERY_OCTETS)
        packets.push(this.#acknowledge(sender, at, null))
    }
    return packets
  }

  /**
   * Leaves out octets that were sent but are not known: their sequence numbers pass, as in a capture that lost them,
   * and the other side acknowledges them.
   */
  skip(sender: Sender, at: number, count: number, comment: string | null): readonly PcapngPacket[] {
    this.#advance(sender, Math.min(count, MOST_GAP_OCTETS))
    return [this.#acknowledge(sender, at, comment)]
  }

  /** FIN of both sides.. */
  close(first: Sender, at: number, comment: string | null): readonly PcapngPacket[] {
    const second = otherOf(first)
    const packets = [this.#packet(first, at, FIN | ACK, NOTHING, comment)]
    this.#advance(first, 1)
    packets.push(this.#packet(second, at, FIN | ACK, NOTHING, null))
    this.#advance(second, 1)
    packets.push(this.#packet(first, at, ACK, NOTHING, null))
    return packets
  }

  /** RST, for a session that broke. */
  reset(sender: Sender, at: number, comment: string | null): readonly PcapngPacket[] {
    return [this.#packet(sender, at, RST | ACK, NOTHING, comment)]
  }

  #acknowledge(sender: Sender, at: number, comment: string | null): PcapngPacket {
    this.#unacknowledged[sender] = 0
    return this.#packet(otherOf(sender), at, ACK, NOTHING, comment)
  }

  #advance(sender: Sender, count: number): void {
    this.#next[sender] = (this.#next[sender] + count) >>> 0
  }

  #packet(sender: Sender, at: number, flags: number, octets: Buffer, comment: string | null): PcapngPacket {
    const source = this.#ends[sender]
    const destination = this.#ends[otherOf(sender)]
    const segment = Buffer.alloc(20 + octets.length)
    segment.writeUInt16BE(source.port, 0)
    segment.writeUInt16BE(destination.port, 2)
    segment.writeUInt32BE(this.#next[sender], 4)
    segment.writeUInt32BE((flags & ACK) === 0 ? 0 : this.#next[otherOf(sender)], 8)
    segment[12] = 0x50
    segment[13] = flags
    segment.writeUInt16BE(WINDOW, 14)
    octets.copy(segment, 20)
    segment.writeUInt16BE(tcpChecksum(source.address, destination.address, segment), 16)
    const header =
      source.address.length === 4
        ? ipv4Header(source.address, destination.address, segment.length)
        : ipv6Header(source.address, destination.address, segment.length)
    return { at, octets: Buffer.concat([header, segment]), comment }
  }
}

const NOTHING = Buffer.alloc(0)

function otherOf(sender: Sender): Sender {
  return sender === 'opener' ? 'accepter' : 'opener'
}

function ipv4Header(source: Buffer, destination: Buffer, payloadOctets: number): Buffer {
  const header = Buffer.alloc(20)
  header[0] = 0x45
  header.writeUInt16BE(20 + payloadOctets, 2)
  // Don't fragment: then no identification is needed.
  header.writeUInt16BE(0x4000, 6)
  header[8] = 64
  header[9] = TCP
  source.copy(header, 12)
  destination.copy(header, 16)
  header.writeUInt16BE(checksum(header, 0), 10)
  return header
}

function ipv6Header(source: Buffer, destination: Buffer, payloadOctets: number): Buffer {
  const header = Buffer.alloc(40)
  header[0] = 0x60
  header.writeUInt16BE(payloadOctets, 4)
  header[6] = TCP
  header[7] = 64
  source.copy(header, 8)
  destination.copy(header, 24)
  return header
}

/** Over a pseudo header of both addresses, protocol and length, then the segment. */
function tcpChecksum(source: Buffer, destination: Buffer, segment: Buffer): number {
  const pseudo = sumOf(source) + sumOf(destination) + TCP + segment.length
  return checksum(segment, pseudo)
}

/** The Internet checksum: ones' complement of the ones' complement sum. */
function checksum(octets: Buffer, begin: number): number {
  let sum = begin + sumOf(octets)
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000)
  return ~sum & 0xffff
}

function sumOf(octets: Buffer): number {
  let sum = 0
  for (let index = 0; index + 1 < octets.length; index += 2) sum += octets.readUInt16BE(index)
  return octets.length % 2 === 0 ? sum : sum + (octets[octets.length - 1] ?? 0) * 256
}
