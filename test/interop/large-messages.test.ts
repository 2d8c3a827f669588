import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Dovecot, startDovecot } from '../support/dovecot.js'
import { type Clamd, EICAR, startClamd } from '../support/judge-daemons.js'
import { type Postern, startConfiguredPostern } from '../support/postern-process.js'
import { realThing } from '../support/real.js'
import { type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'
import { readMaildrop } from './ruled-maildrop.js'

const MIB = 1_048_576

/** A file in base64, no two lines of which are the same. */
function file(octets: number): string {
  const lines: string[] = []
  for (let at = 0; lines.length * 78 < octets; at += 1)
    lines.push(Buffer.from(`line ${at} `.padEnd(57, 'abcdefghi')).toString('base64'))
  return `${lines.join('\r\n')}\r\n`
}

function part(name: string, type: string, body: string): string {
  return `Content-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=${name}\r\n\r\n${body}`
}

function mail(subject: string, text: string, parts: readonly string[]): Buffer {
  const all = [`Content-Type: text/plain\r\n\r\n${text}\r\n`, ...parts].map((each) => `--b\r\n${each}`)
  const header = `From: a@example.org\r\nSubject: ${subject}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n`
  return Buffer.from(`${header}\r\n${all.join('')}--b--\r\n`)
}

const FILM = file(2 * MIB)
const PROGRAM = part('setup.exe', 'application/octet-stream', file(MIB))
const UNTOUCHED = mail('untouched', '.a dog\r\n', [part('film.avi', 'video/avi', FILM)])
const STRIPPED = mail('stripped', 'a cat', [
  part('film.avi', 'video/avi', FILM),
  PROGRAM,
  part('b.png', 'image/png', file(1_000)),
])
const SMALL = mail('small', 'a cat', [part('b.png', 'image/png', file(1_000))])
const VIRUS = mail('virus', 'a dog', [
  part('film.avi', 'video/avi', FILM),
  part('notes.txt', 'application/octet-stream', `${Buffer.from(EICAR).toString('base64')}\r\n`),
])

const RULES = `judges:
  digest: {type: command, run: [/bin/sh, -c, "sha256sum | cut -c 1-64"]}
rules:
  - {name: digest, when: 'verdict.digest == "clean" && size > 2000000', then: [log]}
  - {name: strip, when: 'attachments.exists(a, a.name.endsWith(".exe") && a.size > 700000)', then: [{strip-attachments: {names: ["*.exe"], text: "A program was removed here."}}]}
  - {name: cats, when: body.contains("cat"), then: [{replace-text: {pattern: cat, with: tiger}}]}
`

let directory: TemporaryDirectory
let dovecot: Dovecot
const posterns: Postern[] = []
let count = 0

beforeAll(async () => {
  if (!realThing('dovecot')) return
  directory = temporaryDirectory('large-messages')
  dovecot = await startDovecot({ certificate: null })
})

afterAll(async () => {
  for (const postern of posterns) await postern.stop()
  await dovecot?.stop()
  directory?.remove()
})

/** Starts a postern with rules before Dovecot. @param limits lines of its configuration */
async function ruled(
  rules: string,
  limits = '    limits: {held-message: 256KiB}',
  spool = 'spool',
): Promise<{ postern: Postern; folder: string }> {
  count += 1
  const folder = join(directory.path, `run-${count}`)
  mkdirSync(folder)
  writeFileSync(join(folder, 'rules.yaml'), rules)
  const configuration = `rules: {files: rules.yaml, quarantine: quarantine, spool: ${spool}}
services:
  - name: large
    listen: pop3://127.0.0.1:0
    upstream: pop3://localhost:${dovecot.plainPort}
${limits}`
  const postern = await startConfiguredPostern(join(folder, 'postern.yaml'), configuration, 1)
  posterns.push(postern)
  return { postern, folder }
}

function hitsOf(postern: Postern, rule: string) {
  return postern.events().filter((line) => line.event === 'rule-hit' && line.rule === rule)
}

describe.skipIf(!realThing('dovecot'))('messages that are larger than memory is given', () => {
  const mails = [UNTOUCHED, STRIPPED, SMALL]

  test('are judged and changed as a whole, and listed with their size', async () => {
    const { postern, folder } = await ruled(RULES)
    const account = dovecot.openAccount(mails)
    const seen = await readMaildrop(postern.port('pop3'), account)
    expect(seen.mails.map(({ length }) => length)).toEqual(seen.sizes)
    const [untouched, stripped, small] = seen.mails
    expect(untouched?.equals(UNTOUCHED)).toBe(true)
    expect(small?.toString()).toBe(SMALL.toString().replace('cat', 'tiger'))
    const text = stripped?.toString('latin1') ?? ''
    expect(text.includes(FILM)).toBe(true)
    expect(text).toContain('A program was removed here.')
    expect(text).toContain('a tiger\r\n')
    expect(text).not.toContain('setup.exe')
    await until('the log to be written', () => hitsOf(postern, 'digest').length >= 2)
    const digests = [UNTOUCHED, STRIPPED].map((each) => createHash('sha256').update(each).digest('hex'))
    const reasons = hitsOf(postern, 'digest').map(({ reason }) => String(reason))
    for (const digest of digests) expect(reasons.some((reason) => reason.includes(digest))).toBe(true)
    // The files have no names, so that nothing stays behind.
    expect(readdirSync(join(folder, 'spool'))).toEqual([])
    const again = await readMaildrop(postern.port('pop3'), account)
    expect(again.sizes).toEqual(seen.sizes)
    expect(again.mails.every((each, at) => each.equals(seen.mails[at] ?? Buffer.alloc(0)))).toBe(true)
  }, 60_000)

  test('are passed as they are where they exceed the limit of files, and rules say why they were not asked', async () => {
    const { postern } = await ruled(RULES, '    limits: {spooled-message: 1MiB, held-message: 64KiB}')
    const account = dovecot.openAccount([STRIPPED])
    const seen = await readMaildrop(postern.port('pop3'), account)
    expect(seen.mails[0]?.equals(STRIPPED)).toBe(true)
    await until('the log to be written', () => hitsOf(postern, 'strip').length > 0)
    expect(hitsOf(postern, 'strip')[0]).toMatchObject({
      mode: 'failed',
      reason: expect.stringContaining('larger than'),
    })
  }, 60_000)

  test('are passed as they are where no file can be written, and rules say why', async () => {
    const { postern, folder } = await ruled(RULES, '    limits: {held-message: 256KiB}', 'rules.yaml/spool')
    const seen = await readMaildrop(postern.port('pop3'), dovecot.openAccount([STRIPPED, SMALL]))
    expect(seen.mails[0]?.equals(STRIPPED)).toBe(true)
    expect(seen.mails[1]?.toString()).toContain('a tiger')
    await until('the log to be written', () => hitsOf(postern, 'strip').length > 0)
    expect(hitsOf(postern, 'strip')[0]).toMatchObject({
      mode: 'failed',
      reason: expect.stringContaining(`it cannot be kept in a file: ${folder}/rules.yaml/spool: `),
    })
  }, 60_000)
})

describe.skipIf(!realThing('dovecot', 'clamd'))(
  'a virus in a message that is larger than memory is given',
  () => {
    let clamd: Clamd

    beforeAll(async () => {
      clamd = await startClamd(null, 64 * MIB)
    }, 90_000)

    afterAll(async () => {
      await clamd?.stop()
    })

    test('is found by a real clamd, and the message is quarantined octet for octet', async () => {
      const rules = `judges: {clamd: {type: clamd, address: "127.0.0.1:${clamd.port}"}}
rules: [{name: virus, when: verdict.clamd == "infected", on-failure: refuse, then: [quarantine]}]`
      const { postern, folder } = await ruled(rules)
      const seen = await readMaildrop(postern.port('pop3'), dovecot.openAccount([VIRUS, UNTOUCHED]))
      expect(seen.mails.map(({ length }) => length)).toEqual(seen.sizes)
      expect(seen.mails[0]?.length).toBeLessThan(2_000)
      expect(seen.mails[1]?.equals(UNTOUCHED)).toBe(true)
      const [kept = '', ...more] = readdirSync(join(folder, 'quarantine', 'new'))
      expect(more).toEqual([])
      expect(readFileSync(join(folder, 'quarantine', 'new', kept)).equals(VIRUS)).toBe(true)
    }, 90_000)
  },
)
