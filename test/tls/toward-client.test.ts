import { X509Certificate } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect, TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ListenerSettings } from '../../src/config/settings.js'
import { createAuthority, memoryAuthority } from '../../src/tls/authority.js'
import { CertificateError } from '../../src/tls/certificate-error.js'
import { tlsFacts } from '../../src/tls/facts.js'
import { ClientTls } from '../../src/tls/toward-client.js'
import type { TlsFacts } from '../../src/trace/event.js'
import { type IssuedCertificate, testAuthority } from '../support/certificates.js'

let directory: string
const servers: Server[] = []
const sockets: Socket[] = []
const authority = memoryAuthority()

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-client-'))
})

afterEach(async () => {
  rmSync(directory, { recursive: true, force: true })
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) await new Promise((done) => server.close(done))
})

function settings(changes: Partial<ListenerSettings> = {}): ListenerSettings {
  return {
    url: { security: 'tls', host: '127.0.0.1', port: 1995 },
    offerStls: true,
    oldTls: false,
    certificates: [],
    names: ['pop.example.org'],
    ...changes,
  }
}

function files(name: string, issued: IssuedCertificate): { certFile: string; keyFile: string } {
  const certFile = join(directory, `${name}.pem`)
  const keyFile = join(directory, `${name}-key.pem`)
  writeFileSync(certFile, issued.chain)
  writeFileSync(keyFile, issued.key, { mode: 0o600 })
  return { certFile, keyFile }
}

/** Listens as the proxy does: a plain socket, then TLS over it. Greets, so that TLS 1.3 tickets arrive. */
async function listen(tls: ClientTls): Promise<{ port: number; facts: TlsFacts[] }> {
  const facts: TlsFacts[] = []
  const server = createServer((raw: Socket) => {
    raw.on('error', () => undefined)
    sockets.push(raw)
    const secure = new TLSSocket(raw, { ...tls.socketOptions(raw.localAddress ?? ''), isServer: true })
    secure.on('error', () => raw.destroy())
    secure.on('secure', () => {
      facts.push(tlsFacts(secure))
      secure.write('+OK\r\n')
    })
  })
  servers.push(server)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return { port: (server.address() as AddressInfo).port, facts }
}

interface Visit {
  readonly certificate: X509Certificate
  readonly protocol: string | null
  readonly resumed: boolean
  readonly alpn: string | false | null
  readonly session: Buffer | undefined
}

const ABSENT = new X509Certificate(testAuthority({ commonName: 'absent' }).cert)

function visit(port: number, options: ConnectionOptions = {}): Promise<Visit> {
  return new Promise((resolve, reject) => {
    let session: Buffer | undefined
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options })
    socket.on('session', (fresh) => {
      session = fresh
    })
    socket.on('error', reject)
    socket.on('data', () => {
      // Not before the next turn: tickets of TLS 1.3 may be handed over behind the data.
      setImmediate(() => {
        // A resumed session has none to show.
        const certificate = socket.getPeerX509Certificate() ?? ABSENT
        resolve({
          certificate,
          protocol: socket.getProtocol(),
          resumed: socket.isSessionReused(),
          alpn: socket.alpnProtocol,
          session,
        })
        socket.destroy()
      })
    })
  })
}

function covers(certificate: X509Certificate, name: string): boolean {
  return certificate.checkHost(name) !== undefined || certificate.checkIP(name) !== undefined
}

describe('minted certificates', () => {
  it('are made for names that are allowed, and nothing else', async () => {
    const { port } = await listen(await ClientTls.create(settings(), authority))
    const asked = async (servername: string): Promise<string | undefined> =>
      (await visit(port, { servername })).certificate.subjectAltName
    expect(await asked('pop.example.org')).toContain('DNS:pop.example.org')
    for (const name of ['bank.example', 'a.pop.example.org', '*.example.org', `${'a.'.repeat(140)}org`])
      expect(await asked(name)).not.toContain(name)
  })

  it('verify at the client that trusts the authority', async () => {
    const { port } = await listen(await ClientTls.create(settings(), authority))
    const trusting = { ca: authority.certificatePem, rejectUnauthorized: true }
    await expect(visit(port, { ...trusting, servername: 'pop.example.org' })).resolves.toBeDefined()
    // Without a server name: by the address.
    await expect(visit(port, trusting)).resolves.toBeDefined()
    await expect(visit(port, { ...trusting, servername: 'bank.example' })).rejects.toThrow(/altname/i)
  })

  it('carry all allowed names and the local address where a client sends no name', async () => {
    const { port } = await listen(
      await ClientTls.create(
        settings({ names: ['pop.example.org', 'bücher.example', '192.0.2.1'] }),
        authority,
      ),
    )
    const { certificate } = await visit(port)
    for (const name of ['pop.example.org', 'xn--bcher-kva.example', '192.0.2.1', '127.0.0.1', 'localhost'])
      expect([name, covers(certificate, name)]).toEqual([name, true])
    if (/^[a-z0-9.-]+$/i.test(hostname())) expect(covers(certificate, hostname())).toBe(true)
  })

  it('are RSA for clients that know only RSA, and EC for all others', async () => {
    const { port } = await listen(await ClientTls.create(settings(), authority))
    const type = async (options: ConnectionOptions): Promise<string | undefined> =>
      (await visit(port, options)).certificate.publicKey.asymmetricKeyType
    // With a server name too: there, Node would use one certificate of a chosen context only.
    for (const name of [{}, { servername: 'pop.example.org' }]) {
      expect(await type({ ...name })).toBe('ec')
      expect(await type({ ...name, maxVersion: 'TLSv1.2' })).toBe('ec')
      expect(await type({ ...name, maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' })).toBe(
        'rsa',
      )
      expect(await type({ ...name, maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' })).toBe('rsa')
      expect(await type({ ...name, sigalgs: 'rsa_pss_rsae_sha256:RSA+SHA256' })).toBe('rsa')
    }
  })

  it('are made once and shared by all connections', async () => {
    const tls = await ClientTls.create(settings(), authority)
    const { port } = await listen(tls)
    const serial = async (): Promise<string> =>
      (await visit(port, { servername: 'pop.example.org' })).certificate.serialNumber
    expect(await serial()).toBe(await serial())
    expect(tls.socketOptions('127.0.0.1')).toBe(tls.socketOptions('127.0.0.1'))
  })

  it('are renewed when their day is over, by the clock that was given', async () => {
    let now = 1_000
    const tls = await ClientTls.create(settings(), authority, { now: () => now })
    const { port } = await listen(tls)
    const first = await visit(port, { servername: 'pop.example.org' })
    now += 86_400_001
    const second = await visit(port, { servername: 'pop.example.org' })
    expect(second.certificate.serialNumber).not.toBe(first.certificate.serialNumber)
  })

  it('stay within the constraints of the authority', async () => {
    const constrained = createAuthority(join(directory, 'ca'), { constrainTo: ['example.org'] })
    const { port } = await listen(await ClientTls.create(settings(), constrained))
    expect((await visit(port)).certificate.subjectAltName).toBe('DNS:pop.example.org')
    expect((await visit(port, { servername: 'localhost' })).certificate.subjectAltName).toBe(
      'DNS:pop.example.org',
    )
    const stranger = ClientTls.create(settings({ names: ['pop.example.com'] }), constrained)
    await expect(stranger).rejects.toThrow(/constrained to example\.org/)
  })
})

describe('own certificates', () => {
  it('are chosen by exact name and by wildcard, the first where none fits', async () => {
    const root = testAuthority()
    const tls = await ClientTls.create(
      settings({
        certificates: [
          files('one', root.issue({ names: ['one.example'] })),
          files('wild', root.issue({ names: ['*.wild.example'] })),
        ],
      }),
      null,
    )
    const { port } = await listen(tls)
    const asked = async (options: ConnectionOptions): Promise<string | undefined> =>
      (await visit(port, options)).certificate.subjectAltName
    expect(await asked({ servername: 'a.wild.example' })).toBe('DNS:*.wild.example')
    expect(await asked({ servername: 'a.b.wild.example' })).toBe('DNS:one.example')
    expect(await asked({ servername: 'wild.example' })).toBe('DNS:one.example')
    expect(await asked({})).toBe('DNS:one.example')
    // No authority, no minting.
    expect(await asked({ servername: 'pop.example.org' })).toBe('DNS:one.example')
  })

  it('come before minted ones, which serve the other names', async () => {
    const own = testAuthority().issue({ names: ['pop.example.org'] })
    const listener = settings({ certificates: [files('own', own)], names: ['pop.example.org', 'mail.lan'] })
    const { port } = await listen(await ClientTls.create(listener, authority))
    const issuer = async (servername: string): Promise<boolean> =>
      (await visit(port, { servername })).certificate.checkIssued(authority.certificate)
    expect(await issuer('pop.example.org')).toBe(false)
    expect(await issuer('mail.lan')).toBe(true)
    expect((await visit(port, { servername: 'MAIL.lan' })).certificate.subjectAltName).toBe('DNS:mail.lan')
    // Not allowed: the own one.
    for (const name of ['bank.example', '*.mail.lan', `${'a.'.repeat(140)}org`])
      expect(await issuer(name)).toBe(false)
  })

  it('of both key types for one name stand in one context, with their chains', async () => {
    const root = testAuthority()
    const middle = root.intermediate()
    const certificates = [
      files('rsa', middle.issue({ names: ['one.example'], bits: 2048 })),
      files('ec', middle.issue({ names: ['one.example'] })),
    ]
    const { port } = await listen(await ClientTls.create(settings({ certificates }), null))
    const trusting = {
      servername: 'one.example',
      ca: root.cert,
      rejectUnauthorized: true,
      maxVersion: 'TLSv1.2',
    } as const
    const old = await visit(port, { ...trusting, ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' })
    expect(old.certificate.publicKey.asymmetricKeyType).toBe('rsa')
    expect((await visit(port, trusting)).certificate.publicKey.asymmetricKeyType).toBe('ec')
  })

  it('are read again on reload; a bad file leaves the old ones in service', async () => {
    const root = testAuthority()
    const pair = files('own', root.issue({ names: ['one.example'] }))
    const tls = await ClientTls.create(settings({ certificates: [pair] }), null)
    const { port } = await listen(tls)
    const before = (await visit(port)).certificate.serialNumber
    writeFileSync(pair.certFile, 'half written')
    expect(() => tls.reload()).toThrow(CertificateError)
    expect((await visit(port)).certificate.serialNumber).toBe(before)
    files('own', root.issue({ names: ['one.example'] }))
    tls.reload()
    expect((await visit(port)).certificate.serialNumber).not.toBe(before)
  })

  it('stop the start when their key is open to others, does not fit, or is missing', async () => {
    const root = testAuthority()
    const pair = files('own', root.issue({ names: ['one.example'] }))
    const create = (): Promise<ClientTls> => ClientTls.create(settings({ certificates: [pair] }), null)
    chmodSync(pair.keyFile, 0o644)
    await expect(create()).rejects.toThrow(`chmod 600 ${pair.keyFile}`)
    chmodSync(pair.keyFile, 0o660)
    await expect(create()).rejects.toThrow(/its group \(mode 0660\)/)
    // systemd's LoadCredential and Debian's group ssl-cert.
    for (const mode of [0o440, 0o640, 0o400]) {
      chmodSync(pair.keyFile, mode)
      await expect(create()).resolves.toBeInstanceOf(ClientTls)
    }
    rmSync(pair.keyFile)
    await expect(create()).rejects.toThrow(`${pair.keyFile}: cannot be read`)
    writeFileSync(pair.keyFile, testAuthority().key, { mode: 0o600 })
    await expect(create()).rejects.toThrow(/does not belong to the certificate/)
  })

  it('are only warned about when they have expired', async () => {
    const late = testAuthority().issue({ notBefore: new Date('2026-01-01T00:00:00Z'), days: 1 })
    const tls = await ClientTls.create(settings({ certificates: [files('late', late)] }), null)
    expect(tls.warnings).toEqual([expect.stringMatching(/late\.pem: the certificate expired on 2026-01-02/)])
  })

  it('say that they have ended when they do, long after they were read', async () => {
    const notBefore = new Date('2026-01-01T12:00:00Z')
    const issued = testAuthority().issue({ names: ['pop.example.org'], notBefore, days: 3_650 })
    const tls = await ClientTls.create(settings({ certificates: [files('own', issued)] }), authority)
    expect(tls.dateProblems(new Date('2026-06-01'))).toEqual([])
    const { validTo } = new X509Certificate(issued.cert)
    const end = new Date(validTo)
    expect(tls.dateProblems(new Date(end.getTime() - 1))).toEqual([])
    expect(tls.dateProblems(end)).toEqual(['its certificate expired on 2035-12-30'])
    expect(tls.dateProblems(new Date('2026-01-01T11:00:00Z'))).toEqual([
      'its certificate is valid only from 2026-01-01 on',
    ])
    const minted = await ClientTls.create(settings(), authority)
    expect(minted.dateProblems(new Date())).toEqual([])
    const last = new Date(authority.certificate.validTo)
    expect(minted.dateProblems(last)).toEqual([
      `the local authority expired on ${last.toISOString().slice(0, 10)}`,
    ])
  })

  it('are asked for where there is no authority either', async () => {
    await expect(ClientTls.create(settings(), null)).rejects.toThrow(/postern ca init/)
  })
})

describe('the handshake with clients', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'resumes sessions of %s, with and without a server name',
    async (version) => {
      const { port, facts } = await listen(await ClientTls.create(settings(), authority))
      for (const name of [{ servername: 'pop.example.org' }, {}]) {
        const options = { ...name, minVersion: version, maxVersion: version }
        const first = await visit(port, options)
        expect(first.protocol).toBe(version)
        expect(first.resumed).toBe(false)
        expect(first.session).toBeInstanceOf(Buffer)
        const second = await visit(port, { ...options, session: first.session })
        expect(second.resumed).toBe(true)
        expect(facts.at(-1)).toMatchObject({ protocol: version, resumed: true })
      }
    },
  )

  it('agrees on pop3 by ALPN, does without, and ends the handshake with anything else', async () => {
    const { port, facts } = await listen(await ClientTls.create(settings(), authority))
    expect((await visit(port, { ALPNProtocols: ['http/1.1', 'pop3'] })).alpn).toBe('pop3')
    expect((await visit(port)).alpn).toBe(false)
    expect(facts.map(({ alpn }) => alpn)).toEqual(['pop3', null])
    await expect(visit(port, { ALPNProtocols: ['http/1.1'] })).rejects.toThrow(/no application protocol/i)
  })

  it('serves TLS 1.0 and 1.1 only where the listener is told to', async () => {
    const old = { minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const
    const strict = await listen(await ClientTls.create(settings(), authority))
    const lenient = await listen(await ClientTls.create(settings({ oldTls: true }), authority))
    for (const version of ['TLSv1', 'TLSv1.1'] as const) {
      await expect(visit(strict.port, { ...old, maxVersion: version })).rejects.toThrow(/protocol version/i)
      expect((await visit(lenient.port, { ...old, maxVersion: version })).protocol).toBe(version)
    }
    expect((await visit(lenient.port)).protocol).toBe('TLSv1.3')
  })

  it('tells its facts with a harmless server name', async () => {
    const { port, facts } = await listen(await ClientTls.create(settings(), authority))
    await visit(port, { servername: 'evil\u001b[2J.example' })
    expect(facts[0]?.serverName).toBe('evil?[2J.example')
    expect(facts[0]?.cipher).toMatch(/^TLS_AES/)
  })
})
