import { describe, expect, test } from 'vitest'
import { type Command, decodeCommand } from '../../src/pop3/command.js'
import { DEFAULT_LIMITS, type Limits } from '../../src/pop3/limits.js'
import { Session } from '../../src/pop3/session.js'
import { ClientLeg, type ClientLegOptions } from '../../src/relay/client-leg.js'
import { newExchange } from '../../src/relay/exchange.js'
import { Narrator } from '../../src/relay/narrator.js'
import { Pipeline } from '../../src/relay/pipeline.js'
import { NO_ATTENTION, type TraceContent } from '../../src/trace/event.js'

const OK = { indicator: '+OK', responseCode: null, text: '' } as const

function command(line: string): Command {
  return decodeCommand(Buffer.from(`${line}\r\n`), new Set()).command
}

/** A leg with the parts it looks at, and what it told. */
class Leg {
  readonly session = new Session()
  readonly pipeline: Pipeline
  readonly told: TraceContent[] = []
  readonly leg: ClientLeg

  constructor(options: Partial<ClientLegOptions> = {}, limits: Partial<Limits> = {}) {
    const { session, told } = this
    const all = { ...DEFAULT_LIMITS, ...limits }
    const multiLineVerbs = new Set<string>()
    const shown = { showsUserNames: true, multiLineVerbs, attention: NO_ATTENTION }
    const narrator = new Narrator(shown, session, (content) => told.push(content))
    this.pipeline = new Pipeline(all)
    const parts = { limits: all, multiLineVerbs, session, pipeline: this.pipeline, narrator }
    this.leg = new ClientLeg({ security: 'plain', offersStls: true, ...options }, parts)
  }

  /** Takes octets and decodes all that may be. @returns the keywords */
  takes(octets: string): string {
    expect(this.leg.push(Buffer.from(octets, 'latin1'))).toBeNull()
    const keywords: string[] = []
    for (let event = this.leg.next(); event !== null; event = this.leg.next())
      if (event.type === 'command') {
        keywords.push(event.command.keyword)
        this.gives(event.command)
      } else keywords.push(event.type)
    return keywords.join(' ')
  }

  gives(given: Command): void {
    const local = this.leg.localAnswerTo(given)
    this.leg.given(7, given, local)
    const told = { shown: '', isSecret: false }
    this.pipeline.add(newExchange(7, 'client', given, Buffer.from('x\r\n'), told, 0, local))
  }

  /** What postern answers to PASS, null where the server is to answer. */
  get answerToPass(): string | null {
    return this.leg.localAnswerTo(command('PASS x'))?.text ?? null
  }
}

describe('a line is decoded', () => {
  test('as a command, until QUIT', () => {
    expect(new Leg().takes('STAT\r\nQUIT\r\nNOOP\r\n')).toBe('STAT QUIT')
  })

  test('behind QUIT only where a person put something else in its place', () => {
    const it = new Leg()
    it.takes('QUIT\r\n')
    it.leg.replaced(command('QUIT'), command('QUIT'))
    expect(it.leg.hasQuit).toBe(true)
    it.leg.replaced(command('NOOP'), null)
    expect(it.leg.hasQuit).toBe(true)
    it.leg.replaced(command('QUIT'), command('NOOP'))
    expect(it.takes('STAT\r\n')).toBe('STAT')
    const dropped = new Leg()
    dropped.takes('QUIT\r\n')
    dropped.leg.replaced(command('QUIT'), null)
    expect(dropped.leg.hasQuit).toBe(false)
  })

  test('only where there is room for one more command', () => {
    const it = new Leg({}, { pendingCommands: 2 })
    expect(it.takes('STAT\r\nNOOP\r\nLIST\r\n')).toBe('STAT NOOP')
    expect(it.leg.wantsOctets).toBe(false)
    it.pipeline.finish()
    expect(it.leg.wantsOctets).toBe(true)
    expect(it.takes('')).toBe('LIST')
  })

  test('behind AUTH when the server has spoken, and then as a credential', () => {
    const it = new Leg()
    expect(it.takes('AUTH PLAIN\r\nUSER\r\nSTAT\r\n')).toBe('AUTH')
    it.leg.challenged()
    expect(it.leg.owesResponse).toBe(true)
    expect(it.leg.next()).toMatchObject({ type: 'sasl-response' })
    it.leg.responded()
    expect(it.leg.owesResponse).toBe(false)
    expect(it.leg.next()).toBeNull()
  })
})

test('octets are wanted until the longest line would fit', () => {
  const limits = { socketBufferOctets: 4, commandLineOctets: 8, saslLineOctets: 12 }
  const it = new Leg({}, limits)
  it.takes('AUTH PLAIN\r\n')
  it.takes('a'.repeat(11))
  expect(it.leg.wantsOctets).toBe(true)
  it.takes('a')
  expect(it.leg.wantsOctets).toBe(false)
  expect(it.leg.octets).toBe(24)
})

describe('a TLS handshake in clear', () => {
  test('is told from a command by the first octet of the session, and by no later one', () => {
    expect(new Leg().leg.push(Buffer.from([0x16, 3, 1]))).toMatchObject({
      code: 'POSTERN_CLIENT_PROTOCOL',
      hint: expect.stringContaining('STARTTLS'),
    })
    const later = new Leg()
    later.takes('NOOP\r\n')
    expect(later.leg.push(Buffer.from([0x16, 3, 1]))).toBeNull()
  })

  test('is none within TLS', () => {
    const it = new Leg({ security: 'tls' })
    it.leg.tlsEstablished()
    expect(it.leg.push(Buffer.from([0x16, 3, 1]))).toBeNull()
  })
})

describe('behind STLS', () => {
  test('what comes in clear is never decoded, and told with its number', () => {
    const it = new Leg()
    expect(it.takes('STLS\r\nUSER eve\r\n')).toBe('STLS')
    expect(it.leg.awaitsTls).toBe(true)
    expect(it.takes('PASS x\r\n')).toBe('')
    const anomaly = { type: 'anomaly', side: 'client', number: 7, anomaly: 'clear-text-after-stls' }
    expect(it.told).toEqual([
      { ...anomaly, octets: 10 },
      { ...anomaly, octets: 8 },
    ])
    it.pipeline.takeAll()
    it.leg.tlsEstablished()
    expect(it.leg.awaitsTls).toBe(false)
    expect(it.takes('CAPA\r\n')).toBe('CAPA')
  })

  test('nothing is told where nothing came', () => {
    const it = new Leg()
    it.takes('STLS\r\n')
    expect(it.told).toEqual([])
  })

  test('what was said before is forgotten', () => {
    const it = new Leg()
    it.takes('USER bob\r\n')
    it.session.commandGiven(command('USER bob'))
    it.takes('STLS\r\n')
    it.leg.tlsEstablished()
    expect(it.session.user).toBeNull()
    expect(it.answerToPass).toBe('send USER first: what came before TLS is forgotten')
  })
})

describe('PASS within TLS goes to the server', () => {
  test('behind a USER, be it the client or a person that gave it', () => {
    const it = new Leg()
    it.leg.tlsEstablished()
    it.gives(command('USER bob'))
    expect(it.answerToPass).toBeNull()
    const edited = new Leg()
    edited.leg.tlsEstablished()
    edited.leg.replaced(command('NOOP'), command('USER bob'))
    expect(edited.answerToPass).toBeNull()
  })

  test('but not behind a USER that postern refused', () => {
    const it = new Leg({ security: 'tls' })
    it.leg.tlsEstablished()
    it.leg.given(1, command('USER bob'), it.leg.localAnswerTo(command('XCLIENT a')))
    expect(it.answerToPass).not.toBeNull()
  })
})

describe('STLS is offered', () => {
  test('where it can be had, until TLS stands', () => {
    expect(new Leg({ offersStls: false }).leg.offersStlsNow).toBe(false)
    const { leg } = new Leg()
    expect(leg.offersStlsNow).toBe(true)
    leg.tlsEstablished()
    expect(leg.offersStlsNow).toBe(false)
  })

  test('until the login', () => {
    const it = new Leg()
    it.session.commandGiven(command('PASS x'))
    it.session.replied(command('PASS x'), OK)
    expect(it.leg.offersStlsNow).toBe(false)
  })
})

test('logins wait for TLS at a listener that asks for it', () => {
  const { leg } = new Leg({ security: 'stls' })
  expect(leg.refusesLogin).toBe(true)
  leg.tlsEstablished()
  expect(leg.refusesLogin).toBe(false)
  expect(new Leg().leg.refusesLogin).toBe(false)
})
