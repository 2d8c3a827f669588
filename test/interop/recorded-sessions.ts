/**
 * Real sessions for the tests of captures and exports: a Dovecot with mail, postern before it that records everything,
 * and a client that keeps each octet it sent and received, so that what a file says can be held against the truth.
 */
import { join } from 'node:path'
import { testAuthority } from '../support/certificates.js'
import { type Account, type Dovecot, startDovecot } from '../support/dovecot.js'
import { type ClientSecurity, connectClient } from '../support/pop3-client.js'
import { type Postern, startConfiguredPostern } from '../support/postern-process.js'
import { temporaryDirectory } from '../support/tools.js'
import { writeCertificate } from './both-ways.js'

/** What went over a client's leg, in Latin-1 and within TLS where there was some. */
export interface Leg {
  readonly sent: string
  readonly received: string
}

export interface RecordedBench {
  readonly directory: string
  readonly recording: string
  readonly ca: string
  readonly caFile: string
  readonly dovecot: Dovecot
  readonly postern: Postern
  openAccount(mails: readonly Buffer[]): Account
  /** Logs in, looks around, fetches every message, and quits. */
  session(security: ClientSecurity, account: Account, messages: number): Promise<Leg>
  /** Ends postern, so that the recording is whole. */
  finishRecording(): Promise<void>
  stop(): Promise<void>
}

/** Starts both servers. The leg to Dovecot is plain, so that tcpdump sees it too. */
export async function startRecordedBench(): Promise<RecordedBench> {
  const directory = temporaryDirectory('recorded')
  const authority = testAuthority({ bits: 2048 })
  const certificate = writeCertificate(directory.path, 'server', authority.issue({ bits: 2048 }))
  const caFile = join(directory.path, 'ca.pem')
  const { writeFileSync } = await import('node:fs')
  writeFileSync(caFile, authority.cert)
  const recording = join(directory.path, 'recording.jsonl')
  const dovecot = await startDovecot({ certificate })
  const configuration = [
    'write:',
    `  file: ${recording}`,
    '  messages: true',
    'services:',
    '  - name: mail',
    '    listen:',
    '      - url: pop3://127.0.0.1:0',
    `        certificate: [{ cert: ${certificate.certFile}, key: ${certificate.keyFile} }]`,
    '    upstream:',
    `      url: pop3://localhost:${dovecot.plainPort}`,
  ]
  const postern = await startConfiguredPostern(
    join(directory.path, 'postern.yaml'),
    `${configuration.join('\n')}\n`,
    1,
  ).catch(async (error: unknown) => {
    await dovecot.stop()
    directory.remove()
    throw error
  })
  let hasFinished = false
  const finishRecording = async (): Promise<void> => {
    if (hasFinished) return
    hasFinished = true
    await postern.stop()
  }
  return {
    directory: directory.path,
    recording,
    ca: authority.cert,
    caFile,
    dovecot,
    postern,
    openAccount: (mails) => dovecot.openAccount(mails),
    session: async (security, account, messages) =>
      await runSession(postern.port('pop3'), security, authority.cert, account, messages),
    finishRecording,
    async stop() {
      await finishRecording()
      await dovecot.stop()
      directory.remove()
    },
  }
}

async function runSession(
  port: number,
  security: ClientSecurity,
  ca: string,
  account: Account,
  messages: number,
): Promise<Leg> {
  const { client, greeting } = await connectClient({ port, security, ca })
  const sent: string[] = security === 'stls' ? ['STLS\r\n'] : []
  const received: string[] = [`${greeting}\r\n`]
  if (security === 'stls') received.push('+OK begin TLS negotiation\r\n')
  const one = async (line: string): Promise<void> => {
    sent.push(`${line}\r\n`)
    received.push(`${await client.command(line)}\r\n`)
  }
  const several = async (line: string): Promise<void> => {
    sent.push(`${line}\r\n`)
    const { status, content } = await client.multiLine(line)
    received.push(`${status}\r\n`, content.toString('latin1'))
  }
  await several('CAPA')
  await one(`USER ${account.user}`)
  await one(`PASS ${account.password}`)
  await one('STAT')
  await several('LIST')
  await one('LIST 1')
  await several('UIDL')
  await one('NOOP')
  await several('TOP 1 1')
  for (let number = 1; number <= messages; number += 1) await several(`RETR ${number}`)
  await one('RETR 9999')
  await one('QUIT')
  client.destroy()
  return { sent: sent.join(''), received: received.join('') }
}
