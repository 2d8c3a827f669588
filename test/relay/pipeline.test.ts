import { describe, expect, test } from 'vitest'
import { decodeCommand } from '../../src/pop3/command.js'
import { type Exchange, newExchange } from '../../src/relay/exchange.js'
import { refusal } from '../../src/relay/local-answer.js'
import { Pipeline } from '../../src/relay/pipeline.js'
import type { Origin } from '../../src/trace/event.js'

/** A pipeline of the commands given, and what it has sent, by keyword. */
class Sent {
  readonly pipeline: Pipeline
  /** The keyword at which `give` says that the command is held. */
  holds: string | null = null
  #sent: string[] = []

  constructor(limits: { pendingCommands?: number; pipelinedCommands?: number } = {}) {
    this.pipeline = new Pipeline({ pendingCommands: 1_000, pipelinedCommands: 64, ...limits })
  }

  add(line: string, origin: Origin = 'client'): Exchange {
    const wire = Buffer.from(`${line}\r\n`)
    const { command } = decodeCommand(wire, new Set())
    const exchange = newExchange(1, origin, command, wire, { shown: line, isSecret: false }, 0, null)
    this.pipeline.add(exchange)
    return exchange
  }

  addLocal(line: string, next: 'go-on' | 'start-tls' = 'go-on'): Exchange {
    const exchange = this.add(line)
    exchange.local = { ...refusal(null, 'no'), next }
    return exchange
  }

  /** @returns what is sent now */
  send(): string {
    this.pipeline.send(({ command }) => {
      if (command.keyword === this.holds) return 'waits'
      this.#sent.push(command.keyword)
      return 'sent'
    })
    return this.#sent.splice(0).join(' ')
  }
}

describe('what may be sent', () => {
  test('is one command at a time to a server that has not announced PIPELINING', () => {
    const it = new Sent()
    it.add('STAT')
    it.add('NOOP')
    expect(it.send()).toBe('STAT')
    expect(it.send()).toBe('')
    it.pipeline.finish()
    expect(it.send()).toBe('NOOP')
    it.pipeline.serverAnnounces(true)
    it.add('LIST')
    expect(it.send()).toBe('LIST')
    it.pipeline.serverAnnounces(false)
    it.add('UIDL')
    expect(it.send()).toBe('')
  })

  test('is never more in flight than the limit', () => {
    const it = new Sent({ pipelinedCommands: 2 })
    it.pipeline.serverAnnounces(true)
    for (const line of ['STAT', 'NOOP', 'LIST']) it.add(line)
    expect(it.send()).toBe('STAT NOOP')
    expect(it.pipeline.inFlight).toBe(2)
    it.pipeline.finish()
    expect(it.send()).toBe('LIST')
  })

  test('ends at a command that must be the last of a group, until that is answered', () => {
    const it = new Sent()
    it.pipeline.serverAnnounces(true)
    for (const line of ['NOOP', 'PASS secret', 'STAT']) it.add(line)
    expect(it.send()).toBe('NOOP PASS')
    expect(it.send()).toBe('')
    it.pipeline.finish()
    expect(it.send()).toBe('')
    it.pipeline.finish()
    expect(it.send()).toBe('STAT')
  })

  test('passes over what postern answers itself', () => {
    const it = new Sent()
    it.pipeline.serverAnnounces(true)
    it.add('STAT')
    it.addLocal('XCLIENT a')
    it.add('NOOP')
    expect(it.send()).toBe('STAT NOOP')
    expect(it.pipeline.inFlight).toBe(2)
  })

  test('ends at a held command, whose turn stays', () => {
    const it = new Sent()
    it.pipeline.serverAnnounces(true)
    for (const line of ['STAT', 'DELE 1', 'NOOP']) it.add(line)
    it.holds = 'DELE'
    expect(it.send()).toBe('STAT')
    expect(it.pipeline.inFlight).toBe(1)
    it.holds = null
    expect(it.send()).toBe('DELE NOOP')
  })
})

describe('behind a line that is no reply', () => {
  test('commands are sent as if the server pipelined, until the next reply', () => {
    const it = new Sent({ pipelinedCommands: 3 })
    for (const line of ['STAT', 'NOOP', 'LIST', 'UIDL', 'RSET']) it.add(line)
    expect(it.send()).toBe('STAT')
    it.pipeline.strayed()
    expect(it.send()).toBe('NOOP LIST')
    it.pipeline.finish()
    expect(it.send()).toBe('')
    it.pipeline.finish()
    it.pipeline.finish()
    expect(it.send()).toBe('UIDL')
  })

  test('a command that must be the last of a group holds up no other, but for its own group', () => {
    const it = new Sent()
    for (const line of ['PASS secret', 'STAT', 'QUIT', 'NOOP']) it.add(line)
    expect(it.send()).toBe('PASS')
    it.pipeline.strayed()
    expect(it.send()).toBe('STAT QUIT')
  })
})

describe('whose turn it is', () => {
  test('is said of the oldest, and of the oldest of the client', () => {
    const it = new Sent()
    expect(it.pipeline.head).toBeNull()
    expect(it.pipeline.newest).toBeNull()
    expect(it.pipeline.owed).toBeNull()
    const own = it.add('NOOP', 'watcher')
    const clients = it.add('STAT')
    expect(it.pipeline.head).toBe(own)
    expect(it.pipeline.newest).toBe(clients)
    expect(it.pipeline.owed).toBe(clients)
    expect(it.pipeline.ofWatchers).toBe(1)
    expect(it.pipeline.awaited).toBeNull()
    it.send()
    expect(it.pipeline.awaited).toBe(own)
  })

  test('is of what postern answers only where nothing stands before it', () => {
    const it = new Sent()
    it.add('STAT')
    const local = it.addLocal('STLS', 'start-tls')
    it.send()
    expect(it.pipeline.takeLocal()).toBeNull()
    expect(it.pipeline.owesStlsAnswer).toBe(true)
    it.pipeline.finish()
    expect(it.pipeline.takeLocal()).toBe(local)
    expect(it.pipeline.owesStlsAnswer).toBe(false)
    expect(it.pipeline.inFlight).toBe(0)
  })

  test('passes to one exchange where the rest is not answered any more', () => {
    const it = new Sent()
    const first = it.add('STAT')
    it.add('NOOP')
    const last = newExchange(2, 'client', first.command, first.wire, first, 0, refusal(null, 'no'))
    it.pipeline.endWith(last)
    expect(it.pipeline.newest).toBe(last)
    expect(it.pipeline.takeAll()).toEqual([first, last])
    expect(it.pipeline.head).toBeNull()
  })
})

describe('of the commands that wait', () => {
  test('there are as many as the limit says', () => {
    const it = new Sent({ pendingCommands: 2 })
    it.add('STAT')
    expect(it.pipeline.isFull).toBe(false)
    it.add('NOOP')
    expect(it.pipeline.isFull).toBe(true)
  })

  test('it is known whether one begins a SASL exchange', () => {
    const it = new Sent()
    it.add('STAT')
    expect(it.pipeline.hasSaslExchange).toBe(false)
    it.add('AUTH PLAIN')
    it.add('NOOP')
    expect(it.pipeline.hasSaslExchange).toBe(true)
  })

  test('only those of the client for the server count as unsent', () => {
    const it = new Sent()
    it.add('NOOP', 'watcher')
    it.addLocal('XCLIENT a')
    expect(it.pipeline.hasUnsent).toBe(false)
    it.add('STAT')
    expect(it.pipeline.hasUnsent).toBe(true)
    it.pipeline.serverAnnounces(true)
    it.send()
    expect(it.pipeline.hasUnsent).toBe(false)
  })
})
