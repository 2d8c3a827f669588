/**
 * All judges of a rule set behind one question. Owns what is the same for every kind: time, places, the largest
 * message, and the memory of answers. Knows nothing of how a judge is spoken to, nor of what a rule makes of an answer.
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
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
import { spamd } from './spamd.js'

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
      const digest = digestOf(message)
      const answers = await Promise.all(
        [...new Set(names)].map(async (name) => [name, await answerOf(name)] as const),
      )
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

/** The digest of a message, computed once and only where somebody wants it: large messages are refused without. */
function digestOf(message: Buffer): () => string {
  let digest: string | null = null
  return () => {
    digest ??= createHash('sha256').update(message).digest('base64')
    return digest
  }
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
  }
}

/** One judge with its places. */
class Judge {
  readonly #settings: JudgeSettings
  readonly #adapter: Adapter
  readonly #places: Places
  readonly #memory: LRUCache<string, JudgeAnswer>
  /** Questions that nobody has answered yet, by what they ask. */
  readonly #asked = new Map<string, Promise<JudgeAnswer | JudgeFailure>>()
  /** What ends each of them, with the reason. */
  readonly #endings = new Set<(reason: Trouble) => void>()
  #isClosed = false

  constructor(settings: JudgeSettings, limits: JudgeLimits, memory: LRUCache<string, JudgeAnswer>) {
    this.#settings = settings
    this.#adapter = adapterFor(settings.how, limits)
    this.#places = new Places(settings.atOnce, limits.mostWaiting)
    this.#memory = memory
  }

  async ask(question: Question, digest: () => string): Promise<JudgeAnswer | JudgeFailure> {
    const { message, about } = question
    const { mostOctets } = this.#settings
    if (message.length > mostOctets) {
      return this.#failure({
        trouble: `was not asked: the message has ${message.length} octets, and it is asked about at most ${mostOctets}`,
      })
    }
    const user = this.#adapter.isToldUser ? about.user : null
    const key = JSON.stringify([this.#settings.name, user, digest()])
    const remembered = this.#memory.get(key)
    if (remembered !== undefined) return remembered
    const asked = this.#asked.get(key)
    if (asked !== undefined) return await asked

    const answer = this.#askNow(question)
    this.#asked.set(key, answer)
    const said = await answer
    this.#asked.delete(key)
    if (!('failed' in said) && !this.#isClosed) this.#memory.set(key, said)
    return said
  }

  close(): void {
    this.#isClosed = true
    for (const end of this.#endings) end(CLOSED)
  }

  /** Asks within the budget: whatever an adapter still has to put away, nobody waits longer. Never rejects. */
  async #askNow(question: Question): Promise<JudgeAnswer | JudgeFailure> {
    if (this.#isClosed) return this.#failure(CLOSED)
    return await new Promise((resolve) => {
      const aborting = new AbortController()
      const waitsForPlace = this.#places.isFull
      const end = (said: JudgeAnswer | Trouble): void => {
        clearTimeout(timer)
        this.#endings.delete(end)
        resolve('trouble' in said ? this.#failure(said) : said)
        aborting.abort()
      }
      const timer = setTimeout(() => end(this.#lateness(waitsForPlace)), this.#settings.budgetMs)
      this.#endings.add(end)
      void this.#askInPlace(question, aborting.signal).then(end)
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
    const { budgetMs, atOnce } = this.#settings
    const time = budgetMs >= 1_000 ? `${Math.round(budgetMs / 100) / 10} s` : `${budgetMs} ms`
    const others = atOnce === 1 ? 'another question' : `${atOnce} others`
    return {
      trouble: `gave no answer within ${time}${waitedForPlace ? `, in which it was busy with ${others}` : ''}`,
    }
  }

  #failure({ trouble }: Trouble): JudgeFailure {
    return { failed: safeText(`${this.#adapter.subject} ${trouble}`) }
  }
}

const CLOSED: Trouble = { trouble: 'was not waited for: its rules are no longer in use' }
