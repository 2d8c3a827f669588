import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exampleText } from '../examples/examples.js'
import { testAuthority } from '../support/certificates.js'
import { type Account, type CertificateFiles, type Dovecot, startDovecot } from '../support/dovecot.js'
import { MAIL_CLIENTS } from '../support/mail-clients.js'
import { connectClient, logIn } from '../support/pop3-client.js'
import { type Postern, startPostern } from '../support/postern-process.js'
import { haveCorpus, readCorpus, realThing } from '../support/real.js'
import { freePorts, run, type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'
import { asDelivered, texts, writeCertificate } from './both-ways.js'
import { leave, loggedIn, readListings, readMaildrop, type SeenMaildrop } from './ruled-maildrop.js'

/** Rules that hide, tag, strip, replace the whole and change text: each kind of edit, on much of the corpus. */
const ALL_KINDS = `rules:
  - {name: hide, when: '"list-id" in header || size < 200', then: [hide]}
  - {name: notice, when: 'attachments.exists(a, a.type == "application/pdf")', then: [{notice: "A document.\\n.\\n"}]}
  - {name: strip, when: 'attachments.size() > 0', then: [{strip-attachments: {types: ["image/*"]}}]}
  - {name: text, when: body.contains("e"), then: [{replace-text: {pattern: "^[A-Z]", with: ".$0"}}]}
`

let directory: TemporaryDirectory
let dovecot: Dovecot
let caFile: string
const posterns: Postern[] = []

/** Starts a postern with rules before Dovecot. @param files rule files by name */
async function ruled(
  files: Readonly<Record<string, string>>,
  args: readonly string[] = [],
  certificate: CertificateFiles | null = null,
): Promise<{ postern: Postern; folder: string }> {
  const folder = join(directory.path, `rules-${posterns.length}`)
  mkdirSync(folder)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const postern = await startPostern({
    listeners: ['pop3'],
    upstream: `pop3://localhost:${dovecot.plainPort}`,
    ...(certificate === null ? {} : { certificate }),
    args: ['--rules', folder, '--quarantine', join(folder, 'quarantine'), '--log-level', 'debug', ...args],
  })
  posterns.push(postern)
  return { postern, folder }
}

/** Senders below .com are colleagues: about half of the corpus. */
const tagExternal = () =>
  exampleText('20-tag-external.yaml', { '(?:example\\.org)': '(?:example\\.org|com)' }).text

/** The port of a plain listener that is not this one. */
function otherPort(postern: Postern, port: number): number {
  const urls = postern
    .events()
    .flatMap(({ event, url }) => (event === 'listening' ? [new URL(String(url))] : []))
  return Number(urls.find((url) => Number(url.port) !== port)?.port)
}

/** Looks at a maildrop that postern made, by what its log says. */
function looksOf(postern: Postern): readonly { remembered: unknown; whole: unknown; headers: unknown }[] {
  return postern
    .events()
    .filter(({ event }) => event === 'maildrop-seen')
    .map(({ remembered, whole, headers }) => ({ remembered, whole, headers }))
}

/** What some clients change themselves, fetchmail not even always in the same way. */
function isSpoiltByClients(mail: Buffer): boolean {
  const text = mail.toString('latin1')
  return /^\.|\r(?!\n)|\0/.test(text) || text.split('\n').some(({ length }) => length > 2_000)
}

/** The place of a mail in its maildrop, by the unique-id that a test Dovecot gives. */
function placeOf(uniqueId: string): number {
  return Number(/\.M(\d+)\./.exec(uniqueId)?.[1]) - 1
}

describe.skipIf(!realThing('dovecot'))('rules before a real Dovecot', () => {
  beforeAll(async () => {
    directory = temporaryDirectory('rules')
    caFile = join(directory.path, 'ca.pem')
    writeFileSync(caFile, testAuthority().cert)
    dovecot = await startDovecot({ certificate: null })
  })

  afterAll(async () => {
    for (const postern of posterns) await postern.stop()
    await dovecot?.stop()
    directory?.remove()
  })

  describe.skipIf(!haveCorpus())('with the corpus', () => {
    const mails = haveCorpus() ? readCorpus().map(({ content }) => content) : []
    let postern: Postern
    let account: Account
    let first: SeenMaildrop

    beforeAll(async () => {
      ;({ postern } = await ruled({ '10-kinds.yaml': ALL_KINDS, '20-tag.yaml': tagExternal() }))
      account = dovecot.openAccount(mails)
      first = await readMaildrop(postern.port('pop3'), account)
    })

    test('LIST says of each message how many octets RETR sends', () => {
      expect(first.mails.map(({ length }) => length)).toEqual(first.sizes)
    })

    test('every kind of rule had something to do, and what no rule means is as Dovecot sends it', () => {
      const hidden = mails.length - first.sizes.length
      expect(hidden).toBeGreaterThan(10)
      const isKept = (mail: Buffer, at: number) =>
        mail.toString('latin1') === asDelivered(mails[placeOf(first.uniqueIds[at] ?? '')] ?? Buffer.alloc(0))
      const kept = first.mails.filter(isKept).length
      expect(kept).toBeGreaterThan(5)
      for (const sign of ['[external]', 'A document.\r\n.\r\n', 'An attachment was removed here']) {
        const changed = first.mails.filter((mail) => mail.includes(sign)).length
        expect(changed, sign).toBeGreaterThan(3)
      }
    })

    test('the next session sees the same, from memory', async () => {
      const second = await readMaildrop(postern.port('pop3'), account)
      expect(second.sizes).toEqual(first.sizes)
      expect(second.uniqueIds).toEqual(first.uniqueIds)
      expect(second.stat).toEqual(first.stat)
      expect(second.mails.every((mail, at) => mail.equals(first.mails[at] ?? Buffer.alloc(0)))).toBe(true)
      await until('the log to be written', () => looksOf(postern).length > 1)
      const [before, after] = looksOf(postern)
      expect(before).toMatchObject({ remembered: 0 })
      expect(after).toEqual({ remembered: mails.length, whole: 0, headers: 0 })
    })

    test('DELE deletes the message that the client means, beside hidden ones', async () => {
      const client = await loggedIn(postern.port('pop3'), account)
      const { uniqueIds } = await readListings(client)
      const doomed = uniqueIds.flatMap((_, at) => (at % 7 === 3 ? [at + 1] : []))
      client.write(doomed.map((number) => `DELE ${number}\r\n`).join(''))
      for (const _ of doomed) expect(await client.line()).toMatch(/^\+OK/)
      expect(await client.command('STAT')).toMatch(new RegExp(`^\\+OK ${uniqueIds.length - doomed.length} `))
      await leave(client)
      await dovecot.settled(account)
      const gone = new Set(doomed.map((number) => placeOf(uniqueIds[number - 1] ?? '')))
      expect(dovecot.mailOf(account).length).toBe(mails.length - gone.size)
      expect(texts(dovecot.mailOf(account))).toEqual(texts(mails.filter((_, place) => !gone.has(place))))
    })
  })

  describe.skipIf(!haveCorpus())('with real clients', () => {
    // Each program makes of mail what it likes: it must make the same of it where a Dovecot has it as rules left it.
    const mails = haveCorpus()
      ? readCorpus()
          .map(({ content }) => content)
          .filter((mail, place) => place % 5 === 0 && !isSpoiltByClients(mail))
      : []
    let postern: Postern
    let account: Account
    let asChanged: Account
    let messages: number

    beforeAll(async () => {
      ;({ postern } = await ruled({ '10-kinds.yaml': ALL_KINDS, '20-tag.yaml': tagExternal() }))
      account = dovecot.openAccount(mails)
      const seen = await readMaildrop(postern.port('pop3'), account)
      messages = seen.sizes.length
      asChanged = dovecot.openAccount(seen.mails)
    })

    for (const client of MAIL_CLIENTS) {
      test.skipIf(!realThing(...client.needs))(`${client.name} fetches all of it, twice`, async () => {
        const errand = { account, messages, caFile, port: postern.port('pop3') }
        const direct = await client.fetch({ ...errand, port: dovecot.plainPort, account: asChanged })
        for (const time of ['first', 'second']) {
          const through = await client.fetch(errand)
          expect(through.status, `${time}: ${through.said}`).toBe(direct.status)
          expect(through.mail === direct.mail, `${time}: ${through.said.slice(-2_000)}`).toBe(true)
        }
        expect(direct.mail).toContain('[external]')
      })
    }

    test.skipIf(!realThing('mpop'))('mpop fetches all of it, and nothing at its second poll', async () => {
      const [direct, through] = [
        await mpop(dovecot.plainPort, asChanged),
        await mpop(postern.port('pop3'), account),
      ]
      expect(through.first.length).toBe(messages)
      expect(through.first.join('') === direct.first.join('')).toBe(true)
      expect(through.second).toEqual([])
    })
  })

  test('sizes are right where only header sections are seen, as far as Dovecot says them right', async () => {
    const mails = ['one', 'two\n.\n..dots', 'three\n'].map((text) =>
      Buffer.from(`From: a@b.example\nSubject: x\n\n${text}`),
    )
    const { postern } = await ruled({ 'tag.yaml': tagExternal() })
    const account = dovecot.openAccount(mails)
    const { sizes, mails: fetched } = await readMaildrop(postern.port('pop3'), account)
    // Quirk: Dovecot leaves out the line end that it adds to a last line without one.
    const unsaid = mails.map((mail) => (mail.at(-1) === 0x0a ? 0 : 2))
    expect(fetched.map(({ length }, at) => length - (unsaid[at] ?? 0))).toEqual(sizes)
    expect(fetched.every((mail) => mail.includes('Subject: [external] x\r\n'))).toBe(true)
  })

  test('a read-only maildrop acknowledges DELE and deletes nothing, and after a week it does', async () => {
    const received = (ageMs: number) =>
      `Received: from a by b; ${new Date(Date.now() - ageMs).toUTCString().replace('GMT', '+0000')}`
    const mails = [1, 30].map((days) =>
      Buffer.from(`${received(days * 86_400_000)}\nSubject: ${days}\n\nx\n`),
    )
    const [debug, careful] = [dovecot.openAccount(mails), dovecot.openAccount(mails)]
    const { text } = exampleText('70-read-only-maildrop.yaml', {
      'debug@example.org': debug.user,
      'careful@example.org': careful.user,
    })
    const { postern } = await ruled({ 'keep.yaml': text })
    for (const account of [debug, careful]) {
      const client = await loggedIn(postern.port('pop3'), account)
      for (const number of [1, 2]) expect(await client.command(`DELE ${number}`)).toMatch(/^\+OK/)
      expect(await client.command('STAT')).toBe('+OK 0 0')
      expect(await client.command('RETR 1')).toMatch(/^-ERR/)
      expect(await leave(client)).toMatch(/^\+OK/)
      await dovecot.settled(account)
    }
    expect(texts(dovecot.mailOf(debug))).toEqual(texts(mails))
    expect(texts(dovecot.mailOf(careful))).toEqual(texts(mails.slice(0, 1)))
  })

  test('a slow server is slow on its own listener, and mail arrives whole', async () => {
    const [port = 0] = await freePorts(1)
    const { text } = exampleText('90-slow-server.yaml', {
      ':1119"': `:${port}"`,
      'delay: 3s': 'delay: 300ms',
      'delay: 2s': 'delay: 100ms',
      '7KiB': '200KiB',
    })
    const { postern } = await ruled({ 'slow.yaml': text }, ['--listen', `pop3://127.0.0.1:${port}`])
    const mails = [Buffer.from(`Subject: x\n\n${'slowly\n'.repeat(5_000)}`)]
    const account = dovecot.openAccount(mails)
    const names = () => new Set(postern.events().flatMap(({ rule }) => (rule === undefined ? [] : [rule])))
    const quick = await readMaildrop(otherPort(postern, port), account)
    expect(names()).toEqual(new Set())
    const slow = await readMaildrop(port, account)
    expect(slow).toEqual(quick)
    await until('the log to be written', () => names().size > 1)
    expect(names()).toEqual(new Set(['slow login', 'slow mail']))
  })

  test('clear logins from outside are refused in words, and TLS is let in', async () => {
    const authority = testAuthority({ bits: 2048 })
    const certificate = writeCertificate(directory.path, 'postern', authority.issue({ bits: 2048 }))
    const { text } = exampleText('10-refuse-clear-logins.yaml', { '127.0.0.0/8': '127.0.0.2/32' })
    const { postern } = await ruled({ 'clear.yaml': text }, [], certificate)
    const account = dovecot.openAccount([Buffer.from('Subject: x\n\nx\n')])
    const port = postern.port('pop3')
    const { client } = await connectClient({ port, security: 'plain', ca: '' })
    const refusal = /^-ERR \[SYS\/PERM\] login without TLS is not allowed from 127\.0\.0\.1:\d+: switch on /
    expect(await client.command(`USER ${account.user}`)).toMatch(refusal)
    expect(await client.command(`PASS ${account.password}`)).toMatch(refusal)
    expect(await leave(client)).toMatch(/^\+OK/)
    const { client: secured } = await connectClient({ port, security: 'stls', ca: authority.cert })
    await logIn(secured, account)
    expect(await secured.command('STAT')).toBe('+OK 1 17')
    await leave(secured)
  })

  test("a refused login is told in the words of a rule, to the client and in the log, and Dovecot's are not", async () => {
    const text = `rules:
  - name: failed
    when: command == "PASS" && indicator == "-ERR"
    then: [{mark: "{user}: {text}"}, {refuse: {text: wrong name or password, code: AUTH}}, close]
`
    const { postern } = await ruled({ 'failed.yaml': text })
    const account = dovecot.openAccount([Buffer.from('Subject: x\n\nx\n')])
    const { client } = await connectClient({ port: postern.port('pop3'), security: 'plain', ca: '' })
    expect(await client.command(`USER ${account.user}`)).toMatch(/^\+OK/)
    expect(await client.command('PASS wrong')).toBe('-ERR [AUTH] wrong name or password')
    const eventsOf = (event: string) => postern.events().filter((line) => line.event === event)
    await until('the session to be closed by the rule', () => eventsOf('session-closed').length > 0)
    expect(eventsOf('session-closed')).toMatchObject([{ reason: 'rule' }])
    expect(eventsOf('rule-hit')).toMatchObject([{ rule: 'failed' }])
    expect(JSON.stringify(eventsOf('rule-hit'))).toContain('Authentication failed')
    const { client: right } = await connectClient({ port: postern.port('pop3'), security: 'plain', ca: '' })
    await logIn(right, account)
    expect(await right.command('STAT')).toBe('+OK 1 17')
    await leave(right)
  })

  describe('a rule file that changes', () => {
    const rule = (tag: string) =>
      `rules:\n  - name: tag\n    when: size > 0\n    then:\n      - tag-subject: "${tag}"\n`
    const broken = rule('[new]').replace('size > 0', 'siez > 0')
    const mails = [Buffer.from('Subject: x\n\nx\n')]
    const subjectFor = async (postern: Postern, account: Account): Promise<string> =>
      String((await readMaildrop(postern.port('pop3'), account)).mails[0]).split('\r\n')[0] ?? ''

    const eventsOf = (postern: Postern, event: string) =>
      postern.events().filter((line) => line.event === event)

    test('is refused with its line where it is broken, and is in force once it is mended', async () => {
      const { postern, folder } = await ruled({ 'tag.yaml': rule('[old]') })
      const file = join(folder, 'tag.yaml')
      const account = dovecot.openAccount(mails)
      const open = await loggedIn(postern.port('pop3'), dovecot.openAccount(mails))
      expect(await subjectFor(postern, account)).toBe('Subject: [old] x')

      writeFileSync(file, broken)
      await until('the broken rules to be refused', () => eventsOf(postern, 'rules-refused').length > 0)
      const [refused] = eventsOf(postern, 'rules-refused')
      expect(refused?.text).toMatch(
        /tag\.yaml:3:11: rule "tag": when: found "siez > 0", expected .*unknown field `siez`/,
      )
      expect(await subjectFor(postern, account)).toBe('Subject: [old] x')

      postern.signal('SIGHUP')
      await until('SIGHUP to be refused', () => eventsOf(postern, 'reload-refused').length > 0)
      expect(await subjectFor(postern, account)).toBe('Subject: [old] x')

      // As an editor does it: another file takes its place.
      writeFileSync(join(folder, '.tag.new'), rule('[new]'))
      renameSync(join(folder, '.tag.new'), file)
      await until('the mended rules', () => eventsOf(postern, 'rules-loaded').length > 0)
      expect(await subjectFor(postern, account)).toBe('Subject: [new] x')

      // Who came before keeps what there was.
      const { content } = await open.multiLine('RETR 1')
      expect(content.toString()).toMatch(/^Subject: \[old\] x\r\n/)
      await leave(open)
    })
  })
})

/** Fetches with mpop twice, with one memory of what it has. @returns what lies in the Maildir, sorted */
async function mpop(
  port: number,
  { user, password }: Account,
): Promise<{ first: readonly string[]; second: readonly string[] }> {
  const client = temporaryDirectory('mpop')
  try {
    const fetched: (readonly string[])[] = []
    for (const name of ['first', 'second']) {
      const maildir = join(client.path, name)
      for (const folder of ['', 'cur', 'new', 'tmp']) mkdirSync(join(maildir, folder))
      const { status, stderr } = await run('mpop', [
        '--host=localhost',
        `--port=${port}`,
        `--user=${user}`,
        `--passwordeval=echo ${password}`,
        '--auth=user',
        '--tls=off',
        '--keep=on',
        '--received-header=off',
        '--timeout=30',
        `--delivery=maildir,${maildir}`,
        `--uidls-file=${join(client.path, 'uidls')}`,
      ])
      if (status !== 0) throw new Error(`mpop ended with ${status}: ${stderr}`)
      const names = readdirSync(join(maildir, 'new'))
      fetched.push(names.map((each) => readFileSync(join(maildir, 'new', each), 'latin1')).sort())
    }
    return { first: fetched[0] ?? [], second: fetched[1] ?? [] }
  } finally {
    client.remove()
  }
}
