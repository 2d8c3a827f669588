import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'
import { Observer } from '../../src/relay/observer.js'
import type { TraceContent, TraceEvent } from '../../src/trace/event.js'
import { recordingLine } from '../../src/trace/recording.js'
import { clientOctets, serverOctets } from '../support/arbitraries.js'
import { Conversation } from '../support/conversation.js'

const ATTENTION = { isWatched: true, messageOctets: 1_000_000 }

interface Watched {
  readonly observer: Observer
  readonly events: TraceEvent[]
}

function observe(beginsWithin = false): Watched {
  const events: TraceEvent[] = []
  const observer = new Observer(
    {
      sessionId: 's1',
      service: 'test',
      listener: 'pop3://127.0.0.1:1110',
      client: '127.0.0.1:50000',
      server: 'pop3s://pop.example.org:995',
      limits: DEFAULT_LIMITS,
      multiLineVerbs: new Set(),
      showsUserNames: true,
      attention: ATTENTION,
      beginsWithin,
    },
    (event) => events.push(event),
  )
  return { observer, events }
}

/** Who says what, in order: `C` a client, `S` a server; then who ends the connection. */
type Line = readonly ['C' | 'S', string]

/** Plays a dialogue through the relay, and shows the client's leg of it to an observer. */
function both(lines: readonly Line[], end: 'client' | 'server' | null = null): readonly TraceEvent[][] {
  const conversation = new Conversation({ attention: ATTENTION, offersStls: false })
  const { observer, events } = observe()
  const show = (): void => {
    const toClient = Buffer.from(conversation.takeToClient(), 'latin1')
    if (toClient.length > 0) observer.octets('server', toClient, conversation.now)
  }
  conversation.feed({ type: 'accepted' })
  observer.opened(conversation.now)
  conversation.now += 3
  conversation.feed({ type: 'server-reached' })
  observer.connected(conversation.now)
  for (const [who, text] of lines) {
    conversation.now += 7
    const octets = Buffer.from(text, 'latin1')
    if (who === 'C') {
      conversation.client(octets)
      observer.octets('client', octets, conversation.now)
    } else conversation.server(octets)
    show()
  }
  conversation.now += 5
  if (end !== null) {
    conversation.feed({ type: 'end', side: end })
    observer.ended(end, conversation.now)
  }
  return [conversation.traces, events]
}

function typesOf(events: readonly TraceEvent[]): readonly string[] {
  return events.map(({ content }) => content.type)
}

function ofType<Type extends TraceContent['type']>(
  events: readonly TraceEvent[],
  type: Type,
): readonly Extract<TraceContent, { type: Type }>[] {
  return events.flatMap(({ content }) =>
    content.type === type ? [content as Extract<TraceContent, { type: Type }>] : [],
  )
}

const GREETING: Line = ['S', '+OK ready <1.2@example>\r\n']
const LOGIN: readonly Line[] = [
  GREETING,
  ['C', 'USER bob\r\n'],
  ['S', '+OK\r\n'],
  ['C', 'PASS sesame-street\r\n'],
  ['S', '+OK logged in\r\n'],
]
const QUIT: readonly Line[] = [
  ['C', 'QUIT\r\n'],
  ['S', '+OK bye\r\n'],
]

describe('a plain session that the relay carries', () => {
  const dialogues: Readonly<Record<string, readonly Line[]>> = {
    'fetching mail': [
      ...LOGIN,
      ['C', 'STAT\r\n'],
      ['S', '+OK 1 30\r\n'],
      ['C', 'LIST\r\n'],
      ['S', '+OK\r\n1 30\r\n.\r\n'],
      ['C', 'RETR 1\r\n'],
      ['S', '+OK 30 octets\r\nSubject: x\r\n\r\n..dot\r\n'],
      ['S', 'more\r\n.\r\n'],
      ['C', 'DELE 1\r\n'],
      ['S', '+OK\r\n'],
      ...QUIT,
    ],
    'a refused login': [
      GREETING,
      ['C', 'USER bob\r\n'],
      ['S', '+OK\r\n'],
      ['C', 'PASS wrong-one\r\n'],
      ['S', '-ERR [AUTH] no\r\n'],
      ...QUIT,
    ],
    'a server that repeats the password': [
      GREETING,
      ['C', 'PAS hunter2-hunter2\r\n'],
      ['S', '-ERR unknown command PAS hunter2-hunter2\r\n'],
      ...QUIT,
    ],
    'SASL with challenges': [
      GREETING,
      ['C', 'AUTH LOGIN\r\n'],
      ['S', '+ VXNlcm5hbWU6\r\n'],
      ['C', 'Ym9i\r\n'],
      ['S', '+ UGFzc3dvcmQ6\r\n'],
      ['C', 'c2VzYW1l\r\n'],
      ['S', '+OK welcome\r\n'],
      ...QUIT,
    ],
    'SASL that is given up': [
      GREETING,
      ['C', 'AUTH PLAIN\r\n'],
      ['S', '+ \r\n'],
      ['C', '*\r\n'],
      ['S', '-ERR cancelled\r\n'],
      ...QUIT,
    ],
    'a client that pipelines to a server that can': [
      GREETING,
      ['C', 'CAPA\r\n'],
      ['S', '+OK\r\nPIPELINING\r\nUIDL\r\n.\r\n'],
      ['C', 'USER bob\r\nPASS sesame-street\r\nSTAT\r\nUIDL\r\n'],
      ['S', '+OK\r\n'],
      ['S', '+OK in\r\n'],
      ['S', '+OK 1 30\r\n'],
      ['S', '+OK\r\n1 abc\r\n.\r\n'],
      ...QUIT,
    ],
    'a client that pipelines to one that cannot': [
      ...LOGIN,
      ['C', 'STAT\r\nNOOP\r\nRETR 1\r\n'],
      ['S', '+OK 1 30\r\n'],
      ['S', '+OK\r\n'],
      ['S', '-ERR no such message\r\n'],
      ...QUIT,
    ],
    'commands out of place and badly written': [
      GREETING,
      ['C', 'retr 1\r\n'],
      ['S', '-ERR not yet\r\n'],
      ['C', ' USER  bob \n'],
      ['S', '+ok\n'],
      ['C', 'PASS sesame-street\r\n'],
      ['S', '+OK\r\n'],
      ['C', 'LIST x\r\n'],
      ['S', '-ERR what\r\n'],
      ...QUIT,
    ],
    'a capability list with faults': [
      GREETING,
      ['C', 'CAPA\r\n'],
      ['S', '+OK\r\nTOP\r\nTOP\r\nPIPELINING\r\n.\r\n'],
      ...QUIT,
    ],
    'a client that speaks before the greeting': [
      ['C', 'CAPA\r\n'],
      GREETING,
      ['S', '+OK\r\nPIPELINING\r\n.\r\n'],
      ...QUIT,
    ],
    'lines that nobody asked for': [...LOGIN, ['S', 'stray\r\n'], ...QUIT],
    'a server that refuses at once': [['S', '-ERR [SYS/TEMP] busy\r\n']],
  }
  for (const [name, lines] of Object.entries(dialogues)) {
    it(`is told the same from outside: ${name}`, () => {
      const [told = [], observed = []] = both(lines)
      expect(typesOf(told)).toContain('session-closed')
      expect(observed).toEqual(told)
    })
  }

  it('is told the same where the client leaves', () => {
    const [told = [], observed = []] = both([...LOGIN, ['C', 'STAT\r\n'], ['S', '+OK 1 30\r\n']], 'client')
    expect(observed).toEqual(told)
    expect(ofType(observed, 'session-closed')).toMatchObject([{ reason: 'client-left', code: null }])
  })

  it('is told the same where the server leaves, between replies and within one', () => {
    const [told = [], observed = []] = both(LOGIN, 'server')
    expect(observed).toEqual(told)
    const [, within = []] = both([...LOGIN, ['C', 'RETR 1\r\n'], ['S', '+OK\r\nSubject: x\r\n']], 'server')
    expect(ofType(within, 'anomaly')).toMatchObject([{ anomaly: 'truncated-reply', number: 3 }])
    expect(ofType(within, 'session-closed')).toMatchObject([{ code: 'POSTERN_SERVER_CLOSED' }])
  })
})

describe('what a capture cannot show', () => {
  it('is said once of a session in TLS from its start, and its octets are counted', () => {
    const { observer, events } = observe()
    observer.opened(1)
    observer.connected(2)
    observer.octets('client', Buffer.from([0x16, 3, 1, 0, 5]), 3)
    observer.octets('server', Buffer.from([0x16, 3, 3, 0, 5]), 4)
    observer.octets('client', Buffer.from('QUIT\r\n'), 5)
    observer.ended('client', 6)
    expect(typesOf(events)).toEqual(['session-opened', 'server-connected', 'failure', 'session-closed'])
    expect(ofType(events, 'failure')[0]?.failure).toMatchObject({ code: 'POSTERN_CAPTURE_ENCRYPTED' })
    expect(ofType(events, 'session-closed')[0]).toMatchObject({
      code: 'POSTERN_CAPTURE_ENCRYPTED',
      octets: { fromClient: 11, fromServer: 5 },
    })
  })

  it('is said behind STLS, and not where STLS was refused', () => {
    const { observer, events } = observe()
    observer.opened(1)
    observer.octets('server', Buffer.from('+OK ready\r\n'), 2)
    observer.octets('client', Buffer.from('STLS\r\n'), 3)
    observer.octets('server', Buffer.from('-ERR not now\r\n'), 4)
    observer.octets('client', Buffer.from('STLS\r\n'), 5)
    observer.octets('server', Buffer.from('+OK begin\r\n'), 6)
    expect(ofType(events, 'failure')).toEqual([])
    observer.octets('client', Buffer.from([0x16, 3, 1, 0, 5]), 7)
    expect(ofType(events, 'failure')[0]?.failure).toMatchObject({
      code: 'POSTERN_CAPTURE_ENCRYPTED',
      hint: expect.stringContaining('postern'),
    })
    expect(ofType(events, 'command')).toHaveLength(2)
  })

  it('ends the decoding: nothing behind lost octets is taken for a dialogue', () => {
    const { observer, events } = observe()
    observer.opened(1)
    observer.octets('server', Buffer.from('+OK ready\r\n'), 2)
    observer.lost('server', 'octets are missing', 3)
    observer.octets('client', Buffer.from('STAT\r\n'), 4)
    observer.reset('client', 5)
    expect(typesOf(events)).toEqual(['session-opened', 'greeting', 'failure', 'session-closed'])
  })

  it('is said of a session that began before, whose commands are read from the next one on', () => {
    const { observer, events } = observe(true)
    observer.opened(1)
    observer.octets('server', Buffer.from('rest of a message\r\n.\r\n'), 2)
    observer.octets('client', Buffer.from('R 7\r\n'), 3)
    observer.octets('client', Buffer.from('DELE 7\r\n'), 3)
    observer.octets('server', Buffer.from('+OK gone\r\n'), 4)
    observer.octets('client', Buffer.from('QUIT\r\n'), 5)
    observer.octets('server', Buffer.from('+OK bye\r\n'), 6)
    expect(ofType(events, 'failure')[0]?.failure).toMatchObject({ code: 'POSTERN_CAPTURE_INCOMPLETE' })
    expect(ofType(events, 'command').map(({ shown }) => shown)).toEqual(['DELE 7', 'QUIT'])
    expect(ofType(events, 'reply').map(({ text }) => text)).toEqual(['gone', 'bye'])
    expect(ofType(events, 'anomaly')).toEqual([])
    expect(ofType(events, 'session-closed')).toMatchObject([{ reason: 'quit', state: 'TRANSACTION' }])
  })
})

describe('whatever both sides send', () => {
  const CANARY = 'kanarienvogel-9f3b'

  it('never makes the observer throw, and ends a session once', () => {
    const step = fc.oneof(
      fc.tuple(fc.constant('client' as const), clientOctets),
      fc.tuple(fc.constant('server' as const), serverOctets),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), fc.boolean(), fc.boolean(), (steps, within, resets) => {
        const { observer, events } = observe(within)
        observer.opened(0)
        steps.forEach(([side, octets], index) => {
          observer.octets(side, octets, index)
        })
        if (resets) observer.reset('server', 99)
        else observer.ended('client', 99)
        observer.ended('server', 100)
        expect(ofType(events, 'session-closed').length).toBe(1)
        expect(typesOf(events)[typesOf(events).length - 1]).toBe('session-closed')
      }),
    )
  })

  it('tells no password', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('PASS ', 'pass  ', ' PASS ', 'APOP bob ', 'AUTH PLAIN ', 'XFOOO ', 'PASS'),
        fc.constantFrom('-ERR no ', '-ERR [', '+OK '),
        (command, reply) => {
          const { observer, events } = observe()
          observer.opened(0)
          observer.octets('server', Buffer.from('+OK hello\r\n'), 1)
          observer.octets('client', Buffer.from(`${command}${CANARY}\r\n`), 2)
          observer.octets('server', Buffer.from(`${reply}${CANARY}\r\n`), 3)
          const told = events.map((event) => recordingLine(event) + inspect(event, { depth: 9 })).join('')
          expect(ofType(events, 'reply')).toHaveLength(1)
          expect(told).not.toContain(CANARY)
          expect(told).not.toContain(Buffer.from(CANARY).toString('base64'))
        },
      ),
    )
  })
})
