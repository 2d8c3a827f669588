import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { editMessage, reachOf } from '../../src/mail/edit.js'
import { explain } from '../../src/rules/explain.js'
import type { JudgeAnswers, MessageVerdict, Purpose } from '../../src/rules/verdict.js'
import {
  decided,
  MAIL,
  memoryCache,
  NOW,
  rulesOf,
  SESSION,
  seen,
  sessionRules,
  stepByStep,
  wholeKnown,
} from './rules.js'

const leaf = fc.constantFrom(
  'size > 200',
  'size > 2',
  'number == 1',
  'known(unique_id)',
  'user == "alice"',
  'user == "bob"',
  'subject == "invoice"',
  '!(subject == "invoice")',
  'from.contains("bob")',
  'header["X-None"] == "x"',
  '"subject" in raw_header',
  'body.contains("pay")',
  '!body.contains("pay")',
  'attachments.exists(a, a.name.endsWith(".exe"))',
  'attachments.size() == 0',
  'verdict.clamd == "infected"',
  '!(verdict.clamd == "infected")',
  'score.rspamd > 5',
  'score.clamd > 5',
  '(score.rspamd > 5 ? subject == "invoice" : body.contains("x"))',
)
const { condition } = fc.letrec<{ condition: string }>((tie) => ({
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc
      .tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition'))
      .map(([one, op, other]) => `(${one}) ${op} (${other})`),
    tie('condition').map((one) => `!(${one})`),
  ),
}))
const action = fc.constantFrom(
  'hide',
  'log',
  'keep-on-server',
  'disarm-links',
  'quarantine',
  'strip-attachments',
  '{quarantine: {then: hide}}',
  '{keep-on-server: {for: 7d}}',
  '{tag-subject: "[{from}]"}',
  '{add-header: {name: X-A, value: "{score.rspamd} {size}"}}',
  '{set-header: {name: Subject, value: "new"}}',
  '{remove-header: Received}',
  '{replace-text: {pattern: "p.y", with: "<$0>"}}',
  '{notice: "see {finding.clamd}"}',
  '{mark: "{verdict.rspamd}"}',
  '{notify: "http://127.0.0.1:1/"}',
)
const rule = fc.record({
  when: condition,
  actions: fc.array(action, { minLength: 1, maxLength: 3 }),
  mode: fc.constantFrom('enforce', 'enforce', 'shadow'),
  policy: fc.constantFrom('deliver', 'refuse', 'hold'),
  stop: fc.boolean(),
})
const ruleText = fc
  .array(rule, { minLength: 1, maxLength: 5 })
  .map((rules) =>
    rules
      .map(
        ({ when, actions, mode, policy, stop }, index) =>
          `\n  - {name: r${index}, when: ${JSON.stringify(when)}, then: [${actions.join(', ')}], mode: ${mode}, on-failure: ${policy}, stop: ${stop}}`,
      )
      .join(''),
  )
// Messages alone: what only is told might be of commands.
const messageRules = ruleText.filter((text) => rulesOf(text).commandRules.length === 0)

const mail = fc.oneof(
  fc.constant(MAIL),
  fc.constant(MAIL.replace('pay', 'nothing').replace('invoice', 'hello')),
  fc
    .tuple(fc.constantFrom('invoice', 'x'), fc.string(), fc.string({ unit: 'binary' }))
    .map(
      ([subject, header, body]) =>
        `Subject: ${subject}\r\nX-B: ${header.replace(/[\r\n]/g, '')}\r\n\r\n${body}`,
    ),
)
const answer = fc.oneof(
  fc.record({
    verdict: fc.constantFrom('clean', 'infected'),
    score: fc.constantFrom(null, 1, 7),
    finding: fc.constantFrom('', 'Eicar'),
  }),
  fc.constant({ failed: 'no answer within 20s' }),
)
const answers = fc.tuple(answer, answer).map(
  ([clamd, rspamd]): JudgeAnswers =>
    new Map([
      ['clamd', clamd],
      ['rspamd', rspamd],
    ]),
)
const purpose = fc.constantFrom<Purpose>('listing', 'delivery')

/** What a verdict says, functions aside, and what judges said that nobody had to ask. */
function plain(verdict: MessageVerdict): unknown {
  const hits = verdict.hits.map((hit) => ({
    ...hit,
    reason: hit.reason.replace(/; (?:clamd|rspamd): .*/, ''),
  }))
  return JSON.parse(JSON.stringify({ ...verdict, hits, quarantine: verdict.quarantine?.rule ?? null }))
}

describe('a verdict', () => {
  test('reached step by step is that of somebody who has seen everything', () => {
    fc.assert(
      fc.property(messageRules, mail, answers, purpose, (text, message, judged, what) => {
        const rules = sessionRules(text)
        const { verdict, steps } = stepByStep(rules, message, judged, what)
        const all = decided(rules.examine(seen(message, 'message', { judged }), SESSION, what))
        expect(plain(verdict)).toEqual(plain(all))
        expect(steps.length).toBeLessThanOrEqual(3)
      }),
      { numRuns: 200 },
    )
  })

  test('needs no more than was said when the rules were loaded', () => {
    fc.assert(
      fc.property(messageRules, mail, answers, (text, message, judged) => {
        const rules = sessionRules(text)
        for (const [what, sight] of [
          ['listing', rules.sightBeforeListing],
          ['delivery', rules.sightBeforeMessage],
        ] as const) {
          const has = sight === 'nothing' ? 'listing' : sight
          const enough = rules.examine(seen(message, has, { judged }), SESSION, what)
          const all = rules.examine(seen(message, 'message', { judged }), SESSION, what)
          expect(plain(decided(enough))).toEqual(plain(decided(all)))
        }
      }),
      { numRuns: 200 },
    )
  })

  test('of a listing is what the delivery comes to, unless that is refused', () => {
    fc.assert(
      fc.property(messageRules, mail, answers, (text, message, judged) => {
        const rules = sessionRules(text)
        const { verdict: listing } = stepByStep(rules, message, judged, 'listing')
        const { verdict: delivery } = stepByStep(rules, message, judged, 'delivery')
        if (delivery.refusal !== null || listing.refusal !== null) return
        expect(delivery.isHidden).toBe(listing.isHidden)
        expect(plain(delivery)).toMatchObject({ edits: JSON.parse(JSON.stringify(listing.edits)) })
      }),
      { numRuns: 200 },
    )
  })

  test('has only edits for which enough was seen', () => {
    fc.assert(
      fc.property(messageRules, mail, answers, purpose, (text, message, judged, what) => {
        const { verdict, steps } = stepByStep(sessionRules(text), message, judged, what)
        const reach = reachOf(verdict.edits)
        if (reach === 'header') expect(steps).not.toEqual([])
        if (reach === 'message' || verdict.quarantine !== null) expect(steps).toContain('message')
        if (verdict.isHidden) expect(verdict.edits).toEqual([])
      }),
      { numRuns: 150 },
    )
  })

  test('is recalled as it was remembered', () => {
    fc.assert(
      fc.property(messageRules, mail, answers, purpose, (text, message, judged, what) => {
        const cache = memoryCache()
        const rules = sessionRules(text, cache)
        const { verdict } = stepByStep(rules, message, judged, what)
        const listed = { uniqueId: 'u1', size: message.length, number: 1 }
        rules.remember(listed, SESSION, what, { verdict, octets: 9 })
        const recalled = sessionRules(text, cache).recall(listed, SESSION, what)
        if (!verdict.isLasting) expect(recalled).toBeNull()
        else {
          expect(plain(recalled?.verdict ?? verdict)).toEqual(
            plain({ ...verdict, quarantine: null, notifications: [] }),
          )
          expect(recalled?.octets).toBe(9)
        }
      }),
      { numRuns: 150 },
    )
  })

  test('is explained as it is reached', () => {
    fc.assert(
      fc.property(messageRules, mail, answers, (text, message, judged) => {
        const { verdict } = stepByStep(sessionRules(text), message, judged)
        const explained = explain(rulesOf(text), wholeKnown(message, judged), NOW)
        const holding = explained.rules.filter(({ outcome }) => outcome === 'holds')
        const held = verdict.hits.filter(({ mode }) => mode !== 'failed').map(({ rule: name }) => name)
        if (verdict.isLasting) {
          expect(holding.map(({ rule: { name } }) => name)).toEqual(held)
          expect(plain(explained.verdict)).toMatchObject({ edits: JSON.parse(JSON.stringify(verdict.edits)) })
        } else expect(holding.map(({ rule: { name } }) => name)).toEqual(expect.arrayContaining(held))
      }),
      { numRuns: 150 },
    )
  })
})

test('no mail makes rules throw, nor what they do to it', () => {
  const octets = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc
      .array(
        fc.constantFrom(
          '\r\n',
          '\n',
          ' ',
          ':',
          'Subject',
          'Content-Type: multipart/mixed; boundary=b',
          '--b',
          '--b--',
          '=?utf-8?q?=',
          'a',
          '\0',
          '\xff',
          ';',
          '"',
        ),
        { maxLength: 60 },
      )
      .map((pieces) => Buffer.from(pieces.join(''), 'latin1')),
  )
  fc.assert(
    fc.property(messageRules, octets, answers, (text, raw, judged) => {
      const message = Buffer.from(raw)
      const rules = sessionRules(text)
      const verdict = decided(
        rules.examine(
          { ...seen('\r\n\r\n'), size: message.length, header: message, message, judged },
          SESSION,
          'delivery',
        ),
      )
      editMessage(message, verdict.edits)
      for (const hit of verdict.hits) expect(`${hit.reason}${hit.actions.join('')}`).not.toMatch(/\p{Cc}/u)
    }),
    { numRuns: 200 },
  )
})
