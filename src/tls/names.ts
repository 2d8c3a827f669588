/**
 * Host names and addresses as they stand in certificates. Owns what counts as a name; knows nothing of who is
 * allowed to have one.
 */
import { isIP, SocketAddress } from 'node:net'
import { domainToASCII } from 'node:url'

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/
const NAME_OCTETS = 253

/**
 * Brings a DNS name or IP address into the form in which certificates carry it and keys compare it.
 *
 * @param text a DNS name (Unicode allowed, one trailing dot allowed) or an IP address (brackets, zone and the
 *   IPv4-in-IPv6 form allowed)
 * @returns lower-case ASCII name or canonical address; null where the text is neither, wildcards included
 */
export function certificateName(text: string): string | null {
  // Checked before anything else works on it: the text may be what a client sent as SNI.
  if (text.length > NAME_OCTETS + 1) return null
  const address = canonicalAddress(text)
  if (address !== null) return address
  const ascii = domainToASCII(text).replace(/\.$/, '')
  if (ascii.length === 0 || ascii.length > NAME_OCTETS || isIP(ascii) !== 0) return null
  return ascii.split('.').every((label) => LABEL.test(label)) ? ascii : null
}

/** Tells whether an address stands for "all addresses", which is nobody's name. */
export function isUnspecified(name: string): boolean {
  return name === '0.0.0.0' || name === '::'
}

/** Prints at most `maximum` characters of a peer's text as printable ASCII, so that no output can be harmed by it. */
export function printable(text: string, maximum = 80): string {
  const shown = text.slice(0, maximum + 1).replace(/[^\x20-\x7e]/g, '?')
  return shown.length > maximum ? `${shown.slice(0, maximum - 3)}...` : shown
}

function canonicalAddress(text: string): string | null {
  const bare = text.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '')
  const mapped = bare.replace(/^::ffff:(?=\d+\.)/i, '')
  const version = isIP(mapped)
  if (version === 0) return null
  return new SocketAddress({ address: mapped, family: version === 4 ? 'ipv4' : 'ipv6' }).address
}
