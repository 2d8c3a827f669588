import { describe, expect, it } from 'vitest'
import { explainLogin, type LoginExplanation } from '../../src/sessions/explain-login.js'
import { SessionStore } from '../../src/sessions/store.js'
import type { FailureCode } from '../../src/trace/event.js'
import { Conversation } from '../support/conversation.js'
import { loggedIn, Script, START, TLS } from './script.js'

const STLS_LISTENER = { listener: 'pop3+stls://0.0.0.0:110' }

function begun(): Script {
  return new Script().opened().tls('server').greeting()
}

function failing(code: FailureCode, text: string, hint: string | null = null): Script {
  return new Script().opened().failure('server', code, text, hint)
}

/** One screen: outcome, leg, words of the headline, words of what was said, words of what to change. */
type Case = readonly [
  what: string,
  script: () => Script,
  outcome: LoginExplanation['outcome'],
  leg: LoginExplanation['leg'],
  headline: RegExp,
  said: RegExp | null,
  change: RegExp | null,
]

const CASES: readonly Case[] = [
  [
    'a wrong password, as the server says with a code',
    () => begun().refused('-ERR [AUTH] Authentication failed.'),
    'refused',
    'server',
    /^wrong password or user name: .*\[AUTH\]$/,
    /^server said: "-ERR \[AUTH\] Authentication failed\." to PASS after 5 ms$/,
    /correct user name or password/,
  ],
  [
    'a refusal without a code',
    () => begun().refused('-ERR invalid login'),
    'refused',
    'server',
    /without a code: most likely a wrong password/,
    /"-ERR invalid login"/,
    /check both/,
  ],
  [
    'a maildrop that another session holds',
    () => begun().refused('-ERR [IN-USE] Do you have another POP session running?'),
    'refused',
    'server',
    /^the maildrop is in use: the login was right/,
    /"-ERR \[IN-USE\] Do you/,
    /wait for the other session/,
  ],
  [
    'a login too soon behind the last',
    () => begun().refused('-ERR [LOGIN-DELAY] minimum time between mail checks violation'),
    'refused',
    'server',
    /too soon/,
    /LOGIN-DELAY/,
    /less often/,
  ],
  [
    'a server in passing trouble',
    () => begun().refused('-ERR [SYS/TEMP] directory is down'),
    'refused',
    'server',
    /should pass \[SYS\/TEMP\]: the password is not at fault/,
    /directory is down/,
    /later/,
  ],
  [
    'a server in lasting trouble',
    () => begun().refused('-ERR [SYS/PERM] account is locked'),
    'refused',
    'server',
    /stays \[SYS\/PERM\]/,
    /account is locked/,
    /operator/,
  ],
  [
    'a user name that is refused by itself',
    () => begun().exchange('USER nobody', '-ERR no such user').closed('client-left'),
    'refused',
    'server',
    /refused the user name before a password was sent/,
    /"-ERR no such user" to USER/,
    /whole address/,
  ],
  [
    'a mechanism that the server does not list',
    () => begun().exchange('CAPA', '+OK', 'SASL PLAIN LOGIN\r\n').exchange('AUTH CRAM-MD5', '-ERR no'),
    'refused',
    'server',
    /does not offer the mechanism CRAM-MD5/,
    /"-ERR no" to AUTH/,
    /offered: PLAIN LOGIN/,
  ],
  [
    'a mechanism that the server does not know, without a list',
    () => begun().exchange('AUTH XOAUTH2', '-ERR Unsupported authentication mechanism'),
    'refused',
    'server',
    /does not offer the mechanism XOAUTH2/,
    /Unsupported/,
    /none that CAPA told/,
  ],
  [
    'a wrong password with a mechanism that the server lists',
    () => begun().exchange('CAPA', '+OK', 'SASL PLAIN\r\n').exchange('AUTH PLAIN [redacted]', '-ERR failed'),
    'refused',
    'server',
    /most likely a wrong password/,
    /"-ERR failed" to AUTH/,
    /check both/,
  ],
  [
    'a server that takes no logins in clear',
    () =>
      new Script()
        .opened({ server: 'pop3://pop.example.org:110' })
        .greeting()
        .refused('-ERR Plaintext authentication disallowed'),
    'refused',
    'server',
    /takes logins under TLS only/,
    /Plaintext/,
    /pop3\+stls:\/\/ or pop3s:\/\//,
  ],
  [
    'a listener that takes no logins in clear',
    () =>
      new Script()
        .opened(STLS_LISTENER)
        .greeting()
        .exchange(
          'USER a',
          '-ERR [SYS/PERM] this address takes logins under TLS only: send STLS first',
          null,
          {
            source: 'postern',
            afterMs: 0,
          },
        ),
    'refused',
    'client',
    /^postern refused the login: this listener takes logins under TLS only$/,
    /^postern said: "-ERR \[SYS\/PERM\]/,
    /STARTTLS/,
  ],
  [
    'an expired certificate',
    () =>
      failing(
        'POSTERN_SERVER_CERTIFICATE_EXPIRED',
        'server certificate expired on 2026-01-02',
        'the operator of the server has to renew it',
      ),
    'failed',
    'server',
    /^server certificate expired on 2026-01-02$/,
    /\(POSTERN_SERVER_CERTIFICATE_EXPIRED\); no credential was sent/,
    /renew/,
  ],
  [
    'a certificate for another name',
    () =>
      failing(
        'POSTERN_SERVER_CERTIFICATE_WRONG_NAME',
        'server certificate is for a.example, not b.example',
        'connect to a name that the certificate carries',
      ),
    'failed',
    'server',
    /is for a\.example, not b\.example/,
    /WRONG_NAME/,
    /connect to a name/,
  ],
  [
    'a self-signed certificate',
    () =>
      failing(
        'POSTERN_SERVER_CERTIFICATE_SELF_SIGNED',
        'server certificate is self-signed',
        'name the authority with --upstream-ca',
      ),
    'failed',
    'server',
    /self-signed/,
    /SELF_SIGNED/,
    /--upstream-ca/,
  ],
  [
    'STLS that was taken away',
    () => failing('POSTERN_SERVER_NO_STLS', 'server does not take STLS'),
    'failed',
    'server',
    /refused STLS, or somebody on the way took it away/,
    /no credential was sent/,
    /pop3s:\/\//,
  ],
  [
    'a server that is not reached in time',
    () => failing('POSTERN_DEADLINE', 'server could not be reached in time'),
    'failed',
    'server',
    /^time-out of the server: no TCP connection/,
    /reached in time/,
    /firewall/,
  ],
  [
    'a server that hangs within TLS',
    () => failing('POSTERN_DEADLINE', 'server did not finish the TLS handshake in time'),
    'failed',
    'server',
    /^time-out of the server: .*TLS handshake/,
    /handshake in time/,
    /pop3\+stls:\/\/ on port 110/,
  ],
  [
    'a server that sends no greeting',
    () => failing('POSTERN_DEADLINE', 'server sent no greeting in time'),
    'failed',
    'server',
    /^time-out of the server: it sent no greeting/,
    /greeting in time.*; no credential was sent$/,
    /try pop3s/,
  ],
  [
    'a server that sends no greeting though its TLS is there',
    () =>
      new Script()
        .opened()
        .tls('server')
        .failure('server', 'POSTERN_DEADLINE', 'server sent no greeting in time', null),
    'failed',
    'server',
    /^time-out of the server: it sent no greeting/,
    /greeting in time.*; no credential was sent$/,
    /^what to change: the port is right, (?!.*try pop3s)/,
  ],
  [
    'a server that does not answer STLS',
    () => failing('POSTERN_DEADLINE', 'server did not answer STLS in time'),
    'failed',
    'server',
    /^time-out of the server: it did not answer STLS/,
    /STLS in time/,
    /swallow STLS/,
  ],
  [
    'a server that does not answer PASS',
    () => begun().exchange('USER a').command('PASS [redacted]').closed('login-deadline', 'POSTERN_DEADLINE'),
    'failed',
    'server',
    /^time-out of the server: it did not answer PASS$/,
    null,
    /slow directory/,
  ],
  [
    'a client that does not finish its login',
    () => begun().exchange('USER a').closed('login-deadline', 'POSTERN_DEADLINE'),
    'failed',
    'client',
    /^the client did not finish its login in time$/,
    null,
    /what the client waits for/,
  ],
  [
    'TLS on a port that begins in clear',
    () =>
      new Script()
        .opened()
        .greeting()
        .failure('client', 'POSTERN_CLIENT_PROTOCOL', 'client began with TLS where POP3 begins in clear'),
    'failed',
    'client',
    /began TLS at once on a port that begins in clear/,
    /client began with TLS/,
    /STARTTLS on this port, or give it a pop3s:\/\/ listener/,
  ],
  [
    "a client that does not trust postern's certificate",
    () =>
      new Script()
        .opened({ listener: 'pop3s://0.0.0.0:995' })
        .failure(
          'client',
          'POSTERN_CLIENT_TLS',
          'TLS handshake with the client failed: tlsv1 alert unknown ca',
        ),
    'failed',
    'client',
    /does not trust postern's certificate/,
    /unknown ca/,
    /postern ca show/,
  ],
  [
    'a server that refuses at once',
    () => new Script().opened().greeting('-ERR too many connections').closed('server-refused'),
    'failed',
    'server',
    /refused the session in its greeting/,
    /^server said: "-ERR too many connections"$/,
    /its words/,
  ],
  [
    'a client that leaves while the server ponders',
    () => begun().exchange('USER a').command('PASS [redacted]').closed('client-left'),
    'failed',
    'server',
    /the client left before PASS was answered/,
    null,
    /slower than the client is patient/,
  ],
  [
    'a client that leaves without a login',
    () => begun().exchange('CAPA', '-ERR').closed('client-left'),
    'not-tried',
    'client',
    /the client left without a login/,
    /^client said last: CAPA$/,
    /insists on TLS/,
  ],
  [
    'a client that says QUIT without a login',
    () => begun().quit(),
    'not-tried',
    null,
    /said QUIT without a login/,
    /QUIT/,
    null,
  ],
  [
    'a login',
    () => begun().tls('client').login(),
    'logged-in',
    null,
    /^logged in as alice with USER and PASS: client leg TLSv1\.3, server leg TLSv1\.3$/,
    null,
    null,
  ],
  [
    'a login that was refused once before',
    () => begun().refused('-ERR [AUTH] no').login(),
    'logged-in',
    null,
    /client leg in clear, server leg TLSv1\.3$/,
    /^refused before: once$/,
    null,
  ],
  [
    'a server that is being connected',
    () => new Script().opened(),
    'pending',
    'server',
    /^connecting/,
    null,
    null,
  ],
  [
    'a login that waits',
    () => begun().exchange('USER a').command('PASS [redacted]'),
    'pending',
    'server',
    /reply to PASS/,
    null,
    null,
  ],
  ['a client that is thinking', () => begun(), 'pending', 'client', /login of the client/, null, null],
]

describe('explainLogin', () => {
  it.each(CASES)('tells %s', (_what, script, outcome, leg, headline, said, change) => {
    const found = explainLogin(script().record())
    expect(found).toMatchObject({ outcome, leg, headline: expect.stringMatching(headline) })
    const changes = found.lines.filter((line) => line.startsWith('what to change: '))
    expect(changes).toEqual(change === null ? [] : [expect.stringMatching(change)])
    const words = found.lines.filter((line) => /^(?:\w+ said|refused before)/.test(line))
    expect(words).toEqual(said === null ? [] : [expect.stringMatching(said)])
    expect(found.lines.at(0)).toMatch(/^client leg: /)
    expect(found.lines.at(1)).toMatch(/^server leg: /)
  })

  it('has a headline of its own for each kind of trouble', () => {
    const headlines = CASES.map(([, script]) => explainLogin(script().record()).headline)
    // AUTH without a code and PASS without one are the same trouble; so is no greeting, with TLS and without.
    expect(new Set(headlines).size).toBe(CASES.length - 2)
  })

  it('names certificate and address of each leg', () => {
    const { lines } = explainLogin(begun().tls('client').login().record())
    expect(lines.slice(0, 3)).toEqual([
      'client leg: TLSv1.3 TLS_AES_128_GCM_SHA256, certificate for pop.example.org until 2027-01-01 (pop3://127.0.0.1:1110)',
      'server leg: TLSv1.3 TLS_AES_128_GCM_SHA256, certificate for pop.example.org until 2027-01-01 (pop3s://pop.example.org:995)',
      'mechanism: USER and PASS',
    ])
  })

  it('speaks of the login that waits, not of the one refused before it', () => {
    const script = begun().refused('-ERR [AUTH] no').exchange('USER alice').command('PASS [redacted]')
    expect(explainLogin(script.record()).outcome).toBe('pending')
    expect(explainLogin(script.closed('client-left').record()).headline).toMatch(/left before PASS/)
  })

  it('says that a login is held, and nothing of a server that is slow', () => {
    const held = begun().command('USER alice')
    held.tell({ type: 'held', hold: 'h', number: 1, kind: 'command', breakpoint: 'x', releaseAt: START })
    expect(explainLogin(held.record()).headline).toBe('held at a breakpoint')
  })

  it('stays a success when the session fails later', () => {
    const script = loggedIn().tls('server', TLS).failure('server', 'POSTERN_SERVER_CLOSED', 'server closed')
    expect(explainLogin(script.record()).outcome).toBe('logged-in')
  })
})

describe('explainLogin of what a relay tells', () => {
  const LONG = 10_000_000

  function headlineOf(conversation: Conversation): string {
    const store = new SessionStore()
    for (const event of conversation.traces) store.add(event)
    const record = store.get('s1')
    if (record === null) throw new Error('nothing was told')
    return explainLogin(record).headline
  }

  function begin(server: 'plain' | 'stls' | 'tls', ...inputs: readonly string[]): Conversation {
    const conversation = new Conversation({ server })
    conversation.feed({ type: 'accepted' })
    if (inputs.length > 0) conversation.feed({ type: 'server-reached' })
    for (const input of inputs.slice(1)) conversation.server(input)
    return conversation
  }

  it.each([
    ['its connection', begin('tls'), /^time-out of the server: no TCP connection$/],
    ['its handshake', begin('tls', 'reached'), /^time-out of the server: .*TLS handshake$/],
    ['its greeting', begin('plain', 'reached'), /^time-out of the server: it sent no greeting$/],
    ['its answer to STLS', begin('stls', 'reached', '+OK\r\n'), /^time-out of the server: .*STLS$/],
    ['TLS behind STLS', begin('stls', 'reached', '+OK\r\n', '+OK\r\n'), /^time-out .*TLS handshake$/],
  ])('tells a server that is late with %s', (_what, conversation, headline) => {
    conversation.wait(LONG)
    expect(headlineOf(conversation)).toMatch(headline)
  })

  it('tells a server that is late with its answer to PASS from a client that is late with PASS', () => {
    const server = Conversation.open()
    server.client('USER a\r\n')
    server.server('+OK\r\n')
    server.client('PASS sesame\r\n')
    server.wait(LONG)
    expect(headlineOf(server)).toBe('time-out of the server: it did not answer PASS')
    const client = Conversation.open()
    client.client('USER a\r\n')
    client.server('+OK\r\n')
    client.wait(LONG)
    expect(headlineOf(client)).toBe('the client did not finish its login in time')
  })

  it('tells STLS that is refused, TLS on a plain port, and a login before STLS', () => {
    const refused = begin('stls', 'reached', '+OK\r\n', '-ERR what\r\n')
    expect(headlineOf(refused)).toMatch(/refused STLS/)
    const early = Conversation.open()
    early.client(Buffer.from('1603010200', 'hex'))
    expect(headlineOf(early)).toMatch(/began TLS at once/)
    const clear = Conversation.open({ client: 'stls' })
    clear.client('USER a\r\n')
    expect(headlineOf(clear)).toMatch(
      /^postern refused the login: this (?:address|listener) takes logins under TLS/,
    )
  })
})

it('names the rule that refused a login', () => {
  const script = new Script().opened().greeting().exchange('USER alice').command('PASS [redacted]')
  script.commandHit({ rule: 'refuse clear logins', place: 'rules/a.yaml:3', actions: ['refuse "use TLS"'] })
  script.reply('-ERR [AUTH] use TLS', { source: 'postern' })
  expect(explainLogin(script.record())).toMatchObject({
    outcome: 'refused',
    headline: 'a rule refused the login: use TLS',
  })
  expect(explainLogin(script.record()).lines.join('\n')).toContain(
    'rule "refuse clear logins", rules/a.yaml:3',
  )
})
