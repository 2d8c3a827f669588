/**
 * Finds the TCP segment in a captured packet: link layers (Ethernet with VLAN tags, Linux cooked, loopback, raw IP),
 * IPv4, IPv6 with extension headers. Pure; believes no length that it reads, and never fails.
 */
import type { CapturedPacket } from './capture-file.js'

/** One TCP segment. */
export interface TcpSegment {
  readonly at: number
  /** `192.0.2.1:110` or `[2001:db8::1]:110`. */
  readonly source: string
  readonly sourcePort: number
  readonly destination: string
  readonly destinationPort: number
  readonly sequence: number
  readonly isSyn: boolean
  readonly isAck: boolean
  readonly isFin: boolean
  readonly isReset: boolean
  /** As far as it was captured. */
  readonly payload: Buffer
  /** Octets of payload that the snapshot length cut off. */
  readonly cutOctets: number
}

/** What a packet holds; `other` where it is no TCP. */
export type PacketContent =
  | { readonly type: 'segment'; readonly segment: TcpSegment }
  /** A part of a packet that IP split up; its ports are unknown unless it is the first. */
  | { readonly type: 'fragment' }
  | { readonly type: 'other' }
  | { readonly type: 'unknown-link'; readonly linkType: number }

interface IpPacket {
  readonly source: string
  readonly destination: string
  /** Payload as captured, and as long as it really was. */
  readonly payload: Buffer
  readonly payloadOctets: number
}

const OTHER: PacketContent = { type: 'other' }
const FRAGMENT: PacketContent = { type: 'fragment' }
const TCP = 6
const ETHERTYPE_IPV4 = 0x0800
const ETHERTYPE_IPV6 = 0x86dd
const VLAN_TAGS = new Set([0x8100, 0x88a8, 0x9100])
const MOST_VLAN_TAGS = 4
/** Hop-by-hop options, routing, destination options, mobility, HIP, shim6: each says its length in eight octets. */
const IPV6_EXTENSIONS = new Set([0, 43, 60, 135, 139, 140])
const IPV6_FRAGMENT = 44
const IPV6_AUTHENTICATION = 51
const MOST_EXTENSIONS = 16

/** Looks into one packet. */
export function contentOf(packet: CapturedPacket): PacketContent {
  const { linkType, octets, at } = packet
  const begin = beginOfIp(linkType, octets)
  if (begin === 'unknown') return { type: 'unknown-link', linkType }
  if (begin === null) return OTHER
  const ip = octets.subarray(begin)
  const version = (ip[0] ?? 0) >> 4
  const found = version === 4 ? readIpv4(ip) : version === 6 ? readIpv6(ip) : OTHER
  return 'type' in found ? found : readTcp(found, at)
}

/** @returns null where the frame carries no IP */
function beginOfIp(linkType: number, octets: Buffer): number | 'unknown' | null {
  switch (linkType) {
    case 1: // Ethernet
      return behindEtherType(octets, 12)
    case 113: // Linux cooked
      return behindEtherType(octets, 14)
    case 276: // Linux cooked, version 2: the type stands first
      return isIp(octets, 0) ? 20 : null
    case 0: // BSD loopback and its big-endian variant: the family's numbers differ, the IP version does not
    case 108:
      return 4
    case 12: // raw IP, under the numbers that it has had
    case 14:
    case 101:
    case 228:
    case 229:
      return 0
    default:
      return 'unknown'
  }
}

function behindEtherType(octets: Buffer, from: number): number | null {
  let at = from
  for (let tags = 0; tags <= MOST_VLAN_TAGS; tags += 1) {
    if (isIp(octets, at)) return at + 2
    if (octets.length < at + 6 || !VLAN_TAGS.has(octets.readUInt16BE(at))) return null
    at += 4
  }
  return null
}

function isIp(octets: Buffer, at: number): boolean {
  if (octets.length < at + 2) return false
  const type = octets.readUInt16BE(at)
  return type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6
}

function readIpv4(ip: Buffer): IpPacket | PacketContent {
  const headerOctets = ((ip[0] ?? 0) & 0x0f) * 4
  if (headerOctets < 20 || ip.length < headerOctets || ip[9] !== TCP) return OTHER
  const fragment = ip.readUInt16BE(6)
  if ((fragment & 0x3fff) !== 0) return FRAGMENT
  // A network card that splits for the system is captured before it does: the length may be 0 then.
  const totalOctets = ip.readUInt16BE(2) || ip.length
  if (totalOctets < headerOctets) return OTHER
  return {
    source: ipv4Text(ip, 12),
    destination: ipv4Text(ip, 16),
    payload: ip.subarray(headerOctets, totalOctets),
    payloadOctets: totalOctets - headerOctets,
  }
}

function readIpv6(ip: Buffer): IpPacket | PacketContent {
  if (ip.length < 40) return OTHER
  const totalOctets = ip.readUInt16BE(4) === 0 ? ip.length : 40 + ip.readUInt16BE(4)
  let next = ip[6] ?? 0
  let at = 40
  for (let extensions = 0; next !== TCP; extensions += 1) {
    if (extensions >= MOST_EXTENSIONS || ip.length < at + 8) return OTHER
    const length = ip[at + 1] ?? 0
    if (next === IPV6_FRAGMENT) {
      // Offset 0 and no more to come: whole, although the header is there.
      if ((ip.readUInt16BE(at + 2) & 0xfff9) !== 0) return FRAGMENT
      next = ip[at] ?? 0
      at += 8
    } else if (IPV6_EXTENSIONS.has(next)) {
      next = ip[at] ?? 0
      at += 8 + length * 8
    } else if (next === IPV6_AUTHENTICATION) {
      next = ip[at] ?? 0
      at += (length + 2) * 4
    } else return OTHER
  }
  if (totalOctets < at) return OTHER
  return {
    source: `[${ipv6Text(ip, 8)}]`,
    destination: `[${ipv6Text(ip, 24)}]`,
    payload: ip.subarray(at, totalOctets),
    payloadOctets: totalOctets - at,
  }
}

function readTcp({ source, destination, payload, payloadOctets }: IpPacket, at: number): PacketContent {
  if (payload.length < 20) return OTHER
  const headerOctets = ((payload[12] ?? 0) >> 4) * 4
  if (headerOctets < 20 || headerOctets > payloadOctets) return OTHER
  const sourcePort = payload.readUInt16BE(0)
  const destinationPort = payload.readUInt16BE(2)
  const flags = payload[13] ?? 0
  const octets = payload.subarray(headerOctets)
  const segment = {
    at,
    source: `${source}:${sourcePort}`,
    sourcePort,
    destination: `${destination}:${destinationPort}`,
    destinationPort,
    sequence: payload.readUInt32BE(4),
    isSyn: (flags & 0x02) !== 0,
    isAck: (flags & 0x10) !== 0,
    isFin: (flags & 0x01) !== 0,
    isReset: (flags & 0x04) !== 0,
    payload: octets,
    cutOctets: payloadOctets - headerOctets - octets.length,
  }
  return { type: 'segment', segment }
}

function ipv4Text(ip: Buffer, at: number): string {
  return ip.subarray(at, at + 4).join('.')
}

/** The URL standard writes IPv6 addresses in their one short form. */
function ipv6Text(ip: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => ip.readUInt16BE(at + index * 2).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
