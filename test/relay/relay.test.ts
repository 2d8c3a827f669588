import { describe, expect, test } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'
import { Conversation } from '../support/conversation.js'

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64')

describe('a session', () => {
  test('passes greeting, commands and replies octet for octet', () => {
    const it = new Conversation()
    it.feed({ type: 'accepted' })
    it.feed({ type: 'server-reached' })
    it.server('+OK POP3 ready <1896.697170952@dbc.mtview.ca.us>\r\n')
    expect(it.takeToClient()).toBe('+OK POP3 ready <1896.697170952@dbc.mtview.ca.us>\r\n')
    it.client('uSeR  bob \r\n')
    expect(it.takeToServer()).toBe('uSeR  bob \r\n')
    it.server('+OK\tfine, go on\r\n')
    expect(it.takeToClient()).toBe('+OK\tfine, go on\r\n')
  })

  test('asks nothing of the server before a POP3S client has TLS', () => {
    const it = new Conversation({ client: 'tls' })
    it.feed({ type: 'accepted' })
    expect(it.actions()).toEqual(['start-tls client'])
    it.tls('client')
    expect(it.actions()).toEqual(['start-tls client', 'connect-server'])
  })

  test('holds commands that come before the greeting until the server is there', () => {
    const it = new Conversation()
    it.feed({ type: 'accepted' })
    it.client('CAPA\r\n')
    it.feed({ type: 'server-reached' })
    expect(it.takeToServer()).toBe('')
    it.server('+OK\r\n')
    expect(it.takeToServer()).toBe('CAPA\r\n')
  })

  test('reports login, messages and octets at its end', () => {
    const it = Conversation.loggedIn()
    it.client('RETR 1\r\n')
    it.server('+OK 7 octets\r\nhello\r\n.\r\n')
    it.client('QUIT\r\n')
    it.server('+OK bye\r\n')
    expect(it.takeToClient()).toBe('+OK 7 octets\r\nhello\r\n.\r\n+OK bye\r\n')
    expect(it.traced('logged-in')).toEqual([{ type: 'logged-in', user: 'bob', mechanism: 'USER' }])
    expect(it.traced('content-end').at(-1)).toMatchObject({ verb: 'RETR', octets: 7 })
    expect(it.traced('session-closed')).toMatchObject([
      { reason: 'quit', code: null, user: 'bob', state: 'UPDATE', commands: 5, messages: 1 },
    ])
    expect(it.actions().slice(-2)).toEqual(['end client', 'end server'])
  })

  test('counts as a message what TOP fetches whole, and no header', () => {
    const it = Conversation.loggedIn()
    for (const lines of ['0', '999999', '1000000', '99999999']) {
      it.client(`TOP 1 ${lines}\r\n`)
      it.server('+OK\r\nhello\r\n.\r\n')
    }
    it.client('QUIT\r\n')
    it.server('+OK bye\r\n')
    expect(it.traced('session-closed')).toMatchObject([{ messages: 2 }])
  })
})

describe('order of replies', () => {
  test('sends one command at a time to a server without PIPELINING', () => {
    const it = Conversation.loggedIn({}, ['UIDL'])
    it.client('RETR 1\r\nRETR 2\r\nDELE 1\r\n')
    expect(it.takeToServer()).toBe('RETR 1\r\n')
    it.server('+OK\r\na\r\n.\r\n')
    expect(it.takeToServer()).toBe('RETR 2\r\n')
    it.server('-ERR no such message\r\n')
    expect(it.takeToServer()).toBe('DELE 1\r\n')
    it.server('+OK\r\n')
    expect(it.takeToClient()).toBe('+OK\r\na\r\n.\r\n-ERR no such message\r\n+OK\r\n')
  })

  test('sends commands at once to a server that announced PIPELINING', () => {
    const it = Conversation.loggedIn()
    it.client('RETR 1\r\nLIST\r\nLIST 2\r\nQUIT\r\n')
    expect(it.takeToServer()).toBe('RETR 1\r\nLIST\r\nLIST 2\r\nQUIT\r\n')
    it.server('+OK\r\nQUIT\r\n..\r\n.\r\n+OK\r\n1 5\r\n.\r\n+OK 2 7\r\n+OK bye\r\n')
    expect(it.traced('content-end').map(({ verb }) => verb)).toEqual(['CAPA', 'RETR', 'LIST'])
    expect(it.traced('session-closed')[0]).toMatchObject({ reason: 'quit' })
  })

  test('keeps no more commands at the server than the limit, and sends the next as replies come', () => {
    const it = Conversation.loggedIn({ limits: { pipelinedCommands: 2 } })
    it.client('NOOP\r\n'.repeat(3))
    expect(it.takeToServer()).toBe('NOOP\r\nNOOP\r\n')
    it.server('+OK\r\n')
    expect(it.takeToServer()).toBe('NOOP\r\n')
  })

  test('waits behind PASS, since servers lose what stands in its packet', () => {
    const it = Conversation.open()
    it.client('CAPA\r\n')
    it.server('+OK\r\nPIPELINING\r\n.\r\n')
    it.takeToServer()
    it.client('USER bob\r\nPASS x\r\nSTAT\r\nLIST\r\n')
    expect(it.takeToServer()).toBe('USER bob\r\nPASS x\r\n')
    it.server('+OK\r\n')
    expect(it.takeToServer()).toBe('')
    it.server('+OK\r\n')
    expect(it.takeToServer()).toBe('STAT\r\nLIST\r\n')
    expect(it.anomalies()).toEqual([])
  })

  test('waits behind an unknown verb, whatever the server announced', () => {
    const it = Conversation.loggedIn()
    it.client('XFOO bar\r\nSTAT\r\n')
    expect(it.takeToServer()).toBe('XFOO bar\r\n')
    it.server('-ERR unknown\r\n')
    expect(it.takeToServer()).toBe('STAT\r\n')
  })

  test('answers a refused command only after the replies ahead of it', () => {
    const it = Conversation.loggedIn()
    it.client('RETR 1\r\nSTLS\r\nNOOP\r\n')
    expect(it.takeToServer()).toBe('RETR 1\r\nNOOP\r\n')
    it.server('+OK\r\nbody\r\n.\r\n')
    expect(it.takeToClient()).toBe('+OK\r\nbody\r\n.\r\n-ERR STLS comes before the login\r\n')
    it.server('+OK\r\n')
    expect(it.takeToClient()).toBe('+OK\r\n')
  })

  test('reads a configured verb as answering in several lines', () => {
    const it = Conversation.loggedIn({ multiLineVerbs: ['XFOO'] })
    it.client('XFOO\r\nSTAT\r\n')
    it.server('+OK\r\n+OK not a reply\r\n.\r\n')
    expect(it.takeToServer()).toBe('XFOO\r\nSTAT\r\n')
  })

  test('stops reading a client at the limit of pending commands and goes on when replies come', () => {
    const it = Conversation.loggedIn({ limits: { pendingCommands: 3, pipelinedCommands: 1 } })
    it.client('NOOP\r\nNOOP\r\n')
    expect(it.relay.wantsOctets('client')).toBe(true)
    it.client('NOOP\r\nSTAT\r\n')
    expect(it.relay.wantsOctets('client')).toBe(false)
    it.server('+OK\r\n')
    it.server('+OK\r\n')
    expect(it.relay.wantsOctets('client')).toBe(true)
    it.server('+OK\r\n')
    expect(it.takeToServer()).toBe('NOOP\r\nNOOP\r\nNOOP\r\nSTAT\r\n')
  })
})

describe('lines that are no replies', () => {
  test('pass to the client and shift nothing', () => {
    const it = Conversation.loggedIn()
    it.client('RETR 1\r\n')
    // A message that begins with a lone dot, as Dovecot 2.3 sends it.
    it.server('+OK 20 octets\r\n.\r\nSubject: x\r\n\r\nbody\r\n.\r\n')
    expect(it.takeToClient()).toBe('+OK 20 octets\r\n.\r\nSubject: x\r\n\r\nbody\r\n.\r\n')
    it.client('LIST\r\n')
    it.server('late stray\r\n+OK\r\n1 20\r\n.\r\n')
    expect(it.takeToClient()).toBe('late stray\r\n+OK\r\n1 20\r\n.\r\n')
    expect(it.traced('content-end').map(({ verb }) => verb)).toEqual(['CAPA', 'RETR', 'LIST'])
    expect(it.anomalies()).toContain('unsolicited')
    expect(it.anomalies()).toContain('missing-status-indicator')
  })

  test('let the next command go though the reply never came', () => {
    const it = Conversation.loggedIn({}, [])
    it.client('NOOP\r\n')
    it.server('what?\r\n')
    it.client('STAT\r\n')
    expect(it.takeToServer()).toBe('NOOP\r\nSTAT\r\n')
  })
})

describe('AUTH', () => {
  test('takes the line behind a challenge as a credential, whatever it looks like', () => {
    const it = Conversation.open()
    it.client('AUTH PLAIN\r\n')
    it.server('+ \r\n')
    it.client(`${base64('\0bob\0sesame-street')}\r\nSTAT\r\n`)
    it.server('+OK\r\n')
    expect(it.takeToServer()).toBe(`AUTH PLAIN\r\n${base64('\0bob\0sesame-street')}\r\nSTAT\r\n`)
    expect(it.traced('logged-in')).toEqual([{ type: 'logged-in', user: 'bob', mechanism: 'PLAIN' }])
    expect(it.traced('command').map(({ shown }) => shown)).toEqual(['AUTH PLAIN', 'STAT'])
  })

  test('does not decode a response sent ahead of its challenge as a command', () => {
    const it = Conversation.open()
    it.client(`AUTH LOGIN\r\n${base64('bob')}\r\n${base64('sesame-street')}\r\n`)
    expect(it.takeToServer()).toBe('AUTH LOGIN\r\n')
    it.server(`+ ${base64('Username:')}\r\n`)
    expect(it.takeToServer()).toBe(`${base64('bob')}\r\n`)
    it.server(`+ ${base64('Password:')}\r\n`)
    expect(it.takeToServer()).toBe(`${base64('sesame-street')}\r\n`)
    it.server('+OK\r\n')
    expect(it.traced('logged-in')[0]).toMatchObject({ user: 'bob', mechanism: 'LOGIN' })
  })

  test('stays in AUTHORIZATION after a cancelled exchange, as curl does with DIGEST-MD5', () => {
    const it = Conversation.open()
    it.client('AUTH DIGEST-MD5\r\n')
    it.server('+ cmVhbG09IngiLG5vbmNlPSJ5Ig==\r\n')
    it.client('*\r\n')
    it.server('-ERR cancelled\r\n')
    it.client('AUTH CRAM-MD5\r\n')
    it.server('+ PDE+\r\n')
    it.client(`${base64('bob 0123456789abcdef0123456789abcdef')}\r\n`)
    it.server('+OK\r\n')
    expect(it.traced('sasl-response').map(({ cancels }) => cancels)).toEqual([true, false])
    expect(it.traced('logged-in')[0]).toMatchObject({ user: 'bob', mechanism: 'CRAM-MD5' })
  })

  test('carries an empty response and a response of 12 KiB', () => {
    const it = Conversation.open()
    const token = base64(`n,a=bob,\u0001auth=Bearer ${'x'.repeat(9_100)}\u0001\u0001`)
    it.client('AUTH OAUTHBEARER\r\n')
    it.server('+ \r\n')
    it.client(`${token}\r\n`)
    it.server('+ eyJzdGF0dXMiOiJpbnZhbGlkIn0=\r\n')
    it.client('\r\n')
    it.server('-ERR [AUTH] no\r\n')
    expect(token.length).toBeGreaterThan(12_000)
    expect(it.takeToServer()).toBe(`AUTH OAUTHBEARER\r\n${token}\r\n\r\n`)
    expect(it.traced('login-refused')[0]).toMatchObject({ user: 'bob', responseCode: 'AUTH' })
  })

  test('reads the mechanism listing of a bare AUTH', () => {
    const it = Conversation.open()
    it.client('AUTH\r\n')
    it.server('+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n')
    it.client('USER bob\r\n')
    expect(it.takeToServer()).toBe('AUTH\r\nUSER bob\r\n')
    expect(it.traced('logged-in')).toEqual([])
  })
})

describe('STLS of the client', () => {
  test('is answered by postern and never forwarded', () => {
    const it = Conversation.open()
    it.client('STLS\r\n')
    expect(it.takeToServer()).toBe('')
    expect(it.takeToClient()).toBe('+OK begin TLS negotiation\r\n')
    expect(it.actions().at(-1)).toBe('start-tls client')
  })

  test('lets no octet across that came in clear, in its packet or behind it', () => {
    const it = Conversation.open()
    it.client('CAPA\r\nSTLS\r\nUSER evil\r\nPA')
    it.client('SS x\r\n')
    it.server('+OK\r\nUSER\r\n.\r\n')
    it.tls('client')
    it.client('USER bob\r\n')
    expect(it.takeToServer()).toBe('CAPA\r\nUSER bob\r\n')
    expect(it.traced('anomaly')).toMatchObject([
      { anomaly: 'clear-text-after-stls', octets: 'USER evil\r\nPA'.length },
      { anomaly: 'clear-text-after-stls', octets: 'SS x\r\n'.length },
    ])
  })

  test('makes the session forget the user named in clear', () => {
    const it = Conversation.open()
    it.client('USER evil\r\n')
    it.server('+OK\r\n')
    it.client('STLS\r\n')
    it.tls('client')
    it.takeToServer()
    it.client('PASS sesame-street\r\n')
    expect(it.takeToServer()).toBe('')
    expect(it.takeToClient()).toContain('-ERR send USER first')
  })

  test('is refused within TLS, without a certificate, after UTF8 and after the login', () => {
    const within = Conversation.open({ client: 'tls' })
    within.client('STLS\r\n')
    expect(within.takeToClient()).toBe('-ERR TLS is active already\r\n')
    const without = Conversation.open({ offersStls: false })
    without.client('STLS\r\n')
    expect(without.takeToClient()).toBe('-ERR STLS is not offered here\r\n')
    const utf8 = Conversation.open()
    utf8.client('UTF8\r\n')
    utf8.server('+OK\r\n')
    utf8.client('STLS\r\n')
    expect(utf8.takeToClient()).toBe('+OK\r\n-ERR STLS comes before UTF8\r\n')
    const late = Conversation.loggedIn()
    late.client('STLS\r\n')
    expect(late.takeToClient()).toBe('-ERR STLS comes before the login\r\n')
  })

  test.each(['USER bob', 'PASS sesame-street', 'APOP bob 00', 'AUTH PLAIN', 'AUTH PLAIN AGEAYg=='])(
    'comes before %s on a pop3+stls listener',
    (command) => {
      const it = Conversation.open({ client: 'stls' })
      it.client(`${command}\r\n`)
      expect(it.takeToServer()).toBe('')
      expect(it.takeToClient()).toMatch(/^-ERR \[SYS\/PERM\] .*STLS first\r\n$/)
      it.client('STLS\r\n')
      it.tls('client')
      it.client('USER bob\r\n')
      expect(it.takeToServer()).toBe('USER bob\r\n')
    },
  )
})

describe('STLS toward the server', () => {
  const begin = (): Conversation => {
    const it = new Conversation({ server: 'stls' })
    it.feed({ type: 'accepted' })
    it.feed({ type: 'server-reached' })
    return it
  }

  test('keeps the greeting until TLS stands, and passes it unchanged', () => {
    const it = begin()
    it.client('USER bob\r\n')
    it.server('+OK ready <1@x>\r\n')
    expect(it.takeToServer()).toBe('STLS\r\n')
    expect(it.takeToClient()).toBe('')
    it.server('+OK begin\r\n')
    expect(it.actions().at(-1)).toBe('start-tls server')
    expect(it.takeToServer()).toBe('')
    it.tls('server')
    expect(it.takeToClient()).toBe('+OK ready <1@x>\r\n')
    expect(it.takeToServer()).toBe('USER bob\r\n')
  })

  test.each([
    ['refused', '-ERR no\r\n', 'server does not take STLS'],
    ['answered with garbage', 'HTTP/1.1 400\r\n', 'something else than a reply to STLS'],
    ['followed by clear text', '+OK\r\n+OK evil\r\n', 'octets in clear around STLS'],
  ])('ends the session when %s, with no credential sent', (_, answer, reason) => {
    const it = begin()
    it.client('USER bob\r\nPASS sesame-street\r\n')
    it.server('+OK ready\r\n')
    it.server(answer)
    expect(it.takeToServer()).toBe('STLS\r\n')
    expect(it.takeToClient()).toMatch(/^-ERR \[SYS\/PERM\] [^\r\n]*\r\n$/)
    expect(it.traced('failure')[0]?.failure.text).toContain(reason)
    expect(it.actions()).not.toContain('start-tls server')
    expect(it.actions().slice(-2)).toEqual(['end client', 'destroy server'])
  })

  test('ends the session when an answer to STLS stands behind the greeting, before STLS was sent', () => {
    const it = begin()
    it.server('+OK ready\r\n+OK begin\r\n')
    expect(it.takeToServer()).toBe('')
    expect(it.takeToClient()).toMatch(/^-ERR \[SYS\/PERM\]/)
  })

  test('ends the session when clear text comes between the answer and TLS', () => {
    const it = begin()
    it.server('+OK ready\r\n')
    it.server('+OK begin\r\n')
    it.server('+OK injected\r\n')
    expect(it.takeToClient()).toMatch(/^-ERR \[SYS\/PERM\]/)
    expect(it.relay.isClosed).toBe(true)
  })
})

describe('CAPA', () => {
  const capa = (it: Conversation, answer: string): string => {
    it.client('CAPA\r\n')
    it.server(answer)
    return it.takeToClient()
  }

  test('offers what postern does and hides what only the server does', () => {
    const it = Conversation.open()
    const answer =
      '+OK list\r\nCAPA\r\nTOP\r\nSTLS\r\nSASL PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\nUSER\r\n.\r\n'
    expect(capa(it, answer)).toBe(
      '+OK list\r\nCAPA\r\nTOP\r\nSASL PLAIN SCRAM-SHA-256\r\nUSER\r\nPIPELINING\r\nSTLS\r\n.\r\n',
    )
  })

  test('does not offer STLS within TLS or where it is switched off', () => {
    expect(capa(Conversation.open({ client: 'tls' }), '+OK\r\nSTLS\r\nTOP\r\n.\r\n')).toBe(
      '+OK\r\nTOP\r\nPIPELINING\r\n.\r\n',
    )
    expect(capa(Conversation.open({ offersStls: false }), '+OK\r\n.\r\n')).toBe('+OK\r\nPIPELINING\r\n.\r\n')
    const loggedIn = Conversation.loggedIn()
    expect(capa(loggedIn, '+OK\r\nTOP\r\n.\r\n')).toBe('+OK\r\nTOP\r\nPIPELINING\r\n.\r\n')
  })

  test('announces no login where only STLS comes next', () => {
    const it = Conversation.open({ client: 'stls' })
    expect(capa(it, '+OK\r\nUSER\r\nSASL PLAIN\r\nUIDL\r\n.\r\n')).toBe(
      '+OK\r\nUIDL\r\nPIPELINING\r\nSTLS\r\n.\r\n',
    )
  })

  test('stands in for a server without CAPA while STLS is to be found, and passes its -ERR afterwards', () => {
    const it = Conversation.open()
    expect(capa(it, '-ERR what?\r\n')).toBe(
      '+OK capability list follows\r\nUSER\r\nPIPELINING\r\nSTLS\r\n.\r\n',
    )
    it.client('STLS\r\n')
    it.tls('client')
    it.takeToClient()
    expect(capa(it, '-ERR what?\r\n')).toBe('-ERR what?\r\n')
  })

  test('is forgotten when TLS begins: a server may say something else then', () => {
    const it = Conversation.open()
    expect(capa(it, '+OK\r\nPIPELINING\r\n.\r\n')).toContain('STLS')
    it.client('STLS\r\n')
    it.tls('client')
    it.takeToClient()
    expect(capa(it, '+OK\r\nUSER\r\n.\r\n')).toBe('+OK\r\nUSER\r\nPIPELINING\r\n.\r\n')
  })

  test('of more octets than the limit ends the session with a reason', () => {
    const it = Conversation.open({ limits: { capabilityOctets: 20 } })
    it.client('CAPA\r\n')
    it.server(`+OK\r\n${'X'.repeat(18)}\r\n.\r\n`)
    expect(it.takeToClient()).toMatch(/^\+OK/)
    it.client('CAPA\r\n')
    it.server(`+OK\r\n${'X'.repeat(19)}\r\n.\r\n`)
    expect(it.takeToClient()).toMatch(
      /^-ERR \[SYS\/PERM\] server sent a capability list of more than 20 octets\r\n$/,
    )
  })
})

describe('failures', () => {
  test('of the connection become one -ERR in the place of the greeting', () => {
    const it = new Conversation({ server: 'tls' })
    it.feed({ type: 'accepted' })
    it.client('USER bob\r\nPASS sesame-street\r\n')
    const text = 'server certificate expired on 2026-01-02'
    it.feed({
      type: 'failed',
      side: 'server',
      failure: { code: 'POSTERN_SERVER_CERTIFICATE_EXPIRED', isPermanent: true, text, hint: null },
    })
    expect(it.takeToClient()).toBe(`-ERR [SYS/PERM] ${text}\r\n`)
    expect(it.takeToServer()).toBe('')
    expect(it.actions().slice(-2)).toEqual(['end client', 'destroy server'])
    expect(it.traced('session-closed')[0]).toMatchObject({
      reason: 'failed',
      code: 'POSTERN_SERVER_CERTIFICATE_EXPIRED',
    })
  })

  test('a server that greets with something else is named', () => {
    const it = new Conversation()
    it.feed({ type: 'accepted' })
    it.feed({ type: 'server-reached' })
    it.server('SSH-2.0-OpenSSH_9.2\r\n')
    expect(it.takeToClient()).toBe('-ERR [SYS/PERM] server does not greet as a POP3 server does\r\n')
  })

  test("a server's own refusal passes unchanged", () => {
    const it = new Conversation()
    it.feed({ type: 'accepted' })
    it.feed({ type: 'server-reached' })
    it.server('-ERR [SYS/TEMP] too busy\r\n')
    expect(it.takeToClient()).toBe('-ERR [SYS/TEMP] too busy\r\n')
    expect(it.traced('session-closed')[0]).toMatchObject({ reason: 'server-refused' })
  })

  test.each(['+OK\r\nhalf a mess', '+OK\r\nhalf\r\n', '+OK\r\nhalf\r\n.', '+OK\r\nhalf\r\n.\r'])(
    'a message cut short after %j never looks whole',
    (cut) => {
      const it = Conversation.loggedIn()
      it.client('RETR 1\r\n')
      it.server(cut)
      it.feed({ type: 'end', side: 'server' })
      expect(it.takeToClient()).not.toMatch(/\r\n\.\r?\n?$/)
      expect(it.actions().slice(-2)).toEqual(['destroy client', 'destroy server'])
      expect(it.anomalies()).toContain('truncated-reply')
      expect(it.traced('session-closed')[0]).toMatchObject({
        reason: 'failed',
        code: 'POSTERN_SERVER_CLOSED',
      })
    },
  )

  test('a reply that never began is answered in its place', () => {
    const it = Conversation.loggedIn()
    it.client('STAT\r\n')
    it.server('+OK 1')
    it.feed({ type: 'end', side: 'server' })
    expect(it.takeToClient()).toBe('-ERR [SYS/TEMP] server closed the connection before it answered STAT\r\n')
  })

  test('a server that leaves between commands takes the client along', () => {
    const it = Conversation.loggedIn()
    it.server('-ERR Disconnected for inactivity.\r\n')
    it.feed({ type: 'end', side: 'server' })
    expect(it.takeToClient()).toBe('-ERR Disconnected for inactivity.\r\n')
    expect(it.actions().slice(-2)).toEqual(['end client', 'destroy server'])
  })

  test('a command line at the limit passes, one octet more ends the session', () => {
    const limits = { commandLineOctets: 20 }
    const it = Conversation.loggedIn({ limits })
    it.client(`NOOP ${'x'.repeat(13)}\r\n`)
    expect(it.takeToServer()).toHaveLength(20)
    it.server('+OK\r\n')
    it.takeToClient()
    it.client(`NOOP ${'x'.repeat(14)}\r\n`)
    expect(it.takeToServer()).toBe('')
    expect(it.takeToClient()).toMatch(/^-ERR \[SYS\/PERM\] client sent a line of more than 20 octets\r\n$/)
  })

  test('a status line over the limit ends the session without an end to the line', () => {
    const it = Conversation.loggedIn({ limits: { statusLineOctets: 30 } })
    it.client('STAT\r\nSTAT\r\n')
    it.server(`+OK ${'x'.repeat(24)}\r\n`)
    expect(it.takeToClient()).toHaveLength(30)
    it.server(`+OK ${'x'.repeat(25)}\r\n`)
    expect(it.takeToClient()).not.toContain('\n')
    expect(it.actions().slice(-2)).toEqual(['destroy client', 'destroy server'])
  })

  test('so many errors before the login and no more', () => {
    const it = Conversation.open({ limits: { errorsBeforeLogin: 2 } })
    for (const line of ['GET / HTTP/1.1', 'Host: pop', 'Accept: x']) {
      it.client(`${line}\r\n`)
      it.server('-ERR unknown\r\n')
    }
    expect(it.takeToClient()).toMatch(
      /^(-ERR unknown\r\n){3}-ERR 3 commands out of place before the login: closing\r\n$/,
    )
    expect(it.relay.isClosed).toBe(true)
  })
})

describe('the end of a client', () => {
  test('never becomes QUIT', () => {
    const it = Conversation.loggedIn()
    it.client('DELE 1\r\n')
    it.server('+OK\r\n')
    it.takeToServer()
    it.feed({ type: 'closed', side: 'client' })
    expect(it.takeToServer()).toBe('')
    expect(it.actions().slice(-1)).toEqual(['destroy server'])
    expect(it.traced('session-closed')[0]).toMatchObject({ reason: 'client-left', state: 'TRANSACTION' })
  })

  test('by half-close still gets the replies it asked for', () => {
    const it = Conversation.loggedIn({}, [])
    it.client('STAT\r\nRETR 1\r\n')
    it.feed({ type: 'end', side: 'client' })
    it.server('+OK 1 7\r\n')
    it.server('+OK\r\nhello\r\n.\r\n')
    expect(it.takeToClient()).toBe('+OK 1 7\r\n+OK\r\nhello\r\n.\r\n')
    expect(it.actions().slice(-2)).toEqual(['end client', 'destroy server'])
  })

  test('before the server answered anything ends the session at once', () => {
    const it = new Conversation()
    it.feed({ type: 'accepted' })
    it.feed({ type: 'end', side: 'client' })
    expect(it.relay.isClosed).toBe(true)
  })
})

describe('deadlines', () => {
  const limits = DEFAULT_LIMITS

  test.each([
    ['connecting', limits.connectMs, 'could not be reached in time'],
    ['greeting', limits.greetingMs, 'sent no greeting in time'],
  ])('%s: at the limit and not before', (phase, limit, reason) => {
    const it = new Conversation()
    it.feed({ type: 'accepted' })
    if (phase === 'greeting') it.feed({ type: 'server-reached' })
    it.wait(limit - 1)
    expect(it.relay.isClosed).toBe(false)
    it.wait(1)
    expect(it.takeToClient()).toMatch(new RegExp(`^-ERR \\[SYS/TEMP\\] server ${reason}\\r\\n$`))
  })

  test('login: counts from the connection, however busy the client is', () => {
    const it = Conversation.open({ limits: { loginMs: 1_000 } })
    for (let index = 0; index < 9; index += 1) {
      it.wait(100)
      it.client('NOOP\r\n')
      it.server('+OK\r\n')
    }
    expect(it.relay.isClosed).toBe(false)
    it.wait(100)
    expect(it.traced('session-closed')[0]).toMatchObject({ reason: 'login-deadline' })
  })

  test('idle: counts from the last octet and ends without a response', () => {
    const it = Conversation.loggedIn()
    it.wait(limits.idleMs - 1)
    it.client('NOOP\r\n')
    it.server('+OK\r\n')
    it.takeToClient()
    it.takeToServer()
    it.wait(limits.idleMs - 1)
    expect(it.relay.isClosed).toBe(false)
    it.wait(1)
    expect(it.takeToClient()).toBe('')
    expect(it.takeToServer()).toBe('')
    expect(it.traced('session-closed')[0]).toMatchObject({ reason: 'idle' })
  })

  test('QUIT: the commit of deletions may be slow, but not endless', () => {
    const it = Conversation.loggedIn()
    it.client('QUIT\r\n')
    it.wait(limits.quitMs - 1)
    expect(it.relay.isClosed).toBe(false)
    it.wait(1)
    expect(it.takeToClient()).toMatch(/^-ERR \[SYS\/TEMP\] server did not answer QUIT in time\r\n$/)
  })
})

describe('draining', () => {
  test('lets the reply in flight finish and takes no further command', () => {
    const it = Conversation.loggedIn()
    it.client('RETR 1\r\n')
    it.server('+OK\r\nfirst half\r\n')
    it.feed({ type: 'drain' })
    it.client('RETR 2\r\n')
    expect(it.relay.isClosed).toBe(false)
    it.server('second half\r\n.\r\n')
    expect(it.takeToClient()).toMatch(/second half\r\n\.\r\n$/)
    expect(it.takeToServer()).toBe('RETR 1\r\n')
    expect(it.actions().slice(-2)).toEqual(['end client', 'destroy server'])
  })

  test('ends idle sessions at once, without QUIT', () => {
    const it = Conversation.loggedIn()
    it.feed({ type: 'drain' })
    expect(it.takeToServer()).toBe('')
    expect(it.traced('session-closed')[0]).toMatchObject({ reason: 'drained' })
  })
})

describe('secrets', () => {
  test('that a server repeats are not shown, though the client gets the reply as it is', () => {
    const it = Conversation.open()
    it.client('PAS sesame-street\r\n')
    it.server('-ERR Unknown command: PAS sesame-street\r\n')
    expect(it.takeToClient()).toContain('sesame-street')
    expect(JSON.stringify(it.traces)).not.toContain('sesame-street')
    expect(it.anomalies()).toContain('credential-echoed')
  })

  test('of several common words are not taken for repeated by a reply that has some of them', () => {
    const it = Conversation.open()
    it.client('USER piet\r\n')
    it.server('+OK\r\n')
    it.client('PASS the sexton has it\r\n')
    it.server('+OK maildrop has 42 messages\r\n')
    expect(it.traced('reply').at(-1)).toMatchObject({ verb: 'PASS', text: 'maildrop has 42 messages' })
    expect(it.anomalies()).not.toContain('credential-echoed')
  })

  test('user names are redacted where they are not to be shown', () => {
    const it = Conversation.loggedIn({ showsUserNames: false })
    it.client('QUIT\r\n')
    it.server('+OK\r\n')
    expect(JSON.stringify(it.traces)).not.toContain('bob')
  })
})

describe('an unknown verb before the login', () => {
  test.each(['abcd', 'Xy*z', 'GET'])('is not shown: %s may be a password', (keyword) => {
    const it = Conversation.open()
    it.client(`${keyword} rest\r\n`)
    expect(it.takeToServer()).toBe(`${keyword} rest\r\n`)
    expect(it.traced('command')).toMatchObject([{ verb: 'unrecognized', shown: '[redacted]' }])
    it.server(`-ERR unknown command ${keyword}\r\n`)
    expect(it.takeToClient()).toBe(`-ERR unknown command ${keyword}\r\n`)
    expect(JSON.stringify(it.traces)).not.toContain(keyword)
    expect(it.anomalies()).toContain('credential-echoed')
  })

  test('of three letters is found where it is quoted, whatever followed it', () => {
    const it = Conversation.open()
    it.client('Zij the sexton has it\r\n')
    it.server('-ERR unknown command "Zij"\r\n')
    expect(JSON.stringify(it.traces)).not.toContain('Zij')
    expect(it.anomalies()).toContain('credential-echoed')
  })

  test('is not named when the server leaves it unanswered', () => {
    const it = Conversation.open()
    it.client('abcd\r\n')
    it.feed({ type: 'end', side: 'server' })
    expect(it.takeToClient()).toBe(
      '-ERR [SYS/TEMP] server closed the connection before it answered [redacted]\r\n',
    )
    expect(JSON.stringify(it.traces)).not.toContain('abcd')
  })

  test('is shown where the configuration names it', () => {
    const it = Conversation.open({ multiLineVerbs: ['XFOO'] })
    it.client('xfoo bar\r\n')
    expect(it.traced('command')).toMatchObject([{ shown: 'XFOO [redacted]' }])
  })

  test('is shown after the login, when no password is asked for any more', () => {
    const it = Conversation.loggedIn()
    it.client('XFOO bar\r\n')
    expect(it.traced('command').at(-1)).toMatchObject({ shown: 'XFOO [redacted]' })
    it.server('-ERR what is XFOO?\r\n')
    expect(it.traced('reply').at(-1)).toMatchObject({ text: 'what is XFOO?' })
  })
})

describe('a capability list', () => {
  test('is named malformed where it hides lines, and passes without the STLS in them', () => {
    const it = Conversation.open({ offersStls: false })
    it.client('CAPA\r\n')
    it.server('+OK\r\nTOP\nSTLS\r\nUIDL\r\nUIDL\r\n.\r\n')
    expect(it.takeToClient()).toBe('+OK\r\nTOP\r\nUIDL\r\nUIDL\r\nPIPELINING\r\n.\r\n')
    expect(it.traced('anomaly')).toMatchObject([
      { side: 'server', number: 1, anomaly: 'malformed-capability' },
      { side: 'server', number: 1, anomaly: 'capability-repeated' },
    ])
  })
})

describe('what is decided by the moment', () => {
  test('a server that speaks within the handshake of the client is heard when TLS stands', () => {
    const it = Conversation.open()
    it.client('STLS\r\n')
    it.server('+OK forged\r\nstray\r\n')
    expect(it.takeToClient()).toBe('+OK begin TLS negotiation\r\n')
    expect(it.relay.wantsOctets('server')).toBe(false)
    it.tls('client')
    expect(it.relay.wantsOctets('server')).toBe(true)
    expect(it.takeToClient()).toBe('+OK forged\r\nstray\r\n')
    expect(it.anomalies()).toEqual(['unsolicited', 'unsolicited'])
  })

  test('octets of the server behind the reply that STLS waited for do not follow its answer in clear', () => {
    const it = Conversation.open()
    it.client('NOOP\r\nSTLS\r\n')
    it.server('+OK\r\n+OK forged\r\n')
    expect(it.takeToClient()).toBe('+OK\r\n+OK begin TLS negotiation\r\n')
  })

  test('a line that fits its limit is read to its end, however small the socket buffer', () => {
    const it = Conversation.open({ limits: { socketBufferOctets: 4_096 } })
    const initial = 'A'.repeat(12_000)
    for (const piece of ['AUTH PLAIN ', initial.slice(0, 6_000), initial.slice(6_000), '\r\n']) {
      expect(it.relay.wantsOctets('client')).toBe(true)
      it.client(piece)
    }
    expect(it.takeToServer()).toBe(`AUTH PLAIN ${initial}\r\n`)
  })

  test('draining does not wait for a login that waits for the client', () => {
    const it = Conversation.open()
    it.client('AUTH PLAIN\r\n')
    it.server('+ \r\n')
    it.feed({ type: 'drain' })
    expect(it.traced('session-closed')).toMatchObject([{ reason: 'drained' }])
  })

  test('nor for one that the server asks to go on', () => {
    const it = Conversation.open()
    it.client('AUTH PLAIN\r\n')
    it.feed({ type: 'drain' })
    expect(it.relay.isClosed).toBe(false)
    it.server('+ \r\n')
    expect(it.traced('session-closed')).toMatchObject([{ reason: 'drained' }])
  })
})

describe('a client that begins with TLS on a plain listener', () => {
  const hello = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x0a])

  test.each([7, 1])('is told so, and the server gets none of it (pieces of %i)', (size) => {
    const it = Conversation.open()
    for (let at = 0; at < hello.length; at += size) it.client(hello.subarray(at, at + size))
    expect(it.takeToServer()).toBe('')
    expect(it.takeToClient()).toMatch(/^-ERR \[SYS\/PERM\] client began with TLS/)
    expect(it.traced('failure')).toMatchObject([
      {
        side: 'client',
        failure: { code: 'POSTERN_CLIENT_PROTOCOL', hint: expect.stringContaining('pop3s://') },
      },
    ])
  })

  test('is told so before the server has been reached', () => {
    const it = new Conversation()
    it.feed({ type: 'accepted' })
    it.client(hello)
    expect(it.takeToClient()).toMatch(/^-ERR \[SYS\/PERM\] client began with TLS/)
    expect(it.actions()).toEqual(['connect-server', 'end client', 'destroy server'])
  })

  test('is no matter within TLS, where the octet is one of an unknown command', () => {
    const it = Conversation.open({ client: 'tls' })
    it.client(Buffer.from([0x16, 0x0d, 0x0a]))
    expect(it.takeToServer()).toBe('\x16\r\n')
  })
})

describe('a long pipeline', () => {
  test('keeps the secret of a command until its reply, however many come between', () => {
    const it = Conversation.open({ limits: { errorsBeforeLogin: 100 } })
    it.client(`PASSsesame\r\n${'XXXX other\r\n'.repeat(20)}`)
    it.server('-ERR what is PASSsesame?\r\n')
    it.server('-ERR what is that?\r\n')
    expect(it.traced('reply').map(({ text }) => text)).toEqual(['[redacted]', 'what is that?'])
  })
})
