import { X509Certificate } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { type ConnectionOptions, connect, createServer, type Server, type TLSSocket } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { certificateFacts, tlsFacts } from '../../src/tls/facts.js'
import type { TlsFacts } from '../../src/trace/event.js'
import { testAuthority } from '../support/certificates.js'

const authority = testAuthority({ commonName: 'Test authority' })
const leaf = authority.issue({ commonName: 'pop.example.org', names: ['pop.example.org', '127.0.0.1'] })
const FINGERPRINT = new X509Certificate(leaf.cert).fingerprint256
const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

/** What both sides tell of a handshake, the server's own leaf and the client's view of it. */
async function handshake(
  maximum: 'TLSv1.2' | 'TLSv1.3',
): Promise<(session?: Buffer) => Promise<{ own: TlsFacts; peer: TlsFacts; session: Buffer | undefined }>> {
  let own: TlsFacts | null = null
  const server = createServer(
    { cert: leaf.chain, key: leaf.key, maxVersion: maximum },
    (socket: TLSSocket) => {
      own = tlsFacts(socket, 'own')
      socket.on('error', () => {})
      socket.write('+OK\r\n')
    },
  )
  servers.push(server)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return (session) =>
    new Promise((resolve, reject) => {
      const options: ConnectionOptions = { host: '127.0.0.1', port, ca: authority.cert }
      const socket = connect(session === undefined ? options : { ...options, session })
      let peer: TlsFacts | null = null
      let fresh: Buffer | undefined
      socket.on('error', reject)
      socket.on('session', (ticket) => {
        fresh = ticket
      })
      socket.on('secureConnect', () => {
        expect(socket.authorized).toBe(true)
        peer = tlsFacts(socket, 'peer')
      })
      socket.on('data', () => {
        setImmediate(() => {
          socket.destroy()
          if (own === null || peer === null) reject(new Error('data before the handshake'))
          else resolve({ own, peer, session: fresh })
        })
      })
    })
}

describe('the facts of a TLS connection', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('of %s tell the leaf on both sides', async (version) => {
    const visit = await handshake(version)
    const { own, peer } = await visit()
    for (const { certificate } of [own, peer]) {
      expect(certificate).toMatchObject({
        subject: 'pop.example.org',
        issuer: 'Test authority',
        names: ['pop.example.org', '127.0.0.1'],
        fingerprint256: FINGERPRINT,
      })
      expect(certificate?.notBefore).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/)
      expect(Date.parse(certificate?.notAfter ?? '')).toBeGreaterThan(
        Date.parse(certificate?.notBefore ?? ''),
      )
    }
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'of a resumed session of %s tell the leaf or none',
    async (version) => {
      const visit = await handshake(version)
      const { session } = await visit()
      const { peer } = await visit(session)
      expect(peer.resumed).toBe(true)
      expect([FINGERPRINT, undefined]).toContain(peer.certificate?.fingerprint256)
    },
  )

  test('tell no certificate where nobody looks', async () => {
    const server = createServer({ cert: leaf.chain, key: leaf.key })
    servers.push(server)
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const { port } = server.address() as AddressInfo
    const socket = connect({ host: '127.0.0.1', port, ca: authority.cert })
    await new Promise((done) => socket.once('secureConnect', done))
    expect(tlsFacts(socket).certificate).toBeNull()
    socket.destroy()
  })
})

describe('a certificate', () => {
  test('that was described before is not read again, and another one is', () => {
    const first = certificateFacts(new X509Certificate(leaf.cert))
    expect(certificateFacts(new X509Certificate(leaf.cert))).toBe(first)
    const other = authority.issue({ commonName: 'pop.example.org', names: ['pop.example.org', '127.0.0.1'] })
    expect(certificateFacts(new X509Certificate(other.cert))).not.toBe(first)
  })

  test('with hostile names is told in harmless text', () => {
    const hostile = authority.issue({ commonName: 'pop\x1b]0;gone\x07\u202e', names: ['pop.example.org'] })
    const facts = certificateFacts(new X509Certificate(hostile.cert))
    expect(JSON.stringify(facts)).not.toMatch(/[^\x20-\x7e]|\\u00/)
    expect(facts?.names).toEqual(['pop.example.org'])
  })

  test('of many names tells sixteen', () => {
    const names = Array.from({ length: 40 }, (_, index) => `pop${index}.example.org`)
    const facts = certificateFacts(new X509Certificate(authority.issue({ commonName: 'x', names }).cert))
    expect(facts?.names).toEqual(names.slice(0, 16))
  })
})
