import { describe, expect, it } from 'vitest'
import { EVENTS_PER_SESSION } from '../../src/sessions/session-draft.js'
import { DEFAULT_BUDGET, SessionStore } from '../../src/sessions/store.js'
import { expectGrowth } from '../support/growth.js'
import { loggedIn, Script, START, TLS } from './script.js'

function ids(store: SessionStore): readonly string[] {
  return store.sessions.map(({ id }) => id)
}

describe('a record', () => {
  it('holds what its events told, and the exact counts once it is closed', () => {
    const script = loggedIn().tls('server').exchange('RETR 1', '+OK', 'a\r\n').exchange('DELE 9', '-ERR no')
    const open = script.record()
    expect(open).toMatchObject({
      id: 's1',
      ordinal: 1,
      openedAt: START,
      closedAt: null,
      service: 'mail',
      client: '10.0.0.5:51000',
      clientTls: null,
      serverTls: TLS,
      user: 'alice',
      mechanism: 'USER',
      state: 'TRANSACTION',
      commands: 4,
      messages: 1,
      errors: 1,
      lastCommand: 'DELE 9',
      wireOctets: 3,
      missedEvents: 0,
    })
    expect(open.octets.fromClient).toBe('USER alice\r\nPASS [redacted]\r\nRETR 1\r\nDELE 9\r\n'.length)
    expect(open.octets.toClient).toBe('+OK ready\r\n+OK\r\n+OK\r\n+OK\r\na\r\n.\r\n-ERR no\r\n'.length)
    const closed = script.quit().record()
    expect(closed).toMatchObject({
      state: 'CLOSED',
      closedAt: script.at,
      octets: { fromClient: 1, toClient: 2 },
    })
    expect(closed.closed?.reason).toBe('quit')
  })

  it('knows the user from USER on, and is in UPDATE behind QUIT', () => {
    const script = new Script().opened()
    expect(script.record().state).toBe('CONNECTING')
    expect(script.greeting().record().state).toBe('AUTHORIZATION')
    expect(script.command('USER bob').record().user).toBe('bob')
    expect(loggedIn().exchange('QUIT').record().state).toBe('UPDATE')
    expect(new Script().opened().greeting().exchange('QUIT').record().state).toBe('AUTHORIZATION')
  })

  it('counts a TOP of all lines as a message, and one of ten not', () => {
    const content = 'a\r\n'
    expect(loggedIn().exchange('TOP 1 99999999', '+OK', content).record().messages).toBe(1)
    expect(loggedIn().exchange('TOP 1 10', '+OK', content).record().messages).toBe(0)
  })

  it('holds what waits for a person, and tells that something was changed', () => {
    const held = loggedIn()
      .command('RETR 1')
      .tell({
        type: 'held',
        hold: 'h1',
        number: 3,
        kind: 'command',
        breakpoint: 'command == "RETR"',
        releaseAt: START + 60_000,
      })
    expect([...held.record().held]).toEqual(['h1'])
    expect(held.record().wasChanged).toBe(false)
    const released = (verdict: 'released' | 'edited') =>
      new Script().tell({ type: 'released', hold: 'h1', number: 3, kind: 'command', verdict, afterMs: 9 })
    held.events.push(...released('released').events)
    expect(held.record().held.size).toBe(0)
    expect(held.record().wasChanged).toBe(false)
    held.events.push(...released('edited').events)
    expect(held.record().wasChanged).toBe(true)
  })

  it('counts a command of a watcher, but neither its octets toward the client nor its error', () => {
    const before = loggedIn().record()
    const after = loggedIn().command('XYZZY', 'watcher').reply('-ERR no').record()
    expect(after.commands).toBe(before.commands + 1)
    expect(after.octets.toServer).toBe(before.octets.toServer + 'XYZZY\r\n'.length)
    expect(after.octets.fromClient).toBe(before.octets.fromClient)
    expect(after.octets.toClient).toBe(before.octets.toClient)
    expect(after.errors).toBe(0)
    expect(after.lastCommand).toBe('PASS [redacted]')
  })

  it('is made of the events of a session whose opening was not seen', () => {
    const script = loggedIn().exchange('STAT', '+OK 1 2')
    script.events.splice(0, 5)
    const record = script.record()
    expect(record).toMatchObject({ openedAt: script.events[0]?.at, client: '', state: 'TRANSACTION' })
    expect(record.events).toHaveLength(script.events.length)
  })

  it('keeps no read buffer alive for the sake of a short wire', () => {
    const slab = Buffer.alloc(65_536, 'x')
    const store = new SessionStore()
    const { events } = loggedIn().command('LIST')
    for (const event of events) store.add(event)
    const wire = slab.subarray(0, 100)
    const content = { type: 'content', number: 3, verb: 'LIST', source: 'server', wire } as const
    store.add({ at: START, session: 's1', content })
    const kept = store.get('s1')?.events.at(-1)?.content
    expect(kept).toEqual(content)
    expect(kept?.type === 'content' && kept.wire.buffer === slab.buffer).toBe(false)
  })
})

describe('SessionStore', () => {
  it('drops the oldest closed session first, then the oldest open one, and counts them', () => {
    const store = new SessionStore({ sessions: 3, octets: DEFAULT_BUDGET.octets })
    const open = (id: string) => new Script(id).opened()
    open('a').into(store)
    open('b').closed('quit').into(store)
    open('c').closed('quit').into(store)
    expect(ids(store)).toEqual(['a', 'b', 'c'])
    open('d').into(store)
    expect(ids(store)).toEqual(['a', 'c', 'd'])
    open('e').into(store)
    expect(ids(store)).toEqual(['a', 'd', 'e'])
    open('f').into(store)
    expect(ids(store)).toEqual(['d', 'e', 'f'])
    expect(store.droppedSessions).toBe(3)
    expect(store.openSessions).toBe(3)
    expect(store.get('a')).toBeNull()
    expect(store.get('f')?.ordinal).toBe(6)
  })

  it('drops sessions for the octets that they cost, and never the newest', () => {
    const store = new SessionStore({ sessions: 100, octets: 10_000 })
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) {
      new Script(id).opened().piece('x'.repeat(1_800)).into(store)
      expect(store.octets).toBeLessThanOrEqual(10_000)
      expect(ids(store).at(-1)).toBe(id)
    }
    expect(ids(store)).toEqual(['c', 'd', 'e', 'f'])
    expect(store.droppedSessions).toBe(2)
  })

  it('cuts from one session what is more than its share, behind its beginning', () => {
    const store = new SessionStore({ sessions: 100, octets: 400_000 })
    const script = loggedIn()
    for (let each = 1; each <= 40; each += 1) script.exchange(`RETR ${each}`, '+OK', 'x'.repeat(10_000))
    script.into(store)
    const record = store.get('s1')
    expect(store.octets).toBeLessThanOrEqual(100_000)
    expect(record?.missedEvents).toBe(store.droppedEvents)
    expect((record?.missedEvents ?? 0) + (record?.events.length ?? 0)).toBe(script.events.length)
    expect(record?.events[0]?.content.type).toBe('session-opened')
    expect(record?.events.at(-1)).toBe(script.events.at(-1))
    expect(record?.messages).toBe(40)
    expect(store.droppedSessions).toBe(0)
  })

  it('never keeps the end of a message without its beginning', () => {
    const store = new SessionStore({ sessions: 100, octets: 400_000 })
    const script = loggedIn().command('RETR 1').reply('+OK')
    for (let each = 0; each < 100; each += 1) script.piece(String(each).padEnd(10_000, 'x'))
    script.end(1_000_000).exchange('RETR 2', '+OK', 'whole\r\n').into(store)
    const pieces = store
      .get('s1')
      ?.events.flatMap(({ content }) => (content.type === 'content' ? [content] : []))
    const first = pieces
      ?.filter(({ number }) => number === 3)
      .map(({ wire }) => Number.parseInt(wire.toString(), 10))
    expect(first).toEqual(first?.map((_, index) => index))
    expect(pieces?.at(-1)?.wire.toString()).toBe('whole\r\n')
  })

  it('bounds the events of one session and keeps the first and the last', () => {
    const store = new SessionStore()
    const script = loggedIn()
    for (let each = 0; each < 15_000; each += 1) script.exchange('NOOP')
    script.into(store)
    const record = store.get('s1')
    expect(record?.events.length).toBeLessThanOrEqual(EVENTS_PER_SESSION)
    expect(record?.events.length).toBeGreaterThan(EVENTS_PER_SESSION * 0.8)
    expect(record?.events.slice(0, 100)).toEqual(script.events.slice(0, 100))
    expect(record?.events.at(-1)).toBe(script.events.at(-1))
    expect(record?.missedEvents).toBe(script.events.length - (record?.events.length ?? 0))
  })

  it('keeps two sessions apart that recordings name alike', () => {
    const store = new SessionStore()
    loggedIn('s').quit().into(store)
    loggedIn('s', START + 9_000).into(store)
    expect(ids(store)).toEqual(['s', 's'])
    expect(store.get('s')?.closedAt).toBeNull()
    expect(store.sessions[0]?.closed?.reason).toBe('quit')
  })

  it('counts what it never got, and changes its version with everything it takes', () => {
    const store = new SessionStore()
    const versions = new Set([store.version])
    store.missed(7)
    versions.add(store.version)
    new Script().opened().into(store)
    versions.add(store.version)
    expect(versions.size).toBe(3)
    store.missed(0)
    versions.add(store.version)
    expect(versions.size).toBe(3)
    expect(store.droppedEvents).toBe(7)
  })

  it('takes an event at the same cost however many sessions it keeps, dropping sessions all the while', () => {
    const { events } = loggedIn()
      .exchange('STAT', '+OK 1 2')
      .exchange('RETR 1', '+OK', 'x'.repeat(100))
      .quit()
    expectGrowth('constant', { from: 1_000 }, (sessions) => {
      const store = new SessionStore({ sessions, octets: Number.MAX_SAFE_INTEGER })
      let told = 0
      const session = (): void => {
        told += 1
        for (const event of events) store.add({ ...event, session: `s${told}` })
      }
      while (store.droppedSessions === 0) session()
      expect(store.sessions).toHaveLength(sessions)
      return session
    })
  })
})
