import { describe, expect, it } from 'vitest'
import { UsageError } from '../../src/cli/failure.js'
import { FilterMistake } from '../../src/cli/filter-option.js'
import { checkOptions, type SharedOptions } from '../../src/cli/options.js'
import { NO_COMMAND_LINE_SETTINGS } from '../../src/config/load.js'

const PIN = Buffer.alloc(32, 7).toString('base64')
const FINGERPRINT = '0123456789abcdef'.repeat(4)

describe('checkOptions', () => {
  it('says nothing where nothing is given', () => {
    expect(checkOptions({ stls: true }, '/etc/office')).toEqual({
      file: null,
      commandLine: NO_COMMAND_LINE_SETTINGS,
    })
  })

  it('takes over every option, with paths relative to the directory', () => {
    const options: SharedOptions = {
      listen: ['pop3://127.0.0.1:1110', 'POP3S://[::]'],
      upstream: 'pop3s://pop.example.org',
      upstreamCa: 'ca.pem',
      upstreamName: 'Mail.Example.org',
      pin: [PIN],
      acceptCertificate: [FINGERPRINT.toUpperCase()],
      cert: 'a.pem',
      key: '/b.pem',
      stls: false,
      oldTls: true,
      authorityDir: 'ca',
      write: 'x.jsonl',
      writeMessages: '64KiB',
      writeFilter: 'user == "bob"',
      writeMaxSize: '64MiB',
      control: 'run/postern.sock',
      metrics: '[::1]:9111',
      rules: ['rules', '/more.yaml'],
      quarantine: 'q',
      verdicts: 'v.jsonl',
      config: 'postern.yaml',
      logLevel: 'debug',
    }
    expect(checkOptions(options, '/etc/office')).toEqual({
      file: '/etc/office/postern.yaml',
      commandLine: {
        listen: [
          { security: 'plain', host: '127.0.0.1', port: 1110 },
          { security: 'tls', host: '::', port: 995 },
        ],
        upstream: { security: 'tls', host: 'pop.example.org', port: 995 },
        upstreamCaFile: '/etc/office/ca.pem',
        upstreamName: 'mail.example.org',
        pins: [PIN],
        acceptCertificates: [FINGERPRINT],
        certificate: { certFile: '/etc/office/a.pem', keyFile: '/b.pem' },
        offerStls: false,
        oldTls: true,
        authorityDirectory: '/etc/office/ca',
        writeFile: '/etc/office/x.jsonl',
        writeMessageOctets: 65_536,
        writeFilter: 'user == "bob"',
        writeMaxOctets: 67_108_864,
        control: { type: 'path', path: '/etc/office/run/postern.sock' },
        metrics: { type: 'address', host: '::1', port: 9_111 },
        rules: ['/etc/office/rules', '/more.yaml'],
        quarantineDirectory: '/etc/office/q',
        verdictsFile: '/etc/office/v.jsonl',
        logLevel: 'debug',
      },
    })
  })

  const mistakes: readonly (readonly [SharedOptions, RegExp])[] = [
    [{ listen: ['pop4://x'] }, /^--listen: found "pop4:\/\/x", expected pop3:\/\//],
    [{ upstream: 'pop.example.org' }, /^--upstream: found "pop\.example\.org", expected pop3:\/\//],
    [{ upstream: 'pop3s://h:0' }, /^--upstream: .* expected a port from 1 to 65535/],
    [{ upstreamName: 'a b' }, /^--upstream-name: found "a b", expected a host name/],
    [{ upstreamCa: '' }, /^--upstream-ca: found "", expected a path/],
    [{ rules: ['a', ''] }, /^--rules: found "", expected a path/],
    [{ pin: ['x'] }, /^--pin: found "x", expected a SHA-256/],
    [{ acceptCertificate: [PIN] }, /^--accept-certificate: .* 64 hexadecimal digits/],
    [{ cert: 'a' }, /^--cert needs --key/],
    [{ key: 'a' }, /^--key needs --cert/],
    [{ writeMessages: 'all' }, /^--write-messages: found "all", expected a number of octets such as 65536/],
    [{ writeMaxSize: '1KiB' }, /^--write-max-size: .* from 64KiB to/],
    [{ control: '' }, /^--control: found "", expected a path/],
    [
      { metrics: '0.0.0.0:9110' },
      /^--metrics: found "0\.0\.0\.0:9110", expected a loopback address such as 127\.0\.0\.1:9110 .*, or none: programs of this machine alone may ask$/,
    ],
    [{ logLevel: 'wran' }, /^--log-level: found "wran", expected one of silent, .* \(did you mean warn\?\)/],
  ]
  it.each(mistakes)('names what is wrong with %j', (options, message) => {
    expect(() => checkOptions(options, '/etc/office')).toThrow(UsageError)
    expect(() => checkOptions(options, '/etc/office')).toThrow(message)
  })

  it('takes none for no control socket, and no number for whole messages', () => {
    const { commandLine } = checkOptions({ control: 'none', writeMessages: true }, '/')
    expect(commandLine.control).toEqual({ type: 'none' })
    expect(commandLine.writeMessageOctets).toBe(16_777_216)
  })

  it('serves metrics at the usual address where none is named, and nowhere for none', () => {
    expect(checkOptions({ metrics: true }, '/').commandLine.metrics).toEqual({
      type: 'address',
      host: '127.0.0.1',
      port: 9_110,
    })
    expect(checkOptions({ metrics: 'none' }, '/').commandLine.metrics).toEqual({ type: 'none' })
  })

  it('marks the place of a mistake in a filter', () => {
    expect(() => checkOptions({ writeFilter: 'usre == "bob"' }, '/')).toThrow(FilterMistake)
    expect(() => checkOptions({ writeFilter: 'usre == "bob"' }, '/')).toThrow(
      /^--write-filter: .*\n {2}usre == "bob"\n {2}\^{4}$/,
    )
  })

  it('names every mistake at once', () => {
    expect(() => checkOptions({ listen: ['x', 'y'], pin: ['z'] }, '/etc/office')).toThrow(
      /"x".*\n.*"y".*\n.*"z"/,
    )
  })

  it('never repeats a password', () => {
    const options = { upstream: 'pop3s://me:hunter2@h' }
    expect(() => checkOptions(options, '/etc/office')).toThrow('credentials do not belong into it')
    expect(() => checkOptions(options, '/etc/office')).not.toThrow('hunter2')
  })
})
