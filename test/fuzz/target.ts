/**
 * What can be fuzzed: a target takes octets, runs the code with them and says which promise broke. Knows nothing
 * of how inputs are found.
 */

/** One way of running the code with octets. */
export interface FuzzTarget {
  /** Names the target on the command line and in findings. */
  readonly name: string
  /** Inputs to begin with. */
  readonly seeds: readonly Buffer[]
  /** Parts of paths: coverage of scripts whose path has one of them guides the search. */
  readonly covers: readonly string[]
  /**
   * Runs the code with one input. The same input must do the same each time.
   *
   * @throws Violation where a promise is broken; any other error counts as broken "never throws"
   */
  run(input: Buffer): void
}

/** A promise that an input broke. */
export class Violation extends Error {
  readonly property: string

  constructor(property: string, message: string) {
    super(message)
    this.name = 'Violation'
    this.property = property
  }
}

/** Throws the violation of `property` unless it holds. `message` is made only where it is needed. */
export function demand(holds: boolean, property: string, message: () => string): void {
  if (!holds) throw new Violation(property, message())
}

/** Runs a target once; what it throws becomes a violation. */
export function violationOf(target: FuzzTarget, input: Buffer): Violation | null {
  try {
    target.run(input)
    return null
  } catch (error) {
    if (error instanceof Violation) return error
    return new Violation(
      'never throws',
      error instanceof Error ? (error.stack ?? error.message) : String(error),
    )
  }
}
