import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LegUrl } from '../../src/config/settings.js'
import {
  formatLegUrl,
  hideUserinfo,
  isLoopback,
  LegUrlError,
  parseHost,
  parseLegUrl,
} from '../../src/config/url.js'

describe('parseLegUrl', () => {
  const accepted: readonly (readonly [text: string, url: LegUrl])[] = [
    ['pop3://127.0.0.1:1110', { security: 'plain', host: '127.0.0.1', port: 1110 }],
    ['pop3://mail', { security: 'plain', host: 'mail', port: 110 }],
    ['pop3s://pop.example.org', { security: 'tls', host: 'pop.example.org', port: 995 }],
    ['pop3+stls://pop.example.org', { security: 'stls', host: 'pop.example.org', port: 110 }],
    ['POP3S://Pop.Example.ORG:0995', { security: 'tls', host: 'pop.example.org', port: 995 }],
    ['pop3://[::1]:1110', { security: 'plain', host: '::1', port: 1110 }],
    ['pop3s://[::]', { security: 'tls', host: '::', port: 995 }],
    ['pop3://[2001:DB8:0:0:0:0:0:1]', { security: 'plain', host: '2001:db8::1', port: 110 }],
    ['pop3://[fe80::1%25eth0]:1110', { security: 'plain', host: 'fe80::1%eth0', port: 1110 }],
    ['pop3://[fe80::1%eth0]:1110', { security: 'plain', host: 'fe80::1%eth0', port: 1110 }],
    ['pop3://[fe80::1%25]', { security: 'plain', host: 'fe80::1%25', port: 110 }],
    ['pop3://localhost:0', { security: 'plain', host: 'localhost', port: 0 }],
    ['pop3://localhost:65535', { security: 'plain', host: 'localhost', port: 65_535 }],
    ['pop3s://bücher.example', { security: 'tls', host: 'xn--bcher-kva.example', port: 995 }],
    ['pop3s://under_score.example', { security: 'tls', host: 'under_score.example', port: 995 }],
  ]
  it.each(accepted)('reads %s', (text, url) => {
    expect(parseLegUrl(text)).toEqual(url)
  })

  const refused: readonly (readonly [text: string, expected: RegExp])[] = [
    ['', /pop3:\/\/, pop3s:\/\/ or pop3\+stls:\/\//],
    ['pop.example.org', /pop3:\/\/, pop3s:\/\/ or pop3\+stls:\/\//],
    ['pop.example.org:995', /pop3:\/\/, pop3s:\/\/ or pop3\+stls:\/\//],
    ['pop4://x', /pop3:\/\/, pop3s:\/\/ or pop3\+stls:\/\//],
    ['constructor://x', /pop3:\/\/, pop3s:\/\/ or pop3\+stls:\/\//],
    ['pop3:x', /pop3:\/\/, pop3s:\/\/ or pop3\+stls:\/\//],
    [' pop3://x', /pop3:\/\/, pop3s:\/\/ or pop3\+stls:\/\//],
    ['pop3://', /a host name/],
    ['pop3://:110', /a host name/],
    ['pop3://*:110', /a host name/],
    ['pop3://a b', /a host name/],
    ['pop3://a..b', /a host name/],
    ['pop3://-a', /a host name/],
    ['pop3://10.0.0.256', /a host name/],
    ['pop3://127.1', /a host name/],
    ['pop3://0x7f000001', /a host name/],
    [`pop3://${'a'.repeat(64)}`, /a host name/],
    ['pop3://a\r\nb', /a host name/],
    ['pop3://user@host', /credentials do not belong/],
    ['pop3://user:pass@host', /credentials do not belong/],
    ['pop3://host/', /no path, query or fragment/],
    ['pop3://host/INBOX', /no path, query or fragment/],
    ['pop3://host?tls=no', /no path, query or fragment/],
    ['pop3://host#x', /no path, query or fragment/],
    ['pop3://host:', /a port from 0 to 65535/],
    ['pop3://host:65536', /a port from 0 to 65535/],
    ['pop3://host:-1', /a port from 0 to 65535/],
    ['pop3://host:1e3', /a port from 0 to 65535/],
    ['pop3://host:0x6e', /a port from 0 to 65535/],
    ['pop3://host:pop3', /a port from 0 to 65535/],
    ['pop3://[::1]:99999', /a port from 0 to 65535/],
    ['pop3://::1', /brackets/],
    ['pop3://::1:110', /brackets/],
    ['pop3://a:1:2', /brackets/],
    ['pop3://[::1', /between the brackets/],
    ['pop3://[127.0.0.1]', /between the brackets/],
    ['pop3://[::1]x', /between the brackets/],
    ['pop3://[]', /between the brackets/],
  ]
  it.each(refused)('refuses %j', (text, expected) => {
    expect(() => parseLegUrl(text)).toThrow(LegUrlError)
    expect(() => parseLegUrl(text)).toThrow(expected)
  })

  it.each([
    'pop3://u:hunter2@h',
    'hunter2@h',
    'pop3s://u:p/hunter2@h',
    'pop3s://u:p@hunter2@h',
    'pop3://u:hunter2@h:bad',
  ])('never shows the password of %s', (text) => {
    expect(() => parseLegUrl(text)).toThrow(/\[redacted\]@/)
    expect(() => parseLegUrl(text)).not.toThrow(/hunter2/)
  })

  it('throws nothing but LegUrlError, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `pop3://${text}`),
        ),
        (text) => {
          try {
            parseLegUrl(text)
          } catch (error) {
            expect(error).toBeInstanceOf(LegUrlError)
          }
        },
      ),
    )
  })
})

describe('formatLegUrl', () => {
  const zone = fc.stringMatching(/^[a-z0-9]{1,8}$/)
  const host = fc.oneof(
    fc.ipV4(),
    fc.ipV6().map((address) => parseHost(address) ?? '::1'),
    zone.map((name) => `fe80::1%${name}`),
    fc.domain(),
  )
  const url = fc.record({
    security: fc.constantFrom('plain' as const, 'stls' as const, 'tls' as const),
    host,
    port: fc.integer({ min: 0, max: 65_535 }),
  })

  it('writes what parseLegUrl reads back as the same leg', () => {
    fc.assert(
      fc.property(url, (leg) => {
        expect(parseLegUrl(formatLegUrl(leg))).toEqual(leg)
      }),
    )
  })

  it('keeps a zone that looks like an escaped percent sign', () => {
    const leg: LegUrl = { security: 'plain', host: 'fe80::1%25x', port: 110 }
    expect(parseLegUrl(formatLegUrl(leg))).toEqual(leg)
  })

  it('always names the port and puts IPv6 into brackets', () => {
    expect(formatLegUrl({ security: 'stls', host: '::1', port: 110 })).toBe('pop3+stls://[::1]:110')
  })
})

describe('isLoopback', () => {
  it.each(['127.0.0.1', '127.9.9.9', '::1', 'localhost', 'mail.localhost'])('knows %s', (host) => {
    expect(isLoopback(host)).toBe(true)
  })
  it.each(['0.0.0.0', '::', '192.0.2.1', '127.example.org', 'localhost.example.org'])(
    'does not take %s for it',
    (host) => {
      expect(isLoopback(host)).toBe(false)
    },
  )
})

describe('hideUserinfo', () => {
  it('leaves a text without "@" alone', () => {
    expect(hideUserinfo('pop3://host:110')).toBe('pop3://host:110')
  })
})
