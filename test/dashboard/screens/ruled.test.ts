/** What rules did, wherever people look: in the dialogue, beside a message, in the list, in the statistics. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Size } from '../../../src/dashboard/frame.js'
import { NO_ARGUMENT, type ScreenContext } from '../../../src/dashboard/screen-module.js'
import { messageScreen } from '../../../src/dashboard/screens/message.js'
import { sessionScreen } from '../../../src/dashboard/screens/session.js'
import { flagsText, rulesText } from '../../../src/dashboard/screens/session-columns.js'
import { statisticsScreen } from '../../../src/dashboard/screens/statistics.js'
import { RuleHitCounter } from '../../../src/trace/rule-hits.js'
import { loggedIn, Script, START } from '../../sessions/script.js'
import { LARGE, pressKeys, renderScreen, SMALL } from '../../support/screen-rendering.js'
import { expectGolden } from '../golden.js'
import { hostileText } from './hostile.js'
import { changed, fetching, LUNCH, mailScene, NOW, storeOf } from './mail-scene.js'

process.env.TZ = 'UTC'

const SIZES: readonly (readonly [string, Size])[] = [
  ['80x24', SMALL],
  ['160x45', LARGE],
]
const CHANGED = { session: 'erin-1', number: 5, hold: null }
const SENT = LUNCH.replace('Subject: ', 'Subject: [EXT] ')

/** A maildrop of 300 messages, of which rules change most, hide two and cannot ask about one. */
function ruledSession(): Script {
  const script = new Script('erin-1', START).opened().tls('server').greeting().login('erin@example.org')
  script.command('LIST')
  for (let message = 1; message <= 300; message += 1) {
    script.hit({ message, uniqueId: `uid-${message}` })
    if (message % 150 === 0)
      script.hit({
        message,
        rule: 'newsletters',
        actions: ['hide'],
        mode: 'shadow',
        reason: '"list-id" in header',
      })
  }
  script.hit({
    message: 300,
    rule: 'virus',
    place: '',
    actions: [],
    mode: 'failed',
    reason: 'clamd at 127.0.0.1:3310 refused the connection',
  })
  script
    .tell({ type: 'maildrop-seen', messages: 300, remembered: 0, headers: 300, whole: 0, hidden: 0 })
    .reply('+OK 300 messages', { source: 'postern' })
    .piece('1 134\r\n2 134\r\n', 'postern')
    .command('DELE 2')
    .commandHit({
      rule: 'read only',
      place: 'rules/b.yaml:1',
      actions: ['refuse "read only"'],
      reason: 'command == "DELE"',
    })
    .reply('-ERR read only', { source: 'postern' })
  return changed(script, 1, LUNCH, SENT).quit()
}

function ruledScene(given: Partial<ScreenContext> = {}, script = ruledSession()): ScreenContext {
  const counter = new RuleHitCounter()
  for (const event of script.events) counter.add(event)
  return mailScene({ now: NOW, store: storeOf(script), ruleHits: counter.counts, ...given })
}

describe('rules in a session', () => {
  for (const [name, size] of SIZES) {
    it(`take a line each where they looked at a maildrop, at ${name}`, () => {
      const given = ruledScene({ size })
      const state = sessionScreen.open({ session: 'erin-1', number: null, hold: null }, given)
      expectGolden(`session-rules-${name}`, renderScreen(sessionScreen, state, given))
    })
  }
})

describe('a message that rules changed', () => {
  for (const [name, size] of SIZES) {
    it(`stands beside what it was, with the rules and their reasons, at ${name}`, () => {
      const given = ruledScene({ size })
      const opened = messageScreen.open({ ...CHANGED, number: 5 }, given)
      const { state } = pressKeys(messageScreen, opened, given, 'd')
      expectGolden(`message-rules-${name}`, renderScreen(messageScreen, state, given))
    })
  }

  it('is compared as far as both sides were kept, where the end of it was not', () => {
    const script = fetching('erin-1', 'erin@example.org', START)
    const body = 'a line of the body\r\n'.repeat(100)
    const mail = `${LUNCH}${body}`
    const most = 1_000
    script.hit().command('RETR 1').reply('+OK')
    script
      .piece(mail.slice(0, most))
      .piece(`X-External: yes\r\n${mail}`.slice(0, most), 'postern')
      .end(mail.length)
    const given = ruledScene({ size: LARGE }, script)
    const { state } = pressKeys(
      messageScreen,
      messageScreen.open({ ...CHANGED, number: script.number }, given),
      given,
      'd',
    )
    const shown = renderScreen(messageScreen, state, given).join('\n')
    expect(shown).toContain('+ X-External: yes')
    expect(shown).toMatch(/only the first \d+ octets of the body were kept on both sides/)
    expect(shown).toMatch(/body identical: \d+ octets/)
  })

  it('has a shadow rule told that changed nothing', () => {
    const script = fetching('erin-1', 'erin@example.org', START).hit({ mode: 'shadow', actions: ['hide'] })
    script.exchange('RETR 1', '+OK', LUNCH)
    const given = ruledScene({ size: { columns: 110, rows: 20 } }, script)
    const { state } = pressKeys(
      messageScreen,
      messageScreen.open({ ...CHANGED, number: script.number }, given),
      given,
      'd',
    )
    const shown = renderScreen(messageScreen, state, given).join('\n')
    expect(shown).toContain('rule "tag external" (shadow, nothing is done): hide, because from is external')
    expect(shown).toContain('The client got what the server sent, octet for octet.')
  })
})

describe('rules in the list of sessions', () => {
  it.each([
    [loggedIn(), '', ''],
    [loggedIn().hit(), ' R', 'tag external'],
    [loggedIn().hit({ mode: 'shadow' }), ' r', 'tag external'],
    [
      loggedIn()
        .hit({ actions: ['log'] })
        .hit({ rule: 'other', actions: ['log'] }),
      ' r',
      'tag external +1',
    ],
    [loggedIn().hit({ mode: 'failed' }), ' r!', 'tag external'],
  ] as const)('are marked by a letter, and named where there is room: %#', (script, flags, names) => {
    expect(flagsText(script.record())).toBe(flags)
    expect(rulesText(script.record())).toBe(names)
  })
})

describe('rules in the statistics', () => {
  it('are counted by name, most frequent first, and those that failed among the errors', () => {
    const given = ruledScene({ size: { columns: 80, rows: 200 } })
    const shown = renderScreen(statisticsScreen, statisticsScreen.open(NO_ARGUMENT, given), given)
    const rows = shown.filter((line) => line.startsWith(' rules'))
    expect(rows).toEqual([
      ' rules      tag external 300   newsletters 2   read only 1',
      ' rules      virus 1',
    ])
  })

  it('are left out where none ever held', () => {
    const given = mailScene({ size: { columns: 80, rows: 200 } })
    const shown = renderScreen(statisticsScreen, statisticsScreen.open(NO_ARGUMENT, given), given)
    expect(shown.filter((line) => line.startsWith(' rules'))).toEqual([])
  })
})

describe('hostile rules', () => {
  it('leave no room that is theirs, on any screen', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const script = fetching('erin-1', 'erin@example.org', START)
        script.hit({ rule: text, reason: text, actions: [text], place: text, uniqueId: text })
        script.hit({ rule: text, reason: text, actions: [text], message: 2 })
        changed(script, 1, LUNCH, SENT)
        for (const [, size] of SIZES) {
          const given = ruledScene({ size }, script)
          const session = sessionScreen.open({ session: 'erin-1', number: null, hold: null }, given)
          renderScreen(sessionScreen, session, given)
          const opened = messageScreen.open({ ...CHANGED, number: script.number }, given)
          renderScreen(messageScreen, pressKeys(messageScreen, opened, given, 'd').state, given)
          renderScreen(statisticsScreen, statisticsScreen.open(NO_ARGUMENT, given), given)
        }
      }),
      { numRuns: 50 },
    )
  })
})
