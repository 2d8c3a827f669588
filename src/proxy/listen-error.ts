/** Why an address could not be listened on, with the cure. */

/** Thrown at start and at reload. */
export class ListenError extends Error {
  /** The listener's URL as configured. */
  readonly url: string
  /** The system's code, as `EADDRINUSE`. */
  readonly code: string
  /** What to do about it. */
  readonly cure: string

  /** @param option of the command line that names the address */
  constructor(url: string, cause: Error, option = '--listen') {
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : 'unknown'
    super(`cannot listen on ${url}: ${REASONS.get(code) ?? cause.message}`, { cause })
    this.name = 'ListenError'
    this.url = url
    this.code = code
    this.cure = cureOf(code, option)
  }
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'another program listens there (EADDRINUSE)'],
  ['EACCES', 'ports below 1024 are reserved for root (EACCES)'],
  ['EADDRNOTAVAIL', 'this machine has no such address (EADDRNOTAVAIL)'],
  ['ENOTFOUND', 'the name does not resolve (ENOTFOUND)'],
])

function cureOf(code: string, option: string): string {
  if (code === 'EADDRINUSE')
    return `end that program (\`ss -ltnp\` names it) or choose another port with ${option}`
  if (code === 'EADDRNOTAVAIL') return '`ip address` lists the addresses of this machine'
  if (code === 'EACCES' && option === '--listen')
    return (
      'grant AmbientCapabilities=CAP_NET_BIND_SERVICE in its systemd unit, or listen on 1110 and ' +
      'redirect: `nft add rule ip nat prerouting tcp dport 110 redirect to :1110`'
    )
  return `choose another address with ${option}`
}
