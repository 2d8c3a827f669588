import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { zipSync } from 'fflate'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { exitCodeOf } from '../../src/cli/failure.js'
import { createProgram } from '../../src/cli/program.js'
import { registerQuarantine } from '../../src/cli/quarantine.js'
import { defaultQuarantineDirectory } from '../../src/cli/state-directory.js'
import { inMemory } from '../../src/mail/source.js'
import { QUARANTINE_LIMITS } from '../../src/quarantine/limits.js'
import { openQuarantine } from '../../src/quarantine/quarantine.js'
import { type TemporaryDirectory, temporaryDirectory } from '../support/tools.js'

const HOSTILE = Buffer.from(
  'From: =?utf-8?q?Eve=1B]0;owned=07?= <eve@example.org>\r\nTo: bob@example.org\r\nSubject: in\u001b[2Jvoice \u202efdp.exe\r\n' +
    'Content-Type: application/octet-stream; name="a.exe"\r\nContent-Disposition: attachment; filename="a.exe"\r\n\r\n\u001b[2J\0\xff\r\n',
)

let place: TemporaryDirectory
let directory: string

beforeEach(() => {
  place = temporaryDirectory('quarantine-cli')
  directory = join(place.path, 'quarantine')
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  pretendTerminal(isTerminal)
  place.remove()
})

async function keep(message: Buffer, rule = 'dangerous'): Promise<string> {
  const store = await openQuarantine(directory, QUARANTINE_LIMITS)
  store.close()
  const kept = await store.keep(inMemory(message), {
    rule,
    reason: 'attachments.exists(a, a.name.endsWith(".exe"))',
    user: 'bob',
    service: 'default',
    session: 's1',
    at: Date.UTC(2026, 9, 1, 12, 30),
    uniqueId: 'uid-1',
  })
  if (kept.type !== 'kept') throw new Error(JSON.stringify(kept))
  return kept.id
}

/** Runs `postern quarantine ...` and returns what went to stdout. */
async function quarantine(...arguments_: string[]): Promise<Buffer> {
  return await quarantineHere(...arguments_, '--directory', directory)
}

async function quarantineHere(...arguments_: string[]): Promise<Buffer> {
  const written: Buffer[] = []
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((...given: unknown[]) => {
    const [chunk, done] = given
    written.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk)))
    if (typeof done === 'function') done()
    return true
  })
  try {
    const program = new Command('postern').exitOverride()
    registerQuarantine(program, (code) => expect(code).toBe(0))
    await program.parseAsync(['quarantine', ...arguments_], { from: 'user' })
  } finally {
    spy.mockRestore()
  }
  return Buffer.concat(written)
}

async function failureOf(...arguments_: string[]): Promise<{ code: number; message: string }> {
  try {
    await quarantine(...arguments_)
  } catch (error) {
    return { code: exitCodeOf(error), message: error instanceof Error ? error.message : '' }
  }
  throw new Error('the command did not fail')
}

const isTerminal = process.stdout.isTTY

function pretendTerminal(value: boolean): void {
  Object.defineProperty(process.stdout, 'isTTY', { value, configurable: true, writable: true })
}

describe('postern quarantine', () => {
  it('is a command of the program', () => {
    const command = createProgram(() => {}).commands.find((each) => each.name() === 'quarantine')
    expect(command?.commands.map((each) => each.name())).toEqual(['list', 'show', 'release', 'delete'])
  })

  it('lists a line for each message, in columns, with nothing that a terminal acts on', async () => {
    const first = await keep(HOSTILE)
    const second = await keep(Buffer.from('From: 山田 <y@example.org>\r\nSubject: plain\r\n\r\n'), 'other')
    const [heading = '', ...lines] = (await quarantine('list')).toString().trimEnd().split('\n')
    expect(heading).toMatch(/^ID +WHEN \(UTC\) +SIZE +STATE +FROM +RULE +SUBJECT$/)
    expect(lines).toHaveLength(2)
    const line = lines.find((each) => each.startsWith(first)) ?? ''
    expect(line).toContain('2026-10-01 12:30')
    expect(line).toContain('dangerous')
    expect(line).toContain('in\\x1b[2Jvoice \\u{202e}fdp.exe')
    expect(lines.some((each) => each.startsWith(second) && each.includes('山田'))).toBe(true)
    expect(lines.join('')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
  })

  it('lists as JSON what there is', async () => {
    const id = await keep(HOSTILE)
    expect(JSON.parse((await quarantine('list', '--json')).toString())).toMatchObject([
      { id, octets: HOSTILE.length, rule: 'dangerous', user: 'bob', state: 'kept', uniqueId: 'uid-1' },
    ])
  })

  it('says where nothing is, and where there is no quarantine at all', async () => {
    expect(await failureOf('list')).toMatchObject({
      code: 1,
      message: expect.stringContaining('there is no quarantine'),
    })
    await quarantine('delete', await keep(HOSTILE))
    expect((await quarantine('list')).toString()).toBe(`Nothing is in quarantine in ${directory}\n`)
  })

  it('shows why a message is kept and what it is, without a control character of it', async () => {
    const id = await keep(HOSTILE)
    const shown = (await quarantine('show', id.slice(0, 5))).toString()
    for (const part of [
      'reason      attachments.exists(a, a.name.endsWith(".exe"))',
      'unique-id   uid-1',
      'To          bob@example.org',
      'attachment  a.exe, application/octet-stream,',
      'state       kept from the client',
    ])
      expect(shown).toContain(part)
    expect(shown.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    const json = JSON.parse((await quarantine('show', id, '--json')).toString())
    expect(json).toMatchObject({
      id,
      isIntact: true,
      header: expect.arrayContaining([{ name: 'To', value: 'bob@example.org' }]),
    })
  })

  it('shows the names in an archive, the first ones of many', async () => {
    const archiveOf = (names: readonly string[], end?: number) =>
      Buffer.from(zipSync(Object.fromEntries(names.map((name) => [name, Buffer.from('x')])))).subarray(0, end)
    const shownOf = async (archive: Buffer) => {
      const head = 'Content-Type: application/zip; name="a.zip"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
      const id = await keep(Buffer.from(`${head}${archive.toString('base64')}\r\n`))
      return (await quarantine('show', id)).toString()
    }
    const shown = await shownOf(archiveOf(['b.exe', 'c\x1b[2J.txt']))
    expect(shown).toMatch(/^attachment {2}a\.zip, .*\n {14}b\.exe\n {14}c\\x1b\[2J\.txt$/m)
    const many = archiveOf(Array.from({ length: 25 }, (_, index) => `${index}.txt`))
    expect(await shownOf(many)).toMatch(/ {14}19\.txt\n {14}and 5 more files$/m)
    expect(await shownOf(archiveOf(['b.exe'], -1))).toContain('(an archive whose names cannot all be read)')
  })

  it('prints the octets themselves only where no terminal reads them, or somebody insists', async () => {
    const id = await keep(HOSTILE)
    pretendTerminal(false)
    expect(await quarantine('show', id, '--raw')).toEqual(HOSTILE)
    pretendTerminal(true)
    expect(await failureOf('show', id, '--raw')).toMatchObject({
      code: 2,
      message: expect.stringContaining('--raw ID > message.eml'),
    })
    expect(await quarantine('show', id, '--raw', '--force')).toEqual(HOSTILE)
    expect(await failureOf('show', id, '--force')).toMatchObject({ code: 2 })
    expect(await failureOf('show', id, '--raw', '--json')).toMatchObject({ code: 2 })
  })

  it('warns where the copy was changed', async () => {
    const id = await keep(HOSTILE)
    const [message] = JSON.parse((await quarantine('list', '--json')).toString())
    writeFileSync(join(directory, 'new', message.sha256), 'changed')
    const written: string[] = []
    vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => written.push(String(chunk)) > 0)
    await quarantine('show', id)
    expect(written.join('')).toContain('is not what was kept')
  })

  it('releases and deletes several at once, and says which', async () => {
    const ids = [await keep(HOSTILE), await keep(Buffer.from('Subject: two\r\n\r\n'))]
    const released = (await quarantine('release', ...ids)).toString().split('\n')
    expect(released[0]).toMatch(new RegExp(`^Released ${ids[0]}: in`))
    expect(released[1]).toBe(`Released ${ids[1]}: two, from nobody`)
    expect((await quarantine('list')).toString()).toContain('released')
    expect((await quarantine('delete', '--json', ids[0]!)).toString()).toContain('"action":"delete"')
    expect(await failureOf('delete', ids[0]!)).toMatchObject({
      code: 1,
      message: expect.stringContaining(`postern quarantine list --directory ${directory}`),
    })
  })

  it('looks beside everything else that postern keeps where no folder is named', async () => {
    vi.stubEnv('STATE_DIRECTORY', `${place.path}:/elsewhere`)
    expect(defaultQuarantineDirectory()).toBe(directory)
    await keep(HOSTILE)
    expect((await quarantineHere('list')).toString()).toContain('dangerous')
    vi.stubEnv('STATE_DIRECTORY', '')
    vi.stubEnv('XDG_STATE_HOME', '/var/state')
    expect(defaultQuarantineDirectory()).toBe('/var/state/postern/quarantine')
    vi.stubEnv('XDG_STATE_HOME', 'relative')
    vi.stubEnv('HOME', '/home/x')
    expect(defaultQuarantineDirectory()).toBe('/home/x/.local/state/postern/quarantine')
  })

  it('refuses a folder that others may write to', async () => {
    await keep(HOSTILE)
    chmodSync(directory, 0o777)
    expect(await failureOf('list')).toMatchObject({ code: 1, message: expect.stringContaining('chmod 700') })
  })
})
