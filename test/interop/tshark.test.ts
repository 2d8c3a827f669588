import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { exportSessions } from '../../src/cli/export.js'
import type { Account } from '../support/dovecot.js'
import { haveCorpus, readCorpus, realThing } from '../support/real.js'
import { run } from '../support/tools.js'
import { asDelivered, SAMPLE_MAILS } from './both-ways.js'
import { type Leg, type RecordedBench, startRecordedBench } from './recorded-sessions.js'

let bench: RecordedBench
let plain: Leg
let stls: Leg
let account: Account
let corpus: Leg | null = null
let corpusAccount: Account | null = null

const hasCorpus = haveCorpus()
const REDACTED = '[redacted]'

/** Runs tshark on a file; protocols and preferences of whoever runs the tests stay out. */
async function tshark(file: string, ...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await run('tshark', ['-r', file, ...args], {
    env: { HOME: bench.directory, XDG_CONFIG_HOME: bench.directory },
    limitMs: 60_000,
  })
  expect(status, stderr).toBe(0)
  return stdout.toString('latin1')
}

/** What tshark's POP dissector makes of a conversation: commands and status lines, one a line. */
async function dialogueOf(file: string, filter: string): Promise<readonly string[]> {
  const fields = [
    'pop.request.command',
    'pop.request.parameter',
    'pop.response.indicator',
    'pop.response.description',
  ]
  const table = await tshark(
    file,
    '-Y',
    `pop && (${filter})`,
    '-T',
    'fields',
    ...fields.flatMap((field) => ['-e', field]),
  )
  return table
    .split('\n')
    .map((line) =>
      line
        .split('\t')
        .filter((cell) => cell !== '')
        .join(' '),
    )
    .filter((line) => line !== '')
}

/** Both directions of a conversation, put together by tshark. */
async function followed(file: string, stream: number): Promise<Leg> {
  const text = await tshark(file, '-q', '-z', `follow,tcp,raw,${stream}`)
  const lines = text.split('\n').filter((line) => /^\t?[0-9a-f]+$/.test(line))
  // Lines of the side that did not begin are indented; postern's files begin with the SYN of the client.
  const octets = (isServer: boolean): string =>
    lines
      .filter((line) => line.startsWith('\t') === isServer)
      .map((line) => Buffer.from(line.trim(), 'hex').toString('latin1'))
      .join('')
  const greetsFirst = text.includes('Node 0') && octets(true).startsWith('+OK')
  return greetsFirst
    ? { sent: octets(false), received: octets(true) }
    : { sent: octets(true), received: octets(false) }
}

async function exportTo(name: string, leg: 'client' | 'server' | 'both', filter: string): Promise<string> {
  const file = join(bench.directory, name)
  // It tells on stderr what it wrote.
  vi.spyOn(process.stderr, 'write').mockReturnValueOnce(true)
  expect(await exportSessions([bench.recording], { pcapng: file, leg, filter })).toBe(0)
  return file
}

/** The session in clear of the first account. */
function plainOnly(): string {
  return `user == "${account.user}" && client_tls == ""`
}

/** As the recording may show it: the password left out. */
function redacted(text: string): string {
  return text.replaceAll(account.password, REDACTED)
}

/** Command lines as tshark's fields show them. */
function linesOf(text: string): readonly string[] {
  return text.split('\r\n').filter((line) => line !== '')
}

/** The status lines of what a client received: each is the first line of a reply, and there is one for each command. */
function statusLinesOf({ received, sent }: Leg): readonly string[] {
  const lines: string[] = []
  let rest = received
  const take = (end: string): string => {
    const at = rest.indexOf(end) + end.length
    const taken = rest.slice(0, at)
    rest = rest.slice(at)
    return taken
  }
  lines.push(take('\r\n'))
  for (const command of linesOf(sent)) {
    const status = take('\r\n')
    lines.push(status)
    const isMultiLine = /^(?:CAPA|LIST|UIDL|TOP .*|RETR .*)$/.test(command) && status.startsWith('+OK')
    if (isMultiLine) take(rest.startsWith('.\r\n') ? '.\r\n' : '\r\n.\r\n')
  }
  expect(rest).toBe('')
  return lines.map((line) => line.trimEnd())
}

describe.skipIf(!realThing('dovecot', 'tshark'))('a recording read by tshark', () => {
  beforeAll(async () => {
    bench = await startRecordedBench()
    account = bench.openAccount(SAMPLE_MAILS)
    plain = await bench.session('plain', account, SAMPLE_MAILS.length)
    stls = await bench.session('stls', account, SAMPLE_MAILS.length)
    if (hasCorpus) {
      const mails = readCorpus().map(({ content }) => content)
      corpusAccount = bench.openAccount(mails)
      corpus = await bench.session('plain', corpusAccount, mails.length)
    }
    await bench.finishRecording()
  })
  afterAll(async () => await bench?.stop())

  test('has every octet that the client sent and received, but the password', async () => {
    const file = await exportTo('plain.pcapng', 'client', plainOnly())
    const leg = await followed(file, 0)
    expect(leg.sent).toBe(redacted(plain.sent))
    expect(leg.received === plain.received).toBe(true)
    for (const mail of SAMPLE_MAILS) {
      const stuffed = asDelivered(mail).replace(/^\./gm, '..')
      expect(leg.received.includes(`${stuffed}.\r\n`)).toBe(true)
    }
  })

  test.skipIf(!hasCorpus)('has every octet of a corpus of difficult mail', async () => {
    const file = await exportTo('corpus.pcapng', 'client', `user == "${corpusAccount!.user}"`)
    const leg = await followed(file, 0)
    expect(leg.received === corpus!.received).toBe(true)
    expect(await dialogueOf(file, 'pop.response.indicator')).toEqual(statusLinesOf(corpus!))
  })

  test('shows every command and every status line in its POP dissector', async () => {
    const file = await exportTo('dialogue.pcapng', 'client', plainOnly())
    expect(await dialogueOf(file, 'pop.request')).toEqual(linesOf(redacted(plain.sent)))
    expect(await dialogueOf(file, 'pop.response.indicator')).toEqual(statusLinesOf(plain))
  })

  test('shows mail as mail', async () => {
    const file = await exportTo('mail.pcapng', 'client', plainOnly())
    const subjects = await tshark(file, '-Y', 'imf.subject', '-T', 'fields', '-e', 'imf.subject')
    const text = subjects.replaceAll('\n', ',')
    for (const subject of ['one', 'dots', 'long line', 'no last line end', 'large'])
      expect(text).toContain(subject)
  })

  test('shows what was said behind STLS in a conversation of its own, decrypted', async () => {
    const file = await exportTo('stls.pcapng', 'client', `user == "${account.user}" && client_tls != ""`)
    const [before, behind] = [await followed(file, 0), await followed(file, 1)]
    expect(before.sent).toBe('STLS\r\n')
    expect(before.sent + behind.sent).toBe(redacted(stls.sent))
    expect(before.received + behind.received === stls.received).toBe(true)
    expect(await dialogueOf(file, 'pop.request')).toEqual(linesOf(redacted(stls.sent)))
    expect(await tshark(file, '-Y', 'tls')).toBe('')
    const comments = await tshark(file, '-Y', 'frame.comment', '-T', 'fields', '-e', 'frame.comment')
    expect(comments).toContain('within TLS')
  })

  test('has the leg of the server beside it, whose list of capabilities is its own', async () => {
    const file = await exportTo('both.pcapng', 'both', plainOnly())
    const legs = [await followed(file, 0), await followed(file, 1)]
    expect(legs.map(({ sent }) => sent)).toEqual([redacted(plain.sent), redacted(plain.sent)])
    const [client, server] = legs
    expect(client!.received === plain.received).toBe(true)
    const behindCapabilities = (text: string): string => text.slice(text.indexOf('\r\n.\r\n'))
    expect(behindCapabilities(server!.received) === behindCapabilities(plain.received)).toBe(true)
  })

  test('is sound to it: right checksums, nothing malformed, nothing retransmitted or lost', async () => {
    const file = await exportTo('sound.pcapng', 'both', `user == "${account.user}"`)
    const bad = [
      'tcp.checksum.status == "Bad"',
      'ip.checksum.status == "Bad"',
      '_ws.malformed',
      'tcp.analysis.lost_segment',
      'tcp.analysis.retransmission',
      'tcp.analysis.window_full',
    ]
    const found = await tshark(
      file,
      '-o',
      'tcp.check_checksum:TRUE',
      '-o',
      'ip.check_checksum:TRUE',
      '-Y',
      bad.join(' || '),
    )
    expect(found).toBe('')
    expect(readFileSync(file).includes(account.password)).toBe(false)
    expect(readFileSync(file).includes(account.user)).toBe(true)
  })
})
