/**
 * Generated POP3 for property tests: octets of any kind, lines that look like commands or replies and are often
 * broken, multi-line responses full of dots and line ends, and the cuts and expectations to decode them with.
 */
import fc from 'fast-check'
import type { ExpectedOfClient } from '../../src/pop3/command-decoder.js'
import { COMMAND_TABLE } from '../../src/pop3/command-table.js'
import { DEFAULT_LIMITS, type Limits } from '../../src/pop3/limits.js'
import type { ExpectedOfServer } from '../../src/pop3/reply-decoder.js'
import type { Script } from './decode-all.js'
import { cut } from './every-split.js'

const LINE_ENDS = ['\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r', '\r\r\n', '', '\0\r\n'] as const
const SPACES = [' ', ' ', ' ', '', '  ', '\t', ' \t ', '\0', '\xa0'] as const
const UNKNOWN_VERBS = [
  'XFOO',
  'XTND2',
  '__proto__',
  'constructor',
  'GET',
  '',
  '+OK',
  '*',
  'PA\xdf',
  'PASSX',
] as const

/** Latin-1 text of any octets, with those that matter to framing far more often than by chance. */
export const looseText: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.constantFrom('\r', '\n', '.', '\r\n', '\r\n.', '.\r\n', ' ', '\0', '+', '-', '*', '='),
      },
      { weight: 2, arbitrary: fc.integer({ min: 0, max: 255 }).map((octet) => String.fromCharCode(octet)) },
      { weight: 1, arbitrary: fc.constantFrom('+OK', '-ERR', 'AUTH ', 'PASS ', 'abcd') },
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(''))

/** Verbs of the table and others, in any case. */
export const typedVerb: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom(...COMMAND_TABLE.keys(), ...UNKNOWN_VERBS), fc.integer())
  .map(([verb, pattern]) =>
    [...verb]
      .map((letter, index) => (((pattern >> (index % 30)) & 1) === 0 ? letter : letter.toLowerCase()))
      .join(''),
  )

/** What separates words, rightly or not. */
export const spacing: fc.Arbitrary<string> = fc.constantFrom(...SPACES)

/** What ends a line, rightly or not. */
export const lineEnd: fc.Arbitrary<string> = fc.constantFrom(...LINE_ENDS)

const argumentWord = fc.oneof(
  fc.constantFrom(
    '1',
    '0',
    '99999999',
    '00000000001',
    '-1',
    '1e3',
    'PLAIN',
    'cram-md5',
    '*',
    'de-CH',
    '=',
    'AGEAYg==',
  ),
  fc.string({ maxLength: 12 }).map((text) => text.replace(/[^\x20-\x7e]/g, 'x')),
)

/** A command line, more or less. */
export const commandLine: fc.Arbitrary<string> = fc
  .tuple(spacing, typedVerb, fc.array(fc.tuple(spacing, argumentWord), { maxLength: 3 }), spacing, lineEnd)
  .map(([before, verb, words, behind, end]) =>
    [before === ' ' ? '' : before, verb, ...words.flat(), behind === ' ' ? '' : behind, end].join(''),
  )

/** Content of a multi-line response on the wire, its termination included, sometimes missing or early. */
export const wireContent: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(
      fc.tuple(
        fc.constantFrom('', '', '.', '..', '...', 'a', '+OK', '.\r', '.\n', 'Subject: x', '\0'),
        lineEnd,
      ),
      { maxLength: 8 },
    ),
    fc.constantFrom('.\r\n', '\r\n.\r\n', '', '.', '.\n', '.\r'),
  )
  .map(([lines, end]) => lines.flat().join('') + end)

/** A status line, challenge or stray line, with or without content behind it. */
export const reply: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom('+OK', '+OK', '+OK', '-ERR', '+ok', '-err', '+', '+ ', '+OKAY', '-ER', '* OK', ''),
    spacing,
    fc.constantFrom(
      '',
      '2 320',
      '[SYS/TEMP] later',
      '[in-use]x',
      '[\xff\xdf] x',
      '[',
      '<1.2@a>',
      'PDE4',
      '\r',
      '\xe9',
    ),
    lineEnd,
    fc.option(wireContent, { nil: '' }),
  )
  .map((parts) => parts.join(''))

/** What a client may send. */
export const clientOctets: fc.Arbitrary<Buffer> = octetsOf(
  fc.oneof(
    fc.array(commandLine, { maxLength: 8 }).map((lines) => lines.join('')),
    looseText,
  ),
)

/** What a server may send. */
export const serverOctets: fc.Arbitrary<Buffer> = octetsOf(
  fc.oneof(
    fc.array(reply, { maxLength: 6 }).map((lines) => lines.join('')),
    looseText,
  ),
)

function octetsOf(text: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  return text.map((latin1) => Buffer.from(latin1, 'latin1'))
}

/** Octets and a way of cutting them. */
export function inPieces(octets: fc.Arbitrary<Buffer>): fc.Arbitrary<{ octets: Buffer; pieces: Buffer[] }> {
  return octets.chain((whole) =>
    fc.array(fc.integer({ min: 0, max: whole.length }), { maxLength: 12 }).map((cuts) => ({
      octets: whole,
      pieces: cut(
        whole,
        cuts.sort((a, b) => a - b),
      ),
    })),
  )
}

/** Orders of what is expected of a client. */
export const clientScript: fc.Arbitrary<Script<ExpectedOfClient>> = scriptOf(
  fc.constantFrom<ExpectedOfClient[]>('command', 'command', 'sasl-response'),
)

/** Orders of what is expected of a server. */
export const serverScript: fc.Arbitrary<Script<ExpectedOfServer>> = scriptOf(
  fc.constantFrom<ExpectedOfServer[]>(
    'greeting',
    'nothing',
    'single-line',
    'multi-line',
    'multi-line',
    'sasl',
  ),
)

function scriptOf<Expected>(expected: fc.Arbitrary<Expected>): fc.Arbitrary<Script<Expected>> {
  return fc.tuple(expected, fc.array(expected, { maxLength: 6 })).map(([first, more]) => [first, ...more])
}

/** The defaults, and bounds so low that short input meets them. */
export const limits: fc.Arbitrary<Limits> = fc.oneof(
  fc.constant(DEFAULT_LIMITS),
  fc
    .record({
      // Below five octets "AUTH " and its longer limit could not be told in time; a configuration never goes there.
      commandLineOctets: fc.integer({ min: 5, max: 24 }),
      saslLineOctets: fc.integer({ min: 4, max: 40 }),
      statusLineOctets: fc.integer({ min: 4, max: 32 }),
    })
    .map((low) => ({ ...DEFAULT_LIMITS, ...low })),
)
