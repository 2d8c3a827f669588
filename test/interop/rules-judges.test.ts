import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { exampleText } from '../examples/examples.js'
import { type Answer, nameServer } from '../judge/name-server.js'
import { recordsOf, signed, signerOf } from '../judge/signer.js'
import { type Account, type Dovecot, startDovecot } from '../support/dovecot.js'
import {
  type Clamd,
  EICAR,
  EICAR_SIGNATURE,
  GTUBE,
  type Rspamd,
  SPAM_RULE,
  SPAM_WORD,
  type Spamd,
  startClamd,
  startRspamd,
  startSpamd,
} from '../support/judge-daemons.js'
import { runPosternCommand } from '../support/postern-command.js'
import { type LogLine, type Postern, startPostern } from '../support/postern-process.js'
import { realThing } from '../support/real.js'
import { run, type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'
import { leave, loggedIn, readListings, readMaildrop, unstuffed } from './ruled-maildrop.js'

let directory: TemporaryDirectory
let dovecot: Dovecot
const posterns: Postern[] = []

beforeAll(async () => {
  if (!realThing('dovecot')) return
  directory = temporaryDirectory('rules-judges')
  dovecot = await startDovecot({ certificate: null })
})

afterAll(async () => {
  for (const postern of posterns) await postern.stop()
  await dovecot?.stop()
  directory?.remove()
})

/** Starts a postern with rules before Dovecot, and gives it a quarantine. */
async function ruled(
  files: Readonly<Record<string, string>>,
): Promise<{ postern: Postern; port: number; quarantine: string }> {
  const folder = join(directory.path, `rules-${posterns.length}`)
  const quarantine = join(directory.path, `quarantine-${posterns.length}`)
  mkdirSync(folder)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const postern = await startPostern({
    listeners: ['pop3'],
    upstream: `pop3://localhost:${dovecot.plainPort}`,
    args: ['--rules', folder, '--quarantine', quarantine],
  })
  posterns.push(postern)
  return { postern, port: postern.port('pop3'), quarantine }
}

function mail(subject: string, text: string): Buffer {
  return Buffer.from(
    `From: a@example.org\r\nTo: b@example.org\r\nSubject: ${subject}\r\nDate: Sat, 28 Nov 2026 08:00:00 +0000\r\nMessage-ID: <${subject}@example.org>\r\n\r\n${text}\r\n`,
  )
}

const attached = (subject: string) =>
  Buffer.from(
    `From: a@example.org\r\nSubject: ${subject}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=notes.txt\r\n\r\n${Buffer.from(EICAR).toString('base64')}\r\n--b--\r\n`,
  )

const listSchema = z.array(z.object({ id: z.string(), rule: z.string(), state: z.string() }))

/** What `postern quarantine list` says. */
async function quarantined(folder: string): Promise<z.output<typeof listSchema>> {
  const { status, stdout, stderr } = await runPosternCommand([
    'quarantine',
    'list',
    '--json',
    '--directory',
    folder,
  ])
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return listSchema.parse(JSON.parse(stdout))
}

function hitsOf(postern: Postern): readonly LogLine[] {
  return postern.events().filter(({ event }) => event === 'rule-hit')
}

describe.skipIf(!realThing('dovecot', 'clamd'))('virus by a real clamd', () => {
  let clamd: Clamd

  beforeAll(async () => {
    clamd = await startClamd()
  }, 90_000)

  afterAll(async () => {
    await clamd?.stop()
  })

  const example = (changes: Readonly<Record<string, string>> = {}) =>
    exampleText('30-virus-clamd.yaml', { '127.0.0.1:3310': `127.0.0.1:${clamd.port}`, ...changes }).text

  test('is quarantined with a notice in its place, and delivered once somebody releases it', async () => {
    const { postern, port, quarantine } = await ruled({ 'virus.yaml': example() })
    const mails = [mail('clean', 'hello'), attached('virus'), mail('also clean', 'hello')]
    const account = dovecot.openAccount(mails)
    const seen = await readMaildrop(port, account)
    expect(seen.mails.map(({ length }) => length)).toEqual(seen.sizes)
    const [clean, notice, alsoClean] = seen.mails.map(String)
    expect([clean, alsoClean]).toEqual([String(mails[0]), String(mails[2])])
    expect(notice).toContain('Subject: virus\r\n')
    expect(notice?.replace(/\s+/g, ' ')).toContain(`clamd found a virus in it: ${EICAR_SIGNATURE}.`)
    expect(notice).not.toContain(Buffer.from(EICAR).toString('base64'))
    await until('the log to be written', () => hitsOf(postern).length > 0)
    expect(hitsOf(postern)).toMatchObject([
      {
        rule: 'virus by clamd',
        message: 2,
        mode: 'enforce',
        reason: expect.stringContaining(EICAR_SIGNATURE),
      },
    ])

    const [kept, ...more] = await quarantined(quarantine)
    expect(kept).toMatchObject({ rule: 'virus by clamd', state: 'kept' })
    expect(more).toEqual([])
    const folder = ['--directory', quarantine]
    const shown = await runPosternCommand(['quarantine', 'show', '--raw', kept?.id ?? '', ...folder])
    expect(shown.stdout).toBe(String(mails[1]))

    expect((await runPosternCommand(['quarantine', 'release', kept?.id ?? '', ...folder])).status).toBe(0)
    await until('the released message', async () =>
      (await readMaildrop(port, account)).mails.some((each) => each.equals(mails[1] ?? Buffer.alloc(0))),
    )
  })

  describe('that does not answer', () => {
    const POLICIES = ['deliver', 'refuse', 'hold'] as const
    const mails = [attached('virus'), mail('clean', 'hello')]

    /** One rule for each policy, each of a user of its own. */
    function ofUsers(accounts: readonly Account[], budget: string): string {
      const [judges = ''] = example().split('\nrules:')
      const rules = POLICIES.map(
        (policy, index) => `  - name: ${policy}
    when: user == "${accounts[index]?.user}" && verdict.clamd == "infected"
    then: [quarantine]
    on-failure: ${policy}
`,
      )
      return `${judges.replace('budget: 30s', `budget: ${budget}`)}\nrules:\n${rules.join('')}`
    }

    interface Poll {
      readonly sizes: readonly number[]
      /** What RETR 1 gives, whole or its status line; null where there is nothing. */
      readonly first: string | null
    }

    async function poll(port: number, account: Account): Promise<Poll> {
      const client = await loggedIn(port, account)
      const { sizes } = await readListings(client)
      let first: string | null = null
      if (sizes.length > 0) {
        const status = await client.command('RETR 1')
        first = status.startsWith('+OK') ? String(unstuffed(await client.content())) : status
      }
      // What was refused or hidden is there still, whatever the client deletes.
      for (const at of sizes.keys())
        if (at > 0) expect(await client.command(`DELE ${at + 1}`)).toMatch(/^\+OK/)
      expect(await client.command('RSET')).toMatch(/^\+OK/)
      await leave(client)
      return { sizes, first }
    }

    /**
     * Polls for each policy while clamd is stopped, does something to it, polls again once it is back.
     *
     * @param reason what the log says in the meantime
     */
    async function whileAway(
      budget: string,
      harm: (postern: Postern) => Promise<void>,
      mend: () => Promise<void>,
      reason: RegExp,
    ): Promise<void> {
      const accounts = POLICIES.map(() => dovecot.openAccount(mails))
      const { postern, port, quarantine } = await ruled({ 'virus.yaml': ofUsers(accounts, budget) })
      clamd.signal('SIGSTOP')
      const polls = Promise.all(accounts.map((account) => poll(port, account)))
      await harm(postern)
      const [deliver, refuse, hold] = await polls

      const sizes = mails.map(({ length }) => length)
      expect(deliver).toEqual({ sizes, first: String(mails[0]) })
      expect(refuse?.sizes).toEqual(sizes)
      expect(refuse?.first).toMatch(/^-ERR \[SYS\/TEMP\] the message could not be checked: clamd at /)
      expect(hold).toEqual({ sizes: [], first: null })
      await until('the log to be written', () => hitsOf(postern).length >= POLICIES.length * mails.length)
      for (const policy of POLICIES) {
        const told = hitsOf(postern).filter(({ rule }) => rule === policy)
        expect(told.map(({ message }) => message).sort(), policy).toEqual([1, 2])
        for (const hit of told) {
          expect(hit.mode, policy).toBe('failed')
          expect(hit.reason, policy).toMatch(reason)
        }
      }
      for (const account of accounts) await dovecot.settled(account)
      for (const account of accounts) expect(dovecot.mailOf(account).length).toBe(mails.length)
      expect(await quarantined(quarantine).catch(() => [])).toEqual([])

      await mend()
      for (const [index, account] of accounts.entries()) {
        let next: Poll = { sizes: [], first: null }
        // A machine that is busy may keep clamd from answering in time once more.
        await until(`the notice to the user of ${POLICIES[index]}`, async () => {
          next = await poll(port, account)
          return next.first?.includes('was put in quarantine by the rule') === true
        })
        expect(next.sizes.slice(1), POLICIES[index]).toEqual(sizes.slice(1))
      }
      expect(await quarantined(quarantine)).toMatchObject([{ state: 'kept' }])
    }

    test('since it is stopped: each policy does what it says, and nothing is lost', async () => {
      await whileAway(
        '3s',
        async () => {},
        async () => clamd.signal('SIGCONT'),
        / gave no answer within 3 s/,
      )
    })

    test('since it is killed while it is asked: each policy does what it says, and nothing is lost', async () => {
      const { port } = clamd
      await whileAway(
        '60s',
        async (postern) => {
          await until(
            'three logins',
            () => postern.events().filter(({ event }) => event === 'logged-in').length >= POLICIES.length,
          )
          // Time to fetch and to ask; where that takes longer it finds nobody listening, which is a failure as well.
          await sleep(300)
          clamd.signal('SIGKILL')
          await clamd.stop()
        },
        async () => {
          clamd = await startClamd(port)
        },
        / (?:broke|closed|refused) the connection|broke off/,
      )
    })
  })
})

describe.skipIf(!realThing('dovecot'))('signatures', () => {
  test('that do not verify are tagged, and those that nobody can look up are asked for again', async () => {
    const signer = signerOf('example.org')
    const other = signerOf('example.net')
    const answers: Record<string, Answer> = { ...recordsOf(signer), [other.name]: 'SERVFAIL' }
    const server = await nameServer(answers)
    try {
      const rules = exampleText('25-forged-senders.yaml', {
        '    budget: 20s': `    dns: ["127.0.0.1:${server.port}"]\n    budget: 20s`,
      }).text
      const { postern, port } = await ruled({ 'forged.yaml': rules })
      const honest = signed(String(mail('honest', 'hello')), signer)
      const forged = honest.replace('hello', 'pay here')
      const unknown = signed(String(mail('unknown', 'hello')), other)
      const mails = [honest, forged, unknown, String(mail('unsigned', 'hello'))]
      const account = dovecot.openAccount(mails.map((each) => Buffer.from(each)))
      const seen = await readMaildrop(port, account)
      expect(seen.mails.map(({ length }) => length)).toEqual(seen.sizes)
      const [first, second, ...rest] = seen.mails.map(String)
      expect([first, ...rest]).toEqual([honest, unknown, mails[3]])
      expect(second).toContain('Subject: [unverified sender] honest\r\n')
      expect(second?.replace(/\r\n[ \t]/g, ' ')).toContain(
        'X-Postern-Signatures: fail: dkim=fail d=example.org s=mail (body hash did not verify)',
      )
      await until('the log to be written', () => hitsOf(postern).length > 1)
      expect(hitsOf(postern).some(({ reason }) => String(reason).includes('the name server failed'))).toBe(
        true,
      )

      answers[other.name] = other.record
      const again = (await readMaildrop(port, account)).mails.map(String)
      expect(again[2]).toContain('Subject: [unverified sender] unknown\r\n')
      expect(server.asked.filter((name) => name === signer.name)).toHaveLength(2)
    } finally {
      await server.stop()
    }
  })
})

describe.skipIf(!realThing('dovecot', 'rspamd', 'spamd'))('spam by a real rspamd and a real spamd', () => {
  let rspamd: Rspamd
  let spamd: Spamd

  beforeAll(async () => {
    ;[rspamd, spamd] = await Promise.all([startRspamd(), startSpamd()])
  }, 90_000)

  afterAll(async () => {
    await rspamd?.stop()
    await spamd?.stop()
  })

  test('is tagged once by both, with score and tests, and the rest passes as it is', async () => {
    const { port } = await ruled({
      '50.yaml': exampleText('50-spam-rspamd.yaml', { 'http://127.0.0.1:11333': rspamd.url }).text,
      '55.yaml': exampleText('55-spam-spamassassin.yaml', { '127.0.0.1:783': `127.0.0.1:${spamd.port}` })
        .text,
    })
    const mails = [mail('clean', 'hello'), mail('gtube', GTUBE), mail(SPAM_WORD, 'hello')]
    const account = dovecot.openAccount(mails)
    const seen = await readMaildrop(port, account)
    expect(seen.mails.map(({ length }) => length)).toEqual(seen.sizes)
    const [clean, gtube = '', word = ''] = seen.mails.map(String)
    expect(clean).toBe(String(mails[0]))
    expect(gtube).toContain('Subject: [spam] gtube\r\n')
    expect(gtube).toContain('X-Spam-Action: reject\r\n')
    expect(gtube).toContain('X-Spam-Status: Yes, score=1000 tests=GTUBE\r\n')
    expect(word).toContain(`Subject: [spam] ${SPAM_WORD}\r\n`)
    expect(word).toContain(
      `X-Spam-Action: add header\r\nX-Spam-Score: 8.5\r\nX-Spam-Symbols: ${SPAM_RULE}\r\n`,
    )
    expect(word).toContain(`X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=6.5 tests=${SPAM_RULE}\r\n`)
    expect(String(seen.mails[2]).split('\r\n\r\n')[1]).toBe('hello\r\n')
  })
})

describe.skipIf(!realThing('dovecot', 'fetchmail', 'mpop'))('a judge that takes long', () => {
  /** The first sign of life comes after ten seconds. */
  const JUDGE_S = 17
  const SLOWLY = `judges:
  slow: {type: command, run: [sh, -c, 'cat > /dev/null; sleep ${JUDGE_S}; echo slowly'], budget: 50s}
rules:
  - name: slow
    when: verdict.slow == "clean"
    then: [{set-header: {name: X-Slow, value: "{finding.slow}"}}]
`

  const mails = [mail('one', 'hello'), mail('two', 'hello')]
  const EXPECTED = mails
    .map((each) => String(each).replaceAll('\r\n', '\n').replace('\n\n', '\nX-Slow: slowly\n\n'))
    .join('')

  test('loses nobody their mail, neither mpop nor fetchmail, whose patience is shorter', async () => {
    const { port } = await ruled({ 'slow.yaml': SLOWLY })
    const patient = async (): Promise<void> => {
      // Signs of life are octets, which is what mpop waits for.
      expect(await mpop(port, dovecot.openAccount(mails), JUDGE_S - 2)).toEqual({ status: 0, mail: EXPECTED })
    }
    const impatient = async (): Promise<void> => {
      // Quirk: fetchmail waits for whole lines, and STAT has no other. What the judge says is not lost with the
      // session: a poll that comes while it is asked gets the same answer.
      const account = dovecot.openAccount(mails)
      const polls: Polled[] = []
      while (polls.at(-1)?.status !== 0 && polls.length < 5) polls.push(await fetchmail(port, account, 8))
      expect(polls.map(({ status }) => status)).toEqual([...polls.slice(1).map(() => 2), 0])
      expect(polls.length).toBeGreaterThan(1)
      expect(polls.map((each) => each.mail).join('')).toBe(EXPECTED)
    }
    await Promise.all([patient(), impatient()])
  })

  interface Polled {
    readonly status: number | null
    readonly mail: string
  }

  async function fetchmail(port: number, { user, password }: Account, timeoutS: number): Promise<Polled> {
    const client = temporaryDirectory('fetchmail')
    try {
      const file = join(client.path, 'mail')
      writeFileSync(file, '')
      writeFileSync(
        join(client.path, 'rc'),
        `set no bouncemail
set invisible
poll localhost service ${port} protocol pop3 timeout ${timeoutS} no dns auth password
  user "${user}" password "${password}" sslproto '' fetchall keep
  mda "cat >> ${file}"
`,
        { mode: 0o600 },
      )
      const args = ['--fetchmailrc', join(client.path, 'rc'), '--pidfile', join(client.path, 'pid')]
      const { status } = await run('fetchmail', [...args, '--nosyslog', '--verbose'], {
        env: { FETCHMAILHOME: client.path },
        limitMs: 50_000,
      })
      return { status, mail: readFileSync(file, 'latin1') }
    } finally {
      client.remove()
    }
  }

  async function mpop(port: number, { user, password }: Account, timeoutS: number): Promise<Polled> {
    const client = temporaryDirectory('mpop')
    try {
      const file = join(client.path, 'mail')
      writeFileSync(file, '')
      const args = ['--host=localhost', `--port=${port}`, `--user=${user}`, '--auth=user', '--tls=off']
      const { status } = await run(
        'mpop',
        [
          ...args,
          `--passwordeval=echo ${password}`,
          '--keep=on',
          '--received-header=off',
          `--timeout=${timeoutS}`,
          `--delivery=mda,cat >> ${file}`,
          `--uidls-file=${join(client.path, 'uidls')}`,
        ],
        { limitMs: 50_000 },
      )
      return { status, mail: readFileSync(file, 'latin1') }
    } finally {
      client.remove()
    }
  }
})
