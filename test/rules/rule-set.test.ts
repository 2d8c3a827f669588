import { describe, expect, test } from 'vitest'
import { ACTION_FACTS } from '../../src/rules/action.js'
import { FILE_CHARACTERS, MOST_ACTIONS, MOST_RULES } from '../../src/rules/limits.js'
import { RuleError } from '../../src/rules/problem.js'
import { loadRules, NO_RULES } from '../../src/rules/rule-set.js'
import { ruleJsonSchema } from '../../src/rules/schema.js'
import { JUDGES, rulesOf } from './rules.js'

/** Messages of a file with one rule `a`, or of a whole file. */
function mistakes(text: string): readonly string[] {
  try {
    loadRules([{ file: 'a.yaml', text }])
  } catch (error) {
    if (!(error instanceof RuleError)) throw error
    return error.message.split('\n')
  }
  return []
}

function mistakesOf(more: string): readonly string[] {
  return mistakes(`${JUDGES}rules:\n  - {name: a, ${more}}`)
}

const ACTIONS = Object.keys(ACTION_FACTS).join(', ')
const MESSAGE_FIELDS =
  'fields of messages and sessions: session, service, listener, client, server, user, mechanism, state, client_tls, server_tls, commands, number, unique_id, size, subject, from, to, date, header, raw_header, attachments, body, verdict, score, finding'
const COMMAND_FIELDS =
  'fields of commands and sessions: session, service, listener, client, server, user, mechanism, state, client_tls, server_tls, commands, command, argument, number, indicator, response_code, text'

describe('a mistake in a rule file', () => {
  test.each([
    ['rules: 5', ['a.yaml:1:8: rules: found 5, expected a list of rules']],
    ['- a', ['a.yaml:1:1: found a list, expected a mapping']],
    ['rules:\n  - 5', ['a.yaml:2:5: rules[0]: found 5, expected a mapping']],
    [
      'rulez: []',
      ['a.yaml:1:1: found the unknown key "rulez", expected one of judges, rules (did you mean rules?)'],
    ],
    [
      'a: 1\na: 2',
      ['a.yaml:2:1: found a mistake in the YAML (Map keys must be unique), expected valid YAML'],
    ],
    [
      'judges: {"a b": {type: clamav}, b: {type: clamd, address: x}, d: 5}',
      [
        'a.yaml:1:10: judges: found "a b", expected a name of letters, digits, "_" and "-", at most 40 of them, that begins with a letter',
        'a.yaml:1:24: judges.a b.type: found "clamav", expected a mapping with type: one of clamd, rspamd, spamd, http, command, signatures',
        'a.yaml:1:59: judges.b.address: found "x", expected HOST:PORT such as 127.0.0.1:3310 or [::1]:3310, or the path of a socket that begins with /',
        'a.yaml:1:66: judges.d: found 5, expected a mapping with type: one of clamd, rspamd, spamd, http, command, signatures',
      ],
    ],
    [
      'judges: {b: {type: rspamd, url: "http://x", password: {file: hunter2}}, c: {type: rspamd, url: "http://x", password: {file: /a, env: B}}, d: {type: rspamd, url: "http://x", password: "hun\\tter2"}, e: {type: rspamd, url: "http://x", password: 12345}}',
      [
        'a.yaml:1:62: judges.b.password.file: found something else, not shown here, expected the absolute path of a file',
        'a.yaml:1:118: judges.c.password: found a mapping, expected a password, {file: the absolute path of a file} or {env: the name of an environment variable}',
        'a.yaml:1:184: judges.d.password: found something else, not shown here, expected a password: one line of 1 to 1000 characters',
        'a.yaml:1:243: judges.e.password: found something else, not shown here, expected a password, {file: the absolute path of a file} or {env: the name of an environment variable}',
      ],
    ],
    [
      'judges: {b: {type: http, url: "http://x", headers: {A: [hunter2]}}, c: {type: http, url: "http://x", headers: {A: {env: 5x}}}, d: {type: http, url: "http://x", headers: {A: {fil: hunter2}}}}',
      [
        'a.yaml:1:56: judges.b.headers.A: found a list, expected the value of a header field, {file: the absolute path of a file} or {env: the name of an environment variable}',
        'a.yaml:1:121: judges.c.headers.A.env: found something else, not shown here, expected the name of an environment variable',
        'a.yaml:1:175: judges.d.headers.A: found the unknown key "fil", expected one of file, env (did you mean file?)',
      ],
    ],
    [
      'judges: {b: {type: http, url: ftp://x, headerz: 1, budget: 5, at-once: 101, largest: 5KB}}',
      [
        'a.yaml:1:31: judges.b.url: found "ftp://x", expected a URL that begins with http:// or https://',
        'a.yaml:1:40: judges.b: found the unknown key "headerz", expected one of type, url, headers, budget, at-once, largest (did you mean headers?)',
        'a.yaml:1:60: judges.b.budget: found 5, expected a duration such as 20s, from 100ms to 10min',
        'a.yaml:1:72: judges.b.at-once: found 101, expected a whole number from 1 to 100',
        'a.yaml:1:86: judges.b.largest: found "5KB", expected a number of octets such as 25MiB, from 1KiB to 1024MiB',
      ],
    ],
    [
      'judges: {b: {type: signatures, dns: [ns.example.org, "[::1]:0", 1.1.1.1.1, /run/dns]}, c: {type: signatures, dns: []}}',
      [
        'a.yaml:1:38: judges.b.dns[0]: found "ns.example.org", expected an IP address, or one with a port, such as 192.0.2.53, 127.0.0.1:5353 or [::1]:5353',
        'a.yaml:1:54: judges.b.dns[1]: found "[::1]:0", expected an IP address, or one with a port, such as 192.0.2.53, 127.0.0.1:5353 or [::1]:5353',
        'a.yaml:1:65: judges.b.dns[2]: found "1.1.1.1.1", expected an IP address, or one with a port, such as 192.0.2.53, 127.0.0.1:5353 or [::1]:5353',
        'a.yaml:1:76: judges.b.dns[3]: found "/run/dns", expected an IP address, or one with a port, such as 192.0.2.53, 127.0.0.1:5353 or [::1]:5353',
        'a.yaml:1:115: judges.c.dns: found an empty list, expected a list of 1 to 200 name servers',
      ],
    ],
  ])('%s', (text, expected) => {
    expect(mistakes(text)).toEqual(expected)
  })

  test.each([
    ['then: [hide]', 'when: found nothing, expected a condition'],
    ['when: true', 'then: found nothing, expected a list of 1 to 20 actions'],
    ['when: true, then: []', 'then: found an empty list, expected a list of 1 to 20 actions'],
    [
      'when: usr == 1, then: [hide]',
      'when: found "usr == 1", expected a condition (column 1: unknown field `usr` (did you mean `user`?))',
    ],
    [
      'when: some invoice, then: [hide]',
      'when: found "some invoice", expected a condition (column 6: `invoice` is not possible here; put text in quotes)',
    ],
    [
      'when: size, then: [hide]',
      'when: found "size", expected a condition (column 1: this is a number, not a yes or no: compare it, as in `errors > 0`)',
    ],
    ['when: true, then: [hid]', `then[0]: found "hid", expected one of ${ACTIONS} (did you mean hide?)`],
    [
      'when: true, then: [{hid: }]',
      `then[0]: found the unknown key "hid", expected one of ${ACTIONS} (did you mean hide?)`,
    ],
    [
      'when: true, then: [notice]',
      'then[0]: found "notice", expected a mapping, as in "- notice: …"; words alone are strip-attachments, rename-attachments, disarm-links, hide, quarantine, keep-on-server, log, close',
    ],
    [
      'when: true, then: [5]',
      'then[0]: found 5, expected an action: a word such as hide, or a mapping such as {tag-subject: "[external]"}',
    ],
    ['when: true, then: [{}]', 'then[0]: found a mapping, expected one action in each item of the list'],
    [
      'when: true, then: [{hide: , log: }]',
      'then[0]: found a mapping, expected one action in each item of the list',
    ],
    ['when: true, then: [{hide: 5}]', 'then[0].hide: found 5, expected nothing behind it'],
    [
      'when: true, then: [{tag-subject: "a\\nb"}]',
      'then[0].tag-subject: found "a\\nb", expected a tag: one line of 1 to 1000 characters',
    ],
    [
      'when: true, then: [{tag-subject: "{usr}"}]',
      'then[0].tag-subject: found "{usr}", expected known placeholders; {usr} is none (did you mean {user}?)',
    ],
    [
      'when: true, then: [{tag-subject: "{user"}]',
      'then[0].tag-subject: found "{user", expected `}` behind each `{`; `{{` is a brace',
    ],
    [
      'when: true, then: [{tag-subject: "{header}"}]',
      'then[0].tag-subject: found "{header}", expected a name behind `header`, as in {header.list-id}',
    ],
    [
      'when: true, then: [{tag-subject: "{score}"}]',
      'then[0].tag-subject: found "{score}", expected a name behind `score`, as in {score.clamd}',
    ],
    [
      'when: true, then: [{tag-subject: "{user.x}"}]',
      'then[0].tag-subject: found "{user.x}", expected {user}: `user` is no table',
    ],
    [
      'when: true, then: [{add-header: {name: "a b", value: x}}]',
      'then[0].add-header.name: found "a b", expected the name of a header field',
    ],
    [
      'when: true, then: [{replace-text: {pattern: "(a", with: ""}}]',
      'then[0].replace-text.pattern: found "(a", expected a pattern (the pattern is malformed: missing closing ): `(a`)',
    ],
    [
      'when: true, then: [{replace-text: {pattern: "(?=a)", with: ""}}]',
      'then[0].replace-text.pattern: found "(?=a)", expected a pattern (`(?=` is not possible in a pattern: RE2 has neither lookaround nor references back)',
    ],
    [
      'when: true, then: [{replace-text: {pattern: "a*", with: ""}}]',
      'then[0].replace-text.pattern: found "a*", expected a pattern (it must not find nothing; use `+` where there is `*`)',
    ],
    [
      'when: true, then: [{strip-attachments: {pattern: "("}}]',
      'then[0].strip-attachments: found a mapping, expected names and a pattern that are possible (the pattern is malformed: missing closing ): `(`)',
    ],
    [
      'when: true, then: [{strip-attachments: {names: []}}]',
      'then[0].strip-attachments.names: found an empty list, expected a list of 1 to 200 file names, such as "*.exe"',
    ],
    [
      'when: true, then: [{rename-attachments: {suffix: "/"}}]',
      'then[0].rename-attachments.suffix: found "/", expected letters, digits, ".", "_" and "-", at most 40 of them',
    ],
    [
      'when: true, then: [{quarantine: {then: x}}]',
      'then[0].quarantine.then: found "x", expected one of notice, hide',
    ],
    [
      'when: true, then: [{keep-on-server: {for: 7w}}]',
      'then[0].keep-on-server.for: found "7w", expected a duration such as 7d, from 1s to 3650d',
    ],
    [
      'when: true, then: [{notify: foo}]',
      'then[0].notify: found "foo", expected a URL that begins with http:// or https://',
    ],
    [
      'when: true, then: [{delay: 61s}]',
      'then[0].delay: found "61s", expected a duration such as 5s, from 1ms to 1min',
    ],
    [
      'when: true, then: [{throttle: 9}]',
      'then[0].throttle: found 9, expected a number of octets a second such as 10KiB, from 10B to 1024MiB',
    ],
    [
      'when: true, then: [{cut-off: 0}]',
      'then[0].cut-off: found 0, expected a number of octets such as 2KiB, from 1B to 1024MiB',
    ],
    [
      'when: true, then: [{corrupt: 1}]',
      'then[0].corrupt: found 1, expected a whole number from 2 to 1000000000: one octet in so many is damaged',
    ],
    [
      'when: true, then: [{limit-logins: 2d}]',
      'then[0].limit-logins: found "2d", expected a duration such as 5min, from 1s to 24h',
    ],
    [
      'when: true, then: [{capabilities: {add: ["EXPIRE  7"]}}]',
      'then[0].capabilities.add[0]: found "EXPIRE  7", expected a capability line: a tag, and parameters behind single blanks',
    ],
    [
      'when: true, then: [{capabilities: {remove: ["EXPIRE 7"]}}]',
      'then[0].capabilities.remove[0]: found "EXPIRE 7", expected a capability tag',
    ],
    [
      'when: true, then: [{refuse: {text: x, code: "a b"}}]',
      'then[0].refuse.code: found "a b", expected a response code such as SYS/PERM',
    ],
    [
      'when: size > 5, then: [hide, {refuse: x}]',
      'then[1]: found `hide`, which is done to messages, beside `refuse`, which is done to commands, expected actions on messages or on commands, in a rule for each',
    ],
    [
      'when: \'subject == "x"\', then: [{refuse: x}]',
      `when: found \`subject\`, which is of messages, where \`refuse\` is done to commands, expected ${COMMAND_FIELDS}`,
    ],
    [
      'when: true, then: [{refuse: "{subject}"}]',
      `then[0].refuse: found \`subject\`, which is of messages, where \`refuse\` is done to commands, expected ${COMMAND_FIELDS}`,
    ],
    [
      'when: \'command == "x"\', then: [hide]',
      `when: found \`command\`, which is of commands, where \`hide\` is done to messages, expected ${MESSAGE_FIELDS}`,
    ],
    [
      'when: errors > 5, then: [hide]',
      `when: found \`errors\`, which is not known when rules are asked, expected ${MESSAGE_FIELDS}`,
    ],
    [
      'when: \'indicator == "-ERR"\', then: [log, {delay: 1s}]',
      'then[1]: found `delay`, which is done when a command comes, in a rule that names `indicator`, which its reply tells, expected actions on replies: mark, log, notify, refuse, close',
    ],
    [
      'when: true, then: [{answer: "{text}"}]',
      'then[0]: found `answer`, which is done when a command comes, in a rule that names `text`, which its reply tells, expected actions on replies: mark, log, notify, refuse, close',
    ],
    [
      'when: \'response_code == "IN-USE" && size > 5\', then: [log]',
      `when: found \`size\`, which is of messages, where the rule is of commands, expected ${COMMAND_FIELDS}`,
    ],
    [
      'when: \'command == "x" && size > 5\', then: [log]',
      `when: found \`size\`, which is of messages, where the rule is of commands, expected ${COMMAND_FIELDS}`,
    ],
    [
      'when: \'verdict.clamdd == "x"\', then: [hide]',
      'when: found the unknown judge "clamdd", expected one of clamd, rspamd (did you mean clamd?)',
    ],
    [
      'when: size > 5, then: [{tag-subject: "{score.x}"}]',
      'then[0].tag-subject: found the unknown judge "x", expected one of clamd, rspamd',
    ],
    [
      'when: "verdict[user] == \'x\'", then: [hide]',
      'when: found "verdict[user] == \'x\'", expected a condition (column 1: `verdict` takes the name of a judge written out, as in `verdict.clamd` or `verdict["clamd"]`)',
    ],
    ['when: true, then: [hide], mode: shade', 'mode: found "shade", expected one of enforce, shadow'],
    [
      'when: true, then: [hide], on-failure: x',
      'on-failure: found "x", expected one of deliver, refuse, hold',
    ],
    [
      'when: true, then: [hide], budget: 5',
      'budget: found 5, expected a duration such as 20s, from 100ms to 10min',
    ],
    ['when: true, then: [hide], stop: 1', 'stop: found 1, expected true or false'],
    [
      'when: true, then: [hide], stopp: true',
      'found the unknown key "stopp", expected one of name, when, then, mode, on-failure, budget, stop (did you mean stop?)',
    ],
  ])('%s', (more, expected) => {
    const found = mistakesOf(more)
    expect(found.map((each) => each.replace(/^a\.yaml:5:\d+: rule "a": /, ''))).toEqual([expected])
    expect(found[0]).toMatch(/^a\.yaml:5:\d+: rule "a": /)
  })

  test('is told with all others of all files, in their order', () => {
    const error = (() => {
      try {
        loadRules([
          { file: '1.yaml', text: 'rules:\n  - {name: a, when: true, then: [hide]}\n  - {name: b, when: x}' },
          {
            file: '2.yaml',
            text: 'rules:\n\n  - {name: a, when: true, then: [hide]}\njudges: {c: {type: clamd, address: /a}}',
          },
          { file: '3.yaml', text: 'judges: {c: {type: clamd, address: /b}}' },
        ])
      } catch (thrown) {
        return thrown
      }
      return null
    })()
    expect(error).toBeInstanceOf(RuleError)
    expect(String(error).replace('RuleError: ', '').split('\n')).toEqual([
      expect.stringMatching(/^1\.yaml:3:5: rule "b": then: found nothing/),
      expect.stringMatching(/^1\.yaml:3:21: rule "b": when: found "x", expected a condition/),
      '2.yaml:3:12: rule "a": name: found "a", expected names that are unique over all files (the other one is at 1.yaml:2)',
      '3.yaml:1:13: judges.c: found a second judge "c", expected names that are unique over all files',
    ])
  })

  test('is a bound that is passed', () => {
    const rule = (index: number) => `  - {name: r${index}, when: size > 5, then: [log]}\n`
    const many = (count: number) =>
      `rules:\n${Array.from({ length: count }, (_, index) => rule(index)).join('')}`
    expect(mistakes(many(MOST_RULES))).toEqual([])
    expect(mistakes(many(MOST_RULES + 1))).toEqual([
      `a.yaml:${MOST_RULES + 2}:5: rule "r${MOST_RULES}": found one rule more, expected at most ${MOST_RULES} rules`,
    ])
    const log = (count: number) =>
      mistakesOf(`when: true, then: [${Array.from({ length: count }, () => 'log').join(', ')}]`)
    expect(log(MOST_ACTIONS)).toEqual([])
    expect(log(MOST_ACTIONS + 1)).toHaveLength(1)
    expect(mistakes(`#${' '.repeat(FILE_CHARACTERS - 1)}`)).toEqual([])
    expect(mistakes(`#${' '.repeat(FILE_CHARACTERS)}`)).toEqual([
      `a.yaml:1:1: found ${FILE_CHARACTERS + 1} characters, expected at most ${FILE_CHARACTERS}`,
    ])
  })
})

describe('loadRules', () => {
  test('takes files that say nothing', () => {
    const rules = loadRules([
      { file: 'a.yaml', text: '# nothing yet\n' },
      { file: 'b.yaml', text: 'rules: []' },
    ])
    expect(rules).toMatchObject({
      rules: [],
      judges: [],
      sightBeforeListing: 'nothing',
      sightBeforeMessage: 'nothing',
    })
    expect(NO_RULES.sightBeforeMessage).toBe('nothing')
  })

  test('completes judges by defaults', () => {
    const { judges } = loadRules([
      {
        file: 'a.yaml',
        text: `judges:
  c: {type: clamd, address: "[::1]:3310"}
  s: {type: spamd, address: /run/spamd.sock, user: bob, budget: 5s, at-once: 2, largest: 1MiB}
  r: {type: rspamd, url: http://127.0.0.1:11333/, password: x}
  h: {type: http, url: https://example.org/hook, headers: {Authorization: Bearer x, A: {env: A_TOKEN}, B: {file: /etc/b}}}
  p: {type: command, run: [/usr/bin/true, a, b]}
  v: {type: signatures}
  w: {type: signatures, dns: [192.0.2.53, "::1", "127.0.0.1:5353", "[::1]:5353"], largest: 1MiB}
`,
      },
    ])
    const defaults = { budgetMs: 20_000, atOnce: 4, mostOctets: 26_214_400 }
    expect(judges).toEqual([
      { name: 'c', ...defaults, how: { type: 'clamd', address: { host: '::1', port: 3310 } } },
      {
        name: 's',
        budgetMs: 5_000,
        atOnce: 2,
        mostOctets: 1_048_576,
        how: { type: 'spamd', address: { path: '/run/spamd.sock' }, user: 'bob' },
      },
      { name: 'r', ...defaults, how: { type: 'rspamd', url: 'http://127.0.0.1:11333', password: 'x' } },
      {
        name: 'h',
        ...defaults,
        how: {
          type: 'http',
          url: 'https://example.org/hook',
          headers: { Authorization: 'Bearer x', A: { env: 'A_TOKEN' }, B: { file: '/etc/b' } },
        },
      },
      {
        name: 'p',
        ...defaults,
        how: { type: 'command', program: '/usr/bin/true', arguments: ['a', 'b'], writes: 'finding' },
      },
      { name: 'v', ...defaults, how: { type: 'signatures', dns: [] } },
      {
        name: 'w',
        ...defaults,
        mostOctets: 1_048_576,
        how: {
          type: 'signatures',
          dns: [
            { host: '192.0.2.53', port: 53 },
            { host: '::1', port: 53 },
            { host: '127.0.0.1', port: 5353 },
            { host: '::1', port: 5353 },
          ],
        },
      },
    ])
  })

  test('tells rules of messages from those of commands', () => {
    const of = (more: string) => rulesOf(`\n  - {name: a, ${more}}\n`).rules[0]?.of
    expect(of('when: true, then: [hide]')).toBe('message')
    expect(of('when: true, then: [close]')).toBe('command')
    expect(of('when: true, then: [log]')).toBe('command')
    expect(of('when: size > 5, then: [log]')).toBe('message')
    expect(of('when: true, then: [{mark: "{subject}"}]')).toBe('message')
    expect(of('when: \'command == "RETR" && number == 1\', then: [log]')).toBe('command')
    expect(of('when: number == 1, then: [log]')).toBe('message')
    expect(of('when: \'indicator == "-ERR"\', then: [log]')).toBe('command')
  })

  test('tells what is asked when a command comes from what is asked when its reply comes', () => {
    const rules = rulesOf(`
  - {name: a, when: 'command == "PASS"', then: [log]}
  - {name: b, when: 'command == "PASS" && indicator == "-ERR"', then: [log]}
  - {name: c, when: 'command == "PASS"', then: [{mark: "the server says {text}"}]}
`)
    expect(rules.commandRules.map(({ name }) => name)).toEqual(['a'])
    expect(rules.replyRules.map(({ name }) => name)).toEqual(['b', 'c'])
    expect(rules.replyRules[0]?.analysis.cost).toBe(
      'sees replies to commands alone: nothing is asked of the server for it',
    )
  })

  test('gives the same hash to what says the same, and another one to everything else', () => {
    const text = '\n  - {name: a, when: size > 5, then: [hide]}\n'
    const { hash } = rulesOf(text)
    expect(hash).toMatch(/^[0-9a-f]{64}$/)
    expect(rulesOf('\n\n# why\n  - then: [hide]\n    name: a\n    when: size > 5\n').hash).toBe(hash)
    for (const other of [
      text.replace('5', '6'),
      text.replace('hide', 'log'),
      text.replace(': a', ': b'),
      `${text}  - {name: z, when: true, then: [log]}\n`,
    ]) {
      expect(rulesOf(other).hash).not.toBe(hash)
    }
    expect(rulesOf(`${JUDGES.replace('3310', '3311')}rules:${text}`).hash).not.toBe(hash)
  })
})

describe('what a rule costs', () => {
  test.each([
    [
      'when: \'user == "bob"\', then: [hide]',
      'listing',
      'listing',
      'needs the size and unique-id: one LIST and UIDL for each session before STAT, LIST or UIDL',
    ],
    [
      'when: size > 5, then: [hide]',
      'listing',
      'listing',
      'needs the size and unique-id: one LIST and UIDL for each session before STAT, LIST or UIDL',
    ],
    [
      'when: size > 5, then: [{tag-subject: x}]',
      'header',
      'header',
      'needs the header section: one TOP for each new message before STAT, LIST or UIDL',
    ],
    [
      'when: \'from == "x"\', then: [hide]',
      'header',
      'header',
      'needs the header section: one TOP for each new message before STAT, LIST or UIDL',
    ],
    [
      'when: size > 5, then: [disarm-links]',
      'message',
      'message',
      'needs the whole message: one RETR for each new message before STAT, LIST or UIDL',
    ],
    [
      'when: size > 5, then: [quarantine]',
      'message',
      'message',
      'needs the whole message: one RETR for each new message before STAT, LIST or UIDL',
    ],
    [
      'when: verdict.clamd == "x", then: [hide]',
      'message',
      'message',
      'needs the whole message and clamd: one RETR and a question to each for each new message before STAT, LIST or UIDL',
    ],
    [
      'when: verdict.clamd == "x", then: [hide], mode: shadow',
      'nothing',
      'message',
      'needs the whole message and clamd: one RETR and a question to each for each new message before it is handed out',
    ],
    [
      'when: body.contains("x"), then: [log]',
      'nothing',
      'message',
      'needs the whole message: one RETR for each new message before it is handed out',
    ],
    [
      'when: body.contains("x"), then: [log], on-failure: hold',
      'message',
      'message',
      'needs the whole message: one RETR for each new message before STAT, LIST or UIDL',
    ],
    [
      'when: size > 5, then: [keep-on-server]',
      'nothing',
      'listing',
      'needs the size and unique-id: one LIST and UIDL for each session before it is handed out',
    ],
    [
      'when: size > 5, then: [{keep-on-server: {for: 7d}}]',
      'nothing',
      'header',
      'needs the header section: one TOP for each new message before it is handed out',
    ],
    [
      'when: size > 5, then: [hide, {mark: "{score.rspamd}"}]',
      'message',
      'message',
      'needs the whole message and rspamd: one RETR and a question to each for each new message before STAT, LIST or UIDL',
    ],
    [
      'when: size > 5, then: [hide, {mark: "{subject}"}]',
      'listing',
      'header',
      'needs the size and unique-id: one LIST and UIDL for each session before STAT, LIST or UIDL; needs the header section: one TOP for each new message before it is handed out',
    ],
    [
      'when: \'command == "QUIT"\', then: [close]',
      'nothing',
      'nothing',
      'sees commands alone: nothing is asked of the server for it',
    ],
  ] as const)('%s', (more, beforeListing, beforeMessage, cost) => {
    const rules = rulesOf(`\n  - {name: a, ${more}}\n`)
    expect(rules.rules[0]?.analysis.cost).toBe(cost)
    expect([rules.sightBeforeListing, rules.sightBeforeMessage]).toEqual([beforeListing, beforeMessage])
  })

  test('is told with its reasons', () => {
    const { rules } = rulesOf(
      '\n  - {name: a, when: \'subject == "x" && verdict.clamd == "y"\', then: [hide, {tag-subject: "[x]"}, {keep-on-server: {for: 7d}}]}\n',
    )
    expect(rules[0]?.analysis.because).toEqual([
      '`subject` in when needs the header section',
      '`verdict` in when needs answers of judges: clamd',
      '`tag-subject "[x]"` needs the header section, since it changes the size',
      '`keep-on-server for 7d` needs the header section',
      '`hide` changes what LIST shows',
    ])
  })
})

test('the JSON Schema for editors names every key, action and judge', () => {
  const schema = JSON.stringify(ruleJsonSchema())
  for (const word of [
    ...Object.keys(ACTION_FACTS),
    'on-failure',
    'budget',
    'stop',
    'clamd',
    'rspamd',
    'spamd',
    'http',
    'command',
    'at-once',
  ]) {
    expect(schema).toContain(`"${word}"`)
  }
  for (const { meaning } of Object.values(ACTION_FACTS)) expect(schema).toContain(meaning.slice(1))
})
