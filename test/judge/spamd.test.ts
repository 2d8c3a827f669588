import { afterEach, describe, expect, it } from 'vitest'
import type { JudgeHow } from '../../src/rules/judge-settings.js'
import { freePorts } from '../support/tools.js'
import { askOnce, MESSAGE, nothingLeft, resources, type StandIn, standIn } from './stand-ins.js'

let server: StandIn | null = null

afterEach(async () => {
  await server?.stop()
  server = null
})

function at(port: number, user: string | null = null): JudgeHow {
  return { type: 'spamd', address: { host: '127.0.0.1', port }, user }
}

/** Answers once the writing side was closed. */
async function answerTo(reply: string, heard?: (question: string) => void, user: string | null = null) {
  server = await standIn((socket) => {
    const pieces: Buffer[] = []
    socket.on('data', (octets) => pieces.push(octets))
    socket.on('end', () => {
      heard?.(Buffer.concat(pieces).toString())
      socket.end(reply)
    })
  })
  return { answer: await askOnce(at(server.port, user)), place: `spamd at 127.0.0.1:${server.port}` }
}

const HEAD = 'SPAMD/1.1 0 EX_OK\r\n'

describe('spamd', () => {
  it('is asked for the symbols of the whole message', async () => {
    const questions: string[] = []
    await answerTo('', (question) => questions.push(question))
    await server?.stop()
    await answerTo('', (question) => questions.push(question), 'anna\r\nX: y')
    expect(questions).toEqual([
      `SYMBOLS SPAMC/1.5\r\nContent-length: ${MESSAGE.length}\r\n\r\n${MESSAGE}`,
      `SYMBOLS SPAMC/1.5\r\nContent-length: ${MESSAGE.length}\r\nUser: anna\\x0d\\x0aX: y\r\n\r\n${MESSAGE}`,
    ])
  })

  it.each([
    [
      `${HEAD}Content-length: 11\r\nSpam: True ; 15.3 / 5.0\r\n\r\nGTUBE,OTHER`,
      { verdict: 'spam', score: 15.3, finding: 'GTUBE, OTHER' },
    ],
    [`${HEAD}Spam: True ; 15 / 5.0\r\n\r\nGTUBE\r\n`, { verdict: 'spam', score: 15, finding: 'GTUBE' }],
    [
      `${HEAD}Content-length: 0\r\nSpam: False ; -2.1 / 5.0\r\n\r\n`,
      { verdict: 'clean', score: -2.1, finding: '' },
    ],
    [`${HEAD}spam: Yes ; 7 / 5\r\n\r\n`, { verdict: 'spam', score: 7, finding: '' }],
    [
      `${HEAD}Spam: True ; 7 / 5\r\nContent-length: 3\r\n\r\nA\x1bBmore`,
      { verdict: 'spam', score: 7, finding: 'A\\x1bB' },
    ],
  ])('says %j as an answer', async (reply, expected) => {
    expect((await answerTo(reply)).answer).toEqual(expected)
  })

  it.each([
    ['', 'closed the connection without an answer: does it allow this address (spamd -A)?'],
    [
      'SPAMD/1.0 76 Bad header line: (EOF during headers)\r\n',
      'could not judge the message: it said "SPAMD/1.0 76 Bad header line: (EOF during headers)"',
    ],
    ['220 mx ESMTP\r\n', 'does not speak as spamd does: it said "220 mx ESMTP"'],
    ['\x1b[2J', 'does not speak as spamd does: it said "\\x1b[2J"'],
    ['SPAMD/1.1 0 EX_OK\r\nSpam: True', 'broke off in the middle of its answer'],
    [
      `${HEAD}Content-length: 20\r\nSpam: True ; 15 / 5.0\r\n\r\nGTUBE`,
      'broke off in the middle of its answer',
    ],
    [`${HEAD}\r\n`, 'gave an answer without a readable "Spam:" line'],
    [`${HEAD}Spam: Maybe ; 1 / 5\r\n\r\n`, 'gave an answer without a readable "Spam:" line'],
    [`${HEAD}Spam: True ; 1.2.3 / 5\r\n\r\n`, 'gave an answer without a readable "Spam:" line'],
    [`${HEAD}Spam: True ; 1e999 / 5\r\n\r\n`, 'gave an answer without a readable "Spam:" line'],
  ])('says %j as a failure', async (reply, expected) => {
    const { answer, place } = await answerTo(reply)
    expect(answer).toEqual({ failed: `${place} ${expected}` })
  })

  it('reads an answer as large as may be, shortens it, and reads none that is larger', async () => {
    const head = `${HEAD}Spam: True ; 15 / 5.0\r\n\r\n`
    for (const [octets, expected] of [
      [10_000, { verdict: 'spam', finding: expect.stringMatching(/^N{512}… \(\+\d+\)$/) }],
      [10_001, { failed: expect.stringContaining('gave an answer of more than 10000 octets') }],
    ] as const) {
      server = await standIn((socket) => {
        socket.resume()
        socket.on('end', () => socket.end(head + 'N'.repeat(octets - head.length)))
      })
      expect(await askOnce(at(server.port), { options: { limits: { answerOctets: 10_000 } } })).toMatchObject(
        expected,
      )
      await server.stop()
    }
  })

  it('fails where nobody listens, and where it stops in the middle', async () => {
    const [port = 0] = await freePorts(1)
    expect(await askOnce(at(port))).toEqual({
      failed: `spamd at 127.0.0.1:${port} refused the connection: is it running?`,
    })
    const before = resources()
    server = await standIn((socket) => {
      socket.write(`${HEAD}Spam: Tr`)
      socket.resume()
    })
    expect(await askOnce(at(server.port), { changed: { budgetMs: 1_500 } })).toEqual({
      failed: `spamd at 127.0.0.1:${server.port} gave no answer within 1.5 s`,
    })
    await server.stop()
    server = null
    await nothingLeft(before)
  })
})
