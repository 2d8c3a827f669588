import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NO_ARGUMENT, type ScreenContext } from '../../../src/dashboard/screen-module.js'
import { type RulesState, rulesScreen } from '../../../src/dashboard/screens/rules.js'
import type { RuleHits } from '../../../src/trace/rule-hits.js'
import { RuleHitCounter } from '../../../src/trace/rule-hits.js'
import type { Breakpoint, RulesRefusal, WatchedRule } from '../../../src/watch/protocol.js'
import { type Script, START } from '../../sessions/script.js'
import { LARGE, pressKeys, renderScreen, SMALL } from '../../support/screen-rendering.js'
import { expectGolden } from '../golden.js'
import { escapes, FIELD, harmlessTwin, hostileText, withField } from './hostile.js'
import {
  changed,
  fetching,
  HOLDS_ALICE,
  LUNCH,
  NOW,
  storeOf,
  troubledScene,
  troubledSessions,
} from './mail-scene.js'

process.env.TZ = 'UTC'

const ALICE: Breakpoint = {
  id: 'b1',
  filter: HOLDS_ALICE,
  kinds: ['message'],
  isOn: true,
  holdMs: 60_000,
  hits: 1,
  lastHitAt: NOW - 4_100,
}
const DELETIONS: Breakpoint = {
  id: 'b2',
  filter: 'command == "DELE"',
  kinds: ['command', 'reply'],
  isOn: false,
  holdMs: 60_000,
  hits: 0,
  lastHitAt: null,
}

const EXTERNAL: WatchedRule = {
  name: 'tag external senders',
  place: 'rules/20-tag-external.yaml:17',
  of: 'message',
  mode: 'enforce',
  when: '!("from" in raw_header) || !raw_header["from"].matches(r"(?i)@(?:[a-z0-9-]+\\.)*example\\.org>?\\s*$")',
  actions: ['tag-subject "[EXT]"', 'set-header X-External "yes"'],
  cost: 'needs the header section: one TOP for each new message before LIST',
  onFailure: 'deliver',
  stops: false,
}
const RULES: readonly WatchedRule[] = [
  {
    name: 'refuse clear logins',
    place: 'rules/10-refuse-clear-logins.yaml:12',
    of: 'command',
    mode: 'enforce',
    when: 'command == "PASS" && client_tls == ""',
    actions: ['refuse "use TLS" [AUTH]'],
    cost: 'asked about each command',
    onFailure: 'deliver',
    stops: true,
  },
  EXTERNAL,
  {
    name: 'virus',
    place: 'rules/30-virus-clamd.yaml:30',
    of: 'message',
    mode: 'shadow',
    when: 'verdict.clamd == "infected"',
    actions: ['quarantine'],
    cost: 'needs the whole message: one RETR for each new message before LIST',
    onFailure: 'hold',
    stops: false,
  },
]
const REFUSAL: RulesRefusal = {
  at: NOW - 30_000,
  lines: [
    'rules/20-tag-external.yaml:19:7: rule "tag external senders": then[0]: found "tag-subjet", expected one of the actions: did you mean tag-subject?',
  ],
}

/** Mail that rules looked at: one message was changed, in a maildrop of two. */
function ruledSession(): Script {
  const script = fetching('erin-1', 'erin@example.org', START + 40_000)
    .hit({ rule: EXTERNAL.name, place: EXTERNAL.place, actions: EXTERNAL.actions, reason: EXTERNAL.when })
    .hit({
      rule: EXTERNAL.name,
      place: EXTERNAL.place,
      actions: EXTERNAL.actions,
      message: 2,
      uniqueId: 'uid-two',
    })
    .hit({
      rule: 'virus',
      place: '',
      mode: 'failed',
      actions: [],
      reason: 'clamd refused the connection',
      message: 2,
    })
  return changed(script, 1, LUNCH, LUNCH.replace('Subject: ', 'Subject: [EXT] '))
}

function refusedSession(): Script {
  return fetching('frank-1', 'frank@example.org', START + 50_000)
    .command('PASS [redacted]')
    .commandHit({
      rule: 'refuse clear logins',
      place: RULES[0]?.place ?? '',
      actions: RULES[0]?.actions ?? [],
    })
    .reply('-ERR [AUTH] use TLS', { source: 'postern' })
}

function countedIn(...scripts: readonly Script[]): readonly RuleHits[] {
  const counter = new RuleHitCounter()
  for (const event of scripts.flatMap(({ events }) => events)) counter.add(event)
  return counter.counts
}

/** Rules of files at work, and breakpoints beside them. */
function ruled(given: Partial<ScreenContext> = {}): ScreenContext {
  const scripts = [ruledSession(), refusedSession()]
  return context({
    store: storeOf(...troubledSessions(), ...scripts),
    rules: { rules: RULES, refusal: null },
    ruleHits: countedIn(...scripts),
    ...given,
  })
}

function context(given: Partial<ScreenContext> = {}): ScreenContext {
  return troubledScene({ breakpoints: [ALICE, DELETIONS], ...given })
}

function open(given: ScreenContext): RulesState {
  return rulesScreen.open(NO_ARGUMENT, given)
}

function screen(state: RulesState, given: ScreenContext): string {
  return renderScreen(rulesScreen, state, given).join('\n')
}

describe('the rules', () => {
  for (const [name, size] of [
    ['80x24', SMALL],
    ['160x45', LARGE],
  ] as const) {
    it(`show breakpoints and their last matches at ${name}`, () => {
      const given = context({ size })
      const unfolded = pressKeys(rulesScreen, open(given), given, 'enter', 'S-g', 'enter').state
      expectGolden(`rules-${name}`, renderScreen(rulesScreen, unfolded, given))
    })
  }

  it('fold their matches away again', () => {
    const given = context()
    const folded = pressKeys(rulesScreen, open(given), given, 'enter', 'enter').state
    expect(screen(folded, given)).toBe(screen(open(given), given))
  })

  it('open the session of a match at its command', () => {
    const given = context()
    expect(pressKeys(rulesScreen, open(given), given, 'enter', 'j', 'enter').effects).toEqual([
      { type: 'open', screen: 'session', argument: { session: 'alice-1', number: 6, hold: null } },
    ])
  })

  it('are switched on and off as they are', () => {
    const given = context()
    expect(pressKeys(rulesScreen, open(given), given, 'j', 'space').effects).toEqual([
      {
        type: 'request',
        request: {
          type: 'set-breakpoint',
          breakpoint: 'b2',
          filter: 'command == "DELE"',
          kinds: ['command', 'reply'],
          holdMs: 60_000,
          isOn: true,
        },
        done: 'Breakpoint on: command == "DELE"',
      },
    ])
  })

  it('are removed after a question, the one that a match belongs to', () => {
    const given = context()
    const [question] = pressKeys(rulesScreen, open(given), given, 'enter', 'j', 'x').effects
    if (question?.type !== 'confirm') throw new Error('nothing is asked')
    expect(question.question).toBe('Remove the breakpoint user == "alice@example.org"?')
    expect(question.onYes).toMatchObject([
      { type: 'request', request: { type: 'remove-breakpoint', breakpoint: 'b1' } },
    ])
  })

  it('keep the selected one selected while others come and go', () => {
    const given = context()
    const second = pressKeys(rulesScreen, open(given), given, 'j').state
    const swapped = rulesScreen.settle(second, context({ breakpoints: [DELETIONS, ALICE] }))
    expect(swapped.position.selected).toBe(0)
  })

  it('count what is on', () => {
    const given = context()
    expect(rulesScreen.status(open(given), given)).toBe('1 of 2 on')
  })

  it('are found by their filter', () => {
    const given = context()
    expect(rulesScreen.find(open(given), given, 'dele', 1)?.position.selected).toBe(1)
    expect(rulesScreen.find(open(given), given, 'nowhere', 1)).toBeNull()
  })

  for (const [name, size] of [
    ['80x24', SMALL],
    ['160x45', LARGE],
  ] as const) {
    it(`of files stand before breakpoints at ${name}, with what they say and when they held`, () => {
      const given = ruled({ size })
      expectGolden(`rules-files-${name}`, renderScreen(rulesScreen, open(given), given))
      const unfolded = pressKeys(rulesScreen, open(given), given, 'j', 'enter').state
      expectGolden(`rules-files-unfolded-${name}`, renderScreen(rulesScreen, unfolded, given))
    })

    it(`say why changed files were refused at ${name}`, () => {
      const given = ruled({ size, rules: { rules: RULES, refusal: REFUSAL } })
      expectGolden(`rules-refused-${name}`, renderScreen(rulesScreen, open(given), given))
    })
  }

  it('say so too where the first files were refused, and how much more there is to say', () => {
    const lines = Array.from({ length: 9 }, (_, index) => `a.yaml:${index + 1}: expected a name`)
    const given = context({ breakpoints: [], rules: { rules: [], refusal: { at: NOW, lines } } })
    const shown = screen(open(given), given)
    expect(shown).toContain('! Changed rules were refused at 12:02:00, those before stay:')
    expect(shown).toContain('a.yaml:3')
    expect(shown).not.toContain('a.yaml:4')
    expect(shown).toContain('and 6 more lines: the log has them all')
  })

  it('of a recording are those that held in it', () => {
    const given = ruled({ source: 'recording', rules: { rules: [], refusal: null }, breakpoints: [] })
    const shown = pressKeys(rulesScreen, open(given), given, 'enter').state
    expectGolden('rules-recording-80x24', renderScreen(rulesScreen, shown, given))
    expect(rulesScreen.status(open(given), given)).toBe('3 rules held')
  })

  it('open the session of a message where it was fetched, and of a command at the command', () => {
    const given = ruled()
    const ofCommand = pressKeys(rulesScreen, open(given), given, 'enter').state
    const down = ofCommand.lines.findIndex(({ type }) => type === 'match')
    const keys = Array.from({ length: down }, () => 'j')
    expect(pressKeys(rulesScreen, ofCommand, given, ...keys, 'enter').effects).toEqual([
      { type: 'open', screen: 'session', argument: { session: 'frank-1', number: 4, hold: null } },
    ])
    const unfolded = pressKeys(rulesScreen, open(given), given, 'j', 'enter')
    const matches = unfolded.state.lines.filter(({ type }) => type === 'match')
    expect(matches).toMatchObject([
      { number: null, what: 'message 2  unique-id uid-two' },
      { number: 4, what: 'message 1  Re: lunch' },
    ])
  })

  it('show their newest matches first, those of one moment too', () => {
    const script = fetching('gina-1', 'gina@example.org', START)
    for (let message = 1; message <= 12; message += 1) script.hit({ message, rule: 'virus' })
    const { at } = script
    const events = script.events.map((event) => ({ ...event, at }))
    const store = storeOf()
    for (const event of events) store.add(event)
    const given = ruled({ store, rules: { rules: [], refusal: null }, ruleHits: countedIn(script) })
    const { lines } = pressKeys(rulesScreen, open(given), given, 'enter').state
    const numbers = lines.flatMap((line) => (line.type === 'match' ? [line.what.split(' ')[1]] : []))
    expect(numbers).toEqual(['12', '11', '10', '9', '8', '7', '6', '5', '4', '3'])
  })

  it('of files are changed in their files', () => {
    const given = ruled()
    for (const key of ['space', 'e', 'x'])
      expect(pressKeys(rulesScreen, open(given), given, 'j', key).effects).toEqual([
        {
          type: 'say',
          text: 'This rule is changed at rules/20-tag-external.yaml:17, which is read again by itself.',
          tone: 'plain',
        },
      ])
    expect(pressKeys(rulesScreen, open(given), given, 'y').effects).toMatchObject([
      { type: 'copy', text: 'command == "PASS" && client_tls == ""' },
    ])
  })

  it('of files are counted beside breakpoints, and found by what they say', () => {
    const given = ruled()
    expect(rulesScreen.status(open(given), given)).toBe('3 rules, breakpoints 1 of 2 on')
    expect(rulesScreen.find(open(given), given, 'INFECTED', 1)?.position.selected).toBe(2)
    expect(rulesScreen.find(open(given), given, 'hold message', 1)?.position.selected).toBe(3)
  })

  it('that are in force no more stand behind the others as long as they held', () => {
    const given = ruled({ rules: { rules: [EXTERNAL], refusal: null } })
    const names = open(given)
    expect(rulesScreen.settle(names, given).lines.map(({ id }) => id)).toEqual([
      'rule tag external senders',
      'rule virus',
      'rule refuse clear logins',
      'b1',
      'b2',
    ])
  })

  it('keep names, reasons and mistakes in their place', () => {
    const rule: WatchedRule = { ...EXTERNAL, name: FIELD, when: FIELD, actions: [FIELD], cost: FIELD }
    const hits = [ruledSession().hit({ rule: FIELD, uniqueId: FIELD, reason: FIELD, mode: 'failed' })]
    const contextOf = (text: string, size = SMALL): ScreenContext => {
      const events = withField(
        hits.flatMap(({ events }) => events),
        text,
      )
      const counter = new RuleHitCounter()
      const store = storeOf()
      for (const event of events) {
        counter.add(event)
        store.add(event)
      }
      const told: WatchedRule = { ...rule, name: text, when: text, actions: [text], cost: text }
      const rules = { rules: [told], refusal: { at: NOW, lines: [text] } }
      return context({ size, store, rules, ruleHits: counter.counts })
    }
    const listed = (text: string): readonly string[] => {
      const given = { ...contextOf(text), rules: { ...contextOf(text).rules, refusal: null } }
      return renderScreen(rulesScreen, open(given), given)
    }
    fc.assert(
      fc.property(hostileText, (text) => {
        expect(escapes(listed(text), listed(harmlessTwin(text)), { from: 8, to: 57 })).toEqual([])
        // What wraps has other rows than its twin; that no row leaves its room is checked as it is rendered.
        for (const size of [SMALL, LARGE]) {
          const given = contextOf(text, size)
          const unfolded = pressKeys(rulesScreen, open(given), given, 'enter').state
          expect(renderScreen(rulesScreen, unfolded, given).length).toBeLessThanOrEqual(size.rows)
        }
      }),
      { numRuns: 100 },
    )
  })

  it('say what to do where there is none, and change nothing in a recording', () => {
    const none = context({ breakpoints: [] })
    expectGolden('rules-empty-80x24', renderScreen(rulesScreen, open(none), none))
    expect(pressKeys(rulesScreen, open(none), none, 'space').effects).toMatchObject([{ type: 'say' }])
    const recording = context({ source: 'recording' })
    for (const key of ['space', 'x', 'a', 'e'])
      expect(pressKeys(rulesScreen, open(recording), recording, key).effects).toMatchObject([{ type: 'say' }])
    const empty = { ...none, source: 'recording' } as const
    expect(screen(open(none), empty)).toContain('A recording has no rules')
    expect(rulesScreen.status(open(none), empty)).toBe('no rules')
  })
})
