import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { realThing } from '../support/real.js'
import { run, signalGroup, until } from '../support/tools.js'
import { asDelivered, type BothWays, type Run, SAMPLE_MAILS, startBothWays, texts } from './both-ways.js'

let bench: BothWays

/** What fetchmail gives to a delivery program: LF line ends, and a blank line where the message had none. */
const ALL = SAMPLE_MAILS.map((mail) => asDelivered(mail).replaceAll('\r\n', '\n')).join('')

/** Exit status of fetchmail: 0 where it fetched something, 1 where there was nothing to fetch. */
interface Fetched {
  readonly status: number | null
  readonly mail: string
}

function configured(
  { way, account, directory }: Run,
  leg: Leg,
  login: string,
  words: string,
  delivery?: string,
): readonly string[] {
  const rc = join(directory, 'fetchmailrc')
  const port = leg === 'POP3S' ? way.tlsPort : way.plainPort
  const tls = {
    plain: "sslproto ''",
    STLS: `sslproto TLS1.2+ sslcertck sslcertfile ${way.caFile}`,
    POP3S: `ssl sslproto TLS1.2+ sslcertck sslcertfile ${way.caFile}`,
  }[leg]
  writeFileSync(
    rc,
    `set no bouncemail
set invisible
poll localhost service ${port} protocol pop3 uidl timeout 15 no dns auth ${login}
  user ${account.user} password ${account.password} ${tls} ${words}
  mda "${delivery ?? `cat >> ${directory}/mail`}"
`,
    { mode: 0o600 },
  )
  return [
    '--fetchmailrc',
    rc,
    '--idfile',
    join(directory, 'ids'),
    '--pidfile',
    join(directory, 'pid'),
    '--nosyslog',
    '--verbose',
  ]
}

/** Runs fetchmail once and returns what it has delivered since the run began. */
async function fetchmail(session: Run, leg: Leg, login: string, words: string): Promise<Fetched> {
  const file = join(session.directory, 'mail')
  writeFileSync(file, '')
  const { status, stdout, stderr } = await run('fetchmail', configured(session, leg, login, words), {
    env: { FETCHMAILHOME: session.directory },
  })
  if (status !== 0 && status !== 1) throw new Error(`fetchmail ended with ${status}: ${stdout}${stderr}`)
  return { status, mail: readFileSync(file, 'latin1') }
}

type Leg = 'plain' | 'STLS' | 'POP3S'

describe.skipIf(!realThing('dovecot', 'fetchmail'))('fetchmail', () => {
  beforeAll(async () => {
    bench = await startBothWays()
  })
  afterAll(async () => await bench?.stop())

  for (const leg of ['plain', 'STLS', 'POP3S'] as const) {
    for (const login of ['password', 'cram-md5']) {
      test(`fetches and deletes everything over ${leg}, logged in by ${login}`, async () => {
        const { outcome, left } = await bench.compare(
          SAMPLE_MAILS,
          async (session) => await fetchmail(session, leg, login, 'fetchall nokeep'),
        )
        expect(outcome).toEqual({ status: 0, mail: ALL })
        expect(left).toEqual([])
      })
    }

    test(`leaves everything on the server over ${leg} and fetches nothing twice`, async () => {
      const later = Buffer.from('Subject: later\n\nx\n')
      const { outcome, left } = await bench.compare(SAMPLE_MAILS, async (session) => {
        const first = await fetchmail(session, leg, 'password', 'keep')
        const second = await fetchmail(session, leg, 'password', 'keep')
        session.deliver([later])
        const third = await fetchmail(session, leg, 'password', 'keep')
        return { first, second, third }
      })
      expect(outcome).toEqual({
        first: { status: 0, mail: ALL },
        second: { status: 1, mail: '' },
        third: { status: 0, mail: later.toString() },
      })
      expect(left).toEqual(texts([...SAMPLE_MAILS, later]))
    })
  }

  test('deletes nothing where it is killed while it delivers', async () => {
    const { outcome, left } = await bench.compare(SAMPLE_MAILS, async (session) => {
      // The third delivery never ends; the first two messages have had their DELE by then.
      const log = join(session.directory, 'deliveries')
      const hanging = join(session.directory, 'hanging')
      const delivery = `sh -c 'cat > /dev/null; echo x >> ${log}; test $(wc -l < ${log}) -lt 3 || { touch ${hanging}; sleep 60; }'`
      const child = spawn(
        'fetchmail',
        configured(session, 'plain', 'password', 'fetchall nokeep', delivery),
        {
          detached: true,
          env: { ...process.env, FETCHMAILHOME: session.directory },
        },
      )
      let printed = ''
      child.stdout.on('data', (octets: Buffer) => {
        printed += octets.toString()
      })
      try {
        await until('fetchmail to deliver its third message', () => existsSync(hanging))
      } finally {
        signalGroup(child, 'SIGKILL')
      }
      return [...printed.matchAll(/POP3> (DELE \d+)/g)].map((match) => match[1])
    })
    expect(outcome).toEqual(['DELE 1', 'DELE 2'])
    expect(left).toEqual(texts(SAMPLE_MAILS))
  })
})
