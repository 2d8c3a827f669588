import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_RULES } from '../../src/config/defaults.js'
import { inMemory } from '../../src/mail/source.js'
import { LastLogins, RulesInForce, type SessionRulesInForce } from '../../src/proxy/rules-in-force.js'
import { QUARANTINE_LIMITS } from '../../src/quarantine/limits.js'
import { openQuarantine } from '../../src/quarantine/quarantine.js'
import type { MaildropQuestion } from '../../src/relay/maildrop.js'
import type { SessionFields } from '../../src/rules/verdict.js'
import { type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'

const HIDE = 'rules: [{ name: hide, when: size > 5, then: [hide] }]'
const MESSAGE = Buffer.from('Subject: x\r\n\r\nhello\r\n')
const SESSION: SessionFields = {
  session: 's1',
  service: 'default',
  listener: 'pop3://127.0.0.1:1110',
  client: '127.0.0.1:50000',
  server: 'pop3s://pop.example.org:995',
  user: 'bob',
  mechanism: 'USER',
  state: 'TRANSACTION',
  clientTls: '',
  serverTls: '',
  commands: 1,
}

let directory: TemporaryDirectory
let lines: { event: string; text?: string }[]
let log: Logger
const open: RulesInForce[] = []
const at = (name: string): string => join(directory.path, name)

beforeEach(() => {
  directory = temporaryDirectory('rules')
  lines = []
  log = pino({ base: null }, { write: (line) => void lines.push(JSON.parse(line)) })
})
afterEach(async () => {
  for (const rules of open.splice(0)) await rules.close()
  directory.remove()
})

async function inForce(text: string, more: Partial<typeof DEFAULT_RULES> = {}): Promise<RulesInForce> {
  writeFileSync(at('a.yaml'), text)
  const settings = { ...DEFAULT_RULES, paths: [at('a.yaml')], ...more }
  const places = {
    workingDirectory: directory.path,
    quarantineDirectory: at('quarantine'),
    spoolDirectory: at('spool'),
  }
  const rules = await RulesInForce.open(settings, places, log)
  open.push(rules)
  return rules
}

function session(rules: RulesInForce): SessionRulesInForce {
  const ruled = rules.forSession({
    session: 's1',
    service: 'default',
    client: '127.0.0.1:50000',
    user: () => 'bob',
  })
  if (ruled === null) throw new Error('there are no rules')
  return ruled
}

const seen = { number: 1, uniqueId: 'u', size: 9, header: null, message: null, judged: null, unseen: null }
const isHidden = ({ rules }: SessionRulesInForce): boolean => {
  const examination = rules.examine(seen, SESSION, 'delivery')
  return examination.type === 'decided' && examination.verdict.isHidden
}
const events = (): readonly string[] => lines.map(({ event }) => event)

describe('rules in force', () => {
  test('are none where no file is named', async () => {
    const rules = await inForce(HIDE, { paths: [] })
    expect(rules.forSession({ session: 's', service: 'd', client: 'c', user: () => null })).toBeNull()
  })

  test('change with their file for the next session, and not for one that is open', async () => {
    const rules = await inForce(HIDE)
    const before = session(rules)
    writeFileSync(at('a.yaml'), HIDE.replace('size > 5', 'size > 50'))
    await until('the new rules', () => events().includes('rules-loaded'))
    expect(isHidden(before)).toBe(true)
    expect(isHidden(session(rules))).toBe(false)
  })

  test('stay where the changed file has a mistake, and say when it is mended', async () => {
    const rules = await inForce(HIDE)
    writeFileSync(at('a.yaml'), HIDE.replace('size', 'sise'))
    await until('the refusal', () => events().includes('rules-refused'))
    expect(lines.at(-1)?.text).toMatch(/a\.yaml:1:\d+: rule "hide": when: .*did you mean `side`/)
    expect(rules.refusal?.text).toMatch(/sise/)
    expect(isHidden(session(rules))).toBe(true)
    writeFileSync(at('a.yaml'), HIDE)
    await until('the rules again', () => events().includes('rules-loaded'))
    expect(rules.refusal).toBeNull()
  })

  test('stay where their file is gone', async () => {
    const rules = await inForce(HIDE)
    rmSync(at('a.yaml'))
    await until('the refusal', () => events().includes('rules-refused'))
    expect(lines.at(-1)?.text).toMatch(/a\.yaml: found nothing of that name/)
    expect(isHidden(session(rules))).toBe(true)
  })

  test('stay where their file is cut to nothing, as it is while it is written', async () => {
    const rules = await inForce(HIDE)
    writeFileSync(at('a.yaml'), '')
    await until('the refusal', () => events().includes('rules-refused'))
    expect(lines.at(-1)?.text).toMatch(/a\.yaml: found an empty file where there were rules/)
    expect(isHidden(session(rules))).toBe(true)
  })

  test('that cannot be read stop a start', async () => {
    await expect(inForce('rules: [{}]')).rejects.toMatchObject({ name: 'RuleError' })
    await expect(inForce(HIDE, { paths: [at('missing')] })).rejects.toMatchObject({ name: 'RuleFileError' })
    writeFileSync(at('verdicts'), 'something else')
    await expect(inForce(HIDE, { verdictsFile: at('verdicts') })).rejects.toMatchObject({
      name: 'VerdictCacheError',
    })
  })

  test('remember verdicts beyond a restart where a file is named', async () => {
    const text = 'rules: [{ name: tag, when: true, then: [{ tag-subject: "[x]" }] }]'
    const message = { uniqueId: 'u', size: 9, number: 1 }
    const first = await inForce(text, { verdictsFile: at('verdicts') })
    const { rules } = session(first)
    const examination = rules.examine({ ...seen, header: MESSAGE }, SESSION, 'delivery')
    if (examination.type !== 'decided') throw new Error('undecided')
    rules.remember(message, SESSION, 'delivery', { verdict: examination.verdict, octets: 13 })
    await first.close()
    const second = session(await inForce(text, { verdictsFile: at('verdicts') })).rules
    expect(second.recall(message, SESSION, 'delivery')).toMatchObject({
      octets: 13,
      verdict: { edits: [{ type: 'tag-subject', tag: '[x]' }] },
    })
    expect(second.recall({ ...message, size: 10 }, SESSION, 'delivery')).toBeNull()
  })
})

const KEEP: MaildropQuestion = {
  type: 'quarantine',
  message: MESSAGE,
  spooled: null,
  rule: 'q',
  reason: 'r',
  uniqueId: 'u',
}

describe('what a session asks', () => {
  const judged = (run: string, more = ''): string =>
    `judges: { script: { type: command, run: [/bin/sh, -c, ${JSON.stringify(run)}] } }
rules: [{ name: a, when: verdict.script == "bad", then: [hide]${more} }]`
  const ask = (ruled: SessionRulesInForce, budgetMs: number | null = null) =>
    ruled.ask(
      { type: 'judge', judges: ['script'], budgetMs, message: MESSAGE, spooled: null },
      inMemory(MESSAGE),
    )

  test('judges answer, and know whose mail it is', async () => {
    const rules = await inForce(judged('cat > /dev/null; echo "$POSTERN_USER at $POSTERN_CLIENT"; exit 1'))
    const answer = await ask(session(rules))
    expect(answer).toEqual({
      type: 'judged',
      answers: new Map([['script', { verdict: 'bad', score: null, finding: 'bob at 127.0.0.1' }]]),
    })
  })

  test('a judge that takes longer than the rule gives has failed', async () => {
    const rules = await inForce(judged('sleep 60', ', budget: 200ms'))
    expect(await ask(session(rules), 200)).toEqual({
      type: 'judged',
      answers: new Map([['script', { failed: 'script gave no answer within the 200ms of the rule' }]]),
    })
  })

  test('judges of rules that are in force no longer answer the sessions that began with them', async () => {
    const rules = await inForce(judged('cat > /dev/null; exit 1'))
    const before = session(rules)
    writeFileSync(at('a.yaml'), HIDE)
    await until('the new rules', () => events().includes('rules-loaded'))
    const answer = await ask(before)
    expect(answer.type === 'judged' && answer.answers.get('script')).toMatchObject({ verdict: 'bad' })
    before.leave()
    const late = await ask(before)
    expect(late.type === 'judged' && late.answers.get('script')).toHaveProperty('failed')
  })

  test('the quarantine keeps a message, and what is released is decided anew', async () => {
    const text = 'rules: [{ name: q, when: true, then: [quarantine] }]'
    const rules = await inForce(text)
    const ruled = session(rules)
    expect(await ruled.ask(KEEP, inMemory(MESSAGE))).toMatchObject({ type: 'kept' })
    const examination = ruled.rules.examine(
      { ...seen, header: MESSAGE, message: MESSAGE },
      SESSION,
      'delivery',
    )
    if (examination.type !== 'decided') throw new Error('undecided')
    const message = { uniqueId: 'u', size: 9, number: 1 }
    ruled.rules.remember(message, SESSION, 'delivery', { verdict: examination.verdict, octets: 99 })
    expect(ruled.rules.recall(message, SESSION, 'delivery')).not.toBeNull()
    // As "postern quarantine release" does, in a process of its own.
    const other = await openQuarantine(at('quarantine'), QUARANTINE_LIMITS)
    const [kept] = await other.list()
    await other.release(kept?.id ?? '')
    other.close()
    await until('the release to be known', () => ruled.rules.recall(message, SESSION, 'delivery') === null)
    expect(await ruled.ask(KEEP, inMemory(MESSAGE))).toEqual({ type: 'released' })
  })

  test('no folder is made for rules that take nothing away', async () => {
    const rules = await inForce(HIDE)
    expect(await session(rules).ask(KEEP, inMemory(MESSAGE))).toEqual({
      type: 'failed',
      text: 'there is no quarantine',
    })
  })
})

describe('last logins', () => {
  test('are known by user, and by client for mechanisms that tell the user too late', () => {
    const logins = new LastLogins()
    expect(logins.lastAt('a', 'bob', '10.0.0.1')).toBeNull()
    logins.note('a', 'bob', '10.0.0.1', 5)
    expect(logins.lastAt('a', 'bob', '10.9.9.9')).toBe(5)
    expect(logins.lastAt('a', null, '10.0.0.1')).toBe(5)
    expect(logins.lastAt('a', null, '10.9.9.9')).toBeNull()
    expect(logins.lastAt('b', 'bob', '10.0.0.1')).toBeNull()
  })
})
