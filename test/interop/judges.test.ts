import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Judges } from '../../src/judge/judge.js'
import { createJudges } from '../../src/judge/judges.js'
import { inMemory, type MessageSource } from '../../src/mail/source.js'
import type { JudgeHow, JudgeSettings } from '../../src/rules/judge-settings.js'
import type { JudgeAnswer, JudgeFailure } from '../../src/rules/verdict.js'
import {
  CLAMD_STREAM_OCTETS,
  type Clamd,
  type Daemon,
  EICAR,
  EICAR_SIGNATURE,
  GTUBE,
  type Rspamd,
  SPAM_RULE,
  SPAM_WORD,
  type Spamd,
  startClamd,
  startRspamd,
  startSpamd,
} from '../support/judge-daemons.js'
import { bothWays } from '../support/message-source.js'
import { haveCorpus, readCorpus, realThing } from '../support/real.js'
import { until } from '../support/tools.js'

const ABOUT = { session: 's-1', client: '192.0.2.7', user: 'anna@example.org', service: 'pop3' }

function mail(subject: string, text: string): Buffer {
  return Buffer.from(
    `From: a@example.org\r\nTo: b@example.org\r\nSubject: ${subject}\r\nDate: Sat, 28 Nov 2026 08:00:00 +0000\r\nMessage-ID: <${subject}@example.org>\r\n\r\n${text}\r\n`,
  )
}

function judgesOf(how: JudgeHow, changed: Partial<JudgeSettings> = {}): Judges {
  return createJudges([{ name: 'j', budgetMs: 60_000, atOnce: 4, mostOctets: 50_000_000, how, ...changed }])
}

async function ask(
  judges: Judges,
  message: Buffer | MessageSource,
): Promise<JudgeAnswer | JudgeFailure | undefined> {
  const source = Buffer.isBuffer(message) ? inMemory(message) : message
  return (await judges.ask(['j'], source, ABOUT)).get('j')
}

/** The answer about a message that lies in memory, and about the same one that does not: there is only one. */
async function askOnce(how: JudgeHow, message: Buffer, changed: Partial<JudgeSettings> = {}) {
  const answers: unknown[] = []
  for (const source of bothWays(message)) {
    const judges = judgesOf(how, changed)
    answers.push(await ask(judges, source))
    judges.close()
  }
  expect(answers[1]).toEqual(answers[0])
  return answers[0]
}

/** What must be true of every real judge, whatever goes wrong with it. */
function failsWithinItsTime(
  start: () => Promise<Daemon>,
  how: (daemon: Daemon) => JudgeHow,
  kind: string,
): void {
  test('a stopped one fails within its time, and answers again once it runs on', async () => {
    const daemon = await start()
    try {
      const judges = judgesOf(how(daemon), { budgetMs: 500 })
      daemon.signal('SIGSTOP')
      expect(await ask(judges, mail('a', 'text'))).toEqual({
        failed: expect.stringMatching(new RegExp(`^${kind} at .* gave no answer within 500 ms$`)),
      })
      daemon.signal('SIGCONT')
      await until(
        'an answer',
        async () => 'verdict' in ((await ask(judges, mail('a', 'text'))) ?? {}),
        60_000,
      )
      judges.close()
    } finally {
      await daemon.stop()
    }
  })

  test('one that is killed while it is asked fails at once, and so does one that is gone', async () => {
    const daemon = await start()
    try {
      daemon.signal('SIGSTOP')
      const judges = judgesOf(how(daemon))
      const asked = ask(judges, mail('a', 'text'))
      await sleep(300)
      daemon.signal('SIGKILL')
      expect(await asked).toEqual({
        failed: expect.stringMatching(new RegExp(`^${kind} at .* (broke|closed) `)),
      })
      await until(
        'the daemon to be gone',
        async () => {
          const answer = await ask(judges, mail('b', 'text'))
          return answer !== undefined && 'failed' in answer && / refused the connection/.test(answer.failed)
        },
        60_000,
      )
      judges.close()
    } finally {
      await daemon.stop()
    }
  })
}

describe.skipIf(!realThing('clamd'))('a real clamd', () => {
  let daemon: Clamd
  let how: JudgeHow

  beforeAll(async () => {
    daemon = await startClamd()
    how = { type: 'clamd', address: daemon.address }
  }, 90_000)

  afterAll(async () => {
    await daemon?.stop()
  })

  test('finds the test virus, in the text and in an attachment, over TCP and over its Unix socket', async () => {
    const infected = { verdict: 'infected', score: null, finding: EICAR_SIGNATURE }
    const attached = Buffer.from(
      `Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=x.com\r\n\r\n${Buffer.from(EICAR).toString('base64')}\r\n--b--\r\n`,
    )
    for (const place of [how, { type: 'clamd', address: { path: daemon.path } }] satisfies JudgeHow[]) {
      expect(await askOnce(place, mail('virus', EICAR))).toEqual(infected)
      expect(await askOnce(place, attached)).toEqual(infected)
      expect(await askOnce(place, mail('hello', 'text'))).toEqual({
        verdict: 'clean',
        score: null,
        finding: '',
      })
      expect(await askOnce(place, Buffer.alloc(0))).toMatchObject({ verdict: 'clean' })
    }
  })

  test('takes a message as large as it may be, and says why it takes no larger one', async () => {
    expect(await askOnce(how, Buffer.alloc(CLAMD_STREAM_OCTETS, 'text\r\n'))).toMatchObject({
      verdict: 'clean',
    })
    for (const more of [1, 20_000_000]) {
      expect(await askOnce(how, Buffer.alloc(CLAMD_STREAM_OCTETS + more, 'text\r\n'))).toEqual({
        failed: `clamd at 127.0.0.1:${daemon.port} takes no message so large: raise StreamMaxLength in clamd.conf`,
      })
    }
  })

  test.skipIf(!haveCorpus())('finds nothing in the mail of the corpus, many at the same time', async () => {
    const judges = judgesOf(how)
    for (const answer of await Promise.all(
      readCorpus()
        .slice(0, 90)
        .map(({ content }) => ask(judges, content)),
    )) {
      expect(answer).toMatchObject({ verdict: 'clean' })
    }
    judges.close()
  })

  failsWithinItsTime(
    startClamd,
    ({ port }) => ({ type: 'clamd', address: { host: '127.0.0.1', port } }),
    'clamd',
  )
})

describe.skipIf(!realThing('rspamd'))('a real rspamd', () => {
  let daemon: Rspamd
  let how: JudgeHow

  beforeAll(async () => {
    daemon = await startRspamd()
    how = { type: 'rspamd', url: daemon.url, password: null }
  }, 90_000)

  afterAll(async () => {
    await daemon?.stop()
  })

  test('rejects the test spam, marks what a rule marks, and lets the rest pass', async () => {
    expect(await askOnce(how, mail('spam', GTUBE))).toMatchObject({ verdict: 'reject', finding: 'GTUBE' })
    expect(await askOnce(how, mail(SPAM_WORD, 'text'))).toEqual({
      verdict: 'add header',
      score: 8.5,
      finding: SPAM_RULE,
    })
    expect(await askOnce(how, mail('hello', 'text'))).toEqual({ verdict: 'clean', score: 0, finding: '' })
    expect(await askOnce(how, Buffer.alloc(0))).toMatchObject({ verdict: 'clean' })
  })

  test('gets the session for its log', async () => {
    const judges = judgesOf(how)
    await judges.ask(['j'], inMemory(mail('hello', 'text')), { ...ABOUT, session: 'c41f-7' })
    judges.close()
    await until('a line of its log', () => daemon.log().includes('qid: <c41f-7>'))
  })

  test.skipIf(!haveCorpus())('answers about all mail of the corpus', async () => {
    const judges = judgesOf(how)
    for (const answer of await Promise.all(
      readCorpus()
        .slice(0, 90)
        .map(({ content }) => ask(judges, content)),
    )) {
      expect(answer).toHaveProperty('verdict')
    }
    judges.close()
  })

  failsWithinItsTime(
    startRspamd,
    ({ port }) => ({ type: 'rspamd', url: `http://127.0.0.1:${port}`, password: null }),
    'rspamd',
  )
})

describe.skipIf(!realThing('spamd'))('a real spamd', () => {
  let daemon: Spamd
  let how: JudgeHow

  beforeAll(async () => {
    daemon = await startSpamd()
    how = { type: 'spamd', address: daemon.address, user: null }
  }, 90_000)

  afterAll(async () => {
    await daemon?.stop()
  })

  test('finds the test spam, and what a rule finds, and nothing in the rest', async () => {
    expect(await askOnce(how, mail('spam', GTUBE))).toEqual({
      verdict: 'spam',
      score: 1_000,
      finding: 'GTUBE',
    })
    expect(await askOnce(how, mail(SPAM_WORD, 'text'))).toEqual({
      verdict: 'spam',
      score: 6.5,
      finding: SPAM_RULE,
    })
    expect(await askOnce(how, mail('hello', 'text'))).toEqual({ verdict: 'clean', score: 0, finding: '' })
    expect(await askOnce(how, Buffer.from('Subject: no line end'))).toMatchObject({ verdict: 'clean' })
  })

  test('takes a user', async () => {
    expect(
      await askOnce({ ...how, type: 'spamd', address: daemon.address, user: 'anna' }, mail('u', GTUBE)),
    ).toMatchObject({
      verdict: 'spam',
    })
    await until('a line of its log', () => daemon.log().includes('for anna:'))
  })

  test('answers about a large message', async () => {
    const message = Buffer.concat([mail(SPAM_WORD, ''), Buffer.alloc(3_000_000, 'some text\r\n')])
    expect(await askOnce(how, message)).toMatchObject({ verdict: 'spam' })
  })

  test.skipIf(!haveCorpus())('answers about all mail of the corpus', async () => {
    const judges = judgesOf(how)
    for (const answer of await Promise.all(
      readCorpus()
        .slice(0, 90)
        .map(({ content }) => ask(judges, content)),
    )) {
      expect(answer).toHaveProperty('verdict')
    }
    judges.close()
  })

  failsWithinItsTime(
    startSpamd,
    ({ port }) => ({ type: 'spamd', address: { host: '127.0.0.1', port }, user: null }),
    'spamd',
  )
})
