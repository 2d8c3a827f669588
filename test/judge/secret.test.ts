import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createJudges } from '../../src/judge/judges.js'
import { SECRET_CHARACTERS } from '../../src/judge/limits.js'
import { readSecret } from '../../src/judge/secret.js'
import { inMemory } from '../../src/mail/source.js'
import type { JudgeHow, JudgeSecret } from '../../src/rules/judge-settings.js'
import { type TemporaryDirectory, temporaryDirectory } from '../support/tools.js'
import { ABOUT, httpStandIn, MESSAGE, type StandIn, settings } from './stand-ins.js'

let directory: TemporaryDirectory | null = null
let server: StandIn | null = null

afterEach(async () => {
  directory?.remove()
  directory = null
  await server?.stop()
  server = null
})

function fileWith(text: string | Buffer): string {
  directory ??= temporaryDirectory('secret')
  const path = join(directory.path, 'secret')
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

const read = (secret: JudgeSecret) =>
  readSecret(secret, { SECRET: 'of the variable', EMPTY: '', LINES: 'a\nb' })

describe('a secret', () => {
  it('stands in the rule file, in a file or in a variable', async () => {
    expect(await read('here')).toBe('here')
    expect(await read({ env: 'SECRET' })).toBe('of the variable')
    for (const end of ['', '\n', '\r\n'])
      expect(await read({ file: fileWith(`pässword ${end}`) })).toBe('pässword ')
  })

  it('has a longest line', async () => {
    const longest = '€'.repeat(SECRET_CHARACTERS)
    expect(await read({ file: fileWith(`${longest}\r\n`) })).toBe(longest)
    expect(await read({ file: fileWith(`${longest}€\r\n`) })).toEqual({
      trouble: `cannot be asked without its secret: the file ${fileWith('')} holds something else than one line of at most 4096 characters`,
    })
  })

  it('is told to be missing, and what it is never', async () => {
    const trouble = async (secret: JudgeSecret): Promise<string> => {
      const said = await read(secret)
      return typeof said === 'string' ? `it is ${said}` : said.trouble
    }
    const why = 'cannot be asked without its secret: '
    const path = fileWith('line one\nline two\n')
    expect(await trouble({ env: 'MISSING' })).toBe(`${why}the environment variable MISSING is not set`)
    expect(await trouble({ env: 'EMPTY' })).toBe(`${why}the environment variable EMPTY is empty`)
    expect(await trouble({ env: 'LINES' })).toMatch(/LINES holds something else than one line/)
    expect(await trouble({ file: path })).toMatch(/holds something else than one line of at most/)
    expect(await trouble({ file: path })).not.toContain('line one')
    expect(await trouble({ file: `${path}.missing` })).toBe(
      `${why}the file ${path}.missing cannot be read: there is none of that name`,
    )
    expect(await trouble({ file: fileWith('\n') })).toBe(`${why}the file ${path} is empty`)
    const folder = `${path}.d`
    mkdirSync(folder)
    expect(await trouble({ file: folder })).toBe(`${why}the file ${folder} is no file`)
    execFileSync('mkfifo', [`${path}.pipe`])
    expect(await trouble({ file: `${path}.pipe` })).toBe(`${why}the file ${path}.pipe is no file`)
  })
})

describe('a judge with a secret in a file', () => {
  const kinds: readonly (readonly [string, (url: string, secret: JudgeSecret) => JudgeHow])[] = [
    ['rspamd', (url, password) => ({ type: 'rspamd', url, password })],
    ['http', (url, password) => ({ type: 'http', url, headers: { Password: password } })],
  ]

  it.each(kinds)(
    'is asked with what stands there at the time, and fails where nothing does: %s',
    async (_, how) => {
      const passwords: unknown[] = []
      server = await httpStandIn((request, _body, response) => {
        passwords.push(request.headers.password)
        response.end('{"action":"no action","verdict":"clean","score":0}')
      })
      const file = fileWith('first\n')
      const judges = createJudges([settings({ ...how(`http://127.0.0.1:${server.port}`, { file }) })])
      const ask = async (text: string) =>
        (await judges.ask(['j'], inMemory(Buffer.from(text)), ABOUT)).get('j')
      expect(await ask('a')).toMatchObject({ verdict: 'clean' })
      writeFileSync(file, 'second\n')
      expect(await ask('b')).toMatchObject({ verdict: 'clean' })
      writeFileSync(file, '')
      expect(await ask(String(MESSAGE))).toEqual({
        failed: expect.stringMatching(/cannot be asked without its secret: the file .*secret is empty$/),
      })
      expect(passwords).toEqual(['first', 'second'])
      judges.close()
    },
  )
})
