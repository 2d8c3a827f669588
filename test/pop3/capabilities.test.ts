import { describe, expect, it } from 'vitest'
import {
  announces,
  type ClientLeg,
  capabilitiesForClient,
  decodeCapabilities,
} from '../../src/pop3/capabilities.js'

const DOVECOT =
  'CAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nSTLS\r\nUSER\r\nSASL PLAIN LOGIN\r\n'
const PLAIN: ClientLeg = { offersStls: false, refusesLogin: false }

function forClient(content: string, leg: ClientLeg): string {
  return capabilitiesForClient(decodeCapabilities(Buffer.from(content, 'latin1')), leg).toString('latin1')
}

describe('decodeCapabilities', () => {
  it('reads tags in upper case and parameters as they are', () => {
    const list = decodeCapabilities(Buffer.from('top\r\nExpire 60\r\nSASL  CRAM-MD5 plain \r\n'))
    expect(list).toEqual([
      { tag: 'TOP', parameters: [], line: 'top' },
      { tag: 'EXPIRE', parameters: ['60'], line: 'Expire 60' },
      { tag: 'SASL', parameters: ['CRAM-MD5', 'plain'], line: 'SASL  CRAM-MD5 plain ' },
    ])
  })

  it('keeps empty lines and reads an empty list', () => {
    expect(decodeCapabilities(Buffer.from(''))).toEqual([])
    expect(decodeCapabilities(Buffer.from('\r\nTOP\r\n'))).toEqual([
      { tag: '', parameters: [], line: '' },
      { tag: 'TOP', parameters: [], line: 'TOP' },
    ])
  })

  it('finds a tag whole, never a part of one', () => {
    const list = decodeCapabilities(Buffer.from('EXPIRENEVER\r\nSTLSX\r\nIMPLEMENTATION STLS\r\n'))
    expect(announces(list, 'EXPIRENEVER')).toBe(true)
    for (const tag of ['EXPIRE', 'STLS', 'IMPLEMENTATION STLS']) expect(announces(list, tag)).toBe(false)
  })
})

describe('capabilitiesForClient', () => {
  it("takes the server's STLS away where postern offers none", () => {
    expect(forClient(DOVECOT, PLAIN)).toBe(
      'CAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nUSER\r\nSASL PLAIN LOGIN\r\n',
    )
  })

  it("offers postern's STLS whether or not the server has one", () => {
    const leg = { offersStls: true, refusesLogin: false }
    expect(forClient('TOP\r\nstls\r\n', leg)).toBe('TOP\r\nPIPELINING\r\nSTLS\r\n')
    expect(forClient('TOP\r\n', leg)).toBe('TOP\r\nPIPELINING\r\nSTLS\r\n')
  })

  it('announces PIPELINING once', () => {
    expect(forClient('pipelining\r\n', PLAIN)).toBe('pipelining\r\n')
    expect(forClient('', PLAIN)).toBe('PIPELINING\r\n')
  })

  it('names no way to log in where a login would be refused', () => {
    expect(forClient('USER\r\nSASL PLAIN\r\nTOP\r\n', { offersStls: true, refusesLogin: true })).toBe(
      'TOP\r\nPIPELINING\r\nSTLS\r\n',
    )
  })

  it('takes away mechanisms that would bind the wrong channel, and SASL where none is left', () => {
    expect(forClient('SASL SCRAM-SHA-1 scram-sha-1-plus PLAIN\r\n', PLAIN)).toBe(
      'SASL SCRAM-SHA-1 PLAIN\r\nPIPELINING\r\n',
    )
    expect(forClient('SASL SCRAM-SHA-256-PLUS\r\n', PLAIN)).toBe('PIPELINING\r\n')
  })

  it('leaves every other line octet for octet', () => {
    expect(forClient('X\xff  a\tb \r\n\r\nSASL  PLAIN\r\n', PLAIN)).toBe(
      'X\xff  a\tb \r\n\r\nSASL  PLAIN\r\nPIPELINING\r\n',
    )
  })
})
