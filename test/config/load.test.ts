import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type CommandLineSettings,
  configFiles,
  type LoadedConfig,
  loadConfig,
  NO_COMMAND_LINE_SETTINGS,
  OptionConflict,
  type Surroundings,
} from '../../src/config/load.js'
import { ConfigError } from '../../src/config/problem.js'
import type { RulesSettings } from '../../src/config/settings.js'
import { parseLegUrl } from '../../src/config/url.js'

let root: string
let surroundings: Surroundings

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'postern-config-'))
  surroundings = {
    workingDirectory: join(root, 'work'),
    homeDirectory: join(root, 'home'),
    environment: {},
    authorityDirectory: join(root, 'authority'),
  }
})

afterEach(() => {
  rmSync(root, { recursive: true })
})

function write(path: string, text: string): string {
  const file = join(root, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  return file
}

function load(options: Partial<CommandLineSettings> = {}, file: string | null = null): LoadedConfig {
  return loadConfig(file, { ...NO_COMMAND_LINE_SETTINGS, ...options }, surroundings, join(root, 'etc'))
}

function environment(variables: Readonly<Record<string, string>>): void {
  surroundings = { ...surroundings, environment: variables }
}

const ONE_SERVICE = 'services: [{name: office, upstream: {url: pop3s://h, name: cert.example.org}}]\n'
const TWO_SERVICES =
  'services: [{name: a, upstream: pop3s://h}, {name: b, listen: pop3://127.0.0.1:2110, upstream: pop3s://h}]\n'

describe('loadConfig', () => {
  it('gives the defaults and no service where nothing is said', () => {
    expect(load()).toEqual({
      settings: {
        log: { level: 'info', userNames: true },
        authorityDirectory: join(root, 'authority'),
        write: null,
        control: { type: 'usual' },
        metrics: { type: 'none' },
        rules: {
          paths: [],
          quarantineDirectory: null,
          spoolDirectory: null,
          verdictsFile: null,
          keepsClientsAlive: true,
        },
        services: [],
      },
      files: [],
      origins: new Map(),
    })
  })

  it.each<readonly [string, Partial<RulesSettings>]>([
    ['rules: rules', { paths: ['work/rules'] }],
    ['rules: [rules, /more.yaml]', { paths: ['work/rules', '/more.yaml'] }],
    [
      'rules: { files: a.yaml, quarantine: q, spool: s, verdicts: v, keep-alive: false }',
      {
        paths: ['work/a.yaml'],
        quarantineDirectory: 'work/q',
        spoolDirectory: 'work/s',
        verdictsFile: 'work/v',
        keepsClientsAlive: false,
      },
    ],
  ])('takes %s, with paths relative to the file', (text, expected) => {
    write('work/postern.yaml', `${text}\n`)
    const absolute = (path: string): string => (path.startsWith('/') ? path : join(root, path))
    const { paths = [], keepsClientsAlive = true } = expected
    const { quarantineDirectory = null, spoolDirectory = null, verdictsFile = null } = expected
    expect(load().settings.rules).toEqual({
      paths: paths.map(absolute),
      quarantineDirectory: quarantineDirectory === null ? null : absolute(quarantineDirectory),
      spoolDirectory: spoolDirectory === null ? null : absolute(spoolDirectory),
      verdictsFile: verdictsFile === null ? null : absolute(verdictsFile),
      keepsClientsAlive,
    })
  })

  it('serves metrics where the last one says, with the place that said it', () => {
    write('etc/postern.yaml', 'metrics: 127.0.0.1:9111\n')
    const { settings, origins } = load()
    expect(settings.metrics).toEqual({ type: 'address', host: '127.0.0.1', port: 9_111 })
    expect(origins.get('metrics')).toBe(join(root, 'etc/postern.yaml:1'))
    const none = load({ metrics: { type: 'none' } })
    expect(none.settings.metrics).toEqual({ type: 'none' })
    expect(none.origins.get('metrics')).toBe('command line')
  })

  it('refuses metrics of the command line at the address of a listener', () => {
    write('work/postern.yaml', TWO_SERVICES)
    const metrics = (port: number) => ({ type: 'address', host: '127.0.0.1', port }) as const
    expect(() => load({ metrics: metrics(2_110) })).toThrow(OptionConflict)
    expect(() => load({ metrics: metrics(2_110) })).toThrow(
      /\nmetrics: found 127\.0\.0\.1:2110, the address of services\[1\]\.listen\[0\], expected an address of its own$/,
    )
    expect(load({ metrics: metrics(2_111) }).settings.services).toHaveLength(2)
  })

  it('puts rules of the command line in the place of those of a file, and leaves the rest', () => {
    write('work/postern.yaml', 'rules: { files: [a, b], quarantine: q }\n')
    const { settings, origins } = load({ rules: ['/c'], verdictsFile: '/v' })
    expect(settings.rules).toMatchObject({
      paths: ['/c'],
      quarantineDirectory: join(root, 'work/q'),
      verdictsFile: '/v',
    })
    expect(origins.get('rules.files')).toBe('command line')
    expect(origins.get('rules.quarantine')).toMatch(/postern\.yaml:1$/)
  })

  it('lets options change the recording of a file, and another file begin anew', () => {
    write('work/postern.yaml', 'write: {file: a.jsonl, messages: true, max-size: 1MiB, keep: 3}\n')
    const changed = load({ writeFilter: 'errors > 0', writeMessageOctets: 10 })
    expect(changed.settings.write).toEqual({
      file: join(root, 'work/a.jsonl'),
      messageOctets: 10,
      filter: 'errors > 0',
      maxOctets: 1_048_576,
      keep: 3,
    })
    expect(changed.origins.get('write.filter')).toBe('command line')
    expect(load({ writeFile: '/b.jsonl' }).settings.write).toMatchObject({ messageOctets: 0, keep: 0 })
    expect(load({ writeFile: '/b.jsonl', writeMaxOctets: 65_536 }).settings.write).toMatchObject({ keep: 5 })
  })

  it('refuses options about a recording where nothing is recorded', () => {
    expect(() => load({ writeMessageOctets: 10, writeFilter: 'x' })).toThrow(
      '--write-messages, --write-filter: nothing is recorded; name the file with --write',
    )
  })

  it('lets the later file win key by key, and the services as a whole', () => {
    const system = write(
      'etc/postern.yaml',
      `log: {level: error, user-names: false}\nwrite: a.jsonl\n${TWO_SERVICES}`,
    )
    const user = write('home/.config/postern/postern.yaml', 'log: {level: debug}\n')
    const local = write('work/postern.yaml', ONE_SERVICE)
    const { settings, files, origins } = load()
    expect(files).toEqual([system, user, local])
    expect(settings.log).toEqual({ level: 'debug', userNames: false })
    expect(settings.write?.file).toBe(join(root, 'etc/a.jsonl'))
    expect(settings.services.map(({ name }) => name)).toEqual(['office'])
    expect(origins.get('log.level')).toBe(`${user}:1`)
    expect(origins.get('log.user-names')).toBe(`${system}:1`)
    expect(origins.get('services[0].name')).toBe(`${local}:1`)
    expect(origins.has('services[1].name')).toBe(false)
  })

  it('reads only the file that is named, relative to the working directory', () => {
    write('work/postern.yaml', 'log: {level: error}\n')
    const named = write('work/other.yaml', 'log: {user-names: false}\n')
    expect(load({}, 'other.yaml')).toMatchObject({
      files: [named],
      settings: { log: { level: 'info', userNames: false } },
    })
  })

  it('takes POSTERN_CONFIG where no file is named', () => {
    const one = write('one.yaml', 'log: {level: warn}\n')
    const two = write('two.yaml', 'log: {level: error}\n')
    environment({ POSTERN_CONFIG: one })
    expect(load().settings.log.level).toBe('warn')
    expect(load({}, two).settings.log.level).toBe('error')
  })

  it('lets POSTERN_LOG_LEVEL win over files and the command line over both', () => {
    write('work/postern.yaml', 'log: {level: error}\n')
    environment({ POSTERN_LOG_LEVEL: 'trace' })
    expect(load().settings.log.level).toBe('trace')
    expect(load().origins.get('log.level')).toBe('POSTERN_LOG_LEVEL')
    expect(load({ logLevel: 'warn' }).settings.log.level).toBe('warn')
    expect(load({ logLevel: 'warn' }).origins.get('log.level')).toBe('command line')
  })

  it('refuses a POSTERN_LOG_LEVEL that is none, and takes an empty one for absent', () => {
    environment({ POSTERN_LOG_LEVEL: 'loud' })
    expect(() => load()).toThrow(
      'environment: POSTERN_LOG_LEVEL: found "loud", expected one of silent, error,',
    )
    environment({ POSTERN_LOG_LEVEL: '' })
    expect(load().settings.log.level).toBe('info')
  })

  it('names a file that is not there', () => {
    expect(() => load({}, '/nonexistent/x.yaml')).toThrow(ConfigError)
    expect(() => load({}, '/nonexistent/x.yaml')).toThrow(
      '/nonexistent/x.yaml: found no readable file (ENOENT), expected a YAML file',
    )
  })

  it('makes a service of an upstream alone', () => {
    const { settings, origins } = load({ upstream: parseLegUrl('pop3s://pop.example.org') })
    expect(settings.services).toMatchObject([
      {
        name: 'default',
        listeners: [{ url: { security: 'plain', host: '127.0.0.1', port: 1110 }, offerStls: true }],
        upstream: { url: { host: 'pop.example.org' }, minimumTls: 'TLSv1.2' },
      },
    ])
    expect([...origins]).toEqual([['services[0].upstream.url', 'command line']])
  })

  it('makes no service of listeners without an upstream', () => {
    expect(load({ listen: [parseLegUrl('pop3://127.0.0.1')] }).settings.services).toEqual([])
  })

  it('overrides the only service of a file', () => {
    write('work/postern.yaml', ONE_SERVICE)
    const { settings, origins } = load({ listen: [parseLegUrl('pop3s://[::1]')], pins: ['p'], oldTls: true })
    expect(settings.services).toMatchObject([
      {
        name: 'office',
        listeners: [{ url: { host: '::1' }, oldTls: true }],
        upstream: { url: { host: 'h' }, name: 'cert.example.org', pins: ['p'] },
      },
    ])
    expect(origins.get('services[0].listen[0].url')).toBe('command line')
    expect(origins.get('services[0].upstream.pins')).toBe('command line')
  })

  it('starts another server without the name and pins of the one before', () => {
    write('work/postern.yaml', ONE_SERVICE)
    const { settings, origins } = load({ upstream: parseLegUrl('pop3s://other') })
    expect(settings.services[0]?.upstream).toMatchObject({ url: { host: 'other' }, name: null })
    expect(origins.has('services[0].upstream.name')).toBe(false)
  })

  it('refuses options about a service where there are several', () => {
    write('work/postern.yaml', TWO_SERVICES)
    expect(() => load({ pins: ['p'], oldTls: true })).toThrow(OptionConflict)
    expect(() => load({ pins: ['p'], oldTls: true })).toThrow(
      '--pin, --old-tls: the configuration defines 2 services (a, b)',
    )
    expect(load({ logLevel: 'warn', writeFile: '/x' }).settings.services).toHaveLength(2)
  })

  it.each<readonly [Partial<CommandLineSettings>, string]>([
    [{ upstream: parseLegUrl('pop3://h'), pins: ['p'] }, 'upstream.pins: found pins for pop3://h:110'],
    [
      { upstream: parseLegUrl('pop3s://h'), offerStls: false, listen: [parseLegUrl('pop3+stls://x')] },
      'listen[0].stls: found stls off',
    ],
    [{ upstream: parseLegUrl('pop3s://h'), offerStls: false, oldTls: true }, 'old-tls with stls off'],
    [
      { upstream: parseLegUrl('pop3s://h'), listen: [parseLegUrl('pop3://x'), parseLegUrl('pop3s://x:110')] },
      'the address of services[0].listen[0]',
    ],
  ])('refuses options that contradict each other: %j', (options, message) => {
    expect(() => load(options)).toThrow(OptionConflict)
    expect(() => load(options)).toThrow(message)
  })

  it('switches STLS off where there is one, and leaves POP3S listeners alone', () => {
    const { settings } = load({
      upstream: parseLegUrl('pop3s://h'),
      offerStls: false,
      listen: [parseLegUrl('pop3://x'), parseLegUrl('pop3s://x')],
    })
    expect(settings.services[0]?.listeners.map(({ offerStls }) => offerStls)).toEqual([false, true])
  })
})

describe('configFiles', () => {
  it('follows XDG_CONFIG_HOME where it is absolute', () => {
    const file = write('xdg/postern/postern.yaml', '')
    environment({ XDG_CONFIG_HOME: join(root, 'xdg') })
    expect(configFiles(null, surroundings, join(root, 'etc'))).toEqual([file])
  })

  it('ignores an XDG_CONFIG_HOME that is relative', () => {
    const file = write('home/.config/postern/postern.yaml', '')
    environment({ XDG_CONFIG_HOME: 'xdg' })
    expect(configFiles(null, surroundings, join(root, 'etc'))).toEqual([file])
  })
})
