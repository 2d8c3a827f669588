import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { realThing } from '../support/real.js'
import { run } from '../support/tools.js'
import { asDelivered, type BothWays, type Run, SAMPLE_MAILS, startBothWays, texts } from './both-ways.js'

let bench: BothWays

/**
 * Opens the maildrop in mutt, copies every message to an mbox file, optionally deletes them, and leaves.
 * mutt wants a terminal: `script` gives it one.
 */
async function mutt(session: Run, scheme: 'pop' | 'pops', settings: string, keys: string): Promise<string> {
  const { way, account, directory } = session
  const copy = join(directory, 'copy')
  const rc = join(directory, 'muttrc')
  const port = scheme === 'pops' ? way.tlsPort : way.plainPort
  writeFileSync(
    rc,
    `set pop_user="${account.user}" pop_pass="${account.password}" pop_checkinterval=0 pop_reconnect=no
set certificate_file="${way.caFile}" ssl_usesystemcerts=no ssl_force_tls=no ssl_verify_host=yes
set mbox_type=mbox folder="${directory}" record="" header_cache="" message_cachedir=""
set copy=no confirmappend=no confirmcreate=no wait_key=no sleep_time=0 quit=yes delete=yes mark_old=no
set pop_delete=yes move=no beep=no
${settings}
push "<tag-pattern>~A<enter><tag-prefix><copy-message>${copy}<enter>${keys}<quit>"
`,
  )
  const { status, stdout } = await run(
    'script',
    ['--quiet', '--return', '--command', `mutt -n -F ${rc} -f ${scheme}://localhost:${port}/`, '/dev/null'],
    { env: { TERM: 'xterm', HOME: directory, LINES: '24', COLUMNS: '80', LC_ALL: 'C' }, cwd: directory },
  )
  if (status !== 0 || !existsSync(copy))
    throw new Error(`mutt ended with ${status} and showed: ${stdout.toString('latin1').slice(-1_500)}`)
  // The time of the copy is in each separator line.
  return readFileSync(copy, 'latin1').replace(/^From \S+ .*$/gm, 'From -')
}

describe.skipIf(!realThing('dovecot', 'mutt', 'script'))('mutt', () => {
  beforeAll(async () => {
    bench = await startBothWays()
  })
  afterAll(async () => await bench?.stop())

  for (const [leg, scheme, settings] of [
    ['plain', 'pop', 'set ssl_starttls=no'],
    ['STLS', 'pop', 'set ssl_starttls=yes ssl_force_tls=yes'],
    ['POP3S', 'pops', ''],
  ] as const) {
    test(`reads every message over ${leg}`, async () => {
      const { outcome, left } = await bench.compare(
        SAMPLE_MAILS,
        async (session) => await mutt(session, scheme, settings, ''),
      )
      for (const mail of SAMPLE_MAILS)
        expect(outcome).toContain(
          asDelivered(mail).replaceAll('\r\n', '\n').split('\n\n').slice(1).join('\n\n'),
        )
      expect(left).toEqual(texts(SAMPLE_MAILS))
    })
  }

  test('deletes what it is told to', async () => {
    const { left } = await bench.compare(
      SAMPLE_MAILS,
      async (session) =>
        await mutt(session, 'pops', '', '<untag-pattern>~A<enter><delete-pattern>~s dots<enter>'),
    )
    expect(left).toEqual(texts(SAMPLE_MAILS.filter((_, index) => index !== 1)))
  })
})
