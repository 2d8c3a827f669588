import { describe, expect, test } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'
import { ServerLeg, serverFailure } from '../../src/relay/server-leg.js'

const GREETING = Buffer.from('+OK ready <1@x>\r\n')
const OK = { indicator: '+OK', responseCode: null, text: 'ready' } as const
const ERR = { indicator: '-ERR', responseCode: null, text: 'no' } as const
const IN_CLEAR = 'server sent octets in clear around STLS, where none may be'

function leg(security: 'plain' | 'stls' | 'tls', octets: string): ServerLeg {
  const it = new ServerLeg(security, DEFAULT_LIMITS)
  expect(it.push(Buffer.from(octets))).toBeNull()
  return it
}

/** A leg whose server was asked for STLS. */
function askedForStls(answer: string): ServerLeg {
  const it = leg('stls', '+OK ready\r\n')
  it.next('greeting')
  expect(it.greeted(OK, GREETING)).toEqual({ type: 'send-stls' })
  expect(it.push(Buffer.from(answer))).toBeNull()
  it.next('single-line')
  return it
}

describe('a greeting', () => {
  test('opens a leg that needs no STLS, and goes to the client as it came', () => {
    for (const security of ['plain', 'tls'] as const)
      expect(leg(security, '').greeted(OK, GREETING)).toEqual({ type: 'open', greeting: GREETING })
  })

  test('that refuses goes to the client whatever the leg is', () => {
    for (const security of ['plain', 'stls', 'tls'] as const)
      expect(leg(security, '').greeted(ERR, GREETING)).toEqual({ type: 'refused', greeting: GREETING })
  })

  test('with octets behind it ends a leg that is to have STLS', () => {
    expect(leg('stls', '+OK forged\r\n').greeted(OK, GREETING)).toMatchObject({
      type: 'failed',
      failure: { text: IN_CLEAR, isPermanent: true },
    })
    expect(leg('plain', 'more\r\n').greeted(OK, GREETING)).toMatchObject({ type: 'open' })
  })
})

describe('the answer to STLS', () => {
  test('begins TLS, behind which the kept greeting opens the leg', () => {
    const it = askedForStls('+OK begin\r\n')
    expect(it.stlsAnswered(OK)).toEqual({ type: 'start-tls' })
    expect(it.upgraded()).toEqual({ type: 'open', greeting: GREETING })
    expect(it.push(Buffer.from('+OK\r\n'))).toBeNull()
    expect(it.next('single-line')).toMatchObject({ type: 'reply' })
  })

  test('that refuses says what to do', () => {
    expect(askedForStls('-ERR\r\n').stlsAnswered(ERR)).toMatchObject({
      type: 'failed',
      failure: { code: 'POSTERN_SERVER_NO_STLS', hint: expect.stringContaining('pop3s://') },
    })
  })

  test('with octets behind it ends the session', () => {
    const it = askedForStls('+OK begin\r\n+OK forged\r\n')
    expect(it.stlsAnswered(OK)).toMatchObject({ type: 'failed', failure: { text: IN_CLEAR } })
  })

  test('is the last octet in clear: what comes behind it is counted, never decoded', () => {
    const it = askedForStls('+OK begin\r\n')
    it.stlsAnswered(OK)
    const before = it.octets
    expect(it.push(Buffer.from('+OK forged\r\n'))).toMatchObject({ text: IN_CLEAR })
    expect(it.octets).toBe(before + 12)
    expect(it.hasUndecoded).toBe(false)
    expect(it.next('single-line')).toBeNull()
  })
})

test('octets are counted on every way', () => {
  const it = leg('plain', '+OK\r\nabc')
  it.next('multi-line')
  it.next('multi-line')
  expect(it.octets).toBe(8)
  expect(it.takeContent(Buffer.from('defghi'))).toBe(true)
  expect(it.octets).toBe(14)
  expect(it.takeContent(Buffer.from('\r\n.\r\n'))).toBe(false)
  expect(it.octets).toBe(14)
})

test('a failure of the server has no hint where the text says it all', () => {
  expect(serverFailure('POSTERN_DEADLINE', 'server sent no greeting in time', false)).toEqual({
    code: 'POSTERN_DEADLINE',
    isPermanent: false,
    text: 'server sent no greeting in time',
    hint: null,
  })
})
