/**
 * What the fuzzer found, as a file: the input, made as short as it goes, and the promise it broke. The files stay
 * in `findings/` for good and are replayed by the tests.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type FuzzTarget, violationOf } from './target.js'

export interface Finding {
  readonly target: string
  /** The promise that broke. */
  readonly property: string
  readonly message: string
  readonly input: Buffer
}

/** Runs spent at most on making one input shorter. */
const MOST_RUNS = 4_000
const LONGEST_MESSAGE = 2_000

/** Where findings are kept. */
export const FINDINGS = join(import.meta.dirname, 'findings')

/**
 * Takes away octets, and makes those that stay plain, as long as the same promise stays broken.
 *
 * @returns the shortest input found within {@link MOST_RUNS} runs
 */
export function minimise(target: FuzzTarget, input: Buffer, property: string): Buffer {
  let best = input
  let runs = 0
  const stillBreaks = (candidate: Buffer): boolean => {
    runs += 1
    return runs <= MOST_RUNS && violationOf(target, candidate)?.property === property
  }
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size > 1 ? Math.ceil(size / 2) : 0) {
    for (let at = 0; at < best.length; ) {
      const candidate = Buffer.concat([best.subarray(0, at), best.subarray(at + size)])
      if (stillBreaks(candidate)) best = candidate
      else at += size
    }
  }
  for (let at = 0; at < best.length; at += 1) {
    for (const plain of [0x00, 0x61]) {
      const candidate = Buffer.from(best)
      candidate[at] = plain
      if (best[at] !== plain && best[at] !== 0x61 && stillBreaks(candidate)) best = candidate
    }
  }
  return best
}

/** Writes a finding into `directory`, under a name that its target and input give. Returns the path. */
export function writeFinding(directory: string, finding: Finding): string {
  const hash = createHash('sha256').update(finding.input).digest('hex').slice(0, 12)
  const path = join(directory, `${finding.target}-${hash}.json`)
  const { target, property, message, input } = finding
  const shown = {
    target,
    property,
    message: message.slice(0, LONGEST_MESSAGE),
    input: input.toString('base64'),
  }
  mkdirSync(directory, { recursive: true })
  writeFileSync(path, `${JSON.stringify(shown, null, 2)}\n`)
  return path
}

/**
 * Reads all findings of `directory`.
 *
 * @throws TypeError that names the file where one is no finding
 */
export function readFindings(directory: string): readonly (Finding & { readonly file: string })[] {
  const files = readdirSync(directory).filter((file) => file.endsWith('.json'))
  return files.sort().map((file) => {
    const read: unknown = JSON.parse(readFileSync(join(directory, file), 'utf8'))
    const texts = new Map(typeof read === 'object' && read !== null ? Object.entries(read) : [])
    const textOf = (name: string): string => {
      const value: unknown = texts.get(name)
      if (typeof value !== 'string') throw new TypeError(`${file}: "${name}" is no text`)
      return value
    }
    return {
      file,
      target: textOf('target'),
      property: textOf('property'),
      message: textOf('message'),
      input: Buffer.from(textOf('input'), 'base64'),
    }
  })
}
