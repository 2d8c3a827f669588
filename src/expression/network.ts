/**
 * Whether an address is of a network. Owns how addresses with and without port and CIDR blocks are written.
 */
import { BlockList, isIP } from 'node:net'

/** A network that is ready to be asked. */
export interface Network {
  /** Tells whether an address, with or without a port, is of the network. What is no address is of none. */
  has(address: string): boolean
}

/**
 * Reads `10.0.0.0/8`, `2001:db8::/32` or a single address.
 *
 * @returns null where the text is no network
 */
export function parseNetwork(text: string): Network | null {
  const [address = '', bits, ...rest] = text.split('/')
  const family = familyOf(address)
  if (family === null || rest.length > 0) return null
  const most = family === 'ipv4' ? 32 : 128
  const prefix = bits === undefined ? most : /^[0-9]{1,3}$/.test(bits) ? Number.parseInt(bits, 10) : most + 1
  if (prefix > most) return null
  const list = new BlockList()
  list.addSubnet(address, prefix, family)
  return { has: (of) => isWithin(list, of) }
}

function isWithin(list: BlockList, text: string): boolean {
  const address = withoutPort(text)
  const family = familyOf(address)
  return family !== null && list.check(address, family)
}

function familyOf(address: string): 'ipv4' | 'ipv6' | null {
  const version = isIP(address)
  if (version === 0) return null
  return version === 4 ? 'ipv4' : 'ipv6'
}

/** `10.0.0.1:110` and `[::1]:110` carry a port; `::1` does not. */
function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]*)\](?::[0-9]+)?$/.exec(text)?.[1]
  if (bracketed !== undefined) return bracketed
  const colon = text.indexOf(':')
  return colon > 0 && colon === text.lastIndexOf(':') ? text.slice(0, colon) : text
}
