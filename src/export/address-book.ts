/**
 * Addresses for made-up packets, from what the events of a session say: `[::1]:50000`, `pop3s://pop.example.org:995`.
 * A host that is a name, or of the other family, gets an address reserved for documentation, and the name is kept for
 * a name resolution block. Pure.
 */
import { isIPv4, isIPv6 } from 'node:net'
import type { AddressName } from './pcapng.js'

/** 4 or 6, of both ends of a connection alike. */
export type Family = 4 | 6

/** Host and port as an event names them. */
export interface NamedEndpoint {
  /** Without brackets; empty where there is none. */
  readonly host: string
  readonly port: number
}

/** RFC 1939 §3: where the POP dissector of Wireshark looks. */
export const POP3_PORT = 110
/** Names beyond it share one address: a reader of so many would not miss them. */
const MOST_NAMES = 10_000
const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i
const UNSPECIFIED = new Set(['', '0.0.0.0', '::'])

/** Splits `HOST:PORT`, `[HOST]:PORT` or a URL of a leg. A mapped IPv4 address becomes plain IPv4. Never fails. */
export function namedEndpoint(text: string): NamedEndpoint {
  const [, authority = ''] = /^(?:[a-z0-9+]+:\/\/)?([^/]*)/i.exec(text) ?? []
  const [, bracketed, plain = '', digits] = /^(?:\[([^\]]*)\]|(.*?))(?::(\d{1,5}))?$/.exec(authority) ?? []
  const host = bracketed ?? plain
  const port = Number(digits ?? '0')
  return { host: MAPPED_IPV4.exec(host)?.[1] ?? host, port: port <= 0xffff ? port : 0 }
}

/** The family of a literal address; null for names. */
export function familyOf(host: string): Family | null {
  if (isIPv4(host)) return 4
  return isIPv6(host) ? 6 : null
}

/** Gives addresses to hosts, each host the same all along. */
export class AddressBook {
  readonly #known = new Map<string, Buffer>()
  #fresh: AddressName[] = []

  /**
   * Finds the address of a host.
   *
   * @param host a literal of the family is its own address; an unspecified address is called `fallback`
   */
  addressOf(host: string, family: Family, fallback: string): Buffer {
    const name = UNSPECIFIED.has(host) ? fallback : host
    if (familyOf(name) === family) return family === 4 ? ipv4Octets(name) : ipv6Octets(name)
    const key = `${family} ${name}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const ordinal = Math.min(this.#known.size + 1, MOST_NAMES)
    const address = reservedAddress(family, ordinal)
    if (ordinal < MOST_NAMES) this.#known.set(key, address)
    this.#fresh.push({ address, name })
    return address
  }

  /** The names given since the last call, to be written before the packets that need them. */
  takeNames(): readonly AddressName[] {
    const names = this.#fresh
    this.#fresh = []
    return names
  }
}

/** 198.18.0.0/15 is set aside for tests of networks, 2001:db8::/32 for documentation. */
function reservedAddress(family: Family, ordinal: number): Buffer {
  const octets = family === 4 ? Buffer.from([198, 18, 0, 0]) : ipv6Octets('2001:db8::')
  octets.writeUInt16BE(ordinal, octets.length - 2)
  return octets
}

function ipv4Octets(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number))
}

function ipv6Octets(text: string): Buffer {
  const [withoutZone = ''] = text.split('%')
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(withoutZone)
  const tail = dotted === null ? null : ipv4Octets(dotted[2] ?? '')
  const groups =
    tail === null
      ? withoutZone
      : `${dotted?.[1]}${tail.readUInt16BE(0).toString(16)}:${tail.readUInt16BE(2).toString(16)}`
  const [before = '', after = null] = groups.split('::')
  const head = wordsOf(before)
  const rest = after === null ? [] : wordsOf(after)
  const octets = Buffer.alloc(16)
  head.forEach((word, index) => {
    octets.writeUInt16BE(word, index * 2)
  })
  rest.forEach((word, index) => {
    octets.writeUInt16BE(word, 16 - (rest.length - index) * 2)
  })
  return octets
}

function wordsOf(text: string): readonly number[] {
  return text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16))
}
