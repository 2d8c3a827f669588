import { describe, expect, test } from 'vitest'
import { Trouble } from '../../src/relay/trouble.js'
import type { CommandVerdict, ReplyVerdict, RuleHit, SeenReply } from '../../src/rules/verdict.js'
import { Conversation } from '../support/conversation.js'
import { ModelRules } from '../support/model-maildrop.js'

const NOTHING: CommandVerdict = { hits: [], delayMs: 0, answer: null, closes: false }

/** A session whose rules say the same of each command with this verb. */
function ruled(verb: string, verdict: Partial<CommandVerdict>): Conversation {
  const command = (seen: { readonly verb: string }): CommandVerdict | null =>
    seen.verb === verb ? { ...NOTHING, ...verdict } : null
  return Conversation.loggedIn({
    rules: Object.assign(new ModelRules([]), { judgesCommands: true, command }),
  })
}

describe('trouble on purpose', () => {
  test('cuts a reply off at an octet, and both connections break', () => {
    const it = ruled('RETR', { cutOffAfter: 12 })
    it.client('RETR 1\r\n')
    it.server('+OK 9 octets\r\nSubject: x\r\n')
    expect(it.takeToClient()).toBe('+OK 9 octets')
    expect(it.actions().slice(-2)).toEqual(['destroy client', 'destroy server'])
    expect(it.traced('session-closed')).toMatchObject([{ reason: 'rule' }])
  })

  test('cuts in the middle of a piece that is content from its first octet to its last', () => {
    const it = ruled('RETR', { cutOffAfter: 20 })
    it.client('RETR 1\r\n')
    it.server('+OK\r\nSubject: x\r\n')
    expect(it.takeToClient()).toBe('+OK\r\nSubject: x')
    it.server('abcdef\r\n')
    expect(it.takeToClient()).toBe('\r\nabc')
  })

  test('leaves the next reply alone', () => {
    const it = ruled('TOP', { corruptEvery: 1 })
    it.client('TOP 1 0\r\nRETR 1\r\n')
    it.server('+OK top\r\nab\r\n.\r\n+OK\r\nab\r\n.\r\n')
    expect(it.takeToClient()).toBe('+OK top\r\n??\r\n.\r\n+OK\r\nab\r\n.\r\n')
  })

  test('damages octets of the content, and neither line ends nor dots', () => {
    const trouble = new Trouble({ cutOffAfter: null, corruptEvery: 2 })
    const damaged = trouble.apply(Buffer.from('+OK x\r\nabcdef\r\n..\r\n.\r\n'))
    expect(damaged.toString()).toBe('+OK x\r\n?b?d?f\r\n..\r\n.\r\n')
    expect(new Trouble({ cutOffAfter: null, corruptEvery: 1 }).apply(Buffer.from('\n?')).toString()).toBe(
      '\n!',
    )
  })
})

describe('a rule of commands', () => {
  test('answers in the place of the server, in its turn', () => {
    const it = ruled('UIDL', {
      answer: { indicator: '+OK', responseCode: null, text: 'mine', lines: ['1 a', '.2 b'] },
    })
    it.client('STAT\r\nUIDL\r\nNOOP\r\n')
    expect(it.takeToServer()).toBe('STAT\r\nNOOP\r\n')
    it.server('+OK 1 5\r\n+OK\r\n')
    expect(it.takeToClient()).toBe('+OK 1 5\r\n+OK mine\r\n1 a\r\n..2 b\r\n.\r\n+OK\r\n')
  })

  test('refuses, and ends the session behind it', () => {
    const it = ruled('STAT', {
      answer: { indicator: '-ERR', responseCode: 'SYS/PERM', text: 'no', lines: null },
      closes: true,
    })
    it.client('STAT\r\nNOOP\r\n')
    expect(it.takeToClient()).toBe('-ERR [SYS/PERM] no\r\n')
    expect(it.traced('session-closed')).toMatchObject([{ reason: 'rule', code: null }])
  })

  test('that closes says so to a client that would else hear nothing', () => {
    const it = ruled('STAT', { closes: true })
    it.client('STAT\r\n')
    expect(it.takeToClient()).toBe('-ERR [SYS/TEMP] a rule ends this session\r\n')
  })

  test.each([null, { indicator: '+OK', responseCode: null, text: '1 2', lines: null } as const])(
    'delays a command and all behind it, answered or not: %j',
    (answer) => {
      const it = ruled('STAT', { delayMs: 5_000, answer })
      it.client('STAT\r\nNOOP\r\n')
      it.wait(4_999)
      expect(it.takeToServer() + it.takeToClient()).toBe('')
      it.wait(1)
      expect(it.takeToServer()).toBe(answer === null ? 'STAT\r\nNOOP\r\n' : 'NOOP\r\n')
      expect(it.takeToClient()).toBe(answer === null ? '' : '+OK 1 2\r\n')
    },
  )

  test('that refuses QUIT leaves the session open', () => {
    const it = ruled('QUIT', {
      answer: { indicator: '-ERR', responseCode: null, text: 'stay', lines: null },
    })
    it.client('QUIT\r\n')
    it.client('STAT\r\n')
    expect(it.takeToClient()).toBe('-ERR stay\r\n')
    expect(it.takeToServer()).toBe('STAT\r\n')
  })

  test('puts another argument behind the verb, and never a second command', () => {
    const it = ruled('TOP', { argument: '2 0' })
    it.client('TOP 1 99\r\n')
    expect(it.takeToServer()).toBe('TOP 2 0\r\n')
    expect(it.traced('command-replaced')).toMatchObject([{ shown: 'TOP 2 0' }])
    const evil = ruled('RETR', { argument: '2\r\nDELE 1' })
    evil.client('RETR 1\r\n')
    expect(evil.takeToServer()).toBe('RETR 1\r\n')
  })

  test('adds and takes away capabilities', () => {
    const it = ruled('CAPA', { capabilities: { add: ['EXPIRE 7'], remove: ['pipelining', 'TOP'] } })
    it.client('CAPA\r\n')
    it.server('+OK\r\nTOP\r\nUIDL\r\nPIPELINING\r\n.\r\n')
    expect(it.takeToClient()).toBe('+OK\r\nUIDL\r\nEXPIRE 7\r\n.\r\n')
  })

  test('slows the leg down from its command on', () => {
    const it = ruled('RETR', { octetsPerSecond: 100 })
    it.client('RETR 1\r\n')
    expect(it.effects).toContainEqual({ type: 'throttle', octetsPerSecond: 100 })
  })
})

describe('a rule of replies', () => {
  /** A session whose rules say the same of each reply to this verb. */
  function replying(verb: string, verdict: Partial<ReplyVerdict>): Conversation {
    const nothing: ReplyVerdict = { hits: [], instead: null, closes: false, notifications: [] }
    const reply = (seen: SeenReply): ReplyVerdict | null =>
      seen.verb === verb ? { ...nothing, ...verdict } : null
    return Conversation.loggedIn({ rules: Object.assign(new ModelRules([]), { reply }) })
  }
  const hit: RuleHit = { rule: 'r', place: 'a.yaml:1', actions: ['log'], reason: 'true', mode: 'enforce' }

  test('tells the client other words, and whoever watches both', () => {
    const it = replying('DELE', { hits: [hit], instead: { responseCode: 'SYS/PERM', text: 'not now' } })
    it.client('DELE 1\r\nNOOP\r\n')
    it.server('-ERR [IN-USE] locked\r\n+OK\r\n')
    expect(it.takeToClient()).toBe('-ERR [SYS/PERM] not now\r\n+OK\r\n')
    expect(it.traced('reply').filter(({ verb }) => verb === 'DELE')).toMatchObject([
      { source: 'server', responseCode: 'IN-USE', text: 'locked' },
      { source: 'postern', indicator: '-ERR', responseCode: 'SYS/PERM', text: 'not now' },
    ])
    const [told] = it.traced('rule-hit')
    expect(told).toMatchObject({ rule: 'r', number: it.traced('command').at(-2)?.number })
  })

  test('ends the session behind a reply of one line, and what waits is not answered', () => {
    const it = replying('STAT', { closes: true })
    it.client('STAT\r\nNOOP\r\n')
    it.server('+OK 1 5\r\n+OK\r\n')
    expect(it.takeToClient()).toBe('+OK 1 5\r\n')
    expect(it.traced('session-closed')).toMatchObject([{ reason: 'rule', code: null }])
  })

  test('ends the session behind the last line of a longer reply', () => {
    const it = replying('LIST', { closes: true })
    it.client('LIST\r\n')
    it.server('+OK\r\n1 5\r\n')
    expect(it.traced('session-closed')).toEqual([])
    it.server('.\r\n')
    expect(it.takeToClient()).toBe('+OK\r\n1 5\r\n.\r\n')
    expect(it.traced('session-closed')).toMatchObject([{ reason: 'rule' }])
  })

  test('notifies', () => {
    const it = replying('NOOP', { notifications: [{ rule: 'r', url: 'http://127.0.0.1:1' }] })
    it.client('NOOP\r\n')
    it.server('+OK\r\n')
    expect(it.effects).toContainEqual(
      expect.objectContaining({ type: 'notify', url: 'http://127.0.0.1:1', rule: 'r' }),
    )
  })

  test('is asked about every split of the octets once', () => {
    const it = replying('DELE', { hits: [hit], instead: { responseCode: null, text: 'no' } })
    it.client('DELE 1\r\n')
    for (const octet of '-ERR locked\r\n') it.server(octet)
    expect(it.takeToClient()).toBe('-ERR no\r\n')
    expect(it.traced('rule-hit')).toHaveLength(1)
  })
})

describe('a greeting by rule', () => {
  test('keeps the timestamp by which clients log in', () => {
    const rules = Object.assign(new ModelRules([]), {
      greeting: () => ({ text: 'hello', hits: [] }),
    })
    const it = new Conversation({ rules })
    it.feed({ type: 'accepted' })
    it.feed({ type: 'server-reached' })
    it.server('+OK Dovecot 2.3 ready <1896.697170952@dbc.mtview.ca.us>\r\n')
    expect(it.takeToClient()).toBe('+OK hello <1896.697170952@dbc.mtview.ca.us>\r\n')
  })
})
