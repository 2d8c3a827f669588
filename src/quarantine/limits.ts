/**
 * Every bound of the quarantine. Owns numbers and nothing else. What does not fit is not taken, and whoever asked is
 * told so: nothing that was kept ever makes room for something newer.
 */

/** Bounds of one quarantine. */
export interface QuarantineLimits {
  /** Messages that are kept at one time, released ones included until somebody deletes them. */
  readonly messages: number
  /** Octets of all messages that are kept. */
  readonly octets: number
  /** Messages that are known as released, whether they are still kept or not. */
  readonly released: number
}

/** The defaults. */
export const QUARANTINE_LIMITS: QuarantineLimits = {
  // A person looks through them. More are a flood, and a folder of more is slow in many file systems and tools.
  messages: 10_000,
  // A tenth of a small disk, which others need too; hundreds of the largest mails that most servers take. A single one
  // has no bound of its own: what is larger than this is not taken, and what is nearly so leaves no room for others.
  octets: 1_073_741_824,
  // By hand, one after the other. Their hashes are in memory: some 10 MB.
  released: 50_000,
}

/** Octets of one sidecar that are read: ours are below 4 KiB. */
export const MOST_SIDECAR_OCTETS = 65_536

/** Characters of one field of a sidecar. */
export const MOST_FIELD_CHARACTERS = 300

/** Octets of a message that are looked at for its sender and subject: real header sections are shorter. */
export const MOST_HEADER_OCTETS = 262_144

/** Hexadecimal digits of an id. Two messages with the same need 2^32 tries, and then are told apart by more digits. */
export const ID_DIGITS = 16

/** The fewest digits by which a message may be named. */
export const LEAST_ID_DIGITS = 4

/** How often a released message is looked for: a person who says `release` and then `fetch` is slower. */
export const LOOK_EVERY_MS = 1_000

/**
 * A folder that changed less than this before it was read may change again without a new time: file systems count in
 * steps of some milliseconds, old ones of two seconds.
 */
export const SETTLED_AFTER_MS = 2_500

/** What is left of a write that was cut off is removed after this, as Maildir has it: 36 hours. */
export const ABANDONED_AFTER_MS = 129_600_000
