import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type IssuedCertificate,
  selfSigned,
  type TestAuthority,
  testAuthority,
} from '../support/certificates.js'
import { startDovecot } from '../support/dovecot.js'
import { connectClient, dial, logIn } from '../support/pop3-client.js'
import { type Postern, startConfiguredPostern } from '../support/postern-process.js'
import { realThing } from '../support/real.js'
import { type RecordingServerOptions, startRecordingServer } from '../support/recording-server.js'
import { freePorts, run, type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'

const USER = 'adelheid'
const PASSWORD = 'correct-horse-battery'

/** The same two in every spelling in which a login could carry them. */
const CREDENTIALS = [USER, PASSWORD, Buffer.from(`\0${USER}\0${PASSWORD}`).toString('base64')]

const DAY_MS = 86_400_000

let directory: TemporaryDirectory
let authority: TestAuthority

beforeAll(() => {
  directory = temporaryDirectory('failures')
  authority = testAuthority()
  writeFileSync(join(directory.path, 'ca.pem'), authority.cert)
})
afterAll(() => directory?.remove())

async function withPostern<T>(upstream: string, use: (postern: Postern) => Promise<T>): Promise<T> {
  const postern = await startConfiguredPostern(
    join(directory.path, 'postern.yaml'),
    `
log: { level: trace }
services:
  - listen: { url: 'pop3://127.0.0.1:0', stls: false }
    upstream: { url: '${upstream}'${upstream.startsWith('pop3:') ? '' : ', ca: ca.pem'} }
    limits: { connect: 2s, greeting: 500ms, stls: 500ms, handshake: 2s }
`,
    1,
  )
  try {
    return await use(postern)
  } finally {
    await postern.stop()
  }
}

/**
 * A client that waits for nothing: its login is in postern's hands before the server has said a word.
 *
 * @returns every line that it gets, without line ends
 */
async function logInEagerly(postern: Postern): Promise<readonly string[]> {
  const client = await dial(postern.port('pop3'))
  client.write(`USER ${USER}\r\nPASS ${PASSWORD}\r\nSTAT\r\n`)
  const received = await client.rest()
  return received.toString('latin1').split('\r\n').slice(0, -1)
}

/** Both a client of ours and curl log in; the client is told why not, and curl's exit status says that it failed. */
async function expectRefusal(upstream: string, says: RegExp): Promise<void> {
  await withPostern(upstream, async (postern) => {
    const lines = await logInEagerly(postern)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^-ERR \[SYS\/(TEMP|PERM)\] /)
    expect(lines[0]).toMatch(says)
    expect(lines[0]!.length).toBeLessThanOrEqual(510)

    if (realThing('curl')) {
      const curl = await run('curl', [
        '--silent',
        '--user',
        `${USER}:${PASSWORD}`,
        `pop3://127.0.0.1:${postern.port('pop3')}/1`,
      ])
      expect(curl.status).toBeGreaterThan(0)
      expect(curl.stdout.toString()).toBe('')
    }
    await until('the log to tell it too', () => says.test(postern.printed()))
    expect(postern.printed()).not.toContain(PASSWORD)
  })
}

/** Puts a server with such manners behind postern and expects that no credential reaches it. */
async function expectNothingSent(
  scheme: 'pop3s' | 'pop3+stls' | 'pop3',
  options: RecordingServerOptions,
  says: RegExp,
): Promise<void> {
  const server = await startRecordingServer(options)
  try {
    await expectRefusal(`${scheme}://localhost:${server.port}`, says)
    expect(server.connections.length).toBeGreaterThan(0)
    for (const credential of CREDENTIALS) expect(server.received()).not.toContain(credential)
    expect(server.received()).not.toMatch(/USER|PASS|AUTH|APOP|QUIT/i)
  } finally {
    await server.stop()
  }
}

interface BadCertificate {
  readonly what: string
  readonly issue: () => IssuedCertificate
  readonly says: RegExp
}

const BAD_CERTIFICATES: readonly BadCertificate[] = [
  {
    what: 'has expired',
    issue: () => authority.issue({ notBefore: new Date(Date.now() - 60 * DAY_MS), days: 30 }),
    says: /server.*expired/i,
  },
  {
    what: 'is not valid yet',
    issue: () => authority.issue({ notBefore: new Date(Date.now() + 2 * DAY_MS) }),
    says: /server.*valid only from/,
  },
  {
    what: 'is for another host',
    issue: () => authority.issue({ names: ['other.example.org'] }),
    says: /server.*(localhost|name)/i,
  },
  { what: 'is self-signed', issue: () => selfSigned(), says: /server.*self.signed/i },
  {
    what: 'is of an unknown authority',
    issue: () => testAuthority().issue(),
    says: /server.*(authority|issuer)/i,
  },
  {
    what: 'has a 1024-bit key',
    issue: () => authority.issue({ bits: 1_024 }),
    says: /server.*(1024|key)/i,
  },
]

describe('a server that is not what was configured', () => {
  for (const [scheme, security] of [
    ['pop3s', 'tls'],
    ['pop3+stls', 'stls'],
  ] as const) {
    for (const { what, issue, says } of BAD_CERTIFICATES) {
      test(`gets no login over ${scheme} where its certificate ${what}`, async () => {
        const { chain, key } = issue()
        // The weak key is the point; without this OpenSSL would not let the server use it.
        const context = { cert: chain, key, ciphers: 'DEFAULT@SECLEVEL=0' }
        await expectNothingSent(scheme, { security, context }, says)
      })
    }

    test(`gets no login over ${scheme} where it can do no better than TLS 1.1`, async () => {
      const { chain, key } = authority.issue({ bits: 2_048 })
      const context = {
        cert: chain,
        key,
        ciphers: 'DEFAULT@SECLEVEL=0',
        minVersion: 'TLSv1' as const,
        maxVersion: 'TLSv1.1' as const,
      }
      await expectNothingSent(scheme, { security, context }, /server.*TLS/)
    })

    test(`gets its login over ${scheme} where its certificate is good`, async () => {
      const { chain, key } = authority.issue()
      const server = await startRecordingServer({ security, context: { cert: chain, key } })
      try {
        await withPostern(`${scheme}://localhost:${server.port}`, async (postern) => {
          const { client } = await connectClient({ port: postern.port('pop3'), security: 'plain', ca: '' })
          await logIn(client, { user: USER, password: PASSWORD })
          expect(await client.command('STAT')).toBe('+OK 1 20')
          expect(await client.command('QUIT')).toMatch(/^\+OK/)
        })
        expect(server.received()).toContain(`USER ${USER}\r\nPASS ${PASSWORD}\r\nSTAT\r\n`)
        expect(
          server.connections.map(({ isSecure, serverName, protocol }) => ({
            isSecure,
            serverName,
            protocol,
          })),
        ).toEqual([{ isSecure: true, serverName: 'localhost', protocol: 'pop3' }])
      } finally {
        await server.stop()
      }
    })
  }

  test('gets no login where STLS is wanted and the server does not offer it', async () => {
    await expectNothingSent('pop3+stls', { security: 'plain' }, /server.*STLS/)
  })

  test('gets no login where it lists STLS and refuses it', async () => {
    await expectNothingSent(
      'pop3+stls',
      {
        security: 'plain',
        answer: (verb) => {
          if (verb === 'CAPA') return '+OK\r\nUSER\r\nSTLS\r\n.\r\n'
          return verb === 'STLS' ? '-ERR not today\r\n' : null
        },
      },
      /server.*STLS/,
    )
  })

  test('gets no login where it says +OK to STLS and goes on in the clear', async () => {
    await expectNothingSent(
      'pop3+stls',
      { security: 'plain', answer: (verb) => (verb === 'STLS' ? '+OK begin\r\n+OK welcome\r\n' : null) },
      /server/,
    )
  })

  test('gets no login where it closes instead of answering STLS', async () => {
    await expectNothingSent(
      'pop3+stls',
      {
        security: 'plain',
        answer: (verb, connection) => {
          if (verb === 'STLS') connection.end()
          return null
        },
      },
      /server/,
    )
  })

  test('gets no login where it never answers STLS', async () => {
    await expectNothingSent(
      'pop3+stls',
      { security: 'plain', answer: (verb) => (verb === 'STLS' ? '' : null) },
      /server.*STLS/,
    )
  })

  test('gets no login where TLS is wanted and it speaks plain POP3', async () => {
    await expectNothingSent('pop3s', { security: 'plain' }, /server.*TLS/)
  })

  for (const scheme of ['pop3', 'pop3+stls'] as const) {
    for (const [what, greeting] of [
      ['is silent', null],
      ['greets in HTTP', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'],
      ['greets in SMTP', '220 mail.example.org ESMTP\r\n'],
      ['greets in octets of no protocol', Buffer.from([0x15, 0x03, 0x01, 0, 2, 2, 70, 13, 10])],
      ['greets without end', '+OK '.padEnd(100_000, 'x')],
    ] as const) {
      test(`gets no login over ${scheme} where it ${what}`, async () => {
        await expectNothingSent(scheme, { security: 'plain', greeting }, /server.*greet/)
      })
    }
  }

  test('gets no login where nothing listens', async () => {
    const [port] = await freePorts(1)
    await expectRefusal(`pop3s://localhost:${port}`, /server.*(refused|ECONNREFUSED)/i)
  })

  test('gets no login where it closes at once', async () => {
    const server = createServer((socket) =>
      socket
        .on('error', () => {})
        .resume()
        .end(),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const address = server.address()
      const port = address !== null && typeof address === 'object' ? address.port : 0
      await expectRefusal(`pop3://127.0.0.1:${port}`, /server/)
      await expectRefusal(`pop3s://localhost:${port}`, /server/)
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })

  test.skipIf(!realThing('dovecot'))('gets no login where it is a Dovecot without TLS', async () => {
    const dovecot = await startDovecot({ certificate: null })
    try {
      await expectRefusal(`pop3+stls://localhost:${dovecot.plainPort}`, /server.*STLS/)
      await expectRefusal(`pop3s://localhost:${dovecot.plainPort}`, /server.*TLS/)
      expect(dovecot.log()).not.toContain(USER)
    } finally {
      await dovecot.stop()
    }
  })

  test('passes on its own refusal where that is what it greets with', async () => {
    const server = await startRecordingServer({
      greeting: '-ERR [SYS/TEMP] maintenance until noon\r\n',
    })
    try {
      await withPostern(`pop3://127.0.0.1:${server.port}`, async (postern) => {
        const lines = await logInEagerly(postern)
        expect(lines[0]).toBe('-ERR [SYS/TEMP] maintenance until noon')
      })
      for (const credential of CREDENTIALS) expect(server.received()).not.toContain(credential)
    } finally {
      await server.stop()
    }
  })
})
