import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { QUEUE_OCTETS, SOCKET_OCTETS } from '../../src/watch/outlet.js'
import { MAXIMUM_WATCHERS, WatchServer } from '../../src/watch/server.js'
import { HIT } from '../sessions/script.js'
import { type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'
import { type FakeHost, fakeHost, mail, numbered, type Watching, watch } from './host.js'

let directory: TemporaryDirectory
let path: string
let servers: WatchServer[]
let watching: Watching[]
let children: ChildProcess[]

beforeEach(() => {
  directory = temporaryDirectory('watch')
  path = join(directory.path, 'socket')
  servers = []
  watching = []
  children = []
})

afterEach(async () => {
  for (const { connection } of watching) connection.close()
  for (const child of children) child.kill('SIGKILL')
  for (const server of servers) await server.close()
  directory.remove()
})

async function serve(host: FakeHost = fakeHost()): Promise<{ host: FakeHost; server: WatchServer }> {
  const server = new WatchServer(host)
  servers.push(server)
  await server.listen(path)
  return { host, server }
}

async function attached(messageOctets = 0, log = false): Promise<Watching> {
  const watcher = await watch(path, messageOctets, log)
  watching.push(watcher)
  return watcher
}

/** A connection that says what it likes, and all that it is told. */
async function raw(): Promise<{ socket: Socket; told: () => string; closed: () => boolean }> {
  const socket = connect(path)
  let told = ''
  let closed = false
  socket.setEncoding('utf8').on('data', (text: string) => {
    told += text
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    closed = true
  })
  await once(socket, 'connect')
  return { socket, told: () => told, closed: () => closed }
}

describe('the rules on the control socket', () => {
  const RULE = {
    name: 'tag external',
    place: 'a.yaml:4',
    of: 'message',
    mode: 'enforce',
    when: 'size > MB',
    actions: ['hide'],
    cost: 'nothing',
    onFailure: 'deliver',
    stops: false,
  } as const

  it('are told to whoever attaches, and again when they change', async () => {
    const { host, server } = await serve()
    host.rules = { rules: [RULE], refusal: null }
    const watcher = await attached()
    expect(await watcher.until('rules')).toEqual({ type: 'rules', rules: [RULE], refusal: null })
    const refusal = { at: 5, lines: ['a.yaml:4: expected a name'] }
    host.rules = { rules: [RULE], refusal }
    server.changed('rules')
    const told = () => watcher.messages.filter(({ type }) => type === 'rules')
    await until('the refusal', () => told().length === 2)
    expect(told().at(-1)).toEqual({ type: 'rules', rules: [RULE], refusal })
  })

  it('have their hits told to whoever comes later, and to all while they grow', async () => {
    const { host } = await serve()
    const hit = (at: number): void => host.ruleHits.add({ at, session: 's1', content: HIT })
    const early = await attached()
    await early.until('process')
    expect(early.messages.some(({ type }) => type === 'rule-hits')).toBe(false)
    hit(1)
    hit(2)
    const late = await attached()
    for (const watcher of [late, early])
      expect(await watcher.until('rule-hits')).toMatchObject({ hits: [{ rule: HIT.rule, hits: 2 }] })
    const told = early.messages.filter(({ type }) => type === 'rule-hits').length
    const seen = early.messages.filter(({ type }) => type === 'process').length
    await until(
      'two more seconds',
      () => early.messages.filter(({ type }) => type === 'process').length >= seen + 2,
    )
    // What did not change is not told again.
    expect(early.messages.filter(({ type }) => type === 'rule-hits')).toHaveLength(told)
  })
})

describe('the control socket', () => {
  it('may be used by its owner alone, whatever the umask', async () => {
    const before = process.umask(0)
    try {
      await serve()
    } finally {
      process.umask(before)
    }
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('tells who it is, what happened before, and then what happens', async () => {
    const { host } = await serve(fakeHost([numbered(1), numbered(2)]))
    const watcher = await attached()
    expect(watcher.connection.hello).toMatchObject({
      type: 'hello',
      program: 'postern 1.2.3',
      pid: process.pid,
      startedAt: 1_000,
      addresses: [{ service: 'default', url: 'pop3://127.0.0.1:1110' }],
      isFace: false,
    })
    await watcher.until('snapshot-end')
    expect(watcher.numbers()).toEqual([1, 2])
    host.feed.publish(numbered(3))
    await until('the event', () => watcher.numbers().length === 3)
    expect(watcher.numbers()).toEqual([1, 2, 3])
    expect(watcher.messages.map(({ type }) => type)).toContain('breakpoints')
    expect(watcher.messages.map(({ type }) => type)).toContain('held')
    expect(watcher.dropped()).toBe(0)
  })

  it('tells nothing twice and leaves nothing out to those who attach while things happen', async () => {
    const past: ReturnType<typeof numbered>[] = []
    const { host } = await serve(fakeHost(past))
    let number = 0
    const happen = (): void => {
      number += 1
      past.push(numbered(number))
      host.feed.publish(numbered(number))
    }
    // As the history does, the snapshot is a copy.
    host.snapshot = () => ({ events: [[...past]], dropped: 0 })
    const timer = setInterval(() => {
      for (let count = 0; count < 20; count += 1) happen()
    }, 1)
    const watchers: Watching[] = []
    for (let count = 0; count < 5; count += 1) watchers.push(await attached())
    clearInterval(timer)
    const all = Array.from({ length: number }, (_, index) => index + 1)
    await until('all events', () => watchers.every((watcher) => watcher.numbers().length >= number))
    for (const watcher of watchers) expect(watcher.numbers()).toEqual(all)
  })

  it('tells mail to those who ask for it, and no other', async () => {
    const { host } = await serve()
    const modest = await attached()
    const curious = await attached(1_000)
    expect(host.feed.attention).toEqual({ isWatched: true, messageOctets: 1_000 })
    host.feed.publish(mail(10))
    host.feed.publish(numbered(1))
    await until('both to be told', () => modest.numbers().length + curious.numbers().length === 2)
    expect(modest.contents().map(({ type }) => type)).toEqual(['unsolicited'])
    expect(curious.contents().map(({ type }) => type)).toEqual(['content', 'unsolicited'])
    expect(modest.dropped()).toBe(0)
    curious.connection.close()
    await until('mail to be asked for no longer', () => host.feed.attention.messageOctets === 0)
    expect(host.feed.attention.isWatched).toBe(true)
  })

  it('costs nothing while nobody watches', async () => {
    const { host, server } = await serve()
    expect([host.feed.isWatched, host.samplers()]).toEqual([false, 0])
    const watcher = await attached()
    await watcher.until('process')
    expect([host.feed.isWatched, host.samplers(), server.watchers]).toEqual([true, 1, 1])
    watcher.connection.close()
    await until('the watcher to be gone', () => server.watchers === 0)
    expect([host.feed.isWatched, host.samplers()]).toEqual([false, 0])
  })

  it('tells no more lines of the log than a person can follow, the newest, and counts the others', async () => {
    const { host } = await serve()
    const listening = await attached(0, true)
    const told = (): { readonly lines: readonly string[]; readonly dropped: number } => ({
      lines: listening.messages.flatMap((message) => (message.type === 'log' ? message.lines : [])),
      dropped: listening.messages.reduce(
        (sum, message) => sum + (message.type === 'log' ? message.dropped : 0),
        0,
      ),
    })
    // In pieces that the ring keeps whole, so that only the pace can leave some out.
    for (let piece = 0; piece < 10; piece += 1) {
      for (let line = 0; line < 400; line += 1)
        host.log.write(`{"event":"line","number":${piece * 400 + line}}\n`)
      const written = (piece + 1) * 400
      await until('all to be told or counted', () => told().lines.length + told().dropped === written)
    }
    expect(told().lines.length).toBeGreaterThanOrEqual(500)
    expect(told().dropped).toBeGreaterThan(0)
    expect(told().lines.at(-1)).toContain('"number":3999')
  })

  it('tells the log to those who ask for it, from its recent lines on', async () => {
    const { host } = await serve()
    host.log.write('{"event":"listening","text":"\\u001b[31m"}\n')
    const deaf = await attached()
    const listening = await attached(0, true)
    host.log.write('{"event":"reloaded"}\n')
    const lines = (): readonly string[] =>
      listening.messages.flatMap((message) => (message.type === 'log' ? message.lines : []))
    await until('both lines', () => lines().length === 2)
    expect(lines()).toEqual(['{"event":"listening","text":"\\\\x1b[31m"}', '{"event":"reloaded"}'])
    expect(deaf.messages.some(({ type }) => type === 'log')).toBe(false)
  })

  it('answers each request with its own id, the problem in words', async () => {
    const { host } = await serve(
      fakeHost([], async ({ type }) => {
        if (type === 'drop') throw new Error('it broke')
        return type === 'release' ? null : 'no such session'
      }),
    )
    const { connection, messages } = await attached()
    connection.send({ type: 'release', id: 'a', hold: 'h1' })
    connection.send({ type: 'kill-session', id: 'b', session: 's9' })
    connection.send({ type: 'drop', id: 'c', hold: 'h1' })
    connection.send({ type: 'fetch-held', id: 'd', hold: 'h1' })
    connection.send({ type: 'fetch-held', id: 'e', hold: 'h2' })
    connection.send({ type: 'end-proxy', id: 'f' })
    const answers = (): readonly unknown[] =>
      messages.filter(({ type }) => type === 'done' || type === 'held-octets')
    await until('all answers', () => answers().length === 6)
    expect(answers()).toEqual(
      expect.arrayContaining([
        { type: 'done', id: 'a', problem: null },
        { type: 'done', id: 'b', problem: 'no such session' },
        { type: 'done', id: 'c', problem: 'it broke' },
        { type: 'held-octets', id: 'd', octets: Buffer.from('RETR 1') },
        { type: 'done', id: 'e', problem: 'it is held no longer, or holds a credential' },
        { type: 'done', id: 'f', problem: 'only the dashboard that postern opened itself may end it' },
      ]),
    )
    expect(host.requests.map(({ type }) => type)).toEqual(['release', 'kill-session', 'drop'])
  })

  it('takes new wishes of a watcher', async () => {
    const { host } = await serve()
    const { connection } = await attached()
    connection.send({ type: 'watch', version: 1, messageOctets: 77, log: false })
    await until('the wish to be known', () => host.feed.attention.messageOctets === 77)
  })

  it('says that it ends, and closes', async () => {
    const { server } = await serve()
    const watcher = await attached()
    server.announceEnding()
    await watcher.until('ending')
    await server.close()
    await until('the connection to close', () => watcher.closed() !== undefined)
    expect(watcher.closed()).toBeNull()
  })

  it('is gone for a watcher when its process dies without a word', async () => {
    const { server } = await serve()
    const watcher = await attached()
    await server.close()
    await until('the connection to close', () => watcher.closed() !== undefined)
    expect(watcher.closed()).toContain('the proxy is gone without a word')
  })
})

describe('a watcher that is none', () => {
  const hostile: readonly (readonly [string, string | Buffer])[] = [
    ['a POP3 client', 'USER bob\r\n'],
    ['a browser', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['octets without a line end', Buffer.alloc(100_000, 0xff)],
    ['JSON that is no message', '{"type":"unheard-of"}\n'],
    ['a message too early', '{"type":"kill-session","id":"1","session":"s"}\n'],
    ['a wish that is none', '{"type":"watch","version":1,"messageOctets":-1,"log":true}\n'],
    ['another version', '{"type":"watch","version":99,"messageOctets":0,"log":true}\n'],
  ]
  it.each(hostile)('is refused: %s', async (_, octets) => {
    const { host, server } = await serve()
    const { socket, told, closed } = await raw()
    socket.write(octets)
    await until('the end of the connection', closed)
    expect(told()).toMatch(/^\{"type":"done","id":"","problem":"[^"]/)
    expect(server.watchers).toBe(0)
    expect(host.requests).toEqual([])
  })

  it('may make some mistakes once it watches, is told so, and not without end', async () => {
    await serve()
    const { socket, told, closed } = await raw()
    socket.write('{"type":"watch","version":1,"messageOctets":0,"log":false}\n')
    socket.write('{"type":"unheard-of","id":"x1"}\n')
    await until('an answer', () => told().includes('"x1"'))
    expect(told()).toContain('does not understand the request')
    expect(closed()).toBe(false)
    socket.write('no json\n'.repeat(40))
    await until('the end of the connection', closed)
  })

  it('cannot put a second command behind the one it sends', async () => {
    const { host } = await serve()
    const { socket, told } = await raw()
    socket.write('{"type":"watch","version":1,"messageOctets":0,"log":false}\n')
    for (const line of ['NOOP\\r\\nDELE 1', 'NOOP\\nDELE 1', 'NOOP\\u0000'])
      socket.write(`{"type":"send","id":"1","session":"s","line":"${line}"}\n`)
    await until('three answers', () => told().split('"type":"done"').length === 4)
    expect(host.requests).toEqual([])
  })

  it('is one too many', async () => {
    await serve()
    for (let count = 0; count < MAXIMUM_WATCHERS; count += 1) await attached()
    await expect(watch(path)).rejects.toThrow(`${MAXIMUM_WATCHERS} watchers are attached already`)
    watching[0]?.connection.close()
    await until('a place', async () => {
      try {
        watching.push(await watch(path))
        return true
      } catch {
        return false
      }
    })
  })
})

describe('a watcher that takes nothing', () => {
  /** A process that attaches, and then only does what it is told to. */
  async function attachedProcess() {
    const program = `
      const socket = require('node:net').connect(process.argv[1])
      socket.write('{"type":"watch","version":1,"messageOctets":100000,"log":true}\\n')
      let text = ''
      let got = 0
      let dropped = 0
      socket.setEncoding('utf8').on('data', (octets) => {
        const lines = (text + octets).split('\\n')
        text = lines.pop()
        for (const line of lines) {
          const message = JSON.parse(line)
          if (message.type === 'hello') console.log('attached')
          if (message.type !== 'events') continue
          got += message.events.length
          dropped += message.dropped
        }
      })
      process.on('SIGUSR2', () => console.log(JSON.stringify({ got, dropped })))`
    const child = spawn(process.execPath, ['-e', program, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    let printed = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text
    })
    await until('the watcher to be attached', () => printed.includes('attached'))
    return { child, printed: () => printed }
  }

  it('does not grow the proxy, keeps nothing from others, and learns what it missed', async () => {
    const { host, server } = await serve()
    const { child, printed } = await attachedProcess()
    const other = await attached(100_000)
    child.kill('SIGSTOP')
    let published = 0
    let waiting = 0
    for (let turn = 0; turn < 200; turn += 1) {
      for (let count = 0; count < 10; count += 1) {
        published += 1
        host.feed.publish(mail(50_000, published))
      }
      published += 1
      host.feed.publish(numbered(turn))
      await new Promise((resolve) => setTimeout(resolve, 5))
      waiting = Math.max(waiting, server.waitingOctets)
    }
    expect(waiting).toBeGreaterThan(QUEUE_OCTETS / 2)
    expect(waiting).toBeLessThan(2 * (QUEUE_OCTETS + SOCKET_OCTETS))
    await until(
      'the other watcher to know all',
      () => other.contents().length + other.dropped() === published,
    )
    child.kill('SIGCONT')
    let seen = ''
    await until('the stopped watcher to catch up', async () => {
      child.kill('SIGUSR2')
      await new Promise((resolve) => setTimeout(resolve, 50))
      seen = printed().trimEnd().split('\n').at(-1) ?? ''
      const { got = 0, dropped = 0 } = seen.startsWith('{') ? JSON.parse(seen) : {}
      return got + dropped === published && dropped > 0
    })
  }, 60_000)

  it('may be killed, and nothing is kept for it', async () => {
    const { host, server } = await serve()
    const { child } = await attachedProcess()
    const other = await attached()
    expect(server.watchers).toBe(2)
    child.kill('SIGSTOP')
    for (let count = 0; count < 500; count += 1) host.feed.publish(mail(10_000, count))
    child.kill('SIGKILL')
    await until('the watcher to be gone', () => server.watchers === 1)
    host.feed.publish(numbered(1))
    await until('the other to be told', () => other.numbers().length === 1)
    expect(host.feed.attention.messageOctets).toBe(0)
  })
})
