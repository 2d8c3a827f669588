/**
 * What a log line says about an established TLS connection. Reads the socket once and keeps nothing of it.
 */
import type { TLSSocket } from 'node:tls'
import { printable } from './names.js'

/** One TLS connection in plain values. */
export interface TlsFacts {
  /** Such as `TLSv1.3`. */
  readonly protocol: string
  /** OpenSSL's or the standard's name of the cipher suite. */
  readonly cipher: string
  /** Whether an earlier session was resumed. */
  readonly resumed: boolean
  /** Name that the client asked for (SNI), made printable; null where none was sent. */
  readonly serverName: string | null
  /** Protocol agreed on by ALPN, RFC 7301; null where none was. */
  readonly alpn: string | null
}

/** Reads the facts of a connection whose handshake is done; costs no certificate decoding. */
export function tlsFacts(socket: TLSSocket): TlsFacts {
  const serverName = 'servername' in socket ? socket.servername : null
  const alpn = socket.alpnProtocol
  return {
    protocol: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher()?.name ?? 'unknown',
    resumed: socket.isSessionReused(),
    serverName: typeof serverName === 'string' && serverName !== '' ? printable(serverName, 253) : null,
    alpn: typeof alpn === 'string' && alpn !== '' ? printable(alpn) : null,
  }
}
