/**
 * The search: takes inputs of the corpus, spoils them, runs the target, keeps what reaches new code and reports
 * what breaks a promise. Knows neither POP3 nor files, and has no clock of its own.
 */
import { setImmediate } from 'node:timers/promises'
import { randomFrom } from '../support/every-split.js'
import type { Coverage } from './coverage.js'
import { type Finding, minimise } from './finding.js'
import { mutate } from './mutate.js'
import { type FuzzTarget, violationOf } from './target.js'

/** Inputs between two looks at the coverage: a look costs some milliseconds. */
const BATCH = 256
/** Broken promises of one target after which it is not worth going on. */
const MOST_FINDINGS = 5

export interface FuzzOptions {
  readonly seed: number
  /** Asked between batches. */
  readonly isOver: (progress: Progress) => boolean
  /** Null searches blindly. */
  readonly coverage: Coverage | null
  readonly onProgress: (progress: Progress) => void
}

export interface Progress {
  readonly executions: number
  readonly corpus: number
  readonly findings: number
}

export interface FuzzResult extends Progress {
  /** One for each promise broken, its input minimised. */
  readonly found: readonly Finding[]
}

/** Searches one target until `isOver` says so, or {@link MOST_FINDINGS} promises are broken. */
export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzResult> {
  const random = randomFrom(options.seed)
  const corpus: Buffer[] = []
  const found = new Map<string, Finding>()
  let executions = 0

  const run = (input: Buffer): void => {
    executions += 1
    const violation = violationOf(target, input)
    if (violation === null || found.has(violation.property)) return
    const shortest = minimise(target, input, violation.property)
    const message = violationOf(target, shortest)?.message ?? violation.message
    found.set(violation.property, {
      target: target.name,
      property: violation.property,
      message,
      input: shortest,
    })
  }
  const progress = (): Progress => ({ executions, corpus: corpus.length, findings: found.size })

  for (const seed of target.seeds) run(seed)
  corpus.push(...target.seeds)
  options.coverage?.keep()
  while (!options.isOver(progress()) && found.size < MOST_FINDINGS) {
    const batch = Array.from({ length: BATCH }, () =>
      mutate(anyOf(corpus, random), anyOf(corpus, random), random),
    )
    for (const input of batch) run(input)
    if (options.coverage !== null) corpus.push(...thoseThatReachNewCode(target, batch, options.coverage))
    options.onProgress(progress())
    // Lets a signal be heard.
    await setImmediate()
  }
  return { ...progress(), found: [...found.values()] }
}

/**
 * Finds the inputs of a batch that ran just now which reached new code: halves it until single ones are left.
 * What each of them reached counts as known from then on.
 */
function thoseThatReachNewCode(
  target: FuzzTarget,
  batch: readonly Buffer[],
  coverage: Coverage,
): readonly Buffer[] {
  if (!coverage.sawNew()) return []
  const kept: Buffer[] = []
  const search = (inputs: readonly Buffer[]): void => {
    coverage.reset()
    for (const input of inputs) violationOf(target, input)
    const [only, ...others] = inputs
    if (only !== undefined && others.length === 0) {
      if (coverage.keep() > 0) kept.push(only)
      return
    }
    if (!coverage.sawNew()) return
    const half = Math.ceil(inputs.length / 2)
    search(inputs.slice(0, half))
    search(inputs.slice(half))
  }
  search(batch)
  return kept
}

/** Newer inputs are taken more often: they lead to where no input was before. */
function anyOf(corpus: readonly Buffer[], random: () => number): Buffer {
  const fromEnd = Math.floor(random() * random() * corpus.length)
  const index = random() < 0.5 ? corpus.length - 1 - fromEnd : Math.floor(random() * corpus.length)
  return corpus[index] ?? Buffer.alloc(1)
}
