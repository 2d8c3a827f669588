/**
 * Holds README.md to the code: commands marked as runnable are run, all others are parsed by the real command line,
 * every table that promises a full list is compared with what the program has, and links lead somewhere.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Writable } from 'node:stream'
import type { Command } from 'commander'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EXIT_CODES } from '../src/cli/exit-codes.js'
import { checkOptions } from '../src/cli/options.js'
import { createProgram } from '../src/cli/program.js'
import { parseCertificateFingerprint, parsePin } from '../src/config/fingerprint.js'
import { LIMIT_FACTS, spellLimit } from '../src/config/limit-facts.js'
import { jsonSchema } from '../src/config/schema.js'
import { parseFilter } from '../src/expression/filter.js'
import { ATTACHMENT_FACTS, FIELD_FACTS, FUNCTIONS, METHODS } from '../src/expression/vocabulary.js'
import { ANOMALIES } from '../src/pop3/anomaly.js'
import { DEFAULT_LIMITS } from '../src/pop3/limits.js'
import { ADMIN_LIMITS } from '../src/proxy/admin.js'
import { METERED_LISTENERS, METERED_RULES, Metrics } from '../src/proxy/metrics.js'
import { logTraceEvent } from '../src/proxy/session-log.js'
import { ACTION_FACTS } from '../src/rules/action.js'
import { loadRules } from '../src/rules/rule-set.js'
import { ruleSchema } from '../src/rules/schema.js'
import { memoryAuthority } from '../src/tls/authority.js'
import { FAILURE_CODES, type TraceContent } from '../src/trace/event.js'
import { parseExposition } from './support/exposition.js'
import { realThing } from './support/real.js'
import { freePorts, run, signalGroup, temporaryDirectory, until } from './support/tools.js'

const ROOT = resolve(import.meta.dirname, '..')
const MAIN = process.env.POSTERN_MAIN ?? join(ROOT, 'dist/main.js')
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')

interface Block {
  /** What the comment before it says: `run`, `run: demo`, `config`, `rules: FILE` and so on; null without. */
  readonly mark: string | null
  readonly language: string
  readonly text: string
  readonly line: number
}

const BLOCKS: readonly Block[] = [
  ...README.matchAll(/(?:^<!-- ([^\n]*) -->\n)?^```(\w*)\n([\s\S]*?)^```$/gm),
].map((found) => ({
  mark: found[1] ?? null,
  language: found[2] ?? '',
  text: found[3] ?? '',
  line: README.slice(0, found.index).split('\n').length,
}))
const PROSE = README.replace(/^```[\s\S]*?^```$/gm, '')
const SHELL = BLOCKS.filter(({ language }) => language === 'sh')
const NO_BLOCK = { mark: null, text: '' }
const RUNNABLE = SHELL.filter(({ mark }) => mark?.startsWith('run') === true)

/** The cells of the table behind `<!-- list: NAME -->`, without its two head lines. */
function list(name: string): readonly (readonly string[])[] {
  const table = README.split(`<!-- list: ${name} -->\n`)[1]?.split('\n\n')[0] ?? ''
  const rows = table
    .split('\n')
    .slice(2)
    .filter((row) => row.startsWith('|'))
  expect(rows.length, `rows of the list ${name}`).toBeGreaterThan(0)
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

function firstCells(name: string): readonly string[] {
  return list(name).map(([first = '']) => first.replaceAll('`', ''))
}

function codeSpans(text: string): readonly string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span)
}

/** All of src, file by file. */
const SOURCES: readonly string[] = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readFileSync(join(ROOT, 'src', file), 'utf8'))

function inSources(pattern: RegExp): readonly RegExpMatchArray[] {
  return SOURCES.flatMap((source) => [...source.matchAll(pattern)])
}

/** Keys of the object literal that begins at `start`, at its own level. */
function keysOfLiteral(source: string, start: number): readonly string[] {
  const keys: string[] = []
  let depth = 0
  let quote = ''
  let isKeyNext = false
  for (let at = start; at < source.length; at += 1) {
    const character = source[at] ?? ''
    if (quote !== '') {
      if (character === quote) quote = ''
    } else if (/['"`]/.test(character)) quote = character
    else if (/[{([]/.test(character)) {
      depth += 1
      isKeyNext = depth === 1
    } else if (/[})\]]/.test(character)) {
      depth -= 1
      if (depth === 0) return keys
    } else if (character === ',') isKeyNext = depth === 1
    else if (isKeyNext && /\w/.test(character)) {
      keys.push(/^\w+/.exec(source.slice(at))?.[0] ?? '')
      isKeyNext = false
    }
  }
  throw new Error('the literal does not end')
}

function leaves(command: Command, path: readonly string[] = []): readonly (readonly [string, Command])[] {
  if (command.commands.length === 0) return [[path.join(' '), command]]
  return command.commands.flatMap((child) => leaves(child, [...path, child.name()]))
}

const LEAVES: ReadonlyMap<string, Command> = new Map(leaves(createProgram(() => {})))

/** These have options of their own, in a list of their own. */
const OF_RECORDINGS = ['read', 'export', 'replay', 'diff', 'attach']

function longFlags(command: Command): readonly string[] {
  return command.options.map(({ long }) => long ?? '')
}

/** The commands of a shell block, each as words; continued lines are one. */
function commandsIn(text: string): readonly (readonly string[])[] {
  return text
    .replace(/\|\n/g, '| ')
    .split('\n')
    .flatMap((line) => line.replace(/\s+#.*$/, '').split(/ (?:\||&&) /))
    .map((command) =>
      command
        .trim()
        .replace(/^(?:[A-Z_]+=\S+ )+/, '')
        .replace(/ >.*$/, ''),
    )
    .filter((command) => command !== '')
    .map((command) => command.split(/\s+/))
}

/** Arguments of postern, or null where it is another program. */
function posternArguments([program, ...words]: readonly string[]): readonly string[] | null {
  if (program === 'postern') return words
  if (program !== 'npm' || words[0] !== 'start') return null
  return words.includes('--') ? words.slice(words.indexOf('--') + 1) : []
}

/** Runs the real parser and the real checks of option values, and nothing else. */
async function parse(words: readonly string[]): Promise<void> {
  const program = createProgram(() => {})
  let ran = false
  for (const [, command] of leaves(program)) {
    command.configureOutput({ writeErr: () => {} })
    command.action(() => {
      checkOptions(command.opts(), ROOT)
      ran = true
    })
  }
  await program.parseAsync([...words], { from: 'user' })
  expect(ran).toBe(true)
}

describe('links', () => {
  const slugs = [...README.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm)].map(
    ([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
  )

  test.each([...PROSE.matchAll(/\[[^\]]+\]\(([^)\s]+)\)/g)].map(([, target = '']) => target))(
    '%s leads somewhere',
    (target) => {
      const [file = '', anchor] = target.split('#')
      if (file !== '' && !file.startsWith('https://')) expect(existsSync(join(ROOT, file))).toBe(true)
      if (anchor !== undefined) expect(slugs).toContain(anchor)
    },
  )
})

describe('commands', () => {
  const commands = SHELL.flatMap(({ text, line }) =>
    commandsIn(text).map((words) => [`line ${line}: ${words.join(' ')}`, words] as const),
  )

  test('there are commands of postern to look at', () => {
    expect(commands.filter(([, words]) => posternArguments(words) !== null).length).toBeGreaterThan(10)
  })

  test.each(commands.filter(([, words]) => posternArguments(words) !== null))(
    '%s parses',
    async (_, words) => {
      await parse(posternArguments(words) ?? [])
    },
  )

  test('refuses an option that does not exist, so that the test above can fail', async () => {
    await expect(parse(['run', '--no-such-option'])).rejects.toThrow()
    await expect(parse(['run', '-u', 'imap://pop.example.org'])).rejects.toThrow()
  })

  test('scripts of npm exist', () => {
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(
      readFileSync(join(ROOT, 'package.json'), 'utf8'),
    )
    const named = [...README.matchAll(/npm (?:run ([\w-]+)|(start|test)\b)/g)].map(
      ([, ran, own]) => ran ?? own ?? '',
    )
    expect(named.length).toBeGreaterThan(3)
    for (const name of named) expect(Object.keys(scripts)).toContain(name)
  })

  test('options named in the prose exist', () => {
    const known = new Set([...[...LEAVES.values()].flatMap(longFlags), '--help', '--version'])
    const named = codeSpans(PROSE)
      .filter((span) => !/^(npm|openssl) /.test(span))
      .flatMap((span) => span.match(/(?<![\w-])--[a-z][a-z-]*/g) ?? [])
    expect(named.length).toBeGreaterThan(30)
    for (const option of named) expect(known).toContain(option)
  })

  test('the lists of commands and options are complete', () => {
    expect(firstCells('commands')).toEqual(
      [...LEAVES.keys()].map((path) => `postern ${path}`).sort(inOrderOf('commands')),
    )
    const spelled = [...LEAVES]
      .filter(([path]) => !/^(?:ca|rules|quarantine) /.test(path) && !OF_RECORDINGS.includes(path))
      .flatMap(([, { options }]) =>
        options
          .filter(({ hidden }) => !hidden)
          .map(({ flags }) =>
            flags.replace(/[<[](\w+)[>\]]/, (word, name) => word.replace(name, name.toUpperCase())),
          )
          .map((flags) => flags.replace(/[<>]/g, '')),
      )
    expect([...firstCells('options')].sort()).toEqual([...new Set(spelled)].sort())
  })

  test('the lists of options of single commands are complete and name the right commands', () => {
    const check = (name: string, paths: readonly string[]): void => {
      const short = (path: string): string => path.replace(/^(?:ca|rules|quarantine) /, '')
      const all = paths.map(short).sort()
      const written = list(name).map(([option = '', of = '']) => {
        const flag = /--[\w-]+/.exec(option)?.[0]
        return [flag, of === 'all' ? all : [...codeSpans(of)].sort()]
      })
      const real = new Map<string, string[]>()
      for (const path of paths) {
        const { options = [] } = LEAVES.get(path) ?? {}
        for (const { long } of options.filter(({ hidden }) => !hidden))
          real.set(long ?? '', [...(real.get(long ?? '') ?? []), short(path)].sort())
      }
      expect(Object.fromEntries(written)).toEqual(Object.fromEntries(real))
    }
    check(
      'ca-options',
      [...LEAVES.keys()].filter((path) => path.startsWith('ca ')),
    )
    for (const group of ['rules', 'quarantine'])
      check(
        `${group}-options`,
        [...LEAVES.keys()].filter((path) => path.startsWith(`${group} `)),
      )
    check('recording-options', OF_RECORDINGS)
  })

  test('the list of environment variables is complete', () => {
    const written = codeSpans(
      list('environment')
        .map((row) => row.join(' '))
        .join(' '),
    ).flatMap((span) => /^([A-Z][A-Z_]+)(?:=|$)/.exec(span)?.[1] ?? [])
    const read = [
      ...inSources(/\b(?:env|environment)\.([A-Z][A-Z_]+)\b/g).map(([, name = '']) => name),
      ...inSources(/\{ ([A-Z_, ]+) \} = process\.env/g).flatMap(([, names = '']) => names.split(', ')),
    ]
    expect([...new Set(written)].sort()).toEqual([...new Set(read)].sort())
  })
})

describe('lists', () => {
  test('failure codes are all there, in the order of the code, and answered as the code answers them', () => {
    const codes = firstCells('failure-codes')
    expect(codes).toEqual(Object.keys(FAILURE_CODES))
    const permanence = new Map<string, Set<string>>()
    const literal = /code: '(POSTERN_\w+)',\s*(?:permanent|isPermanent): (true|false)/g
    const call = /erverFailed\(\s*'(POSTERN_\w+)',\s*(?:'[^']*'|`[^`]*`|text),\s*(true|false),?\s*\)/g
    for (const [, code = '', value = ''] of [...inSources(literal), ...inSources(call)])
      permanence.set(code, (permanence.get(code) ?? new Set()).add(value === 'true' ? 'PERM' : 'TEMP'))
    for (const [code = '', reply = ''] of list('failure-codes')) {
      const name = code.replaceAll('`', '')
      // The refusal of a session beyond a limit is no failure within one: proxy.ts writes it.
      if (reply === '–' || name === 'POSTERN_LIMIT') continue
      expect([...(permanence.get(name) ?? [])], name).toEqual([reply])
    }
  })

  test('no failure code is named that does not exist', () => {
    const variables = ['POSTERN_CONFIG', 'POSTERN_LOG_LEVEL', 'POSTERN_REPLAY_PASSWORD']
    for (const [code] of README.matchAll(/POSTERN_[A-Z_]+/g))
      expect([...Object.keys(FAILURE_CODES), ...variables]).toContain(code)
  })

  test('anomalies are all there, in the words of the code', () => {
    const written = list('anomalies').map(([name = '', text]) => [name.replaceAll('`', ''), text])
    expect(written).toEqual(Object.entries(ANOMALIES))
  })

  test('the fields of filters are all there, in the words of the code', () => {
    const written = list('filter-fields').map(([name = '', ...cells]) => [name.replaceAll('`', ''), ...cells])
    expect(written).toEqual(
      Object.entries(FIELD_FACTS).map(([name, { type, of, meaning }]) => [name, of, type, meaning]),
    )
  })

  test('what filters know of attachments is all there, in the words of the code', () => {
    const written = list('filter-attachments').map(([name = '', ...cells]) => [
      name.replaceAll('`', ''),
      ...cells,
    ])
    expect(written).toEqual(
      Object.entries(ATTACHMENT_FACTS).map(([name, { type, meaning }]) => [name, type, meaning]),
    )
  })

  test('the functions of filters are all there, each with an example that is one', () => {
    const written = list('filter-functions').map(([usage = '', meaning]) => [
      usage.replaceAll('`', ''),
      meaning,
    ])
    expect(written).toEqual(
      [...METHODS.values(), ...FUNCTIONS.values()].map(({ usage, meaning }) => [usage, meaning]),
    )
    for (const [usage = ''] of written) expect(() => parseFilter(usage)).not.toThrow()
  })

  test('exit codes are all there', () => {
    const written = firstCells('exit-codes').map(Number)
    expect(written).toEqual(Object.values(EXIT_CODES).sort((one, other) => one - other))
  })

  test('limits are all there with their defaults', () => {
    const written = list('limits').map(([key = '', value]) => [key.replaceAll('`', ''), value])
    const real = LIMIT_FACTS.map((facts) => [
      facts.key,
      String(spellLimit(facts, DEFAULT_LIMITS[facts.limit])),
    ])
    expect(written).toEqual(real)
  })

  test('figures are all there with their labels, in the words of the code', async () => {
    const metrics = new Metrics({
      version: '1',
      authority: memoryAuthority(),
      openSessions: () => new Map([['l', 1]]),
      heldMessages: () => 0,
    })
    const meter = metrics.session('l')
    const nobody = { number: 0, message: null, uniqueId: null, place: '', reason: '' } as const
    const hit = { ...nobody, type: 'rule-hit', rule: 'r', actions: ['hide'] } as const
    const failure = { code: 'POSTERN_SERVER_TLS_WEAK', isPermanent: true, text: '', hint: null } as const
    const contents: readonly TraceContent[] = [
      { type: 'command', number: 1, verb: 'NOOP', shown: 'NOOP', octets: 6, origin: 'client', wire: null },
      {
        type: 'reply',
        number: 1,
        verb: 'NOOP',
        source: 'server',
        indicator: '+OK',
        responseCode: null,
        text: '',
        afterMs: 1,
        wire: null,
      },
      { ...hit, mode: 'enforce' },
      { ...hit, mode: 'failed' },
      { type: 'failure', side: 'server', failure },
    ]
    for (const content of contents) meter.add({ at: 0, session: 's', content })
    metrics.turnedAway('l', 'refused')
    const text = await metrics.text()
    const { samples } = parseExposition(text)
    const labelsOf = (name: string): readonly string[] =>
      Object.keys(samples.find((sample) => sample.name.startsWith(name))?.labels ?? {}).filter(
        (label) => label !== 'le',
      )
    const real = [...text.matchAll(/^# HELP (postern_\w+) (.*)$/gm)].map(([, name = '', help = '']) => [
      name,
      labelsOf(name),
      help,
    ])
    const written = list('metrics').map(([name = '', labels = '', meaning]) => [
      name.replaceAll('`', ''),
      codeSpans(labels),
      meaning?.replace(' Only where there is one.', ''),
    ])
    expect(written).toEqual(real)
  })

  test('the bounds of metrics are those of the code', () => {
    expect(README).toContain(`${METERED_RULES} rules and ${METERED_LISTENERS} listeners have figures`)
    expect(README).toContain(`takes ${ADMIN_LIMITS.connections} connections at a time`)
    expect(1_000 / ADMIN_LIMITS.sharedMs).toBe(4)
    expect(README).toContain('four times a second at most')
  })

  test('trace events are all there with their fields', () => {
    const source = readFileSync(join(ROOT, 'src/trace/event.ts'), 'utf8')
    const union = /export type TraceContent =\n([\s\S]*?)\n\n/.exec(source)?.[1] ?? ''
    const real = union
      .split(/^ {2}\| /m)
      .slice(1)
      .map((member) => [
        /type: '([\w-]+)'/.exec(member)?.[1],
        [...member.matchAll(/readonly (\w+):/g)]
          .map(([, field]) => field)
          .filter((field) => field !== 'type'),
      ])
    const written = list('trace-events').map(([type = '', fields = '']) => [
      type.replaceAll('`', ''),
      codeSpans(fields),
    ])
    expect(Object.fromEntries(written)).toEqual(Object.fromEntries(real))
  })
})

describe('log events', () => {
  /** Level and fields as the README has them; optional fields have brackets around them. */
  const written = new Map(
    list('log-events').map(([event = '', level = '', fields = '']) => [
      event.replaceAll('`', ''),
      {
        level,
        always: codeSpans(fields.split(';')[0]?.replace(/\[[^\]]*\]/g, '') ?? ''),
        sometimes: codeSpans(fields.match(/\[[^\]]*\]/g)?.join(' ') ?? ''),
      },
    ]),
  )
  const sessions: readonly TraceContent[] = [
    { type: 'session-opened', service: 's', listener: 'l', client: 'c', server: 's' },
    { type: 'logged-in', user: 'alice', mechanism: 'USER' },
    { type: 'login-refused', user: 'alice', mechanism: 'USER', responseCode: 'AUTH', text: 'no' },
    {
      type: 'failure',
      side: 'server',
      failure: { code: 'POSTERN_SERVER_CLOSED', isPermanent: false, text: 't', hint: 'h' },
    },
    { type: 'anomaly', side: 'client', number: 1, anomaly: 'nul-octet', octets: 3 },
    {
      type: 'rule-hit',
      number: 0,
      message: 3,
      uniqueId: 'u',
      rule: 'r',
      place: 'a.yaml:1',
      actions: ['hide'],
      reason: 'true',
      mode: 'enforce',
    },
    { type: 'rules-blind', text: 't' },
    {
      type: 'session-closed',
      reason: 'failed',
      code: 'POSTERN_DEADLINE',
      user: null,
      state: 'AUTHORIZATION',
      commands: 0,
      messages: 0,
      octets: { fromClient: 0, toClient: 0, fromServer: 0, toServer: 0 },
      durationMs: 1,
    },
  ]

  test.each(sessions)('$type has the level and the fields of the list', (content) => {
    const lines: string[] = []
    const stream = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk))
        done()
      },
    })
    const formatters = { level: (label: string) => ({ level: label }) }
    const log = pino({ level: 'trace', base: null, timestamp: false, formatters }, stream)
    const facts = { service: 's', listener: 'l', client: 'c', server: 's', clientTls: null, serverTls: null }
    logTraceEvent(log, facts, { at: 0, session: 'x-1', content })
    expect(lines).toHaveLength(1)
    const { level, event, ...fields }: Record<string, unknown> = JSON.parse(lines[0] ?? '')
    const row = written.get(content.type)
    expect(event).toBe(content.type)
    expect(level).toBe(row?.level)
    expect(Object.keys(fields).sort()).toEqual([...(row?.always ?? []), ...(row?.sometimes ?? [])].sort())
  })

  test('all others are there with their levels and fields', () => {
    const real: [string, { level: string; fields: readonly string[] }][] = []
    let mentions = 0
    for (const source of SOURCES) {
      mentions += [...source.matchAll(/(?<!\()event: '(?=[a-z])/g)].length
      const patterns = [
        /log\??\.(\w+)\(\s*(?=\{\s*event: '([\w-]+)')/gi,
        /(?=\{ level: '(\w+)', time, event: '([\w-]+)')/g,
      ]
      for (const pattern of patterns)
        for (const found of source.matchAll(pattern)) {
          const [whole, level = '', event = ''] = found
          const keys = keysOfLiteral(source, found.index + whole.length)
          real.push([
            event,
            { level, fields: keys.filter((key) => !['level', 'time', 'event'].includes(key)).sort() },
          ])
        }
    }
    expect(real.length, 'every event in the sources was understood').toBe(mentions)
    const types: readonly string[] = sessions.map(({ type }) => type)
    const others = [...written]
      .filter(([event]) => !types.includes(event))
      .map(([event, { level, always }]) => [event, { level, fields: [...always].sort() }])
    expect(Object.fromEntries(others)).toEqual(Object.fromEntries(real))
  })
})

describe('the configuration file', () => {
  const example = BLOCKS.find(({ mark }) => mark === 'config')?.text ?? ''

  test('shows every key but the limits, which have a list', () => {
    const keys = new Set<string>()
    const collect = (node: unknown): void => {
      if (typeof node !== 'object' || node === null) return
      for (const [name, value] of Object.entries(node)) {
        if (name === 'properties') for (const key of Object.keys(value)) keys.add(key)
        collect(value)
      }
    }
    collect(jsonSchema())
    const limits = new Set(LIMIT_FACTS.map(({ key }) => key))
    const others = [...keys].filter((key) => !limits.has(key))
    expect(others.length).toBeGreaterThan(15)
    for (const key of others) expect(example).toMatch(new RegExp(`^\\s*(?:- |# )?${key}:`, 'm'))
  })

  test('is accepted with the line that is commented out, too', async () => {
    const directory = temporaryDirectory('readme')
    try {
      const file = join(directory.path, 'postern.yaml')
      for (const name of filesIn(example)) writeFileSync(join(directory.path, name), '')
      mkdirSync(join(directory.path, 'rules'))
      writeFileSync(file, example.replace(/^# write:/m, 'write:'))
      const { status, stdout, stderr } = await run(process.execPath, [MAIN, 'config', 'check', file])
      expect(stderr).toBe('')
      expect(stdout.toString()).toContain('valid, 3 services')
      expect(status).toBe(0)
    } finally {
      directory.remove()
    }
  })
})

describe('what is told of rules', () => {
  const files = BLOCKS.filter(({ mark }) => mark?.startsWith('rules: ') === true)
  const load = (text: string) => loadRules([{ file: 'readme.yaml', text }])

  test('sample files can be loaded', () => {
    expect(files.map(({ mark }) => mark)).toEqual([
      'rules: tag.yaml',
      'rules: replies.yaml',
      'rules: judges.yaml',
    ])
    for (const { text } of files) expect(load(text).rules.length).toBeGreaterThan(0)
  })

  test('actions are all there, in the words of the code, each with an example that is one', () => {
    expect(
      list('rule-actions').map(([action = '', of, , meaning]) => [codeSpans(action)[0], of, meaning]),
    ).toEqual(Object.entries(ACTION_FACTS).map(([type, { of, meaning }]) => [type, of, meaning]))
    const judges =
      'judges: { rspamd: { type: rspamd, url: "http://127.0.0.1:11333" }, script: { type: command, run: [x], writes: message } }'
    for (const [action = '', of, example = ''] of list('rule-actions')) {
      const when = of === 'message' ? 'size > 0' : 'true'
      const [does = ''] = codeSpans(example)
      const text = `${judges}\nrules: [{ name: a, when: ${when}, then: [${does.includes(':') ? `{${does}}` : does}] }]`
      expect(load(text).rules[0]?.actions[0]?.does.type, example).toBe(codeSpans(action)[0])
    }
  })

  test('keys of a rule and types of judges are all there', () => {
    expect(firstCells('rule-keys')).toEqual(Object.keys(ruleSchema.shape))
    const judges = load(files.find(({ mark }) => mark === 'rules: judges.yaml')?.text ?? '').judges
    expect(firstCells('judges')).toEqual(judges.map(({ how }) => how.type))
  })
})

describe('the systemd unit', () => {
  const unit = BLOCKS.find(({ language }) => language === 'ini')?.text ?? ''
  const setting = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? ''

  test('starts a command that exists', async () => {
    const words = setting('ExecStart').split(' ')
    expect(words[1]).toMatch(/\/dist\/main\.js$/)
    await parse(words.slice(2))
  })

  test('waits longer than a drain and starts no mistake again', () => {
    expect(Number(setting('TimeoutStopSec')) * 1_000).toBeGreaterThan(DEFAULT_LIMITS.drainMs + 1_000)
    const { usage, configuration, certificate } = EXIT_CODES
    expect(setting('RestartPreventExitStatus').split(' ').map(Number)).toEqual([
      usage,
      configuration,
      certificate,
    ])
  })
})

/** Files beside the configuration that it names. */
function filesIn(example: string): readonly string[] {
  return [...example.matchAll(/^\s*(?:ca|cert|key): (\S+)/gm)].map(([, name = '']) => name)
}

/** Sorts as the README does, what it lacks last. */
function inOrderOf(name: string): (one: string, other: string) => number {
  const order = firstCells(name)
  const place = (text: string): number => (order.includes(text) ? order.indexOf(text) : order.length)
  return (one, other) => place(one) - place(other)
}

describe.skipIf(!realThing('curl', 'openssl', 'jq'))('what is marked as runnable', () => {
  const directory = temporaryDirectory('readme')
  const environment = {
    HOME: directory.path,
    XDG_CONFIG_HOME: '',
    XDG_STATE_HOME: '',
    STATE_DIRECTORY: '',
    POSTERN_CONFIG: '',
    POSTERN_LOG_LEVEL: '',
    SSLKEYLOGFILE: '',
    NO_COLOR: '1',
    PATH: `${directory.path}/bin:${process.env.PATH ?? ''}`,
  }
  const children: ChildProcess[] = []
  let dumped = ''
  let figures = ''
  let substitutions: readonly (readonly [string | RegExp, string])[] = []

  function start(...words: readonly string[]): {
    readonly child: ChildProcess
    printed(): string
    told(): string
  } {
    const child = spawn(process.execPath, [MAIN, ...words], {
      cwd: directory.path,
      detached: true,
      env: { ...process.env, ...environment },
    })
    children.push(child)
    let out = ''
    let err = ''
    child.stdout.on('data', (octets: Buffer) => {
      out += octets.toString()
    })
    child.stderr.on('data', (octets: Buffer) => {
      err += octets.toString()
    })
    return { child, printed: () => out, told: () => err }
  }

  beforeAll(async () => {
    const shim = `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`
    await run('mkdir', [join(directory.path, 'bin'), join(directory.path, 'certs')])
    writeFileSync(join(directory.path, 'bin/postern'), shim)
    chmodSync(join(directory.path, 'bin/postern'), 0o755)
    const example = BLOCKS.find(({ mark }) => mark === 'config')?.text ?? ''
    writeFileSync(join(directory.path, 'postern.yaml'), example)
    for (const name of filesIn(example)) writeFileSync(join(directory.path, name), '')
    mkdirSync(join(directory.path, 'rules'))
    writeFileSync(
      join(directory.path, 'tag.yaml'),
      BLOCKS.find(({ mark }) => mark === 'rules: tag.yaml')?.text ?? '',
    )
    writeFileSync(join(directory.path, 'mail.eml'), 'From: a@example.net\r\nSubject: x\r\n\r\nhello\r\n')

    const demo = start('demo', '--log-level', 'silent')
    await until('the demo to tell how to try it', () => demo.told().includes('Ctrl-C ends the demo'))
    const plain = /POP3 {4}(\S+)/.exec(demo.told())?.[1] ?? ''
    const tlsPort = /POP3S {3}\S+:(\d+)/.exec(demo.told())?.[1] ?? ''
    const authority = /-CAfile (\S+)/.exec(demo.told())?.[1] ?? ''
    const [free = 0, port = 0] = await freePorts(2)
    const upstream = `pop3s://localhost:${tlsPort} --upstream-ca ${authority}`
    substitutions = [
      ['127.0.0.1:1110', plain],
      ['pop.example.org:995', `localhost:${tlsPort}`],
      ['pop3s://pop.example.org', `${upstream} --listen pop3://127.0.0.1:${free}`],
    ]

    const dump = start(
      ...`dump -l pop3://127.0.0.1:${port} -u ${upstream} --write session.jsonl --metrics 127.0.0.1:0 -c /dev/null`.split(
        ' ',
      ),
    )
    await until('postern dump to listen', () => dump.told().includes('accepting'))
    await run('curl', ['-s', `pop3://127.0.0.1:${port}/2`, '-u', 'demo:demo'])
    await run('curl', ['-s', `pop3://127.0.0.1:${port}/`, '-u', 'demo:wrong'])
    await run('curl', ['-s', `pop3://127.0.0.1:${port}/1`, '-u', 'demo:demo'])
    await until('all sessions to end', () => dump.printed().split('** closed').length > 3)
    const served = /metrics at (\S+)/.exec(dump.told())?.[1] ?? ''
    figures = (await run('curl', ['-s', served])).stdout.toString()
    const ended = new Promise((done) => dump.child.once('close', done))
    signalGroup(dump.child, 'SIGTERM')
    await ended
    dumped = dump.printed()
  })

  afterAll(async () => {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = new Promise((done) => child.once('close', done))
      signalGroup(child, 'SIGTERM')
      await ended
    }
    directory.remove()
  })

  async function shell({ mark, text }: Pick<Block, 'mark' | 'text'>): Promise<string> {
    const script = substitutions.reduce((done, [from, to]) => done.replaceAll(from, to), text)
    const finished = await run('bash', ['-euo', 'pipefail', '-c', script], {
      // Where there is no postern.yaml: with its three services, options would not say which one they mean.
      cwd: mark === 'run: demo' ? join(directory.path, 'bin') : directory.path,
      env: environment,
    })
    expect(finished.status, `${finished.stderr}\n${finished.stdout.toString('latin1')}`).toBe(0)
    expect(finished.stdout.length).toBeGreaterThan(0)
    return finished.stdout.toString('latin1')
  }

  test('there is something to run', () => {
    expect(RUNNABLE.length).toBeGreaterThan(4)
  })

  test.each(RUNNABLE.map((block) => [`line ${block.line}: ${block.text.split('\n')[0]}`, block] as const))(
    '%s',
    async (_, block) => {
      await shell(block)
    },
  )

  test('what is told about fetching from the demo ends with a message', async () => {
    const block = RUNNABLE.find(({ text }) => text.includes('curl -s pop3://'))
    expect(await shell(block ?? NO_BLOCK)).toContain('Subject: Welcome to the demo')
  })

  test('what is told about fingerprints gives what --accept-certificate and --pin take', async () => {
    const block = RUNNABLE.find(({ text }) => text.includes('-fingerprint'))
    const [fingerprint = '', pin = ''] = (await shell(block ?? NO_BLOCK)).trim().split('\n')
    expect(parseCertificateFingerprint(fingerprint.replace(/^.*=/, ''))).not.toBeNull()
    expect(parsePin(pin)).not.toBeNull()
  })

  test('the sample of metrics is what is served', () => {
    // Ports and times are of the moment; the shape of the lines, and all that is counted, is not.
    const shape = (line: string): string =>
      line.replace(/:\d{4,5}"/, ':N"').replace(/^(postern_command_seconds\S*) \d+$/, '$1 N')
    const sample = BLOCKS.find(({ mark }) => mark === 'sample: metrics')?.text ?? ''
    const lines = sample.split('\n').filter((line) => line !== '')
    expect(lines.filter((line) => !line.startsWith('#')).length).toBeGreaterThan(10)
    const served = figures.split('\n').map(shape)
    for (const line of lines) expect(served).toContain(shape(line))
  })

  test('the sample is what dump prints', () => {
    const shape = (line: string): string =>
      line
        .replace(/^\S+ \S+ /, '')
        .replace(/<[^>]*@[^>]*>/, '<timestamp>')
        .replace(/\d+(\.\d+)?/g, 'N')
    const [command = '', ...sample] = (
      BLOCKS.find(({ text }) => text.startsWith('$ postern dump'))?.text ?? ''
    )
      .trimEnd()
      .split('\n')
    expect(command).toMatch(/^\$ postern dump /)
    const [session = ''] = / \w+-1 /.exec(dumped) ?? []
    const printed = dumped.split('\n').filter((line) => line.includes(session))
    expect(sample.map(shape)).toEqual(printed.map(shape))
  })
})
