/**
 * Real mail programs that fetch a whole maildrop in one session over plain POP3: curl, fetchmail, Python's poplib.
 * Owns their command lines, and what each of them makes of a message; knows nothing of what answers them.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Account } from './dovecot.js'
import { run, temporaryDirectory } from './tools.js'

/** Where mail is, who fetches it, and how many messages there are. */
export interface Errand {
  readonly port: number
  readonly account: Account
  readonly messages: number
  /** PEM of an authority; Python reads it also where no TLS is spoken. */
  readonly caFile: string
}

/** What came of it. */
export interface Fetched {
  readonly status: number | null
  /** All messages one after the other as this program hands them on, in Latin-1. */
  readonly mail: string
  /** What it printed beside them, for the message of a failed test. */
  readonly said: string
}

/** A program that fetches everything and deletes nothing. */
export interface MailClient {
  readonly name: 'curl' | 'fetchmail' | 'poplib'
  /** The programs that must be installed. */
  readonly needs: readonly string[]
  fetch(errand: Errand): Promise<Fetched>
}

const POPLIB_SCRIPT = join(import.meta.dirname, '../interop/poplib-session.py')

/** Takes messages as they come, and asks for nothing else. */
export const curl: MailClient = {
  name: 'curl',
  needs: ['curl'],
  async fetch({ port, account, messages }) {
    const { status, stdout, stderr } = await run('curl', [
      '--silent',
      '--show-error',
      '--verbose',
      '--user',
      `${account.user}:${account.password}`,
      `pop3://localhost:${port}/[1-${messages}]`,
    ])
    return { status, mail: stdout.toString('latin1'), said: stderr }
  },
}

/** `fetchall` asks for nothing that a server need not have; a delivery program gets LF line ends. */
export const fetchmail: MailClient = {
  name: 'fetchmail',
  needs: ['fetchmail'],
  async fetch({ port, account }) {
    const directory = temporaryDirectory('fetchmail')
    try {
      const file = join(directory.path, 'mail')
      writeFileSync(file, '')
      const rc = join(directory.path, 'fetchmailrc')
      writeFileSync(
        rc,
        `set no bouncemail
set invisible
poll localhost service ${port} protocol pop3 timeout 15 no dns auth password
  user "${account.user}" password "${account.password}" sslproto '' fetchall keep
  mda "cat >> ${file}"
`,
        { mode: 0o600 },
      )
      const { status, stdout, stderr } = await run(
        'fetchmail',
        ['--fetchmailrc', rc, '--pidfile', join(directory.path, 'pid'), '--nosyslog', '--verbose'],
        { env: { FETCHMAILHOME: directory.path } },
      )
      return { status, mail: readFileSync(file, 'latin1'), said: `${stdout.toString('latin1')}${stderr}` }
    } finally {
      directory.remove()
    }
  },
}

/** Lines without their ends, dots undone: each gets its CRLF back. */
export const poplib: MailClient = {
  name: 'poplib',
  needs: ['python3'],
  async fetch({ port, account, messages, caFile }) {
    const retrievals = Array.from({ length: messages }, (_, index) => `retr:${index + 1}`)
    const steps = [`user:${account.user}`, `pass_:${account.password}`, 'stat', 'list', 'uidl', ...retrievals]
    const { status, stdout, stderr } = await run('python3', [
      POPLIB_SCRIPT,
      'localhost',
      String(port),
      'plain',
      caFile,
      ...steps,
      'quit',
    ])
    const results = stdout
      .toString()
      .split('\n')
      .filter((line) => line !== '')
      .map((line): unknown => JSON.parse(line))
    const mail = results.flatMap((result) => {
      const [name, answer] = Array.isArray(result) ? result : []
      if (name !== 'retr') return []
      return Array.isArray(answer) ? linesOf(answer[1]).map((line) => `${line}\r\n`) : [String(answer)]
    })
    return { status, mail: mail.join(''), said: `${stdout.toString()}${stderr}` }
  },
}

function linesOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : []
}

/** All of them, in the order of how little they ask for. */
export const MAIL_CLIENTS: readonly MailClient[] = [curl, fetchmail, poplib]
