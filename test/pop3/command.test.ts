import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { decodeCommand, replyShapeOf, showCommand } from '../../src/pop3/command.js'
import { COMMAND_TABLE } from '../../src/pop3/command-table.js'
import { opened } from '../support/decode-all.js'

interface Read {
  readonly verb: string
  readonly keyword: string
  readonly arguments: readonly string[]
  readonly secret: string | null
  readonly anomalies: readonly string[]
}

function read(line: string, multiLineVerbs: readonly string[] = []): Read {
  const { command, anomalies } = decodeCommand(Buffer.from(line, 'latin1'), new Set(multiLineVerbs))
  const { verb, keyword, arguments: words, secret } = command
  return { verb, keyword, arguments: words, secret: opened(secret), anomalies }
}

function shape(line: string, multiLineVerbs: readonly string[] = []): string {
  return replyShapeOf(decodeCommand(Buffer.from(line, 'latin1'), new Set(multiLineVerbs)).command)
}

function command(
  verb: string,
  words: readonly string[],
  secret: string | null,
  ...anomalies: string[]
): Read {
  return { verb, keyword: verb, arguments: words, secret, anomalies }
}

function unknown(keyword: string, secret: string | null, ...anomalies: string[]): Read {
  return { verb: 'unrecognized', keyword, arguments: [], secret, anomalies }
}

describe('decodeCommand', () => {
  const lines: readonly (readonly [string, string, Read])[] = [
    ['a command without argument', 'STAT\r\n', command('STAT', [], null)],
    ['any case', 'sTaT\r\n', command('STAT', [], null)],
    ['a message-number', 'RETR 3\r\n', command('RETR', ['3'], null)],
    ['a huge line count', 'TOP 1 99999999\r\n', command('TOP', ['1', '99999999'], null)],
    ['a message-number of ten digits', 'DELE 0000000001\r\n', command('DELE', ['0000000001'], null)],
    [
      'a message-number of eleven digits as a secret',
      'DELE 00000000001\r\n',
      command('DELE', [], '00000000001', 'malformed-argument'),
    ],
    [
      'a number in another notation as a secret',
      'RETR 1e3\r\n',
      command('RETR', [], '1e3', 'malformed-argument'),
    ],
    ['a missing argument', 'RETR\r\n', command('RETR', [], null, 'missing-argument')],
    ['half the arguments', 'TOP 1\r\n', command('TOP', ['1'], null, 'missing-argument')],
    [
      'a surplus argument as a secret',
      'STAT hunter2\r\n',
      command('STAT', [], 'hunter2', 'surplus-argument'),
    ],
    [
      'what follows the last argument as a secret',
      'LIST 1 hunter2\r\n',
      command('LIST', ['1'], 'hunter2', 'surplus-argument'),
    ],
    [
      'a password behind a user name as a secret',
      'USER a hunter2\r\n',
      command('USER', ['a'], 'hunter2', 'surplus-argument'),
    ],
    [
      'a user name in UTF-8',
      'USER j\xc3\xbcrgen\r\n',
      command('USER', ['j\xc3\xbcrgen'], null, 'eight-bit-command'),
    ],
    [
      'a user name with a control character as a secret',
      'USER a\x1bb\r\n',
      command('USER', [], 'a\x1bb', 'eight-bit-command', 'malformed-argument'),
    ],
    ['a password', 'PASS hunter2\r\n', command('PASS', [], 'hunter2')],
    ['a password with blanks at both ends', 'PASS  a b \r\n', command('PASS', [], ' a b ')],
    ['a password behind a tab', 'pass\thunter2\r\n', command('PASS', [], 'hunter2', 'eight-bit-command')],
    ['a padded password', ' PASS hunter2\r\n', command('PASS', [], 'hunter2', 'padded-command')],
    ['PASS without password', 'PASS\r\n', command('PASS', [], null, 'missing-argument')],
    [
      'an APOP digest',
      'APOP a c4c9334bac560ecc979e58001b3e22fb\r\n',
      command('APOP', ['a'], 'c4c9334bac560ecc979e58001b3e22fb'),
    ],
    ['APOP without digest', 'APOP a\r\n', command('APOP', ['a'], null, 'missing-argument')],
    ['an AUTH mechanism', 'AUTH plain\r\n', command('AUTH', ['PLAIN'], null)],
    ['an initial response', 'AUTH PLAIN AGEAYg==\r\n', command('AUTH', ['PLAIN'], 'AGEAYg==')],
    ['AUTH alone', 'AUTH\r\n', command('AUTH', [], null)],
    [
      'an unknown mechanism as a secret, with what follows',
      'AUTH AGEAYg== x\r\n',
      command('AUTH', [], 'AGEAYg== x', 'malformed-argument'),
    ],
    ['a language tag', 'LANG de-CH-1996\r\n', command('LANG', ['de-CH-1996'], null)],
    ['the language "*"', 'LANG *\r\n', command('LANG', ['*'], null)],
    [
      'a language that is none as a secret',
      'LANG hunter_2\r\n',
      command('LANG', [], 'hunter_2', 'malformed-argument'),
    ],
    ['the XTND of Eudora', 'XTND XMIT\r\n', command('XTND', [], 'XMIT')],
    ['the verb of SDPS', '*ENV 2\r\n', command('*ENV', ['2'], null)],
    ['padding in the middle and at the end', 'LIST   1 \r\n', command('LIST', ['1'], null, 'padded-command')],
    ['padding behind a verb', 'NOOP \r\n', command('NOOP', [], null, 'padded-command')],
    ['bare LF', 'NOOP\n', command('NOOP', [], null, 'bare-line-feed')],
    ['CR before CRLF', 'NOOP\r\r\n', unknown('[redacted]', 'NOOP\r', 'bare-carriage-return')],
    [
      'a CR in the middle',
      'USER a\rb\r\n',
      command('USER', [], 'a\rb', 'bare-carriage-return', 'malformed-argument'),
    ],
    [
      'a NUL in the middle',
      'RETR 1\x002\r\n',
      command('RETR', [], '1\x002', 'nul-octet', 'malformed-argument'),
    ],
    ['a NUL in place of the blank', 'PASS\0hunter2\r\n', unknown('[redacted]', 'PASS\0hunter2', 'nul-octet')],
    [
      'a no-break space in place of the blank',
      'PASS\xa0x\r\n',
      unknown('[redacted]', 'PASS\xa0x', 'eight-bit-command'),
    ],
    ['an empty line', '\r\n', unknown('', null)],
    ['an empty line with bare LF', '\n', unknown('', null, 'bare-line-feed')],
    ['an unknown verb of four letters', 'xfoo bar\r\n', unknown('XFOO', 'bar')],
    ['an unknown verb and blanks', 'XFOO  bar \r\n', unknown('XFOO', ' bar ')],
    ['a password alone on its line', 'hunter2\r\n', unknown('[redacted]', 'hunter2')],
    ['a keyword glued to the password', 'PASShunter2\r\n', unknown('[redacted]', 'PASShunter2')],
    ['a base64 line after a refused AUTH', 'QUJDREVGR0g=\r\n', unknown('[redacted]', 'QUJDREVGR0g=')],
    ['"__proto__" as a verb', '__proto__ x\r\n', unknown('[redacted]', '__proto__ x')],
    ['"constructor" as a verb', 'constructor\r\n', unknown('[redacted]', 'constructor')],
    ['"toString" as a mechanism', 'AUTH toString\r\n', command('AUTH', [], 'toString', 'malformed-argument')],
    ['HTTP', 'GET / HTTP/1.1\r\n', unknown('GET', '/ HTTP/1.1')],
    ['a header line', 'Host: example.org\r\n', unknown('[redacted]', 'Host: example.org')],
  ]
  for (const [name, line, expected] of lines) {
    it(`reads ${name}`, () => expect(read(line)).toEqual(expected))
  }

  it('shows no user name in which a no-break space may part it from a credential', () => {
    for (const blank of ['\xa0', '\x85', '\xc2\xa0', '\xe2\x80\x8b', '\xe3\x80\x80']) {
      expect(read(`APOP a${blank}hunter2\r\n`)).toMatchObject({ arguments: [], secret: `a${blank}hunter2` })
    }
  })

  it('takes no letter beyond ASCII for a part of a verb: "ß" is "SS" in upper case', () => {
    expect(read('PA\xdf hunter2\r\n')).toEqual(unknown('[redacted]', 'PA\xdf hunter2', 'eight-bit-command'))
    expect(read('AUTH G\xdfAPI\r\n')).toMatchObject({ arguments: [], secret: 'G\xdfAPI' })
  })

  it('shows a configured verb of any length', () => {
    expect(read('XLISTALL a\r\n', ['XLISTALL'])).toEqual(unknown('XLISTALL', 'a'))
  })
})

describe('replyShapeOf', () => {
  it('knows that LIST, UIDL and LANG answer in one line with an argument and in several without', () => {
    for (const [verb, argument] of [
      ['LIST', '1'],
      ['UIDL', '1'],
      ['LANG', 'de'],
    ] as const) {
      expect(shape(`${verb}\r\n`)).toBe('multi-line')
      expect(shape(`${verb}  \r\n`)).toBe('multi-line')
      expect(shape(`${verb} ${argument}\r\n`)).toBe('single-line')
      expect(shape(`${verb} -nonsense-\r\n`)).toBe('single-line')
    }
  })

  it('expects several lines of RETR, TOP and CAPA, one of STAT', () => {
    for (const line of ['RETR 1', 'TOP 1 0', 'TOP 1 99999999', 'CAPA', 'RETR']) {
      expect(shape(`${line}\r\n`)).toBe('multi-line')
    }
    expect(shape('STAT\r\n')).toBe('single-line')
  })

  it('expects a list of mechanisms of bare AUTH and an exchange of any other', () => {
    expect(shape('AUTH\r\n')).toBe('multi-line')
    expect(shape('AUTH \r\n')).toBe('multi-line')
    expect(shape('AUTH PLAIN\r\n')).toBe('sasl')
    expect(shape('AUTH X-NEW\r\n')).toBe('sasl')
  })

  it('expects one line of an unknown verb unless the configuration says more', () => {
    expect(shape('XFOO\r\n')).toBe('single-line')
    expect(shape('xfoo 1\r\n', ['XFOO'])).toBe('multi-line')
  })
})

describe('showCommand', () => {
  it('shows what is no secret', () => {
    expect(showCommand(decodeCommand(Buffer.from('top 1 0\r\n'), new Set()).command)).toBe('TOP 1 0')
    expect(showCommand(decodeCommand(Buffer.from('PASS x\r\n'), new Set()).command)).toBe('PASS [redacted]')
    expect(showCommand(decodeCommand(Buffer.from('APOP a x\r\n'), new Set()).command)).toBe(
      'APOP a [redacted]',
    )
    expect(showCommand(decodeCommand(Buffer.from('hunter2\r\n'), new Set()).command)).toBe('[redacted]')
  })

  it('shows no argument of a verb that carries credentials, in any print', () => {
    for (const verb of [...COMMAND_TABLE.keys(), 'XFOO', 'SECRETVERB']) {
      const { command: decoded } = decodeCommand(
        Buffer.from(`${verb} =canary=1 =canary=2 =canary=3\r\n`),
        new Set(),
      )
      const shown = { ...decoded, arguments: ['USER', 'APOP'].includes(verb) ? [] : decoded.arguments }
      expect(`${JSON.stringify(shown)} ${inspect(shown)} ${showCommand(shown)}`, verb).not.toContain('canary')
    }
  })
})
