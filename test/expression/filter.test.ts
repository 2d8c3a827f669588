import { Environment } from '@marcbachmann/cel-js'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Fields } from '../../src/expression/fields.js'
import { FilterError, parseFilter } from '../../src/expression/filter.js'
import { FILTER_CHARACTERS, MACRO_DEPTH, NODE_DEPTH, PARSER_LIMITS } from '../../src/expression/limits.js'
import { CONSTANTS, FIELD_NAMES, FUNCTIONS, METHODS } from '../../src/expression/vocabulary.js'
import { expectGrowth } from '../support/growth.js'

const REPLY: Fields = {
  type: 'reply',
  user: 'alice@example.org',
  client: '10.1.2.3:4711',
  errors: 1,
  after: 2.5,
  is_open: true,
  is_held: false,
  command: 'RETR',
  subject: 'Re: INVOICE 7',
  header: new Map([['x-spam', 'yes']]),
  attachments: [
    { name: 'a.exe', type: 'application/octet-stream', size: 2_000_000 },
    {
      name: 'b.txt',
      type: 'text/plain',
      size: 12,
      files: ['c.exe', 'd/e.txt'],
      isUnlisted: true,
    },
  ],
}

function holds(text: string, fields: Fields = REPLY): boolean {
  const filter = parseFilter(text)
  expect(filter.isText, `"${text}" is an expression`).toBe(false)
  return filter.matches(fields, () => {
    throw new Error('an expression asks for no visible text')
  })
}

function refusal(text: string): FilterError {
  try {
    parseFilter(text)
  } catch (error) {
    if (error instanceof FilterError) return error
    throw error
  }
  throw new Error(`"${text}" was accepted`)
}

describe('an expression', () => {
  test.each([
    ['errors > 0', true],
    ['errors == 1', true],
    ['1 == errors', true],
    ['errors != 1', false],
    ['errors >= 1.0 && errors < 2', true],
    ['errors in [1, 2]', true],
    ['errors in [2]', false],
    ['after > 1.5', true],
    ['after * 2 + 1 == 6', true],
    ['type == "reply"', true],
    ['user.endsWith("@example.org") && errors > 0', true],
    ["user == 'alice@example.org'", true],
    ['user in ["bob", "alice@example.org"]', true],
    ['user.upperAscii().startsWith("ALICE")', true],
    ['subject.matches("(?i)invoice")', true],
    ['subject.matches("invoice")', false],
    ['inNetwork(client, "10.0.0.0/8")', true],
    ['inNetwork(client, "192.0.2.0/24")', false],
    ['header["x-spam"] == "yes"', true],
    ['header["X-Spam"] == "yes"', true],
    ['"X-SPAM" in header', true],
    ['"x-ham" in header', false],
    ['attachments.exists(a, a.name.endsWith(".exe"))', true],
    ['attachments.all(a, a.other_name == "")', true],
    ['attachments.all(a, a.size > 12)', false],
    ['attachments.exists_one(type, type.type == "text/plain")', true],
    ['attachments[0].size > 1 * MB', true],
    ['attachments.exists(a, a.files.exists(f, f.endsWith(".exe")))', true],
    ['attachments.exists(a, a.name == "a.exe" && a.files.exists(f, f == "c.exe"))', false],
    ['attachments.exists(a, a.files.size() > 1 && "c.exe" in a.files)', true],
    ['attachments.exists_one(a, a.is_unlisted)', true],
    ['attachments[1].files[1].startsWith("d/") && attachments[0].files == []', true],
    ['size(attachments) == 2 && attachments.size() == 2', true],
    ['["exe", "com"].exists(e, attachments.exists(a, a.name.endsWith(e)))', true],
    ['is_open', true],
    ['is_held', false],
    ['!is_held', true],
    ['is_open ? errors > 0 : false', true],
    ['true', true],
  ])('%s is %s', (text, expected) => {
    expect(holds(text)).toBe(expected)
  })

  test.each([
    ['KB', 1_000],
    ['MiB', 1_048_576],
  ])('knows %s as %d octets', (unit, octets) => {
    expect(holds(`size > 2 * ${unit}`, { size: 2 * octets + 1 })).toBe(true)
    expect(holds(`size > 2 * ${unit}`, { size: 2 * octets })).toBe(false)
  })

  test('tells which fields it mentions, and no name of its own', () => {
    expect([...parseFilter('type == "reply" && attachments.exists(size, size.name == user)').fields]).toEqual(
      ['type', 'attachments', 'user'],
    )
  })

  test('keeps its text without the blanks around it', () => {
    expect(parseFilter('  errors > 0 ').text).toBe('errors > 0')
  })

  test('asks for no field that its result does not depend on', () => {
    const fields: Fields = {
      is_open: false,
      get subject(): string {
        throw new Error('not asked for')
      },
    }
    const read = vi.spyOn(fields, 'subject', 'get')
    expect(holds('is_open && subject.contains("x")', fields)).toBe(false)
    expect(read).not.toHaveBeenCalled()
  })

  test('is false, not an exception, where a field cannot be had or has the wrong type', () => {
    const fields = {
      get subject(): string {
        throw new Error('broken')
      },
    }
    expect(holds('subject.contains("x")', fields)).toBe(false)
    expect(holds('errors > 0', JSON.parse('{"errors":"many"}'))).toBe(false)
    expect(holds('1 / 0 > 0')).toBe(false)
  })

  test('leaves the depth of stack traces as it was', () => {
    const before = Error.stackTraceLimit
    holds('size > 5 || errors > 0')
    expect(Error.stackTraceLimit).toBe(before)
  })
})

describe('a field that is absent', () => {
  const noSize: Fields = { errors: 1 }

  test.each([
    'size > 5',
    'size != 5',
    'size == 5',
    '!(size > 5)',
    'size > 5 && errors > 0',
    'errors > 0 && size > 5',
  ])('makes %s false', (text) => {
    expect(holds(text, noSize)).toBe(false)
  })

  test.each([
    'errors > 0 || size > 5',
    'size > 5 || errors > 0',
    '!(size > 5 && errors > 9)',
    '!known(size)',
  ])('leaves %s true', (text) => {
    expect(holds(text, noSize)).toBe(true)
  })

  test('is unknown, and one that is there is known', () => {
    expect(holds('known(size)', noSize)).toBe(false)
    expect(holds('known(errors) && known(type)', { errors: 0, type: '' })).toBe(true)
  })

  test('makes macros over it false, and macros over nothing what they are over nothing', () => {
    expect(holds('attachments.all(a, a.size > 1)', {})).toBe(false)
    expect(holds('attachments.exists(a, a.size > 1)', {})).toBe(false)
    expect(holds('attachments.all(a, a.size > size)', { attachments: [] })).toBe(true)
  })

  test('makes a name that the header section lacks false', () => {
    expect(holds('header["x-ham"] == "yes"')).toBe(false)
    expect(holds('header["x-ham"] != "yes"')).toBe(false)
    expect(holds('!("x-ham" in header)')).toBe(true)
  })

  test('changes nothing that the library would say otherwise', () => {
    // The look ahead for fields that are needed is an optimisation: with every field as a getter that gives
    // undefined, nothing is skipped, and the result has to be the same.
    const atoms = ['size > 5', 'errors > 0', 'known(size)', '!is_open', 'subject.contains("x")', 'true']
    const expression = fc.letrec<{ tree: string }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(...atoms),
        fc
          .tuple(tie('tree'), fc.constantFrom('&&', '||'), tie('tree'))
          .map(([a, o, b]) => `(${a} ${o} ${b})`),
        tie('tree').map((tree) => `!(${tree})`),
        fc.tuple(tie('tree'), tie('tree'), tie('tree')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
      ),
    })).tree
    const some = fc.record(
      { size: fc.nat(9), errors: fc.nat(1), is_open: fc.boolean(), subject: fc.constantFrom('x', 'y') },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(expression, some, (text, fields) => {
        const everyNameThere = Object.fromEntries(FIELD_NAMES.map((name) => [name, undefined]))
        expect(holds(text, fields)).toBe(holds(text, { ...everyNameThere, ...fields }))
      }),
      { numRuns: 500 },
    )
  })
})

describe('plain words', () => {
  const found = (text: string, visible = 'RETR 2 alice -ERR [IN-USE] Your Invoice 7 (see it)'): boolean => {
    const filter = parseFilter(text)
    expect(filter.isText).toBe(true)
    expect(filter.fields.size).toBe(0)
    return filter.matches({}, () => visible)
  }

  test.each([
    ['invoice alice', true],
    ['invoice bob', false],
    ['"your invoice"', true],
    ['"invoice your"', false],
    ['"(see it)" retr', true],
    ['"never closed', false],
    ['"your inv', true],
    ['-ERR', true],
    ['[IN-USE]', true],
    ['size', false],
    ['is_hold', false],
    ['invoice in june', false],
    ['alice@example.org', false],
    ['', true],
    ['""', true],
  ])('%s: %s', (text, expected) => {
    expect(found(text)).toBe(expected)
  })

  test('are no expression: a mistake in one is told', () => {
    for (const text of ['errors >', '(no subject', 'errors = 1', 'a && b', '!user', 'user in ["a"']) {
      expect(refusal(text)).toBeInstanceOf(FilterError)
    }
  })
})

describe('what is no filter is told by a line that points at it', () => {
  test.each([
    ['usr == "x"', 0, 3, 'unknown field `usr` (did you mean `user`?)'],
    ['  usr == "x"', 2, 3, 'unknown field `usr` (did you mean `user`?)'],
    ['errors > 0 && zzz == 1', 14, 3, 'unknown field `zzz` (Tab shows all; put text in quotes)'],
    ['user.endWith("x")', 5, 7, 'unknown function `endWith` (did you mean `endsWith`?)'],
    ['nowhere(client)', 0, 7, 'unknown function `nowhere` (possible here: inNetwork, known, size)'],
    ['user > 5', 0, 8, '`>` does not go with text and a number'],
    ['errors && is_open', 0, 17, '`&&`, `||` and `!` join conditions; this is a number'],
    ['errors = 1', 7, 1, '`=` is no operator; is equal is written `==`'],
    ['errors >', 8, 1, 'the expression ends where a value is missing'],
    ['(errors > 0', 11, 1, '`)` is missing before the end'],
    ['(no subject)', 4, 7, '`)` is missing before `subject`; put text to search for in double quotes'],
    ['user == "x', 8, 2, 'the text in quotes never ends'],
    ['size > 1MB', 8, 2, '`*` is missing before `MB`, as in `2 * MB`'],
    [
      'user == null',
      0,
      12,
      '`null` is not possible in a filter; `known(user)` asks whether a field has a value',
    ],
    ['(errors)', 0, 8, 'this is a number, not a yes or no: compare it, as in `errors > 0`'],
    ['user + ("x")', 0, 12, 'this is text, not a yes or no: compare it, as in `user == "alice"`'],
    [
      'attachments.exists(a, a.nam == "x")',
      24,
      3,
      'an attachment has name, other_name, type, size, files and is_unlisted, no `nam`',
    ],
    ['known(1)', 6, 1, '`known` takes the name of a field, as in `known(user)`'],
    ['{"a": 1} == {}', 1, 1, '`{...}` is not possible in a filter'],
  ])('%s', (text, column, length, message) => {
    const { message: told, column: at, length: long } = refusal(text)
    expect({ told, at, long }).toEqual({ told: message, at: column, long: length })
  })

  test('in one line each', () => {
    for (const text of ['user ==\n(', 'user == "\\q"', '\u0000 == 1', 'if == 1']) {
      expect(refusal(text).message).toMatch(/^.+$/)
    }
  })
})

describe('bounds', () => {
  test('of length hold at the bound and refuse one more', () => {
    const exact = `(errors > 0${' '.repeat(FILTER_CHARACTERS - 12)})`
    expect(exact.length).toBe(FILTER_CHARACTERS)
    expect(holds(exact)).toBe(true)
    expect(refusal(`(errors > 0 ${' '.repeat(FILTER_CHARACTERS - 12)})`).message).toBe(
      `the filter has ${FILTER_CHARACTERS + 1} characters; at most ${FILTER_CHARACTERS} are possible`,
    )
  })

  test('of parentheses, lists and macros hold at the bound and refuse one more', () => {
    const parentheses = (levels: number) => `${'('.repeat(levels)}is_open${')'.repeat(levels)}`
    expect(holds(parentheses(PARSER_LIMITS.maxDepth - 1))).toBe(true)
    expect(refusal(parentheses(PARSER_LIMITS.maxDepth)).message).toContain('parentheses within each other')

    const list = (elements: number) => `errors in [${Array.from({ length: elements }, () => '1').join()}]`
    expect(holds(list(PARSER_LIMITS.maxListElements))).toBe(true)
    expect(refusal(list(PARSER_LIMITS.maxListElements + 1)).message).toBe('a list has at most 200 elements')

    const macros = (levels: number, inner = 'true'): string =>
      levels === 0 ? inner : `[1].exists(a, ${macros(levels - 1, inner)})`
    expect(holds(macros(MACRO_DEPTH))).toBe(true)
    expect(refusal(macros(MACRO_DEPTH + 1)).message).toContain('costs too much')
    for (const costly of [
      'attachments.exists(a, attachments.exists(b, a.name == b.name))',
      'attachments.exists(a, attachments[0].files.exists(f, f == a.name))',
      'attachments[0].files.exists(f, attachments.exists(a, a.name == f))',
      'attachments.exists(a, a.files.exists(f, a.files.exists(g, f == g)))',
      '[1].exists(x, attachments.exists(a, a.files.exists(f, f == "b")))',
    ])
      expect(refusal(costly).message).toContain('costs too much')
  })

  test('of conditions hold at the bound and refuse one more', () => {
    const chain = (conditions: number) => Array.from({ length: conditions }, () => 'is_open').join('&&')
    expect(holds(chain(NODE_DEPTH + 1))).toBe(true)
    expect(refusal(chain(NODE_DEPTH + 2)).message).toContain('conditions within each other')
  })

  test('end a tower of signs with an error and not with the stack', () => {
    expect(refusal(`${'!'.repeat(4_000)}is_open`)).toBeInstanceOf(FilterError)
    expect(refusal(`${'('.repeat(4_000)}`)).toBeInstanceOf(FilterError)
  })
})

describe("JavaScript's regular expressions", () => {
  afterEach(() => {
    vi.unstubAllGlobals()
  })

  test('are not made by any filter that matches, with patterns written out or not', () => {
    const filters = [
      'subject.matches("(?i)invoice")',
      'subject.matches(user)',
      'attachments.exists(a, a.name.matches("exe$"))',
      '["Re", "x"].exists(p, subject.matches(p))',
      '"abc".matches("b")',
      '(is_open ? subject : user).matches("INVOICE")',
      'header["x-spam"].matches("y")',
    ].map((text) => parseFilter(text))
    const made = vi.fn()
    vi.stubGlobal(
      'RegExp',
      new Proxy(RegExp, {
        construct: (target, args) => {
          made(...args)
          return Reflect.construct(target, args)
        },
      }),
    )
    expect(filters.map((filter) => filter.matches(REPLY, () => ''))).toEqual([
      true,
      false,
      true,
      true,
      true,
      true,
      true,
    ])
    expect(made).not.toHaveBeenCalled()
    // The trap works: the library left to itself falls into it.
    expect(new Environment().evaluate('"abc".matches("b")')).toBe(true)
    expect(made).toHaveBeenCalled()
  })

  test('cannot be reached: every function of the library that the language does not name is refused', () => {
    const { functions } = new Environment().getDefinitions()
    expect(functions.length).toBeGreaterThan(80)
    const foreign = functions.filter(({ name, receiverType }) =>
      receiverType === null ? !FUNCTIONS.has(name) : !METHODS.has(name),
    )
    expect(foreign.map(({ name }) => name)).toContain('duration')
    for (const { name, receiverType, params } of foreign) {
      const args = params.map(() => 'user').join(', ')
      const call = receiverType === null ? `${name}(${args})` : `user.${name}(${args})`
      expect(refusal(`${call} == user`).message, call).toContain(`unknown function \`${name}\``)
    }
  })

  test('are not what matches: lookaround is refused, and time is linear', () => {
    const { message, column, length } = refusal('subject.matches("(?=x)")')
    expect({ message, column, length }).toEqual({
      message: '`(?=` is not possible in a pattern: RE2 has neither lookaround nor references back',
      column: 16,
      length: 7,
    })
    for (const pattern of ['(a+)+$', '(a|aa)+$', '(a|a)*[bc]', '(.*)*[xy]']) {
      const filter = parseFilter(`subject.matches("${pattern}")`)
      const matching = (length: number) => {
        const fields = { subject: `${'a'.repeat(length)}!` }
        return () => filter.matches(fields, () => '')
      }
      // Few characters tell who backtracks; at more of them such an engine would not come to an end.
      expectGrowth('linear', { from: 4, times: 5 }, matching)
      expectGrowth('linear', { from: 1_000 }, matching)
      expect(matching(16_000)()).toBe(false)
    }
  })
})

describe('properties', () => {
  const word = fc.constantFrom(
    ...FIELD_NAMES,
    ...METHODS.keys(),
    ...FUNCTIONS.keys(),
    ...CONSTANTS.keys(),
    ...'a . ( ) [ ] { } , : ? == != < <= > >= && || ! + - * / % in 1 2.5 0x1 1u true null cel type string'.split(
      ' ',
    ),
    '"x"',
    "'y'",
    'r"\\d"',
    'b"z"',
    '"(a+)+$"',
    '"\\u0041"',
    '"\\',
    '//',
    '\n',
    'constructor',
    '__proto__',
  )
  const sentence = fc.array(word, { maxLength: 14 }).map((words) => words.join(' '))
  const anything = fc.oneof(sentence, fc.string({ unit: 'binary', maxLength: 60 }))

  test('any text is a filter or a FilterError that points into it, and asking a filter never throws', () => {
    fc.assert(
      fc.property(anything, (text) => {
        try {
          const filter = parseFilter(text)
          expect(filter.matches(REPLY, () => text)).toBeTypeOf('boolean')
          expect(filter.matches({}, () => '')).toBeTypeOf('boolean')
        } catch (error) {
          if (!(error instanceof FilterError)) throw error
          expect(error.message).toMatch(/^.+$/u)
          expect(error.column).toBeGreaterThanOrEqual(0)
          expect(error.column).toBeLessThanOrEqual(text.length)
          expect(error.length).toBeGreaterThanOrEqual(1)
        }
      }),
      { numRuns: 5_000 },
    )
  })

  test('words without a sign are never an error', () => {
    const plain = fc.string({ unit: fc.constantFrom(...'abcdef-_.@ 0123"\'&|?:[]{}/\\$€'), maxLength: 40 })
    fc.assert(
      fc.property(plain, (text) => {
        fc.pre(!/&&|\|\||\bin\s*\[/.test(text))
        expect(() => parseFilter(text)).not.toThrow()
      }),
      { numRuns: 2_000 },
    )
  })
})
