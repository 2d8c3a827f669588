/**
 * Every word of the filter language with its meaning: fields, constants and functions. The one table that the type
 * check, completion, help and the README are made of. What is not in it cannot be said in a filter.
 */
import type { Fields } from './fields.js'

/** What a field holds. `numbers` is a table of them. */
export type FieldType = 'text' | 'number' | 'yes or no' | 'table' | 'numbers' | 'list'

/** A field for people: its type, what it is of, and its meaning in one line. */
export interface FieldFacts {
  readonly type: FieldType
  readonly of: 'session' | 'event' | 'message'
  readonly meaning: string
}

/** All fields, in the order in which help shows them. */
export const FIELD_FACTS: Readonly<Record<keyof Fields, FieldFacts>> = {
  session: { type: 'text', of: 'session', meaning: 'identifier of the session' },
  service: { type: 'text', of: 'session', meaning: 'name of the service in the configuration' },
  listener: { type: 'text', of: 'session', meaning: 'address that the client connected to' },
  client: { type: 'text', of: 'session', meaning: 'address and port of the client' },
  server: { type: 'text', of: 'session', meaning: 'address of the server' },
  user: { type: 'text', of: 'session', meaning: 'name of the user' },
  mechanism: { type: 'text', of: 'session', meaning: 'how the client logged in, such as USER or PLAIN' },
  state: { type: 'text', of: 'session', meaning: 'CONNECTING, AUTHORIZATION, TRANSACTION, UPDATE or CLOSED' },
  client_tls: { type: 'text', of: 'session', meaning: 'TLS version toward the client, empty for none' },
  server_tls: { type: 'text', of: 'session', meaning: 'TLS version toward the server, empty for none' },
  commands: { type: 'number', of: 'session', meaning: 'commands so far' },
  messages: { type: 'number', of: 'session', meaning: 'messages fetched whole' },
  errors: { type: 'number', of: 'session', meaning: '-ERR replies, refused logins and failures' },
  anomalies: { type: 'number', of: 'session', meaning: 'departures from the protocol, of either side' },
  octets: { type: 'number', of: 'session', meaning: 'octets toward the client' },
  duration: {
    type: 'number',
    of: 'session',
    meaning: 'milliseconds from its begin to its end, or until now',
  },
  is_open: { type: 'yes or no', of: 'session', meaning: 'the session has not ended' },
  is_held: { type: 'yes or no', of: 'session', meaning: 'something of it waits at a breakpoint' },
  reason: { type: 'text', of: 'session', meaning: 'why it ended' },
  code: { type: 'text', of: 'session', meaning: 'code of its failure' },
  type: { type: 'text', of: 'event', meaning: 'type of the event, such as command, reply or message' },
  command: {
    type: 'text',
    of: 'event',
    meaning: 'verb in upper case, of a command, its reply and its content',
  },
  argument: { type: 'text', of: 'event', meaning: 'what stands behind the verb, credentials redacted' },
  indicator: { type: 'text', of: 'event', meaning: '+OK or -ERR' },
  response_code: { type: 'text', of: 'event', meaning: 'such as IN-USE or SYS/TEMP' },
  text: { type: 'text', of: 'event', meaning: 'what the status line says behind its indicator' },
  anomaly: { type: 'text', of: 'event', meaning: 'name of the anomaly' },
  side: { type: 'text', of: 'event', meaning: 'client or server' },
  after: { type: 'number', of: 'event', meaning: 'milliseconds from the command' },
  rule: { type: 'text', of: 'event', meaning: 'name of the rule that it tells of' },
  action: { type: 'text', of: 'event', meaning: 'what the rule did, in the words of the rule file' },
  number: { type: 'number', of: 'message', meaning: 'message-number' },
  unique_id: { type: 'text', of: 'message', meaning: 'unique-id' },
  size: { type: 'number', of: 'message', meaning: "octets of the message, or of a reply's content" },
  subject: { type: 'text', of: 'message', meaning: 'Subject, decoded' },
  from: { type: 'text', of: 'message', meaning: 'From, decoded' },
  to: { type: 'text', of: 'message', meaning: 'To, decoded' },
  date: { type: 'text', of: 'message', meaning: 'Date, as written' },
  header: { type: 'table', of: 'message', meaning: 'the first field of each name: header["x-spam"]' },
  raw_header: { type: 'table', of: 'message', meaning: 'the same as written: raw_header["subject"]' },
  attachments: { type: 'list', of: 'message', meaning: 'each with name, type, size, files and more' },
  body: { type: 'text', of: 'message', meaning: 'text of its text parts, decoded, the first 256 KiB' },
  verdict: { type: 'table', of: 'message', meaning: 'what a judge says: verdict.clamd == "infected"' },
  score: { type: 'numbers', of: 'message', meaning: 'the score that a judge gives: score.rspamd > 5' },
  finding: { type: 'table', of: 'message', meaning: 'what a judge found, such as the name of a virus' },
}

/** What stands behind the dot after an element of `attachments`: its type and its meaning in one line. */
export const ATTACHMENT_FACTS = {
  name: { type: 'text', meaning: 'file name, empty where it has none' },
  other_name: { type: 'text', meaning: 'the name of its Content-Type, where that is another one' },
  type: { type: 'text', meaning: 'media type, such as application/pdf' },
  size: { type: 'number', meaning: 'octets, decoded' },
  files: { type: 'list', meaning: 'names of the files in a ZIP archive, whatever it is called' },
  is_unlisted: { type: 'yes or no', meaning: 'it is a ZIP archive whose names cannot all be read' },
} as const satisfies Readonly<Record<string, Omit<FieldFacts, 'of'>>>

/** Names of what an attachment has. */
export const ATTACHMENT_NAMES: readonly string[] = Object.keys(ATTACHMENT_FACTS)

/** What stands behind the name of a number, a text, a table or a list. */
export interface WordFacts {
  /** How it is written. */
  readonly usage: string
  readonly meaning: string
}

/** Units for octets: `size > 2 * MB`. Thousands without `i`, 1,024 with it. */
export const CONSTANTS: ReadonlyMap<string, number> = new Map([
  ['KB', 1_000],
  ['MB', 1_000_000],
  ['GB', 1_000_000_000],
  ['KiB', 1_024],
  ['MiB', 1_048_576],
  ['GiB', 1_073_741_824],
])

/** Functions that stand behind a dot: `user.endsWith("x")`. */
export const METHODS: ReadonlyMap<string, WordFacts> = new Map([
  ['contains', { usage: 'user.contains("ali")', meaning: 'the text has this within it' }],
  ['startsWith', { usage: 'client.startsWith("10.")', meaning: 'the text begins so' }],
  ['endsWith', { usage: 'user.endsWith("@example.org")', meaning: 'the text ends so' }],
  ['matches', { usage: 'subject.matches("(?i)invoice")', meaning: 'a pattern (RE2) is found in the text' }],
  ['lowerAscii', { usage: 'user.lowerAscii() == "alice"', meaning: 'the text in lower case' }],
  ['upperAscii', { usage: 'user.upperAscii() == "ALICE"', meaning: 'the text in upper case' }],
  ['size', { usage: 'attachments.size() > 1', meaning: 'how many elements or characters' }],
  [
    'exists',
    { usage: 'attachments.exists(a, a.name.endsWith(".exe"))', meaning: 'it holds for one at least' },
  ],
  ['exists_one', { usage: 'attachments.exists_one(a, a.size > MB)', meaning: 'it holds for exactly one' }],
  ['all', { usage: 'attachments.all(a, a.type == "text/plain")', meaning: 'it holds for each' }],
])

/** Functions that stand by themselves. */
export const FUNCTIONS: ReadonlyMap<string, WordFacts> = new Map([
  ['inNetwork', { usage: 'inNetwork(client, "10.0.0.0/8")', meaning: 'the address is of the network' }],
  ['known', { usage: 'known(user)', meaning: 'the field has a value here' }],
  ['size', { usage: 'size(attachments) > 1', meaning: 'how many elements or characters' }],
])

/** The methods that bring a name of their own for each element. */
export const MACROS: ReadonlySet<string> = new Set(['exists', 'exists_one', 'all'])

/** Fields that are read from a message itself: whoever evaluates them needs its content. */
export const MAIL_FIELDS = [
  'subject',
  'from',
  'to',
  'date',
  'header',
  'raw_header',
  'attachments',
  'body',
] as const satisfies readonly (keyof Fields)[]

/** Tables by name of a judge, which is always written out: who asks must know before whom to ask. */
export const JUDGE_FIELDS = ['verdict', 'score', 'finding'] as const satisfies readonly (keyof Fields)[]

/** Names of all fields. */
export const FIELD_NAMES: readonly (keyof Fields)[] = Object.keys(FIELD_FACTS).filter(isField)

/** Tells whether a name is a field. */
export function isField(name: string): name is keyof Fields {
  return Object.hasOwn(FIELD_FACTS, name)
}
