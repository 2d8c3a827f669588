import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestAuthority, testAuthority } from '../support/certificates.js'
import { dial, type Pop3Client } from '../support/pop3-client.js'
import { type Postern, startPostern } from '../support/postern-process.js'
import {
  type RecordingServer,
  type RecordingServerOptions,
  startRecordingServer,
} from '../support/recording-server.js'
import { type TemporaryDirectory, temporaryDirectory } from '../support/tools.js'
import { writeCertificate } from './both-ways.js'

let directory: TemporaryDirectory
let authority: TestAuthority

beforeAll(() => {
  directory = temporaryDirectory('injection')
  authority = testAuthority()
  writeFileSync(join(directory.path, 'ca.pem'), authority.cert)
})
afterAll(() => directory?.remove())

/** A postern on a plain listener with STLS, and behind it a server that keeps what it gets. */
async function withServer(
  scheme: 'pop3' | 'pop3+stls' | 'pop3s',
  options: Omit<RecordingServerOptions, 'security' | 'context'>,
  use: (postern: Postern, server: RecordingServer) => Promise<void>,
): Promise<void> {
  const { chain, key } = authority.issue()
  const security = { pop3: 'plain', 'pop3+stls': 'stls', pop3s: 'tls' } as const
  const server = await startRecordingServer({
    ...options,
    security: security[scheme],
    context: { cert: chain, key },
  })
  try {
    const postern = await startPostern({
      listeners: ['pop3', 'pop3+stls'],
      upstream: `${scheme}://localhost:${server.port}`,
      ...(scheme === 'pop3' ? {} : { upstreamCaFile: join(directory.path, 'ca.pem') }),
      certificate: writeCertificate(directory.path, 'postern', authority.issue()),
    })
    try {
      await use(postern, server)
    } finally {
      await postern.stop()
    }
  } finally {
    await server.stop()
  }
}

/** Logs in within TLS and takes one answer to be sure that nothing is out of step. */
async function useSession(client: Pop3Client): Promise<void> {
  expect(await client.command('USER good')).toMatch(/^\+OK/)
  expect(await client.command('PASS fine')).toMatch(/^\+OK/)
  expect(await client.command('STAT')).toBe('+OK 1 20')
  expect(await client.command('QUIT')).toMatch(/^\+OK/)
}

describe('plaintext behind STLS on the client leg', () => {
  for (const [what, injected] of [
    ['a whole command', 'USER evil\r\n'],
    ['several commands', 'USER evil\r\nPASS evil\r\nDELE 1\r\nQUIT\r\n'],
    ['half a command', 'USER evi'],
    ['a line that joins the next command', 'X-'],
  ] as const) {
    for (const listener of ['pop3', 'pop3+stls'] as const) {
      test(`${what} in the segment of STLS never reaches the server (${listener} listener)`, async () => {
        await withServer('pop3s', {}, async (postern, server) => {
          const client = await dial(postern.port(listener))
          expect(await client.line()).toMatch(/^\+OK/)
          client.write(`STLS\r\n${injected}`)
          expect(await client.line()).toMatch(/^\+OK/)
          expect(client.waiting.toString()).toBe('')
          await client.startTls(authority.cert)
          await useSession(client)
          expect(server.received()).not.toMatch(/evi/)
          expect(server.received()).toMatch(/^(CAPA\r\n)*USER good\r\nPASS fine\r\nSTAT\r\nQUIT\r\n$/)
        })
      })
    }
  }

  test('what a server makes of commands before STLS does not outlive it', async () => {
    await withServer('pop3', {}, async (postern, server) => {
      const client = await dial(postern.port('pop3'))
      await client.line()
      expect(await client.command('USER evil')).toMatch(/^\+OK/)
      expect(await client.command('STLS')).toMatch(/^\+OK/)
      await client.startTls(authority.cert)
      expect(await client.command('PASS fine')).toMatch(/^-ERR/)
      await useSession(client)
      expect(server.received()).not.toMatch(/USER evil\r\n(CAPA\r\n)*PASS/)
    })
  })
})

describe('plaintext behind the answer to STLS on the server leg', () => {
  for (const [what, injection] of [
    ['a whole reply', '+OK logged in\r\n'],
    ['half a reply', '-E'],
    ['a capability list', '+OK\r\nUSER\r\n.\r\n'],
  ] as const) {
    test(`${what} ends the session with no credential sent`, async () => {
      await withServer('pop3+stls', { injection }, async (postern, server) => {
        const client = await dial(postern.port('pop3'))
        client.write('USER good\r\nPASS fine\r\n')
        const lines = (await client.rest()).toString('latin1').split('\r\n')
        expect(lines).toEqual([expect.stringMatching(/^-ERR \[SYS\/(TEMP|PERM)\] .*server.*STLS/), ''])
        expect(server.received()).toMatch(/^(CAPA\r\n)?STLS\r\n$/)
        expect(server.connections.map(({ isSecure }) => isSecure)).not.toContain(true)
      })
    })
  }
})
