import { describe, expect, it } from 'vitest'
import { parseCertificateFingerprint, parsePin } from '../../src/config/fingerprint.js'

const DIGITS = '0123456789abcdef'.repeat(4)
const COLONS = (DIGITS.match(/../g) ?? []).join(':').toUpperCase()
const BASE64 = Buffer.from(DIGITS, 'hex').toString('base64')

describe('parseCertificateFingerprint', () => {
  it.each([DIGITS, DIGITS.toUpperCase(), COLONS, `SHA256:${DIGITS}`])('reads %s', (text) => {
    expect(parseCertificateFingerprint(text)).toBe(DIGITS)
  })
  it.each(['', DIGITS.slice(1), `${DIGITS}0`, COLONS.replace(':', ''), BASE64, DIGITS.replace('a', 'g')])(
    'refuses %j',
    (text) => {
      expect(parseCertificateFingerprint(text)).toBeNull()
    },
  )
})

describe('parsePin', () => {
  it.each([BASE64, BASE64.replace('=', ''), `sha256//${BASE64}`, `sha256/${BASE64}`])(
    'reads the base64 of a key, %s',
    (text) => {
      expect(parsePin(text)).toBe(BASE64)
    },
  )
  it('reads the hexadecimal of a certificate', () => {
    expect(parsePin(COLONS)).toBe(DIGITS)
  })
  it.each([
    '',
    'AAAA',
    `${BASE64}=`,
    ` ${BASE64}`,
    `*${BASE64.slice(1)}`,
    Buffer.alloc(31).toString('base64'),
  ])('refuses %j', (text) => {
    expect(parsePin(text)).toBeNull()
  })
})
