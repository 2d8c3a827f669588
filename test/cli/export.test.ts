import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { beginsLikeCapture } from '../../src/export/capture-file.js'
import { fetchSession, MAIL } from '../export/sessions.js'
import { asSession, Files, postern, recordingText } from './recorded.js'

const SECOND = 'Subject: two\r\n\r\nFrom here on\r\n'

let files: Files
let recording: string
const good = asSession('good', fetchSession([MAIL, SECOND]).traces)
const other = asSession('other', fetchSession(['Subject: three\r\n\r\n']).traces)

beforeEach(() => {
  files = new Files()
  recording = files.recording('demo.jsonl', [...good, ...other])
})
afterEach(() => files.remove())

describe('postern export', () => {
  it('writes each message octet for octet into a file of its own', async () => {
    const directory = files.path('mails')
    const { code, stderr } = await postern('export', recording, '--eml', directory)
    expect(code).toBe(0)
    expect(stderr).toBe(`postern: ${directory}: 3 messages\n`)
    expect(readdirSync(directory).sort()).toEqual([
      'good-4-message-1.eml',
      'good-5-message-2.eml',
      'other-4-message-1.eml',
    ])
    expect(readFileSync(`${directory}/good-4-message-1.eml`, 'latin1')).toBe(MAIL)
    expect(statSync(`${directory}/good-4-message-1.eml`).mode & 0o777).toBe(0o600)
    expect(statSync(directory).mode & 0o777).toBe(0o700)
  })

  it('writes an mbox, a recording and a pcapng file in one go, for their owner alone', async () => {
    const paths = { mbox: files.path('m.mbox'), jsonl: files.path('r.jsonl'), pcapng: files.path('p.pcapng') }
    const options = Object.entries(paths).flatMap(([name, path]) => [`--${name}`, path])
    const { code, stderr } = await postern('export', recording, ...options)
    expect(code).toBe(0)
    expect(stderr.split('\n')).toHaveLength(4)
    expect(readFileSync(paths.mbox, 'latin1').match(/^From MAILER-DAEMON /gm)).toHaveLength(3)
    expect(readFileSync(paths.mbox, 'latin1')).toContain('\n>From here on\n')
    expect(readFileSync(paths.jsonl, 'utf8').split('\n').slice(1)).toEqual(
      recordingText([...good, ...other])
        .split('\n')
        .slice(1),
    )
    expect(beginsLikeCapture(readFileSync(paths.pcapng))).toBe(true)
    for (const path of Object.values(paths)) expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('exports the sessions for which a filter holds, and nothing where none does', async () => {
    const first = files.path('first.jsonl')
    expect((await postern('export', recording, 'messages == 2', '--jsonl', first)).code).toBe(0)
    expect(readFileSync(first, 'utf8')).not.toContain('"session":"other"')
    const none = files.path('none.jsonl')
    const { code, stderr } = await postern('export', recording, '-f', 'messages > 9', '--jsonl', none)
    expect(code).toBe(1)
    expect(stderr).toContain('no session matches')
    expect(existsSync(none)).toBe(false)
  })

  it('never overwrites a file', async () => {
    for (const option of ['--pcapng', '--mbox', '--jsonl']) {
      const path = files.write(`there${option}`, 'precious')
      const { code, stderr } = await postern('export', recording, option, path)
      expect(code, option).toBe(2)
      expect(stderr).toContain('exists already')
      expect(readFileSync(path, 'utf8')).toBe('precious')
    }
    const directory = files.path('mails')
    await postern('export', recording, '--eml', directory)
    writeFileSync(`${directory}/good-4-message-1.eml`, 'precious')
    expect((await postern('export', recording, '--eml', directory)).code).toBe(2)
    expect(readFileSync(`${directory}/good-4-message-1.eml`, 'utf8')).toBe('precious')
  })

  it('names the pcapng file after the input where nobody names it', async () => {
    const before = process.cwd()
    process.chdir(files.directory)
    try {
      // The input may stand behind the option as well: a file that is there is never meant as output.
      const { code, stderr } = await postern('export', '--pcapng', 'demo.jsonl')
      expect(code).toBe(0)
      expect(stderr).toContain('demo.pcapng')
      expect(beginsLikeCapture(readFileSync('demo.pcapng'))).toBe(true)
      expect(readFileSync('demo.jsonl', 'utf8')).toBe(recordingText([...good, ...other]))
    } finally {
      process.chdir(before)
    }
  })

  it('writes to stdout where - is named, and tells on stderr alone', async () => {
    const { stdout, stderr } = await postern('export', recording, '--pcapng', '-')
    expect(beginsLikeCapture(stdout)).toBe(true)
    expect(stderr).toContain('stdout: 2 sessions')
  })

  it('puts a TLS key log into the pcapng file', async () => {
    const secrets = 'CLIENT_RANDOM 00 11\n'
    const out = files.path('k.pcapng')
    const keylog = files.write('keys.log', secrets)
    expect((await postern('export', recording, '--pcapng', out, '--keylog', keylog)).code).toBe(0)
    expect(readFileSync(out).includes(secrets)).toBe(true)
  })

  it('says how many messages are not whole in the recording', async () => {
    const cut = fetchSession([MAIL, 'x\r\n'], { attention: { isWatched: true, messageOctets: 20 } })
    const file = files.recording('cut.jsonl', cut.traces)
    const { stderr } = await postern('export', file, '--mbox', files.path('m'))
    expect(stderr).toContain('1 message; 1 more passed but is not whole in the recording')
  })

  it('refuses what cannot be meant, and says what to type', async () => {
    const cases = [
      [['export', recording], '--pcapng'],
      [['export', '--mbox', files.path('x')], 'name a recording'],
      [['export', recording, '--eml', files.path('x'), '--leg', 'both'], '--leg both'],
      [['export', recording, '--mbox', files.path('x'), '--keylog', recording], 'add --pcapng'],
      [['export', recording, '--pcapng', '-', '--jsonl', '-'], 'only one output'],
      [['export', recording, '--pcapng', files.path('x'), '--keylog', files.path('none')], '--keylog'],
      [['export', files.path('none.jsonl'), '--pcapng', files.path('x')], 'no such file'],
    ] as const
    for (const [line, said] of cases) {
      const { code, stderr } = await postern(...line)
      expect({ line, code }).toEqual({ line, code: 2 })
      expect(stderr).toContain(said)
    }
    expect(existsSync(files.path('x'))).toBe(false)
  })
})
