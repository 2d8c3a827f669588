import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startMaildropServer } from '../../src/demo/maildrop-server.js'
import { type IssuedCertificate, type TestAuthority, testAuthority } from '../support/certificates.js'
import { connectClient, logIn } from '../support/pop3-client.js'
import { POSTERN_MAIN } from '../support/postern-command.js'
import { type Postern, startConfiguredPostern } from '../support/postern-process.js'
import { realThing } from '../support/real.js'
import { startRecordingServer } from '../support/recording-server.js'
import { Tmux } from '../support/terminal.js'
import { run, type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'

const USER = 'anna'
const PASSWORD = 'correct-horse'
const DAY_MS = 86_400_000
const ENDED_AT = Date.now() - 30 * DAY_MS

let directory: TemporaryDirectory
let authority: TestAuthority

/** A server that makes trouble. */
interface Troublemaker {
  readonly port: number
  stop(): Promise<void>
}

interface Trouble {
  readonly what: string
  /** Of the URL of the server. */
  readonly scheme: 'pop3s' | 'pop3+stls'
  /** What the person types into the mail program. */
  readonly password?: string
  readonly start: () => Promise<Troublemaker>
  /** What curl makes of it. */
  readonly curl: number
  /** What the screen says in one line. */
  readonly headline: string
  /** The leg, the mechanism where there was one, what the server really said, what to change. */
  readonly tells: readonly string[]
}

/** A real maildrop behind POP3S. */
async function maildropWith(issued: IssuedCertificate): Promise<Troublemaker> {
  const server = await startMaildropServer({
    security: 'tls',
    tls: { key: issued.key, cert: issued.chain },
    users: new Map([[USER, PASSWORD]]),
    messages: [Buffer.from('Subject: x\r\n\r\ny\r\n')],
  })
  return { port: server.port, stop: () => server.close() }
}

async function maildrop(): Promise<Troublemaker> {
  return await maildropWith(authority.issue())
}

/** One whose maildrop another program has open. */
async function maildropInUse(): Promise<Troublemaker> {
  const { port, stop } = await maildrop()
  const { client } = await connectClient({ port, security: 'tls', ca: authority.cert })
  await logIn(client, { user: USER, password: PASSWORD })
  return {
    port,
    async stop() {
      client.destroy()
      await stop()
    },
  }
}

/** One that shakes hands and says nothing more. */
async function silentServer(): Promise<Troublemaker> {
  const { chain, key } = authority.issue()
  return await startRecordingServer({
    security: 'tls',
    greeting: null,
    context: { cert: chain, key },
  })
}

const TROUBLES: readonly Trouble[] = [
  {
    what: 'a wrong password',
    scheme: 'pop3s',
    password: 'wrong-horse',
    start: maildrop,
    curl: 67,
    headline: 'wrong password or user name: the server says so [AUTH]',
    tells: [
      'server leg: TLSv1.3',
      'mechanism: CRAM-MD5',
      'server said: "-ERR [AUTH] wrong user name or password" to AUTH',
      'what to change: correct user name or password in the mail program',
    ],
  },
  {
    what: 'an expired certificate of the server',
    scheme: 'pop3s',
    start: () => maildropWith(authority.issue({ notBefore: new Date(ENDED_AT - 10 * DAY_MS), days: 10 })),
    curl: 8,
    headline: `server certificate expired on ${new Date(ENDED_AT).toISOString().slice(0, 10)}`,
    tells: [
      'server leg: no TLS',
      'postern said: "server certificate expired on ',
      '(POSTERN_SERVER_CERTIFICATE_EXPIRED); no credential was sent',
      'what to change: the operator of the server has to renew it',
    ],
  },
  {
    what: 'a maildrop that another program has open',
    scheme: 'pop3s',
    start: maildropInUse,
    curl: 67,
    headline: 'the maildrop is in use: the login was right, but locked [IN-USE]',
    tells: [
      'server leg: TLSv1.3',
      'mechanism: CRAM-MD5',
      'server said: "-ERR [IN-USE] another session has this maildrop open" to AUTH',
      'what to change: wait for the other session that holds the lock to end',
    ],
  },
  {
    what: 'a server whose STLS was stripped',
    scheme: 'pop3+stls',
    start: () => startRecordingServer({ security: 'plain' }),
    curl: 8,
    headline: 'the server refused STLS, or somebody on the way took it away',
    tells: [
      'server leg: no TLS (pop3+stls://localhost:',
      'postern said: "server does not take STLS" (POSTERN_SERVER_NO_STLS); no credential was sent',
      'what to change: use pop3s:// in the URL of the upstream if the server has that port',
      'do not go on in clear',
    ],
  },
  {
    what: 'a server that never greets',
    scheme: 'pop3s',
    start: silentServer,
    curl: 8,
    headline: 'time-out of the server: it sent no greeting',
    tells: [
      'server leg: TLSv1.3',
      'postern said: "server sent no greeting in time" (POSTERN_DEADLINE); no credential was sent',
      'what to change: the port is right, for its TLS works: see the log of the server',
    ],
  },
]

/** Runs postern before the server, and lets curl meet the trouble once. */
async function meet(trouble: Trouble, server: Troublemaker, name: string): Promise<Postern> {
  const configuration = `
control: ${join(directory.path, `${name}.sock`)}
write: { file: ${join(directory.path, `${name}.jsonl`)} }
services:
  - listen: { url: 'pop3://127.0.0.1:0', stls: false }
    upstream: { url: '${trouble.scheme}://localhost:${server.port}', ca: ca.pem }
    limits: { greeting: 1s }
`
  const postern = await startConfiguredPostern(join(directory.path, `${name}.yaml`), configuration, 1)
  const login = `${USER}:${trouble.password ?? PASSWORD}`
  const url = `pop3://127.0.0.1:${postern.port('pop3')}/1`
  const { status, stdout } = await run('curl', ['--silent', '--user', login, url])
  expect(stdout.toString()).toBe('')
  expect(status).toBe(trouble.curl)
  await until('the session to be over', () =>
    postern.events().some(({ event }) => event === 'session-closed'),
  )
  return postern
}

/** The only session of a dashboard, opened, with its login explained, as a person sees it. */
async function sessionScreen(command: string): Promise<string> {
  const tmux = await Tmux.start(`LANG=C.UTF-8 exec ${process.execPath} ${POSTERN_MAIN} ${command}`, 80, 24)
  try {
    await tmux.until(/127\.0\.0\.1:\d+ .*!/)
    await tmux.press('Enter')
    const opened = await tmux.until(/^ login /m)
    if (!opened.includes('what to change')) await tmux.press('l')
    return await tmux.until('what to change')
  } finally {
    await tmux.end()
  }
}

function expectTold(screen: string, { headline, tells }: Trouble): void {
  const lines = screen.split('\n')
  expect(lines.length).toBeLessThanOrEqual(25)
  // The headline stands there whole, in its one line.
  expect(lines.find((line) => line.startsWith(' login '))).toContain(` ${headline} `)
  // What is wrapped reads as it was said.
  const text = screen.replace(/\s+/g, ' ')
  for (const words of tells) expect(text).toContain(words)
  // The client's leg is told beside the server's, and the dialogue begins below.
  expect(text).toContain('client leg: no TLS (pop3://127.0.0.1:')
  expect(screen).toMatch(/^ +# TIME +WHO LINE/m)
  expect(screen).not.toMatch(/-horse/)
}

describe.skipIf(!realThing('tmux', 'curl'))('one screen of 80x24 tells', () => {
  beforeAll(() => {
    directory = temporaryDirectory('trouble')
    authority = testAuthority()
    writeFileSync(join(directory.path, 'ca.pem'), authority.cert)
  })
  afterAll(() => directory?.remove())

  for (const [index, trouble] of TROUBLES.entries()) {
    describe(trouble.what, () => {
      const name = `trouble-${index}`
      let server: Troublemaker
      let postern: Postern
      beforeAll(async () => {
        server = await trouble.start()
        postern = await meet(trouble, server, name)
      })
      afterAll(async () => {
        await postern?.stop()
        await server?.stop()
      })

      test('live, by "postern attach"', async () => {
        expectTold(await sessionScreen(`attach ${join(directory.path, `${name}.sock`)}`), trouble)
      })

      test('afterwards, by "postern read"', async () => {
        await postern.stop()
        const file = join(directory.path, `${name}.jsonl`)
        expectTold(await sessionScreen(`read ${file}`), trouble)
        expect(readFileSync(file, 'utf8')).not.toContain('-horse')
      })
    })
  }
})
