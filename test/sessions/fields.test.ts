import { zipSync } from 'fflate'
import { describe, expect, it } from 'vitest'
import { type Filter, parseFilter } from '../../src/expression/filter.js'
import {
  fieldsOfEvent,
  fieldsOfSession,
  matchesSession,
  SessionFilter,
  visibleTextOfEvent,
  visibleTextOfSession,
} from '../../src/sessions/fields.js'
import { SessionStore } from '../../src/sessions/store.js'
import { expectGrowth } from '../support/growth.js'
import { loggedIn, Script, START } from './script.js'

const MAIL = [
  'Subject: =?utf-8?Q?Invoice_1187?=',
  'From: Bob <bob@example.net>',
  'To: alice@example.org',
  'X-Color: blue',
  'MIME-Version: 1.0',
  'Content-Type: application/pdf; name="bill.pdf"',
  'Content-Disposition: attachment; filename="bill.pdf"',
  'Content-Transfer-Encoding: base64',
  '',
  Buffer.from(zipSync({ 'bill.exe': Buffer.from('x') })).toString('base64'),
  '',
].join('\r\n')

describe('fieldsOfSession', () => {
  it('has what is known, and lacks what is not', () => {
    const fields = fieldsOfSession(new Script().opened().tls('server').record())
    expect(fields).toMatchObject({
      session: 's1',
      service: 'mail',
      state: 'CONNECTING',
      client_tls: '',
      server_tls: 'TLSv1.3',
      errors: 0,
      is_open: true,
      is_held: false,
      duration: 1,
    })
    // `known(user)` asks whether there is one: undefined would be.
    for (const name of ['user', 'mechanism', 'reason', 'code', 'type']) expect(name in fields).toBe(false)
    const closed = fieldsOfSession(loggedIn().closed('failed', 'POSTERN_DEADLINE').record())
    expect(closed).toMatchObject({
      user: 'alice',
      reason: 'failed',
      code: 'POSTERN_DEADLINE',
      is_open: false,
    })
  })
})

describe('fieldsOfEvent', () => {
  const script = loggedIn()
    .exchange('UIDL', '+OK', '1 abc\r\n')
    .exchange('RETR 1', '+OK', MAIL)
    .exchange('DELE 9', '-ERR [SYS/TEMP] later')
    .tell({ type: 'anomaly', side: 'server', number: 5, anomaly: 'missing-separator', octets: null })
  const record = script.record()
  const fieldsOf = (pick: (type: string, number: number) => boolean) => {
    const event = script.events.find(({ content }) =>
      pick(content.type, 'number' in content ? content.number : 0),
    )
    if (event === undefined) throw new Error('no such event')
    return fieldsOfEvent(record, event)
  }

  it('tells a command with its argument and message-number', () => {
    expect(fieldsOf((type, number) => type === 'command' && number === 4)).toMatchObject({
      user: 'alice',
      type: 'command',
      command: 'RETR',
      argument: '1',
      number: 1,
      side: 'client',
    })
  })

  it('tells a reply with its response code, and an anomaly with its side', () => {
    expect(fieldsOf((type, number) => type === 'reply' && number === 5)).toMatchObject({
      command: 'DELE',
      number: 9,
      indicator: '-ERR',
      response_code: 'SYS/TEMP',
      text: 'later',
      after: 5,
    })
    expect(fieldsOf((type) => type === 'anomaly')).toMatchObject({
      anomaly: 'missing-separator',
      side: 'server',
    })
    expect('response_code' in fieldsOf((type, number) => type === 'reply' && number === 4)).toBe(false)
  })

  it('tells a message with its headers and attachments', () => {
    const fields = fieldsOf((type, number) => type === 'content-end' && number === 4)
    expect(fields).toMatchObject({
      type: 'message',
      command: 'RETR',
      number: 1,
      unique_id: 'abc',
      size: MAIL.length,
      subject: 'Invoice 1187',
      attachments: [{ name: 'bill.pdf', type: 'application/pdf' }],
    })
    expect(fields.from).toContain('bob@example.net')
    expect(fields.header?.get('x-color')).toBe('blue')
  })

  it('reads no mail for who asks for nothing in it', () => {
    const event = script.events.find(({ content }) => content.type === 'content-end' && content.number === 4)
    if (event === undefined) throw new Error('no message')
    expect(fieldsOfEvent(record, event, new Set(['size'] as const)).subject).toBeUndefined()
    const wanted = fieldsOfEvent(record, event, new Set(['subject'] as const))
    expect([wanted.subject, wanted.header]).toEqual(['Invoice 1187', undefined])
  })
})

describe('visible text', () => {
  it('is what stands in the list and in the dialogue', () => {
    const script = loggedIn().exchange('DELE 9', '-ERR [SYS/TEMP] later').exchange('RETR 1', '+OK', MAIL)
    const record = script.record()
    for (const word of ['alice', '10.0.0.5', 'RETR 1', 'TRANSACTION']) {
      expect(visibleTextOfSession(record)).toContain(word)
    }
    const texts = record.events.map((event) => visibleTextOfEvent(event, record))
    expect(texts).toContain('-ERR [SYS/TEMP] later')
    expect(texts.some((text) => /^Invoice 1187 .*bob@example\.net.* bill\.pdf$/.test(text))).toBe(true)
  })
})

describe('matchesSession', () => {
  const record = loggedIn().exchange('RETR 1', '+OK', MAIL).exchange('DELE 9', '-ERR no').record()

  it.each([
    ['user == "alice" && errors > 0', true],
    ['errors > 1', false],
    ['command == "RETR"', true],
    ['command == "TOP"', false],
    ['command == "DELE" && indicator == "-ERR"', true],
    // Of one and the same event.
    ['command == "RETR" && indicator == "-ERR"', false],
    ['subject.matches("(?i)invoice")', true],
    ['header["x-color"] == "red"', false],
    ['attachments.exists(a, a.name.endsWith(".pdf"))', true],
    ['attachments.exists(a, !a.is_unlisted && a.files.exists(f, f == "bill.exe"))', true],
    ['attachments.exists(a, a.files.size() > 1)', false],
    ['invoice', true],
    ['no such words', false],
  ])('answers %s with %s', (text, expected) => {
    expect(matchesSession(parseFilter(text), record)).toBe(expected)
  })
})

/** Counts how often it is asked. */
function counting(filter: Filter): { readonly filter: Filter; readonly asked: () => number } {
  let asked = 0
  const matches: Filter['matches'] = (...question) => {
    asked += 1
    return filter.matches(...question)
  }
  return { filter: { ...filter, matches }, asked: () => asked }
}

describe('SessionFilter', () => {
  const SESSIONS = 5_000

  function filled(sessions = SESSIONS): SessionStore {
    const store = new SessionStore()
    for (let each = 0; each < sessions; each += 1) {
      const script = loggedIn(`s${each}`, START + each).exchange('STAT', '+OK 0 0')
      if (each % 100 === 0) script.exchange('DELE 1', '-ERR no')
      script.quit().into(store)
    }
    return store
  }

  it('finds what matchesSession finds, and the same array while nothing changes', () => {
    const store = filled()
    for (const text of ['errors > 0', 'command == "DELE"', 'is_open', 's4900', '!(command == "STAT")']) {
      const filter = parseFilter(text)
      const found = new SessionFilter(filter, store)
      expect(found.matches).toEqual(store.sessions.filter((record) => matchesSession(filter, record)))
      expect(found.matches).toBe(found.matches)
    }
  })

  it('asks only about sessions that changed, among 5,000', () => {
    const store = filled()
    const { filter, asked } = counting(parseFilter('errors > 0'))
    const found = new SessionFilter(filter, store)
    expect(found.matches).toHaveLength(SESSIONS / 100)
    expect(asked()).toBe(SESSIONS)
    loggedIn('another').exchange('DELE 1', '-ERR no').into(store)
    // The oldest, which matched, had to go for it.
    expect(found.matches.map(({ id }) => id)).toEqual([
      ...Array.from({ length: SESSIONS / 100 - 1 }, (_, each) => `s${(each + 1) * 100}`),
      'another',
    ])
    expect(asked()).toBe(SESSIONS + 1)
  })

  it('asks about the new events of a long session only, where the session itself is not asked for', () => {
    const store = new SessionStore()
    const script = loggedIn()
    for (let each = 0; each < 1_000; each += 1) script.exchange('NOOP')
    script.into(store)
    const { filter, asked } = counting(parseFilter('command == "DELE" && indicator == "-ERR"'))
    const found = new SessionFilter(filter, store)
    expect(found.matches).toEqual([])
    const before = asked()
    const told = script.events.length
    const add = (): void => {
      for (const event of script.events.slice(told)) store.add(event)
    }
    script.exchange('DELE 1', '-ERR no')
    add()
    expect(found.matches).toHaveLength(1)
    expect(asked() - before).toBeLessThanOrEqual(4)
  })

  it('forgets a match that a change of the session took back', () => {
    const store = new SessionStore()
    const script = loggedIn()
    script.into(store)
    const open = new SessionFilter(parseFilter('is_open'), store)
    expect(open.matches).toHaveLength(1)
    const told = script.events.length
    for (const event of script.quit().events.slice(told)) store.add(event)
    expect(open.matches).toEqual([])
  })

  it.each(['errors > 0 && user.endsWith("ce")', 'command == "TOP" && number > 3', 'nothing'])(
    'asks once about each session and event of 5,000, and again about what is new alone: %s',
    (text) => {
      const store = filled()
      const { filter, asked } = counting(parseFilter(text))
      const found = new SessionFilter(filter, store)
      void found.matches
      const events = store.sessions.reduce((sum, { events: { length } }) => sum + length, 0)
      expect(asked()).toBeLessThanOrEqual(SESSIONS + events)
      const before = asked()
      const another = loggedIn('another')
      another.into(store)
      void found.matches
      expect(asked()).toBeGreaterThan(before)
      expect(asked() - before).toBeLessThanOrEqual(1 + another.events.length)
    },
  )

  it.each(['errors > 0 && user.endsWith("ce")', 'command == "TOP" && number > 3', 'nothing'])(
    'costs the same for each of many sessions: %s',
    (text) => {
      const filter = parseFilter(text)
      expectGrowth('linear', { from: 100 }, (sessions) => {
        const store = filled(sessions)
        return () => new SessionFilter(filter, store).matches
      })
    },
  )
})
