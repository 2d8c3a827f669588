/**
 * What is measured: the rows of the bench, the load of each and how its figures come out of CPU time, memory and
 * the load generator's outcome. Knows subjects only as ports and process ids.
 */
import type { ChildProcess } from 'node:child_process'
import { EFFECTS, type Effect, type MaildropSizes } from './maildrop.js'
import { ask, type Job, JobOutcome, ServerCounts, type Target } from './messages.js'
import { cpuSeconds, memoryOctets } from './process-tree.js'
import { pause } from './running.js'

/** How much of everything one measurement takes. */
export interface Plan {
  readonly rounds: number
  readonly sizes: MaildropSizes
  readonly loginSessions: number
  readonly middle: { readonly sessions: number; readonly retrievals: number }
  readonly large: { readonly sessions: number; readonly retrievals: number }
  /** At most; what is slow ends earlier, see `deadlineMs`. */
  readonly polls: number
  /** Slices of fifty NOOPs each. */
  readonly pingSlices: number
  readonly idleSessions: number
  /** After this a measurement begins nothing more; figures are for what was done until then. */
  readonly deadlineMs: number
}

/**
 * Half a second of CPU time of the pipe in each measurement: the kernel's ticks of 10 ms are 2 % of it, and many
 * short rounds stand what else the machine does better than few long ones.
 */
export const FULL_PLAN: Plan = {
  rounds: 7,
  sizes: { middleOctets: 100_000, largeOctets: 20_000_000, pollMessages: 10_000 },
  loginSessions: 1_000,
  middle: { sessions: 16, retrievals: 300 },
  large: { sessions: 6, retrievals: 4 },
  polls: 100,
  pingSlices: 60,
  idleSessions: 500,
  deadlineMs: 5_000,
}

/** Shows that everything works; its figures are noise. */
export const QUICK_PLAN: Plan = {
  rounds: 1,
  sizes: { middleOctets: 20_000, largeOctets: 500_000, pollMessages: 300 },
  loginSessions: 80,
  middle: { sessions: 4, retrievals: 40 },
  large: { sessions: 2, retrievals: 4 },
  polls: 4,
  pingSlices: 4,
  idleSessions: 20,
  deadlineMs: 3_000,
}

/** A subject under load, at one of its listeners. */
export interface Bench {
  readonly plan: Plan
  readonly client: ChildProcess
  readonly server: ChildProcess
  readonly target: Target
  /** What the subject makes of the mail. */
  readonly effect: Effect
  /** Process ids of the subject; empty for `direct`, whose work nobody does. */
  readonly roots: readonly number[]
}

/** What one measurement gave. */
export interface Figures {
  /** What the row is about, in the row's unit; null for `direct` where it is work of a subject. */
  readonly cost: number | null
  /** Work done in a second of the clock, in the row's unit; null where the row has none. */
  readonly rate: number | null
  readonly sessions: number
  readonly octets: number
  /** CPU time of the subject within the measurement. */
  readonly cpuSeconds: number | null
  /** Share of the server's TLS connections that resumed a session; null where there were none. */
  readonly resumedShare: number | null
  /** TLS versions of the server's connections. */
  readonly protocols: readonly string[]
}

/** One kind of load. */
export type Row = {
  readonly name: string
  readonly title: string
  readonly costUnit: string
  readonly rateUnit: string | null
  /** Whom it is for: subjects with these effects on mail. */
  readonly effects: readonly Effect[]
  /** True where the cost is what the subject adds to `direct`, not what was measured. */
  readonly isAdded: boolean
} & (RowOfOne | RowOfAll)

/** Subjects one after the other: as they run, or each started for the measurement. */
interface RowOfOne {
  readonly how: 'in-turn' | 'fresh'
  /** Does a share of the measurement's work, unmeasured. */
  readonly warmUp: (bench: Bench, share: number) => Promise<void>
  readonly measure: (bench: Bench) => Promise<Figures>
}

/** All subjects at a time, for figures of the clock that need neighbours within milliseconds. */
interface RowOfAll {
  readonly how: 'together'
  /** @returns for each bench its figures, or what went wrong with it */
  readonly measure: (benches: readonly Bench[]) => Promise<readonly (Figures | Error)[]>
}

const GIB = 2 ** 30
const MIB = 2 ** 20
/** Until the subject has done what follows the last close. */
const SETTLE_MS = 50
/** Until what a burst of logins leaves behind is worked off. */
const IDLE_SETTLE_MS = 1_000
/** What a job may take past its deadline before the run is given up: the longest silence and all its closes. */
const GRACE_MS = 60_000
/** Enough that what the switch from the neighbour costs is in few of them. */
const PINGS_PER_SLICE = 50
/** Sessions that make a fresh process load its code before its memory is looked at. */
const FIRST_SESSIONS = 20

type SessionsWanted = Extract<Job, { type: 'sessions' }>
type Sessions = Pick<SessionsWanted, 'maildrop' | 'sessions' | 'atOnce' | 'retrievals'> &
  Partial<Pick<SessionsWanted, 'isOfNewUsers' | 'lists'>>
type Outcome = Extract<JobOutcome, { type: 'done' }>

/** Gives the load generator a job; throws with its words where an octet was wrong or missing. */
async function perform(bench: Bench, job: Job): Promise<Outcome> {
  const outcome = await ask(bench.client, job, JobOutcome, bench.plan.deadlineMs + GRACE_MS)
  if (outcome.type === 'done') return outcome
  throw new Error(outcome.type === 'failed' ? outcome.problem : 'the load generator did another job')
}

function sessionsJob(bench: Bench, load: Sessions): Job {
  const { target, effect, plan } = bench
  const job = { type: 'sessions', isOfNewUsers: false, lists: false, ...load } as const
  return { ...job, target, effect, deadlineMs: plan.deadlineMs }
}

function sessionsRow(
  row: Pick<Row, 'name' | 'title' | 'costUnit' | 'rateUnit' | 'effects'>,
  load: (plan: Plan) => Sessions,
  cost: (cpu: number, outcome: Outcome) => number,
  rate: (outcome: Outcome) => number,
): Row {
  return {
    ...row,
    how: 'in-turn',
    isAdded: false,
    warmUp: async (bench, share) => {
      const full = load(bench.plan)
      await perform(bench, sessionsJob(bench, { ...full, sessions: Math.ceil(full.sessions * share) }))
    },
    measure: async (bench) => {
      await ask(bench.server, {}, ServerCounts, GRACE_MS)
      const before = cpuSeconds(bench.roots)
      const outcome = await perform(bench, sessionsJob(bench, load(bench.plan)))
      await pause(SETTLE_MS)
      const cpu = cpuSeconds(bench.roots) - before
      const counts = await ask(bench.server, {}, ServerCounts, GRACE_MS)
      const isDirect = bench.roots.length === 0
      return {
        cost: isDirect ? null : cost(cpu, outcome),
        rate: rate(outcome),
        sessions: outcome.sessions,
        octets: outcome.octets,
        cpuSeconds: isDirect ? null : cpu,
        resumedShare: counts.tlsConnections === 0 ? null : counts.resumed / counts.tlsConnections,
        protocols: counts.protocols,
      }
    },
  }
}

const NO_LOAD = { octets: 0, cpuSeconds: null, rate: null, resumedShare: null, protocols: [] } as const

/** A rule that hides mail has its own rows: in the others it would do what any other rule does. */
const ALL_BUT_HIDING = EFFECTS.filter((effect) => effect !== 'hide')

const login = sessionsRow(
  {
    name: 'login',
    effects: ALL_BUT_HIDING,
    title: 'Login-only sessions: connect, USER, PASS, STAT, QUIT, eight at once',
    costUnit: 'CPU ms/session',
    rateUnit: 'sessions/s',
  },
  (plan) => ({ maildrop: 'login', sessions: plan.loginSessions, atOnce: 8, retrievals: 0 }),
  (cpu, outcome) => (cpu * 1000) / outcome.sessions,
  (outcome) => outcome.sessions / outcome.seconds,
)

const middle = sessionsRow(
  {
    name: 'middle',
    effects: ALL_BUT_HIDING,
    title: 'Many middle-sized messages: RETR of 100 kB, four sessions at once',
    costUnit: 'CPU s/GiB',
    rateUnit: 'MiB/s',
  },
  (plan) => ({ maildrop: 'middle', ...plan.middle, atOnce: 4 }),
  (cpu, outcome) => (cpu * GIB) / outcome.octets,
  (outcome) => outcome.octets / MIB / outcome.seconds,
)

const large = sessionsRow(
  {
    name: 'large',
    // A text rule leaves such messages alone, since they are larger than what may be held.
    effects: ['none', 'tag'],
    title: 'Few large messages: RETR of 20 MB, two sessions at once',
    costUnit: 'CPU s/GiB',
    rateUnit: 'MiB/s',
  },
  (plan) => ({ maildrop: 'large', ...plan.large, atOnce: 2 }),
  (cpu, outcome) => (cpu * GIB) / outcome.octets,
  (outcome) => outcome.octets / MIB / outcome.seconds,
)

function pollRow(name: string, title: string, isOfNewUsers: boolean): Row {
  return sessionsRow(
    {
      name,
      title: `${title}: STAT, LIST, UIDL over 10,000 small messages, every third of a mailing list; one session at a time`,
      effects: ['none', 'hide'],
      costUnit: 'CPU ms/poll',
      rateUnit: 'polls/s',
    },
    ({ polls }) => ({
      maildrop: 'poll',
      sessions: polls,
      atOnce: 1,
      retrievals: 0,
      isOfNewUsers,
      lists: true,
    }),
    (cpu, outcome) => (cpu * 1000) / outcome.sessions,
    (outcome) => outcome.sessions / outcome.seconds,
  )
}

/** A process that is warm, and a maildrop that it has never seen: what is compiled is in no figure. */
const pollFirst = pollRow('poll-first', 'First poll of a full maildrop', true)
/** Its warm-up is the first poll. */
const pollSecond = pollRow('poll-second', 'Second poll of a full maildrop', false)

const latency: Row = {
  name: 'latency',
  effects: ALL_BUT_HIDING,
  title: 'Added latency of one command: median of NOOP and its reply in one session, less that of no proxy',
  costUnit: 'µs added',
  rateUnit: null,
  how: 'together',
  isAdded: true,
  measure: async (benches) => {
    const [first] = benches
    if (first === undefined) return []
    const { plan, client } = first
    const job: Job = {
      type: 'ping',
      targets: benches.map(({ target }) => target),
      slices: plan.pingSlices,
      commandsPerSlice: PINGS_PER_SLICE,
      deadlineMs: plan.deadlineMs * benches.length,
    }
    const outcome = await ask(client, job, JobOutcome, job.deadlineMs + GRACE_MS)
    if (outcome.type === 'failed') return benches.map(() => new Error(outcome.problem))
    if (outcome.type === 'done') throw new Error('the load generator did another job')
    return outcome.results.map(({ medianMicroseconds, problem }) =>
      problem === null ? { ...NO_LOAD, cost: medianMicroseconds, sessions: 1 } : new Error(problem),
    )
  },
}

const idle: Row = {
  name: 'idle',
  effects: ALL_BUT_HIDING,
  title: 'Memory of an idle session: logged in and silent, PSS of all processes (kernel memory apart)',
  costUnit: 'KiB/session',
  rateUnit: null,
  how: 'fresh',
  isAdded: false,
  warmUp: async (bench) => {
    const load = { maildrop: 'login', sessions: FIRST_SESSIONS, atOnce: 4, retrievals: 0 } as const
    await perform(bench, sessionsJob(bench, load))
  },
  measure: async (bench) => {
    const { plan, target } = bench
    await pause(IDLE_SETTLE_MS / 2)
    const before = memoryOctets(bench.roots)
    const outcome = await perform(bench, {
      type: 'open-idle',
      target,
      sessions: plan.idleSessions,
      deadlineMs: plan.deadlineMs,
    })
    await pause(IDLE_SETTLE_MS)
    const grown = memoryOctets(bench.roots) - before
    await perform(bench, { type: 'close-idle' })
    return { ...NO_LOAD, cost: grown / 1024 / outcome.sessions, sessions: outcome.sessions }
  },
}

/** Every row, in the order of the report. */
export const ROWS: readonly Row[] = [login, middle, large, pollFirst, pollSecond, latency, idle]
