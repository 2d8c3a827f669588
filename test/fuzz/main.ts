/**
 * `npm run fuzz -- [--seconds N] [--seed N] [--target NAME]`: fuzzes each target in turn and writes what it finds to
 * `findings/`. Ends with status 1 where it found something, 2 where an option is wrong; Ctrl-C ends it early and
 * keeps what was found.
 */
import { parseArgs } from 'node:util'
import { Coverage } from './coverage.js'
import { FINDINGS, writeFinding } from './finding.js'
import { fuzz, type Progress } from './fuzzer.js'
import type { FuzzTarget } from './target.js'
import { TARGETS } from './targets.js'

const DEFAULT_SECONDS = 60
const PROGRESS_EVERY_MS = 5_000

interface Options {
  readonly seconds: number
  readonly seed: number
  readonly targets: readonly FuzzTarget[]
}

let isInterrupted = false
process.on('SIGINT', () => {
  // A second one ends at once.
  if (isInterrupted) process.exit(130)
  isInterrupted = true
})

process.exitCode = await main()

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (typeof options === 'string') {
    console.error(options)
    return 2
  }
  console.log(`seed ${options.seed}, ${options.seconds} seconds for ${options.targets.length} targets`)
  let findings = 0
  for (const target of options.targets) {
    findings += await fuzzOne(target, (options.seconds * 1_000) / options.targets.length, options.seed)
    if (isInterrupted) break
  }
  if (findings > 0) console.log(`${findings} promises broken; npx vitest run test/fuzz replays them`)
  return findings > 0 ? 1 : 0
}

async function fuzzOne(target: FuzzTarget, forMs: number, seed: number): Promise<number> {
  const coverage = new Coverage(target.covers)
  const begun = performance.now()
  let shownAt = begun
  const show = (progress: Progress): void => {
    const seconds = (performance.now() - begun) / 1_000
    const perSecond = Math.round(progress.executions / Math.max(seconds, 0.001))
    console.log(
      `${target.name}: ${progress.executions} executions (${perSecond}/s), corpus ${progress.corpus}, ` +
        `${coverage.blocks} blocks and ${coverage.characters} characters covered, ${progress.findings} findings`,
    )
  }
  const result = await fuzz(target, {
    seed,
    coverage,
    isOver: () => isInterrupted || performance.now() - begun >= forMs,
    onProgress: (progress) => {
      if (performance.now() - shownAt < PROGRESS_EVERY_MS) return
      shownAt = performance.now()
      show(progress)
    },
  })
  show(result)
  for (const finding of result.found) {
    console.log(`${target.name}: "${finding.property}" broken, see ${writeFinding(FINDINGS, finding)}`)
    console.log(finding.message)
  }
  return result.found.length
}

/** Reads the command line; text says what is wrong with it. */
function readOptions(line: readonly string[]): Options | string {
  const named = TARGETS.map((target) => target.name).join(', ')
  try {
    const { values } = parseArgs({
      args: [...line],
      options: {
        seconds: { type: 'string', default: String(DEFAULT_SECONDS) },
        seed: { type: 'string', default: String(Date.now() % 1_000_000) },
        target: { type: 'string' },
      },
    })
    const [seconds, seed] = [Number(values.seconds), Number(values.seed)]
    if (!(seconds > 0 && seconds < 1e6)) return `--seconds ${values.seconds}: give a number above 0`
    if (!Number.isSafeInteger(seed)) return `--seed ${values.seed}: give a whole number`
    const targets = TARGETS.filter((target) => values.target === undefined || target.name === values.target)
    if (targets.length === 0) return `--target ${values.target}: there is none of that name, but ${named}`
    return { seconds, seed, targets }
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\nOptions: --seconds N, --seed N, --target NAME (${named})`
  }
}
