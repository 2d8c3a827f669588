/**
 * Every bound of what judges may cost and say, with its reason. Owns numbers and nothing else.
 */

/** The bounds of the judges of one rule set. Counts are in octets, code points or items, times in milliseconds. */
export interface JudgeLimits {
  /** Questions of one judge that wait for a place; one more fails at once. */
  readonly mostWaiting: number
  /** Answers that are remembered, of all judges together. */
  readonly cachedAnswers: number
  /** Memory that they may take, outputs of programs included. */
  readonly cachedOctets: number
  /** How long an answer is remembered. */
  readonly cachedMs: number
  /** Largest answer that is read of any judge. */
  readonly answerOctets: number
  /** Largest output of a program on stdout and stderr together; one that writes more is killed. */
  readonly outputOctets: number
  /** Largest message that a program may write in the place of one that does not lie in memory; it is kept there itself. */
  readonly writtenMessageOctets: number
  /** How long the output of a program is read on once it has ended and its process group was killed. */
  readonly outputMs: number
}

/** The defaults, which nothing but tests changes. */
export const JUDGE_LIMITS: JudgeLimits = {
  // Each keeps its message, in memory or in an open file, and whoever waits behind so many gets no answer in time anyway.
  mostWaiting: 100,
  // About a kilobyte each: ten megabytes, and more messages than a large maildrop lists in one poll.
  cachedAnswers: 10_000,
  // Ten thousand answers, and as many messages as may be held at one time.
  cachedOctets: 77_594_624,
  // Signatures and statistics of judges change within hours; clients poll every few minutes.
  cachedMs: 3_600_000,
  // rspamd tells of each symbol with description and options: some kilobytes. Nothing honest needs more.
  answerOctets: 1_048_576,
  // Only first lines are kept; a program that writes more than this is not a judge but a copier.
  outputOctets: 1_048_576,
  // As large as the largest message that a session may hold in memory.
  writtenMessageOctets: 67_108_864,
  // What it wrote is in the pipe already; only somebody that left its group can keep the pipe open.
  outputMs: 500,
}

/** Longest password or token, in characters: more is no secret but a mistaken path. */
export const SECRET_CHARACTERS = 4_096

/** Longest verdict, in code points: actions of rspamd have two words. */
export const VERDICT_CODE_POINTS = 64

/** Longest finding, in code points: a line of a log. */
export const FINDING_CODE_POINTS = 512

/** Longest quotation of what a judge said within the text of a failure, in code points. */
export const QUOTED_CODE_POINTS = 200
