import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { realThing } from '../support/real.js'
import { run } from '../support/tools.js'
import { asDelivered, type BothWays, type Run, SAMPLE_MAILS, startBothWays, texts } from './both-ways.js'

let bench: BothWays

const ALL = SAMPLE_MAILS.map(asDelivered).join('')

/** Runs curl against one of the listeners, with the account's login. */
async function curl(
  { way, account }: Run,
  scheme: 'pop3' | 'pop3s',
  path: string,
  args: readonly string[] = [],
): Promise<{ status: number | null; stdout: string; commands: readonly string[] }> {
  const port = scheme === 'pop3' ? way.plainPort : way.tlsPort
  const { status, stdout, stderr } = await run('curl', [
    '--silent',
    '--verbose',
    '--cacert',
    way.caFile,
    '--user',
    `${account.user}:${account.password}`,
    ...args,
    `${scheme}://localhost:${port}/${path}`,
  ])
  const commands = [...stderr.matchAll(/^> ([A-Z]+(?: [A-Z][A-Z0-9-]+)?)/gm)].map((match) => match[1]!)
  return { status, stdout: stdout.toString('latin1'), commands }
}

describe.skipIf(!realThing('dovecot', 'curl'))('curl', () => {
  beforeAll(async () => {
    bench = await startBothWays()
  })
  afterAll(async () => await bench?.stop())

  const legs = [
    { leg: 'plain', scheme: 'pop3', args: [] },
    { leg: 'STLS', scheme: 'pop3', args: ['--ssl-reqd'] },
    { leg: 'POP3S', scheme: 'pop3s', args: [] },
  ] as const

  for (const { leg, scheme, args } of legs) {
    test(`fetches every message over ${leg}`, async () => {
      const { outcome } = await bench.compare(
        SAMPLE_MAILS,
        async (run) => await curl(run, scheme, `[1-${SAMPLE_MAILS.length}]`, args),
      )
      expect(outcome.status).toBe(0)
      expect(outcome.stdout).toBe(ALL)
    })

    // SCRAM is mpop's to try: Debian builds curl without it.
    for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5', '+APOP']) {
      test(`logs in by ${mechanism} over ${leg}`, async () => {
        const { outcome } = await bench.compare(
          SAMPLE_MAILS,
          async (run) => await curl(run, scheme, '1', [...args, '--login-options', `AUTH=${mechanism}`]),
        )
        expect(outcome.status).toBe(0)
        expect(outcome.stdout).toBe(asDelivered(SAMPLE_MAILS[0]!))
        expect(outcome.commands).toContain(mechanism === '+APOP' ? 'APOP' : `AUTH ${mechanism}`)
      })
    }
  }

  test('sends the initial response with AUTH where it is told to', async () => {
    const { outcome } = await bench.compare(
      SAMPLE_MAILS,
      async (run) => await curl(run, 'pop3', '2', ['--login-options', 'AUTH=PLAIN', '--sasl-ir']),
    )
    expect(outcome.status).toBe(0)
    expect(outcome.stdout).toBe(asDelivered(SAMPLE_MAILS[1]!))
  })

  test('is refused with a wrong password, and its exit status says so', async () => {
    const { outcome, left } = await bench.compare(
      SAMPLE_MAILS,
      async (run) =>
        await curl({ ...run, account: { user: run.account.user, password: 'wrong' } }, 'pop3', '1'),
    )
    expect(outcome.status).toBe(67)
    expect(outcome.stdout).toBe('')
    expect(left).toHaveLength(SAMPLE_MAILS.length)
  })

  test('lists, and gets the unique-ids', async () => {
    const { outcome } = await bench.compare(SAMPLE_MAILS, async (run) => ({
      list: await curl(run, 'pop3', ''),
      uidl: await curl(run, 'pop3s', '', ['--request', 'UIDL']),
      top: await curl(run, 'pop3s', '', ['--request', 'TOP 2 2']),
    }))
    expect(outcome.list.stdout.split('\r\n').filter(Boolean)).toHaveLength(SAMPLE_MAILS.length)
    expect(outcome.uidl.stdout).toContain('1 1700000000.M000001.postern')
    expect(outcome.top.stdout).toBe('From: a@example.org\r\nSubject: dots\r\n\r\n.\r\n..\r\n')
  })

  test('gets -ERR to a message that does not exist as it is, and goes on', async () => {
    const { outcome } = await bench.compare(SAMPLE_MAILS, async (run) => await curl(run, 'pop3', '99'))
    expect(outcome.status).not.toBe(0)
    expect(outcome.stdout).toBe('')
  })

  test('deletes a message by DELE and QUIT', async () => {
    const { outcome, left } = await bench.compare(
      SAMPLE_MAILS,
      async (run) => await curl(run, 'pop3', '2', ['--head', '--request', 'DELE']),
    )
    expect(outcome.status).toBe(0)
    expect(left).toEqual(texts(SAMPLE_MAILS.filter((_, index) => index !== 1)))
  })
})
