import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { realThing } from '../support/real.js'
import { run, signalGroup, until } from '../support/tools.js'
import { asDelivered, type BothWays, type Run, SAMPLE_MAILS, startBothWays, texts } from './both-ways.js'

const SCRIPT = join(import.meta.dirname, 'poplib-session.py')

let bench: BothWays

type Security = 'plain' | 'tls'

function command({ way }: Run, security: Security, steps: readonly string[]): readonly string[] {
  const port = security === 'tls' ? way.tlsPort : way.plainPort
  return [SCRIPT, 'localhost', String(port), security, way.caFile, ...steps]
}

/** Runs a session and returns what each step gave, by the step's place; "login" stands for USER and PASS. */
async function poplib(
  session: Run,
  security: Security,
  ...steps: readonly string[]
): Promise<readonly unknown[]> {
  const { status, stdout, stderr } = await run(
    'python3',
    command(session, security, loginsIn(session, steps)),
  )
  if (status !== 0) throw new Error(`python3 ended with ${status}: ${stderr}`)
  return stdout
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as [string, unknown])[1])
}

function loginsIn({ account }: Run, steps: readonly string[]): readonly string[] {
  return steps.flatMap((step) =>
    step === 'login' ? [`user:${account.user}`, `pass_:${account.password}`] : [step],
  )
}

/** What poplib makes of a message: its lines without their ends, dots undone. */
function linesOf(mail: Buffer): readonly string[] {
  return asDelivered(mail).split('\r\n').slice(0, -1)
}

describe.skipIf(!realThing('dovecot', 'python3'))('poplib', () => {
  beforeAll(async () => {
    bench = await startBothWays()
  })
  afterAll(async () => await bench?.stop())

  for (const [leg, security, before] of [
    ['plain', 'plain', []],
    ['STLS', 'plain', ['stls']],
    ['POP3S', 'tls', []],
  ] as const) {
    test(`goes through a whole session over ${leg}`, async () => {
      const retrievals = SAMPLE_MAILS.map((_, index) => `retr:${index + 1}`)
      const { outcome, left } = await bench.compare(SAMPLE_MAILS, async (session) => {
        const results = await poplib(
          session,
          security,
          ...before,
          'login',
          'stat',
          'list',
          'list:2',
          'uidl',
          'uidl:2',
          'noop',
          'top:2:1',
          ...retrievals,
          'retr:99',
          'dele:1',
          'rset',
          'quit',
        )
        // The answer to STLS is postern's own.
        return results.slice(before.length)
      })
      const retrieved = outcome.slice(9, -4).map((result) => (result as [string, unknown])[1])
      expect(retrieved).toEqual(SAMPLE_MAILS.map(linesOf))
      expect(outcome.at(-4)).toMatch(/^failed: b.-ERR/)
      expect(left).toEqual(texts(SAMPLE_MAILS))
    })
  }

  test('asks for the capabilities before STLS, within TLS and after the login, and is told the truth', async () => {
    // stls() sends a CAPA of its own, so that CAPA comes twice before STLS.
    const { outcome } = await bench.compare(SAMPLE_MAILS, async (session) => {
      const [before, , within, , , after] = await poplib(
        session,
        'plain',
        'capa',
        'stls',
        'capa',
        'login',
        'capa',
        'quit',
      )
      const names = (capabilities: unknown) => Object.keys(capabilities as Record<string, unknown>).sort()
      return { before: names(before), within: names(within), after: names(after) }
    })
    expect(outcome.before).toContain('STLS')
    expect(outcome.within).not.toContain('STLS')
    expect(outcome.within).toContain('SASL')
    expect(outcome.after).not.toContain('STLS')
    expect(outcome.after).not.toContain('USER')
  })

  test('logs in by APOP with the timestamp of the greeting', async () => {
    const { outcome } = await bench.compare(SAMPLE_MAILS, async (session) => {
      const { user, password } = session.account
      return (await poplib(session, 'plain', `apop:${user}:${password}`, 'stat', 'quit')).slice(1)
    })
    expect(outcome[0]).toEqual([SAMPLE_MAILS.length, expect.any(Number)])
  })

  test('is refused, and may try again in the same session', async () => {
    const { outcome } = await bench.compare(
      SAMPLE_MAILS,
      async (session) =>
        await poplib(
          session,
          'plain',
          `user:${session.account.user}`,
          'pass_:wrong',
          'login',
          'stat',
          'quit',
        ),
    )
    expect(outcome[1]).toMatch(/^failed: b.-ERR/)
    expect(outcome[4]).toEqual([SAMPLE_MAILS.length, expect.any(Number)])
  })

  test('deletes what it said DELE to once it says QUIT', async () => {
    const { left } = await bench.compare(
      SAMPLE_MAILS,
      async (session) => await poplib(session, 'tls', 'login', 'dele:1', 'dele:3', 'stat', 'quit'),
    )
    expect(left).toEqual(texts(SAMPLE_MAILS.filter((_, index) => index !== 0 && index !== 2)))
  })

  for (const [how, step] of [
    ['closes the connection', 'abort'],
    ['resets the connection', 'reset'],
  ] as const) {
    test(`deletes nothing where it ${how} after DELE`, async () => {
      const { outcome, left } = await bench.compare(SAMPLE_MAILS, async (session) => {
        return await poplib(session, 'plain', 'login', 'dele:1', 'dele:2', 'stat', step)
      })
      expect(outcome[4]).toEqual([SAMPLE_MAILS.length - 2, expect.any(Number)])
      expect(left).toEqual(texts(SAMPLE_MAILS))
    })
  }

  test('deletes nothing where it is killed after DELE', async () => {
    const { left } = await bench.compare(SAMPLE_MAILS, async (session) => {
      const steps = loginsIn(session, ['login', 'dele:1', 'dele:2', 'hang'])
      const child = spawn('python3', command(session, 'tls', steps), { detached: true })
      let printed = ''
      child.stdout.on('data', (octets: Buffer) => {
        printed += octets.toString()
      })
      try {
        await until('poplib to have deleted', () => printed.includes('"hang"'))
      } finally {
        signalGroup(child, 'SIGKILL')
      }
    })
    expect(left).toEqual(texts(SAMPLE_MAILS))
  })
})
