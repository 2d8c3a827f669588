/**
 * All judges of a rule set behind one question. Owns what is the same for every kind: time, places, the largest
 * message, and the memory of answers. Knows nothing of how a judge is spoken to, nor of what a rule makes of an answer.
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { exactPieces } from '../mail/exact-pieces.js'
import type { MessageSource } from '../mail/source.js'
import type { JudgeHow, JudgeSettings } from '../rules/judge-settings.js'
import type { JudgeAnswer, JudgeAnswers, JudgeFailure } from '../rules/verdict.js'
import { safeText } from '../trace/safe-text.js'
import type { Adapter, Question, Trouble } from './adapter.js'
import { clamd } from './clamd.js'
import { command } from './command.js'
import { httpHook } from './http-hook.js'
import type { Judges } from './judge.js'
import { JUDGE_LIMITS, type JudgeLimits } from './limits.js'
import { Places } from './places.js'
import { rspamd } from './rspamd.js'
import { signatures } from './signatures.js'
import { spamd } from './spamd.js'
import { readingTrouble } from './write-pieces.js'

/** What tests set. */
export interface JudgesOptions {
  readonly limits?: Partial<JudgeLimits>
  /** The clock of the memory, in milliseconds; that of the process by default. */
  readonly perf?: { now(): number }
}

/**
 * Makes the judges of a rule set. Nothing is connected or started before the first question.
 *
 * An answer is remembered by judge and content, and for judges that are told the user by user; session and client are
 * told for their logs only. Whoever asks the same while it is being asked gets the same answer. Failures are never
 * remembered.
 *
 * @param settings checked by whoever read them: URLs are whole, names are unique
 * @throws TypeError where a URL is none
 */
export function createJudges(settings: readonly JudgeSettings[], options: JudgesOptions = {}): Judges {
  const limits = { ...JUDGE_LIMITS, ...options.limits }
  const memory = new LRUCache<string, JudgeAnswer>({
    max: limits.cachedAnswers,
    maxSize: limits.cachedOctets,
    sizeCalculation: ({ output }) => ANSWER_OCTETS + (output?.length ?? 0),
    ttl: limits.cachedMs,
    // Reads its clock each time, in place of keeping a timer.
    ttlResolution: 0,
    ...(options.perf === undefined ? {} : { perf: options.perf }),
  })
  const judges = new Map(settings.map((one) => [one.name, new Judge(one, limits, memory)]))

  return {
    async ask(names, message, about) {
      const answered = new AbortController()
      const digest = digestOf(message, answered.signal)
      const answers = await Promise.all(
        [...new Set(names)].map(async (name) => [name, await answerOf(name)] as const),
      )
      // Whoever still waited for the digest has given up.
      answered.abort()
      return new Map(answers) satisfies JudgeAnswers

      async function answerOf(name: string): Promise<JudgeAnswer | JudgeFailure> {
        const judge = judges.get(name)
        if (judge === undefined) return { failed: safeText(`there is no judge named "${name}"`) }
        return await judge.ask({ message, about }, digest)
      }
    },
    close() {
      for (const judge of judges.values()) judge.close()
      memory.clear()
    },
  }
}

/** What an answer takes in memory, output aside. */
const ANSWER_OCTETS = 1_024

/** Gives the digest of a message, or why the message cannot be read. Never rejects. */
type Digest = () => Promise<string | Trouble>

/** The digest of a message, computed once and only where somebody wants it: large messages are refused without. */
function digestOf(message: MessageSource, signal: AbortSignal): Digest {
  let digest: Promise<string | Trouble> | null = null
  return async () => {
    digest ??= readDigest(message, signal).catch(readingTrouble)
    return await digest
  }
}

async function readDigest(message: MessageSource, signal: AbortSignal): Promise<string | Trouble> {
  const hash = createHash('sha256')
  if (message.inMemory !== null) return hash.update(message.inMemory).digest('base64')
  for await (const piece of exactPieces(message)) {
    if (signal.aborted) return CLOSED
    hash.update(piece)
  }
  return hash.digest('base64')
}

function adapterFor(how: JudgeHow, limits: JudgeLimits): Adapter {
  switch (how.type) {
    case 'clamd':
      return clamd(how.address)
    case 'rspamd':
      return rspamd(how.url, how.password, limits)
    case 'spamd':
      return spamd(how.address, how.user, limits)
    case 'http':
      return httpHook(how.url, how.headers, limits)
    case 'command':
      return command(how.program, how.arguments, how.writes, limits)
    case 'signatures':
      return signatures(how.dns, limits.signatures)
  }
}

/** One judge with its places. */
class Judge {
  readonly #settings: JudgeSettings
  readonly #adapter: Adapter
  readonly #places: Places
  readonly #memory: LRUCache<string, JudgeAnswer>
  /** Questions that nobody has answered yet, by what they ask. */
  readonly #asked = new Map<string, Promise<JudgeAnswer | Trouble>>()
  /** What ends each of them, with the reason. */
  readonly #endings = new Set<(reason: Trouble) => void>()
  #isClosed = false

  constructor(settings: JudgeSettings, limits: JudgeLimits, memory: LRUCache<string, JudgeAnswer>) {
    this.#settings = settings
    this.#adapter = adapterFor(settings.how, limits)
    this.#places = new Places(settings.atOnce, limits.mostWaiting)
    this.#memory = memory
  }

  async ask(question: Question, digest: Digest): Promise<JudgeAnswer | JudgeFailure> {
    const said = await this.#ask(question, digest)
    return 'trouble' in said ? this.#failure(said) : said
  }

  async #ask(question: Question, digest: Digest): Promise<JudgeAnswer | Trouble> {
    const { message, about } = question
    const { mostOctets, budgetMs } = this.#settings
    if (message.octets > mostOctets) {
      return {
        trouble: `was not asked: the message has ${message.octets} octets, and it is asked about at most ${mostOctets}`,
      }
    }
    const until = performance.now() + budgetMs
    const tooSlow = { trouble: `was not asked: the message could not be read within ${this.#budgetText}` }
    const content = await this.#within(budgetMs, tooSlow, digest)
    if (typeof content !== 'string') return content
    const user = this.#adapter.isToldUser ? about.user : null
    const key = JSON.stringify([this.#settings.name, user, content])
    const remembered = this.#memory.get(key)
    if (remembered !== undefined) return remembered
    for (let asked = this.#asked.get(key); asked !== undefined; asked = this.#asked.get(key)) {
      const said = await asked
      // That somebody else can no longer read the same content says nothing of what is at hand here.
      if (!('trouble' in said) || said.isOfMessage !== true) return said
    }

    const answer = this.#askNow(question, until - performance.now())
    this.#asked.set(key, answer)
    const said = await answer
    this.#asked.delete(key)
    if (!('trouble' in said) && !this.#isClosed) this.#memory.set(key, said)
    return said
  }

  close(): void {
    this.#isClosed = true
    for (const end of this.#endings) end(CLOSED)
  }

  async #askNow(question: Question, withinMs: number): Promise<JudgeAnswer | Trouble> {
    const lateness = this.#lateness(this.#places.isFull)
    return await this.#within(withinMs, lateness, (signal) => this.#askInPlace(question, signal))
  }

  /**
   * Does something within a time: whatever still has to be put away, nobody waits longer.
   *
   * @param work must not reject
   */
  async #within<Value>(
    ms: number,
    lateness: Trouble,
    work: (signal: AbortSignal) => Promise<Value | Trouble>,
  ): Promise<Value | Trouble> {
    if (this.#isClosed) return CLOSED
    return await new Promise((resolve) => {
      const aborting = new AbortController()
      const end = (outcome: Value | Trouble): void => {
        clearTimeout(timer)
        this.#endings.delete(end)
        resolve(outcome)
        aborting.abort()
      }
      const timer = setTimeout(() => end(lateness), ms)
      this.#endings.add(end)
      void work(aborting.signal).then(end)
    })
  }

  async #askInPlace(question: Question, signal: AbortSignal): Promise<JudgeAnswer | Trouble> {
    const admission = await this.#places.take(signal)
    if (admission === 'too-many') return { trouble: 'was not asked: too many questions wait for it already' }
    // Whoever gave up has its reason already.
    if (admission === 'given-up') return CLOSED
    try {
      return await this.#adapter.ask(question, signal)
    } catch (error) {
      // A fault of postern's own; mail goes on by what the rule says for a judge that failed.
      return { trouble: `could not be asked: ${error instanceof Error ? error.message : String(error)}` }
    } finally {
      this.#places.give()
    }
  }

  #lateness(waitedForPlace: boolean): Trouble {
    const { atOnce } = this.#settings
    const others = atOnce === 1 ? 'another question' : `${atOnce} others`
    return {
      trouble: `gave no answer within ${this.#budgetText}${waitedForPlace ? `, in which it was busy with ${others}` : ''}`,
    }
  }

  get #budgetText(): string {
    const { budgetMs } = this.#settings
    return budgetMs >= 1_000 ? `${Math.round(budgetMs / 100) / 10} s` : `${budgetMs} ms`
  }

  #failure({ trouble }: Trouble): JudgeFailure {
    return { failed: safeText(`${this.#adapter.subject} ${trouble}`) }
  }
}

const CLOSED: Trouble = { trouble: 'was not waited for: its rules are no longer in use' }
