import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Accounts, makeAccounts } from '../../src/demo/accounts.js'
import { storeMessages } from '../../src/demo/maildrop.js'
import { type Character, MaildropSession } from '../../src/demo/maildrop-session.js'
import { sampleMessages } from '../../src/demo/messages.js'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'
import { everySplit } from '../support/every-split.js'

const CHARACTER: Character = {
  greeting: 'ready',
  implementation: 'test',
  offersStls: true,
  loginNeedsTls: false,
  apop: true,
  capa: true,
  pipelining: true,
  announce: [],
}
const GREETING = '+OK ready <1@test>\r\n'
const LOGIN = 'USER demo\r\nPASS de mo\r\n'
const LOGGED_IN = '+OK now the password\r\n+OK maildrop has 2 messages (28 octets)\r\n'
// 20 and 8 octets; the first has lines to stuff.
const MESSAGES = [Buffer.from('A: b\r\n\r\n.\r\n..\r\nend\r\n'), Buffer.from('C: d\r\n\r\n')]

function accountsOf(messages: readonly Buffer[] = MESSAGES): Accounts {
  return makeAccounts(
    new Map([
      ['demo', 'de mo'],
      ['jürgen', 'grüße'],
    ]),
    storeMessages(messages),
  )
}

/** A session that is fed and drained as a socket would, with what it said and asked for as one text. */
class Talk {
  readonly accounts: Accounts
  readonly session: MaildropSession
  ended = false

  constructor(character: Partial<Character> = {}, isSecure = false, accounts = accountsOf()) {
    let timestamps = 0
    this.accounts = accounts
    this.session = new MaildropSession({
      accounts,
      character: { ...CHARACTER, ...character },
      limits: { ...DEFAULT_LIMITS, errorsBeforeLogin: 5 },
      isSecure,
      nextTimestamp: () => {
        timestamps += 1
        return `<${timestamps}@test>`
      },
    })
  }

  /** Drains what the session wants to do: octets as they are, everything else as `(name)`. */
  drain(): string {
    let said = ''
    for (;;) {
      const effect = this.session.next()
      if (effect === null) return said
      if (effect.type === 'end') this.ended = true
      said += effect.type === 'write' ? effect.octets.toString('latin1') : `(${effect.type})`
    }
  }

  say(octets: string | Buffer): string {
    this.session.receive(typeof octets === 'string' ? Buffer.from(octets, 'utf8') : octets)
    return this.drain()
  }

  /** The maildrop of `demo`. */
  get left(): readonly string[] {
    const account = this.accounts.get('demo')
    if (account === undefined) throw new Error('no account demo')
    return account.maildrop.messages.map(({ octets }) => octets.toString('latin1'))
  }

  get isLocked(): boolean {
    return this.accounts.get('demo')?.maildrop.isLocked ?? false
  }
}

function talk(character: Partial<Character> = {}, isSecure = false): Talk {
  const begun = new Talk(character, isSecure)
  begun.drain()
  return begun
}

function loggedIn(accounts = accountsOf()): Talk {
  const begun = new Talk({}, false, accounts)
  begun.drain()
  begun.say(LOGIN)
  return begun
}

const base64 = (text: string) => Buffer.from(text, 'utf8').toString('base64')

describe('AUTHORIZATION', () => {
  it('greets with a timestamp, and without one where there is no APOP', () => {
    expect(new Talk().drain()).toBe(GREETING)
    expect(new Talk({ apop: false }).drain()).toBe('+OK ready\r\n')
  })

  it('takes USER and PASS, blanks in the password and UTF-8 in both', () => {
    expect(talk().say(LOGIN)).toBe(LOGGED_IN)
    expect(talk().say('user jürgen\r\npass grüße\r\n')).toBe(LOGGED_IN)
  })

  it.each([
    ['a wrong password', 'USER demo\r\nPASS de  mo\r\n'],
    ['a password cut short', 'USER demo\r\nPASS de m\r\n'],
    ['a user nobody knows', 'USER nobody\r\nPASS de mo\r\n'],
    ['a user nobody knows, without a password', 'USER nobody\r\nPASS \r\n'],
    ['a name of a prototype', 'USER __proto__\r\nPASS x\r\n'],
  ])('refuses %s and stays', (_, octets) => {
    const begun = talk()
    expect(begun.say(octets)).toMatch(/^\+OK now the password\r\n-ERR [^\r]*\r\n$/)
    expect(begun.ended).toBe(false)
    expect(begun.say(LOGIN)).toBe(LOGGED_IN)
  })

  it('marks refused credentials with [AUTH]', () => {
    expect(talk().say('USER demo\r\nPASS x\r\n')).toContain('-ERR [AUTH] wrong user name or password\r\n')
  })

  it('wants USER again after a failed PASS', () => {
    expect(talk().say('USER demo\r\nPASS x\r\nPASS de mo\r\n')).toMatch(/-ERR USER comes before PASS\r\n$/)
  })

  it('refuses what belongs to TRANSACTION, and logins within it', () => {
    for (const command of ['STAT', 'LIST', 'RETR 1', 'DELE 1', 'NOOP', 'RSET', 'UIDL', 'TOP 1 1']) {
      expect(talk().say(`${command}\r\n`)).toMatch(/^-ERR .*AUTHORIZATION/)
    }
    for (const command of ['USER a', 'PASS a', 'APOP a b', 'AUTH PLAIN', 'STLS']) {
      expect(loggedIn().say(`${command}\r\n`)).toMatch(/^-ERR .*TRANSACTION/)
    }
  })

  it('refuses a second session of the same maildrop with [IN-USE], until the first is gone', () => {
    const accounts = accountsOf()
    const first = loggedIn(accounts)
    const second = new Talk({}, false, accounts)
    second.drain()
    expect(second.say(LOGIN)).toContain('-ERR [IN-USE] ')
    first.session.abandon()
    expect(second.say(LOGIN)).toBe(LOGGED_IN)
  })

  it('does not tell by [IN-USE] whether a wrong password met an open maildrop', () => {
    const accounts = accountsOf()
    loggedIn(accounts)
    const second = new Talk({}, false, accounts)
    second.drain()
    expect(second.say('USER demo\r\nPASS wrong\r\n')).toContain('-ERR [AUTH] ')
  })

  it('ends the session behind too many errors, and says nothing more', () => {
    const begun = talk()
    expect(begun.say('POST / HTTP/1.1\r\n'.repeat(9))).toBe(`${'-ERR unknown command\r\n'.repeat(6)}(end)`)
    expect(begun.say('QUIT\r\n')).toBe('')
  })

  it('ends the session behind a line that never ends', () => {
    expect(talk().say('X'.repeat(DEFAULT_LIMITS.commandLineOctets))).toBe(
      '-ERR line longer than 8192 octets; good-bye\r\n(end)',
    )
  })

  it('answers QUIT without UPDATE', () => {
    const begun = talk()
    expect(begun.say('QUIT\r\n')).toBe('+OK good-bye\r\n(end)')
    expect(begun.left).toHaveLength(2)
  })
})

describe('APOP and SASL', () => {
  const digest = (password: string) => createHash('md5').update(`<1@test>${password}`).digest('hex')

  it('takes an APOP digest of the greeting and no other', () => {
    expect(talk().say(`APOP demo ${digest('de mo')}\r\n`)).toMatch(/^\+OK maildrop/)
    expect(talk().say(`APOP demo ${digest('other')}\r\n`)).toMatch(/^-ERR \[AUTH\]/)
    expect(talk({ apop: false }).say(`APOP demo ${digest('de mo')}\r\n`)).toMatch(/^-ERR APOP is not/)
  })

  it('computes the digest of the example in RFC 1939 §7', () => {
    const accounts = makeAccounts(new Map([['mrose', 'tanstaaf']]), [])
    const session = new MaildropSession({
      accounts,
      character: CHARACTER,
      limits: DEFAULT_LIMITS,
      isSecure: false,
      nextTimestamp: () => '<1896.697170952@dbc.mtview.ca.us>',
    })
    session.next()
    session.receive(Buffer.from('APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n'))
    expect(session.next()).toMatchObject({
      octets: Buffer.from('+OK maildrop has 0 messages (0 octets)\r\n'),
    })
  })

  it('takes PLAIN with an initial response, and without behind an empty challenge', () => {
    expect(talk().say(`AUTH PLAIN ${base64('\0demo\0de mo')}\r\n`)).toMatch(/^\+OK maildrop/)
    expect(talk().say(`auth plain\r\n${base64('demo\0demo\0de mo')}\r\n`)).toMatch(/^\+ \r\n\+OK maildrop/)
  })

  it.each([
    ['a wrong password', base64('\0demo\0x')],
    ['another identity than one may take', base64('jürgen\0demo\0de mo')],
    ['too few fields', base64('demo\0de mo')],
    ['too many fields', base64('\0demo\0de mo\0')],
    ['what is not base64', '*AAA'],
    ['padding in the middle', 'AAA=BBB='],
    ['an empty response', '='],
  ])('refuses PLAIN with %s and serves on', (_, response) => {
    const begun = talk()
    expect(begun.say(`AUTH PLAIN ${response}\r\n`)).toMatch(/^-ERR [^\r]*\r\n$/)
    expect(begun.say(LOGIN)).toBe(LOGGED_IN)
  })

  it('takes LOGIN in two steps', () => {
    expect(talk().say(`AUTH LOGIN\r\n${base64('demo')}\r\n${base64('de mo')}\r\n`)).toBe(
      `+ ${base64('Username:')}\r\n+ ${base64('Password:')}\r\n+OK maildrop has 2 messages (28 octets)\r\n`,
    )
  })

  it('takes CRAM-MD5 with a new challenge each time, and no initial response', () => {
    const begun = talk()
    expect(begun.say('AUTH CRAM-MD5\r\n*\r\n')).toBe(
      `+ ${base64('<2@test>')}\r\n-ERR authentication cancelled\r\n`,
    )
    expect(begun.say('AUTH CRAM-MD5\r\n')).toBe(`+ ${base64('<3@test>')}\r\n`)
    const proof = createHmac('md5', 'de mo').update('<3@test>').digest('hex')
    expect(begun.say(`${base64(`demo ${proof}`)}\r\n`)).toMatch(/^\+OK maildrop/)
    expect(talk().say(`AUTH CRAM-MD5 ${base64('demo 0')}\r\n`)).toMatch(/^-ERR/)
  })

  it('lists the mechanisms for AUTH alone, and refuses unknown ones', () => {
    expect(talk().say('AUTH\r\n')).toBe('+OK mechanisms follow\r\nCRAM-MD5\r\nPLAIN\r\nLOGIN\r\n.\r\n')
    expect(talk().say('AUTH XOAUTH2\r\nAUTH NONSENSE\r\n')).toMatch(/^(-ERR unknown auth[^\r]*\r\n){2}$/)
  })
})

describe('CAPA', () => {
  const listOf = (said: string) => said.split('\r\n').slice(1, -2)
  const common = ['TOP', 'UIDL', 'RESP-CODES', 'AUTH-RESP-CODE', 'EXPIRE NEVER']
  const login = ['USER', 'SASL CRAM-MD5 PLAIN LOGIN']

  it('tells the truth in clear, after TLS and after the login', () => {
    const begun = talk({ announce: ['LOGIN-DELAY 0'] })
    const last = ['IMPLEMENTATION test', 'LOGIN-DELAY 0']
    expect(listOf(begun.say('CAPA\r\n'))).toEqual([...common, ...login, 'PIPELINING', 'STLS', ...last])
    begun.say('STLS\r\n')
    begun.session.tlsEstablished()
    expect(listOf(begun.say('CAPA\r\n'))).toEqual([...common, ...login, 'PIPELINING', ...last])
    begun.say(LOGIN)
    expect(listOf(begun.say('CAPA\r\n'))).toEqual([...common, ...login, 'PIPELINING', ...last])
  })

  it('announces no STLS once a login made it impossible', () => {
    expect(listOf(loggedIn().say('CAPA\r\n'))).not.toContain('STLS')
  })

  it('announces no login where TLS must come first, and refuses every one', () => {
    const begun = talk({ loginNeedsTls: true })
    expect(listOf(begun.say('CAPA\r\n'))).toEqual([...common, 'PIPELINING', 'STLS', 'IMPLEMENTATION test'])
    for (const command of ['USER demo', 'PASS de mo', 'APOP demo x', 'AUTH PLAIN', 'AUTH']) {
      expect(begun.say(`${command}\r\n`)).toBe('-ERR no login without TLS, give STLS first\r\n')
    }
    begun.say('STLS\r\n')
    begun.session.tlsEstablished()
    expect(begun.say(LOGIN)).toBe(LOGGED_IN)
  })

  it('does not exist where the server is told so', () => {
    expect(talk({ capa: false }).say('CAPA\r\n')).toBe('-ERR unknown command\r\n')
  })
})

describe('STLS', () => {
  it('throws away what stands behind it in clear, and all that was learnt', () => {
    const begun = talk()
    expect(begun.say('USER demo\r\nSTLS\r\nPASS de mo\r\n')).toBe(
      '+OK now the password\r\n+OK begin TLS negotiation\r\n(start-tls)',
    )
    expect(begun.say('QUIT\r\n')).toBe('')
    expect(begun.session.discardedOctets).toBe('PASS de mo\r\nQUIT\r\n'.length)
    begun.session.tlsEstablished()
    expect(begun.say('PASS de mo\r\n')).toBe('-ERR USER comes before PASS\r\n')
    expect(begun.say('STLS\r\n')).toBe('-ERR TLS is active already\r\n')
  })

  it('is refused where it is not offered, and within POP3S', () => {
    expect(talk({ offersStls: false }).say('STLS\r\n')).toBe('-ERR STLS is not supported\r\n')
    expect(talk({}, true).say('STLS\r\n')).toBe('-ERR TLS is active already\r\n')
  })
})

describe('TRANSACTION', () => {
  it('agrees with itself: STAT, LIST, UIDL, RETR and TOP', () => {
    const begun = loggedIn()
    const [first = '', second = ''] =
      begun.accounts.get('demo')?.maildrop.messages.map((m) => m.uniqueId) ?? []
    expect(begun.say('STAT\r\n')).toBe('+OK 2 28\r\n')
    expect(begun.say('LIST\r\n')).toBe('+OK 2 messages (28 octets)\r\n1 20\r\n2 8\r\n.\r\n')
    expect(begun.say('LIST 2\r\n')).toBe('+OK 2 8\r\n')
    expect(begun.say('UIDL\r\n')).toBe(`+OK unique-id listing follows\r\n1 ${first}\r\n2 ${second}\r\n.\r\n`)
    expect(begun.say('UIDL 1\r\n')).toBe(`+OK 1 ${first}\r\n`)
    expect(begun.say('RETR 1\r\n')).toBe('+OK 20 octets\r\nA: b\r\n\r\n..\r\n...\r\nend\r\n.\r\n')
    expect(begun.say('TOP 1 1\r\n')).toBe('+OK top of message follows\r\nA: b\r\n\r\n..\r\n.\r\n')
    expect(begun.say('TOP 1 99999999\r\n')).toBe(
      '+OK top of message follows\r\nA: b\r\n\r\n..\r\n...\r\nend\r\n.\r\n',
    )
  })

  it('lists an empty maildrop in no lines', () => {
    const begun = new Talk({}, false, accountsOf([]))
    begun.drain()
    begun.say(LOGIN)
    expect(begun.say('STAT\r\nLIST\r\nUIDL\r\n')).toBe(
      '+OK 0 0\r\n+OK 0 messages (0 octets)\r\n.\r\n+OK unique-id listing follows\r\n.\r\n',
    )
  })

  it('refuses message-numbers that name nothing in one line', () => {
    for (const argument of ['0', '3', '4294967296', '-1', '1e0', 'x', '0x1']) {
      for (const verb of ['LIST', 'UIDL', 'RETR', 'DELE']) {
        expect(loggedIn().say(`${verb} ${argument}\r\n`)).toMatch(/^-ERR [^\r]*\r\n$/)
      }
      expect(loggedIn().say(`TOP ${argument} 1\r\n`)).toMatch(/^-ERR [^\r]*\r\n$/)
    }
    for (const command of ['RETR', 'DELE', 'TOP', 'TOP 1', 'LIST 1 2', 'NOOP x', 'LAST', 'XTND X', 'FOO']) {
      expect(loggedIn().say(`${command}\r\n`)).toMatch(/^-ERR [^\r]*\r\n$/)
    }
  })

  it('hides messages marked as deleted and keeps the numbers of the others; RSET brings them back', () => {
    const begun = loggedIn()
    expect(begun.say('DELE 1\r\n')).toBe('+OK message 1 is marked as deleted\r\n')
    expect(begun.say('STAT\r\nLIST\r\n')).toBe('+OK 1 8\r\n+OK 1 messages (8 octets)\r\n2 8\r\n.\r\n')
    for (const command of ['LIST 1', 'UIDL 1', 'RETR 1', 'TOP 1 0', 'DELE 1']) {
      expect(begun.say(`${command}\r\n`)).toBe('-ERR message 1 is marked as deleted\r\n')
    }
    expect(begun.say('RSET\r\nSTAT\r\n')).toBe('+OK 2 messages (28 octets)\r\n+OK 2 28\r\n')
  })

  it('removes by QUIT what is marked, and releases the lock', () => {
    const begun = loggedIn()
    expect(begun.isLocked).toBe(true)
    expect(begun.say('DELE 1\r\nQUIT\r\n')).toMatch(/\+OK 1 messages removed; good-bye\r\n\(end\)$/)
    expect(begun.left).toEqual(['C: d\r\n\r\n'])
    expect(begun.isLocked).toBe(false)
  })

  it('removes nothing when the connection is gone, or a line is too long', () => {
    for (const end of [
      (begun: Talk) => begun.session.abandon(),
      (begun: Talk) => begun.say('X'.repeat(DEFAULT_LIMITS.commandLineOctets)),
    ]) {
      const begun = loggedIn()
      begun.say('DELE 1\r\nDELE 2\r\n')
      end(begun)
      expect(begun.left).toHaveLength(2)
      expect(begun.isLocked).toBe(false)
    }
  })

  it('counts no errors after the login', () => {
    const begun = loggedIn()
    begun.say('FOO\r\n'.repeat(100))
    expect(begun.say('NOOP\r\n')).toBe('+OK\r\n')
  })
})

describe('pacing', () => {
  it('serves one command at a time, when it is asked', () => {
    const begun = loggedIn()
    begun.session.receive(Buffer.from('DELE 1\r\nDELE 2\r\nQUIT\r\n'))
    begun.session.next()
    // Two of three are not served yet: a connection that breaks now must remove nothing.
    begun.session.abandon()
    expect(begun.session.next()).toBeNull()
    expect(begun.left).toHaveLength(2)
  })

  it('loses what comes behind a command in one piece where there is no pipelining, and announces none', () => {
    const begun = talk({ pipelining: false })
    expect(begun.say('CAPA\r\n')).not.toContain('PIPELINING')
    expect(begun.say('USER demo\r\nPASS de mo\r\n')).toBe('+OK now the password\r\n')
    expect(begun.session.discardedOctets).toBe('PASS de mo\r\n'.length)
    expect(begun.say('PASS de mo\r\n')).toMatch(/^\+OK maildrop/)
  })
})

const dialogue =
  `CAPA\r\nAUTH PLAIN\r\n*\r\nAUTH LOGIN\r\n${base64('demo')}\r\n${base64('de mo')}\r\n` +
  'STAT\r\nLIST\r\nLIST 2\nUIDL\r\nRETR 1\r\nTOP 1 1\r\nFOO\r\n\r\nDELE 2\r\nRSET\r\nDELE 1\r\nQUIT\r\nNOOP\r\n'

describe('any split of the octets', () => {
  it('gives the same replies: every cut of one dialogue', () => {
    const said = everySplit(dialogue, (pieces) => {
      const begun = talk()
      return pieces.map((piece) => begun.say(piece)).join('')
    })
    expect(said.endsWith('good-bye\r\n(end)')).toBe(true)
  })

  it('gives the same replies: generated commands', () => {
    const line = fc.oneof(
      fc.constantFrom('USER demo', 'PASS de mo', 'STAT', 'LIST', 'UIDL 1', 'RETR 1', 'TOP 1 1', 'DELE 1'),
      fc.constantFrom('RSET', 'NOOP', 'QUIT', 'CAPA', 'AUTH', 'AUTH PLAIN', '*', base64('\0demo\0de mo'), ''),
      fc.string({ maxLength: 20 }),
    )
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 12 }),
        fc.array(fc.nat(80), { maxLength: 6 }),
        (lines, cuts) => {
          const octets = Buffer.from(`${LOGIN.repeat(cuts.length % 2)}${lines.join('\r\n')}\r\n`, 'utf8')
          const whole = talk().say(octets)
          const begun = talk()
          let said = ''
          let from = 0
          for (const cut of [...cuts].sort((a, b) => a - b)) {
            said += begun.say(octets.subarray(from, cut))
            from = Math.min(octets.length, cut)
          }
          expect(said + begun.say(octets.subarray(from))).toBe(whole)
        },
      ),
    )
  })
})

describe('the sample messages, served', () => {
  const messages = sampleMessages()
  const accounts = accountsOf(messages.map(({ octets }) => octets))

  it('arrive octet for octet once byte-stuffing is removed, with the sizes of LIST', () => {
    const begun = loggedIn(accounts)
    for (const [index, { name, octets }] of messages.entries()) {
      expect(begun.say(`LIST ${index + 1}\r\n`)).toBe(`+OK ${index + 1} ${octets.length}\r\n`)
      const said = begun.say(`RETR ${index + 1}\r\n`)
      const lines = said.slice(said.indexOf('\r\n') + 2, -3).split('\r\n')
      expect(lines.indexOf('.'), name).toBe(-1)
      const plain = lines.map((line) => (line.startsWith('.') ? line.slice(1) : line)).join('\r\n')
      expect(plain === octets.toString('latin1'), name).toBe(true)
    }
  })
})
