import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import {
  type AddressInfo,
  createServer as createTcpServer,
  connect as dial,
  type Server,
  type Socket,
} from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { connect, createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { UpstreamSettings } from '../../src/config/settings.js'
import { CertificateError } from '../../src/tls/certificate-error.js'
import { tlsFacts } from '../../src/tls/facts.js'
import type { TlsFailure } from '../../src/tls/failure.js'
import { ServerTls } from '../../src/tls/toward-server.js'
import { type IssuedCertificate, selfSigned, testAuthority } from '../support/certificates.js'

const DAY_MS = 86_400_000
const root = testAuthority({ commonName: 'Root of the tests' })
let directory: string
let caFile: string
const servers: Server[] = []
const sockets = new Set<Socket>()

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-server-'))
  caFile = join(directory, 'ca.pem')
  writeFileSync(caFile, root.cert)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  rmSync(directory, { recursive: true, force: true })
  for (const socket of sockets) socket.destroy()
  sockets.clear()
  for (const server of servers.splice(0)) await new Promise((done) => server.close(done))
})

function settings(port: number, changes: Partial<UpstreamSettings> = {}): UpstreamSettings {
  return {
    url: { security: 'tls', host: '127.0.0.1', port },
    name: 'pop.example.org',
    caFile,
    pins: [],
    acceptCertificates: [],
    minimumTls: 'TLSv1.2',
    ...changes,
  }
}

async function start(server: Server): Promise<number> {
  servers.push(server)
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return (server.address() as AddressInfo).port
}

// Lets a test server show keys that OpenSSL would not load.
const LENIENT = { ciphers: 'DEFAULT:@SECLEVEL=0' } as const

/** A server that greets. What clients send ends up in `received`. */
async function serve(
  issued: IssuedCertificate,
  options: TlsOptions = {},
): Promise<{ port: number; received: Buffer[] }> {
  const received: Buffer[] = []
  const server = createServer({ cert: issued.chain, key: issued.key, ...LENIENT, ...options }, (socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (octets) => received.push(octets))
    socket.write('+OK\r\n')
  })
  server.on('tlsClientError', () => undefined)
  return { port: await start(server), received }
}

interface Outcome {
  readonly failure: TlsFailure | null
  readonly resumed: boolean
  readonly protocol: string | null
}

/** Connects as the proxy does and waits for the greeting, behind which tickets of TLS 1.3 have arrived. */
function attempt(tls: ServerTls, port: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const transport = dial(port, '127.0.0.1', () => {
      const socket = tls.connect(transport)
      const finish = (failure: TlsFailure | null): void => {
        const { resumed, protocol } = failure === null ? tlsFacts(socket) : { resumed: false, protocol: null }
        resolve({ failure, resumed, protocol })
        socket.destroy()
        transport.destroy()
      }
      socket.on('error', (error) => finish(tls.explain(error, socket)))
      socket.on('secureConnect', () => {
        const failure = tls.verify(socket)
        if (failure !== null) return finish(failure)
        socket.once('data', () => setImmediate(() => finish(null)))
      })
    })
    transport.on('error', () => undefined)
  })
}

async function failureWith(
  issued: IssuedCertificate,
  changes: Partial<UpstreamSettings> = {},
): Promise<TlsFailure | null> {
  const { port, received } = await serve(issued)
  const { failure } = await attempt(ServerTls.create(settings(port, changes)), port)
  expect(received).toEqual([])
  return failure
}

const good = { names: ['pop.example.org'] }

describe('the certificate of the server', () => {
  it('is taken when chain, name, validity and strength are right', async () => {
    expect(await failureWith(root.issue(good))).toBeNull()
    expect(await failureWith(root.issue({ names: ['*.example.org'] }))).toBeNull()
    expect(await failureWith(root.intermediate().issue({ ...good, bits: 2048 }))).toBeNull()
    expect(await failureWith(root.issue({ names: ['127.0.0.1'] }), { name: null })).toBeNull()
  })

  it.each<[string, IssuedCertificate, string, RegExp]>([
    [
      'expired',
      root.issue({ ...good, notBefore: new Date('2026-01-01T00:00:00Z'), days: 1 }),
      'EXPIRED',
      /^server certificate expired on 2026-01-02$/,
    ],
    [
      'not yet valid',
      root.issue({ ...good, notBefore: new Date(Date.now() + 3 * DAY_MS) }),
      'NOT_YET_VALID',
      /^server certificate is valid only from \d{4}-\d\d-\d\d on$/,
    ],
    [
      'for another host',
      root.issue({ names: ['imap.example.org'] }),
      'WRONG_NAME',
      /^server certificate is for imap\.example\.org, not pop\.example\.org$/,
    ],
    [
      'for a part of a label',
      root.issue({ names: ['p*.example.org'] }),
      'WRONG_NAME',
      /^server certificate is for p\*\.example\.org, not /,
    ],
    ['self-signed', selfSigned(good), 'SELF_SIGNED', /^server certificate is self-signed$/],
    [
      'of an unknown authority',
      testAuthority({ commonName: 'Nobody' }).issue(good),
      'UNKNOWN_ISSUER',
      /^server certificate is issued by an unknown authority \(Nobody\)$/,
    ],
    [
      'without its intermediate',
      { ...root.intermediate({ commonName: 'Middle' }).issue(good) },
      'UNKNOWN_ISSUER',
      /unknown authority \(Middle\)$/,
    ],
    [
      '1024 bits short',
      root.issue({ ...good, bits: 1024 }),
      'WEAK',
      /^server certificate has a 1024-bit key$/,
    ],
    [
      'below a small curve',
      root.intermediate({ ec: 'secp224r1' }).issue(good),
      'WEAK',
      /^issuer of the server certificate has a 224-bit key$/,
    ],
    [
      'below a short intermediate',
      root.intermediate({ bits: 1024 }).issue(good),
      'WEAK',
      /^issuer of the server certificate has a 1024-bit key$/,
    ],
    [
      'meant for clients',
      root.issue({ ...good, usage: 'client' }),
      'INVALID',
      /^server certificate is not meant for servers$/,
    ],
  ])('is refused where it is %s, in words', async (what, issued, code, text) => {
    const shown = what === 'without its intermediate' ? { ...issued, chain: issued.cert } : issued
    const failure = await failureWith(shown)
    expect(failure?.text).toMatch(text)
    expect(failure?.code).toBe(`POSTERN_SERVER_CERTIFICATE_${code}`)
    expect(failure?.permanent).toBe(true)
    expect(failure?.hint).not.toBe('')
  })

  it('is refused whatever NODE_TLS_REJECT_UNAUTHORIZED says', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    expect((await failureWith(selfSigned(good)))?.code).toBe('POSTERN_SERVER_CERTIFICATE_SELF_SIGNED')
    expect((await failureWith(root.issue({ names: ['a.example'] })))?.code).toBe(
      'POSTERN_SERVER_CERTIFICATE_WRONG_NAME',
    )
  })

  it('is refused even by a caller that forgets to verify', async () => {
    const { port } = await serve(root.issue({ ...good, bits: 1024 }))
    const outcome = await new Promise((resolve) => {
      const socket: TLSSocket = connect(ServerTls.create(settings(port)).connectOptions(), () =>
        resolve('connected'),
      )
      socket.on('error', () => resolve('refused'))
    })
    expect(outcome).toBe('refused')
  })

  it('sees nothing of what a caller adds to the options of another connection', () => {
    const tls = ServerTls.create(settings(1))
    const first = tls.connectOptions()
    const untouched = { ...first }
    Object.assign(first, { socket: new PassThrough(), session: Buffer.from('x'), servername: 'b.example' })
    expect(tls.connectOptions()).toEqual(untouched)
  })

  it('cannot bring hostile text into a message', async () => {
    const hostile = root.issue({
      names: ['a\u001b[2J\r\n+OK.example', ...Array.from({ length: 500 }, (_, i) => `n${i}.example`)],
    })
    const failure = await failureWith(hostile)
    expect(failure?.text).toMatch(/^[\x20-\x7e]{1,200}$/)
    expect(failure?.text).toContain('and 499 more')
    const named = testAuthority({ commonName: `evil\u001b]0;x\u0007${'x'.repeat(300)}` }).issue(good)
    expect((await failureWith(named))?.text).toMatch(/^[\x20-\x7e]{1,120}$/)
  })

  it('is not trusted by the roots of Node where a file narrows them, nor the other way round', async () => {
    expect((await failureWith(root.issue(good), { caFile: null }))?.code).toBe(
      'POSTERN_SERVER_CERTIFICATE_UNKNOWN_ISSUER',
    )
  })
})

describe('pins', () => {
  it('narrow: a certificate has to verify and to fit', async () => {
    const issued = root.issue(good)
    const colons = issued.fingerprint.toUpperCase().replace(/..(?!$)/g, '$&:')
    for (const pin of [
      issued.spki,
      `sha256/${issued.spki}`,
      `sha256//${issued.spki}`,
      issued.fingerprint,
      colons,
    ])
      expect([pin, await failureWith(issued, { pins: ['0'.repeat(64), pin] })]).toEqual([pin, null])
    const failure = await failureWith(issued, { pins: [root.issue(good).spki] })
    expect(failure?.text).toBe('server certificate is not the pinned one')
    expect(failure?.hint).toContain(issued.spki)
    const stranger = selfSigned(good)
    expect((await failureWith(stranger, { pins: [stranger.spki] }))?.code).toBe(
      'POSTERN_SERVER_CERTIFICATE_SELF_SIGNED',
    )
  })

  it('survive a renewal with the same key', async () => {
    const issued = root.issue(good)
    const renewed = root.issue({ ...good, keyPair: issued.keyPair })
    expect(await failureWith(renewed, { pins: [issued.spki] })).toBeNull()
    expect((await failureWith(renewed, { pins: [issued.fingerprint] }))?.code).toBe(
      'POSTERN_SERVER_CERTIFICATE_NOT_PINNED',
    )
  })

  it('stop the start when they are malformed', () => {
    expect(() => ServerTls.create(settings(1, { pins: ['abc'] }))).toThrow(CertificateError)
    expect(() => ServerTls.create(settings(1, { acceptCertificates: [selfSigned().spki] }))).toThrow(
      CertificateError,
    )
    expect(() => ServerTls.create(settings(1, { caFile: join(directory, 'absent.pem') }))).toThrow(
      /absent\.pem: cannot be read/,
    )
  })
})

describe('accepted certificates', () => {
  it('pass without chain, name and validity, but only the very one', async () => {
    const own = selfSigned({ names: ['old.lan'], notBefore: new Date('2020-01-01T00:00:00Z') })
    expect(await failureWith(own, { acceptCertificates: [own.fingerprint] })).toBeNull()
    const other = selfSigned({ names: ['old.lan'] })
    const failure = await failureWith(other, { acceptCertificates: [own.fingerprint] })
    expect(failure?.code).toBe('POSTERN_SERVER_CERTIFICATE_SELF_SIGNED')
    // The same key in another certificate is another certificate.
    const again = selfSigned({ names: ['old.lan'], keyPair: own.keyPair })
    expect(await failureWith(again, { acceptCertificates: [own.fingerprint] })).not.toBeNull()
  })

  it('leave the judgement of all others as it is, in the same words', async () => {
    const list = { acceptCertificates: ['0'.repeat(64)] }
    expect(await failureWith(root.issue(good), list)).toBeNull()
    expect((await failureWith(root.issue({ names: ['imap.example.org'] }), list))?.text).toBe(
      'server certificate is for imap.example.org, not pop.example.org',
    )
    expect((await failureWith(root.issue({ ...good, bits: 1024 }), list))?.text).toBe(
      'server certificate has a 1024-bit key',
    )
    const late = root.issue({ ...good, notBefore: new Date('2026-01-01T00:00:00Z'), days: 1 })
    expect((await failureWith(late, list))?.text).toBe('server certificate expired on 2026-01-02')
  })

  it('still need a strong key and a fitting pin', async () => {
    const weak = selfSigned({ ...good, bits: 1024 })
    expect((await failureWith(weak, { acceptCertificates: [weak.fingerprint] }))?.text).toBe(
      'server certificate has a 1024-bit key',
    )
    const own = selfSigned(good)
    const failure = await failureWith(own, { acceptCertificates: [own.fingerprint], pins: ['0'.repeat(64)] })
    expect(failure?.code).toBe('POSTERN_SERVER_CERTIFICATE_NOT_PINNED')
  })
})

describe('the handshake with the server', () => {
  it('refuses what is older than the minimum', async () => {
    const old = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const
    const ancient = await serve(root.issue({ ...good, bits: 2048 }), old)
    const failure = (await attempt(ServerTls.create(settings(ancient.port)), ancient.port)).failure
    expect(failure).toMatchObject({
      code: 'POSTERN_SERVER_TLS_TOO_OLD',
      text: 'server speaks nothing newer than TLS 1.1',
    })
    const dated = await serve(root.issue(good), { maxVersion: 'TLSv1.2' })
    const strict = ServerTls.create(settings(dated.port, { minimumTls: 'TLSv1.3' }))
    expect((await attempt(strict, dated.port)).failure?.text).toBe('server speaks nothing newer than TLS 1.2')
  })

  it('sends the name and pop3, and takes a server without ALPN', async () => {
    const seen: unknown[] = []
    const issued = root.issue(good)
    const { port } = await serve(issued, {
      SNICallback: (name, done) => {
        seen.push(name)
        done(null)
      },
      ALPNCallback: ({ protocols }) => {
        seen.push(protocols)
        return 'pop3'
      },
    })
    expect((await attempt(ServerTls.create(settings(port)), port)).failure).toBeNull()
    expect(seen).toContainEqual(['pop3'])
    expect(seen).toContain('pop.example.org')
  })

  it('does not speak to a server of another protocol', async () => {
    const { port } = await serve(root.issue(good), { ALPNProtocols: ['http/1.1'] })
    const { failure } = await attempt(ServerTls.create(settings(port)), port)
    expect(failure?.code).toBe('POSTERN_SERVER_TLS_WRONG_PROTOCOL')
  })

  it('names a server that speaks no TLS, and one that hangs up', async () => {
    const plain = await start(createTcpServer((socket) => socket.write('+OK POP3 ready\r\n')))
    expect((await attempt(ServerTls.create(settings(plain)), plain)).failure?.text).toBe(
      'server does not answer in TLS',
    )
    const shy = await start(createTcpServer((socket) => socket.once('data', () => socket.destroy())))
    const { failure } = await attempt(ServerTls.create(settings(shy)), shy)
    expect(failure).toMatchObject({ code: 'POSTERN_SERVER_TLS_CLOSED', permanent: false })
  })
})

describe('resumption', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('spares %s the full handshake', async (version) => {
    const { port } = await serve(root.issue(good), { minVersion: version, maxVersion: version })
    const tls = ServerTls.create(settings(port))
    expect(await attempt(tls, port)).toEqual({ failure: null, resumed: false, protocol: version })
    for (let round = 0; round < 5; round++)
      expect(await attempt(tls, port)).toEqual({ failure: null, resumed: true, protocol: version })
  })

  it('serves sessions that open at one moment', async () => {
    const { port } = await serve(root.issue(good))
    const tls = ServerTls.create(settings(port))
    await attempt(tls, port)
    const all = await Promise.all(Array.from({ length: 8 }, () => attempt(tls, port)))
    expect(all.filter(({ resumed }) => resumed)).toHaveLength(8)
  })

  it('works for a certificate accepted by its fingerprint', async () => {
    const own = selfSigned({ names: ['old.lan'] })
    const { port } = await serve(own)
    const tls = ServerTls.create(settings(port, { acceptCertificates: [own.fingerprint] }))
    expect((await attempt(tls, port)).resumed).toBe(false)
    expect(await attempt(tls, port)).toMatchObject({ failure: null, resumed: true })
  })

  it('does not outlive a change of settings', async () => {
    const { port } = await serve(root.issue(good))
    await attempt(ServerTls.create(settings(port)), port)
    const changed = ServerTls.create(settings(port, { name: 'other.example.org' }))
    expect((await attempt(changed, port)).failure?.code).toBe('POSTERN_SERVER_CERTIFICATE_WRONG_NAME')
  })

  it('never begins with a connection that failed', async () => {
    const { port } = await serve(root.issue({ names: ['imap.example.org'] }))
    const tls = ServerTls.create(settings(port, { acceptCertificates: ['0'.repeat(64)] }))
    for (let round = 0; round < 3; round++)
      expect((await attempt(tls, port)).failure?.code).toBe('POSTERN_SERVER_CERTIFICATE_WRONG_NAME')
  })

  it('ends with the certificate, with the hour, and when told to', async () => {
    let now = Date.now()
    const { port } = await serve(root.issue({ ...good, notBefore: new Date(now - DAY_MS), days: 1 + 1 / 48 }))
    const tls = ServerTls.create(settings(port), () => now)
    const resumed = async (): Promise<boolean> => (await attempt(tls, port)).resumed
    await resumed()
    expect(await resumed()).toBe(true)
    tls.forgetSessions()
    expect(await resumed()).toBe(false)
    expect(await resumed()).toBe(true)
    // Half an hour: by our clock the certificate has expired, so the session must not hide that.
    now += 31 * 60_000
    expect(await resumed()).toBe(false)
  })

  it('falls back to a full handshake, verified again, when the server has forgotten', async () => {
    const keys = Buffer.alloc(48, 1)
    const first = await serve(root.issue(good), { ticketKeys: keys })
    const tls = ServerTls.create(settings(first.port))
    await attempt(tls, first.port)
    // Another server in its place, with a certificate for another name.
    const impostor = await serve(root.issue({ names: ['evil.example'] }), { ticketKeys: Buffer.alloc(48, 2) })
    expect((await attempt(tls, impostor.port)).failure?.code).toBe('POSTERN_SERVER_CERTIFICATE_WRONG_NAME')
  })
})
