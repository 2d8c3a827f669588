import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { realThing } from '../support/real.js'
import { run } from '../support/tools.js'
import { asDelivered, type BothWays, type Run, SAMPLE_MAILS, startBothWays, texts } from './both-ways.js'

let bench: BothWays

type Leg = 'plain' | 'STLS' | 'POP3S'

interface Fetched {
  readonly status: number | null
  /** What lies in the Maildir, in no order of its own. */
  readonly mails: readonly string[]
}

const ALL = [...SAMPLE_MAILS.map((mail) => asDelivered(mail).replaceAll('\r\n', '\n'))].sort()

/** Runs mpop once into a Maildir of its own. */
async function mpop(session: Run, leg: Leg, mechanism: string, ...args: readonly string[]): Promise<Fetched> {
  const { way, account, directory } = session
  const maildir = join(directory, `maildir-${readdirSync(directory).length}`)
  for (const folder of ['', 'cur', 'new', 'tmp']) mkdirSync(join(maildir, folder))
  const port = leg === 'POP3S' ? way.tlsPort : way.plainPort
  const tls = {
    plain: ['--tls=off'],
    STLS: ['--tls=on', '--tls-starttls=on', `--tls-trust-file=${way.caFile}`],
    POP3S: ['--tls=on', '--tls-starttls=off', `--tls-trust-file=${way.caFile}`],
  }[leg]
  const { status, stdout, stderr } = await run('mpop', [
    '--host=localhost',
    `--port=${port}`,
    `--user=${account.user}`,
    `--passwordeval=echo ${account.password}`,
    `--auth=${mechanism}`,
    ...tls,
    `--delivery=maildir,${maildir}`,
    `--uidls-file=${join(directory, 'uidls')}`,
    '--received-header=off',
    '--timeout=15',
    ...args,
  ])
  if (status !== 0) throw new Error(`mpop ended with ${status}: ${stdout}${stderr}`)
  const mails = readdirSync(join(maildir, 'new')).map((name) =>
    readFileSync(join(maildir, 'new', name), 'latin1'),
  )
  return { status, mails: mails.sort() }
}

describe.skipIf(!realThing('dovecot', 'mpop'))('mpop', () => {
  beforeAll(async () => {
    bench = await startBothWays()
  })
  afterAll(async () => await bench?.stop())

  // APOP is for curl and poplib to try: mpop does not take the timestamp of Dovecot's greeting for one.
  for (const leg of ['plain', 'STLS', 'POP3S'] as const) {
    for (const mechanism of ['user', 'plain', 'login', 'cram-md5', 'scram-sha-1', 'scram-sha-256']) {
      test(`logs in by ${mechanism} over ${leg} and fetches everything`, async () => {
        const { outcome, left } = await bench.compare(
          SAMPLE_MAILS,
          async (session) => await mpop(session, leg, mechanism, '--keep=on'),
        )
        expect(outcome).toEqual({ status: 0, mails: ALL })
        expect(left).toEqual(texts(SAMPLE_MAILS))
      })
    }
  }

  for (const pipelining of ['on', 'off']) {
    test(`deletes what it has fetched, pipelining ${pipelining}`, async () => {
      const { outcome, left } = await bench.compare(
        SAMPLE_MAILS,
        async (session) => await mpop(session, 'STLS', 'user', '--keep=off', `--pipelining=${pipelining}`),
      )
      expect(outcome).toEqual({ status: 0, mails: ALL })
      expect(left).toEqual([])
    })

    test(`leaves mail on the server and fetches nothing twice, pipelining ${pipelining}`, async () => {
      const later = Buffer.from('Subject: later\n\nx\n')
      const { outcome, left } = await bench.compare(SAMPLE_MAILS, async (session) => {
        const args = ['--keep=on', `--pipelining=${pipelining}`]
        const first = await mpop(session, 'plain', 'plain', ...args)
        const second = await mpop(session, 'plain', 'plain', ...args)
        session.deliver([later])
        const third = await mpop(session, 'plain', 'plain', ...args)
        return [first, second, third].map(({ mails }) => mails)
      })
      expect(outcome).toEqual([ALL, [], [later.toString()]])
      expect(left).toEqual(texts([...SAMPLE_MAILS, later]))
    })
  }
})
