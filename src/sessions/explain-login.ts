/**
 * Explains how a session's login went: which leg, which mechanism, what the server really said, what to change. Pure.
 * A cause is told apart by what the events say, never by guessing at what they do not.
 */
import type { Failure, FailureCode, Side, TlsFacts, TraceContent } from '../trace/event.js'
import { remembered } from './derived.js'
import { capabilitiesBefore, type Heard, heardIn, wasRefused } from './heard.js'
import { changesSomething, ruleHitsOfTurn } from './rule-hits.js'
import type { SessionRecord } from './session-record.js'
import { replyOf, type Turn } from './turns.js'

/** The explanation, for the top of a session's screen. All texts are harmless. */
export interface LoginExplanation {
  /**
   * - `logged-in`
   * - `refused`: the server (or postern) said no to a login
   * - `failed`: the session ended before a login could be answered
   * - `not-tried`: the session ended without a login
   * - `pending`
   */
  readonly outcome: 'logged-in' | 'refused' | 'failed' | 'not-tried' | 'pending'
  /** One line. */
  readonly headline: string
  /** The leg where it went wrong, or where it still waits; null where nothing is wrong. */
  readonly leg: Side | null
  /** Facts first, what to change last. */
  readonly lines: readonly string[]
}

type Of<Type extends TraceContent['type']> = Extract<TraceContent, { type: Type }>

/** What went wrong, before the facts that every explanation has. */
interface Cause {
  readonly outcome: LoginExplanation['outcome']
  readonly headline: string
  readonly leg: Side | null
  /** What a side said, in its own words; null where nothing was said. */
  readonly said: string | null
  /** What to change, null where nothing is to be. */
  readonly change: string | null
}

/** Explains the last login of a session. */
export const explainLogin: (record: SessionRecord) => LoginExplanation = remembered((record) => {
  const heard = heardIn(record)
  const { outcome, headline, leg, said, change } =
    success(heard) ?? refusal(heard) ?? failed(heard) ?? ended(heard) ?? pending(heard)
  const lines = [
    legLine('client', record.clientTls, record.listener),
    legLine('server', record.serverTls, record.server),
    ...(record.mechanism === null ? [] : [`mechanism: ${mechanismText(record.mechanism)}`]),
    ...(said === null ? [] : [said]),
    ...(change === null ? [] : [`what to change: ${change}`]),
  ]
  return { outcome, headline, leg, lines }
})

function success({ record }: Heard): Cause | null {
  const login = lastOf(record, 'logged-in')
  if (login === null) return null
  const who = login.user === null ? '' : ` as ${login.user}`
  const how = login.mechanism === null ? '' : ` with ${mechanismText(login.mechanism)}`
  const tls = `client leg ${tlsText(record.clientTls)}, server leg ${tlsText(record.serverTls)}`
  const refused = record.events.filter(({ content }) => content.type === 'login-refused').length
  const said = refused === 0 ? null : `refused before: ${refused === 1 ? 'once' : `${refused} times`}`
  return { outcome: 'logged-in', headline: `logged in${who}${how}: ${tls}`, leg: null, said, change: null }
}

// Refused.

const LOGIN_VERBS: ReadonlySet<string> = new Set(['USER', 'PASS', 'APOP', 'AUTH', 'RPOP'])
const SPEAKS_OF_TLS = /\b(?:TLS|SSL|STLS|STARTTLS|secure|encrypt\w*|plain-?text|clear-?text)\b/i
const SPEAKS_OF_MECHANISM = /mechanism|unsupported|not supported|unrecogni[sz]ed|unknown auth/i

function refusal(heard: Heard): Cause | null {
  const logins = heard.turns.filter(isLogin)
  const last = logins.at(-1)
  // One without a reply is another matter than one that was refused before it.
  if (last === undefined || replyOf(last) === null) return null
  const turn = logins.findLast(wasRefused)
  const reply = turn === undefined ? null : replyOf(turn)
  if (turn === undefined || reply === null) return null
  const said = `${reply.source} said: ${quoted(reply)} to ${turn.verb} after ${seconds(reply.afterMs)}`
  const [headline, leg, change] =
    reply.source === 'postern' ? refusedByPostern(heard, turn, reply) : refusedByServer(heard, turn, reply)
  return { outcome: 'refused', headline, leg, said, change }
}

/** AUTH alone asks for the mechanisms. */
function isLogin({ verb, words }: Turn): boolean {
  return LOGIN_VERBS.has(verb) && !(verb === 'AUTH' && words.length === 0)
}

type RefusalText = readonly [headline: string, leg: Side, change: string]

function refusedByPostern({ record }: Heard, turn: Turn, { text }: Of<'reply'>): RefusalText {
  const rule = ruleHitsOfTurn(record, turn).find(changesSomething)
  if (rule !== undefined)
    return [`a rule refused the login: ${text}`, 'client', `look at rule "${rule.rule}", ${rule.place}`]
  if (record.listener.startsWith('pop3+stls:') && record.clientTls === null) {
    return [
      'postern refused the login: this listener takes logins under TLS only',
      'client',
      'set the mail program to STARTTLS; or give it a pop3s:// listener (TLS from the start)',
    ]
  }
  return [`postern refused the login: ${text}`, 'client', 'see what postern said above']
}

function refusedByServer(heard: Heard, turn: Turn, reply: Of<'reply'>): RefusalText {
  const { record } = heard
  switch (reply.responseCode?.toUpperCase()) {
    case 'AUTH':
      return [
        'wrong password or user name: the server says so [AUTH]',
        'server',
        'correct user name or password in the mail program; some providers ask for an app password',
      ]
    case 'IN-USE':
      return [
        'the maildrop is in use: the login was right, but locked [IN-USE]',
        'server',
        'wait for the other session that holds the lock to end, or poll from one program only; one that broke off holds it until the server gives it up',
      ]
    case 'LOGIN-DELAY':
      return [
        'the login came too soon behind the one before [LOGIN-DELAY]',
        'server',
        'let the mail program poll less often: CAPA says how many seconds the server asks for',
      ]
    case 'SYS/TEMP':
      return [
        'the server has a problem of its own that should pass [SYS/TEMP]: the password is not at fault',
        'server',
        'try again later; if it stays, tell the operator of the server',
      ]
    case 'SYS/PERM':
      return [
        'the server has a problem of its own that stays [SYS/PERM]: the password is not at fault',
        'server',
        'ask the operator of the server; waiting will not mend it',
      ]
  }
  if (turn.verb === 'AUTH' && isMechanismMissing(heard, turn, reply)) {
    const offered = saslOf(heard, turn)
    const list = offered === null || offered === '' ? 'none that CAPA told' : offered
    return [
      `the server does not offer the mechanism ${turn.words[0] ?? ''}`,
      'server',
      `choose another login method in the mail program; offered: ${list}`,
    ]
  }
  if (record.serverTls === null && SPEAKS_OF_TLS.test(reply.text)) {
    return [
      'the server takes logins under TLS only, and postern talks to it in clear',
      'server',
      'use pop3+stls:// or pop3s:// in the URL of the upstream',
    ]
  }
  if (turn.verb === 'USER') {
    return [
      'the server refused the user name before a password was sent',
      'server',
      'check the user name (many servers want the whole address); some servers refuse USER altogether: try another login method',
    ]
  }
  return [
    'the server refused the login without a code: most likely a wrong password or user name',
    'server',
    'check both in the mail program; the words of the server above may say more',
  ]
}

function isMechanismMissing(heard: Heard, turn: Turn, { text }: Of<'reply'>): boolean {
  const offered = saslOf(heard, turn)
  if (offered === null) return SPEAKS_OF_MECHANISM.test(text)
  return !offered
    .toUpperCase()
    .split(/\s+/)
    .includes((turn.words[0] ?? '').toUpperCase())
}

/** The mechanisms that the server listed, null where no list was kept. RFC 5034 §3. */
function saslOf(heard: Heard, turn: Turn): string | null {
  const capabilities = capabilitiesBefore(heard, turn.number, 'by-server')
  return capabilities === null ? null : (capabilities.get('SASL') ?? '')
}

// Failed.

const NOTHING_SENT = 'no credential was sent'

/** Where the failure's own hint does not say what to change for a login. */
const CHANGES: Readonly<Partial<Record<FailureCode, string>>> = {
  POSTERN_SERVER_NO_STLS:
    'use pop3s:// in the URL of the upstream if the server has that port; a server that had STLS yesterday and lost it may have somebody in between: do not go on in clear',
  POSTERN_SERVER_GREETING: 'check host and port of the upstream: something else than POP3 may listen there',
  POSTERN_SERVER_CLOSED:
    'see the log of the server; it may limit connections of one address, or wait for TLS from the start (pop3s://)',
  POSTERN_LIMIT: 'raise the limits of sessions, or look who holds that many',
  POSTERN_SHUTTING_DOWN: 'none: connect again when postern runs',
  POSTERN_WRITE_STALLED: 'look at the network of the side that took no octets',
}

interface LateServer {
  /** Of the failure's text. */
  readonly pattern: RegExp
  readonly headline: string
  readonly change: string
  /** Where TLS was there already: the port is the right one then. */
  readonly changeWithinTls?: string
}

const LATE_SERVERS: readonly LateServer[] = [
  {
    pattern: /reached in time/,
    headline: 'time-out of the server: no TCP connection',
    change: 'check host and port of the upstream; a firewall that drops packets looks like this',
  },
  {
    pattern: /TLS handshake in time/,
    headline: 'time-out of the server: it did not finish the TLS handshake',
    change:
      'a port without TLS does not answer a handshake: try pop3+stls:// on port 110, pop3s:// on port 995',
  },
  {
    pattern: /greeting in time/,
    headline: 'time-out of the server: it sent no greeting',
    change:
      'a server that waits for TLS from the start says nothing in clear: try pop3s://; some look up the name of a client first',
    changeWithinTls:
      'the port is right, for its TLS works: see the log of the server, which may be overloaded or look up the name of its client first; `greeting` under limits gives it longer',
  },
  {
    pattern: /answer STLS in time/,
    headline: 'time-out of the server: it did not answer STLS',
    change: 'try pop3s:// in the URL of the upstream; something in between may swallow STLS',
  },
]

function failed({ record, turns }: Heard): Cause | null {
  const event = lastOf(record, 'failure')
  if (event === null) return deadline(record, turns)
  const { failure, side } = event
  const said = saidByFailure(failure)
  const base = { outcome: 'failed', leg: side, said } as const
  switch (failure.code) {
    case 'POSTERN_DEADLINE': {
      const found = LATE_SERVERS.find(({ pattern }) => pattern.test(failure.text))
      if (found === undefined) break
      const { headline, change, changeWithinTls = change } = found
      return {
        ...base,
        said: `${said}; ${NOTHING_SENT}`,
        headline,
        change: record.serverTls === null ? change : changeWithinTls,
      }
    }
    case 'POSTERN_CLIENT_TLS':
      return clientTlsFailure(failure, base)
    case 'POSTERN_CLIENT_PROTOCOL':
      if (!/began with TLS/.test(failure.text)) break
      return {
        ...base,
        headline: 'the client began TLS at once on a port that begins in clear',
        change: 'set the mail program to STARTTLS on this port, or give it a pop3s:// listener',
      }
    case 'POSTERN_SERVER_NO_STLS':
      return {
        ...base,
        headline: 'the server refused STLS, or somebody on the way took it away',
        change: CHANGES[failure.code] ?? null,
      }
  }
  const change = failure.hint ?? CHANGES[failure.code] ?? null
  return { ...base, headline: failure.text, change }
}

function clientTlsFailure(failure: Failure, base: Pick<Cause, 'outcome' | 'leg' | 'said'>): Cause {
  if (/unknown ca|bad certificate|certificate unknown/.test(failure.text)) {
    return {
      ...base,
      headline: "the client does not trust postern's certificate",
      change:
        "install postern's authority in the mail program or its system: `postern ca show` tells how; and connect to a name that the certificate carries",
    }
  }
  return { ...base, headline: failure.text, change: failure.hint }
}

/** A login deadline leaves no failure behind: the session ends without a word. */
function deadline({ closed }: SessionRecord, turns: readonly Turn[]): Cause | null {
  if (closed?.reason !== 'login-deadline') return null
  const waiting = turns.find((turn) => replyOf(turn) === null)
  const base = { outcome: 'failed', said: null } as const
  if (waiting !== undefined && LOGIN_VERBS.has(waiting.verb)) {
    return {
      ...base,
      headline: `time-out of the server: it did not answer ${waiting.verb}`,
      leg: 'server',
      change: 'see the log of the server: a slow directory or a penalty for wrong passwords looks like this',
    }
  }
  return {
    ...base,
    headline: 'the client did not finish its login in time',
    leg: 'client',
    change:
      'look what the client waits for: its last command is the last of the dialogue; `login` under limits gives it longer',
  }
}

function saidByFailure({ code, text }: Failure): string {
  const isBeforeLogin = code.startsWith('POSTERN_SERVER_') || code === 'POSTERN_CLIENT_TLS'
  return `postern said: "${text}" (${code})${isBeforeLogin && code !== 'POSTERN_SERVER_CLOSED' ? `; ${NOTHING_SENT}` : ''}`
}

// Ended without a word, or still open.

function ended({ record, turns }: Heard): Cause | null {
  const { closed } = record
  if (closed === null) return null
  const greeting = lastOf(record, 'greeting')
  if (greeting?.indicator === '-ERR') {
    return {
      outcome: 'failed',
      headline: 'the server refused the session in its greeting',
      leg: 'server',
      said: `server said: ${quoted(greeting)}`,
      change: 'its words say why: most servers limit connections of one address, or are being serviced',
    }
  }
  const waiting = turns.findLast(({ verb }) => LOGIN_VERBS.has(verb))
  if (waiting !== undefined && replyOf(waiting) === null) {
    const isServer = closed.reason === 'server-closed'
    return {
      outcome: 'failed',
      headline: `${isServer ? 'the server closed' : 'the client left'} before ${waiting.verb} was answered`,
      leg: 'server',
      said: null,
      change: isServer
        ? 'see the log of the server for its reason'
        : 'the server was slower than the client is patient: look at the times of the dialogue, or raise the time-out of the mail program',
    }
  }
  const who = closed.reason === 'client-left' ? 'the client left' : `the session ended (${closed.reason})`
  return {
    outcome: 'not-tried',
    headline: closed.reason === 'quit' ? 'the client said QUIT without a login' : `${who} without a login`,
    leg: closed.reason === 'client-left' ? 'client' : null,
    said: turns.length === 0 ? 'client said: nothing' : `client said last: ${record.lastCommand}`,
    change: closed.reason === 'client-left' ? changeForClientThatLeft(record) : null,
  }
}

function changeForClientThatLeft({ clientTls, commands, listener }: SessionRecord): string {
  if (clientTls !== null && commands <= 1) {
    return 'a client that leaves right behind TLS may not like the certificate: look for its message, and `postern ca show`'
  }
  if (clientTls === null && listener.startsWith('pop3:')) {
    return 'a client that insists on TLS leaves a port without it: give it pop3+stls:// or pop3s://; a health check looks the same'
  }
  return 'look for a message of the mail program: what it asked for last was not what it needed'
}

function pending({ record, turns }: Heard): Cause {
  const base = { outcome: 'pending', said: null, change: null } as const
  if (record.held.size > 0) return { ...base, headline: 'held at a breakpoint', leg: null }
  const waiting = turns.find((turn) => replyOf(turn) === null)
  if (waiting !== undefined) {
    const what = waiting.verb === 'unrecognized' ? 'a command' : waiting.verb
    return { ...base, headline: `waiting for the reply to ${what}`, leg: 'server' }
  }
  if (record.events.some(({ content }) => content.type === 'greeting' || content.type === 'command')) {
    return { ...base, headline: 'waiting for the login of the client', leg: 'client' }
  }
  const isConnected = record.events.some(({ content }) => content.type === 'server-connected')
  const isInHandshake = record.clientTls === null && record.listener.startsWith('pop3s:') && !isConnected
  if (isInHandshake) return { ...base, headline: 'within the TLS handshake of the client', leg: 'client' }
  if (!isConnected) return { ...base, headline: 'connecting to the server', leg: 'server' }
  return { ...base, headline: 'connected to the server, waiting for TLS and its greeting', leg: 'server' }
}

// Words.

function lastOf<Type extends TraceContent['type']>({ events }: SessionRecord, type: Type): Of<Type> | null {
  for (let index = events.length - 1; index >= 0; index -= 1) {
    const content = events[index]?.content
    if (content !== undefined && isOf(content, type)) return content
  }
  return null
}

function isOf<Type extends TraceContent['type']>(content: TraceContent, type: Type): content is Of<Type> {
  return content.type === type
}

function legLine(side: Side, tls: TlsFacts | null, url: string): string {
  const where = url === '' ? '' : ` (${url})`
  if (tls === null) return `${side} leg: no TLS${where}`
  const certificate =
    tls.certificate === null
      ? ''
      : `, certificate for ${tls.certificate.subject} until ${tls.certificate.notAfter.slice(0, 10)}`
  return `${side} leg: ${tls.protocol} ${tls.cipher}${certificate}${where}`
}

function tlsText(tls: TlsFacts | null): string {
  return tls?.protocol ?? 'in clear'
}

function mechanismText(mechanism: string): string {
  return mechanism === 'USER' ? 'USER and PASS' : mechanism
}

function quoted(line: {
  readonly indicator: string
  readonly text: string
  readonly responseCode?: string | null
}): string {
  const code = line.responseCode === undefined || line.responseCode === null ? '' : ` [${line.responseCode}]`
  return `"${`${line.indicator}${code} ${line.text}`.trimEnd()}"`
}

function seconds(milliseconds: number): string {
  return milliseconds < 1_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1_000).toFixed(1)} s`
}
