/**
 * The scripted clients of the demo: a rota of visits, one every few seconds, each as some real program would
 * make it. Owns what they say and when; tells nobody but the log.
 */
import type { Logger } from 'pino'
import { safeText } from '../trace/safe-text.js'
import { type Answer, Dialogue, type Target } from './dialogue.js'

/** The listeners to visit. */
export interface Targets {
  readonly plain: Target
  readonly pop3s: Target
}

/** Who visits. A maildrop is locked while a visit lasts, so these are not the accounts that people try. */
export interface VisitorAccount {
  readonly user: string
  readonly password: string
}

/** What a visit has to hand. */
export interface Surroundings {
  readonly account: VisitorAccount
  /** Counts the visits from 0, so that each fetches something else. */
  readonly turn: number
  /** Opens a session, which is ended with the visit if the visit does not. */
  readonly open: (listener: keyof Targets) => Promise<Dialogue>
}

/** One kind of client. */
export interface Visit {
  readonly name: string
  readonly go: (surroundings: Surroundings) => Promise<void>
}

/** A visit that takes longer is broken off. */
const VISIT_MS = 20_000
/** Messages that a pipelining client takes at once. */
const PIPELINED_MESSAGES = 6

/** The rota, in its order. Each rejects where the other side does not answer as the script expects. */
export const VISITS: readonly Visit[] = [
  { name: 'like curl: one message, initial response', go: likeCurl },
  { name: 'like fetchmail: leaves mail on the server, TOP for RETR', go: likeFetchmail },
  { name: 'like mpop: pipelines', go: likeMpop },
  { name: 'upgrades by STLS', go: likeMutt },
  { name: 'POP3S, response on a line of its own', go: likeThunderbird },
  { name: 'mistypes the password, once', go: mistypes },
  { name: 'marks a message as deleted and vanishes', go: vanishes },
  { name: 'comes twice at once', go: comesTwice },
]

export interface VisitorOptions {
  readonly targets: Targets
  readonly accounts: readonly [VisitorAccount, ...VisitorAccount[]]
  /** From the end of a visit to the next. */
  readonly intervalMs: number
  readonly log: Logger
}

/** Visitors that come and go. */
export interface Visitors {
  /** Sends the one that is there home; no other comes. */
  stop(): Promise<void>
}

/** Starts the rota, with the first visit after one interval. One visit at a time, whatever happens to it. */
export function startVisitors(options: VisitorOptions): Visitors {
  const { targets, accounts, intervalMs, log } = options
  const stopping = new AbortController()
  let turn = 0
  let visiting: Promise<void> = Promise.resolve()
  let timer = setTimeout(next, intervalMs)

  function next(): void {
    const visit = VISITS[turn % VISITS.length]
    const account = accounts[turn % accounts.length] ?? accounts[0]
    if (visit === undefined) return
    visiting = pay(visit, { targets, account, turn, signal: stopping.signal }).then(
      () =>
        log.debug({ event: 'demo-visit', visit: visit.name, user: account.user }, 'a visitor came and went'),
      (error: unknown) => {
        if (stopping.signal.aborted) return
        log.warn(
          { event: 'demo-visit-failed', visit: visit.name, user: account.user, error: String(error) },
          'a visitor of the demo was not served as expected',
        )
      },
    )
    turn += 1
    void visiting.then(() => {
      if (!stopping.signal.aborted) timer = setTimeout(next, intervalMs)
    })
  }

  return {
    stop: async () => {
      stopping.abort()
      clearTimeout(timer)
      await visiting
    },
  }
}

/**
 * Pays one visit.
 *
 * @throws Error where the other side does not answer as the script expects, or `signal` says to stop
 */
export async function pay(
  visit: Visit,
  where: {
    readonly targets: Targets
    readonly account: VisitorAccount
    readonly turn: number
    readonly signal?: AbortSignal
  },
): Promise<void> {
  const done = new AbortController()
  const signal = where.signal === undefined ? done.signal : AbortSignal.any([where.signal, done.signal])
  try {
    await visit.go({
      account: where.account,
      turn: where.turn,
      open: async (listener) => await Dialogue.open(where.targets[listener], VISIT_MS, signal),
    })
  } finally {
    done.abort()
  }
}

async function likeCurl({ open, account, turn }: Surroundings): Promise<void> {
  const dialogue = await open('plain')
  await accepted(dialogue, 'CAPA')
  await accepted(dialogue, `AUTH PLAIN ${plainResponse(account)}`)
  await accepted(dialogue, `RETR ${await pick(dialogue, turn)}`)
  await accepted(dialogue, 'QUIT')
}

async function likeFetchmail({ open, account, turn }: Surroundings): Promise<void> {
  const dialogue = await open('plain')
  await accepted(dialogue, 'CAPA')
  await logIn(dialogue, account)
  const messageNumber = await pick(dialogue, turn)
  await accepted(dialogue, 'UIDL')
  await accepted(dialogue, `LIST ${messageNumber}`)
  await accepted(dialogue, `TOP ${messageNumber} 99999999`)
  await accepted(dialogue, 'QUIT')
}

async function likeMpop({ open, account, turn }: Surroundings): Promise<void> {
  const dialogue = await open('plain')
  await accepted(dialogue, 'CAPA')
  await logIn(dialogue, account)
  const first = await pick(dialogue, turn)
  await accepted(dialogue, 'LIST')
  await accepted(dialogue, 'UIDL')
  const numbers = Array.from({ length: Math.min(PIPELINED_MESSAGES, first) }, (_, index) => first - index)
  await accepted(dialogue, ...numbers.map((messageNumber) => `RETR ${messageNumber}`))
  await accepted(dialogue, 'QUIT')
}

async function likeMutt({ open, account, turn }: Surroundings): Promise<void> {
  const dialogue = await open('plain')
  await accepted(dialogue, 'CAPA')
  await accepted(dialogue, 'STLS')
  await dialogue.startTls()
  await accepted(dialogue, 'CAPA')
  await logIn(dialogue, account)
  await accepted(dialogue, 'CAPA')
  const messageNumber = await pick(dialogue, turn)
  await accepted(dialogue, `TOP ${messageNumber} 0`)
  await accepted(dialogue, `RETR ${messageNumber}`)
  await accepted(dialogue, 'QUIT')
}

async function likeThunderbird({ open, account, turn }: Surroundings): Promise<void> {
  const dialogue = await open('pop3s')
  await accepted(dialogue, 'CAPA')
  const [answer] = await dialogue.give('AUTH PLAIN')
  if (answer?.type !== 'challenge') throw new Error('AUTH PLAIN was not answered by a challenge')
  expectIndicator('the response of AUTH PLAIN', await dialogue.respond(plainText(account)), '+OK')
  const messageNumber = await pick(dialogue, turn)
  await accepted(dialogue, 'LIST')
  await accepted(dialogue, 'UIDL')
  await accepted(dialogue, `RETR ${messageNumber}`)
  await accepted(dialogue, 'QUIT')
}

async function mistypes({ open, account }: Surroundings): Promise<void> {
  const dialogue = await open('plain')
  await accepted(dialogue, `USER ${account.user}`)
  const [answer] = await dialogue.give(`PASS ${[...account.password].reverse().join('')}?`)
  expectIndicator('the wrong password', answer, '-ERR')
  await logIn(dialogue, account)
  await accepted(dialogue, 'STAT')
  await accepted(dialogue, 'QUIT')
}

/** RFC 1939 §6: without QUIT nothing is removed, so the maildrop is whole for the next visitor. */
async function vanishes({ open, account, turn }: Surroundings): Promise<void> {
  const dialogue = await open('pop3s')
  await logIn(dialogue, account)
  await accepted(dialogue, `DELE ${await pick(dialogue, turn)}`)
  dialogue.leave()
}

async function comesTwice({ open, account }: Surroundings): Promise<void> {
  const first = await open('plain')
  await logIn(first, account)
  const second = await open('pop3s')
  await accepted(second, `USER ${account.user}`)
  const [answer] = await second.give(`PASS ${account.password}`)
  expectIndicator('the second login', answer, '-ERR')
  await accepted(second, 'QUIT')
  await accepted(first, 'QUIT')
}

async function logIn(dialogue: Dialogue, account: VisitorAccount): Promise<void> {
  await accepted(dialogue, `USER ${account.user}`)
  await accepted(dialogue, `PASS ${account.password}`)
}

/** Asks how many messages there are and picks another one at each turn. */
async function pick(dialogue: Dialogue, turn: number): Promise<number> {
  const [answer] = await accepted(dialogue, 'STAT')
  const count = answer?.type === 'status' ? Number.parseInt(answer.status.text, 10) : 0
  if (!(count > 0)) throw new Error('the maildrop is empty')
  return 1 + ((turn * 5) % count)
}

async function accepted(dialogue: Dialogue, ...lines: readonly string[]): Promise<readonly Answer[]> {
  const answers = await dialogue.give(...lines)
  for (const [index, answer] of answers.entries()) {
    expectIndicator(lines[index]?.split(' ')[0] ?? '', answer, '+OK')
  }
  return answers
}

function expectIndicator(what: string, answer: Answer | undefined, indicator: '+OK' | '-ERR'): void {
  const found = answer?.type === 'status' ? answer.status.indicator : 'a challenge'
  if (found === indicator) return
  const text = answer?.type === 'status' ? ` (${safeText(answer.status.text)})` : ''
  throw new Error(`${what} was answered by ${found}${text}, not by ${indicator}`)
}

/** RFC 4616 §2. */
function plainText(account: VisitorAccount): string {
  return `\0${account.user}\0${account.password}`
}

function plainResponse(account: VisitorAccount): string {
  return Buffer.from(plainText(account), 'utf8').toString('base64')
}
