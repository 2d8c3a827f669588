/**
 * The one question that judges answer. Who asks knows a name and gets an answer within the judge's time, or why there
 * is none.
 */
import type { MessageSource } from '../mail/source.js'
import type { JudgeAnswers } from '../rules/verdict.js'

/** What a judge may know of the session that a message is fetched in. Texts are harmless. */
export interface JudgedSession {
  readonly session: string
  /** Address of the client, without port. */
  readonly client: string
  readonly user: string | null
  readonly service: string
}

/** All judges of a rule set. */
export interface Judges {
  /**
   * Asks judges about a message, all at the same time.
   *
   * @param names of the rule set's judges
   * @param message readable until there is an answer; what is not in memory is never all of it there
   * @returns an answer, or a failure in words, for each name. Never rejects.
   */
  ask(names: readonly string[], message: MessageSource, about: JudgedSession): Promise<JudgeAnswers>
  /** Ends all connections and processes; questions under way fail. */
  close(): void
}
