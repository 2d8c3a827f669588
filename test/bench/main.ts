/**
 * `npm run bench -- [--quick] [--rounds N] [--only NAME,…] [--rows NAME,…] [--listeners plain,pop3s] [--json FILE]`
 *
 * Compares what proxies cost before one POP3S server, in one run: no proxy (`direct`), a bare Node pipe, postern
 * and those of stunnel, haproxy, Dovecot, perdition and mitmproxy that are installed. Linux only (/proc).
 *
 * How to read the report:
 *
 * - **CPU time is the figure to trust**: user and system time of all processes of the subject, from the kernel's
 *   books. Load generator and server are other processes and in no figure. Other work on the machine disturbs it
 *   little, while a rate (sessions/s, MiB/s) is of the clock, shared with generator and server, and only says
 *   that nobody buys a low cost by being slow.
 * - **× pipe** divides by the bare pipe's figure of the same row, listener and round. Within a round the subjects
 *   follow each other closely, in an order that moves by one each round; what stands in the table is the
 *   median of these ratios over the rounds, in brackets the least and the greatest. Where the brackets of two
 *   subjects overlap widely, the bench has not shown that they differ: run more rounds of these two alone
 *   (`--only direct,pipe,postern --rounds 15`). `pipe-unresumed` shows the noise: where messages are fetched,
 *   it does the same work as `pipe`.
 * - Latency is of the clock. All subjects hold a session at once and are asked in turn, fifty NOOPs each.
 * - The work a kernel does for a loopback connection is charged to whoever sends.
 * - Subjects run for all rounds and are warmed up, except for memory, which wants fresh processes each time.
 * - Every message and listing that arrives is compared with what has to arrive (length and SHA-256): what the server
 *   sent, or what a rule has to make of it, which the load generator makes itself. A subject that loses or changes
 *   another octet gets no figure in that row but a line under the tables.
 * - Subjects with rules are in the rows that their rules are about; `postern-rules` against `postern` in the others is
 *   what rules cost that touch nothing. In the rows of polls, who has no rules passes three replies on.
 * - After five seconds a measurement begins nothing more and counts what was done: slow subjects do less work,
 *   not longer work.
 *
 * This file reads the command line, runs the rounds and cleans up.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type CertificateFiles, makeCertificates } from './certificates.js'
import { ask, JobOutcome, ServerReady } from './messages.js'
import { processTree } from './process-tree.js'
import { type Gap, LISTENERS, type Listener, type Measurement, markdown } from './report.js'
import { type Bench, type Figures, FULL_PLAN, type Plan, QUICK_PLAN, ROWS, type Row } from './rows.js'
import { killAll, pause, type RunningSubject, start } from './running.js'
import { DIRECT, effectOf, SUBJECTS, type Subject, takesPart } from './subjects.js'

/** Making 40 MB of mail takes a second; the helpers answer after that. */
const HELPER_START_MS = 30_000
/** Work before the first measurement of a row, as a share of it: what a compiler at run time wants to see. */
const FIRST_WARM_UP = 0.5
/** The same before the others: caches and congestion windows. */
const LATER_WARM_UP = 0.05

interface Options {
  readonly plan: Plan
  readonly isQuick: boolean
  readonly subjects: readonly Subject[]
  readonly rows: readonly Row[]
  readonly listeners: readonly Listener[]
  readonly jsonFile: string | null
}

/** The parts of a run that stay the same for all measurements. */
interface Setting {
  readonly options: Options
  readonly directory: string
  readonly certificates: CertificateFiles
  readonly server: ChildProcess
  readonly client: ChildProcess
  readonly ports: ServerReady
}

class UsageError extends Error {}

function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      only: { type: 'string' },
      rows: { type: 'string' },
      listeners: { type: 'string' },
      json: { type: 'string' },
    },
  })
  const plan = values.quick ? QUICK_PLAN : FULL_PLAN
  const rounds = values.rounds === undefined ? plan.rounds : Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new UsageError(`--rounds is "${values.rounds}", a whole number from 1 is wanted`)
  }
  const byName = (
    option: string,
    chosen: string | undefined,
    names: readonly string[],
  ): readonly string[] => {
    if (chosen === undefined) return names
    const wanted = chosen.split(',')
    const unknown = wanted.find((name) => !names.includes(name))
    if (unknown !== undefined) {
      throw new UsageError(`${option} names "${unknown}", there are: ${names.join(', ')}`)
    }
    return wanted
  }
  const subjectNames = byName(
    '--only',
    values.only,
    SUBJECTS.map(({ name }) => name),
  )
  const rowNames = byName(
    '--rows',
    values.rows,
    ROWS.map(({ name }) => name),
  )
  const listenerNames = byName('--listeners', values.listeners, LISTENERS)
  return {
    plan: { ...plan, rounds },
    isQuick: values.quick,
    subjects: SUBJECTS.filter(({ name }) => subjectNames.includes(name)),
    rows: ROWS.filter(({ name }) => rowNames.includes(name)),
    listeners: LISTENERS.filter((name) => listenerNames.includes(name)),
    jsonFile: values.json ?? null,
  }
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function helper(file: string): ChildProcess {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), [], { execArgv: ['--import', 'tsx'] })
  process.once('exit', () => child.kill('SIGKILL'))
  return child
}

/** Puts another subject first in each round, so that nobody always runs behind the same neighbour. */
function rotated<Item>(items: readonly Item[], by: number): readonly Item[] {
  const from = items.length === 0 ? 0 : by % items.length
  return [...items.slice(from), ...items.slice(0, from)]
}

/** Runs all rounds and keeps what was found. Of a subject that fails, what fails is left out from then on. */
class Run {
  readonly measurements: Measurement[] = []
  readonly gaps: Gap[] = []
  readonly #setting: Setting
  readonly #givenUp: Set<string> = new Set()
  readonly #warm: Set<string> = new Set()

  constructor(setting: Setting) {
    this.#setting = setting
  }

  async rounds(subjects: readonly Subject[]): Promise<void> {
    const { rows, plan } = this.#setting.options
    const lasting = new Map<Subject, RunningSubject>()
    if (rows.some((row) => row.how !== 'fresh')) {
      for (const subject of subjects) await this.#startLasting(subject, lasting)
    }
    for (let round = 0; round < plan.rounds; round++) {
      say(`round ${round + 1} of ${plan.rounds}`)
      for (const row of rows) {
        for (const listener of this.#setting.options.listeners) {
          if (row.how === 'together') {
            await this.#measureTogether(rotated(subjects, round), row, listener, round, lasting)
            continue
          }
          for (const subject of rotated(subjects, round)) {
            await this.#measureOne(subject, row, listener, round, lasting.get(subject) ?? null)
          }
        }
      }
    }
    for (const running of lasting.values()) await running.stop()
  }

  async #startLasting(subject: Subject, lasting: Map<Subject, RunningSubject>): Promise<void> {
    try {
      lasting.set(subject, await this.#start(subject))
    } catch (error) {
      this.#giveUp(subject, null, problemOf(error))
    }
  }

  #start(subject: Subject): Promise<RunningSubject> {
    const { directory, certificates, ports } = this.#setting
    if (subject.name !== DIRECT) return start(subject, directory, certificates, ports.tlsPort)
    return Promise.resolve({ ...ports, roots: [], stop: () => Promise.resolve() })
  }

  async #measureOne(
    subject: Subject,
    row: Extract<Row, { how: 'in-turn' | 'fresh' }>,
    listener: Listener,
    round: number,
    lasting: RunningSubject | null,
  ): Promise<void> {
    const isFresh = row.how === 'fresh'
    if (!takesPart(subject, row.effects) || this.#isGivenUp(subject, row, listener)) return
    if (isFresh && subject.name === DIRECT) return
    let running: RunningSubject | null = null
    try {
      running = isFresh ? await this.#start(subject) : lasting
      if (running === null) return
      const bench = this.#bench(subject, running, listener)
      const key = keyOf(subject, row, listener)
      await row.warmUp(bench, this.#warm.has(key) ? LATER_WARM_UP : FIRST_WARM_UP)
      this.#warm.add(key)
      this.#keep(await row.measure(bench), subject, row, listener, round)
    } catch (error) {
      this.#giveUpHere(subject, row, listener, running, problemOf(error))
    } finally {
      if (isFresh) await running?.stop()
    }
  }

  async #measureTogether(
    subjects: readonly Subject[],
    row: Extract<Row, { how: 'together' }>,
    listener: Listener,
    round: number,
    lasting: ReadonlyMap<Subject, RunningSubject>,
  ): Promise<void> {
    const present = subjects.flatMap((subject) => {
      const running = lasting.get(subject)
      if (
        running === undefined ||
        !takesPart(subject, row.effects) ||
        this.#isGivenUp(subject, row, listener)
      )
        return []
      return [{ subject, running }]
    })
    const benches = present.map(({ subject, running }) => this.#bench(subject, running, listener))
    const results = await row.measure(benches)
    present.forEach(({ subject, running }, index) => {
      const result = results[index]
      if (result === undefined) return
      if (result instanceof Error) this.#giveUpHere(subject, row, listener, running, result.message)
      else this.#keep(result, subject, row, listener, round)
    })
  }

  #keep(figures: Figures, subject: Subject, row: Row, listener: Listener, round: number): void {
    this.measurements.push({ round, row: row.name, listener, subject: subject.name, ...figures })
    say(`  ${row.name}, ${listener}, ${subject.name}: ${figures.cost?.toPrecision(3) ?? '–'} ${row.costUnit}`)
  }

  #bench(subject: Subject, running: RunningSubject, listener: Listener): Bench {
    const { options, client, server } = this.#setting
    const isTls = listener === 'pop3s'
    return {
      plan: options.plan,
      client,
      server,
      roots: running.roots,
      effect: effectOf(subject),
      target: { port: isTls ? running.tlsPort : running.plainPort, tls: isTls },
    }
  }

  #isGivenUp(subject: Subject, row: Row, listener: Listener): boolean {
    return this.#givenUp.has(subject.name) || this.#givenUp.has(keyOf(subject, row, listener))
  }

  #giveUpHere(
    subject: Subject,
    row: Row,
    listener: Listener,
    running: RunningSubject | null,
    problem: string,
  ): void {
    const hasEnded = running !== null && running.roots.length > 0 && processTree(running.roots).length === 0
    this.#giveUp(subject, hasEnded ? null : keyOf(subject, row, listener), problem)
  }

  /** @param key the row and listener where the subject failed, or null if it is gone altogether */
  #giveUp(subject: Subject, key: string | null, problem: string): void {
    this.#givenUp.add(key ?? subject.name)
    this.gaps.push({ what: key ?? subject.name, problem: problem.trim().replaceAll('\n', ' ') })
    say(`  ${key ?? subject.name}: FAILED: ${problem}`)
  }
}

function keyOf(subject: Subject, row: Row, listener: Listener): string {
  return `${subject.name}, ${row.name}, ${listener}`
}

async function main(args: readonly string[]): Promise<void> {
  const options = readOptions(args)
  const directory = mkdtempSync(join(tmpdir(), 'postern-bench-'))
  // Some subjects give up root before they read what is theirs; the one key in here lives for two days.
  chmodSync(directory, 0o755)
  process.once('exit', () => {
    killAll()
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  })
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => process.exit(130))

  const certificates = makeCertificates(directory)
  const found = options.subjects.map((subject) => ({ subject, version: subject.version() }))
  const subjects = found.flatMap(({ subject, version }) => (version === null ? [] : [{ subject, version }]))
  const { sizes } = options.plan
  const server = helper('./server.ts')
  const client = helper('./client.ts')
  const ports = await ask(server, { sizes, ...certificates }, ServerReady, HELPER_START_MS)
  await ask(client, { sizes, caFile: certificates.caFile }, JobOutcome, HELPER_START_MS)

  const run = new Run({ options, directory, certificates, server, client, ports })
  for (const { subject, version } of found) {
    if (version !== null) continue
    const problem =
      subject.name === 'postern' ? 'dist/main.js does not answer, see `npm run build`' : 'not installed'
    run.gaps.push({ what: subject.name, problem })
    say(`skipped: ${subject.name}: ${problem}`)
  }
  await run.rounds(subjects.map(({ subject }) => subject))

  const circumstances = {
    rows: options.rows,
    listeners: options.listeners,
    subjects,
    gaps: run.gaps,
    rounds: options.plan.rounds,
    isQuick: options.isQuick,
    kernel: release(),
    processor: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}`,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  }
  process.stdout.write(markdown(run.measurements, circumstances))
  if (options.jsonFile !== null) {
    const { rows: _rows, subjects: versions, ...rest } = circumstances
    const record = {
      ...rest,
      versions: Object.fromEntries(versions.map(({ subject, version }) => [subject.name, version])),
      plan: options.plan,
      measurements: run.measurements,
    }
    writeFileSync(options.jsonFile, `${JSON.stringify(record, null, 2)}\n`)
  }
  await pause(0)
}

main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error: unknown) => {
    say(`bench: ${problemOf(error)}`)
    process.exit(error instanceof UsageError ? 2 : 1)
  },
)
