import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { recordedSessions } from '../../src/cli/recorded-sessions.js'
import { testAuthority } from '../support/certificates.js'
import { type Account, type CertificateFiles, type Dovecot, startDovecot } from '../support/dovecot.js'
import { curl, MAIL_CLIENTS, type MailClient, poplib } from '../support/mail-clients.js'
import { connectClient, logIn, type Pop3Client } from '../support/pop3-client.js'
import { type CommandEnd, runPosternCommand, startPosternCommand } from '../support/postern-command.js'
import { startPostern } from '../support/postern-process.js'
import { realThing } from '../support/real.js'
import { startRecordingServer } from '../support/recording-server.js'
import { captureLoopback, mayCapture } from '../support/tcpdump.js'
import { freePorts, run, type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'
import { asDelivered, SAMPLE_MAILS, writeCertificate } from './both-ways.js'

const MAILS: readonly Buffer[] = [...SAMPLE_MAILS, Buffer.alloc(0)]

/** A session of a real program with Dovecot, through a postern that records. */
interface Recorded {
  readonly client: MailClient
  readonly account: Account
  /** What the program got from Dovecot itself. */
  readonly direct: string
  readonly session: string
}

let directory: TemporaryDirectory
let certificate: CertificateFiles
let caFile: string
let ca: string
let dovecot: Dovecot
/** With the content of messages. */
let recording: string
let withoutContent: string
/** By the name of the program. */
const recordings = new Map<string, Recorded>()
/** Another account of curl's, in both recordings. */
let curled: Account

const isPossible = realThing('dovecot', ...MAIL_CLIENTS.flatMap(({ needs }) => needs))
const canCapture = isPossible && realThing('tcpdump') && (await mayCapture())

function of(name: MailClient['name']): Recorded {
  const found = recordings.get(name)
  if (found === undefined) throw new Error(`${name} was not recorded`)
  return found
}

async function sessionOf(file: string, user: string): Promise<string> {
  const records = await recordedSessions(file, { filter: `user == "${user}"` })
  const record = records.at(-1)
  if (record === undefined) throw new Error(`no session of ${user} in ${file}`)
  return record.id
}

/** Runs something through a postern that records what passes. */
async function recordedTo(
  file: string,
  upstream: string,
  args: readonly string[],
  use: (port: number) => Promise<void>,
): Promise<void> {
  const postern = await startPostern({
    listeners: ['pop3'],
    upstream,
    ...(upstream.startsWith('pop3:') ? {} : { upstreamCaFile: caFile }),
    certificate,
    args: ['--write', file, ...args],
  })
  try {
    await use(postern.port('pop3'))
  } finally {
    await postern.stop()
  }
}

/** Serves a recorded session as long as it is used. */
async function served<T>(
  args: readonly string[],
  use: (port: number, printed: () => string) => Promise<T>,
): Promise<T> {
  const command = startPosternCommand(['replay', '--as-server', ...args])
  try {
    const [, port] = await command.saw(/answers at pop3s?:\/\/[^:]+:(\d+)/)
    return await use(Number(port), command.printed)
  } finally {
    await command.stop()
  }
}

/** Plays a recorded session of an account against a server. */
async function play(
  user: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<CommandEnd> {
  return await runPosternCommand(
    ['replay', '--as-client', recording, '-f', `user == "${user}"`, ...args],
    environment,
  )
}

/** The Dovecot that was recorded, its certificate verified. */
function sameServer(): readonly string[] {
  return ['--upstream', `pop3s://localhost:${dovecot.tlsPort}`, '--upstream-ca', caFile]
}

function password(account: Account): Readonly<Record<string, string>> {
  return { POSTERN_REPLAY_PASSWORD: account.password }
}

describe.skipIf(!isPossible)('a recorded session', () => {
  beforeAll(async () => {
    directory = temporaryDirectory('replay')
    const authority = testAuthority({ bits: 2048 })
    ca = authority.cert
    caFile = join(directory.path, 'ca.pem')
    writeFileSync(caFile, ca)
    certificate = writeCertificate(directory.path, 'server', authority.issue({ bits: 2048 }))
    recording = join(directory.path, 'recording.jsonl')
    withoutContent = join(directory.path, 'without-content.jsonl')
    dovecot = await startDovecot({ certificate })
    const upstream = `pop3s://localhost:${dovecot.tlsPort}`
    curled = dovecot.openAccount(MAILS)
    await recordedTo(recording, upstream, ['--write-messages'], async (port) => {
      for (const client of MAIL_CLIENTS) {
        const account = dovecot.openAccount(MAILS)
        const errand = { account, messages: MAILS.length, caFile }
        const direct = await client.fetch({ ...errand, port: dovecot.plainPort })
        const through = await client.fetch({ ...errand, port })
        expect(direct.status, direct.said).toBe(0)
        expect(through.mail).toBe(direct.mail)
        recordings.set(client.name, { client, account, direct: direct.mail, session: '' })
      }
    })
    for (const [name, recorded] of recordings) {
      recordings.set(name, { ...recorded, session: await sessionOf(recording, recorded.account.user) })
    }
    // The truth itself: all octets of all messages, as they were put into the maildrop.
    expect(of('curl').direct).toBe(MAILS.map(asDelivered).join(''))
    await recordedTo(withoutContent, upstream, [], async (port) => {
      await curl.fetch({ port, account: curled, messages: MAILS.length, caFile })
    })
  })
  afterAll(async () => {
    await dovecot?.stop()
    directory?.remove()
  })

  describe('in the place of its server', () => {
    for (const recorder of MAIL_CLIENTS) {
      for (const client of MAIL_CLIENTS) {
        test(`of ${recorder.name} gives ${client.name} what Dovecot gave it, octet for octet`, async () => {
          const { direct, account } = of(client.name)
          await served(
            [recording, '--session', of(recorder.name).session, '--listen', 'pop3://127.0.0.1:0'],
            async (port, printed) => {
              const login = { user: account.user, password: 'any will do' }
              const errand = { port, account: login, messages: MAILS.length, caFile }
              const { status, mail, said } = await client.fetch(errand)
              expect(status, said).toBe(0)
              expect(mail).toBe(direct)
              expect(printed()).toMatch(/RETR 1: (as recorded|follows from the recording)/)
            },
          )
        })
      }
    }

    test('has the octets of Dovecot in every reply that was recorded', async () => {
      const { account, session } = of('poplib')
      const dialogue = async (port: number): Promise<readonly string[]> => {
        const { client } = await connectClient({ port, security: 'plain', ca })
        await logIn(client, account)
        const replies = [await client.command('STAT')]
        const lines = ['LIST', 'UIDL', ...MAILS.map((_, index) => `RETR ${index + 1}`)]
        for (const line of lines) replies.push(await wholeReply(client, line))
        replies.push(await client.command('QUIT'))
        client.destroy()
        return replies
      }
      const direct = await dialogue(dovecot.plainPort)
      await served([recording, '--session', session, '--listen', 'pop3://127.0.0.1:0'], async (port) => {
        expect(await dialogue(port)).toEqual(direct)
      })
      expect(direct[3]).toContain('RETR 1\r\n+OK')
    })

    test('says over POP3S what it says in clear, with the certificate that is named', async () => {
      const { certFile, keyFile } = certificate
      const tls = ['--listen', 'pop3s://127.0.0.1:0', '--cert', certFile, '--key', keyFile]
      await served([recording, '--session', of('curl').session, ...tls], async (port) => {
        const url = `pop3s://localhost:${port}/[1-${MAILS.length}]`
        const { status, stdout } = await run('curl', ['--silent', '--cacert', caFile, '--user', 'x:y', url])
        expect(status).toBe(0)
        expect(stdout.toString('latin1')).toBe(of('curl').direct)
      })
    })

    test('refuses in words a message whose content was not recorded', async () => {
      await served([withoutContent, '--listen', 'pop3://127.0.0.1:0'], async (port, printed) => {
        const { client } = await connectClient({ port, security: 'plain', ca })
        await logIn(client, curled)
        expect(await client.command('RETR 1')).toBe(
          '-ERR this message was fetched but not recorded: record with its content',
        )
        expect(await client.command('QUIT')).toMatch(/^\+OK/)
        client.destroy()
        const fetched = await curl.fetch({ port, account: curled, messages: 1, caFile })
        expect(fetched.status).not.toBe(0)
        expect(fetched.mail).toBe('')
        expect(printed()).toContain('RETR 1: not in the recording, refused')
      })
    })

    test('ends by Ctrl-C with 0, whoever is connected', async () => {
      const args = ['replay', '--as-server', recording, '--session', of('curl').session]
      const command = startPosternCommand([...args, '--listen', 'pop3://127.0.0.1:0'])
      try {
        const [, port] = await command.saw(/answers at pop3:\/\/[^:]+:(\d+)/)
        const { client, greeting } = await connectClient({ port: Number(port), security: 'plain', ca })
        expect(greeting).toMatch(/^\+OK Dovecot/)
        command.signal('SIGINT')
        expect((await client.rest()).length).toBe(0)
        expect(await command.ended).toBe(0)
      } finally {
        await command.stop()
      }
    })

    for (const [what, args, words] of [
      ['no session of that name', ['--session', 'nobody'], /holds no session "nobody"; it has\n.*commands/],
      ['several sessions', [], /holds 3 sessions; choose one with --session or a filter/],
      ['pop3s:// without a certificate', ['-l', 'pop3s://127.0.0.1:0'], /pop3s:\/\/ needs --cert and --key/],
      ['STLS', ['-l', 'pop3+stls://127.0.0.1:0'], /STLS cannot be played/],
    ] as const) {
      test(`is refused with words and status 2: ${what}`, async () => {
        const isSession = what === 'no session of that name' || what === 'several sessions'
        const chosen = isSession ? args : ['--session', of('curl').session, ...args]
        const { status, stderr } = await runPosternCommand(['replay', '--as-server', recording, ...chosen])
        expect(stderr).toMatch(words)
        expect(status).toBe(2)
      })
    }
  })

  describe('played against a server', () => {
    for (const { name } of MAIL_CLIENTS) {
      test(`of ${name} finds the same Dovecot alike`, async () => {
        const { account } = of(name)
        const { status, stdout, stderr } = await play(account.user, sameServer(), password(account))
        expect(stdout).toBe('')
        expect(stderr).toContain('the server answered as recorded')
        expect(status).toBe(0)
      })
    }

    test('names the one message that is another one, and ends with 1', async () => {
      const changed = MAILS.map((mail, index) =>
        index === 1 ? Buffer.from(mail.toString('latin1').replace('last.', 'LAST.'), 'latin1') : mail,
      )
      const account = dovecot.openAccount(changed)
      const options = [...sameServer(), '--user', account.user]
      const { status, stdout, stderr } = await play(of('curl').account.user, options, password(account))
      const differing = stdout.split('\n').filter((line) => /^[!+-] /.test(line))
      expect(differing).toEqual(['! RETR 2'])
      expect(stdout).toMatch(/^! RETR 2\n +content: 61 octets on both sides, different from octet \d+ on/)
      expect(stderr).toContain('the server answered otherwise than recorded')
      expect(status).toBe(1)
    })

    test('names what is missing of a maildrop, and goes on behind it', async () => {
      const account = dovecot.openAccount(MAILS.slice(0, -1))
      const options = [...sameServer(), '--user', account.user]
      const { status, stdout } = await play(of('poplib').account.user, options, password(account))
      expect(stdout).toMatch(/^! STAT\n +text: \+OK 8 \d+ -> \+OK 7 \d+$/m)
      expect(stdout).toMatch(/^! RETR 8\n +reply: \+OK 0 octets -> -ERR/m)
      expect(stdout).not.toContain('! RETR 7')
      expect(stdout).not.toContain('! QUIT')
      expect(status).toBe(1)
    })

    test('gives DELE only where it is told to', async () => {
      const recorded = dovecot.openAccount(MAILS)
      const file = join(directory.path, 'deletes.jsonl')
      await recordedTo(file, `pop3s://localhost:${dovecot.tlsPort}`, ['--write-messages'], async (port) => {
        const url = `pop3://localhost:${port}/2`
        const login = ['--user', `${recorded.user}:${recorded.password}`]
        const { status } = await run('curl', ['--silent', '--head', '--request', 'DELE', ...login, url])
        expect(status).toBe(0)
      })
      await dovecot.settled(recorded)
      expect(dovecot.mailOf(recorded)).toHaveLength(MAILS.length - 1)

      const account = dovecot.openAccount(MAILS)
      const args = ['replay', '--as-client', file, ...sameServer(), '--user', account.user]
      const careful = await runPosternCommand(args, password(account))
      expect(careful.stderr).toContain('DELE is left out, so that nothing is deleted')
      expect(careful).toMatchObject({ status: 0, stdout: '' })
      await dovecot.settled(account)
      expect(dovecot.mailOf(account)).toHaveLength(MAILS.length)

      const told = await runPosternCommand([...args, '--deletions'], password(account))
      expect(told).toMatchObject({ status: 0, stdout: '' })
      await dovecot.settled(account)
      expect(dovecot.mailOf(account)).toHaveLength(MAILS.length - 1)
    })

    test('gives commands of your own behind the recorded login, and prints what comes', async () => {
      const { account } = of('curl')
      const own = ['--send', 'STAT', '--send', 'TOP 1 0', '--send', 'RETR 999']
      const { status, stdout } = await play(account.user, [...sameServer(), ...own], password(account))
      expect(stdout).toMatch(
        /^C> STAT\n<S \+OK \d+ \d+\nC> TOP 1 0\n<S \+OK.*\n[\s\S]*: [\s\S]*\nC> RETR 999\n<S -ERR /,
      )
      expect(stdout).not.toContain('QUIT')
      expect(status).toBe(1)
      const fine = await play(account.user, [...sameServer(), '--send', 'STAT'], password(account))
      expect(fine.status).toBe(0)
    })

    test('asks for the password where none is given', async () => {
      const { status, stderr } = await play(of('curl').account.user, sameServer())
      expect(stderr).toMatch(/a recording holds no password: .*--password-file or POSTERN_REPLAY_PASSWORD/)
      expect(stderr).not.toContain('bug')
      expect(status).toBe(2)
    })

    test('says what the server said to a wrong password, and compares nothing', async () => {
      const file = join(directory.path, 'password')
      writeFileSync(file, 'wrong-one\n')
      const options = [...sameServer(), '--password-file', file]
      const { status, stdout, stderr } = await play(of('curl').account.user, options)
      expect(stderr).toContain('the server refused the login: -ERR [AUTH] Authentication failed.')
      expect(stderr).toContain('check --user, and the password in --password-file')
      expect(`${stdout}${stderr}`).not.toContain('wrong-one')
      expect(stdout).toBe('')
      expect(status).toBe(1)
    })

    test('says that nobody answers where the server is dead', async () => {
      const [port = 0] = await freePorts(1)
      const { account } = of('curl')
      const options = ['--upstream', `pop3s://localhost:${port}`, '--upstream-ca', caFile]
      const { status, stdout, stderr } = await play(account.user, options, password(account))
      expect(stderr).toMatch(/there is no session: -ERR \[SYS\/TEMP\].*refused/)
      expect(stdout).toBe('')
      expect(status).toBe(6)
    })

    test('gives no password to a server whose certificate nobody vouches for', async () => {
      const { chain, key } = testAuthority().issue()
      const server = await startRecordingServer({ security: 'tls', context: { cert: chain, key } })
      try {
        const { account } = of('curl')
        const options = ['--upstream', `pop3s://localhost:${server.port}`, '--upstream-ca', caFile]
        const { status, stdout, stderr } = await play(account.user, options, password(account))
        expect(stderr).toMatch(/there is no session: -ERR \[SYS\/PERM\].*certificate/)
        expect(stderr).toContain('--upstream-ca')
        expect(stdout).toBe('')
        expect(status).toBe(6)
        expect(server.received()).toBe('')
      } finally {
        await server.stop()
      }
    })

    test('is refused where the options contradict each other, or no server is named', async () => {
      const { account } = of('curl')
      const plain = ['--upstream', `pop3://localhost:${dovecot.plainPort}`, '--upstream-ca', caFile]
      const contradiction = await play(account.user, plain, password(account))
      expect(contradiction.stderr).toContain('the options contradict each other')
      expect(contradiction.status).toBe(2)
      const nowhere = await play(account.user, [], password(account))
      expect(nowhere.stderr).toContain('--as-client needs the server: --upstream')
      expect(nowhere.status).toBe(2)
    })
  })

  describe('compared with another', () => {
    test.skipIf(!canCapture)('captured by tcpdump on the way without postern, is alike', async () => {
      const account = dovecot.openAccount(MAILS)
      const errand = { account, messages: MAILS.length, caFile }
      const direct = join(directory.path, 'direct.pcap')
      const capture = await captureLoopback(direct, dovecot.plainPort)
      await poplib.fetch({ ...errand, port: dovecot.plainPort })
      const ports = ['--port', String(dovecot.plainPort)]
      await until('the capture to hold the end of the session', async () => {
        const { stdout } = await runPosternCommand(['read', direct, '--text', ...ports])
        return /QUIT[\s\S]*\+OK[\s\S]*(closed|ended)/i.test(stdout)
      })
      await capture.finish()

      const proxied = join(directory.path, 'proxied.jsonl')
      const upstream = `pop3://localhost:${dovecot.plainPort}`
      await recordedTo(proxied, upstream, ['--write-messages'], async (port) => {
        await poplib.fetch({ ...errand, port })
      })
      const compared = await runPosternCommand(['diff', direct, proxied, ...ports])
      expect(compared.stdout).toMatch(/: alike\n$/)
      expect(compared.status, compared.stderr).toBe(0)
    })

    test('of yesterday names what is new today', async () => {
      const account = dovecot.openAccount(MAILS)
      const upstream = `pop3s://localhost:${dovecot.tlsPort}`
      const files = ['yesterday', 'again', 'today'].map((name) => join(directory.path, `${name}.jsonl`))
      const [yesterday = '', again = '', today = ''] = files
      for (const [index, file] of files.entries()) {
        if (index === 2) dovecot.deliver(account, [Buffer.from('Subject: new\n\nx\n')])
        await recordedTo(file, upstream, ['--write-messages'], async (port) => {
          await poplib.fetch({ port, account, messages: MAILS.length, caFile })
        })
      }
      const alike = await runPosternCommand(['diff', yesterday, again])
      expect(alike.stdout).toMatch(/: alike\n$/)
      expect(alike.status).toBe(0)
      const different = await runPosternCommand(['diff', yesterday, today])
      expect(different.stdout).toMatch(/^! STAT\n +text: \+OK 8 \d+ -> \+OK 9 \d+$/m)
      expect(different.stdout).toMatch(/^! LIST\n/m)
      expect(different.stdout).not.toMatch(/RETR/)
      expect(different.status).toBe(1)
    })
  })
})

/** A command's reply, status line and content, behind the command itself. */
async function wholeReply(client: Pop3Client, line: string): Promise<string> {
  const { status, content } = await client.multiLine(line)
  return `${line}\r\n${status}\r\n${content.toString('latin1')}`
}
