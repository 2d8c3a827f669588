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
  /** What verifying the signatures of one message may cost. */
  readonly signatures: SignatureLimits
}

/** The bounds of verifying signatures. Beyond those of the message, none of its signatures is valid. */
export interface SignatureLimits {
  /** Octets of a header section. */
  readonly headerOctets: number
  readonly headerFields: number
  /** DKIM-Signature fields. */
  readonly signatures: number
  /** ARC-Seal fields, each of which is the end of a set. */
  readonly seals: number
  /** Octets of one field that is or belongs to a signature. */
  readonly fieldOctets: number
  /** Octets of one key record. */
  readonly keyOctets: number
  /** How long one name server is waited for the first time; longer each time it is asked again. */
  readonly lookupMs: number
  readonly lookupTries: number
  /** Octets of a body that are hashed at one time, so that others get a turn. */
  readonly pieceOctets: number
}

/** The defaults, which nothing but tests changes. */
export const JUDGE_LIMITS: JudgeLimits = {
  // Each keeps its message, in memory or in an open file, and whoever waits behind so many gets no answer in time anyway.
  mostWaiting: 100,
  // About a kilobyte each: ten megabytes, and more messages than a large maildrop lists in one poll.
  cachedAnswers: 10_000,
  // Ten thousand answers, and as many messages as may be held at one time.
  cachedOctets: 77_594_624,
  // Signatures and statistics of judges change within hours, keys of signers within days; clients poll every few minutes.
  cachedMs: 3_600_000,
  // rspamd tells of each symbol with description and options: some kilobytes. Nothing honest needs more.
  answerOctets: 1_048_576,
  // Only first lines are kept; a program that writes more than this is not a judge but a copier.
  outputOctets: 1_048_576,
  // As large as the largest message that a session may hold in memory.
  writtenMessageOctets: 67_108_864,
  // What it wrote is in the pipe already; only somebody that left its group can keep the pipe open.
  outputMs: 500,
  signatures: {
    // As much as is read of a message for fields of rules.
    headerOctets: 262_144,
    headerFields: 1_000,
    // Real mail has up to three, lists some more. rspamd verifies five.
    signatures: 10,
    // RFC 8617 §4.2.1 allows 50; ten hops are a long way. Each seal costs a look-up and a verification.
    seals: 20,
    // A key of 4,096 bits makes a field of one kilobyte, and the longest lists of fields another one. mailauth's
    // patterns cost the square of it: this stays below a tenth of a second.
    fieldOctets: 8_192,
    // A key of 8,192 bits has 1,400.
    keyOctets: 2_048,
    // With two tries a dead name server costs some eight seconds, less than half of the default budget.
    lookupMs: 2_500,
    lookupTries: 2,
    // Each takes a millisecond, 16 MiB of mail some 0.2 s in all, ten times that where ten signatures sign other lengths.
    // A line is never cut: one of 16 MiB is hashed within a tenth of a second, in which nobody else has a turn.
    pieceOctets: 65_536,
  },
}

/** Longest password or token, in characters: more is no secret but a mistaken path. */
export const SECRET_CHARACTERS = 4_096

/** Longest verdict, in code points: actions of rspamd have two words. */
export const VERDICT_CODE_POINTS = 64

/** Longest finding, in code points: a line of a log. */
export const FINDING_CODE_POINTS = 512

/** Longest quotation of what a judge said within the text of a failure, in code points. */
export const QUOTED_CODE_POINTS = 200
