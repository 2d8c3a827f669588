/**
 * The shape of a rule file: every key, what may stand there, and the sentence that an editor shows for it. Owns the
 * checks of one value at a time; what depends on other values is in `checked-rule.ts`. Error messages of this schema
 * are the text after "expected".
 */
import { isIP } from 'node:net'
import * as z from 'zod'
import { nearest } from '../config/problem.js'
import { mapping } from '../config/schema.js'
import { formatDuration, formatOctets, parseDuration, parseOctets } from '../config/units.js'
import { parseHost } from '../config/url.js'
import { FilterError, parseCondition } from '../expression/filter.js'
import { compilePattern, type Pattern, PatternError } from '../expression/pattern.js'
import { ACTION_FACTS, type ActionType, type IsMeant } from './action.js'
import { type AttachmentWish, attachmentMatch } from './attachment-match.js'
import type { JudgeAddress, NameServer } from './judge-settings.js'
import {
  AT_ONCE,
  BUDGET_MS,
  CAPABILITY_CHARACTERS,
  CORRUPT,
  CUT_OFF,
  JUDGED_OCTETS,
  KEEP_MS,
  LOGIN_EVERY,
  MOST_ACTIONS,
  MOST_DELAY_MS,
  MOST_ITEMS,
  NAME_CHARACTERS,
  NOTICE_CHARACTERS,
  TEXT_CHARACTERS,
  THROTTLE,
} from './limits.js'
import { parseTemplate, TemplateError } from './template.js'

const DAY_MS = 86_400_000
const DNS_PORT = 53

/** What is put behind the name of an attachment. */
export const DEFAULT_SUFFIX = '.blocked'

/** Names of judges: also the keys behind `verdict.`. */
export const JUDGE_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,39}$/

/** Makes a value out of a text; the function throws or returns null where it cannot. */
function read<Value>(
  parse: (text: string) => Value | null,
  expected: string,
  examples: readonly string[] = [],
) {
  return z
    .string({ error: expected })
    .meta({ examples: [...examples] })
    .transform((text, context) => {
      const [value, message] = attempt(parse, text, expected)
      if (value !== null) return value
      context.addIssue({ code: 'custom', message })
      return z.NEVER
    })
}

function attempt<Value>(
  parse: (text: string) => Value | null,
  text: string,
  expected: string,
): readonly [Value | null, string] {
  try {
    return [parse(text), expected]
  } catch (error) {
    if (error instanceof TemplateError) return [null, error.message]
    if (error instanceof PatternError) return [null, `a pattern (${error.message})`]
    if (error instanceof FilterError) {
      return [null, `a condition (column ${error.column + 1}: ${error.message})`]
    }
    throw error
  }
}

// C0 and DEL would be lines or worse in a header field; they have no meaning in any text of a rule.
const CONTROLS = /\p{Cc}/u
const CONTROLS_BUT_LINES = /[^\P{Cc}\n\t]/u

function isOneLine(text: string, most: number = TEXT_CHARACTERS): boolean {
  return text !== '' && text.length <= most && !CONTROLS.test(text)
}

/** One line with placeholders. */
function template(what: string, examples: readonly string[] = []) {
  const expected = `${what}: one line of 1 to ${TEXT_CHARACTERS} characters`
  return read((text) => (isOneLine(text) ? parseTemplate(text) : null), expected, examples)
}

/** Lines with placeholders. */
function longTemplate(what: string) {
  const expected = `${what}: 1 to ${NOTICE_CHARACTERS} characters`
  return read((text) => {
    const isFit = text !== '' && text.length <= NOTICE_CHARACTERS && !CONTROLS_BUT_LINES.test(text)
    return isFit ? parseTemplate(text) : null
  }, expected)
}

function line(what: string, examples: readonly string[] = []) {
  const expected = `${what}: one line of 1 to ${TEXT_CHARACTERS} characters`
  return read((text) => (isOneLine(text) ? text : null), expected, examples)
}

function listOf<Item extends z.ZodType>(item: Item, what: string) {
  const expected = `a list of 1 to ${MOST_ITEMS} ${what}`
  return z.array(item, { error: expected }).min(1, { error: expected }).max(MOST_ITEMS, { error: expected })
}

function duration(least: number, most: number, spell: (ms: number) => string, example: string) {
  const expected = `a duration such as ${example}, from ${spell(least)} to ${spell(most)}`
  const parse = (text: string) => {
    const days = /^([0-9]{1,4}) ?d$/.exec(text)?.[1]
    const ms = days === undefined ? parseDuration(text) : Number(days) * DAY_MS
    return ms !== null && ms >= least && ms <= most ? ms : null
  }
  return read(parse, expected, [example])
}

const budget = duration(BUDGET_MS.least, BUDGET_MS.most, formatDuration, '20s')

const largest = octets(JUDGED_OCTETS.least, JUDGED_OCTETS.most, '25MiB', 'octets')

const addressExpected =
  'HOST:PORT such as 127.0.0.1:3310 or [::1]:3310, or the path of a socket that begins with /'
const address = read(parseAddress, addressExpected, ['127.0.0.1:3310', '/run/clamav/clamd.ctl'])

function parseAddress(text: string): JudgeAddress | null {
  if (text.startsWith('/')) return isOneLine(text, 100) ? { path: text } : null
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):([0-9]{1,5})$/.exec(text) ?? []
  const host = parseHost(bracketed ?? plain ?? '')
  const port = Number(digits)
  return host !== null && port >= 1 && port <= 65_535 ? { host, port } : null
}

const nameServer = read(
  parseNameServer,
  'an IP address, or one with a port, such as 192.0.2.53, 127.0.0.1:5353 or [::1]:5353',
  ['192.0.2.53', '[::1]:5353'],
)

function parseNameServer(text: string): NameServer | null {
  if (isIP(text) !== 0) return { host: text, port: DNS_PORT }
  const address = parseAddress(text)
  return address !== null && 'host' in address && isIP(address.host) !== 0 ? address : null
}

const url = read(parseHttpUrl, 'a URL that begins with http:// or https://', ['http://127.0.0.1:11333'])

function parseHttpUrl(text: string): string | null {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text) || CONTROLS.test(text)) return null
  return new URL(text).href.replace(/^(https?:\/\/[^/]+)\/$/, '$1')
}

const sharedOfJudges = {
  budget: budget
    .describe(
      `How long one answer may take, waiting for a place included. Default ${formatDuration(BUDGET_MS.default)}.`,
    )
    .optional(),
  'at-once': z
    .int({ error: `a whole number from ${AT_ONCE.least} to ${AT_ONCE.most}` })
    .min(AT_ONCE.least, { error: `a whole number from ${AT_ONCE.least} to ${AT_ONCE.most}` })
    .max(AT_ONCE.most, { error: `a whole number from ${AT_ONCE.least} to ${AT_ONCE.most}` })
    .describe(`Questions at one time; others wait. Default ${AT_ONCE.default}.`)
    .optional(),
  largest: largest
    .describe(
      `The largest message that it is asked about, up to ${formatOctets(JUDGED_OCTETS.most)}; of a larger one it fails. Default ${formatOctets(JUDGED_OCTETS.default)}.`,
    )
    .optional(),
}

const HEADER_NAME = /^[\x21-\x39\x3b-\x7e]{1,76}$/
const headerName = read((text) => (HEADER_NAME.test(text) ? text : null), 'the name of a header field', [
  'X-Postern',
])

/** What must not stand in a rule file that others may read can stand in a file or a variable. */
function secret(what: string) {
  const path = 'the absolute path of a file'
  const variable = 'the name of an environment variable'
  const expected = `${what}, {file: ${path}} or {env: ${variable}}`
  const elsewhere = mapping({
    file: read((text) => (isOneLine(text) && text.startsWith('/') ? text : null), path, [
      '/etc/postern/rspamd.password',
    ]).optional(),
    env: read((text) => (/^[A-Za-z_][A-Za-z0-9_]{0,99}$/.test(text) ? text : null), variable, [
      'RSPAMD_PASSWORD',
    ]).optional(),
  }).transform(({ file, env }, context) => {
    if (file !== undefined && env === undefined) return { file }
    if (env !== undefined && file === undefined) return { env }
    // An unknown key has its own message.
    if (context.issues.length === 0) context.addIssue({ code: 'custom', message: expected })
    return z.NEVER
  })
  return z.union([line(what), elsewhere.describe('Where it stands; read for each question.')], {
    error: expected,
  })
}

/** One judge of a rule file. */
export const judgeSchema = z
  .discriminatedUnion(
    'type',
    [
      mapping({ type: z.literal('clamd'), address, ...sharedOfJudges }).describe(
        'ClamAV. Verdict clean or infected; finding is the name of the signature.',
      ),
      mapping({
        type: z.literal('rspamd'),
        url,
        password: secret('a password').describe('Sent as the header field Password.').optional(),
        ...sharedOfJudges,
      }).describe('rspamd. Verdict is its action, clean for none; score; finding are the symbols.'),
      mapping({
        type: z.literal('spamd'),
        address,
        user: line('the name of a user').describe('Whose settings it applies.').optional(),
        ...sharedOfJudges,
      }).describe('SpamAssassin. Verdict clean or spam; score; finding are the tests.'),
      mapping({
        type: z.literal('http'),
        url,
        headers: z
          .record(headerName, secret('the value of a header field'), { error: 'a mapping of header fields' })
          .describe('Header fields of the request.')
          .optional(),
        ...sharedOfJudges,
      }).describe('Any service: gets the message by POST, answers JSON with verdict, score and finding.'),
      mapping({
        type: z.literal('command'),
        run: listOf(line('a program or an argument'), 'texts: the program, then its arguments'),
        writes: z
          .enum(['finding', 'message'])
          .describe(
            'What it writes on stdout: a line that says what it found, or a message for take-output. Default finding.',
          )
          .meta({ default: 'finding' })
          .optional(),
        ...sharedOfJudges,
      }).describe('Any program: the message on stdin; exit status 0 is clean, 1 is bad, others fail.'),
      mapping({
        type: z.literal('signatures'),
        dns: listOf(nameServer, 'name servers')
          .describe('Name servers that keys are looked up at. Default those of the system.')
          .optional(),
        ...sharedOfJudges,
      }).describe(
        'Verifies DKIM and ARC. Verdict pass, unaligned, fail or none; finding is the result of each signature.',
      ),
    ],
    { error: 'a mapping with type: one of clamd, rspamd, spamd, http, command, signatures' },
  )
  .describe('Who is asked about messages.')

const attachments = {
  names: listOf(line('a file name'), 'file names, such as "*.exe"')
    .describe('File names, in any case; * is any text, ? one character.')
    .optional(),
  pattern: z
    .string({ error: 'a pattern' })
    .describe('A pattern (RE2) that is found in the file name.')
    .optional(),
  types: listOf(line('a media type'), 'media types, such as "application/*"')
    .describe('Media types, in any case; * is any text.')
    .optional(),
}

/** Makes the question which attachments are meant. */
function meantBy(wish: AttachmentWish, context: z.RefinementCtx): IsMeant {
  try {
    return attachmentMatch(wish)
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    context.addIssue({ code: 'custom', message: `names and a pattern that are possible (${error.message})` })
    return z.NEVER
  }
}

function wordOr<Schema extends z.ZodType>(schema: Schema, expected: string) {
  return z.union([z.null(), schema], { error: expected })
}

const headerField = (valueMeaning: string) =>
  mapping({
    name: headerName,
    value: template('a value', ['external, score {score.rspamd}']).describe(valueMeaning),
  })

const replacePattern = read<Pattern>((text) => {
  const pattern = compilePattern(text)
  if (pattern.isIn('')) throw new PatternError('it must not find nothing; use `+` where there is `*`')
  return pattern
}, 'a pattern')

const noticeText = longTemplate('a text')

const CODE = /^[\x21-\x2e\x30-\x5c\x5e-\x7e]+(?:\/[\x21-\x2e\x30-\x5c\x5e-\x7e]+)*$/
const responseCode = read(
  (text) => (text.length <= 40 && CODE.test(text) ? text : null),
  'a response code such as SYS/PERM',
  ['SYS/TEMP'],
)

/** RFC 2449 §3: a tag, and parameters behind single blanks, all of printable ASCII. */
const CAPABILITY = /^[\x21-\x2d\x2f-\x7e][\x21-\x7e]*(?: [\x21-\x7e]+)*$/
const CAPABILITY_TAG = /^[\x21-\x2d\x2f-\x7e][\x21-\x7e]*$/
const capability = read(
  (text) => (text.length <= CAPABILITY_CHARACTERS && CAPABILITY.test(text) ? text : null),
  'a capability line: a tag, and parameters behind single blanks',
  ['EXPIRE 7'],
)
const CORRUPT_EXPECTED = `a whole number from ${CORRUPT.least} to ${CORRUPT.most}: one octet in so many is damaged`

function octets(least: number, most: number, example: string, unit: string) {
  const expected = `a number of ${unit} such as ${example}, from ${formatOctets(least)} to ${formatOctets(most)}`
  return z
    .union([z.int(), z.string()], { error: expected })
    .meta({ examples: [example] })
    .transform((value, context) => {
      const amount = typeof value === 'string' ? parseOctets(value) : value
      if (amount !== null && amount >= least && amount <= most) return amount
      context.addIssue({ code: 'custom', message: expected })
      return z.NEVER
    })
}

const PARAMETERS = {
  'add-header': headerField('The text of the field.'),
  'set-header': headerField('The text of the field.'),
  'remove-header': headerName.describe('The name of the fields.'),
  'tag-subject': template('a tag', ['[external]']),
  'replace-text': mapping({
    pattern: replacePattern.describe('A pattern (RE2), applied to each line.'),
    with: read(
      (text) => (text.length <= TEXT_CHARACTERS && !CONTROLS.test(text) ? parseTemplate(text) : null),
      `one line of at most ${TEXT_CHARACTERS} characters`,
    ).describe('What stands in its place: $1 is the first group, $0 all of it, $$ a dollar.'),
  }),
  'strip-attachments': wordOr(
    mapping({
      ...attachments,
      text: noticeText.describe('What stands in their place.').optional(),
    }).transform((wish, context) => ({ ...wish, isMeant: meantBy(wish, context) })),
    'nothing, or a mapping with names, pattern, types, text',
  ),
  'rename-attachments': wordOr(
    mapping({
      ...attachments,
      suffix: read(
        (text) => (/^[A-Za-z0-9._-]{1,40}$/.test(text) ? text : null),
        'letters, digits, ".", "_" and "-", at most 40 of them',
        ['.blocked'],
      )
        .describe(`What is put behind the name. Default ${DEFAULT_SUFFIX}.`)
        .optional(),
    }).transform((wish, context) => ({ ...wish, isMeant: meantBy(wish, context) })),
    'nothing, or a mapping with names, pattern, types, suffix',
  ),
  'disarm-links': z.null({ error: 'nothing behind it' }),
  notice: z.union([noticeText, mapping({ text: noticeText })], { error: 'a text, or a mapping with text' }),
  'take-output': z
    .string({ error: 'the name of a judge' })
    .regex(JUDGE_NAME, { error: 'the name of a judge' })
    .meta({ examples: ['script'] }),
  hide: z.null({ error: 'nothing behind it' }),
  quarantine: wordOr(
    mapping({
      // biome-ignore lint/suspicious/noThenProperty: a key of rule files, nothing to be awaited
      then: z
        .enum(['notice', 'hide'])
        .describe('What the client sees in its place. Default notice.')
        .meta({ default: 'notice' })
        .optional(),
      text: noticeText.describe('Text of the notice.').optional(),
    }),
    'nothing, or a mapping with then, text',
  ),
  'keep-on-server': wordOr(
    mapping({
      for: duration(
        KEEP_MS.least,
        KEEP_MS.most,
        (ms) => (ms < DAY_MS ? formatDuration(ms) : `${ms / DAY_MS}d`),
        '7d',
      )
        .describe('How old a message is when it may be deleted. Without it, never.')
        .optional(),
    }),
    'nothing, or a mapping with for',
  ),
  mark: z.union([template('a text'), mapping({ text: template('a text') })], {
    error: 'a text, or a mapping with text',
  }),
  log: z.null({ error: 'nothing behind it' }),
  notify: z.union([url, mapping({ url })], { error: 'a URL, or a mapping with url' }),
  refuse: z.union(
    [
      template('a text'),
      mapping({
        text: template('a text').describe('What stands behind -ERR.'),
        code: responseCode.describe('Response code, without brackets. RFC 2449, RFC 3206.').optional(),
      }),
    ],
    { error: 'a text, or a mapping with text and code' },
  ),
  answer: z.union(
    [
      template('a text'),
      mapping({
        text: template('a text').describe('What stands behind +OK.'),
        lines: z
          .array(template('a line'), { error: 'a list of lines' })
          .max(MOST_ITEMS, { error: `at most ${MOST_ITEMS} lines` })
          .describe('Lines of a multi-line response.')
          .optional(),
      }),
    ],
    { error: 'a text, or a mapping with text and lines' },
  ),
  close: z.null({ error: 'nothing behind it' }),
  delay: duration(1, MOST_DELAY_MS, formatDuration, '5s'),
  'set-argument': template('an argument', ['1 0']),
  capabilities: mapping({
    add: listOf(capability, 'capability lines, such as "EXPIRE 7"')
      .describe('Lines that are added.')
      .optional(),
    remove: listOf(
      read((text) => (CAPABILITY_TAG.test(text) ? text : null), 'a capability tag', ['PIPELINING']),
      'capability tags, such as PIPELINING',
    )
      .describe('Tags of lines that are taken away.')
      .optional(),
  }),
  greeting: template('a text', ['mail of example.org']),
  'limit-logins': duration(LOGIN_EVERY.least, LOGIN_EVERY.most, formatDuration, '5min'),
  throttle: octets(THROTTLE.least, THROTTLE.most, '10KiB', 'octets a second'),
  'cut-off': octets(CUT_OFF.least, CUT_OFF.most, '2KiB', 'octets'),
  corrupt: z
    .int({ error: CORRUPT_EXPECTED })
    .min(CORRUPT.least, { error: CORRUPT_EXPECTED })
    .max(CORRUPT.most, { error: CORRUPT_EXPECTED }),
} as const satisfies Readonly<Record<ActionType, z.ZodType>>

const TYPES: readonly string[] = Object.keys(PARAMETERS)
/** Actions that may stand as a word alone. */
const WORDS: readonly string[] = Object.entries(PARAMETERS).flatMap(([type, schema]) =>
  schema.safeParse(null).success ? [type] : [],
)

const word = z
  .string()
  .meta({ enum: [...WORDS] })
  .transform((text, context) => {
    if (WORDS.includes(text)) return text
    const guess = nearest(text, TYPES)
    const message = TYPES.includes(text)
      ? `a mapping, as in "- ${text}: …"; words alone are ${WORDS.join(', ')}`
      : `one of ${TYPES.join(', ')}${guess === null ? '' : ` (did you mean ${guess}?)`}`
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  })

const action = z
  .union(
    [
      word,
      mapping(PARAMETERS)
        .partial()
        .superRefine((value, context) => {
          const count = Object.keys(value).length
          // An unknown key has its own message.
          if (count === 0 && context.issues.length > 0) return
          if (count !== 1)
            context.addIssue({ code: 'custom', message: 'one action in each item of the list' })
        })
        .meta({ minProperties: 1, maxProperties: 1 }),
    ],
    { error: `an action: a word such as hide, or a mapping such as {tag-subject: "[external]"}` },
  )
  .describe('What is done.')

const ruleName = read(
  (text) => (isOneLine(text, NAME_CHARACTERS) && text.trim() === text ? text : null),
  `a name: one line of 1 to ${NAME_CHARACTERS} characters`,
  ['tag external senders'],
)

const ACTIONS_EXPECTED = `a list of 1 to ${MOST_ACTIONS} actions`

/** One rule of a rule file. */
export const ruleSchema = mapping({
  name: ruleName.describe('What log and dashboard call the rule. Unique over all files.'),
  when: z
    .union([z.string(), z.boolean()], { error: 'a condition' })
    .meta({ examples: ['subject.matches("(?i)invoice")', 'verdict.clamd == "infected"'] })
    .transform((value, context) => {
      const [filter, message] = attempt(parseCondition, String(value), 'a condition')
      if (filter !== null) return filter
      context.addIssue({ code: 'custom', message })
      return z.NEVER
    })
    .describe('When it holds: a CEL expression over the fields of session and message, as in a filter.'),
  // biome-ignore lint/suspicious/noThenProperty: a key of rule files, nothing to be awaited
  then: z
    .array(action, { error: ACTIONS_EXPECTED })
    .min(1, { error: ACTIONS_EXPECTED })
    .max(MOST_ACTIONS, { error: ACTIONS_EXPECTED })
    .describe('What is done where it holds, in order: to messages, or to commands, never both.'),
  mode: z
    .enum(['enforce', 'shadow'])
    .describe('shadow does nothing and tells what would have been done. Default enforce.')
    .meta({ default: 'enforce' })
    .optional(),
  'on-failure': z
    .enum(['deliver', 'refuse', 'hold'])
    .describe(
      'Where a judge or the quarantine fails: deliver passes the message by this rule, refuse answers RETR and TOP with -ERR, hold hides it until the next session. Default deliver.',
    )
    .meta({ default: 'deliver' })
    .optional(),
  budget: budget.describe('How long the judges of this rule may take together.').optional(),
  stop: z
    .boolean()
    .describe('Where it holds, later rules are not asked. Default false.')
    .meta({ default: false })
    .optional(),
})

const judgeName = z
  .string()
  .regex(JUDGE_NAME)
  .meta({ examples: ['clamd'] })

/** A rule file, its rules and judges not looked into: each is checked by itself. */
export const shellSchema = mapping({
  judges: z.record(z.string(), z.unknown(), { error: 'a mapping of names to judges' }).optional(),
  rules: z.array(z.unknown(), { error: 'a list of rules' }).optional(),
})

const fileSchema = mapping({
  judges: z.record(judgeName, judgeSchema).describe('Who is asked about messages, by name.').optional(),
  rules: z.array(ruleSchema).describe('Rules, asked in order.').optional(),
})

/** What one checked rule says, before defaults. */
export type RuleSource = z.output<typeof ruleSchema>
/** What one checked action says: a word, or parameters under the one key that is there. */
export type ActionSource = z.output<typeof action>
/** What one checked judge says, before defaults. */
export type JudgeSource = z.output<typeof judgeSchema>

/** The schema as JSON Schema (draft 2020-12), for editors that complete and check YAML. */
export function ruleJsonSchema(): object {
  return {
    ...z.toJSONSchema(fileSchema, {
      io: 'input',
      override: ({ zodSchema, jsonSchema }) => {
        for (const [type, { meaning }] of Object.entries(ACTION_FACTS)) {
          if (Object.hasOwn(PARAMETERS, type) && Reflect.get(PARAMETERS, type) === zodSchema) {
            jsonSchema.description = `${meaning.charAt(0).toUpperCase()}${meaning.slice(1)}.`
          }
        }
      },
    }),
    title: 'Rules of postern',
    description:
      'Put "# yaml-language-server: $schema=postern-rules.schema.json" on the first line of a rule file.',
  }
}
