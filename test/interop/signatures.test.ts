import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JudgeHow } from '../../src/rules/judge-settings.js'
import { type NameServerStandIn, nameServer } from '../judge/name-server.js'
import { recordsOf, signerOf } from '../judge/signer.js'
import { askOnce } from '../judge/stand-ins.js'
import { haveCorpus, readCorpus, realThing } from '../support/real.js'
import { run, temporaryDirectory } from '../support/tools.js'

const OWN = signerOf('example.org')
const LIST = signerOf('lists.example.com', { selector: 'arc' })

const MAIL = [
  'From: anna@example.org',
  'To: b@example.com',
  'Subject: a  b\r\n c',
  'Date: today',
  '',
  '',
].join('\r\n')

/** Both of Debian's python3-dkim, which shares no code with what verifies here. */
describe.skipIf(!realThing('dkimsign', 'arcsign'))('another program that signs', () => {
  const directory = temporaryDirectory('signatures')
  let server: NameServerStandIn
  let how: JudgeHow
  beforeAll(async () => {
    for (const { selector, privateKey } of [OWN, LIST])
      writeFileSync(join(directory.path, selector), privateKey.export({ type: 'pkcs1', format: 'pem' }))
    server = await nameServer(recordsOf(OWN, LIST))
    how = { type: 'signatures', dns: [{ host: '127.0.0.1', port: server.port }] }
  })
  afterAll(async () => {
    await server.stop()
    directory.remove()
  })

  async function through(program: string, message: Buffer, ...rest: readonly string[]): Promise<Buffer> {
    const { status, stdout, stderr } = await run(program, rest, { input: message, cwd: directory.path })
    expect([stderr, status]).toEqual(['', 0])
    return stdout
  }

  const dkim = async (message: Buffer, header = 'relaxed', body = 'relaxed') =>
    await through(
      'dkimsign',
      message,
      OWN.selector,
      OWN.domain,
      OWN.selector,
      '--hcanon',
      header,
      '--bcanon',
      body,
    )
  const arc = async (message: Buffer) =>
    await through('arcsign', message, LIST.selector, LIST.domain, LIST.selector, 'mx.lists.example.com')

  test.each([
    ['simple', 'simple'],
    ['simple', 'relaxed'],
    ['relaxed', 'simple'],
    ['relaxed', 'relaxed'],
  ])('is understood in %s/%s, whatever the body is', async (header, body) => {
    for (const text of [
      '',
      '\r\n',
      'a\r\n',
      ' \t\r\n\r\n',
      'a \r\n \r\n\tb  c\r\n\r\n\r\n',
      `${'x y\t'.repeat(50_000)}\r\n`,
    ]) {
      const message = await dkim(Buffer.from(`${MAIL}${text}`), header, body)
      expect(await askOnce(how, { message }), JSON.stringify(text.slice(0, 40))).toMatchObject({
        verdict: 'pass',
      })
    }
  })

  test('is understood where it seals what a list has changed', async () => {
    const signed = await dkim(Buffer.from(`${MAIL}Hello.\r\n`))
    const authenticated = Buffer.concat([
      Buffer.from('Authentication-Results: mx.lists.example.com; dkim=pass header.d=example.org\r\n'),
      Buffer.from(signed.toString().replace('Hello.', 'Hello, all.')),
    ])
    const once = await arc(authenticated)
    expect(await askOnce(how, { message: once })).toEqual({
      verdict: 'fail',
      score: null,
      finding: 'arc=pass d=lists.example.com i=1; dkim=fail d=example.org s=mail (body hash did not verify)',
    })
  })

  test.skipIf(!haveCorpus())(
    'is understood on mail of the corpus, and not where a letter of it was changed',
    async () => {
      // Mail that has fields and a body of its own, none of which is a signature or a second From.
      const mails = readCorpus().filter(
        ({ content }, index) =>
          index % 8 === 0 && content.length < 200_000 && /^From:[^\n]*@/im.test(content.toString('latin1')),
      )
      const outcomes: Record<string, number> = {}
      for (const { content } of mails) {
        const { status, stdout } = await run('dkimsign', [OWN.selector, OWN.domain, OWN.selector], {
          input: Buffer.from(content.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1'),
          cwd: directory.path,
        })
        if (status !== 0) continue
        const answer = await askOnce(how, { message: stdout })
        const said = 'failed' in answer ? answer.failed : answer.finding.split(';')[0]
        outcomes[said ?? ''] = (outcomes[said ?? ''] ?? 0) + 1
        const changed = Buffer.concat([stdout, Buffer.from('x\r\n')])
        const other = await askOnce(how, { message: changed })
        expect('failed' in other ? other.failed : other.finding).not.toContain('dkim=pass d=example.org')
      }
      // One has five thousand fields; of another, lines end with CR, so that the signature lies within a field.
      expect(outcomes).toEqual({
        'dkim=pass d=example.org s=mail': expect.any(Number),
        'the header section is larger than any that is verified': 1,
        '': 1,
      })
      expect(outcomes['dkim=pass d=example.org s=mail']).toBeGreaterThan(30)
    },
    120_000,
  )
})
