import type { IncomingMessage } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import type { JudgeHow } from '../../src/rules/judge-settings.js'
import { freePorts } from '../support/tools.js'
import { ABOUT, askOnce, httpStandIn, MESSAGE, type StandIn, standIn } from './stand-ins.js'

let server: StandIn | null = null

afterEach(async () => {
  await server?.stop()
  server = null
})

function at(port: number, path = '', password: string | null = null): JudgeHow {
  return { type: 'rspamd', url: `http://127.0.0.1:${port}${path}`, password }
}

async function answerTo(reply: string, status = 200) {
  server = await httpStandIn((_, __, response) => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(reply)
  })
  return { answer: await askOnce(at(server.port)), place: `rspamd at http://127.0.0.1:${server.port}/` }
}

describe('rspamd', () => {
  it('gets the message, who it is for and which session, and is not told of a sender', async () => {
    const asked: { request: IncomingMessage; body: Buffer }[] = []
    server = await httpStandIn((request, body, response) => {
      asked.push({ request, body })
      response.end('{"action":"no action","score":0}')
    })
    await askOnce(at(server.port))
    await askOnce(at(server.port, '/scan/', 'pässword'), { about: { ...ABOUT, user: null } })
    await askOnce(at(server.port, '/checkv2'), { about: { ...ABOUT, user: 'żółw\r\nX: y' } })

    expect(asked.map(({ request }) => `${request.method} ${request.url}`)).toEqual([
      'POST /checkv2',
      'POST /scan/checkv2',
      'POST /checkv2',
    ])
    expect(asked.every(({ body }) => body.equals(MESSAGE))).toBe(true)
    const [first, second, third] = asked.map(({ request }) => request.headers)
    expect(first).toMatchObject({ 'queue-id': 'c41f-7', 'deliver-to': 'anna@example.org' })
    // Either makes the mail one that a user sends.
    expect(Object.keys(first ?? {})).not.toEqual(expect.arrayContaining(['user']))
    expect(Object.keys(first ?? {})).not.toEqual(expect.arrayContaining(['ip']))
    expect(Object.keys(second ?? {})).not.toEqual(expect.arrayContaining(['deliver-to']))
    expect(Buffer.from(String(second?.password), 'latin1').toString()).toBe('pässword')
    expect(Buffer.from(String(third?.['deliver-to']), 'latin1').toString()).toBe('żółw\\x0d\\x0aX: y')
  })

  it('answers with its action, score and symbols, highest first', async () => {
    const { answer } = await answerTo(
      JSON.stringify({
        action: 'add header',
        score: 7.25,
        required_score: 15,
        symbols: {
          LOW: { name: 'LOW', score: 0.5 },
          NONE: { name: 'NONE', score: 0 },
          GOOD: { name: 'GOOD', score: -1 },
          HIGH: { name: 'HIGH', score: 7.75, options: ['x'] },
        },
      }),
    )
    expect(answer).toEqual({ verdict: 'add header', score: 7.25, finding: 'HIGH, LOW, GOOD' })
  })

  it.each([
    ['{"action":"no action","score":0.1,"symbols":{"A":{"score":0}}}', 'clean', 0.1, ''],
    ['{"action":"Soft Reject","score":1}', 'soft reject', 1, ''],
    [
      '{"action":"reject","score":15,"symbols":{"GTUBE":{"score":0}},"is_skipped":true}',
      'reject',
      15,
      'GTUBE',
    ],
    ['{"action":"\\u001b[2J","score":1,"symbols":{"\\u202eA":{"score":1}}}', '\\x1b[2j', 1, '\\u{202e}A'],
    ['{"action":"reject","score":1,"symbols":{"__proto__":{"score":3},"B":{}}}', 'reject', 1, null],
  ])('says %s as an answer', async (reply, verdict, score, finding) => {
    const { answer } = await answerTo(reply)
    expect(answer).toMatchObject({ verdict, score, ...(finding === null ? {} : { finding }) })
  })

  it('names 32 symbols at most', async () => {
    const symbols = (count: number) =>
      JSON.stringify({
        action: 'reject',
        score: 1,
        symbols: Object.fromEntries(Array.from({ length: count }, (_, index) => [`S${index}`, { score: 1 }])),
      })
    expect((await answerTo(symbols(32))).answer).toMatchObject({ finding: expect.stringMatching(/S31$/) })
    await server?.stop()
    expect((await answerTo(symbols(33))).answer).toMatchObject({
      finding: expect.stringMatching(/S31, and 1 more$/),
    })
  })

  it.each([
    ['', 200, 'gave an empty answer'],
    ['<html>', 200, 'gave an answer that is no JSON: "<html>"'],
    ['{"action":"rej', 200, 'gave an answer that is no JSON: "{"action":"rej"'],
    ['\x1b[2J', 200, 'gave an answer that is no JSON: "\\x1b[2J"'],
    ['null', 200, 'gave an answer without a readable action or score: "null"'],
    ['{"error":"x"}', 200, 'gave an answer without a readable action or score: "{"error":"x"}"'],
    [
      '{"action":7,"score":1}',
      200,
      'gave an answer without a readable action or score: "{"action":7,"score":1}"',
    ],
    [
      '{"action":"reject","score":1e999}',
      200,
      'gave an answer without a readable action or score: "{"action":"reject","score":null}"',
    ],
    [
      '{"error":"invalid command"}',
      500,
      'could not judge the message: it answered "500 Internal Server Error", "{"error":"invalid command"}"',
    ],
    ['', 403, 'refused the question with "403 Forbidden": does it want a password, or another one?'],
    ['', 404, 'could not judge the message: it answered "404 Not Found"'],
  ])('says %s with status %i as a failure', async (reply, status, expected) => {
    const { answer, place } = await answerTo(reply, status)
    expect(answer).toEqual({ failed: `${place} ${expected}` })
  })

  it('says JSON nested without end as a failure', async () => {
    const { answer } = await answerTo('['.repeat(500_000))
    expect(answer).toMatchObject({ failed: expect.stringContaining('no JSON') })
  })

  it('says what is no HTTP as a failure', async () => {
    for (const reply of [
      '+OK POP3 ready\r\n',
      '',
      'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"action"',
    ]) {
      server = await standIn((socket) => {
        socket.once('data', () => socket.end(reply))
      })
      expect(await askOnce(at(server.port))).toMatchObject({
        failed: expect.stringMatching(
          /^rspamd at http:\/\/127\.0\.0\.1:\d+\/ (broke|closed|cannot be asked)/,
        ),
      })
      await server.stop()
    }
  })

  it('fails where nobody listens', async () => {
    const [port = 0] = await freePorts(1)
    expect(await askOnce(at(port))).toEqual({
      failed: `rspamd at http://127.0.0.1:${port}/ refused the connection: is it running?`,
    })
  })
})
