import { describe, expect, it } from 'vitest'
import { nodeAgeWarning, refuseUnsafeEnvironment, settingsWarnings } from '../../src/cli/start-warnings.js'
import { DEFAULT_LISTENER, DEFAULT_RULES, DEFAULT_UPSTREAM } from '../../src/config/defaults.js'
import { ConfigError } from '../../src/config/problem.js'
import type { ListenerSettings, Settings, UpstreamSettings } from '../../src/config/settings.js'
import { parseLegUrl } from '../../src/config/url.js'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'

function settings(
  listen: string,
  upstream: string,
  listener: Partial<ListenerSettings> = {},
  server: Partial<UpstreamSettings> = {},
): Settings {
  return {
    log: { level: 'info', userNames: true },
    authorityDirectory: '/state',
    write: null,
    control: { type: 'none' },
    metrics: { type: 'none' },
    rules: DEFAULT_RULES,
    services: [
      {
        name: 'office',
        listeners: [{ ...DEFAULT_LISTENER, ...listener, url: parseLegUrl(listen) }],
        upstream: { ...DEFAULT_UPSTREAM, ...server, url: parseLegUrl(upstream) },
        limits: DEFAULT_LIMITS,
        multiLineVerbs: [],
      },
    ],
  }
}

describe('settingsWarnings', () => {
  it.each([
    ['pop3://127.0.0.1:1110', 'pop3s://pop.example.org'],
    ['pop3://[::1]:1110', 'pop3+stls://pop.example.org'],
    ['pop3+stls://0.0.0.0', 'pop3s://pop.example.org'],
    ['pop3s://0.0.0.0', 'pop3://127.0.0.1'],
  ])('says nothing about %s before %s', (listen, upstream) => {
    expect(settingsWarnings(settings(listen, upstream), {})).toEqual([])
  })

  it.each(['pop3://0.0.0.0', 'pop3://[::]', 'pop3://192.0.2.1', 'pop3://mail.example.org'])(
    'warns of clear logins from other machines at %s',
    (listen) => {
      const [warning, ...more] = settingsWarnings(settings(listen, 'pop3s://h'), {})
      expect(warning).toMatch(/^office: pop3:.* accepts logins in the clear from other machines/)
      expect(more).toEqual([])
    },
  )

  it('warns of old TLS, of a server in the clear and of certificates accepted unverified', () => {
    const found = settingsWarnings(
      settings('pop3s://[::1]', 'pop3://pop.example.org', { oldTls: true }, { acceptCertificates: ['a'] }),
      {},
    )
    expect(found).toHaveLength(3)
    expect(found[0]).toContain('TLS 1.0 and 1.1')
    expect(found[1]).toContain('in the clear')
    expect(found[2]).toContain('one certificate is accepted')
  })

  it('warns of SSLKEYLOGFILE', () => {
    const found = settingsWarnings(settings('pop3://[::1]', 'pop3s://h'), { SSLKEYLOGFILE: '/tmp/keys' })
    expect(found).toEqual([expect.stringContaining('/tmp/keys can decrypt every session')])
  })
})

describe('nodeAgeWarning', () => {
  it.each([
    ['v20.20.2', '2026-05-01'],
    ['v22.1.0', '2027-05-01'],
    ['v24.21.0', '2028-05-01'],
    ['v21.0.0', '2024-01-01'],
  ])('warns of %s on %s', (version, today) => {
    expect(nodeAgeWarning(version, new Date(`${today}T12:00:00Z`))).toContain(
      `Node ${version} is past its end of life`,
    )
  })
  it.each([
    ['v20.20.2', '2026-04-30'],
    ['v24.21.0', '2026-11-21'],
    ['v26.0.0', '2099-01-01'],
  ])('is silent about %s on %s', (version, today) => {
    expect(nodeAgeWarning(version, new Date(`${today}T12:00:00Z`))).toBeNull()
  })
})

describe('refuseUnsafeEnvironment', () => {
  it('refuses to run with certificate verification switched off', () => {
    expect(() => refuseUnsafeEnvironment({ NODE_TLS_REJECT_UNAUTHORIZED: '0' })).toThrow(ConfigError)
    expect(() => refuseUnsafeEnvironment({ NODE_TLS_REJECT_UNAUTHORIZED: '0' })).toThrow(
      '--accept-certificate',
    )
  })
  it.each([{}, { NODE_TLS_REJECT_UNAUTHORIZED: '1' }])('takes %j', (environment) => {
    expect(() => refuseUnsafeEnvironment(environment)).not.toThrow()
  })
})
