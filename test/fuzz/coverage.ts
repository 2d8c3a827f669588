/**
 * Tells which code ran, by V8's block coverage. Owns the talk with the inspector; knows nothing of inputs.
 */
import { type Profiler, Session } from 'node:inspector'

// One session for the whole process, never stopped: functions that were compiled before coverage is started again
// are counted as a whole from then on, without their blocks.
let session: Session | null = null

function startedSession(): Session {
  if (session !== null) return session
  session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  return session
}

/** What has run so far of the scripts that are looked at, character by character. */
export class Coverage {
  readonly #session = startedSession()
  readonly #covers: readonly string[]
  readonly #scripts = new Map<string, Uint8Array>()
  #characters = 0
  #blocks = new Set<string>()

  /** @param covers parts of script paths; other scripts are not looked at */
  constructor(covers: readonly string[]) {
    this.#covers = covers
    this.reset()
  }

  /** Distinct blocks (functions and parts of them that V8 counts apart) that have run. */
  get blocks(): number {
    return this.#blocks.size
  }

  /** Characters of code that have run: what decides whether an input is new. */
  get characters(): number {
    return this.#characters
  }

  /** Forgets what ran since the last look. */
  reset(): void {
    this.#take()
  }

  /** Whether code ran since the last look that had never run before `keep` was last called. */
  sawNew(): boolean {
    return this.#mark(this.#take(), false) > 0
  }

  /** Counts what ran since the last look as known, and returns how many characters of it were new. */
  keep(): number {
    const fresh = this.#mark(this.#take(), true)
    this.#characters += fresh
    return fresh
  }

  /** The inspector of one's own process answers before `post` returns. */
  #take(): readonly Profiler.ScriptCoverage[] {
    let taken: readonly Profiler.ScriptCoverage[] | null = null
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error === null) taken = answer.result
    })
    if (taken === null) throw new Error('the inspector gave no coverage')
    const scripts: readonly Profiler.ScriptCoverage[] = taken
    return scripts.filter((script) => this.#covers.some((part) => script.url.includes(part)))
  }

  #mark(scripts: readonly Profiler.ScriptCoverage[], keeps: boolean): number {
    let fresh = 0
    for (const script of scripts) {
      const length = Math.max(0, ...script.functions.map((each) => each.ranges[0]?.endOffset ?? 0))
      let known = this.#scripts.get(script.url) ?? new Uint8Array(length)
      if (known.length < length) known = enlarged(known, length)
      const ran = new Uint8Array(length)
      // Ranges stand outermost first: what an inner one says overrides what its surroundings say.
      for (const { ranges } of script.functions) {
        for (const range of ranges) {
          ran.fill(range.count > 0 ? 1 : 0, range.startOffset, range.endOffset)
          if (keeps && range.count > 0)
            this.#blocks.add(`${script.url}:${range.startOffset}-${range.endOffset}`)
        }
      }
      for (let index = 0; index < length; index += 1) {
        if (ran[index] === 1 && known[index] !== 1) {
          fresh += 1
          if (keeps) known[index] = 1
        }
      }
      if (keeps) this.#scripts.set(script.url, known)
    }
    return fresh
  }
}

function enlarged(known: Uint8Array, length: number): Uint8Array {
  const larger = new Uint8Array(length)
  larger.set(known)
  return larger
}
