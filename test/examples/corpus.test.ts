import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { editMessage } from '../../src/mail/edit.js'
import { mimeOutline } from '../../src/mail/outline.js'
import type { MaildropAnswer } from '../../src/relay/maildrop.js'
import type { RuleText } from '../../src/rules/rule-file.js'
import { loadRules } from '../../src/rules/rule-set.js'
import { createSessionRules } from '../../src/rules/session-rules.js'
import type { JudgeAnswer, JudgeAnswers, MessageVerdict, SessionRules } from '../../src/rules/verdict.js'
import { memoryCache, NOW, SESSION, stepByStep } from '../rules/rules.js'
import { Conversation } from '../support/conversation.js'
import { ModelServer } from '../support/model-maildrop.js'
import { haveCorpus, readCorpus, realThing } from '../support/real.js'
import { run, temporaryDirectory } from '../support/tools.js'
import { EXAMPLE_FILES, exampleText } from './examples.js'

/** The user of {@link Conversation.loggedIn}. */
const USER = 'bob'

/** What users are told to change so that a rule means their mail; here: so that it means much of the corpus. */
const CHANGES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '40-dangerous-attachments.yaml': { '(?:exe|com|': '(?:exe|com|gif|png|pdf|' },
  '60-hide-newsletters.yaml': { 'modem@example.org': USER, '1 * MB': '1 * KB' },
  '70-read-only-maildrop.yaml': { 'debug@example.org': USER },
}

/** What the examples do not show: every other way to change a message. */
const OTHER_RULES = `rules:
  - {name: strip, when: 'true', then: [{strip-attachments: {types: ["image/*"], text: "An image was here."}}]}
  - {name: rename, when: 'true', then: [{rename-attachments: {pattern: "[.](?:pdf|doc|zip)$"}}]}
  - {name: replace, when: 'true', then: [{replace-text: {pattern: "(?i)the ", with: ".$0"}}]}
  - {name: disarm, when: 'true', then: [disarm-links]}
`

type Case = readonly [name: string, text: RuleText]

const CASES: readonly Case[] = [
  ...EXAMPLE_FILES.map((file) => [file, exampleText(file, CHANGES[file] ?? {})] as const),
  ['all other edits', { file: 'other.yaml', text: OTHER_RULES }],
]

/** Those that change messages. */
const EDITING = CASES.filter(
  ([, { text }]) => !/ (?:refuse|hide|keep-on-server|delay)\b/.test(text.replace(/^ *#.*$/gm, '')),
)

/** Judges that find something in two messages of three. */
const FINDINGS: Readonly<Record<string, JudgeAnswer>> = {
  clamd: { verdict: 'infected', score: null, finding: 'Test.Signature' },
  rspamd: { verdict: 'add header', score: 7.5, finding: 'A, B' },
  spamd: { verdict: 'spam', score: 6.5, finding: 'C' },
  signatures: { verdict: 'fail', score: null, finding: 'dkim=fail d=example.org s=mail (bad signature)' },
}
const CLEAN: JudgeAnswer = { verdict: 'clean', score: 0, finding: '' }

function answersOn(index: number): JudgeAnswers {
  return new Map(
    Object.entries(FINDINGS).map(([name, found]) => [name, index % 3 === 0 ? CLEAN : found] as const),
  )
}

interface Mail {
  readonly file: string
  /** As a server sends it, without byte-stuffing: lines with CRLF. */
  readonly text: string
  readonly index: number
}

function corpus(): readonly Mail[] {
  return readCorpus().map(({ file, content }, index) => {
    const text = content.toString('latin1').replace(/\r?\n/g, '\r\n')
    return { file, text: text.endsWith('\r\n') ? text : `${text}\r\n`, index }
  })
}

/** What the rules make of a mail, asked without any relay. */
interface Fate {
  readonly mail: Mail
  readonly verdict: MessageVerdict
  readonly after: string
}

function fatesOf(rules: SessionRules, mails: readonly Mail[]): readonly Fate[] {
  const session = { ...SESSION, user: USER }
  return mails.map((mail) => {
    const { verdict } = stepByStep(rules, mail.text, answersOn(mail.index), 'delivery', session)
    const after = editMessage(Buffer.from(mail.text, 'latin1'), verdict.edits).toString('latin1')
    return { mail, verdict, after: after.endsWith('\r\n') ? after : `${after}\r\n` }
  })
}

/** A client before a relay with rules, before a server with the corpus. */
class Session {
  readonly #it: Conversation
  readonly server: ModelServer
  readonly #mails: readonly Mail[]

  constructor(rules: SessionRules, mails: readonly Mail[]) {
    this.#it = Conversation.loggedIn({ rules })
    this.#mails = mails
    this.server = new ModelServer(
      mails.map(({ text, index }) => ({
        octets: text,
        uniqueId: `id-${index}`,
        fate: { kind: 'none', sight: 'listing' },
      })),
      { hasTop: true, hasUniqueIds: true, pipelines: true },
    )
    this.#it.effects.length = 0
  }

  /** Gives commands in one go. @returns all that the client gets, octet for octet */
  says(...commands: readonly string[]): string {
    this.#it.client(commands.map((command) => `${command}\r\n`).join(''))
    for (;;) {
      const octets = this.#it.takeToServer()
      const asked = this.#it.effects.flatMap((effect) => (effect.type === 'ask' ? [effect] : []))
      this.#it.effects.length = 0
      if (octets === '' && asked.length === 0) return this.#it.takeToClient()
      this.#it.server(this.server.take(octets))
      for (const { id, question } of asked)
        this.#it.feed({ type: 'answered', id, answer: this.#answer(question) })
    }
  }

  #answer(question: { readonly type: string; readonly message: Buffer }): MaildropAnswer {
    if (question.type === 'quarantine') return { type: 'kept' }
    const text = question.message.toString('latin1')
    // Two mails of the corpus may be the same, but then a content has one answer with real judges as well.
    const mail = this.#mails.find((each) => each.text === text)
    if (mail === undefined) throw new Error('a judge was asked about what no mail is')
    return { type: 'judged', answers: answersOn(mail.index) }
  }
}

/** Splits replies off a stream. */
function* repliesIn(stream: string, areLong: boolean): Generator<string> {
  for (let at = 0; at < stream.length; ) {
    const line = stream.indexOf('\r\n', at) + 2
    if (line === 1) throw new Error('a reply has no line end')
    const isLong = areLong && stream.startsWith('+OK', at)
    const end = stream.startsWith('.\r\n', line) ? line + 3 : stream.indexOf('\r\n.\r\n', line - 2) + 5
    if (isLong && end === 4) throw new Error('a reply has no end')
    yield stream.slice(at, isLong ? end : line)
    at = isLong ? end : line
  }
}

/** The content of a multi-line response, which must be byte-stuffed right, without byte-stuffing. */
function contentOf(reply: string): string {
  const content = reply.slice(reply.indexOf('\r\n') + 2, -3)
  expect(/(?:^|\r\n)\.(?!\.)/.test(content), 'a line begins with a lone dot').toBe(false)
  return content.replace(/(^|\r\n)\.\./g, '$1.')
}

function listingOf(reply: string): string {
  return contentOf(reply).trimEnd().replaceAll('\r\n', '\n')
}

/** The header section with its empty line, which is the first line of some; all of it where there is none. */
function sectionOf(message: string): string {
  const end = message.startsWith('\r\n') ? 2 : message.indexOf('\r\n\r\n') + 4
  return end === 3 ? message : message.slice(0, end)
}

/** Lines of the header section but those of some fields, with their continuation lines, and the empty line. */
function otherFields(message: string, edited: ReadonlySet<string>): string {
  return sectionOf(message)
    .split(/(?<=\r\n)(?![ \t])/)
    .filter((field) => !edited.has(field.slice(0, Math.max(0, field.indexOf(':'))).toLowerCase()))
    .filter((line) => line !== '\r\n')
    .join('')
}

function bodyOf(message: string): string {
  return message.slice(sectionOf(message).length)
}

/** Whether a mail is one that every program reads in the same way: fields, and no line end but CRLF. */
function isWellFormed(text: string): boolean {
  const fields = sectionOf(text).split(/\r\n(?![ \t])/)
  const areFields = fields.slice(0, -2).every((field) => /^[!-9;-~]+:/.test(field))
  return areFields && fields.length > 2 && fields.at(-1) === '' && !/\r(?!\n)/.test(text)
}

function isOfHeader({ verdict: { edits } }: Fate): boolean {
  return edits.every(({ type }) => type.endsWith('-header') || type === 'tag-subject')
}

const describedSchema = z.object({
  subject: z.string().nullable(),
  names: z.array(z.string()),
  parts: z.array(z.object({ type: z.string(), name: z.string().nullable(), sha: z.string().nullable() })),
})
type Described = z.output<typeof describedSchema>

/** What Python's parser says of mails. */
async function describedByPython(mails: readonly string[]): Promise<readonly Described[]> {
  const directory = temporaryDirectory('examples')
  try {
    const files = mails.map((mail, index) => {
      const file = join(directory.path, String(index))
      writeFileSync(file, mail, 'latin1')
      return file
    })
    const script = join(import.meta.dirname, 'read-mail.py')
    const { status, stdout, stderr } = await run('python3', [script, ...files], { limitMs: 60_000 })
    expect(stderr).toBe('')
    expect(status).toBe(0)
    return stdout
      .toString()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => describedSchema.parse(JSON.parse(line)))
  } finally {
    directory.remove()
  }
}

const LINES = [0, 3, 99_999_999] as const

describe.skipIf(!haveCorpus())('every mail of the corpus', () => {
  const mails = haveCorpus() ? corpus() : []
  const rulesOf = ([, text]: Case): SessionRules =>
    createSessionRules(loadRules([text]), memoryCache(), () => NOW)
  const found = new Map<string, readonly Fate[]>()
  const fatesFor = (each: Case): readonly Fate[] => {
    const fates = found.get(each[0]) ?? fatesOf(rulesOf(each), mails)
    found.set(each[0], fates)
    return fates
  }

  test.each(CASES)('is enough to try %s with, where it is about mail', (...each) => {
    const isOfMail = rulesOf(each).sightBeforeMessage !== 'nothing'
    const meant = fatesFor(each).filter(({ verdict }) => verdict.hits.length > 0)
    expect(meant.length >= 5).toBe(isOfMail)
  })

  test.each(CASES)('tells one story with %s in force', (...each) => {
    const fates = fatesFor(each)
    const visible = fates.filter(({ verdict }) => !verdict.isHidden)
    const session = new Session(rulesOf(each), mails)

    const [list = '', uidl = ''] = repliesIn(session.says('LIST', 'UIDL'), true)
    expect(listingOf(list)).toBe(visible.map(({ after }, at) => `${at + 1} ${after.length}`).join('\n'))
    expect(listingOf(uidl)).toBe(visible.map(({ mail }, at) => `${at + 1} id-${mail.index}`).join('\n'))
    const octets = visible.reduce((sum, { after }) => sum + after.length, 0)
    expect(session.says('STAT')).toBe(`+OK ${visible.length} ${octets}\r\n`)

    for (const [at, { mail, verdict, after }] of visible.entries()) {
      const fetches = [`RETR ${at + 1}`, ...LINES.map((lines) => `TOP ${at + 1} ${lines}`)]
      const [whole = '', ...tops] = repliesIn(session.says(...fetches), true)
      const content = contentOf(whole)
      expect(content === after, mail.file).toBe(true)
      if (verdict.edits.length === 0) expect(content === mail.text, mail.file).toBe(true)
      expect(
        tops.map(contentOf).every((top) => content.startsWith(top)),
        mail.file,
      ).toBe(true)
      expect(contentOf(tops.at(-1) ?? '').length, mail.file).toBe(content.length)
    }

    const doomed = visible.filter((_, at) => at % 5 === 0)
    session.says(...visible.flatMap((_, at) => (at % 5 === 0 ? [`DELE ${at + 1}`] : [])), 'QUIT')
    const meant = doomed.filter(({ verdict }) => !verdict.isKeptOnServer)
    expect([...session.server.deleted]).toEqual(meant.map(({ mail }) => mail.index + 1))
  })

  test.each(EDITING)('keeps every line that %s does not mean', (...each) => {
    for (const fate of fatesFor(each)) {
      const { mail, verdict, after } = fate
      if (verdict.edits.length === 0) {
        expect(after === mail.text, mail.file).toBe(true)
      } else if (isOfHeader(fate)) {
        const edited = new Set(
          verdict.edits.map((edit) => ('name' in edit ? edit.name.toLowerCase() : 'subject')),
        )
        expect(otherFields(after, edited) === otherFields(mail.text, edited), mail.file).toBe(true)
        expect(bodyOf(after) === bodyOf(mail.text), mail.file).toBe(true)
      } else {
        // Parts stay where they were and what they were, but for those that were taken out.
        const typesOf = (text: string) =>
          mimeOutline(Buffer.from(text, 'latin1')).parts.map(({ path }) => path)
        if (!verdict.edits.some(({ type }) => type === 'notice'))
          expect(typesOf(after).join(' '), mail.file).toBe(typesOf(mail.text).join(' '))
        else expect(typesOf(after), mail.file).toEqual(['1'])
      }
    }
  })

  test.skipIf(!realThing('python3')).each(EDITING)(
    'is read by Python as before, but for what %s means',
    async (...each) => {
      const changed = fatesFor(each).filter(
        ({ mail, verdict }) => verdict.edits.length > 0 && isWellFormed(mail.text),
      )
      const sample = changed.filter((_, at) => at % Math.ceil(changed.length / 60) === 0)
      const before = await describedByPython(sample.map(({ mail }) => mail.text))
      const after = await describedByPython(sample.map((fate) => fate.after))
      for (const [at, fate] of sample.entries()) {
        const { mail, verdict } = fate
        const was = before[at]
        const is = after[at]
        if (was === undefined || is === undefined) throw new Error(`Python says nothing of ${mail.file}`)
        const tag = verdict.edits.find((edit) => edit.type === 'tag-subject')
        if (tag !== undefined && was.subject !== null)
          expect(is.subject, mail.file).toBe(`${tag.tag} ${was.subject}`.trim())
        if (isOfHeader(fate)) expect(is.parts, mail.file).toEqual(was.parts)
        if (verdict.edits.some(({ type }) => type === 'notice'))
          expect(is.parts, mail.file).toMatchObject([{ type: 'text/plain', name: null }])
        const wasThere = ['from', 'to', 'date', 'message-id'].filter((name) => was.names.includes(name))
        expect(is.names, mail.file).toEqual(expect.arrayContaining(wasThere))
      }
    },
  )
})
