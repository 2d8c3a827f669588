import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { realThing } from '../support/real.js'
import { run } from '../support/tools.js'
import { asDelivered, type BothWays, type Run, SAMPLE_MAILS, startBothWays, texts } from './both-ways.js'

let bench: BothWays

/** Feeds a whole session to s_client at once, so that all commands travel in one TLS record. */
async function sClient({ way }: Run, leg: 'STLS' | 'POP3S', commands: readonly string[]): Promise<string> {
  const port = leg === 'POP3S' ? way.tlsPort : way.plainPort
  const { status, stdout, stderr } = await run(
    'openssl',
    [
      's_client',
      '-quiet',
      '-verify_return_error',
      '-verify_hostname',
      'localhost',
      '-CAfile',
      way.caFile,
      '-connect',
      `127.0.0.1:${port}`,
      '-servername',
      'localhost',
      ...(leg === 'STLS' ? ['-starttls', 'pop3'] : []),
    ],
    { input: commands.map((command) => `${command}\r\n`).join('') },
  )
  if (status !== 0) throw new Error(`openssl ended with ${status}: ${stderr}`)
  // The greeting, which comes before the first answer on POP3S, has a timestamp of its own each time.
  return stdout.toString('latin1').replace(/<[^>]+@[^>]+>/, '<timestamp>')
}

describe.skipIf(!realThing('dovecot', 'openssl'))('openssl s_client', () => {
  beforeAll(async () => {
    bench = await startBothWays()
  })
  afterAll(async () => await bench?.stop())

  for (const leg of ['STLS', 'POP3S'] as const) {
    test(`gets every answer in order over ${leg} though login and retrievals come in one record`, async () => {
      const { outcome, left } = await bench.compare(
        SAMPLE_MAILS,
        async (session) =>
          await sClient(session, leg, [
            `USER ${session.account.user}`,
            `PASS ${session.account.password}`,
            'NOOP',
            ...SAMPLE_MAILS.map((_, index) => `RETR ${index + 1}`),
            'XNONSENSE',
            'LIST 1',
            'DELE 2',
            'QUIT',
          ]),
      )
      // Byte-stuffing is not undone by s_client.
      for (const mail of SAMPLE_MAILS) expect(outcome).toContain(asDelivered(mail).replace(/^\./gm, '..'))
      expect(outcome).toMatch(/-ERR [^\r\n]*\r\n\+OK 1 45\r\n\+OK [^\r\n]*\r\n\+OK [^\r\n]*\r\n$/)
      expect(left).toEqual(texts(SAMPLE_MAILS.filter((_, index) => index !== 1)))
    })
  }

  test('gets each refusal where commands come out of turn', async () => {
    const { outcome } = await bench.compare(
      SAMPLE_MAILS,
      async (session) =>
        await sClient(session, 'POP3S', [
          'STAT',
          `USER ${session.account.user}`,
          'PASS wrong',
          'RETR 1',
          'QUIT',
        ]),
    )
    expect(outcome.split('\r\n').map((line) => line.slice(0, 4))).toEqual([
      '+OK ',
      '-ERR',
      '+OK',
      '-ERR',
      '-ERR',
      '+OK ',
      '',
    ])
  })
})
