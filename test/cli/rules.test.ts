import { mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fetchSession } from '../export/sessions.js'
import { asSession, Files, postern } from './recorded.js'

const RULES = `rules:
  - name: tag invoices
    when: 'subject == "invoice" && size < 1 * MB'
    then: [{tag-subject: "[money]"}]
  - name: virus
    when: verdict.clamd == "infected"
    then: [quarantine]
    on-failure: hold
    budget: 5s
  - {name: close, when: 'command == "X"', then: [close], mode: shadow}
judges:
  clamd: {type: clamd, address: 127.0.0.1:1}
`
const INVOICE = 'Subject: invoice\nFrom: bob@example.org\n\n\x1b[31mpay\n'
const OTHER = 'Subject: hello\r\n\r\nhello\r\n'

let files: Files
beforeEach(() => {
  files = new Files()
})
afterEach(() => files.remove())

async function run(...arguments_: readonly string[]) {
  const { code, stdout, stderr } = await postern('rules', ...arguments_)
  return { code, stdout: stdout.toString(), stderr }
}

describe('rules check', () => {
  it('prints each rule with its cost, and the cost of all', async () => {
    const path = files.write('a.yaml', RULES)
    const { code, stdout, stderr } = await run('check', path)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toBe(`${path}:2: tag invoices
  when  subject == "invoice" && size < 1 * MB
  then  tag-subject "[money]"
  cost  needs the header section: one TOP for each new message before STAT, LIST or UIDL

${path}:5: virus
  when  verdict.clamd == "infected"
  then  quarantine then notice
  cost  needs the whole message and clamd: one RETR and a question to each for each new message before STAT, LIST or UIDL

${path}:10: close (shadow: nothing is done)
  when  command == "X"
  then  close
  cost  sees commands alone: nothing is asked of the server for it

3 rules, 1 judge: valid
before STAT, LIST and UIDL: each new message is looked at whole where its rules need it
before a message is handed out: each new message is looked at whole where its rules need it
`)
  })

  it('names every mistake of all files with status 3', async () => {
    files.write('1.yaml', 'rules:\n  - {name: a, when: usr == "x", then: [hid]}\n')
    files.write('2.yaml', 'rules: 5\n')
    files.write('ignored.txt', 'x: [')
    const { code, stdout, stderr } = await run('check', files.directory)
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).toMatch(
      /^postern: .*1\.yaml:2:21: rule "a": when: found .*\n.*1\.yaml:2:\d+: rule "a": then\[0\]: found "hid".*\(did you mean hide\?\)\n.*2\.yaml:1:8: rules: found 5, expected a list of rules\n$/,
    )
  })

  it('says which path is missing', async () => {
    const { code, stderr } = await run('check', files.path('none'))
    expect(code).toBe(3)
    expect(stderr).toContain('found nothing of that name')
  })
})

describe('rules test', () => {
  it('explains each decision step by step, with the difference and a table', async () => {
    const rules = files.write('a.yaml', RULES)
    const mail = files.write('mail.eml', INVOICE)
    const { code, stdout, stderr } = await run('test', '--rules', rules, mail)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toBe(`${mail}: 53 octets, "invoice"
  yes tag invoices (${rules}:2)
        true    subject == "invoice"
                subject: "invoice"
        true    size < 1 * MB
                size: 53
        then  tag-subject "[money]"
  ?   virus (${rules}:5): not asked: clamd
        unknown verdict.clamd == "infected"
                verdict: absent
  => changed, 53 octets become 61
  -Subject: invoice
  +Subject: [money] invoice
   From: bob@example.org
   
   \\x1b[31mpay

1 message
    holds       not   unknown not asked  rule
        1        0        0        0  tag invoices
        0        0        1        0  virus
`)
  })

  it('takes Maildirs and directories, and rules among the arguments; status 1 where nothing holds', async () => {
    mkdirSync(files.path('rules'))
    files.write('rules/a.yaml', RULES)
    for (const folder of ['Maildir', 'Maildir/new', 'Maildir/cur', 'mails', 'mails/deep'])
      mkdirSync(files.path(folder))
    files.write('Maildir/new/1.host', OTHER)
    files.write('Maildir/cur/2.host:2,S', INVOICE)
    files.write('mails/deep/a.eml', OTHER)
    files.write('mails/deep/no-mail.txt', INVOICE)
    const maildir = await run('test', '--summary', files.path('rules'), files.path('Maildir'))
    expect(maildir.code).toBe(0)
    expect(maildir.stdout).toMatch(/^2 messages\n.*\n {8}1 {8}1 {8}0 {8}0 {2}tag invoices\n/)
    const mails = await run('test', '--summary', files.path('rules'), files.path('mails'))
    expect(mails.code).toBe(1)
    expect(mails.stdout).toMatch(/^1 message\n.*\n {8}0 {8}1 {8}0 {8}0 {2}tag invoices\n/)
  })

  it('takes recordings, with the session that fetched each message', async () => {
    const rules = files.write(
      'a.yaml',
      `rules:\n  - {name: of alice, when: user == "alice" && number == 1, then: [hide]}\n`,
    )
    const { traces } = fetchSession([OTHER])
    const recording = files.recording('r.jsonl', asSession('s9', traces))
    const { code, stdout, stderr } = await run('test', '-R', rules, recording)
    expect(stderr).toBe('')
    expect(stdout).toContain('session s9, message 1: 25 octets, "hello"')
    expect(stdout).toMatch(/user: "\w+"/)
    expect([0, 1]).toContain(code)
  })

  it('asks judges where it is told to', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.resume()
      socket.once('data', () => socket.end('stream: Eicar-Test FOUND\0'))
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    try {
      const rules = files.write('a.yaml', RULES.replace('127.0.0.1:1}', `127.0.0.1:${port}}`))
      const mail = files.write('mail.eml', OTHER)
      const { code, stdout } = await run('test', '-R', rules, '--ask-judges', mail)
      expect(code).toBe(0)
      expect(stdout).toContain('verdict: clamd: "infected"')
      expect(stdout).toMatch(/=> quarantined, changed, \d+ octets become \d+/)
    } finally {
      server.close()
    }
  })

  it('says why a judge that is asked gives no answer', async () => {
    const rules = files.write('a.yaml', RULES)
    const { code, stdout } = await run('test', '-R', rules, '--ask-judges', files.write('mail.eml', OTHER))
    expect(code).toBe(1)
    expect(stdout).toMatch(/\? {3}virus \(.*\): .*clamd.*127\.0\.0\.1:1/)
  })

  it('answers paths without messages with status 2', async () => {
    const rules = files.write('a.yaml', RULES)
    mkdirSync(files.path('empty'))
    for (const path of [files.path('none.eml'), files.path('empty')]) {
      const { code, stderr } = await run('test', '-R', rules, path)
      expect(code).toBe(2)
      expect(stderr).toContain(path)
    }
    expect(await run('test', rules)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no messages named'),
    })
  })
})

describe('rules explain', () => {
  it('says one rule in words', async () => {
    const rules = files.write('a.yaml', RULES)
    const { code, stdout } = await run('explain', 'virus', '-R', rules)
    expect(code).toBe(0)
    expect(stdout).toBe(`virus
${rules}:5

It holds when
  verdict.clamd == "infected"

Then it
  quarantine then notice
      copies the message into the quarantine, and puts a notice in its place or hides it

of          messages
mode        enforce
on failure  hold: what cannot be checked is not shown before the next session
budget      5s
after it    later rules are asked
judges      clamd

It needs the whole message and clamd: one RETR and a question to each for each new message before STAT, LIST or UIDL
  \`verdict\` in when needs answers of judges: clamd
  \`quarantine then notice\` needs the whole message, since it changes the size
`)
  })

  it('takes the beginning of a name, and knows what was meant', async () => {
    const rules = files.write('a.yaml', RULES)
    expect((await run('explain', 'tag', '-R', rules)).stdout).toMatch(
      /^tag invoices\n[\s\S]*all of\n {4}subject == "invoice"\n/,
    )
    expect(await run('explain', 'virsu', '-R', rules)).toMatchObject({
      code: 2,
      stderr: 'postern: no rule is called "virsu" (did you mean "virus"?)\n',
    })
  })
})

it('rules schema prints a JSON Schema', async () => {
  const { code, stdout } = await run('schema')
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ title: 'Rules of postern', type: 'object' })
})
