/**
 * Every bound on rule files and on what rules do. Owns numbers and nothing else: a rule file is written by a person
 * who is trusted, what its rules meet is not.
 */

/** Characters of one rule file. Ten thousand lines are no file that a person keeps in order. */
export const FILE_CHARACTERS = 1_048_576

/** Rules of all files: each is asked of each message, in some microseconds. */
export const MOST_RULES = 1_000

/** Judges of all files. */
export const MOST_JUDGES = 32

/** Actions of one rule. */
export const MOST_ACTIONS = 20

/** Characters of a rule's name, which stands in log lines and on narrow screens. */
export const NAME_CHARACTERS = 80

/** Characters of a text in a rule file that becomes a header field, a tag or a status line. */
export const TEXT_CHARACTERS = 1_000

/** Characters of a text in a rule file that becomes the text of a message. */
export const NOTICE_CHARACTERS = 16_384

/** File names, types or lines of one action. */
export const MOST_ITEMS = 200

/** Code points of a value that is put into a text: a subject may be as long as a page. */
export const VALUE_CODE_POINTS = 200

/** Code points of a text for a status line; a response line has at most 512 octets. RFC 2449 §4. */
export const STATUS_CODE_POINTS = 400

/** Code points of the reason that a hit tells. */
export const REASON_CODE_POINTS = 400

/** Milliseconds of one delay, and of all delays of one command: clients wait a minute or two for a reply. */
export const MOST_DELAY_MS = 60_000

/** Octets a second of a leg that is slow on purpose; one octet each ten seconds would be no test but a hang. */
export const THROTTLE = { least: 10, most: 1_073_741_824 } as const

/** Octets of a reply that is cut off on purpose. */
export const CUT_OFF = { least: 1, most: 1_073_741_824 } as const

/** One damaged octet in so many. */
export const CORRUPT = { least: 2, most: 1_000_000_000 } as const

/** Characters of one capability line; a line has at most 512 octets. RFC 2449 §3. */
export const CAPABILITY_CHARACTERS = 510

/** Milliseconds between two logins of one user. Nobody waits longer than a day for mail. */
export const LOGIN_EVERY = { least: 1_000, most: 86_400_000 } as const

/** Milliseconds that judges may take: no client waits longer, kept alive or not. */
export const BUDGET_MS = { least: 100, most: 600_000, default: 20_000 } as const

/** Questions to one judge at one time. */
export const AT_ONCE = { least: 1, most: 100, default: 4 } as const

/** Octets of the largest message that a judge is asked about. clamd's own default is 25 MiB. */
export const JUDGED_OCTETS = { least: 1_024, most: 1_073_741_824, default: 26_214_400 } as const

/** Milliseconds that a message may be kept on the server: ten years are for ever. */
export const KEEP_MS = { least: 1_000, most: 315_360_000_000 } as const
