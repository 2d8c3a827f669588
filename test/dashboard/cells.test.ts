import blessed from 'blessed'
import fc from 'fast-check'
import stringWidth from 'string-width'
import { describe, expect, it, vi } from 'vitest'
import { cutTo, padTo, toCells, unitWidth, widthOf, wrapTo } from '../../src/dashboard/cells.js'
import { expectGrowth } from '../support/growth.js'

declare module 'blessed' {
  const unicode: { strWidth(text: string): number }
}

const HARMFUL = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{M}]/u

/** Text of what hostile mail is made of, beside any text. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc
    .array(
      fc.constantFrom(
        '\x1b[31m',
        '\x1b]52;c;AAAA\x07',
        '\x9b2J',
        '\u202e',
        '\u2066',
        '{red-fg}',
        'e\u0301',
        'e\u0334\u0335',
        '漢',
        '👨‍👩‍👧‍👦',
        '⚠️',
        '🇩🇪',
        '\ud800',
        '\u3000',
        'ｶﾞ',
        'กำ',
        'क्ष',
        '한',
        '\r\n',
        'a',
        ' ',
      ),
      { maxLength: 20 },
    )
    .map((parts) => parts.join('')),
)

function characters(from: number, to: number): readonly string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => String.fromCodePoint(from + index))
}

describe('toCells', () => {
  it.each([
    ['plain ASCII stays', 'RETR 1 {bold}', 'RETR 1 {bold}'],
    ['Latin letters stay', 'Müller ñ £', 'Müller ñ £'],
    ['C0 controls become their pictures', '\x1b[31mred\x07\t\r\n', '␛[31mred␇␉␍␊'],
    ['DEL becomes its picture', 'a\x7fb', 'a␡b'],
    ['C1 controls become the replacement character', '\x9b31m', '�31m'],
    ['bidi controls become dots', 'a\u202eb\u2066c', 'a·b·c'],
    ['invisible characters become dots', 'a\u200bb\u00adc\ufeffd', 'a·b·c·d'],
    ['a combining pair is composed', 'e\u0301', 'é'],
    ['marks without a letter of their own are left out', 'x\u0334\u0335\u0336y', 'xy'],
    ['a mark on nothing becomes a dot', '\u0301a', '·a'],
    ['CJK stays', '漢字テスト', '漢字テスト'],
    ['an emoji is two boxes', 'a😀b', 'a□□b'],
    ['an emoji of several is two boxes', '👨‍👩‍👧‍👦', '□□'],
    ['a flag is two boxes', '🇩🇪', '□□'],
    ['a sign with a variation selector is the sign', '⚠\ufe0f', '⚠'],
    ['a lone surrogate is the replacement character', 'a\ud83db', 'a�b'],
    ['odd blanks are blanks', 'a\u00a0b\u2003c', 'a b c'],
    ['a wide blank is two', 'a\u3000b', 'a  b'],
    ['private use is a box', '\ue0b0', '□'],
    ['decomposed Hangul is composed', '\u1112\u1161\u11ab', '한'],
  ])('%s', (_name, text, cells) => {
    expect(toCells(text)).toBe(cells)
  })

  it('leaves nothing of any text that a terminal acts on, and each code unit a character', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const cells = toCells(text)
        expect(cells).not.toMatch(HARMFUL)
        expect([...cells].length).toBe(cells.length)
      }),
      { numRuns: 2_000 },
    )
  })

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(toCells(toCells(text))).toBe(toCells(text))
      }),
    )
  })

  it('gives each character of the plane a width that blessed and string-width agree on', () => {
    const wrong: string[] = []
    for (let unit = 0; unit < 0x10000; unit += 1) {
      const cells = toCells(String.fromCharCode(unit))
      const width = widthOf(cells)
      if (width !== stringWidth(cells) || width !== blessed.unicode.strWidth(cells))
        wrong.push(unit.toString(16))
    }
    expect(wrong).toEqual([])
  })

  it('takes no short cut that the long way does not lead to', () => {
    const own = [
      '…',
      '□',
      '�',
      ...[...'─│█▀▄░ ␛␡·ÿ'],
      ...characters(0x2400, 0x2421),
      ...characters(0x2500, 0x259f),
    ]
    // A wide neighbour sends the whole text the long way.
    for (const character of [...own, ...characters(0x20, 0x7e), ...characters(0xa0, 0xff)]) {
      expect(toCells(`${character}漢`)).toBe(`${toCells(character)}漢`)
      expect(widthOf(`${character}漢`)).toBe(widthOf(character) + 2)
    }
  })

  it('says the same of a cluster again and again, however many others came between', () => {
    const clusters = characters(0x1f600, 0x1f64f).flatMap((person) =>
      characters(0x1f600, 0x1f64f).map((other) => `${person}\u200d${other}`),
    )
    const once = clusters.map(toCells)
    expect(clusters.map(toCells)).toEqual(once)
    expect(toCells('👨‍👩‍👧‍👦⚠\ufe0fe\u0334👨‍👩‍👧‍👦⚠\ufe0fe\u0334')).toBe('□□⚠e□□⚠e')
  })

  it('is as wide as blessed and string-width take it for, whatever stands beside each other', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const cells = toCells(text)
        expect(stringWidth(cells)).toBe(widthOf(cells))
        expect(blessed.unicode.strWidth(cells)).toBe(widthOf(cells))
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('widthOf', () => {
  it('counts two cells for wide characters', () => {
    expect(widthOf('a漢b')).toBe(4)
    expect(unitWidth('漢'.charCodeAt(0))).toBe(2)
    expect(unitWidth('a'.charCodeAt(0))).toBe(1)
  })
})

describe('cutTo and padTo', () => {
  it.each([
    ['alice@example.org', 10, 'alice@exa…'],
    ['short', 10, 'short'],
    ['exactly', 7, 'exactly'],
    ['漢字漢字', 5, '漢字…'],
    // The second half of a wide character has no room beside the ellipsis.
    ['漢字漢字', 6, '漢字…'],
    ['anything', 1, '…'],
    ['anything', 0, ''],
    ['anything', -3, ''],
  ])('%s in %i cells is %s', (text, width, cut) => {
    expect(cutTo(text, width)).toBe(cut)
  })

  it('fills on either side', () => {
    expect(padTo('12', 5, 'right')).toBe('   12')
    expect(padTo('ab', 5)).toBe('ab   ')
    expect(padTo('漢字漢字', 6)).toBe('漢字… ')
  })

  it('never gives another width than asked for', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 0, max: 40 }), (text, width) => {
        expect(widthOf(padTo(text, width))).toBe(width)
        expect(widthOf(cutTo(text, width))).toBeLessThanOrEqual(width)
      }),
    )
  })
})

describe('wrapTo', () => {
  it.each([
    ['one two three', 7, ['one two', 'three']],
    ['one two three', 8, ['one two', 'three']],
    ['unbreakable', 4, ['unbr', 'eaka', 'ble']],
    ['a\nb\r\nc', 10, ['a', 'b', 'c']],
    ['', 10, ['']],
    ['漢字漢字', 5, ['漢字', '漢字']],
    ['漢', 1, ['□', '']],
    ['  indented text', 10, ['  indented', 'text']],
  ])('%j in %i cells', (text, width, lines) => {
    expect(wrapTo(text, width)).toEqual(lines)
  })

  it('keeps every line within its width and every letter', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), fc.integer({ min: 1, max: 30 }), (text, width) => {
        const lines = wrapTo(text, width)
        for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width)
        expect(lines.join('').replaceAll(' ', '')).toBe(toCells(text).replaceAll(' ', ''))
      }),
    )
  })
})

describe('text that stands in many rows', () => {
  /** Counts how often text is cut into graphemes, which costs far more than all else. */
  function segmentationsOf(work: () => unknown): number {
    const segment = vi.spyOn(Intl.Segmenter.prototype, 'segment')
    try {
      work()
      return segment.mock.calls.length
    } finally {
      segment.mockRestore()
    }
  }

  it('is not cut into graphemes where it is a ruled line', () => {
    expect(segmentationsOf(() => padTo(`── Text ${'─'.repeat(152)}`, 160))).toBe(0)
    // What counts does count.
    expect(segmentationsOf(() => padTo('漢', 160))).toBeGreaterThan(0)
  })

  it('is cut once where it holds 512 emoji, each of which was measured when it first came', () => {
    const emoji = '😀👩‍👩‍👧🇩🇪❤️'.repeat(128)
    const once = padTo(emoji, 160)
    let again = ''
    expect(segmentationsOf(() => (again = padTo(emoji, 160)))).toBe(1)
    expect(again).toBe(once)
  })

  it('is the same whether it is segmented in pieces or at once, wherever they end', () => {
    const clusters = [
      '😀',
      '👩‍👩‍👧',
      '🇩🇪',
      '❤️',
      'e\u0301',
      '漢',
      '\r\n',
      'กำ',
      `x${'\u0301'.repeat(10_000)}`,
      'a',
    ]
    fc.assert(
      fc.property(
        fc.integer({ min: 4_080, max: 4_100 }),
        fc.array(fc.constantFrom(...clusters), { minLength: 1, maxLength: 8 }),
        (count, parts) => {
          const before = '─'.repeat(count)
          const behind = parts.join('')
          expect(toCells(before + behind)).toBe(before + toCells(behind))
        },
      ),
      { numRuns: 100 },
    )
  })

  it.each([
    ['a ruled line', '─'],
    ['emoji', '😀👩‍👩‍👧🇩🇪❤️'],
    ['wide characters', '漢'],
  ])('costs the same for each of its characters: %s', (_, piece) => {
    expectGrowth('linear', { from: 64 }, (count) => {
      const text = piece.repeat(count)
      return () => padTo(text, 160)
    })
  })
})
