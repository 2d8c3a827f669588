import { describe, expect, it } from 'vitest'
import { ANOMALIES, type Anomaly } from '../../src/pop3/anomaly.js'
import { type Hint, habitHints, hintsAcross, hintsOf } from '../../src/sessions/hints.js'
import type { Side } from '../../src/trace/event.js'
import { loggedIn, Script, START, TLS } from './script.js'

/** Words of the hint with its side, number, reference and severity, as short as a case can be read. */
type Found = readonly [
  side: Side,
  number: number,
  reference: string,
  severity: Hint['severity'],
  words: RegExp,
]

/** A dialogue that shows something, and one like it that does not. */
interface Case {
  readonly shows: string
  readonly found: Found
  readonly with: () => Script
  readonly without: () => Script
}

const MAIL = 'Subject: a\r\n\r\nbody\r\n'
const PLAIN = { listener: 'pop3://0.0.0.0:110', server: 'pop3://pop.example.org:110' }

function capa(script: Script, content: string): Script {
  return script.exchange('CAPA', '+OK', content)
}

function clear(): Script {
  return new Script().opened().greeting()
}

const CASES: readonly Case[] = [
  {
    shows: 'a size that differs from what RETR sent, with the reason where line ends make it',
    found: [
      'server',
      4,
      'RFC 1939 §11',
      'hint',
      /LIST says 17 octets for message 1, RETR sent 20: 3 more, one for each line/,
    ],
    with: () => loggedIn().exchange('LIST', '+OK', '1 17\r\n').exchange('RETR 1', '+OK', MAIL).quit(),
    without: () => loggedIn().exchange('LIST', '+OK', '1 20\r\n').exchange('RETR 1', '+OK', MAIL).quit(),
  },
  {
    shows: 'a size that is wrong without a reason that is known',
    found: ['server', 4, 'RFC 1939 §11', 'hint', /LIST says 25 octets for message 1, RETR sent 20: 5 fewer$/],
    with: () => loggedIn().exchange('LIST 1', '+OK 1 25').exchange('RETR 1', '+OK', MAIL).quit(),
    without: () => loggedIn().exchange('LIST 1', '+OK 1 25').exchange('TOP 1 0', '+OK', MAIL).quit(),
  },
  {
    shows: 'a sum of STAT that is not that of LIST',
    found: ['server', 4, 'RFC 1939 §5', 'hint', /STAT says 2 messages of 50 octets, LIST 2 of 40/],
    with: () => loggedIn().exchange('STAT', '+OK 2 50').exchange('LIST', '+OK', '1 20\r\n2 20\r\n').quit(),
    without: () =>
      loggedIn()
        .exchange('STAT', '+OK 2 40')
        .exchange('LIST', '+OK', '1 20\r\n2 20\r\n')
        .exchange('DELE 1')
        .exchange('STAT', '+OK 1 20')
        .quit(),
  },
  {
    shows: 'a unique-id that two messages have',
    found: ['server', 3, 'RFC 1939 §7', 'attention', /messages 1 and 3 the same unique-id abc/],
    with: () => loggedIn().exchange('UIDL', '+OK', '1 abc\r\n2 abd\r\n3 abc\r\n').quit(),
    without: () => loggedIn().exchange('UIDL', '+OK', '1 abc\r\n2 abd\r\n3 abC\r\n').quit(),
  },
  {
    shows: 'a unique-id of more than 70 characters',
    found: ['server', 3, 'RFC 1939 §7', 'hint', /message 1 has 71 characters/],
    with: () =>
      loggedIn()
        .exchange('UIDL', '+OK', `1 ${'x'.repeat(71)}\r\n`)
        .quit(),
    without: () =>
      loggedIn()
        .exchange('UIDL', '+OK', `1 ${'x'.repeat(70)}\r\n`)
        .quit(),
  },
  {
    shows: 'a unique-id with a blank in it',
    found: ['server', 3, 'RFC 1939 §7', 'hint', /message 2 has blanks or other characters/],
    with: () => loggedIn().exchange('UIDL 2', '+OK 2 a b').quit(),
    without: () => loggedIn().exchange('UIDL 2', '+OK 2 a-b').quit(),
  },
  {
    shows: 'TOP refused for a message that is there',
    found: ['server', 4, 'RFC 1939 §7', 'hint', /refuses TOP/],
    with: () => loggedIn().exchange('LIST', '+OK', '1 20\r\n').exchange('TOP 1 0', '-ERR').quit(),
    without: () => loggedIn().exchange('LIST', '+OK', '1 20\r\n').exchange('TOP 2 0', '-ERR').quit(),
  },
  {
    shows: 'PASS in clear though CAPA offered STLS',
    found: ['client', 3, 'RFC 8314 §5.2', 'attention', /sent PASS in clear though STLS was offered/],
    with: () => capa(clear(), 'TOP\r\nSTLS\r\n').exchange('USER a').exchange('PASS [redacted]', '-ERR'),
    without: () => capa(clear(), 'TOP\r\n').exchange('USER a').exchange('PASS [redacted]', '-ERR'),
  },
  {
    shows: 'AUTH PLAIN in clear at a listener that wants STLS first',
    found: ['client', 1, 'RFC 8314 §5.2', 'attention', /sent AUTH PLAIN in clear/],
    with: () =>
      new Script().opened({ listener: 'pop3+stls://0.0.0.0:110' }).greeting().exchange('AUTH PLAIN', '-ERR'),
    without: () =>
      new Script()
        .opened({ listener: 'pop3+stls://0.0.0.0:110' })
        .greeting()
        .exchange('STLS')
        .tls('client')
        .exchange('AUTH PLAIN', '-ERR'),
  },
  {
    shows: 'a password that goes to the server in clear',
    found: ['server', 2, 'RFC 8314 §4.1', 'attention', /PASS went to the server in clear/],
    with: () => new Script().opened(PLAIN).greeting().login().quit(),
    without: () =>
      new Script()
        .opened({ ...PLAIN, server: 'pop3://127.0.0.1:1110' })
        .greeting()
        .login()
        .quit(),
  },
  {
    shows: 'PASS in clear though the greeting has a timestamp for APOP',
    found: ['client', 2, 'RFC 1939 §7', 'hint', /timestamp for APOP/],
    with: () => new Script().opened().greeting('+OK ready <1896.697170952@example.org>').login().quit(),
    without: () =>
      new Script().opened().tls('client').greeting('+OK ready <1896.697170952@example.org>').login().quit(),
  },
  {
    shows: 'APOP without a timestamp in the greeting',
    found: ['client', 1, 'RFC 1939 §7', 'hint', /APOP though the greeting has no timestamp/],
    with: () => clear().exchange('APOP alice [redacted]', '-ERR'),
    without: () =>
      new Script().opened().greeting('+OK <1.2@example.org>').exchange('APOP alice [redacted]', '-ERR'),
  },
  {
    shows: 'CAPA that is not asked again behind STLS',
    found: ['client', 2, 'RFC 2595 §4', 'hint', /did not ask for CAPA again/],
    with: () => capa(clear(), 'STLS\r\n').exchange('STLS').tls('client').login().quit(),
    without: () => capa(capa(clear(), 'STLS\r\n').exchange('STLS').tls('client'), 'TOP\r\n').login().quit(),
  },
  {
    shows: 'deletions that were lost with the connection',
    found: ['client', 5, 'RFC 1939 §6', 'attention', /nothing was deleted: .* 2 messages/],
    with: () =>
      loggedIn().exchange('RETR 1', '+OK', MAIL).exchange('DELE 1').exchange('DELE 2').closed('client-left'),
    without: () => loggedIn().exchange('RETR 1', '+OK', MAIL).exchange('DELE 1').exchange('DELE 2').quit(),
  },
  {
    shows: 'a client that leaves without QUIT',
    found: ['client', 3, 'RFC 1939 §6', 'hint', /left without QUIT/],
    with: () => loggedIn().exchange('STAT', '+OK 0 0').closed('client-left'),
    without: () => clear().exchange('CAPA', '-ERR').closed('client-left'),
  },
  {
    shows: 'QUIT that was never answered',
    found: [
      'server',
      4,
      'RFC 1939 §6',
      'attention',
      /without a reply to QUIT: whether it deleted 1 message /,
    ],
    with: () => loggedIn().exchange('DELE 1').command('QUIT').closed('failed', 'POSTERN_SERVER_CLOSED'),
    without: () => loggedIn().exchange('DELE 1').exchange('QUIT').closed('failed', 'POSTERN_SERVER_CLOSED'),
  },
  {
    shows: 'a reply that took longer than mail programs wait',
    found: ['server', 3, 'common practice', 'hint', /took 10.5 s to answer STAT/],
    with: () => loggedIn().exchange('STAT', '+OK 0 0', null, { afterMs: 10_500 }).quit(),
    without: () => loggedIn().exchange('STAT', '+OK 0 0', null, { afterMs: 9_900 }).quit(),
  },
  {
    shows: 'a server that loses pipelined commands though it announces PIPELINING',
    found: ['server', 5, 'RFC 2449 §6.6', 'attention', /never answered a command sent behind another/],
    with: () => pipelined('PIPELINING\r\n'),
    without: () => pipelined('TOP\r\n'),
  },
  {
    shows: 'lines within a message that end with LF alone',
    found: ['server', 3, 'RFC 5321 §2.3.8', 'hint', /message 1 has lines that end with LF alone/],
    with: () => loggedIn().exchange('RETR 1', '+OK', 'Subject: a\r\n\r\none\ntwo\r\n').quit(),
    without: () => loggedIn().exchange('RETR 1', '+OK', 'Subject: a\r\n\r\none\r\ntwo\r\n').quit(),
  },
  {
    shows: 'lines within a message that are too long',
    found: ['server', 3, 'RFC 5321 §4.5.3.1.6', 'hint', /more than 998 octets/],
    with: () =>
      loggedIn()
        .exchange('RETR 1', '+OK', `Subject: a\r\n\r\n${'x'.repeat(999)}\r\n`)
        .quit(),
    without: () =>
      loggedIn()
        .exchange('RETR 1', '+OK', `Subject: a\r\n\r\n${'x'.repeat(998)}\r\n`)
        .quit(),
  },
  {
    shows: 'a message without a blank line behind its header',
    found: ['server', 3, 'RFC 1939 §11', 'hint', /no blank line/],
    with: () => loggedIn().exchange('RETR 1', '+OK', 'Subject: a\r\nbody\r\n').quit(),
    without: () => loggedIn().exchange('RETR 1', '+OK', 'Subject: a\r\n\r\n').quit(),
  },
]

/** Two commands in one packet, of which the server answers the first alone. */
function pipelined(capabilities: string): Script {
  return capa(loggedIn(), capabilities)
    .command('NOOP')
    .command('STAT')
    .reply('+OK', { number: 4 })
    .closed('server-closed')
}

describe('habitHints', () => {
  it.each(CASES)('finds $shows', ({ found: [side, number, reference, severity, words], ...dialogue }) => {
    const hints = habitHints(dialogue.with().record())
    expect(hints).toEqual([{ side, number, reference, severity, text: expect.stringMatching(words) }])
    const others = habitHints(dialogue.without().record())
    expect(others.filter(({ text }) => words.test(text))).toEqual([])
  })

  it('says nothing of a session that is as it should be', () => {
    const script = new Script().opened().tls('client').tls('server').greeting()
    capa(script, 'TOP\r\nUIDL\r\nPIPELINING\r\n').login()
    script.exchange('STAT', '+OK 2 40').exchange('LIST', '+OK', '1 20\r\n2 20\r\n')
    script.exchange('UIDL', '+OK', '1 a\r\n2 b\r\n').exchange('TOP 1 0', '+OK', 'Subject: a\r\n\r\n')
    script.exchange('RETR 1', '+OK', MAIL).exchange('DELE 1').quit()
    expect(hintsOf(script.record())).toEqual([])
  })

  it('tells a fault of every message once, and how many share it', () => {
    const script = loggedIn().exchange('LIST', '+OK', '1 19\r\n2 18\r\n3 20\r\n')
    for (const number of [1, 2, 3]) script.exchange(`RETR ${number}`, '+OK', MAIL)
    const [hint, ...others] = habitHints(script.quit().record())
    expect(others).toEqual([])
    expect(hint?.text).toMatch(/for message 1, .*; 1 more like it$/)
  })

  it('blames nobody for the time that a breakpoint took', () => {
    const script = loggedIn().command('STAT')
    script.tell({
      type: 'held',
      hold: 'h',
      number: 3,
      kind: 'command',
      breakpoint: 'x',
      releaseAt: START,
    })
    expect(habitHints(script.reply('+OK 0 0', { afterMs: 60_000 }).quit().record())).toEqual([])
  })

  it('does not judge what a watcher sent', () => {
    const script = loggedIn().exchange('LIST', '+OK', '1 20\r\n').command('TOP 1 0', 'watcher').reply('-ERR')
    expect(habitHints(script.quit().record())).toEqual([])
  })

  it('takes no part of a listing for the whole', () => {
    const script = loggedIn()
      .exchange('STAT', '+OK 2 40')
      .command('LIST')
      .reply('+OK')
      .piece('1 20\r\n')
      .end(12)
    expect(habitHints(script.quit().record())).toEqual([])
  })
})

describe('hintsOf', () => {
  it('has a sentence of its own for every anomaly, with the side that it is about', () => {
    const names = Object.keys(ANOMALIES).filter((name): name is Anomaly => name in ANOMALIES)
    const sentences = names.map((anomaly) => {
      const script = clear().tell({ type: 'anomaly', side: 'server', number: 7, anomaly, octets: 9 })
      const [hint, ...others] = hintsOf(script.record())
      expect(others).toEqual([])
      expect(hint).toMatchObject({ number: 7, side: 'server' })
      expect(hint?.text).toMatch(/^the server .*\(9 octets\)$/)
      expect(hint?.reference).toMatch(/^RFC \d{4} §\d|^common practice$/)
      return hint?.text
    })
    expect(new Set(sentences).size).toBe(names.length)
  })

  it('lists by command', () => {
    const script = loggedIn().exchange('UIDL', '+OK', '1 a\r\n2 a\r\n')
    script.tell({ type: 'anomaly', side: 'client', number: 1, anomaly: 'padded-command', octets: null })
    expect(hintsOf(script.closed('client-left').record()).map(({ number }) => number)).toEqual([1, 3, 3])
  })
})

describe('hintsAcross', () => {
  const listed = (id: string, uniqueId: string, at: number, size = 20): Script =>
    loggedIn(id, at)
      .exchange('LIST', '+OK', `1 20\r\n2 ${size}\r\n`)
      .exchange('UIDL', '+OK', `1 a\r\n2 ${uniqueId}\r\n`)

  it('finds a unique-id that changed between two sessions of one user', () => {
    const first = listed('one', 'b', START).quit().record()
    const changed = hintsAcross([
      first,
      listed('two', 'c', START + 1_000)
        .quit()
        .record(),
    ])
    expect([...changed.keys()]).toEqual(['two'])
    expect(changed.get('two')).toEqual([
      {
        number: 4,
        side: 'server',
        text: expect.stringMatching(/^the unique-id of message 2 is another than in session one/),
        reference: 'RFC 1939 §7',
        severity: 'attention',
      },
    ])
  })

  it('takes another message for another message', () => {
    const first = listed('one', 'b', START).quit().record()
    expect(
      hintsAcross([
        first,
        listed('two', 'b', START + 1_000)
          .quit()
          .record(),
      ]).size,
    ).toBe(0)
    expect(
      hintsAcross([
        first,
        listed('two', 'c', START + 1_000, 21)
          .quit()
          .record(),
      ]).size,
    ).toBe(0)
    const deleting = listed('one', 'b', START).exchange('DELE 1').quit().record()
    expect(
      hintsAcross([
        deleting,
        listed('two', 'c', START + 1_000)
          .quit()
          .record(),
      ]).size,
    ).toBe(0)
    const ofBob = new Script('two').opened().greeting().login('bob')
    ofBob.exchange('LIST', '+OK', '1 20\r\n2 20\r\n').exchange('UIDL', '+OK', '1 a\r\n2 c\r\n')
    expect(hintsAcross([first, ofBob.record()]).size).toBe(0)
  })

  it('finds a login that comes sooner than LOGIN-DELAY allows', () => {
    const login = (id: string, at: number): Script =>
      capa(new Script(id, at).opened().tls('client', TLS).greeting(), 'LOGIN-DELAY 60 USER\r\n')
        .login()
        .quit()
    const first = login('one', START).record()
    const soon = hintsAcross([first, login('two', START + 59_000).record()])
    expect(soon.get('two')?.map(({ text, reference }) => [text, reference])).toEqual([
      [expect.stringMatching(/again after 59 s, the server announces LOGIN-DELAY 60/), 'RFC 2449 §6.5'],
    ])
    expect(hintsAcross([first, login('two', START + 61_000).record()]).size).toBe(0)
  })
})

describe('where rules change mail', () => {
  const CHANGED = `X-External: yes\r\n${MAIL}`

  /** A listing that postern made. */
  function listedByPostern(content: string, command = 'LIST'): Script {
    return loggedIn().command(command).hit().reply('+OK', { source: 'postern' }).piece(content, 'postern')
  }

  function fetched(script: Script, sent: string, number = 1): Script {
    return script.command(`RETR ${number}`).reply('+OK').piece(MAIL).piece(sent, 'postern').end(MAIL.length)
  }

  const words = (script: Script): readonly string[] => hintsOf(script.record()).map(({ text }) => text)

  it('a size is that of what the client got', () => {
    expect(words(fetched(listedByPostern(`1 ${CHANGED.length}\r\n`), CHANGED).quit())).toEqual([])
    expect(words(fetched(listedByPostern('1 99\r\n'), CHANGED).quit())).toEqual([
      `LIST says 99 octets for message 1, RETR sent ${CHANGED.length}: ${99 - CHANGED.length} fewer`,
    ])
  })

  it('the size of a message that no rule changed is still the one of the server', () => {
    const script = listedByPostern('1 17\r\n').exchange('RETR 1', '+OK', MAIL).quit()
    expect(words(script)).toEqual([
      'LIST says 17 octets for message 1, RETR sent 20: 3 more, one for each line: the server counts a line end as one octet instead of two',
    ])
  })

  it('nothing is said of a message that a person changed too, or that was kept in part', () => {
    const edited = listedByPostern('1 99\r\n')
    edited.command('RETR 1').tell({
      type: 'released',
      hold: 'h1',
      number: edited.number,
      kind: 'message',
      verdict: 'edited',
      afterMs: 1,
    })
    edited.reply('+OK').piece(MAIL).piece(CHANGED, 'postern').end(MAIL.length)
    expect(words(edited.quit())).toEqual([])
    expect(words(fetched(listedByPostern('1 99\r\n'), CHANGED.slice(0, -3)).quit())).toEqual([])
  })

  it('a refusal by a rule is no server without TOP', () => {
    const script = listedByPostern('1 20\r\n').command('TOP 1 0')
    script.reply('-ERR [SYS/TEMP] the message could not be checked', { source: 'postern' }).quit()
    expect(words(script)).toEqual([])
    const refused = listedByPostern('1 20\r\n').exchange('TOP 1 0', '-ERR unknown command').quit()
    expect(words(refused)).toEqual([expect.stringContaining('refuses TOP')])
    const more = listedByPostern('1 20\r\n').command('TOP 1 0')
    more.tell({ type: 'command-replaced', number: 4, verb: 'RETR', shown: 'RETR 1', octets: 8, wire: null })
    expect(words(more.reply('-ERR gone').quit())).toEqual([])
  })

  it('unique-ids are judged as the client got them', () => {
    expect(words(listedByPostern('1 abc\r\n2 abc\r\n', 'UIDL').quit())).toEqual([
      expect.stringContaining('messages 1 and 2 the same unique-id abc'),
    ])
  })

  it('a deletion that a rule answers was never marked at the server', () => {
    const script = loggedIn()
      .command('DELE 1')
      .hit({ actions: ['keep-on-server'] })
    script.reply('+OK message 1 deleted (a rule keeps it on the server)', { source: 'postern' })
    expect(words(script.closed('server-closed'))).toEqual([])
  })

  it('what takes long may be a judge, and a command that a rule delayed is slow by its will', () => {
    const slow = (script: Script) => words(script.reply('+OK', { afterMs: 20_000 }).quit())
    const seen = {
      type: 'maildrop-seen',
      messages: 1,
      remembered: 0,
      headers: 0,
      whole: 1,
      hidden: 0,
    } as const
    expect(slow(loggedIn().tell(seen).command('RETR 1'))).toEqual([])
    expect(slow(loggedIn().tell(seen).command('NOOP'))).toEqual([expect.stringContaining('20.0 s')])
    expect(
      slow(
        loggedIn()
          .command('NOOP')
          .commandHit({ actions: ['delay 20s'] }),
      ),
    ).toEqual([])
    expect(slow(loggedIn().command('RETR 1'))).toEqual([expect.stringContaining('20.0 s')])
  })
})
