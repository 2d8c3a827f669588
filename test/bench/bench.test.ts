import { type ChildProcess, execFile, fork } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { makeCertificates } from './certificates.js'
import { EFFECTS, type Effect, listing, maildrop } from './maildrop.js'
import { ask, JobOutcome } from './messages.js'
import { type Measurement, summarize } from './report.js'
import { QUICK_PLAN, ROWS } from './rows.js'
import { median } from './statistics.js'

const SIZES = { middleOctets: 5_000, largeOctets: 5_000, pollMessages: 6 }

const leftovers: (() => void)[] = []
afterEach(() => {
  for (const remove of leftovers.splice(0)) remove()
})

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'postern-bench-test-'))
  leftovers.push(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

const Recorded = z.object({
  gaps: z.array(z.unknown()),
  measurements: z.array(
    z.object({
      row: z.string(),
      listener: z.string(),
      subject: z.string(),
      cost: z.number().nullable(),
      cpuSeconds: z.number().nullable(),
      rate: z.number().nullable(),
      octets: z.number(),
      sessions: z.number(),
    }),
  ),
})

// CPU times are read from /proc.
describe.skipIf(process.platform !== 'linux')('the bench', () => {
  it('measures no proxy and the bare pipe, at both listeners, with the same octets', async () => {
    const file = join(temporaryDirectory(), 'bench.json')
    const main = fileURLToPath(new URL('./main.ts', import.meta.url))
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        ...['--import', 'tsx', main, '--quick', '--only', 'direct,pipe'],
        ...['--rows', 'login,middle,latency', '--json', file],
      ],
      { timeout: 50_000 },
    )
    const { gaps, measurements } = Recorded.parse(JSON.parse(readFileSync(file, 'utf8')))

    expect(gaps).toEqual([])
    const { sessions, retrievals } = QUICK_PLAN.middle
    const messages = maildrop('middle', QUICK_PLAN.sizes)
    const perSession = Array.from({ length: retrievals }, (_, index) => messages[index % messages.length]!)
    const octets = sessions * perSession.reduce((sum, message) => sum + message.contentOctets, 0)
    const shapes = measurements.map((one) => [one.row, one.listener, one.subject, one.sessions, one.octets])
    const expected = ['plain', 'pop3s'].flatMap((listener) =>
      ['direct', 'pipe'].flatMap((subject) => [
        ['login', listener, subject, QUICK_PLAN.loginSessions, 0],
        ['middle', listener, subject, sessions, octets],
        ['latency', listener, subject, 1, 0],
      ]),
    )
    expect(shapes.sort()).toEqual(expected.sort())
    for (const one of measurements) {
      if (one.row !== 'latency') expect(one.rate).toBeGreaterThan(0)
      if (one.row === 'latency') expect(one.cost).toBeGreaterThan(0)
      else if (one.subject === 'direct') expect([one.cost, one.cpuSeconds]).toEqual([null, null])
      else expect(one.cost! > 0).toBe(one.cpuSeconds! > 0)
    }
    // A quick measurement may lie between two of the ticks that CPU time is counted in; all together never do.
    const ofPipe = measurements.filter(({ subject }) => subject === 'pipe')
    const cpuSeconds = ofPipe.reduce((sum, one) => sum + (one.cpuSeconds ?? 0), 0)
    expect(cpuSeconds).toBeGreaterThan(0)
    expect(stdout).toMatch(/^\| pipe \| \d/m)
  })

  it('gets from postern with rules what the rules have to make of the mail, octet for octet', async () => {
    const file = join(temporaryDirectory(), 'bench.json')
    const main = fileURLToPath(new URL('./main.ts', import.meta.url))
    await promisify(execFile)(
      process.execPath,
      [
        ...[
          '--import',
          'tsx',
          main,
          '--quick',
          '--only',
          'postern-rules,postern-tag,postern-text,postern-hide',
        ],
        ...['--rows', 'middle,poll-first,poll-second', '--listeners', 'plain', '--json', file],
      ],
      { timeout: 50_000 },
    )
    const { gaps, measurements } = Recorded.parse(JSON.parse(readFileSync(file, 'utf8')))

    expect(gaps).toEqual([])
    const { sessions } = QUICK_PLAN.middle
    const shapes = measurements.map((one) => [one.row, one.subject, one.sessions])
    expect(shapes.sort()).toEqual([
      ['middle', 'postern-rules', sessions],
      ['middle', 'postern-tag', sessions],
      ['middle', 'postern-text', sessions],
      ['poll-first', 'postern-hide', QUICK_PLAN.polls],
      ['poll-first', 'postern-rules', QUICK_PLAN.polls],
      ['poll-second', 'postern-hide', QUICK_PLAN.polls],
      ['poll-second', 'postern-rules', QUICK_PLAN.polls],
    ])
  })
})

describe('the load generator', () => {
  async function outcomeOf(
    change: (response: Buffer) => Buffer,
    job: { readonly effect?: Effect; readonly lists?: boolean } = {},
  ): Promise<z.infer<typeof JobOutcome>> {
    const { caFile } = makeCertificates(temporaryDirectory())
    const server = net.createServer((socket) => {
      const [message] = maildrop('middle', SIZES)
      const all = maildrop('middle', SIZES)
      socket.on('error', () => {})
      socket.write('+OK\r\n')
      socket.on('data', (command) => {
        const verb = command.toString().slice(0, 4)
        if (verb === 'RETR') socket.write(change(Buffer.from(message!.response)))
        else if (verb === 'LIST' || verb === 'UIDL') socket.write(change(listing(verb, all)))
        else if (verb === 'STAT') {
          socket.write(`+OK ${all.length} ${all.reduce((sum, { octets }) => sum + octets, 0)}\r\n`)
        } else socket.write('+OK\r\n')
        if (verb === 'QUIT') socket.end()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const client: ChildProcess = fork(fileURLToPath(new URL('./client.ts', import.meta.url)), [], {
      execArgv: ['--import', 'tsx'],
    })
    leftovers.push(() => {
      client.kill()
      server.close()
    })
    await ask(client, { sizes: SIZES, caFile }, JobOutcome, 20_000)
    const { port } = z.object({ port: z.number() }).parse(server.address())
    const mail = { maildrop: 'middle', effect: 'none', isOfNewUsers: false, lists: false, ...job }
    const load = { sessions: 1, atOnce: 1, retrievals: 1, deadlineMs: 5_000 }
    const target = { port, tls: false }
    return ask(client, { type: 'sessions', ...mail, ...load, target }, JobOutcome, 10_000)
  }

  it('counts the octets of a message that arrives as it was sent', async () => {
    const octets = maildrop('middle', SIZES)[0]!.contentOctets
    expect(await outcomeOf((response) => response)).toMatchObject({ type: 'done', retrievals: 1, octets })
  })

  it('fails a message with one octet changed', async () => {
    const outcome = await outcomeOf((response) => {
      response[500]! ^= 1
      return response
    })
    expect(outcome).toEqual({
      type: 'failed',
      problem: 'RETR 1: other octets arrived than were expected',
    })
  })

  it('fails sizes that are those of the server where a rule changes the mail', async () => {
    const outcome = await outcomeOf((response) => response, { effect: 'tag' })
    expect(outcome).toMatchObject({ type: 'failed', problem: expect.stringMatching(/^STAT was answered/) })
  })

  it('fails a listing with one octet changed', async () => {
    const outcome = await outcomeOf(
      (response) => {
        response[30]! ^= 1
        return response
      },
      { lists: true },
    )
    expect(outcome).toEqual({
      type: 'failed',
      problem: 'LIST: other octets arrived than were expected',
    })
  })

  it('fails a message with an octet too many', async () => {
    const outcome = await outcomeOf((response) => Buffer.concat([response, Buffer.from('\n')]))
    expect(outcome).toEqual({ type: 'failed', problem: 'RETR 1: 1 octets too many' })
  })
})

describe('a maildrop of the bench', () => {
  it('is byte-stuffed, ends once and has the size that it tells', () => {
    for (const { response, octets, contentOctets } of maildrop('middle', SIZES)) {
      const text = response.toString('latin1')
      const content = text.slice(text.indexOf('\r\n') + 2)
      expect(content.length).toBe(contentOctets)
      expect(content.indexOf('\r\n.\r\n')).toBe(content.length - 5)
      expect(content).not.toMatch(/[^\r]\n|\r[^\n]/)
      const lines = content.slice(0, -3).split('\r\n').slice(0, -1)
      expect(lines.filter((line) => /^\.(?!\.)/.test(line))).toEqual([])
      expect(lines.map((line) => line.replace(/^\./, '').length + 2).reduce((a, b) => a + b, 0)).toBe(octets)
    }
  })

  it('has lines that need byte-stuffing', () => {
    const stuffed = maildrop('middle', { ...SIZES, middleOctets: 50_000 }).filter(({ response }) =>
      response.includes('\r\n..'),
    )
    expect(stuffed).toHaveLength(10)
  })
})

describe('the mail of the bench behind a rule', () => {
  const contentOf = (response: Buffer): string => {
    const text = response.toString('latin1')
    return text.slice(text.indexOf('\r\n') + 2)
  }
  const changed = (effect: Effect): readonly (readonly [string, string])[] => {
    const after = maildrop('middle', SIZES, effect)
    return maildrop('middle', SIZES).map(({ response }, index) => [
      contentOf(response),
      contentOf(after[index]!.response),
    ])
  }

  it('has its subject tagged and a field more, and is the same otherwise', () => {
    for (const [before, after] of changed('tag')) {
      expect(after).not.toBe(before)
      expect(after.replace('Subject: [bench] ', 'Subject: ').replace('X-Bench: yes\r\n', '')).toBe(before)
      expect(after.indexOf('X-Bench: yes\r\n\r\n')).toBeLessThan(after.indexOf('\r\n\r\n'))
    }
  })

  it('has another word in its texts, and no other change', () => {
    const pairs = changed('text')
    for (const [before, after] of pairs) {
      expect(after).not.toContain('Tuesday')
      expect(after.replaceAll('the day after Monday', 'Tuesday')).toBe(before)
    }
    expect(pairs.filter(([before, after]) => before !== after)).toHaveLength(10)
  })

  it('is not there where it is of a mailing list', () => {
    const all = maildrop('poll', SIZES)
    const left = maildrop('poll', SIZES, 'hide')
    expect(all.map(({ top }) => top.includes('List-Id:'))).toEqual([false, false, true, false, false, true])
    expect(left).toEqual([all[0], all[1], all[3], all[4]])
    expect(listing('UIDL', left).toString()).toMatch(
      /^\+OK 4 messages\r\n(?:[1-4] [0-9a-f]{16}\r\n){4}\.\r\n$/,
    )
  })

  it('tells the size that it has, whatever is done to it', () => {
    for (const effect of EFFECTS) {
      for (const { response, octets } of maildrop('middle', SIZES, effect)) {
        const lines = contentOf(response).slice(0, -3).replaceAll('\r\n..', '\r\n.')
        expect(lines).toHaveLength(octets)
      }
    }
  })
})

describe('the report', () => {
  const measurement = (row: string, round: number, subject: string, cost: number): Measurement => ({
    ...{ row, round, subject, cost, listener: 'plain' },
    ...{ rate: null, sessions: 1, octets: 0, cpuSeconds: null, resumedShare: null, protocols: [] },
  })
  const row = (name: string) => ROWS.find((one) => one.name === name)!

  it('takes the median of the ratios within each round, not a ratio of medians', () => {
    const measurements = [
      [10, 11],
      [20, 24],
      [40, 40],
    ].flatMap(([pipe, postern], round) => [
      measurement('login', round, 'pipe', pipe!),
      measurement('login', round, 'postern', postern!),
    ])
    const { cost, ratio } = summarize(measurements, row('login'), 'plain', 'postern')
    expect(cost).toBe(24)
    expect(ratio).toEqual({ median: 1.1, least: 1, greatest: 1.2 })
  })

  it('compares latencies by what they add to that of no proxy', () => {
    const measurements = [
      measurement('latency', 0, 'direct', 30),
      measurement('latency', 0, 'pipe', 50),
      measurement('latency', 0, 'postern', 55),
    ]
    const { cost, ratio } = summarize(measurements, row('latency'), 'plain', 'postern')
    expect(cost).toBe(25)
    expect(ratio?.median).toBe(1.25)
  })

  it('has a median of even counts, and none of nothing', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(median([])).toBeNull()
  })
})
