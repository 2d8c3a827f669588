import { describe, expect, it } from 'vitest'
import { decodeText, SAFE_TEXT_CODE_POINTS, safeText } from '../../src/trace/safe-text.js'
import { expectGrowth } from '../support/growth.js'

describe('safeText', () => {
  it('leaves printable text as it is', () => {
    for (const text of ['', 'RETR 3', 'j\u00fcrgen', '\u65e5\u672c', '\u{1f40a}', '{bold}', 'a\\x1bb']) {
      expect(safeText(text)).toBe(text)
    }
  })

  const hostile: readonly (readonly [string, string, string])[] = [
    ['a title', '\x1b]0;owned\x07', '\\x1b]0;owned\\x07'],
    ['the clipboard', '\x1b]52;c;eA==\x1b\\', '\\x1b]52;c;eA==\\x1b\\'],
    ['a forged link', '\x1b]8;;http://x\x1b\\', '\\x1b]8;;http://x\\x1b\\'],
    ['concealed text', '\x1b[8mx', '\\x1b[8mx'],
    ['an 8-bit CSI', '\u009b31m', '\\x9b31m'],
    ['an 8-bit CSI as an octet that is no UTF-8', '\x9b31m', '\\x9b31m'],
    ['line ends', 'a\r\nb', 'a\\x0d\\x0ab'],
    ['Unicode line ends', 'a\u0085b\u2028c\u2029d', 'a\\x85b\\u{2028}c\\u{2029}d'],
    ['backspace, tab, NUL, DEL', '\b\t\0\x7f', '\\x08\\x09\\x00\\x7f'],
    ['bidi controls', 'a\u202eb\u2066c\u2069d\u200f', 'a\\u{202e}b\\u{2066}c\\u{2069}d\\u{200f}'],
    ['zero-width characters', 'a\u200bb\u200dc\ufeffd', 'a\\u{200b}b\\u{200d}c\\u{feff}d'],
    ['soft hyphen', 'a\u00adb', 'a\\xadb'],
    ['tag characters', '\u{e0041}', '\\u{e0041}'],
    ['half a surrogate pair', 'a\ud800b', 'a\\u{d800}b'],
    ['private use', '\ue000\u{f0000}', '\\u{e000}\\u{f0000}'],
  ]
  for (const [name, text, shown] of hostile) {
    it(`shows ${name} instead of doing it`, () => expect(safeText(text)).toBe(shown))
  }

  it('makes every octet and every code point harmless', () => {
    const harmless = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]*$/u
    for (let octet = 0; octet < 256; octet += 1)
      expect(safeText(Buffer.of(0x61, octet, 0x61))).toMatch(harmless)
    for (let point = 0; point <= 0x10ffff; point += 64) {
      const points = Array.from({ length: 64 }, (_, index) => String.fromCodePoint(point + index))
      expect(safeText(points.join(' '))).toMatch(harmless)
    }
  })

  it('reads octets as UTF-8, and as Latin-1 where they are none', () => {
    expect(safeText(Buffer.from('j\u00fcrgen'))).toBe('j\u00fcrgen')
    expect(safeText(Buffer.from('j\xfcrgen', 'latin1'))).toBe('j\u00fcrgen')
    expect(decodeText(Buffer.from('\u00e9\xff', 'latin1'))).toBe('\u00e9\u00ff')
  })

  it('reads UTF-8 that holds U+FFFD as the UTF-8 it is', () => {
    expect(safeText(Buffer.from('a\ufffdb\u00fc'))).toBe('a\ufffdb\u00fc')
  })

  it('takes exactly the maximum and cuts one more, with a count', () => {
    expect(safeText('x'.repeat(SAFE_TEXT_CODE_POINTS))).toBe('x'.repeat(SAFE_TEXT_CODE_POINTS))
    expect(safeText('x'.repeat(513))).toBe(`${'x'.repeat(512)}… (+1)`)
    expect(safeText('abc', 2)).toBe('ab… (+1)')
    expect(safeText(Buffer.from('x'.repeat(513)))).toBe(`${'x'.repeat(512)}… (+1)`)
  })

  it('cuts no surrogate pair in two', () => {
    expect(safeText('a\u{1f40a}b', 2)).toBe('a… (+3)')
  })

  it('keeps long UTF-8 readable wherever its octets are cut', () => {
    for (const text of ['\u00fc', '\u65e5', '\u{1f40a}']) {
      for (let before = 0; before < 5; before += 1) {
        const shown = safeText(Buffer.from('a'.repeat(before) + text.repeat(1_000)), 16)
        expect(shown.startsWith('a'.repeat(before) + text.repeat(5)), shown).toBe(true)
        expect(shown).toMatch(/… \(\+\d+\)$/)
      }
    }
  })

  it('bounds its output and its work for input of any length', () => {
    expect(safeText(Buffer.alloc(16_000_000, 0x1b)).length).toBeLessThan(512 * 8 + 32)
    expect(safeText('\u202e'.repeat(4_000_000)).length).toBeLessThan(512 * 10 + 32)
    const inputs = [
      (length: number) => Buffer.alloc(length, 0x1b),
      (length: number) => Buffer.from('\u65e5'.repeat(length / 4)),
      (length: number) => '\u202e'.repeat(length / 4),
      (length: number) => 'x'.repeat(length),
    ]
    for (const inputOf of inputs) {
      expectGrowth('constant', { from: 1_000_000 }, (length) => {
        const input = inputOf(length)
        return () => safeText(input)
      })
    }
  })
})
