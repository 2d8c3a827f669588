import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createJudges } from '../../src/judge/judges.js'
import { JUDGE_LIMITS } from '../../src/judge/limits.js'
import type { JudgeHow } from '../../src/rules/judge-settings.js'
import { cut } from '../support/every-split.js'
import {
  type CountedSource,
  largeHash,
  largeMessage,
  largeSource,
  piecesSource,
} from '../support/message-source.js'
import { type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'
import { type HashingJudge, hashingJudge, KINDS, type Kind, type Manner } from './hashing-judges.js'
import { askFor, askOnce, nothingLeft, resources, settings } from './stand-ins.js'

/** More than a connection on loopback takes by itself, on both sides together. */
const LARGE_OCTETS = 200_000_000
const READ_AHEAD_OCTETS = 40_000_000
const PATIENT = { mostOctets: LARGE_OCTETS, budgetMs: 600_000 }

let directory: TemporaryDirectory
let before: readonly string[]
const started: HashingJudge[] = []

beforeEach(() => {
  directory = temporaryDirectory('judge')
  before = resources()
})

afterEach(async () => {
  for (const judge of started.splice(0)) await judge.stop()
  await nothingLeft(before)
  directory.remove()
})

async function start(kind: Kind, manner: Manner = 'reads-all'): Promise<HashingJudge> {
  const judge = await hashingJudge(kind, manner)
  started.push(judge)
  return judge
}

function hashOf(octets: Buffer): string {
  return createHash('sha256').update(octets).digest('hex')
}

/** Something that is waited for until somebody opens it. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}

async function closed(source: CountedSource): Promise<void> {
  await until('the source to be closed', () => source.open === 0)
}

describe.each(KINDS)('%s, asked about a message that is not in memory', (kind) => {
  it('hears the same octets and gives the same answer, however they are cut', async () => {
    const judge = await start(kind)
    const octets = 700_000
    const inMemory = await askOnce(judge.how, { message: largeMessage(octets) })
    expect(inMemory).toMatchObject({ finding: largeHash(octets) })
    for (const seed of [1, 2, 3]) {
      const source = largeSource(octets, { seed })
      expect(await askOnce(judge.how, { message: source })).toEqual(inMemory)
      await closed(source)
    }
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 2_000 }),
        fc.array(fc.nat(2_000), { maxLength: 5 }),
        async (some, cuts) => {
          const message = Buffer.from(some)
          const at = cuts.map((one) => Math.min(one, message.length)).sort((one, other) => one - other)
          const source = piecesSource(cut(message, at))
          expect(await askOnce(judge.how, { message: source })).toMatchObject({ finding: hashOf(message) })
          expect(source.open).toBe(0)
        },
      ),
      { numRuns: kind === 'command' ? 6 : 20, examples: [[new Uint8Array(), []]] },
    )
  })

  it('may have heard enough before the message is through, which is read no further', async () => {
    const judge = await start(kind, 'answers-early')
    const source = largeSource(LARGE_OCTETS)
    expect(await askOnce(judge.how, { message: source, changed: PATIENT })).toMatchObject({
      finding: 'enough',
    })
    await closed(source)
    // The digest has read all of it.
    expect(source.opened).toBe(2)
    expect(source.given).toBeLessThan(READ_AHEAD_OCTETS)
  })

  it('may read nothing and be left, and the message is read no further', async () => {
    const judge = await start(kind, 'deaf')
    const source = largeSource(LARGE_OCTETS)
    const judges = createJudges([settings(judge.how, PATIENT)])
    const asked = askFor('j', judges, source)
    // Once it stands still, the judge's side is full.
    let last = -1
    await until('the message to stand still', async () => {
      if (source.opened < 2 || source.given === 0) return false
      const isStill = source.given === last
      last = source.given
      await sleep(50)
      return isStill
    })
    expect(source.given).toBeLessThan(READ_AHEAD_OCTETS)
    judges.close()
    expect(await asked).toMatchObject({ failed: expect.stringContaining('was not waited for') })
    await closed(source)
    expect(source.given).toBeLessThan(READ_AHEAD_OCTETS)
  })

  it('is left after its time where the message is read too slowly', async () => {
    const judge = await start(kind)
    const stuck = gate()
    const source = largeSource(1_000_000, {
      before: (given, opened) => (opened === 2 && given > 300_000 ? stuck.opened : undefined),
    })
    const answer = await askOnce(judge.how, { message: source, changed: { budgetMs: 500 } })
    expect(answer).toMatchObject({ failed: expect.stringMatching(/ gave no answer within 500 ms$/) })
    await until('the connection to be closed', () => judge.open === 0)
    stuck.open()
    await closed(source)
    expect(source.given).toBeLessThan(1_000_000)
    expect(judge.whole).toBe(0)
  })

  it('never takes a part of a message for all of it', async () => {
    const judge = await start(kind)
    const judges = createJudges([settings(judge.how)])
    const why = 'the file of the message can no longer be read'
    let opened = 0
    const failing = largeSource(1_000_000, {
      before: (given, count) => {
        opened = count
        if (count === 2 && given > 500_000) throw new Error(why)
      },
    })
    expect(await askFor('j', judges, failing)).toMatchObject({
      failed: expect.stringMatching(new RegExp(` could not be given the whole message: ${why}$`)),
    })
    expect(opened).toBe(2)
    await closed(failing)
    await until('the connection to be closed', () => judge.open === 0)
    expect(judge.whole).toBe(0)
    // A failure is not remembered, and the next one who can read it gets an answer.
    expect(await askFor('j', judges, largeSource(1_000_000))).toMatchObject({
      finding: largeHash(1_000_000),
    })
    judges.close()
  })

  it('is not asked about a message that is not as long as it was said to be', async () => {
    const judge = await start(kind)
    for (const octets of [999_999, 1_000_001]) {
      const source = largeSource(1_000_000, { octets })
      expect(await askOnce(judge.how, { message: source })).toMatchObject({
        failed: expect.stringContaining(`whole message: it was said to have ${octets} octets and `),
      })
      await closed(source)
    }
    expect(judge.whole).toBe(0)
  })
})

describe.each(KINDS.filter((kind) => kind !== 'command'))('%s, asked about 200 MB', (kind) => {
  it('hears all of it, of which little is ever in memory', async () => {
    const judge = await start(kind)
    let most = 0
    const source = largeSource(LARGE_OCTETS, {
      before: (given, opened) => {
        if (opened === 2) most = Math.max(most, given - (judge.taken ?? 0))
      },
    })
    expect(await askOnce(judge.how, { message: source, changed: PATIENT })).toMatchObject({
      finding: largeHash(LARGE_OCTETS),
    })
    expect(source).toMatchObject({ opened: 2, open: 0 })
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThan(READ_AHEAD_OCTETS)
  }, 120_000)
})

describe('clamd, which answers and breaks the connection off', () => {
  it('is heard although the next piece was written before its answer was read', async () => {
    // A process of its own: this one hears nothing while it is kept busy.
    const program = `
      const server = require('node:net').createServer((socket) => {
        let octets = 0
        socket.on('error', () => {})
        socket.on('data', (piece) => {
          octets += piece.length
          if (octets > 100000) {
            socket.pause()
            socket.write('INSTREAM size limit exceeded. ERROR\\0', () => socket.resetAndDestroy())
          }
        })
      })
      server.listen(0, '127.0.0.1', () => console.log(server.address().port))`
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
    const [port] = await once(child.stdout, 'data')
    const source = largeSource(10_000_000, {
      before: async (given, opened) => {
        if (opened !== 2 || given < 200_000) return
        await sleep(1)
        // Long enough for it to answer and to go, however busy the machine is; a shorter time only proves less.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
      },
    })
    const how: JudgeHow = { type: 'clamd', address: { host: '127.0.0.1', port: Number(port) } }
    expect(await askOnce(how, { message: source })).toMatchObject({
      failed: expect.stringContaining('raise StreamMaxLength'),
    })
    await closed(source)
    child.kill('SIGKILL')
    await once(child, 'close')
  })
})

describe('a program', () => {
  const script = (text: string, writes: 'finding' | 'message' = 'finding'): JudgeHow => ({
    type: 'command',
    program: '/bin/sh',
    arguments: ['-c', text],
    writes,
  })

  it('is given no more of 200 MB than it reads', async () => {
    const go = join(directory.path, 'go')
    const source = largeSource(LARGE_OCTETS)
    const how = script(`while [ ! -e "${go}" ]; do sleep 0.05; done; wc -c; exit 1`)
    const asked = askOnce(how, { message: source, changed: PATIENT })
    await until('the pipe to be full', () => source.opened === 2 && source.given > 0, 60_000)
    await sleep(200)
    // What a pipe takes, and a piece.
    expect(source.given).toBeLessThan(2_000_000)
    expect(existsSync(go)).toBe(false)
    writeFileSync(go, '')
    expect(await asked).toMatchObject({ verdict: 'bad', finding: String(LARGE_OCTETS) })
    expect(source).toMatchObject({ opened: 2, open: 0 })
  }, 120_000)

  it('may write as large a message as is kept in memory in place of one that is not, and no octet beyond', async () => {
    const options = { limits: { outputOctets: 1_000, writtenMessageOctets: 5_000 } }
    const writing = (octets: number): JudgeHow =>
      script(`cat >/dev/null; head -c ${octets} /dev/zero | tr '\\0' x`, 'message')
    const most = await askOnce(writing(5_000), { message: largeSource(100_000), options })
    expect('output' in most && most.output?.length).toBe(5_000)
    expect(await askOnce(writing(5_001), { message: largeSource(100_000), options })).toEqual({
      failed:
        'command /bin/sh wrote more than 5000 octets, the most that is kept in memory of a message so large, and was killed',
    })
    // A smaller one may grow by as much as any.
    expect(await askOnce(writing(3_001), { message: largeSource(2_000), options })).toEqual({
      failed: 'command /bin/sh wrote more than 3000 octets and was killed',
    })
    // What lies in memory has nothing to do with it.
    const longer = await askOnce(writing(7_000), { message: largeMessage(6_000), options })
    expect('output' in longer && longer.output?.length).toBe(7_000)
  })

  it('may write as much as is remembered, so that it is not asked twice', async () => {
    const asked = join(directory.path, 'asked')
    const how = script(
      `cat >/dev/null; echo x >>"${asked}"; head -c ${JUDGE_LIMITS.writtenMessageOctets} /dev/zero | tr '\\0' x`,
      'message',
    )
    const judges = createJudges([settings(how, { mostOctets: 70_000_000 })])
    for (const seed of [1, 2]) {
      const answer = await askFor('j', judges, largeSource(70_000_000, { seed }))
      expect('output' in answer && answer.output?.length).toBe(JUDGE_LIMITS.writtenMessageOctets)
    }
    expect(existsSync(asked)).toBe(true)
    judges.close()
  })
})

describe('the digest of a message that is not in memory', () => {
  it('is the same as that of one that is: whoever asks again gets the remembered answer', async () => {
    const judge = await start('clamd')
    const judges = createJudges([settings(judge.how)])
    const answer = await askFor('j', judges, largeMessage(300_000))
    expect(judge.whole).toBe(1)
    for (const seed of [1, 2, 3]) {
      const source = largeSource(300_000, { seed })
      expect(await askFor('j', judges, source)).toEqual(answer)
      expect(source).toMatchObject({ opened: 1, open: 0 })
    }
    expect(judge.whole).toBe(1)
    judges.close()
  })

  it('is read once for all judges, and not at all where the message is too large for them', async () => {
    const [one, two] = [await start('clamd'), await start('spamd')]
    const judges = createJudges([
      settings(one.how, { name: 'one' }),
      settings(two.how, { name: 'two' }),
      settings(two.how, { name: 'small', mostOctets: 99_999 }),
    ])
    const source = largeSource(100_000)
    const about = { session: 's', client: '192.0.2.7', user: null, service: 'pop3' }
    const answers = await judges.ask(['one', 'two', 'small'], source, about)
    expect(answers.get('small')).toMatchObject({ failed: expect.stringContaining('has 100000 octets') })
    expect(source).toMatchObject({ opened: 3, open: 0 })
    const other = largeSource(100_001)
    await judges.ask(['small'], other, about)
    expect(other.opened).toBe(0)
    judges.close()
  })

  it('fails in words where the message cannot be read, and in time where it is read too slowly', async () => {
    const judge = await start('clamd')
    const failing = largeSource(100_000, { failsAt: 50_000 })
    expect(await askOnce(judge.how, { message: failing })).toMatchObject({
      failed: expect.stringMatching(/ could not be given the whole message: the disk reports an error$/),
    })
    const stuck = gate()
    const slow = largeSource(1_000_000, { before: (given) => (given > 500_000 ? stuck.opened : undefined) })
    expect(await askOnce(judge.how, { message: slow, changed: { budgetMs: 100 } })).toMatchObject({
      failed: expect.stringMatching(/ was not asked: the message could not be read within 100 ms$/),
    })
    stuck.open()
    await closed(slow)
    expect(slow.given).toBeLessThan(1_000_000)
    const judges = createJudges([settings(judge.how)])
    const again = gate()
    const late = largeSource(1_000_000, { before: () => again.opened })
    const asked = askFor('j', judges, late)
    await until('the message to be opened', () => late.open === 1)
    judges.close()
    expect(await asked).toMatchObject({ failed: expect.stringContaining('no longer in use') })
    again.open()
    await closed(late)
    expect(judge.whole).toBe(0)
  })

  it('lets whoever asks the same at the same time ask again where only the first one cannot be read', async () => {
    const judge = await start('http')
    const judges = createJudges([settings(judge.how)])
    const stuck = gate()
    const first = largeSource(1_000_000, {
      before: async (given, opened) => {
        if (opened !== 2 || given < 500_000) return
        await stuck.opened
        throw new Error('its session is over')
      },
    })
    const asked = [askFor('j', judges, first)]
    await until('the first question to be stuck', () => first.opened === 2 && first.given > 400_000)
    const others = [2, 3].map((seed) => largeSource(1_000_000, { seed }))
    for (const source of others) asked.push(askFor('j', judges, source))
    await until('the others to be read', () => others.every(({ opened, open }) => opened === 1 && open === 0))
    stuck.open()
    const [failed, ...answers] = await Promise.all(asked)
    expect(failed).toMatchObject({ failed: expect.stringContaining('its session is over') })
    for (const answer of answers) expect(answer).toMatchObject({ finding: largeHash(1_000_000) })
    expect(others.map(({ opened }) => opened).sort()).toEqual([1, 2])
    expect(judge.whole).toBe(1)
    judges.close()
  })
})
