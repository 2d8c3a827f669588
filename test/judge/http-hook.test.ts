import type { IncomingMessage } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import type { JudgeHow } from '../../src/rules/judge-settings.js'
import { until } from '../support/tools.js'
import { ABOUT, askOnce, httpStandIn, MESSAGE, nothingLeft, resources, type StandIn } from './stand-ins.js'

let server: StandIn | null = null

afterEach(async () => {
  await server?.stop()
  server = null
})

function at(port: number, headers: Record<string, string> = {}, credentials = ''): JudgeHow {
  return { type: 'http', url: `http://${credentials}127.0.0.1:${port}/judge?token=t`, headers }
}

async function answerTo(reply: string) {
  server = await httpStandIn((_, __, response) => response.end(reply))
  return {
    answer: await askOnce(at(server.port)),
    place: `the HTTP judge at http://127.0.0.1:${server.port}/judge`,
  }
}

describe('HTTP hook', () => {
  it('gets the message, the session, and the headers of the rule file', async () => {
    const asked: { request: IncomingMessage; body: Buffer }[] = []
    server = await httpStandIn((request, body, response) => {
      asked.push({ request, body })
      response.end('{"verdict":"clean"}')
    })
    await askOnce(at(server.port, { Authorization: 'Bearer t', 'Content-Type': 'text/plain' }))
    await askOnce(at(server.port, {}, 'me:p%40ss@'), { about: { ...ABOUT, user: null } })

    const [first, second] = asked
    expect(first?.request.url).toBe('/judge?token=t')
    expect(first?.body.equals(MESSAGE)).toBe(true)
    expect(first?.request.headers).toMatchObject({
      authorization: 'Bearer t',
      'content-type': 'text/plain',
      'postern-session': 'c41f-7',
      'postern-client': '192.0.2.7',
      'postern-user': 'anna@example.org',
      'postern-service': 'pop3',
    })
    expect(second?.request.headers).toMatchObject({
      'content-type': 'message/rfc822',
      authorization: `Basic ${Buffer.from('me:p@ss').toString('base64')}`,
    })
    expect(second?.request.headers['postern-user']).toBeUndefined()
  })

  it.each([
    [
      '{"verdict":"Spam","score":5.5,"finding":"because"}',
      { verdict: 'spam', score: 5.5, finding: 'because' },
    ],
    ['{"verdict":" clean ","more":[]}', { verdict: 'clean', score: null, finding: '' }],
    ['{"verdict":"x","score":null,"finding":null}', { verdict: 'x', score: null, finding: '' }],
    [
      '{"verdict":"a\\r\\nb","finding":"\\u001b]0;evil"}',
      { verdict: 'a\\x0d\\x0ab', score: null, finding: '\\x1b]0;evil' },
    ],
    [
      JSON.stringify({ verdict: 'v'.repeat(65), finding: 'f'.repeat(513) }),
      { verdict: `${'v'.repeat(64)}… (+1)`, score: null, finding: `${'f'.repeat(512)}… (+1)` },
    ],
  ])('says %s as an answer', async (reply, expected) => {
    expect((await answerTo(reply)).answer).toEqual(expected)
  })

  it.each([
    ['{}', /^gave JSON that is no answer: .* in "verdict"; it has to be \{"verdict": text, /],
    ['{"verdict":""}', /^gave JSON that is no answer: .* in "verdict";/],
    ['{"verdict":"x","score":"5"}', /^gave JSON that is no answer: .* in "score";/],
    ['{"verdict":"x","score":1e999}', /^gave JSON that is no answer: .* in "score";/],
    ['[]', /^gave JSON that is no answer: [^;]*;/],
    ['OK', /^gave an answer that is no JSON: "OK"$/],
    ['', /^gave an empty answer$/],
  ])('says %s as a failure', async (reply, expected) => {
    const { answer, place } = await answerTo(reply)
    expect(answer).toHaveProperty('failed')
    const failed = 'failed' in answer ? answer.failed : ''
    expect(failed.startsWith(`${place} `)).toBe(true)
    expect(failed.slice(place.length + 1)).toMatch(expected)
  })

  it('never takes the message elsewhere', async () => {
    const elsewhere = await httpStandIn((_, __, response) => response.end('{"verdict":"clean"}'))
    server = await httpStandIn((_, __, response) => {
      response.writeHead(307, { location: `http://127.0.0.1:${elsewhere.port}/` })
      response.end()
    })
    const answer = await askOnce(at(server.port))
    await elsewhere.stop()
    expect(answer).toEqual({
      failed: `the HTTP judge at http://127.0.0.1:${server.port}/judge points elsewhere with "307 Temporary Redirect": name the right address in the rule file`,
    })
    expect(elsewhere.connections).toBe(0)
  })

  it('reads an answer as large as may be, and none that is larger or endless', async () => {
    const options = { limits: { answerOctets: 1_000 } }
    const reply = (octets: number) => `{"verdict":"${'v'.repeat(octets - 14)}"}`
    server = await httpStandIn((_, __, response) => response.end(reply(1_000)))
    expect(await askOnce(at(server.port), { options })).toMatchObject({
      verdict: expect.stringMatching(/^v/),
    })
    await server.stop()
    for (const isEndless of [false, true]) {
      server = await httpStandIn((_, __, response) => {
        const flood = (): void => {
          if (!response.destroyed) response.write('x'.repeat(65_536), () => setImmediate(flood))
        }
        if (isEndless) flood()
        else response.end(reply(1_001))
      })
      expect(await askOnce(at(server.port), { options })).toMatchObject({
        failed: expect.stringContaining('gave an answer of more than 1000 octets'),
      })
      await until('the connection to be closed', () => server?.open === 0)
      await server.stop()
    }
    server = null
  })

  it('is left after its budget, with nothing left behind', async () => {
    const before = resources()
    for (const beginning of [null, '{"verdict":']) {
      server = await httpStandIn((_, __, response) => {
        if (beginning !== null) response.write(beginning)
      })
      expect(await askOnce(at(server.port), { changed: { budgetMs: 200 } })).toEqual({
        failed: `the HTTP judge at http://127.0.0.1:${server.port}/judge gave no answer within 200 ms`,
      })
      await until('the connection to be closed', () => server?.open === 0)
      await server.stop()
    }
    server = null
    await nothingLeft(before)
  })

  it('keeps no connection behind its answer', async () => {
    await answerTo('{"verdict":"clean"}')
    await until('the connection to be closed', () => server?.open === 0)
  })

  it('fails on a header that no request can have', async () => {
    server = await httpStandIn((_, __, response) => response.end('{"verdict":"clean"}'))
    expect(await askOnce(at(server.port, { 'x\r\ny': '1' }))).toMatchObject({
      failed: expect.stringContaining('cannot be asked'),
    })
  })
})
