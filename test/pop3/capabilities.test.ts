import { describe, expect, it } from 'vitest'
import {
  announces,
  type ClientLeg,
  capabilitiesForClient,
  capabilityAnomalies,
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
      { tag: 'TOP', parameters: [], line: 'top', wasHidden: false },
      { tag: 'EXPIRE', parameters: ['60'], line: 'Expire 60', wasHidden: false },
      { tag: 'SASL', parameters: ['CRAM-MD5', 'plain'], line: 'SASL  CRAM-MD5 plain ', wasHidden: false },
    ])
  })

  it('keeps empty lines and reads an empty list', () => {
    expect(decodeCapabilities(Buffer.from(''))).toEqual([])
    expect(decodeCapabilities(Buffer.from('\r\nTOP\r\n'))).toEqual([
      { tag: '', parameters: [], line: '', wasHidden: false },
      { tag: 'TOP', parameters: [], line: 'TOP', wasHidden: false },
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

describe('a list with control characters', () => {
  const OFFERS = { offersStls: true, refusesLogin: false }
  const hiding = [
    'TOP\nSTLS\r\n',
    'TOP\rSTLS\r\n',
    'STLS\0x\r\n',
    'TOP\0STLS\r\n',
    'STLS\n\r\n',
    'STLS\tnow\r\n',
    '\tSTLS\r\n',
    'STLS\v\r\n',
    '.STLS\r\n',
    'TOP\r\r\nSTLS\r\r\n',
    'TOP\nSTLS',
  ]
  it.each(hiding)('lets no STLS of the server hide in %j', (content) => {
    const sent = forClient(content, OFFERS)
    expect(sent.match(/STLS/g)).toHaveLength(1)
    expect(sent).toMatch(/^(TOP\r\n)?(x\r\n)?PIPELINING\r\nSTLS\r\n$/)
  })

  it('lets no mechanism hide from the filter', () => {
    expect(forClient('TOP\nSASL\tPLAIN\tSCRAM-SHA-1-PLUS\r\n', PLAIN)).toBe(
      'TOP\r\nSASL PLAIN\r\nPIPELINING\r\n',
    )
    expect(forClient('TOP\nSASL PLAIN\r\nUSER\0\r\n', { offersStls: false, refusesLogin: true })).toBe(
      'TOP\r\nPIPELINING\r\n',
    )
  })

  it('never ends the response early by parting a line before a dot', () => {
    expect(forClient('TOP\n.\r\nUIDL\r\n', PLAIN)).toBe('TOP\r\n..\r\nUIDL\r\nPIPELINING\r\n')
    expect(forClient('.\nTOP\r\n', PLAIN)).toBe('TOP\r\nPIPELINING\r\n')
  })

  it('is named malformed, and so is a line without tag', () => {
    for (const content of ['TOP\nUIDL\r\n', 'TOP\0\r\n', '\r\nTOP\r\n', ' \r\n']) {
      expect(anomaliesOf(content)).toEqual(['malformed-capability'])
    }
  })
})

describe('capabilityAnomalies', () => {
  it('finds nothing in the list of a real server', () => {
    expect(anomaliesOf(DOVECOT)).toEqual([])
    expect(anomaliesOf('')).toEqual([])
  })

  it('names a tag that comes twice, in whatever case', () => {
    expect(anomaliesOf('SASL PLAIN\r\nTOP\r\nsasl LOGIN\r\n')).toEqual(['capability-repeated'])
    expect(anomaliesOf('TOP\ntop\r\n')).toEqual(['malformed-capability', 'capability-repeated'])
  })
})

function anomaliesOf(content: string): readonly string[] {
  return capabilityAnomalies(decodeCapabilities(Buffer.from(content, 'latin1')))
}
