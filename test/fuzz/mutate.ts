/**
 * Makes new inputs of old ones. Owns the ways of spoiling octets and the words of POP3 that chance would not
 * find; draws all its chance from the generator it is given.
 */
import { COMMAND_TABLE } from '../../src/pop3/command-table.js'
import { CANARY, CANARY_BASE64 } from '../support/canary.js'

/** Longest input: beyond the low limits of the targets, short enough to be quick. */
export const LONGEST_INPUT = 2_048

const MOST_MUTATIONS = 6
const LONGEST_RUN = 96
const OCTETS_OF_INTEREST = [0, 9, 10, 13, 32, 42, 43, 45, 46, 61, 64, 91, 93, 127, 128, 155, 160, 223, 255]

const WORDS: readonly Buffer[] = [
  ...COMMAND_TABLE.keys(),
  ...[
    '\r\n',
    '\n',
    '\r',
    '\r\n.\r\n',
    '\r\n.',
    '\r\n..',
    '.\r\n',
    '+OK',
    '+OK\r\n',
    '-ERR',
    '-ERR [SYS/TEMP] ',
    '+ ',
  ],
  ...[
    '+\r\n',
    '*\r\n',
    ' ',
    '  ',
    '\t',
    '=',
    'AUTH PLAIN ',
    'PASS ',
    '<a@b>',
    '[AUTH]',
    '\0',
    '__proto__',
    CANARY,
  ],
  ...[
    CANARY_BASE64,
    ` ${CANARY}`,
    'xPASS',
    '1',
    '99999999999',
    'SASL ',
    '-PLUS',
    'STLS\r\n',
    'PIPELINING\r\n',
  ],
].map((word) => Buffer.from(word, 'latin1'))

type Mutation = (input: Buffer, pick: Picker, other: Buffer) => Buffer

interface Picker {
  below(bound: number): number
  of<Item>(items: readonly [Item, ...Item[]] | readonly Item[]): Item
}

/**
 * Spoils a copy of `input` in one to {@link MOST_MUTATIONS} ways.
 *
 * @param other another input, from which pieces are taken
 */
export function mutate(input: Buffer, other: Buffer, random: () => number): Buffer {
  const pick = pickerOf(random)
  let mutated: Buffer = Buffer.from(input)
  for (let count = 1 + pick.below(MOST_MUTATIONS); count > 0; count -= 1) {
    mutated = pick.of(MUTATIONS)(mutated, pick, other)
  }
  return mutated.subarray(0, LONGEST_INPUT)
}

const MUTATIONS: readonly Mutation[] = [
  function flipBit(input, pick) {
    const at = pick.below(input.length)
    return replaced(input, at, at + 1, Buffer.of((input[at] ?? 0) ^ (1 << pick.below(8))))
  },
  function setOctet(input, pick) {
    const at = pick.below(input.length)
    return replaced(input, at, at + 1, Buffer.of(pick.below(256)))
  },
  function setOctetOfInterest(input, pick) {
    const at = pick.below(input.length)
    return replaced(input, at, at + 1, Buffer.of(pick.of(OCTETS_OF_INTEREST)))
  },
  function insertWord(input, pick) {
    const at = pick.below(input.length + 1)
    return replaced(input, at, at, pick.of(WORDS))
  },
  function replaceByWord(input, pick) {
    const at = pick.below(input.length)
    return replaced(input, at, at + pick.below(8), pick.of(WORDS))
  },
  function remove(input, pick) {
    const at = pick.below(input.length)
    return replaced(input, at, at + 1 + pick.below(16), Buffer.alloc(0))
  },
  function repeatRange(input, pick) {
    const at = pick.below(input.length)
    const range = input.subarray(at, at + 1 + pick.below(16))
    return replaced(input, at, at, range)
  },
  function insertRun(input, pick) {
    const at = pick.below(input.length + 1)
    return replaced(input, at, at, Buffer.alloc(pick.below(LONGEST_RUN), pick.of(OCTETS_OF_INTEREST)))
  },
  function takeFromOther(input, pick, other) {
    const from = pick.below(other.length)
    const at = pick.below(input.length + 1)
    return replaced(input, at, at + pick.below(32), other.subarray(from, from + 1 + pick.below(64)))
  },
  function endAsOther(input, pick, other) {
    return Buffer.concat([
      input.subarray(0, pick.below(input.length)),
      other.subarray(pick.below(other.length)),
    ])
  },
]

function replaced(input: Buffer, from: number, to: number, by: Buffer): Buffer {
  return Buffer.concat([input.subarray(0, from), by, input.subarray(Math.max(from, to))])
}

function pickerOf(random: () => number): Picker {
  const below = (bound: number): number => Math.floor(random() * Math.max(1, bound))
  return {
    below,
    of: (items) => {
      const item = items[below(items.length)]
      if (item === undefined) throw new RangeError('nothing to pick from')
      return item
    },
  }
}
