import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { JudgeHow } from '../../src/rules/judge-settings.js'
import { freePorts, type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'
import { answering, askOnce, MESSAGE, nothingLeft, resources, type StandIn, standIn } from './stand-ins.js'

const END = Buffer.alloc(4)

let server: StandIn | null = null
let directory: TemporaryDirectory

beforeEach(() => {
  directory = temporaryDirectory('judge')
})

afterEach(async () => {
  await server?.stop()
  server = null
  directory.remove()
})

function at(port: number): JudgeHow {
  return { type: 'clamd', address: { host: '127.0.0.1', port } }
}

async function answerTo(reply: string | Buffer, message = MESSAGE) {
  server = await standIn(answering(END, reply))
  return { answer: await askOnce(at(server.port), { message }), place: `clamd at 127.0.0.1:${server.port}` }
}

describe('clamd', () => {
  it('gets the message in chunks behind their length, and an empty one at the end', async () => {
    const message = Buffer.alloc(150_000, 'abc')
    const questions: Buffer[] = []
    server = await standIn(answering(END, 'stream: OK\0', (question) => questions.push(question)))
    await askOnce(at(server.port), { message })

    const question = questions[0] ?? Buffer.alloc(0)
    expect(question.subarray(0, 10).toString()).toBe('zINSTREAM\0')
    const chunks: Buffer[] = []
    let place = 10
    while (question.readUInt32BE(place) > 0) {
      const length = question.readUInt32BE(place)
      chunks.push(question.subarray(place + 4, place + 4 + length))
      place += 4 + length
    }
    expect(place + 4).toBe(question.length)
    expect(Buffer.concat(chunks).equals(message)).toBe(true)
    expect(chunks.length).toBeGreaterThan(1)
  })

  it('answers over a Unix socket too', async () => {
    const path = join(directory.path, 'clamd.sock')
    server = await standIn(answering(END, 'stream: OK\0'), path)
    expect(await askOnce({ type: 'clamd', address: { path } })).toEqual({
      verdict: 'clean',
      score: null,
      finding: '',
    })
  })

  it.each([
    ['stream: OK\0', { verdict: 'clean', score: null, finding: '' }],
    [
      'stream: Win.Test.EICAR_HDB-1 FOUND\0',
      { verdict: 'infected', score: null, finding: 'Win.Test.EICAR_HDB-1' },
    ],
    ['stream: Odd FOUND name FOUND\0', { verdict: 'infected', score: null, finding: 'Odd FOUND name' }],
    [
      'stream: \x1b[31mred\r\nname FOUND\0',
      { verdict: 'infected', score: null, finding: '\\x1b[31mred\\x0d\\x0aname' },
    ],
  ])('says %j as an answer', async (reply, expected) => {
    expect((await answerTo(reply)).answer).toEqual(expected)
  })

  it.each([
    ['', 'closed the connection without an answer'],
    ['stream: OK', 'broke off in the middle of its answer "stream: OK"'],
    ['stream: Eic', 'broke off in the middle of its answer "stream: Eic"'],
    [
      'INSTREAM size limit exceeded. ERROR\0',
      'takes no message so large: raise StreamMaxLength in clamd.conf',
    ],
    ['INSTREAM size limit exc', 'broke off in the middle of its answer "INSTREAM size limit exc"'],
    ['stream:  FOUND\0', 'could not judge the message: it said "stream:  FOUND"'],
    [
      "stream: Can't allocate memory ERROR\0",
      'could not judge the message: it said "stream: Can\'t allocate memory ERROR"',
    ],
    ['+OK POP3 ready\r\n\0', 'could not judge the message: it said "+OK POP3 ready"'],
    ['\x1b]0;evil\x07\0', 'could not judge the message: it said "\\x1b]0;evil\\x07"'],
    ['\0', 'could not judge the message: it said ""'],
  ])('says %j as a failure', async (reply, expected) => {
    const { answer, place } = await answerTo(reply)
    expect(answer).toEqual({ failed: `${place} ${expected}` })
  })

  it('reads an answer that comes octet by octet', async () => {
    server = await standIn((socket) => {
      socket.setNoDelay(true)
      const drip = (rest: string): void => {
        if (rest === '' || socket.destroyed) return
        socket.write(rest.slice(0, 1), () => setImmediate(drip, rest.slice(1)))
      }
      socket.once('data', () => drip('stream: Slow.Virus FOUND\0'))
      socket.resume()
    })
    expect(await askOnce(at(server.port))).toMatchObject({ verdict: 'infected', finding: 'Slow.Virus' })
  })

  it('reads an answer of 4,096 octets and none of one more', async () => {
    const name = (octets: number) => `stream: ${'v'.repeat(octets - 'stream:  FOUND\0'.length)} FOUND\0`
    expect((await answerTo(name(4_096))).answer).toMatchObject({ verdict: 'infected' })
    await server?.stop()
    const { answer, place } = await answerTo(name(4_097))
    expect(answer).toEqual({ failed: `${place} gave an answer of more than 4096 octets` })
  })

  it('reads no endless answer', async () => {
    server = await standIn((socket) => {
      const flood = (): void => {
        if (!socket.destroyed) socket.write(Buffer.alloc(65_536, 'x'), () => setImmediate(flood))
      }
      flood()
      socket.resume()
    })
    expect(await askOnce(at(server.port))).toMatchObject({
      failed: expect.stringContaining('more than 4096'),
    })
    await until('the connection to be closed', () => server?.open === 0)
  })

  it('is told apart from one that has had enough: an answer before the message is through counts', async () => {
    server = await standIn((socket) => {
      socket.once('data', () => socket.write('INSTREAM size limit exceeded. ERROR\0'))
    })
    const message = Buffer.alloc(20_000_000)
    expect(await askOnce(at(server.port), { message })).toMatchObject({
      failed: expect.stringContaining('raise StreamMaxLength'),
    })
  })

  it('fails where the connection is closed at once, whatever the size of the message', async () => {
    for (const message of [MESSAGE, Buffer.alloc(10_000_000)]) {
      server = await standIn((socket) => socket.resetAndDestroy())
      expect(await askOnce(at(server.port), { message })).toMatchObject({
        failed: expect.stringMatching(/broke the connection off|closed the connection/),
      })
      await server.stop()
    }
  })

  it('fails where nobody listens', async () => {
    const [port = 0] = await freePorts(1)
    expect(await askOnce(at(port))).toEqual({
      failed: `clamd at 127.0.0.1:${port} refused the connection: is it running?`,
    })
    const path = join(directory.path, 'none.sock')
    expect(await askOnce({ type: 'clamd', address: { path } })).toEqual({
      failed: `clamd at ${path} has no socket there: is it running?`,
    })
    expect(await askOnce({ type: 'clamd', address: { host: '::1', port } })).toMatchObject({
      failed: expect.stringContaining(`clamd at [::1]:${port} `),
    })
  })

  it('is left after its budget, with nothing left behind', async () => {
    const before = resources()
    for (const words of ['', 'stream: O']) {
      server = await standIn((socket) => {
        socket.write(words)
        socket.resume()
      })
      const message = Buffer.alloc(10_000_000)
      expect(await askOnce(at(server.port), { message, changed: { budgetMs: 100 } })).toEqual({
        failed: `clamd at 127.0.0.1:${server.port} gave no answer within 100 ms`,
      })
      await until('the connection to be closed', () => server?.open === 0)
      await server.stop()
    }
    server = null
    await nothingLeft(before)
  })

  it('is left after its budget where it reads nothing', async () => {
    server = await standIn((socket) => socket.pause())
    const message = Buffer.alloc(30_000_000)
    expect(await askOnce(at(server.port), { message, changed: { budgetMs: 100 } })).toMatchObject({
      failed: expect.stringContaining('gave no answer within 100 ms'),
    })
  })
})
