import { isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AddressBook, familyOf, namedEndpoint } from '../../src/export/address-book.js'

function addressOf(host: string, family: 4 | 6): string {
  const octets = new AddressBook().addressOf(host, family, 'fallback')
  if (family === 4) return octets.join('.')
  return (octets.toString('hex').match(/..../g) ?? []).join(':')
}

describe('an endpoint as events name it', () => {
  it('is host and port, with and without brackets and scheme', () => {
    expect(namedEndpoint('192.0.2.1:50000')).toEqual({ host: '192.0.2.1', port: 50_000 })
    expect(namedEndpoint('[2001:db8::1]:50000')).toEqual({ host: '2001:db8::1', port: 50_000 })
    expect(namedEndpoint('pop3+stls://pop.example.org:110')).toEqual({ host: 'pop.example.org', port: 110 })
    expect(namedEndpoint('pop3s://[::1]:995')).toEqual({ host: '::1', port: 995 })
  })

  it('is plain IPv4 where a listener for both kinds saw it mapped', () => {
    expect(namedEndpoint('[::ffff:192.0.2.1]:50000')).toEqual({ host: '192.0.2.1', port: 50_000 })
  })

  it('never fails, whatever a recording says', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        const { host, port } = namedEndpoint(text)
        expect(port).toBeLessThanOrEqual(65_535)
        for (const family of [4, 6] as const)
          expect(new AddressBook().addressOf(host, family, 'x')).toHaveLength(family === 4 ? 4 : 16)
      }),
    )
  })
})

describe('an address for a packet', () => {
  it('is the literal one, in every way that IPv6 can be written', () => {
    expect(addressOf('192.0.2.1', 4)).toBe('192.0.2.1')
    expect(addressOf('::', 6)).toMatch(/^2001:0db8:/)
    expect(addressOf('::1', 6)).toBe('0000:0000:0000:0000:0000:0000:0000:0001')
    expect(addressOf('2001:db8::7:0:1', 6)).toBe('2001:0db8:0000:0000:0000:0007:0000:0001')
    expect(addressOf('fe80::1%eth0', 6)).toBe('fe80:0000:0000:0000:0000:0000:0000:0001')
    expect(addressOf('64:ff9b::192.0.2.33', 6)).toBe('0064:ff9b:0000:0000:0000:0000:c000:0221')
  })

  it('is that of every literal, as the URL standard reads it', () => {
    fc.assert(
      fc.property(fc.ipV6(), (literal) => {
        fc.pre(isIPv6(literal) && !/^[0:]*$/.test(literal))
        const again = new URL(`http://[${addressOf(literal, 6)}]`).hostname
        expect(again).toBe(new URL(`http://[${literal}]`).hostname)
      }),
    )
  })

  it('is one of those set aside for names and for the other family, the same for the same name', () => {
    const book = new AddressBook()
    const first = book.addressOf('pop.example.org', 4, 'x')
    expect(first.join('.')).toBe('198.18.0.1')
    expect(book.addressOf('other.example.org', 4, 'x').join('.')).toBe('198.18.0.2')
    expect(book.addressOf('pop.example.org', 4, 'x')).toEqual(first)
    expect(book.addressOf('0.0.0.0', 4, 'postern').join('.')).toBe('198.18.0.3')
    expect(book.takeNames().map(({ name }) => name)).toEqual([
      'pop.example.org',
      'other.example.org',
      'postern',
    ])
    expect(book.takeNames()).toEqual([])
    expect(familyOf('pop.example.org')).toBeNull()
  })

  it('is shared by names beyond a bound, so that a recording cannot fill the memory', () => {
    const book = new AddressBook()
    for (let index = 0; index < 12_000; index += 1) {
      book.addressOf(`host-${index}`, 4, 'x')
      book.takeNames()
    }
    expect(book.addressOf('host-11000', 4, 'x')).toEqual(book.addressOf('host-11999', 4, 'x'))
    expect(book.addressOf('host-1', 4, 'x')).not.toEqual(book.addressOf('host-2', 4, 'x'))
  })
})
