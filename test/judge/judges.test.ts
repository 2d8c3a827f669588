import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createJudges } from '../../src/judge/judges.js'
import { JUDGE_LIMITS } from '../../src/judge/limits.js'
import { inMemory } from '../../src/mail/source.js'
import type { JudgeHow } from '../../src/rules/judge-settings.js'
import { until } from '../support/tools.js'
import {
  ABOUT,
  answering,
  askFor,
  httpStandIn,
  MESSAGE,
  nothingLeft,
  resources,
  type StandIn,
  settings,
  standIn,
} from './stand-ins.js'

const END = Buffer.alloc(4)
const CLEAN = { verdict: 'clean', score: null, finding: '' }

const servers: StandIn[] = []
let before: readonly string[]

beforeEach(() => {
  before = resources()
})

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
  await nothingLeft(before)
})

function clamdAt(server: StandIn): JudgeHow {
  return { type: 'clamd', address: { host: '127.0.0.1', port: server.port } }
}

function hookAt(server: StandIn): JudgeHow {
  return { type: 'http', url: `http://127.0.0.1:${server.port}/`, headers: {} }
}

/** A clamd that is none and answers at once. */
async function quick(reply = 'stream: OK\0'): Promise<StandIn> {
  const server = await standIn(answering(END, reply))
  servers.push(server)
  return server
}

/** A clamd that is none and answers all that were asked when it is told to. */
async function patient(): Promise<{ server: StandIn; answerAll(): void }> {
  const waiting: (() => void)[] = []
  const server = await standIn((socket) => {
    socket.resume()
    waiting.push(() => socket.end('stream: OK\0'))
  })
  servers.push(server)
  return {
    server,
    answerAll() {
      for (const answer of waiting.splice(0)) answer()
    },
  }
}

function mail(number: number): Buffer {
  return Buffer.from(`Subject: ${number}\r\n\r\n`)
}

describe('createJudges', () => {
  it('answers for each name, whatever became of the others', async () => {
    const server = await quick('stream: Evil FOUND\0')
    const gone = await quick()
    const deaf = await patient()
    await gone.stop()
    servers.splice(servers.indexOf(gone), 1)
    const judges = createJudges([
      settings(clamdAt(server), { name: 'virus' }),
      settings(clamdAt(gone), { name: 'gone' }),
      settings(clamdAt(deaf.server), { name: 'deaf', budgetMs: 300 }),
      settings(clamdAt(server), { name: 'not asked' }),
    ])
    const answers = await judges.ask(['virus', 'gone', 'deaf', 'virus', 'n\x1bone'], inMemory(MESSAGE), ABOUT)
    expect(answers).toEqual(
      new Map<string, unknown>([
        ['virus', { verdict: 'infected', score: null, finding: 'Evil' }],
        ['gone', { failed: `clamd at 127.0.0.1:${gone.port} refused the connection: is it running?` }],
        ['deaf', { failed: `clamd at 127.0.0.1:${deaf.server.port} gave no answer within 300 ms` }],
        ['n\x1bone', { failed: 'there is no judge named "n\\x1bone"' }],
      ]),
    )
    expect(await judges.ask([], inMemory(MESSAGE), ABOUT)).toEqual(new Map())
    judges.close()
  })

  it('asks about a message as large as may be, and about none that is larger', async () => {
    const server = await quick()
    const judges = createJudges([settings(clamdAt(server), { mostOctets: 1_000 })])
    expect(await askFor('j', judges, Buffer.alloc(1_000))).toEqual(CLEAN)
    expect(await askFor('j', judges, Buffer.alloc(1_001))).toEqual({
      failed: `clamd at 127.0.0.1:${server.port} was not asked: the message has 1001 octets, and it is asked about at most 1000`,
    })
    expect(server.connections).toBe(1)
    judges.close()
  })

  describe('remembers answers', () => {
    it('by content and by judge, for an hour', async () => {
      const server = await quick()
      let now = 1_000
      const judges = createJudges(
        [settings(clamdAt(server), { name: 'one' }), settings(clamdAt(server), { name: 'two' })],
        { perf: { now: () => now } },
      )
      expect(await askFor('one', judges, mail(1))).toEqual(CLEAN)
      expect(await askFor('one', judges, mail(1))).toEqual(CLEAN)
      expect(server.connections).toBe(1)
      await askFor('two', judges, mail(1))
      await askFor('one', judges, mail(2))
      expect(server.connections).toBe(3)

      now += JUDGE_LIMITS.cachedMs
      await askFor('one', judges, mail(1))
      expect(server.connections).toBe(3)
      now += 1
      await askFor('one', judges, mail(1))
      expect(server.connections).toBe(4)
      judges.close()
    })

    it('as many as may be, the newest', async () => {
      const server = await quick()
      const judges = createJudges([settings(clamdAt(server))], { limits: { cachedAnswers: 2 } })
      for (const number of [1, 2, 1, 2]) await askFor('j', judges, mail(number))
      expect(server.connections).toBe(2)
      for (const number of [3, 1]) await askFor('j', judges, mail(number))
      expect(server.connections).toBe(4)
      judges.close()
    })

    it('for one user, of judges that are told the user', async () => {
      const server = await httpStandIn((request, _, response) =>
        response.end(JSON.stringify({ verdict: String(request.headers['postern-user']) })),
      )
      servers.push(server)
      const scanner = await quick()
      const judges = createJudges([
        settings(hookAt(server), { name: 'hook' }),
        settings(clamdAt(scanner), { name: 'virus' }),
      ])
      for (const user of ['anna', 'bert', 'anna', null]) {
        const about = { ...ABOUT, user }
        expect(await askFor('hook', judges, MESSAGE, about)).toMatchObject({ verdict: user ?? 'undefined' })
        await askFor('virus', judges, MESSAGE, { ...about, session: 'other', client: '192.0.2.9' })
      }
      expect(server.connections).toBe(3)
      expect(scanner.connections).toBe(1)
      judges.close()
    })

    it('and never failures', async () => {
      let replies = 0
      const server = await standIn((socket) => {
        replies += 1
        answering(END, replies === 1 ? 'lost ERROR\0' : 'stream: OK\0')(socket)
      })
      servers.push(server)
      const judges = createJudges([settings(clamdAt(server))])
      expect(await askFor('j', judges)).toHaveProperty('failed')
      expect(await askFor('j', judges)).toEqual(CLEAN)
      judges.close()
    })
  })

  it('asks once what many want to know at the same time', async () => {
    const { server, answerAll } = await patient()
    const judges = createJudges([settings(clamdAt(server), { atOnce: 50 })])
    const answers = Array.from({ length: 20 }, () => askFor('j', judges, Buffer.from(MESSAGE)))
    const other = askFor('j', judges, mail(2))
    await until('the questions to arrive', () => server.connections === 2)
    answerAll()
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 20 }, () => CLEAN))
    expect(await other).toEqual(CLEAN)
    expect(server.connections).toBe(2)
    judges.close()
  })

  it('asks as many questions at once as there are places, and lets the others wait', async () => {
    const { server, answerAll } = await patient()
    const judges = createJudges([settings(clamdAt(server), { atOnce: 2 })])
    const answers = [1, 2, 3, 4, 5].map((number) => askFor('j', judges, mail(number)))
    for (const connections of [2, 4, 5]) {
      await until('the next questions', () => server.connections === connections)
      answerAll()
    }
    expect(await Promise.all(answers)).toEqual([CLEAN, CLEAN, CLEAN, CLEAN, CLEAN])
    judges.close()
  })

  it('lets as many questions wait as may wait, and not one more', async () => {
    const { server, answerAll } = await patient()
    const judges = createJudges([settings(clamdAt(server), { atOnce: 1 })])
    const answers = Array.from({ length: 1 + JUDGE_LIMITS.mostWaiting }, (_, number) =>
      askFor('j', judges, mail(number)),
    )
    expect(await askFor('j', judges, mail(9_999))).toEqual({
      failed: `clamd at 127.0.0.1:${server.port} was not asked: too many questions wait for it already`,
    })
    const pump = setInterval(answerAll, 1)
    expect(await Promise.all(answers)).toEqual(answers.map(() => CLEAN))
    clearInterval(pump)
    judges.close()
  })

  it('counts waiting for a place as time of the answer, and frees the places of those who were late', async () => {
    const { server, answerAll } = await patient()
    const judges = createJudges([settings(clamdAt(server), { atOnce: 1, budgetMs: 400 })])
    const answers = await Promise.all([1, 2].map((number) => askFor('j', judges, mail(number))))
    const place = `clamd at 127.0.0.1:${server.port}`
    expect(answers).toEqual([
      { failed: `${place} gave no answer within 400 ms` },
      { failed: `${place} gave no answer within 400 ms, in which it was busy with another question` },
    ])
    const last = askFor('j', judges, mail(3))
    await until('the last question', () => {
      answerAll()
      return server.open === 0
    })
    expect(await last).toEqual(CLEAN)
    judges.close()
  })

  it('ends all questions when it is closed, those that wait too, and answers none from then on', async () => {
    const { server } = await patient()
    const hook = await httpStandIn(() => {})
    servers.push(hook)
    const judges = createJudges([
      settings(clamdAt(server), { name: 'virus', atOnce: 1 }),
      settings(hookAt(hook), { name: 'hook' }),
    ])
    const answers = [mail(1), mail(2)].map((message) =>
      judges.ask(['virus', 'hook'], inMemory(message), ABOUT),
    )
    await until('the questions to arrive', () => server.connections === 1 && hook.connections === 2)
    judges.close()
    for (const answer of (await Promise.all(answers)).flatMap((one) => [...one.values()])) {
      expect(answer).toMatchObject({
        failed: expect.stringMatching(/ was not waited for: its rules are no longer in use$/),
      })
    }
    await until('the connections to be closed', () => server.open === 0 && hook.open === 0)
    expect(await askFor('virus', judges)).toHaveProperty('failed')
    judges.close()
  })

  it('forgets what it knew when it is closed', async () => {
    const server = await quick()
    const judges = createJudges([settings(clamdAt(server))])
    expect(await askFor('j', judges)).toEqual(CLEAN)
    judges.close()
    expect(await askFor('j', judges)).toHaveProperty('failed')
    expect(server.connections).toBe(1)
  })
})
