import { describe, expect, it } from 'vitest'
import { DEFAULT_METRICS, DEFAULT_RULES } from '../../src/config/defaults.js'
import { parseConfig } from '../../src/config/file.js'
import { LIMIT_FACTS } from '../../src/config/limit-facts.js'
import { loadConfig, NO_COMMAND_LINE_SETTINGS } from '../../src/config/load.js'
import { printSettings } from '../../src/config/print.js'
import type { ServiceSettings, Settings } from '../../src/config/settings.js'
import { parseLegUrl } from '../../src/config/url.js'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'

const FILE = '/etc/postern/postern.yaml'

const FULL = `
log: { level: debug, user-names: false }
authority-dir: ca
write: trace.jsonl
rules: { files: [rules, more.yaml], quarantine: q, verdicts: v.jsonl, keep-alive: false }
services:
  - name: office
    listen:
      - pop3://127.0.0.1:1110
      - url: pop3s://0.0.0.0:1995
        certificate: [{ cert: a.pem, key: b.pem }, { cert: c.pem, key: d.pem }]
        names: [mail.example.org]
        old-tls: true
      - url: pop3://127.0.0.1:1111
        stls: false
    upstream:
      url: pop3s://pop.example.org
      name: cert.example.org
      ca: ca.pem
      accept-certificates: [${'ab'.repeat(32)}]
      minimum-tls: TLSv1.3
    limits: { idle: 20min, sessions: 5, command-line: 1KiB }
    multi-line-verbs: [XFOO]
  - name: attic
    listen: { url: 'pop3+stls://[::1]:1112', certificate: { cert: a.pem, key: b.pem } }
    upstream: pop3://10.0.0.1
`

function settingsOf(text: string): Settings {
  const { settings } = parseConfig(text, FILE)
  return {
    log: { level: settings.logLevel ?? 'info', userNames: settings.logUserNames ?? true },
    authorityDirectory: settings.authorityDirectory ?? '/state',
    write: settings.write,
    control: settings.control ?? { type: 'usual' },
    metrics: settings.metrics ?? DEFAULT_METRICS,
    rules: settings.rules ?? DEFAULT_RULES,
    services: settings.services ?? [],
  }
}

describe('printSettings', () => {
  it('writes a file that gives the same settings', () => {
    const settings = settingsOf(FULL)
    expect(settingsOf(printSettings(settings, null))).toEqual(settings)
    expect(settingsOf(printSettings(settings, new Map()))).toEqual(settings)
  })

  it('writes what is recorded, and where watchers attach', () => {
    const settings = settingsOf(
      `write: {file: /a.jsonl, messages: 4KiB, filter: 'user == "bob"', max-size: 1MiB, keep: 2}\ncontrol: /run/c.sock\n`,
    )
    expect(settings.write?.filter).toBe('user == "bob"')
    expect(settingsOf(printSettings(settings, null))).toEqual(settings)
    const none = settingsOf('control: none\n')
    expect(settingsOf(printSettings(none, null))).toEqual(none)
  })

  it.each(['127.0.0.1:9110', '"[::1]:0"', 'none'])('writes where metrics are served: %s', (address) => {
    const settings = settingsOf(`metrics: ${address}\n`)
    expect(settingsOf(printSettings(settings, null))).toEqual(settings)
    const { places } = parseConfig(`metrics: ${address}\n`, FILE)
    expect(printSettings(settings, places)).toMatch(/^metrics: \S+ # \/etc\/postern\/postern\.yaml:1$/m)
  })

  it('writes every limit so that it is read back', () => {
    const odd = Object.fromEntries(LIMIT_FACTS.map(({ limit, least }) => [limit, least + 1]))
    const base = settingsOf(FULL)
    const services = base.services.map(
      (service): ServiceSettings => ({ ...service, limits: { ...DEFAULT_LIMITS, ...odd } }),
    )
    const settings = { ...base, services }
    expect(settingsOf(printSettings(settings, null))).toEqual(settings)
  })

  it('says of each value where it came from', () => {
    const { places } = parseConfig(FULL, FILE)
    const lines = printSettings(settingsOf(FULL), places).split('\n')
    const originOf = (value: string): string | undefined =>
      lines.find((line) => line.trim().startsWith(value))?.split('# ')[1]
    expect(originOf('level: debug')).toBe(`${FILE}:2`)
    expect(originOf('authority-dir: /etc/postern/ca')).toBe(`${FILE}:3`)
    expect(originOf('- url: pop3://127.0.0.1:1110')).toBe(`${FILE}:9`)
    expect(originOf('keep-alive: false')).toBe(`${FILE}:5`)
    expect(originOf('- /etc/postern/more.yaml')).toBe(`${FILE}:5`)
    expect(originOf('names: []')).toBe('default')
    expect(originOf('- cert: /etc/postern/c.pem')).toBe(`${FILE}:11`)
    expect(originOf('- url: pop3+stls://[::1]:1112')).toBe(`${FILE}:25`)
    expect(originOf('cert: /etc/postern/a.pem')).toBe(`${FILE}:25`)
    expect(originOf('url: pop3://10.0.0.1:110')).toBe(`${FILE}:26`)
    expect(originOf('idle: 20min')).toBe(`${FILE}:22`)
    expect(originOf('drain: 30s')).toBe('default')
  })

  it('marks what the command line says', () => {
    const { settings, origins } = loadConfig(
      null,
      { ...NO_COMMAND_LINE_SETTINGS, upstream: parseLegUrl('pop3s://h'), pins: ['x'.repeat(43)] },
      {
        workingDirectory: '/nonexistent',
        homeDirectory: '/nonexistent',
        environment: {},
        authorityDirectory: '/state',
      },
      '/nonexistent',
    )
    const text = printSettings(settings, origins)
    expect(text).toMatch(/url: pop3s:\/\/h:995 # command line/)
    expect(text).toMatch(/- x{43} # command line/)
    expect(text).toMatch(/stls: true # default/)
  })
})
