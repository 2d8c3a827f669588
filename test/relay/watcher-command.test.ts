import { describe, expect, test } from 'vitest'
import { TestBreakpoint } from '../support/breakpoint.js'
import { Conversation, type ConversationOptions } from '../support/conversation.js'

const WATCHED: ConversationOptions = { attention: { isWatched: true, messageOctets: 0 } }

/** @returns the problem, null where the command was taken */
function send(it: Conversation, line: string): string | null {
  for (const effect of it.feed({ type: 'send', id: 'w1', line: Buffer.from(line, 'latin1') }))
    if (effect.type === 'send-answered' && effect.id === 'w1') return effect.problem
  throw new Error('the command was not answered')
}

describe("a watcher's command", () => {
  test('takes its place in the order, and its reply goes to nobody but those who watch', () => {
    const it = Conversation.loggedIn(WATCHED)
    it.client('STAT\r\n')
    expect(send(it, 'LIST')).toBeNull()
    it.client('RETR 1\r\n')
    expect(it.takeToServer()).toBe('STAT\r\nLIST\r\nRETR 1\r\n')
    it.server('+OK 1 5\r\n+OK yours\r\n1 5\r\n.\r\n+OK\r\nmail\r\n.\r\n')
    expect(it.takeToClient()).toBe('+OK 1 5\r\n+OK\r\nmail\r\n.\r\n')
    expect(it.traced('command').slice(-3)).toMatchObject([
      { number: 4, shown: 'STAT', origin: 'client' },
      { number: 5, shown: 'LIST', origin: 'watcher' },
      { number: 6, shown: 'RETR 1', origin: 'client' },
    ])
    expect(it.traced('reply').at(-2)).toMatchObject({ number: 5, verb: 'LIST', text: 'yours' })
    expect(it.traced('content').at(-1)).toMatchObject({
      number: 5,
      source: 'server',
      wire: Buffer.from('1 5\r\n'),
    })
  })

  test('waits its turn at a server without PIPELINING', () => {
    const it = Conversation.loggedIn(WATCHED, [])
    it.client('STAT\r\n')
    send(it, 'NOOP')
    it.client('UIDL 1\r\n')
    expect(it.takeToServer()).toBe('STAT\r\n')
    it.server('+OK 1 5\r\n')
    expect(it.takeToServer()).toBe('NOOP\r\n')
    it.server('-ERR mine\r\n')
    expect(it.takeToServer()).toBe('UIDL 1\r\n')
    expect(it.takeToClient()).toBe('+OK 1 5\r\n')
  })

  test('of a message tells the mail without giving or counting it, in any piece', () => {
    const mail = `Subject: a\r\n\r\n${'x'.repeat(5_000)}\r\n`
    const it = Conversation.loggedIn(WATCHED)
    send(it, 'RETR 1')
    it.server('+OK\r\n')
    for (let at = 0; at < mail.length; at += 100) it.server(mail.slice(at, at + 100))
    it.server('.\r\n')
    expect(it.takeToClient()).toBe('')
    const told = it.traced('content').filter(({ verb }) => verb === 'RETR')
    expect(Buffer.concat(told.map(({ wire }) => wire)).toString()).toBe(mail)
    it.client('QUIT\r\n')
    it.server('+OK\r\n')
    expect(it.traced('session-closed')).toMatchObject([{ messages: 0, commands: 5 }])
  })

  test('may delete, and is met by no breakpoint', () => {
    const it = Conversation.loggedIn({
      ...WATCHED,
      interceptor: new TestBreakpoint(['command', 'reply', 'message'], ({ verb }) =>
        ['DELE', 'RETR'].includes(verb),
      ),
    })
    expect(send(it, 'DELE 1')).toBeNull()
    expect(send(it, 'RETR 2')).toBeNull()
    expect(it.takeToServer()).toBe('DELE 1\r\nRETR 2\r\n')
    it.server('+OK\r\n+OK\r\nx\r\n.\r\n')
    expect(it.traced('held')).toEqual([])
    expect(it.takeToClient()).toBe('')
  })

  test('leaves the list of CAPA to the client as it was', () => {
    const it = Conversation.open(WATCHED)
    send(it, 'CAPA')
    it.client('CAPA\r\n')
    it.server('-ERR what?\r\n-ERR what?\r\n')
    expect(it.takeToClient()).toBe('+OK capability list follows\r\nUSER\r\nPIPELINING\r\nSTLS\r\n.\r\n')
  })

  test.each([
    'STLS',
    'AUTH',
    'AUTH PLAIN',
    'USER bob',
    'PASS x',
    'APOP a b',
    'QUIT',
    'quit',
    'RPOP x',
    'UTF8',
    'XCLIENT a',
  ])('%s is for the client to give', (line) => {
    const it = Conversation.open(WATCHED)
    expect(send(it, line)).toMatch(/for the client to give/)
    expect(it.takeToServer()).toBe('')
    expect(it.traced('command')).toEqual([])
  })

  test.each([
    ['', /begins with a verb/],
    [' ', /begins with a verb/],
    ['NOOP\r\nDELE 1', /one line/],
    ['NOOP\nDELE 1', /one line/],
    ['NOOP\rDELE 1', /one line/],
    ['NOOP\0', /one line/],
    ['XFOO secret', /credential/],
    ['RETR secret', /credential/],
    ['sesame-street', /credential/],
    [`TOP 1 ${'0'.repeat(9_000)}`, /8192 may pass/],
  ])('%j is refused', (line, reason) => {
    const it = Conversation.loggedIn(WATCHED)
    expect(send(it, line)).toMatch(reason)
    expect(it.takeToServer()).toBe('')
  })

  test('is refused where it cannot stand, with the reason', () => {
    const connecting = new Conversation(WATCHED)
    connecting.feed({ type: 'accepted' })
    expect(send(connecting, 'NOOP')).toMatch(/not open yet/)
    const upgrading = Conversation.open(WATCHED)
    upgrading.client('STLS\r\n')
    expect(send(upgrading, 'NOOP')).toMatch(/beginning TLS/)
    const sasl = Conversation.open(WATCHED)
    sasl.client('AUTH PLAIN\r\n')
    expect(send(sasl, 'NOOP')).toMatch(/login is under way/)
    sasl.server('+ \r\n')
    expect(send(sasl, 'NOOP')).toMatch(/login is under way/)
    const quitting = Conversation.loggedIn(WATCHED)
    quitting.client('QUIT\r\n')
    expect(send(quitting, 'NOOP')).toMatch(/QUIT/)
    const ending = Conversation.loggedIn(WATCHED)
    ending.client('STAT\r\n')
    ending.feed({ type: 'drain' })
    expect(send(ending, 'NOOP')).toMatch(/ending/)
    const full = Conversation.loggedIn({ ...WATCHED, limits: { pendingCommands: 2 } })
    expect([send(full, 'NOOP'), send(full, 'NOOP')]).toEqual([null, null])
    expect(send(full, 'NOOP')).toMatch(/too many/)
  })

  test('is one of a few at a time', () => {
    const it = Conversation.loggedIn(WATCHED)
    for (let count = 0; count < 16; count += 1) expect(send(it, 'NOOP')).toBeNull()
    expect(send(it, 'NOOP')).toMatch(/too many/)
    it.server('+OK\r\n')
    expect(send(it, 'NOOP')).toBeNull()
  })

  test('that the server does not know is no error of the client', () => {
    const it = Conversation.open({ ...WATCHED, limits: { errorsBeforeLogin: 1 } })
    for (let count = 0; count < 5; count += 1) {
      expect(send(it, 'XFOO')).toBeNull()
      it.server('-ERR what?\r\n')
    }
    expect(it.relay.isClosed).toBe(false)
  })

  test('keeps what the server says in its place from the client, reply or not', () => {
    const it = Conversation.loggedIn(WATCHED, [])
    send(it, 'NOOP')
    it.server('what?\r\n+OK\r\n')
    expect(it.takeToClient()).toBe('')
    it.server('late\r\n')
    expect(it.takeToClient()).toBe('late\r\n')
  })

  test('keeps a status line over the limit from the client, and the session ends', () => {
    const it = Conversation.loggedIn({ ...WATCHED, limits: { statusLineOctets: 30 } })
    send(it, 'NOOP')
    it.server(`+OK ${'x'.repeat(30)}\r\n`)
    expect(it.takeToClient()).toBe('')
    expect(it.actions().slice(-2)).toEqual(['destroy client', 'destroy server'])
  })

  test('is owed to nobody when the server or the client leaves', () => {
    const server = Conversation.loggedIn(WATCHED)
    send(server, 'RETR 1')
    server.server('+OK\r\nhalf')
    server.feed({ type: 'end', side: 'server' })
    expect(server.takeToClient()).toBe('')
    expect(server.actions().slice(-2)).toEqual(['end client', 'destroy server'])
    const client = Conversation.loggedIn(WATCHED)
    send(client, 'NOOP')
    client.feed({ type: 'end', side: 'client' })
    expect(client.relay.isClosed).toBe(true)
    const both = Conversation.loggedIn(WATCHED)
    send(both, 'RETR 1')
    both.client('STAT\r\n')
    both.server('+OK\r\nhalf')
    both.feed({ type: 'end', side: 'server' })
    expect(both.takeToClient()).toBe(
      '-ERR [SYS/TEMP] server closed the connection before it answered STAT\r\n',
    )
  })
})
