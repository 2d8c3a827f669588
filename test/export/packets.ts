/** Packets as a capture of several link layers would hold them, built octet by octet. */
import type { CapturedPacket } from '../../src/export/capture-file.js'

export interface SegmentParts {
  readonly from: readonly [address: string, port: number]
  readonly to: readonly [address: string, port: number]
  readonly sequence: number
  /** Letters of S (SYN), A (ACK), F (FIN), R (RST). */
  readonly flags?: string
  readonly text?: string
}

const FLAGS: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, A: 16 }

/** A TCP segment with a header of 24 octets, four of them options. */
export function tcp({ from, to, sequence, flags = 'A', text = '' }: SegmentParts): Buffer {
  const header = Buffer.alloc(24)
  header.writeUInt16BE(from[1], 0)
  header.writeUInt16BE(to[1], 2)
  header.writeUInt32BE(sequence >>> 0, 4)
  header[12] = 0x60
  header[13] = [...flags].reduce((sum, flag) => sum | (FLAGS[flag] ?? 0), 0)
  return Buffer.concat([header, Buffer.from(text, 'latin1')])
}

export interface Ipv4Parts {
  /** Flags and offset of the fragment. */
  readonly fragment?: number
  /** Of the header's length field, where it is to lie. */
  readonly totalOctets?: number
}

export function ipv4(parts: SegmentParts, more: Ipv4Parts = {}): Buffer {
  const payload = tcp(parts)
  const header = Buffer.alloc(20)
  header[0] = 0x45
  header.writeUInt16BE(more.totalOctets ?? 20 + payload.length, 2)
  header.writeUInt16BE(more.fragment ?? 0, 6)
  header[9] = 6
  Buffer.from(parts.from[0].split('.').map(Number)).copy(header, 12)
  Buffer.from(parts.to[0].split('.').map(Number)).copy(header, 16)
  return Buffer.concat([header, payload])
}

/** Addresses are eight groups of hexadecimal digits; extensions are whole headers with their numbers. */
export function ipv6(parts: SegmentParts, extensions: readonly (readonly [number, Buffer])[] = []): Buffer {
  const payload = tcp(parts)
  const header = Buffer.alloc(40)
  header[0] = 0x60
  header[6] = extensions[0]?.[0] ?? 6
  addressOctets(parts.from[0]).copy(header, 8)
  addressOctets(parts.to[0]).copy(header, 24)
  const chain = extensions.map(([, octets], index) => {
    const linked = Buffer.from(octets)
    linked[0] = extensions[index + 1]?.[0] ?? 6
    return linked
  })
  const rest = Buffer.concat([...chain, payload])
  header.writeUInt16BE(rest.length, 4)
  return Buffer.concat([header, rest])
}

function addressOctets(text: string): Buffer {
  return Buffer.from(
    text
      .split(':')
      .map((group) => group.padStart(4, '0'))
      .join(''),
    'hex',
  )
}

/** An Ethernet frame with the type in front of its payload, padded as a card pads short ones. */
export function ethernet(payload: Buffer, type = 0x0800, vlans: readonly number[] = []): Buffer {
  const tags = vlans.map((tag) => Buffer.from([tag >> 8, tag & 0xff, 0, 5]))
  const frame = Buffer.concat([Buffer.alloc(12, 2), ...tags, Buffer.from([type >> 8, type & 0xff]), payload])
  return Buffer.concat([frame, Buffer.alloc(Math.max(0, 60 - frame.length))])
}

export function packet(octets: Buffer, at = 0, linkType = 101): CapturedPacket {
  return { at, linkType, octets }
}
