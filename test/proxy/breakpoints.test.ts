import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Breakpoints, MAXIMUM_BREAKPOINTS } from '../../src/proxy/breakpoints.js'
import { clock } from '../../src/proxy/connection.js'
import { History } from '../../src/proxy/history.js'
import { WatchedProxy } from '../../src/proxy/watched.js'
import { type HeldItem, type InterceptedItem, LONGEST_HOLD_MS } from '../../src/relay/interception.js'
import { Feed } from '../../src/trace/feed.js'
import { parseBreakpoint } from '../../src/watch/breakpoint-wish.js'
import { LogRing } from '../../src/watch/log-ring.js'
import { WatchServer } from '../../src/watch/server.js'
import { dial, type Pop3Client } from '../support/pop3-client.js'
import { type RecordingServer, startRecordingServer } from '../support/recording-server.js'
import { until } from '../support/tools.js'
import { type Watching, watch } from '../watch/host.js'
import { type Bench, makeBench, type RunningBench, startBench } from './bench.js'

const COMMAND: InterceptedItem = {
  kind: 'command',
  number: 3,
  verb: 'DELE',
  shown: 'DELE 1',
  user: 'bob',
  indicator: null,
  responseCode: null,
  text: null,
  octets: 8,
  message: null,
}
const REPLY: InterceptedItem = {
  ...COMMAND,
  kind: 'reply',
  indicator: '-ERR',
  responseCode: 'IN-USE',
  text: 'locked',
}
const MESSAGE: InterceptedItem = {
  ...COMMAND,
  kind: 'message',
  verb: 'RETR',
  shown: 'RETR 7',
  indicator: '+OK',
  text: '',
  octets: 2_000_000,
  message: Buffer.from('Subject: =?utf-8?Q?Rechnung_f=C3=BCr_Mai?=\r\nFrom: a@example.org\r\n\r\nhello\r\n'),
}

function breakpoints(...filters: readonly string[]): Breakpoints {
  const made = new Breakpoints(() => 42)
  for (const filter of filters) expect(made.set(null, parseBreakpoint(filter))).toBeNull()
  return made
}

describe('a breakpoint', () => {
  it.each([
    ['command == "DELE" && argument == "1" && user == "bob"', COMMAND],
    ['side == "client" && type == "command" && commands == 3', COMMAND],
    ['reply: indicator == "-ERR" && response_code == "IN-USE" && text.contains("lock")', REPLY],
    ['message: subject.contains("für") && from.contains("example.org") && number == 7', MESSAGE],
    ['size > 1 * MB && header["from"] == "a@example.org"', MESSAGE],
    ['command: dele 1', COMMAND],
    ['reply: locked', REPLY],
    ['message: Rechnung', MESSAGE],
  ])('catches by what is known of an item: %s', (filter, item) => {
    expect(breakpoints(filter).catches('s1', item)).not.toBeNull()
  })

  it('knows the session', () => {
    const made = breakpoints('service == "office" && client_tls == "" && session == "s1"')
    const facts = {
      service: 'office',
      listener: 'l',
      client: 'c',
      server: 's',
      clientTls: null,
      serverTls: null,
    }
    expect(made.catches('s1', COMMAND)).toBeNull()
    made.entered('s1', facts)
    expect(made.catches('s1', COMMAND)).not.toBeNull()
    made.left('s1')
    expect(made.catches('s1', COMMAND)).toBeNull()
  })

  it('is asked only for its kinds, and only while it is on', () => {
    const made = breakpoints('reply: user == "bob"')
    expect([made.holdsCommands, made.holdsReplies, made.holdsMessages]).toEqual([false, true, false])
    expect(made.catches('s1', COMMAND)).toBeNull()
    expect(made.catches('s1', REPLY)).toEqual({ breakpoint: 'user == "bob"', holdMs: 120_000 })
    const [{ id } = { id: '' }] = made.breakpoints
    expect(made.set(id, { ...parseBreakpoint('reply: user == "bob"'), isOn: false })).toBeNull()
    expect(made.catches('s1', REPLY)).toBeNull()
    expect(made.holdsReplies).toBe(false)
  })

  it('counts its hits, and keeps them when it is changed', () => {
    const made = breakpoints('user == "bob"', 'user == "eve"')
    made.catches('s1', COMMAND)
    made.catches('s1', { ...COMMAND, user: 'alice' })
    made.catches('s1', COMMAND)
    expect(made.breakpoints.map(({ hits, lastHitAt }) => [hits, lastHitAt])).toEqual([
      [2, 42],
      [0, null],
    ])
    const [{ id } = { id: '' }] = made.breakpoints
    made.set(id, parseBreakpoint('command == "QUIT"'))
    expect(made.breakpoints[0]).toMatchObject({ id, filter: 'command == "QUIT"', hits: 2 })
  })

  it('holds no longer than anything may be held', () => {
    const made = breakpoints()
    made.set(null, { filter: 'user == "bob"', kinds: ['command'], holdMs: 1e9, isOn: true })
    expect(made.catches('s1', COMMAND)?.holdMs).toBe(LONGEST_HOLD_MS)
  })

  it('is refused with words where it cannot be', () => {
    const made = breakpoints()
    const wish = { kinds: [], holdMs: 0, isOn: true } as const
    expect(made.set(null, { ...wish, filter: 'usre == "x"' })).toMatch(/^column 1: unknown field `usre`/)
    expect(made.set(null, { ...wish, filter: ' ' })).toMatch(/^a breakpoint needs a filter/)
    expect(made.set('b9', { ...wish, filter: 'x' })).toBe('there is no such breakpoint any more')
    expect(made.remove('b9')).toBe('there is no such breakpoint any more')
    for (let count = 0; count < MAXIMUM_BREAKPOINTS; count += 1)
      expect(made.set(null, { ...wish, filter: 'x' })).toBeNull()
    expect(made.set(null, { ...wish, filter: 'x' })).toMatch(/^there are 32 breakpoints already/)
  })

  it('tells whoever watches what changed', () => {
    const made = breakpoints()
    const told: string[] = []
    made.onChange = (what) => told.push(what)
    made.set(null, parseBreakpoint('user == "bob"'))
    made.catches('s1', COMMAND)
    made.holds(held('h1'), () => null)
    made.releases('h1')
    made.releases('h1')
    made.remove('b1')
    expect(told).toEqual(['breakpoints', 'breakpoints', 'held', 'held', 'breakpoints'])
  })
})

function held(hold: string): HeldItem {
  return {
    hold,
    session: 's1',
    kind: 'command',
    number: 1,
    verb: 'DELE',
    shown: 'DELE 1',
    breakpoint: 'x',
    heldAt: 1,
    releaseAt: 2,
    isCommitted: false,
    editable: Buffer.from('DELE 1'),
  }
}

describe('a breakpoint in a running proxy', () => {
  let bench: Bench
  let server: RecordingServer
  let running: RunningBench
  let watchServer: WatchServer
  let watchers: Watching[]
  let client: Pop3Client

  beforeEach(async () => {
    bench = makeBench()
    server = await startRecordingServer()
    const feed = new Feed()
    const history = new History()
    const made = new Breakpoints(clock)
    const settings = bench.settings({ listen: ['plain'], upstream: 'plain', port: server.port })
    running = await startBench(settings, { feed, history, breakpoints: made })
    watchServer = new WatchServer(
      new WatchedProxy({
        program: 'postern test',
        startedAt: clock(),
        proxy: running.proxy,
        settings: () => settings,
        feed,
        log: new LogRing(),
        history,
        breakpoints: made,
        rules: null,
        endProxy: () => {},
      }),
    )
    made.onChange = (what) => watchServer.changed(what)
    const path = join(bench.directory.path, 'control')
    await watchServer.listen(path)
    watchers = [await watch(path, 100_000), await watch(path)]
    client = await dial(running.port())
    await client.line()
    for (const line of ['USER bob', 'PASS secret']) expect(await client.command(line)).toMatch(/^\+OK/)
  })

  afterEach(async () => {
    client.destroy()
    for (const { connection } of watchers) connection.close()
    await watchServer.close()
    await running.proxy.stop()
    await server.stop()
    bench.directory.remove()
  })

  function lastHeld(watcher: Watching) {
    return watcher.messages.filter((message) => message.type === 'held').at(-1)?.items ?? []
  }

  function problemOf(watcher: Watching, id: string): string | null | undefined {
    const answers = watcher.messages.filter((message) => message.type === 'done')
    return answers.find((answer) => answer.id === id)?.problem
  }

  /** The one that is open. */
  async function sessionOf({ messages }: Watching): Promise<string> {
    const events = () => messages.flatMap((message) => (message.type === 'events' ? message.events : []))
    await until('the session to be told', () => events().length > 0)
    return events()[0]?.session ?? ''
  }

  async function setBreakpoint(filter: string, kinds: readonly ('command' | 'reply' | 'message')[]) {
    const [first] = watchers
    first?.connection.send({
      type: 'set-breakpoint',
      id: 'set',
      breakpoint: null,
      filter,
      kinds,
      holdMs: 60_000,
      isOn: true,
    })
    await until('the breakpoint', () => first !== undefined && problemOf(first, 'set') !== undefined)
    expect(problemOf(watchers[0]!, 'set')).toBeNull()
  }

  it('holds a command that every watcher sees; one edits it, and the server gets what was made of it', async () => {
    await setBreakpoint('command == "DELE"', ['command'])
    client.write('DELE 1\r\n')
    await until('both to see it', () => watchers.every((watcher) => lastHeld(watcher).length === 1))
    const [item] = lastHeld(watchers[1]!)
    expect(item).toMatchObject({ verb: 'DELE', shown: 'DELE 1', editableOctets: 6 })
    expect(server.received()).not.toContain('DELE')
    const { connection, messages } = watchers[1]!
    connection.send({ type: 'fetch-held', id: 'f', hold: item?.hold ?? '' })
    await until('the octets', () => messages.some(({ type }) => type === 'held-octets'))
    connection.send({ type: 'edit', id: 'e', hold: item?.hold ?? '', octets: Buffer.from('DELE 2') })
    expect(await client.line()).toMatch(/^\+OK/)
    expect(server.received()).toContain('DELE 2\r\n')
    expect(server.received()).not.toContain('DELE 1')
    await until('it to be gone for both', () => watchers.every((watcher) => lastHeld(watcher).length === 0))
    watchers[0]?.connection.send({ type: 'release', id: 'late', hold: item?.hold ?? '' })
    await until('the late answer', () => problemOf(watchers[0]!, 'late') !== undefined)
    expect(problemOf(watchers[0]!, 'late')).toBe('the item is held no longer')
  })

  it('holds a message and lets a person put another in its place', async () => {
    await setBreakpoint('subject == "x"', ['message'])
    client.write('RETR 1\r\n')
    await until('the message to be held', () => lastHeld(watchers[0]!).length === 1)
    const [item] = lastHeld(watchers[0]!)
    const octets = Buffer.from('Subject: y\r\n\r\n.other\r\n')
    watchers[0]?.connection.send({ type: 'edit', id: 'e', hold: item?.hold ?? '', octets })
    expect(await client.line()).toMatch(/^\+OK/)
    expect((await client.content()).toString()).toBe('Subject: y\r\n\r\n..other\r\n.\r\n')
  })

  it('lets a watcher send a command whose reply the client never sees', async () => {
    const [watcher] = watchers
    const session = await sessionOf(watcher!)
    watcher?.connection.send({ type: 'send', id: 's', session, line: 'STAT' })
    await until('the answer', () => problemOf(watcher!, 's') !== undefined)
    expect(problemOf(watcher!, 's')).toBeNull()
    await until('the reply to be told', () =>
      watcher!.contents().some((content) => content.type === 'reply' && content.verb === 'STAT'),
    )
    expect(server.received()).toContain('STAT\r\n')
    expect(client.waiting).toHaveLength(0)
    expect(await client.command('NOOP')).toMatch(/^\+OK/)
  })

  it('lets a watcher end a session, and says where there is none', async () => {
    const [watcher] = watchers
    const session = await sessionOf(watcher!)
    for (const id of ['first', 'second']) {
      watcher?.connection.send({ type: 'kill-session', id, session })
      await until('the answer', () => problemOf(watcher!, id) !== undefined)
      await until('the end', () => running.proxy.sessions === 0)
    }
    expect([problemOf(watcher!, 'first'), problemOf(watcher!, 'second')]).toEqual([
      null,
      'the session is over',
    ])
    expect(await client.rest()).toHaveLength(0)
  })

  it('tells who attaches later what happened, and the beginning of what goes on', async () => {
    const late = await watch(join(bench.directory.path, 'control'))
    watchers.push(late)
    await late.until('snapshot-end')
    expect(late.contents().map(({ type }) => type)).toEqual(
      expect.arrayContaining(['session-opened', 'greeting', 'command', 'logged-in']),
    )
    expect(JSON.stringify(late.messages)).not.toContain('secret')
  })
})
