import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/file.js'
import { ConfigError } from '../../src/config/problem.js'
import type { ServiceSettings } from '../../src/config/settings.js'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'

const FILE = '/etc/postern/postern.yaml'
const PIN = Buffer.alloc(32, 7).toString('base64')
const FINGERPRINT = '0123456789abcdef'.repeat(4)

function services(text: string): readonly ServiceSettings[] {
  return parseConfig(text, FILE).settings.services ?? []
}

/** The messages of a file's mistakes, without the name of the file. */
function problems(text: string): readonly string[] {
  try {
    parseConfig(text, FILE)
  } catch (error) {
    if (error instanceof ConfigError)
      return error.message.split('\n').map((line) => line.replace(`${FILE}:`, ''))
    throw error
  }
  return []
}

describe('parseConfig', () => {
  it('completes the shortest service by every default', () => {
    expect(services('services: [{upstream: pop3s://pop.example.org}]')).toEqual([
      {
        name: 'default',
        listeners: [
          {
            url: { security: 'plain', host: '127.0.0.1', port: 1110 },
            offerStls: true,
            oldTls: false,
            certificates: [],
            names: [],
          },
        ],
        upstream: {
          url: { security: 'tls', host: 'pop.example.org', port: 995 },
          name: null,
          caFile: null,
          pins: [],
          acceptCertificates: [],
          minimumTls: 'TLSv1.2',
        },
        limits: DEFAULT_LIMITS,
        multiLineVerbs: [],
      },
    ])
  })

  it('takes over every key, with paths relative to the file', () => {
    const { settings } = parseConfig(
      `
log: { level: debug, user-names: false }
authority-dir: ca
write: /var/log/postern.jsonl
services:
  - name: office
    listen:
      - pop3://127.0.0.1
      - url: pop3s://[::]:1995
        certificate: { cert: tls/chain.pem, key: /secret/key.pem }
        names: [Mail.Example.org, "192.0.2.7"]
        old-tls: true
    upstream:
      url: pop3+stls://10.0.0.1
      name: pop.example.org
      ca: ca.pem
      pins: [sha256//${PIN}]
      accept-certificates: [${FINGERPRINT.toUpperCase()}]
      minimum-tls: TLSv1.3
    limits: { idle: 15min, command-line: 1KiB, sasl-line: 20000, sessions: 7 }
    multi-line-verbs: [xfoo]
`,
      FILE,
    )
    expect(settings).toMatchObject({
      logLevel: 'debug',
      logUserNames: false,
      authorityDirectory: '/etc/postern/ca',
      write: {
        file: '/var/log/postern.jsonl',
        messageOctets: 0,
        filter: null,
        maxOctets: 1_073_741_824,
        keep: 0,
      },
      control: null,
      metrics: null,
    })
    const [office] = settings.services ?? []
    expect(office?.listeners[0]?.url).toEqual({ security: 'plain', host: '127.0.0.1', port: 110 })
    expect(office?.listeners[1]).toEqual({
      url: { security: 'tls', host: '::', port: 1995 },
      offerStls: true,
      oldTls: true,
      certificates: [{ certFile: '/etc/postern/tls/chain.pem', keyFile: '/secret/key.pem' }],
      names: ['mail.example.org', '192.0.2.7'],
    })
    expect(office?.upstream).toEqual({
      url: { security: 'stls', host: '10.0.0.1', port: 110 },
      name: 'pop.example.org',
      caFile: '/etc/postern/ca.pem',
      pins: [PIN],
      acceptCertificates: [FINGERPRINT],
      minimumTls: 'TLSv1.3',
    })
    expect(office?.limits).toEqual({
      ...DEFAULT_LIMITS,
      idleMs: 900_000,
      commandLineOctets: 1_024,
      saslLineOctets: 20_000,
      sessions: 7,
    })
    expect(office?.multiLineVerbs).toEqual(['XFOO'])
  })

  it('takes one listener without a list', () => {
    expect(services('services: [{listen: "pop3s://[::1]", upstream: pop3s://h}]')[0]?.listeners).toHaveLength(
      1,
    )
  })

  it.each(['', '# nothing but a comment\n', '{}'])('takes %j for a file that says nothing', (text) => {
    expect(parseConfig(text, FILE).settings.services).toBeNull()
  })

  it('remembers the place of each value', () => {
    const { places } = parseConfig('log:\n  level: warn\nservices:\n  - upstream: pop3s://h\n', FILE)
    expect([...places]).toEqual([
      ['log.level', `${FILE}:2`],
      ['services[0].upstream', `${FILE}:4`],
    ])
  })

  const service = (listen: string, upstream = 'pop3s://h', more = ''): string =>
    `services:\n  - listen: ${listen}\n    upstream: ${upstream}\n${more}`

  const mistakes: readonly (readonly [what: string, text: string, expected: readonly (string | RegExp)[]])[] =
    [
      [
        'a wrong scheme',
        'services:\n  - listen:\n      - url: pop4://x\n    upstream: pop3s://h\n',
        [
          '3:14: services[0].listen[0].url: found "pop4://x", expected pop3://, pop3s:// or pop3+stls:// with a host',
        ],
      ],
      [
        'a wrong scheme in the short form',
        service('[pop4://x]'),
        [/^2:14: services\[0\]\.listen\[0\]: found "pop4:\/\/x"/],
      ],
      [
        'an unknown key with a near one',
        'services:\n  - upstrem: pop3s://h\n    upstream: pop3s://h\n',
        [
          /^2:5: services\[0\]: found the unknown key "upstrem", expected one of name, listen, .* \(did you mean upstream\?\)$/,
        ],
      ],
      [
        'an unknown key without a near one',
        'colour: blue\n',
        [/^1:1: found the unknown key "colour", expected one of log, .*services$/],
      ],
      [
        'an unknown limit',
        service('pop3://::1x', 'pop3s://h', '    limits: {idel: 1h}\n'),
        [/brackets/, /did you mean idle\?/],
      ],
      [
        'a missing server',
        'services:\n  - name: a\n',
        ['2:5: services[0].upstream: found nothing, expected a URL, or a mapping with url'],
      ],
      [
        'a text where a list belongs',
        'services: x\n',
        ['1:11: services: found "x", expected a list of services'],
      ],
      [
        'no service in the list',
        'services: []\n',
        ['1:11: services: found an empty list, expected at least one service'],
      ],
      ['no mapping at all', 'hello\n', ['1:1: found "hello", expected a mapping']],
      [
        'a YAML boolean of old',
        'log: { user-names: no }\n',
        ['1:20: log.user-names: found "no", expected true or false'],
      ],
      [
        'a level that is none',
        'log: { level: verbose }\n',
        ['1:15: log.level: found "verbose", expected one of silent, error, warn, info, debug, trace'],
      ],
      [
        'a number for a URL',
        service('42'),
        [/^2:13: services\[0\]\.listen: found 42, expected a URL, a mapping with url, or a list/],
      ],
      [
        'a certificate without its key',
        service('{url: pop3s://x, certificate: {cert: a.pem}}'),
        [/^2:43: services\[0\]\.listen\.certificate\.key: found nothing, expected the path of a file/],
      ],
      [
        'a pin that is none',
        service('pop3://x', '{url: pop3s://h, pins: [abc]}'),
        [/^3:39: services\[0\]\.upstream\.pins\[0\]: found "abc", expected a SHA-256/],
      ],
      [
        'a fingerprint in base64',
        service('pop3://x', `{url: pop3s://h, accept-certificates: ["${PIN}"]}`),
        [
          /accept-certificates\[0\]: found .*, expected the SHA-256 fingerprint of a certificate, 64 hexadecimal digits/,
        ],
      ],
      [
        'TLS 1.1 toward the server',
        service('pop3://x', '{url: pop3s://h, minimum-tls: TLSv1.1}'),
        [/found "TLSv1.1", expected one of TLSv1.2, TLSv1.3/],
      ],
      [
        'port 0 of a server',
        service('pop3://x', 'pop3s://h:0'),
        [/services\[0\]\.upstream: found "pop3s:\/\/h:0", expected a port from 1 to 65535 for a server/],
      ],
      [
        'an idle time below ten minutes',
        service('pop3://x', 'pop3s://h', '    limits: { idle: 5min }\n'),
        [
          /^4:21: services\[0\]\.limits\.idle: found "5min", expected .*from 10min to 24h \(RFC 1939 §3: .*10 minutes\)/,
        ],
      ],
      [
        'a duration without unit',
        service('pop3://x', 'pop3s://h', '    limits: { idle: 660 }\n'),
        [/limits\.idle: found 660, expected a duration with its unit, such as 90s or 11min/],
      ],
      [
        'a command line below the least',
        service('pop3://x', 'pop3s://h', '    limits: { command-line: 100 }\n'),
        [/found 100, expected a number of octets.*from 255B.*RFC 2449 §4/],
      ],
      [
        'a SASL line below the least',
        service('pop3://x', 'pop3s://h', '    limits: { sasl-line: 8KiB }\n'),
        [/found "8KiB", expected a number of octets.*from 12KiB/],
      ],
      [
        'a status line below the least',
        service('pop3://x', 'pop3s://h', '    limits: { status-line: 1B }\n'),
        [/found "1B", expected .*from 512B/],
      ],
      [
        'a count with a unit',
        service('pop3://x', 'pop3s://h', '    limits: { sessions: 1KiB }\n'),
        [/found "1KiB", expected a whole number/],
      ],
      [
        'half a session',
        service('pop3://x', 'pop3s://h', '    limits: { sessions: 1.5 }\n'),
        [/found 1.5, expected a whole number/],
      ],
      [
        'no session',
        service('pop3://x', 'pop3s://h', '    limits: { sessions: 0 }\n'),
        [/found 0, expected a whole number, from 1/],
      ],
      [
        'STLS switched off where it is demanded',
        service('[{url: pop3+stls://x, stls: false}]'),
        [
          /^2:41: services\[0\]\.listen\[0\]\.stls: found stls off, expected pop3:\/\/ for a listener without STLS/,
        ],
      ],
      [
        'old TLS without any TLS',
        service('{url: pop3://x, stls: false, old-tls: true}'),
        [/^2:51: services\[0\]\.listen\.old-tls: found old-tls with stls off/],
      ],
      [
        'a certificate without any TLS',
        service('{url: pop3://x, stls: false, certificate: {cert: a, key: b}}'),
        [/listen\.certificate: found a certificate with stls off/],
      ],
      [
        'names without any TLS',
        service('{url: pop3://x, stls: false, names: [a]}'),
        [/listen\.names: found names for a certificate with stls off/],
      ],
      [
        'TLS settings for a plain server',
        service(
          'pop3://x',
          `{url: pop3://h, name: n, ca: c, pins: ["${PIN}"], accept-certificates: [${FINGERPRINT}], minimum-tls: TLSv1.3}`,
        ),
        [
          /upstream\.name: /,
          /upstream\.ca: /,
          /upstream\.pins: /,
          /upstream\.accept-certificates: /,
          /upstream\.minimum-tls: /,
        ],
      ],
      [
        'one address twice, spelled differently',
        service('["pop3://[::1]:1110", "pop3s://[0:0:0:0:0:0:0:1]:1110"]'),
        [
          /^2:35: services\[0\]\.listen\[1\]: found pop3s:\/\/\[::1\]:1110, the address of services\[0\]\.listen\[0\], expected an address of its own/,
        ],
      ],
      [
        'one address in two services',
        'services:\n  - {name: a, upstream: pop3s://h}\n  - {name: b, upstream: pop3s://h}\n',
        [
          /services\[1\]\.listen: found pop3:\/\/127\.0\.0\.1:1110, the address of services\[0\]\.listen\[0\]/,
        ],
      ],
      [
        'services that share a name',
        'services:\n  - {name: a, upstream: pop3s://h}\n  - {name: a, listen: pop3://x, upstream: pop3s://h}\n',
        [/^3:12: services\[1\]\.name: found a second service "a", expected a name of its own/],
      ],
      [
        'several services without names',
        'services:\n  - {upstream: pop3s://h}\n  - {listen: pop3://x, upstream: pop3s://h}\n',
        [/^2:5: services\[0\]\.name: found nothing, expected a name/, /^3:5: services\[1\]\.name/],
      ],
      [
        'a key twice',
        'log: {}\nlog: {}\n',
        [/^2:1: found a mistake in the YAML \(Map keys must be unique\)/],
      ],
      ['an alias without an anchor', 'log: *nowhere\n', [/a mistake in the YAML \(.*nowhere/]],
      ['a tab for indentation', 'log:\n\tlevel: info\n', [/^2:1: .*[Tt]ab/]],
      ['an open bracket', 'services: [\n', [/a mistake in the YAML/]],
    ]

  it.each(mistakes)('names %s', (_, text, expected) => {
    const found = problems(text)
    expect(found).toHaveLength(expected.length)
    expected.forEach((message, index) => {
      if (typeof message === 'string') expect(found[index]).toBe(message)
      else expect(found[index]).toMatch(message)
    })
  })

  it('names every mistake of a file, in the order of its lines', () => {
    const found = problems(`
log: { level: loud }
services:
  - name: a
    listen: [pop3://x:1, pop3://x:1]
    upstream: pop3s://h
  - name: b
    listen: pop3://y:99999
    upstream: { url: pop9://h, pin: [x] }
colour: blue
`)
    expect(found.map((line) => line.split(':')[0])).toEqual(['2', '5', '8', '9', '9', '10'])
  })

  it('tells how to write an IPv6 URL within a flow list', () => {
    for (const listen of ['[pop3://[::1]:1110]', '{url: pop3://[::1]:1110}', '[pop3s://x, pop3://[::1]]']) {
      expect(problems(service(listen)).join()).toContain('a URL with "[" needs quotes')
    }
  })

  it('never repeats a password that stands in a URL', () => {
    const found = problems('services: [{upstream: "pop3s://me:hunter2@h"}]')
    expect(found).toHaveLength(1)
    expect(found[0]).toContain('credentials do not belong into it')
    expect(found[0]).not.toContain('hunter2')
  })

  it('survives keys that every object has', () => {
    expect(problems('constructor: 1\n')).toHaveLength(1)
    expect(problems('__proto__: { log: 1 }\n')).toHaveLength(1)
  })
})

describe('a recording in a configuration', () => {
  it('has its settings, with defaults that depend on each other', () => {
    const write = (text: string) => parseConfig(`write: ${text}\n`, FILE).settings.write
    const base = { file: '/etc/postern/a.jsonl', messageOctets: 0, filter: null, maxOctets: 2 ** 30, keep: 0 }
    expect(write('a.jsonl')).toEqual(base)
    expect(write('{file: a.jsonl}')).toEqual(base)
    expect(write('{file: a.jsonl, messages: true}')).toEqual({ ...base, messageOctets: 16_777_216 })
    expect(write('{file: a.jsonl, messages: 4KiB}')).toEqual({ ...base, messageOctets: 4_096 })
    expect(write('{file: a.jsonl, max-size: 64MiB}')).toEqual({ ...base, maxOctets: 67_108_864, keep: 5 })
    expect(write('{file: a.jsonl, max-size: 65536, keep: 2}')).toEqual({
      ...base,
      maxOctets: 65_536,
      keep: 2,
    })
    expect(write(`{file: a.jsonl, filter: 'user == "bob"'}`)).toEqual({ ...base, filter: 'user == "bob"' })
  })

  it.each([
    ['{messages: true}', /write\.file: .*expected the path of a file/],
    ['{file: a, max-size: 1KiB}', /write\.max-size: found "1KiB", expected a number of octets.* from 64KiB/],
    ['{file: a, keep: 101}', /write\.keep: found 101, expected a whole number from 0 to 100/],
    ['{file: a, messages: some}', /write\.messages: found "some", expected .*octets/],
    [`{file: a, filter: 'usre == 1'}`, /write\.filter: .*expected a filter \(column 1: unknown field `usre`/],
    ['{file: a, size: 1}', /the unknown key "size".*file, messages, filter, max-size, keep/],
  ])('is refused with words: %s', (text, problem) => {
    expect(() => parseConfig(`write: ${text}\n`, FILE)).toThrow(problem)
  })

  it('has a control socket beside it, or none', () => {
    const control = (text: string) => parseConfig(text, FILE).settings.control
    expect(control('control: run/postern.sock\n')).toEqual({
      type: 'path',
      path: '/etc/postern/run/postern.sock',
    })
    expect(control('control: none\n')).toEqual({ type: 'none' })
    expect(control('')).toBeNull()
  })
})

describe('metrics in a configuration', () => {
  it.each([
    ['127.0.0.1:9110', '127.0.0.1', 9_110],
    ['127.8.9.1', '127.8.9.1', 9_110],
    ['LocalHost:80', '127.0.0.1', 80],
    ['a.localhost', '127.0.0.1', 9_110],
    ['"[::1]"', '::1', 9_110],
    ['"[0:0:0:0:0:0:0:1]:65535"', '::1', 65_535],
    ['127.0.0.1:0', '127.0.0.1', 0],
  ])('serves metrics at %s', (text, host, port) => {
    expect(parseConfig(`metrics: ${text}\n`, FILE).settings.metrics).toEqual({ type: 'address', host, port })
  })

  it('serves no metrics for none, and says nothing of them where nothing is said', () => {
    expect(parseConfig('metrics: none\n', FILE).settings.metrics).toEqual({ type: 'none' })
    expect(parseConfig('', FILE).settings.metrics).toBeNull()
  })

  it.each([
    '0.0.0.0:9110',
    '192.168.1.5:9110',
    '"[::]:9110"',
    '"[::ffff:127.0.0.1]:9110"',
    '"[::1%lo]:9110"',
    '"::1"',
    '"[127.0.0.1]:9110"',
    'mail.example.org:9110',
    'localhost.example.org:9110',
    '127.0.0.1:65536',
    '"127.0.0.1:"',
    '127.1:9110',
    '":9110"',
    'http://127.0.0.1:9110',
    '"127.0.0.1:9110 "',
    '9110',
    '""',
    'true',
  ])('refuses metrics at %s, since it is no loopback address', (text) => {
    expect(problems(`metrics: ${text}\n`)).toEqual([
      expect.stringMatching(
        /^1:10: metrics: found .*, expected a loopback address such as 127\.0\.0\.1:9110 or \[::1\]:9110, or none: programs of this machine alone may ask$/,
      ),
    ])
  })

  it('refuses metrics at the address of a listener', () => {
    const service =
      'services: [{listen: ["pop3://127.0.0.1:0", "pop3://127.0.0.1:9110"], upstream: "pop3s://h"}]'
    expect(problems(`metrics: 127.0.0.1:9110\n${service}\n`)).toEqual([
      '1:10: metrics: found 127.0.0.1:9110, the address of services[0].listen[1], expected an address of its own',
    ])
    expect(problems(`metrics: 127.0.0.1:0\n${service}\n`)).toEqual([])
  })
})
