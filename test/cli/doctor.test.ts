import { existsSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { LegSecurity } from '../../src/config/settings.js'
import { type MaildropServerOptions, startMaildropServer } from '../../src/demo/maildrop-server.js'
import {
  type CertificateRequest,
  type IssuedCertificate,
  selfSigned,
  testAuthority,
} from '../support/certificates.js'
import { run, type TemporaryDirectory, temporaryDirectory } from '../support/tools.js'

const MAIN = new URL('../../dist/main.js', import.meta.url).pathname
const DAY_MS = 86_400_000
const SCHEMES = { plain: 'pop3', stls: 'pop3+stls', tls: 'pop3s' } as const
const authority = testAuthority()

let directory: TemporaryDirectory
let caFile: string
const closing: (() => Promise<unknown>)[] = []

beforeAll(() => {
  if (!existsSync(MAIN)) throw new Error('dist/main.js is missing: run "npm run build" first')
  directory = temporaryDirectory('doctor')
  caFile = join(directory.path, 'ca.pem')
  writeFileSync(caFile, authority.cert)
})
afterAll(() => directory.remove())
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

interface Diagnosis {
  readonly status: number | null
  /** Lines about the server, without what the line is about. */
  readonly upstream: readonly string[]
  readonly stdout: string
}

/** Runs the doctor with a configuration of one service. */
async function doctor(url: string, settings: { readonly limits?: string } = {}): Promise<Diagnosis> {
  const file = join(directory.path, 'postern.yaml')
  const ca = url.startsWith('pop3:') ? '' : `, ca: ${caFile}`
  const limits = settings.limits === undefined ? '' : `, limits: {${settings.limits}}`
  writeFileSync(file, `services: [{listen: "pop3://127.0.0.1:0", upstream: {url: "${url}"${ca}}${limits}}]\n`)
  const { status, stdout, stderr } = await run(process.execPath, [MAIN, 'doctor', '-c', file], {
    cwd: directory.path,
    env: { HOME: directory.path, XDG_STATE_HOME: directory.path },
  })
  expect(stderr).toBe('')
  const text = stdout.toString()
  const about = ` upstream ${url}: `
  const upstream = text
    .split('\n')
    .filter((line) => line.includes(about))
    .map((line) => `${line.slice(0, 4).trim()} ${line.slice(line.indexOf(about) + about.length)}`)
  return { status, upstream, stdout: text }
}

/** A maildrop server with a certificate of the test's authority. Gives its URL. */
async function mailServer(
  security: LegSecurity,
  certificate: CertificateRequest | IssuedCertificate = {},
  options: Partial<MaildropServerOptions> = {},
): Promise<string> {
  const issued =
    'chain' in certificate ? certificate : authority.issue({ names: ['127.0.0.1'], ...certificate })
  const received: Buffer[] = []
  const server = await startMaildropServer({
    security,
    // Level 0, or OpenSSL would refuse to show the short key.
    tls: {
      secureContext: createSecureContext({
        cert: issued.chain,
        key: issued.key,
        ciphers: 'DEFAULT@SECLEVEL=0',
      }),
    },
    users: new Map(),
    messages: [],
    onReceived: (octets) => received.push(octets),
    ...options,
  })
  closing.push(async () => {
    await server.close()
    // The doctor logs in nowhere.
    expect(Buffer.concat(received).toString('latin1')).not.toMatch(/USER|PASS|APOP|AUTH/)
  })
  return `${SCHEMES[security]}://127.0.0.1:${server.port}`
}

/** A server that does nothing but what the test says. Gives its port. */
async function tcpServer(serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}

const daysFromNow = (days: number): Date => new Date(Date.now() + days * DAY_MS)
const date = (days: number): string => daysFromNow(days).toISOString().slice(0, 10)

describe('the doctor before a good server', () => {
  it('over POP3S tells TLS, certificate, greeting and capabilities, and ends with 0', async () => {
    const { status, upstream } = await doctor(await mailServer('tls', { days: 90 }))
    expect(status).toBe(0)
    expect(upstream).toEqual([
      'ok takes connections',
      expect.stringMatching(/^ok TLS TLSv1\.3, TLS_\w+$/),
      expect.stringMatching(
        new RegExp(
          `^ok certificate for IP Address:127\\.0\\.0\\.1, ec prime256v1, valid until ${date(89)}, SHA-256 [0-9A-F:]{95}$`,
        ),
      ),
      expect.stringMatching(/^ok greets: postern demo maildrop ready </),
      expect.stringMatching(/^ok capabilities: .*UIDL.*SASL/),
    ])
  })

  it('over STLS tells the capabilities before and behind TLS', async () => {
    const { status, upstream } = await doctor(await mailServer('stls', { days: 90 }))
    expect(status).toBe(0)
    expect(upstream).toEqual([
      'ok takes connections',
      expect.stringMatching(/^ok greets: /),
      expect.stringMatching(/^ok capabilities: .*STLS/),
      expect.stringMatching(/^ok TLS TLSv1\.3/),
      expect.stringMatching(/^ok certificate for /),
      expect.stringMatching(/^ok capabilities: (?!.*STLS).*SASL/),
    ])
  })

  it('warns in time of a certificate that ends soon', async () => {
    const { status, upstream } = await doctor(await mailServer('tls', { days: 6 }))
    expect(status).toBe(0)
    expect(upstream).toContainEqual(
      expect.stringMatching(
        new RegExp(
          `^warn certificate .*valid until ${date(5)}, 4 days from now, .*  → its owner has to renew it$`,
        ),
      ),
    )
  })

  it('warns of one that does not know CAPA', async () => {
    const { status, upstream } = await doctor(await mailServer('tls', { days: 90 }, { capa: false }))
    expect(status).toBe(0)
    expect(upstream.at(-1)).toBe('warn does not know CAPA; clients have to guess what it can do')
  })
})

describe('the doctor before a bad certificate', () => {
  const cases: readonly (readonly [
    what: string,
    certificate: () => CertificateRequest | IssuedCertificate,
    text: RegExp,
    cure: RegExp,
  ])[] = [
    [
      'expired',
      () => ({ notBefore: daysFromNow(-40), days: 30 }),
      new RegExp(`expired on ${date(-10)}`),
      /clock|renew/,
    ],
    [
      'not valid yet',
      () => ({ notBefore: daysFromNow(10), days: 90 }),
      new RegExp(`valid only from ${date(10)} on`),
      /clock/,
    ],
    ['for another name', () => ({ names: ['pop.example.org'] }), /pop\.example\.org/, /--upstream-name|name/],
    ['self-signed', () => selfSigned({ names: ['127.0.0.1'] }), /self-signed/, /--upstream-ca|accept/],
    [
      'of an unknown authority',
      () => testAuthority().issue({ names: ['127.0.0.1'] }),
      /not trusted|unknown/,
      /--upstream-ca/,
    ],
    ['with a short key', () => ({ bits: 1024 }), /1024/, /2048|longer|stronger/],
  ]
  it.each(cases)(
    '%s: over POP3S and STLS ends with 6, the reason and the cure',
    async (_, certificate, text, cure) => {
      for (const security of ['tls', 'stls'] as const) {
        const { status, upstream } = await doctor(await mailServer(security, certificate()))
        expect(status).toBe(6)
        const failure = upstream.at(-1) ?? ''
        expect(failure).toMatch(/^fail /)
        const [found = '', advice = ''] = failure.split('  → ')
        expect(found).toMatch(text)
        expect(advice).toMatch(cure)
      }
    },
  )

  it('blames the clock where the certificate was made in the future', async () => {
    const { stdout } = await doctor(await mailServer('tls', { notBefore: daysFromNow(10), days: 90 }))
    expect(stdout).toMatch(
      new RegExp(
        `^fail  clock: it says ${date(0)}, but the server's certificate was made on ${date(10)}  → set the clock`,
        'm',
      ),
    )
  })
})

describe('the doctor before a server without TLS', () => {
  it('that refuses STLS ends with 6 and names POP3S', async () => {
    const { status, upstream } = await doctor(await mailServer('stls', {}, { stls: false }))
    expect(status).toBe(6)
    expect(upstream).toContain('warn does not announce STLS')
    expect(upstream.at(-1)).toMatch(/^fail it does not take STLS: .* {2}→ try pop3s:\/\/127\.0\.0\.1$/)
  })

  it('at a POP3S URL ends with 6 and says that it is no TLS', async () => {
    const url = await mailServer('plain')
    const { status, upstream } = await doctor(url.replace('pop3:', 'pop3s:'))
    expect(status).toBe(6)
    expect(upstream.at(-1)).toMatch(/^fail .*TLS.* {2}→ .*pop3/)
  })
})

describe('the doctor before a server that says nothing', () => {
  it.each([
    ['pop3', 'greeting: 300ms'],
    ['pop3+stls', 'greeting: 300ms'],
    ['pop3s', 'handshake: 300ms'],
  ])('at %s waits no longer than %s and ends with 6', async (scheme, limits) => {
    const port = await tcpServer(() => {})
    const { status, upstream } = await doctor(`${scheme}://127.0.0.1:${port}`, { limits })
    expect(status).toBe(6)
    expect(upstream[0]).toBe('ok takes connections')
    expect(upstream.at(-1)).toMatch(/^fail .*300 ms/)
    expect(upstream).toHaveLength(2)
  })

  it('to STLS waits no longer than the limit', async () => {
    const port = await tcpServer((socket) => {
      socket.write('+OK\r\n')
      socket.on('data', (octets) => {
        if (octets.toString().startsWith('CAPA')) socket.write('+OK\r\nSTLS\r\n.\r\n')
      })
    })
    const { status, upstream } = await doctor(`pop3+stls://127.0.0.1:${port}`, {
      limits: 'greeting: 300ms, stls: 300ms',
    })
    expect(status).toBe(6)
    expect(upstream.at(-1)).toMatch(/^fail .*300 ms/)
  })

  it('but leaves: ends with 6 and says so', async () => {
    const port = await tcpServer((socket) => socket.end())
    const { status, upstream } = await doctor(`pop3s://127.0.0.1:${port}`)
    expect(status).toBe(6)
    expect(upstream.at(-1)).toMatch(/^fail .*closed the connection/)
  })
})

describe('the doctor before a server that refuses', () => {
  it('repeats its words harmlessly and ends with 6', async () => {
    const port = await tcpServer((socket) => socket.end('-ERR [SYS/TEMP] \x1b[31mcome back later\r\n'))
    const { status, upstream } = await doctor(`pop3://127.0.0.1:${port}`)
    expect(status).toBe(6)
    expect(upstream.at(-1)).toBe('fail it refuses: \\x1b[31mcome back later  → ask whoever runs the server')
  })
})
