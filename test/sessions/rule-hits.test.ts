import { describe, expect, it } from 'vitest'
import { parseFilter } from '../../src/expression/filter.js'
import { dialogueOf } from '../../src/sessions/dialogue.js'
import { fieldsOfEvent, matchesSession, visibleTextOfEvent } from '../../src/sessions/fields.js'
import { changesSomething, ruleHitsOf, ruleHitsOfTurn } from '../../src/sessions/rule-hits.js'
import { Statistics } from '../../src/sessions/statistics.js'
import { turnsOf } from '../../src/sessions/turns.js'
import { HIT, loggedIn, type Script } from './script.js'

function turnOf(script: Script, number: number) {
  const turn = turnsOf(script.record()).get(number)
  if (turn === undefined) throw new Error(`no command ${number}`)
  return turn
}

function ruleLines(script: Script): readonly string[] {
  return dialogueOf(script.record())
    .filter(({ kind }) => kind === 'rule')
    .map(({ text }) => text)
}

const MAIL = 'Subject: hello\r\n\r\nhello\r\n'

/** RETR of message 1, which is the server's second, with a header added on the way. */
function changedFetch(): Script {
  return loggedIn()
    .hit({ message: 2 })
    .command('RETR 1')
    .tell({
      type: 'command-replaced',
      number: 3,
      verb: 'RETR',
      shown: 'RETR 2',
      octets: 8,
      wire: null,
    })
    .reply('+OK 24 octets')
    .piece(MAIL.slice(0, 18))
    .piece(`X-External: yes\r\n${MAIL.slice(0, 18)}`, 'postern')
    .piece(MAIL.slice(18))
    .piece(MAIL.slice(18), 'postern')
    .end(MAIL.length)
}

describe('the hits of a session', () => {
  it('are found by rule, by message and by command', () => {
    const script = loggedIn().hit().hit({ rule: 'other', message: 2 }).command('DELE 2').commandHit()
    const { all, byRule, byMessage, byCommand } = ruleHitsOf(script.record())
    expect(all).toHaveLength(3)
    expect([...byRule].map(([rule, hits]) => [rule, hits.length])).toEqual([
      ['tag external', 2],
      ['other', 1],
    ])
    expect([...byMessage.keys()]).toEqual([1, 2])
    expect([...byCommand.keys()]).toEqual([3])
  })

  it("belong to the command that fetches the server's message, under whichever number the client knows it", () => {
    const script = changedFetch()
    expect(ruleHitsOfTurn(script.record(), turnOf(script, 3))).toEqual([{ ...HIT, message: 2 }])
  })

  it('belong to no command that names a maildrop, only those about it', () => {
    const script = loggedIn().command('LIST 1').hit()
    expect(ruleHitsOfTurn(script.record(), turnOf(script, 3))).toEqual([])
  })

  it('change something unless they only tell', () => {
    expect(changesSomething(HIT)).toBe(true)
    expect(changesSomething({ ...HIT, actions: ['log', 'mark "seen"', 'notify https://example.org/'] })).toBe(
      false,
    )
    expect(changesSomething({ ...HIT, actions: ['log', 'hide'] })).toBe(true)
    expect(changesSomething({ ...HIT, mode: 'shadow' })).toBe(false)
    expect(changesSomething({ ...HIT, mode: 'failed' })).toBe(false)
  })

  it('are counted in the session, with their names, and mark it as changed where they changed something', () => {
    const told = loggedIn()
      .hit({ actions: ['log'] })
      .hit({ mode: 'shadow', rule: 'other' })
    expect(told.record()).toMatchObject({ ruleHits: 2, wasChanged: false, errors: 0 })
    expect([...told.record().rules]).toEqual(['tag external', 'other'])
    expect(loggedIn().hit().record().wasChanged).toBe(true)
    expect(loggedIn().hit({ mode: 'failed' }).record()).toMatchObject({ wasChanged: false, errors: 1 })
  })

  it('are counted by rule over all sessions', () => {
    const statistics = new Statistics()
    for (const event of loggedIn().hit().hit({ message: 2 }).events) statistics.add(event)
    expect(statistics.ruleHits).toMatchObject([{ rule: 'tag external', hits: 2, failures: 0 }])
  })
})

describe('rules in a dialogue', () => {
  it('tell what they did to one message and why', () => {
    const [line] = dialogueOf(loggedIn().hit().record()).filter(({ kind }) => kind === 'rule')
    expect(line).toMatchObject({
      text: 'rule "tag external", message 1: tag-subject "[EXT]"',
      detail: ['because from is external', 'at rules/a.yaml:4', 'unique-id uid-one'],
      tone: 'attention',
    })
  })

  it('take one line for each rule that looks at a maildrop of 10,000 messages', () => {
    const script = loggedIn().command('LIST')
    for (let message = 1; message <= 5_000; message += 1)
      script.hit({ message }).hit({ message, rule: 'newsletters', mode: 'shadow', actions: ['hide'] })
    script.reply('+OK')
    expect(ruleLines(script)).toEqual([
      'rule "tag external", 5000 messages: tag-subject "[EXT]"',
      'rule "newsletters" (shadow, nothing is done), 5000 messages: hide',
    ])
    const [line] = dialogueOf(script.record()).filter(({ kind }) => kind === 'rule')
    expect(line?.detail).toEqual(['at rules/a.yaml:4', 'because from is external', '  messages 1-5000'])
  })

  it('unfold to their reasons, each with its messages', () => {
    const detail = (script: Script) =>
      dialogueOf(script.record()).find(({ kind }) => kind === 'rule')?.detail ?? []
    const script = loggedIn().hit({ message: 5 }).hit({ message: 2 }).hit({ message: 3 })
    expect(detail(script.hit({ message: 9, reason: 'spam' }))).toEqual([
      'at rules/a.yaml:4',
      'because from is external',
      '  messages 2-3, 5',
      'because spam',
      '  message 9',
    ])
    const many = loggedIn()
    for (let message = 1; message <= 101; message += 1) many.hit({ message, reason: `score ${message}` })
    expect(detail(many)).toHaveLength(202)
    expect(detail(many).at(-1)).toBe('... and for 1 more reasons')
    const holes = loggedIn()
    for (let message = 1; message <= 81; message += 2) holes.hit({ message })
    expect(detail(holes).at(-1)).toMatch(/^ {2}messages 1, 3, .*, 79, \.\.\.$/)
  })

  it('begin anew behind everything else that happens', () => {
    const script = loggedIn().hit().command('RETR 2').hit({ message: 2 })
    expect(ruleLines(script)).toHaveLength(2)
  })

  it('say which of them changed a message, beside it', () => {
    const line = dialogueOf(changedFetch().record()).find(({ kind }) => kind === 'message')
    expect(line?.text).toBe('message 1, 25 octets: hello (changed by rule "tag external")')
    expect(line?.detail).toContain('rule "tag external": tag-subject "[EXT]", because from is external')
  })

  it('say why postern refused a command', () => {
    const script = loggedIn()
      .command('DELE 1')
      .commandHit({ rule: 'read only', actions: ['refuse "no"'] })
    script.reply('-ERR no', { source: 'postern' })
    const reply = dialogueOf(script.record()).find(({ kind, number }) => kind === 'reply' && number === 3)
    expect(reply?.detail).toEqual([
      'answered by postern itself',
      'rule "read only": refuse "no", because from is external',
    ])
  })
})

describe('rules in filters', () => {
  const script = loggedIn()
    .hit()
    .command('DELE 1')
    .commandHit({ rule: 'read only', actions: ['refuse "no"', 'log'] })
  const record = script.record()

  it.each([
    ['rule == "tag external"', true],
    ['rule == "tag"', false],
    ['rule == "tag external" && unique_id == "uid-one" && number == 1', true],
    ['action.contains("tag-subject")', true],
    ['rule == "read only" && action == "refuse \\"no\\", log"', true],
    ['type == "rule-hit"', true],
    ['type == "rules-blind"', false],
    ['from is external', true],
  ])('%s: %s', (text, isFound) => {
    expect(matchesSession(parseFilter(text), record)).toBe(isFound)
  })

  it('have the fields of the hit and no others of events', () => {
    const event = script.events.find(({ content }) => content.type === 'rule-hit')
    if (event === undefined) throw new Error('no hit')
    expect(fieldsOfEvent(record, event)).toMatchObject({
      type: 'rule-hit',
      rule: 'tag external',
      action: 'tag-subject "[EXT]"',
      number: 1,
      unique_id: 'uid-one',
    })
  })

  it('are found by words that a person sees', () => {
    const seen = (content: Parameters<typeof visibleTextOfEvent>[0]['content']) =>
      visibleTextOfEvent({ at: 0, session: 's1', content })
    expect(seen(HIT)).toContain('rule tag external rules/a.yaml:4 message 1 uid-one')
    expect(seen({ type: 'rules-blind', text: 'the server refused LIST' })).toContain(
      'the server refused LIST',
    )
    const seenMaildrop = { messages: 1, remembered: 0, headers: 1, whole: 0, hidden: 0 }
    expect(seen({ type: 'maildrop-seen', ...seenMaildrop })).toContain('rules have seen the maildrop')
  })
})
