/**
 * What a log line says about an established TLS connection. Reads the socket once and keeps nothing of it.
 */
import type { TLSSocket } from 'node:tls'
import type { TlsFacts } from '../trace/event.js'
import { printable } from './names.js'

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
    certificate: null,
  }
}
