/**
 * The bench of the interoperability tests: the same client, the same maildrop, once straight to Dovecot and once
 * through postern. Owns both servers and the proxy between; what a client does is the test's. The Dovecot behind
 * postern has a POP3S listener and nothing else, so whatever a plain client gets there has come through TLS.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { testAuthority } from '../support/certificates.js'
import { type Account, type CertificateFiles, type Dovecot, startDovecot } from '../support/dovecot.js'
import { startPostern } from '../support/postern-process.js'
import { temporaryDirectory } from '../support/tools.js'

/** One of the two ways from a client to its mail. */
export interface Way {
  readonly name: 'direct' | 'through postern'
  /** Port on which plain POP3 is spoken and STLS is offered. */
  readonly plainPort: number
  /** Port of POP3S. */
  readonly tlsPort: number
  /** PEM file of the authority that vouches for `localhost` on this way. */
  readonly caFile: string
  readonly ca: string
}

/** What one client run amounts to. */
export interface Compared<T> {
  /** What the client made of it, the same on both ways. */
  readonly outcome: T
  /** What remains in the maildrop, octets as latin1, the same on both ways. */
  readonly left: readonly string[]
}

/** Octets as latin1: what a failed comparison can print and a large one compares quickly. */
export function texts(mails: readonly Buffer[]): readonly string[] {
  return mails.map((mail) => mail.toString('latin1'))
}

/** What a client run is given. */
export interface Run {
  readonly way: Way
  readonly account: Account
  /** Fresh directory for the client's files. */
  readonly directory: string
  /** Adds mail to the maildrop on this way. */
  deliver(mails: readonly Buffer[]): void
}

export interface BothWays {
  /** Runs a client on both ways, each with a fresh maildrop of these mails, and expects the same of both. */
  compare<T>(mails: readonly Buffer[], client: (run: Run) => Promise<T>): Promise<Compared<T>>
  /** Ends everything, and expects that no password of the accounts is in postern's log. */
  stop(): Promise<void>
}

/** Starts two Dovecots and a postern before the second. */
export async function startBothWays(): Promise<BothWays> {
  const directory = temporaryDirectory('both-ways')
  const authority = testAuthority({ bits: 2048 })
  const caFile = join(directory.path, 'ca.pem')
  writeFileSync(caFile, authority.cert)
  const certificate = writeCertificate(directory.path, 'server', authority.issue({ bits: 2048 }))
  const clientSide = writeCertificate(directory.path, 'postern', authority.issue({ bits: 2048 }))

  const [near, far] = await Promise.all([
    startDovecot({ certificate }),
    startDovecot({ certificate, listeners: ['pop3s'] }),
  ])
  const postern = await startPostern({
    listeners: ['pop3', 'pop3s'],
    upstream: `pop3s://localhost:${far.tlsPort}`,
    upstreamCaFile: caFile,
    certificate: clientSide,
    args: ['--log-level', 'trace'],
  }).catch(async (error: unknown) => {
    await Promise.all([near.stop(), far.stop()])
    directory.remove()
    throw error
  })

  const ways: readonly { way: Way; server: Dovecot }[] = [
    {
      way: {
        name: 'direct',
        plainPort: near.plainPort,
        tlsPort: near.tlsPort,
        caFile,
        ca: authority.cert,
      },
      server: near,
    },
    {
      way: {
        name: 'through postern',
        plainPort: postern.port('pop3'),
        tlsPort: postern.port('pop3s'),
        caFile,
        ca: authority.cert,
      },
      server: far,
    },
  ]

  const accounts: Account[] = []

  return {
    async compare(mails, client) {
      const results = []
      for (const { way, server } of ways) {
        const account = server.openAccount(mails)
        accounts.push(account)
        const scratch = temporaryDirectory('client')
        try {
          const outcome = await client({
            way,
            account,
            directory: scratch.path,
            deliver: (more) => server.deliver(account, more),
          })
          await server.settled(account)
          results.push({ outcome, left: texts(server.mailOf(account)) })
        } catch (error) {
          throw new Error(`${way.name}: ${error instanceof Error ? error.message : error}`, { cause: error })
        } finally {
          scratch.remove()
        }
      }
      const [direct, through] = results
      expect(through).toEqual(direct)
      return direct!
    },
    async stop() {
      await postern.stop()
      const leaked = accounts.flatMap(spellingsOf).filter((secret) => postern.printed().includes(secret))
      await Promise.all([near.stop(), far.stop()])
      directory.remove()
      // At level trace, after every login that the tests of a file have made.
      expect(leaked, 'credentials in the log').toEqual([])
    },
  }
}

/** A password as a log that shows it would: in the clear, or as the SASL mechanisms carry it. */
function spellingsOf({ user, password }: Account): readonly string[] {
  const base64 = [password, `\0${user}\0${password}`].map((text) => Buffer.from(text).toString('base64'))
  return [password, ...base64]
}

/** Writes a certificate chain and its key as PEM files. */
export function writeCertificate(
  directory: string,
  name: string,
  issued: { readonly chain: string; readonly key: string },
): CertificateFiles {
  const certFile = join(directory, `${name}.cert.pem`)
  const keyFile = join(directory, `${name}.key.pem`)
  writeFileSync(certFile, issued.chain)
  writeFileSync(keyFile, issued.key, { mode: 0o600 })
  return { certFile, keyFile }
}

/** A message as POP3 carries it, byte-stuffing undone, in latin1: every line ends in CRLF (RFC 1939 §3). */
export function asDelivered(mail: Buffer): string {
  const text = mail.toString('latin1').replace(/\r?\n/g, '\r\n')
  return text.endsWith('\r\n') ? text : `${text}\r\n`
}

/**
 * A handful of messages with what has broken clients and proxies: lines that begin with dots, 8-bit octets, a
 * long line, no blank line, no last line end, and enough octets for many segments. Line ends are LF, as in any
 * Maildir. Left out is what clients themselves spoil (a first line with a dot, lines over 2,048 octets, bare CR).
 */
export const SAMPLE_MAILS: readonly Buffer[] = [
  'From: a@example.org\nSubject: one\n\nHello.\n',
  'From: a@example.org\nSubject: dots\n\n.\n..\n.x\n...\nlast.\n',
  'From: a@example.org\nSubject: \xe9\xe8 8-bit\n\n\x80\xff\x9b text\n',
  `From: a@example.org\nSubject: long line\n\n${'x'.repeat(1_900)}\n`,
  'From: a@example.org\nSubject: no last line end\n\nends here',
  'From: a@example.org\nSubject: header section only\n\n',
  `From: a@example.org\nSubject: large\n\n${'.the quick brown fox jumps over the lazy dog\n'.repeat(8_000)}`,
].map((text) => Buffer.from(text, 'latin1'))
