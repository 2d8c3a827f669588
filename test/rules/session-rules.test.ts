import { describe, expect, test } from 'vitest'
import { editMessage } from '../../src/mail/edit.js'
import { MOST_DELAY_MS } from '../../src/rules/limits.js'
import { loadRules } from '../../src/rules/rule-set.js'
import { createSessionRules } from '../../src/rules/session-rules.js'
import type { JudgeAnswers, Logins, SeenReply, SessionFields } from '../../src/rules/verdict.js'
import { decided, MAIL, memoryCache, NOW, rulesOf, SESSION, seen, sessionRules, stepByStep } from './rules.js'

const CLEAN = { verdict: 'clean', score: null, finding: '' }
const ANSWERS: JudgeAnswers = new Map([
  ['clamd', { verdict: 'infected', score: null, finding: 'Eicar-Test' }],
  ['rspamd', { verdict: 'add header', score: 7.5, finding: 'BAYES_SPAM' }],
])
const FAILED: JudgeAnswers = new Map([
  ['clamd', { failed: 'clamd at 127.0.0.1:3310 refused the connection' }],
  ['rspamd', { verdict: 'clean', score: 1, finding: '' }],
])

describe('a rule of messages', () => {
  test('sees no more than it needs, step by step', () => {
    const rules = sessionRules(`
  - {name: large, when: size > 1 * MB, then: [hide]}
  - {name: tag, when: 'subject == "invoice"', then: [{tag-subject: "[money]"}]}
`)
    expect(rules.sightBeforeListing).toBe('header')
    expect(rules.sightBeforeMessage).toBe('header')
    const { verdict, steps } = stepByStep(rules, MAIL, new Map())
    expect(steps).toEqual(['header'])
    expect(verdict).toMatchObject({
      isHidden: false,
      edits: [{ type: 'tag-subject', tag: '[money]' }],
      hits: [
        {
          rule: 'tag',
          place: 'a.yaml:7',
          actions: ['tag-subject "[money]"'],
          reason: 'subject == "invoice"',
          mode: 'enforce',
        },
      ],
      isLasting: true,
    })
  })

  test('costs neither a RETR nor a judge where cheaper parts of the condition decide', () => {
    const rules = sessionRules(`
  - name: virus
    when: verdict.clamd == "infected" && body.contains("pay") && subject == "hello"
    then: [hide]
`)
    expect(stepByStep(rules, MAIL, ANSWERS).steps).toEqual(['header'])
    const other = sessionRules(`
  - name: virus
    when: score.rspamd > 5 || subject == "invoice"
    then: [hide]
`)
    expect(stepByStep(other, MAIL, ANSWERS)).toMatchObject({ steps: ['header'], verdict: { isHidden: true } })
  })

  test('asks all judges that can matter at the same time, those of later rules too', () => {
    const rules = sessionRules(`
  - {name: virus, when: verdict.clamd == "infected", then: [hide], stop: true}
  - {name: spam, when: score.rspamd > 5, then: [{add-header: {name: X-Spam, value: "yes, {score.rspamd}"}}]}
  - {name: spam elsewhere, when: 'subject == "x" && score.rspamd > 5', then: [hide]}
`)
    const { steps, verdict } = stepByStep(rules, MAIL, ANSWERS)
    expect(steps).toEqual(['header', 'message', 'judges clamd rspamd'].slice(1))
    expect(verdict.isHidden).toBe(true)
    expect(verdict.hits.map(({ rule, reason }) => [rule, reason])).toEqual([
      ['virus', 'verdict.clamd == "infected"; clamd: infected, Eicar-Test'],
    ])
  })

  test('asks a judge for what a text tells of it', () => {
    const rules = sessionRules(`
  - {name: all, when: true, then: [{add-header: {name: X-Spam, value: "{score.rspamd} {score.clamd} {rule}"}}]}
`)
    const { steps, verdict } = stepByStep(rules, MAIL, ANSWERS)
    expect(steps).toEqual(['message', 'judges rspamd clamd'])
    expect(verdict.edits).toEqual([{ type: 'add-header', name: 'X-Spam', value: '7.5 - all' }])
  })

  test('that is only told forces nothing before a listing', () => {
    const rules = sessionRules(`
  - {name: tell, when: body.contains("pay"), then: [{mark: "from {from}"}, {notify: "http://127.0.0.1:1/x"}]}
  - {name: shadow, when: verdict.clamd == "infected", then: [hide], mode: shadow}
  - {name: tag, when: size > 5, then: [{tag-subject: "x"}]}
`)
    expect(rules.sightBeforeListing).toBe('header')
    expect(rules.sightBeforeMessage).toBe('message')
    const listing = stepByStep(rules, MAIL, ANSWERS, 'listing')
    expect(listing.steps).toEqual(['header'])
    expect(listing.verdict.hits.map(({ rule }) => rule)).toEqual(['tag'])
    const delivery = stepByStep(rules, MAIL, ANSWERS, 'delivery')
    expect(delivery.steps).toEqual(['message', 'judges clamd'])
    expect(delivery.verdict).toMatchObject({ isHidden: false, edits: listing.verdict.edits })
    expect(delivery.verdict.notifications).toEqual([{ rule: 'tell', url: 'http://127.0.0.1:1/x' }])
    expect(delivery.verdict.hits).toMatchObject([
      { rule: 'tell', actions: ['mark "from bob@example.com"', 'notify "127.0.0.1:1"'], mode: 'enforce' },
      { rule: 'shadow', actions: ['hide'], mode: 'shadow' },
      { rule: 'tag', mode: 'enforce' },
    ])
  })

  test('that ends the asking counts before listings although it changes nothing itself', () => {
    const rules = sessionRules(`
  - {name: friends, when: 'from.contains("bob")', then: [log], stop: true}
  - {name: big, when: size > 5, then: [hide]}
`)
    expect(rules.sightBeforeListing).toBe('header')
    expect(stepByStep(rules, MAIL, new Map(), 'listing')).toMatchObject({
      steps: ['header'],
      verdict: { isHidden: false, hits: [{ rule: 'friends' }] },
    })
  })

  test('quarantines the whole message and leaves a notice, or hides it', () => {
    const rules = sessionRules(`
  - {name: bad, when: size > 5, then: [quarantine], on-failure: hold}
`)
    const { steps, verdict } = stepByStep(rules, MAIL, new Map())
    expect(steps).toEqual(['message'])
    expect(verdict.quarantine).toEqual({ rule: 'bad', reason: 'size > 5', onFailure: 'hold' })
    expect(verdict.edits).toMatchObject([{ type: 'notice', text: expect.stringContaining('rule "bad"') }])
    const hiding = sessionRules('\n  - {name: bad, when: size > 5, then: [{quarantine: {then: hide}}]}\n')
    expect(stepByStep(hiding, MAIL, new Map()).verdict).toMatchObject({
      isHidden: true,
      edits: [],
      quarantine: { rule: 'bad' },
    })
  })

  test('edits nothing of what is hidden, and looks at nothing for it', () => {
    const rules = sessionRules(`
  - {name: tag, when: size > 5, then: [{tag-subject: "{subject}"}, disarm-links]}
  - {name: hide, when: size > 5, then: [hide]}
`)
    expect(stepByStep(rules, MAIL, new Map())).toMatchObject({
      steps: [],
      verdict: { isHidden: true, edits: [] },
    })
  })

  test('puts in values that stay one harmless line', () => {
    const rules = sessionRules(`
  - name: tag
    when: 'true'
    then:
      - add-header: {name: X-A, value: "{subject}|{header.x-none}|{user}|{{user}"}
      - replace-text: {pattern: "p(a)y", with: "$1{subject}$$"}
`)
    const mail = MAIL.replace('Subject: invoice', 'Subject: =?utf-8?q?a=0D=0ABcc:_x?= $1')
    const { verdict } = stepByStep(rules, mail, new Map())
    expect(verdict.edits[0]).toEqual({
      type: 'add-header',
      name: 'X-A',
      value: 'a\\x0d\\x0aBcc: x $1|-|alice|{user}',
    })
    const edited = editMessage(Buffer.from(mail, 'latin1'), verdict.edits).toString('latin1')
    expect(edited).toContain('Please aa\\x0d\\x0aBcc: x $1$.')
  })
})

describe('a judge that fails', () => {
  const rule = (policy: string, more = '') => `
  - {name: virus, when: verdict.clamd == "infected", then: [hide], on-failure: ${policy}${more}}
  - {name: spam, when: score.rspamd > 0, then: [{tag-subject: "[spam]"}]}
`
  test('lets the message pass by the rule, and the others are asked', () => {
    const { verdict } = stepByStep(sessionRules(rule('deliver')), MAIL, FAILED)
    expect(verdict).toMatchObject({
      isHidden: false,
      refusal: null,
      isLasting: false,
      edits: [{ type: 'tag-subject' }],
      hits: [
        { rule: 'virus', mode: 'failed', reason: 'clamd at 127.0.0.1:3310 refused the connection' },
        { rule: 'spam', mode: 'enforce' },
      ],
    })
  })

  test('refuses or holds the message, never for ever', () => {
    expect(stepByStep(sessionRules(rule('refuse')), MAIL, FAILED).verdict).toMatchObject({
      isHidden: false,
      isHeld: false,
      isLasting: false,
      edits: [],
      refusal: 'the message could not be checked: clamd at 127.0.0.1:3310 refused the connection',
    })
    expect(stepByStep(sessionRules(rule('hold')), MAIL, FAILED).verdict).toMatchObject({
      isHidden: true,
      isHeld: true,
      isLasting: false,
      refusal: null,
    })
  })

  test('does nothing in shadow but to be told', () => {
    expect(stepByStep(sessionRules(rule('hold', ', mode: shadow')), MAIL, FAILED).verdict).toMatchObject({
      isHidden: false,
      isLasting: false,
      hits: [{ mode: 'failed' }, { rule: 'spam', mode: 'enforce' }],
    })
  })

  test('matters not where the condition is decided without it', () => {
    const rules = sessionRules(`
  - {name: a, when: verdict.clamd == "infected" || score.rspamd > 0, then: [hide], on-failure: hold}
`)
    expect(stepByStep(rules, MAIL, FAILED).verdict).toMatchObject({
      isHidden: true,
      isHeld: false,
      isLasting: true,
    })
  })

  test('is what a message is that cannot be seen', () => {
    const rules = sessionRules(`
  - {name: a, when: body.contains("x"), then: [hide], on-failure: refuse}
`)
    const unseen = 'the message has more than 16 MiB'
    expect(decided(rules.examine(seen(MAIL, 'header', { unseen }), SESSION, 'listing'))).toMatchObject({
      refusal: `the message could not be checked: ${unseen}`,
      isLasting: false,
    })
    expect(rules.refusesUnseen).toBe(true)
    const tags = sessionRules('\n  - {name: a, when: size > 5, then: [disarm-links], on-failure: hold}\n')
    expect(decided(tags.examine(seen(MAIL, 'header', { unseen }), SESSION, 'listing'))).toMatchObject({
      isHeld: true,
      edits: [],
      hits: [{ rule: 'a', mode: 'failed', reason: unseen }],
    })
  })
})

describe('how long judges may take', () => {
  const budgetOf = (text: string) => {
    const examination = sessionRules(text).examine(seen(MAIL), SESSION, 'delivery')
    return examination.type === 'asks' ? examination.budgetMs : null
  }
  test('is what the most patient rule says, and theirs where one says nothing', () => {
    const a = '{name: a, when: verdict.clamd == "x", then: [hide], budget: 2s}'
    const b = '{name: b, when: verdict.clamd == "y", then: [hide], budget: 5s}'
    const c = '{name: c, when: score.rspamd > 1, then: [hide]}'
    expect(budgetOf(`\n  - ${a}\n`)).toBe(2_000)
    expect(budgetOf(`\n  - ${a}\n  - ${b}\n`)).toBe(5_000)
    expect(budgetOf(`\n  - ${a}\n  - ${c}\n`)).toBeUndefined()
  })
})

describe('keep-on-server', () => {
  const DAY = 86_400_000
  const keeping = (mail: string, wish: string, now: number) =>
    stepByStep(
      sessionRules(`\n  - {name: keep, when: true, then: [${wish}]}\n`, memoryCache(), () => now),
      mail,
      new Map(),
    )
  const arrived = Date.UTC(2026, 10, 28, 8)

  test('keeps for ever without looking at anything', () => {
    expect(keeping(MAIL, 'keep-on-server', NOW)).toMatchObject({
      steps: [],
      verdict: { isKeptOnServer: true },
    })
  })

  test('keeps until the message is old enough by its topmost Received field', () => {
    const wish = '{keep-on-server: {for: 7d}}'
    expect(keeping(MAIL, wish, arrived + 7 * DAY - 1)).toMatchObject({
      steps: ['header'],
      verdict: { isKeptOnServer: true },
    })
    expect(keeping(MAIL, wish, arrived + 7 * DAY).verdict.isKeptOnServer).toBe(false)
  })

  test('keeps what does not say how old it is', () => {
    const mail = MAIL.replace(/^Received.*\r\n/, '').replace(/Date:.*/, 'Date: yesterday')
    expect(keeping(mail, '{keep-on-server: {for: 1s}}', NOW + 1_000 * DAY).verdict.isKeptOnServer).toBe(true)
  })

  test('is told beforehand, and asks the clock anew when a verdict is recalled', () => {
    let now = arrived + DAY
    const rules = sessionRules(
      '\n  - {name: keep, when: true, then: [{keep-on-server: {for: 2d}}]}\n',
      memoryCache(),
      () => now,
    )
    expect(rules.keepsOnServer).toBe(true)
    expect(rules.sightBeforeListing).toBe('nothing')
    const { verdict } = stepByStep(rules, MAIL, new Map())
    const message = { uniqueId: 'u1', size: MAIL.length, number: 1 }
    rules.remember(message, SESSION, 'delivery', { verdict, octets: 5 })
    expect(rules.recall(message, SESSION, 'delivery')?.verdict.isKeptOnServer).toBe(true)
    now += DAY
    expect(rules.recall(message, SESSION, 'delivery')?.verdict.isKeptOnServer).toBe(false)
  })
})

describe('a verdict that is remembered', () => {
  const TEXT = `
  - {name: tag, when: 'client.startsWith("192.0.2.") && subject == "invoice"', then: [{tag-subject: "[{user}]"}, {notify: "http://127.0.0.1:1/x"}]}
  - {name: rest, when: size > 1, then: [{strip-attachments: {names: ["*.exe"]}}, {replace-text: {pattern: pay, with: PAY}}]}
`
  const message = { uniqueId: 'u1', size: MAIL.length, number: 1 }
  const other: SessionFields = { ...SESSION, session: 's2', client: '192.0.2.7:50001', commands: 9 }

  test('is the same in the next session, by a new program too, but for what is done once', () => {
    const cache = memoryCache()
    const rules = sessionRules(TEXT, cache)
    const { verdict } = stepByStep(rules, MAIL, new Map())
    expect(rules.recall(message, other, 'delivery')).toBeNull()
    rules.remember(message, SESSION, 'delivery', { verdict, octets: 77 })
    const recalled = sessionRules(TEXT, cache).recall({ ...message, number: 2 }, other, 'delivery')
    expect(recalled?.octets).toBe(77)
    expect(recalled?.verdict).toEqual({
      ...verdict,
      notifications: [],
      edits: verdict.edits.map((edit) =>
        Object.fromEntries(
          Object.entries(edit).map(([key, value]) => [
            key,
            typeof value === 'function' ? expect.any(Function) : value,
          ]),
        ),
      ),
    })
    const whole = Buffer.from(MAIL)
    expect(editMessage(whole, recalled?.verdict.edits ?? [])).toEqual(editMessage(whole, verdict.edits))
  })

  test.each([
    ['another user', message, { ...other, user: 'bob' }, TEXT],
    ['another service', message, { ...other, service: 'b' }, TEXT],
    [
      'another address of the client, which a rule asks for',
      message,
      { ...other, client: '192.0.2.8:1' },
      TEXT,
    ],
    ['another size', { ...message, size: 1 }, other, TEXT],
    ['another unique-id', { ...message, uniqueId: 'u2' }, other, TEXT],
    ['other rules', message, other, TEXT.replace('PAY', 'Pay')],
  ])('is not that of %s', (_what, asked, session, text) => {
    const cache = memoryCache()
    const rules = sessionRules(TEXT, cache)
    const { verdict } = stepByStep(rules, MAIL, new Map())
    rules.remember(message, SESSION, 'delivery', { verdict, octets: 77 })
    expect(rules.recall(message, SESSION, 'delivery')).not.toBeNull()
    expect(sessionRules(text, cache).recall(asked, session, 'delivery')).toBeNull()
  })

  test('depends on the message-number where a rule names it', () => {
    const rules = sessionRules('\n  - {name: a, when: number == 1, then: [hide]}\n')
    const { verdict } = stepByStep(rules, MAIL, new Map())
    rules.remember(message, SESSION, 'delivery', { verdict, octets: 5 })
    expect(rules.recall(message, SESSION, 'delivery')).not.toBeNull()
    expect(rules.recall({ ...message, number: 2 }, SESSION, 'delivery')).toBeNull()
  })

  test('of a listing is none of a delivery where more rules are asked then', () => {
    const text = `${TEXT}  - {name: told, when: body.contains("x"), then: [log]}\n`
    const rules = sessionRules(text)
    const { verdict } = stepByStep(rules, MAIL, new Map(), 'listing')
    rules.remember(message, SESSION, 'listing', { verdict, octets: 5 })
    expect(rules.recall(message, SESSION, 'listing')).not.toBeNull()
    expect(rules.recall(message, SESSION, 'delivery')).toBeNull()
  })

  test('is kept of no failure, and is not believed where the disk says something else', () => {
    const cache = memoryCache()
    const rules = sessionRules('\n  - {name: v, when: verdict.clamd == "x", then: [hide]}\n', cache)
    const { verdict } = stepByStep(rules, MAIL, FAILED)
    rules.remember(message, SESSION, 'delivery', { verdict, octets: 5 })
    expect(cache.entries.size).toBe(0)
    const clean = stepByStep(rules, MAIL, new Map([['clamd', CLEAN]])).verdict
    rules.remember(message, SESSION, 'delivery', { verdict: { ...clean }, octets: 5 })
    expect(cache.entries.size, 'a copy is no verdict of these rules').toBe(0)
    rules.remember(message, SESSION, 'delivery', { verdict: clean, octets: 5 })
    const [[key, value] = ['', '']] = cache.entries
    expect(rules.recall(message, SESSION, 'delivery')).not.toBeNull()
    for (const forged of [
      'null',
      '[]',
      '{"v":1}',
      value.replace('"effects":[]', '"effects":[{"rule":0,"action":1,"texts":[]}]'),
      value.replace('"effects":[]', '"effects":[{"rule":1,"action":0,"texts":[]}]'),
      value.replace('"hits":[]', '"hits":[{"rule":7,"actions":null,"reason":"","mode":"enforce"}]'),
      value.replace('"quarantined":null', '"quarantined":3'),
      value.replace('"octets":5', '"octets":-5'),
    ]) {
      expect(forged).not.toBe(value)
      cache.entries.set(key, forged)
      expect(rules.recall(message, SESSION, 'delivery'), forged).toBeNull()
    }
  })
})

describe('a message that a judge writes anew', () => {
  const JUDGE = 'judges: { script: { type: command, run: [cat], writes: message } }'
  const take = (more = '') =>
    `\n  - {name: a, when: 'verdict.script == "bad"', then: [{take-output: script}, {tag-subject: "[x]"}]${more}}\n`
  const answered: JudgeAnswers = new Map([
    ['script', { verdict: 'bad', score: null, finding: '', output: Buffer.from('Subject: new\r\n\r\n') }],
  ])

  test('is told with what edits it afterwards, and remembered', () => {
    const cache = memoryCache()
    const rules = createSessionRules(
      loadRules([{ file: 'a.yaml', text: `${JUDGE}\nrules:${take()}` }]),
      cache,
      () => NOW,
    )
    expect(rules.sightBeforeListing).toBe('message')
    const { verdict, steps } = stepByStep(rules, MAIL, answered)
    expect(steps).toEqual(['message', 'judges script'])
    expect(verdict).toMatchObject({ outputOf: 'script', edits: [{ type: 'tag-subject', tag: '[x]' }] })
    const message = { uniqueId: 'u', size: 5, number: 1 }
    rules.remember(message, SESSION, 'delivery', { verdict, octets: 40 })
    expect(rules.recall(message, SESSION, 'delivery')).toMatchObject({
      octets: 40,
      verdict: { outputOf: 'script', edits: [{ type: 'tag-subject' }] },
    })
  })

  test('needs its judge even where the condition does not', () => {
    const text = `${JUDGE}\nrules: [{ name: a, when: true, then: [{ take-output: script }] }]`
    const rules = createSessionRules(loadRules([{ file: 'a.yaml', text }]), memoryCache(), () => NOW)
    expect(stepByStep(rules, MAIL, answered).steps).toEqual(['message', 'judges script'])
    const failed = stepByStep(rules, MAIL, new Map([['script', { failed: 'does not exist' }]]))
    expect(failed.verdict).toMatchObject({ outputOf: null, hits: [{ mode: 'failed' }], isLasting: false })
  })

  test('comes of a judge that writes messages, and of no other', () => {
    const other = JUDGE.replace(', writes: message', '')
    expect(() => loadRules([{ file: 'a.yaml', text: `${other}\nrules:${take()}` }])).toThrow(
      'found the judge "script", which writes no messages, expected a judge with type: command and writes: message',
    )
    expect(() =>
      loadRules([{ file: 'a.yaml', text: `${JUDGE}\nrules:${take().replace('script}', 'skript}')}` }]),
    ).toThrow(/unknown judge "skript", expected one of script/)
  })
})

describe('rules of commands', () => {
  const command = (text: string, verb = 'USER', argument = 'alice', session = SESSION) =>
    sessionRules(text).command({ verb, argument, number: verb === 'RETR' ? 2 : null }, session)

  test('answer, refuse, close and delay; the first answer wins and delays add up', () => {
    const text = `
  - {name: slow, when: 'command == "USER"', then: [{delay: 1s}]}
  - {name: no, when: 'client_tls == "" && !inNetwork(client, "10.0.0.0/8")', then: [{refuse: {text: "no clear login from {client}", code: SYS/PERM}}, {delay: 500ms}]}
  - {name: other, when: 'command == "USER"', then: [{answer: "fine"}]}
  - {name: end, when: 'argument == "alice"', then: [close, {notify: "http://127.0.0.1:1/"}], mode: enforce}
  - {name: shadow, when: 'true', then: [{refuse: "x"}], mode: shadow}
`
    expect(command(text)).toMatchObject({
      delayMs: 1_500,
      closes: true,
      answer: {
        indicator: '-ERR',
        responseCode: 'SYS/PERM',
        text: 'no clear login from 192.0.2.7:40001',
        lines: null,
      },
      hits: [
        { rule: 'slow', actions: ['delay 1s'] },
        { rule: 'no' },
        { rule: 'end', mode: 'enforce' },
        { rule: 'shadow', mode: 'shadow' },
      ],
      notifications: [{ rule: 'end', url: 'http://127.0.0.1:1' }],
    })
  })

  test('answer with lines, and know the number', () => {
    const text = `
  - {name: a, when: 'command == "RETR" && number == 2', then: [{answer: {text: "{number} follows", lines: ["for {user}", "."]}}], stop: true}
  - {name: b, when: 'true', then: [close]}
`
    expect(command(text, 'RETR', '2')).toMatchObject({
      answer: { indicator: '+OK', responseCode: null, text: '2 follows', lines: ['for alice', '.'] },
      closes: false,
    })
    expect(command(text, 'NOOP', '')).toMatchObject({ answer: null, closes: true })
  })

  test('are not asked where none holds, and a delay has an end', () => {
    expect(command('\n  - {name: a, when: \'command == "X"\', then: [close]}\n')).toBeNull()
    const slow = `{when: 'true', then: [{delay: ${MOST_DELAY_MS}ms}], name: `
    expect(command(`\n  - ${slow}a}\n  - ${slow}b}\n`)?.delayMs).toBe(MOST_DELAY_MS)
    const messages = sessionRules('\n  - {name: a, when: size > 5, then: [hide]}\n')
    expect(messages.judgesCommands).toBe(false)
    expect(messages.command({ verb: 'USER', argument: '', number: null }, SESSION)).toBeNull()
  })

  test('change what passes, and make trouble; the first rule that says something counts', () => {
    const text = `
  - {name: a, when: 'command == "CAPA"', then: [{capabilities: {add: ["EXPIRE 7"], remove: [TOP]}}, {throttle: 1KiB}]}
  - {name: b, when: 'true', then: [{throttle: 2KiB}, {cut-off: 10}, {corrupt: 3}, {set-argument: "{number} 0"}]}
  - {name: c, when: 'true', then: [{cut-off: 99}], mode: shadow}
`
    expect(command(text, 'CAPA', '')).toMatchObject({
      capabilities: { add: ['EXPIRE 7'], remove: ['TOP'] },
      octetsPerSecond: 1_024,
      cutOffAfter: 10,
      corruptEvery: 3,
      hits: [
        { actions: ['capabilities +EXPIRE 7, -TOP', 'throttle 1KiB a second'] },
        {
          actions: [
            'throttle 2KiB a second',
            'cut-off after 10B',
            'corrupt one octet in 3',
            'set-argument "{number} 0"',
          ],
        },
        { mode: 'shadow' },
      ],
    })
    expect(command(text, 'RETR', '2')).toMatchObject({ argument: '2 0', octetsPerSecond: 2_048 })
  })

  test('put another greeting in the place of the server', () => {
    const text = `
  - {name: shadow, when: 'true', then: [{greeting: "x"}], mode: shadow}
  - {name: a, when: 'inNetwork(client, "10.0.0.0/8")', then: [{greeting: "inside"}]}
  - {name: b, when: 'true', then: [{greeting: "mail for {client}"}]}
`
    const rules = sessionRules(text)
    expect(rules.greeting?.(SESSION)).toMatchObject({
      text: 'mail for 192.0.2.7:40001',
      hits: [{ rule: 'shadow' }, { rule: 'b' }],
    })
    expect(rules.command({ verb: 'USER', argument: 'a', number: null }, SESSION)).toBeNull()
  })

  test('limit logins: by name where it is known in time, by client where it is not', () => {
    const text = "\n  - {name: a, when: 'true', then: [{limit-logins: 5min}]}\n"
    const asked: unknown[] = []
    const logins: Logins = {
      lastAt: (...about) => {
        asked.push(about)
        return NOW - 299_001
      },
    }
    const rules = createSessionRules(rulesOf(text), memoryCache(), () => NOW, logins)
    const answerTo = (verb: string, argument: string) =>
      rules.command({ verb, argument, number: null }, SESSION)?.answer
    expect(answerTo('PASS', '')).toEqual({
      indicator: '-ERR',
      responseCode: 'LOGIN-DELAY',
      text: 'the last login was too short a time ago: try again in 1 s',
      lines: null,
    })
    answerTo('APOP', 'bob')
    answerTo('AUTH', 'PLAIN')
    expect(asked).toEqual([
      [SESSION.service, 'alice', '192.0.2.7'],
      [SESSION.service, 'bob', '192.0.2.7'],
      [SESSION.service, null, '192.0.2.7'],
    ])
    expect(answerTo('USER', 'alice')).toBeUndefined()
    const later = createSessionRules(rulesOf(text), memoryCache(), () => NOW + 1_000, logins)
    expect(later.command({ verb: 'PASS', argument: '', number: null }, SESSION)).toBeNull()
  })

  test('put harmless values into a status line of bounded length', () => {
    const text = '\n  - {name: a, when: \'true\', then: [{refuse: "{argument}{argument}{argument}"}]}\n'
    const answer = command(text, 'X', `a\r\n+OK ${'x'.repeat(500)}`)?.answer
    expect(answer?.text).not.toMatch(/[\r\n]/)
    expect(answer?.text.length).toBe(400)
  })
})

describe('rules of replies', () => {
  const refused = { indicator: '-ERR', responseCode: 'AUTH', text: 'no such user' } as const
  const reply = (text: string, said: Pick<SeenReply, 'indicator' | 'responseCode' | 'text'> = refused) =>
    sessionRules(text).reply?.({ verb: 'PASS', argument: '', number: null, ...said }, SESSION)

  test('put other words in the place of a -ERR, close and notify; the first words count', () => {
    const text = `
  - {name: told, when: 'indicator == "-ERR"', then: [{mark: "{user}: {text} [{response_code}]"}]}
  - {name: hushed, when: 'command == "PASS" && response_code == "AUTH"', then: [{refuse: {text: "wrong name or password", code: AUTH}}]}
  - {name: later, when: 'text.contains("user")', then: [{refuse: "later"}]}
  - {name: tried, when: 'text.contains("user")', then: [{refuse: "tried"}], mode: shadow}
  - {name: end, when: 'response_code == "AUTH"', then: [close, {notify: "http://127.0.0.1:1/"}], stop: true}
  - {name: unasked, when: 'response_code == "AUTH"', then: [log]}
`
    expect(reply(text)).toMatchObject({
      hits: [
        { rule: 'told', actions: ['mark "alice: no such user [AUTH]"'] },
        { rule: 'hushed', reason: 'command == "PASS" && response_code == "AUTH"' },
        { rule: 'tried', mode: 'shadow' },
        { rule: 'end' },
      ],
      instead: { responseCode: 'AUTH', text: 'wrong name or password' },
      closes: true,
      notifications: [{ rule: 'end', url: 'http://127.0.0.1:1' }],
    })
  })

  test('never put anything in the place of a +OK', () => {
    const done = { indicator: '+OK', responseCode: null, text: 'logged in' } as const
    expect(reply('\n  - {name: a, when: \'text != ""\', then: [{refuse: x}]}\n', done)).toBeNull()
    expect(reply('\n  - {name: a, when: \'text != ""\', then: [close]}\n', done)).toMatchObject({
      instead: null,
      closes: true,
    })
  })

  test('know no response code where there is none, and are not there where no rule is of replies', () => {
    const text = '\n  - {name: a, when: \'response_code == ""\', then: [log]}\n'
    expect(reply(text, { ...refused, responseCode: null })).toBeNull()
    expect(sessionRules('\n  - {name: a, when: \'command == "PASS"\', then: [log]}\n').reply).toBeUndefined()
  })

  test('write one line, whatever the server said', () => {
    const text = "\n  - {name: a, when: 'true', then: [{refuse: 'it said {text}'}]}\n"
    const evil = { ...refused, text: `x\r\n+OK ${'y'.repeat(10_000)}` }
    const said = reply(text, evil)?.instead?.text ?? ''
    expect(said).toMatch(/^it said x/)
    expect(said).not.toMatch(/\p{Cc}/u)
    expect(said.length).toBeLessThan(600)
  })
})
