import { describe, expect, test } from 'vitest'
import type { InterceptedItem } from '../../src/relay/interception.js'
import { LONGEST_HOLD_MS } from '../../src/relay/interception.js'
import { decide, HOLD_MS, heldNow, onlyHeld, TestBreakpoint } from '../support/breakpoint.js'
import { Conversation } from '../support/conversation.js'

const WATCHED = { isWatched: true, messageOctets: 1_000 }
const isVerb =
  (...verbs: readonly string[]) =>
  ({ verb }: InterceptedItem): boolean =>
    verbs.includes(verb)

const commands = (...verbs: readonly string[]): Conversation =>
  Conversation.loggedIn({
    attention: WATCHED,
    interceptor: new TestBreakpoint(['command'], isVerb(...verbs)),
  })
const replies = (...verbs: readonly string[]): Conversation =>
  Conversation.loggedIn({ attention: WATCHED, interceptor: new TestBreakpoint(['reply'], isVerb(...verbs)) })
const messages = (options: { holdMs?: number; room?: number } = {}): Conversation =>
  Conversation.loggedIn({
    attention: WATCHED,
    interceptor: new TestBreakpoint(['message'], () => true, options),
  })
const verdicts = (it: Conversation): readonly string[] => it.traced('released').map(({ verdict }) => verdict)

const MESSAGE = 'Subject: a\r\n\r\n..b\r\n'
const RETRIEVED = `+OK 17 octets\r\n${MESSAGE}.\r\n`

describe('a held command', () => {
  test('reaches the server when it is released, octet for octet, and all behind it waits until then', () => {
    const it = commands('DELE')
    it.client('STAT\r\ndele  1\r\nNOOP\r\n')
    expect(it.takeToServer()).toBe('STAT\r\n')
    it.server('+OK 1 5\r\n')
    expect(it.takeToClient()).toBe('+OK 1 5\r\n')
    expect(onlyHeld(it)).toMatchObject({
      session: 's1',
      kind: 'command',
      verb: 'DELE',
      shown: 'DELE 1',
      breakpoint: 'test',
      isCommitted: false,
      releaseAt: it.now + HOLD_MS,
      editable: Buffer.from('dele  1'),
    })
    expect(decide(it, 'release')).toBeNull()
    expect(it.takeToServer()).toBe('dele  1\r\nNOOP\r\n')
    expect(heldNow(it)).toEqual([])
    expect(it.traced('held')).toMatchObject([{ kind: 'command', number: 5 }])
    expect(verdicts(it)).toEqual(['released'])
  })

  test('that is dropped is answered in its turn, and the server never sees it', () => {
    const it = commands('DELE')
    it.client('STAT\r\nDELE 1\r\nNOOP\r\n')
    decide(it, 'drop')
    expect(it.takeToServer()).toBe('STAT\r\nNOOP\r\n')
    expect(it.takeToClient()).toBe('')
    it.server('+OK 1 5\r\n+OK\r\n')
    expect(it.takeToClient()).toBe(
      '+OK 1 5\r\n-ERR [SYS/TEMP] postern dropped the command at a breakpoint: the server never saw it\r\n+OK\r\n',
    )
    expect(it.traced('reply').filter(({ source }) => source === 'postern')).toMatchObject([
      { number: 5, verb: 'DELE', indicator: '-ERR', responseCode: 'SYS/TEMP' },
    ])
  })

  test('that is answered gets content only where its reply has some', () => {
    const it = commands('UIDL', 'STAT')
    it.client('UIDL\r\nSTAT\r\n')
    expect(decide(it, 'answer', 'OK')).toMatch(/begins with \+OK or -ERR/)
    expect(decide(it, 'answer', '-ERR no\n1 a\n')).toMatch(/one line/)
    expect(decide(it, 'answer', '+OK mine\n1 a\n.2 b\n.\n-ERR forged')).toBeNull()
    expect(it.takeToClient()).toBe('+OK mine\r\n1 a\r\n..2 b\r\n..\r\n-ERR forged\r\n.\r\n')
    expect(decide(it, 'answer', '+OK 1 2\r\n+OK forged\r\n')).toMatch(/one line/)
    expect(decide(it, 'answer', `+OK ${'x'.repeat(507)}`)).toMatch(/513 octets .* 512/)
    expect(decide(it, 'answer', '+OK 1\r2')).toMatch(/without CR/)
    expect(decide(it, 'answer', `+OK ${'x'.repeat(506)}`)).toBeNull()
    expect(it.takeToClient()).toHaveLength(512)
    expect(it.takeToServer()).toBe('')
    expect(
      it
        .traced('content')
        .filter(({ source }) => source === 'postern')
        .at(-1)
        ?.wire.toString(),
    ).toBe('1 a\r\n..2 b\r\n..\r\n-ERR forged\r\n')
  })

  test('that is edited goes to the server as one line, and is told beside the old one', () => {
    const it = commands('RETR')
    it.client('RETR 1\r\n')
    for (const [edit, reason] of [
      ['RETR 1\r\nDELE 1', /one line/],
      ['RETR\r1', /one line/],
      ['RETR\0', /one line/],
      ['', /begins with a verb/],
      ['STLS', /client to give/],
      ['AUTH PLAIN', /client to give/],
      ['QUIT', /client to give/],
      ['PASS x', /client to give/],
      ['STAT', /several lines .* one line/],
      ['XTND XMIT', /one line|postern/],
      [`TOP 1 ${'0'.repeat(9_000)}`, /8192 may pass/],
    ] as const)
      expect(decide(it, 'edit', edit), edit).toMatch(reason)
    expect(it.takeToServer()).toBe('')
    expect(decide(it, 'edit', 'TOP 2 0\n')).toBeNull()
    expect(it.takeToServer()).toBe('TOP 2 0\r\n')
    expect(it.traced('command-replaced')).toMatchObject([
      { number: 4, verb: 'TOP', shown: 'TOP 2 0', octets: 9 },
    ])
    it.server('+OK\r\nSubject: b\r\n.\r\n')
    expect(it.takeToClient()).toBe('+OK\r\nSubject: b\r\n.\r\n')
    expect(it.traced('content-end').at(-1)).toMatchObject({ number: 4, verb: 'TOP' })
  })

  test('goes on by itself at its time and not before, however long was asked for', () => {
    const it = Conversation.loggedIn({
      interceptor: new TestBreakpoint(['command'], isVerb('NOOP'), { holdMs: LONGEST_HOLD_MS * 2 }),
    })
    it.client('NOOP\r\n')
    it.wait(LONGEST_HOLD_MS - 1)
    expect(it.takeToServer()).toBe('')
    it.wait(1)
    expect(it.takeToServer()).toBe('NOOP\r\n')
    expect(verdicts(it)).toEqual(['timed-out'])
  })

  test('of a client that left is never sent, whether it closed or sent its last octet', () => {
    for (const type of ['closed', 'end'] as const) {
      for (const line of ['DELE 1', 'QUIT']) {
        const it = commands('DELE', 'QUIT')
        it.client(`${line}\r\n`)
        const { hold } = onlyHeld(it)
        it.feed({ type, side: 'client' })
        it.feed({ type: 'verdict', hold, answer: { type: 'release' } })
        expect(it.takeToServer()).toBe('')
        expect(verdicts(it)).toEqual(['session-ended'])
        expect(heldNow(it)).toEqual([])
        expect(it.traced('session-closed')).toMatchObject([{ reason: 'client-left' }])
      }
    }
  })

  test('whose client has sent its last octet before its turn came is not held, and not sent', () => {
    const it = Conversation.loggedIn({ interceptor: new TestBreakpoint(['command'], isVerb('DELE')) }, [])
    it.client('NOOP\r\nDELE 1\r\n')
    it.feed({ type: 'end', side: 'client' })
    it.server('+OK\r\n')
    expect(it.takeToServer()).toBe('NOOP\r\n')
    expect(it.takeToClient()).toBe('+OK\r\n')
    expect(it.traced('session-closed')).toMatchObject([{ reason: 'client-left' }])
  })

  test('gets -ERR when the server leaves meanwhile', () => {
    const it = commands('STAT')
    it.client('STAT\r\n')
    it.feed({ type: 'end', side: 'server' })
    expect(it.takeToClient()).toBe('-ERR [SYS/TEMP] server closed the connection before it answered STAT\r\n')
    expect(verdicts(it)).toEqual(['session-ended'])
  })

  test('that was decided about already is a problem of the second watcher only', () => {
    const it = commands('NOOP')
    it.client('NOOP\r\n')
    const { hold } = onlyHeld(it)
    decide(it, 'release')
    const effects = it.feed({ type: 'verdict', hold, answer: { type: 'drop' } })
    expect(effects).toEqual([{ type: 'verdict-answered', hold, problem: 'the item is held no longer' }])
  })
})

describe('QUIT', () => {
  test('that is dropped leaves the session open, and the client may go on', () => {
    const it = commands('QUIT')
    it.client('QUIT\r\n')
    decide(it, 'drop')
    expect(it.takeToClient()).toMatch(/^-ERR \[SYS\/TEMP\]/)
    it.client('STAT\r\n')
    expect(it.takeToServer()).toBe('STAT\r\n')
  })

  test('that is answered with +OK ends the session, and nothing is deleted', () => {
    const it = commands('QUIT')
    it.client('QUIT\r\n')
    decide(it, 'answer', '+OK bye')
    expect(it.takeToClient()).toBe('+OK bye\r\n')
    expect(it.takeToServer()).toBe('')
    expect(it.actions().slice(-2)).toEqual(['end client', 'destroy server'])
    expect(it.traced('session-closed')).toMatchObject([{ reason: 'client-left', state: 'TRANSACTION' }])
  })

  test('that is edited to NOOP leaves the session open', () => {
    const it = commands('QUIT')
    it.client('QUIT\r\n')
    decide(it, 'edit', 'NOOP')
    it.server('+OK\r\n')
    it.client('STAT\r\n')
    expect(it.takeToServer()).toBe('NOOP\r\nSTAT\r\n')
    expect(it.relay.isClosed).toBe(false)
  })

  test('whose reply is held ends the session when the client has it, the server gone long since', () => {
    const interceptor = new TestBreakpoint(['reply'], isVerb('QUIT'))
    const it = Conversation.loggedIn({ limits: { quitMs: 1_000 }, interceptor })
    it.client('QUIT\r\n')
    it.server('+OK bye\r\n')
    it.feed({ type: 'end', side: 'server' })
    it.wait(1_000)
    expect(it.relay.isClosed).toBe(false)
    decide(it, 'release')
    expect(it.takeToClient()).toBe('+OK bye\r\n')
    expect(it.traced('session-closed')).toMatchObject([{ reason: 'quit', state: 'UPDATE' }])
  })
})

describe('a login', () => {
  const loggingIn = (kinds: ConstructorParameters<typeof TestBreakpoint>[0]): Conversation =>
    Conversation.open({ attention: WATCHED, interceptor: new TestBreakpoint(kinds) })

  test('whose PASS is dropped is none, and its password is in nothing that is held', () => {
    const it = loggingIn(['command'])
    it.client('USER bob\r\n')
    decide(it, 'release')
    it.server('+OK\r\n')
    it.client('PASS sesame-street\r\n')
    expect(onlyHeld(it)).toMatchObject({ shown: 'PASS [redacted]', editable: null })
    expect(decide(it, 'edit', 'PASS other')).toMatch(/credential/)
    decide(it, 'drop')
    expect(it.takeToServer()).toBe('USER bob\r\n')
    expect(it.takeToClient()).toMatch(/^\+OK\r\n-ERR \[SYS\/TEMP\]/)
    expect(it.traced('logged-in')).toEqual([])
    expect(it.traced('login-refused')).toEqual([])
    expect(JSON.stringify(it.traces)).not.toContain('sesame')
  })

  test('is by the user whom the server was told', () => {
    const it = loggingIn(['command'])
    it.client('USER bob\r\n')
    decide(it, 'edit', 'USER alice')
    it.server('+OK\r\n')
    it.client('PASS sesame-street\r\n')
    decide(it, 'release')
    it.server('+OK in\r\n')
    expect(it.traced('logged-in')).toMatchObject([{ user: 'alice', mechanism: 'USER' }])
  })

  test('may begin with the USER that another command was edited to, within TLS too', () => {
    const interceptor = new TestBreakpoint(['command'], isVerb('UTF8'))
    const it = Conversation.open({ client: 'tls', interceptor })
    it.client('UTF8\r\n')
    decide(it, 'edit', 'USER bob')
    it.server('+OK\r\n')
    it.client('PASS sesame-street\r\n')
    expect(it.takeToServer()).toBe('USER bob\r\nPASS sesame-street\r\n')
  })

  test('is refused or granted by the server, whatever the client is told of it', () => {
    const it = loggingIn(['reply'])
    it.client('USER bob\r\n')
    it.server('+OK\r\n')
    decide(it, 'release')
    it.client('PASS sesame-street\r\n')
    it.server('-ERR [AUTH] no\r\n')
    expect(it.traced('login-refused')).toMatchObject([{ user: 'bob', responseCode: 'AUTH' }])
    decide(it, 'edit', '+OK in')
    expect(it.takeToClient()).toBe('+OK\r\n+OK in\r\n')
    expect(it.traced('logged-in')).toEqual([])
  })

  test('by AUTH is held at its command and nowhere else', () => {
    const it = loggingIn(['command', 'reply'])
    it.client('AUTH PLAIN\r\n')
    expect(decide(it, 'edit', 'AUTH LOGIN')).toMatch(/not to be edited/)
    decide(it, 'release')
    it.server('+ \r\n')
    it.client('AGJvYgBzZXNhbWU=\r\n')
    it.server('+OK in\r\n')
    expect(heldNow(it)).toEqual([])
    expect(it.takeToServer()).toBe('AUTH PLAIN\r\nAGJvYgBzZXNhbWU=\r\n')
    expect(it.takeToClient()).toBe('+ \r\n+OK in\r\n')
  })

  test('by an AUTH that is dropped lets the client go on', () => {
    const it = loggingIn(['command'])
    it.client('AUTH PLAIN AGJvYgBzZXNhbWU=\r\nCAPA\r\n')
    expect(onlyHeld(it).editable).toBeNull()
    decide(it, 'drop')
    expect(onlyHeld(it)).toMatchObject({ verb: 'CAPA' })
  })

  test('STLS is never held', () => {
    const it = loggingIn(['command', 'reply'])
    it.client('STLS\r\n')
    expect(it.takeToClient()).toBe('+OK begin TLS negotiation\r\n')
    expect(heldNow(it)).toEqual([])
  })
})

describe('a held reply', () => {
  test('keeps its place: later ones wait for it, and nothing more is asked of the server', () => {
    const it = replies('STAT')
    it.client('STAT\r\nNOOP\r\n')
    it.server('+OK 1 5\r\n+OK\r\n')
    expect(it.takeToClient()).toBe('')
    expect(it.relay.wantsOctets('server')).toBe(false)
    it.takeToServer()
    it.client('UIDL\r\n')
    expect(it.takeToServer()).toBe('')
    expect(onlyHeld(it)).toMatchObject({ kind: 'reply', verb: 'STAT', editable: Buffer.from('+OK 1 5') })
    decide(it, 'release')
    expect(it.takeToClient()).toBe('+OK 1 5\r\n+OK\r\n')
    expect(it.takeToServer()).toBe('UIDL\r\n')
    expect(it.relay.wantsOctets('server')).toBe(true)
  })

  test('is dropped, answered and edited', () => {
    const it = replies('STAT', 'LIST')
    it.client('STAT\r\nSTAT\r\nSTAT\r\nLIST\r\n')
    it.server('+OK 1 5\r\n+OK 1 5\r\n+OK 1 5\r\n-ERR busy\r\n')
    decide(it, 'drop')
    decide(it, 'answer', '+OK 2 6')
    expect(decide(it, 'edit', '+OK\n.\n+OK')).toMatch(/one line/)
    decide(it, 'edit', '-ERR none\n')
    decide(it, 'edit', '+OK mine\n1 5')
    expect(it.takeToClient()).toBe(
      '-ERR [SYS/TEMP] postern dropped the reply at a breakpoint\r\n+OK 2 6\r\n-ERR none\r\n+OK mine\r\n1 5\r\n.\r\n',
    )
    expect(verdicts(it)).toEqual(['dropped', 'answered', 'edited', 'edited'])
    expect(
      it
        .traced('reply')
        .filter(({ source }) => source === 'postern')
        .map(({ text }) => text),
    ).toEqual(['postern dropped the reply at a breakpoint', '2 6', 'none', 'mine'])
  })

  test('that repeats a credential can be released and dropped, not read or edited', () => {
    const it = Conversation.open({ attention: WATCHED, interceptor: new TestBreakpoint(['reply']) })
    it.client('PAS sesame-street\r\n')
    it.server('-ERR [sesame-street] what is sesame-street?\r\n')
    expect(onlyHeld(it).editable).toBeNull()
    expect(decide(it, 'edit', '-ERR')).toMatch(/credential/)
    expect(JSON.stringify([it.traces, heldNow(it)])).not.toMatch(/sesame/i)
    expect(decide(it, 'release')).toBeNull()
    expect(it.takeToClient()).toContain('sesame-street')
  })

  test('is delivered though the server has left, and then the client is told', () => {
    const it = replies('STAT')
    it.client('STAT\r\nNOOP\r\n')
    it.server('+OK 1 5\r\n')
    it.feed({ type: 'end', side: 'server' })
    it.feed({ type: 'closed', side: 'server' })
    expect(it.relay.isClosed).toBe(false)
    decide(it, 'release')
    expect(it.takeToClient()).toBe(
      '+OK 1 5\r\n-ERR [SYS/TEMP] server closed the connection before it answered NOOP\r\n',
    )
  })

  test('of a server that has left is followed by no further command to it', () => {
    const interceptor = new TestBreakpoint(['reply'], isVerb('STAT'))
    const it = Conversation.loggedIn({ interceptor }, [])
    it.client('STAT\r\nDELE 1\r\n')
    it.server('+OK 1 5\r\n')
    it.feed({ type: 'end', side: 'server' })
    decide(it, 'release')
    expect(it.takeToServer()).toBe('STAT\r\n')
    expect(it.takeToClient()).toBe(
      '+OK 1 5\r\n-ERR [SYS/TEMP] server closed the connection before it answered DELE\r\n',
    )
  })

  test('goes on when postern ends, whose drain waits for nobody', () => {
    const it = replies('STAT')
    it.client('STAT\r\n')
    it.server('+OK 1 5\r\n')
    it.feed({ type: 'drain' })
    expect(it.takeToClient()).toBe('+OK 1 5\r\n')
    expect(it.traced('session-closed')).toMatchObject([{ reason: 'drained' }])
  })

  test('reaches a client that has sent its last octet', () => {
    const it = replies('STAT')
    it.client('STAT\r\n')
    it.server('+OK 1 5\r\n')
    it.feed({ type: 'end', side: 'client' })
    decide(it, 'release')
    expect(it.takeToClient()).toBe('+OK 1 5\r\n')
    expect(it.relay.isClosed).toBe(true)
  })
})

describe('a held message', () => {
  test('is offered whole without byte-stuffing, and released octet for octet at any split', () => {
    for (let size = 1; size <= RETRIEVED.length; size += 1) {
      const it = messages()
      it.client('RETR 1\r\nNOOP\r\n')
      for (let at = 0; at < RETRIEVED.length; at += size) it.server(RETRIEVED.slice(at, at + size))
      expect(it.takeToClient()).toBe('')
      expect(onlyHeld(it)).toMatchObject({ kind: 'message', verb: 'RETR' })
      expect(onlyHeld(it).editable?.toString()).toBe('Subject: a\r\n\r\n.b\r\n')
      it.server('+OK\r\n')
      decide(it, 'release')
      expect(it.takeToClient()).toBe(`${RETRIEVED}+OK\r\n`)
      expect(it.traced('content-end').at(-1)).toMatchObject({ verb: 'RETR', octets: 18 })
    }
  })

  test('is edited: dots and the size are put right', () => {
    const it = messages()
    it.client('RETR 1\r\n')
    it.server('+OK 1 message of 18 octets\r\nSubject: a\r\n\r\n..b\r\n.\r\n')
    decide(it, 'edit', 'Subject: new\n\n.\n.x\r\n..y\rz')
    expect(it.takeToClient()).toBe(
      '+OK 1 message of 31 octets\r\nSubject: new\r\n\r\n..\r\n..x\r\n...y\r\nz\r\n.\r\n',
    )
    const told = it.traced('content').filter(({ verb }) => verb === 'RETR')
    expect(told.map(({ source, wire }) => [source, wire.toString()])).toEqual([
      ['server', MESSAGE],
      ['postern', 'Subject: new\r\n\r\n..\r\n..x\r\n...y\r\nz\r\n'],
    ])
  })

  test('is dropped with -ERR', () => {
    const it = messages()
    it.client('RETR 1\r\n')
    it.server(RETRIEVED)
    decide(it, 'drop')
    expect(it.takeToClient()).toBe('-ERR [SYS/TEMP] postern dropped the reply at a breakpoint\r\n')
    it.client('QUIT\r\n')
    it.server('+OK\r\n')
    expect(it.traced('session-closed')).toMatchObject([{ messages: 0 }])
  })

  test('is answered', () => {
    const it = messages()
    it.client('RETR 1\r\n')
    it.server(RETRIEVED)
    decide(it, 'answer', '+OK\nSubject: mine\n\n.')
    expect(it.takeToClient()).toBe('+OK\r\nSubject: mine\r\n\r\n..\r\n.\r\n')
  })

  test('keeps its client alive within the status line', () => {
    const it = messages()
    it.client('RETR 1\r\n')
    it.server(RETRIEVED)
    it.wait(9_999)
    expect(it.takeToClient()).toBe('')
    it.wait(1)
    expect(it.takeToClient()).toBe('+OK')
    expect(onlyHeld(it).isCommitted).toBe(true)
    it.wait(10_000)
    it.wait(10_000)
    expect(it.takeToClient()).toBe('  ')
    expect(decide(it, 'answer', '-ERR no')).toMatch(/\+OK already/)
    decide(it, 'release')
    expect(it.takeToClient()).toBe(RETRIEVED.slice(3))
  })

  test('keeps its client alive while it is gathered', () => {
    const it = messages()
    it.client('RETR 1\r\n')
    it.server('+OK 18\r\nSubject: a\r\n')
    it.wait(10_000)
    it.wait(10_000)
    it.server('\r\n..b\r\n.\r\n')
    expect(onlyHeld(it).isCommitted).toBe(true)
    decide(it, 'edit', 'a\n')
    expect(it.takeToClient()).toBe('+OK  3\r\na\r\n.\r\n')
  })

  test('is replaced by a notice where +OK has been said', () => {
    const it = messages()
    it.client('RETR 1\r\n')
    it.server(
      '+OK 88 octets\r\nFrom: a\r\nX: y\r\nSubject: =?a?=\r\n folded\xff\r\nsubject: again\r\nDate: bare\nX\r\nDate: c\r\n\r\nbody\r\n.\r\n',
    )
    it.wait(10_000)
    decide(it, 'drop')
    const notice = it.takeToClient()
    expect(notice).toMatch(
      /^\+OK \d+ octets\r\nFrom: a\r\nSubject: =\?a\?=\r\n folded\xff\r\nDate: c\r\nMIME-Version: 1.0\r\n/,
    )
    expect(notice).toContain('\r\n\r\npostern dropped this message at a breakpoint')
    expect(notice).not.toContain('body')
    expect(notice.endsWith('\r\n.\r\n')).toBe(true)
    const content = notice.slice(notice.indexOf('\r\n') + 2, -3)
    expect(notice).toContain(`+OK ${content.length} octets`)
  })

  test('is not kept alive where that is switched off', () => {
    const it = Conversation.loggedIn({
      keepsClientAlive: false,
      interceptor: new TestBreakpoint(['message']),
    })
    it.client('RETR 1\r\n')
    it.server(RETRIEVED)
    it.wait(HOLD_MS - 1)
    expect(it.takeToClient()).toBe('')
    it.wait(1)
    expect(it.takeToClient()).toBe(RETRIEVED)
    expect(verdicts(it)).toEqual(['timed-out'])
  })

  test.each([
    ['alone', { heldMessageOctets: 15 }, {}, 'too-large'],
    ['with what others hold', {}, { room: 15 }, 'no-room'],
    ['with the copy that would be edited', {}, { room: 30 }, 'no-room'],
  ] as const)('goes on unheld where it does not fit %s', (_, limits, bounds, reason) => {
    for (const cut of [1, 10, RETRIEVED.length]) {
      const interceptor = new TestBreakpoint(['message'], () => true, bounds)
      const it = Conversation.loggedIn({ limits, interceptor })
      it.client('RETR 1\r\nRETR 2\r\n')
      it.server(RETRIEVED.slice(0, cut))
      it.wait(10_000)
      const sign = it.takeToClient()
      it.server(RETRIEVED.slice(cut))
      it.server('-ERR no such message\r\n')
      expect(sign + it.takeToClient()).toBe(`${RETRIEVED}-ERR no such message\r\n`)
      expect(it.traced('not-held')).toMatchObject([{ number: 4, kind: 'message', reason }])
      expect(interceptor.room.taken).toBe(0)
    }
  })

  test('leaves no octet in the room, however it went on', () => {
    const endings: readonly ((it: Conversation) => void)[] = [
      (it) => decide(it, 'release'),
      (it) => decide(it, 'drop'),
      (it) => decide(it, 'edit', 'x'),
      (it) => it.wait(HOLD_MS),
      (it) => it.feed({ type: 'closed', side: 'client' }),
      (it) => it.feed({ type: 'drain' }),
    ]
    for (const end of endings) {
      const interceptor = new TestBreakpoint(['message'])
      const it = Conversation.loggedIn({ interceptor })
      it.client('RETR 1\r\n')
      it.server(RETRIEVED)
      expect(interceptor.room.taken).toBe(19 + 18)
      end(it)
      expect(interceptor.room.taken).toBe(0)
    }
  })

  test('cut short by the server is an -ERR, or a break where +OK has been said', () => {
    for (const waits of [false, true]) {
      const it = messages()
      it.client('RETR 1\r\n')
      it.server(RETRIEVED.slice(0, -1))
      if (waits) it.wait(10_000)
      it.feed({ type: 'end', side: 'server' })
      const got = it.takeToClient()
      if (waits) expect(got).toBe('+OK')
      else expect(got).toBe('-ERR [SYS/TEMP] server closed the connection before it answered RETR\r\n')
      expect(it.actions().slice(-2)).toEqual([waits ? 'destroy client' : 'end client', 'destroy server'])
    }
  })

  test('that fits no more gives its room back, and breaks where the server cuts it short', () => {
    const interceptor = new TestBreakpoint(['message'], () => true, { room: 15 })
    const it = Conversation.loggedIn({ interceptor })
    it.client('RETR 1\r\n')
    it.server('+OK 30 octets\r\nSubject: a\r\n')
    expect(it.takeToClient()).toBe('')
    expect(interceptor.room.taken).toBeGreaterThan(0)
    it.server('\r\na long body\r\n')
    expect(interceptor.room.taken).toBe(0)
    it.feed({ type: 'end', side: 'server' })
    expect(it.takeToClient()).toBe('+OK 30 octets\r\nSubject: a\r\n\r\na long body')
    expect(it.actions().slice(-2)).toEqual(['destroy client', 'destroy server'])
  })
})

describe('a held command', () => {
  test('is edited to none that postern would answer itself', () => {
    const it = commands('NOOP')
    it.client('NOOP\r\n')
    expect(decide(it, 'edit', 'XTND XMIT')).toBe(
      'postern would not pass this command on, but say: postern does not carry XTND XMIT',
    )
    expect(onlyHeld(it).verb).toBe('NOOP')
    expect(it.takeToServer()).toBe('')
  })

  test('that the server has not seen ends with the session when postern ends', () => {
    const it = commands('DELE')
    it.client('DELE 1\r\n')
    it.feed({ type: 'drain' })
    expect(verdicts(it)).toEqual(['session-ended'])
    expect(it.takeToServer()).toBe('')
    expect(it.traced('session-closed')).toMatchObject([{ reason: 'drained' }])
  })
})
