/**
 * The URL of a leg: `pop3://`, `pop3+stls://` or `pop3s://` with a host and perhaps a port. Owns how such a URL
 * is read and written, and what a host is; knows nothing of files, listeners or sockets.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'
import type { LegSecurity, LegUrl } from './settings.js'

/** Port of POP3 (RFC 1939 §3), also where STLS upgrades it, and of POP3S (RFC 8314 §3.1). */
const DEFAULT_PORT: Readonly<Record<LegSecurity, number>> = { plain: 110, stls: 110, tls: 995 }

const SCHEMES: ReadonlyMap<string, LegSecurity> = new Map([
  ['pop3', 'plain'],
  ['pop3+stls', 'stls'],
  ['pop3s', 'tls'],
])

const SCHEME_OF: Readonly<Record<LegSecurity, string>> = { plain: 'pop3', stls: 'pop3+stls', tls: 'pop3s' }

const HIGHEST_PORT = 65_535

/** A text that is not the URL of a leg. `found` is quoted and shows no user name or password. */
export class LegUrlError extends Error {
  override readonly name = 'LegUrlError'
  readonly found: string
  readonly expected: string

  constructor(found: string, expected: string) {
    super(`found ${found}, expected ${expected}`)
    this.found = found
    this.expected = expected
  }
}

/**
 * Reads the URL of a leg.
 *
 * @param text `SCHEME://HOST[:PORT]`; scheme and host in any case, IPv6 in brackets, a zone after `%` or `%25`
 * @returns the host in lower case, IPv6 in its shortest form without brackets; port 110 or 995 where none is named
 * @throws {LegUrlError} that names what stands there and what may
 */
export function parseLegUrl(text: string): LegUrl {
  const found = JSON.stringify(hideUserinfo(text))
  const parts = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text)
  const security = SCHEMES.get((parts?.[1] ?? '').toLowerCase())
  const authority = parts?.[2] ?? ''
  if (security === undefined) {
    throw new LegUrlError(found, 'pop3://, pop3s:// or pop3+stls:// with a host')
  }
  if (authority.includes('@')) {
    throw new LegUrlError(
      found,
      'a URL without user name and password: credentials do not belong into it, each client logs in with its own',
    )
  }
  if (/[/?#]/.test(authority)) {
    throw new LegUrlError(found, 'nothing after host and port: a leg has no path, query or fragment')
  }
  const [hostText, portText] = splitAuthority(authority, found)
  const host = parseHost(hostText)
  if (host === null) {
    throw new LegUrlError(found, 'a host name, an IPv4 address or an IPv6 address in brackets after "://"')
  }
  return { security, host, port: portText === null ? DEFAULT_PORT[security] : parsePort(portText, found) }
}

/**
 * Writes the URL of a leg, always with its port, such that {@link parseLegUrl} gives the same leg back.
 */
export function formatLegUrl(url: LegUrl): string {
  // In a URL "%" starts an escape, so the one before a zone is written as "%25".
  const host = url.host.includes(':') ? `[${url.host.replace('%', '%25')}]` : url.host
  return `${SCHEME_OF[url.security]}://${host}:${url.port}`
}

/**
 * Reads a host name or IP address as a certificate or a resolver wants it.
 *
 * @param text a name (internationalised ones too), an IPv4 address, or an IPv6 address without brackets
 * @returns it in lower case and ASCII, IPv6 in its shortest form; null where it is none of these
 */
export function parseHost(text: string): string | null {
  if (isIPv4(text)) return text
  if (isIPv6(text)) return shortestIPv6(text)
  // domainToASCII drops line ends and invisible characters and decodes "%41": what it would mend is refused.
  if (/[\p{Cc}\p{Cf}\s%]/u.test(text)) return null
  const name = domainToASCII(text)
  if (name.length === 0 || name.length > 253) return null
  const labels = name.split('.')
  if (!labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))) return null
  // "127.1" and "10.0.0.256" are mistyped addresses: no top level domain is a number.
  return /^(0x[0-9a-f]*|[0-9]+)$/.test(labels.at(-1) ?? '') ? null : name
}

/**
 * Says whether a host can be reached from this machine only.
 */
export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host === '::1' ||
    (isIPv4(host) && host.startsWith('127.'))
  )
}

/**
 * Replaces what stands before the last `@` of a URL, so that it can be shown.
 */
export function hideUserinfo(text: string): string {
  // Greedy: a password may itself hold "/" or "@".
  return text.replace(/^([a-z0-9+.-]*:\/\/)?.*@/is, '$1[redacted]@')
}

function splitAuthority(authority: string, found: string): readonly [host: string, port: string | null] {
  if (authority.startsWith('[')) {
    const parts = /^\[([^\]]*)\](?::(.*))?$/s.exec(authority)
    const address = (parts?.[1] ?? '').replace(/%25(?=.)/, '%')
    if (!isIPv6(address)) throw new LegUrlError(found, 'an IPv6 address between the brackets, such as [::1]')
    return [address, parts?.[2] ?? null]
  }
  if (isIPv6(authority) || authority.split(':').length > 2) {
    throw new LegUrlError(found, 'an IPv6 address to stand in brackets, such as [::1]:1110')
  }
  const colon = authority.indexOf(':')
  return colon < 0 ? [authority, null] : [authority.slice(0, colon), authority.slice(colon + 1)]
}

function parsePort(text: string, found: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number.parseInt(text, 10) : -1
  if (port < 0 || port > HIGHEST_PORT) throw new LegUrlError(found, `a port from 0 to ${HIGHEST_PORT}`)
  return port
}

function shortestIPv6(address: string): string {
  const [plain = '', zone] = address.split('%')
  const shortest = new URL(`http://[${plain}]`).hostname.slice(1, -1)
  return zone === undefined ? shortest : `${shortest}%${zone}`
}
